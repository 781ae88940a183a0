"""A workbook in another language than English is as whole as one in English."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from src.domain.analysis import TOO_LONG
from src.domain.baseline import Comparison, Counts, Usual
from src.phrases.russian import RUSSIAN
from src.workbook.cells import TEXT_UNITS, breadth
from src.workbook.layout import WIDTHS
from src.workbook.summary_sheet import Assessment

from ..builders import build, make_analysis, opened
from .readers import WINDOW, Table, analyses, assert_same_cells
from .test_readers import READERS

COMPARED = Assessment(comparison=Comparison(before=Counts(analyses=1), usual=Usual(analyses=2)))


@pytest.mark.slow
@pytest.mark.parametrize("read", READERS)
def test_every_reader_finds_every_cell_under_russian_headers(
    tmp_path: Path, read: Callable[[Path, str], Table]
) -> None:
    """In both sheets of rows, and the words of the summary."""
    rows = analyses(300)
    path = tmp_path / "report.xlsx"
    path.write_bytes(build(tmp_path, *rows, window=WINDOW, sheet_rows=200, language="ru"))

    for sheet, part in (("Ежечасный отчёт", rows[:200]), ("Ежечасный отчёт (2)", rows[200:])):
        header, *cells = read(path, sheet)
        assert header[:3] == ["Идентификатор", "Время", "Статус"]
        assert_same_cells(cells, part)
    texts = {str(value) for row in read(path, "Сводка") for value in row}
    assert {"Ежечасный отчёт", "Таблица", RUSSIAN.label(WINDOW), "Анализы", "completed", "Худшие анализы"} <= texts


def test_each_of_the_worst_leads_to_its_row_in_a_russian_sheet(tmp_path: Path) -> None:
    """By the sheet's own name."""
    rows = [make_analysis(id=f"row {number}", records_failed=number) for number in range(12)]
    book = opened(build(tmp_path, *rows, sheet_rows=4, language="ru"))

    links = [(row[5].value, cell.hyperlink) for row in book["Сводка"].iter_rows() for cell in row if cell.hyperlink]
    assert len(links) == 10
    for name, link in links:
        sheet, place = re.fullmatch("'(.*)'!(A[0-9]+)", link.location).groups()  # type: ignore[union-attr]
        assert book[sheet][place].value == name


def test_tables_bear_names_that_excel_takes(tmp_path: Path) -> None:
    """Letters and digits, each once in the book."""
    book = opened(build(tmp_path, *[make_analysis()] * 5, sheet_rows=2, language="ru"))

    names = [name for sheet in book.worksheets for name in sheet.tables]
    assert names == ["ЕжечасныйОтчёт", "ЕжечасныйОтчёт2", "ЕжечасныйОтчёт3"]
    (table,) = book.worksheets[0].tables.values()
    assert table.column_names == [cell.value for cell in book.worksheets[0][1]]


def test_what_stands_in_place_of_a_value_is_russian_too(tmp_path: Path) -> None:
    """One that nobody could read, and the end of one that is too long for a cell."""
    odd = make_analysis(status=TOO_LONG, duration=TOO_LONG, records_processed=TOO_LONG, records_failed=TOO_LONG)
    book = opened(build(tmp_path, odd, make_analysis(id="x" * 40_000), language="ru"))

    first, second = book["Ежечасный отчёт"].iter_rows(min_row=2, values_only=True)
    assert first[2:6] == ("(слишком длинное значение)",) * 4
    assert first[6] is None
    assert second[0].endswith("x… [сокращено]")
    assert len(second[0]) == TEXT_UNITS


def test_headers_have_room_for_their_russian_words(tmp_path: Path) -> None:
    """In the width of their columns, or in lines enough; Cyrillic letters are broader than others."""
    book = opened(build(tmp_path, *analyses(20), language="ru", assessment=COMPARED))
    rows, summary = book.worksheets

    for cell in rows[1]:
        assert rows.column_dimensions[cell.column_letter].width >= breadth(cell.value) + 3
    headers = [row for row in summary.iter_rows() if row[0].fill.start_color.rgb == "004472C4"]
    assert len(headers) == 4
    for row in headers:
        height = summary.row_dimensions[row[0].row].height
        for cell, width in zip(row[: len(WIDTHS)], WIDTHS, strict=True):
            assert breadth(cell.value or "") <= width * (height - 5) / 15, cell.value
    for row in summary.iter_rows():
        if row[0].coordinate in {str(one).partition(":")[0] for one in summary.merged_cells.ranges}:
            lines = summary.row_dimensions[row[0].row].height / 15
            assert breadth(row[0].value) <= lines * sum(WIDTHS)


def test_an_english_summary_is_as_high_as_it_was(tmp_path: Path) -> None:
    """Its headers fit into one line."""
    summary = opened(build(tmp_path, *analyses(20), assessment=COMPARED))["Summary"]

    headers = [row[0].row for row in summary.iter_rows() if row[0].fill.start_color.rgb == "004472C4"]
    assert [summary.row_dimensions[row].height for row in headers] == [20] * 4
