"""The form of the log, third parties kept quiet, secrets kept out."""

import json
import logging
import os
import sys
import time
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal, TextIO

from .redaction import Redaction

QUIET = {"httpx": "WARNING", "httpcore": "WARNING", "asyncio": "WARNING", "telegram": "CRITICAL"}
"""From which level on third parties are heard; below they say too much, the bot's token included.

What telegram logs as an error it raises too, and there it is put into words.
"""
LogForm = Literal["auto", "text", "json"]
FIELDS = (
    "event",
    "window",
    "stage",
    "channel",
    "recipient",
    "rows",
    "seconds",
    "bytes",
    "attempt",
    "code",
    "why",
    "delivered",
    "owed",
    "recipients",
)
"""What a line of JSON may bear beside time, level and message; loggers give it as `extra`."""
EVENT = "note"
"""The event of a line that names none."""
COLOURS = {logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "31"}
"""ECMA-48: yellow, red."""
window_in_hand: ContextVar[str] = ContextVar("window_in_hand", default="")
"""The window that lines of JSON are about, where they name none: its start in UTC."""


class _Text(logging.Formatter):
    """Writes a record for people: on a terminal short and with a colour for what is wrong, elsewhere dated; in UTC."""

    def __init__(self, redaction: Redaction, *, terminal: bool) -> None:
        form = "%(asctime)s %(message)s" if terminal else "%(asctime)s %(levelname)s %(message)s"
        super().__init__(form, datefmt="%H:%M:%SZ" if terminal else "%Y-%m-%dT%H:%M:%SZ")
        self.converter = time.gmtime
        self._redaction = redaction
        self._colours = COLOURS if terminal and not os.environ.get("NO_COLOR") else {}

    def format(self, record: logging.LogRecord) -> str:
        line = self._redaction(super().format(record))
        colour = self._colours.get(record.levelno)
        return f"\x1b[{colour}m{line}\x1b[0m" if colour else line


class _Json(logging.Formatter):
    """Writes a record as one line of JSON, with those of FIELDS that it bears."""

    def __init__(self, redaction: Redaction) -> None:
        super().__init__()
        self._redaction = redaction

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line: dict[str, object] = {
            "time": at,
            "level": record.levelname,
            "event": EVENT,
            "message": record.getMessage(),
        }
        if window := window_in_hand.get():
            line["window"] = window
        line |= {name: record.__dict__[name] for name in FIELDS if name in record.__dict__}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return self._redaction(json.dumps(line, ensure_ascii=False, default=str))


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to standard error as long as that takes anything: the report matters more than its log."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """Pass over a full disk and a pipe whose reader is gone; there is no other place to say it."""
        if not isinstance(sys.exception(), OSError | ValueError):
            super().handleError(record)


def set_up_logs(redaction: Redaction, form: LogForm = "auto", level: str = "INFO") -> None:
    """Log to standard error, one line an event, whatever anyone logs or warns of passing `redaction`."""
    terminal = sys.stderr.isatty()
    handler = _StandardError(sys.stderr)
    as_json = form == "json" or (form == "auto" and not terminal)
    handler.setFormatter(_Json(redaction) if as_json else _Text(redaction, terminal=terminal))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(capture=True)
    for name, heard_from in QUIET.items():
        logging.getLogger(name).setLevel(heard_from)
