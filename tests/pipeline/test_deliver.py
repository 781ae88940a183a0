"""Channels run side by side; every recipient gets an outcome."""

import asyncio
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest

from src.channels.interface import Channel, Outcome, not_delivered
from src.errors import DeliveryError
from src.ledger.claim import NoLedger
from src.message.report import Report
from src.pipeline.deliver import deliver, raise_alert
from src.runtime.retry import Patience

from ..builders import START, make_window
from ..channels.test_mail import make_report


@dataclass
class Fake:
    """A channel whose sending waits for `gate` and then fails with `error`, if given; it notes when it is done."""

    name: str
    recipients: tuple[str, ...] = ("a", "b")
    one_by_one: bool = False
    error: Exception | None = None
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    opens: asyncio.Event | None = None
    alerts: list[str] = field(default_factory=list)

    async def send(self, report: Report, recipients: Sequence[str], repeats: Set[str]) -> list[Outcome]:
        """Wait, fail or deliver."""
        if self.opens:
            self.opens.set()
        else:
            await asyncio.wait_for(self.gate.wait(), 5)
        if isinstance(self.error, DeliveryError):
            return not_delivered(self.name, recipients, self.error)
        if self.error:
            raise self.error
        return [Outcome(channel=self.name, recipient=recipient, state="delivered") for recipient in recipients]

    async def alert(self, text: str, at: datetime) -> None:
        """Take the alert, or fail."""
        if self.error:
            raise self.error
        self.alerts.append(text)


async def delivered(folder: Path, channels: Sequence[Channel]) -> list[Outcome]:
    """Deliver a report with no ledger and no patience."""
    async with NoLedger(lambda: START).claim(make_window()) as book:
        await book.open_for(channels, "manual")
        patience = Patience(deadline=asyncio.get_running_loop().time() + 5, first_wait=10)
        return await deliver(make_report(folder), channels, book, patience)


def test_channels_run_side_by_side(tmp_path: Path) -> None:
    """The first one ends only once the second has begun."""

    async def both() -> list[Outcome]:
        waiting = Fake("email")
        return await delivered(tmp_path, [waiting, Fake("telegram", opens=waiting.gate)])

    outcomes = asyncio.run(both())

    expected = [("email", "a"), ("email", "b"), ("telegram", "a"), ("telegram", "b")]
    assert expected == [(outcome.channel, outcome.recipient) for outcome in outcomes if outcome.delivered]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (DeliveryError("The server is out. Try again later."), "The server is out. Try again later."),
        (ZeroDivisionError("boom"), "email broke down (ZeroDivisionError)"),
    ],
    ids=["foreseen", "unforeseen"],
)
def test_a_failed_channel_does_not_stop_the_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, error: Exception, sentence: str
) -> None:
    """Its own recipients each have their failure, the others their report."""

    async def both() -> list[Outcome]:
        broken: Channel = Fake("email", error=error, opens=asyncio.Event())
        return await delivered(tmp_path, [broken, Fake("telegram", opens=asyncio.Event())])

    outcomes = asyncio.run(both())

    assert [outcome.delivered for outcome in outcomes] == [False, False, True, True]
    assert all(sentence in outcome.failure for outcome in outcomes[:2])
    lines = [record.getMessage() for record in caplog.records if "NOT delivered" in record.getMessage()]
    assert [line.partition(":")[0] for line in lines] == ["email to a", "email to b"]


def test_each_outcome_is_one_line_of_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Who got it is answered by the log."""
    caplog.set_level("INFO")
    channel = Fake("email", opens=asyncio.Event())

    asyncio.run(delivered(tmp_path, [channel]))

    assert caplog.messages == ["email to a: delivered ()", "email to b: delivered ()"]


def test_an_alert_goes_on_to_the_next_channel_whatever_breaks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Even where a channel breaks in a way nobody foresaw."""
    broken, whole, spare = Fake("telegram", error=ZeroDivisionError("boom")), Fake("email"), Fake("other")

    asyncio.run(raise_alert("text", START, [broken, whole, spare]))

    assert (whole.alerts, spare.alerts) == (["text"], [])
    assert "The alert could not be sent by telegram" in caplog.text
