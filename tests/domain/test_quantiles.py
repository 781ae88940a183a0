"""Median and 95th percentile agree with a full recomputation, as closely as is promised."""

import pickle
import random
import statistics
from collections.abc import Callable

import pytest

from src.domain.quantiles import EXACT, RELATIVE_ERROR, Durations

Kind = Callable[[random.Random], float]
KINDS: dict[str, Kind] = {
    "as they are": lambda dice: round(dice.lognormvariate(1.2, 0.8), 3),
    "many none": lambda dice: dice.choice((0, 0, 0, dice.random())),
    "all the same": lambda dice: 7.25,
    "whole": lambda dice: dice.randrange(1, 5),
    "from nanoseconds to ages": lambda dice: 10 ** dice.uniform(-9, 99),
    "two heaps": lambda dice: dice.choice((dice.uniform(0.1, 0.2), dice.uniform(5000, 9000))),
}


def folded(values: list[float], page: int = 1000) -> Durations:
    """Take `values` in page by page."""
    durations = Durations()
    for first in range(0, len(values), page):
        durations.add(values[first : first + page])
    return durations


def quantiles(values: list[float]) -> tuple[float, float]:
    """Compute both from all values, as Excel's MEDIAN and PERCENTILE.INC."""
    return statistics.median(values), statistics.quantiles(values, n=20, method="inclusive")[-1]


def some(kind: str, count: int) -> list[float]:
    """Throw `count` durations."""
    dice = random.Random(kind)
    return [KINDS[kind](dice) for _ in range(count)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [2, 3, 21, 4096, EXACT])
def test_up_to_the_bound_quantiles_are_exact(kind: str, count: int) -> None:
    """To the rounding of a double."""
    values = some(kind, count)
    durations = folded(values)

    assert durations.exact
    assert (durations.median, durations.p95) == pytest.approx(quantiles(values), rel=1e-12)
    assert (durations.count, durations.longest) == (count, max(values))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [EXACT + 1, 100_000])
def test_beyond_the_bound_quantiles_are_within_the_stated_error(kind: str, count: int) -> None:
    """Whatever their spread; count and longest stay exact."""
    values = some(kind, count)
    durations = folded(values)

    assert not durations.exact
    assert (durations.median, durations.p95) == pytest.approx(quantiles(values), rel=RELATIVE_ERROR + 1e-9)
    assert (durations.count, durations.longest) == (count, max(values))


@pytest.mark.slow
def test_a_hundred_thousand_durations_take_no_more_memory_than_twenty_thousand() -> None:
    """A sheet may have a million."""
    ordinary, widest = [
        len(pickle.dumps(folded(some(kind, 100_000)))) for kind in ("as they are", "from nanoseconds to ages")
    ]

    assert ordinary < 20_000
    assert widest < EXACT * 8


def test_pages_make_no_difference() -> None:
    """The server's cap on a page is none of a reader's business."""
    values = some("as they are", 30_000)
    one, other = folded(values, 37), folded(values, 5000)

    assert (one.median, one.p95, one.longest) == (other.median, other.p95, other.longest)


def test_without_durations_there_are_no_quantiles() -> None:
    """None is no zero; one duration is its own median."""
    none, one = Durations(), folded([4.5])

    assert (none.median, none.p95, none.longest) == (None, None, None)
    assert (one.median, one.p95, one.longest) == (4.5, 4.5, 4.5)


@pytest.mark.parametrize("seconds", [10.0, 7.25, 3.1, 0.5])
def test_no_quantile_is_longer_than_the_longest_duration(seconds: float) -> None:
    """They stand side by side, and nobody would believe the rest."""
    durations = folded([seconds] * (EXACT + 1))

    assert durations.longest == seconds
    assert (durations.median or 0) <= seconds
    assert (durations.p95 or 0) <= seconds
