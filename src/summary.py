"""The figures of a report, folded from its rows as they pass by."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from .analysis import Analysis

NO_STATUS = "(no status)"
OTHER_STATUSES = "(other statuses)"
STATUSES = 1000
"""Statuses that are told apart, by their first STATUS_LENGTH characters, so that odd data can't fill the memory."""
STATUS_LENGTH = 200


@dataclass(kw_only=True, slots=True)
class Summary:
    """Counts of a window's rows; `add` folds more rows in.

    `processed` and `failed` sum the records of all rows that have the figure.
    """

    rows: int = 0
    processed: int | float = 0
    failed: int | float = 0
    by_status: Counter[str] = field(default_factory=Counter)
    _rated: int = 0
    _rated_processed: int | float = 0
    _rated_failed: int | float = 0

    def add(self, rows: Iterable[Analysis]) -> None:
        """Fold `rows` into the figures."""
        for row in rows:
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
