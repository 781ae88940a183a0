"""The form of the log, third parties kept quiet, and the bar that a watching person sees."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

QUIET = ("httpx", "httpcore", "telegram", "asyncio", "openpyxl")
"""Loggers that say too much at INFO, the bot's token included."""


def set_up_logs() -> None:
    """Log to standard error, one line an event, times in UTC."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


@contextmanager
def rows_bar() -> Iterator[Callable[[int, int], None]]:
    """Show rows read of rows counted while the block runs, on a terminal; elsewhere show nothing.

    The block calls what it is given with the number of rows that came and the number counted in all.
    """
    with tqdm(unit=" rows", desc="Reading", disable=not sys.stderr.isatty(), leave=False) as bar:

        def advance(rows: int, counted: int) -> None:
            bar.total = counted
            bar.update(rows)

        yield advance
