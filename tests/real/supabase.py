"""A Supabase project of PostgreSQL and PostgREST: their gateway, and what can be done to it."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..sandbox.supabase import HOP, Supabase
from ..sandbox.web import Answer, Request, Web
from .postgres import Postgres
from .postgrest import Postgrest

HERE = Path(__file__).parent
SQL = HERE.parent.parent / "src/sql"
SCHEMA = (HERE / "schema.sql", SQL / "report_deliveries.sql", SQL / "reports_role.sql")
REST = "/rest/v1"
PAGE = "order=created_at"
"""What only a question for a page of rows has."""
HOLD_LIMIT = 60.0
_PLAN = "application/vnd.pgrst.plan+json; options=analyze|buffers"
# Of hosted Supabase's gateway, word for word.
_NO_KEY = b'{"message":"No API key found in request","hint":"No `apikey` request header or url param was found."}'
_INVALID_KEY = b'{"message":"Invalid API key","hint":"Double check your Supabase `anon` or `service_role` API key."}'


@dataclass(kw_only=True)
class Hold:
    """Keep the question for the `page`-th page waiting, from when it came (`reached`) until `released`."""

    page: int
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def wait_until_reached(self) -> None:
        """Wait until it has come; raise TimeoutError if it doesn't."""
        if not self.reached.wait(HOLD_LIMIT):
            raise TimeoutError

    def take(self, request: Request) -> None:
        """Count a request, and keep it waiting if it is the one."""
        if PAGE in request.target:
            self.page -= 1
            if self.page == 0:
                self.reached.set()
                self.released.wait(HOLD_LIMIT)


class RealSupabase(Supabase):
    """A project as the sandbox has it, with the real database and REST interface; there is no Storage."""

    postgres: Postgres
    postgrest: Postgrest

    def __init__(self, tls: ssl.SSLContext) -> None:
        super().__init__(tls)
        legacy = {self.jwt(role): role for role in ("service_role", "anon")}
        self._roles = {self.secret_key: "service_role", self.publishable_key: "anon"} | legacy
        self.hold: Hold | None = None

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Start the servers and serve while the block runs."""
        # Not a folder of pytest's: only its owner may enter that, and a socket's path must be short.
        with TemporaryDirectory(prefix="real-") as name:
            self.postgres = Postgres(Path(name))
            self.postgrest = Postgrest(Path(name), self.jwt_secret)
            with self.postgres.serving():
                for file in SCHEMA:
                    self.sql(file.read_text())
                with self.postgrest.serving(), Web.serving(self):
                    yield

    def reset(self) -> None:
        """Wait until all is well after what was done to it, empty the tables and forget what came in."""
        Web.reset(self)
        self.hold = None
        self.postgrest.wait_until_ready()
        tables = self.sql("select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'")
        self.sql(f"truncate {', '.join(table['relname'] for table in tables)}")

    def sql(self, sql: str, *parameters: str) -> list[dict[str, Any]]:
        """Run one statement, or several without parameters, as the database's owner and return its rows."""
        with self.postgres.connect() as connection:
            cursor = connection.execute(sql.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Keep everyone else from `table` while the block runs."""
        with closing(self.postgres.connect()) as connection:
            connection.execute("begin")
            connection.execute(f"lock table {table}".encode())
            yield

    def pages(self, table: str = "analyses") -> list[str]:
        """List the questions for pages of rows that came in, as targets for `buffers`."""
        return [
            request.target for request in self.requests if PAGE in request.target and f"/{table}?" in request.target
        ]

    def buffers(self, target: str) -> int:
        """Return how many shared buffers the database looks at to answer a GET of `target`, as `requests` has it."""
        headers = {"apikey": self.secret_key, "accept": _PLAN}
        answer = self.answer(Request(method="GET", target=target, headers=headers, body=b"", at=0.0))
        assert answer.status == 200, answer.body
        (explained,) = json.loads(answer.body)
        plan = explained["Plan"]
        return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])

    def answer(self, request: Request) -> Answer:
        """Pass the request on as Supabase's gateway does.

        It takes the project's keys as `apikey` and nothing else, and gives PostgREST a JWT for them where Authorization
        has none of its own.
        """
        if self.hold:
            self.hold.take(request)
        key = request.headers.get("apikey", "")
        if key not in self._roles:
            return Answer(status=401, body=_INVALID_KEY if key else _NO_KEY)
        headers = {name: value for name, value in request.headers.items() if name not in HOP}
        if headers.get("authorization", f"Bearer {key}") == f"Bearer {key}":
            headers["authorization"] = f"Bearer {self.jwt(self._roles[key])}"
        answer = self.postgrest.ask(request.method, request.target.removeprefix(REST), headers, request.body)
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP}
        return Answer(status=answer.status, headers=kept, body=answer.body)
