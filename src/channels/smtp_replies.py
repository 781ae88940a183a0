"""What a mail server's answers and failures mean, in words for the operator."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from aiosmtplib import (
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from ..config.settings import MailSettings
from ..errors import DeliveryError, TooLargeError
from ..runtime.connection import trouble


@contextmanager
def translated(settings: MailSettings) -> Iterator[None]:
    """Turn whatever aiosmtplib raises into DeliveryError."""
    try:
        yield
    except (OSError, SMTPException) as error:
        server = f"The mail server {settings.smtp_host}:{settings.smtp_port}"
        if isinstance(error, SMTPResponseException) and is_too_large(error):
            said = f"({error.code} {line(error.message)})"
            raise TooLargeError(f"The message is too large for {server[0].lower()}{server[1:]} {said}.") from error
        why, transient = _why(error, settings)
        ambiguous = isinstance(error, SMTPServerDisconnected | SMTPTimeoutError)
        sentence = f"{server} {why}, then run this window again."
        raise DeliveryError(sentence, transient=transient, ambiguous=ambiguous) from error


def _why(error: Exception, settings: MailSettings) -> tuple[str, bool]:
    """Complete "The mail server …" with what it did and what to do; tell whether to try again."""
    if isinstance(error, SMTPResponseException):
        return _refusal(error), is_transient(error)
    if isinstance(error, SMTPException) and not isinstance(error, OSError):
        return f"offers no STARTTLS or no login ({line(error.message)}). Try SMTP_SECURITY=tls with port 465", False
    found = trouble(error)
    mend = found.mend
    if "TLS" in found.what:
        mend = "Set SMTP_SECURITY=starttls if this port is 587, or SMTP_PORT=465"
    elif "in time" in found.what and settings.smtp_security == "starttls":
        mend = "Set SMTP_SECURITY=tls if this port is 465; else look at the network between"
    return f"did not take it: {found.what}. {mend}", found.transient


def _refusal(error: SMTPResponseException) -> str:
    said = f"({error.code} {line(error.message)})"
    match error:
        case SMTPAuthenticationError():
            return f"does not accept SMTP_USER with SMTP_PASSWORD {said}. Correct them (Gmail wants an app password)"
        case SMTPSenderRefused():
            return f"refused the sender {said}. Set SMTP_FROM to an address that SMTP_USER may send from"
        case SMTPDataError():
            return f"refused the message {said}. Look at its words and at the provider's limits"
    return f"turned the connection away {said}. Look at its words and at the provider's limits"


def is_transient(error: SMTPResponseException) -> bool:
    """Tell whether a reply is of the class "not now" (RFC 5321 4.2.1)."""
    return 400 <= error.code < 500


def is_too_large(error: SMTPResponseException) -> bool:
    """Tell whether a message was refused for its size.

    The enhanced code says so, where there is one (RFC 3463: 5.2.3, 5.3.4); else 552 does, but not at a recipient,
    where it means a full mailbox.
    """
    enhanced = re.search(r"\b5\.[0-9]{1,3}\.[0-9]{1,3}\b", error.message)
    if enhanced:
        return enhanced[0] in ("5.2.3", "5.3.4")
    return error.code == 552 and not isinstance(error, SMTPRecipientRefused)


def line(reply: str) -> str:
    """Write a reply in one line."""
    return " ".join(reply.split())
