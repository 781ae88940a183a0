"""The one bar that a watching person sees: windows of a backfill, or else the rows of the window at hand."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_has_bar: ContextVar[bool] = ContextVar("_has_bar", default=False)


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
    from tqdm import tqdm  # nobody else needs it loaded
    from tqdm.contrib.logging import logging_redirect_tqdm

    with logging_redirect_tqdm(), tqdm(unit=" rows", desc="Reading", leave=False) as bar:

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
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    token = _has_bar.set(True)
    try:
        with logging_redirect_tqdm(), tqdm(total=count, unit=" windows", desc="Reporting", leave=False) as bar:
            yield bar.update
    finally:
        _has_bar.reset(token)
