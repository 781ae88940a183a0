"""The login to the mail server: how it is asked for, and how often it is tried with what the server refuses."""

import hmac
from collections.abc import Callable
from datetime import timedelta
from email.header import decode_header, make_header
from typing import Any

import pytest
from msgspec.structs import replace

from src.commands.report import now

from ..builders import NO_TIME, OPTION, QUICK
from ..conftest import Run
from ..faults import TABLE, copies
from ..names import resolved, silent_address
from ..sandbox import RECIPIENTS, Sandbox, smtp

pytestmark = pytest.mark.sampled

RunTool = Callable[..., Run]
WRONG = {"SMTP_PASSWORD": "wrong-Pa55-word"}
BY_MAIL = {"TELEGRAM_ALERT_CHAT_ID": "", "SMTP_ALERT_TO": "ops@example.com"}
EVERYBODY = ((1, 1), (1, 1))
ONLY_CHATS = ((0, 0), (1, 1))


def test_a_wrong_password_is_tried_twice_in_a_run_whoever_wants_to_send(sandbox: Sandbox, run: RunTool) -> None:
    """Report and alerts together: a provider locks the account that fails more often."""
    result = run(*OPTION, **WRONG, **BY_MAIL)

    assert (result.code, copies(sandbox)) == (1, ONLY_CHATS)
    assert sandbox.mailbox.mechanisms == ["PLAIN", "LOGIN"]
    assert sandbox.alerted == ["smtp.login"]


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_server_that_hangs_up_after_535_is_told_of_as_a_wrong_login(
    sandbox: Sandbox, run: RunTool, security: str
) -> None:
    """And is not asked until the run's time is over."""
    sandbox.mailbox.login_faults = ["535 5.7.8 Not accepted, cut"] * 99
    port = sandbox.mailbox.tls_port if security == "tls" else sandbox.mailbox.starttls_port

    result = run(*OPTION, **BY_MAIL, SMTP_SECURITY=security, SMTP_PORT=str(port))

    assert (result.code, copies(sandbox)) == (1, ONLY_CHATS)
    assert 99 - len(sandbox.mailbox.login_faults) <= 2
    assert sandbox.alerted == ["smtp.login"]


@pytest.mark.parametrize("arguments", [("--check",), ("--test-alert",)], ids=" ".join)
def test_trying_the_setup_tries_a_wrong_password_twice(
    sandbox: Sandbox, run: RunTool, arguments: tuple[str, ...]
) -> None:
    """An operator who corrects settings does so some more often."""
    result = run(*arguments, **WRONG, **BY_MAIL)

    assert result.code == 1
    assert "(smtp.login)" in result.output
    assert len(sandbox.mailbox.logins) == 2


def test_with_the_ledger_in_supabase_the_runs_of_an_hour_share_two_logins(sandbox: Sandbox, run: RunTool) -> None:
    """Retries of a Job, other hours, --check; an hour later it is tried again, for the account may have been freed."""
    times = [now() + timedelta(minutes=minutes) for minutes in (0, 1, 59, 62)]

    results = [run(*OPTION, **WRONG, **TABLE, clock=lambda at=at: at) for at in times[:3]]
    check = run("--check", **WRONG, **TABLE, clock=lambda: times[1])

    assert len(sandbox.mailbox.logins) == 2
    assert [result.code for result in results] == [1, 1, 1]
    assert ["smtp.login" in result.keys for result in results] == [True] * 3
    assert "(smtp.login)" in check.output
    assert sandbox.alerted == ["smtp.login"]

    run(*OPTION, **WRONG, **TABLE, clock=lambda: times[3])
    assert len(sandbox.mailbox.logins) == 4


def test_a_corrected_password_is_tried_at_once(sandbox: Sandbox, run: RunTool) -> None:
    """And is not counted as the one before."""
    run(*OPTION, **WRONG, **TABLE)

    assert (run(*OPTION, **TABLE).code, copies(sandbox)) == (0, EVERYBODY)


def test_the_ledger_keeps_nothing_to_try_passwords_against(sandbox: Sandbox, run: RunTool) -> None:
    """With another key of Supabase, the same login is another mark."""
    run(*OPTION, **WRONG, **TABLE)

    found = sandbox.supabase.sql("select key from report_notices where name = 'refused login'")
    marks = [str(row["key"]) for row in found]
    assert len(marks) == 2
    (mark,) = {key.split()[2] for key in marks}
    login = "\0".join(("localhost", smtp.USER, WRONG["SMTP_PASSWORD"])).encode()
    assert mark == hmac.digest(sandbox.supabase.secret_key.encode(), login, "sha256").hex()
    assert WRONG["SMTP_PASSWORD"] not in str(marks)


def test_another_problem_of_the_login_is_remembered_as_that(sandbox: Sandbox, run: RunTool) -> None:
    """Who has switched password logins off need not be told to correct one."""
    off = "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant."
    sandbox.mailbox.login_faults = [off] * 2

    results = [run(*OPTION, **TABLE) for _ in range(2)]

    assert [result.keys for result in results] == [["smtp.password_logins_off"]] * 2
    assert sandbox.mailbox.login_faults == []
    assert sandbox.mailbox.logins == []
    assert sandbox.alerted == ["smtp.password_logins_off"]


def test_a_notice_that_somebody_forged_is_not_quoted(sandbox: Sandbox, run: RunTool) -> None:
    """It is a key of ours or none."""
    run(*OPTION, **WRONG, **TABLE)
    sandbox.supabase.sql("update report_notices set key = key || ' run-this' where key like 'refused login%'")

    result = run(*OPTION, **WRONG, **TABLE)

    assert result.keys == ["smtp.login"]
    assert "run-this" not in result.log


@pytest.mark.parametrize(
    "prompts", [("Username:", "Password:"), ("Password:", "Username:"), ("User Name\0", "Password\0")], ids=str
)
def test_each_prompt_of_a_login_gets_what_it_asks_for(sandbox: Sandbox, run: RunTool, prompts: tuple[str, str]) -> None:
    """No RFC says what comes first, and this server passes over what stands in the command."""
    sandbox.mailbox.login_methods, sandbox.mailbox.login_prompts = "LOGIN", prompts

    assert (run(*OPTION).code, copies(sandbox)) == (0, EVERYBODY)
    assert sandbox.mailbox.logins == [smtp.USER]


def test_a_server_that_asks_for_the_password_twice_gets_it_once(sandbox: Sandbox, run: RunTool) -> None:
    """It may write down what it takes for a name."""
    sandbox.mailbox.login_methods = "LOGIN"
    sandbox.mailbox.login_prompts = ("Password:", "Password:", "User:")

    result = run(*OPTION)

    assert (result.code, sandbox.mailbox.logins) == (1, [])
    assert sandbox.alerted == ["smtp.login_method"]


def test_cram_md5_is_used_where_there_is_nothing_else(sandbox: Sandbox, run: RunTool) -> None:
    """Some old servers offer only that."""
    sandbox.mailbox.login_methods = "CRAM-MD5"

    assert (run(*OPTION).code, copies(sandbox)) == (0, EVERYBODY)
    assert sandbox.mailbox.mechanisms == ["CRAM-MD5"]


@pytest.mark.parametrize(("offered", "key"), [("CRAM-MD5 LOGIN", ""), ("CRAM-MD5", "smtp.login_method")])
def test_cram_md5_is_passed_over_where_md5_is_forbidden(
    sandbox: Sandbox, run: RunTool, monkeypatch: pytest.MonkeyPatch, offered: str, key: str
) -> None:
    """As on machines with FIPS."""
    made = hmac.new

    def forbidden(key: bytes, msg: bytes | None = None, digestmod: Any = "") -> hmac.HMAC:
        if digestmod == "md5":
            raise ValueError("[digital envelope routines] unsupported")
        return made(key, msg, digestmod)

    monkeypatch.setattr(hmac, "new", forbidden)
    sandbox.mailbox.login_methods = offered

    result = run(*OPTION)

    assert (result.code, sandbox.alerted) == ((1, [key]) if key else (0, []))


def test_a_mechanism_that_the_server_refuses_leads_to_the_next_one(sandbox: Sandbox, run: RunTool) -> None:
    """That says nothing about the password."""
    sandbox.mailbox.login_faults = ["504 5.5.4 Unrecognized authentication type"]

    assert (run(*OPTION).code, copies(sandbox)) == (0, EVERYBODY)
    assert sandbox.mailbox.mechanisms == ["LOGIN"]


def test_a_password_that_one_mechanism_takes_is_right(sandbox: Sandbox, run: RunTool) -> None:
    """What another one refused counts no more, neither in this run, where it is not tried again, nor in the next."""
    for _ in range(3):
        sandbox.mailbox.login_faults = ["535 5.7.8 Not by this"]
        assert run(*OPTION, "--count", "2", "--resend", **TABLE).code == 0

    assert sandbox.mailbox.mechanisms == ["LOGIN"] * 6


def test_a_relay_is_sent_to_without_a_login(sandbox: Sandbox, run: RunTool) -> None:
    """Though it may offer one; the connection is encrypted all the same."""
    sandbox.mailbox.wants_login = False

    result = run(*OPTION, SMTP_LOGIN="none", SMTP_USER="", SMTP_PASSWORD="")

    assert (result.code, copies(sandbox), sandbox.mailbox.logins) == (0, EVERYBODY, [])


def test_a_server_that_wants_a_login_of_a_relays_client_says_that_none_is_set(sandbox: Sandbox, run: RunTool) -> None:
    """530: the setting that says so is named."""
    result = run(*OPTION, SMTP_LOGIN="none", SMTP_USER="", SMTP_PASSWORD="")

    assert (result.code, copies(sandbox)) == (1, ONLY_CHATS)
    assert sandbox.alerted == ["smtp.login_required"]
    assert "SMTP_LOGIN=none" in sandbox.alerts[0]


def test_a_secret_that_is_not_mounted_makes_no_relay(sandbox: Sandbox, run: RunTool) -> None:
    """Without SMTP_LOGIN=none, user and password are missing."""
    sandbox.mailbox.wants_login = False

    result = run(*OPTION, SMTP_USER="", SMTP_PASSWORD="", SMTP_LOGIN="")

    assert (result.code, sandbox.mailbox.deliveries) == (2, [])
    assert result.log.count(" is missing; ") == 2


def test_an_address_that_does_not_answer_is_passed_over(sandbox: Sandbox, run: RunTool) -> None:
    """The next one is tried at its side: an IPv6 address without a route would keep all mail back."""
    timeouts = replace(QUICK, smtp=20)
    with silent_address() as silent, resolved(first=silent):
        result = run(*OPTION, timeouts=timeouts)
        check = run("--check", timeouts=timeouts)

    assert (result.code, copies(sandbox), result.keys) == (0, EVERYBODY, [])
    assert check.code == 0


def test_a_greeting_in_the_clear_is_heard_whole(sandbox: Sandbox, run: RunTool) -> None:
    """By STARTTLS the server speaks first, perhaps before the socket has changed hands."""
    port = str(sandbox.mailbox.starttls_port)

    result = run(*OPTION, "--count", "5", SMTP_SECURITY="starttls", SMTP_PORT=port)

    assert (result.code, result.keys, len(sandbox.mails)) == (0, [], 5)


def test_a_host_with_a_dot_at_its_end_has_the_certificate_of_the_one_without(sandbox: Sandbox, run: RunTool) -> None:
    """The dot only says that the name is whole."""
    with resolved(host="localhost.", alias="localhost"):
        result = run(*OPTION, SMTP_HOST="localhost.", timeouts=NO_TIME)

    assert (result.code, copies(sandbox)) == (0, EVERYBODY)


@pytest.mark.parametrize(
    "setting",
    [
        "manager@example.com; team@example.com",
        "manager@example.com\nteam@example.com\n",
        'The Manager <manager@example.com>, "Team; all, of it" <team@example.com>',
    ],
)
def test_addresses_are_read_as_mail_programs_write_them(sandbox: Sandbox, run: RunTool, setting: str) -> None:
    """Whoever copies them from there changes nothing."""
    assert run(*OPTION, SMTP_TO=setting).code == 0
    (mail,) = sandbox.mails
    assert mail.recipients == RECIPIENTS
    assert mail.message["To"] == ", ".join(RECIPIENTS)


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ('"Reports, Inc." <reports@example.com>', '"Reports, Inc."'),
        (r'"The \"Twin\""<reports@example.com>', r'"The \"Twin\""'),
        (f"{'Отчёты цифрового двойника, ' * 6}<reports@example.com>", ("Отчёты цифрового двойника, " * 6).strip()),
    ],
    ids=["comma", "quotes", "long"],
)
def test_a_senders_name_comes_whole_in_words_of_the_length_that_is_allowed(
    sandbox: Sandbox, run: RunTool, setting: str, name: str
) -> None:
    """RFC 2047 2: an encoded word has 75 characters at most, its line 76."""
    assert run(*OPTION, SMTP_FROM=setting).code == 0
    (mail,) = sandbox.mails
    header = mail.raw.partition(b"\nTo:")[0]
    shown = str(make_header(decode_header(header.decode().removeprefix("From: ").strip())))
    assert shown == f"{name} <reports@example.com>"
    assert all(len(word) <= 75 for word in header.split() if word.startswith(b"=?"))
    assert all(len(line) <= 76 for line in header.splitlines() if b"=?" in line)


def test_no_program_answers_a_report(sandbox: Sandbox, run: RunTool) -> None:
    """Exchange knows a header of its own for that."""
    run(*OPTION, **WRONG, **BY_MAIL)
    run(*OPTION)

    assert {mail.message["X-Auto-Response-Suppress"] for mail in sandbox.mailbox.deliveries} == {"All"}


@pytest.mark.parametrize("hooks", [{"greets_after": 1.5}, {"slow": 0.4}], ids=str)
def test_a_slow_mail_server_takes_alerts_as_it_takes_reports(
    sandbox: Sandbox, run: RunTool, hooks: dict[str, float]
) -> None:
    """An alert has what is left of the run's time; only a run that is being stopped is short of it."""
    for name, value in hooks.items():
        setattr(sandbox.mailbox, name, value)
    sandbox.bot.chats.clear()

    run(*OPTION, **BY_MAIL, timeouts=replace(QUICK, alert=1, alert_at_stop=0.5))

    assert [mail.recipients for mail in sandbox.mails] == [RECIPIENTS]
    assert len(sandbox.failures) == 1
