"""What a mail server's answers and failures mean: whose fault they are, and in words for the operator."""

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
    SMTPStatus,
)

from ..config.settings import MailSettings
from ..errors import DeliveryError, Fault, TooLargeError
from ..runtime.connection import ConnectionFailure, diagnose
from ..runtime.visible_text import in_quotes

_ENHANCED = re.compile(r"(?<![0-9.])[45]\.[0-9]{1,3}\.[0-9]{1,3}(?!\.?[0-9])")
_SENDER = ("5.1.7", "5.1.8")
"""Enhanced codes of a sender whose mailbox, or whose domain, isn't accepted (RFC 3463 3.2)."""
_NAME_NOT_ALLOWED = 553
"""Postfix's reply where the login doesn't own the sender: at RCPT, for smtpd_delay_reject is its default."""


@contextmanager
def translated(settings: MailSettings) -> Iterator[None]:
    """Turn whatever aiosmtplib raises into DeliveryError; what concerns the sending as a whole is our fault."""
    try:
        yield
    except (OSError, SMTPException) as error:
        server = _name(settings)
        if isinstance(error, SMTPResponseException):
            raise _refusal(error, server) from error
        if isinstance(error, SMTPException) and not isinstance(error, OSError):
            raise DeliveryError(
                "smtp.no_login",
                f"The {server} offers no STARTTLS or no login ({in_quotes(error.message)}).",
                "Try SMTP_SECURITY=tls with port 465.",
            ) from error
        raise _connection_failure(error, server, settings) from error


def unanswered(error: Exception, settings: MailSettings) -> DeliveryError:
    """Describe an answer to a whole message that did not come."""
    found = diagnose(error)
    reason = f"The {_name(settings)} did not say whether it took the message: {found.reason}."
    return DeliveryError("smtp.unanswered", reason, f"{found.remedy}.", transient=True, ambiguous=True)


def _name(settings: MailSettings) -> str:
    return f"mail server {settings.smtp_host}:{settings.smtp_port}"


def judged(address: str, reply: SMTPRecipientRefused, setting: str, *, some_accepted: bool) -> DeliveryError:
    """Judge a refusal at RCPT of an address that `setting` names.

    `some_accepted` tells whether any address was accepted for the same message.
    """
    said = f"({in_quotes(f'{reply.code} {reply.message}')})"
    if is_too_large(reply):
        return TooLargeError(f"The message is too large for {address} {said}.")
    if is_transient_reply(reply) or _fault(reply, some_accepted=some_accepted) == "theirs":
        is_policy = _enhanced(reply).startswith("5.7.")
        return DeliveryError(
            "smtp.recipient_policy" if is_policy else "smtp.recipient_refused",
            f"The mail server refused {address} {said}.",
            "Ask whoever runs the recipient's mail server to accept mail from SMTP_FROM."
            if is_policy
            else f"Correct the address in {setting}, or have the mailbox restored.",
            transient=is_transient_reply(reply),
            fault="theirs",
        )
    if reply.code == _NAME_NOT_ALLOWED or _enhanced(reply) in _SENDER:
        return _sender_refused(said)
    return DeliveryError(
        "smtp.refused_for_all",
        f"The mail server refused the message for every recipient {said}.",
        "Read the server's words, and check the provider's limits.",
    )


def _fault(reply: SMTPRecipientRefused, *, some_accepted: bool) -> Fault:
    """Tell whose fault a refusal for good at RCPT is, by its enhanced code (RFC 3463)."""
    code = _enhanced(reply)
    if code in _SENDER:
        return "ours"
    if not code or code.startswith(("5.1.", "5.2.")):  # the address, the mailbox
        return "theirs"
    # Policy and the like: ours where it keeps everyone from it.
    return "theirs" if some_accepted else "ours"


def _refusal(error: SMTPResponseException, server: str) -> DeliveryError:
    """Describe a reply that concerns the whole sending."""
    if error.code == SMTPStatus.invalid_response:  # not quoted: it may be the answer to a login
        reason = f"The {server} sent a reply that is not valid SMTP."
        return DeliveryError("smtp.not_smtp", reason, "Check SMTP_HOST, SMTP_PORT and any proxy on the way.")
    said = f"({_quoted(error)})"
    if is_too_large(error):
        return TooLargeError(f"The message is too large for the {server} {said}.")
    provider = "Read the server's words, and check the provider's limits."
    match error:
        case SMTPSenderRefused() if not is_transient_reply(error) or _enhanced(error).startswith("4.1."):
            return _sender_refused(said, transient=is_transient_reply(error))
        case SMTPSenderRefused() if _enhanced(error).startswith("4.7."):
            key, reason = "smtp.rate_limit", f"The {server} limits how much may be sent, and takes no more now {said}."
            remedy = "Wait, or send less; whoever runs the server can raise the limit."
        case SMTPAuthenticationError():
            key, reason = "smtp.login", f"The {server} does not accept SMTP_USER with SMTP_PASSWORD {said}."
            remedy = "Correct them; Gmail wants an app password."
        case SMTPDataError() | SMTPSenderRefused():
            key, reason, remedy = "smtp.message", f"The {server} refused the message {said}.", provider
        case _:
            key, reason, remedy = "smtp.turned_away", f"The {server} turned the connection away {said}.", provider
    return DeliveryError(key, reason, remedy, transient=is_transient_reply(error))


def _sender_refused(said: str, *, transient: bool = False) -> DeliveryError:
    return DeliveryError(
        "smtp.sender",
        f"The mail server refused the sender {said}.",
        "Set SMTP_FROM to an address that SMTP_USER may send from.",
        transient=transient,
    )


def _connection_failure(error: Exception, server: str, settings: MailSettings) -> DeliveryError:
    found = diagnose(error)
    reason = f"The {server} could not be used: {found.reason}."
    return DeliveryError(f"smtp.{found.kind}", reason, f"{_remedy(found, settings)}.", transient=found.transient)


def _remedy(found: ConnectionFailure, settings: MailSettings) -> str:
    """Say what to do, naming SMTP_SECURITY where the port may want the other one.

    Whoever waits for a greeting on a port of TLS waits in vain, or until the server hangs up.
    """
    if found.kind not in ("not_tls", "timed_out", "broken"):
        return found.remedy
    if settings.other_security:
        return f"Set SMTP_SECURITY={settings.other_security}, which goes with port {settings.smtp_port}"
    if found.kind == "not_tls":
        return "Set SMTP_SECURITY=starttls if the port speaks it, as 587 does; otherwise check host and port"
    if settings.smtp_security == "starttls" and settings.smtp_port != 587:
        return (
            "Set SMTP_SECURITY=tls if the port speaks TLS from the first byte, as 465 does; "
            "otherwise check the network on the way"
        )
    return found.remedy


def is_transient_reply(error: SMTPResponseException) -> bool:
    """Return whether a reply is of the class "not now" (RFC 5321 4.2.1)."""
    return 400 <= error.code < 500


def is_too_large(error: SMTPResponseException) -> bool:
    """Return whether a message was refused for its size.

    The enhanced code says so, where there is one (RFC 3463: 5.2.3, 5.3.4); else 552 does, but not at a recipient,
    where it means a full mailbox.
    """
    if enhanced := _enhanced(error):
        return enhanced in ("5.2.3", "5.3.4")
    return error.code == 552 and not isinstance(error, SMTPRecipientRefused)


def is_one_too_many(error: SMTPRecipientRefused) -> bool:
    """Return whether a recipient may be refused only because the message has as many as the server takes at once.

    The enhanced code says so (RFC 3463: X.5.3), of whatever class, for 552 is what RFC 821 had for it; else 452 may
    mean that (RFC 5321 4.5.3.1.10), or a full mailbox.
    """
    if enhanced := _enhanced(error):
        return enhanced in ("4.5.3", "5.5.3")
    return error.code == 452


def _enhanced(error: SMTPResponseException) -> str:
    """Return a reply's enhanced code (RFC 3463), nothing where there is none; some servers put it at the end."""
    found = (match[0] for match in _ENHANCED.finditer(error.message))
    return next((code for code in found if code[0] == str(error.code)[0]), "")


def _quoted(error: SMTPResponseException) -> str:
    """Quote a reply; of one to a login only the codes, because its words may repeat the password."""
    if isinstance(error, SMTPAuthenticationError):
        return f"{error.code} {_enhanced(error)}".rstrip()
    return in_quotes(f"{error.code} {error.message}")
