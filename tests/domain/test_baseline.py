"""What is usual, and what is unusual enough to be told."""

import math
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from msgspec import Struct

from src.domain.baseline import (
    LEAST_FOR_EMPTY,
    WEEKS,
    Counts,
    Deviation,
    Thresholds,
    Usual,
    deviations,
    earlier_weeks,
    usual,
)
from src.domain.summary import Summary
from src.domain.window import DAY, HOUR, Window, day_of, until

from ..builders import START, make_analysis, make_window
from ..pages import section

BERLIN = ZoneInfo("Europe/Berlin")
LONG_AGO = START - 100 * DAY
NONE = Thresholds()
WEEK = 168
"""Hours of a week."""
SEEN = 10
"""Weeks of a series; the first four have no baseline yet."""
SERIES = 20


class Kind(Struct, frozen=True, kw_only=True):
    """A kind of series: its mean of analyses an hour, and how much its days differ (coefficient of variation)."""

    name: str
    mean: int
    daily: float


KINDS = (
    Kind(name="2,000 an hour, days ± 8 %", mean=2000, daily=0.08),
    Kind(name="2,000 an hour, days ± 20 %", mean=2000, daily=0.2),
    Kind(name="200 an hour, days ± 15 %", mean=200, daily=0.15),
)
HOURLY, FAILING = 0.05, 0.15
"""How much the hours of a day differ beside the day's shape, and the share of failed analyses, which is 5 % mostly."""
SHAPE = [0.25 + 0.75 * max(0.0, math.sin((hour - 6) / 16 * math.pi)) ** 0.7 for hour in range(24)]
"""Quiet nights, and a rise and fall from six to ten."""
WEEKDAYS = (1.0,) * 5 + (0.5,) * 2
FACTORS = [level * shape for level in WEEKDAYS for shape in SHAPE]


def poisson(mean: float, dice: random.Random) -> int:
    """Draw a count whose mean is `mean`."""
    if mean > 50:
        return max(0, round(dice.gauss(mean, math.sqrt(mean))))
    count, product, limit = 0, dice.random(), math.exp(-mean)
    while product > limit:
        count, product = count + 1, product * dice.random()
    return count


def lognormal(variation: float, dice: random.Random) -> float:
    """Draw a factor around one."""
    return dice.lognormvariate(0, math.sqrt(math.log(1 + variation**2)))


def series(kind: Kind, dice: random.Random) -> list[tuple[int, int]]:
    """Draw hours of analyses and failed ones: a day's shape, quiet weekends, days and hours that differ."""
    hours = []
    busiest = kind.mean * len(FACTORS) / sum(FACTORS)
    for day in range(SEEN * 7):
        level = busiest * lognormal(kind.daily, dice)
        for factor in FACTORS[day % 7 * 24 :][:24]:
            count = poisson(level * factor * lognormal(HOURLY, dice), dice)
            hours.append((count, min(count, poisson(count * 0.05 * lognormal(FAILING, dice), dice))))
    return hours


def folded(analyses: int, failed: int) -> Summary:
    """Make the figures of so many analyses, without folding each."""
    return Summary(rows=analyses, failed_analyses=failed)


def known(hours: Sequence[tuple[int, int]], place: int) -> Usual:
    """Return what is usual at `place` of a series."""
    weeks = [(make_window(), Counts(analyses=a, failed=f)) for a, f in hours[place - WEEKS * WEEK : place : WEEK]]
    found = usual(weeks, LONG_AGO)
    assert found
    return found


def judged(kind: Kind) -> Iterator[tuple[bool, bool | None, bool | None]]:
    """Say of each hour whether it is marked; whether it would be at 40 % of its analyses; and where it were empty."""
    for number in range(SERIES):
        dice = random.Random(f"{kind.name} {number}")
        hours = series(kind, dice)
        for place in range(WEEKS * WEEK, len(hours)):
            expected = known(hours, place)
            analyses, failed = hours[place]
            fewer = [round(one * 0.4) for one in (analyses, failed)]
            is_marked = bool(deviations(folded(analyses, failed), expected, NONE)) if analyses else False
            is_found = bool(deviations(folded(*fewer), expected, NONE)) if fewer[0] else None
            empty = bool(deviations(Summary(), expected, NONE)) if expected.analyses >= LEAST_FOR_EMPTY else None
            yield is_marked, is_found, empty


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_ordinary_hours_are_seldom_marked_and_bad_ones_mostly_are(kind: Kind) -> None:
    """At most 1.2 false marks a week, 80 % of the hours at 40 % found, every empty one; as the page says."""
    hours = [*judged(kind)]
    marks = sum(marked for marked, _, _ in hours) / (SERIES * (SEEN - WEEKS))
    bad = [found for _, found, _ in hours if found is not None]
    empty = [found for _, _, found in hours if found is not None]

    assert marks <= 1.2
    assert sum(bad) / len(bad) >= 0.8
    assert len(empty) > len(hours) * 0.99
    assert all(empty)
    row = f"| {kind.name} | {marks:.1f} | {sum(bad) / len(bad):.0%} | all | {by_the_hour_before(kind):.1f} |"
    page = section("reports", "What is unusual")
    assert row.replace("% | all", " % | all") in page


def by_the_hour_before(kind: Kind) -> float:
    """Count the marks a week if every hour were held against the one before."""
    hours = series(kind, random.Random(kind.name))
    before = [(folded(*now), Usual(analyses=then[0])) for then, now in pairwise(hours)]
    return sum(bool(deviations(summary, expected, NONE)) for summary, expected in before) / SEEN


def kinds(analyses: int, failed: int, expected: Usual | None, **thresholds: float) -> list[str]:
    """Name what is unusual about so many analyses."""
    return [one.kind for one in deviations(folded(analyses, failed), expected, Thresholds(**thresholds))]


@pytest.mark.parametrize(
    ("analyses", "expected", "found"),
    [
        (300, 2400, ["few"]),
        (1200, 2400, []),
        (1199, 2400, ["few"]),
        (4800, 2400, []),
        (4801, 2400, ["many"]),
        (10, 29.5, []),  # less than half, but by 19.5
        (10, 30, ["few"]),
        (20, 0, ["many"]),
        (19, 0, []),
        (0, 5, ["empty"]),
        (0, 4.5, []),
        (0, 0, []),
    ],
)
def test_a_volume_is_unusual_under_half_or_over_double_and_by_twenty(
    analyses: int, expected: float, found: list[str]
) -> None:
    """An empty hour is, where five or more are usual."""
    assert kinds(analyses, 0, Usual(analyses=expected)) == found


@pytest.mark.parametrize(
    ("failed", "usual_failed", "found"),
    [
        (110, 90, []),  # twenty more, but not double the share
        (180, 90, []),
        (181, 90, ["failed"]),
        (20, 0, ["failed"]),
        (19, 0, []),
        (2400, None, []),  # where the table can't tell what is usual
    ],
)
def test_failures_are_unusual_over_double_their_share_and_by_twenty(
    failed: int, usual_failed: int | None, found: list[str]
) -> None:
    """Of as many analyses as usual."""
    assert kinds(2400, failed, Usual(analyses=2400, failed=usual_failed)) == found


def test_rows_that_are_doubled_count_as_in_the_weeks_before() -> None:
    """A view that gives each row twice did so then."""
    summary = folded(1199, 0)
    summary.add([], doubled=1199)

    assert deviations(summary, Usual(analyses=2400, failed=None), NONE) == []
    assert deviations(folded(1199, 0), Usual(analyses=2400, failed=None), NONE) != []


def test_a_deviation_tells_its_value_and_what_it_is_held_against() -> None:
    """Both stand in the subject; the volume comes first."""
    found = deviations(folded(300, 166), Usual(analyses=2400, failed=96), NONE)

    assert found == [
        Deviation(kind="few", value=300, usual=2400),
        Deviation(kind="failed", value=166 / 300, usual=0.04),
    ]


def test_limits_of_ones_own_hold_without_a_baseline() -> None:
    """Each by itself; none without one, and none for an empty hour."""
    summary = Summary()
    summary.add([make_analysis(duration=30, records_failed=20), make_analysis(status="failed", duration=30)])

    def beyond(**thresholds: float) -> list[str]:
        return [one.kind for one in deviations(summary, None, Thresholds(**thresholds))]

    assert beyond() == []
    assert beyond(success_below=0.95, failed_above=0.49, slower_than=29.9) == [
        "failed",
        "low_success",
        "slow",
    ]
    assert beyond(success_below=0.94, failed_above=0.5, slower_than=30) == []
    assert kinds(0, 0, None, success_below=1, failed_above=0, slower_than=0.1) == []


def weeks_of(window: Window) -> list[str]:
    """List the beginnings of the weeks that a window is compared with, as its people read them."""
    return [f"{week.start.astimezone(window.zone):%Y-%m-%d %H:%M %z}" for week in earlier_weeks(window)]


def test_the_weeks_are_the_four_before_at_the_same_local_hour() -> None:
    """Of the same weekday."""
    assert [week.start for week in earlier_weeks(make_window())] == [START - week * 7 * DAY for week in (1, 2, 3, 4)]
    assert {week.end - week.start for week in earlier_weeks(make_window())} == {HOUR}


def test_a_local_hour_stays_the_same_across_a_clock_change() -> None:
    """Another one of UTC before Berlin's clocks went back on 25 October."""
    window = make_window(datetime(2026, 11, 10, 8, tzinfo=UTC), "Europe/Berlin")

    assert weeks_of(window) == [
        "2026-11-03 09:00 +0100",
        "2026-10-27 09:00 +0100",
        "2026-10-20 09:00 +0200",
        "2026-10-13 09:00 +0200",
    ]


def test_a_week_without_that_hour_is_left_out() -> None:
    """On 29 March Berlin has no hour from two to three; on 25 October it has two, and the first is meant."""
    spring = make_window(datetime(2026, 4, 12, 0, tzinfo=UTC), "Europe/Berlin")
    autumn = make_window(datetime(2026, 11, 1, 1, tzinfo=UTC), "Europe/Berlin")

    assert [f"{week:.10}" for week in weeks_of(spring)] == ["2026-04-05", "2026-03-22", "2026-03-15"]
    assert weeks_of(autumn)[0] == "2026-10-25 02:00 +0200"


def test_a_day_is_held_against_the_same_weekdays_and_a_trial_against_the_same_span() -> None:
    """However long those days were."""
    day = day_of(date(2026, 11, 1), BERLIN)
    now = datetime(2026, 11, 22, 13, 37, 8, tzinfo=UTC)
    trial = until("hourly", ZoneInfo("UTC"), now)

    assert earlier_weeks(day)[0] == day_of(date(2026, 10, 25), BERLIN)
    assert earlier_weeks(trial)[0].start == trial.start - timedelta(days=7)
    assert earlier_weeks(trial)[0].end == trial.end - timedelta(days=7)


def counted(*analyses: int | None, failed: int | None = 1) -> list[tuple[Window, Counts]]:
    """Put counts to the weeks before the window."""
    weeks = earlier_weeks(make_window())
    return [(week, Counts(analyses=one, failed=failed)) for week, one in zip(weeks, analyses, strict=True)]


def test_what_is_usual_is_the_median_of_the_weeks_that_are_known() -> None:
    """A week that did not come is left out; at least three are needed."""
    assert usual(counted(10, 30, 20, 1000), LONG_AGO) == Usual(analyses=25, failed=1)
    assert usual(counted(10, 30, None, 1000), LONG_AGO) == Usual(analyses=30, failed=1, weeks=3)
    assert usual(counted(10, 30, None, None), LONG_AGO) is None
    assert usual(counted(10, 30, 20, 1000, failed=None), LONG_AGO) == Usual(analyses=25)


def test_a_week_before_the_first_row_is_unknown_and_not_zero() -> None:
    """Else a new table's first weeks would be called unusual."""
    weeks = counted(2400, 2400, 2400, 0)

    assert usual(weeks, START - 21 * DAY) == Usual(analyses=2400, failed=1, weeks=3)
    assert usual(weeks, START - 21 * DAY + HOUR / 2) is None
    assert usual(weeks, None) is None
    assert usual(counted(0, 0, 0, 0), LONG_AGO) == Usual(analyses=0, failed=1)
