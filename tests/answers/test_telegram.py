"""The Bot API's answers from public reports get the verdicts that they should."""

import asyncio
import ssl

import pytest
from msgspec.structs import replace

from src.channels.telegram import TelegramChannel
from src.channels.telegram_replies import refusal_in
from src.channels.telegram_rules import Asked, judge
from src.config.settings import TelegramSettings
from src.config.timeouts import Timeouts
from src.domain.delivery import Outcome, not_delivered
from src.errors import DeliveryError, TooLargeError

from ..builders import make_deadline, make_report
from ..sandbox import Sandbox
from ..sandbox.telegram import TOKEN
from ..sandbox.web import Answer, Fault
from .rows import Row, blamed, read_rows, row_id, settings_of

ROWS = read_rows("telegram")
READ = [row for row in ROWS if refusal_in(int(row["status"]), row["body"].encode())]
each = pytest.mark.parametrize("row", ROWS, ids=row_id)


@pytest.mark.parametrize("row", READ, ids=row_id)
def test_an_answer_of_the_bot_api_gets_its_verdict(row: Row) -> None:
    """Key, whose fault it is, now or later, whether it may have arrived, and the setting that is blamed."""
    answer = refusal_in(int(row["status"]), row["body"].encode())
    assert answer
    asked = Asked(what="the report", chat="" if row["method"] == "getMe" else "42", sends=row["method"][:4] == "send")

    error = judge(answer, asked)

    is_later = error.transient and not isinstance(error, TooLargeError)  # that goes once more, without its file
    verdict = (error.problem.key, error.fault, "later" if is_later else "final", "yes" if error.ambiguous else "no")
    assert verdict == (f"telegram.{row['key']}", row["fault"], row["when"], row["arrived"])
    assert blamed(error.problem.remedy) <= settings_of(row) <= blamed(str(error.problem))


@pytest.mark.sampled
@each
def test_an_answer_of_the_bot_api_has_its_effect(sandbox: Sandbox, row: Row) -> None:
    """As a server gives it: nobody counts as refused but a chat whose own fault it is."""
    sandbox.bot.always = Fault(answer=Answer(status=int(row["status"]), body=row["body"].encode()))
    given = {"telegram_bot_token": TOKEN, "telegram_chat_id": "42", "telegram_api_url": sandbox.bot.url}
    settings = TelegramSettings.model_validate(given)
    channel = TelegramChannel(settings, ssl.create_default_context(), Timeouts())

    outcome = asyncio.run(outcome_of(row["method"], channel, sandbox))

    assert outcome.problem
    assert outcome.problem.key == f"telegram.{row['key']}"
    assert outcome.state == ("refused" if row["fault"] == "theirs" else "failed")
    assert (outcome.retry, outcome.ambiguous) == (row["when"] == "later", row["arrived"] == "yes")


async def outcome_of(method: str, channel: TelegramChannel, sandbox: Sandbox) -> Outcome:
    """Do what asks the Bot API by `method`; return what it comes to for chat 42."""
    if method.startswith("send"):
        report = make_report(sandbox.folder)
        left_out = "" if method == "sendDocument" else "It is too large."
        report = replace(report, attachment=replace(report.attachment, left_out=left_out))
        (outcome,) = await channel.send(report, ["42"], frozenset(), make_deadline())
        return outcome
    try:
        await (channel.check() if method == "getMe" else channel.check_recipient("42"))
    except DeliveryError as error:
        (outcome,) = not_delivered(channel.name, ["42"], error)
        return outcome
    raise AssertionError("it succeeded")
