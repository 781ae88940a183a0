"""Channels run side by side; every recipient gets an outcome."""

import asyncio
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest

from src.channels.interface import Channel, addresses
from src.config.loader import LoadedSettings
from src.config.options import Options
from src.config.timeouts import Timeouts
from src.domain.delivery import Outcome, not_delivered
from src.errors import DeliveryError, Problem
from src.ledger.interface import NoLedger
from src.message.alert import AlertText, Failure
from src.message.content import Report
from src.pipeline.alerts import Alerts
from src.pipeline.deliver import deliver
from src.pipeline.run import Run as StartedRun
from src.runtime.redaction import Redaction
from src.runtime.retry import RetryPolicy

from ..builders import START, make_policy, make_report, make_window


@dataclass
class Fake(Channel):
    """A channel whose sending waits for `gate` and then fails with `error`, if given; it notes when it is done.

    `errors` are those of the sendings to come, one each; `sendings` are the seconds that each had.
    """

    name: str
    recipients: tuple[str, ...] = ("a", "b")
    one_by_one: bool = False
    alerts_first: bool = False
    alerted_readers: tuple[str, ...] = ("a",)
    error: Exception | None = None
    errors: list[DeliveryError] = field(default_factory=list)
    sendings: list[float] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    opens: asyncio.Event | None = None
    alerts: list[str] = field(default_factory=list)

    async def send(
        self, report: Report, recipients: Sequence[str], repeats: Set[str], deadline: float
    ) -> list[Outcome]:
        """Wait, fail or deliver."""
        if self.opens:
            self.opens.set()
        else:
            await asyncio.wait_for(self.gate.wait(), 60)
        seconds = deadline - asyncio.get_running_loop().time()
        self.sendings.append(seconds)
        if self.errors:
            if self.errors[0] in (CUT_OFF, CUT_OFF_UNSEEN):
                await asyncio.sleep(seconds)
            return not_delivered(self.name, recipients, self.errors.pop(0))
        if isinstance(self.error, DeliveryError):
            return not_delivered(self.name, recipients, self.error)
        if self.error:
            raise self.error
        return [Outcome(channel=self.name, recipient=recipient, state="delivered") for recipient in recipients]

    async def alert(self, text: AlertText, at: datetime, recipients: Sequence[str]) -> dict[str, DeliveryError]:
        """Take the alert, or fail."""
        if isinstance(self.error, DeliveryError):
            return dict.fromkeys(recipients, self.error)
        if self.error:
            raise self.error
        self.alerts.append(str(text))
        return {}


async def delivered(folder: Path, channels: Sequence[Channel]) -> list[Outcome]:
    """Deliver a report with no ledger and no retries."""
    policy = RetryPolicy(deadline=asyncio.get_running_loop().time() + 60, first_wait=200, longest_wait=200)
    async with NoLedger(lambda: START).claim(make_window(), policy) as claim:
        await claim.open_for(addresses(channels), "manual")
        return await deliver(make_report(folder), channels, claim, policy, send_limit=60)


def test_channels_run_side_by_side(tmp_path: Path) -> None:
    """The first one ends only once the second has begun."""

    async def both() -> list[Outcome]:
        waiting = Fake("email")
        return await delivered(tmp_path, [waiting, Fake("telegram", opens=waiting.gate)])

    outcomes = asyncio.run(both())

    expected = [("email", "a"), ("email", "b"), ("telegram", "a"), ("telegram", "b")]
    assert expected == [(outcome.channel, outcome.recipient) for outcome in outcomes if outcome.delivered]


@pytest.mark.parametrize(
    ("error", "key"),
    [
        (DeliveryError("out", "The server is out.", "Wait."), "out"),
        (ZeroDivisionError("boom"), "broke_down.ZeroDivisionError"),
    ],
    ids=["foreseen", "unforeseen"],
)
def test_a_failed_channel_does_not_stop_the_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, error: Exception, key: str
) -> None:
    """Its own recipients each have their failure, the others their report."""

    async def both() -> list[Outcome]:
        broken: Channel = Fake("email", error=error, opens=asyncio.Event())
        return await delivered(tmp_path, [broken, Fake("telegram", opens=asyncio.Event())])

    outcomes = asyncio.run(both())

    assert [outcome.delivered for outcome in outcomes] == [False, False, True, True]
    assert [outcome.problem.key for outcome in outcomes[:2] if outcome.problem] == [key, key]
    fields = [record.__dict__ for record in caplog.records if record.__dict__["event"] == "not_delivered"]
    assert [(one["channel"], one["recipient"], one["key"]) for one in fields] == [
        ("email", "a", key),
        ("email", "b", key),
    ]


def test_each_outcome_is_one_line_of_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Who got it is answered by the log."""
    caplog.set_level("INFO")
    channel = Fake("email", opens=asyncio.Event())

    asyncio.run(delivered(tmp_path, [channel]))

    fields = [record.__dict__ for record in caplog.records]
    assert [(one["event"], one["channel"], one["recipient"]) for one in fields] == [
        ("delivered", "email", recipient) for recipient in ("a", "b")
    ]


def test_an_alert_goes_on_to_the_next_channel_whatever_breaks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Even where a channel breaks in a way nobody foresaw."""
    broken, whole, spare = (
        Fake("telegram", alerts_first=True, error=ZeroDivisionError("boom")),
        Fake("email"),
        Fake("other"),
    )

    loaded = LoadedSettings(report_dir=str(tmp_path))
    run = StartedRun(
        options=Options(), loaded=loaded, redaction=Redaction(), timeouts=Timeouts(alert=5), clock=lambda: START
    )
    alerts = Alerts(run, [spare, whole, broken])
    failure = Failure(what="the run", problem=Problem(key="boom", reason="It failed."))
    asyncio.run(alerts.send([failure]))

    assert [len(channel.alerts) for channel in (broken, spare, whole)] == [0, 1, 0]
    (failed,) = [record.__dict__ for record in caplog.records if record.__dict__["event"] == "alert_failed"]
    assert (failed["channel"], failed["key"]) == ("telegram", "broke_down.ZeroDivisionError")


NOT_NOW = DeliveryError("busy", "It is busy.", "Look at it.", transient=True)
CUT_OFF = DeliveryError("timed_out", "It did not answer in time.", "Look at it.", transient=True)
"""Comes when the limit of the sending is reached."""
CUT_OFF_UNSEEN = DeliveryError("unseen", "It did not answer in time.", "Look at it.", transient=True, ambiguous=True)
"""The same, of a message that may have arrived."""
UNSEEN = DeliveryError("unseen", "It did not answer.", "Look at it.", transient=True, ambiguous=True)


def sent(
    folder: Path, channel: Fake, *, begun: Sequence[str] = (), seconds: float = 60, share: float = 1
) -> tuple[list[Outcome], dict[str, str]]:
    """Deliver by one channel that is open, within some `seconds`, where sendings to `begun` were cut off.

    Other windows wait for all but a `share` of the time.

    Return the outcomes, and what the ledger says of each recipient.
    """
    channel.opens = asyncio.Event()

    async def sending() -> tuple[list[Outcome], dict[str, str]]:
        policy = make_policy(seconds).sharing(share)
        async with NoLedger(lambda: START).claim(make_window(), policy) as claim:
            await claim.open_for(addresses([channel]), "manual")
            await claim.sending(channel.name, begun)
            outcomes = await deliver(make_report(folder), [channel], claim, policy, send_limit=60)
            return outcomes, {entry.recipient: entry.state for entry in claim.record.entries}

    return asyncio.run(sending())


@pytest.mark.parametrize(
    ("errors", "begun", "sendings", "state"),
    [
        ([UNSEEN], [], 2, "delivered"),
        ([UNSEEN] * 9, [], 2, "sending"),
        ([NOT_NOW, NOT_NOW, UNSEEN, NOT_NOW, NOT_NOW], [], 6, "delivered"),
        ([UNSEEN, NOT_NOW, NOT_NOW, UNSEEN, UNSEEN], [], 4, "sending"),
        ([UNSEEN] * 9, ["a"], 1, "sending"),
        ([NOT_NOW, NOT_NOW], ["a"], 3, "delivered"),
    ],
)
def test_what_may_have_arrived_is_repeated_once_in_a_run(
    tmp_path: Path, errors: list[DeliveryError], begun: list[str], sendings: int, state: str
) -> None:
    """Also where the run before left it so; what has surely not arrived is tried again as long as there is time."""
    channel = Fake("email", recipients=("a",), errors=[*errors])

    (outcome,), ledger = sent(tmp_path, channel, begun=begun)

    assert (len(channel.sendings), ledger) == (sendings, {"a": state})
    assert outcome.delivered == (state == "delivered")


def test_what_may_have_arrived_stays_so_whatever_the_repeat_fails_of(tmp_path: Path) -> None:
    """The next run's message still has to say that it may be a repeat."""
    channel = Fake(
        "telegram", recipients=("a",), errors=[UNSEEN, DeliveryError("token", "Its token is wrong.", "Correct it.")]
    )

    _, ledger = sent(tmp_path, channel)

    assert ledger == {"a": "sending"}


@pytest.mark.slow
def test_an_attempt_that_the_time_limit_cuts_off_tells_what_the_one_before_failed_of(tmp_path: Path) -> None:
    """The operator wants the cause."""
    channel = Fake("email", recipients=("a",), errors=[NOT_NOW, CUT_OFF])

    (outcome,), ledger = sent(tmp_path, channel, seconds=1)

    assert (str(outcome.problem), outcome.attempt, ledger) == (str(NOT_NOW), 2, {"a": "owed"})


@pytest.mark.slow
def test_a_channel_that_is_out_of_order_is_tried_to_the_end_of_the_time_limit(tmp_path: Path) -> None:
    """It stays owed."""
    channel = Fake("email", recipients=("a",), error=NOT_NOW)

    (outcome,), ledger = sent(tmp_path, channel, seconds=0.5)

    assert (outcome.delivered, ledger, len(channel.sendings) > 1) == (False, {"a": "owed"}, True)


def test_an_error_of_ours_is_not_tried_again_in_the_run_and_stays_owed(tmp_path: Path) -> None:
    """A wrong password doesn't become right in a minute."""
    channel = Fake("email", errors=[DeliveryError("login", "The password is wrong.", "Correct it.")])

    outcomes, ledger = sent(tmp_path, channel)

    assert [outcome.state for outcome in outcomes] == ["failed", "failed"]
    assert (len(channel.sendings), ledger) == (1, {"a": "owed", "b": "owed"})


def test_an_answer_that_is_under_way_is_waited_for_however_many_chats_wait(tmp_path: Path) -> None:
    """A copy whose answer came too late would be sent to the same chat by every run."""
    channel = Fake("telegram", recipients=("a", "b", "c"), one_by_one=True)

    sent(tmp_path, channel)

    assert all(seconds > 40 for seconds in channel.sendings)


def test_every_wait_ends_within_a_sending_and_a_sending_within_the_lease() -> None:
    """A run that waits is not taken for a dead one."""
    times = Timeouts()

    assert max(times.smtp, times.telegram_read, times.telegram_upload) < times.send < times.lease
    assert times.supabase_read < times.supabase_answer < times.lease
    assert times.storage_read < times.storage < times.lease


@pytest.mark.slow
def test_whoever_was_not_tried_before_the_time_limit_is_not_taken_for_one_who_may_have_it(tmp_path: Path) -> None:
    """A chat that was never written to must not read later that this may be a repeat."""
    channel = Fake("telegram", recipients=("a", "b", "c"), one_by_one=True, errors=[CUT_OFF_UNSEEN])

    outcomes, ledger = sent(tmp_path, channel, seconds=0.5)

    assert ledger == {"a": "sending", "b": "owed", "c": "owed"}
    assert len(channel.sendings) == 1
    assert [outcome.problem and outcome.problem.key for outcome in outcomes[1:]] == ["time_limit", "time_limit"]


def test_where_other_windows_wait_only_further_attempts_are_cut_short(tmp_path: Path) -> None:
    """The sending in progress has all the time there is, and what it failed of stays owed."""
    channel = Fake("email", recipients=("a",), errors=[NOT_NOW] * 9)

    (outcome,), ledger = sent(tmp_path, channel, share=0)

    (seconds,) = channel.sendings
    assert (ledger, str(outcome.problem), seconds > 50) == ({"a": "owed"}, str(NOT_NOW), True)
