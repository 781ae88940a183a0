"""Rows and figures → one `.xlsx` file.

The rows are written as they come and are never all in memory (openpyxl's write-only mode, which wants widths
and frozen panes set before a sheet's first row).
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo

from openpyxl import Workbook
from openpyxl.cell import Cell
from openpyxl.utils import get_column_letter

from .analysis import Analysis
from .cells import Sheet, Value, cell, header_cell, text_cell
from .errors import WorkbookError
from .files import written_beside
from .summary import Summary
from .summary_sheet import set_up_print, write_summary
from .window import Window, day_of

SHEET_ROWS = 1_048_575
"""Rows below the header that fit in one sheet: Excel's 1,048,576 less one ("Excel specifications and limits")."""
HEADER = ("ID", "Timestamp", "Status", "Duration (s)", "Records Processed", "Records Failed", "Success Rate")
_FORMATS = ("0", "yyyy-mm-dd hh:mm:ss", "@", "#,##0.00", "#,##0", "#,##0", "0.0%")
_STAMP_WIDTH = 21
_WIDEST = 60
_FILTER_ARROW = 4


class ReportWorkbook:
    """A workbook in the making, as a context manager: `add` pages of rows, then `save` once.

    `sheet_rows` is how many rows a sheet takes before the next one is begun, behind the Summary.
    """

    def __init__(self, window: Window, *, sheet_rows: int = SHEET_ROWS) -> None:
        self._window = window
        self._sheet_rows = sheet_rows
        self._title = f"{window.template.title()} Report"
        self._book = Workbook(write_only=True)
        self._sheets = [self._book.create_sheet(self._title)]
        self._summary_sheet = self._book.create_sheet("Summary")
        self._filled: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the temporary files behind sheets that were begun and never saved."""
        for sheet in (*self._sheets, self._summary_sheet):
            with suppress(OSError, ValueError):  # what went wrong was said before
                if not sheet.closed:
                    sheet.close()

    def add(self, rows: Sequence[Analysis]) -> None:
        """Write `rows` below those already there; the first ones settle the widths of the columns.

        Raise WorkbookError if there is no room for them.
        """
        with _translated(Path("A temporary file")):
            self._add(rows)

    def _add(self, rows: Sequence[Analysis]) -> None:
        for row in rows:
            if self._filled == self._sheet_rows:
                self._end_sheet()
                self._sheets.append(self._book.create_sheet(f"{self._title} ({len(self._sheets) + 1})"))
            if self._filled is None:
                self._begin_sheet(rows)
            sheet = self._sheets[-1]
            sheet.append(_cells(sheet, row, self._window.zone))
            self._filled = (self._filled or 0) + 1

    def save(self, folder: Path, summary: Summary) -> Path:
        """Write the Summary and put the whole file into `folder`; return its path.

        Raise WorkbookError if the file cannot be written.
        """
        path = folder / file_name(self._window)
        with _translated(path):
            if self._filled is None:
                self._begin_sheet(())
                self._sheets[-1].append([text_cell(self._sheets[-1], f"No analyses in {self._window.label()}.")])
            self._end_sheet()
            write_summary(self._summary_sheet, self._window, summary)
            with written_beside(path) as file:
                self._book.save(file)
        return path

    def _begin_sheet(self, rows: Sequence[Analysis]) -> None:
        sheet = self._sheets[-1]
        for place, width in enumerate(_widths(rows), 1):
            sheet.column_dimensions[get_column_letter(place)].width = width
        sheet.freeze_panes = "A2"
        set_up_print(sheet, self._window)
        sheet.print_title_rows = "1:1"
        sheet.append([header_cell(sheet, text) for text in HEADER])
        self._filled = 0

    def _end_sheet(self) -> None:
        self._sheets[-1].auto_filter.ref = f"A1:{get_column_letter(len(HEADER))}{(self._filled or 0) + 1}"
        self._filled = None


def file_name(window: Window) -> str:
    """Name the file by the window's start: in UTC for an hour or a trial, by the local date for a day."""
    if window.template == "daily" and window == day_of(window.start.astimezone(window.zone).date(), window.zone):
        return f"report_daily_{window.start.astimezone(window.zone):%Y%m%d}.xlsx"
    return f"report_{window.start:%Y%m%d_%H%M%S}.xlsx"


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn a failure of the disk into WorkbookError."""
    try:
        yield
    except OSError as error:
        raise WorkbookError(
            f"{path} could not be written ({error.strerror or type(error).__name__}). "
            "Check that REPORT_DIR and TMPDIR have room and may be written to, then run this window again."
        ) from error


def _cells(sheet: Sheet, row: Analysis, zone: ZoneInfo) -> list[Cell]:
    values: tuple[Value, ...] = (
        row.id,
        row.created_at.astimezone(zone).replace(tzinfo=None),
        row.status,
        row.duration,
        row.records_processed,
        row.records_failed,
        row.success_rate,
    )
    return [cell(sheet, value, number_format) for value, number_format in zip(values, _FORMATS, strict=True)]


def _widths(rows: Iterable[Analysis]) -> list[int]:
    """Find each column's width in characters from the rows that are there when the sheet begins."""
    widths = [len(title) + _FILTER_ARROW for title in HEADER]
    widths[1] = _STAMP_WIDTH
    for row in rows:
        for place, value in ((0, row.id), (2, row.status), (3, row.duration)):
            shown = f"{value:,.2f}" if isinstance(value, float) else str(value or "")
            widths[place] = max(widths[place], min(len(shown) + 2, _WIDEST))
    return widths
