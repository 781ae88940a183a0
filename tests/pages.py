"""The documents: README.md and docs/."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PATHS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
PAGES = {path.stem: path.read_text() for path in PATHS}
"""Their texts, by the names of the files: README, commands, delivery and so on."""
ALL = "\n".join(PAGES.values())


@dataclass(frozen=True)
class Command:
    """A command in a block for the shell, on one line, and the text block below it: its output, or what is typed."""

    line: str
    below: str = ""


def shell_blocks(text: str) -> Iterator[tuple[str, str]]:
    """Yield each block of commands in a page, with the text block that follows it, if one does."""
    yield from re.findall(r"^```bash\n(.+?)^```\n(?:\n```text\n(.+?)^```)?", text, re.MULTILINE | re.DOTALL)


def commands(text: str) -> Iterator[Command]:
    """Yield the commands that a page shows in blocks; the text below a block belongs to its last one."""
    for block, below in shell_blocks(text):
        *lines, last = re.sub(r" \\\n\s*", " ", block).rstrip("\n").split("\n")
        yield from map(Command, lines)
        yield Command(last, below)


def section(page: str, title: str) -> str:
    """Return the text under a heading of the second level."""
    (found,) = re.findall(rf"^## {re.escape(title)}\n(.+?)(?=^## |\Z)", PAGES[page], re.MULTILINE | re.DOTALL)
    return str(found)


def anchors(text: str) -> set[str]:
    """Return what a link may name behind `#`, as GitHub derives it from the headings."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def symptoms() -> list[str]:
    """Return what the runbook quotes of alerts; `…` stands for what differs."""
    return re.findall(r"^> (.+)$", PAGES["runbook"], re.MULTILINE)


def has_an_entry(sentence: str) -> bool:
    """Tell whether the runbook quotes `sentence` of an alert."""
    return any(re.search(".*".join(map(re.escape, _fragments(quote))), sentence) for quote in symptoms())


def fragments() -> set[str]:
    """Return the pieces of what the runbook quotes, in its tables too, that are the program's own words."""
    tables = section("runbook", "The report went without its workbook") + section("runbook", "Why a connection failed")
    cells = re.findall(r"^\| (?!reason \||the alert says \|)(.+?) \|", tables, re.MULTILINE)
    return {fragment for quote in (*symptoms(), *cells) for fragment in _fragments(quote)}


def _fragments(quote: str) -> list[str]:
    return [fragment.strip() for fragment in quote.split("…") if fragment.strip()]
