"""The figures of a report, folded from its rows as they pass by, in bounded memory."""

import heapq
import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from operator import attrgetter
from types import NoneType
from typing import Literal, get_args

from msgspec import Struct, field

from .analysis import NUMBER, TOO_LONG, Analysis, FailedStatuses, Figure, is_unfinished, success_rates
from .quantiles import Durations
from .window import HOUR, Window

STATUSES = 1000
"""Statuses that are told apart, by their first STATUS_LENGTH characters, so that odd data can't fill the memory."""
STATUS_LENGTH = 200
LACKING = 4
"""Statuses that are named where figures are missing or analyses not finished, the last of them for all the rest."""
WORST = 10
BUCKET = timedelta(minutes=5)
AnomalyKind = Literal[
    "more failed than processed",
    "missing",
    "no number",
    "negative duration",
    "too long",
    "repeated",
    "doubled",
    "shared id",
]
"""What may be odd about a row: its records, a figure that is not there or not a number, a duration below zero, a value
too long to read; that it came `repeated`, because its moment changed while rows were read; that it is `doubled`, equal
to another in every column; or that it has the id of another, with other values.
"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENT = attrgetter("created_at")


class Worst(Struct, frozen=True, kw_only=True):
    """One of the worst analyses, and its place among the window's rows, the first being 0."""

    analysis: Analysis
    place: int


class StatusCount(Struct, frozen=True, kw_only=True):
    """How many analyses have `status`, "" being none.

    Or how many have one of `others` further statuses, all together, or even `more` than so many of them.
    `failed`: the status counts as failed.
    """

    analyses: int
    status: str = ""
    failed: bool = False
    others: int = 0
    more: bool = False


class Anomaly(Struct, frozen=True, kw_only=True):
    """What is odd about `count` analyses; where figures are missing, which `statuses` those have."""

    kind: AnomalyKind
    count: int
    statuses: Sequence[StatusCount] = ()


class TimeBucket(Struct, frozen=True, kw_only=True):
    """Analyses from `start` (aware UTC) to the next bucket; `failed` have a status that counts as failed."""

    start: datetime
    analyses: int
    failed: int


class Summary(Struct, kw_only=True):
    """Figures of a window's rows; `add` folds more rows in, in the order of the window.

    `processed` and `failed` sum the records of all rows that have the figure; `failed_analyses` are those whose
    status counts as failed; `durations` are in seconds. `by_status` has no status, or one of blanks, under "", and not
    more than STATUSES of them; `unlisted` are the analyses beyond.
    """

    rows: int = 0
    processed: int | float = 0
    failed: int | float = 0
    failed_analyses: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    unlisted: int = 0
    durations: Durations = field(default_factory=Durations)
    failed_statuses: FailedStatuses = FailedStatuses()
    _rated: int = 0
    _rated_processed: int | float = 0
    _rated_failed: int | float = 0
    _odd: Counter[AnomalyKind] = field(default_factory=Counter)
    _without_figures: Counter[str] = field(default_factory=Counter)
    _by_bucket: dict[datetime, list[int]] = field(default_factory=dict)
    _worst: list[tuple[float, float, int, Analysis]] = field(default_factory=list)

    def add(self, rows: Iterable[Analysis], *, repeated: int = 0, doubled: int = 0, shared: int = 0) -> None:
        """Fold `rows` into the figures; `shared` of them have the id of another.

        So many rows came besides that were there already: `repeated` with another moment, `doubled` with none.
        """
        page = [*rows]
        durations = [row.duration for row in page]
        processed = [row.records_processed for row in page]
        failed = [row.records_failed for row in page]
        self._count_statuses_and_buckets(page)
        self._count_anomalies(page, durations, processed, failed)
        self._sum_records(processed, failed)
        self._take_durations(_numbers(durations))
        if len(page) == 1 or shared:
            self._count_unread(page)
        self._rank(page, [one if isinstance(one, NUMBER) else 0 for one in failed])
        self._odd.update({"repeated": repeated, "doubled": doubled, "shared id": shared})
        self.rows += len(page)

    def _count_statuses_and_buckets(self, rows: Sequence[Analysis]) -> None:
        first = 0
        while first < len(rows):
            start = _bucket_of(rows[first].created_at)
            beyond = bisect_left(rows, start + BUCKET, first, key=_MOMENT)
            statuses = Counter([row.status for row in rows[first:beyond]])
            failed = sum(count for status, count in statuses.items() if status in self.failed_statuses)
            tally = self._by_bucket.setdefault(start, [0, 0])
            tally[0] += beyond - first
            tally[1] += failed
            self.failed_analyses += failed
            self.unlisted += _count_into(self.by_status, statuses)
            first = beyond

    def _count_anomalies(self, rows: Sequence[Analysis], *columns: Sequence[Figure]) -> None:
        kinds: set[type] = set().union(*(map(type, column) for column in columns))
        if NoneType in kinds:
            figures = zip(rows, *columns, strict=True)
            statuses = Counter([row.status or "" for row, *of_row in figures if None in of_row])
            self._odd["missing"] += statuses.total()
            _count_into(self._without_figures, statuses)
        if str in kinds:
            self._odd["no number"] += sum(str in map(type, figures) for figures in zip(*columns, strict=True))

    def _count_unread(self, rows: Sequence[Analysis]) -> None:
        """Count rows with a value too long to read; such a row is a page by itself, or with those that share its id."""
        for row in rows:
            values = (row.status, row.duration, row.records_processed, row.records_failed)
            self._odd["too long"] += TOO_LONG in values

    def _sum_records(self, processed: Sequence[Figure], failed: Sequence[Figure]) -> None:
        self.processed += sum(_numbers(processed))
        self.failed += sum(_numbers(failed))
        pairs = zip(processed, failed, strict=True)
        both = [(one, two) for one, two in pairs if isinstance(one, NUMBER) and isinstance(two, NUMBER)]
        self._rated += len(both)
        self._rated_processed += sum(one for one, _ in both)
        self._rated_failed += sum(two for _, two in both)
        self._odd["more failed than processed"] += sum(two > one for one, two in both)

    def _take_durations(self, seconds: Sequence[float]) -> None:
        sound = [one for one in seconds if one >= 0]
        self._odd["negative duration"] += len(seconds) - len(sound)
        self.durations.add(sound)

    def _rank(self, rows: Sequence[Analysis], failed: Sequence[float]) -> None:
        """Keep the worst: most records failed, then slowest, then first."""
        worst = self._worst
        least = worst[0][0] if len(worst) == WORST else -math.inf
        for place in [place for place, count in enumerate(failed) if count >= least]:
            row = rows[place]
            duration = row.duration if isinstance(row.duration, NUMBER) else 0
            entry = (failed[place], duration, -self.rows - place, row)
            (heapq.heappush if len(worst) < WORST else heapq.heappushpop)(worst, entry)

    @property
    def rows_of_table(self) -> int:
        """The rows that the table's own count has: those that are doubled too."""
        return self.rows + self._odd["doubled"]

    @property
    def rows_of_shared_ids(self) -> int:
        """The rows that have the id of another, whether they are kept or left out."""
        return self._odd["doubled"] + self._odd["shared id"]

    @property
    def success_rate(self) -> float | None:
        """The share of records that did not fail, over rows with both figures; None without such rows."""
        if not self._rated:
            return None
        (rate,) = success_rates([self._rated_processed], [self._rated_failed])
        return rate if rate is not None and math.isfinite(rate) else None

    @property
    def rated_records(self) -> int | float:
        """The records processed of the rows with both figures, which `success_rate` is about."""
        return self._rated_processed

    @property
    def worst(self) -> list[Worst]:
        """At most WORST analyses: those with the most records failed, of equal ones the slowest, then the first."""
        return [Worst(analysis=row, place=-place) for _, _, place, row in sorted(self._worst, reverse=True)]

    def statuses(self, limit: int = STATUSES) -> list[StatusCount]:
        """Return the statuses, the most frequent first, equal ones by name; the last of `limit` is for all the rest."""
        return self._ranked(self.by_status, self.unlisted, limit)

    def _ranked(self, counted: Counter[str], unlisted: int, limit: int) -> list[StatusCount]:
        ranked = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))
        is_whole = len(ranked) <= limit and not unlisted
        listed, rest = (ranked, []) if is_whole else (ranked[: limit - 1], ranked[limit - 1 :])
        found = [
            StatusCount(status=status, analyses=count, failed=status in self.failed_statuses)
            for status, count in listed
        ]
        if rest:
            together = sum(count for _, count in rest) + unlisted
            found.append(StatusCount(analyses=together, others=len(rest), more=bool(unlisted)))
        return found

    @property
    def unfinished(self) -> list[StatusCount]:
        """The statuses of analyses that have not ended, in the order of `statuses`."""
        return self._ranked(self._part(self.by_status, unfinished=True), 0, LACKING)

    def anomalies(self) -> list[Anomaly]:
        """Return what is odd about the rows; one row may be odd in more than one way."""
        found = map(self._anomaly, get_args(AnomalyKind))
        return [odd for odd in found if odd.count]

    def _anomaly(self, kind: AnomalyKind) -> Anomaly:
        if kind != "missing":
            return Anomaly(kind=kind, count=self._odd[kind])
        unlisted = self._odd[kind] - self._without_figures.total()
        lacking = self._part(self._without_figures, unfinished=False)  # figures come with the end
        return Anomaly(kind=kind, count=lacking.total() + unlisted, statuses=self._ranked(lacking, unlisted, LACKING))

    def _part(self, counted: Counter[str], *, unfinished: bool) -> Counter[str]:
        """Return those of `counted` that have not ended, or that have."""
        names = (name for name in counted if (is_unfinished(name) and name not in self.failed_statuses) == unfinished)
        return Counter({name: counted[name] for name in names})

    def buckets(self, window: Window) -> list[TimeBucket]:
        """Divide the window into buckets of five minutes, or of an hour for a day, without a gap.

        They begin at full five minutes of UTC, so a window that begins between has its first bucket begin before it.
        """
        width = HOUR if window.template == "daily" else BUCKET
        buckets, start = [], _bucket_of(window.start)
        while start < window.end:
            tallies = [self._by_bucket.get(start + part * BUCKET, (0, 0)) for part in range(width // BUCKET)]
            analyses, failed = (sum(tally[kind] for tally in tallies) for kind in (0, 1))
            buckets.append(TimeBucket(start=start, analyses=analyses, failed=failed))
            start += width
        return buckets


def busiest(buckets: Sequence[TimeBucket]) -> int:
    """Return the place of the bucket with the most analyses, of equal ones the first."""
    return max(range(len(buckets)), key=lambda place: buckets[place].analyses)


def _count_into(known: Counter[str], statuses: Mapping[str | None, int] | Mapping[str, int]) -> int:
    """Add up `statuses` in `known`, as far as there is room for their names; return how many there was none for."""
    unlisted = 0
    for status, count in statuses.items():
        name = (status or "")[:STATUS_LENGTH]
        name = "" if name.isspace() else name
        if name in known or len(known) < STATUSES:
            known[name] += count
        else:
            unlisted += count
    return unlisted


def _numbers(figures: Iterable[Figure]) -> list[int | float]:
    return [figure for figure in figures if isinstance(figure, NUMBER)]


def _bucket_of(moment: datetime) -> datetime:
    return moment - (moment - _EPOCH) % BUCKET


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
