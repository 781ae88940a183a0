"""Layout of a sheet that people read from top to bottom: headings, sentences, cards and tables."""

from collections.abc import Sequence
from math import ceil

from msgspec import Struct
from openpyxl.cell import Cell
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.hyperlink import Hyperlink

from ..phrases.formats import shown
from .cells import RULE, Sheet, Style, Value, breadth, cell, header_cell

TEXT_SHOWN = 60
"""UTF-16 units of a text of the table that these lines show; the rows have the whole of it."""
_SENTENCE = 500
WIDTHS = (22, 15, 15, 17)
"""Characters of the columns: what a phone shows side by side."""
CARDS = len(WIDTHS)
GAP, SIDE, SIDE_COLUMNS = 3, 8, 7
"""Characters of the empty column behind them, and of each of the columns beside, for laptops and paper."""
_LAST_COLUMN = get_column_letter(CARDS)
_SIDE_COLUMN, _LAST_SIDE_COLUMN = get_column_letter(CARDS + 2), get_column_letter(CARDS + 1 + SIDE_COLUMNS)
_LINE = 15
"""Points that a line of text takes."""
_DARK, _GREY, _BLUE = "1F3864", "595959", "0563C1"
_TITLE = Font(name="Calibri", bold=True, size=18, color=_DARK)
_HEADING = Font(name="Calibri", bold=True, size=13, color=_DARK)
_HEADLINE = Font(name="Calibri", bold=True, size=14, color=_DARK)
_WARNING = Font(name="Calibri", bold=True, size=14, color="A8430A")
_HEADLINE_BREADTH = 1.4
"""How much broader than others the letters of a headline are."""
_MARKED_COLOUR = "843C0C"
_MARKED = Font(name="Calibri", bold=True, color=_MARKED_COLOUR)
_MARKED_VALUE = Font(name="Calibri", bold=True, size=14, color=_MARKED_COLOUR)
_MARK = PatternFill("solid", start_color="F8CBAD", end_color="F8CBAD")
_QUIET = Font(name="Calibri", color=_GREY)
_LINK = Font(name="Calibri", underline="single", color=_BLUE)
_LABEL = Font(name="Calibri", size=9, color=_GREY)
_VALUE = Font(name="Calibri", bold=True, size=14, color=_DARK)
_CARD = PatternFill("solid", start_color="EAF0FA", end_color="EAF0FA")
_GAP = Border(right=Side("thick", color="FFFFFF"))
_FIGURE_PLACE = Alignment(horizontal="right", vertical="top")
_WRAPPED = Alignment(horizontal="left", vertical="top", wrap_text=True)
_TEXT_PLACE = Alignment(horizontal="left", vertical="top", wrap_text=True, indent=1)
_INDENT = 2
_LABEL_PLACE = Alignment(horizontal="left", vertical="bottom", wrap_text=True, indent=1)
_VALUE_PLACE = Alignment(horizontal="left", vertical="top", shrink_to_fit=True, indent=1)
Formatted = tuple[Value, str]
"""A value (None where there is none), and the format that shows it."""


class Card(Struct, frozen=True, kw_only=True):
    """A label above a value in its format; what is unusual is marked."""

    label: str
    value: Formatted
    is_unusual: bool = False


class Layout:
    """The rows of a sheet that has none yet, written from top to bottom; `last` is the number of the last one."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self.last = 0
        for column, width in enumerate((*WIDTHS, GAP, *[SIDE] * SIDE_COLUMNS), 1):
            sheet.column_dimensions[get_column_letter(column)].width = width

    def add(self, *cells: Cell, height: float | None = None) -> None:
        """Add a row of `cells`, `height` points high."""
        self.last += 1
        if height:
            self.sheet.row_dimensions[self.last].height = height
        self.sheet.append(cells)

    def title(self, text: str) -> None:
        """Add the title of the sheet."""
        self.add(cell(self.sheet, text, font=_TITLE), height=26)

    def heading(self, text: str) -> None:
        """Add a heading, apart from what stands above."""
        self.add()
        self.add(cell(self.sheet, text, font=_HEADING), height=20)

    def fact(self, name: str, text: str) -> None:
        """Add a name and what it is."""
        self.add(cell(self.sheet, name, font=_QUIET), cell(self.sheet, shown(text, TEXT_SHOWN)))

    def sentence(self, text: str) -> None:
        """Add `text` over the whole width, in as many lines as it takes: a merged cell doesn't grow with its text."""
        text = shown(text, _SENTENCE)
        self.add(cell(self.sheet, text, alignment=_WRAPPED), height=_LINE * ceil(breadth(text) / sum(WIDTHS)))
        self.sheet.merged_cells.add(f"A{self.last}:{_LAST_COLUMN}{self.last}")

    def headline(self, text: str, *, is_warning: bool) -> None:
        """Add what matters most, over the whole width; a warning stands out by its colour too."""
        made = cell(self.sheet, text, font=_WARNING if is_warning else _HEADLINE, alignment=_WRAPPED)
        self.add(made, height=20 * ceil(_HEADLINE_BREADTH * breadth(text) / sum(WIDTHS)))
        self.sheet.merged_cells.add(f"A{self.last}:{_LAST_COLUMN}{self.last}")

    def cards(self, cards: Sequence[Card]) -> None:
        """Add cards side by side, each a small label above a large value."""
        for first in range(0, len(cards), CARDS):
            self.add(height=5)
            row = cards[first : first + CARDS]
            labels = [cell(self.sheet, one.label, font=_LABEL, alignment=_LABEL_PLACE) for one in row]
            values = [self._value(one.value, font=_VALUE, alignment=_VALUE_PLACE) for one in row]
            for one, label, value in zip(row, labels, values, strict=True):
                label.fill = value.fill = _CARD
                label.border = value.border = _GAP
                if one.is_unusual:
                    value.font, value.fill, label.fill = _MARKED_VALUE, _MARK, _MARK
            self.add(*labels, height=26)
            self.add(*values, height=22)

    def header(self, *texts: str, beside: str = "") -> None:
        """Add the header of a table, as high as its longest text wants it; `beside` heads what stands beside it."""
        lines = max(ceil(breadth(text) / width) for text, width in zip(texts, WIDTHS, strict=False))
        cells = [header_cell(self.sheet, text) for text in texts]
        self._add_beside(cells, header_cell(self.sheet, beside) if beside else None, _LINE * lines + 5)

    def row(self, *cells: Cell, beside: Cell | None = None) -> None:
        """Add a row of a table, as high as its longest text wants it: some readers don't see to that themselves.

        `beside` stands in the columns beside the table.
        """
        widths = (*WIDTHS, SIDE * SIDE_COLUMNS)
        needed = [
            ceil(breadth(str(one.value)) / (width - _INDENT)) if one and one.data_type == "s" else 1
            for one, width in zip((*cells, *[None] * (CARDS - len(cells)), beside), widths, strict=True)
        ]
        for one in cells:
            one.border = RULE
        self._add_beside(cells, beside, _LINE * max(1, *needed))

    def _add_beside(self, cells: Sequence[Cell], beside: Cell | None, height: float) -> None:
        if beside is None:
            self.add(*cells, height=height)
            return
        self.add(*cells, cell(self.sheet, ""), beside, height=height)
        self.sheet.merged_cells.add(f"{_SIDE_COLUMN}{self.last}:{_LAST_SIDE_COLUMN}{self.last}")

    def text(self, text: str, location: str = "") -> Cell:
        """Make a cell of a table that shows as much of `text` as there is room for, and leads to `location`."""
        made = cell(self.sheet, shown(text, TEXT_SHOWN), alignment=_TEXT_PLACE)
        if location:
            made.font, made.hyperlink = _LINK, Hyperlink(ref="", location=location)
        return made

    def figure(self, figure: Formatted) -> Cell:
        """Make a cell of a table that shows a figure, a text in its place, or a dash where there is none."""
        value, _ = figure
        return self.text(value) if isinstance(value, str) else self._value(figure, alignment=_FIGURE_PLACE)

    def _value(self, figure: Formatted, **style: Style) -> Cell:
        value, number_format = figure
        return cell(self.sheet, "-" if value is None else value, number_format, **style)

    def mark(self, *cells: Cell) -> None:
        """Let `cells` stand out by weight and colour."""
        for one in cells:
            one.font, one.fill = _MARKED, _MARK
