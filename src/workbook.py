"""Rows and figures → one `.xlsx` file.

The rows are written as they come and are never all in memory (openpyxl's write-only mode, which wants widths
and frozen panes set before a sheet's first row).
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

from openpyxl import Workbook
from openpyxl.cell import Cell, WriteOnlyCell
from openpyxl.chart import BarChart, Reference
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet

from .analyses import Analysis, Figure
from .errors import WorkbookError
from .summary import Summary
from .window import Window, offset_name

SHEET_ROWS = 1_048_575
"""Rows below the header that fit in one sheet: Excel's 1,048,576 less one ("Excel specifications and limits")."""
EXACT_DIGITS = 10**15
"""Excel keeps 15 digits of a number; whole numbers from here on are written as text, to keep every digit."""
HEADER = ("ID", "Timestamp", "Status", "Duration (s)", "Records Processed", "Records Failed", "Success Rate")
_FORMATS = ("0", "yyyy-mm-dd hh:mm:ss", "@", "#,##0.00", "#,##0", "#,##0", "0.0%")
_Sheet = Any  # types-openpyxl knows the write-only sheet only in part
_STAMP_WIDTH = 21
_WIDEST = 60
_FILTER_ARROW = 4
_HEADER_FONT = Font(name="Calibri", bold=True, color="FFFFFF")
_HEADER_FILL = PatternFill("solid", start_color="4472C4", end_color="4472C4")
_CENTRED = Alignment(horizontal="center", vertical="center")


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
        """Write `rows` below those already there; the first ones settle the widths of the columns."""
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
        if self._filled is None:
            self._begin_sheet(())
            self._sheets[-1].append([_text(self._sheets[-1], f"No analyses in {self._window.label()}.")])
        self._end_sheet()
        _write_summary(self._summary_sheet, self._window, summary)
        path = folder / file_name(self._window)
        try:
            self._book.save(path)
        except OSError as error:
            raise WorkbookError(
                f"{path} could not be written ({error.strerror}). "
                "Check that REPORT_DIR has room and may be written to, then run this window again."
            ) from error
        return path

    def _begin_sheet(self, rows: Sequence[Analysis]) -> None:
        sheet = self._sheets[-1]
        for place, width in enumerate(_widths(rows), 1):
            sheet.column_dimensions[get_column_letter(place)].width = width
        sheet.freeze_panes = "A2"
        _set_up_print(sheet, self._window)
        sheet.print_title_rows = "1:1"
        sheet.append([_header_cell(sheet, text) for text in HEADER])
        self._filled = 0

    def _end_sheet(self) -> None:
        self._sheets[-1].auto_filter.ref = f"A1:{get_column_letter(len(HEADER))}{(self._filled or 0) + 1}"
        self._filled = None


def file_name(window: Window) -> str:
    """Name the file by the window's start: in UTC for an hour, by the local date for a day."""
    if window.template == "daily":
        return f"report_daily_{window.start.astimezone(window.zone):%Y%m%d}.xlsx"
    return f"report_{window.start:%Y%m%d_%H%M%S}.xlsx"


def _cells(sheet: _Sheet, row: Analysis, zone: ZoneInfo) -> list[Cell]:
    values: tuple[datetime | Figure, ...] = (
        row.id,
        row.created_at.astimezone(zone).replace(tzinfo=None),
        row.status,
        row.duration,
        row.records_processed,
        row.records_failed,
        row.success_rate,
    )
    return [_cell(sheet, value, number_format) for value, number_format in zip(values, _FORMATS, strict=True)]


def _cell(sheet: _Sheet, value: datetime | Figure, number_format: str) -> Cell:
    if isinstance(value, int) and abs(value) >= EXACT_DIGITS:
        value = str(value)
    if isinstance(value, str):
        return _text(sheet, value)
    cell = WriteOnlyCell(sheet, value)
    cell.number_format = number_format
    if isinstance(value, datetime):
        cell.alignment = _CENTRED  # at the right edge it would run into the status beside it
    return cell


def _text(sheet: _Sheet, text: str) -> Cell:
    cell = WriteOnlyCell(sheet, text)
    cell.data_type = "s"  # openpyxl takes text that begins with = for a formula and #N/A for an error
    return cell


def _header_cell(sheet: _Sheet, text: str) -> Cell:
    cell = WriteOnlyCell(sheet, text)
    cell.font, cell.fill, cell.alignment = _HEADER_FONT, _HEADER_FILL, _CENTRED
    return cell


def _widths(rows: Iterable[Analysis]) -> list[int]:
    """Find each column's width in characters from the rows that are there when the sheet begins."""
    widths = [len(title) + _FILTER_ARROW for title in HEADER]
    widths[1] = _STAMP_WIDTH
    for row in rows:
        for place, value in ((0, row.id), (2, row.status), (3, row.duration)):
            shown = f"{value:,.2f}" if isinstance(value, float) else str(value or "")
            widths[place] = max(widths[place], min(len(shown) + 2, _WIDEST))
    return widths


def _set_up_print(sheet: _Sheet, window: Window) -> None:
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.paperSize = Worksheet.PAPERSIZE_A4
    sheet.page_setup.fitToWidth = 1
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    zone = offset_name(window.start.astimezone(window.zone))
    sheet.oddHeader.left.text = f"{window.label()} (times in {zone})"
    sheet.oddFooter.right.text = "&P / &N"


def _write_summary(sheet: _Sheet, window: Window, summary: Summary) -> None:
    sheet.column_dimensions["A"].width = 24
    sheet.column_dimensions["B"].width = 32
    _set_up_print(sheet, window)
    title = WriteOnlyCell(sheet, f"{window.template.title()} Report")
    title.font = Font(name="Calibri", bold=True, size=16)
    sheet.append([title])
    sheet.append([_text(sheet, "Window"), _text(sheet, window.label())])
    figures: tuple[tuple[str, Figure, str], ...] = (
        ("Analyses", summary.rows, "#,##0"),
        ("Records processed", summary.processed, "#,##0"),
        ("Records failed", summary.failed, "#,##0"),
        ("Success rate", summary.success_rate, "0.0%"),
    )
    for name, value, number_format in figures:
        cell = _cell(sheet, value, number_format)
        cell.alignment = Alignment(horizontal="left")
        sheet.append([_text(sheet, name), cell])
    _write_statuses(sheet, summary)


def _write_statuses(sheet: _Sheet, summary: Summary) -> None:
    statuses = summary.statuses()
    if not statuses:
        return
    sheet.append([])
    sheet.append([_header_cell(sheet, "Status"), _header_cell(sheet, "Analyses")])
    first = 9  # title, window, four figures, a blank row and the header stand above
    for status, count in statuses:
        sheet.append([_text(sheet, status), _cell(sheet, count, "#,##0")])
    chart = BarChart()
    chart.type = "bar"
    chart.title = "Analyses by status"
    chart.legend = None
    chart.x_axis.scaling.orientation = "maxMin"  # the most frequent on top
    chart.x_axis.delete = chart.y_axis.delete = False  # Excel hides axes that don't say so
    last = first + len(statuses) - 1
    chart.add_data(Reference(sheet, min_col=2, min_row=first, max_row=last))
    chart.set_categories(Reference(sheet, min_col=1, min_row=first, max_row=last))
    sheet.add_chart(chart, "D2")
