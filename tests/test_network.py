"""What went wrong on the way to a server is said in words."""

import socket
import ssl

import httpx
import pytest

from src.network import retry_after, trouble


def caused(error: Exception, cause: BaseException) -> Exception:
    """Chain `cause` behind `error`, as libraries do."""
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (socket.gaierror(-2, "Name or service not known"), "its host name is not known"),
        (caused(httpx.ConnectError("x"), socket.gaierror(-2, "unknown")), "its host name is not known"),
        (caused(httpx.ConnectError("x"), ConnectionRefusedError(111, "refused")), "nothing listens on that port"),
        (
            caused(OSError("all failed"), ExceptionGroup("both", [ConnectionRefusedError(), ConnectionRefusedError()])),
            "nothing listens on that port",
        ),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "it does not speak TLS there"),
        (TimeoutError(), "it did not answer in time"),
        (httpx.ReadTimeout("x"), "it did not answer in time"),
        (ConnectionResetError(104, "reset"), "the connection broke off"),
        (httpx.RemoteProtocolError("peer closed"), "the connection broke off"),
    ],
)
def test_a_failed_connection_is_said_in_words_with_what_to_do(error: Exception, what: str) -> None:
    """However deep the cause lies."""
    found = trouble(error)

    assert found.what == what
    assert found.mend.split()[0] in ("Check", "Look", "Correct")


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
