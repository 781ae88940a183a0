"""What a start costs, and who asks the clock."""

import subprocess
import sys
from pathlib import Path

SRC = Path(__file__).parent.parent / "src"


def test_only_run_asks_the_clock() -> None:
    """Everyone else is given a moment, so that any moment can be tried."""
    for path in SRC.rglob("*.py"):
        assert path.parts[-2:] == ("commands", "report.py") or "now(" not in path.read_text(), path


def test_a_start_loads_only_what_every_run_uses() -> None:
    """Not the rest of supabase, nor what only a terminal or a version's print wants; that was a third of a start."""
    command = [sys.executable, "-c", "import sys, src.commands.report; print(*sys.modules)"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, cwd=SRC.parent)
    loaded = done.stdout.split()

    assert {"postgrest", "openpyxl", "telegram", "pydantic_settings"} <= {*loaded}
    assert not {*loaded} & {"supabase", "supabase_auth", "realtime", "storage3", "supabase_functions", "tqdm"}
    assert not {*loaded} & {"yaml", "multiprocessing", "smtplib", "requests", "numpy", "pandas", "tomllib", "jinja2"}
