"""A sheet of rows: what it looks like, apart from the rows themselves.

`begin` draws what stands above the rows, `Styles` are those of a row, `end` draws what needs their number.
"""

from collections.abc import Iterable
from datetime import datetime

from openpyxl.formatting.rule import Rule
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.styles.differential import DifferentialStyle
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.filters import AutoFilter
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.table import Table, TableColumn, TableStyleInfo
from openpyxl.worksheet.worksheet import Worksheet

from ..domain.analysis import FAILED_STATUSES, Analysis
from ..domain.window import Window, offset_name
from ..phrases import english as phrases
from .cells import RULE, Sheet, cell, header_cell

SHEET_ROWS = 1_048_575
"""Rows below the header that fit in one sheet: Excel's 1,048,576 less one ("Excel specifications and limits")."""
HEADER = ("ID", "Timestamp", "Status", "Duration (s)", "Records Processed", "Records Failed", "Success Rate")
LOW_RATE = 0.9
"""Success rates below this stand out."""
_FORMATS = ("0", "", "General", "#,##0.00", "#,##0", "#,##0", "0.0%")
_STAMP = "yyyy-mm-dd hh:mm:ss"
_WIDEST = 60
_FILTER_ARROW = 4
_CENTRED = Alignment(horizontal="center")  # at the right edge a moment would run into the status beside it
# Bold and dark on light: told apart from the rest in grey, and by people who don't tell red from green.
_FAILED = DifferentialStyle(font=Font(bold=True, color="843C0C"), fill=PatternFill("solid", bgColor="F8CBAD"))
_LOW = DifferentialStyle(font=Font(bold=True, color="7F6000"), fill=PatternFill("solid", bgColor="FFE699"))


def sheet_name(window: Window, number: int) -> str:
    """Name the `number`th data sheet, counted from 1: "Hourly Report", then "Hourly Report (2)"."""
    title = phrases.title(window)
    return title if number == 1 else f"{title} ({number})"


def location(window: Window, place: int, sheet_rows: int) -> str:
    """Tell where the row at `place` (the window's first being 0) stands: `'Hourly Report'!A2`."""
    sheet, row = divmod(place, sheet_rows)
    return f"'{sheet_name(window, sheet + 1)}'!A{row + 2}"


def begin(sheet: Sheet, window: Window, rows: Iterable[Analysis]) -> None:
    """Draw the header, frozen and repeated on paper, in columns as wide as `rows` want them."""
    for place, width in enumerate(_widths(window, rows), 1):
        sheet.column_dimensions[get_column_letter(place)].width = width
    sheet.row_dimensions[1].height = 20
    sheet.freeze_panes = "A2"
    set_up_print(sheet, window, "landscape")
    sheet.print_title_rows = "1:1"
    sheet.append([header_cell(sheet, text) for text in HEADER])


def end(sheet: Sheet, window: Window, number: int, rows: int) -> None:
    """Make a table of the header and the `rows` below it, and have failures and low rates stand out."""
    last = 1 + max(rows, 1)  # Excel wants a table to have a row
    reach = f"A1:{get_column_letter(len(HEADER))}{last}"
    columns = [TableColumn(id=place, name=text) for place, text in enumerate(HEADER, 1)]
    name = sheet_name(window, 1).replace(" ", "") + (str(number) if number > 1 else "")
    table = Table(name=name, displayName=name, ref=reach, tableColumns=columns, autoFilter=AutoFilter(ref=reach))
    table.tableStyleInfo = TableStyleInfo(name="TableStyleMedium2", showRowStripes=True)
    sheet.tables.add(table)  # add_table warns that columns are to be named, as they are
    failed = f'ISNUMBER(FIND("|"&LOWER(TRIM($C2))&"|","|{"|".join(sorted(FAILED_STATUSES))}|"))'
    sheet.conditional_formatting.add(f"C2:C{last}", Rule(type="expression", dxf=_FAILED, formula=[failed]))
    low = f"AND(ISNUMBER($G2),$G2<{LOW_RATE})"
    sheet.conditional_formatting.add(f"G2:G{last}", Rule(type="expression", dxf=_LOW, formula=[low]))


def set_up_print(sheet: Sheet, window: Window, orientation: str) -> None:
    """Fit a sheet to the width of a page, and name window and zone at its head."""
    sheet.page_setup.orientation = orientation
    sheet.page_setup.paperSize = Worksheet.PAPERSIZE_A4
    sheet.page_setup.fitToWidth = 1
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    sheet.print_options.horizontalCentered = True
    sheet.oddHeader.left.text = phrases.page_header(window)
    sheet.oddFooter.right.text = "&P / &N"


class Styles:
    """The numbers that the styles of a row's cells have in the book of `sheet`.

    A moment is shown in the window's zone with its offset beside it: where clocks change, an hour comes twice.
    """

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self._stamps: dict[str, int] = {}
        self.columns = [self._number(number_format) for number_format in _FORMATS]

    def stamp(self, local: datetime) -> int:
        """Number the style of a moment, which names the offset of `local` (aware)."""
        shown = f'{_STAMP} "{offset_name(local)}"'
        if shown not in self._stamps:
            self._stamps[shown] = self._number(shown, _CENTRED)
        return self._stamps[shown]

    def _number(self, number_format: str, alignment: Alignment | None = None) -> int:
        made = cell(self._sheet, None, number_format)
        made.border = RULE
        if alignment:
            made.alignment = alignment
        return made.style_id


def _widths(window: Window, rows: Iterable[Analysis]) -> list[int]:
    """Find each column's width in characters from the rows that are there when the sheet begins."""
    widths = [len(title) + _FILTER_ARROW for title in HEADER]
    offsets = (offset_name(moment.astimezone(window.zone)) for moment in (window.start, window.end))
    widths[1] = len(f"2026-11-22 13:00:00 {max(offsets, key=len)}") + 2
    for row in rows:
        for place, value in ((0, row.id), (2, row.status), (3, row.duration)):
            shown = f"{value:,.2f}" if isinstance(value, float) else str(value or "")
            widths[place] = max(widths[place], min(len(shown) + 2, _WIDEST))
    return widths
