"""Standard input, output and error, and the one bar that a watching person sees: windows, or else rows.

Whether anybody reads them never decides whether a report is delivered.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

from ..errors import SIGPIPE_CODE

if TYPE_CHECKING:
    from tqdm import tqdm

_STREAMS = ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w"))
_has_bar: ContextVar[bool] = ContextVar("_has_bar", default=False)


class OutputError(Exception):
    """Standard output takes nothing more; `code` is the exit code that follows."""

    def __init__(self, reason: str, code: int) -> None:
        self.code = code
        super().__init__(reason)


def print_answer(text: str) -> None:
    """Print what a command answers, at once; raise OutputError if standard output does not take it."""
    try:
        print(text, flush=True)  # noqa: T201 - the only place that does
    except BrokenPipeError as error:
        raise OutputError("nobody reads the output any more", SIGPIPE_CODE) from error
    except OSError as error:
        raise OutputError(f"the output can't be written ({error.strerror})", 1) from error


def escape_unknown_characters() -> None:
    """Write what the encoding of standard output lacks, such as “ in ASCII, as an escape; error does so already."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def replace_closed_streams() -> None:
    """Open the null device in place of each standard stream that is closed, as `2>&-` leaves it.

    Otherwise the first file or connection that the run opens gets its number, and whatever a library writes to
    standard error lands there.
    """
    for number, name, mode in _STREAMS:
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - until the end


def abandon_broken_streams() -> None:
    """Send what a broken standard stream still holds to the null device.

    Python writes it out at the exit, and would make the exit code 120 if that failed.
    """
    for number, name, _ in _STREAMS[1:]:
        stream = getattr(sys, name)
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError):
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, number)
                os.close(null)


def is_watched() -> bool:
    """Return whether standard error is a terminal, where bars are shown."""
    return sys.stderr.isatty()


@contextmanager
def rows_bar() -> Iterator[Callable[[int, int], None]]:
    """Show rows read of rows counted while the block runs, on a terminal without another bar; else show nothing.

    The block calls what it is given with the number of rows that came and the number counted in all.
    """
    if not is_watched() or _has_bar.get():
        yield lambda rows, counted: None  # noqa: ARG005
        return
    with _bar(unit=" rows", desc="Reading") as bar:

        def advance(rows: int, counted: int) -> None:
            is_first, bar.total = bar.total is None, counted
            bar.update(rows)
            if is_first:
                bar.refresh()  # it draws ten times a second at most, and a short run would never show a count

        yield advance


@contextmanager
def windows_bar(count: int) -> Iterator[Callable[[], object]]:
    """Show how many of `count` windows are done, and the time left, while the block runs; elsewhere show nothing.

    The block calls what it is given after each window.
    """
    if not is_watched():
        yield lambda: None
        return
    token = _has_bar.set(True)
    try:
        with _bar(total=count, unit=" windows", desc="Reporting") as bar:
            yield bar.update
    finally:
        _has_bar.reset(token)


@contextmanager
def _bar(**options: Any) -> "Iterator[tqdm[Any]]":
    from tqdm import tqdm  # only a watched run loads it
    from tqdm.contrib.logging import logging_redirect_tqdm

    with logging_redirect_tqdm(), tqdm(leave=False, **options) as bar:
        yield bar
