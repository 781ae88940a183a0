"""One sandbox for all tests, emptied before each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from src.composition import Timing
from src.run import main
from src.variables import GROUPS

from .sandbox import Sandbox

collect_ignore = ["real"]
"""`make real` runs these."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a run came to: its exit code, what it wrote to standard error, and to standard output."""

    code: int
    log: str
    output: str = ""


@pytest.fixture(scope="session")
def _servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path_factory.mktemp("sandbox"))
    with sandbox.serving():
        yield sandbox


@pytest.fixture
def sandbox(_servers: Sandbox, tmp_path: Path) -> Sandbox:
    """Everything the tool talks to, empty, with nothing planned to fail."""
    _servers.reset()
    _servers.folder = tmp_path
    return _servers


@pytest.fixture
def run(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Run]:
    """Run the tool in this process, in the sandbox, with waits of hardly any length.

    `limit` is the run's time limit in seconds; other keyword arguments change its settings.
    """

    def start(
        *arguments: str, limit: float = 5, timing: Timing | None = None, env_file: Path | None = None, **changes: str
    ) -> Run:
        for name in {name.upper() for group in GROUPS for name in group.model_fields}:
            monkeypatch.delenv(name, raising=False)
        for name, value in (sandbox.environment | changes).items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        timing = timing or Timing(first_wait=0.01, longest_wait=0.05, limit=limit)
        code = main(arguments, env_file=env_file, timing=timing)
        written = capsys.readouterr()
        return Run(code=code, log=written.err, output=written.out)

    return start
