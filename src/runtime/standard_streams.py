"""Standard input, output and error: whether anybody reads them never decides what becomes of a report."""

import os
import sys
from contextlib import suppress
from io import TextIOWrapper

from ..errors import SIGPIPE_CODE

_STREAMS = ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w"))


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
