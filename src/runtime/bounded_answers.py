"""HTTP answers that can't fill the memory: counted while they arrive and while they are unpacked, piece by piece.

httpx unpacks each piece that arrives whole, so that 64 KiB of gzip become 64 MiB; therefore it is done here. These are
httpx's own hooks, not a transport: a client with a transport of its own no longer uses the environment's proxies.
A header, or the trailer of a chunked answer, is bounded by httpcore (100 KiB).
"""

import zlib
from collections.abc import AsyncIterator, Iterator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

_PIECE = 1 << 16
_GZIP = 16 + zlib.MAX_WBITS
"""Tells zlib to expect a gzip header."""


class AnswerTooLargeError(httpx.TransportError):
    """An answer has more than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"an answer of more than {limit} bytes")


class AnswerEncodingError(httpx.TransportError):
    """An answer comes in an encoding that was not asked for."""


def bounded(limit: int) -> dict[str, Any]:
    """Return the options of an httpx client that reads at most `limit` bytes of each answer, and keeps no cookie.

    The client then raises AnswerTooLargeError for a larger one, AnswerEncodingError for one that is neither plain nor
    gzip, and RemoteProtocolError for gzip that is damaged or cut off. (A cookie beyond ASCII would make the next
    question fail; nobody here needs one.)
    """

    async def ask(request: httpx.Request) -> None:
        request.headers["accept-encoding"] = "gzip"

    async def bound(response: httpx.Response) -> None:
        encoding = response.headers.pop("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip", "x-gzip", ""):
            raise AnswerEncodingError("neither plain nor gzip")
        if isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = _BoundedStream(response.stream, limit, is_packed=encoding.endswith("gzip"))

    cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    return {"event_hooks": {"request": [ask], "response": [bound]}, "cookies": cookies}


class _BoundedStream(httpx.AsyncByteStream):
    """What `stream` brings, unpacked, up to `limit` bytes; of what is packed, no more than that either."""

    def __init__(self, stream: httpx.AsyncByteStream, limit: int, *, is_packed: bool) -> None:
        self._stream = stream
        self._limit = limit
        self._unpacker = zlib.decompressobj(_GZIP) if is_packed else None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        arrived = read = 0
        async for piece in self._stream:
            arrived += len(piece)
            self._check(arrived)
            for part in self._unpacked(piece):
                read += len(part)
                self._check(read)
                yield part
        if self._unpacker and arrived and not self._unpacker.eof:
            raise httpx.RemoteProtocolError("the end of the gzip is missing")

    async def aclose(self) -> None:
        """Close what it comes from."""
        await self._stream.aclose()

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise AnswerTooLargeError(self._limit)

    def _unpacked(self, piece: bytes) -> Iterator[bytes]:
        if self._unpacker is None:
            yield piece
            return
        while piece:
            if self._unpacker.eof:
                raise httpx.RemoteProtocolError("there is more behind the gzip")
            try:
                part = self._unpacker.decompress(piece, _PIECE)
            except zlib.error as error:
                raise httpx.RemoteProtocolError("damaged gzip") from error
            piece = self._unpacker.unconsumed_tail or self._unpacker.unused_data
            yield part
