"""What a window usually looks like, and whether this one is unusual: pure arithmetic over counts.

The usual count is the median over the same local hour of the last four weeks (for a day: the same weekday). On series
with a day's shape and quiet weekends, a comparison with the hour before would call six or seven ordinary hours a week
unusual; this calls one at most.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Literal, get_args

from msgspec import Struct
from msgspec.structs import replace

from .summary import Summary
from .window import DAY, Window, day_of

WEEK = 7 * DAY
WEEKS = 4
FEWEST_WEEKS = 3
"""Of fewer known weeks nothing is concluded."""
FACTOR = 2
"""Unusual are less than half and more than double."""
LEAST_DIFFERENCE = 20
"""Analyses by which an unusual window differs from a usual one at least, so that small numbers raise no alarm."""
LEAST_FOR_EMPTY = 5
"""An empty window is unusual where so many analyses are usual."""
Compared = tuple[float | None, float | None, float | None]
"""A figure as far as it is known: of a window, of the one before, and the usual one.

Counts are rounded here, for Excel would round another half up than a message does.
"""
DeviationKind = Literal["empty", "few", "failed", "low_success", "many", "slow"]
"""What can be unusual about a window, or beyond a limit, the most serious first."""
IN_VOLUME: frozenset[DeviationKind] = frozenset({"empty", "few", "many"})
"""What is unusual about the number of analyses."""


class Counts(Struct, frozen=True, kw_only=True):
    """How many analyses a window had and how many of them failed, as far as it is known."""

    analyses: int | None = None
    failed: int | None = None

    @property
    def failed_share(self) -> float | None:
        """The share of failed analyses (0 to 1); None where there are none."""
        return self.failed / self.analyses if self.analyses and self.failed is not None else None


class Usual(Struct, frozen=True, kw_only=True):
    """What a window usually has: medians over so many `weeks` that are known; `failed` may be unknown."""

    analyses: float
    failed: float | None = None
    weeks: int = WEEKS

    @property
    def failed_share(self) -> float | None:
        """The usual share of failed analyses (0 to 1)."""
        if self.failed is None:
            return None
        return self.failed / self.analyses if self.analyses else 0.0


class Comparison(Struct, frozen=True, kw_only=True):
    """What a window is compared with: the one before, and what is usual, as far as they are known.

    `failure` says why what is usual could not be counted; it is empty where there are too few weeks. Then it will be
    known from `known_from` (aware) on, unless the table has no rows yet. `is_partial`: the usual failures alone are
    unknown, though another time they may be counted.
    """

    before: Counts = Counts()
    usual: Usual | None = None
    failure: str = ""
    known_from: datetime | None = None
    is_partial: bool = False

    def analyses(self, now: int) -> Compared:
        """Return a window's count of analyses beside those that it is compared with."""
        return now, self.before.analyses, round(self.usual.analyses) if self.usual else None

    def failed(self, now: int) -> Compared:
        """Return a window's count of failed analyses beside those that it is compared with."""
        usual = self.usual.failed if self.usual else None
        return now, self.before.failed, None if usual is None else round(usual)

    def failed_share(self, now: Counts) -> Compared:
        """Return a window's share of failed analyses (0 to 1) beside those that it is compared with."""
        return now.failed_share, self.before.failed_share, self.usual.failed_share if self.usual else None


class Thresholds(Struct, frozen=True, kw_only=True):
    """The limits that the settings draw; None where they draw none.

    `success_below`: a share of records; `failed_above`: one of analyses; `slower_than`: seconds, for the 95th
    percentile of the durations.
    """

    success_below: float | None = None
    failed_above: float | None = None
    slower_than: float | None = None


class Deviation(Struct, frozen=True, kw_only=True):
    """One way in which a window is unusual or beyond a limit: its `value`, and what it is held against.

    All are counts of analyses, shares (0 to 1), or seconds, as the kind says. `usual` is None where it isn't known;
    `limit` is None where it isn't exceeded.
    """

    kind: DeviationKind
    value: float
    usual: float | None = None
    limit: float | None = None


def earlier_weeks(window: Window) -> list[Window]:
    """Return the same local hours, or days, of the last weeks, the latest first.

    A week in which the clocks left that hour out is left out too; of an hour that came twice, the first counts.
    """
    start = window.start.astimezone(window.zone).replace(tzinfo=None)
    if window.is_calendar_day:
        return [day_of(start.date() - week * WEEK, window.zone) for week in range(1, WEEKS + 1)]
    locals_ = [start - week * WEEK for week in range(1, WEEKS + 1)]
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
    usually_failed = median(failed) if len(failed) >= FEWEST_WEEKS else None
    return Usual(analyses=median(analyses), failed=usually_failed, weeks=len(analyses))


def deviations(summary: Summary, usual: Usual | None, thresholds: Thresholds) -> list[Deviation]:
    """Return the ways in which a window is unusual or beyond a limit, the most serious first."""
    found = _in_volume(summary.rows_of_table, usual) if usual else []
    if summary.rows:
        found += _in_failures(Counts(analyses=summary.rows, failed=summary.failed_analyses), usual, thresholds)
        found += _in_records_and_durations(summary, thresholds)
    return sorted(found, key=lambda one: get_args(DeviationKind).index(one.kind))


def is_as_usual(summary: Summary, comparison: Comparison, deviations: Sequence[Deviation]) -> bool:
    """Return whether a window is known to be as usual, and has no data that can't be true."""
    odd = [one for one in summary.anomalies() if one.kind != "missing"]
    return comparison.usual is not None and not (comparison.is_partial or deviations or odd)


def is_called_normal(summary: Summary, comparison: Comparison, deviations: Sequence[Deviation]) -> bool:
    """Return whether a report may say that nothing is unusual: where analyses failed, by what usually fails."""
    is_usual_known = comparison.usual is not None and (not summary.rows or comparison.usual.failed is not None)
    return is_usual_known and is_as_usual(summary, comparison, deviations)


def _in_volume(rows: int, usual: Usual) -> list[Deviation]:
    expected = usual.analyses
    if not rows:
        return [Deviation(kind="empty", value=0, usual=expected)] if expected >= LEAST_FOR_EMPTY else []
    if abs(rows - expected) < LEAST_DIFFERENCE or expected / FACTOR <= rows <= expected * FACTOR:
        return []
    return [Deviation(kind="few" if rows < expected else "many", value=rows, usual=expected)]


def _in_failures(now: Counts, usual: Usual | None, thresholds: Thresholds) -> list[Deviation]:
    """Return the one deviation for failed analyses, with what is usual and the limit together."""
    share, limit = now.failed_share or 0.0, thresholds.failed_above
    expected = usual.failed_share if usual else None
    exceeded = limit if limit is not None and share > limit else None
    if exceeded is None and not _are_unusual(now, usual):
        return []
    return [Deviation(kind="failed", value=share, usual=expected, limit=exceeded)]


def _are_unusual(now: Counts, usual: Usual | None) -> bool:
    if usual is None or usual.failed is None or usual.failed_share is None:
        return False
    return (now.failed or 0) - usual.failed >= LEAST_DIFFERENCE and (
        now.failed_share or 0
    ) > FACTOR * usual.failed_share


def _in_records_and_durations(summary: Summary, thresholds: Thresholds) -> list[Deviation]:
    success, least = summary.success_rate, thresholds.success_below
    slow, longest = summary.durations.p95, thresholds.slower_than
    found = []
    if least is not None and success is not None and success < least:
        found.append(Deviation(kind="low_success", value=success, limit=least))
    if longest is not None and slow is not None and slow > longest:
        found.append(Deviation(kind="slow", value=slow, limit=longest))
    return found
