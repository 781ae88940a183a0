"""Rows that this program writes itself are the cells that openpyxl would have written."""

import io
import math
import re
import tracemalloc
import zipfile
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from openpyxl.cell import Cell
from python_calamine import CalamineWorkbook

from src.domain.analysis import Analysis, success_rates
from src.phrases import english
from src.workbook.archive import SharedStrings
from src.workbook.cells import put
from src.workbook.data_sheet import SHEET_COLUMNS, Styles
from src.workbook.row_xml import RowWriter

from ..builders import START, build, data_rows, make_analysis, make_window, opened
from ..test_hostile import NASTY

TEXT = st.text(st.characters(codec=None), max_size=40) | st.sampled_from(NASTY)
FIGURE = (
    st.none()
    | st.integers(-(10**20), 10**20)
    | st.floats(-1e90, 1e90, allow_nan=False)
    | TEXT.filter(lambda text: not text.strip().lstrip("-").isdecimal())
)
MOMENT = st.integers(0, 3_599_999_999).map(lambda microseconds: START + timedelta(microseconds=microseconds))
ROW = st.builds(
    Analysis,
    id=st.integers(-(2**63), 2**63) | TEXT.filter(bool),
    created_at=MOMENT,
    status=st.none() | TEXT,
    duration=FIGURE,
    records_processed=FIGURE,
    records_failed=FIGURE,
)


def by_openpyxl(rows: list[Analysis], shift: timedelta) -> bytes:
    """Write the same values by openpyxl alone."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for number, row in enumerate(rows, 2):
        moment = (row.created_at + shift).replace(tzinfo=None, microsecond=0)
        (rate,) = success_rates([row.records_processed], [row.records_failed])
        rate = rate if rate is not None and math.isfinite(rate) else None
        figures = (row.duration, row.records_processed, row.records_failed, rate)
        for column, value in enumerate((row.id, moment, row.status, *figures), 1):
            into = sheet.cell(number, column)
            assert isinstance(into, Cell)
            put(into, value)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def alike(one: Any, other: Any) -> bool:
    """Tell whether two cells hold the same: numbers to the 15 digits that Excel keeps, moments to two ms.

    A text of nothing but blanks may be read as nothing: python-calamine does so where openpyxl has put it among the
    shared texts. (That ours keep theirs is for test_hostile, which compares with the table.)
    """
    if isinstance(one, datetime) and isinstance(other, datetime):
        return abs(one - other) < timedelta(milliseconds=2)
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-14)
    both = ["" if value is None or (isinstance(value, str) and not value.strip()) else value for value in (one, other)]
    return bool(both[0] == both[1])


@pytest.mark.slow
@settings(
    max_examples=20, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(ROW, min_size=1, max_size=6), zone=st.sampled_from([("UTC", 0), ("Asia/Kolkata", 330)]))
def test_two_readers_find_what_openpyxl_would_have_written(
    tmp_path: Path, rows: list[Analysis], zone: tuple[str, int]
) -> None:
    """Value for value and type for type, whatever the table holds."""
    shift = timedelta(minutes=zone[1])
    content = build(tmp_path, *rows, window=make_window(zone=zone[0]))
    reference = by_openpyxl(rows, shift)

    ours = opened(content).worksheets[0].iter_rows(min_row=2, max_col=7)
    theirs = opened(reference).worksheets[0].iter_rows(min_row=2, max_col=7)
    for mine, others in zip(ours, theirs, strict=True):
        for cell, other in zip(mine, others, strict=True):
            assert alike(cell.value, other.value), (cell.value, other.value)
            # Text in line or shared is text; an empty one is read back as nothing by some.
            kinds = [one.data_type.replace("inlineStr", "s") for one in (cell, other)]
            assert not cell.value or kinds[0] == kinds[1]
    mine_again, theirs_again = (
        CalamineWorkbook.from_filelike(io.BytesIO(book)).get_sheet_by_index(0).to_python(skip_empty_area=False)
        for book in (content, reference)
    )
    for row, other_row in zip(mine_again[1:], theirs_again[-len(rows) :], strict=True):
        padded = [*other_row, *[""] * (7 - len(other_row))]
        assert all(alike(one, two) for one, two in zip(row, padded, strict=True)), (row, padded)


def test_each_column_keeps_its_format_in_every_row(tmp_path: Path) -> None:
    """Figures with their digits, the moment with its zone, the rate as a share."""
    rows = [
        Analysis(
            id=number,
            created_at=START + timedelta(seconds=number),
            status="completed",
            duration=1.5,
            records_processed=1000,
            records_failed=1,
        )
        for number in range(3)
    ]
    sheet = opened(build(tmp_path, *rows, window=make_window(zone="Europe/Moscow"))).worksheets[0]

    formats = {tuple(cell.number_format for cell in row) for row in sheet.iter_rows(min_row=2)}
    (only,) = formats
    assert only[1] == 'yyyy-mm-dd hh:mm:ss "UTC+3"'
    assert only[6] == english.RATE_FORMAT


def test_every_moment_is_written_as_its_full_second(tmp_path: Path) -> None:
    """Programs that round and programs that cut off show the row's own second, each of an hour."""
    rows = [make_analysis(created_at=START + timedelta(seconds=second, microseconds=999_999)) for second in range(3600)]

    with zipfile.ZipFile(io.BytesIO(build(tmp_path, *rows))) as archive:
        xml = archive.read("xl/worksheets/sheet1.xml").decode()

    first = (START - datetime(1899, 12, 30, tzinfo=UTC)) / timedelta(seconds=1)
    serials = [float(cell) for cell in re.findall(r'<c r="B\d+" s="\d+"><v>([^<]*)</v>', xml)]
    assert max(abs(serial * 86_400 - first - second) for second, serial in enumerate(serials)) < 1e-6
    assert len(serials) == 3600


def test_a_line_break_in_an_id_stays_in_its_cell(tmp_path: Path) -> None:
    """Ids are written many at once, a line each."""
    rows = [make_analysis(id="a\nb"), make_analysis(id="c")]

    assert [row[0] for row in data_rows(build(tmp_path, *rows))] == ["a\nb", "c"]


def test_a_rate_that_no_number_can_hold_is_blank(tmp_path: Path) -> None:
    """Excel takes no infinity."""
    rows = [make_analysis(records_processed=5e-324, records_failed=9e99), make_analysis()]

    assert [row[6] for row in data_rows(build(tmp_path, *rows))] == [None, 0.985]


@pytest.mark.parametrize("number", [10**15, -(10**15)])
def test_a_number_of_sixteen_digits_is_text_among_others_too(tmp_path: Path, number: int) -> None:
    """Excel keeps fifteen."""
    rows = [make_analysis(records_processed=one) for one in (1, number, 10**15 - 1)]

    assert [row[4] for row in data_rows(build(tmp_path, *rows))] == [1, str(number), 10**15 - 1]


def test_clocks_that_change_at_half_past_are_followed(tmp_path: Path) -> None:
    """In Adelaide, at 16:30 UTC, in the midst of an hour and of a page."""
    start = datetime(2026, 10, 3, 16, tzinfo=UTC)
    rows = [make_analysis(created_at=start + timedelta(minutes=minutes)) for minutes in (29, 31)]

    found = data_rows(build(tmp_path, *rows, window=make_window(start, "Australia/Adelaide")))

    assert [f"{row[1]}" for row in found] == ["2026-10-04 01:59:00", "2026-10-04 03:01:00"]


@pytest.mark.slow
def test_statuses_beyond_number_are_not_all_kept() -> None:
    """Memory stays flat whatever the table holds."""
    styles = Styles(Workbook(write_only=True).create_sheet(), SHEET_COLUMNS)
    rows = [make_analysis(id=f"id {number}", status=f"status {number}") for number in range(40_000)]
    with closing(SharedStrings()) as strings:
        writer = RowWriter(SHEET_COLUMNS, styles, strings, UTC)
        writer.xml(rows[:20_000], 2)
        tracemalloc.start()
        writer.xml(rows[20_000:20_100], 2)
        before, _ = tracemalloc.get_traced_memory()
        for place in range(20_100, 40_000, 100):
            writer.xml(rows[place : place + 100], 2)
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert after - before < 100_000
