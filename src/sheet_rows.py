"""Rows of a data sheet → the XML that stands for them in the file (ECMA-376 part 1, 18.3.1).

openpyxl draws everything else. Its cells cost ten times as much as these lines, which say the same: a test reads
both back. Rows and cells have no `r`, so each stands behind the one before it, and a row has all of its cells.
"""

import math
import re
from collections.abc import Sequence
from datetime import datetime, tzinfo

from .analysis import Analysis
from .cells import EXACT_DIGITS, cell_text
from .data_sheet import Styles

_PLAIN = re.compile(r"[A-Za-z0-9-]+(?: [A-Za-z0-9-]+)*")
"""Text that XML, blanks and escapes leave as it is."""
_SHORT = 200
"""Characters of a text that is certainly within a cell's limit, and worth keeping ready."""
_MARKUP = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_CACHED = 1000
"""Different statuses that are kept ready; they come again and again."""
_DAY = 86_400
_DAY_OF_1970 = 25_569
"""The serial number of 1970-01-01, days being counted as Excel does since 1900-03-01 (18.17.4.1)."""


class RowWriter:
    """Writes rows in the zone `zone` with the numbers that `styles` have in the file."""

    def __init__(self, styles: Styles, zone: tzinfo) -> None:
        self._styles = styles
        self._zone = zone
        self._statuses: dict[str | None, str] = {}
        self._minutes: dict[int, tuple[float, int]] = {}

    def xml(self, rows: Sequence[Analysis]) -> bytes:
        """Write `rows` one below the other."""
        return "".join([self._row(row) for row in rows]).encode()

    def _row(self, row: Analysis) -> str:
        identity, _, _, duration, processed, failed, rate = self._styles.columns
        seconds = row.created_at.timestamp()
        # Clocks change at full minutes.
        shift, stamp = self._minutes.get(int(seconds // 60)) or self._minute(row.created_at)
        return (
            f"<row>{_cell(identity, row.id)}"
            f'<c s="{stamp}"><v>{(seconds + shift) / _DAY + _DAY_OF_1970}</v></c>'
            f"{self._statuses.get(row.status) or self._status(row.status)}"
            f"{_cell(duration, row.duration)}{_cell(processed, row.records_processed)}"
            f"{_cell(failed, row.records_failed)}{_cell(rate, row.success_rate)}</row>"
        )

    def _minute(self, moment: datetime) -> tuple[float, int]:
        local = moment.astimezone(self._zone)
        offset = local.utcoffset()
        shift = offset.total_seconds() if offset else 0.0
        found = self._minutes[int(moment.timestamp() // 60)] = shift, self._styles.stamp(local)
        return found

    def _status(self, status: str | None) -> str:
        made = _cell(self._styles.columns[2], status)
        if len(self._statuses) < _CACHED and len(made) <= 2 * _SHORT:
            self._statuses[status] = made
        return made


def _cell(style: int, value: int | float | str | None) -> str:
    """Write a cell: text in line as the cell holds it, numbers with all their digits, None as an empty one."""
    if isinstance(value, str):
        return _text(style, value)
    if value is None or not math.isfinite(value):
        return f'<c s="{style}"/>'
    if isinstance(value, int) and abs(value) >= EXACT_DIGITS:
        return _text(style, str(value))
    return f'<c s="{style}"><v>{value}</v></c>'


def _text(style: int, text: str) -> str:
    blanks = ""
    if len(text) > _SHORT or not _PLAIN.fullmatch(text):
        text = cell_text(text).translate(_MARKUP)
        blanks = ' xml:space="preserve"' if text != text.strip() else ""
    return f'<c s="{style}" t="inlineStr"><is><t{blanks}>{text}</t></is></c>'
