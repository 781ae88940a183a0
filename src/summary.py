"""The figures of a report, folded from its rows as they pass by."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from .analysis import Analysis, is_failed_status

NO_STATUS = "(no status)"
OTHER_STATUSES = "(other statuses)"
STATUSES = 1000
"""Statuses that are told apart, by their first STATUS_LENGTH characters, so that odd data can't fill the memory."""
STATUS_LENGTH = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Worst:
    """One of the worst analyses, and its place among the window's rows, from 0."""

    analysis: Analysis
    place: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Oddity:
    """Something odd, and how many analyses show it."""

    what: str
    count: int


@dataclass(kw_only=True, slots=True)
class Durations:
    """Durations in seconds."""

    known: list[float] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.known)

    @property
    def median(self) -> float | None:
        """The middle one."""
        return self._quantile(0.5)

    @property
    def p95(self) -> float | None:
        """What 95 % don't exceed."""
        return self._quantile(0.95)

    @property
    def longest(self) -> float | None:
        """The longest."""
        return self._quantile(1.0)

    def _quantile(self, share: float) -> float | None:
        return sorted(self.known)[max(0, math.ceil(share * len(self.known)) - 1)] if self.known else None


@dataclass(kw_only=True, slots=True)
class Summary:
    """Counts of a window's rows; `add` folds more rows in.

    `processed` and `failed` sum the records of all rows that have the figure.
    """

    rows: int = 0
    processed: int | float = 0
    failed: int | float = 0
    by_status: Counter[str] = field(default_factory=Counter)
    failed_analyses: int = 0
    durations: Durations = field(default_factory=Durations)
    worst: list[Worst] = field(default_factory=list)
    odd: Counter[str] = field(default_factory=Counter)
    _rated: int = 0
    _rated_processed: int | float = 0
    _rated_failed: int | float = 0

    def add(self, rows: Iterable[Analysis]) -> None:
        """Fold `rows` into the figures."""
        for row in rows:
            self._add_stand_in(row)
            self.rows += 1
            self._count_status(row.status or NO_STATUS)
            processed, failed = row.records_processed, row.records_failed
            if isinstance(processed, int | float):
                self.processed += processed
            if isinstance(failed, int | float):
                self.failed += failed
            if isinstance(processed, int | float) and isinstance(failed, int | float):
                self._rated += 1
                self._rated_processed += processed
                self._rated_failed += failed

    def _add_stand_in(self, row: Analysis) -> None:
        self.failed_analyses += is_failed_status(row.status)
        duration, processed, failed = row.duration, row.records_processed, row.records_failed
        if isinstance(duration, int | float):
            self.durations.known.append(float(duration))
            self.odd["negative duration"] += duration < 0
        if isinstance(processed, int | float) and isinstance(failed, int | float):
            self.odd["more records failed than were processed"] += failed > processed
        self.odd["unfinished when this report was made"] += None in (duration, processed, failed)
        self.worst.append(Worst(analysis=row, place=self.rows))
        self.worst.sort(key=lambda one: (-_figure(one.analysis.records_failed), -_figure(one.analysis.duration)))
        del self.worst[10:]

    def oddities(self) -> list[Oddity]:
        """List what is odd."""
        return [Oddity(what=what, count=count) for what, count in self.odd.items() if count]

    def _count_status(self, status: str) -> None:
        known = status[:STATUS_LENGTH]
        if known not in self.by_status and len(self.by_status) >= STATUSES:
            known = OTHER_STATUSES
        self.by_status[known] += 1

    @property
    def success_rate(self) -> float | None:
        """The share of records that did not fail, over rows with both figures; None without such rows.

        1.0 when nothing was processed.
        """
        if not self._rated:
            return None
        if not self._rated_processed:
            return 1.0
        rate = (self._rated_processed - self._rated_failed) / self._rated_processed
        return rate if math.isfinite(rate) else None

    def statuses(self) -> list[tuple[str, int]]:
        """Statuses with their counts, the most frequent first, equal ones by name."""
        return sorted(self.by_status.items(), key=lambda pair: (-pair[1], pair[0]))


def _figure(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
