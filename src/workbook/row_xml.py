"""Rows of a data sheet → the XML that stands for them in the file (ECMA-376 part 1, 18.3.1).

openpyxl draws everything else. Its cells cost many times as much as these lines, which say the same: a test reads
both back. Rows and cells have no `r`, so each stands behind the one before it, and a row has all of its cells.

Rows are written column by column: where a column holds what it mostly holds, its cells are written all at once,
else one by one.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo
from functools import partial
from math import isfinite
from types import NoneType
from typing import Any

from msgspec.json import Encoder

from ..domain.analysis import Analysis, Figure
from .cells import EXACT_DIGITS, cell_text
from .columns import Column
from .data_sheet import Styles

_PLAIN = re.compile(r"[A-Za-z0-9\n-]*")
"""Texts, a line each, that XML, blanks and escapes leave as they are."""
_SHORT = 200
"""Characters of a text that is certainly within a cell's limit, and worth keeping ready."""
_MARKUP = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_CACHED = 1000
"""Different names that are kept ready."""
_MINUTES = 25 * 60
"""Minutes over which the offset is looked at: a day in which the clocks are put back."""
_DAY = 86_400
_DAY_OF_1970 = 25_569
"""The serial number of 1970-01-01, days being counted as Excel does since 1900-03-01 (18.17.4.1)."""
_digits = Encoder().encode
"""Writes numbers with all their digits, in a fifth of str's time."""


class RowWriter:
    """Writes rows of `columns` in the zone `zone`, with the numbers that `styles` have in the file."""

    def __init__(self, columns: Sequence[Column], styles: Styles, zone: tzinfo) -> None:
        self._columns = [(column.values, _writer(column, styles, zone)) for column in columns]

    def xml(self, rows: Sequence[Analysis]) -> bytes:
        """Write `rows`, one at least, one below the other."""
        columns = [write(values(rows)) for values, write in self._columns]
        written = "</row><row>".join(map("".join, zip(*columns, strict=True)))
        return f"<row>{written}</row>".encode()


def _writer(column: Column, styles: Styles, zone: tzinfo) -> Callable[[Sequence[Any]], list[str]]:
    """Return what writes the cells of `column` for its values."""
    if column.kind == "moments":
        return _Moments(column, styles, zone).cells
    if column.kind == "names":
        return _Names(styles.of(column)).cells
    return partial(_cells, styles.of(column))


class _Moments(dict[int, tuple[float, str]]):
    """Minutes since 1970 → the zone's offset in seconds, and how the cell of a moment begins."""

    def __init__(self, column: Column, styles: Styles, zone: tzinfo) -> None:
        super().__init__()
        self._column = column
        self._styles = styles
        self._zone = zone

    def __missing__(self, minute: int) -> tuple[float, str]:
        local = datetime.fromtimestamp(minute * 60, UTC).astimezone(self._zone)
        offset = local.utcoffset()
        shift = offset.total_seconds() if offset else 0.0
        found = self[minute] = shift, f'<c s="{self._styles.stamp(self._column, local)}"><v>'
        return found

    def cells(self, moments: Sequence[datetime]) -> list[str]:
        """Write the cells of aware moments."""
        return self._cells([moment.timestamp() for moment in moments])

    def _cells(self, moments: Sequence[float]) -> list[str]:
        """Write moments in seconds since 1970: all with one offset, unless clocks change among them."""
        reach = range(int(min(moments) // 60), int(max(moments) // 60) + 1)
        offsets = {self[minute] for minute in reach[:_MINUTES]}  # clocks change at full minutes
        if len(offsets) > 1 or len(reach) > _MINUTES:
            return [cell for moment in moments for cell in self._cells([moment])]
        ((shift, opening),) = offsets
        since = shift / _DAY + _DAY_OF_1970
        serials = [moment / _DAY + since for moment in moments]
        return _wrapped(opening, _digits(serials)[1:-1].decode(), ",", "</v></c>").split(",")


class _Names(dict[str | None, str]):
    """Texts that come again and again → their cells, as far as they are kept ready."""

    def __init__(self, style: int) -> None:
        super().__init__()
        self._style = style

    def __missing__(self, name: str | None) -> str:
        made = _cell(self._style, name)
        if len(self) < _CACHED and len(made) <= 2 * _SHORT:
            self[name] = made
        return made

    def cells(self, names: Sequence[str | None]) -> list[str]:
        """Write the cells of names."""
        return [self[name] for name in names]


def _cells(style: int, values: Sequence[Any]) -> list[str]:
    """Write the cells of a column of Figures."""
    kinds = {*map(type, values)}
    if kinds <= {int, float, NoneType}:
        numbers = [value for value in values if value is not None] if NoneType in kinds else values
        if numbers and -EXACT_DIGITS < min(numbers) <= max(numbers) < EXACT_DIGITS:
            opening, closing = f'<c s="{style}"><v>', "</v></c>"
            cells = _wrapped(opening, _digits(values)[1:-1].decode(), ",", closing)
            return cells.replace(f"{opening}null{closing}", f'<c s="{style}"/>').split(",")
    if kinds == {str} and max(map(len, values)) <= _SHORT:
        lines = "\n".join(values)
        if _PLAIN.fullmatch(lines) and lines.count("\n") == len(values) - 1:
            return _wrapped(f'<c s="{style}" t="inlineStr"><is><t>', lines, "\n", "</t></is></c>").split("\n")
    return [_cell(style, value) for value in values]


def _wrapped(opening: str, texts: str, mark: str, closing: str) -> str:
    """Put `opening` and `closing` around each of `texts`, between which `mark` stands and stays."""
    return f"{opening}{texts.replace(mark, closing + mark + opening)}{closing}"


def _cell(style: int, value: Figure) -> str:
    """Write a cell: text in line as the cell holds it, numbers with all their digits, None as an empty one."""
    if isinstance(value, str):
        return _text(style, value)
    if value is None or not isfinite(value):
        return f'<c s="{style}"/>'
    if isinstance(value, int) and abs(value) >= EXACT_DIGITS:
        return _text(style, str(value))
    return f'<c s="{style}"><v>{value}</v></c>'


def _text(style: int, text: str) -> str:
    text = cell_text(text).translate(_MARKUP)
    blanks = ' xml:space="preserve"' if text != text.strip() else ""
    return f'<c s="{style}" t="inlineStr"><is><t{blanks}>{text}</t></is></c>'
