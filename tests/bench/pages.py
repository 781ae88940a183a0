"""A lean stand-in for Supabase: one hour of rows in pages that are built beforehand, so that only sending costs it."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import islice
from math import ceil
from multiprocessing.connection import Connection
from urllib.parse import parse_qs, urlsplit

from ..builders import START
from ..sandbox.sample import sample_rows

PAGE = 1000
"""Rows of a page at most, as on Supabase unless told otherwise."""
_BEHIND = re.compile(r'created_at\.gt\."([^"]+)"')
_Query = dict[str, list[str]]


class Hour:
    """The answers for the hour from `START`, which has `rows` rows; other hours have none."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._pages: list[bytes] = []
        self._page_behind: dict[str, int] = {}
        source = sample_rows(START, rows)
        while page := list(islice(source, PAGE)):
            self._pages.append(json.dumps(page, separators=(",", ":")).encode())
            self._page_behind[page[-1]["created_at"]] = len(self._pages)

    def answer(self, target: str, *, counted: bool) -> tuple[bytes, bytes]:
        """Answer a request for path and query `target`: head and body; `counted` tells whether the count is wanted."""
        parts = urlsplit(target)
        if parts.path != "/rest/v1/analyses":
            return _answer("404 Not Found", b'{"code":"PGRST205","message":"no such table"}')
        query = parse_qs(parts.query)
        limit = min(int(query.get("limit", [PAGE])[0]), PAGE)
        try:
            page = self._page(query) if _asks_for(query, START) else len(self._pages)
        except ValueError as error:
            return _answer("400 Bad Request", json.dumps({"code": "BENCH", "message": str(error)}).encode())
        body = self._pages[page] if page < len(self._pages) else b"[]"
        sent = min(PAGE, max(0, self._rows - page * PAGE))
        if limit < sent:
            body, sent = json.dumps(json.loads(body)[:limit]).encode(), limit
        total = self._rows if _asks_for(query, START) else 0
        where = f"{page * PAGE}-{page * PAGE + sent - 1}" if sent else "*"
        status = "206 Partial Content" if counted and sent < total else "200 OK"
        return _answer(status, body, f"{where}/{total if counted else '*'}")

    def _page(self, query: _Query) -> int:
        if condition := query.get("or"):
            found = _BEHIND.search(condition[0])
            page = self._page_behind.get(found[1]) if found else None
            if page is None:
                raise ValueError("only what lies behind a page's last row is ready")
            return page
        page, rest = divmod(int(query.get("offset", ["0"])[0]), PAGE)
        if rest:
            raise ValueError(f"only offsets in steps of {PAGE} are ready")
        return page


def _asks_for(query: _Query, start: datetime) -> bool:
    """Tell whether a query is about the hour from `start`; one that has a cursor begins at that."""
    if "or" in query:
        return True
    begins = [text.removeprefix("gte.") for text in query.get("created_at", []) if text.startswith("gte.")]
    # From the second page on the tool's lower bound is the last row's moment, which lies within the hour.
    return len(begins) == 1 and start <= datetime.fromisoformat(begins[0]) < start + timedelta(hours=1)


def _answer(status: str, body: bytes, content_range: str = "*/*") -> tuple[bytes, bytes]:
    head = (
        f"HTTP/1.1 {status}\r\ncontent-type: application/json; charset=utf-8\r\n"
        f"content-range: {content_range}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode(), body


class _Connection(asyncio.Protocol):
    """One kept-alive connection; requests are GETs, so that a head is a whole one."""

    def __init__(self, hour: Hour, latency: float) -> None:
        self._hour = hour
        self._latency = latency
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *heads, self._received = (self._received + data).split(b"\r\n\r\n")
        for head in heads:
            target = head.split(b" ", 2)[1].decode()
            answer = self._hour.answer(target, counted=b"count=exact" in head)
            if self._latency:
                asyncio.get_running_loop().call_later(self._latency, self._transport.writelines, answer)
            else:
                self._transport.writelines(answer)


@asynccontextmanager
async def serving(hour: Hour, latency: float = 0.0) -> AsyncIterator[str]:
    """Serve `hour` on the loopback while the block runs, each answer `latency` seconds late; yield the address."""
    loop = asyncio.get_running_loop()
    async with await loop.create_server(lambda: _Connection(hour, latency), "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def serve(pipe: Connection, rows: int, latency: float) -> None:
    """Serve in a process of its own: say the address into `pipe`, and end when its other end is closed."""

    async def until_closed() -> None:
        async with serving(Hour(rows), latency) as url:
            pipe.send(url)
            await asyncio.to_thread(pipe.poll, None)

    asyncio.run(until_closed())


def latency_alone(rows: int, latency: float) -> float:
    """Return the seconds that waiting for the pages of `rows` rows takes, one after the other."""
    return ceil(rows / PAGE) * latency
