"""The words that people receive."""

from zoneinfo import ZoneInfo

import pytest

from src.message import ALERT_LIMIT, CAPTION_LIMIT, Failure, File, alert, body, caption, number, subject
from src.summary import Summary
from src.window import day_of

from .builders import START, make_analysis, make_window

FILE = File(name="report.xlsx", size=10_000)


def make_summary(*statuses: str | None) -> Summary:
    """Fold one ordinary analysis for each of `statuses`."""
    summary = Summary()
    summary.add(make_analysis(status=status) for status in statuses)
    return summary


def test_the_subject_names_the_window() -> None:
    """As design and customer want it."""
    assert subject(make_window()) == "Digital Twin Hourly Report - 2026-11-22 13:00-14:00 UTC"
    assert subject(day_of(START.date(), ZoneInfo("Europe/Berlin"))) == (
        "Digital Twin Daily Report - 2026-11-22 Europe/Berlin"
    )


def test_text_and_caption_give_the_main_figures() -> None:
    """Rows, by status, processed, failed, rate."""
    summary = make_summary("completed", "completed", "failed")

    for text in (caption(make_window(), summary), body(make_window(), summary, FILE)):
        for line in (
            "2026-11-22 13:00-14:00 UTC",
            "Analyses: 3",
            "completed: 2",
            "failed: 1",
            "Records processed: 600",
            "Records failed: 9",
            "Success rate: 98.5 %",
        ):
            assert line in text
    assert "report.xlsx" in body(make_window(), summary, FILE)
    assert caption(make_window(), summary).startswith("Hourly Report - 2026-11-22 13:00-14:00 UTC")


def test_what_nobody_could_see_is_shown_in_texts_too() -> None:
    """A control character or a lone surrogate of the table neither hides nor breaks a message."""
    text = caption(make_window(), make_summary("a\x07b\x00", "\ud800"))

    assert "a␇b␀: 1" in text
    assert "\\ud800: 1" in text
    text.encode()


@pytest.mark.parametrize(
    ("sums", "shown"),
    [((10.0,) * 3, "30"), ((0.1,) * 300, "30"), ((1000, 234), "1,234"), ((0.25, 1), "1.25"), ((2**60,), f"{2**60:,}")],
)
def test_sums_are_written_for_people(sums: tuple[float, ...], shown: str) -> None:
    """Without the dust of binary fractions."""
    assert number(sum(sums)) == shown


def test_a_long_alert_keeps_window_owed_and_command() -> None:
    """What is told of the failures gives way."""
    failures = [Failure(what=f"email to {number}", why="x" * 300) for number in range(100)]

    text = alert(make_window(), failures, owed=[f"email to {number}" for number in range(100)], command="run me")

    assert len(text.encode("utf-16-le")) // 2 <= ALERT_LIMIT
    assert "Window: hourly report, 2026-11-22 13:00-14:00 UTC" in text
    assert "email to 9 and 90 more" in text
    assert text.endswith("run:\nrun me")


def test_an_empty_window_is_said_so() -> None:
    """In a sentence, not as a row of zeros."""
    assert "No analyses in 2026-11-22 13:00-14:00 UTC." in caption(make_window(), Summary())
    assert "No analyses in 2026-11-22 13:00-14:00 UTC." in body(make_window(), Summary(), FILE)


@pytest.mark.parametrize("status", ["x" * 5000, "🙂" * 5000, "a\nb\r\nc" * 2000])
def test_a_caption_keeps_telegrams_limit_whatever_the_statuses(status: str) -> None:
    """Counted as Telegram counts, in UTF-16 units."""
    summary = make_summary(*(f"{number} {status}" for number in range(500)))

    text = caption(make_window(), summary)

    assert len(text.encode("utf-16-le")) // 2 <= CAPTION_LIMIT
    assert "492 other statuses: 492" in text
    assert "Success rate: 98.5 %" in text
