"""`python -m tests.real.large_hour`: what an hour of 250,000 rows costs on the real servers, a line a program.

Beside this tool it is the obvious script with keyset paging as people write it. A line has the buffers that the
database looks at for the first, middle and last page, and the run's wall and processor time.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from ..bench.runs import ROOT, measured
from .sandbox import HOUR, START, RealSandbox

ROWS = 250_000
PROGRAMS = {
    "this tool": [sys.executable, str(ROOT / "reports_generator.py"), *HOUR],
    "the obvious script with keyset paging": [sys.executable, "-m", "tests.bench.peers.keyset"],
}


def main() -> None:
    """Print the lines."""
    for program, command in PROGRAMS.items():
        with TemporaryDirectory() as name:
            real = RealSandbox(Path(name))
            with real.serving():
                real.speak("http")
                real.fill(ROWS, step="14 ms")
                print(f"{program}: {_cost(real, command, Path(name))}", flush=True)


def _cost(real: RealSandbox, command: list[str], folder: Path) -> str:
    """Run a program; return what it cost, once it is sure that every row arrived."""
    environment = real.environment | {"REPORT_DIR": str(folder), "BENCH_START": START.isoformat()}
    environment["TELEGRAM_CHAT_ID"] = environment["TELEGRAM_CHAT_ID"].partition(",")[0]
    cost = measured(command, environment, folder)
    assert cost["code"] == 0, (folder / "output").read_text()
    assert real.arrived() == real.ids()
    pages = real.supabase.pages()
    first, middle, last = (real.supabase.buffers(pages[place]) for place in (0, len(pages) // 2, -1))
    return (
        f"{len(pages)} pages, of which the first, middle and last one cost {first}, {middle} and {last} buffers; "
        f"{cost['wall']:.1f} s, {cost['processor']:.1f} s of processor time, {cost['peak']:.0f} MiB"
    )


if __name__ == "__main__":
    main()
