"""Rows of a data sheet → the XML that stands for them in the file (ECMA-376 part 1, 18.3.1).

openpyxl draws everything else. Its cells cost many times as much as these lines, which say the same: a test reads
both back. Every row and cell has its address (`r`), without which some readers find nothing, and every row all of its
cells.

Rows are written column by column: where a column holds what it mostly holds, its cells are written all at once,
else one by one. A cell begins behind the number of its row and reaches to that of the next one, or to the row's end:
`" s="1"><v>5</v></c><c r="B`.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo
from functools import partial
from itertools import chain
from math import isfinite
from types import NoneType
from typing import Any

from msgspec import Struct
from msgspec.json import Encoder
from msgspec.structs import replace
from openpyxl.utils import get_column_letter

from ..domain.analysis import Analysis, Figure
from .archive import SharedStrings, is_shared, text_xml
from .cells import EXACT_DIGITS
from .columns import Column
from .data_sheet import Styles

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


class _Form(Struct, frozen=True):
    """How the cells of a column are written: in a `style`, with `strings` for texts.

    `then` is what stands between them and the next cell's number.
    """

    style: int
    strings: SharedStrings
    then: str

    @property
    def around_number(self) -> tuple[str, str]:
        """What stands before and behind a number."""
        return f'" s="{self.style}"><v>', f"</v></c>{self.then}"

    @property
    def around_text(self) -> tuple[str, str]:
        """What stands before and behind the number of a text."""
        return f'" s="{self.style}" t="s"><v>', f"</v></c>{self.then}"

    @property
    def empty(self) -> str:
        """An empty cell."""
        return f'" s="{self.style}"/>{self.then}'

    def text(self, text: str) -> str:
        """A cell of a text that may come again."""
        if not is_shared(text):
            return f'" s="{self.style}" t="inlineStr"><is>{text_xml(text, self.strings.mark)}</is></c>{self.then}'
        before, behind = self.around_text
        return f"{before}{self.strings.number(text)}{behind}"


def _writer(
    column: Column, then: str, styles: Styles, strings: SharedStrings, zone: tzinfo
) -> Callable[[Sequence[Any]], list[str]]:
    """Return what writes the cells of `column` for its values."""
    form = _Form(styles.of(column), strings, then)
    if column.kind == "moments":
        return _Moments(column, form, styles, zone).cells
    return _Names(form).cells if column.kind == "names" else partial(_cells, form)


class _Moments(dict[int, tuple[float, _Form]]):
    """Minutes since 1970 → the zone's offset in seconds, and the form of a moment's cell."""

    def __init__(self, column: Column, form: _Form, styles: Styles, zone: tzinfo) -> None:
        super().__init__()
        self._column = column
        self._form = form
        self._styles = styles
        self._zone = zone

    def __missing__(self, minute: int) -> tuple[float, _Form]:
        local = datetime.fromtimestamp(minute * 60, UTC).astimezone(self._zone)
        offset = local.utcoffset()
        shift = offset.total_seconds() if offset else 0.0
        found = self[minute] = shift, replace(self._form, style=self._styles.stamp(self._column, local))
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
        ((shift, form),) = offsets
        since = shift + _BEFORE_1970
        # Full seconds: under a format without fractions Excel rounds up, and other programs cut off.
        serials = [(moment // 1 + since) / _DAY for moment in moments]
        return _wrapped(form.around_number, _digits(serials)[1:-1].decode(), ",").split(",")


class _Names(dict[str | None, str]):
    """Texts that come again and again → their cells, as far as they are kept ready."""

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
            before, behind = form.around_number
            cells = _wrapped((before, behind), _digits(values)[1:-1].decode(), ",")
            return cells.replace(f"{before}null{behind}", form.empty).split(",")
    if kinds == {str} and (shared := form.strings.numbers(values)):
        before, behind = form.around_text
        return [f"{before}{number}{behind}" for number in shared]
    return [_cell(form, value) for value in values]


def _wrapped(around: tuple[str, str], texts: str, mark: str) -> str:
    """Put what is to be `around` them before and behind each of `texts`, between which `mark` stands and stays."""
    before, behind = around
    return f"{before}{texts.replace(mark, behind + mark + before)}{behind}"


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
