"""DeliveryErrors of a mail server: from replies by the table of rules, from broken connections by a diagnosis."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiosmtplib import (
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPHeloError,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)
from msgspec.structs import replace

from ..config.settings import MailSettings, SmtpSecurity
from ..errors import DeliveryError
from ..runtime.connection import ConnectionFailure, Kind, diagnose
from .interface import connection_error, rule_error
from .smtp_data import DotError, UnansweredError
from .smtp_reply import NO_REPLY, Phase, Reply, decode
from .smtp_rules import RULES, TOO_LARGE, UNANSWERED, SmtpRule, classify

_PHASES = {
    SMTPHeloError: Phase.EHLO,
    SMTPAuthenticationError: Phase.AUTH,
    SMTPSenderRefused: Phase.MAIL,
    SMTPRecipientRefused: Phase.RCPT,
    SMTPDataError: Phase.DATA,
    DotError: Phase.DOT,
}


_NO_GREETING: tuple[Kind, ...] = ("not_tls", "timed_out", "broken")
"""Whoever waits for a greeting on a port of TLS waits in vain, or until the server hangs up."""
SECURITY_REMEDIES: tuple[tuple[tuple[Kind, ...], SmtpSecurity, tuple[int, ...], str], ...] = (
    (_NO_GREETING, "starttls", (465,), "Set SMTP_SECURITY=tls, which goes with port 465"),
    (_NO_GREETING, "tls", (587,), "Set SMTP_SECURITY=starttls, which goes with port 587"),
    (
        ("not_tls",),
        "tls",
        (),
        "Set SMTP_SECURITY=starttls if the port expects it, as 587 does; otherwise correct the port",
    ),
    (("not_tls",), "starttls", (), "Check SMTP_HOST and SMTP_PORT"),
    (("timed_out", "broken"), "starttls", (587,), ""),
    (
        ("timed_out", "broken"),
        "starttls",
        (),
        "Set SMTP_SECURITY=tls if the port expects it; otherwise check the network",
    ),
)
"""What to do about a connection that fails before the greeting: by the kind of failure, SMTP_SECURITY, and SMTP_PORT.

Without ports, a row is for any. The first row that fits counts; an empty remedy is the diagnosis's own.
"""


@contextmanager
def smtp_errors(settings: MailSettings, *, connecting: bool = False) -> Iterator[None]:
    """Raise a DeliveryError for whatever aiosmtplib raises in the block; `connecting`: up to the server's greeting."""
    try:
        yield
    except (OSError, SMTPException) as error:
        if isinstance(error, SMTPResponseException):
            raise refusal(error, settings, Phase.CONNECT if connecting else None) from error
        is_open = not connecting and settings.smtp_security == "tls"
        failure = diagnose(error, address="SMTP_HOST", is_open=is_open)
        by_security = _security_remedy(failure, settings) if connecting or failure.kind == "not_tls" else ""
        failure = replace(failure, remedy=by_security or failure.remedy, group="The mail server can't be reached")
        what = f"The mail server {_name(settings)} could not be used:"
        raise connection_error(failure, f"smtp.{failure.kind}", what) from error


def refusal(
    error: SMTPResponseException,
    settings: MailSettings,
    phase: Phase | None = None,
    *,
    setting: str = "",
    others_accepted: bool = False,
) -> DeliveryError:
    """Return the error of a reply that refuses, in the `phase` that the kind of `error` names if none is given.

    With a `setting`, which lists the recipient, it is about that one. `others_accepted` tells whether the server
    accepted any address for the same message.
    """
    message = error.message.removeprefix("Malformed SMTP response line: ") if error.code == NO_REPLY else error.message
    reply = Reply(
        phase=phase or _PHASES.get(type(error), Phase.STARTTLS),
        code=error.code,
        text=decode(message),
        sender=settings.sender.address,
        recipient=error.recipient if setting and isinstance(error, SMTPRecipientRefused) else "",
        login=settings.smtp_login,
    )
    server = _name(settings)
    target = reply.recipient or f"the mail server {server}"
    facts = {"server": server, "recipient": reply.recipient, "setting": setting, "target": target}
    return _as_error(classify(reply, others_accepted=others_accepted), reply.quote, facts)


def refused_before(key: str, settings: MailSettings) -> DeliveryError:
    """Return the error of a login that is not tried, because it was refused before; `key` was the problem's.

    Of a key that no rule has only this is said: it may come from the ledger, and so from anybody.
    """
    rules = {rule.key: rule for rule in reversed(RULES)}
    rule = rules.get(key, rules["smtp.login"])
    why = f"{rule.reason} It refused this login twice within an hour, so that no further one is tried now."
    return _as_error(replace(rule, reason=why), "", {"server": _name(settings)})


def unanswered(error: UnansweredError, settings: MailSettings) -> DeliveryError:
    """Return the error of a message that the server may have accepted."""
    why = diagnose(error, is_open=True).reason if isinstance(error.__cause__, OSError) else error.message
    return _as_error(UNANSWERED, "", {"server": _name(settings), "why": why})


def _as_error(rule: SmtpRule, said: str, facts: dict[str, str]) -> DeliveryError:
    return rule_error(rule, said, facts, too_large=rule is TOO_LARGE, ambiguous=rule.ambiguous)


def _security_remedy(failure: ConnectionFailure, settings: MailSettings) -> str:
    for kinds, security, ports, remedy in SECURITY_REMEDIES:
        fits = security == settings.smtp_security and (not ports or settings.smtp_port in ports)
        if failure.kind in kinds and fits:
            return remedy
    return ""


def _name(settings: MailSettings) -> str:
    return f"{settings.smtp_host}:{settings.smtp_port}"
