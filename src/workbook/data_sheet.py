"""A sheet of rows: what it looks like, apart from the rows themselves.

`begin` draws what stands above the rows, `Styles` are those of a row, `end` draws what needs their number.
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from math import ceil

from openpyxl.formatting.rule import Rule
from openpyxl.styles import Alignment
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.filters import AutoFilter
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.table import Table, TableColumn, TableStyleInfo
from openpyxl.worksheet.worksheet import Worksheet

from ..domain.analysis import Analysis
from ..domain.window import Window, offset_name
from ..phrases.language import ENGLISH, Phrases
from .cells import RULE, Sheet, breadth, cell, header_cell
from .columns import Column

SHEET_ROWS = 1_048_575
"""Rows below the header that fit in one sheet: Excel's 1,048,576 less one ("Excel specifications and limits")."""
SHEET_BYTES = 1 << 30
"""Bytes of XML of a sheet from which the next one is begun: far from ZIP64, and more than Excel opens gladly."""
FIRST_ROW = 2
"""The number of the first row below the header."""
_WIDEST = 60
_FILTER_ARROW = 4
_CENTRED = Alignment(horizontal="center")  # at the right edge a moment would run into the status beside it


def sheet_name(window: Window, number: int, phrases: Phrases = ENGLISH) -> str:
    """Name the `number`th data sheet, counted from 1: "Hourly Report", then "Hourly Report (2)"."""
    title = phrases.title(window)
    return title if number == 1 else f"{title} ({number})"


def location(window: Window, place: int, starts: Sequence[int], phrases: Phrases) -> str:
    """Tell where the row at `place` (the window's first being 0) stands: `'Hourly Report'!A2`.

    `starts` are the places of the first rows of the sheets.
    """
    sheet = bisect_right(starts, place)
    return f"'{sheet_name(window, sheet, phrases)}'!A{place - starts[sheet - 1] + FIRST_ROW}"


def begin(sheet: Sheet, columns: Sequence[Column], window: Window, rows: Sequence[Analysis], phrases: Phrases) -> None:
    """Draw the header, frozen and repeated on paper, in columns as wide as `rows` want them."""
    for place, column in enumerate(columns, 1):
        sheet.column_dimensions[get_column_letter(place)].width = _width(column, window, rows)
    sheet.row_dimensions[1].height = 20
    sheet.freeze_panes = "A2"
    set_up_print(sheet, phrases.page_header(window), "landscape")
    sheet.print_title_rows = "1:1"
    sheet.append([header_cell(sheet, column.header) for column in columns])


def end(sheet: Sheet, columns: Sequence[Column], window: Window, number: int, rows: int, phrases: Phrases) -> None:
    """Make a table of the header and the `rows` below it, and highlight what the columns ask for."""
    last = 1 + max(rows, 1)  # Excel wants a table to have a row
    reach = f"A1:{get_column_letter(len(columns))}{last}"
    names = [TableColumn(id=place, name=column.header) for place, column in enumerate(columns, 1)]
    words = [f"{word[0].upper()}{word[1:]}" for word in phrases.title(window).split()]
    name = "".join(words) + (str(number) if number > 1 else "")
    table = Table(name=name, displayName=name, ref=reach, tableColumns=names, autoFilter=AutoFilter(ref=reach))
    table.tableStyleInfo = TableStyleInfo(name="TableStyleMedium2", showRowStripes=True)
    sheet.tables.add(table)  # add_table warns that columns are to be named, as they are
    for place, column in enumerate(columns, 1):
        if column.highlight:
            letter = get_column_letter(place)
            formula = column.highlight.formula.format(cell=f"${letter}2")
            rule = Rule(type="expression", dxf=column.highlight.style, formula=[formula])
            sheet.conditional_formatting.add(f"{letter}2:{letter}{last}", rule)


def set_up_print(sheet: Sheet, header: str, orientation: str) -> None:
    """Fit a sheet to the width of a page, with `header` at its head."""
    sheet.page_setup.orientation = orientation
    sheet.page_setup.paperSize = Worksheet.PAPERSIZE_A4
    sheet.page_setup.fitToWidth = 1
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    sheet.print_options.horizontalCentered = True
    sheet.oddHeader.left.text = header
    sheet.oddFooter.right.text = "&P / &N"


class Styles:
    """The numbers that the styles of the cells of `columns` have in the book of `sheet`.

    A moment is shown in the window's zone with its offset beside it: where clocks change, an hour comes twice.
    """

    def __init__(self, sheet: Sheet, columns: Sequence[Column]) -> None:
        self._sheet = sheet
        self._stamps: dict[str, int] = {}
        self._numbers = {column.number_format: self._number(column.number_format) for column in columns}

    def of(self, column: Column) -> int:
        """Number the style of a cell of `column`."""
        return self._numbers[column.number_format]

    def stamp(self, column: Column, local: datetime) -> int:
        """Number the style of a moment in `column`, which names the offset of `local` (aware)."""
        number_format = f'{column.number_format} "{offset_name(local)}"'
        if number_format not in self._stamps:
            self._stamps[number_format] = self._number(number_format, _CENTRED)
        return self._stamps[number_format]

    def _number(self, number_format: str, alignment: Alignment | None = None) -> int:
        made = cell(self._sheet, None, number_format)
        made.border = RULE
        if alignment:
            made.alignment = alignment
        return made.style_id


def _width(column: Column, window: Window, rows: Sequence[Analysis]) -> int:
    """Find a column's width in characters from the rows that are there when the sheet begins."""
    header = ceil(breadth(column.header)) + _FILTER_ARROW
    if column.width == "header":
        return header
    if column.kind == "moments":
        offsets = (offset_name(moment.astimezone(window.zone)) for moment in (window.start, window.end))
        shown = column.number_format.replace("\\", "")
        return max(header, len(f"{shown} {max(offsets, key=len)}") + 2)
    texts = (f"{value:,.2f}" if isinstance(value, float) else str(value or "") for value in column.values(rows))
    return max(header, min(max(map(len, texts), default=0) + 2, _WIDEST), column.least_width)
