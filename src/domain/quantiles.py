"""Median and 95th percentile of durations, in bounded memory.

Up to EXACT durations are kept and the quantiles are exact. Beyond that they are counted in buckets that grow by a
constant factor (the idea of DDSketch, Masson, Rim and Lee, VLDB 2019), so that every one of them is known to within
RELATIVE_ERROR: from a nanosecond to 1e100 seconds that is 12,600 buckets at most, some hundred in practice. No quantile
is longer than the longest duration, which is always exact.
"""

from array import array
from collections import Counter
from collections.abc import Sequence
from math import ceil, exp, log, log1p

from msgspec import Struct, field

EXACT = 20_000
"""Durations up to which quantiles are exact: 160 kB."""
RELATIVE_ERROR = 0.01
"""What a quantile of more durations may be off, as a share of it."""
_SHORTEST = 1e-9
"""Seconds; beyond EXACT durations, shorter ones are taken for none."""
_LOG_WIDTH = log1p(RELATIVE_ERROR) - log1p(-RELATIVE_ERROR)
_MIDDLE = 1 - RELATIVE_ERROR  # what lies as far from both ends of a bucket, as a share of its upper end
_NOTHING = -(10**6)
"""The bucket of durations shorter than _SHORTEST, below all others."""


class Durations(Struct, kw_only=True):
    """Durations in seconds, none of them negative; `add` takes in more. `longest` is None while there are none."""

    count: int = 0
    longest: float | None = None
    _kept: "array[float]" = field(default_factory=lambda: array("d"))
    _buckets: Counter[int] = field(default_factory=Counter)

    def add(self, seconds: Sequence[float]) -> None:
        """Take in durations of at least 0 and less than 1e100 seconds."""
        if not seconds:
            return
        self.count += len(seconds)
        self.longest = max(self.longest or 0.0, float(max(seconds)))
        self._kept.extend(seconds)
        if not self.exact:
            self._buckets.update(ceil(log(one) / _LOG_WIDTH) if one > _SHORTEST else _NOTHING for one in self._kept)
            del self._kept[:]

    @property
    def exact(self) -> bool:
        """Whether `median` and `p95` are exact rather than within RELATIVE_ERROR."""
        return self.count <= EXACT

    @property
    def median(self) -> float | None:
        """The duration that half of them don't exceed, as Excel's MEDIAN; None without durations."""
        return self._quantile(0.5)

    @property
    def p95(self) -> float | None:
        """The duration that 95 % of them don't exceed, as Excel's PERCENTILE.INC; None without durations."""
        return self._quantile(0.95)

    def _quantile(self, share: float) -> float | None:
        if not self.count:
            return None
        place = (self.count - 1) * share
        lower = int(place)
        below, above = self._at(lower), self._at(min(lower + 1, self.count - 1))
        return min(below + (above - below) * (place - lower), self.longest or 0.0)

    def _at(self, place: int) -> float:
        """Find the duration that has `place` shorter ones."""
        if self.exact:
            return sorted(self._kept)[place]
        for bucket in sorted(self._buckets):
            place -= self._buckets[bucket]
            if place < 0:
                break
        return exp(bucket * _LOG_WIDTH) * _MIDDLE if bucket != _NOTHING else 0.0
