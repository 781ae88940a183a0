"""`make demo`, as a newcomer sees it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .pages import ROOT
from .sandbox.prepared import SHARED

LONGEST = 120.0
PROGRAM = (sys.executable, f"{ROOT / 'reports_generator.py'}")
pytestmark = pytest.mark.slow


def demo(folder: Path, *command: str, **changes: str) -> list[str]:
    """Run a command in the sandbox, as the Makefile does; return the lines that it printed."""
    start = (sys.executable, "-m", "tests.sandbox", "--next-hour", "--rows", "40", "--", *command)
    environment = os.environ | {"PYTHONPATH": f"{ROOT}"} | changes
    done = subprocess.run(
        start, cwd=folder, env=environment, capture_output=True, text=True, timeout=LONGEST, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines() + done.stderr.splitlines()


def test_a_second_demo_reports_another_hour_and_keeps_the_first(tmp_path: Path) -> None:
    """The ledger knows both; each ends, within a screen, in the paths of what arrived."""
    first = demo(tmp_path, *PROGRAM)
    second = demo(tmp_path, "sh", "-c", '"$0" "$1" && "$0" "$1" --deliveries', *PROGRAM)

    assert len(first) <= 25
    shown = [tmp_path / path for path in re.findall(r"(\.sandbox/\S+)$", "\n".join(first + second), re.MULTILINE)]
    assert len({path for path in shown if path.suffix == ".html"}) == 2
    assert len({path for path in shown if path.suffix == ".xlsx"}) == 2
    assert all(path.stat().st_size > 0 for path in shown)
    hours = {found[0] for line in second if " delivered  " in line and (found := re.match(r"[\d-]+ [\d:]+", line))}
    assert len(hours) == 2


def test_the_demo_delivers_its_report_with_supabase_lite(tmp_path: Path) -> None:
    """Where there is no PostgreSQL with PostgREST, which would fail in a folder that isn't there."""
    demo(tmp_path, *PROGRAM, SANDBOX="lite", **{SHARED: f"{tmp_path / 'nowhere'}"})

    assert [len([*tmp_path.rglob(pattern)]) for pattern in ("*.xlsx", "*.html")] == [1, 1]
