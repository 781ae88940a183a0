"""Each window is exact: half-open, in UTC, no row in two of them and none in between."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from src.domain.window import HOUR, Template, Window, day_of, last_full, to_compare_with, until

from ..builders import START, make_window

UTC_ZONE = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> datetime:
    """Read a moment, UTC unless it says otherwise."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def hours(window: Window) -> float:
    """Tell a window's length in hours."""
    return (window.end - window.start) / timedelta(hours=1)


@pytest.mark.parametrize(
    ("now", "start"),
    [
        pytest.param("2026-11-23T14:00:07", "2026-11-23T13:00", id="seconds after the turn"),
        pytest.param("2026-11-23T14:37", "2026-11-23T13:00", id="by hand"),
        pytest.param("2026-11-23T14:00", "2026-11-23T13:00", id="at the turn"),
        pytest.param("2026-11-23T13:59:59.999999", "2026-11-23T12:00", id="just before the turn"),
        pytest.param("2026-11-23T00:10", "2026-11-22T23:00", id="over midnight"),
        pytest.param("2027-01-01T00:00:01", "2026-12-31T23:00", id="over the year"),
        pytest.param("2026-11-23T17:05+03:00", "2026-11-23T13:00", id="a clock in another zone"),
        pytest.param("2026-11-23T19:45+05:45", "2026-11-23T13:00", id="a zone off by 45 minutes"),
    ],
)
def test_the_last_full_hour_is_the_one_that_ended_last(now: str, start: str) -> None:
    """It doesn't drift with the start of the run."""
    window = last_full("hourly", UTC_ZONE, at(now))

    assert (window.start, hours(window)) == (at(start), 1)
    assert window.start.tzinfo is UTC


@pytest.mark.parametrize(
    ("zone", "now", "start", "length"),
    [
        pytest.param("UTC", "2026-11-23T00:00:05", "2026-11-22T00:00", 24, id="utc"),
        pytest.param("Europe/Moscow", "2026-11-23T00:10+03:00", "2026-11-21T21:00", 24, id="east of Greenwich"),
        pytest.param("Europe/Berlin", "2026-03-30T00:10+02:00", "2026-03-28T23:00", 23, id="clocks go forward"),
        pytest.param("Europe/Berlin", "2026-10-26T00:10+01:00", "2026-10-24T22:00", 25, id="clocks go back"),
        pytest.param("Africa/Cairo", "2026-04-25T00:10+03:00", "2026-04-23T22:00", 23, id="a day without a midnight"),
        pytest.param("America/Havana", "2026-11-02T00:10-05:00", "2026-11-01T04:00", 25, id="a day with two midnights"),
        pytest.param("Australia/Lord_Howe", "2026-04-06T00:10+10:30", "2026-04-04T13:00", 24.5, id="half an hour"),
    ],
)
def test_the_last_full_day_runs_from_local_midnight_to_midnight(zone: str, now: str, start: str, length: float) -> None:
    """It is as long as that day really was."""
    window = last_full("daily", ZoneInfo(zone), at(now))

    assert (window.start, hours(window)) == (at(start), length)


@pytest.mark.parametrize("template", ["hourly", "daily"])
def test_windows_follow_each_other_without_a_gap_for_a_year(template: Template) -> None:
    """Every moment lies in exactly one window, clock changes included."""
    now, end = at("2026-01-01T12:00"), None
    for step in range(366 if template == "daily" else 24 * 366):
        window = last_full(template, BERLIN, now + step * timedelta(days=1 if template == "daily" else 1 / 24))
        assert end is None or window.start == end
        end = window.end


def test_until_now_covers_the_last_sixty_minutes_or_24_hours_this_second_included() -> None:
    """A row that was inserted a moment ago is in it."""
    now = at("2026-11-23T14:37:12.5")

    hour, day = until("hourly", UTC_ZONE, now), until("daily", UTC_ZONE, now)

    assert hour.start < now < hour.end
    assert (hours(hour), hours(day)) == (1, 24)


@pytest.mark.parametrize(
    ("window", "label"),
    [
        (last_full("hourly", UTC_ZONE, at("2026-11-23T14:00")), "2026-11-23 13:00-14:00 UTC"),
        (last_full("hourly", UTC_ZONE, at("2026-11-23T00:00")), "2026-11-22 23:00-00:00 UTC"),
        (last_full("hourly", ZoneInfo("Europe/Moscow"), at("2026-11-23T14:00")), "2026-11-23 16:00-17:00 UTC+3"),
        (last_full("hourly", ZoneInfo("Asia/Kolkata"), at("2026-11-23T14:00")), "2026-11-23 18:30-19:30 UTC+5:30"),
        (last_full("hourly", ZoneInfo("America/St_Johns"), at("2026-11-23T14:00")), "2026-11-23 09:30-10:30 UTC-3:30"),
        (last_full("hourly", BERLIN, at("2026-10-25T01:00")), "2026-10-25 02:00 UTC+2 - 02:00 UTC+1"),
        (last_full("daily", BERLIN, at("2026-10-26T12:00")), "2026-10-25 Europe/Berlin"),
        (until("daily", UTC_ZONE, at("2026-11-23T14:36:59")), "2026-11-22 14:37-2026-11-23 14:37 UTC"),
    ],
)
def test_a_window_is_named_with_its_zone(window: Window, label: str) -> None:
    """No reader has to guess whose clock is meant."""
    assert label == window.label()


@pytest.mark.parametrize("template", ["hourly", "daily"])
def test_a_trial_is_compared_with_the_span_before_it(template: Template) -> None:
    """It begins and ends in the midst of hours and days."""
    trial = until(template, BERLIN, at("2026-11-23T14:37:05"))

    earlier = to_compare_with(trial)

    assert (earlier.end, earlier.end - earlier.start) == (trial.start, trial.end - trial.start)


def test_a_full_window_is_compared_with_the_full_one_before_it() -> None:
    """The day after the clocks went back with the 25 hours of the day before."""
    assert to_compare_with(day_of(date(2026, 10, 26), BERLIN)) == day_of(date(2026, 10, 25), BERLIN)
    assert to_compare_with(make_window()) == make_window(START - HOUR)
