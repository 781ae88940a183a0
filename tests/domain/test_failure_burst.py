"""Where failures come in a burst, and where nothing is said of it."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from src.domain.summary import BUCKET, FailureBurst, TimeBucket, failure_burst

from ..builders import START


def buckets(*failed: int, analyses: Sequence[int] = (100,) * 12) -> list[TimeBucket]:
    """Make an hour of buckets, with `failed` analyses in the first ones."""
    counts = (*failed, *[0] * (12 - len(failed)))
    return [
        TimeBucket(start=START + place * BUCKET, analyses=analyses[place], failed=count)
        for place, count in enumerate(counts)
    ]


@pytest.mark.parametrize(
    ("failed", "first", "last", "within"),
    [
        ((0, 0, 60, 40, 0, 92), 2, 4, 100),  # one bucket has nearly half, so that two are needed
        ((0, 11), 1, 2, 11),
        ((4, 4, 4), 0, 2, 8),
    ],
)
def test_the_shortest_stretch_with_over_half_of_the_failures_is_found(
    failed: tuple[int, ...], first: int, last: int, within: int
) -> None:
    """Of equally short ones the fullest, and of those the first."""
    found = failure_burst(buckets(*failed))

    assert found == FailureBurst(start=START + first * BUCKET, end=START + last * BUCKET, failed=within, of=sum(failed))


@pytest.mark.parametrize(
    "hour",
    [
        buckets(9),
        buckets(*[10] * 12),
        buckets(*[10] * 6),
        buckets(90, 3, analyses=(1000, *[50] * 11)),
        [],
    ],
    ids=["few", "everywhere", "half the hour", "where the analyses are too", "no buckets"],
)
def test_nothing_is_said_where_failures_come_evenly(hour: list[TimeBucket]) -> None:
    """A sentence about chance would be read as one about a cause."""
    assert failure_burst(hour) is None


def test_a_stretch_ends_where_the_next_bucket_begins() -> None:
    """Five minutes later, or an hour in a day."""
    hours = [
        TimeBucket(start=START + timedelta(hours=place), analyses=10, failed=10 if place == 20 else 0)
        for place in range(24)
    ]

    assert failure_burst(hours) == FailureBurst(
        start=START + timedelta(hours=20), end=START + timedelta(hours=21), failed=10, of=10
    )
