"""What the figures and the status of an analysis mean."""

import pytest

from src.domain.analysis import FailedStatuses, Figure, success_rates


@pytest.mark.parametrize(
    ("processed", "failed", "rate"),
    [
        (0, 0, 1.0),
        (0, 5, 1.0),
        (10, 12, -0.2),
        (200, 3, 0.985),
        (200, 200, 0.0),
        (10.0, 2, 0.8),
        (None, 0, None),
        (5, None, None),
        (5, "NaN", None),
        (10**99, -(10**99), 2.0),
    ],
)
def test_the_rate_is_whole_when_nothing_was_processed_and_blank_without_a_figure(
    processed: Figure, failed: Figure, rate: float | None
) -> None:
    """Below zero where more failed than were processed: that is for people to look at."""
    assert success_rates([processed], [failed]) == [rate]


@pytest.mark.parametrize(
    ("status", "failed"),
    [
        *((status, True) for status in ("failed", "FAILED", " Failure\n", "Error", "timed out", "TimedOut", "crashed")),
        *((status, False) for status in (None, "", "completed", "cancelled", "not failed", "failed over")),
    ],
)
def test_a_status_counts_as_failed_by_its_whole_word(status: str | None, failed: bool) -> None:
    """In whatever case; what somebody cancelled did not fail."""
    assert (status in FailedStatuses()) is failed
