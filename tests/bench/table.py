"""The figures as Markdown, for people and for the README."""

import os
import platform
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median

from .bars import DRY, LATE, Costs, bars
from .runs import Cost

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


def as_markdown(costs: Costs) -> str:
    """Write the machine, the costs (processor time, wall time, peak memory; medians) and the bars."""
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    sizes = sorted({rows for _, rows in costs})
    lines = [
        f"On {machine()}; {versions}.",
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
    found = re.compile(f"(?<={BEGIN}\n).*?(?={END})", re.DOTALL)
    assert found.search(text), f"{BEGIN} and {END} are missing"
    return found.sub(lambda _: f"\n{table}\n\n", text)


def write(readme: Path, costs: Costs) -> None:
    """Put the table into the README."""
    readme.write_text(put_into(readme.read_text(), as_markdown(costs)))


def machine() -> str:
    """Describe this machine without naming it."""
    return f"{_processor()}, {os.cpu_count()} cores, {_system()}, Python {platform.python_version()}"


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
