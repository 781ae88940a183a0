"""The shape of the house holds."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import src

SRC = Path(__file__).parent.parent / "src"
ORDER = re.findall(r"\w+", src.__doc__ or "")
ORDER = ORDER[ORDER.index("errors") : ORDER.index("run") + 1]
"""The reading order, as the package's docstring gives it."""


def imported(path: Path) -> set[str]:
    """List the modules of this project that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            names |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
    return names


def test_a_module_imports_only_what_stands_before_it() -> None:
    """One value travels one way."""
    for place, module in enumerate(ORDER):
        paths = [SRC / f"{module}.py"] if (SRC / f"{module}.py").exists() else [*(SRC / module).glob("*.py")]
        assert paths
        for path in paths:
            later = imported(path) & set(ORDER[place:])
            assert not later - {module}, f"{path} imports {later}"


def test_every_module_has_its_place_in_the_order() -> None:
    """A new one needs one."""
    modules = {path.stem for path in SRC.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}

    assert sorted(ORDER) == sorted(modules - {"__init__"})


def test_only_run_asks_the_clock() -> None:
    """Everyone else is given a moment, so that any moment can be tried."""
    for path in SRC.rglob("*.py"):
        assert path.name == "run.py" or "now(" not in path.read_text(), path


def test_a_start_loads_only_what_every_run_uses() -> None:
    """Not the rest of supabase, nor what only a terminal or a version's print wants; that was a third of a start."""
    command = [sys.executable, "-c", "import sys, src.run; print(*sys.modules)"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, cwd=SRC.parent)
    loaded = done.stdout.split()

    assert {"postgrest", "openpyxl", "telegram", "pydantic_settings"} <= {*loaded}
    assert not {*loaded} & {"supabase", "supabase_auth", "realtime", "storage3", "supabase_functions", "tqdm"}
    assert not {*loaded} & {"yaml", "multiprocessing", "smtplib", "requests", "numpy", "pandas", "tomllib"}
