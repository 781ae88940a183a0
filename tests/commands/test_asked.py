"""A window that is asked for is one that there is; otherwise the likely one is named."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from src.commands.asked import starting_at
from src.domain.window import Template
from src.errors import OptionError

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> datetime:
    """Read a moment of UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["2026-11-22T13", "2026-11-22T13:00", "2026-11-22 13:00:00Z", "2026-11-22T16:00+03:00", "20261122T13"]
)
def test_a_start_may_be_written_in_any_iso_form(text: str) -> None:
    """UTC unless it carries an offset."""
    assert starting_at(text, "hourly", BERLIN, at("2026-11-23T14:00")).start == at("2026-11-22T13:00")


def test_a_daily_start_is_a_date_of_the_reports_zone() -> None:
    """A day is named as people name it."""
    window = starting_at("2026-10-25", "daily", BERLIN, at("2026-11-23T14:00"))

    assert (window.start, window.end - window.start) == (at("2026-10-24T22:00"), timedelta(hours=25))


@pytest.mark.parametrize(
    ("template", "text", "hint"),
    [
        ("hourly", "2026-11-22T13:30", "Did you mean --start 2026-11-22T13?"),
        ("hourly", "2026-11-22T13:00:01", "Did you mean --start 2026-11-22T13?"),
        ("hourly", "2026-11-22T13:00+05:30", "Did you mean --start 2026-11-22T07?"),
        ("daily", "2026-11-22T00", "Did you mean --start 2026-11-22?"),
        ("hourly", "2026-11-23T14", "--start 2026-11-23T13, or --until-now"),
        ("hourly", "2027-11-23T14", "--start 2026-11-23T13, or --until-now"),
        ("daily", "2026-11-23", "--start 2026-11-22, or --until-now"),
        ("hourly", "2026-11-23", "--start 2026-11-23T00 --count 24"),
        ("hourly", "yesterday", "Write it like 2026-11-23T13"),
        ("hourly", "9999-12-31T23", "Write it like 2026-11-23T13"),
        ("daily", "0001-01-01", "Write it like 2026-11-23T13"),
        ("hourly", "1969-12-31T23", "Write it like 2026-11-23T13"),
    ],
)
def test_a_start_that_cannot_be_meant_says_which_was_probably_meant(template: Template, text: str, hint: str) -> None:
    """A typing error costs one look."""
    with pytest.raises(OptionError) as caught:
        starting_at(text, template, BERLIN, at("2026-11-23T14:30"))

    assert text in str(caught.value)
    assert hint in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("text", ["2026-11-22T13:30", "2026-11-23T14", "2026-11-23", "yesterday"])
def test_a_wrong_variable_is_answered_with_variables(text: str) -> None:
    """Whoever sets REPORT_START for a Job has no command line."""
    with pytest.raises(OptionError) as caught:
        starting_at(text, "hourly", BERLIN, at("2026-11-23T14:30"), option="REPORT_START=")

    assert f"REPORT_START={text}" in str(caught.value)
    assert "--" not in str(caught.value)


@pytest.mark.parametrize("text", ["2026-11-22", "20261122", "2026-W47-7"])
def test_the_hours_of_a_date_are_asked_for_in_words_that_are_taken(text: str) -> None:
    """In whatever form it was written."""
    with pytest.raises(OptionError) as caught:
        starting_at(text, "hourly", BERLIN, at("2026-11-23T14:30"))

    start, hour = re.findall(r"--start (\S+T\d\d)", caught.value.problem.remedy)
    assert (start, hour) == ("2026-11-22T00", "2026-11-22T13")
