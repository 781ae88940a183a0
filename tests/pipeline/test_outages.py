"""Outages played hour by hour with a set clock: who is told what, and when.

Each is played with the ledger in Supabase, in the folder of one machine, and in pods whose folders end with them.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

from ..builders import NO_TIME
from ..conftest import Run
from ..sandbox import RECIPIENTS, Sandbox
from ..sandbox.smtp import Delivery
from ..sandbox.telegram import Sent
from ..sandbox.web import FOREVER, Answer, Fault

RunTool = Callable[..., Run]
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
        """When, to whom, and the first line."""
        return f"{self.at:%a %H:%M} | {self.to} | {self.text.splitlines()[0]}"


def as_table(told: Iterable[Told]) -> str:
    """Write alerts as a table."""
    return "\n".join(["when | to whom | first line", *(one.row for one in told)])


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

    def hour(self, number: int, *, restart: bool = False, **changes: str) -> Run:
        """Start the run of an hour: 0 is that of BEGIN. `restart`: in the folder of the run before."""
        at = BEGIN + timedelta(hours=number)
        folder = self.sandbox.folder / (f"pod-{number}" if self.place == "pods" else "machine")
        folder.mkdir(exist_ok=restart or self.place != "pods")
        ledger = "supabase" if self.place == "table" else "directory"
        job = "" if self.place == "machine" else job_at(at)
        where = {"REPORT_DIR": str(folder), "REPORT_LEDGER": ledger, "JOB_NAME": job}
        given = OPERATORS | where | self.settings | changes
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
def play(sandbox: Sandbox, run: RunTool) -> Callable[..., Play]:
    """Make a play; operators have an address and a chat of their own."""
    sandbox.bot.chats.add("77")

    def make(place: Place, **settings: str) -> Play:
        return Play(sandbox=sandbox, run=run, place=place, settings=settings)

    return make


@pytest.fixture(autouse=True)
def _table_of_a_play(capsys: pytest.CaptureFixture[str]) -> None:
    """Let pytest -rP show what is printed."""


SOURCE_DOWN = Fault(answer=Answer(status=503), match="/rest/v1/analyses")
SUPABASE_DOWN = Fault(answer=Answer(status=503))


class _Sigterm(threading.Event):
    """Comes when it is waited for: a SIGTERM to this process."""

    def wait(self, timeout: float | None = None) -> bool:
        os.kill(os.getpid(), signal.SIGTERM)
        return True


def source_outage(play: Play, fault: Fault, *, hours: int = 8) -> None:
    for number in range(hours):
        play.sandbox.supabase.always = fault if 1 <= number < 7 else None
        play.hour(number)
    print(as_table(play.told), play.codes)


@pytest.mark.parametrize("place", ["table", "machine", "pods"])
def test_source(play, place):
    p = play(place)
    source_outage(p, SOURCE_DOWN)
    for t in p.told: print("-----", t.at, t.to); print(t.text)


@pytest.mark.parametrize("place", ["table", "pods"])
def test_supabase(play, place):
    p = play("pods", REPORT_LEDGER="supabase") if place == "pods" else play(place)
    source_outage(p, SUPABASE_DOWN)
    for t in p.told: print("-----", t.at, t.to); print(t.text)


@pytest.mark.parametrize("place", ["table", "machine", "pods"])
def test_pods3(play, place):
    p = play("pods", REPORT_LEDGER="supabase")
    p.hour(0)
    p.sandbox.supabase.always = SUPABASE_DOWN
    p.hour(1)
    p.hour(1, restart=True)
    p.sandbox.supabase.always = Fault(until=_Sigterm(), hold=FOREVER)
    p.hour(1, restart=True)
    print(as_table(p.told), p.codes)


@pytest.mark.parametrize("reply", ["550 5.1.1 No such user here", "452 4.2.2 Mailbox full"])
@pytest.mark.parametrize("place", ["table", "machine", "pods"])
def test_mailbox(play, place, reply):
    p = play(place, REPORT_CATCH_UP="3")
    for n in range(30 if place != "pods" else 5):
        p.sandbox.mailbox.refused = {RECIPIENTS[0]: reply} if 1 <= n < 28 else {}
        p.hour(n)
    print(as_table(p.told), p.codes)
    for t in p.told[:2] + p.told[-2:]: print("-----", t.at, t.to); print(t.text)


@pytest.mark.parametrize("place", ["table", "machine", "pods"])
def test_token(play, place):
    p = play(place)
    for n in range(27 if place != "pods" else 5):
        p.hour(n, **(WRONG_TOKEN if 1 <= n < 25 else {}))
    print(as_table(p.told), p.codes)
    for t in p.told[:2] + p.told[-2:]: print("-----", t.at, t.to); print(t.text)
