"""A Supabase project of PostgreSQL, PostgREST and a stand-in for Storage, whose gateway can be told to fail."""

import json
import secrets
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt

from .postgres import Postgres
from .postgrest import Postgrest
from .prepared import prepared
from .storage import Storage
from .web import Answer, Request, Web

REST = "/rest/v1"
STORAGE = "/storage/v1"
PAGE = "order=created_at"
"""What only a question for a page of rows has."""
HOLD_LIMIT = 60.0
_PLAN = "application/vnd.pgrst.plan+json"
_NO_PLANS = (
    f'{{"code":"PGRST107","details":null,"hint":null,"message":"None of these media types are available: {_PLAN}"}}'
)
# Of hosted Supabase's gateway, word for word.
_NO_KEY = b'{"message":"No API key found in request","hint":"No `apikey` request header or url param was found."}'
_INVALID_KEY = b'{"message":"Invalid API key","hint":"Double check your Supabase `anon` or `service_role` API key."}'
_EMPTY_ALL = """do $$
declare
  filled text;
begin
  select string_agg(oid::regclass::text, ', ') into filled from pg_class
  where relnamespace in ('public'::regnamespace, 'storage'::regnamespace) and relkind = 'r'
    and pg_relation_size(oid) > 0;
  if filled is not null then
    execute 'truncate ' || filled || ' cascade';
  end if;
end $$"""


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


class Supabase(Web):
    """A project's REST and Storage address.

    `page_cap` lowers the 1,000 rows that a page holds at most; `lost` is a parameter that questions for rows lose on
    their way; `hold` keeps one of them waiting. `filters_again` is PostgREST's own way: a PATCH with `or` gives back
    only those of the changed rows to which its filters still apply. Without it the answer is that of 14.4 and later.
    `plans` lets the plan of a query be seen, which hosted Supabase does only where somebody turned it on.
    """

    postgres: Postgres
    postgrest: Postgrest
    storage: Storage

    def __init__(self, tls: ssl.SSLContext) -> None:
        super().__init__(tls)
        self.secret_key = f"sb_secret_{secrets.token_urlsafe(24)}"
        self.publishable_key = f"sb_publishable_{secrets.token_urlsafe(24)}"
        self.jwt_secret = secrets.token_urlsafe(32)
        legacy = {self.jwt(role): role for role in ("service_role", "anon")}
        self._roles = {self.secret_key: "service_role", self.publishable_key: "anon"} | legacy
        self._forget()

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Start the servers and serve while the block runs; raise RuntimeError if they are not installed."""
        # A socket's path must be short, and the servers may be of another user.
        with prepared() as ready, TemporaryDirectory(prefix="supabase-") as name:
            self.postgres = Postgres(Path(name), ready)
            self.postgrest = Postgrest(Path(name), self.jwt_secret)
            self.storage = Storage(self.postgres, self.jwt_secret)
            with self.postgres.serving(), self.postgrest.serving(), super().serving():
                yield

    def reset(self) -> None:
        """Wait until all is well after what was done to it, empty the tables and forget what came in."""
        super().reset()
        self._forget()
        self.storage.reset()
        self.postgrest.wait_until_ready()
        self.sql(_EMPTY_ALL)

    def _forget(self) -> None:
        self.page_cap: int | None = None
        self.lost = ""
        self.filters_again = True
        self.hold: Hold | None = None
        self.plans = False

    def sql(self, sql: str, *parameters: str) -> list[dict[str, Any]]:
        """Run one statement, or several without parameters, as the database's owner; return the last one's rows.

        PostgREST sees rights, policies, locks and rows at once; for whatever else changes there is `change`.
        """
        return self.postgres.sql(sql, *parameters)

    def change(self, sql: str) -> None:
        """Run statements that change the tables themselves; PostgREST knows of it afterwards."""
        self.sql(sql)
        self.postgrest.reload(self.sql)

    @contextmanager
    def changed(self, change: str, back: str) -> Iterator[None]:
        """Change the tables themselves while the block runs."""
        self.sql(change)
        try:
            self.postgrest.reload(self.sql)
            yield
        finally:
            self.change(back)

    @contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Keep everyone else from `table` while the block runs."""
        with closing(self.postgres.connect()) as connection:
            connection.execute("begin")
            connection.execute(f"lock table {table}".encode())
            yield

    def insert(self, rows: Sequence[dict[str, Any]], table: str = "analyses") -> None:
        """Insert `rows`; a column that a row leaves out is null."""
        self.sql(f"insert into {table} select * from json_populate_recordset(null::{table}, $1)", json.dumps(rows))

    def fill(
        self,
        rows: int,
        *,
        start: datetime,
        table: str = "analyses",
        step: str = "1 ms",
        key: str = "gen_random_uuid()",
        duration: str = "1.5",
    ) -> None:
        """Put `rows` into the hour from `start`, `step` apart; `key` and `duration` are the SQL of those of row `n`."""
        self.sql(
            f"insert into {table} "
            f"select {key}, $1::timestamptz + n * interval '{step}', 'completed', {duration}, 10, 1 "
            f"from generate_series(0, {rows - 1}) n",
            start.isoformat(),
        )
        self.sql(f"analyze {table}")

    def ids(self, table: str = "analyses", *, start: datetime) -> list[str]:
        """List the ids of an hour's rows in the order in which they should arrive."""
        found = self.sql(
            f"select id::text as text from {table} "
            "where created_at >= $1::timestamptz and created_at < $1::timestamptz + interval '1 hour' "
            "order by created_at, id",
            start.isoformat(),
        )
        return [row["text"] for row in found]

    def jwt(self, role: str, **claims: int) -> str:
        """Sign a token of `role`."""
        return jwt.encode({"iss": "supabase", "role": role} | claims, self.jwt_secret)

    def make_bucket(self, name: str, *, public: bool = False) -> None:
        """Make a bucket of Storage."""
        self.sql(f"insert into storage.buckets (id, name, public) values ($1, $1, {public})", name)

    def pages(self, table: str = "analyses") -> list[str]:
        """List the questions for pages of rows that came in, as targets for `buffers`."""
        return [
            request.target for request in self.requests if PAGE in request.target and f"/{table}?" in request.target
        ]

    def buffers(self, target: str) -> int:
        """Return how many shared buffers the database looks at to answer a GET of `target`, as `requests` has it."""
        headers = {
            "authorization": f"Bearer {self.jwt('service_role')}",
            "accept": f"{_PLAN}; options=analyze|buffers",
        }
        answer = self._ask(Request(method="GET", target=target, headers=headers, body=b"", at=time.monotonic()))
        assert answer.status == 200, answer.body
        (explained,) = json.loads(answer.body)
        plan = explained["Plan"]
        return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])

    def answer(self, request: Request) -> Answer:
        """Pass the request on as Supabase's gateway does, a question for rows as it arrives.

        The gateway gives PostgREST and Storage a JWT for a key where Authorization has none of its own. Whatever isn't
        one of the project's keys gets no further than to Storage, which judges that for itself.
        """
        if self.hold:
            self.hold.take(request)
        if request.method == "GET" and (self.page_cap is not None or self.lost):
            request = replace(request, target=self._arrived(request.target))
        key = request.headers.get("apikey", "")
        if key in self._roles and request.headers.get("authorization", f"Bearer {key}") == f"Bearer {key}":
            token = self.jwt(self._roles[key])
            request = replace(request, headers=request.headers | {"authorization": f"Bearer {token}"})
        if request.target.startswith(STORAGE):
            return self.storage.answer(replace(request, target=request.target.removeprefix(STORAGE)))
        if key not in self._roles:
            return Answer(status=401, body=_INVALID_KEY if key else _NO_KEY)
        if _PLAN in request.headers.get("accept", "") and not self.plans:
            return Answer(status=415, headers={"content-type": "application/json"}, body=_NO_PLANS.encode())
        answer = self._ask(request)
        if request.method == "PATCH" and answer.status == 200 and not self.filters_again:
            return self._since_14_4(request, answer)
        return answer

    def _ask(self, request: Request) -> Answer:
        """Ask PostgREST."""
        return self.postgrest.ask(replace(request, target=request.target.removeprefix(REST)))

    def _since_14_4(self, request: Request, answer: Answer) -> Answer:
        """Give back the rows that have what was written, whether or not a filter that allowed it still applies."""
        parts, written = urlsplit(request.target), json.loads(request.body)
        query = [
            (name, value)
            for name, value in parse_qsl(parts.query)
            if name not in written and name.removeprefix("not.") not in ("or", "and", "select")
        ]
        found = self._ask(replace(request, method="GET", target=f"{parts.path}?{urlencode(query)}", body=b""))
        rows = [row for row in json.loads(found.body) if row.items() >= written.items()]
        return replace(answer, body=json.dumps(rows).encode())

    def _arrived(self, target: str) -> str:
        """Apply the page cap, and leave out what gets lost."""
        parts = urlsplit(target)
        query = [(name, value) for name, value in parse_qsl(parts.query) if name != self.lost]
        if self.page_cap is not None:
            limits = [int(value) for name, value in query if name == "limit"]
            query = [(name, value) for name, value in query if name != "limit"]
            query.append(("limit", str(min([*limits, self.page_cap]))))
        return f"{parts.path}?{urlencode(query)}"
