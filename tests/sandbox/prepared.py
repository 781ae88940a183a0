"""What all servers of one run share: PostgreSQL's programs, and a database that has the schema. Both are made once."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from .postgres import Postgres

SHARED = "SANDBOX_PREPARED"
"""The environment variable with the folder that the workers of a test run share; without it each has its own."""
_HERE = Path(__file__).parent
_SQL = _HERE.parent.parent / "src/sql"
_SCHEMA = (_HERE / "schema.sql", _HERE / "postgres.sql", _SQL / "report_deliveries.sql", _SQL / "reports_role.sql")


@contextmanager
def prepared() -> Iterator[Path]:
    """Yield a folder with PostgreSQL's programs and the data of a server that is stopped; the first to come makes it.

    Raise RuntimeError if PostgreSQL is not installed.
    """
    # Not in a folder of pytest's: only its owner may enter that.
    with TemporaryDirectory(prefix="sandbox-") as own:
        folder = Path(os.environ.get(SHARED, own))
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / "ready").exists():
                _prepare(folder)
                (folder / "ready").touch()
        yield folder


def _prepare(folder: Path) -> None:
    for half_made in ("programs", "data"):  # by a worker that was stopped
        shutil.rmtree(folder / half_made, ignore_errors=True)
    postgres = Postgres(folder, folder)
    postgres.install()
    with postgres.serving(end="fast"):
        for file in _SCHEMA:
            postgres.sql(file.read_text())
