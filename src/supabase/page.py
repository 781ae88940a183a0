"""A page of rows: how large it may be, and whether it is the page that was asked for."""

from collections.abc import Sequence
from datetime import datetime
from itertools import takewhile

from msgspec import Struct

from ..domain.analysis import Analysis
from ..domain.window import Window
from ..errors import BadAnswerError

FEWER = 10
"""How many times fewer rows are asked for where a page is too large, and more again where there is room for them."""
ROOMY = 1 << 20
"""Bytes that a page may have with FEWER times as many rows; ordinary ones have 1.1 MiB with all."""


class Page(Struct, frozen=True, kw_only=True):
    """Some rows in order, and how many rows the window had when its reading began."""

    rows: list[Analysis]
    counted: int


class PageSize(Struct):
    """How many rows are asked for at once: `rows`, of `most`."""

    rows: int
    most: int

    def shrink(self) -> None:
        """Take in that so many don't fit."""
        self.rows = max(1, self.rows // FEWER)

    def fitted(self, size: int) -> None:
        """Take in that so many have `size` bytes."""
        if size * FEWER < ROOMY:
            self.rows = min(self.most, self.rows * FEWER)


def within(window: Window, last: datetime, rows: list[Analysis], table: str) -> list[Analysis]:
    """Return `rows`, every one looked at; raise BadAnswerError if they lie outside `window` or out of order.

    `last` is the moment of the row before the first.
    """
    end = window.end
    for row in rows:
        if not last <= row.created_at < end:
            place = "out of order" if window.start <= row.created_at < end else f"outside {window.label()}"
            raise BadAnswerError(table=table, came=f"a row of {row.created_at}, {place}")
        last = row.created_at
    return rows


def come_again(before: Sequence[Analysis], rows: Sequence[Analysis]) -> bool:
    """Return whether the last rows of the page `before` stand among the first of `rows`."""
    at = before[-1].created_at
    known = {row.id for row in takewhile(lambda row: row.created_at == at, reversed(before))}
    return any(row.id in known for row in takewhile(lambda row: row.created_at <= at, rows))
