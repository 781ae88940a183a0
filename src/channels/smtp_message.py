"""A report as a mail, never whole in memory: written around its workbook, and sent piece by piece."""

import asyncio
import re
from binascii import b2a_base64
from collections.abc import Iterator, Sequence
from datetime import datetime
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, make_msgid, parseaddr
from pathlib import Path

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
from msgspec.structs import replace

from ..config.settings import Sender
from ..domain.delivery import MEDIA_TYPE
from ..message.alert import AlertText
from ..message.content import Report
from ..message.mail import render_page, render_subject, render_text, unlinked
from ..phrases.language import phrases_of
from ..runtime.visible_text import shortened
from .interface import unreadable
from .smtp_reply import Phase, Reply, decode
from .smtp_rules import is_one_too_many


class _Lines(EmailPolicy):
    """Lines of headers may be longer than the usual 78 (RFC 5322 2.1.1 allows 998): a subject is not folded.

    But one that has to be encoded is: an encoded word has at most 75 characters, its line 76 (RFC 2047 2). The
    library's own folding takes the longer lines for those too, and with shorter ones doubles blanks.
    """

    def fold_binary(self, name: str, value: str) -> bytes:
        """Write a header."""
        if value.isascii() or name not in ("Subject", "From"):
            return super().fold_binary(name, value)
        words, address = parseaddr(value) if name == "From" else (value, "")
        line = f"{name}: {Header(words, 'utf-8', 76, name).encode(linesep=self.linesep)}"
        return f"{line}{f'{self.linesep} <{address}>' if address else ''}{self.linesep}".encode()


SMTP_LINES = _Lines(linesep="\r\n", max_line_length=200)
_SUBJECT = 200
"""UTF-16 units of an alert's subject: what a list of mails shows, and some more."""
_ANY_ADDRESS = re.compile(r"[^\s,;“”]+@[\w.-]*\w")
_PLACE = b"the workbook"
"""Stands in for the file until it is sent."""
_LINE = 57
"""Bytes of a line of base64: 76 characters (RFC 2045 6.8)."""
_PIECE = 4096 * _LINE
_FIRST_LOOK, _LAST_LOOK = 0.001, 0.02
"""Seconds before the first look at whether a piece has left; each further wait is twice as long, up to the second
figure. A line of 1 Gbit/s is hardly slowed by that, and a slow one takes hardly any processor time."""

_NOT_SMTP = "its reply is not valid SMTP"


class Mail(Struct, frozen=True, kw_only=True):
    """A whole message in lines that end in CRLF, the `workbook` of `workbook_size` bytes between head and tail."""

    head: bytes
    workbook: Path | None = None
    workbook_size: int = 0
    tail: bytes = b""

    @property
    def size(self) -> int:
        """Bytes of head, base64 and tail, as they are sent."""
        return len(self.head) + in_base64(self.workbook_size) + len(self.tail)

    def pieces(self) -> Iterator[bytes]:
        """Yield the message in pieces of some 300 kB at most, cut at the ends of lines.

        Raise DeliveryError if the workbook can't be read.
        """
        yield self.head
        for read in _read(self.workbook) if self.workbook else ():
            text = b2a_base64(read, newline=False)
            lines = [text[place : place + 76] for place in range(0, len(text), 76)]
            yield b"\r\n".join([*lines, b""])
        yield self.tail


def _read(path: Path) -> Iterator[bytes]:
    """Read a file in pieces of whole lines of base64."""
    try:
        with path.open("rb") as file:
            while read := file.read(_PIECE):
                yield read
    except OSError as error:  # not the mail server's fault
        raise unreadable(path, error) from error


def in_base64(size: int) -> int:
    """Count the bytes that `size` bytes become in lines of base64."""
    lines, rest = divmod(size, _LINE)
    return lines * 78 + ((rest + 2) // 3 * 4 + 2 if rest else 0)


def compose(report: Report, sender: Sender, recipients: tuple[str, ...]) -> Mail:
    """Write the report as one message; its Message-ID is the same at every attempt."""
    content, attachment = report.content, report.attachment
    named = replace(sender, name=sender.name or content.name)
    message = _addressed(named, recipients, render_subject(content))
    message["Date"] = format_datetime(report.created)
    # Another one without the workbook: a mailbox that drops repeats must take it when it comes with it after all.
    suffix = ".without-file" if attachment.left_out else ""
    message["Message-ID"] = f"<{report.identity}{suffix}@{domain(sender.address)}>"
    if report.repeats:
        message["References"] = f"<{report.repeats}@{domain(sender.address)}>"
    # Quoted-printable: plain ASCII in lines of bounded length, whatever the server can do.
    message.set_content(render_text(content, attachment), cte="quoted-printable")
    message.add_alternative(render_page(content, attachment), subtype="html", cte="quoted-printable")
    if not attachment.is_attached:
        return Mail(head=message.as_bytes(policy=SMTP_LINES))
    maintype, _, subtype = MEDIA_TYPE.partition("/")
    message.add_attachment(_PLACE, maintype=maintype, subtype=subtype, filename=attachment.name)
    head, _, tail = message.as_bytes(policy=SMTP_LINES).rpartition(b2a_base64(_PLACE, newline=False) + b"\r\n")
    return Mail(head=head, workbook=report.workbook, workbook_size=attachment.size, tail=tail)


def compose_alert(words: AlertText, at: datetime, sender: Sender, recipients: Sequence[str]) -> Mail:
    """Write an alert of these `words`, dated `at` (aware), as one message; their first line is its subject.

    If recipients are hidden, the subject names no address, as the subject of an all-clear otherwise may.
    """
    first = str(words).partition("\n")[0]
    first = _ANY_ADDRESS.sub("an address", first) if sender.hides_recipients else first
    message = _addressed(sender, recipients, shortened(first, _SUBJECT).rstrip(".:"))
    message["Date"] = format_datetime(at)
    message["Message-ID"] = make_msgid("alert", domain(sender.address))
    text = "".join(unlinked(piece.text) if piece.is_quote else piece.text for piece in words.pieces)
    message.set_content(text, cte="quoted-printable")
    return Mail(head=message.as_bytes(policy=SMTP_LINES))


def as_repeat(report: Report) -> Report:
    """Return the report with the remark that it may be a repeat."""
    content = report.content
    remarks = [*content.remarks, phrases_of(content.language).REPEAT]
    return replace(report, content=replace(content, remarks=remarks))


def _addressed(sender: Sender, recipients: Sequence[str], line: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = Address(sender.name, addr_spec=sender.address)
    if sender.reply_to:
        message["Reply-To"] = sender.reply_to
    # Hidden recipients are named in the envelope alone; filters take a message without any To for junk.
    message["To"] = sender.address if sender.hides_recipients else ", ".join(recipients)
    message["Subject"] = line
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office replies
    message["X-Auto-Response-Suppress"] = "All"  # Exchange's own word for that, and for receipts
    return message


def domain(address: str) -> str:
    """Return what stands behind the @ of `address`."""
    return address.rpartition("@")[2]


class DotError(SMTPDataError):
    """The server refused the message itself."""


class UnansweredError(SMTPServerDisconnected):
    """The server may have accepted the message; the text, or the connection error behind it, says why it is unknown."""


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
