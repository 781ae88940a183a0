"""One run of a program: what it cost, once it is sure that every row arrived."""

import io
import json
import multiprocessing
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

from python_calamine import CalamineWorkbook

from ..builders import OPTION, START
from . import launcher, pages, sinks

ROOT = Path(__file__).parent.parent.parent
PEERS = Path(__file__).parent / "peers"
PROGRAMS = {
    "a": ROOT / "reports_generator.py",
    "b": PEERS / "obvious.py",
    "c": PEERS / "frames.py",
    "d": PEERS / "floor.py",
}
BENCH = Path(sys.prefix) / "bench"
PYTHON, EXTRAS = BENCH / "bin" / "python", BENCH / "pandas"
"""Where `make bench` installs what the image has, and what only "c" needs."""
_LEVELS = range(1, 10)


class BenchError(Exception):
    """A program did not do its work, so that its cost means nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What one run took: seconds of processor time (user and system), seconds by the clock, peak memory in MiB."""

    processor: float
    wall: float
    peak: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A page server with `rows` rows."""

    url: str
    rows: int


@contextmanager
def beside(serve: Callable[..., None], *arguments: object) -> Iterator[Connection]:
    """Run `serve(pipe, *arguments)` in a process of its own while the block runs."""
    here, there = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=serve, args=(there, *arguments))
    process.start()
    there.close()
    try:
        yield here
    finally:
        here.close()
        process.join()


@contextmanager
def source(rows: int, latency: float = 0.0) -> Iterator[Source]:
    """Serve `rows` rows from a process of its own, each page `latency` seconds late."""
    with beside(pages.serve, rows, latency) as pipe:
        yield Source(url=pipe.recv(), rows=rows)


class Runs:
    """Runs programs one at a time; the sinks answer through `pipe`, what outlives a run is kept in `folder`."""

    def __init__(self, pipe: Connection, folder: Path) -> None:
        self._pipe = pipe
        self._folder = folder
        self._environment: dict[str, str] = pipe.recv()
        self._counted: set[tuple[str, str, bool]] = set()
        self._levels: dict[int, int] = {}

    def run(self, letter: str, hour: Source, *, dry: bool = False) -> Cost:
        """Run a program of PROGRAMS on the rows of `hour`; with `dry` it sends nothing. Raise BenchError."""
        with TemporaryDirectory(dir=self._folder) as name:
            folder = Path(name)
            cost = self._measured(letter, hour, folder, dry=dry)
            if letter == "d":
                self._check_count(letter, hour, int((folder / "output").read_text()))
                return cost
            first = (letter, hour.url, dry) not in self._counted
            book = next(folder.glob("out/*.xlsx")).read_bytes() if dry else self._arrived(letter)
            if first:
                self._check_count(letter, hour, count_rows(book))
                self._counted.add((letter, hour.url, dry))
            if first and letter == "a" and not dry:
                self._keep_sheet(book, hour.rows)
            return cost

    def _measured(self, letter: str, hour: Source, folder: Path, *, dry: bool) -> Cost:
        command = [str(PYTHON), str(PROGRAMS[letter])]
        if letter == "a":
            command += [*OPTION, *(("--dry-run", "--output", str(folder / "out")) if dry else ())]
        if dry:
            (folder / "out").mkdir()
        environment = self._environment | {
            "SUPABASE_URL": hour.url,
            "REPORT_DIR": str(folder),
            "TMPDIR": str(folder),
            "PYTHONPATH": str(EXTRAS) if letter == "c" else "",
            "BENCH_START": START.isoformat(),
            "BENCH_SHEET": str(self._sheet(hour.rows)),
            "BENCH_LEVEL": str(self._levels.get(hour.rows, 6)),
        }
        cost = measured(command, environment, folder)
        if cost.pop("code"):
            words = (folder / "output").read_text(errors="replace")[-2000:]
            raise BenchError(f"{PROGRAMS[letter].name} failed on {hour.rows:,} rows:\n{words}")
        return Cost(**cost)

    def _arrived(self, letter: str) -> bytes:
        self._pipe.send("look")
        arrived: sinks.Arrived = self._pipe.recv()
        if len(arrived.mailed) != 1 or arrived.mailed != arrived.sent:
            raise BenchError(f"{PROGRAMS[letter].name} did not send one workbook by mail and the same by Telegram")
        return arrived.sent[0]

    def _check_count(self, letter: str, hour: Source, arrived: int) -> None:
        if arrived != hour.rows:
            raise BenchError(f"{PROGRAMS[letter].name}: {arrived:,} of {hour.rows:,} rows arrived")

    def _sheet(self, rows: int) -> Path:
        return self._folder / f"sheet-{rows}.xml"

    def _keep_sheet(self, book: bytes, rows: int) -> None:
        """Keep the rows' sheet, and how hard it was deflated, for the floor to do the same."""
        with zipfile.ZipFile(io.BytesIO(book)) as package:
            entry = max(package.infolist(), key=lambda entry: entry.file_size)
            sheet = package.read(entry)
        self._sheet(rows).write_bytes(sheet)
        self._levels[rows] = min(_LEVELS, key=lambda level: abs(len(zlib.compress(sheet, level)) - entry.compress_size))


def measured(command: Sequence[str], environment: dict[str, str], folder: Path) -> dict[str, float]:
    """Run `command` with nothing but `environment`; return what the launcher wrote. Output goes into `folder`."""
    said = folder / "cost.json"
    launch = [sys.executable, "-I", "-S", launcher.__file__, str(said), *command]
    with (folder / "output").open("wb") as output:
        subprocess.run(launch, env=environment, stdout=output, stderr=subprocess.STDOUT, check=True)
    cost: dict[str, float] = json.loads(said.read_text())
    return cost


def count_rows(book: bytes) -> int:
    """Count the different ids in a workbook's first sheet, the header's not."""
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(book)).get_sheet_by_index(0)
    return len({row[0] for row in sheet.iter_rows() if row[0] != ""}) - 1


def check_packages() -> None:
    """Raise BenchError unless the programs have what they need."""
    if not PYTHON.exists() or not (EXTRAS / "pandas").is_dir():
        raise BenchError("The programs' packages are missing. Run `make bench`, which installs them.")


def can_dry_run() -> bool:
    """Tell whether this tool has the option --dry-run."""
    command = [sys.executable, str(PROGRAMS["a"]), "--help"]
    return "--dry-run" in subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
