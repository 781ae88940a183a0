"""`--deliveries`: who got which window, when, and in how many attempts, as the ledger has it.

The table is as wide as the terminal; what is wrong is marked, and equal windows are one line.
"""

import json
import shutil
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby

from msgspec import Struct
from msgspec.structs import replace

from ..config.environment import colours_are_wanted
from ..config.settings import LARGEST_COUNT, ReportSettings
from ..domain.request import Result
from ..domain.window import Window, as_option, bare_date, last_full
from ..errors import LedgerError, OptionError, ReportError
from ..ledger.history import windows_before
from ..ledger.interface import Earlier, ReadLimit
from ..ledger.record import Entry, Record
from ..pipeline.failures import failed_result
from ..pipeline.run import Run
from ..pipeline.services import ledger_place, open_services
from ..runtime.terminal import print_answer
from ..runtime.visible_text import foreign
from .asked import starting_at, windows_from

SHOWN = 24
"""Windows that are listed if none is named to begin with."""
LARGEST_LIST = 64 << 20
"""Bytes of records: LARGEST_COUNT of them with 30 recipients each."""
WIDTH = (10_000, 24)
"""Taken for the terminal's where there is none: a file holds all of it."""

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


async def deliveries(run: Run) -> Result:
    """Print a line for each recipient of each window, as a table or as JSON; nobody is sent anything."""
    try:
        settings = run.loaded.checked()
        windows = _windows(run.options.deliveries or "", settings.report, run.clock())
        async with open_services(run, settings, []) as services:
            limit, ledger = ReadLimit(left=LARGEST_LIST), services.ledger
            found = await ledger.records(windows[0].start, windows[-1].end, run.policy(), limit)
            earlier = None if run.options.json else await ledger.earlier(windows[0].start, run.policy())
    except ReportError as error:  # the operator is at the terminal
        return failed_result(error)
    lines = [*_lines(windows, found)]
    if run.options.json:
        print_answer("\n".join(map(as_json, lines)))
    else:
        after = f" and the {len(windows) - 1:,} windows after it" if len(windows) > 1 else ""
        head = [f"Ledger: {ledger_place(run, settings)}", f"{windows[0].label()}{after}, times in UTC:"]
        print_answer("\n".join([*head, *_table(lines), counts(lines), *_beyond(earlier, windows[0])]))
    recorded = sum(window.start in found for window in windows)  # a trial's record may lie between them
    return Result(code=0, words=f"{recorded} of {len(windows)} windows are in the ledger")


def _table(lines: Sequence[Line]) -> list[str]:
    """Lay the lines out: whole in a file; on a terminal equal windows are one line, and what is wrong is red."""
    width = shutil.get_terminal_size(WIDTH).columns
    if not sys.stdout.isatty():
        return as_table(lines, width)
    return as_table(folded(lines), width, colour=colours_are_wanted())


def _beyond(earlier: Earlier | None, first: Window) -> list[str]:
    """Say how many windows before the `first` are recorded, and how to list them."""
    if earlier is None:
        return []
    oldest = as_option(replace(first, start=earlier.oldest))
    windows = "1 window" if earlier.count == 1 else f"{earlier.count:,} windows"
    return [f"Before them {windows} in the ledger: --deliveries {oldest}"]


def _windows(start: str, report: ReportSettings, now: datetime) -> list[Window]:
    """Return the windows from `start` on that are over at `now` (aware), oldest first; without it the last ones."""
    template, zone = report.report_template, report.report_timezone
    last = last_full(template, zone, now)
    if not start:
        return [*windows_before(last, SHOWN - 1), last]
    if template == "hourly" and (day := bare_date(start)):
        start = f"{day}T00"
    first = starting_at(start, template, zone, now, option="--deliveries ")
    windows = windows_from(first, LARGEST_COUNT, now)
    if windows[-1].end < last.end:
        raise OptionError(
            f"--deliveries {start} is more than {LARGEST_COUNT:,} windows back.",
            f"Did you mean --deliveries {as_option(windows_before(last, LARGEST_COUNT - 1)[0])}?",
        )
    return windows


def _lines(windows: Sequence[Window], records: Mapping[datetime, Record | LedgerError]) -> Iterator[Line]:
    """Return a line for each recipient of each window, or one that says why there is none.

    A window that no run began is wrong if one before it was begun; the last one may still come.
    """
    has_begun = False
    for window in windows:
        record = records.get(window.start)
        if isinstance(record, LedgerError):
            yield Line(window=window, state="unreadable", is_wrong=True)
        elif record is None or not record.entries:
            yield Line(window=window, state="not opened", is_wrong=has_begun and window != windows[-1])
        else:
            yield from (_line(window, entry, record) for entry in record.entries)
        has_begun = has_begun or record is not None


def _line(window: Window, entry: Entry, record: Record) -> Line:
    return Line(
        window=window,
        channel=entry.channel,
        recipient=entry.recipient,
        state=entry.state,
        at=entry.at,
        receipt=entry.receipt,
        attempts=record.attempts or None,
        repeat=entry.repeat,
        rows=_rows(entry, record),
        is_wrong=entry.state not in OK,
    )


def _rows(entry: Entry, record: Record) -> int | None:
    if entry.rows is None and entry.state in ("delivered", "without file"):
        return record.rows
    return 0 if entry.state == "skipped" else entry.rows


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
