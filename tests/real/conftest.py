"""One sandbox with the real servers for all tests, emptied before each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .sandbox import RealSandbox


@pytest.fixture(scope="session")
def _real_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealSandbox]:
    sandbox = RealSandbox(tmp_path_factory.mktemp("real"))
    with sandbox.serving():
        yield sandbox


@pytest.fixture
def real(_real_servers: RealSandbox, tmp_path: Path) -> RealSandbox:
    """Everything the program talks to, empty, with nothing planned to fail."""
    _real_servers.reset()
    _real_servers.folder = tmp_path
    return _real_servers
