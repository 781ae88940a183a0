"""The figures as Markdown, for people and for docs/performance.md."""

import os
import platform
import re
import sys
from collections.abc import Sequence
from importlib.metadata import Distribution
from pathlib import Path
from statistics import median

from .bars import DRY, LATE, Costs, bars
from .runs import EXTRAS, Cost

BEGIN, END = "<!-- bench -->", "<!-- /bench -->"
NAMES = {
    "a": "this tool",
    "b": "the obvious script",
    "c": "httpx + pandas + XlsxWriter",
    "d": "the floor",
    DRY: "this tool, `--dry-run`",
    LATE: "this tool, pages 50 ms late",
}
_PACKAGES = ("supabase", "openpyxl", "python-telegram-bot", "httpx", "pandas", "XlsxWriter")


def as_markdown(costs: Costs, where: str) -> str:
    """Write `where` it was, the costs (processor time, wall time, peak memory; medians) and the bars."""
    sizes = sorted({rows for _, rows in costs})
    lines = [
        f"On {where}.",
        "Medians: processor s, wall s, peak MiB.",
        "",
        f"| program | {' | '.join(f'{rows:,} rows' for rows in sizes)} |",
        "|---|" + "---|" * len(sizes),
    ]
    for letter, name in NAMES.items():
        cells = [_cell(costs.get((letter, rows), ())) for rows in sizes]
        if any(cells):
            lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", "| measure | measured | bar | aim | |", "|---|---|---|---|---|"]
    for bar in bars(costs):
        measured = "–" if bar.measured is None else f"{bar.measured:.3g}{bar.unit}"
        lines.append(
            f"| {bar.measure} | {measured} | ≤ {bar.bar:g}{bar.unit} | {bar.aim:g}{bar.unit} | {bar.verdict} |"
        )
    return "\n".join(lines)


def put_into(text: str, table: str) -> str:
    """Return `text` with `table` between its two markers, in place of what stood there."""
    before, rest = text.split(f"{BEGIN}\n")
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


def here() -> str:
    """Describe this machine, without naming it, and what is installed."""
    places = [*sys.path, str(EXTRAS)]
    found = [next(iter(Distribution.discover(name=name, path=places))) for name in _PACKAGES]
    versions = ", ".join(f"{package.metadata['Name']} {package.version}" for package in found)
    return f"{_processor()}, {os.cpu_count()} cores, {_system()}, Python {platform.python_version()}; {versions}"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*: (.+)$", info.read_text(), re.MULTILINE) if info.exists() else None
    return found[1] if found else platform.processor() or platform.machine()


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def _cell(costs: Sequence[Cost]) -> str:
    if not costs:
        return ""
    processor, wall, peak = (median(getattr(cost, name) for cost in costs) for name in ("processor", "wall", "peak"))
    return f"{processor:.2f} s, {wall:.2f} s, {peak:.0f}"
