"""A topic of a group as a recipient of its own: `-1001000000001/12`."""

import asyncio
import json
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from src.domain.delivery import includes

from ..alerts import are_clear
from ..answers.rows import blamed
from ..builders import CREATED, NO_TIME, OPTION, alert_text, make_deadline, make_report
from ..commands.test_check import key_of
from ..conftest import Run
from ..ledger.test_ledger import CATCH_UP, LEDGERS, job
from ..sandbox import CHATS, Sandbox
from ..sandbox.telegram import refusal
from ..sandbox.web import Answer, Fault
from .test_telegram import make_channel, send

RunTool = Callable[..., Run]
GROUP = CHATS[0]
TOPIC, OTHER = f"{GROUP}/12", f"{GROUP}/13"
OPEN = {12: True, 13: True}
MOVED = refusal(400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=-1002)


def by_telegram(*chats: str) -> dict[str, str]:
    """Return the settings that send to these chats alone."""
    return {"REPORT_CHANNELS": "telegram", "TELEGRAM_CHAT_ID": ",".join(chats)}


def reached(sandbox: Sandbox) -> list[str]:
    """List the chats and topics in which reports arrived."""
    return [sent.chat for sent in sandbox.messages]


@pytest.mark.parametrize("left_out", ["", "Too large."], ids=["with its workbook", "without"])
def test_a_report_appears_in_its_topic(sandbox: Sandbox, left_out: str) -> None:
    """And not in the group's other topics."""
    sandbox.bot.topics = {GROUP: OPEN}
    report = make_report(sandbox.folder)
    report = replace(report, attachment=replace(report.attachment, left_out=left_out))
    channel = make_channel(sandbox, telegram_chat_id=f"{TOPIC},42")

    outcomes = asyncio.run(channel.send(report, channel.recipients, frozenset(), make_deadline()))

    assert reached(sandbox) == [TOPIC, "42"]
    assert [(one.recipient, one.delivered, one.notice) for one in outcomes] == [
        (TOPIC, True, None),
        ("42", True, None),
    ]


def test_an_alert_appears_in_its_topic(sandbox: Sandbox) -> None:
    """Beside a topic of the same group that gets the reports."""
    sandbox.bot.topics = {GROUP: OPEN}
    channel = make_channel(sandbox, telegram_chat_id=TOPIC, telegram_alert_chat_id=OTHER)

    assert asyncio.run(channel.alert(alert_text("text"), CREATED, channel.operators)) == {}
    assert [sent.chat for sent in sandbox.bot.sent] == [OTHER]


@LEDGERS
def test_each_topic_is_a_recipient_of_its_own(sandbox: Sandbox, run: RunTool, ledger: str) -> None:
    """One that is closed is refused alone; once it is open, it alone gets the hour."""
    sandbox.bot.topics = {GROUP: {12: True, 13: False}}
    changes = by_telegram(TOPIC, OTHER) | {"REPORT_LEDGER": ledger}

    first = run(*OPTION, **changes)
    (alert,) = sandbox.alerts
    sandbox.bot.topics = {GROUP: OPEN}
    again = run(*OPTION, **changes)
    shown = run("--deliveries", OPTION[1], "--json", **changes)

    assert ([first.code, again.code], reached(sandbox)) == ([1, 0], [TOPIC, OTHER])
    assert (first.keys, sandbox.alerted) == (["telegram.topic_closed"], ["telegram.topic_closed"])
    assert are_clear(sandbox.alerts) == [False, True]
    assert (f"telegram to {OTHER}" in alert, f"telegram to {TOPIC}" in alert) == (True, False)
    lines = [json.loads(line) for line in shown.output.splitlines() if "delivered" in line]
    assert [(line["recipient"], line["state"]) for line in lines if line.get("recipient")] == [
        (TOPIC, "delivered"),
        (OTHER, "delivered"),
    ]


def test_a_topic_that_is_added_gets_no_hour_that_is_owed_to_its_chat(sandbox: Sandbox, run: RunTool) -> None:
    """It is new, as any other recipient: only hours that no scheduled run has opened reach it."""
    sandbox.bot.topics = {GROUP: OPEN}
    sandbox.bot.always = Fault(answer=Answer(status=502))
    run(JOB_NAME=job(2), **by_telegram(GROUP), **CATCH_UP, timeouts=NO_TIME)
    sandbox.bot.always = None

    assert run(JOB_NAME=job(0), **by_telegram(TOPIC), **CATCH_UP).code == 0
    assert reached(sandbox) == [TOPIC, TOPIC]  # its own hour and the one between, which nobody opened


@pytest.mark.parametrize(
    ("only", "expected"),
    [(TOPIC, [TOPIC]), (GROUP, [GROUP, TOPIC, OTHER]), (f"{OTHER},42", [OTHER, "42"])],
)
def test_a_chat_stands_for_its_topics_and_a_topic_for_itself(
    sandbox: Sandbox, run: RunTool, only: str, expected: list[str]
) -> None:
    """In --only; a recipient whose beginning is the same isn't meant."""
    sandbox.bot.topics = {GROUP: OPEN}
    sandbox.bot.chats.add(f"{GROUP}1")

    assert run("--until-now", f"--only={only}", **by_telegram(GROUP, TOPIC, OTHER, "42", f"{GROUP}1")).code == 0
    assert reached(sandbox) == expected


def test_a_topic_that_is_no_recipient_is_refused(run: RunTool, sandbox: Sandbox) -> None:
    """Though its chat is one."""
    result = run(*OPTION, f"--only={GROUP}/7", **by_telegram(GROUP, TOPIC))

    assert (result.code, result.keys, reached(sandbox)) == (2, ["options"], [])


@pytest.mark.parametrize(
    ("name", "recipient", "expected"),
    [
        ("@Reports", "@reports/12", True),
        ("-1001", "-1001/12", True),
        ("-100", "-1001/12", False),
        ("-1001/1", "-1001/12", False),
        ("-1001/12", "-1001", False),
        ("a", "a/12@example.com", False),
        ("A/12@example.com", "a/12@EXAMPLE.com", True),
    ],
)
def test_whom_a_name_stands_for(name: str, recipient: str, expected: bool) -> None:
    """An address may have a slash too."""
    assert includes(name, recipient) is expected


def test_a_group_that_has_moved_is_followed_into_the_topic(sandbox: Sandbox) -> None:
    """Reports and alerts; the notice says what to put into the setting."""
    sandbox.bot.chats.add("-1002")
    sandbox.bot.topics = {"-1002": OPEN}
    sandbox.bot.faults.append(Fault(answer=MOVED))
    (outcome,) = send(sandbox, telegram_chat_id=TOPIC)
    sandbox.bot.faults.append(Fault(answer=MOVED))
    channel = make_channel(sandbox, telegram_alert_chat_id=OTHER)
    failed = asyncio.run(channel.alert(alert_text("text"), CREATED, [OTHER]))

    assert outcome.notice
    assert (outcome.recipient, outcome.notice.key, failed) == (TOPIC, "telegram.migrated", {})
    assert [one in outcome.notice.reason for one in (TOPIC, "-1002/12")] == [True, True]
    assert [sent.chat for sent in sandbox.bot.sent] == ["-1002/12", "-1002/13"]


@pytest.mark.parametrize(("topics", "key"), [({13: True}, "topic_unknown"), ({12: False}, "topic_closed")])
def test_a_topic_that_takes_nothing_is_reported_as_such(sandbox: Sandbox, topics: dict[int, bool], key: str) -> None:
    """With its number and the setting that names it, of a report and of an alert."""
    sandbox.bot.topics = {GROUP: topics}
    channel = make_channel(sandbox, telegram_chat_id=CHATS[1], telegram_alert_chat_id=TOPIC)

    (outcome,) = send(sandbox, telegram_chat_id=TOPIC)
    alert = asyncio.run(channel.alert(alert_text("text"), CREATED, [TOPIC]))[TOPIC].problem

    assert outcome.problem
    assert (outcome.state, outcome.problem.key, alert.key) == ("refused", f"telegram.{key}", f"telegram.{key}")
    assert [blamed(one.remedy) for one in (outcome.problem, alert)] == [
        {"TELEGRAM_CHAT_ID"},
        {"TELEGRAM_ALERT_CHAT_ID"},
    ]
    assert all(word in f"{one.reason} {one.remedy}" for one in (outcome.problem, alert) for word in (GROUP, "topic 12"))


def test_a_topic_of_a_chat_without_topics_is_noticed(sandbox: Sandbox) -> None:
    """Telegram passes over the number, and the whole group reads what was for a topic."""
    (outcome,) = send(sandbox, telegram_chat_id=TOPIC)

    assert outcome.notice
    assert (outcome.delivered, outcome.notice.key, reached(sandbox)) == (True, "telegram.topic_ignored", [GROUP])
    assert blamed(outcome.notice.remedy) == {"TELEGRAM_CHAT_ID"}


def test_a_check_finds_topics_that_are_missing_and_sends_nothing(sandbox: Sandbox, run: RunTool) -> None:
    """Nor does it show that the bot is typing. That a topic is closed can't be seen without sending."""
    sandbox.bot.topics = {GROUP: {12: True, 14: False}}
    chats = {"TELEGRAM_CHAT_ID": f"{TOPIC},{OTHER},{GROUP}/14,42/12", "TELEGRAM_ALERT_CHAT_ID": f"{GROUP}/15"}
    sandbox.bot.chats.add("42")

    result = run("--check", **chats)

    lines = [line for line in result.output.splitlines() if line[5:].startswith("telegram ")]
    found = {line.split()[2]: line for line in lines if "telegram bot" not in line}
    states = {chat: line.split()[0] for chat, line in found.items()}
    assert states == {TOPIC: "OK", OTHER: "FAIL", f"{GROUP}/14": "OK", "42/12": "FAIL", f"{GROUP}/15": "FAIL"}
    keys = [key_of(found[chat]) for chat in (OTHER, "42/12", f"{GROUP}/15")]
    assert keys == ["telegram.topic_unknown", "telegram.topic_ignored", "telegram.topic_unknown"]
    assert blamed(found[f"{GROUP}/15"]) == {"TELEGRAM_ALERT_CHAT_ID"}
    assert (sandbox.bot.sent, result.code) == ([], 1)
    methods = {request.target.rpartition("/")[2].lower() for request in sandbox.bot.requests}
    assert methods == {"getme", "getchat", "forwardmessages"}


def test_a_check_blames_nobody_if_a_server_knows_no_such_method(sandbox: Sandbox) -> None:
    """A Bot API server from before it."""
    sandbox.bot.topics = {GROUP: OPEN}
    sandbox.bot.faults += [Fault(), Fault(answer=refusal(404, "Not Found"))]

    assert "topic 12" in asyncio.run(make_channel(sandbox, telegram_chat_id=TOPIC).check_recipient(TOPIC))
