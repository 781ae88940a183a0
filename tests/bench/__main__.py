"""`python -m tests.bench`: run the programs in turns and print what they cost, as it stands in docs/performance.md."""

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from . import sinks
from .bars import DRY, LATE, LATENCY, MILLION
from .runs import PROGRAMS, ROOT, BenchError, Cost, Runs, Source, beside, can_dry_run, check_packages, source
from .table import NAMES, as_markdown, here, put_into

SIZES = (100, 1000, 10_000, 100_000, MILLION)
LARGE = 100_000
_ORDER = ("a", "d", "b", "c")
"""What takes about as long stands side by side, so that what else the machine does falls on both."""
_DRY_SIZES = (100, 1000, 10_000, MILLION)
_DRY_TURNS = 9
"""Runs of a small one: what a row costs there is the small difference between two of them."""


def main() -> int:
    """Measure, print, and write into docs/performance.md if asked to; return the exit code."""
    options = _options()
    try:
        check_packages()
        with TemporaryDirectory() as name, beside(sinks.serve, Path(name)) as pipe:
            bench = _Bench(Runs(pipe, Path(name)), options.runs)
            bench.measure(options.sizes, options.only)
    except BenchError as error:
        sys.exit(str(error))
    table = as_markdown(bench.costs, here())
    print(table)
    if options.write:
        page = ROOT / "docs" / "performance.md"
        page.write_text(put_into(page.read_text(), table))
    return 0


class _Bench:
    """One go, in which everything that is compared takes turns."""

    def __init__(self, runs: Runs, turns: int | None) -> None:
        self.costs: defaultdict[tuple[str, int], list[Cost]] = defaultdict(list)
        self._runs = runs
        self._turns = turns

    def measure(self, sizes: Sequence[int], letters: Sequence[str]) -> None:
        """Measure the programs `letters` at each of `sizes`, then what this tool alone is held to."""
        self._warm_up(letters)
        for rows in (rows for rows in sizes if rows != MILLION):
            with source(rows) as hour:
                for turn in range(self._count(rows)):
                    for letter in letters:
                        self._run(letter, hour, turn)
        if "a" in letters and LARGE in sizes:
            with source(LARGE, LATENCY) as hour:
                for turn in range(self._count(LARGE)):
                    self._run(LATE, hour, turn)
        if "a" in letters and MILLION in sizes:
            self._measure_dry()

    def _measure_dry(self) -> None:
        if not can_dry_run():
            _say("1,000,000 rows are left out: this version of the tool has no --dry-run")
            return
        with ExitStack() as stack:
            hours = [stack.enter_context(source(rows)) for rows in _DRY_SIZES]
            turns = {hour.rows: self._turns or (3 if hour.rows >= MILLION else _DRY_TURNS) for hour in hours}
            for turn in range(max(turns.values())):
                for hour in hours:
                    if turn < turns[hour.rows]:
                        self._run(DRY, hour, turn)

    def _count(self, rows: int) -> int:
        return self._turns or (3 if rows >= MILLION else 5)

    def _warm_up(self, letters: Sequence[str]) -> None:
        """Have byte code compiled and files in the system's cache before anything counts."""
        with source(min(SIZES)) as hour:
            for letter in letters:
                self._runs.run(letter, hour)

    def _run(self, series: str, hour: Source, turn: int) -> None:
        cost = self._runs.run(series if series in PROGRAMS else "a", hour, dry=series == DRY)
        self.costs[series, hour.rows].append(cost)
        _say(
            f"{hour.rows:>9,} rows, turn {turn + 1}: {NAMES[series]:28}"
            f" {cost.processor:6.2f} s processor, {cost.wall:6.2f} s, {cost.peak:4.0f} MiB"
        )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    sizes = ",".join(str(rows) for rows in SIZES)
    parser.add_argument("--sizes", type=_sizes, default=SIZES, help=f"numbers of rows (default {sizes})")
    parser.add_argument("--runs", type=int, help="runs of each (default 5, and 3 of 1,000,000 rows)")
    parser.add_argument("--only", type=_letters, default=_ORDER, help="programs (default a,b,c,d)")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    return parser.parse_args()


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(sorted({int(entry) for entry in text.split(",")}))


def _letters(text: str) -> tuple[str, ...]:
    letters = tuple(letter for letter in _ORDER if letter in text.split(","))
    if set(text.split(",")) - set(PROGRAMS):
        raise argparse.ArgumentTypeError("the programs are a, b, c and d")
    if "d" in letters and "a" not in letters:
        raise argparse.ArgumentTypeError("d deflates the sheet that a wrote: name a too")
    return letters


if __name__ == "__main__":
    sys.exit(main())
