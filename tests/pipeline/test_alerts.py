"""Whatever fails, somebody is told, once: the window, what failed, why, what is owed, and the command for it."""

import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest

from ..alerts import command_in, failed_parts, lacking, window_of
from ..builders import OPTION, make_rows, make_window
from ..channels.test_topics import GROUP, OPEN, OTHER, TOPIC, by_telegram
from ..conftest import Run
from ..ledger.test_ledger import CATCH_UP, job, this_hour
from ..processes import ENTRY
from ..sandbox import CHATS, RECIPIENTS, Sandbox
from ..sandbox.telegram import TEXT_LIMIT, refusal
from ..sandbox.web import Answer, Fault
from ..terminal import on_terminal
from ..test_run import forget
from .test_only_unusual import QUIET, old_table, ordinary

RunTool = Callable[..., Run]
BEGINNING = "⚠️ ERROR in Reports Generator: "
BLOCKED = refusal(403, "Forbidden: bot was blocked by the user")


def lines_of(text: str) -> list[str]:
    """List the lines of an alert."""
    return text.splitlines()


def only_alert(sandbox: Sandbox) -> str:
    """Return the one alert."""
    (text,) = sandbox.alerts
    return text


def test_a_source_that_fails_is_alerted_with_all_an_operator_needs(sandbox: Sandbox, run: RunTool) -> None:
    """At three in the morning, on a phone."""
    result = run(*OPTION, SUPABASE_KEY="sb_secret_of_elsewhere")

    text = only_alert(sandbox)
    assert result.code == 1
    assert text.startswith(BEGINNING)
    assert lines_of(text)[0].endswith(f" 4 of 4 lack {make_window().label()}")
    assert window_of(text) == make_window().label()
    assert (sandbox.alerted, result.keys) == (["source.key"], ["source.key"])
    owed = [f"email to {address}" for address in RECIPIENTS] + [f"telegram to {chat}" for chat in CHATS]
    assert lacking(text) == (owed, [])
    assert command_in(text) == "python reports_generator.py --start 2026-11-22T13"
    assert sandbox.bot.sent[0].chat == CHATS[0]
    assert sandbox.mailbox.deliveries == []


def test_in_a_cluster_the_command_is_for_kubectl(sandbox: Sandbox, run: RunTool) -> None:
    """A Job made from the CronJob takes no options, so REPORT_START carries the window."""
    run(*OPTION, SUPABASE_KEY="sb_secret_of_elsewhere", JOB_NAME="reports-generator-29924384")

    made, changed, created = (shlex.split(one) for one in command_in(only_alert(sandbox)).split(" | "))
    assert made[:3] == ["kubectl", "create", "job"]
    assert {"--from=cronjob/reports-generator", "-n", "production", "--dry-run=client"} <= {*made}
    assert [one for one in changed if "=" in one] == ["REPORT_START=2026-11-22T13"]
    assert created == ["kubectl", "create", "-f", "-"]


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
    assert "docs/kubernetes.md" in there


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
    assert "REPORT_START=2026-11-22T13:30" in only_alert(sandbox)
    assert sandbox.alerted == result.keys


def test_an_alert_chat_that_is_wrong_is_named_by_its_own_variable(sandbox: Sandbox, run: RunTool) -> None:
    """Not by that of the report's chats."""
    result = run(*OPTION, SUPABASE_KEY="sb_secret_of_elsewhere", TELEGRAM_ALERT_CHAT_ID="777")

    (line,) = [one.getMessage() for one in result.records if one.__dict__.get("key") == "telegram.unknown_chat"]
    assert "TELEGRAM_ALERT_CHAT_ID" in line
    assert "TELEGRAM_CHAT_ID" not in line


def test_an_env_file_that_cannot_be_read_is_a_settings_error(sandbox: Sandbox, run: RunTool, tmp_path: Path) -> None:
    """A letter in the wrong encoding is no reason for a traceback."""
    env_file = tmp_path / ".env"
    env_file.write_bytes(b"SMTP_USER=\xe9\n")

    result = run(*OPTION, env_file=env_file)

    assert result.code == 2
    assert ".env" in result.log
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
    assert result.events.count("not_delivered") == len(CHATS)
    assert sandbox.bot.sent == []
    assert text.startswith(BEGINNING)
    assert failed_parts(text) == [f"telegram to {chat}" for chat in CHATS]
    assert sandbox.alerted == ["telegram.blocked"]
    assert lacking(text) == ([], [f"telegram to {chat}" for chat in CHATS])


def test_with_email_dead_the_report_and_the_alert_arrive_by_telegram(sandbox: Sandbox, run: RunTool) -> None:
    """Exit 1; one reason is told once for all its recipients."""
    result = run(*OPTION, SMTP_PASSWORD="wrong")

    text = only_alert(sandbox)
    assert result.code == 1
    assert [*CHATS] == [sent.chat for sent in sandbox.messages]
    assert (result.events.count("delivered"), result.events.count("not_delivered")) == (2, 2)
    assert lacking(text) == ([f"email to {address}" for address in RECIPIENTS], [])
    assert failed_parts(text) == []
    assert sandbox.alerted == ["smtp.login"]


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
    assert result.events.count("alert_failed") == 1
    assert result.keys == ["source.key", "telegram.blocked"]


def test_an_alert_nobody_takes_is_logged_and_does_not_hide_the_first_error(sandbox: Sandbox, run: RunTool) -> None:
    """The log is then the only word of it."""
    sandbox.bot.blocked = {*CHATS}
    sandbox.mailbox.refused = dict.fromkeys(RECIPIENTS, "550 5.1.1 No such user here")

    result = run(*OPTION, SUPABASE_KEY="sb_secret_of_elsewhere")

    assert result.code == 1
    assert sandbox.alerts == []
    assert result.keys[0] == "source.key"
    assert result.events.index("failed") < result.events.index("nobody_alerted")


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
    assert sandbox.alerted == ["settings"]
    assert f"\n  {name} " in text
    assert value not in text
    assert sandbox.supabase.requests == []


def test_with_no_channel_whole_a_settings_error_is_in_the_log(sandbox: Sandbox, run: RunTool) -> None:
    """Exit 2 all the same."""
    result = run(*OPTION, SMTP_PORT="many", TELEGRAM_CHAT_ID="operators")

    assert result.code == 2
    assert sandbox.alerts == []
    assert "nobody_alerted" in result.events


def test_an_exception_nobody_foresaw_is_exit_1_with_its_traceback_in_the_log_and_an_alert(
    sandbox: Sandbox, run: RunTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here a library breaks; the secret that its error holds is in neither."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError(f"at {sandbox.supabase.secret_key}")

    monkeypatch.setattr(openpyxl.Workbook, "create_sheet", broken)

    result = run(*OPTION)

    assert result.code == 1
    assert "\n  Traceback " in result.log
    assert "“at [hidden]”" in only_alert(sandbox)
    assert sandbox.alerted == ["broke_down.ZeroDivisionError"]
    assert sandbox.supabase.secret_key not in result.log


def test_a_long_alert_is_shortened_to_what_telegram_takes(sandbox: Sandbox, run: RunTool) -> None:
    """A hundred refused addresses are still told of."""
    addresses = [f"{number:04}-{'x' * 50}@example.com" for number in range(100)]
    sandbox.mailbox.refused = {address: f"550 5.1.1 No {address}" for address in addresses}

    run(*OPTION, SMTP_TO=",".join(addresses))

    assert len(only_alert(sandbox)) <= TEXT_LIMIT
    assert command_in(only_alert(sandbox)) == "python reports_generator.py --start 2026-11-22T13"


def test_only_in_a_job_without_a_lasting_ledger_the_alert_says_that_the_command_sends_to_everyone(
    sandbox: Sandbox, run: RunTool
) -> None:
    """The ledger in the pod's folder ends with the pod."""
    wrong = {"SUPABASE_KEY": "sb_secret_of_elsewhere"}
    run(*OPTION, JOB_NAME="again", **wrong)
    run(*OPTION, **wrong, REPORT_LEDGER_NAME="machine")
    run(*OPTION, JOB_NAME="again", REPORT_LEDGER="supabase", **wrong)

    assert ["everyone" in alert for alert in sandbox.alerts] == [True, False, False]


def test_a_trial_from_a_terminal_alerts_nobody(sandbox: Sandbox, tmp_path: Path) -> None:
    """Whoever tries it sees what failed; elsewhere nobody does, and an alert is sent."""
    command = [sys.executable, str(ENTRY), "--until-now", "--yes"]
    environment = sandbox.environment | {"SUPABASE_KEY": "sb_secret_wrong_and_long_enough"}

    code, _ = on_terminal(command, environment, tmp_path)

    assert (code, sandbox.alerts) == (1, [])

    assert subprocess.run(command, env=environment, timeout=120, check=False).returncode == 1
    assert len(sandbox.alerts) == 1


@pytest.mark.parametrize("ledger", ["directory", "supabase"])
def test_a_chat_that_moved_is_told_of_without_a_word_on_what_is_owed(
    sandbox: Sandbox, run: RunTool, ledger: str
) -> None:
    """Everyone has the report; there is nothing to send."""
    sandbox.bot.faults.append(Fault(answer=refusal(400, "Bad Request: upgraded", migrate_to_chat_id=42)))

    result = run(*OPTION, REPORT_LEDGER=ledger)

    assert (result.code, result.keys, sandbox.alerted) == (0, ["telegram.migrated"], ["telegram.migrated"])
    alert = only_alert(sandbox)
    assert alert.startswith(f"{BEGINNING}Chat {CHATS[0]} has become 42.\n")
    assert "TELEGRAM_CHAT_ID" in alert
    assert lacking(alert) == ([], [])


def test_two_chats_that_moved_on_one_day_are_both_told_of(sandbox: Sandbox, run: RunTool) -> None:
    """What was told of the one says nothing of the other."""
    moved = refusal(400, "Bad Request: upgraded", migrate_to_chat_id=77)
    sandbox.bot.chats.add("77")
    for faults in ([Fault(answer=moved)], [Fault(match="sendDocument"), Fault(answer=moved)]):
        sandbox.bot.faults[:] = faults
        forget_records(sandbox)
        assert run(*OPTION).code == 0

    assert [text.count("has become 77") > 0 for text in sandbox.alerts] == [True, True]


def forget_records(sandbox: Sandbox) -> None:
    """Let nothing be delivered yet; who was told of what is still known."""
    for record in sandbox.folder.glob("report_ledger/*.json"):
        record.unlink()


def test_an_hour_before_the_first_scheduled_one_is_sent_by_no_later_run(sandbox: Sandbox, run: RunTool) -> None:
    """Though it is in reach: the ledger begins later, so the alert doesn't promise it."""
    old_table(sandbox)
    run(JOB_NAME=job(3), **CATCH_UP)
    sandbox.supabase.always = Fault(answer=Answer(status=401), match="/analyses?")
    run("--start", f"{this_hour(6):%Y-%m-%dT%H}", **CATCH_UP)
    sandbox.supabase.always = None
    before = len(sandbox.mails)

    run(JOB_NAME=job(2), **CATCH_UP)

    assert sandbox.alerts[0].splitlines()[1].startswith("No run sends it")
    assert len(sandbox.mails) - before == 1


def test_only_who_has_the_report_is_counted_among_those_who_do(sandbox: Sandbox, run: RunTool) -> None:
    """Not whoever was not sent an hour that is as usual, nor who was refused it by an earlier run."""
    ordinary(sandbox)
    sandbox.mailbox.refused = {RECIPIENTS[1]: "550 5.1.1 No such user here"}

    run(*OPTION, **QUIET, **CATCH_UP)

    text = only_alert(sandbox)
    assert "1 of 2 lacks" in text.splitlines()[0]
    assert lacking(text) == ([], [f"email to {RECIPIENTS[1]}"])
    assert "Have it: 1 chat" in text


def test_a_chat_in_report_only_stands_for_its_topics_in_an_alert_too(sandbox: Sandbox, run: RunTool) -> None:
    """It is no wrong name, and the command names it as it was."""
    sandbox.bot.topics = {GROUP: OPEN}

    run(*OPTION, SUPABASE_KEY="sb_secret_of_elsewhere", REPORT_ONLY=GROUP, JOB_NAME="a-1", **by_telegram(TOPIC, OTHER))

    text = only_alert(sandbox)
    assert "2 of 2 lack" in text.splitlines()[0]
    assert "REPORT_ONLY is" not in text
    assert f" REPORT_ONLY={GROUP} " in text
