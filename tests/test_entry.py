"""The entry says in one sentence what is missing, before any package is needed."""

import ast
import os
import runpy
import shlex
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from .builders import figures_of
from .test_run import ROOT

ENTRY = ROOT / "reports_generator.py"
UNUSED = {
    *("supabase", "supabase_auth", "realtime", "storage3", "supabase_functions"),
    *("cryptography", "h2", "jinja2", "babel", "yaml", "tqdm"),
    *("multiprocessing", "smtplib", "requests", "numpy", "pandas", "tomllib"),
}
"""What no report in English needs that finds its template compiled and nobody watching."""


def test_the_entry_can_be_read_by_python_3_10() -> None:
    """A newer syntax would be a traceback in place of the sentence."""
    ast.parse(ENTRY.read_text(), feature_version=(3, 10))


def test_on_an_older_python_one_sentence_says_what_is_needed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2, and nothing else is tried."""
    monkeypatch.setattr(sys, "version_info", (3, 10, 12))

    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ENTRY), run_name="__main__")

    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert figures_of(line) == ["3.11", "3.10"]


def test_on_windows_one_sentence_says_that_it_is_not_supported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2, before a module that Windows lacks is called a package."""
    monkeypatch.setattr(os, "name", "nt")

    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ENTRY), run_name="__main__")

    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("Windows ")


def started_without_packages(program: Path, *python: str) -> str:
    """Start the entry from another folder; return the command that its only line names."""
    command = [*python, "-S", str(program), "--start", "2026-11-23 13"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=program.parent.parent)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "package src" not in done.stderr
    return done.stderr.strip().partition(": ")[2]


def test_without_the_packages_one_sentence_has_the_command_that_helps(tmp_path: Path) -> None:
    """The system's Python installs none, so that a `.venv` is made, or used if it is there."""
    folder = tmp_path / "it's a $(folder)"
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    program = Path(shutil.copy(ENTRY, folder))
    python = folder / ".venv/bin/python"

    to_make = started_without_packages(program, sys.executable)
    venv.create(folder / ".venv")
    to_run = started_without_packages(program, sys.executable)
    to_install = subprocess.run([python, program], capture_output=True, text=True, timeout=60, check=False).stderr

    packages = f"-r {shlex.quote(str(folder / 'requirements.reports.txt'))}"
    made, _, installed = to_make.partition(" && ")
    assert shlex.split(made)[1:] == ["-m", "venv", str(folder / ".venv")]
    assert shlex.split(installed)[:4] == [str(python), "-m", "pip", "install"]
    assert installed.endswith(packages)
    assert shlex.split(to_run) == [str(python), str(program), "--start", "2026-11-23 13"]
    assert to_install.strip().endswith(packages)
    assert f"{shlex.quote(str(python))} -m pip install " in to_install


@pytest.mark.slow
def test_what_no_report_needs_is_not_loaded() -> None:
    """Nor what only a terminal wants, or the rest of supabase: 11 MiB, and as much time as the workbook."""
    code = f"""
import atexit, runpy, sys
atexit.register(lambda: print(*(name for name, module in sys.modules.items() if module), file=sys.stderr))
sys.argv[1:] = ["--version"]
runpy.run_path({str(ENTRY)!r}, run_name="__main__")
"""

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert {"telegram", "httpx", "postgrest", "openpyxl", "pydantic_settings"} <= loaded
    assert UNUSED & loaded == set()
