"""Rows of a data sheet → the XML that stands for them in the file (ECMA-376 part 1, 18.3.1).

openpyxl draws everything else. Its cells cost many times as much as these lines, which say the same: a test reads
both back. Every row and cell has its address (`r`), without which some readers find nothing, and every row all of its
cells.

Rows are written column by column: where a column holds what it mostly holds, its cells are written all at once,
else one by one. A cell begins behind the number of its row and reaches to that of the next one, or to the row's end:
`" s="1"><v>5</v></c><c r="B`.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from functools import partial
from itertools import chain
from math import isfinite
from types import NoneType
from typing import Any

from msgspec.json import Encoder
from openpyxl.utils import get_column_letter

from ..domain.analysis import Analysis, Figure
from .archive import SharedStrings, is_shared, text_xml
from .cells import EXACT_DIGITS
from .data_sheet import Column, Styles

_KEPT = 1000
"""Names whose cells are kept ready, if they have no more than _SHORT characters."""
_SHORT = 200
_MINUTES = 25 * 60
"""Minutes over which the offset is looked at: a day in which the clocks are put back."""
_DAY = 86_400
_BEFORE_1970 = 25_569 * _DAY
"""Seconds to 1970 in serial numbers, which count days as Excel does since 1900-03-01 (18.17.4.1)."""
_digits = Encoder().encode
"""Writes numbers with all their digits, in a fifth of str's time."""


class RowWriter:
    """Writes rows of `columns` in the zone `zone`, with the numbers that `styles` and `strings` have in the file."""

    def __init__(self, columns: Sequence[Column], styles: Styles, strings: SharedStrings, zone: tzinfo) -> None:
        self._columns = []
        for place, column in enumerate(columns, 1):
            then = f'<c r="{get_column_letter(place + 1)}' if place < len(columns) else "</row>"
            self._columns.append((column.values, _writer(column, then, styles, strings, zone)))

    def xml(self, rows: Sequence[Analysis], first: int) -> bytes:
        """Write `rows`, one at least, one below the other; `first` is the number of the first one in its sheet."""
        numbers = [*map(str, range(first, first + len(rows)))]
        parts: list[list[str]] = [[f'<row r="{number}"><c r="A{number}' for number in numbers]]
        for values, write in self._columns:
            parts += [write(values(rows)), numbers]
        return "".join(chain.from_iterable(zip(*parts[:-1], strict=True))).encode()


class _Form:
    """How the cells of a column are written: in a `style`, with `strings` for texts, and `then` before the next cell.

    `around_number` and `around_text` stand before and behind a number, or the number of a text.
    """

    def __init__(self, style: int, strings: SharedStrings, then: str) -> None:
        self.strings = strings
        self.then = then
        self.around_number = f'" s="{style}"><v>', f"</v></c>{then}"
        self.around_text = f'" s="{style}" t="s"><v>', f"</v></c>{then}"
        self.empty = f'" s="{style}"/>{then}'
        self._inline = f'" s="{style}" t="inlineStr"><is>'

    def text(self, text: str) -> str:
        """Write the cell of a text that may come again."""
        if not is_shared(text):
            return f"{self._inline}{text_xml(text, self.strings.mark)}</is></c>{self.then}"
        before, behind = self.around_text
        return f"{before}{self.strings.number(text)}{behind}"

    def numbers(self, values: Sequence[float | None]) -> list[str]:
        """Write the cells of numbers, empty ones where there is none."""
        before, behind = self.around_number
        cells = f"{before}{_digits(values)[1:-1].decode().replace(',', f'{behind},{before}')}{behind}"
        return cells.replace(f"{before}null{behind}", self.empty).split(",")


def _writer(
    column: Column, then: str, styles: Styles, strings: SharedStrings, zone: tzinfo
) -> Callable[[Sequence[Any]], list[str]]:
    """Return what writes the cells of `column` for its values."""
    if column.kind == "moments":
        return _Moments(column, strings, then, styles, zone).cells
    form = _Form(styles.of(column), strings, then)
    return _Names(form).cells if column.kind == "names" else partial(_cells, form)


class _Moments(dict[int, tuple[float, int]]):
    """Minutes since 1970 → the zone's offset in seconds, and the style of a moment's cell."""

    def __init__(self, column: Column, strings: SharedStrings, then: str, styles: Styles, zone: tzinfo) -> None:
        super().__init__()
        self._form = partial(_Form, strings=strings, then=then)
        self._style = partial(styles.stamp, column)
        self._zone = zone

    def __missing__(self, minute: int) -> tuple[float, int]:
        local = datetime.fromtimestamp(minute * 60, self._zone)
        offset = local.utcoffset()
        found = self[minute] = offset.total_seconds() if offset else 0.0, self._style(local)
        return found

    def cells(self, moments: Sequence[datetime]) -> list[str]:
        """Write aware moments: all with one offset, unless clocks change among them."""
        seconds = [moment.timestamp() for moment in moments]
        reach = range(int(min(seconds) // 60), int(max(seconds) // 60) + 1)
        offsets = {self[minute] for minute in reach[:_MINUTES]}  # clocks change at full minutes
        if len(offsets) > 1 or len(reach) > _MINUTES:
            return [cell for moment in moments for cell in self.cells([moment])]
        ((shift, style),) = offsets
        since = shift + _BEFORE_1970
        # Full seconds: under a format without fractions Excel rounds up, and other programs cut off.
        return self._form(style).numbers([(second // 1 + since) / _DAY for second in seconds])


class _Names(dict[str | None, str]):
    """Texts that come again and again → their cells; the first _KEPT of them stay here."""

    def __init__(self, form: _Form) -> None:
        super().__init__()
        self._form = form

    def __missing__(self, name: str | None) -> str:
        made = self._form.empty if name is None else self._form.text(name)
        if len(self) < _KEPT and len(name or "") <= _SHORT:
            self[name] = made
        return made

    def cells(self, names: Sequence[str | None]) -> list[str]:
        """Write the cells of names."""
        return [self[name] for name in names]


def _cells(form: _Form, values: Sequence[Any]) -> list[str]:
    """Write the cells of a column of Figures."""
    kinds = {*map(type, values)}
    if kinds <= {int, float, NoneType}:
        numbers = [value for value in values if value is not None] if NoneType in kinds else values
        if numbers and -EXACT_DIGITS < min(numbers) <= max(numbers) < EXACT_DIGITS:
            return form.numbers(values)
    if kinds == {str} and (shared := form.strings.numbers(values)):
        before, behind = form.around_text
        return [f"{before}{number}{behind}" for number in shared]
    return [_cell(form, value) for value in values]


def _cell(form: _Form, value: Figure) -> str:
    """Write a cell: numbers with all their digits, None as an empty one."""
    if isinstance(value, int) and abs(value) >= EXACT_DIGITS:
        value = str(value)
    if isinstance(value, str):
        return form.text(value)
    if value is None or not isfinite(value):
        return form.empty
    before, behind = form.around_number
    return f"{before}{value}{behind}"
