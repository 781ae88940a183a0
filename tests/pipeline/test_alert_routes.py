"""An alert goes to the operators by every way that is set for them, to readers only if none works, and is retried."""

import asyncio
import ssl
import time
from collections.abc import Callable

import pytest

from src.channels.mail import MailChannel
from src.config.loader import LoadedSettings
from src.config.options import Options
from src.config.settings import MailSettings
from src.config.timeouts import Timeouts
from src.errors import Problem
from src.message.alert import ALERT, Failure
from src.pipeline.alerts import Alerts
from src.pipeline.run import start_run
from src.runtime.redaction import Redaction

from ..builders import OPTION, START, make_window
from ..conftest import Run
from ..sandbox import CHATS, RECIPIENTS, Sandbox
from ..sandbox.telegram import refusal
from ..sandbox.web import Answer, Fault

RunTool = Callable[..., Run]
OPERATORS = ("ops@example.com", "night@example.com")
WRONG_KEY = {"SUPABASE_KEY": "sb_secret_wrong_and_long_enough"}


def alerted_by_mail(sandbox: Sandbox) -> list[tuple[str, ...]]:
    """List whom each mail with an alert went to."""
    told = [delivery for delivery in sandbox.mailbox.deliveries if delivery not in sandbox.mails]
    return [tuple(delivery.recipients) for delivery in told]


def test_operators_are_told_by_mail_and_by_chat_and_readers_are_not(sandbox: Sandbox, run: RunTool) -> None:
    """A manager has no use for a line with kubectl."""
    sandbox.bot.chats.add("77")

    run(*OPTION, **WRONG_KEY, TELEGRAM_ALERT_CHAT_ID="77", SMTP_ALERT_TO=", ".join(OPERATORS))

    assert [sent.chat for sent in sandbox.bot.sent] == ["77"]
    assert alerted_by_mail(sandbox) == [OPERATORS]


def test_an_address_for_alerts_is_enough_to_leave_the_chats_alone(sandbox: Sandbox, run: RunTool) -> None:
    """Though Telegram comes first where no operator is named."""
    run(*OPTION, **WRONG_KEY, TELEGRAM_ALERT_CHAT_ID="", SMTP_ALERT_TO=OPERATORS[0])

    assert sandbox.bot.sent == []
    assert alerted_by_mail(sandbox) == [OPERATORS[:1]]


def test_readers_are_told_when_no_operator_can_be(sandbox: Sandbox, run: RunTool) -> None:
    """An alert to the wrong people is better than none."""
    sandbox.mailbox.refused = dict.fromkeys(OPERATORS, "550 5.1.1 No such user here")

    run(*OPTION, **WRONG_KEY, TELEGRAM_ALERT_CHAT_ID="77", SMTP_ALERT_TO=",".join(OPERATORS))

    assert [sent.chat for sent in sandbox.bot.sent] == [CHATS[0]]
    assert alerted_by_mail(sandbox) == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault(answer=Answer(status=502, body=b"<html>Bad Gateway</html>")),
        Fault(answer=refusal(429, "Too Many Requests: retry after 0", retry_after=0)),
        Fault(cut="before"),
    ],
    ids=["502", "429", "cut"],
)
def test_an_alert_that_fails_once_arrives_all_the_same(sandbox: Sandbox, run: RunTool, fault: Fault) -> None:
    """It is the only word of what failed."""
    sandbox.bot.faults = [fault]

    result = run(*OPTION, **WRONG_KEY)

    assert [sent.chat for sent in sandbox.bot.sent] == [CHATS[0]]
    assert alerted_by_mail(sandbox) == []
    assert result.events.count("retry") == 1


def test_an_operator_whom_the_server_puts_off_is_told_at_the_next_attempt_and_the_others_once(
    sandbox: Sandbox, run: RunTool
) -> None:
    """One mail for each."""
    sandbox.mailbox.refused_once = {OPERATORS[1]: "452 4.2.2 Try again"}

    run(*OPTION, **WRONG_KEY, TELEGRAM_ALERT_CHAT_ID="", SMTP_ALERT_TO=",".join(OPERATORS))

    assert alerted_by_mail(sandbox) == [OPERATORS[:1], OPERATORS[1:]]


def test_an_alert_follows_a_chat_that_became_a_supergroup(sandbox: Sandbox, run: RunTool) -> None:
    """And the log names the variable that must be changed."""
    sandbox.bot.chats.add("-1002")
    moved = "Bad Request: group chat was upgraded to a supergroup chat"
    sandbox.bot.faults = [Fault(answer=refusal(400, moved, migrate_to_chat_id=-1002))]

    result = run(*OPTION, **WRONG_KEY)

    assert [sent.chat for sent in sandbox.bot.sent] == ["-1002"]
    (line,) = [one.getMessage() for one in result.records if one.__dict__.get("key") == "telegram.migrated"]
    assert "-1002" in line
    assert "TELEGRAM_ALERT_CHAT_ID" in line


def test_the_subject_of_a_mail_names_window_and_cause(sandbox: Sandbox, run: RunTool) -> None:
    """Whoever reads only the list of mails knows what is up."""
    run(*OPTION, **WRONG_KEY, TELEGRAM_ALERT_CHAT_ID="", SMTP_ALERT_TO=OPERATORS[0])

    (delivery,) = sandbox.mailbox.deliveries
    subject = str(delivery.message["Subject"])
    assert subject.startswith(f"{ALERT} ")
    assert subject.endswith(f" {make_window().label()}")
    assert "SUPABASE_KEY" in subject


def test_a_test_alert_is_sent_by_every_way_and_says_what_became_of_each(sandbox: Sandbox, run: RunTool) -> None:
    """So that nobody learns at the first failure that alerts go nowhere."""
    sandbox.mailbox.refused = {OPERATORS[1]: "550 5.1.1 No such user here"}

    result = run("--test-alert", SMTP_ALERT_TO=",".join(OPERATORS))

    lines = result.output.splitlines()
    assert result.code == 1
    assert [" ".join(line.split()[:3]) for line in lines] == [
        f"OK email {OPERATORS[0]}",
        f"FAIL email {OPERATORS[1]}",
        f"OK telegram {CHATS[0]}",
    ]
    assert lines[1].endswith("(smtp.recipient_refused)")
    assert [text.startswith("🔔 TEST ") for text in sandbox.alerts] == [True, True]
    assert sandbox.supabase.requests == []


def test_a_test_alert_without_operators_says_that_readers_get_the_alerts(sandbox: Sandbox, run: RunTool) -> None:
    """And exits with 0: that is allowed."""
    result = run("--test-alert", TELEGRAM_ALERT_CHAT_ID="")

    assert result.code == 0
    assert len(result.output.splitlines()) == len(RECIPIENTS) + 1
    for setting in ("SMTP_ALERT_TO", "TELEGRAM_ALERT_CHAT_ID"):
        assert result.output.count(setting) == 3


@pytest.mark.parametrize("is_stopping", [True, False])
def test_only_a_run_that_is_being_stopped_gives_an_alert_little_time(sandbox: Sandbox, is_stopping: bool) -> None:
    """Kubernetes kills it soon; any other run has what is left of its time."""
    sandbox.mailbox.greets_after = 1.0
    values = {name.lower(): value for name, value in sandbox.environment.items()}
    mail = MailSettings.model_validate(values | {"smtp_alert_to": OPERATORS[0]})
    tls = ssl.create_default_context()
    sandbox.authority.configure_trust(tls)
    timeouts = Timeouts(run=60, alert=0.1, alert_at_stop=0.3)
    loaded = LoadedSettings(report_dir=str(sandbox.folder))
    channel = MailChannel(mail, tls, timeouts, hide=Redaction().hide)
    run = start_run(Options(), loaded, Redaction(), timeouts, lambda: START, time.monotonic())
    run.stop.is_requested = is_stopping

    failure = Failure(what="the run", problem=Problem(key="boom", reason="It failed."))
    result = asyncio.run(Alerts(run, [channel]).send([failure]))

    assert result == ("nobody" if is_stopping else "now")
    assert len(sandbox.alerts) == (not is_stopping)
