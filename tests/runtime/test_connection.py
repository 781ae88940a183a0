"""What went wrong on the way to a server is said in words."""

import asyncio
import socket
import ssl

import httpx
import pytest

from src.errors import ReportError
from src.runtime.connection import diagnose


def caused(error: BaseException, *causes: BaseException) -> BaseException:
    """Chain `causes` behind `error`, as libraries do."""
    for one, behind in zip((error, *causes), causes, strict=False):
        one.__cause__ = behind
    return error


@pytest.mark.parametrize(
    ("error", "what", "transient"),
    [
        (socket.gaierror(-2, "Name or service not known"), "its host name is not known", True),
        (caused(httpx.ConnectError("x"), socket.gaierror(-2, "unknown")), "its host name is not known", True),
        (
            caused(
                httpx.ConnectError("x", request=httpx.Request("GET", "https://no-such-host.invalid/secret")),
                socket.gaierror(-2, "unknown"),
            ),
            "its host name is not known (no-such-host.invalid)",
            True,
        ),
        (caused(httpx.ConnectError("x"), ConnectionRefusedError(111, "refused")), "nothing listens on that port", True),
        (
            caused(OSError("all failed"), ExceptionGroup("both", [ConnectionRefusedError(), ConnectionRefusedError()])),
            "nothing listens on that port",
            True,
        ),
        (
            caused(httpx.ConnectError("x"), ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")),
            "it does not speak TLS on that port",
            False,
        ),
        (TimeoutError(), "it did not answer in time", True),
        (httpx.ReadTimeout("x"), "it did not answer in time", True),
        (
            caused(httpx.ReadTimeout("x"), TimeoutError(), asyncio.CancelledError(), ssl.SSLWantReadError()),
            "it did not answer in time",
            True,
        ),
        (ConnectionResetError(104, "reset"), "the connection broke off", True),
        (httpx.RemoteProtocolError("peer closed"), "the connection broke off", True),
        (caused(httpx.ConnectError("x"), ssl.SSLEOFError(8, "unexpected eof")), "the connection broke off", True),
        (caused(httpx.ReadError("x"), ssl.SSLZeroReturnError(6, "closed")), "the connection broke off", True),
    ],
)
def test_a_failed_connection_is_said_in_words_with_what_to_do(error: Exception, what: str, transient: bool) -> None:
    """However deep the cause lies; only what stays as it is, is not tried again."""
    found = diagnose(error)

    assert found.reason == what
    assert found.transient == transient
    assert found.remedy.split()[0] in ("Check", "Look", "Correct")


def test_what_an_alert_failed_of_is_not_mixed_up_with_what_it_is_about() -> None:
    """It is sent while the run's own failure is being handled."""
    run_failed = caused(ReportError("source.timed_out", "Supabase could not be asked."), socket.gaierror(-2, "unknown"))

    error = caused(ConnectionRefusedError(111, "refused"), run_failed)

    assert diagnose(error).reason == "nothing listens on that port"
