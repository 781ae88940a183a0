"""Email: one message to all recipients over SMTP, with TLS and login."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence, Set
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_LINES
from email.utils import format_datetime, make_msgid

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from ..errors import DeliveryError
from ..message import ALERT, Report
from ..network import trouble
from ..settings import MailSettings
from . import Outcome, not_delivered

TIMEOUT = 60.0
"""Seconds for one wait on the mail server; RFC 5321 4.5.3.2 allows it minutes, an hourly run does not."""
_XLSX = ("application", "vnd.openxmlformats-officedocument.spreadsheetml.sheet")
_MEND_ADDRESS = (
    "Have its mailbox mended and run this window again, or correct it in SMTP_TO and run it again with --resend."
)


class MailChannel:
    """Sends a report from one mailbox to several addresses; each sees the others in To."""

    name = "email"
    one_by_one = False

    def __init__(self, settings: MailSettings, tls: ssl.SSLContext, timeout: float = TIMEOUT) -> None:
        self._settings = settings
        self._tls = tls
        self._timeout = timeout

    @property
    def recipients(self) -> tuple[str, ...]:
        """The addresses of SMTP_TO."""
        return self._settings.smtp_to

    async def send(self, report: Report, recipients: Sequence[str], repeats: Set[str]) -> list[Outcome]:  # noqa: ARG002
        """Send one message; a repeat is known by its Message-ID, so that nothing in it has to say so."""
        message = compose(report, self._settings.smtp_from, self.recipients)
        try:
            refused, reply = await self._transmit(message, recipients)
        except DeliveryError as error:
            return not_delivered(self.name, recipients, error)
        return [self._outcome(address, refused.get(address), reply) for address in recipients]

    async def alert(self, text: str, at: datetime) -> None:
        """Send `text` to all addresses; raise DeliveryError if the server takes it for none."""
        message = _addressed(self._settings.smtp_from, self.recipients, ALERT.rstrip(":"))
        message["Date"] = format_datetime(at)
        message["Message-ID"] = make_msgid("alert", _domain(self._settings.smtp_from))
        message.set_content(text)
        refused, _ = await self._transmit(message, self.recipients)
        if len(refused) == len(self.recipients):
            raise DeliveryError(f"The mail server refused every address of SMTP_TO. {_MEND_ADDRESS}")

    async def _transmit(
        self, message: EmailMessage, recipients: Sequence[str]
    ) -> tuple[dict[str, SMTPRecipientRefused], str]:
        """Send `message`; return those refused and the server's last words."""
        with _translated(self._settings):
            async with self._connection() as server:
                try:
                    lines = message.as_bytes(policy=SMTP_LINES)
                    errors, reply = await server.sendmail(self._settings.smtp_from, recipients, lines)
                except SMTPRecipientsRefused as error:  # raised only if all are
                    return {refused.recipient: refused for refused in error.recipients}, ""
        return {
            address: SMTPRecipientRefused(said.code, said.message, address) for address, said in errors.items()
        }, reply

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[SMTP]:
        settings = self._settings
        server = SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            use_tls=settings.smtp_security == "tls",
            start_tls=settings.smtp_security == "starttls",
            tls_context=self._tls,
            # HELO with the sender's domain: a pod's own name is none that a mail server could look up.
            local_hostname=_domain(settings.smtp_from),
            timeout=self._timeout,
        )
        transport = None
        try:
            await server.connect()
            transport = server.transport
            await server.login(settings.smtp_user, settings.smtp_password.get_secret_value())
            yield server
            with suppress(SMTPException):  # the message is taken; how the server says goodbye changes nothing
                await server.quit()
        finally:
            server.close()
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()  # not waiting for the other side's goodbye, which may never come
            await asyncio.sleep(0)  # the loop closes the socket at its next turn

    def _outcome(self, address: str, refused: SMTPRecipientRefused | None, reply: str) -> Outcome:
        if refused is None:
            return Outcome(channel=self.name, recipient=address, state="delivered", receipt=_line(reply))
        why = f"The mail server refused {address} ({refused.code} {_line(refused.message)}). {_MEND_ADDRESS}"
        (outcome,) = not_delivered(self.name, [address], DeliveryError(why, transient=_is_transient(refused)))
        return outcome


def compose(report: Report, sender: str, recipients: tuple[str, ...]) -> EmailMessage:
    """Write the report as one message; its Message-ID is the same at every attempt."""
    words = report.worded(report.file)
    message = _addressed(sender, recipients, words.subject)
    message["Date"] = format_datetime(report.created)
    message["Message-ID"] = f"<{report.identity}@{_domain(sender)}>"
    if report.repeats:
        message["References"] = f"<{report.repeats}@{_domain(sender)}>"
    # Quoted-printable: plain ASCII in lines of bounded length, whatever the server can do.
    message.set_content(words.text, cte="quoted-printable")
    message.add_alternative(words.html, subtype="html", cte="quoted-printable")
    maintype, subtype = _XLSX
    message.add_attachment(
        report.attachment.read_bytes(), maintype=maintype, subtype=subtype, filename=report.attachment.name
    )
    return message


def _addressed(sender: str, recipients: tuple[str, ...], subject: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = sender
    message["To"] = ", ".join(recipients)
    message["Subject"] = subject
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office replies
    return message


@contextmanager
def _translated(settings: MailSettings) -> Iterator[None]:
    """Turn whatever aiosmtplib raises into DeliveryError."""
    try:
        yield
    except (OSError, SMTPException) as error:
        server = f"The mail server {settings.smtp_host}:{settings.smtp_port}"
        why, transient = _why(error, settings)
        ambiguous = isinstance(error, SMTPServerDisconnected | SMTPTimeoutError)
        sentence = f"{server} {why}, then run this window again."
        raise DeliveryError(sentence, transient=transient, ambiguous=ambiguous) from error


def _why(error: Exception, settings: MailSettings) -> tuple[str, bool]:
    """Complete "The mail server …" with what it did and what to do; tell whether to try again."""
    if isinstance(error, SMTPResponseException):
        return _refusal(error), _is_transient(error)
    if isinstance(error, SMTPException) and not isinstance(error, OSError):
        return f"offers no STARTTLS or no login ({_line(error.message)}). Try SMTP_SECURITY=tls with port 465", False
    found = trouble(error)
    mend = found.mend
    if "TLS" in found.what:
        mend = "Set SMTP_SECURITY=starttls if this port is 587, or SMTP_PORT=465"
    elif "in time" in found.what and settings.smtp_security == "starttls":
        mend = "Set SMTP_SECURITY=tls if this port is 465; else look at the network between"
    return f"did not take it: {found.what}. {mend}", found.transient


def _refusal(error: SMTPResponseException) -> str:
    said = f"({error.code} {_line(error.message)})"
    match error:
        case SMTPAuthenticationError():
            return f"does not accept SMTP_USER with SMTP_PASSWORD {said}. Correct them (Gmail wants an app password)"
        case SMTPSenderRefused():
            return f"refused the sender {said}. Set SMTP_FROM to an address that SMTP_USER may send from"
        case SMTPDataError():
            return f"refused the message {said}. Look at its words and at the provider's limits"
    return f"turned the connection away {said}. Look at its words and at the provider's limits"


def _is_transient(error: SMTPResponseException) -> bool:
    """Tell whether a reply is of the class "not now" (RFC 5321 4.2.1)."""
    return 400 <= error.code < 500


def _domain(address: str) -> str:
    return address.rpartition("@")[2]


def _line(reply: str) -> str:
    return " ".join(reply.split())
