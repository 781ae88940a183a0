"""The form of the log, third parties kept quiet, secrets kept out."""

import json
import logging
import re
import sys
import time
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal, TextIO

from .redaction import Redaction
from .visible_text import visible

logger = logging.getLogger(__name__)
QUIET = {"httpx": "WARNING", "httpcore": "WARNING", "asyncio": "WARNING", "telegram": "CRITICAL"}
"""The lowest level that is logged of third parties; below it they log too much, the bot's token included.

What telegram logs as an error it raises too, and that error is put into words.
"""
LogForm = Literal["auto", "text", "json"]
FIELDS = (
    *("event", "window", "stage", "key", "channel", "recipient", "rows", "seconds", "bytes", "attempt", "code", "why"),
    *("delivered", "owed", "refused", "recipients"),
)
"""What a line of JSON may bear beside time, level, severity and message; loggers give it as `extra`."""
LONGEST = 8_000
"""Characters of a message or a traceback; whoever keeps logs cuts lines of 16 kB in two."""
LEFT_OUT = "… [left out] …"
"""What stands in place of the middle of a long one."""
FIELD = 1_000
"""Characters of another field of JSON."""
EVENT = "note"
"""The event of a line that names none."""
COLOURS = {logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "31"}
"""ECMA-48: yellow, red."""
window_in_hand: ContextVar[str] = ContextVar("window_in_hand", default="")
"""The window that lines of JSON are about, where they name none: its start in UTC."""


class _Text(logging.Formatter):
    """Writes a record for people: on a terminal short and with a colour for what is wrong, elsewhere dated; in UTC."""

    def __init__(self, redaction: Redaction, *, terminal: bool, colours: bool) -> None:
        form = "%(asctime)s %(message)s" if terminal else "%(asctime)s %(levelname)s %(message)s"
        super().__init__(form, datefmt="%H:%M:%SZ" if terminal else "%Y-%m-%dT%H:%M:%SZ")
        self.converter = time.gmtime
        self._redaction = redaction
        self._colours = COLOURS if terminal and colours else {}

    def format(self, record: logging.LogRecord) -> str:
        text = _clean(super().format(record), self._redaction)
        # Lines that belong to the one above are set in: none of them passes for one of the log's own.
        line = re.sub(r"\n(?=[^\n])", "\n  ", text.rstrip("\n"))
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
            "severity": record.levelname,  # where Google Cloud Logging looks; Python's five names are among its own
            "event": EVENT,
            "message": _clean(record.getMessage(), self._redaction),
        }
        if window := window_in_hand.get():
            line["window"] = window
        line |= {name: self._field(record.__dict__[name]) for name in FIELDS if name in record.__dict__}
        if record.exc_info:
            line["traceback"] = _clean(self.formatException(record.exc_info), self._redaction)
        return json.dumps(line, ensure_ascii=False)

    def _field(self, value: object) -> object:
        """Return a field's value as JSON has it."""
        return value if value is None or isinstance(value, int | float) else _clean(str(value), self._redaction, FIELD)


def _clean(text: str, redaction: Redaction, limit: int = LONGEST) -> str:
    """Return `text` without secrets, with what nobody sees made visible; of a long one, both ends."""
    if len(text) > limit:  # cut first, for it may be megabytes
        # A secret that is cut in two would not be found: so much is read beyond each cut, and left out afterwards.
        spare, end = redaction.longest, limit // 4
        head, tail = redaction(text[: limit - end + spare]), redaction(text[-end - spare :])
        text = head[: max(0, len(head) - spare)][: limit - end] + LEFT_OUT + tail[spare:][-end:]
    else:
        text = redaction(text)
    text = visible(text)
    most = limit + len(LEFT_OUT)
    return text if len(text) <= most else text[: limit * 3 // 4] + LEFT_OUT + text[-limit // 4 :]


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to standard error as long as that takes anything: the report matters more than its log."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """Pass over a full disk and a pipe whose reader is gone; there is no other place to say it."""
        if not isinstance(sys.exception(), OSError | ValueError):
            super().handleError(record)


def _log_unraisable(found: "sys.UnraisableHookArgs") -> None:
    """Log an error that was raised in a finalizer; Python would print it past every filter.

    Its cause, such as a full disk, was logged before.
    """
    logger.debug("Raised and ignored: %r", found.exc_value)


def set_up_logs(redaction: Redaction, form: LogForm = "auto", level: str = "INFO", *, colours: bool = True) -> None:
    """Log to standard error, one line an event, whatever anyone logs or warns of passing `redaction`.

    `colours`: on a terminal, what is wrong has one.
    """
    terminal = sys.stderr.isatty()
    handler = _StandardError(sys.stderr)
    as_json = form == "json" or (form == "auto" and not terminal)
    handler.setFormatter(_Json(redaction) if as_json else _Text(redaction, terminal=terminal, colours=colours))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(capture=True)
    sys.unraisablehook = _log_unraisable
    for name, heard_from in QUIET.items():
        logging.getLogger(name).setLevel(heard_from)
