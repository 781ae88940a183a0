"""The sheet "Summary" says what the figures are, in words and numbers that a manager reads on a phone."""

import io
import re
import zipfile
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from python_calamine import CalamineWorkbook

from src.config.settings import Language
from src.domain.analysis import FAILED_STATUSES
from src.domain.baseline import Comparison, Counts, Deviation, DeviationKind, Usual
from src.domain.quantiles import EXACT
from src.domain.summary import Summary
from src.domain.window import day_of
from src.phrases import english as phrases
from src.phrases.formats import number, rate, seconds, shown
from src.phrases.language import phrases_of
from src.runtime.visible_text import units
from src.workbook.layout import TEXT_SHOWN
from src.workbook.summary_sheet import ANALYSES_COLOUR, FAILED_COLOUR, STATUSES_SHOWN, Assessment

from ..builders import START, build, figures_of, make_analysis, make_window, opened

REMARK = "12 rows have come late for 2026-11-22 12:00-13:00 UTC, after its report was sent."


def lines_of(content: bytes) -> list[list[Any]]:
    """Read the rows of the sheet, without empty cells."""
    rows = opened(content).worksheets[1].iter_rows(values_only=True)
    return [[value for value in row if value is not None] for row in rows]


def cards(content: bytes) -> dict[str, Any]:
    """Read the cards: a label above, its value below, as its number and as it is shown."""
    rows = [[cell for cell in row if cell.value is not None] for row in opened(content)["Summary"].iter_rows()]
    rows = [row for row in rows if row]
    first = next(place for place, row in enumerate(rows) if len(row) == 4 and row[0].value == "Analyses")
    pairs = zip(rows[first : first + 4 : 2], rows[first + 1 : first + 4 : 2], strict=True)
    return {one.value: two for labels, values in pairs for one, two in zip(labels, values, strict=True)}


def seen(cell: Any) -> str:
    """Return what a cell shows whose format is a text."""
    shown_text, again = re.fullmatch('"(.*)";"(.*)"', cell.number_format).groups()  # type: ignore[union-attr]
    assert shown_text == again
    return str(shown_text)


def colours(cell: Any) -> tuple[bool, str]:
    """Return whether a cell is bold, and the colour behind it."""
    return cell.font.b, cell.fill.start_color.rgb[2:] if cell.fill.patternType else ""


MARKED = (True, "F8CBAD")


def table_below(content: bytes, header: Sequence[str]) -> list[list[Any]]:
    """Read the rows of a table, as far as they are as long as its header or lack only its end."""
    rows = lines_of(content)
    first = rows.index([*header]) + 1
    end = next((place for place in range(first, len(rows)) if len(rows[place]) < 2), len(rows))
    return rows[first:end]


def part(content: bytes, name: str) -> str:
    """Read one part of the file."""
    return zipfile.ZipFile(io.BytesIO(content)).read(name).decode()


def test_it_is_second_and_begins_with_window_and_headline_and_ends_with_where_it_comes_from(tmp_path: Path) -> None:
    """Who opens it a week later knows what it is; the file opens on the rows."""
    window = make_window(zone="Asia/Kolkata")
    content = build(tmp_path, make_analysis(), window=window, table="runs")
    summary = Summary()
    summary.add([make_analysis()])

    assert opened(content).sheetnames == ["Hourly Report", "Summary"]
    assert opened(content).active.title == "Hourly Report"
    headline = phrases.headline(summary, Comparison(), is_normal=False)
    assert lines_of(content)[:3] == [["Hourly Report"], [window.label()], [headline]]
    (last,) = opened(content)["Summary"].row_breaks.brk
    assert lines_of(content)[last.id - 3 : last.id] == [
        ["Generated", "2026-11-22 19:30:35 UTC+5:30"],
        ["Table", "runs"],
        ["Times in", "Asia/Kolkata (UTC+5:30)"],
    ]


def test_the_cards_have_every_figure_as_a_number(tmp_path: Path) -> None:
    """Shown in the words of the messages, and each once."""
    rows = [
        make_analysis(duration=1),
        make_analysis(duration=2),
        make_analysis(status="failed", records_failed=100, duration=3),
        make_analysis(status=None, duration=10),
    ]
    found = cards(build(tmp_path, *rows))
    assert {label: cell.value for label, cell in found.items()} == {
        "Analyses": 4,
        "Failed": 1,
        "Records succeeded": pytest.approx(691 / 800),
        "Records processed": 800,
        "Records failed": 109,
        "Longest duration": 10,
        "Median duration": 2.5,
        phrases.P95: pytest.approx(8.95),
    }
    assert seen(found["Records succeeded"]) == rate(691 / 800)
    durations = [seen(found[label]) for label in ("Longest duration", "Median duration", phrases.P95)]
    assert durations == [*map(seconds, (10, 2.5, 8.95))]


def test_a_share_is_never_rounded_to_a_whole_one(tmp_path: Path) -> None:
    """Neither in a card nor among the statuses; the rows have a format for it, which the readers' tests look at."""
    rows = [make_analysis(records_processed=10_000, records_failed=0)] * 1100
    content = build(tmp_path, *rows, make_analysis(status="failed", records_failed=1))

    assert seen(cards(content)["Records succeeded"]) == rate(0.9999)
    shares = [row[2] for row in opened(content)["Summary"].iter_rows() if row[0].value in ("completed", "failed")]
    assert [seen(cell) for cell in shares] == [rate(0.9999), rate(0.0001)]
    whole = cards(build(tmp_path, rows[0]))["Records succeeded"]
    assert (whole.value, seen(whole)) == (1, rate(1.0))


def test_a_sum_that_no_number_of_excel_holds_has_its_separators(tmp_path: Path) -> None:
    """As text, digit for digit."""
    found = cards(build(tmp_path, make_analysis(records_processed=2**60, records_failed=7)))

    assert found["Records processed"].value == number(2**60)
    assert found["Records failed"].value == 7


@pytest.mark.parametrize(("language", "name"), [("en", "(no status)"), ("ru", "(без статуса)")])
def test_a_status_of_blanks_has_a_name(tmp_path: Path, language: Language, name: str) -> None:
    """It counts with the analyses that have none."""
    rows = [make_analysis(status=status) for status in (" ", "\u00a0\t", None, "", "x")]

    lines = lines_of(build(tmp_path, *rows, language=language))

    assert [line[:2] for line in lines if line[:1] == [name]] == [[name, 4]]
    assert phrases_of(language).status("\u00a0 ") == name


def test_a_figure_that_is_not_there_is_a_dash(tmp_path: Path) -> None:
    """No rate without records, no median without durations."""
    found = cards(build(tmp_path, make_analysis(duration=None, records_failed=None)))

    assert [found[name].value for name in ("Records succeeded", "Median duration", "Longest duration")] == [
        "-",
        "-",
        "-",
    ]


def test_statuses_beyond_those_there_is_room_for_are_counted_together(tmp_path: Path) -> None:
    """The sum stays right, and those that count as failed are marked by word, weight and colour."""
    rows = [make_analysis(status=f"{number:02}") for number in range(20)]
    content = build(tmp_path, *rows, make_analysis(status="Failed"), make_analysis(status="Failed"))

    table = table_below(content, ["Status", "Analyses", "Share", "Counts as"])
    assert len(table) == STATUSES_SHOWN
    assert table[0] == ["Failed", 2, pytest.approx(2 / 22), "failed"]
    assert table[-1][:2] == [f"{21 - STATUSES_SHOWN + 1} other statuses", 21 - STATUSES_SHOWN + 1]
    marked = [row[0].value for row in opened(content)["Summary"].iter_rows(max_col=4) if colours(row[0]) == MARKED]
    assert marked == ["Failed"]


@pytest.mark.parametrize("sheet_rows", [100, 4, 1])
def test_each_of_the_worst_leads_to_its_row_in_whatever_sheet_it_is(tmp_path: Path, sheet_rows: int) -> None:
    """One touch from the summary to the row."""
    rows = [make_analysis(id=f"row {number}", records_failed=number * 7 % 13) for number in range(12)]
    book = opened(content := build(tmp_path, *rows, sheet_rows=sheet_rows))

    table = table_below(content, ["Its row", "Status", "Records failed", "Duration", "ID"])
    failed = sorted((number * 7 % 13 for number in range(12)), reverse=True)[:10]
    assert [row[2] for row in table] == [phrases.part(str(one), "200") for one in failed]
    links = [cell.hyperlink for (cell,) in book["Summary"].iter_rows(max_col=1) if cell.hyperlink]
    assert len(links) == 10
    for row, link in zip(table, links, strict=True):
        sheet, place = re.fullmatch("'(.*)'!(A[0-9]+)", link.location).groups()  # type: ignore[union-attr]
        assert book[sheet][place].value == row[4]
        assert (row[0], link.id) == ("13:05:00 UTC", None)


def test_anomalies_and_late_rows_are_told_and_nothing_is_said_without_them(tmp_path: Path) -> None:
    """Counted, in words; what merely lacks figures is one of the notes and not odd."""
    odd = [make_analysis(records_failed=300), make_analysis(duration=None), make_analysis(duration=-1)]
    lines = lines_of(build(tmp_path, *odd, assessment=Assessment(remarks=[REMARK])))
    summary = Summary()
    summary.add(odd)

    assert len(summary.anomalies()) == len(odd)
    said = [phrases.anomaly(one) for one in summary.anomalies() if one.kind != "missing"]
    assert [[one] in lines for one in said] == [True] * 2
    (lacking,) = [phrases.unfigured(one) for one in summary.anomalies() if one.kind == "missing"]
    assert lines.index(["Odd data"]) < lines.index([said[0]]) < lines.index([REMARK]) < lines.index([lacking])
    plain = lines_of(build(tmp_path, make_analysis()))
    assert [line for line in plain if line in (["Odd data"], ["Other windows"])] == []


def test_analyses_that_have_not_ended_are_told_apart_from_what_is_odd(tmp_path: Path) -> None:
    """In the words of the messages."""
    rows = [*(make_analysis(status="running", duration=None) for _ in range(3)), make_analysis(duration=-1)]
    lines = lines_of(build(tmp_path, *rows))
    summary = Summary()
    summary.add(rows)

    assert lines.index(["Odd data"]) + 2 < lines.index([phrases.unfinished(summary.unfinished)])


def test_an_empty_window_is_said_so_and_late_rows_are_told_all_the_same(tmp_path: Path) -> None:
    """Neither cards of zeros nor an empty chart."""
    content = build(tmp_path, assessment=Assessment(remarks=[REMARK]))

    assert [phrases.NO_ANALYSES] in lines_of(content)
    assert [REMARK] in lines_of(content)
    assert not [name for name in zipfile.ZipFile(io.BytesIO(content)).namelist() if "chart" in name]


@pytest.mark.slow
def test_quantiles_that_are_not_exact_say_so(tmp_path: Path) -> None:
    """A figure that may be off by a hundredth is not passed off as exact."""
    summary = Summary()
    summary.add([make_analysis()])
    summary.durations.add([1.0] * EXACT)
    sentence = [phrases.approximate_quantiles()]
    with_many = [make_analysis()] * (EXACT + 1)

    assert sentence in lines_of(build(tmp_path, *with_many))
    assert sentence not in lines_of(build(tmp_path, *with_many[:10]))


def test_the_chart_shows_analyses_and_failures_with_its_axes_named(tmp_path: Path) -> None:
    """Native, drawn from the cells of the table below; Excel hides axes that don't say they are there."""
    rows = [make_analysis(status=status) for status in ("completed", "failed", "failed")]
    content = build(tmp_path, *rows)

    table = table_below(content, ["From", "Analyses", "Failed analyses"])
    assert [row[0] for row in table] == [f"13:{minute:02}" for minute in range(0, 60, 5)]
    assert table[:3] == [["13:00", 0, 0], ["13:05", 3, 2], ["13:10", 0, 0]]
    chart = part(content, "xl/charts/chart1.xml")
    said = re.findall("<a:t>(.*?)</a:t>", chart)
    assert said == [phrases.chart_title(make_window()), "From (UTC)", "Analyses"]
    assert re.findall('srgbClr val="(.*?)"', chart)[1::2] == [ANALYSES_COLOUR, FAILED_COLOUR]
    assert re.findall('<(?:c:)?delete val="(.)"', chart) == ["0", "0"]
    place = next(cell.row for (cell,) in opened(content)["Summary"].iter_rows(max_col=1) if cell.value == "From")
    reaches = re.findall(r"<(?:c:)?f>'Summary'!(.*?)</", chart)
    columns = {f"{column}{place + 1}:{column}{place + 12}" for column in "ABC"}
    assert {reach.replace("$", "") for reach in reaches} == {f"B{place}", f"C{place}"} | columns


def test_the_chart_has_a_text_for_who_cannot_see_it(tmp_path: Path) -> None:
    """A screen reader reads it out."""
    rows = [make_analysis(status=status) for status in ("completed", "failed")]
    drawing = part(build(tmp_path, *rows), "xl/drawings/drawing1.xml")
    summary = Summary()
    summary.add(rows)
    described = phrases.chart_description(make_window(), summary, summary.buckets(make_window())[1], "13:05")

    assert f'descr="{described}"' in drawing
    assert make_window().label() in described
    assert figures_of(described)[-4:] == ["2", "1", "2", "13:05"]


def points(sheet: Any, rows: range) -> float:
    """Return how high rows of a sheet are together."""
    return sum(sheet.row_dimensions[row].height or 15 for row in rows)


def test_the_chart_is_on_a_laptops_first_screen_and_covers_empty_cells_only(tmp_path: Path) -> None:
    """Beside the figures, in the columns whose first texts stand below it, however little stands above them."""
    content = build(tmp_path, make_analysis())
    sheet, drawing = opened(content)["Summary"], part(content, "xl/drawings/drawing1.xml")

    assert re.findall("<xdr:(?:row|col)>(.*?)</xdr:", drawing) == ["5", "1"]
    ((width, height),) = re.findall('<xdr:ext cx="(.*?)" cy="(.*?)"', drawing)
    columns = [column for one in sheet.column_dimensions.values() for column in range(one.min, one.max + 1)]
    left = sum(sheet.column_dimensions[column].width * 7 + 5 for column in "ABCDE")
    assert max(columns) == 12
    assert left + int(width) / 9525 <= 1280
    assert int(height) / 9525 + 40 <= 450
    first = next(row[0].row for row in sheet.iter_rows(min_col=5) if any(cell.value for cell in row))
    assert points(sheet, range(2, first)) > int(height) / 12_700


def test_everything_but_the_table_of_buckets_is_on_one_page(tmp_path: Path) -> None:
    """Of A4, as small as its width wants it; the table is on the next one, whole."""
    rows = [
        make_analysis(id=f"{number:08}-5f0a-4c5e-9a52-0f3d3c8a1b11", status=f"status {number % 20}", records_failed=9)
        for number in range(200)
    ]
    found = [Deviation(kind="many", value=200, usual=20), Deviation(kind="failed", value=0.5, usual=0.1)]
    compared = Comparison(before=Counts(analyses=3, failed=0), usual=Usual(analyses=20, failed=2))
    assessment = Assessment(comparison=compared, deviations=found, remarks=[REMARK] * 3)
    content = build(tmp_path, *rows, assessment=assessment)
    sheet = opened(content)["Summary"]

    (last,) = sheet.row_breaks.brk
    width = sum((17, 3)) + sum(sheet.column_dimensions[column].width * 7 + 5 for column in "ABCD") + 7 * 61
    scale = (8.27 - sheet.page_margins.left - sheet.page_margins.right) * 96 / width
    room = (11.69 - sheet.page_margins.top - sheet.page_margins.bottom) * 72 / scale
    assert 0.7 < scale < 1
    assert points(sheet, range(1, last.id + 1)) < room
    assert sheet.cell(last.id + 2, 1).value == phrases.buckets_heading(make_window())
    assert points(sheet, range(last.id + 1, sheet.max_row + 1)) < room


@pytest.mark.parametrize(
    ("day", "hours", "two"), [(date(2026, 10, 25), 25, ["UTC+2", "UTC+1"]), (date(2026, 3, 29), 23, [])]
)
def test_a_day_is_charted_by_its_hours_also_where_the_clocks_change(
    tmp_path: Path, day: date, hours: int, two: list[str]
) -> None:
    """The hour that comes twice is there twice, told apart by its offset; the one that is left out is not."""
    window = day_of(day, ZoneInfo("Europe/Berlin"))
    content = build(tmp_path, make_analysis(created_at=window.start), window=window)

    names = [row[0] for row in table_below(content, ["From", "Analyses", "Failed analyses"])]
    assert len(names) == hours
    assert [name for name in names if name.startswith("02:00")] == [f"02:00 {offset}" for offset in two]
    assert names[-1] == f"23:00 {'UTC+1' if hours == 25 else 'UTC+2'}"


def test_half_an_hour_of_change_within_one_hour_is_told_too(tmp_path: Path) -> None:
    """Lord Howe Island shifts by half an hour, half past an hour of UTC."""
    start = datetime(2026, 4, 4, 14, 30, tzinfo=UTC)
    window = make_window(start, "Australia/Lord_Howe")
    content = build(tmp_path, make_analysis(created_at=start + timedelta(minutes=40)), window=window)

    assert ["Times in", "Australia/Lord_Howe (UTC+11, then UTC+10:30)"] in lines_of(content)
    names = [row[0] for row in table_below(content, ["From", "Analyses", "Failed analyses"])]
    assert (names[5], names[6]) == ("01:55 UTC+11", "01:30 UTC+10:30")


@pytest.mark.parametrize(
    "text",
    ["=1+1", "#N/A", "+7", "@x", "a\x00b\ud83d", "_x000D_", "🙂" * 9000, "<&>\"'", "line\r\nbreak", "x" * 40_000],
)
def test_hostile_text_stays_text_and_short_wherever_it_is_shown(tmp_path: Path, text: str) -> None:
    """Status, id, table and remark: nothing is computed, nothing breaks the file, two readers agree."""
    row = make_analysis(id=text, status=text, duration=text, records_failed=text)
    content = build(tmp_path, row, table=text, assessment=Assessment(remarks=[text]))

    cells = [cell for row in opened(content)["Summary"].iter_rows() for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} == {"s", "n"}
    again = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_name("Summary").to_python()
    found = [value for row in again for value in row if value == shown(text, TEXT_SHOWN)]
    assert len(found) >= 4
    assert units(str(found[0])) <= TEXT_SHOWN


def test_no_row_is_higher_than_excel_takes(tmp_path: Path) -> None:
    """409 points, whatever stands in it."""
    row = make_analysis(id="x" * 900, status="🙂" * 900)
    sheet = opened(build(tmp_path, row, table="x" * 900, assessment=Assessment(remarks=["word " * 4000])))["Summary"]

    assert max(one.height for one in sheet.row_dimensions.values() if one.height) <= 409


def test_columns_are_narrow_and_print_upright(tmp_path: Path) -> None:
    """A phone shows them side by side; nothing of an ordinary figure is cut off."""
    sheet = opened(build(tmp_path, make_analysis(created_at=START, records_processed=1_234_567_890)))["Summary"]

    widths = [sheet.column_dimensions[column].width for column in "ABCD"]
    assert sum(widths) <= 70
    assert min(widths) > len("1,234,567,890")
    assert sheet.page_setup.orientation == "portrait"
    assert sheet.sheet_view.showGridLines is False


def test_counts_stand_beside_those_before_and_the_usual_ones(tmp_path: Path) -> None:
    """Above the figures, rounded as in the message; what isn't known is a dash, and what is unusual is marked."""
    comparison = Comparison(before=Counts(analyses=3), usual=Usual(analyses=2400.5, failed=12))
    found = [Deviation(kind="few", value=2, usual=2400.5)]
    rows = (make_analysis(), make_analysis(status="failed"))
    content = build(tmp_path, *rows, assessment=Assessment(comparison=comparison, deviations=found))

    this, before = phrases.this(make_window()), phrases.the_one_before(make_window())
    assert table_below(content, ["Compared", this, before, "Usual"]) == [
        ["Analyses", 2, 3, 2400],
        ["Failed", 1, "-", 12],
        ["Failed share", 0.5, "-", pytest.approx(12 / 2400.5)],
    ]
    lines = lines_of(content)
    assert lines.index([phrases.warned(phrases.warning(found[0]))]) < lines.index(["Analyses", 2, 3, 2400])
    assert lines.index(["Failed", 1, "-", 12]) < lines.index(["Statuses"])
    assert lines.index(["Statuses"]) < lines.index([shown(phrases.what_is_usual(make_window(), comparison), 500)])
    assert not [line for line in lines_of(build(tmp_path, *rows)) if line[:1] == ["Compared"]]


@pytest.mark.parametrize(
    ("kind", "addresses"),
    [
        ("few", ["B6"]),
        ("many", ["B6"]),
        ("failed", ["B7", "B8"]),
        ("low_success", ["A10", "A11"]),
        ("slow", ["B13", "B14"]),
    ],
)
def test_what_is_unusual_is_marked_in_its_cell(tmp_path: Path, kind: DeviationKind, addresses: list[str]) -> None:
    """By colour, and the figure by its weight too: in the comparison, or on its card."""
    comparison = Comparison(before=Counts(analyses=3, failed=0), usual=Usual(analyses=2, failed=1))
    assessment = Assessment(comparison=comparison, deviations=[Deviation(kind=kind, value=1)])
    sheet = opened(build(tmp_path, make_analysis(), assessment=assessment))["Summary"]

    filled = [cell for row in sheet.iter_rows(max_col=4) for cell in row if colours(cell)[1] == MARKED[1]]
    assert [cell.coordinate for cell in filled] == addresses
    assert colours(filled[-1]) == MARKED
    names = {"few": "Analyses", "many": "Analyses", "failed": "Failed share"}
    assert names.get(kind) in (None, sheet.cell(filled[-1].row, 1).value)
    assert filled[0].value in (1, 0, phrases.SUCCESS_RATE, phrases.P95)


def test_an_empty_window_is_compared_too(tmp_path: Path) -> None:
    """There it matters most."""
    comparison = Comparison(before=Counts(analyses=3, failed=0), usual=Usual(analyses=2400))
    found = [Deviation(kind="empty", value=0, usual=2400)]
    content = build(tmp_path, assessment=Assessment(comparison=comparison, deviations=found))

    assert [phrases.warned(phrases.warning(found[0]))] in lines_of(content)
    assert ["Analyses", 0, 3, 2400] in lines_of(content)


def test_the_shares_bars_are_as_long_as_the_shares(tmp_path: Path) -> None:
    """Excel draws nothing shorter than a tenth unless it is told to."""
    sheet = opened(build(tmp_path, *[make_analysis()] * 3, make_analysis(status="failed")))["Summary"]

    ((reach, rule),) = [(reach, reach.rules[0]) for reach in sheet.conditional_formatting]
    assert (rule.dataBar.minLength, rule.dataBar.maxLength) == (0, 100)
    assert [(end.type, end.val) for end in rule.dataBar.cfvo] == [("num", 0), ("num", 1)]
    assert [seen(cell) for (cell,) in sheet[str(reach.sqref)]] == [rate(0.75), rate(0.25)]


def test_the_statuses_that_count_as_failed_are_named(tmp_path: Path) -> None:
    """They can be chosen, so that a reader has to be told."""
    lines = lines_of(build(tmp_path, make_analysis()))

    sentence = phrases.failed_statuses(FAILED_STATUSES)
    assert [name for name in FAILED_STATUSES if name not in sentence] == []
    assert [sentence] in lines


def test_another_name_stands_in_title_and_properties(tmp_path: Path) -> None:
    """The default one moves nothing."""
    content = build(tmp_path, make_analysis(), name="Staging")

    assert lines_of(content)[0] == ["Hourly Report · Staging"]
    assert opened(content).properties.subject == "Staging analyses"
    assert opened(content).sheetnames == ["Hourly Report", "Summary"]
