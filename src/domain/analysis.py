"""One analysis: what a row of the table may hold."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta

COLUMNS = ("id", "created_at", "status", "duration", "records_processed", "records_failed")
NUMBER = (int, float)
LARGEST_FIGURE = 10**100
"""Numbers from here on are shown as text, so that the sum of any number of them is still a number."""
LONGEST_TEXT = 32_768
"""Characters of a text that are kept: one more than a cell holds, so that it is still seen to be too long for one."""
TOO_LONG = "(too long to read)"
"""What stands in place of a value that is larger than any answer may be."""
FAILED_STATUSES = (
    "failed",
    "failure",
    "error",
    "errored",
    "timeout",
    "timed out",
    "timed_out",
    "timedout",
    "crashed",
    "aborted",
)
"""Statuses of an analysis that failed, unless the settings name others; one that was cancelled did not fail, somebody
stopped it."""
UNFINISHED_STATUSES = (
    "created",
    "deferred",
    "enqueued",
    "executing",
    "inprogress",
    "ongoing",
    "paused",
    "pending",
    "preparing",
    "processing",
    "queued",
    "retrying",
    "running",
    "scheduled",
    "started",
    "starting",
    "submitted",
    "waiting",
)
"""Statuses of an analysis that has not ended, in small letters and without what may stand between words."""
_BETWEEN_WORDS = re.compile(r"[\s_-]+")

Figure = (
    Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
    | Annotated[float, Meta(gt=-LARGEST_FIGURE, lt=LARGEST_FIGURE)]
    | Annotated[str, Meta(pattern=r"\A(?![-+]?[0-9P@])", max_length=LONGEST_TEXT)]
    | None
)
"""A figure as the table holds it; text is something that is not a number and is shown as it stands.

The bounds are what the native reader takes at once; numbers beyond them, and what may be a number or an interval in
quotes, are read by hand; so are ids and texts that are longer than is kept.
"""


class Analysis(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One row; `created_at` is aware UTC, `duration` in seconds, None where the table has no value."""

    id: int | Annotated[str, Meta(max_length=LONGEST_TEXT)]
    created_at: Annotated[datetime, Meta(tz=True)]
    status: Annotated[str, Meta(max_length=LONGEST_TEXT)] | None
    duration: Figure
    records_processed: Figure
    records_failed: Figure


def success_rates(processed: Sequence[Figure], failed: Sequence[Figure]) -> list[float | None]:
    """Return the share of records that did not fail, of each of many rows or sums.

    It is 1.0 when nothing was processed, None without both figures, below zero where more failed than were
    processed, and infinite where no number could hold it.
    """
    if str in {*map(type, processed), *map(type, failed)}:
        processed, failed = (_numbers_or_none(column) for column in (processed, failed))
    pairs: Iterable[Any] = zip(processed, failed, strict=True)  # no text is left in it
    return [None if one is None or two is None else (one - two) / one if one else 1.0 for one, two in pairs]


def _numbers_or_none(column: Sequence[Figure]) -> list[int | float | None]:
    return [one if isinstance(one, NUMBER) else None for one in column]


def is_unfinished(status: str) -> bool:
    """Return whether an analysis of this status has not ended; case, blanks, hyphens and underscores don't matter."""
    return _BETWEEN_WORDS.sub("", status).lower() in UNFINISHED_STATUSES


class FailedStatuses(msgspec.Struct, frozen=True):
    """The statuses that count as failed, in whatever case and with blanks around them or not.

    `status in failed` tells whether an analysis of this status counts as failed.
    """

    names: tuple[str, ...] = FAILED_STATUSES

    def __contains__(self, status: str | None) -> bool:
        return status is not None and status.strip().lower() in self.plain

    @property
    def plain(self) -> frozenset[str]:
        """The names in small letters."""
        return _in_small_letters(self.names)

    @property
    def digest(self) -> str:
        """What tells them from other ones, so that numbers of failures that don't count the same aren't compared."""
        return hashlib.sha256("\n".join(sorted(self.plain)).encode(errors="surrogatepass")).hexdigest()[:12]


@cache
def _in_small_letters(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in names)
