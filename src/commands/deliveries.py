"""`--deliveries`: who got which window, when, and in how many attempts, as the ledger has it."""

import shutil
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from ..config.schedule import windows_from
from ..config.settings import LARGEST_COUNT, ReportSettings
from ..domain.request import Result
from ..domain.window import Window, as_option, bare_date, last_full, starting_at
from ..errors import LedgerError, OptionError, ReportError
from ..ledger.history import windows_before
from ..ledger.interface import ReadLimit
from ..ledger.record import Entry, Record
from ..pipeline.report_window import failed_result
from ..pipeline.services import Run, ledger_place, open_services
from ..runtime.visible_text import foreign

SHOWN = 24
"""Windows that are listed if none is named to begin with."""
HEADER = ("window", "recipient", "state", "at", "receipt", "attempts", "repeat", "rows")
NUMBERS = ("attempts", "repeat", "rows")
AT_LEAST = {"receipt": 8, "recipient": 20}
"""Columns that are cut where the terminal is too narrow, the first one first, and how wide they stay."""
IF_NARROW = {"receipt": 7, "recipient": 12}
"""The same where that is not enough."""
LONGEST_WORD = 400
"""UTF-16 units of a cell. What the ledger holds may be anybody's: an address has 254 characters at most."""
LARGEST_LIST = 64 << 20
"""Bytes of records: LARGEST_COUNT of them with 30 recipients each."""
MOMENTS = ("window", "at")
WIDTH = (10_000, 24)
"""Taken for the terminal's where there is none: a file holds all of it."""


async def deliveries(run: Run) -> Result:
    """Print a line for each recipient of each window; nobody is sent anything."""
    try:
        settings = run.loaded.checked()
        windows = _windows(run.options.deliveries or "", settings.report, run.clock())
        async with open_services(run, settings, [], run.alerts([])) as services:
            limit = ReadLimit(left=LARGEST_LIST)
            found = await services.ledger.records(windows[0].start, windows[-1].end, services.policy(), limit)
    except ReportError as error:  # the operator is at the terminal
        return failed_result(error)
    lines = [line for window in windows for line in _lines(window, found.get(window.start))]
    after = f" and the {len(windows) - 1:,} windows after it" if len(windows) > 1 else ""
    head = f"{windows[0].label()}{after}, times in UTC. Ledger: {ledger_place(run, settings)}"
    with suppress(BrokenPipeError):  # whoever reads has seen enough
        print(head, *as_table(lines, shutil.get_terminal_size(WIDTH).columns), sep="\n")  # noqa: T201 - the answer
    recorded = sum(window.start in found for window in windows)  # a trial's record may lie between them
    return Result(code=0, words=f"{recorded} of {len(windows)} windows are in the ledger")


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


def _lines(window: Window, record: Record | LedgerError | None) -> Iterator[list[str]]:
    """Write the cells of a window: a line for each recipient, or one that says why there is none."""
    if not isinstance(record, Record) or not record.entries:
        state = "can't be read" if isinstance(record, LedgerError) else "not opened"
        yield [_name(window), "", state, "", "", "", "", ""]
        return
    for entry in record.entries:
        rows = _rows(entry, record)
        cells = [
            _name(window),
            f"{entry.channel} {entry.recipient}",
            entry.state,
            _moment(entry.at),
            entry.receipt.strip("“”"),  # a column needs no quotation marks
            record.attempts or "",
            entry.repeat or "",
            "" if rows is None else rows,
        ]
        yield [foreign(cell, LONGEST_WORD) for cell in cells]


def _name(window: Window) -> str:
    return as_option(window).replace("T", " ") + ("" if window.template == "daily" else ":00")


def _moment(text: str) -> str:
    """Write a moment of the ledger to the minute."""
    return text[:16].replace("T", " ")


def _rows(entry: Entry, record: Record) -> int | None:
    if entry.rows is None and entry.state in ("delivered", "without file"):
        return record.rows
    return 0 if entry.state == "skipped" else entry.rows


def as_table(lines: Sequence[Sequence[str]], width: int) -> list[str]:
    """Lay `lines` out below their header, `width` characters of a terminal wide at most; 80 are enough."""
    rows, gap = [HEADER, *lines], "  "
    widths = _widths(rows, width, gap, AT_LEAST)
    if _total(widths, gap) > width:
        rows, gap = [HEADER, *map(_without_years, lines)], " "
        widths = _widths(rows, width, gap, IF_NARROW)
    return [
        gap.join(_cell(text, name, widths[name]) for name, text in zip(HEADER, row, strict=True)).rstrip()
        for row in rows
    ]


def _widths(rows: Sequence[Sequence[str]], width: int, gap: str, at_least: Mapping[str, int]) -> dict[str, int]:
    """Return how wide each column becomes: as its longest cell, or less."""
    widths = {name: max(_columns(row[place]) for row in rows) for place, name in enumerate(HEADER)}
    for name, least in at_least.items():
        too_wide = max(_total(widths, gap) - width, 0)
        widths[name] = max(min(widths[name], least), widths[name] - too_wide)
    return widths


def _total(widths: Mapping[str, int], gap: str) -> int:
    return sum(widths.values()) + len(gap) * (len(widths) - 1)


def _without_years(line: Sequence[str]) -> list[str]:
    return [text[5:] if name in MOMENTS else text for name, text in zip(HEADER, line, strict=True)]


def _cell(text: str, name: str, width: int) -> str:
    """Cut a text to `width`, or fill it up: numbers from the left."""
    if _columns(text) > width:
        while _columns(text) > width - 1:
            text = text[:-1]
        text += "…"
    blank = " " * (width - _columns(text))
    return blank + text if name in NUMBERS else text + blank


def _columns(text: str) -> int:
    """Count the columns that a terminal shows a text in (Unicode's annex 11; marks take none)."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    marks = sum(unicodedata.combining(character) > 0 for character in text)
    return len(text) + wide - marks
