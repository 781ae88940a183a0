"""Programs of all kinds read the same from the file."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from src.config.settings import Language
from src.domain.summary import Summary
from src.domain.window import day_of
from src.phrases.language import phrases_of
from src.workbook.writer import WorkbookWriter

from ..builders import START, build, make_analysis, make_window, opened
from .readers import (
    WINDOW,
    Table,
    analyses,
    assert_same_cells,
    by_calamine,
    by_openpyxl,
    by_pylightxl,
    by_xlsx2csv,
    cells_by_node,
    differences,
    shown_by_sheetjs,
)

ROWS = analyses(300)
IN_THEIR_CELLS = [make_analysis(id="a_xb", status=""), make_analysis(id=" ", status=" \t ")]
"""Rows of texts that are not among the shared ones, of which some readers show nothing."""
READERS = [by_openpyxl, by_calamine, by_xlsx2csv, by_pylightxl]
Reader = Callable[[Path, str], Table]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workbook with two sheets of `ROWS`, for tests that only read it."""
    folder = tmp_path_factory.mktemp("readers")
    path = folder / "report.xlsx"
    path.write_bytes(build(folder, *ROWS, window=WINDOW, sheet_rows=200))
    return path


@pytest.mark.parametrize("read", READERS)
def test_every_reader_finds_every_cell(path: Path, read: Reader) -> None:
    """In both sheets of rows and in the header, whatever kind of text it is."""
    for sheet, part in (("Hourly Report", ROWS[:200]), ("Hourly Report (2)", ROWS[200:])):
        header, *cells = read(path, sheet)
        assert header[:3] == ["ID", "Timestamp", "Status"]
        assert_same_cells(cells, part)


@pytest.mark.parametrize("read", READERS)
def test_every_reader_finds_the_words_of_the_summary(path: Path, read: Reader) -> None:
    """Titles, facts, cards, tables."""
    texts = {str(value) for row in read(path, "Summary") for value in row}

    assert {"Hourly Report", "Table", WINDOW.label(), "Analyses", "completed", "Worst analyses", "Its row"} <= texts


@pytest.mark.slow
def test_libraries_for_node_read_every_cell_of_every_report(tmp_path: Path) -> None:
    """SheetJS shows the row's own second; exceljs and xlsx-populate open what Excel opens."""
    reports = (
        build(tmp_path, *ROWS, *IN_THEIR_CELLS, window=WINDOW, sheet_rows=200),
        build(tmp_path),
        build(tmp_path, make_analysis(), window=day_of(START.date(), ZoneInfo("Europe/Berlin")), language="ru"),
    )
    paths = [tmp_path / f"{place}.xlsx" for place in range(len(reports))]
    for path, content in zip(paths, reports, strict=True):
        path.write_bytes(content)

    for path, found in zip(paths, cells_by_node(*paths), strict=True):
        assert {*found} == {"SheetJS", "exceljs", "xlsx-populate"}
        assert [line for program, cells in found.items() for line in differences(path, program, cells)] == []


@pytest.mark.slow
@pytest.mark.parametrize(("language", "nearly"), [("en", "99.9%"), ("ru", "99,9%")])
def test_a_row_of_which_a_record_failed_is_not_shown_as_whole(language: Language, nearly: str) -> None:
    """However many records it has; what is whole or odd is shown as it is."""
    shown = shown_by_sheetjs(phrases_of(language).RATE_FORMAT, (1, 0.99999, 0.9995, 0.9994, 0.985, 0.0, 1.5))

    assert shown == ["100.0%", nearly, nearly, "99.9%", "98.5%", "0.0%", "150.0%"]


def parts(content: bytes) -> zipfile.ZipFile:
    """Open a file as the zip that it is."""
    return zipfile.ZipFile(io.BytesIO(content))


def test_every_row_and_cell_has_its_address(tmp_path: Path) -> None:
    """Some readers find nothing without, and some programs won't import it."""
    content = build(tmp_path, *analyses(40), sheet_rows=30)

    for name, rows in (("sheet1", 30), ("sheet3", 16)):
        xml = parts(content).read(f"xl/worksheets/{name}.xml").decode()
        cells = [f"{column}{row}" for row in range(1, rows + 2) for column in "ABCDEFG"]
        assert [piece.partition('"')[0] for piece in xml.split('<c r="')[1:]] == cells
        assert [piece.partition('"')[0] for piece in xml.split('<row r="')[1:]] == [str(n + 1) for n in range(rows + 1)]


def local_headers(content: bytes) -> list[tuple[int, int]]:
    """List the version that each part of a zip needs by its local header, and the length of the extra field there."""
    with parts(content) as archive:
        starts = [info.header_offset for info in archive.infolist()]
    return [
        (int.from_bytes(content[at + 4 : at + 6], "little"), int.from_bytes(content[at + 28 : at + 30], "little"))
        for at in starts
    ]


def test_nothing_in_the_file_wants_zip64(tmp_path: Path) -> None:
    """Some readers refuse it, and no part is as large as that."""
    content = build(tmp_path, *analyses(40), sheet_rows=30)

    assert {*local_headers(content)} == {(20, 0)}
    assert b"PK\x06\x06" not in content


def test_a_sheet_that_would_grow_too_large_goes_on_in_the_next(tmp_path: Path) -> None:
    """It would need ZIP64; what leads to its rows still does."""
    rows = [make_analysis(id=f"row {number}", records_failed=number) for number in range(9)]
    summary = Summary()
    summary.add(rows)

    with WorkbookWriter(make_window(), tmp_path, sheet_bytes=1) as workbook:
        for place in range(0, 9, 3):
            workbook.add(rows[place : place + 3])
        book = opened(workbook.save(summary, table="analyses", generated=START).read_bytes())

    names = ["Hourly Report", "Hourly Report (2)", "Hourly Report (3)"]
    assert [[cell.value for cell in book[name]["A"]][1:] for name in names] == [
        [row.id for row in rows[place : place + 3]] for place in range(0, 9, 3)
    ]
    links = [cell.hyperlink.location for row in book["Summary"].iter_rows() for cell in row if cell.hyperlink]
    for link, row in zip(links, reversed(rows), strict=True):
        sheet, _, address = link.partition("!")
        assert book[sheet.strip("'")][address].value == row.id


@pytest.mark.slow
def test_a_hundred_thousand_rows_take_a_good_seven_megabytes_at_most(tmp_path: Path) -> None:
    """A mailbox takes them: with base64 not ten."""
    rows = analyses(100_000)[:100_000]

    with WorkbookWriter(make_window(), tmp_path) as workbook:
        for place in range(0, len(rows), 1000):
            workbook.add(rows[place : place + 1000])
        size = workbook.save(Summary(), table="analyses", generated=START).stat().st_size

    assert size <= 7_300_000
