"""HTTP: the client of every server but the mail server, its errors and its types; no other module names httpx.

No answer can fill the memory: it is counted while it arrives and while it is unpacked. httpx would unpack each piece
that arrives whole, so that 64 KiB of gzip become 64 MiB. A header, or the trailer of a chunked answer, is bounded by
httpcore (100 KiB).
"""

import ssl
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx
from httpx import AsyncClient as AsyncClient
from httpx import ConnectError as ConnectError
from httpx import ConnectTimeout as ConnectTimeout
from httpx import Headers as Headers
from httpx import ProxyError as ProxyError
from httpx import ReadTimeout as ReadTimeout
from httpx import Response as Response
from httpx import TimeoutException as TimeoutException
from httpx import TransportError as TransportError
from msgspec import Struct

_GZIP = 16 + zlib.MAX_WBITS
"""Tells zlib to expect a gzip header."""
# Bytes of an answer once it is unpacked. A run has 1 GiB in its pod: with a page at hand, and the next on its way, it
# stays below 200 MiB.
LARGEST_PAGE = 16 << 20
"""A page of rows or of the ledger. 5,000 ordinary rows, the most that are asked for at once, have 1.1 MiB."""
LARGEST_ANSWER = 1 << 20
"""Any other answer: what Telegram and Storage say has some hundred bytes."""
LARGEST_SHORT = 64 << 10
"""An answer with a single row: a count bears one id of at most 2,000 characters, and an error some hundred bytes."""


class AnswerTooLargeError(TransportError):
    """An answer has more than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"an answer of more than {limit} bytes")


class AnswerEncodingError(TransportError):
    """An answer comes in an encoding that was not requested."""


CONNECTION_ERRORS = (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError)
"""Raised when a connection fails; httpx passes on an error of TLS that comes after the handshake as it is."""
AFTER_SENDING = (
    *(ReadTimeout, httpx.ReadError, httpx.RemoteProtocolError, ssl.SSLError),
    *(AnswerTooLargeError, AnswerEncodingError),
)
"""Raised once the whole request has been sent, unless its content ended early."""


class Proxy(Struct, frozen=True, kw_only=True):
    """A proxy's `address`, and the environment `variable` that names it."""

    variable: str
    address: str

    @property
    def host(self) -> str:
        """Its host, with the port if there is one; never its login."""
        parts = urlsplit(self.address)
        return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname or ""


def http_client(
    tls: ssl.SSLContext,
    proxy: Proxy | None,
    *,
    limit: int,
    connect: float,
    answer: float,
    base_url: str = "",
    headers: dict[str, str] | None = None,
) -> AsyncClient:
    """Make a client that reads at most `limit` bytes of each answer, as BoundedTransport says.

    It waits `connect` seconds for a connection and `answer` seconds for each further step. It follows no redirect,
    which would carry a key to another host.
    """
    return AsyncClient(
        transport=BoundedTransport(tls, proxy, limit=limit),
        timeout=httpx.Timeout(answer, connect=connect),
        base_url=base_url,
        headers=headers,
    )


class BoundedTransport(httpx.AsyncHTTPTransport):
    """Sends requests by `proxy`, directly if there is none, and reads at most `limit` bytes of each answer.

    Reading one raises AnswerTooLargeError if it is larger, AnswerEncodingError if it is neither plain nor gzip, and
    RemoteProtocolError for gzip that is damaged or cut off; its status is known all the same. Cookies are dropped:
    nobody here needs one, and one beyond ASCII would make the next request fail.
    """

    def __init__(self, tls: ssl.SSLContext, proxy: Proxy | None, *, limit: int) -> None:
        super().__init__(verify=tls, trust_env=False, proxy=_as_httpx(proxy, tls) if proxy else None)
        self._proxy = proxy
        self._limit = limit

    async def handle_async_request(self, request: httpx.Request) -> Response:
        """Send `request`; return the answer, whose content is read later."""
        request.headers["accept-encoding"] = "gzip"
        request.extensions["proxy"] = self._proxy
        response = await super().handle_async_request(request)
        encoding = response.headers.pop("content-encoding", "identity").strip().lower()
        response.headers.pop("set-cookie", None)
        if isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = _BoundedStream(response.stream, self._limit, encoding)
        return response


def _as_httpx(proxy: Proxy, tls: ssl.SSLContext) -> httpx.Proxy:
    # httpx refuses a context for a proxy that is spoken to in the clear.
    return httpx.Proxy(proxy.address, ssl_context=tls if urlsplit(proxy.address).scheme == "https" else None)


class _BoundedStream(httpx.AsyncByteStream):
    """The bytes of `stream`, unpacked, up to `limit`; no more than that are read while they are packed either."""

    def __init__(self, stream: httpx.AsyncByteStream, limit: int, encoding: str) -> None:
        self._stream = stream
        self._limit = limit
        self._is_readable = encoding in ("identity", "gzip", "x-gzip", "")
        self._unpacker = zlib.decompressobj(_GZIP) if encoding.endswith("gzip") else None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if not self._is_readable:
            raise AnswerEncodingError("neither plain nor gzip")
        arrived = read = 0
        async for packed in self._stream:
            piece = self._unpack(packed, self._limit + 1 - read) if self._unpacker else packed
            arrived, read = arrived + len(packed), read + len(piece)
            if max(arrived, read) > self._limit:
                raise AnswerTooLargeError(self._limit)
            yield piece
        if self._unpacker and arrived and not self._unpacker.eof:
            raise httpx.RemoteProtocolError("the end of the gzip is missing")

    async def aclose(self) -> None:
        """Close the connection's stream."""
        await self._stream.aclose()

    def _unpack(self, piece: bytes, most: int) -> bytes:
        """Return the next bytes, at most `most` of them."""
        assert self._unpacker  # noqa: S101
        try:
            unpacked = self._unpacker.decompress(piece, most)
        except zlib.error as error:
            raise httpx.RemoteProtocolError("damaged gzip") from error
        if self._unpacker.unused_data:
            raise httpx.RemoteProtocolError("there is more behind the gzip")
        return unpacked


def request_url(error: BaseException) -> str:
    """Return the address of the request that failed with `error`, nothing if there was none."""
    request = _request(error)
    return str(request.url) if request else ""


def request_proxy(error: BaseException) -> Proxy | None:
    """Return the proxy of the request that failed with `error`, None if there was none."""
    request = _request(error)
    return request.extensions.get("proxy") if request else None


def _request(error: BaseException) -> httpx.Request | None:
    with suppress(RuntimeError):  # raised where it holds no request
        return error.request if isinstance(error, httpx.RequestError) else None
    return None


def retry_after(headers: Headers) -> float:
    """Return the seconds that Retry-After asks for (RFC 9110 10.2.3), a date being counted from the answer's own."""
    value = headers.get("retry-after", "").strip()
    if value.isdecimal() and value.isascii():
        return float(value)  # more digits than a number holds are infinity, which no deadline allows
    try:
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, wait.total_seconds())
    except (TypeError, ValueError, LookupError, OverflowError):  # no date, or only one of them has a zone
        return 0.0
