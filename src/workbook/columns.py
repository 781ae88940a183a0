"""The columns of the rows: a new one is a new entry here, and everything else follows from it."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Literal

from msgspec import Struct
from openpyxl.styles import Font, PatternFill
from openpyxl.styles.differential import DifferentialStyle

from ..domain.analysis import TOO_LONG, Analysis, FailedStatuses, success_rates
from ..phrases.formats import given
from ..phrases.language import ENGLISH, Phrases

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
    `width`: that of the `header`, or of the `content`, as far as it is there when a sheet begins; `least_width` is for
    what may come later.
    """

    header: str
    values: Values
    kind: Literal["figures", "moments", "names"] = "figures"
    number_format: str = "General"
    width: Literal["header", "content"] = "header"
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
    """Return what takes the same values, with what stands in place of one that was too long in the reader's language.

    That is what the table's rows have already where the reader's language is English.
    """
    if phrases.TOO_LONG == TOO_LONG:
        return values
    return lambda rows: [given(value, phrases.TOO_LONG) for value in values(rows)]


def sheet_columns(failed: FailedStatuses, phrases: Phrases = ENGLISH) -> tuple[Column, ...]:
    """Return the columns of the rows, where these statuses count as failed, with headers in one language."""
    processed, failed_records = _given(_processed, phrases), _given(_failed, phrases)
    return (
        Column(
            header=phrases.COLUMN_ID,
            values=attribute("id"),
            number_format="0",
            width="content",
            least_width=_LONGEST_INTEGER + 2,
        ),
        Column(
            header=phrases.COLUMN_TIMESTAMP,
            values=attribute("created_at"),
            kind="moments",
            number_format=phrases.MOMENT_FORMAT,
            width="content",
        ),
        Column(
            header=phrases.COLUMN_STATUS,
            values=_given(attribute("status"), phrases),
            kind="names",
            width="content",
            highlight=_failed_status(failed),
        ),
        Column(
            header=phrases.COLUMN_DURATION,
            values=_given(attribute("duration"), phrases),
            number_format="#,##0.00",
            width="content",
        ),
        Column(header=phrases.COLUMN_PROCESSED, values=processed, number_format="#,##0"),
        Column(header=phrases.COLUMN_FAILED, values=failed_records, number_format="#,##0"),
        Column(header=phrases.COLUMN_RATE, values=_rates, number_format=phrases.RATE_FORMAT, highlight=_LOW_RATE),
    )


SHEET_COLUMNS = sheet_columns(FailedStatuses())
