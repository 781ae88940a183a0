"""`python -m tests.bench.large_hour`: what an hour of 250,000 rows costs on PostgreSQL and PostgREST, a line a program.

Beside this tool it is the obvious script with keyset paging as people write it. A line has the buffers that the
database looks at for the first, middle and last page, and the run's wall and processor time.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from ..builders import OPTION, START
from ..faults import arrived
from ..sandbox import Sandbox
from .runs import ROOT, measured

ROWS = 250_000
PROGRAMS = {
    "this tool": [sys.executable, str(ROOT / "reports_generator.py"), *OPTION],
    "the obvious script with keyset paging": [sys.executable, "-m", "tests.bench.peers.keyset"],
}


def main() -> None:
    """Print the lines."""
    for program, command in PROGRAMS.items():
        with TemporaryDirectory() as name:
            sandbox = Sandbox(Path(name))
            with sandbox.serving():
                sandbox.speak("http")
                sandbox.supabase.fill(ROWS, start=START, step="14 ms")
                print(f"{program}: {_cost(sandbox, command, Path(name))}", flush=True)


def _cost(sandbox: Sandbox, command: list[str], folder: Path) -> str:
    """Run a program; return what it cost, once it is sure that every row arrived."""
    environment = sandbox.environment | {"REPORT_DIR": str(folder), "BENCH_START": START.isoformat()}
    environment["TELEGRAM_CHAT_ID"] = environment["TELEGRAM_CHAT_ID"].partition(",")[0]
    cost = measured(command, environment, folder)
    assert cost["code"] == 0, (folder / "output").read_text()
    assert arrived(sandbox) == sandbox.supabase.ids(start=START)
    pages = sandbox.supabase.pages()
    first, middle, last = (sandbox.supabase.buffers(pages[place]) for place in (0, len(pages) // 2, -1))
    return (
        f"{len(pages)} pages, of which the first, middle and last one cost {first}, {middle} and {last} buffers; "
        f"{cost['wall']:.1f} s, {cost['processor']:.1f} s of processor time, {cost['peak']:.0f} MiB"
    )


if __name__ == "__main__":
    main()
