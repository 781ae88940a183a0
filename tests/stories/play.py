"""A story: hours of one or two deployments, drawn from a seed alone, so that it can be played again."""

import json
import random
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from src.domain.delivery import ChannelAddress
from src.domain.window import HOUR

from ..builders import NO_TIME, QUICK
from ..conftest import Run
from ..processes import LONGEST
from ..sandbox import Sandbox
from ..sandbox.web import Answer
from .trouble import (
    Ledger,
    Moment,
    Sigterm,
    chat_answer,
    end_all,
    is_final,
    plan_end,
    plan_long,
    plan_short,
    recipient_reply,
)

ROOT = Path(__file__).parent.parent.parent
BEGIN = datetime(2026, 11, 9, tzinfo=UTC)
"""The start of the first hour of a story."""
ADDRESSES = [f"reader{number}@example.com" for number in range(9)]
GROUPS = [f"-10010000000{number:02}" for number in range(9)]
OPERATORS = {"SMTP_ALERT_TO": "ops@example.com", "TELEGRAM_ALERT_CHAT_ID": "77"}
LAST_HOURS = 2
"""Hours at the end of a story in which nothing fails."""
POD = """import sys
from datetime import datetime
from src.cli import main
from tests.builders import NO_TIME, QUICK
at = datetime.fromisoformat(sys.argv[1])
sys.exit(main([], timeouts=NO_TIME if sys.argv[2] else QUICK, clock=lambda: at))
"""


@dataclass(kw_only=True)
class Deployment:
    """A CronJob: what it reports, and to whom at present; what never changes of its settings."""

    name: str
    table: str
    addresses: list[str]
    groups: list[str]
    settings: dict[str, str]

    @property
    def present(self) -> list[ChannelAddress]:
        """The recipients at present."""
        return [*(("email", one) for one in self.addresses), *(("telegram", one) for one in self.groups)]


@dataclass(frozen=True, kw_only=True)
class PlayedRun:
    """A run that has ended: `code` is negative if it was killed; `refused` may have been refused for good in it.

    `rows` are the ids of each hour's rows at that time; `began` and `ended` are by the monotonic clock.
    """

    deployment: Deployment
    hour: int
    at: datetime
    code: int
    present: frozenset[ChannelAddress]
    refused: frozenset[ChannelAddress]
    rows: dict[int, frozenset[str]]
    began: float
    ended: float
    events: tuple[str, ...]
    is_resend: bool
    is_by_hand: bool


@dataclass(kw_only=True)
class Story:
    """Deployments whose runs, servers, rows and recipients go as the dice say; `runs` are those that were played.

    `diary` says what happened, for whoever looks into a story that ended badly.
    """

    seed: int
    sandbox: Sandbox
    run: Callable[..., Run]
    ledger: Ledger = "supabase"
    dice: random.Random = field(default_factory=random.Random)
    deployments: list[Deployment] = field(default_factory=list)
    rows: dict[str, dict[int, set[str]]] = field(default_factory=dict)
    runs: list[PlayedRun] = field(default_factory=list)
    diary: list[str] = field(default_factory=list)
    _pods: int = 0
    _folder: Path | None = None

    def __post_init__(self) -> None:
        """Draw what stays the same all through the story."""
        self.dice = random.Random(self.seed)
        self.ledger = ("supabase", "directory")[self.seed % 2]
        self.hours = self.dice.randint(2, 4)
        self.skips = self.dice.random() < 0.3
        self.sandbox.speak(self.dice.choice(("http", "https")))
        self.sandbox.bot.chats |= {*GROUPS, "77"}
        self.sandbox.supabase.page_cap = self.dice.choice((None, 3))
        operators = OPERATORS if self.dice.random() < 0.7 else dict.fromkeys(OPERATORS, "")
        for name, table in self._names():
            self.deployments.append(
                Deployment(
                    name=name,
                    table=table,
                    addresses=self.dice.sample(ADDRESSES[:5], self.dice.randint(1, 3)),
                    groups=self.dice.sample(GROUPS[:4], self.dice.randint(1, 2)),
                    settings=operators
                    | {"SUPABASE_TABLE": table, "REPORT_NAME": name, "REPORT_LEDGER": self.ledger}
                    | {"REPORT_WHEN_EMPTY": "skip" if self.skips else "send"},
                )
            )
            self.rows[table] = {}
        if len(self.deployments) > 1 and self.deployments[0].table == self.deployments[1].table:
            self.deployments[1].settings["REPORT_LEDGER_NAME"] = "second"

    def _names(self) -> list[tuple[str, str]]:
        second = ("South", self.dice.choice(("analyses", "analyses_named")))
        return [("North", "analyses"), *([second] if self.dice.random() < 0.5 else [])]

    def note(self, words: str) -> None:
        """Write a line of the diary."""
        self.diary.append(words)

    def play(self) -> None:
        """Play the hours, then let all be well."""
        for hour in range(self.hours):
            self._fill(hour, self.dice.randint(0, 5))
            for deployment in self.dice.sample(self.deployments, len(self.deployments)):
                if self.dice.random() < 0.07:
                    self.note(f"{hour}: {deployment.name} was never started")
                    continue
                for attempt in range(1 + (self.dice.random() < 0.35)):
                    if attempt and self.dice.random() < 0.2:
                        self._change(deployment)
                    self._eventful_run(deployment, hour, is_again=bool(attempt))
            self._between(hour)
        self._end_well()

    def _end_well(self) -> None:
        end_all(self.sandbox)
        self.sandbox.mailbox.refused, self.sandbox.bot.refusals = {}, {}
        self.note("from now on nothing fails")
        for deployment in self.deployments:
            if self.ledger == "directory":  # nobody catches up; somebody starts the Jobs again that failed or never ran
                codes = {run.hour: run.code for run in self.runs if run.deployment is deployment}
                for hour in range(self.hours):
                    if codes.get(hour, 1):
                        self._run(deployment, hour)
            elif self.dice.random() < 0.3:
                self._by_hand(deployment, self.dice.randrange(self.hours), is_resend=self.dice.random() < 0.4)
        for hour in range(self.hours, self.hours + LAST_HOURS):
            self._fill(hour, 2)
            for deployment in self.deployments:
                self._run(deployment, hour)

    def _fill(self, hour: int, count: int) -> None:
        for table in self.rows:
            self.rows[table][hour] = set()
            self._insert(table, hour, count)

    def _insert(self, table: str, hour: int, count: int) -> None:
        keys = [str(uuid.UUID(int=self.dice.getrandbits(128), version=4)) for _ in range(count)]
        moments = [BEGIN + hour * HOUR + timedelta(seconds=self.dice.randrange(3600)) for _ in keys]
        rows = [
            {"id": key, "created_at": at.isoformat(), "status": "completed", "duration": 1.5}
            | {"records_processed": 10, "records_failed": 1}
            for key, at in zip(keys, moments, strict=True)
        ]
        self.sandbox.supabase.insert(rows, table)
        self.rows[table][hour] |= {*keys}

    def _between(self, hour: int) -> None:
        """Let rows come late, and recipients change."""
        for table in self.rows:
            if self.dice.random() < 0.6:
                late, count = self.dice.randint(0, hour), self.dice.randint(1, 3)
                self._insert(table, late, count)
                self.note(f"{hour}: {count} rows come late for {late} in {table}")
        for deployment in self.deployments:
            if self.dice.random() < 0.5:
                self._change(deployment)
        self._refuse()

    def _change(self, deployment: Deployment) -> None:
        """Add, remove or correct a recipient."""
        chosen, pool, refused = (
            (deployment.addresses, ADDRESSES, self.sandbox.mailbox.refused)
            if self.dice.random() < 0.6
            else (deployment.groups, GROUPS, self.sandbox.bot.refusals)
        )
        new = self.dice.choice([one for one in pool if one not in chosen])
        wrong = [one for one in chosen if one in refused]
        if wrong and self.dice.random() < 0.6:
            chosen[chosen.index(wrong[0])] = new
            self.note(f"{deployment.name}: {wrong[0]} is corrected to {new}")
        elif len(chosen) > 1 and self.dice.random() < 0.5:
            self.note(f"{deployment.name}: {chosen[0]} is removed")
            del chosen[0]
        else:
            chosen.append(new)
            self.note(f"{deployment.name}: {new} is added")

    def _refuse(self) -> None:
        """Let servers refuse recipients, or refuse them no more."""
        mailbox, bot = self.sandbox.mailbox, self.sandbox.bot
        everyone = sorted({address for deployment in self.deployments for address in deployment.present})
        for channel, recipient in everyone:
            refused: dict[str, Any] = mailbox.refused if channel == "email" else bot.refusals
            if recipient in refused and self.dice.random() < 0.4:
                del refused[recipient]
                self.note(f"{recipient} is refused no more")
            elif recipient not in refused and self.dice.random() < 0.12:
                answer = recipient_reply(self.dice) if channel == "email" else chat_answer(self.dice)
                refused[recipient] = answer
                words = answer.body.decode() if isinstance(answer, Answer) else answer
                self.note(f"{recipient} is refused from now on: {words}")

    def _refused(self) -> frozenset[ChannelAddress]:
        by_mail, by_chat = self.sandbox.mailbox.refused, self.sandbox.bot.refusals
        found = [("email", one) for one, reply in by_mail.items() if is_final(reply)]
        return frozenset([*found, *(("telegram", one) for one, answer in by_chat.items() if is_final(answer))])

    def _eventful_run(self, deployment: Deployment, hour: int, *, is_again: bool) -> None:
        """Play a run in which something may fail, or which is killed, stopped, or not the only one of its hour."""
        place, sandbox, dice = self.dice.random(), self.sandbox, self.dice
        any_refused = bool(sandbox.mailbox.refused or sandbox.bot.refusals)
        if place < 0.18:
            self._killed(deployment, hour, is_again=is_again)
        elif place < 0.28:
            moment = plan_end(sandbox, dice, self.ledger, Sigterm())
            self._run(deployment, hour, is_again=is_again, how="may be stopped")
            self.note(f"  stopped: {moment()}")
        elif place < 0.32 and not any_refused:
            self._overlapping(deployment, hour)
        elif place < 0.6:
            plan_long(sandbox, dice)
            self._run(deployment, hour, is_again=is_again, how=f"long trouble: {self._planned()}")
        elif place < 0.85:
            plan_short(sandbox, dice)
            is_quick = not any_refused and dice.random() < 0.5
            self._run(deployment, hour, is_again=is_again, how=f"short trouble: {self._planned()}", is_quick=is_quick)
        else:
            self._run(deployment, hour, is_again=is_again)
        end_all(sandbox)

    def _planned(self) -> str:
        box, webs = self.sandbox.mailbox, (self.sandbox.supabase, self.sandbox.bot)
        planned = [fault for web in webs for fault in (*web.faults, web.always) if fault]
        short = [
            f"{fault.match} {fault.cut or (fault.answer and (fault.answer.status, fault.answer.body[:80]))}"
            for fault in planned
        ]
        return f"{short} {box.data_faults} {box.login_faults[:1]} {box.sender_reply} {box.data_reply}"

    def _environment(self, deployment: Deployment, hour: int, *, is_again: bool = False) -> dict[str, str]:
        """Return the settings of a run: in the folder of the one before only if it is a restart in its pod."""
        is_restart = is_again and self._folder is not None and self.dice.random() < 0.5
        if not is_restart:
            self._end_leases()
            self._pods += self.ledger == "supabase"
            self._folder = self.sandbox.folder / f"pod-{self._pods}"
            self._folder.mkdir(exist_ok=True)
        job = f"reports-generator-{int((BEGIN + (hour + 1) * HOUR).timestamp()) // 60}"
        where = {"JOB_NAME": job, "POD_NAME": f"pod-{self._pods}", "REPORT_DIR": str(self._folder)}
        recipients = {"SMTP_TO": ",".join(deployment.addresses), "TELEGRAM_CHAT_ID": ",".join(deployment.groups)}
        return deployment.settings | where | recipients

    def _end_leases(self, pod: str = "") -> None:
        """Let the time pass in which a pod that was killed holds its claims, or any pod."""
        change = "update report_deliveries set lease_seconds = -1 where holder like $1 || '%'"
        self.sandbox.supabase.sql(change, f"{pod}." if pod else "")

    def _moment(self, hour: int) -> datetime:
        """Return when a run of an hour starts: a few minutes after the one before, whose clock never goes back."""
        due = BEGIN + (hour + 1) * HOUR + timedelta(minutes=2)
        return max([due, *(run.at + timedelta(minutes=4) for run in self.runs[-1:])])

    @contextmanager
    def _recorded(
        self, deployment: Deployment, hour: int, *, is_resend: bool = False, is_by_hand: bool = False
    ) -> Iterator[list[tuple[int, list[str]]]]:
        """Keep what is known of the runs of the block, which adds their exit codes and events."""
        ended: list[tuple[int, list[str]]] = []
        at, began = self._moment(hour), time.monotonic()
        rows = {hour: frozenset(ids) for hour, ids in self.rows[deployment.table].items()}
        present, refused = frozenset(deployment.present), self._refused()
        yield ended
        for code, events in ended:
            played = PlayedRun(
                deployment=deployment,
                hour=hour,
                at=at,
                code=code,
                present=present,
                refused=refused,
                rows=rows,
                began=began,
                ended=time.monotonic(),
                events=tuple(events),
                is_resend=is_resend,
                is_by_hand=is_by_hand,
            )
            self.runs.append(played)
            self.note(f"  exit code {code}")

    def _run(
        self, deployment: Deployment, hour: int, *, is_again: bool = False, is_quick: bool = False, how: str = "is well"
    ) -> None:
        """Play a scheduled run in this process."""
        to = ", ".join(recipient for _, recipient in deployment.present)
        self.note(f"{hour}: a run of {deployment.name} to {to} {how}")
        at, settings = self._moment(hour), self._environment(deployment, hour, is_again=is_again)
        with self._recorded(deployment, hour) as ended:
            result = self.run(clock=lambda: at, timeouts=QUICK if is_quick else NO_TIME, **settings)
            ended.append((result.code, [*result.events]))

    def _by_hand(self, deployment: Deployment, hour: int, *, is_resend: bool) -> None:
        """Let somebody send an hour by its command."""
        self.note(f"somebody sends {hour} of {deployment.name}{' again' if is_resend else ''}")
        at, settings = self._moment(self.hours - 1), self._environment(deployment, hour)
        settings |= {"JOB_NAME": "", "REPORT_START": f"{BEGIN + hour * HOUR:%Y-%m-%dT%H}"}
        settings |= {"REPORT_RESEND": "true"} if is_resend else {}
        with self._recorded(deployment, hour, is_resend=is_resend, is_by_hand=True) as ended:
            result = self.run(clock=lambda: at, timeouts=NO_TIME, **settings)
            ended.append((result.code, [*result.events]))

    def _killed(self, deployment: Deployment, hour: int, *, is_again: bool) -> None:
        """Play a run as a process of its own, and kill it when a request comes; it ends by itself if none does."""
        moment = plan_end(self.sandbox, self.dice, self.ledger)
        self.note(f"{hour}: a run of {deployment.name} may be killed")
        settings = self._environment(deployment, hour, is_again=is_again)
        with self._recorded(deployment, hour) as ended:
            process = self._started(settings, hour)
            _kill_when(moment, process)
            ended.append(_ended(process))
        end_all(self.sandbox)

    def _overlapping(self, deployment: Deployment, hour: int) -> None:
        """Play two pods of one Job at the same time; one of them may be killed as soon as a report is on its way."""
        self.note(f"{hour}: two runs of {deployment.name} at once")
        settings = [self._environment(deployment, hour) for _ in range(2)]
        with self._recorded(deployment, hour) as ended:
            processes = [self._started(one, hour, is_quick=True) for one in settings]
            if self.dice.random() < 0.5:
                asked, bot = len(self.sandbox.bot.requests), self.sandbox.bot
                _kill_when(lambda: len(bot.requests) > asked, processes[0])
                self._end_leases(settings[0]["POD_NAME"])
            ended += [_ended(process) for process in processes]

    def _started(self, settings: dict[str, str], hour: int, *, is_quick: bool = False) -> subprocess.Popen[str]:
        environment = self.sandbox.environment | settings | {"PYTHONPATH": str(ROOT), "LOG_FORMAT": "json"}
        self.sandbox.supabase.clock = partial(self._moment, hour)
        command = [sys.executable, "-c", POD, self._moment(hour).isoformat(), "" if is_quick else "no time"]
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def _kill_when(moment: Moment, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + LONGEST
    while process.poll() is None:
        assert time.monotonic() < end, "the run does not end"
        if moment():
            process.kill()
            return
        time.sleep(0.005)


def _ended(process: subprocess.Popen[str]) -> tuple[int, list[str]]:
    """Wait for a process; return its exit code and the events of its log."""
    _, log = process.communicate(timeout=LONGEST * 3)
    print(log, file=sys.__stderr__)
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{") and line.endswith("}")]
    return process.returncode, [str(line["event"]) for line in lines if "event" in line]
