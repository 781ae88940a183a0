"""A page of rows: how large it may be, whether it is the page that was asked for, and which of its rows are one."""

from collections.abc import Sequence
from datetime import datetime
from itertools import takewhile

from msgspec import Struct

from ..domain.analysis import Analysis
from ..domain.window import Window
from .source_errors import BadAnswerError

FEWER = 10
"""How many times fewer rows are asked for where a page is too large, and more again where there is room for them."""
ROOMY = 1 << 20
"""Bytes that a page may have with FEWER times as many rows; ordinary ones have 1.1 MiB with all."""


class Page(Struct, frozen=True, kw_only=True):
    """Some rows in order, and how many rows the window had when its reading began.

    `doubled` rows came besides that equal one of `rows` in every column; `shared` ones of `rows` have the id of another
    of them.
    """

    rows: list[Analysis]
    counted: int
    doubled: int = 0
    shared: int = 0


def page_of(rows: list[Analysis], counted: int) -> Page:
    """Make a page of the rows that came."""
    kept = distinct(rows)
    shared = 0 if kept is rows else len(kept) - different_ids(kept)
    return Page(rows=kept, counted=counted, doubled=len(rows) - len(kept), shared=shared)


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


def different_ids(rows: Sequence[Analysis]) -> int:
    """Count the ids of `rows`."""
    return len({row.id for row in rows})


def distinct(rows: list[Analysis]) -> list[Analysis]:
    """Return `rows` without those that equal an earlier one in every column."""
    return rows if different_ids(rows) == len(rows) else [*dict.fromkeys(rows)]


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


def last_group(rows: Sequence[Analysis]) -> int:
    """Count the rows at the end of `rows` that share the last one's moment and id."""
    last = rows[-1]
    alike = takewhile(lambda row: row.created_at == last.created_at and row.id == last.id, reversed(rows))
    return len([*alike])
