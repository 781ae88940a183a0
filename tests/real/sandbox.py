"""The sandbox with a real project in it, and the program run there as a process of its own."""

import io
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from python_calamine import CalamineWorkbook

from ..sandbox import CHATS, RECIPIENTS, Sandbox
from .supabase import RealSupabase

ROOT = Path(__file__).parent.parent.parent
START = datetime(2025, 11, 22, 13, tzinfo=UTC)
HOUR = ("--start", "2025-11-22T13")
"""The hour that tests put their rows into, and how they ask for it."""
LIMIT = 120.0
"""Seconds to wait for anything."""
ONCE = dict.fromkeys((*RECIPIENTS, *CHATS), 1)
"""What everyone got of one report: see `copies`."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a run came to: its exit code, what it wrote to standard error, and to standard output."""

    code: int
    log: str
    output: str


class RealSandbox(Sandbox):
    """Everything that the program talks to, the database and its REST interface being real."""

    supabase: RealSupabase

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, RealSupabase)

    @contextmanager
    def started(self, *arguments: str, **changes: str) -> Iterator["subprocess.Popen[str]"]:
        """Start a run with changed settings; it has come to its end when the block has."""
        command = [sys.executable, str(ROOT / "reports_generator.py"), *arguments]
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, env=self.environment | changes, stdout=pipe, stderr=pipe, text=True, cwd=self.folder
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def run(self, *arguments: str, **changes: str) -> Run:
        """Run it to its end."""
        with self.started(*arguments, **changes) as process:
            output, log = process.communicate(timeout=LIMIT)
        return Run(code=process.returncode, log=log, output=output)

    def fill(
        self,
        rows: int,
        *,
        table: str = "analyses",
        start: datetime = START,
        step: str = "1 ms",
        key: str = "gen_random_uuid()",
        duration: str = "1.5",
    ) -> None:
        """Put `rows` into the hour from `start`, `step` apart; `key` and `duration` are the SQL of those of row `n`."""
        self.supabase.sql(
            f"insert into {table} "
            f"select {key}, $1::timestamptz + n * interval '{step}', 'completed', {duration}, 10, 1 "
            f"from generate_series(0, {rows - 1}) n",
            start.isoformat(),
        )
        self.supabase.sql(f"analyze {table}")

    def ids(self, table: str = "analyses", *, start: datetime = START) -> list[str]:
        """List the ids of an hour's rows in the order in which they should arrive."""
        found = self.supabase.sql(
            f"select id::text as text from {table} "
            "where created_at >= $1::timestamptz and created_at < $1::timestamptz + interval '1 hour' "
            "order by created_at, id",
            start.isoformat(),
        )
        return [row["text"] for row in found]

    @property
    def copies(self) -> dict[str, int]:
        """How many reports each address and each chat got."""
        return dict(Counter(recipient for recipient, _ in self.workbooks()))

    def arrived(self) -> list[str]:
        """List the ids of the one workbook that all who got one have."""
        (content,) = {content for _, content in self.workbooks()}
        return ids(content)


def ids(workbook: bytes) -> list[str]:
    """List the ids in a workbook, top to bottom."""
    return [f"{row[0]:.0f}" if isinstance(row[0], float) else str(row[0]) for row in cells(workbook)]


def cells(workbook: bytes) -> list[list[Any]]:
    """List the rows of a workbook's data sheet below its header."""
    return CalamineWorkbook.from_filelike(io.BytesIO(workbook)).get_sheet_by_name("Hourly Report").to_python()[1:]


def until(condition: Callable[[], object]) -> None:
    """Wait until `condition` is true; raise TimeoutError if it doesn't become so."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)


def read_until(process: "subprocess.Popen[str]", text: str) -> str:
    """Return the line of a run's log that holds `text`, as soon as it is there."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        if text in line:
            return line
        lines.append(line)
    raise AssertionError(f"The log doesn't say {text!r}: {''.join(lines)}")
