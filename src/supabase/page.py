"""A page of rows: how large it may be, whether it is the requested one, and which rows came before.

Within a page, rows that share an id are seen at once: a view whose join multiplies rows shows them.
"""

import secrets
from array import array
from collections.abc import Sequence
from datetime import datetime
from itertools import repeat, takewhile

from msgspec import Struct

from ..domain.analysis import Analysis
from ..domain.window import Window
from .source_errors import BadAnswerError

FEWER = 10
"""How many times fewer rows are requested if a page is too large, and more again if there is room for them."""
ROOMY = 1 << 20
"""Bytes that a page may have with FEWER times as many rows; ordinary ones have 1.1 MiB with all."""
_ROOM = 1.5
"""Slots for each row that the server counted."""
_MOST = 10_000_000
"""Rows for which there are slots, 60 MB: the server's count alone can't fill the memory."""
_FULL = 0.9
"""The share of slots that is used: a repeated id among any further rows is not noticed."""


class Page(Struct, frozen=True, kw_only=True):
    """Some rows in order, and how many rows the window had when its reading began.

    `doubled`: rows left out because they equal one of `rows` in every column. `shared`: those of `rows` that have the
    id of another.
    """

    rows: list[Analysis]
    counted: int
    doubled: int = 0
    shared: int = 0


def page_of(rows: list[Analysis], counted: int) -> Page:
    """Make a page of the rows that arrived."""
    if different_ids(rows) == len(rows):
        return Page(rows=rows, counted=counted)
    kept = [*dict.fromkeys(rows)]
    return Page(rows=kept, counted=counted, doubled=len(rows) - len(kept), shared=len(kept) - different_ids(kept))


class PageSize(Struct):
    """How many rows are requested at once: `rows`, of `most`."""

    rows: int
    most: int

    def shrink(self) -> None:
        """Request fewer, because so many don't fit."""
        self.rows = max(1, self.rows // FEWER)

    def fitted(self, size: int) -> None:
        """Request more again if there is room: so many rows have `size` bytes."""
        if size * FEWER < ROOMY:
            self.rows = min(self.most, self.rows * FEWER)


def different_ids(rows: Sequence[Analysis]) -> int:
    """Count the ids of `rows`."""
    return len({row.id for row in rows})


def within(window: Window, last: datetime, rows: list[Analysis], table: str) -> list[Analysis]:
    """Return `rows`; raise BadAnswerError if any lies outside `window` or out of order.

    `last` is the moment of the row before the first.
    """
    end = window.end
    for row in rows:
        if not last <= row.created_at < end:
            place = "out of order" if window.start <= row.created_at < end else f"outside {window.label()}"
            raise BadAnswerError(table=table, came=f"a row of {row.created_at}, {place}")
        last = row.created_at
    return rows


def overlaps(before: Sequence[Analysis], rows: Sequence[Analysis]) -> bool:
    """Return whether `rows` begin with some of the last rows of the page `before`."""
    at = before[-1].created_at
    known = {row.id for row in takewhile(lambda row: row.created_at == at, reversed(before))}
    return any(row.id in known for row in takewhile(lambda row: row.created_at <= at, rows))


def last_group(rows: Sequence[Analysis]) -> int:
    """Count the rows at the end of `rows` that share the last one's moment and id."""
    last = rows[-1]
    alike = takewhile(lambda row: row.created_at == last.created_at and row.id == last.id, reversed(rows))
    return len([*alike])


class SeenIds:
    """The ids of the rows that arrived so far, of `counted` rows in all.

    A row whose `created_at` changes while the window is read arrives twice, on different pages: keyset paging meets
    it at its old moment and again at its new one. A set of ids would take some 100 bytes a row; here each id leaves 32
    bits of its hash in a table of fixed size, at a place that the other bits choose (open addressing with linear
    probing, Knuth, TAOCP 6.4): 6 bytes a row. Two ids are taken for one about once in 2,000 readings of a million rows.
    Then a row is missing in the count, and the window is read again with other hashes.
    """

    def __init__(self, counted: int) -> None:
        self._size = int(min(counted, _MOST) * _ROOM) + 64
        self._marks = array("I", [0]) * self._size
        self._room = int(self._size * _FULL)
        self._salt = secrets.randbits(60)

    def split(self, rows: Sequence[Analysis]) -> tuple[Sequence[Analysis], Sequence[Analysis]]:
        """Divide the `rows` of a page into those whose id is new and those whose id was on an earlier page.

        The ids are remembered while there is room.
        """
        if self._room < len(rows):
            return rows, ()
        self._room -= len(rows)
        again = self._again(rows)
        if not again:
            return rows, ()
        # Several rows of one id on this page are as new as the first of them.
        first = {rows[place].id: place for place in reversed(range(len(rows)))}
        repeated = {place for place in again if first[rows[place].id] in again}
        fresh = [row for place, row in enumerate(rows) if place not in repeated]
        return fresh, [rows[place] for place in sorted(repeated)]

    def _again(self, rows: Sequence[Analysis]) -> set[int]:
        """Remember the ids of `rows`; return the places of those that were remembered already."""
        # As text: for whole numbers hash() is a remainder, which many of them share whatever stands beside it.
        digests = array("q", map(hash, zip(map(str, [row.id for row in rows]), repeat(self._salt))))
        halves = array("I", digests.tobytes())
        marks, size, again = self._marks, self._size, set[int]()
        for place, (mark, other) in enumerate(zip(halves[::2], halves[1::2], strict=True)):
            slot = other % size
            if found := marks[slot]:
                while found and found != mark:
                    slot = slot + 1 if slot + 1 < size else 0
                    found = marks[slot]
                if found:
                    again.add(place)
                    continue
            marks[slot] = mark
        return again
