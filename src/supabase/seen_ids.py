"""Which rows of a window came before.

Within a page, which is of one moment, rows that share an id stand there so: a view whose join multiplies rows shows
them. Across pages a row whose `created_at` changes in the midst of the reading comes twice: keyset paging meets it at
its old moment and again at its new one. A set of ids would take some 100 bytes a row; here
each id leaves 32 bits of its hash in a table of fixed size, at a place that the other bits choose (open addressing
with linear probing, Knuth, TAOCP 6.4): 6 bytes a row. Two ids are taken for one about once in 2,000 readings of a
million rows. That row is then missed when the rows are counted, and read again with other hashes.
"""

import secrets
from array import array
from collections.abc import Sequence
from itertools import repeat

from ..domain.analysis import Analysis

_ROOM = 1.5
"""Slots for each row that the server counted."""
_MOST = 10_000_000
"""Rows for which there are slots, 60 MB: the server's count alone can't fill the memory."""
_FULL = 0.9
"""The share of slots that is used: of rows that come on top of so many, a repeated one is not noticed."""


class SeenIds:
    """The ids of the rows that came so far, of `counted` that are to come."""

    def __init__(self, counted: int) -> None:
        self._size = int(min(counted, _MOST) * _ROOM) + 64
        self._marks = array("I", [0]) * self._size
        self._room = int(self._size * _FULL)
        self._salt = secrets.randbits(60)

    def split(self, rows: Sequence[Analysis]) -> tuple[Sequence[Analysis], Sequence[Analysis]]:
        """Divide the `rows` of a page into those whose id is new and those whose id came on an earlier page.

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
