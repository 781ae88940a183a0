"""A value → a cell of a sheet: what Excel would take for something else stays what it is.

Excel's own limits are those of "Excel specifications and limits" and of ECMA-376.
"""

import re
from datetime import datetime
from typing import Any

from openpyxl.cell import Cell, WriteOnlyCell
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side

from ..phrases.english import SHORTENED
from ..runtime.visible_text import shortened, visible

EXACT_DIGITS = 10**15
"""Excel keeps 15 digits of a number; whole numbers from here on are written as text, to keep every digit."""
TEXT_UNITS = 32_767
"""UTF-16 units that a cell holds."""

Value = datetime | int | float | str | None
Style = Font | Alignment | PatternFill | Border
Sheet = Any  # types-openpyxl knows the write-only sheet only in part
RULE = Border(bottom=Side("thin", color="D9D9D9"))
"""The line below a row: not every reader draws a table's bands."""
_HEADER_ALIGNMENT = Alignment(horizontal="center", vertical="center", wrap_text=True)
_HEADER_FONT = Font(name="Calibri", bold=True, color="FFFFFF")
_HEADER_FILL = PatternFill("solid", start_color="4472C4", end_color="4472C4")
_BROAD = re.compile("[\u0400-\u052f]")
# ECMA-376 22.9.2.19: readers take _xHHHH_ for the character of that number.
_ESCAPE = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")


def cell(sheet: Sheet, value: Value, number_format: str = "General", **style: Style) -> Cell:
    """Make a cell of `value` shown in `number_format`, in a `style` of cell attributes, as `put` says."""
    made = WriteOnlyCell(sheet)
    made.number_format = number_format
    for name, attribute in style.items():
        setattr(made, name, attribute)
    put(made, value)
    return made


def showing(text: str) -> str:
    """Return the number format that shows a number, of whatever sign, as `text`, which has no quotation marks."""
    return f'"{text}";"{text}"'


def put(into: Cell, value: Value) -> None:
    """Put `value` into a cell, whose format stays: text is shown as it stands, None and "" as nothing."""
    if isinstance(value, int) and abs(value) >= EXACT_DIGITS:
        value = str(value)
    if isinstance(value, str) and value:
        into.value = cell_text(value)
        into.data_type = "s"  # openpyxl takes text that begins with = for a formula and #N/A for an error
    else:
        into.value = value if value != "" else None  # some readers can't read an empty text


def header_cell(sheet: Sheet, text: str) -> Cell:
    """Make a cell of a header: white, bold, centred on blue."""
    return cell(sheet, text, font=_HEADER_FONT, fill=_HEADER_FILL, alignment=_HEADER_ALIGNMENT)


def breadth(text: str) -> float:
    """Return how broad a text is, in the characters of a column's width: Cyrillic letters are broader than others."""
    return len(text) + 0.15 * len(_BROAD.findall(text))


def cell_text(text: str, mark: str = SHORTENED) -> str:
    """Write `text` as a cell holds it: visible, escaped, and cut to what Excel takes, with `mark` at its end."""
    return _escaped(visible(text[: TEXT_UNITS + 1]), mark)  # what is cut off may be megabytes


def _escaped(text: str, mark: str) -> str:
    """Shorten `text` so that its escapes fit into the cell too."""
    text = shortened(text, TEXT_UNITS, mark)
    grown_by = len(_ESCAPE.findall(text)) * (len("_x005F_") - 1)
    # Six more for at least six that stand there: half of a cell's always fits.
    limit = max(TEXT_UNITS - grown_by, TEXT_UNITS // 2)
    return _ESCAPE.sub("_x005F_", shortened(text, limit, mark)) if grown_by else text
