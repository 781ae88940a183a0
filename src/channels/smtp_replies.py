"""What a mail server's answers and failures mean: whose fault they are, and in words for the operator."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from aiosmtplib import (
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)

from ..config.settings import MailSettings
from ..errors import DeliveryError, Fault, TooLargeError
from ..runtime.connection import diagnose
from .smtp_data import UnansweredError

_ENHANCED = re.compile(r"(?<![0-9.])5\.[0-9]{1,3}\.[0-9]{1,3}(?!\.?[0-9])")
_SENDER = ("5.1.7", "5.1.8")
"""Enhanced codes of a sender whose mailbox, or whose domain, isn't accepted (RFC 3463 3.2)."""
_NAME_NOT_ALLOWED = 553
"""Postfix's reply where the login doesn't own the sender: at RCPT, for smtpd_delay_reject is its default."""
_MEND_ADDRESS = (
    "Have its mailbox mended and run this window again, or correct it in SMTP_TO and run it again with --resend."
)


@contextmanager
def translated(settings: MailSettings) -> Iterator[None]:
    """Turn whatever aiosmtplib raises into DeliveryError; what concerns the sending as a whole is our fault."""
    try:
        yield
    except (OSError, SMTPException) as error:
        server = f"The mail server {settings.smtp_host}:{settings.smtp_port}"
        if isinstance(error, SMTPResponseException) and is_too_large(error):
            said = f"({error.code} {line(error.message)})"
            raise TooLargeError(f"The message is too large for {server[0].lower()}{server[1:]} {said}.") from error
        why, transient = _why(error, settings)
        sentence = f"{server} {why}, then run this window again."
        ambiguous = isinstance(error, UnansweredError)
        raise DeliveryError(sentence, transient=transient, ambiguous=ambiguous) from error


def judged(refused: Mapping[str, SMTPRecipientRefused], *, some_accepted: bool) -> dict[str, DeliveryError]:
    """Judge the refusals at RCPT of one sending, for which `some_accepted` tells whether any address was accepted."""
    return {address: _judged(address, reply, some_accepted=some_accepted) for address, reply in refused.items()}


def _judged(address: str, reply: SMTPRecipientRefused, *, some_accepted: bool) -> DeliveryError:
    said = f"({reply.code} {line(reply.message)})"
    if is_too_large(reply):
        return TooLargeError(f"The message is too large for {address} {said}.")
    if is_transient(reply) or _fault(reply, some_accepted=some_accepted) == "theirs":
        why = f"The mail server refused {address} {said}. {_MEND_ADDRESS}"
        return DeliveryError(why, transient=is_transient(reply), fault="theirs")
    if reply.code == _NAME_NOT_ALLOWED or _enhanced(reply) in _SENDER:
        why = f"refused the sender {said}. Set SMTP_FROM to an address that SMTP_USER may send from"
    else:
        why = f"refused the message for every recipient {said}. Look at its words and at the provider's limits"
    return DeliveryError(f"The mail server {why}, then run this window again.")


def _fault(reply: SMTPRecipientRefused, *, some_accepted: bool) -> Fault:
    """Tell whose fault a refusal for good at RCPT is, by its enhanced code (RFC 3463)."""
    code = _enhanced(reply)
    if code in _SENDER:
        return "ours"
    if not code or code.startswith(("5.1.", "5.2.")):  # the address, the mailbox
        return "theirs"
    # Policy and the like: ours where it keeps everyone from it.
    return "theirs" if some_accepted else "ours"


def _why(error: Exception, settings: MailSettings) -> tuple[str, bool]:
    """Complete "The mail server …" with what it did and what to do; tell whether to try again."""
    if isinstance(error, SMTPResponseException):
        return _refusal(error), is_transient(error)
    if isinstance(error, SMTPException) and not isinstance(error, OSError):
        return f"offers no STARTTLS or no login ({line(error.message)}). Try SMTP_SECURITY=tls with port 465", False
    found = diagnose(error)
    if isinstance(error, UnansweredError):
        return f"did not say whether it took it: {found.reason}. {found.remedy}", True
    remedy = found.remedy
    if "TLS" in found.reason:
        remedy = "Set SMTP_SECURITY=starttls if this port is 587, or SMTP_PORT=465"
    elif "in time" in found.reason and settings.smtp_security == "starttls":
        remedy = "Set SMTP_SECURITY=tls if this port is 465; else look at the network between"
    return f"did not take it: {found.reason}. {remedy}", found.transient


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
    if enhanced := _enhanced(error):
        return enhanced in ("5.2.3", "5.3.4")
    return error.code == 552 and not isinstance(error, SMTPRecipientRefused)


def _enhanced(error: SMTPResponseException) -> str:
    """Return a reply's enhanced code (RFC 3463), nothing where there is none; some servers put it at the end."""
    found = _ENHANCED.search(error.message)
    return found[0] if found else ""


def line(reply: str) -> str:
    """Write a reply in one line."""
    return " ".join(reply.split())
