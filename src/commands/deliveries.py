"""`--deliveries`: who got which window, when, and in how many attempts, as the ledger has it."""

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

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
from .asked import starting_at, windows_from
from .deliveries_table import OK, Line, as_json, as_table, counts, folded

SHOWN = 24
"""Windows that are listed if none is named to begin with."""
LARGEST_LIST = 64 << 20
"""Bytes of records: LARGEST_COUNT of them with 30 recipients each."""
WIDTH = (10_000, 24)
"""Taken for the terminal's where there is none: a file holds all of it."""


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
