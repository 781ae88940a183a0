"""Where failures come in a burst within a window."""

from collections.abc import Sequence
from datetime import datetime
from itertools import accumulate

from msgspec import Struct

from .summary import TimeBucket

FEWEST = 10
"""Failures from which on anything is said of where they are."""
WIDEST = 4
"""A burst takes at most this part of a window."""
DENSER = 2
"""How many times larger its share of the failures is than its share of the analyses."""


class FailureBurst(Struct, frozen=True, kw_only=True):
    """`failed` analyses, over half of the window's, `of` so many, lie in the buckets from `start` to before `end`."""

    start: datetime
    end: datetime
    failed: int
    of: int


def failure_burst(buckets: Sequence[TimeBucket]) -> FailureBurst | None:
    """Return the shortest row of buckets that holds over half of the failures, the fullest of equally short ones.

    None if there are few failures, or if they are spread as the analyses are.
    """
    failed = [0, *accumulate(bucket.failed for bucket in buckets)]
    analyses = [0, *accumulate(bucket.analyses for bucket in buckets)]
    if failed[-1] < FEWEST:
        return None
    for length in range(1, len(buckets) // WIDEST + 1):
        places = range(len(buckets) - length + 1)
        first = max(places, key=lambda place: failed[place + length] - failed[place])
        found = failed[first + length] - failed[first]
        if 2 * found > failed[-1]:
            within = analyses[first + length] - analyses[first]
            if found * analyses[-1] < DENSER * failed[-1] * within:
                return None
            width = buckets[1].start - buckets[0].start
            end = buckets[first].start + length * width
            return FailureBurst(start=buckets[first].start, end=end, failed=found, of=failed[-1])
    return None
