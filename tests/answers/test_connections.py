"""Connection errors from public reports get the verdicts that they should, whichever server they are about."""

import errno
import socket
import ssl

import httpx
import pytest
from telegram.error import NetworkError

from src.channels.telegram_replies import telegram_errors
from src.channels.telegram_rules import Asked
from src.errors import DeliveryError
from src.runtime.connection import diagnose
from src.runtime.http import AnswerEncodingError

from .rows import Row, blamed, read_rows, row_id, settings_of

ROWS = read_rows("connections")
ADDRESSES = {
    "source": "SUPABASE_URL",
    "storage": "SUPABASE_URL",
    "telegram": "TELEGRAM_API_URL",
    "monitor": "HEARTBEAT_URL",
    "smtp": "SMTP_HOST",
    "smtp-starttls": "SMTP_HOST",
}
each = pytest.mark.parametrize("row", ROWS, ids=row_id)


def error_of(text: str) -> Exception:
    """Make the error that a row names: its type, then what tells errors of that type apart."""
    kind, _, code = text.partition(":")
    if kind == "gaierror":
        return socket.gaierror(getattr(socket, code), "text")
    if kind == "OSError":
        return OSError(getattr(errno, code), "text")
    if kind == "SSLError":
        error = ssl.SSLError(1, "text")
        error.reason = None if code == "None" else code  # type: ignore[assignment] # typeshed knows no None
        return error
    if kind == "SSLCertVerificationError":
        number, _, message = code.partition(":")
        invalid = ssl.SSLCertVerificationError(1, "text")
        invalid.verify_code, invalid.verify_message = int(number), message
        return invalid
    if kind == "ProxyError":
        return httpx.ProxyError(f"{code} text")
    numbers = {"ConnectionRefusedError": errno.ECONNREFUSED, "PermissionError": errno.EPERM}
    numbers |= {"ConnectionResetError": errno.ECONNRESET, "BrokenPipeError": errno.EPIPE}
    plain: dict[str, type[OSError]] = {
        one.__name__: one
        for one in (ConnectionRefusedError, ConnectionResetError, BrokenPipeError, PermissionError, TimeoutError)
    } | {"SSLEOFError": ssl.SSLEOFError, "SSLZeroReturnError": ssl.SSLZeroReturnError}
    if kind in plain:
        return plain[kind](numbers.get(kind, 1), "text")
    assert kind == "AnswerEncodingError"
    return AnswerEncodingError("text")


def raised(row: Row) -> Exception:
    """Return what httpx raises for the row's error at its moment; without it, the error itself."""
    error, moment = error_of(row["error"]), row["moment"]
    if row["server"].startswith("smtp") or isinstance(error, httpx.HTTPError):
        return error
    if isinstance(error, ssl.SSLError) and moment == "after-upload" and not isinstance(error, QUIET):
        return error
    kinds = {"during-upload": "Write", "after-upload": "Read"}
    ending = "Timeout" if isinstance(error, TimeoutError) else "Error"
    outer: Exception = getattr(httpx, f"{kinds.get(moment, 'Connect')}{ending}")("text")
    outer.__cause__ = error
    return outer


QUIET = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
"""Which httpx turns into its own."""


@each
def test_a_connection_error_gets_its_verdict(row: Row) -> None:
    """Key, whose fault it is, now or later, and the setting that is blamed."""
    is_open = row["moment"] in ("during-upload", "after-upload")

    found = diagnose(raised(row), address=ADDRESSES[row["server"]], is_open=is_open)

    kind = "timed_out" if row["key"] == "unanswered" else row["key"]
    assert (found.kind, found.fault, found.transient) == (kind, row["fault"], row["when"] == "later")
    if row["server"].startswith("smtp") and kind == "not_tls":  # the mail server's own rule knows the port
        return
    if kind != "proxy":  # its remedy names a variable of the environment
        assert blamed(found.remedy) == settings_of(row)


@pytest.mark.parametrize("row", [row for row in ROWS if row["server"] == "telegram"], ids=row_id)
def test_a_connection_error_on_the_way_to_telegram_tells_whether_the_message_may_have_arrived(row: Row) -> None:
    """It may have if all of it had been sent."""
    with pytest.raises(DeliveryError) as caught, telegram_errors(Asked(what="the report", chat="42")):
        raise NetworkError("text") from raised(row)

    error = caught.value
    verdict = (error.problem.key, error.fault, error.transient, error.ambiguous)
    assert verdict == (f"telegram.{row['key']}", row["fault"], row["when"] == "later", row["arrived"] == "yes")
