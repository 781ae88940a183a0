"""The figures agree with the rows."""

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from src.domain.analysis import TOO_LONG, Analysis, FailedStatuses
from src.domain.quantiles import RELATIVE_ERROR
from src.domain.summary import STATUS_LENGTH, STATUSES, Anomaly, StatusCount, Summary, TimeBucket
from src.domain.window import HOUR, day_of, until

from ..builders import START, make_analysis, make_window
from .test_quantiles import quantiles

STATUS = ("completed",) * 8 + ("failed", "Error ", "cancelled", None)


def lively(count: int) -> list[Analysis]:
    """Make an hour of rows, some of them odd."""
    dice = random.Random(count)
    return [
        make_analysis(
            id=place,
            created_at=START + HOUR / count * place,
            status=dice.choice(STATUS),
            duration=dice.choice((round(dice.lognormvariate(1, 1), 3),) * 30 + (None, -1.5, "NaN", 0)),
            records_processed=dice.choice((dice.randrange(900),) * 30 + (None, "many")),
            records_failed=dice.choice((0,) * 5 + (dice.randrange(50),) * 3 + (None,)),
        )
        for place in range(count)
    ]


def numbers(values: list[Any]) -> list[float]:
    """Keep what is a number."""
    return [value for value in values if isinstance(value, int | float)]


def counts(summary: Summary) -> list[tuple[str, int]]:
    """List the statuses with their counts."""
    return [(counted.status, counted.analyses) for counted in summary.statuses()]


def test_the_figures_are_those_of_all_rows() -> None:
    """However they come in pages."""
    rows = [make_analysis(status=("completed", "failed")[number % 2], records_failed=number) for number in range(10)]
    whole, paged = Summary(), Summary()

    whole.add(rows)
    for row in rows:
        paged.add([row])

    assert whole == paged
    assert (whole.rows, whole.processed, whole.failed) == (10, 2000, 45)
    assert counts(whole) == [("completed", 5), ("failed", 5)]
    assert whole.success_rate == (2000 - 45) / 2000


def test_a_row_without_both_figures_does_not_bend_the_rate() -> None:
    """It is counted, but its missing figure isn't taken for zero."""
    summary = Summary()
    summary.add([make_analysis(records_failed=100), make_analysis(records_failed=None)])

    assert (summary.processed, summary.failed, summary.success_rate) == (400, 100, 0.5)


def test_the_rate_is_whole_when_nothing_was_processed_and_none_without_figures() -> None:
    """As in the rows: nothing processed means nothing failed, a missing figure isn't guessed."""
    nothing, unknown = Summary(), Summary()
    nothing.add([make_analysis(records_processed=0, records_failed=0)])
    unknown.add([make_analysis(records_processed=None)])

    assert (nothing.success_rate, unknown.success_rate, Summary().success_rate) == (1.0, None, None)


def test_no_number_of_odd_statuses_fills_the_memory() -> None:
    """Beyond a thousand they are counted together."""
    summary = Summary()
    summary.add(make_analysis(status=f"{number} {'x' * 5000}") for number in range(STATUSES + 50))

    assert (len(summary.by_status), summary.unlisted) == (STATUSES, 50)
    assert summary.statuses(3)[2] == StatusCount(analyses=STATUSES - 2 + 50, others=STATUSES - 2, more=True)
    assert sum(counted.analyses for counted in summary.statuses()) == STATUSES + 50
    assert max(map(len, summary.by_status)) <= STATUS_LENGTH


def test_statuses_come_most_frequent_first_and_none_is_among_them() -> None:
    """A row without a status is a row."""
    summary = Summary()
    summary.add(make_analysis(status=status) for status in ("b", None, "a", None, ""))

    assert counts(summary) == [("", 3), ("a", 1), ("b", 1)]


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
def test_the_last_of_the_statuses_that_there_is_room_for_stands_for_all_the_rest(limit: int) -> None:
    """The sum stays right, and a single one that there is room for keeps its name."""
    summary = Summary()
    summary.add(make_analysis(status=status) for status in "aaabbc")

    found = summary.statuses(limit)

    assert (len(found), sum(counted.analyses for counted in found)) == (min(limit, 3), 6)
    assert found[-1].others == (0 if limit >= 3 else 4 - limit)


@pytest.mark.slow
def test_every_figure_of_a_hundred_thousand_rows_is_that_of_a_full_recomputation() -> None:
    """Folding forgets the rows, not what they said."""
    rows, summary = lively(100_000), Summary()
    for first in range(0, len(rows), 999):
        summary.add(rows[first : first + 999])

    whole = [row for row in rows if len(numbers([row.records_processed, row.records_failed])) == 2]
    processed, failed = (
        sum(numbers([getattr(row, name) for row in whole])) for name in ("records_processed", "records_failed")
    )
    assert summary.rows == 100_000
    assert summary.processed == sum(numbers([row.records_processed for row in rows]))
    assert summary.failed == sum(numbers([row.records_failed for row in rows]))
    assert summary.success_rate == (processed - failed) / processed
    assert summary.failed_analyses == sum(row.status in ("failed", "Error ") for row in rows)
    for status, count in counts(summary):
        assert count == sum((row.status or "") == status for row in rows)
    durations = [value for value in numbers([row.duration for row in rows]) if value >= 0]
    assert (summary.durations.count, summary.durations.longest) == (len(durations), max(durations))
    found = (summary.durations.median, summary.durations.p95)
    assert found == pytest.approx(quantiles(durations), rel=RELATIVE_ERROR + 1e-9)
    ranked = sorted(rows, key=lambda row: [-sum(numbers([one])) for one in (row.records_failed, row.duration)])
    assert [worst.analysis for worst in summary.worst] == ranked[:10]
    assert [rows[worst.place] for worst in summary.worst] == ranked[:10]
    for step in summary.buckets(make_window()):
        within = [row for row in rows if step.start <= row.created_at < step.start + timedelta(minutes=5)]
        assert (step.analyses, step.failed) == (len(within), sum(row.status in FailedStatuses() for row in within))
    figures = [(row.duration, row.records_processed, row.records_failed) for row in rows]
    assert {anomaly.kind: anomaly.count for anomaly in summary.anomalies()} == {
        "more failed than processed": sum(row.records_failed > row.records_processed for row in whole),  # type: ignore[operator]
        "missing": sum(None in three for three in figures),
        "no number": sum(any(isinstance(one, str) for one in three) for three in figures),
        "negative duration": sum(row.duration == -1.5 for row in rows),
    }


def test_only_anomalies_that_occur_are_told() -> None:
    """An ordinary hour has none, failed analyses or not; nothing missing is no zero."""
    ordinary, odd = Summary(), Summary()
    ordinary.add([make_analysis(), make_analysis(status="failed", records_failed=200), make_analysis(duration=0)])
    odd.add([make_analysis(records_failed=201), make_analysis(duration=None, records_failed=None)])

    assert ordinary.anomalies() == []
    assert odd.anomalies() == [
        Anomaly(kind="more failed than processed", count=1),
        Anomaly(kind="missing", count=1, statuses=[StatusCount(status="completed", analyses=1)]),
    ]


@pytest.mark.parametrize("column", ["status", "duration", "records_processed", "records_failed"])
def test_a_value_too_long_to_read_is_odd(column: str) -> None:
    """Its row is a page by itself, or with others of its id, whichever column it is in."""
    summary = Summary()
    summary.add([make_analysis(**{column: TOO_LONG})])
    summary.add([make_analysis()])
    summary.add([make_analysis(), make_analysis(**{column: TOO_LONG})], shared=1)

    assert Anomaly(kind="too long", count=2) in summary.anomalies()


def test_the_worst_are_those_with_most_records_failed_then_the_slowest_then_the_first() -> None:
    """A missing figure counts as none; at most ten, fewer where there are fewer rows."""
    summary = Summary()
    summary.add([make_analysis(id="a", records_failed=None, duration=900), make_analysis(id="b", records_failed=5)])
    summary.add([make_analysis(id="c", records_failed=5, duration=2), make_analysis(id="d", records_failed=5)])

    assert [(worst.analysis.id, worst.place) for worst in summary.worst] == [("c", 2), ("b", 1), ("d", 3), ("a", 0)]


def test_an_hour_has_twelve_steps_and_a_row_on_the_edge_is_in_the_later() -> None:
    """Half-open like the window itself; a step without rows is a step."""
    summary = Summary()
    summary.add(
        make_analysis(created_at=START + timedelta(seconds=seconds), status="TIMEOUT") for seconds in (0, 299.999, 300)
    )

    buckets = summary.buckets(make_window())
    assert [step.start for step in buckets] == [START + timedelta(minutes=5 * place) for place in range(12)]
    assert buckets[:3] == [
        TimeBucket(start=START, analyses=2, failed=2),
        TimeBucket(start=START + timedelta(minutes=5), analyses=1, failed=1),
        TimeBucket(start=START + timedelta(minutes=10), analyses=0, failed=0),
    ]


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [
        (date(2026, 10, 25), "Europe/Berlin", 25),
        (date(2026, 3, 29), "Europe/Berlin", 23),
        (date(2026, 11, 22), "Asia/Kolkata", 24),
        (date(2026, 4, 5), "Australia/Lord_Howe", 25),  # 24 and a half
    ],
)
def test_a_day_has_as_many_steps_as_hours_whatever_the_clocks_do(day: date, zone: str, hours: int) -> None:
    """Every row is in one of them."""
    window, summary = day_of(day, ZoneInfo(zone)), Summary()
    span = window.end - window.start
    summary.add(make_analysis(created_at=window.start + span / 500 * place) for place in range(500))

    buckets = summary.buckets(window)
    assert len(buckets) == hours
    assert sum(step.analyses for step in buckets) == 500


def test_the_steps_of_a_trial_begin_at_full_five_minutes() -> None:
    """The sixty minutes up to now seldom do; no row falls between."""
    now = datetime(2026, 11, 22, 13, 37, 8, tzinfo=UTC)
    window, summary = until("hourly", ZoneInfo("UTC"), now), Summary()
    summary.add([make_analysis(created_at=window.start), make_analysis(created_at=now)])

    buckets = summary.buckets(window)
    assert (buckets[0].start, len(buckets)) == (datetime(2026, 11, 22, 12, 35, tzinfo=UTC), 13)
    assert [step.analyses for step in buckets] == [1, *[0] * 11, 1]


def test_the_worst_of_several_pages_are_ten_while_there_are_no_worse() -> None:
    """Whichever page they came in; one without a failure is among them as long as there is room."""
    summary = Summary()
    for failed in (5, 0, 9, *range(20, 30)):
        summary.add([make_analysis(id=failed, records_failed=failed)])
        if failed == 0:
            assert [one.analysis.id for one in summary.worst] == [5, 0]

    assert [one.analysis.id for one in summary.worst] == [*range(29, 19, -1)]


def test_rows_that_lack_figures_are_counted_by_status_in_bounded_memory() -> None:
    """The most frequent are named, the last for all the rest; none is a status too."""
    summary = Summary()
    summary.add([make_analysis(status=status, duration=None) for status in [None] * 3 + ["a"] * 2])
    summary.add(make_analysis(status=f"{number}", records_failed=None) for number in range(STATUSES + 50))

    (missing,) = summary.anomalies()
    assert missing.count == STATUSES + 55
    assert [(one.status, one.analyses) for one in missing.statuses[:3]] == [("", 3), ("a", 2), ("0", 1)]
    assert missing.statuses[3].analyses == STATUSES + 49
    assert sum(one.analyses for one in missing.statuses) == missing.count


def test_which_statuses_count_as_failed_can_be_chosen() -> None:
    """In whatever case, with blanks around or not."""
    summary = Summary(failed_statuses=FailedStatuses(("Cancelled", "Ошибка ")))
    summary.add(make_analysis(status=status) for status in ("cancelled", " CANCELLED\t", "ОШИБКА", "failed", None))

    assert summary.failed_analyses == 3
    assert [one.status for one in summary.statuses() if one.failed] == [" CANCELLED\t", "cancelled", "ОШИБКА"]
    assert summary.buckets(make_window())[1].failed == 3


@pytest.mark.parametrize("status", ["running", " PENDING ", "In Progress", "in_progress", "in-progress", "Queued"])
def test_analyses_that_have_not_ended_are_counted_by_their_status(status: str) -> None:
    """Their figures come with their end, so that it is nothing odd if they lack them."""
    summary = Summary()
    summary.add([make_analysis(status=status, duration=None) for _ in range(18)])
    summary.add([make_analysis(status="completed"), make_analysis(status="cancelled", duration=None)])

    assert summary.unfinished == [StatusCount(status=status, analyses=18)]
    assert summary.anomalies() == [
        Anomaly(kind="missing", count=1, statuses=[StatusCount(status="cancelled", analyses=1)])
    ]


@pytest.mark.parametrize(
    "status", ["completed", "cancelled", "not running", "", None, "completed with warnings", "failed"]
)
def test_any_other_status_is_one_of_an_end(status: str | None) -> None:
    """Those that the program doesn't know, too."""
    summary = Summary()
    summary.add([make_analysis(status=status)])

    assert summary.unfinished == []


def test_a_status_that_counts_as_failed_is_no_unfinished_one() -> None:
    """The setting says so."""
    summary = Summary(failed_statuses=FailedStatuses(("Pending",)))
    summary.add([make_analysis(status="pending", duration=None)] * 2)

    assert (summary.unfinished, summary.failed_analyses) == ([], 2)
    assert [odd.count for odd in summary.anomalies()] == [2]


def test_of_many_spellings_the_most_frequent_are_named_and_the_rest_counted() -> None:
    """As where figures are missing."""
    summary = Summary()
    for place, status in enumerate(("running", "Running", "RUNNING", "queued", "Queued")):
        summary.add([make_analysis(status=status)] * (9 - place))

    assert [one.analyses for one in summary.unfinished] == [9, 8, 7, 6 + 5]
    assert summary.unfinished[-1].others == 2
