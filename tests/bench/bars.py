"""What is wanted of the figures, and what they are."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from .pages import latency_alone
from .runs import Cost

DRY, LATE = "dry", "late"
"""This tool with --dry-run, and with a source that answers LATENCY seconds late."""
LATENCY = 0.05
MILLION = 1_000_000

Costs = Mapping[tuple[str, int], Sequence[Cost]]
"""The costs of each program (a letter of PROGRAMS, or DRY, or LATE) at each number of rows, turn by turn."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A figure that is to stay at or below `bar`, better at `aim`; None where it was not measured."""

    measure: str
    measured: float | None
    bar: float
    aim: float
    unit: str = ""

    @property
    def verdict(self) -> str:
        """Say in a word how it stands."""
        if self.measured is None:
            return "not measured"
        return "ok" if self.measured <= self.bar else "over"


def bars(costs: Costs) -> list[Bar]:
    """Hold the costs of one go against the bars."""
    large = 100_000

    def versus(letter: str, rows: int) -> float | None:
        return _median(a.processor / b.processor for a, b in _pairs(costs, ("a", rows), (letter, rows)))

    return [
        _bar("100 rows: processor time vs the obvious script", versus("b", 100), 0.80, 0.65),
        _bar("100,000 rows: processor time vs the obvious script", versus("b", large), 0.15, 0.12),
        _bar("100,000 rows: peak memory", _median(cost.peak for cost in costs.get(("a", large), ())), 85, 80, " MiB"),
        _bar(
            "1,000,000 rows: peak memory vs at 1,000 (`--dry-run`)",
            _median(big.peak / small.peak for big, small in _pairs(costs, (DRY, MILLION), (DRY, 1000))),
            1.2,
            1.1,
        ),
        _bar(
            "100,000 rows, pages 50 ms late: wall time vs the larger of processor and latency alone",
            _median(
                cost.wall / max(cost.processor, latency_alone(large, LATENCY)) for cost in costs.get((LATE, large), ())
            ),
            1.25,
            1.15,
        ),
        _bar("1,000,000 rows: processor time a row vs at 10,000, start-up taken off", _growth(costs), 1.1, 1),
    ]


def _growth(costs: Costs) -> float | None:
    """Compare what a row costs in a large run and in a small one; 100 rows stand for the start-up."""
    startup, small, large = (
        _median(cost.processor for cost in costs.get((DRY, rows), ())) for rows in (100, 10_000, MILLION)
    )
    if startup is None or small is None or large is None:
        return None
    return ((large - startup) / (MILLION - 100)) / ((small - startup) / (10_000 - 100))


def _pairs(costs: Costs, one: tuple[str, int], other: tuple[str, int]) -> Iterable[tuple[Cost, Cost]]:
    """Pair the runs of the same turn, so that what else the machine does falls on both."""
    return zip(costs.get(one, ()), costs.get(other, ()), strict=False)


def _median(values: Iterable[float]) -> float | None:
    found = list(values)
    return median(found) if found else None


def _bar(measure: str, measured: float | None, bar: float, aim: float, unit: str = "") -> Bar:
    return Bar(measure=measure, measured=measured, bar=bar, aim=aim, unit=unit)
