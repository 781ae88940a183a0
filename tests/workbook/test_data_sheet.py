"""A column is one entry, and everything else follows from it."""

import re
from collections.abc import Sequence
from pathlib import Path

from openpyxl.styles import Font
from openpyxl.styles.differential import DifferentialStyle

from src.domain.analysis import Analysis, FailedStatuses
from src.runtime.visible_text import units
from src.workbook.data_sheet import SHEET_COLUMNS, Column, Highlight, attribute, sheet_columns

from ..builders import build, data_rows, data_rows_again, make_analysis, opened


def minutes(rows: Sequence[Analysis]) -> list[float | None]:
    """Give durations in minutes, as far as they are numbers."""
    return [row.duration / 60 if isinstance(row.duration, int | float) else None for row in rows]


ADDED = Column(
    header="Duration (min)",
    values=minutes,
    number_format="0.000",
    highlight=Highlight(formula="{cell}>5", style=DifferentialStyle(font=Font(italic=True))),
)
BEGAN = Column(header="Began", values=attribute("created_at"), kind="moments", number_format="hh:mm")
COLUMNS = (*SHEET_COLUMNS[:3], ADDED, BEGAN, *SHEET_COLUMNS[3:])


def test_a_column_that_is_added_is_right_in_every_sheet(tmp_path: Path) -> None:
    """Header, values, formats, width, highlight and table, and those of the columns beside it."""
    rows = [make_analysis(duration=number * 60_000_000) for number in range(6)]
    book = opened(content := build(tmp_path, *rows, columns=COLUMNS, sheet_rows=2))

    values: list[object] = []
    for name in ("Hourly Report", "Hourly Report (2)", "Hourly Report (3)"):
        sheet = book[name]
        assert [cell.value for cell in sheet[1]] == [column.header for column in COLUMNS]
        assert [cell.number_format for cell in sheet[3]][2:7] == [
            "General", "0.000", 'hh:mm "UTC"', "#,##0.00", "#,##0"
        ]  # fmt: skip
        assert sheet.column_dimensions["D"].width > len("Duration (min)")
        (table,) = sheet.tables.values()
        assert (table.ref, table.autoFilter.ref) == ("A1:I3", "A1:I3")
        assert [column.name for column in table.tableColumns] == [column.header for column in COLUMNS]
        rules = {str(reach.sqref): reach.rules[0] for reach in sheet.conditional_formatting}
        assert {*rules} == {"C2:C3", "D2:D3", "I2:I3"}
        assert (rules["D2:D3"].formula, rules["D2:D3"].dxf.font.i) == (["$D2>5"], True)
        assert rules["I2:I3"].formula == ["AND(ISNUMBER($I2),$I2<0.9)"]
        values += [row[3] for row in data_rows(content, name)]
        assert [row[4] for row in data_rows(content, name)] == [row[4] for row in data_rows_again(content, name)]
    assert values == [number * 1_000_000 for number in range(6)]
    assert book["Hourly Report (2)"].column_dimensions["D"].width == len("3,000,000.00") + 2 + 4


def test_other_statuses_that_count_as_failed_are_highlighted(tmp_path: Path) -> None:
    """Whatever stands in them, and however many there are: Excel takes texts of up to 255 UTF-16 units."""
    names = ('odd "one"', '"' * 60, "{braces}", *(f"status 🙂{'🙂' * 48} {number}" for number in range(47)))
    sheet = opened(build(tmp_path, make_analysis(), columns=sheet_columns(FailedStatuses(names))))["Hourly Report"]

    (formula,) = next(reach.rules[0] for reach in sheet.conditional_formatting if str(reach.sqref) == "C2").formula
    texts = [text.replace('""', '"') for text in re.findall(r'"((?:[^"]|"")*)"', formula)]
    assert max(units(text.replace('"', '""')) for text in texts) <= 255
    assert units(formula) < 8192
    assert "".join(texts[2:]) == f"|{'|'.join(sorted(names))}|"
    assert formula.startswith('ISNUMBER(FIND("|"&LOWER(TRIM($C2))&"|","|')
