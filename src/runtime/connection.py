"""What a connection failed of; and the one TLS context that all connections share."""

import re
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Literal

import httpx
from msgspec import Struct
from msgspec.structs import replace

from ..errors import ReportError
from .bounded_answers import AnswerEncodingError, AnswerTooLargeError
from .proxies import proxy_of
from .visible_text import foreign

Kind = Literal[
    "timed_out",
    "unknown_host",
    "not_tls",
    "untrusted",
    "refused",
    "broken",
    "proxy",
    "answer_too_large",
    "answer_encoding",
]


class ConnectionFailure(Struct, frozen=True, kw_only=True):
    """A failed connection: `reason` is a clause about the server, `remedy` a clause that says what to do.

    `transient` tells whether it may be gone at the next attempt.
    """

    kind: Kind
    reason: str
    remedy: str
    transient: bool = True


_FAILURES: tuple[tuple[tuple[type[BaseException], ...], ConnectionFailure], ...] = (
    (
        (TimeoutError, httpx.TimeoutException),
        ConnectionFailure(
            kind="timed_out",
            reason="it did not answer in time",
            remedy="Check the server's load and the network on the way",
        ),
    ),
    (
        (socket.gaierror,),
        ConnectionFailure(
            kind="unknown_host",
            reason="its host name is not known",
            remedy="Check the name, and that DNS works from here",
        ),
    ),
    (
        (ssl.SSLError,),
        ConnectionFailure(
            kind="not_tls",
            reason="it does not speak TLS on that port",
            remedy="Check the address and the port",
            transient=False,
        ),
    ),
    (
        (ConnectionRefusedError,),
        ConnectionFailure(
            kind="refused",
            reason="nothing listens on that port",
            remedy="Check host and port, and that the server is up",
        ),
    ),
    (
        (AnswerTooLargeError,),
        ConnectionFailure(
            kind="answer_too_large",
            reason="its answer is too large to be read",
            remedy="Check what answers there, and any proxy on the way",
            transient=False,
        ),
    ),
    (
        (AnswerEncodingError,),
        ConnectionFailure(
            kind="answer_encoding",
            reason="its answer comes in an encoding that was not asked for",
            remedy="Check what answers there, and any proxy on the way",
            transient=False,
        ),
    ),
)
_BROKEN = ConnectionFailure(
    kind="broken",
    reason="the connection broke off",
    remedy="Check the server's log and the network on the way",
)
_NO_REASONS = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
"""Errors of TLS that tell only that the connection ended, or that data was being waited for."""


CONNECTION_ERRORS = (httpx.HTTPError, ssl.SSLError)
"""What httpx raises when a connection fails; it passes on an error of TLS that comes after the handshake as it is."""


def tls_context() -> ssl.SSLContext:
    """Make a context that verifies certificate and host name; SSL_CERT_FILE names another authority."""
    return ssl.create_default_context()


def diagnose(error: BaseException) -> ConnectionFailure:
    """Find out what a failed connection failed of, looking through the exceptions that `error` came from."""
    causes = [cause for cause in _causes(error) if not isinstance(cause, _NO_REASONS)]
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return ConnectionFailure(
                kind="untrusted",
                reason=f"its certificate is not trusted ({foreign(cause.verify_message).rstrip('.')})",
                remedy="Correct the host name, or set SSL_CERT_FILE to the authority that signed it",
                transient=False,
            )
    if by_proxy := _failed_proxy(causes):
        return by_proxy
    for types, found in _FAILURES:
        if any(isinstance(cause, types) for cause in causes):
            host = _host(causes) if found.kind == "unknown_host" else ""
            return replace(found, reason=f"{found.reason} ({host})") if host else found
    return _BROKEN


def _failed_proxy(causes: Sequence[BaseException]) -> ConnectionFailure | None:
    """Say what a proxy refused, or that it can't be reached itself; None if neither is why."""
    variable, proxy = next((found for cause in causes if (found := proxy_of(_url(cause)))[0]), ("", ""))
    refused = next((cause for cause in causes if isinstance(cause, httpx.ProxyError)), None)
    remedy = f"Check {variable}, and NO_PROXY if it is to be reached without"
    if refused:
        status = re.match("[1-5][0-9]{2}(?![0-9])", str(refused))
        reason = f"the proxy {proxy} does not lead there{f' (HTTP {status[0]})' if status else ''}"
        is_final = bool(status and status[0].startswith("4"))
        return ConnectionFailure(kind="proxy", reason=reason, remedy=remedy, transient=not is_final)
    # A client that goes by a proxy connects to nothing else.
    if variable and any(isinstance(cause, ConnectionRefusedError | socket.gaierror) for cause in causes):
        return ConnectionFailure(kind="proxy", reason=f"the proxy {proxy} can't be reached", remedy=remedy)
    return None


def _url(error: BaseException) -> str:
    """Return the address that httpx was asked for, nothing where it isn't known."""
    with suppress(RuntimeError):  # raised where it holds no request
        return str(error.request.url) if isinstance(error, httpx.RequestError) else ""
    return ""


def _host(causes: Sequence[BaseException]) -> str:
    """Return the host that httpx was to reach, nothing where it isn't known."""
    for cause in causes:
        if isinstance(cause, httpx.RequestError):
            with suppress(RuntimeError):  # raised where it holds no request
                return cause.request.url.host
    return ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    # Behind an error of our own is another connection's failure, of which an alert is being sent.
    while error is not None and not isinstance(error, ReportError):
        yield error
        if isinstance(error, BaseExceptionGroup):
            for part in error.exceptions:
                yield from _causes(part)
        error = error.__cause__ or error.__context__
