"""Runs of the program that are killed (-9) at a step of their own code, however short it is.

A step is a line that is executed in the modules that deliver and record. Each run is a fork of a process that has
imported everything, so that hundreds of them take minutes.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any

from msgspec import Struct

ROOT = Path(__file__).parent.parent.parent
DELIVERING = ("src/ledger/", "src/channels/", "src/pipeline/deliver.py", "src/pipeline/report_window.py")
"""Where steps are counted."""


class Ended(Struct, frozen=True):
    """How a run ended: its exit code, negative if it was killed, and the steps that it took, 0 if it was killed."""

    code: int
    steps: int


class Program:
    """The program, ready to be run in forks."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(
        self, environment: Mapping[str, str], *arguments: str, at: datetime | None = None, kill_at: int = 0
    ) -> None:
        """Start a run by the clock `at`, and kill it at the step `kill_at` if that isn't 0."""
        assert self._process.stdin
        moment = at.isoformat() if at else ""
        asked = {"environment": {**environment}, "arguments": arguments, "at": moment, "kill_at": kill_at}
        print(json.dumps(asked), file=self._process.stdin, flush=True)

    def ended(self) -> Ended:
        """Wait for the end of one of the started runs."""
        assert self._process.stdout
        return Ended(*json.loads(self._process.stdout.readline()))

    def run(
        self, environment: Mapping[str, str], *arguments: str, at: datetime | None = None, kill_at: int = 0
    ) -> Ended:
        """Run it to its end."""
        self.start(environment, *arguments, at=at, kill_at=kill_at)
        return self.ended()


@contextmanager
def loaded(module: str = "tests.stories.steps") -> Iterator[Program]:
    """Load a program for the block: `module` is run with `serve`."""
    command = [sys.executable, "-m", module]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            yield Program(process)
        finally:
            process.kill()


class _Steps:
    """Counts the lines that are executed in DELIVERING, and ends the process at one of them."""

    def __init__(self, kill_at: int) -> None:
        self.count = 0
        self._kill_at = kill_at
        self._counted = tuple(str(ROOT / place) for place in DELIVERING)

    def trace(self, frame: FrameType, event: str, _: object) -> Callable[..., Any] | None:
        """Follow the frames of the modules that count."""
        return self._line if frame.f_code.co_filename.startswith(self._counted) else None

    def _line(self, frame: FrameType, event: str, _: object) -> Callable[..., Any]:
        self.count += event == "line"
        if event == "line" and self.count == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return self._line


def serve(program: Callable[[Sequence[str], datetime | None], int]) -> None:
    """Run `program` in a fork for each line of standard input, and write how each ended."""
    running = dict[int, int]()
    answers, turn = sys.stdout, threading.Lock()

    def wait(child: int, reading: int) -> None:
        status = os.waitpid(child, 0)[1]
        with open(reading) as counted:
            steps = int(counted.read() or 0)
        with turn:
            print(json.dumps([os.waitstatus_to_exitcode(status), steps]), file=answers, flush=True)

    for line in sys.stdin:
        asked = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _be(program, asked, writing)
        os.close(writing)
        running[child] = reading
        threading.Thread(target=wait, args=(child, reading), daemon=True).start()


def _be(program: Callable[[Sequence[str], datetime | None], int], asked: dict[str, Any], writing: int) -> None:
    """Be a run, to its end."""
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silence, stream)
    os.environ.clear()
    os.environ.update(asked["environment"])
    steps = _Steps(asked["kill_at"])
    threading.settrace(steps.trace)
    sys.settrace(steps.trace)
    code = 70
    try:
        code = program(asked["arguments"], datetime.fromisoformat(asked["at"]) if asked["at"] else None)
    finally:
        os.write(writing, str(steps.count).encode())
        os._exit(code)


def _tool(arguments: Sequence[str], at: datetime | None) -> int:
    from src.cli import main
    from src.commands.report import now
    from tests.builders import QUICK

    return main(arguments, timeouts=QUICK, clock=(lambda: at) if at else now)


if __name__ == "__main__":
    import src.cli  # noqa: F401 - so that each fork has it
    import tests.builders  # noqa: F401

    serve(_tool)
