"""Outages played hour by hour with a set clock: who is told what, and when.

Each is played with the ledger in Supabase, in the folder of one machine, and in pods whose folders end with them.
"""

import os
import re
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Literal

import pytest

from src.errors import Stage

from ..alerts import delivered_to_everyone, hours_in, keys_in, ranges, window_of
from ..builders import NO_TIME
from ..conftest import Run
from ..sandbox import CHATS, RECIPIENTS, Sandbox
from ..sandbox.smtp import Delivery
from ..sandbox.telegram import Sent
from ..sandbox.web import FOREVER, Answer, Fault

pytestmark = pytest.mark.sampled

RunTool = Callable[..., Run]
Playing = Callable[..., "Play"]
Place = Literal["table", "machine", "pods"]
BEGIN = datetime(2026, 11, 9, 0, 2, tzinfo=UTC)
"""When the first run starts, two minutes past the hour as every one: Monday."""
OPERATORS = {"SMTP_ALERT_TO": "ops@example.com", "TELEGRAM_ALERT_CHAT_ID": "77"}
BY_MAIL, BY_CHAT = "ops@example.com", "chat 77"
EVERYWHERE = f"{BY_MAIL}, {BY_CHAT}"
WRONG_TOKEN = {"TELEGRAM_BOT_TOKEN": "123456789:wrong-AAH4cKzV0Qw9uXyZlmNopQr"}
ERROR = "⚠️ ERROR in Reports Generator: "
CLEAR = "✅ All clear: "


@dataclass(frozen=True, kw_only=True)
class Told:
    """One alert: when by the set clock, to whom, and what."""

    at: datetime
    to: str
    text: str

    @property
    def row(self) -> str:
        """When, to whom, which problems or that all is clear, and about which window."""
        what = "clear" if self.text.startswith(CLEAR) else f"{', '.join(keys_in(self.text))} {window_of(self.text)}"
        return f"{self.at:%a %H:%M} | {self.to} | {what.rstrip()}"


def as_table(told: Iterable[Told]) -> str:
    """Write alerts as a table."""
    return "\n".join(["when | to whom | what", *(one.row for one in told)])


@dataclass(kw_only=True)
class Play:
    """Runs the tool hour by hour, and keeps what operators were told, oldest first, and the exit codes."""

    sandbox: Sandbox
    run: RunTool
    place: Place
    settings: dict[str, str] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    _mails: int = 0
    _chats: int = 0

    def hour(self, number: int, changes: Mapping[str, str] | None = None, *, restart: bool = False) -> Run:
        """Start the run of an hour, with `changes` of its settings: 0 is that of BEGIN.

        `restart`: in the folder of the run before.
        """
        at = BEGIN + timedelta(hours=number)
        folder = self.sandbox.folder / (f"pod-{number}" if self.place == "pods" else "machine")
        folder.mkdir(exist_ok=restart or self.place != "pods")
        ledger = "supabase" if self.place == "table" else "directory"
        job = "" if self.place == "machine" else job_at(at)
        where = {"REPORT_DIR": str(folder), "REPORT_LEDGER": ledger, "JOB_NAME": job}
        given = OPERATORS | where | self.settings | dict(changes or {})
        result = self.run(clock=lambda: at, timeouts=NO_TIME, **given)
        self._collect(at)
        self.codes.append(result.code)
        return result

    def _collect(self, at: datetime) -> None:
        """Take up what came in since the run before: the mailbox of three days is not read anew each hour."""
        mails, chats = self.sandbox.mailbox.deliveries, self.sandbox.bot.sent
        came: list[Delivery | Sent] = [*mails[self._mails :], *chats[self._chats :]]
        self._mails, self._chats = len(mails), len(chats)
        by_text: dict[str, list[str]] = {}
        for one in came:
            if (text := one.text.rstrip("\n")).startswith((ERROR, CLEAR)):
                by_text.setdefault(text, []).append(_whom(one))
        self.told += [Told(at=at, to=", ".join(whom), text=text) for text, whom in by_text.items()]

    def pass_by(self, hours: int, last: int) -> None:
        """Let the runs of so many hours after the `last` one have left in Supabase what that left: it saves minutes."""
        start = BEGIN.replace(minute=0) + timedelta(hours=last - 1)
        key, then = "name, template, source, zone", "window_start + passed * interval '1 hour'"
        moment = f"to_char(({then}) at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS+00:00')"
        record = f"jsonb_set(record, '{{start}}', to_jsonb({moment}))"
        self.sandbox.supabase.sql(
            f"insert into report_deliveries ({key}, window_start, record, scheduled) "
            f"select {key}, {then}, {record}, scheduled from report_deliveries, generate_series(1, {hours}) as passed "
            "where window_start = $1",
            start.isoformat(),
        )

    @property
    def rows(self) -> list[str]:
        """The table's rows."""
        return [one.row for one in self.told]


def _whom(one: Delivery | Sent) -> str:
    return ", ".join(one.recipients) if isinstance(one, Delivery) else f"chat {one.chat}"


def job_at(at: datetime) -> str:
    """Name the Job that a CronJob makes for the full hour before `at`."""
    return f"reports-generator-{int(at.replace(minute=0).timestamp()) // 60}"


@pytest.fixture
def play(sandbox: Sandbox, run: RunTool) -> Iterator[Playing]:
    """Make a play; operators have an address and a chat of their own. The tables of a test are printed at its end."""
    played: list[Play] = []
    sandbox.bot.chats.add("77")

    def make(place: Place, **settings: str) -> Play:
        played.append(Play(sandbox=sandbox, run=run, place=place, settings=settings))
        return played[-1]

    yield make
    for one in played:
        print(as_table(one.told))


SOURCE_DOWN = Fault(answer=Answer(status=503), match="/rest/v1/analyses")
SUPABASE_DOWN = Fault(answer=Answer(status=503))
SIX_HOURS = range(1, 7)
SIX_WINDOWS = [f"2026-11-09 0{hour}:00-0{hour + 1}:00 UTC" for hour in range(6)]
OUT_OF_ORDER = "source.gateway"
GONE = "550 5.1.1 No such user here"
FULL = "452 4.2.2 Mailbox full"
REFUSED = "smtp.recipient_refused"
UNAUTHORIZED = "telegram.token"


class Sigterm(threading.Event):
    """Comes when it is waited for: a SIGTERM to this process."""

    def wait(self, timeout: float | None = None) -> bool:
        """Send it, once the request that waits for this has come in."""
        os.kill(os.getpid(), signal.SIGTERM)
        return True


def failed(hour: int, key: str, *, to: str = EVERYWHERE) -> str:
    """Write the row of an alert of the run of an hour, about the window before it."""
    start = BEGIN + timedelta(hours=hour - 1)
    end = BEGIN + timedelta(hours=hour)
    window = f"{start:%Y-%m-%d %H}:00-{end:%H}:00 UTC"
    return f"{end:%a %H:%M} | {to} | {key} {window}"


def clear(hour: int) -> str:
    """Write the row of an all-clear of the run of an hour."""
    return f"{BEGIN + timedelta(hours=hour):%a %H:%M} | {EVERYWHERE} | clear"


@pytest.mark.parametrize("fault", [SOURCE_DOWN, SUPABASE_DOWN], ids=["the table of analyses", "all of Supabase"])
def test_six_hours_without_the_source_are_one_alert_and_one_list_when_they_end(play: Playing, fault: Fault) -> None:
    """One alert, and one all-clear that lists the hours; where the ledger is down too, a folder keeps what was told."""
    outage = play("table")
    for hour in range(8):
        outage.sandbox.supabase.always = fault if hour in SIX_HOURS else None
        outage.hour(hour)

    key = OUT_OF_ORDER if fault is SOURCE_DOWN else "ledger.gateway"
    assert outage.rows == [failed(1, key), clear(7)]
    all_clear = outage.told[-1].text
    assert (delivered_to_everyone(all_clear), ranges(all_clear)) == (SIX_WINDOWS, [])
    assert outage.codes == [0, 1, 1, 1, 1, 1, 1, 0]


def test_six_hours_without_the_source_on_one_machine_are_left_to_the_operator(play: Playing) -> None:
    """No later run sends those hours, so the end of the outage is not the end of the matter."""
    outage = play("machine")
    for hour in range(8):
        outage.sandbox.supabase.always = SOURCE_DOWN if hour in SIX_HOURS else None
        outage.hour(hour)

    assert outage.rows == [failed(1, OUT_OF_ORDER), clear(7)]
    all_clear = outage.told[-1].text
    assert (Stage.ROWS in all_clear.lower(), hours_in(all_clear)) == (True, [])
    assert len(outage.sandbox.mails) == 2
    assert outage.codes == [0, 1, 1, 1, 1, 1, 1, 0]


@pytest.mark.parametrize("ledger", ["directory", "supabase"])
def test_six_hours_without_supabase_are_one_alert_a_pod(play: Playing, ledger: str) -> None:
    """A pod is started three times, the third time it is stopped: one alert a pod.

    No later pod knows of these alerts, so none gives an all-clear.
    """
    outage = play("pods", REPORT_LEDGER=ledger)
    supabase = outage.sandbox.supabase
    for hour in range(8):
        supabase.always = SUPABASE_DOWN if hour in SIX_HOURS else None
        outage.hour(hour)
        if hour in SIX_HOURS:
            outage.hour(hour, restart=True)
            supabase.always = Fault(until=Sigterm(), hold=FOREVER)
            outage.hour(hour, restart=True)

    key = OUT_OF_ORDER if ledger == "directory" else "ledger.gateway"
    assert outage.rows == [failed(hour, key) for hour in SIX_HOURS]
    assert outage.codes == [0, *[1, 1, 143] * 6, 0]
    assert len(outage.sandbox.mails) == (8 if ledger == "supabase" else 2)


@pytest.mark.parametrize("place", ["table", "machine"])
def test_a_mailbox_that_is_gone_for_three_days_is_told_of_once_a_day(play: Playing, place: Place) -> None:
    """Told when it begins, then once a day, and at its end that what was refused is not sent by itself.

    The hours around each alert are played; the others of the ledger in Supabase are as those.
    """
    outage = play(place, TELEGRAM_CHAT_ID="42")
    played = (0, 3, 6, 24, 27, 30, 48, 51, 54, 72, 75)
    for hour, following in pairwise((*played, 78)):
        outage.sandbox.mailbox.refused = {RECIPIENTS[0]: GONE} if 1 <= hour <= 72 else {}
        outage.hour(hour)
        if place == "table":
            outage.pass_by(following - hour - 1, hour)

    assert outage.rows == [
        *(failed(hour, REFUSED) for hour in (3, 27, 51)),
        clear(75),
    ]
    *alerts, all_clear = (one.text for one in outage.told)
    assert [GONE in alert for alert in alerts] == [True] * 3
    before = [re.findall(r" at ([-\d]+ [:\d]+) UTC", alert) for alert in alerts]
    assert before == [[], ["2026-11-09 03:02"], ["2026-11-10 03:02"]]
    assert f"mail to {RECIPIENTS[0]} works" in all_clear
    assert ranges(all_clear) == [("2026-11-09T02", 72 if place == "table" else 70)]
    assert outage.codes == [0, *[1] * 9, 0]


def test_a_mailbox_that_is_full_beyond_the_reach_of_catching_up_is_told_of_once_a_day(play: Playing) -> None:
    """Each hour another report goes out of reach; they are told of once a day, and the rest at the end."""
    outage = play("table", TELEGRAM_CHAT_ID="42", REPORT_CATCH_UP="1")
    played = (*range(5), *range(23, 30))
    for hour, following in pairwise((*played, 30)):
        outage.sandbox.mailbox.refused = {RECIPIENTS[0]: FULL} if 1 <= hour <= 28 else {}
        outage.hour(hour)
        outage.pass_by(following - hour - 1, hour)

    assert outage.rows == [
        failed(1, "smtp.recipient_later"),
        f"Mon 03:02 | {EVERYWHERE} | out_of_reach",
        failed(25, "smtp.recipient_later"),
        f"Tue 03:02 | {EVERYWHERE} | out_of_reach",
        f"Tue 05:02 | {EVERYWHERE} | out_of_reach.2026-11-10T01",
        clear(29),
    ]
    beyond = [ranges(outage.told[place].text) for place in (1, 3, 4)]
    assert beyond == [[("2026-11-09T00", 1)], [("2026-11-09T01", 24)], [("2026-11-10T01", 2)]]
    assert hours_in(outage.told[-1].text)[0] == "2026-11-10 03:00-04:00 UTC"
    assert outage.codes == [0, *[1] * 10, 0]


def test_a_token_refused_for_hours_is_told_by_mail_and_its_end_by_both_ways(play: Playing) -> None:
    """Told by mail alone; the end by both ways, with all hours, and without a word on reports that are left."""
    outage = play("table", REPORT_CATCH_UP="30")
    for hour in range(0, 10, 3):
        outage.hour(hour, WRONG_TOKEN if 1 <= hour <= 6 else {})

    assert outage.rows == [
        failed(3, UNAUTHORIZED, to=BY_MAIL),
        clear(9),
    ]
    assert (delivered_to_everyone(outage.told[-1].text)[:6], ranges(outage.told[-1].text)) == (SIX_WINDOWS, [])
    assert outage.codes == [0, 1, 1, 0]


def test_a_token_refused_for_a_day_on_one_machine_leaves_its_hours_to_the_operator(play: Playing) -> None:
    """The same alert; the hours are left to the operator."""
    outage = play("machine")
    for hour in (0, 3, 6, 24, 27, 30):
        outage.hour(hour, WRONG_TOKEN if 1 <= hour <= 27 else {})

    assert outage.rows == [
        failed(3, UNAUTHORIZED, to=BY_MAIL),
        failed(27, UNAUTHORIZED, to=BY_MAIL),
        clear(30),
    ]
    assert re.findall(r"elegram to ([-\d]+)", outage.told[-1].text) == [*CHATS]
    assert outage.codes == [0, *[1] * 4, 0]


def test_in_pods_without_a_lasting_ledger_each_tells_of_its_own_hour(play: Playing) -> None:
    """Whether a mailbox is gone or a token is refused: nobody else will send it."""
    outage = play("pods")
    outage.sandbox.mailbox.refused = {RECIPIENTS[0]: GONE}
    for hour in range(3):
        outage.hour(hour)
    outage.sandbox.mailbox.refused = {}
    for hour in range(3, 6):
        outage.hour(hour, WRONG_TOKEN if hour < 5 else {})

    gone = [failed(hour, REFUSED) for hour in range(3)]
    assert outage.rows == [*gone, *(failed(hour, UNAUTHORIZED, to=BY_MAIL) for hour in (3, 4))]
    assert outage.codes == [1, 1, 1, 1, 1, 0]
    assert [ranges(one.text) for one in outage.told] == [
        [(f"{BEGIN + timedelta(hours=hour - 1):%Y-%m-%dT%H}", 1)] for hour in range(5)
    ]
