"""The tool as a process of its own, and what happens to it."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .builders import OPTION
from .sandbox import Sandbox

ENTRY = Path(__file__).parent.parent / "reports_generator.py"
LONGEST = 60.0
"""Seconds after which what a test waits for is taken not to come."""
Process = subprocess.Popen[str]


@contextmanager
def started(sandbox: Sandbox, *arguments: str, **changes: str) -> Iterator[Process]:
    """Run the tool as a process of its own, which ends with the block at the latest.

    What it wrote to standard error, unless the test has read that, is part of a failed test's report.
    """
    command = [sys.executable, str(ENTRY), *arguments]
    environment = sandbox.environment | changes
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()
            if process.stderr and not process.stderr.closed:
                print(process.stderr.read(), file=sys.__stderr__)


def wait_until(moment: Callable[[], object], process: subprocess.Popen[Any]) -> None:
    """Wait for a moment in the life of a process; raise AssertionError if that ends before, or if it doesn't come."""
    end = time.monotonic() + LONGEST
    while not moment():
        assert process.poll() is None, "it ended before"
        assert time.monotonic() < end, "it didn't come"
        time.sleep(0.01)


def read_until(process: Process, text: str) -> str:
    """Return the line of a run's log that holds `text`, as soon as it is there; raise AssertionError if it isn't."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        if text in line:
            return line
        lines.append(line)
    raise AssertionError(f"The log doesn't say {text!r}: {''.join(lines)}")


def killed_when(sandbox: Sandbox, moment: Callable[[], object], **changes: str) -> None:
    """Start a run and kill it (-9) at a moment."""
    with started(sandbox, *OPTION, **changes) as process:
        wait_until(moment, process)
        process.kill()


def noted(sandbox: Sandbox, channel: str) -> set[str]:
    """Return the states of a channel's recipients as the ledger has them at this moment, whichever ledger it is."""
    files = [path.read_text() for path in (sandbox.folder / "report_ledger").glob("*.json")]
    rows = [row["record"] for row in sandbox.supabase.sql("select record::text from report_deliveries")]
    entries = [entry for record in files + rows for entry in json.loads(record).get("entries", [])]
    return {entry["state"] for entry in entries if entry["channel"] == channel}
