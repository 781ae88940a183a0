"""The table that `--deliveries` prints: as wide as the terminal, what is wrong marked, equal hours in one line."""

import json
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from msgspec import Struct
from msgspec.structs import replace

from ..domain.window import Window, as_option
from ..runtime.visible_text import foreign

COLUMNS = ("!", "window", "recipient", "state", "at", "receipt", "attempts", "repeat", "rows")
NUMBERS = ("attempts", "repeat", "rows")
LONGEST_WORD = 400
"""UTF-16 units of a cell. What the ledger holds may be anybody's: an address has 254 characters at most."""
OK = ("delivered", "skipped", "as usual")
RED, PLAIN = "\x1b[31m", "\x1b[0m"
"""ECMA-48."""
Row = Mapping[str, str]


class Line(Struct, frozen=True, kw_only=True):
    """What is known of a window for one recipient, or of the window alone where there is none.

    It stands for `more` equal windows after it too; `at` is the last moment of theirs, `rows` are the sum.
    """

    window: Window
    channel: str = ""
    recipient: str = ""
    state: str
    at: str = ""
    receipt: str = ""
    attempts: int | None = None
    repeat: int = 0
    rows: int | None = None
    is_wrong: bool = False
    more: int = 0


def as_json(line: Line) -> str:
    """Write a line as one JSON object; what is not known is null."""
    texts = {
        "channel": line.channel,
        "recipient": line.recipient,
        "state": line.state,
        "at": line.at.replace("+00:00", "Z"),
        "receipt": _receipt(line),
    }
    return json.dumps(
        {
            "window": f"{line.window.start:%Y-%m-%dT%H:%M:%SZ}",
            "end": f"{line.window.end:%Y-%m-%dT%H:%M:%SZ}",
            **{name: foreign(text, LONGEST_WORD) or None for name, text in texts.items()},
            "attempts": line.attempts,
            "repeat": line.repeat,
            "rows": line.rows,
            "wrong": line.is_wrong,
        }
    )


def counts(lines: Sequence[Line]) -> str:
    """Count the states: `94 delivered, 1 refused, 3 not opened`."""
    return ", ".join(f"{count:,} {state}" for state, count in Counter(line.state for line in lines).most_common())


def folded(lines: Sequence[Line]) -> list[Line]:
    """Put windows that follow each other into one if they have the same recipients in the same states."""
    result: list[Line] = []
    block: list[Line] = []
    for _, group in groupby(lines, key=lambda line: line.window.start):
        window = [*group]
        if [*map(_kind, block)] == [*map(_kind, window)]:
            block = [_both(one, other) for one, other in zip(block, window, strict=True)]
        else:
            result += block
            block = window
    return result + block


def _kind(line: Line) -> tuple[object, ...]:
    return line.channel, line.recipient, line.state, line.is_wrong, line.repeat


def _both(line: Line, other: Line) -> Line:
    """Return the line that stands for `line` and that of the window after it."""
    attempts = max(line.attempts or 0, other.attempts or 0) or None
    rows = None if line.rows is None or other.rows is None else line.rows + other.rows
    return replace(line, more=line.more + 1, at=other.at, receipt="", attempts=attempts, rows=rows)


def as_table(lines: Sequence[Line], width: int, *, colour: bool = False) -> list[str]:
    """Lay `lines` out below their header, `width` characters of a terminal wide at most; 80 are enough."""
    for names, table, gap, shortest in _narrower([*map(_cells, lines)]):
        widths = {name: max(_columns(row[name]) for row in [_header(), *table]) for name in names}
        too_wide = max(_total(widths, gap) - width, 0)
        widths["recipient"] = max(widths["recipient"] - too_wide, min(widths["recipient"], shortest))
        if _total(widths, gap) <= width:
            break
    laid_out = [gap.join(_cell(row, name, widths[name]) for name in names).rstrip() for row in [_header(), *table]]
    is_red = [False, *(colour and line.is_wrong for line in lines)]
    return [f"{RED}{text}{PLAIN}" if red else text for text, red in zip(laid_out, is_red, strict=True)]


def _narrower(rows: Sequence[Row]) -> Iterator[tuple[list[str], Sequence[Row], str, int]]:
    """Yield columns, rows, the gap between, and how wide recipients stay at least: each time narrower."""
    names = [name for name in COLUMNS if name != "!" or any(row["!"] for row in rows)]
    yield names, rows, "  ", LONGEST_WORD
    names = [name for name in names if name != "receipt"]
    yield names, rows, "  ", LONGEST_WORD
    short = [{**row, "window": row["window"][5:], "at": row["at"][5:]} for row in rows]
    yield names, short, " ", 20
    yield [name for name in names if name not in ("attempts", "repeat")], short, " ", 12


def _total(widths: Mapping[str, int], gap: str) -> int:
    return sum(widths.values()) + len(gap) * (len(widths) - 1)


def _header() -> Row:
    return {name: "" if name == "!" else name for name in COLUMNS}


def _cells(line: Line) -> Row:
    more = f" +{line.more}" if line.more else ""
    clock = "" if line.window.template == "daily" else ":00"
    cells = {
        "!": "!" if line.is_wrong else "",
        "window": as_option(line.window).replace("T", " ") + clock + more,
        "recipient": f"{line.channel} {line.recipient}",
        "state": line.state,
        "at": line.at[:16].replace("T", " "),
        "receipt": _receipt(line),
        "attempts": line.attempts or "",
        "repeat": line.repeat or "",
        "rows": "" if line.rows is None else line.rows,
    }
    return {name: foreign(cell, LONGEST_WORD) for name, cell in cells.items()}


def _receipt(line: Line) -> str:
    """Return the server's words without the quotation marks that a sentence needs."""
    return line.receipt.strip("“”")


def _cell(row: Row, name: str, width: int) -> str:
    """Cut a text to `width`, or fill it up: numbers from the left. The last figures of a chat tell it from others."""
    text = row[name]
    channel = "telegram " if name == "recipient" and text.startswith("telegram ") else ""
    if _columns(text) > width:
        text = text.removeprefix(channel)
        while _columns(channel + text) > width - 1:
            text = text[1:] if channel else text[:-1]
        text = f"{channel}…{text}" if channel else f"{text}…"
    blank = " " * (width - _columns(text))
    return blank + text if name in NUMBERS else text + blank


def _columns(text: str) -> int:
    """Count the columns that a terminal shows a text in (Unicode's annex 11; marks take none)."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    marks = sum(unicodedata.combining(character) > 0 for character in text)
    return len(text) + wide - marks
