"""One message over an open connection to a mail server, piece by piece, so that it is never whole in memory."""

import asyncio
from collections.abc import Sequence

from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPRecipientRefused,
    SMTPResponse,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPStatus,
)
from msgspec import Struct

from .mime import Mail
from .smtp_reply import Phase, Reply, decode
from .smtp_rules import is_one_too_many

_FIRST_LOOK, _LAST_LOOK = 0.001, 0.02
"""Seconds before the first look at whether a piece has left; each further wait is twice as long, up to the second
figure. A line of 1 Gbit/s is hardly slowed by that, and a slow one takes hardly any processor time."""

_NOT_SMTP = "its reply is not valid SMTP"


class DotError(SMTPDataError):
    """The server refused the message itself."""


class UnansweredError(SMTPServerDisconnected):
    """The server may have accepted the message; the text, or the connection error behind it, is why nobody knows."""


class Envelope(Struct, frozen=True, kw_only=True):
    """The recipients of one message, accepted or refused; `rest` were too many for it and go with a further one."""

    accepted: list[str]
    refused: dict[str, SMTPRecipientRefused]
    rest: Sequence[str]


async def envelope(server: SMTP, sender: str, recipients: Sequence[str], size: int) -> Envelope:
    """Announce a message of `size` bytes to as many of `recipients` as the server takes at once.

    Raise SMTPException or OSError if the server takes none from this sender, or closes the connection.
    """
    # SIZE of RFC 1870, so that what is too large is refused before it is sent.
    await server.mail(sender, options=[f"size={size}"] if server.supports_extension("size") else [])
    accepted, refused = list[str](), dict[str, SMTPRecipientRefused]()
    for place, recipient in enumerate(recipients):
        try:
            await server.rcpt(recipient)
        except SMTPRecipientRefused as error:
            if error.code == SMTPStatus.domain_unavailable:
                raise  # 421 is about the connection, which it ends
            if is_success(error.code):  # 252, for example
                accepted.append(recipient)
                continue
            reply = Reply(phase=Phase.RCPT, code=error.code, text=decode(error.message))
            if accepted and is_one_too_many(reply):
                return Envelope(accepted=accepted, refused=refused, rest=recipients[place:])
            refused[recipient] = error
        else:
            accepted.append(recipient)
    return Envelope(accepted=accepted, refused=refused, rest=())


def is_success(code: int) -> bool:
    """Return whether a reply accepts what was asked, by its first digit (RFC 5321 4.2.1)."""
    return 200 <= code < 300


async def data(server: SMTP, mail: Mail, wait: float, deadline: float) -> str:
    """Send the message itself (RFC 5321 4.1.1.4); return the server's last words.

    `wait` is how many seconds a piece may take. The answer to the final dot may come until `deadline`, by the event
    loop's clock; RFC 5321 4.5.3.2.6 advises ten minutes, for giving up early is what makes duplicates.
    Raise UnansweredError if none came, and another SMTPException or OSError if the message was not taken.
    """
    async with asyncio.timeout_at(deadline):
        answer = await server.execute_command(b"DATA")
    if answer.code != SMTPStatus.start_input:
        raise SMTPDataError(answer.code, answer.message)
    if not server.protocol or not isinstance(server.transport, asyncio.WriteTransport):
        raise SMTPServerDisconnected("Connection lost")
    # Listened for from the beginning: some servers refuse a message in its midst.
    reply = asyncio.create_task(server.protocol.read_response())
    try:
        async with asyncio.timeout_at(deadline):
            is_whole = await _write(server.transport, mail, reply, wait)
        answer = await _answer_to_dot(reply, deadline) if is_whole else await reply
    finally:
        reply.cancel()
        await asyncio.gather(reply, return_exceptions=True)
    if 400 <= answer.code < 600:
        raise DotError(answer.code, answer.message)
    if not is_success(answer.code):
        raise UnansweredError(_NOT_SMTP)
    if not is_whole:
        raise UnansweredError("it accepted the message before all of it was sent")
    return decode(answer.message)


async def _write(transport: asyncio.WriteTransport, mail: Mail, reply: asyncio.Task[SMTPResponse], wait: float) -> bool:
    """Write the message and the dot that ends it; stop where there is an answer already. Tell if all was written."""
    for piece in mail.pieces():
        # A line that begins with a dot gets another one (RFC 5321 4.5.2); no piece begins with such a line.
        transport.write(piece.replace(b"\r\n.", b"\r\n.."))
        look = _FIRST_LOOK
        async with asyncio.timeout(wait):
            await asyncio.sleep(0)
            while transport.get_write_buffer_size() and not reply.done():
                await asyncio.sleep(look)
                look = min(look * 2, _LAST_LOOK)
        if reply.done():
            return False
    transport.write(b".\r\n")
    return True


async def _answer_to_dot(reply: asyncio.Task[SMTPResponse], deadline: float) -> SMTPResponse:
    try:
        async with asyncio.timeout_at(deadline):
            return await reply
    except SMTPResponseException as error:
        raise UnansweredError(_NOT_SMTP) from error
    except OSError as error:
        raise UnansweredError(str(error)) from error
