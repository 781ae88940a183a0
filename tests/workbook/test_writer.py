"""What was built is opened again, with two readers."""

import gc
import io
import re
import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from openpyxl import Workbook
from openpyxl.utils import get_column_letter
from openpyxl.xml.functions import fromstring

from src.config.settings import DEFAULT_NAME
from src.domain.analysis import FAILED_STATUSES
from src.domain.summary import Summary
from src.domain.window import day_of
from src.errors import WorkbookError
from src.phrases import english as phrases
from src.workbook import data_sheet
from src.workbook.data_sheet import SHEET_COLUMNS, SHEET_ROWS, Styles, sheet_name
from src.workbook.writer import WorkbookWriter

from ..builders import START, build, data_rows, data_rows_again, make_analysis, make_window, opened


def test_the_header_is_the_customers_in_white_bold_on_blue_frozen_and_filterable(tmp_path: Path) -> None:
    """As the task sheet wants it."""
    sheet = opened(build(tmp_path, make_analysis()))["Hourly Report"]

    cells = sheet[1]
    expected = "ID, Timestamp, Status, Duration (s), Records Processed, Records Failed, Success Rate"
    assert expected == ", ".join(str(cell.value) for cell in cells)
    for cell in cells:
        assert (cell.font.bold, cell.font.color.rgb, cell.fill.start_color.rgb) == (True, "00FFFFFF", "004472C4")
        assert cell.alignment.horizontal == "center"
        assert cell.font.name == "Calibri"  # LibreOffice would draw one without a name with serifs
    table = sheet.tables["HourlyReport"]
    assert (sheet.freeze_panes, table.ref, table.autoFilter.ref) == ("A2", "A1:G2", "A1:G2")
    assert sheet.auto_filter.ref is None  # Excel refuses one beside a table's


def test_the_rows_are_a_table_with_bands_whose_columns_are_the_header(tmp_path: Path) -> None:
    """Excel repairs a file whose table says otherwise than its cells."""
    sheet = opened(build(tmp_path, *(make_analysis(id=number) for number in range(5))))["Hourly Report"]

    table = sheet.tables["HourlyReport"]
    assert [column.name for column in table.tableColumns] == [column.header for column in SHEET_COLUMNS]
    assert (table.ref, table.tableStyleInfo.showRowStripes) == ("A1:G6", True)


def test_failed_statuses_and_low_rates_stand_out_by_more_than_their_colour(tmp_path: Path) -> None:
    """Bold and dark on light, for people who don't tell red from green and for paper."""
    sheet = opened(build(tmp_path, make_analysis(), make_analysis()))["Hourly Report"]

    rules = {str(reach.sqref): reach.rules[0] for reach in sheet.conditional_formatting}
    assert {*rules} == {"C2:C3", "G2:G3"}
    assert all(rule.dxf.font.b and rule.dxf.fill.bgColor.rgb for rule in rules.values())
    words = rules["C2:C3"].formula[0].split('"|')[-1].partition('|"')[0]
    assert {*words.split("|")} == {*FAILED_STATUSES}
    assert rules["G2:G3"].formula == ["AND(ISNUMBER($G2),$G2<0.9)"]


def test_the_documents_properties_say_what_it_is_and_its_time_is_the_windows_end(tmp_path: Path) -> None:
    """Made twice, it says the same."""
    for _ in range(2):
        properties = opened(build(tmp_path, make_analysis(), window=make_window(zone="Asia/Tokyo"))).properties
        assert properties.title == "Hourly Report - 2026-11-22 22:00-23:00 UTC+9"
        assert properties.subject == phrases.document_subject(DEFAULT_NAME)
        assert properties.creator == phrases.DOCUMENT_CREATOR
        end = START.replace(tzinfo=None, hour=14)
        assert (properties.created, properties.modified) == (end, end)


def test_dates_counts_and_rates_are_real_ones(tmp_path: Path) -> None:
    """A reader can sort, sum and average."""
    content = build(tmp_path, make_analysis(created_at=START, records_processed=200, records_failed=3))

    cells = opened(content)["Hourly Report"][2]
    assert [START.replace(tzinfo=None), "completed", 1.25, 200, 3, 0.985] == [cell.value for cell in cells][1:]
    assert [cells[1].number_format, cells[6].number_format] == ['yyyy-mm-dd hh:mm:ss "UTC"', phrases.RATE_FORMAT]
    assert [[make_analysis().id, START.replace(tzinfo=None), "completed", 1.25, 200, 3, 0.985]] == data_rows_again(
        content
    )


@pytest.mark.parametrize("text", ["=1+1", "#N/A", "+7", "-1", "@x", "1e5", "TRUE"])
def test_a_text_that_looks_like_a_formula_stays_that_text(tmp_path: Path, text: str) -> None:
    """Nothing of the table is ever computed in a manager's Excel."""
    content = build(tmp_path, make_analysis(id=text, status=text))

    cells = opened(content)["Hourly Report"][2]
    assert [(text, "s")] * 2 == [(cell.value, cell.data_type) for cell in (cells[0], cells[2])]
    assert [text, text] == [data_rows_again(content)[0][place] for place in (0, 2)]


def test_a_number_keeps_every_digit(tmp_path: Path) -> None:
    """Excel has 15 digits; longer ids are written as text."""
    numbers = [7, 10**15 - 1, 10**15, 2**53 + 1, 2**63 - 1]
    content = build(tmp_path, *(make_analysis(id=number) for number in numbers))

    assert numbers == [int(row[0]) for row in data_rows(content)]
    assert [isinstance(row[0], str) for row in data_rows(content)] == [False, False, True, True, True]
    assert numbers == [int(row[0]) for row in data_rows_again(content)]


def test_columns_are_as_wide_as_what_stands_in_them(tmp_path: Path) -> None:
    """No `####` and no cut id, no column as wide as the screen either."""
    row = make_analysis(status="s" * 300)
    sheet = opened(build(tmp_path, row))["Hourly Report"]

    widths = [sheet.column_dimensions[get_column_letter(place)].width for place in range(1, 8)]
    assert widths[0] >= len(str(row.id))
    assert widths[1] > len("2026-11-22 13:00:00 UTC")
    assert widths[2] <= 60
    assert all(width > len(column.header) for width, column in zip(widths, SHEET_COLUMNS, strict=True))


def test_a_number_that_comes_later_fits_into_the_column_of_ids(tmp_path: Path) -> None:
    """Excel shows `####` for a number that doesn't, and cuts off a text."""
    with WorkbookWriter(make_window(), tmp_path) as workbook:
        workbook.add([make_analysis(id=7)])
        workbook.add([make_analysis(id=-(10**15) + 1), make_analysis(id=-(2**63))])
        path = workbook.save(Summary(), table="analyses", generated=START)

    sheet = opened(path.read_bytes())["Hourly Report"]
    assert sheet.column_dimensions["A"].width > max(len(str(cell.value)) for cell in sheet["A"])


@pytest.mark.parametrize("rows", [0, 5])
def test_digits_that_are_text_are_no_mistake_in_any_sheet(tmp_path: Path, rows: int) -> None:
    """Excel marks each with a green triangle unless it is told; the element has its place before those behind it."""
    content = build(tmp_path, *(make_analysis(id=10**15 + number) for number in range(rows)), sheet_rows=3)

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        sheets = [fromstring(archive.read(name)) for name in archive.namelist() if "/worksheets/sheet" in name]
    assert len(sheets) == (3 if rows else 2)
    for sheet in sheets:
        names = [child.tag.partition("}")[2] for child in sheet]
        assert {*names[names.index("ignoredErrors") + 1 :]} <= {"drawing", "tableParts"}
        assert not {"drawing", "tableParts"} & {*names[: names.index("ignoredErrors")]}
        (ignored,) = sheet.findall("{*}ignoredErrors/{*}ignoredError")
        assert ignored.attrib == {"sqref": "A1:XFD1048576", "numberStoredAsText": "1"}


def test_every_sheet_prints_on_the_width_of_a_page_with_its_header_repeated(tmp_path: Path) -> None:
    """Paper is still read in meetings."""
    book = opened(build(tmp_path, make_analysis()))

    for sheet in book:
        assert sheet.sheet_properties.pageSetUpPr.fitToPage
        assert (sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight) == (1, 0)
        assert "2026-11-22 13:00-14:00 UTC" in sheet.oddHeader.left.text
    assert book["Hourly Report"].print_title_rows == "$1:$1"


def test_an_empty_window_is_said_so(tmp_path: Path) -> None:
    """An empty sheet could be a fault; a sentence can't."""
    content = build(tmp_path)

    assert opened(content)["Hourly Report"].tables["HourlyReport"].ref == "A1:G2"  # Excel wants a row in a table
    sentence = phrases.no_analyses(make_window())
    assert data_rows(content)[0][0] == data_rows_again(content)[0][0] == sentence


def test_a_full_sheet_goes_on_behind_the_summary(tmp_path: Path) -> None:
    """Rows beyond Excel's 1,048,576 are not lost; here a sheet takes three."""
    assert SHEET_ROWS == 1_048_576 - 1
    rows = [make_analysis(id=number) for number in range(6)]

    book = opened(content := build(tmp_path, *rows, make_analysis(id=6), sheet_rows=3))

    assert book.sheetnames == ["Hourly Report", "Summary", "Hourly Report (2)", "Hourly Report (3)"]
    sheets = [data_rows(content, name) for name in book.sheetnames if name != "Summary"]
    assert [[row[0] for row in sheet] for sheet in sheets] == [[0, 1, 2], [3, 4, 5], [6]]
    tables = [(table.name, table.ref) for n in book.sheetnames for table in book[n].tables.values()]
    assert tables == [("HourlyReport", "A1:G4"), ("HourlyReport2", "A1:G4"), ("HourlyReport3", "A1:G2")]
    assert all(book[n].freeze_panes == "A2" for n in book.sheetnames if n != "Summary")
    full = opened(build(tmp_path, *rows, sheet_rows=3))
    assert full.sheetnames == ["Hourly Report", "Summary", "Hourly Report (2)"]


def test_no_sheet_has_a_longer_name_than_excel_takes() -> None:
    """31 characters, however many sheets there are."""
    assert max(len(sheet_name(make_window(), number)) for number in (1, 2, 10**9)) <= 31


def test_times_in_the_sheet_are_the_reports_zone_with_its_offset_beside(tmp_path: Path) -> None:
    """Its people read their own clock, in the cell and on paper."""
    window = make_window(zone="Europe/Moscow")
    content = build(tmp_path, make_analysis(created_at=START), window=window)
    sheet = opened(content)["Hourly Report"]

    assert START.replace(tzinfo=None, hour=16) == sheet["B2"].value
    assert data_rows_again(content)[0][1] == sheet["B2"].value
    assert (sheet["B2"].is_date, sheet["B2"].number_format) == (True, 'yyyy-mm-dd hh:mm:ss "UTC+3"')
    assert sheet.oddHeader.left.text == phrases.page_header(window)
    assert "Europe/Moscow (UTC+3)" in sheet.oddHeader.left.text


@pytest.mark.parametrize(
    ("day", "change", "clocks", "offsets"),
    [
        (date(2026, 10, 25), 1, ("02:59:59", "02:00:00"), ("UTC+2", "UTC+1")),
        (date(2026, 3, 29), 1, ("01:59:59", "03:00:00"), ("UTC+1", "UTC+2")),
    ],
)
def test_where_the_clocks_change_the_offset_tells_one_hour_from_the_other(
    tmp_path: Path, day: date, change: int, clocks: tuple[str, str], offsets: tuple[str, str]
) -> None:
    """Two o'clock may come twice; the seconds before and after the change are told apart."""
    window = day_of(day, ZoneInfo("Europe/Berlin"))
    after = datetime(day.year, day.month, day.day, change, tzinfo=UTC)
    rows = [make_analysis(created_at=moment) for moment in (after - timedelta(seconds=1), after)]

    book = opened(build(tmp_path, *rows, window=window))

    cells = [book["Daily Report"][place] for place in ("B2", "B3")]
    assert tuple(f"{cell.value:%H:%M:%S}" for cell in cells) == clocks
    assert [cell.number_format for cell in cells] == [f'yyyy-mm-dd hh:mm:ss "{offset}"' for offset in offsets]
    said = [value for row in book["Summary"].iter_rows(values_only=True) for value in row]
    assert f"Europe/Berlin ({offsets[0]}, then {offsets[1]})" in said


def test_the_file_is_named_by_the_windows_start(tmp_path: Path) -> None:
    """In UTC for an hour, by the local date for a day."""
    day = day_of(START.date(), ZoneInfo("Asia/Tokyo"))
    for window, name, sheet in (
        (make_window(zone="Asia/Tokyo"), "report_20261122_130000.xlsx", "Hourly Report"),
        (day, "report_daily_20261122.xlsx", "Daily Report"),
    ):
        with WorkbookWriter(window, tmp_path) as workbook:
            path = workbook.save(Summary(), table="analyses", generated=START)
        assert name == path.name
        assert sheet == opened(path.read_bytes()).sheetnames[0]


def test_a_file_that_cannot_be_written_is_named_but_not_its_folder(tmp_path: Path) -> None:
    """A run builds in a folder of a random name, and a failure must have the same words every time to be told once."""
    sentence = r"^report_20261122_130000\.xlsx could not be written \(No such file"
    with pytest.raises(WorkbookError, match=sentence) as caught:
        WorkbookWriter(make_window(), tmp_path / "gone")

    assert "REPORT_DIR" in str(caught.value)


def test_the_bytes_are_a_plain_workbook(tmp_path: Path) -> None:
    """pandas, LibreOffice and phones open it without repair: one content type, no macros."""
    names = zipfile.ZipFile(io.BytesIO(build(tmp_path, make_analysis()))).namelist()

    assert {"[Content_Types].xml", "xl/workbook.xml", "xl/styles.xml"} <= {*names}
    assert len(names) == len({*names})


def test_around_the_rows_stands_what_openpyxl_draws(tmp_path: Path) -> None:
    """Byte for byte, in a full sheet and in the last one: both are drawn before their rows are counted."""
    rows = [make_analysis(id=number) for number in range(5)]
    content = build(tmp_path, *rows, sheet_rows=3)

    book, window = Workbook(write_only=True), make_window()
    for number, part in enumerate((rows[:3], rows[3:]), 1):
        sheet = book.create_sheet(sheet_name(window, number))
        if number == 1:
            Styles(sheet, SHEET_COLUMNS)
        data_sheet.begin(sheet, SHEET_COLUMNS, window, part, phrases)
        data_sheet.end(sheet, SHEET_COLUMNS, window, number, len(part), phrases)
    book.save(drawn := io.BytesIO())

    assert [around_rows(content, number) for number in (1, 3)] == [around_rows(drawn.getvalue(), n) for n in (1, 2)]


def around_rows(workbook: bytes, number: int) -> tuple[bytes, bytes]:
    """Return what stands above and below the rows of a sheet, without the errors to ignore, which openpyxl lacks."""
    with zipfile.ZipFile(io.BytesIO(workbook)) as parts:
        sheet = parts.read(f"xl/worksheets/sheet{number}.xml")
    above, _, rest = sheet.partition(b"<sheetData>")
    return above, re.sub(rb"<ignoredErrors>.*</ignoredErrors>", b"", rest.partition(b"</sheetData>")[2])


def test_a_workbook_given_up_in_the_midst_leaves_no_file_open(tmp_path: Path) -> None:
    """A run of many windows goes on after one that failed."""
    before = len(list(Path("/proc/self/fd").iterdir()))

    with WorkbookWriter(make_window(), tmp_path) as workbook:
        workbook.add([make_analysis()])
    gc.collect()

    assert len(list(Path("/proc/self/fd").iterdir())) == before
