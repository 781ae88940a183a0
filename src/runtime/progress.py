"""The bar that a watching person sees."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


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
