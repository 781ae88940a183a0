"""An answer is read up to its limit, however it is packed; a server that asks to be left alone is."""

import asyncio
import gzip
import json
import math

import httpx
import pytest

from src.runtime.connection import diagnose, tls_context
from src.runtime.http import AnswerEncodingError, AnswerTooLargeError, http_client, retry_after

from ..sandbox import Sandbox
from ..sandbox.web import Answer, Fault

LIMIT = 100_000
GZIP = {"content-encoding": "gzip"}


def asked(sandbox: Sandbox, answer: Answer, *, times: int = 1) -> bytes:
    """Ask for an answer as often as `times` says, and return the last one's content."""
    sandbox.monitor.always = Fault(answer=answer)

    async def ask() -> bytes:
        async with http_client(tls_context(), None, limit=LIMIT, connect=60, answer=60) as client:
            for _ in range(times):
                content = (await client.get(sandbox.monitor.url)).content
            return content

    return asyncio.run(ask())


@pytest.mark.parametrize("size", [0, 1, LIMIT])
@pytest.mark.parametrize("headers", [{}, GZIP, {"content-encoding": "X-GZIP"}], ids=["plain", "gzip", "x-gzip"])
def test_what_fits_arrives_whole(sandbox: Sandbox, size: int, headers: dict[str, str]) -> None:
    """To the last byte."""
    content = json.dumps([*range(LIMIT)]).encode()[:size]
    body = gzip.compress(content) if headers else content

    assert asked(sandbox, Answer(headers=headers, body=body)) == content


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=b"x" * (LIMIT + 1)),
        Answer(headers=GZIP, body=gzip.compress(b"x" * (LIMIT + 1))),
        Answer(body=b"x", more=b"y" * 1000, times=math.inf),
        Answer(status=503, body=b"x" * (LIMIT + 1)),
    ],
    ids=["plain", "gzip", "endless", "an error"],
)
def test_what_does_not_fit_is_not_read(sandbox: Sandbox, answer: Answer) -> None:
    """By a byte or without an end; trying again won't help."""
    with pytest.raises(AnswerTooLargeError) as caught:
        asked(sandbox, answer)

    found = diagnose(caught.value)
    assert (found.kind, found.transient) == ("answer_too_large", False)


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "*"])
def test_only_gzip_is_unpacked(sandbox: Sandbox, encoding: str) -> None:
    """It is all that is asked for."""
    with pytest.raises(AnswerEncodingError) as caught:
        asked(sandbox, Answer(headers={"content-encoding": encoding}, body=b"[]"))

    assert diagnose(caught.value).kind == "answer_encoding"
    assert sandbox.monitor.requests[0].headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize(
    "body",
    [gzip.compress(b"[]")[:-3], b"[]", gzip.compress(b"[]") + b"more"],
    ids=["cut off", "not packed", "more behind it"],
)
def test_damaged_gzip_is_a_connection_that_broke_off(sandbox: Sandbox, body: bytes) -> None:
    """A cut answer is never taken for a whole one."""
    with pytest.raises(httpx.RemoteProtocolError) as caught:
        asked(sandbox, Answer(headers=GZIP, body=body))

    assert diagnose(caught.value).transient


def test_a_cookie_is_not_kept(sandbox: Sandbox) -> None:
    """One beyond ASCII would make every further question fail."""
    asked(sandbox, Answer(headers={"set-cookie": "name=\x80; path=/"}, body=b"[]"), times=2)

    assert "cookie" not in sandbox.monitor.requests[1].headers


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "Mon, 23 Nov 2026 14:01:30 GMT", "date": "Mon, 23 Nov 2026 14:00:00 GMT"}, 90),
        ({"retry-after": "Mon, 23 Nov 2026 13:00:00 GMT", "date": "Mon, 23 Nov 2026 14:00:00 GMT"}, 0),
        ({"retry-after": "Mon, 23 Nov 2026 14:01:30 GMT"}, 0),
        ({"retry-after": "soon"}, 0),
        ({}, 0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(headers: dict[str, str], seconds: float) -> None:
    """By the server's own clock."""
    assert retry_after(httpx.Headers(headers)) == seconds
