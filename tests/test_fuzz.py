"""Whatever a server says or the table holds, each part of a run ends with its result or with a sentence.

`make test` tries the same 100 examples of each every time, `make fuzz` others, for FUZZ_SECONDS each.
"""

import asyncio
import gzip
import json
import ssl
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from src.channels.mail import MailChannel, size_limit
from src.channels.telegram import TelegramChannel
from src.commands.heartbeat import Heartbeat
from src.config.settings import MailSettings, SupabaseSettings, TelegramSettings
from src.config.timeouts import Timeouts
from src.domain.delivery import Attachment
from src.domain.summary import Summary
from src.errors import ReportError
from src.ledger.history import read_history
from src.ledger.interface import ReadLimit
from src.ledger.key import LedgerKey
from src.ledger.record import read_record
from src.ledger.table import TableLedger
from src.message.content import describe
from src.runtime.connection import tls_context
from src.runtime.http import retry_after
from src.runtime.redaction import Redaction
from src.runtime.retry import RetryPolicy
from src.supabase.analyses import AnalysesTable
from src.supabase.client import open_client
from src.supabase.decode import read_page
from src.supabase.metadata import sort_cost
from src.supabase.storage import Storage

from .builders import START, alert_text, build, make_rows, make_window
from .random_examples import random_examples
from .sandbox import telegram
from .test_hostile import ROW, TEXT

EXAMPLES = 100
TLS = tls_context()
KEY = "sb_secret_0123456789abcdefghij"
TIMEOUTS = Timeouts(connect=5, supabase_read=5, supabase_answer=10, storage_read=5, smtp=5, telegram_read=5)
ONE_ATTEMPT = {"first_wait": 600.0, "longest_wait": 600.0}

ODD_NUMBERS = ["9" * 5000, "0" * 5000, "²", "١٢", "-1", "+1", "1e999", "nan", "inf", "0x10", "1_000", "1.5", "", " 7 "]
ODD_DATES = [
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Mon, 01 Jan 0001 00:00:00 +9999",
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 08:49:37 -99999999999999999999",
    "Sun Nov  6 08:49:37 1994",
    "Sunday, 06-Nov-94 08:49:37",
    "1 1 1",
    f"Mon, 1 Jan {'9' * 5000} 00:00:00 GMT",
]
NUMBER = st.integers(-1, 10**25).map(str) | st.sampled_from(ODD_NUMBERS)
WORD = st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=40)
VALUE = NUMBER | WORD | st.sampled_from(ODD_DATES) | NUMBER.map("0-1/{}".format) | NUMBER.map("*/{}".format)
NAMES = (
    *("Retry-After", "Content-Range", "Content-Length", "Content-Encoding", "Transfer-Encoding", "Date", "Location"),
    *("Content-Type", "Set-Cookie", "Connection", "Trailer", "X-Odd"),
)
ENCODING = st.sampled_from(["gzip", "x-gzip", "identity", "br", "deflate", "zstd", "gzip, gzip", "GZIP ", "*"])
HEADER = st.tuples(st.sampled_from(NAMES), VALUE) | st.tuples(st.just("Content-Encoding"), ENCODING)
HEADERS = st.lists(HEADER, max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
DEEP = st.sampled_from([900, 995, 1_100, 100_000]).map(lambda depth: b"[" * depth + b"]" * depth)
DEEP_OBJECT = st.sampled_from([900, 1_100]).map(lambda depth: b'{"result":' * depth + b"1" + b"}" * depth)
KNOWN = st.sampled_from(
    (
        *("code", "message", "hint", "details", "ok", "result", "description", "parameters", "error_code", "public"),
        *("Key", "signedURL", "signedUrl", "statusCode", "error", "window_start", "record", "id", "created_at"),
    )
)
ANSWER = st.dictionaries(KNOWN, JSON, max_size=6)
BOT_ERROR = st.fixed_dictionaries(
    {"ok": st.just(False), "description": JSON},
    optional={
        "error_code": JSON,
        "parameters": JSON | st.dictionaries(st.sampled_from(["retry_after", "migrate_to_chat_id"]), JSON),
    },
)
MESSAGE = st.fixed_dictionaries(
    {"message_id": JSON, "date": JSON, "chat": JSON | st.fixed_dictionaries({"id": JSON, "type": JSON})}
)
BOT_RESULT = st.fixed_dictionaries({"ok": JSON, "result": JSON | MESSAGE})
LEDGER_KEY = LedgerKey(name="production", template="hourly", source="source", zone="UTC")
LEDGER_ROW = st.fixed_dictionaries(
    {},
    optional={
        "window_start": JSON | st.sampled_from(["infinity", "-infinity", "2026-11-20T00:00:00+00:00"]),
        "record": JSON
        | st.fixed_dictionaries(
            {"template": st.just("hourly"), "start": TEXT},
            optional={
                "entries": JSON | st.lists(st.dictionaries(st.sampled_from(["channel", "recipient", "state"]), JSON)),
                "rows": JSON,
                "watermark": JSON | st.sampled_from(["2026-11-20T00:00:00Z", "9999-12-31T23:59:59Z"]),
                "unreadable": JSON,
            },
        ),
    },
)
CONTENT = JSON | ANSWER | BOT_ERROR | BOT_RESULT | st.lists(ANSWER | ROW | LEDGER_ROW, max_size=4)
PLAIN = CONTENT.map(lambda content: json.dumps(content).encode()) | st.binary(max_size=60) | DEEP | DEEP_OBJECT
BODY = PLAIN | PLAIN.map(gzip.compress) | PLAIN.map(lambda body: gzip.compress(body)[:-5]) | PLAIN.map(lambda b: b[:-1])
STATUS = st.sampled_from([200, 200, 200, 201, 204, 206, 301, 307, 400, 401, 403, 404, 409, 413, 416, 429, 500, 503])
STATUS |= st.integers(100, 999)


@st.composite
def raw_answers(draw: st.DrawFn) -> bytes:
    """Make what a server sends, byte by byte: a status, odd headers, and a body that may not fit to them."""
    body, headers = draw(BODY), draw(HEADERS)
    if draw(st.booleans()) and not any(name == "Content-Length" for name, _ in headers):
        headers.append(("Content-Length", str(len(body))))
    lines = [f"HTTP/1.1 {draw(STATUS)} {draw(WORD)}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body


def answered(content: object, status: int = 200, **headers: str) -> bytes:
    """Make an ordinary answer."""
    body = json.dumps(content).encode()
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items()]
    head = f"HTTP/1.1 {status} OK\r\ncontent-length: {len(body)}\r\n{''.join(lines)}\r\n"
    return head.encode("latin-1", "replace") + body


class Server:
    """Answers on the loopback what `answer` makes of each request's target; each connection ends with its answer."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner
        self.answer: Callable[[str], bytes] = lambda _: b""
        self.url = ""

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve while the block runs, as far as `tries` lets it."""
        server = self._runner.run(self._start())
        port = server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        yield
        server.close()
        self._runner.run(server.wait_closed())

    async def _start(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20)

    def tries(self, work: Callable[[str], Coroutine[Any, Any, object]], answer: Callable[[str], bytes]) -> None:
        """Do `work` against it; that may end well, or with an error that is a sentence."""
        self.answer = answer
        with suppress(ReportError):
            self._runner.run(work(self.url))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            fields = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:] if ": " in line)
            if "chunked" in fields.get("transfer-encoding", ""):
                await reader.readuntil(b"0\r\n\r\n")
            await reader.readexactly(int(fields.get("content-length", 0)))
            writer.write(self.answer(head.split(" ")[1]))
            await writer.drain()
        writer.close()


@pytest.fixture
def server() -> Iterator[Server]:
    """Serve for all examples of a test."""
    with asyncio.Runner() as runner:
        made = Server(runner)
        with made.serving():
            yield made


def policy() -> RetryPolicy:
    """Make a policy of one attempt at anything."""
    return RetryPolicy(deadline=asyncio.get_running_loop().time() + 60, **ONE_ATTEMPT)


def supabase(url: str) -> SupabaseSettings:
    """Make the settings of a project."""
    return SupabaseSettings.model_validate({"supabase_url": url, "supabase_key": KEY})


@random_examples(EXAMPLES)
@given(raw=raw_answers(), first=st.booleans())
def test_the_rows_are_read_or_it_is_said_why_not(server: Server, raw: bytes, first: bool) -> None:
    """At the first page or behind it; so are the questions of --check and the comparison."""
    two = answered(make_rows(2), content_range="0-1/9")

    async def read(url: str) -> None:
        async with open_client(supabase(url), TLS, TIMEOUTS) as client:
            table = AnalysesTable(client, "analyses")
            async for _ in table.pages(make_window(), policy()):
                assert client.server_time is None or client.server_time.tzinfo is UTC

    async def ask(url: str) -> None:
        async with open_client(supabase(url), TLS, TIMEOUTS) as client:
            table = AnalysesTable(client, "analyses")
            for question in (
                table.count(START, START),
                table.probe(make_window(), policy()),
                table.sort_cost(make_window()),
            ):
                with suppress(ReportError):
                    await question

    server.tries(read, lambda target: raw if first or "or=" in target else two)
    server.tries(ask, lambda _: raw)


@random_examples(EXAMPLES)
@example(date="Fri, 31 Dec 9999 23:59:59 -2359")
@example(date="Fri, 31 Dec 9999 23:59:59 GMT")
@given(date=VALUE)
def test_whatever_date_supabase_sends_is_read_as_its_clock_or_left_alone(server: Server, date: str) -> None:
    """At once and an hour after its first answer."""
    told: list[datetime | None] = []

    async def ask(url: str) -> None:
        async with open_client(supabase(url), TLS, TIMEOUTS) as client:
            await client.answer(client.table("analyses").select("id"), "analyses")
            later = time.monotonic() + 3600
            told.append(client.server_time)
            with pytest.MonkeyPatch.context() as clock:
                clock.setattr(time, "monotonic", lambda: later)
                told.append(client.server_time)

    body = answered([], Date=date)
    server.tries(ask, lambda _: body)

    assert all(one is None or one.tzinfo is UTC for one in told)


@random_examples(EXAMPLES)
@given(raw=raw_answers(), place=st.sampled_from(["/bucket/", "/object/reports", "/object/sign"]))
def test_the_workbook_is_stored_or_it_is_said_why_not(server: Server, raw: bytes, place: str) -> None:
    """At each of the three questions."""
    ordinary = answered({"public": False, "Key": "k"})
    hidden: list[str] = []

    async def put(url: str) -> None:
        storage = Storage(
            supabase(url),
            "reports",
            timedelta(hours=1),
            tls=TLS,
            clock=lambda: START,
            hide=hidden.extend,
            timeouts=TIMEOUTS,
        )
        with tempfile.NamedTemporaryFile() as workbook:
            file = await storage.put(Path(workbook.name), Attachment(name="r.xlsx", size=0), "f", policy())
        assert file.link.startswith(f"{url}/storage/v1/object/sign/reports/f/r.xlsx?token=")

    server.tries(put, lambda target: raw if place in target else ordinary)


@random_examples(EXAMPLES)
@given(raw=raw_answers())
def test_telegram_takes_a_message_or_it_is_said_why_not(server: Server, raw: bytes) -> None:
    """Whichever question it is."""

    async def ask(url: str) -> None:
        values = {"telegram_bot_token": telegram.TOKEN, "telegram_chat_id": "42", "telegram_api_url": url}
        channel = TelegramChannel(TelegramSettings.model_validate(values), TLS, TIMEOUTS)
        alert = channel.alert(alert_text("text"), START, ["42"])
        for question in (alert, channel.check(), channel.check_recipient("42")):
            with suppress(ReportError):
                await question

    server.tries(ask, lambda _: raw)


@random_examples(EXAMPLES)
@given(raw=raw_answers(), path=WORD | st.just("\t") | st.just("x" * 70_000))
def test_the_monitor_is_told_or_not_and_nothing_else_happens(server: Server, raw: bytes, path: str) -> None:
    """Not even an error."""

    async def ping(url: str) -> None:
        heartbeat = Heartbeat(SecretStr(f"{url}/{path}"), TLS, Redaction(), Timeouts(heartbeat=5, first_wait=0.01))
        await heartbeat.started()
        await heartbeat.failed("\ud800 it failed")

    server.tries(ping, lambda _: raw)


@random_examples(EXAMPLES)
@example(raw=answered([{"window_start": "0001-01-01T00:00:00+00:00", "record": None}]), first=False)
@given(raw=raw_answers() | st.lists(LEDGER_ROW, max_size=3).map(answered), first=st.booleans())
def test_the_ledger_is_read_and_claimed_or_it_is_said_why_not(server: Server, raw: bytes, first: bool) -> None:
    """Rows of any shape."""

    async def ask(url: str) -> None:
        async with open_client(supabase(url), TLS, TIMEOUTS) as client:
            ledger = TableLedger(client, lambda: START, LEDGER_KEY, TIMEOUTS, holder="pod", folder=Path("nowhere"))
            window = make_window()
            for question in (
                lambda: ledger.records(START - timedelta(days=1), window.end, policy(), ReadLimit()),
                lambda: ledger.check(policy()),
                lambda: read_history(ledger, window, 24, [("email", "a@b.c")], policy()),
            ):
                with suppress(ReportError):
                    await question()
            soon = RetryPolicy(deadline=asyncio.get_running_loop().time(), **ONE_ATTEMPT)
            async with ledger.claim(window, soon) as claim:
                await claim.open_for([("email", "a@b.c")], "scheduled")

    empty = answered([])
    server.tries(ask, lambda target: raw if first or "window_start=gte" not in target else empty)


@random_examples(EXAMPLES)
@given(value=VALUE, date=VALUE)
def test_a_wait_that_a_server_asks_for_is_a_number_of_seconds(value: str, date: str) -> None:
    """Of any length, but no less than none."""
    headers = httpx.Headers([(b"retry-after", value.encode("latin-1", "replace")), (b"date", date.encode("utf-8"))])

    assert retry_after(headers) >= 0


@random_examples(EXAMPLES)
@given(named=VALUE | TEXT)
@example(named="0\x1f")
def test_a_size_that_a_mail_server_names_is_a_number_of_bytes(named: str) -> None:
    """What is none is no limit."""
    assert size_limit(named) > 0


@random_examples(EXAMPLES)
@given(content=JSON | LEDGER_ROW.map(lambda row: row.get("record")))
def test_a_record_is_read_or_said_to_be_none(content: Any) -> None:
    """Whoever wrote it."""
    with suppress(ReportError):
        read_record(json.loads(json.dumps(content)), START, "rm it")


@random_examples(EXAMPLES)
@given(body=PLAIN)
def test_whatever_comes_for_a_plan_is_a_cost_or_nothing(body: bytes) -> None:
    """It is only asked for by --check."""
    cost = sort_cost(body)

    assert cost is None or cost >= 0


@random_examples(EXAMPLES)
@given(rows=st.lists(ROW | st.dictionaries(KNOWN, JSON), max_size=4) | JSON, changes=st.dictionaries(KNOWN, JSON))
def test_rows_become_a_report_or_it_is_said_why_not(rows: Any, changes: dict[str, Any]) -> None:
    """From the wire to workbook and message."""
    if isinstance(rows, list):
        rows = [row | changes if isinstance(row, dict) else row for row in rows]
    with suppress(ReportError):
        analyses = read_page(json.dumps(rows).encode(), "analyses")
        within = [row for row in analyses if START <= row.created_at < START + timedelta(hours=1)]
        summary = Summary()
        summary.add(within)
        describe(make_window(), summary)
        with tempfile.TemporaryDirectory() as folder:
            build(Path(folder), *sorted(within, key=lambda row: row.created_at))


REPLY = st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=60)
CODE = st.sampled_from(
    ["220", "221", "235", "250", "334", "354", "421", "450", "452", "500", "535", "550", "552", "554"]
)
LINE = st.tuples(CODE | NUMBER, st.sampled_from([" ", "-", ""]), REPLY | NUMBER).map("".join)
EHLO = NUMBER.map("250-x\r\n250-AUTH PLAIN LOGIN\r\n250 SIZE {}".format) | st.just("250-x\r\n250 AUTH PLAIN LOGIN")
COMMANDS = ("", "EHLO", "HELO", "AUTH", "MAIL", "RCPT", "DATA", ".", "QUIT", "RSET")
ORDINARY = {"": "220 x", "EHLO": "250-x\r\n250 AUTH PLAIN LOGIN", "AUTH": "235 2.7.0 OK", "DATA": "354 Go on"}
AUTHORITY = trustme.CA()
SERVER_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
AUTHORITY.issue_cert("localhost").configure_cert(SERVER_TLS)
CLIENT_TLS = ssl.create_default_context()
AUTHORITY.configure_trust(CLIENT_TLS)


@random_examples(EXAMPLES // 5)  # a handshake each
@given(replies=st.dictionaries(st.sampled_from(COMMANDS), LINE, max_size=2), ehlo=EHLO)
def test_a_mail_server_takes_a_message_or_it_is_said_why_not(replies: dict[str, str], ehlo: str) -> None:
    """Whatever it says at whichever command."""
    said = ORDINARY | {"EHLO": ehlo} | replies

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        within = False
        with suppress(OSError):
            writer.write(f"{said['']}\r\n".encode("latin-1"))
            while line := await reader.readline():
                word = (line.split() or [b"?"])[0].decode("latin-1").upper()
                if within and line != b".\r\n":
                    continue
                reply = said.get(word, "250 OK")
                within = word == "DATA" and reply.startswith("354")
                writer.write(f"{reply}\r\n".encode("latin-1"))
                if word == "QUIT":
                    break
        writer.close()

    async def send() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=SERVER_TLS)
        async with server:
            values = {"smtp_host": "localhost", "smtp_port": server.sockets[0].getsockname()[1], "smtp_security": "tls"}
            values |= {"smtp_user": "u", "smtp_password": "password", "smtp_from": "a@b.c", "smtp_to": "d@b.c"}
            channel = MailChannel(
                MailSettings.model_validate(values),
                CLIENT_TLS,
                Timeouts(smtp=1, smtp_quit=0.2, send=2),
                hide=Redaction().hide,
            )
            with suppress(ReportError):
                await channel.alert(alert_text("text"), datetime(2026, 11, 22, tzinfo=START.tzinfo), ["d@b.c"])

    asyncio.run(send())
