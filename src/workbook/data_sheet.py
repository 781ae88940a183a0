"""A sheet of rows: its columns, and what it looks like apart from the rows themselves.

A new column is a new entry in `sheet_columns`, and everything else follows from it. `begin` draws what stands above
the rows, `Styles` are those of a row, `end` draws what needs their number.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import datetime
from math import ceil
from operator import attrgetter
from typing import Any, Literal

from msgspec import Struct
from openpyxl.formatting.rule import Rule
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.styles.differential import DifferentialStyle
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.filters import AutoFilter
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.table import Table, TableColumn, TableStyleInfo
from openpyxl.worksheet.worksheet import Worksheet

from ..domain.analysis import TOO_LONG, Analysis, FailedStatuses, success_rates
from ..domain.window import Window, offset_name
from ..phrases import english
from ..phrases.formats import given
from ..phrases.language import Phrases
from .cells import RULE, Sheet, Style, breadth, cell, header_cell

SHEET_ROWS = 1_048_575
"""Rows below the header that fit in one sheet: Excel's 1,048,576 less one ("Excel specifications and limits")."""
SHEET_BYTES = 1 << 30
"""Bytes of XML of a sheet from which the next one is begun: far from ZIP64, and more than Excel opens gladly."""
FIRST_ROW = 2
"""The number of the first row below the header."""
_WIDEST = 60
_FILTER_ARROW = 4
_CENTRED = Alignment(horizontal="center")  # at the right edge a moment would run into the status beside it
LOW_RATE = 0.9
"""Success rates below this stand out."""
Values = Callable[[Sequence[Analysis]], Sequence[Any]]


class Highlight(Struct, frozen=True, kw_only=True):
    """Cells for which `formula` holds stand out in `style`; `{cell}` in it is the cell itself."""

    formula: str
    style: DifferentialStyle


class Column(Struct, frozen=True, kw_only=True):
    """What stands in a column: `values` are those of many rows, shown in `number_format` under `header`.

    `kind`: figures, which may be numbers or text; moments (aware), shown in the window's zone with its offset beside
    them; or names, which come again and again.
    It is as wide as its header and as what is there when a sheet begins; `least_width` is for what may come later.
    """

    header: str
    values: Values
    kind: Literal["figures", "moments", "names"] = "figures"
    number_format: str = "General"
    least_width: int = 0
    highlight: Highlight | None = None


def attribute(name: str) -> Values:
    """Return what takes the attribute `name` of each row."""
    of_row = attrgetter(name)
    return lambda rows: [*map(of_row, rows)]


def _rates(rows: Sequence[Analysis]) -> list[float | None]:
    return success_rates(_processed(rows), _failed(rows))


_processed, _failed = attribute("records_processed"), attribute("records_failed")
_FORMULA_TEXT = 120
"""Characters of a text in a formula: Excel takes 255 UTF-16 units, and an emoji or a doubled quotation mark has two."""
_LONGEST_INTEGER = len(f"{-(2**63)}")


def _failed_status(failed: FailedStatuses) -> Highlight:
    """Make what highlights the statuses that count as failed."""
    names = f"|{'|'.join(sorted(failed.plain))}|"
    texts = [names[place : place + _FORMULA_TEXT] for place in range(0, len(names), _FORMULA_TEXT)]
    quoted = "&".join('"' + text.replace('"', '""') + '"' for text in texts)
    escaped = quoted.replace("{", "{{").replace("}", "}}")
    # Bold and dark on light: told apart from the rest in grey, and by people who don't tell red from green.
    style = DifferentialStyle(font=Font(bold=True, color="843C0C"), fill=PatternFill("solid", bgColor="F8CBAD"))
    return Highlight(formula=f'ISNUMBER(FIND("|"&LOWER(TRIM({{cell}}))&"|",{escaped}))', style=style)


_LOW_RATE = Highlight(
    formula=f"AND(ISNUMBER({{cell}}),{{cell}}<{LOW_RATE})",
    style=DifferentialStyle(font=Font(bold=True, color="7F6000"), fill=PatternFill("solid", bgColor="FFE699")),
)


def _given(values: Values, phrases: Phrases) -> Values:
    """Return what takes the same values, with the words for one that was too long in the reader's language.

    The rows have them in English already.
    """
    if phrases.TOO_LONG == TOO_LONG:
        return values
    return lambda rows: [given(value, phrases.TOO_LONG) for value in values(rows)]


def sheet_columns(failed: FailedStatuses, phrases: Phrases = english) -> tuple[Column, ...]:
    """Return the columns of the rows, where these statuses count as failed, with headers in one language."""
    duration = _given(attribute("duration"), phrases)
    processed, failed_records = _given(_processed, phrases), _given(_failed, phrases)
    return (
        Column(header=phrases.COLUMN_ID, values=attribute("id"), number_format="0", least_width=_LONGEST_INTEGER + 2),
        Column(
            header=phrases.COLUMN_TIMESTAMP,
            values=attribute("created_at"),
            kind="moments",
            number_format=phrases.MOMENT_FORMAT,
        ),
        Column(
            header=phrases.COLUMN_STATUS,
            values=_given(attribute("status"), phrases),
            kind="names",
            highlight=_failed_status(failed),
        ),
        Column(header=phrases.COLUMN_DURATION, values=duration, number_format="#,##0.00"),
        Column(header=phrases.COLUMN_PROCESSED, values=processed, number_format="#,##0"),
        Column(header=phrases.COLUMN_FAILED, values=failed_records, number_format="#,##0"),
        Column(header=phrases.COLUMN_RATE, values=_rates, number_format=phrases.RATE_FORMAT, highlight=_LOW_RATE),
    )


SHEET_COLUMNS = sheet_columns(FailedStatuses())


def sheet_name(window: Window, number: int, phrases: Phrases = english) -> str:
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
        self._numbers: dict[str, int] = {}
        for column in columns:
            self.of(column)

    def of(self, column: Column) -> int:
        """Number the style of a cell of `column`."""
        return self._number(column.number_format)

    def stamp(self, column: Column, local: datetime) -> int:
        """Number the style of a moment in `column`, which names the offset of `local` (aware)."""
        return self._number(f'{column.number_format} "{offset_name(local)}"', alignment=_CENTRED)

    def _number(self, number_format: str, **style: Style) -> int:
        if number_format not in self._numbers:
            self._numbers[number_format] = cell(self._sheet, None, number_format, border=RULE, **style).style_id
        return self._numbers[number_format]


def _width(column: Column, window: Window, rows: Sequence[Analysis]) -> int:
    """Find a column's width in characters from the rows that are there when the sheet begins."""
    header = ceil(breadth(column.header)) + _FILTER_ARROW
    if column.kind == "moments":
        offsets = (offset_name(moment.astimezone(window.zone)) for moment in (window.start, window.end))
        shown = column.number_format.replace("\\", "")
        return max(header, len(f"{shown} {max(offsets, key=len)}") + 2)
    texts = (f"{value:,.2f}" if isinstance(value, float) else str(value or "") for value in column.values(rows))
    return max(header, min(max(map(len, texts), default=0) + 2, _WIDEST), column.least_width)
