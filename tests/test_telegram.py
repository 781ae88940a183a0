"""The report by Telegram: the workbook as a document in each chat."""

import asyncio
import ssl
from typing import Any

from src.channels import Outcome
from src.channels.telegram import TelegramChannel
from src.settings import TelegramSettings

from .sandbox import CHATS, Sandbox
from .sandbox.telegram import refusal
from .sandbox.web import Fault
from .test_mail import make_report


def send(sandbox: Sandbox, **changes: Any) -> list[Outcome]:
    """Send a report through the sandbox's Bot API."""
    values = {name.lower(): value for name, value in sandbox.environment.items() if name.startswith("TELEGRAM_")}
    channel = TelegramChannel(TelegramSettings.model_validate(values | changes), ssl.create_default_context())
    return asyncio.run(channel.send(make_report(sandbox.folder)))


def test_every_chat_gets_the_workbook_whole_with_its_caption(sandbox: Sandbox) -> None:
    """Once each."""
    outcomes = send(sandbox)

    report = make_report(sandbox.folder)
    expected = (report.caption, "report_20261122_130000.xlsx", report.attachment.read_bytes())
    assert [(chat, *expected) for chat in CHATS] == [
        (sent.chat, sent.text, sent.file_name, sent.document) for sent in sandbox.bot.sent
    ]
    assert [(chat, True) for chat in CHATS] == [(o.recipient, o.delivered) for o in outcomes]


def test_a_channel_may_be_named(sandbox: Sandbox) -> None:
    """Public channels go by their name."""
    sandbox.bot.chats.add("@reports")

    (outcome,) = send(sandbox, telegram_chat_id="@reports")

    assert outcome.delivered
    assert sandbox.bot.sent[0].chat == "@reports"


def test_a_chat_that_is_not_found_does_not_keep_the_next_from_its_report(sandbox: Sandbox) -> None:
    """Each has an outcome of its own."""
    lost, served = CHATS
    sandbox.bot.chats.remove(lost)

    outcomes = {outcome.recipient: outcome for outcome in send(sandbox)}

    assert outcomes[served].delivered
    assert [served] == [sent.chat for sent in sandbox.bot.sent]
    assert "chat not found" in (outcomes[lost].failure or "").lower()
    assert "TELEGRAM_CHAT_ID" in (outcomes[lost].failure or "")


def test_a_refusal_is_said_without_the_token(sandbox: Sandbox) -> None:
    """python-telegram-bot would put it into the text."""
    wrong = "123456789:wrong-AAH4cKzV0Qw9uXyZlmNopQr"

    outcomes = send(sandbox, telegram_bot_token=wrong)

    assert [outcome.delivered for outcome in outcomes] == [False, False]
    assert wrong not in repr(outcomes)


def test_no_more_is_asked_of_the_bot_api_than_to_send(sandbox: Sandbox) -> None:
    """No getMe before, one request a chat."""
    send(sandbox)

    assert [request.target.rpartition("/")[2] for request in sandbox.bot.requests] == ["sendDocument"] * 2


def test_a_server_that_fails_is_an_outcome_not_an_exception(sandbox: Sandbox) -> None:
    """The second chat is tried after the first one failed."""
    sandbox.bot.faults += [Fault(answer=refusal(502, "Bad Gateway"))]

    assert [outcome.delivered for outcome in send(sandbox)] == [False, True]
