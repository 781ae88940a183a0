"""Kinds of hours, and all that recipients get of one: what the golden files show and what is looked through."""

import io
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

from msgspec import Struct

from src.config.settings import DEFAULT_NAME, Language
from src.domain.analysis import TOO_LONG, Analysis, FailedStatuses
from src.domain.baseline import Comparison, Counts, Thresholds, Usual, deviations
from src.domain.delivery import Attachment
from src.domain.quantiles import EXACT
from src.domain.summary import Summary
from src.domain.window import Window, day_of, to_compare_with, until
from src.message.caption import render_unusual
from src.message.content import describe
from src.phrases.language import phrases_of
from src.workbook.data_sheet import sheet_columns
from src.workbook.summary_sheet import Assessment
from src.workbook.writer import WorkbookWriter

from ..builders import START, make_analysis, make_window, opened
from ..message.forms import Forms, all_forms

ROWS_WRITTEN = 100
"""Of many rows, the first ones stand in the workbook for all."""
MOSCOW = ZoneInfo("Europe/Moscow")
ATTACHED = Attachment(name="report_20261122_130000.xlsx", size=1_234_567)
LINKED = Attachment(
    name=ATTACHED.name,
    size=31_000_000,
    link="https://abc.supabase.co/storage/v1/object/sign/reports/report.xlsx?token=eyJ",
    until=datetime(2026, 11, 25, 14, tzinfo=UTC),
)


class Hour(Struct, frozen=True, kw_only=True):
    """One hour, or day: its rows and all else that its report is about.

    `lost`: its workbook can't be sent. `uncounted` is why earlier weeks could not be counted; what is
    usual will be known `known_from`.
    """

    rows: Sequence[Analysis]
    window: Window
    before: Counts = Counts()
    usual: Usual | None = None
    thresholds: Thresholds = Thresholds()
    late: bool = False
    late_rows: int = 0
    failed_since: int = 0
    attachment: Attachment = ATTACHED
    lost: bool = False
    name: str = DEFAULT_NAME
    uncounted: str = ""
    known_from: datetime | None = None


class Got(Struct, frozen=True, kw_only=True):
    """What recipients get of an hour: its messages, the one about an unusual hour, and the bytes of its workbook."""

    forms: Forms
    unusual: str
    workbook: bytes


def spread(count: int, *, failed: int = 0, window: Window | None = None) -> list[Analysis]:
    """Make analyses over a whole hour, of which some failed in its last quarter."""
    start = (window or make_window()).start
    step = timedelta(hours=1) / max(count, 1)
    return [
        make_analysis(
            id=f"{number:08x}-5f0a-4c5e-9a52-0f3d3c8a1b11",
            created_at=start + number * step,
            status="failed" if number >= count - failed else "completed",
            duration=0.5 + number % 40 * 5,
            records_processed=700 + number,
            records_failed=number % 7,
        )
        for number in range(count)
    ]


def of_statuses(count: int) -> list[Analysis]:
    """Make analyses of many statuses, whose names are as long and as foreign as a table may have them."""
    names = ["Есть предупреждения", "Timed Out", "completed", "Отменено пользователем", "error"]
    statuses = [*names, *(f"step-{number}" for number in range(count - len(names)))]
    return [make_analysis(status=status) for place, status in enumerate(statuses) for _ in range(count - place)]


def hours() -> dict[str, Hour]:
    """Return the hours of the golden files, by their names."""
    window, usual = make_window(), Usual(analyses=2391, failed=96)
    limits = Thresholds(success_below=0.9999, failed_above=0.1, slower_than=30)
    trial = until("daily", MOSCOW, START + timedelta(minutes=7, seconds=5))
    return {
        "ordinary": Hour(
            rows=spread(321, failed=21),
            window=window,
            before=Counts(analyses=302, failed=9),
            known_from=START + timedelta(days=14),
        ),
        "normal": Hour(
            rows=spread(2431, failed=116),
            window=window,
            before=Counts(analyses=2220, failed=107),
            usual=Usual(analyses=2398, failed=126),
        ),
        "half_volume": Hour(
            rows=spread(900, failed=44),
            window=window,
            before=Counts(analyses=2220, failed=107),
            usual=Usual(analyses=2398, failed=126, weeks=3),
        ),
        "tripled_failures": Hour(
            rows=spread(608, failed=90),
            window=window,
            before=Counts(analyses=555, failed=27),
            usual=Usual(analyses=600, failed=32),
        ),
        "almost_unusual": Hour(
            rows=spread(608, failed=60),
            window=window,
            before=Counts(analyses=555, failed=27),
            usual=Usual(analyses=600, failed=32),
        ),
        "all_failed": Hour(
            rows=spread(300, failed=300), window=window, before=Counts(analyses=302), usual=Usual(analyses=296.5)
        ),
        "unusual": Hour(
            rows=spread(1001, failed=551),
            window=make_window(zone="Europe/Moscow"),
            before=Counts(analyses=2219, failed=98),
            usual=usual,
            thresholds=limits,
        ),
        "empty": Hour(rows=(), window=window, before=Counts(analyses=3, failed=0), usual=usual),
        "late": Hour(
            rows=spread(22, failed=1),
            window=window,
            before=Counts(analyses=1),
            late=True,
            late_rows=21,
            failed_since=12,
            name="Стенд №2",
        ),
        "unfinished": Hour(
            rows=[
                *spread(30, failed=3),
                *(make_analysis(status=status, duration=None) for status in ["running"] * 12 + ["In Progress"] * 6),
                make_analysis(status="cancelled", duration=None),
            ],
            window=window,
            failed_since=1,
        ),
        "too_large": Hour(rows=spread(5), window=make_window(zone="Europe/Moscow"), attachment=LINKED),
        "without_workbook": Hour(rows=spread(2), window=window, lost=True),
        "not_compared": Hour(rows=(), window=window, before=Counts(analyses=3, failed=0), uncounted="HTTP 503"),
        "first_day": Hour(rows=spread(1), window=window, known_from=START + timedelta(days=21)),
        "daily": Hour(
            rows=spread(60, failed=2), window=day_of(START.date(), MOSCOW), before=Counts(analyses=58, failed=1)
        ),
        "trial": Hour(
            rows=spread(60, failed=30, window=trial),
            window=trial,
            before=Counts(analyses=2, failed=0),
            usual=Usual(analyses=0, failed=0),
        ),
        "many_statuses": Hour(rows=of_statuses(20), window=window),
        "huge_sums": Hour(
            rows=[
                *(make_analysis(records_processed=10**15, records_failed=0) for _ in range(300)),
                make_analysis(records_processed=10**15, records_failed=10**11, duration=7630, status="failed"),
            ],
            window=window,
            usual=Usual(analyses=298, failed=2),
        ),
        "odd_data": Hour(
            rows=[
                *(make_analysis(status=status, duration=None) for status in ["cancelled"] * 17 + ["failed"] * 2),
                make_analysis(records_processed=1, records_failed=2, status=None),
                make_analysis(duration="PT5M"),
                make_analysis(duration=-1),
            ],
            window=window,
        ),
    }


def hostile() -> list[Hour]:
    """Make hours with whatever leads into some other sentence, with texts of the table that are few Latin letters."""
    texts = ["<b>&", "=1+1", "ф" * 40_000, "\x00", "🙂" * 50, " "]
    odd = [make_analysis(id=text, status=text, duration=text, records_failed=text) for text in texts]
    many = [make_analysis(status=f"{number}", duration=None) for number in range(1_300)]
    too_long = [make_analysis(status=TOO_LONG, duration=TOO_LONG, records_processed=TOO_LONG, records_failed=TOO_LONG)]
    large = [make_analysis(records_processed=10**22, records_failed=7, duration=1e12, status="1")]
    winter = day_of(datetime(2026, 10, 25, tzinfo=UTC).date(), ZoneInfo("Europe/Berlin"))
    twice = make_window(datetime(2026, 10, 25, 0, tzinfo=UTC), "Europe/Berlin")
    trial = until("daily", MOSCOW, START + timedelta(minutes=7, seconds=5))
    usual = Usual(analyses=96, failed=0)
    slow = Thresholds(slower_than=0, success_below=1, failed_above=0)
    failed = spread(60, failed=50)
    return [
        Hour(rows=odd, window=twice, late=True, late_rows=1, name="Стенд"),
        Hour(rows=many, window=make_window(zone="Asia/Kolkata"), before=Counts(analyses=1)),
        Hour(rows=failed, window=make_window(), usual=Usual(analyses=30, failed=0), thresholds=slow),
        Hour(
            rows=spread(5, window=trial),
            window=trial,
            before=Counts(analyses=2),
            usual=usual,
            late_rows=5,
            failed_since=1,
            lost=True,
        ),
        Hour(rows=spread(3, window=winter), window=winter, before=Counts(analyses=2, failed=0), usual=usual),
        Hour(rows=(), window=make_window(zone="Europe/Moscow"), late_rows=2, usual=usual),
        Hour(
            rows=[make_analysis(duration=1.0, status="1")] * (EXACT + 1), window=make_window(), usual=Usual(analyses=0)
        ),
        Hour(rows=[make_analysis(records_processed=0, records_failed=0, status="1")], window=make_window()),
        Hour(rows=too_long, window=make_window()),
        Hour(rows=[make_analysis(status="running")], window=make_window(), failed_since=1_200),
        Hour(rows=large, window=make_window(), attachment=LINKED),
    ]


def got(folder: Path, hour: Hour, language: Language) -> Got:
    """Make all that recipients get of `hour`."""
    phrases, summary = phrases_of(language), Summary()
    summary.add(hour.rows)
    comparison = Comparison(before=hour.before, usual=hour.usual, failure=hour.uncounted, known_from=hour.known_from)
    found = deviations(summary, hour.usual, hour.thresholds)
    earlier = to_compare_with(hour.window)
    remark = phrases.failed_since(earlier, hour.failed_since)
    if hour.late_rows:
        remark = phrases.late_rows(earlier, hour.late_rows, failed=hour.failed_since, skipped=hour.lost)
    remarks = [remark] * (8 if hour.lost else 1) if hour.late_rows or hour.failed_since else []
    marks = phrases.ROWS_LATE * bool(hour.late_rows) + phrases.FAILED_SINCE * bool(hour.failed_since)
    attachment = hour.attachment
    if hour.lost:
        left_out = phrases.too_large("telegram", attachment.size)
        attachment = Attachment(name=attachment.name, size=attachment.size, left_out=left_out)
    content = describe(
        hour.window,
        summary,
        late=hour.late,
        remarks=remarks,
        marks=marks,
        comparison=comparison,
        deviations=found,
        name=hour.name,
        language=language,
    )
    assessment = Assessment(comparison=comparison, deviations=found, remarks=remarks)
    columns = sheet_columns(FailedStatuses(), phrases)
    with WorkbookWriter(hour.window, folder, columns=columns, language=language) as workbook:
        workbook.add(hour.rows[:ROWS_WRITTEN])
        generated = hour.window.end + timedelta(seconds=35)
        path = workbook.save(summary, table="analyses", generated=generated, assessment=assessment, name=hour.name)
    return Got(
        forms=all_forms(content, attachment),
        unusual=render_unusual(content) if found else "",
        workbook=path.read_bytes(),
    )


def sheets(workbook: bytes, rows: int = 5) -> dict[str, list[str]]:
    """Show each sheet, cells with bars between them, of a sheet of rows the first ones only; numbers as they are."""
    book = opened(workbook)
    return {
        sheet.title: [
            " | ".join(_shown(cell) for cell in row).rstrip(" |")
            for row in sheet.iter_rows()
            if any(c.value for c in row)
        ][: rows if place != 1 else None]
        for place, sheet in enumerate(book.worksheets)
    }


def _shown(cell: Any) -> str:
    if cell.value is None:
        return ""
    return f"{cell.value}" if cell.number_format in ("General", "0") else f"{cell.value} {{{cell.number_format}}}"


def words(workbook: bytes) -> list[str]:
    """List every text of the file that somebody may read but the cells': of charts, headers, formats and properties."""
    found: list[str] = []
    with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
        for part in archive.namelist():
            tree = ElementTree.fromstring(archive.read(part))
            for element in tree.iter():
                name = element.tag.rpartition("}")[2]
                texts = {"oddHeader": 1, "oddFooter": 1, "title": 1, "subject": 1, "creator": 1, "description": 1}
                if name in texts or (part.startswith("xl/charts/") and name in ("t", "v")):
                    found.append(element.text or "")
                found += [element.get(key) or "" for key in ("descr", "formatCode", "displayName") if element.get(key)]
                if name in ("sheet", "tableColumn"):
                    found.append(element.get("name") or "")
    return found
