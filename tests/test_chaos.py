"""Pods that are killed at any moment, servers that fail at any edge: in the end everyone has every row of every hour.

`make test` plays two seeds; `make test-long` and `make chaos` play them for CHAOS_SECONDS, from CHAOS_SEED on.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from src.domain.window import HOUR

from .builders import data_rows, make_rows
from .faults import HTML
from .processes import LONGEST
from .sandbox import CHATS, RECIPIENTS, Sandbox
from .sandbox.smtp import Delivery
from .sandbox.telegram import refusal
from .sandbox.web import Answer, Fault
from .test_run import ROOT

SEED = int(os.environ.get("CHAOS_SEED", "1"))
SECONDS = float(os.environ.get("CHAOS_SECONDS", "0"))
HOURS = 2
SOURCE = (
    Fault(cut="before"),
    Fault(cut="within"),
    Fault(answer=Answer(status=503)),
    Fault(answer=Answer(status=401)),
    Fault(answer=Answer(body=HTML)),
    Fault(delay=0.3),
)
BOT = (
    Fault(cut="before"),
    Fault(cut="after"),
    Fault(answer=Answer(status=502, body=HTML)),
    Fault(answer=refusal(429, "Too Many Requests: retry after 0", retry_after=0)),
    Fault(delay=0.3),
)
MAIL = ("451 4.3.0 Later", "421 4.3.2 Down", "554 5.6.0 Never", "cut", "taken, cut")
POD = """import sys
from msgspec.structs import replace
from src.cli import main
from tests.builders import QUICK
sys.exit(main([], timeouts=replace(QUICK, lease=20)))
"""
"""A run with hardly any waits between its attempts; the claim of one that is killed ends before the next gives up."""
TOLD = ("The alert was sent by", "Nobody could be alerted", "nobody is told again")


def first_hour() -> datetime:
    """Return the start of the oldest of the HOURS last hours that are over."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - HOURS * HOUR


@dataclass
class Story:
    """What happens in one round: drawn from its seed alone, so that it can be played again.

    `first` is the start of its first hour, the same however long it lasts.
    """

    seed: int
    ledger: str
    scheme: str
    pods: int
    dice: random.Random
    kills: int = 0
    ambiguous: int = 0
    first: datetime = field(default_factory=first_hour)
    logs: list[tuple[int, str]] = field(default_factory=list)


def stories() -> Iterator[Story]:
    """Yield one for each combination of ledger, scheme and number of pods, again and again."""
    for number in range(10**9):
        seed = SEED + number
        dice = random.Random(seed)
        ledger, scheme = ("supabase", "directory")[number % 2], ("https", "http")[(number + number // 2) % 2]
        yield Story(seed=seed, ledger=ledger, scheme=scheme, pods=dice.randint(1, 3), dice=dice)


def fill(sandbox: Sandbox, story: Story) -> dict[str, set[str]]:
    """Put a few rows into each hour; return their ids by the name of the hour's file."""
    expected = {}
    for number in range(HOURS):
        start = story.first + number * HOUR
        rows = [row | {"id": str(uuid.uuid4())} for row in make_rows(4, start=start, step=timedelta(minutes=7))]
        sandbox.supabase.insert(rows)
        expected[f"report_{start:%Y%m%d_%H%M%S}.xlsx"] = {row["id"] for row in rows}
    return expected


def plan(sandbox: Sandbox, story: Story) -> None:
    """Let some of the next requests fail."""
    dice = story.dice
    sandbox.supabase.faults += [
        replace(dice.choice(SOURCE), match=dice.choice(("/analyses", "/report_deliveries")))
        for _ in range(dice.randint(0, 2))
    ]
    bot = [dice.choice(BOT) for _ in range(dice.randint(0, 2))]
    mail = [dice.choice(MAIL) for _ in range(dice.randint(0, 2))]
    sandbox.bot.faults += bot
    sandbox.mailbox.data_faults += mail
    story.ambiguous += sum(fault.cut == "after" for fault in bot) + sum(fault.startswith("taken") for fault in mail)


def start_pod(sandbox: Sandbox, story: Story, hour: int, name: str) -> subprocess.Popen[str]:
    """Start the scheduled run of an hour, as a CronJob's pod would."""
    due = story.first + (hour + 1) * HOUR
    environment = sandbox.environment | {
        "JOB_NAME": f"reports-generator-{int(due.timestamp() // 60)}",
        "POD_NAME": name,
        "POD_NAMESPACE": "production",
        "REPORT_LEDGER": story.ledger,
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.Popen([sys.executable, "-c", POD], env=environment, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def play(sandbox: Sandbox, story: Story) -> None:
    """Run the pods of each hour at the same time; some are killed or stopped on the way."""
    for hour in range(HOURS):
        plan(sandbox, story)
        pods = [start_pod(sandbox, story, hour, f"pod-{hour}-{number}") for number in range(story.pods)]
        for pod in pods:
            if story.dice.random() < 0.5:
                time.sleep(story.dice.random())
                pod.send_signal(story.dice.choice((signal.SIGKILL, signal.SIGTERM)))
                story.kills += 1
        end(pods, story)


def end(pods: list[subprocess.Popen[str]], story: Story) -> None:
    """Wait for the pods, and keep what they said."""
    for pod in pods:
        _, log = pod.communicate(timeout=LONGEST * 3)
        story.logs.append((pod.returncode, log))


def until_all_is_well(sandbox: Sandbox, story: Story) -> None:
    """Let nothing fail any more, and start the hours' Jobs again until each ends well."""
    sandbox.supabase.faults.clear()
    sandbox.bot.faults.clear()
    sandbox.mailbox.data_faults.clear()
    for hour in range(HOURS):
        for attempt in range(4):
            pods = [start_pod(sandbox, story, hour, f"last-{hour}-{attempt}")]
            end(pods, story)
            if story.logs[-1][0] == 0:
                break
        assert story.logs[-1][0] == 0, story.logs[-1][1]


def assert_all_is_well(sandbox: Sandbox, story: Story, expected: dict[str, set[str]]) -> None:
    """Every row of every hour for everyone, no copy that nothing explains, no failure that nobody was told of."""
    copies: Counter[tuple[str, str]] = Counter()
    reports = [(one, file_of(mail), mail.attachment()) for mail in sandbox.mails for one in mail.recipients]
    reports += [(sent.chat, sent.file_name, sent.document) for sent in sandbox.messages]
    for recipient, name, content in reports:
        copies[recipient, name] += 1
        assert {row[0] for row in data_rows(content)} == expected[name], (recipient, name)
    assert copies.keys() == {(one, name) for one in (*RECIPIENTS, *CHATS) for name in expected}
    excess = sum(copies.values()) - len(copies)
    assert excess <= (story.kills + story.ambiguous) * len((*RECIPIENTS, *CHATS)), copies
    for code, log in story.logs:
        is_silent = code < 0 or not log  # killed, or stopped before Python had read the first line of the program
        assert code == 0 or is_silent or any(words in log for words in TOLD), log


def file_of(mail: Delivery) -> str:
    """Return the name of the workbook in a mail."""
    (part,) = mail.message.iter_attachments()
    return part.get_filename() or ""


def rounds() -> Iterator[Story]:
    """Yield two stories, one of each ledger, or as many as there is time for."""
    began = time.monotonic()
    for number, story in enumerate(stories()):
        if number >= 2 and time.monotonic() - began > SECONDS:
            return
        yield story


@pytest.mark.random
def test_after_any_chaos_everyone_has_every_row_of_every_hour(sandbox: Sandbox) -> None:
    """And no more copies than kills and ambiguous faults explain; each failure was told of."""
    for story in rounds():
        sandbox.reset()
        sandbox.speak(story.scheme)
        shutil.rmtree(sandbox.folder / "report_ledger", ignore_errors=True)
        expected = fill(sandbox, story)
        play(sandbox, story)
        until_all_is_well(sandbox, story)
        assert_all_is_well(sandbox, story, expected)
