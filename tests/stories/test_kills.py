"""Killed (-9) at every step, in both ledgers: nobody is left out, and nobody gets an unmarked second copy.

KILLS says how many, KILLS_SEED where they begin.
"""

import os
import random
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from src.domain.window import HOUR
from src.phrases.language import ENGLISH

from ..builders import OPTION, START
from ..faults import ONCE, copies
from ..sandbox import CHATS, RECIPIENTS, Sandbox
from .steps import Program, loaded

KILLS = int(os.environ.get("KILLS", "4"))
SEED = int(os.environ.get("KILLS_SEED", "1"))
CLAIMANTS = 24
EVERYONE = [*(("email", one) for one in RECIPIENTS), *(("telegram", one) for one in CHATS)]


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    """The program, loaded once."""
    with loaded() as ready:
        yield ready


@dataclass
class Figures:
    """What came of all the kills."""

    kills: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    marked: int = 0


@dataclass(kw_only=True)
class Killing:
    """One hour whose run is killed at a step, once or twice, and sent by later runs."""

    number: int
    sandbox: Sandbox
    program: Program
    steps: dict[str, int]
    ledger: str = ""
    pod: int = 0

    def __post_init__(self) -> None:
        """Draw what happens."""
        self.dice = random.Random(f"{SEED} {self.number}")
        self.ledger = self.ledger or ("supabase", "directory")[self.number % 2]
        self.start = START - self.number * HOUR
        self.is_scheduled = self.dice.random() < 0.5

    def play(self) -> list[str]:
        """Kill the run, then let two others come; return what is wrong, a sentence each."""
        self.sandbox.supabase.fill(3, start=self.start)
        for _ in range(1 + (self.dice.random() < 0.2)):
            self.run(kill_at=self.dice.randint(1, self.steps[self.ledger]))
            if self.dice.random() < 0.5 and self.ledger == "supabase":
                self.pod += 1
                end_leases(self.sandbox)
        if self.dice.random() < 0.2:
            self.sandbox.supabase.fill(1, start=self.start + timedelta(minutes=30))
        ended = self.run()
        if ended and self.ledger == "supabase":  # what a dead run asked for was done after its end: its claim lasts
            end_leases(self.sandbox)
            ended = self.run()
        sent = len(self.sandbox.mails), len(self.sandbox.messages)
        again = self.run()
        wrong = [] if (ended, again) == (0, 0) else [f"the runs after it ended with {ended} and {again}"]
        if sent != (len(self.sandbox.mails), len(self.sandbox.messages)):
            wrong.append("what was recorded was sent again")
        found = [*wrong, *self.judged()]
        return [f"KILLS_SEED={SEED}, kill {self.number} in {self.ledger}: {one}" for one in found]

    def run(self, *, kill_at: int = 0) -> int:
        """Run it for this hour; return its exit code, negative if it was killed."""
        folder = self.sandbox.folder / f"{self.number}-{self.pod}"
        folder.mkdir(exist_ok=True)
        due = self.start + HOUR + timedelta(minutes=2)
        settings = {"REPORT_LEDGER": self.ledger, "REPORT_DIR": str(folder), "POD_NAME": folder.name}
        arguments = ["--start", f"{self.start:%Y-%m-%dT%H}"]
        at: datetime | None = None
        if self.is_scheduled:
            job = f"reports-generator-{int((self.start + HOUR).timestamp()) // 60}"
            arguments, at = [], due
            settings |= {"JOB_NAME": job, "REPORT_CATCH_UP": "0"}
            self.sandbox.supabase.clock = lambda: due
        return self.program.run(self.sandbox.environment | settings, *arguments, at=at, kill_at=kill_at).code

    def copies(self) -> dict[tuple[str, str], list[tuple[str, str]]]:
        """Return each recipient's copies of this hour, oldest first: Message-ID and text."""
        name, found = f"report_{self.start:%Y%m%d_%H%M%S}.xlsx", {to: list[tuple[str, str]]() for to in EVERYONE}
        for mail in self.sandbox.mails:
            (part,) = mail.message.iter_attachments()
            for one in mail.recipients if part.get_filename() == name else ():
                found["email", one].append((str(mail.message["Message-ID"]), mail.text))
        for sent in self.sandbox.messages:
            if sent.file_name == name:
                found["telegram", sent.chat].append(("", sent.text))
        return found

    def judged(self) -> Iterator[str]:
        """Say who lacks the report, and who got a second copy without a mark."""
        for to, received in self.copies().items():
            if not received:
                yield f"{to} got nothing"
            for place, (message_id, text) in enumerate(received[1:], 1):
                is_known = message_id and message_id in [known for known, _ in received[:place]]
                if not (is_known or ENGLISH.REPEAT in text):
                    yield f"{to} got copy {place + 1} without a mark"


def end_leases(sandbox: Sandbox) -> None:
    """Let the time pass in which a pod that was killed holds its claims."""
    columns = sandbox.supabase.sql(
        "select attname from pg_attribute where attrelid = 'report_deliveries'::regclass and attname = 'lease_seconds'"
    )
    change = "lease_seconds = -1" if columns else "lease_until = now() - interval '1 second'"
    sandbox.supabase.sql(f"update report_deliveries set {change} where holder is not null")


def counted(sandbox: Sandbox, program: Program, folder: Path) -> dict[str, int]:
    """Return how many steps a run takes with each ledger."""
    found = dict[str, int]()
    for ledger in ("supabase", "directory"):
        place = folder / f"counted-{ledger}"
        place.mkdir()
        settings = {"REPORT_LEDGER": ledger, "REPORT_DIR": str(place), "REPORT_LEDGER_NAME": "counted"}
        ended = program.run(sandbox.environment | settings, *OPTION)
        assert ended.code == 0
        found[ledger] = ended.steps
    return found


@pytest.mark.long
def test_whoever_is_killed_at_whatever_step_leaves_nobody_out_and_doubles_nothing_without_a_mark(
    sandbox: Sandbox, program: Program
) -> None:
    """The two runs after it send what is left, and then nothing."""
    steps, figures = counted(sandbox, program, sandbox.folder), Figures()
    for number in range(1, KILLS + 1):
        if number % 50 == 0:  # what came in so far is judged
            folder = sandbox.folder
            sandbox.reset()
            sandbox.folder = folder
        one = Killing(number=number, sandbox=sandbox, program=program, steps=steps)
        figures.wrong += one.play()
        figures.kills[one.ledger] += 1
        figures.marked += any(len(received) > 1 for received in one.copies().values())
    print(f"{figures} {steps}", file=sys.__stderr__)

    assert figures.wrong == [], "\n".join(figures.wrong)


@pytest.mark.long
@pytest.mark.parametrize("ledger", ["supabase", "directory"])
def test_of_many_claimants_at_once_one_sends_to_each_recipient(sandbox: Sandbox, program: Program, ledger: str) -> None:
    """Pods that overlap, each in a folder of its own; or runs on one machine, in one folder."""
    sandbox.supabase.fill(3, start=START)
    for number in range(CLAIMANTS):
        folder = sandbox.folder / (f"pod-{number}" if ledger == "supabase" else "machine")
        folder.mkdir(exist_ok=True)
        settings = {"REPORT_LEDGER": ledger, "REPORT_DIR": str(folder), "POD_NAME": f"pod-{number}"}
        program.start(sandbox.environment | settings, *OPTION)
    codes = [program.ended().code for _ in range(CLAIMANTS)]

    assert (codes, copies(sandbox)) == ([0] * CLAIMANTS, ONCE)
