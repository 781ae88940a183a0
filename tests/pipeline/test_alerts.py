"""Whatever fails, somebody is told, once: the window, what failed, why, what is owed, and the command for it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest

from ..builders import OPTION, make_rows
from ..conftest import Run
from ..processes import ENTRY
from ..sandbox import CHATS, RECIPIENTS, Sandbox
from ..sandbox.telegram import TEXT_LIMIT, refusal
from ..sandbox.web import Fault
from ..terminal import on_terminal
from ..test_run import forget

RunTool = Callable[..., Run]
BEGINNING = "⚠️ ERROR in Reports Generator: "
BLOCKED = refusal(403, "Forbidden: bot was blocked by the user")


def only_alert(sandbox: Sandbox) -> str:
    """Return the one alert."""
    (text,) = sandbox.alerts
    return text


def test_a_source_that_fails_is_alerted_with_all_an_operator_needs(sandbox: Sandbox, run: RunTool) -> None:
    """At three in the morning, on a phone."""
    result = run(*OPTION, SUPABASE_KEY="sb_secret_of_elsewhere")

    text = only_alert(sandbox)
    assert result.code == 1
    first, second, *_ = text.splitlines()
    assert first.startswith(BEGINNING + "2026-11-22 13:00-14:00 UTC: ")
    assert sandbox.alerted == ["source.key"]
    assert second == "Window: hourly report, 2026-11-22 13:00-14:00 UTC"
    assert "Failed: reading the rows\n" in text
    owed = [f"email to {address}" for address in RECIPIENTS] + [f"telegram to {chat}" for chat in CHATS]
    assert f"Still owed: {', '.join(owed)}" in text
    assert text.endswith("python reports_generator.py --start 2026-11-22T13")
    assert sandbox.bot.sent[0].chat == CHATS[0]
    assert sandbox.mailbox.deliveries == []


def test_in_a_cluster_the_command_is_for_kubectl(sandbox: Sandbox, run: RunTool) -> None:
    """A Job made from the CronJob takes no options, so REPORT_START carries the window."""
    run(*OPTION, SUPABASE_KEY="sb_secret_of_elsewhere", JOB_NAME="reports-generator-29924384")

    assert only_alert(sandbox).splitlines()[-1] == (
        "kubectl create job reports-generator-again-$(date +%s) --from=cronjob/reports-generator -n production "
        "--dry-run=client -o yaml | kubectl set env --local -f - REPORT_START=2026-11-22T13 -o yaml "
        "| kubectl create -f -"
    )


@pytest.mark.parametrize(
    "name", ["reports-generator-again-1795435200", "test-report", "test-report-2", "reports-generator-29924384"]
)
def test_the_command_names_the_cronjob_whatever_the_job_is_called(sandbox: Sandbox, run: RunTool, name: str) -> None:
    """Also in a Job that such a command made, and in one made by hand."""
    run(*OPTION, SUPABASE_KEY="sb_secret_of_elsewhere", JOB_NAME=name)

    assert "--from=cronjob/reports-generator -n production " in only_alert(sandbox)


@pytest.mark.parametrize("name", ["test-daily", "reports-generator-29924384"])
def test_the_command_names_the_cronjob_that_the_manifest_names(sandbox: Sandbox, run: RunTool, name: str) -> None:
    """A Job made by hand from the daily one is told of as that."""
    run(*OPTION, SUPABASE_KEY="sb_secret_of_elsewhere", JOB_NAME=name, CRONJOB_NAME="reports-generator-daily")

    assert "--from=cronjob/reports-generator-daily -n production " in only_alert(sandbox)


def test_a_settings_error_says_where_settings_are_set(sandbox: Sandbox, run: RunTool) -> None:
    """In a Job there is no .env; on a machine there is no ConfigMap."""
    here = run(SMTP_PORT="none").log
    there = run(SMTP_PORT="none", JOB_NAME="reports-generator-29924384").log

    assert ".env.example" in here
    assert ".env" not in there
    assert "Set them in the ConfigMaps and Secrets that docs/kubernetes.md names" in there


def test_the_command_names_the_namespace_that_the_job_is_in(sandbox: Sandbox, run: RunTool) -> None:
    """A kustomization may have put it elsewhere."""
    run(*OPTION, SUPABASE_KEY="sb_secret_of_elsewhere", JOB_NAME="reports-generator-29924384", POD_NAMESPACE="staging")

    assert "--from=cronjob/reports-generator -n staging " in only_alert(sandbox)


def test_report_start_means_what_the_option_means(sandbox: Sandbox, run: RunTool) -> None:
    """So that the alert's command does what it says; the option wins."""
    sandbox.supabase.insert(make_rows(5))

    assert run(REPORT_START="2026-11-22T13").code == 0
    forget(sandbox)
    assert run(*OPTION, REPORT_START="2026-11-21T13").code == 0
    assert ["Analyses: 5" in mail.text for mail in sandbox.mails] == [True, True]


def test_a_wrong_report_start_is_alerted(sandbox: Sandbox, run: RunTool) -> None:
    """Nobody sits in front of a Job."""
    result = run(REPORT_START="2026-11-22T13:30")

    assert result.code == 2
    assert "REPORT_START=2026-11-22T13:30 is not the start of a full hour" in only_alert(sandbox)


def test_an_alert_chat_that_is_wrong_is_named_by_its_own_variable(sandbox: Sandbox, run: RunTool) -> None:
    """Not by that of the report's chats."""
    result = run(*OPTION, SUPABASE_KEY="sb_secret_of_elsewhere", TELEGRAM_ALERT_CHAT_ID="777")

    assert "does not know chat 777 (“Chat not found”). Correct TELEGRAM_ALERT_CHAT_ID" in result.log


def test_an_env_file_that_cannot_be_read_is_a_settings_error(sandbox: Sandbox, run: RunTool, tmp_path: Path) -> None:
    """A letter in the wrong encoding is no reason for a traceback."""
    env_file = tmp_path / ".env"
    env_file.write_bytes(b"SMTP_USER=\xe9\n")

    result = run(*OPTION, env_file=env_file)

    assert result.code == 2
    assert ".env can't be read (UnicodeDecodeError)" in result.log
    assert "Traceback" not in result.log


def test_a_wrong_option_is_not_alerted(sandbox: Sandbox, run: RunTool) -> None:
    """Whoever typed it reads the answer."""
    assert run("--start", "2026-11-22T13:30").code == 2
    assert sandbox.alerts == []


def test_with_telegram_dead_the_mail_and_the_alert_arrive_by_mail(sandbox: Sandbox, run: RunTool) -> None:
    """Exit 1."""
    sandbox.bot.blocked = {*CHATS}

    result = run(*OPTION)

    text = only_alert(sandbox)
    assert result.code == 1
    assert [delivery.recipients for delivery in sandbox.mails] == [RECIPIENTS]
    assert [f"telegram to {chat}: NOT delivered" in result.log for chat in CHATS] == [True, True]
    assert sandbox.bot.sent == []
    assert text.startswith(BEGINNING)
    assert "Failed: telegram to -1001000000001\nTelegram does not let the bot write to chat -1001000000001" in text
    assert "Still owed: telegram to -1001000000001, telegram to 42\n" in text


def test_with_email_dead_the_report_and_the_alert_arrive_by_telegram(sandbox: Sandbox, run: RunTool) -> None:
    """Exit 1; one reason is told once for all its recipients."""
    result = run(*OPTION, SMTP_PASSWORD="wrong")

    text = only_alert(sandbox)
    assert result.code == 1
    assert [*CHATS] == [sent.chat for sent in sandbox.messages]
    assert "delivered to 2 of 4" in result.log
    assert [f"email to {recipient}: NOT delivered" in result.log for recipient in RECIPIENTS] == [True, True]
    assert f"Failed: email to {RECIPIENTS[0]}, email to {RECIPIENTS[1]}\nThe mail server" in text
    _, body = text.split("\n", 1)
    assert body.count("does not accept SMTP_USER with SMTP_PASSWORD") == 1


def test_without_telegram_an_alert_goes_by_mail(sandbox: Sandbox, run: RunTool) -> None:
    """To all its recipients, with a subject that nobody takes for a report's."""
    run(*OPTION, SUPABASE_KEY="sb_secret_of_elsewhere", REPORT_CHANNELS="email")

    (delivery,) = sandbox.mailbox.deliveries
    assert delivery.recipients == RECIPIENTS
    assert str(delivery.message["Subject"]).startswith(BEGINNING)
    assert delivery.message["Date"]
    assert delivery.message["Message-ID"]
    assert delivery.text.startswith(BEGINNING)


def test_an_alert_that_telegram_does_not_take_goes_by_mail(sandbox: Sandbox, run: RunTool) -> None:
    """One alert, not none."""
    sandbox.bot.blocked = {*CHATS}

    result = run(*OPTION, SUPABASE_KEY="sb_secret_of_elsewhere")

    assert result.code == 1
    assert only_alert(sandbox).startswith(BEGINNING)
    assert "The alert could not be sent by telegram" in result.log


def test_an_alert_nobody_takes_is_logged_and_does_not_hide_the_first_error(sandbox: Sandbox, run: RunTool) -> None:
    """The log is then the only word of it."""
    sandbox.bot.blocked = {*CHATS}
    sandbox.mailbox.refused = dict.fromkeys(RECIPIENTS, "550 5.1.1 No such user here")

    result = run(*OPTION, SUPABASE_KEY="sb_secret_of_elsewhere")

    assert result.code == 1
    assert sandbox.alerts == []
    assert result.keys[0] == "source.key"
    assert result.log.index("SUPABASE_KEY") < result.log.index("Nobody could be alerted")


@pytest.mark.parametrize(
    ("changes", "channel"),
    [
        ({"SMTP_PORT": "many"}, "telegram"),
        ({"TELEGRAM_CHAT_ID": "operators"}, "email"),
        ({"SUPABASE_URL": "nowhere"}, "telegram"),
        ({"SUPABASE_URL": "http://example.com"}, "telegram"),
        ({"REPORT_TIMEZONE": "Mars/Olympus"}, "telegram"),
    ],
)
def test_a_settings_error_is_alerted_through_a_channel_whose_own_settings_are_whole(
    sandbox: Sandbox, run: RunTool, changes: dict[str, str], channel: str
) -> None:
    """Exit 2, and no value of a variable in it."""
    result = run(*OPTION, **changes)

    text = only_alert(sandbox)
    ((name, value),) = changes.items()
    assert result.code == 2
    assert bool(sandbox.bot.sent) == (channel == "telegram")
    assert f"Failed: the settings\n1 setting is missing or wrong:\n  {name} " in text
    assert value not in text
    assert sandbox.supabase.requests == []


def test_with_no_channel_whole_a_settings_error_is_in_the_log(sandbox: Sandbox, run: RunTool) -> None:
    """Exit 2 all the same."""
    result = run(*OPTION, SMTP_PORT="many", TELEGRAM_CHAT_ID="operators")

    assert result.code == 2
    assert sandbox.alerts == []
    assert "Nobody could be alerted" in result.log


def test_an_exception_nobody_foresaw_is_exit_1_with_its_traceback_in_the_log_and_an_alert(
    sandbox: Sandbox, run: RunTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here a library breaks; the secret that its error holds is in neither."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError(f"at {sandbox.supabase.secret_key}")

    monkeypatch.setattr(openpyxl.Workbook, "create_sheet", broken)

    result = run(*OPTION)

    assert result.code == 1
    assert "Traceback (most recent call last)" in result.log
    assert "Failed: the run\nThe run broke down (ZeroDivisionError: “at [hidden]”)" in only_alert(sandbox)
    assert sandbox.supabase.secret_key not in result.log


def test_a_long_alert_is_shortened_to_what_telegram_takes(sandbox: Sandbox, run: RunTool) -> None:
    """A hundred refused addresses are still told of."""
    addresses = [f"{number:04}-{'x' * 50}@example.com" for number in range(100)]
    sandbox.mailbox.refused = {address: f"550 5.1.1 No {address}" for address in addresses}

    run(*OPTION, SMTP_TO=",".join(addresses))

    assert len(only_alert(sandbox)) <= TEXT_LIMIT
    assert only_alert(sandbox).endswith("python reports_generator.py --start 2026-11-22T13")


def test_in_a_job_the_alert_says_that_the_command_sends_to_everyone(sandbox: Sandbox, run: RunTool) -> None:
    """The ledger in the pod's folder ends with the pod."""
    run(*OPTION, SUPABASE_KEY="sb_secret_of_elsewhere", JOB_NAME="again")

    alert = only_alert(sandbox)
    assert "Kubernetes may retry this Job; after that you must send it yourself" in alert
    assert "the command sends to everyone again" in alert


def test_a_trial_from_a_terminal_alerts_nobody(sandbox: Sandbox, tmp_path: Path) -> None:
    """Whoever tries it sees what failed; elsewhere nobody does, and an alert is sent."""
    command = [sys.executable, str(ENTRY), "--until-now"]
    environment = sandbox.environment | {"SUPABASE_KEY": "sb_secret_wrong_and_long_enough"}

    code, shown = on_terminal(command, environment, tmp_path)

    assert (code, sandbox.alerts) == (1, [])
    assert "No alert is sent: whoever started this run sees what failed" in shown
    assert subprocess.run(command, env=environment, timeout=120, check=False).returncode == 1
    assert len(sandbox.alerts) == 1


@pytest.mark.parametrize("ledger", ["directory", "supabase"])
def test_a_chat_that_moved_is_told_of_without_a_word_on_what_is_owed(
    sandbox: Sandbox, run: RunTool, ledger: str
) -> None:
    """Everyone has the report; there is nothing to send."""
    sandbox.bot.faults.append(Fault(answer=refusal(400, "Bad Request: upgraded", migrate_to_chat_id=42)))

    assert run(*OPTION, REPORT_LEDGER=ledger).code == 0
    assert only_alert(sandbox) == (
        f"{BEGINNING}Chat {CHATS[0]} has become 42.\n\nFailed: nothing yet, but a setting must be updated\n"
        f"Chat {CHATS[0]} has become 42. Set TELEGRAM_CHAT_ID to the new one."
    )
