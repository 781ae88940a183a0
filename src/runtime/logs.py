"""The form of the log, third parties kept quiet, secrets kept out, and the bar that a watching person sees."""

import json
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import quote

QUIET = {"httpx": "WARNING", "httpcore": "WARNING", "asyncio": "WARNING", "telegram": "CRITICAL"}
"""From which level on third parties are heard; below they say too much, the bot's token included.

What telegram logs as an error it raises too, and there it is put into words.
"""
LogForm = Literal["auto", "text", "json"]
FIELDS = ("event", "window", "stage", "channel", "recipient", "rows", "seconds", "bytes", "attempt", "code", "why")
"""What a line of JSON may bear beside time, level and message; loggers give it as `extra`."""
EVENT = "note"
"""The event of a line that names none."""
COLOURS = {logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "31"}
"""ECMA-48: yellow, red."""
window_in_hand: ContextVar[str] = ContextVar("window_in_hand", default="")
"""The window that lines of JSON are about, where they name none: its start in UTC."""
HIDDEN = "[hidden]"
MACHINE_MADE = 24
"""Signs from which on a secret is a key or a token: no other text begins like it by chance."""


class Redaction:
    """Replaces secrets in texts, in the forms in which they turn up; `hide` tells it which."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def hide(self, secrets: Iterable[str]) -> None:
        """Add `secrets` to what is replaced."""
        for secret in secrets:
            for form in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1]):
                self._known[form] = form[: len(form) // 3] if len(secret) >= MACHINE_MADE else form
        # Longer ones first: one secret may be the beginning of another.
        self._known = {form: self._known[form] for form in sorted(self._known, key=len, reverse=True)}

    def __call__(self, text: str) -> str:
        """Return `text` without secrets."""
        for secret, known in self._known.items():
            text = _without(secret, known, text)
        return text


def _without(secret: str, known: str, text: str) -> str:
    """Replace `secret` in `text`, as far as it goes from `known`, the part of it that gives it away.

    In any case of letters, for python-telegram-bot capitalises what Telegram says; a part of a secret only where
    that is MACHINE_MADE, for excerpts and Python's own errors cut it off.
    """
    before, *pieces = re.split(re.escape(known), text, flags=re.IGNORECASE)
    rest = secret[len(known) :]
    return HIDDEN.join([before, *(piece[_in_common(rest, piece) :] for piece in pieces)])


def _in_common(one: str, other: str) -> int:
    """Count the characters with which both begin, in any case of letters."""
    pairs = enumerate(zip(one.lower(), other.lower(), strict=False))
    return next((place for place, pair in pairs if pair[0] != pair[1]), min(len(one), len(other)))


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


def set_up_logs(redaction: Redaction, form: LogForm = "auto", level: str = "INFO") -> None:
    """Log to standard error, one line an event, whatever anyone logs or warns of passing `redaction`."""
    terminal = sys.stderr.isatty()
    handler = logging.StreamHandler(sys.stderr)
    as_json = form == "json" or (form == "auto" and not terminal)
    handler.setFormatter(_Json(redaction) if as_json else _Text(redaction, terminal=terminal))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(capture=True)
    for name, heard_from in QUIET.items():
        logging.getLogger(name).setLevel(heard_from)


@contextmanager
def rows_bar() -> Iterator[Callable[[int, int], None]]:
    """Show rows read of rows counted while the block runs, on a terminal; elsewhere show nothing.

    The block calls what it is given with the number of rows that came and the number counted in all.
    """
    if not sys.stderr.isatty():
        yield lambda rows, counted: None  # noqa: ARG005
        return
    from tqdm import tqdm  # nobody else needs it loaded
    from tqdm.contrib.logging import logging_redirect_tqdm

    with logging_redirect_tqdm(), tqdm(unit=" rows", desc="Reading", leave=False) as bar:

        def advance(rows: int, counted: int) -> None:
            is_first, bar.total = bar.total is None, counted
            bar.update(rows)
            if is_first:
                bar.refresh()  # it draws ten times a second at most, and a short run would never show a count

        yield advance
