"""What comes of a mail server's replies in a run: who gets the report, who is alerted of what, and the exit code."""

from collections.abc import Callable
from typing import Any

import pytest

from ..builders import NO_TIME, OPTION
from ..conftest import Run
from ..faults import copies, mailbox
from ..sandbox import RECIPIENTS, Sandbox

RunTool = Callable[..., Run]
FIRST, SECOND = RECIPIENTS
DISABLED = (
    "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. "
    "Visit https://aka.ms/smtp_auth_disabled for more information."
)
GREYLISTED = "450 4.2.0 <manager@example.com>: Recipient address rejected: Greylisted"
RUSSIAN = "Письмо отклонено: похоже на спам"
KOI8 = f"554 5.7.1 {RUSSIAN}".encode("koi8-r").decode("utf-8", "surrogateescape")


def logins(*replies: str) -> dict[str, Any]:
    """Let each login of a run be answered so."""
    return {"login_faults": [*replies] * 9}


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"login_faults": ["454 4.7.0 Temporary authentication failure"]}, "smtp.login_later"),
        ({"login_faults": ["421 4.3.0 Temporary System Problem. Try again later, cut"]}, "smtp.login_later"),
        ({"login_faults": ["432 4.7.12 A password transition is needed"]}, "smtp.login_later"),
        ({"refused_once": {FIRST: GREYLISTED}}, "smtp.recipient_later"),
        ({"refused_once": {FIRST: "451 4.7.1 Greylisting in action, please come back later"}}, "smtp.recipient_later"),
        ({"refused_once": {FIRST: "421 4.3.0 Server local data error"}}, "smtp.busy"),
        ({"data_faults": ["432 4.3.2 Concurrent connections limit exceeded."]}, "smtp.rate_limit"),
        ({"data_faults": ["454 Throttling failure: Maximum sending rate exceeded."]}, "smtp.rate_limit"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_the_server_does_later_reaches_everybody_in_the_same_run(
    sandbox: Sandbox, run: RunTool, changes: dict[str, Any], key: str
) -> None:
    """Nobody is alerted, and nobody gets it twice."""
    mailbox(**changes)(sandbox)

    result = run(*OPTION)

    assert (result.code, copies(sandbox), sandbox.alerts) == (0, ((1, 1), (1, 1)), [])
    assert result.keys == [key]


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("changes", "key", "blamed"),
    [
        (logins(DISABLED), "smtp.password_logins_off", ""),
        (logins(f"{DISABLED}, cut"), "smtp.password_logins_off", ""),
        (logins("550 5.7.30 Basic authentication is not supported"), "smtp.password_logins_off", ""),
        (logins(DISABLED, "504 5.7.4 Unrecognized authentication type"), "smtp.password_logins_off", ""),
        (logins("534 5.7.9 Application-specific password required."), "smtp.app_password", "SMTP_PASSWORD"),
        (logins("535 5.7.8 Not accepted, cut"), "smtp.login", "SMTP_USER"),
        (logins("525 5.7.13 User account disabled"), "smtp.login_blocked", ""),
        ({"login_methods": ""}, "smtp.login_method", ""),
        ({"login_methods": "XOAUTH2"}, "smtp.login_method", ""),
        ({"login_methods": "NTLM"}, "smtp.login_method", ""),
        (
            {"sender_reply": "550 5.7.60 Client does not have permissions to send as this sender"},
            "smtp.sender",
            "SMTP_FROM",
        ),
        ({"sender_reply": "550 5.7.708 Access denied, traffic not accepted from this IP"}, "smtp.sending_blocked", ""),
        ({"data_reply": "554 5.2.252 SendAsDenied; not allowed to send as this"}, "smtp.sender", "SMTP_FROM"),
        ({"data_reply": "550 5.4.5 Daily user sending quota exceeded."}, "smtp.daily_limit", ""),
        ({"refused": dict.fromkeys(RECIPIENTS, "550 5.1.90 Your daily limit is reached")}, "smtp.daily_limit", ""),
        ({"refused": dict.fromkeys(RECIPIENTS, "550 5.7.1 Unable to relay")}, "smtp.relay", ""),
        ({"data_reply": KOI8}, "smtp.message", ""),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_the_server_refuses_for_good_is_alerted_and_blames_no_setting_but_the_right_one(
    sandbox: Sandbox, run: RunTool, changes: dict[str, Any], key: str, blamed: str
) -> None:
    """The chats have the report; the mail stays owed."""
    mailbox(**changes)(sandbox)

    result = run(*OPTION)

    assert (result.code, copies(sandbox)) == (1, ((0, 0), (1, 1)))
    assert sandbox.alerted == [key]
    (alert,) = sandbox.alerts
    assert "SMTP_SECURITY" not in alert
    assert blamed in alert
    assert ("SMTP_" in alert) == bool(blamed)


def test_one_recipient_who_has_to_wait_stays_owed_and_holds_up_nobody(sandbox: Sandbox, run: RunTool) -> None:
    """Greylisting is no reason to correct an address; the next run sends it."""
    sandbox.mailbox.refused = {FIRST: GREYLISTED}

    result = run(*OPTION, timeouts=NO_TIME)

    assert (result.code, copies(sandbox)) == (1, ((0, 1), (1, 1)))
    assert sandbox.alerted == ["smtp.recipient_later"]
    assert "SMTP_TO" not in sandbox.alerts[0]

    sandbox.mailbox.refused = {}
    assert (run(*OPTION).code, copies(sandbox)) == (0, ((1, 1), (1, 1)))


def test_a_recipient_accepted_with_252_gets_the_report(sandbox: Sandbox, run: RunTool) -> None:
    """The server can't verify the address, and takes the message (RFC 5321 4.2.3)."""
    sandbox.mailbox.refused = {FIRST: "252 Cannot VRFY user, but will accept message and attempt delivery"}

    result = run(*OPTION)

    assert (result.code, copies(sandbox), result.keys) == (0, ((1, 1), (1, 1)), [])


def test_a_server_without_starttls_is_said_to_be_one(sandbox: Sandbox, run: RunTool) -> None:
    """The password is not sent in the clear."""
    sandbox.mailbox.offers_starttls = False

    result = run(*OPTION, SMTP_SECURITY="starttls", SMTP_PORT=str(sandbox.mailbox.starttls_port))

    assert (result.code, copies(sandbox)) == (1, ((0, 0), (1, 1)))
    assert sandbox.alerted == ["smtp.starttls"]
    assert sandbox.mailbox.logins == []


def test_words_in_koi8_are_readable_in_the_alert(sandbox: Sandbox, run: RunTool) -> None:
    """As they were written."""
    sandbox.mailbox.data_reply = KOI8

    run(*OPTION)

    assert RUSSIAN in sandbox.alerts[0]


def test_words_that_answer_a_login_do_not_reach_the_alert(sandbox: Sandbox, run: RunTool) -> None:
    """Known ones do."""
    sandbox.mailbox.login_faults = ["535 5.7.8 Not accepted: open-sesame"] * 9
    run(*OPTION)
    sandbox.mailbox.login_faults = [DISABLED] * 9
    run("--start", "2026-11-22T12")

    first, second = sandbox.alerts
    assert "535 5.7.8 (words withheld)" in first
    assert "open-sesame" not in first
    assert DISABLED.partition(" Visit")[0] in second
