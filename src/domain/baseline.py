"""What a window usually looks like, and whether this one is unusual: pure arithmetic over counts.

The usual count is the median over the same local hour of the last four weeks (for a day: the same weekday). On series
with a day's shape and quiet weekends, a comparison with the hour before would call six or seven ordinary hours a week
unusual; this calls one at most.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from .summary import Summary
from .window import DAY, Window, day_of

WEEKS = 4
FEWEST_WEEKS = 3
"""Of fewer known weeks nothing is concluded."""
FACTOR = 2
"""Unusual are less than half and more than double."""
LEAST_DIFFERENCE = 20
"""Analyses by which an unusual window differs from a usual one at least, so that small numbers raise no alarm."""
LEAST_FOR_EMPTY = 5
"""An empty window is unusual where so many analyses are usual."""
Compared = tuple[int, int | None, int | None]
"""Whole counts, as far as they are known: of a window, of the one before, and the usual one.

Rounded here, for Excel would round another half up than a message does.
"""
DeviationKind = Literal["empty", "few", "many", "failed", "low_success", "high_failures", "slow"]


class Counts(Struct, frozen=True, kw_only=True):
    """How many analyses a window had and how many of them failed, as far as it is known."""

    analyses: int | None = None
    failed: int | None = None


class Usual(Struct, frozen=True, kw_only=True):
    """What a window usually has: medians over the weeks that are known; `failed` may be unknown."""

    analyses: float
    failed: float | None = None

    @property
    def failed_share(self) -> float | None:
        """The usual share of failed analyses (0 to 1)."""
        if self.failed is None:
            return None
        return self.failed / self.analyses if self.analyses else 0.0


class Comparison(Struct, frozen=True, kw_only=True):
    """What a window is compared with: the one before, and what is usual, as far as they are known.

    `failure` says why what is usual could not be counted; it is empty where there are too few weeks. `is_partial`: the
    usual failures alone are unknown, though another time they may be counted.
    """

    before: Counts = Counts()
    usual: Usual | None = None
    failure: str = ""
    is_partial: bool = False

    def analyses(self, now: int) -> Compared:
        """Return a window's count of analyses beside those that it is compared with."""
        return now, self.before.analyses, round(self.usual.analyses) if self.usual else None

    def failed(self, now: int) -> Compared:
        """Return a window's count of failed analyses beside those that it is compared with."""
        usual = self.usual.failed if self.usual else None
        return now, self.before.failed, None if usual is None else round(usual)


class Thresholds(Struct, frozen=True, kw_only=True):
    """The limits that the settings draw; None where they draw none.

    `success_below`: a share of records; `failed_above`: one of analyses; `slower_than`: seconds, for the 95th
    percentile of the durations.
    """

    success_below: float | None = None
    failed_above: float | None = None
    slower_than: float | None = None


class Deviation(Struct, frozen=True, kw_only=True):
    """One way in which a window is out of the ordinary: its `value`, and the `reference` that it is held against.

    Both are counts of analyses, shares (0 to 1), or seconds, as the kind says.
    """

    kind: DeviationKind
    value: float
    reference: float


def earlier_weeks(window: Window) -> list[Window]:
    """Return the same local hours, or days, of the last weeks, the latest first.

    A week in which the clocks left that hour out is left out too; of an hour that came twice the first is meant.
    """
    start = window.start.astimezone(window.zone).replace(tzinfo=None)
    if window.is_calendar_day:
        return [day_of(start.date() - week * 7 * DAY, window.zone) for week in range(1, WEEKS + 1)]
    locals_ = [start - week * 7 * DAY for week in range(1, WEEKS + 1)]
    starts = [(local, local.replace(tzinfo=window.zone).astimezone(UTC)) for local in locals_]
    length = window.end - window.start
    return [
        replace(window, start=moment, end=moment + length)
        for local, moment in starts
        if moment.astimezone(window.zone).replace(tzinfo=None) == local
    ]


def usual(weeks: Sequence[tuple[Window, Counts]], first: datetime | None) -> Usual | None:
    """Return what is usual by the counts of earlier weeks, None where too few of them are known.

    `first` is the moment of the table's first row: a week that began before it has no count, not a count of zero.
    """
    reached = [counts for week, counts in weeks if first is not None and first <= week.start]
    analyses = [counts.analyses for counts in reached if counts.analyses is not None]
    failed = [counts.failed for counts in reached if counts.failed is not None]
    if len(analyses) < FEWEST_WEEKS:
        return None
    return Usual(analyses=median(analyses), failed=median(failed) if len(failed) >= FEWEST_WEEKS else None)


def deviations(summary: Summary, usual: Usual | None, thresholds: Thresholds) -> list[Deviation]:
    """Return the ways in which a window is out of the ordinary, or beyond a limit, the gravest first."""
    found = _in_volume(summary.rows_of_table, usual) if usual else []
    found += _in_failures(summary.rows, summary.failed_analyses, usual) if usual else []
    return found + _beyond(summary, thresholds)


def is_as_usual(summary: Summary, comparison: Comparison, deviations: Sequence[Deviation]) -> bool:
    """Return whether a window is known to be as usual, and has no data that can't be true."""
    odd = [one for one in summary.anomalies() if one.kind != "missing"]
    return comparison.usual is not None and not (comparison.is_partial or deviations or odd)


def _in_volume(rows: int, usual: Usual) -> list[Deviation]:
    expected = usual.analyses
    if not rows:
        return [Deviation(kind="empty", value=0, reference=expected)] if expected >= LEAST_FOR_EMPTY else []
    if abs(rows - expected) < LEAST_DIFFERENCE or expected / FACTOR <= rows <= expected * FACTOR:
        return []
    return [Deviation(kind="few" if rows < expected else "many", value=rows, reference=expected)]


def _in_failures(rows: int, failed: int, usual: Usual) -> list[Deviation]:
    if usual.failed is None or usual.failed_share is None or failed - usual.failed < LEAST_DIFFERENCE:
        return []
    share = failed / rows
    if share <= FACTOR * usual.failed_share:
        return []
    return [Deviation(kind="failed", value=share, reference=usual.failed_share)]


def _beyond(summary: Summary, thresholds: Thresholds) -> list[Deviation]:
    if not summary.rows:
        return []
    found: list[Deviation] = []
    success, share, slow = summary.success_rate, summary.failed_analyses / summary.rows, summary.durations.p95
    if thresholds.success_below is not None and success is not None and success < thresholds.success_below:
        found.append(Deviation(kind="low_success", value=success, reference=thresholds.success_below))
    if thresholds.failed_above is not None and share > thresholds.failed_above:
        found.append(Deviation(kind="high_failures", value=share, reference=thresholds.failed_above))
    if thresholds.slower_than is not None and slow is not None and slow > thresholds.slower_than:
        found.append(Deviation(kind="slow", value=slow, reference=thresholds.slower_than))
    return found
