"""`make demo` on a platform for which there is no PostgreSQL with PostgREST: SANDBOX=lite."""

import os
import subprocess
import sys
from pathlib import Path

from .pages import ROOT
from .sandbox.prepared import SHARED


def test_the_demo_delivers_its_report_with_supabase_lite(tmp_path: Path) -> None:
    """Its workbook and its mail's page lie below the folder in which it is started."""
    tool = [sys.executable, str(ROOT / "reports_generator.py")]
    # PostgreSQL would fail in a folder that isn't there.
    environment = os.environ | {"SANDBOX": "lite", SHARED: str(tmp_path / "nowhere"), "PYTHONPATH": str(ROOT)}

    demo = subprocess.run(
        [sys.executable, "-m", "tests.sandbox", "--rows", "50", "--", *tool],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert [len([*tmp_path.rglob(pattern)]) for pattern in ("*.xlsx", "*.html")] == [1, 1]
