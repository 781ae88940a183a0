"""Why a connection failed is found however deep the cause lies; tests/answers has the verdicts."""

import asyncio
import errno
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


REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "refused")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (caused(httpx.ConnectError("x"), socket.gaierror(-2, "unknown")), "unknown_host"),
        (caused(httpx.ConnectError("x"), REFUSED), "refused"),
        (caused(OSError("all failed"), ExceptionGroup("both", [REFUSED, REFUSED])), "refused"),
        (
            OSError("Multiple exceptions: [Errno 101] no route ('::1', 1), [Errno 111] refused ('127.0.0.1', 1)"),
            "refused",
        ),
        (
            OSError("Multiple exceptions: [Errno 101] no route ('::1', 1), [Errno 113] no route ('127.0.0.1', 1)"),
            "unreachable",
        ),
        (httpx.ReadTimeout("x"), "timed_out"),
        (
            caused(httpx.ReadTimeout("x"), TimeoutError(), asyncio.CancelledError(), ssl.SSLWantReadError()),
            "timed_out",
        ),
        (httpx.RemoteProtocolError("peer closed"), "broken"),
        (caused(httpx.ConnectError("x"), ssl.SSLEOFError(8, "unexpected eof")), "broken"),
        (caused(httpx.ReadError("x"), ssl.SSLZeroReturnError(6, "closed")), "broken"),
    ],
)
def test_the_cause_is_found_behind_other_exceptions(error: Exception, kind: str) -> None:
    """However deep it lies."""
    assert diagnose(error).kind == kind


def test_the_host_that_is_not_known_is_named() -> None:
    """Without the rest of its address, which may be a secret."""
    request = httpx.Request("GET", "https://no-such-host.invalid/secret")

    found = diagnose(caused(httpx.ConnectError("x", request=request), socket.gaierror(-2, "unknown")))

    assert "no-such-host.invalid" in found.reason
    assert "secret" not in found.reason


def test_the_same_error_of_tls_means_another_port_in_the_handshake_and_a_broken_connection_later() -> None:
    """Once TLS has worked, the server speaks it."""
    error = ssl.SSLError(1, "wrong version number")
    error.reason = "WRONG_VERSION_NUMBER"

    assert diagnose(caused(httpx.ConnectError("x"), error)).kind == "not_tls"
    assert diagnose(caused(httpx.ReadError("x"), error)).kind == "broken"
    assert (diagnose(error).kind, diagnose(error, is_open=True).kind) == ("not_tls", "broken")


def test_what_an_alert_failed_of_is_not_mixed_up_with_what_it_is_about() -> None:
    """It is sent while the run's own failure is being handled."""
    run_failed = caused(ReportError("source.timed_out", "Supabase could not be asked."), socket.gaierror(-2, "unknown"))

    error = caused(ConnectionRefusedError(errno.ECONNREFUSED, "refused"), run_failed)

    assert diagnose(error).kind == "refused"
