"""Email: one message to all recipients over SMTP, with TLS and login."""

import asyncio
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

from ..errors import DeliveryError
from ..message import ALERT, Report
from ..network import trouble
from ..settings import MailSettings
from . import Outcome

TIMEOUT = 60.0
"""Seconds for one wait on the mail server; RFC 5321 4.5.3.2 allows it minutes, an hourly run does not."""
_XLSX = ("application", "vnd.openxmlformats-officedocument.spreadsheetml.sheet")

Refused = dict[str, tuple[int, bytes]]


class MailChannel:
    """Sends a report from one mailbox to several addresses; each sees the others in To."""

    name = "email"

    def __init__(self, settings: MailSettings, tls: ssl.SSLContext, timeout: float = TIMEOUT) -> None:
        self._settings = settings
        self._tls = tls
        self._timeout = timeout

    @property
    def recipients(self) -> tuple[str, ...]:
        """The addresses of SMTP_TO."""
        return self._settings.smtp_to

    async def send(self, report: Report) -> list[Outcome]:
        """Send one message to all addresses; raise DeliveryError if the server does not take it."""
        message = compose(report, self._settings.smtp_from, self.recipients)
        refused = await asyncio.to_thread(self._transmit, message)
        return [self._outcome(address, refused, message["Message-ID"]) for address in self.recipients]

    async def alert(self, text: str, at: datetime) -> None:
        """Send `text` to all addresses; raise DeliveryError if the server takes it for none."""
        message = _addressed(self._settings.smtp_from, self.recipients, ALERT.rstrip(":"))
        message["Date"] = format_datetime(at)
        message["Message-ID"] = make_msgid("alert", _domain(self._settings.smtp_from))
        message.set_content(text)
        refused = await asyncio.to_thread(self._transmit, message)
        if len(refused) == len(self.recipients):
            raise DeliveryError(f"The mail server refused every address of SMTP_TO. {_MEND_ADDRESS}")

    def _transmit(self, message: EmailMessage) -> Refused:
        with _translated(self._settings), self._connect() as server:
            server.login(self._settings.smtp_user, self._settings.smtp_password.get_secret_value())
            try:
                return server.send_message(message, self._settings.smtp_from, self.recipients)
            except smtplib.SMTPRecipientsRefused as error:  # raised only if all are
                return error.recipients

    def _connect(self) -> smtplib.SMTP:
        host, port = self._settings.smtp_host, self._settings.smtp_port
        # HELO with the sender's domain: a pod's own name is none that a mail server could look up.
        domain = _domain(self._settings.smtp_from)
        if self._settings.smtp_security == "tls":
            return smtplib.SMTP_SSL(host, port, domain, timeout=self._timeout, context=self._tls)
        server = smtplib.SMTP(host, port, domain, timeout=self._timeout)
        try:
            server.starttls(context=self._tls)
        except BaseException:
            server.close()
            raise
        return server

    def _outcome(self, address: str, refused: Refused, message_id: str) -> Outcome:
        if address not in refused:
            return Outcome(channel=self.name, recipient=address, receipt=message_id)
        code, reply = refused[address]
        why = f"The mail server refused {address} ({code} {_text(reply)}). {_MEND_ADDRESS}"
        return Outcome(channel=self.name, recipient=address, failure=why)


_MEND_ADDRESS = "Correct or remove it in SMTP_TO, or have its mailbox mended, then run this window again."


def compose(report: Report, sender: str, recipients: tuple[str, ...]) -> EmailMessage:
    """Write the report as one message; its Message-ID is the same at every attempt."""
    message = _addressed(sender, recipients, report.subject)
    message["Date"] = format_datetime(report.created)
    message["Message-ID"] = f"<{report.identity}@{_domain(sender)}>"
    message.set_content(report.text)
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
    """Turn whatever smtplib raises into DeliveryError."""
    try:
        yield
    except (OSError, smtplib.SMTPException) as error:
        server = f"The mail server {settings.smtp_host}:{settings.smtp_port}"
        raise DeliveryError(f"{server} {_why(error, settings)}, then run this window again.") from error


def _why(error: Exception, settings: MailSettings) -> str:
    """Complete "The mail server …" with what it did and what to do about it."""
    said = f"({error.smtp_code} {_text(error.smtp_error)})" if isinstance(error, smtplib.SMTPResponseException) else ""
    match error:
        case smtplib.SMTPAuthenticationError():
            return f"does not accept SMTP_USER with SMTP_PASSWORD {said}. Correct them (Gmail wants an app password)"
        case smtplib.SMTPSenderRefused():
            return f"refused the sender {said}. Set SMTP_FROM to an address that SMTP_USER may send from"
        case smtplib.SMTPDataError():
            return f"refused the message {said}. Look at its words and at the provider's limits"
        case smtplib.SMTPResponseException():
            return f"turned the connection away {said}. Look at its words and at the provider's limits"
        case smtplib.SMTPNotSupportedError():
            return f"offers no STARTTLS or no login ({error}). Try SMTP_SECURITY=tls with port 465"
    found = trouble(error)
    mend = found.mend
    if "TLS" in found.what:
        mend = "Set SMTP_SECURITY=starttls if this port is 587, or SMTP_PORT=465"
    elif "in time" in found.what and settings.smtp_security == "starttls":
        mend = "Set SMTP_SECURITY=tls if this port is 465; else look at the network between"
    return f"did not take the report: {found.what}. {mend}"


def _domain(address: str) -> str:
    return address.rpartition("@")[2]


def _text(reply: bytes | str) -> str:
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    return " ".join(text.split())
