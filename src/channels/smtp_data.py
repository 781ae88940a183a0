"""One message over an open connection to a mail server, piece by piece, so that it is never whole in memory."""

import asyncio
from collections.abc import Sequence

from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPReadTimeoutError,
    SMTPRecipientRefused,
    SMTPResponse,
    SMTPServerDisconnected,
    SMTPStatus,
)

from .mime import Mail

_LOOK = 0.02
"""Seconds between two looks at whether a piece has left; a line of 100 Mbit/s is not slowed by them."""


async def transmit(
    server: SMTP, sender: str, recipients: Sequence[str], mail: Mail, wait: float
) -> tuple[dict[str, SMTPRecipientRefused], str]:
    """Send `mail`; return the recipients that were refused and the server's last words, none if all were.

    `wait` is how many seconds a piece, or an answer, may take. Raise SMTPException or OSError.
    """
    # SIZE of RFC 1870, so that what is too large is refused before it is sent.
    await server.mail(sender, options=[f"size={mail.size}"] if server.supports_extension("size") else [])
    refused = {}
    for recipient in recipients:
        try:
            await server.rcpt(recipient)
        except SMTPRecipientRefused as error:
            refused[recipient] = error
    return refused, "" if len(refused) == len(recipients) else await _data(server, mail, wait)


async def _data(server: SMTP, mail: Mail, wait: float) -> str:
    """Send the message itself (RFC 5321 4.1.1.4)."""
    answer = await server.execute_command(b"DATA")
    if answer.code == SMTPStatus.start_input:
        if not server.protocol or not isinstance(server.transport, asyncio.WriteTransport):
            raise SMTPServerDisconnected("Connection lost")
        # Listened for from the beginning: some servers refuse a message in its midst.
        reply = asyncio.create_task(server.protocol.read_response())
        try:
            is_whole = await _write(server.transport, mail, reply, wait)
            async with asyncio.timeout(wait):
                answer = await reply
        except TimeoutError as error:
            raise SMTPReadTimeoutError("Timed out waiting for server response") from error
        finally:
            reply.cancel()
            await asyncio.gather(reply, return_exceptions=True)
        if answer.code == SMTPStatus.completed and not is_whole:
            raise SMTPServerDisconnected("It said that it has the message before it had all of it")
    if answer.code != SMTPStatus.completed:
        raise SMTPDataError(answer.code, answer.message)
    return answer.message


async def _write(transport: asyncio.WriteTransport, mail: Mail, reply: asyncio.Task[SMTPResponse], wait: float) -> bool:
    """Write the message and the dot that ends it; stop where there is an answer already. Tell if all was written."""
    for piece in mail.pieces():
        # A line that begins with a dot gets another one (RFC 5321 4.5.2); no piece begins with such a line.
        transport.write(piece.replace(b"\r\n.", b"\r\n.."))
        async with asyncio.timeout(wait):
            await asyncio.sleep(0)
            while transport.get_write_buffer_size() and not reply.done():  # noqa: ASYNC110 - it tells only its protocol
                await asyncio.sleep(_LOOK)
        if reply.done():
            return False
    transport.write(b".\r\n")
    return True
