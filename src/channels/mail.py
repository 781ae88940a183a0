"""Email: one message to all recipients over SMTP, with TLS and login."""

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import format_datetime

from ..errors import DeliveryError
from ..message import Report
from ..settings import MailSettings
from . import Outcome

TIMEOUT = 60.0
"""Seconds for one wait on the mail server; RFC 5321 4.5.3.2 allows it minutes, an hourly run does not."""
_XLSX = ("application", "vnd.openxmlformats-officedocument.spreadsheetml.sheet")


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
        """Send one message to all addresses; raise DeliveryError if the server takes it for none."""
        message = compose(report, self._settings.smtp_from, self.recipients)
        try:
            refused = await asyncio.to_thread(self._transmit, message)
        except smtplib.SMTPRecipientsRefused as error:
            refused = error.recipients
        except (OSError, smtplib.SMTPException) as error:
            raise DeliveryError(
                f"The mail server {self._settings.smtp_host}:{self._settings.smtp_port} did not take the report "
                f"({_reason(error)}). Check the SMTP_ settings, then run this window again."
            ) from error
        return [self._outcome(address, refused, message["Message-ID"]) for address in self.recipients]

    def _transmit(self, message: EmailMessage) -> dict[str, tuple[int, bytes]]:
        with self._connect() as server:
            server.login(self._settings.smtp_user, self._settings.smtp_password.get_secret_value())
            return server.send_message(message, self._settings.smtp_from, self.recipients)

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

    def _outcome(self, address: str, refused: dict[str, tuple[int, bytes]], message_id: str) -> Outcome:
        if address not in refused:
            return Outcome(channel=self.name, recipient=address, receipt=message_id)
        code, reply = refused[address]
        return Outcome(
            channel=self.name,
            recipient=address,
            failure=f"The mail server refused {address} ({code} {_text(reply)}). "
            "Correct or remove it in SMTP_TO, then run this window again.",
        )


def compose(report: Report, sender: str, recipients: tuple[str, ...]) -> EmailMessage:
    """Write the report as one message; its Message-ID is the same at every attempt."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = ", ".join(recipients)
    message["Subject"] = report.subject
    message["Date"] = format_datetime(report.created)
    message["Message-ID"] = f"<{report.identity}@{_domain(sender)}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office replies
    message.set_content(report.text)
    maintype, subtype = _XLSX
    message.add_attachment(
        report.attachment.read_bytes(), maintype=maintype, subtype=subtype, filename=report.attachment.name
    )
    return message


def _domain(address: str) -> str:
    return address.rpartition("@")[2]


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_text(error.smtp_error)}"
    return f"{type(error).__name__}: {error}"


def _text(reply: bytes | str) -> str:
    return reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
