"""One sandbox for all tests, emptied before each."""

import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import settings

from src.cli import main
from src.commands.report import now
from src.config.settings import GROUPS
from src.config.timeouts import Timeouts

from .builders import QUICK
from .sandbox import Sandbox
from .sandbox.prepared import SHARED

pytest_plugins = ["tests.timing"]
settings.register_profile("gate", derandomize=True, deadline=None)
"""The same examples every time: what a change breaks, it breaks in its own gate, not in a later one. However long one
takes on a busy machine, it is no failure."""
settings.load_profile("gate")


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a run came to: its exit code, what it wrote to standard error, and to standard output."""

    code: int
    log: str
    output: str = ""
    records: Sequence[logging.LogRecord] = ()

    @property
    def keys(self) -> list[str]:
        """The keys of the problems that the log names, in their order, each once."""
        return [*dict.fromkeys(str(record.__dict__["key"]) for record in self.records if "key" in record.__dict__)]

    def given(self, field: str, event: str) -> list[object]:
        """List what the log's lines of an event give as `field`, in their order."""
        return [
            record.__dict__[field]
            for record in self.records
            if record.__dict__.get("event") == event and field in record.__dict__
        ]

    @property
    def events(self) -> list[str]:
        """The events of the log's lines, in their order."""
        return [str(record.__dict__["event"]) for record in self.records if "event" in record.__dict__]

    def logged(self, event: str) -> list[logging.LogRecord]:
        """Return the records of an event, in their order."""
        return [record for record in self.records if record.__dict__.get("event") == event]


def pytest_configure(config: pytest.Config) -> None:
    """Give all workers of this run one folder in which the first of them prepares the database."""
    if SHARED not in os.environ:  # a worker of pytest-xdist inherits it
        folder = TemporaryDirectory(prefix="sandbox-")
        os.environ[SHARED] = folder.name
        config.add_cleanup(folder.cleanup)


@pytest.fixture(scope="session")
def _servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path_factory.mktemp("sandbox"))
    with sandbox.serving():
        yield sandbox


@pytest.fixture
def sandbox(_servers: Sandbox, tmp_path: Path) -> Sandbox:
    """Everything the tool talks to, empty, with nothing planned to fail, its HTTP servers spoken to in the clear."""
    _servers.reset()
    _servers.speak("http")
    _servers.folder = tmp_path
    return _servers


@pytest.fixture
def _root_logger() -> Iterator[None]:
    """Put the root logger back when the test is over."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], level = before
    root.setLevel(level)
    logging.captureWarnings(capture=False)


@pytest.fixture
def _records() -> Iterator[list[logging.LogRecord]]:
    """Collect everything that is logged while the test runs."""
    made, before = list[logging.LogRecord](), logging.getLogRecordFactory()

    def collect(*arguments: Any, **options: Any) -> logging.LogRecord:
        made.append(before(*arguments, **options))
        return made[-1]

    logging.setLogRecordFactory(collect)
    yield made
    logging.setLogRecordFactory(before)


@pytest.fixture
def run(
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    _root_logger: None,
    _records: list[logging.LogRecord],
) -> Callable[..., Run]:
    """Run the tool in this process, in the sandbox, with waits of hardly any length.

    Keyword arguments change its settings, `clock` is the program's time and Supabase's. What it writes to standard
    error is part of a failed test's report.
    """

    def start(
        *arguments: str,
        timeouts: Timeouts = QUICK,
        env_file: Path | None = None,
        clock: Callable[[], datetime] = now,
        **changes: str,
    ) -> Run:
        proxies = {f"{kind}_proxy" for kind in ("http", "https", "all", "no")}
        for name in {name for group in GROUPS for name in group.model_fields} | proxies:
            monkeypatch.delenv(name.upper(), raising=False)
            monkeypatch.delenv(name, raising=False)
        for name, value in (sandbox.environment | changes).items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        _records.clear()
        sandbox.supabase.clock = clock
        code = main(arguments, env_file=env_file, timeouts=timeouts, clock=clock)
        sandbox.supabase.clock = now  # a process that the test starts has no other
        written = capsys.readouterr()
        print(written.err, file=sys.__stderr__)  # past capsys, to what pytest shows
        return Run(code=code, log=written.err, output=written.out, records=[*_records])

    return start
