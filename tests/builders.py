"""Rows, windows and readers that tests share."""

import asyncio
import io
import re
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import structs
from openpyxl import load_workbook
from python_calamine import CalamineWorkbook

from src.config.settings import Language
from src.config.timeouts import Timeouts
from src.domain.analysis import Analysis, FailedStatuses
from src.domain.delivery import Attachment
from src.domain.summary import Summary
from src.domain.window import HOUR, Window
from src.message.alert import AlertText, joined, ours
from src.message.content import Content, Report, describe
from src.phrases.language import phrases_of
from src.runtime.retry import RetryPolicy
from src.workbook.data_sheet import SHEET_ROWS, Column, sheet_columns
from src.workbook.summary_sheet import Assessment
from src.workbook.writer import WorkbookWriter

START = datetime(2026, 11, 22, 13, tzinfo=UTC)
"""An hour that is over; tests put their rows into it and ask for it with --start."""
CREATED = datetime(2026, 11, 23, 14, 0, 31, tzinfo=UTC)
"""When reports of tests are made."""
QUICK = Timeouts(first_wait=0.01, longest_wait=0.05, clock_wait=0.01, ledger_poll=0.02, ledger_poll_table=0.05, run=60)
"""Hardly any waits between attempts, and no limit that a busy machine reaches."""
NO_TIME = structs.replace(QUICK, first_wait=200, longest_wait=200)
"""The first attempt at anything is the last: the wait before another is longer than the time that is left."""
OPTION = ("--start", "2026-11-22T13")
Rows = list[dict[str, Any]]


def make_window(start: datetime = START, zone: str = "UTC") -> Window:
    """Make an hourly window."""
    return Window(template="hourly", start=start, end=start + HOUR, zone=ZoneInfo(zone))


def make_deadline(seconds: float = 60) -> float:
    """Return the deadline of a sending that begins now."""
    return time.monotonic() + seconds


def make_analysis(**changes: Any) -> Analysis:
    """Make an ordinary analysis, with `changes`."""
    ordinary: dict[str, Any] = {
        "id": "7d1c6f0e-5f0a-4c5e-9a52-0f3d3c8a1b11",
        "created_at": START + timedelta(minutes=5),
        "status": "completed",
        "duration": 1.25,
        "records_processed": 200,
        "records_failed": 3,
    }
    return Analysis(**ordinary | changes)


def make_rows(count: int, *, start: datetime = START, step: timedelta = timedelta(seconds=1), **changes: Any) -> Rows:
    """Make rows as the table holds them, in the order in which they should arrive."""
    return [
        {
            "id": str(uuid.UUID(int=(0xABC << 116) + number)),
            "created_at": (start + number * step).isoformat(),
            "status": "completed",
            "duration": 1.5,
            "records_processed": 10,
            "records_failed": 1,
        }
        | changes
        for number in range(count)
    ]


def make_content(*statuses: str, **options: Any) -> Content:
    """Describe ordinary analyses of these `statuses`, or of one."""
    summary = Summary()
    summary.add([make_analysis(status=status) for status in statuses or ("completed",)])
    return describe(make_window(), summary, **options)


def make_report(
    folder: Path,
    identity: str = "report.hourly.20261122T130000Z.0123456789ab",
    *,
    content: Content | None = None,
    workbook: bytes = b"PK\x03\x04" + bytes(range(256)),
) -> Report:
    """Make a report with a small workbook in `folder`."""
    path = folder / "report_20261122_130000.xlsx"
    path.write_bytes(workbook)
    return Report(
        identity=identity,
        created=CREATED,
        workbook=path,
        attachment=Attachment(name=path.name, size=len(workbook)),
        content=content or make_content(),
    )


def alert_text(text: str) -> AlertText:
    """Make a text for operators of our own words alone."""
    return joined([ours(text)])


def figures_of(text: str) -> list[str]:
    """List the numbers and clock times in a text, as they are written."""
    return re.findall(r"\d+(?:[,.:]\d+)*", text)


def ids(rows: Rows) -> list[Any]:
    """List the ids of `rows`."""
    return [row["id"] for row in rows]


def build(
    folder: Path,
    *rows: Analysis,
    window: Window | None = None,
    sheet_rows: int = SHEET_ROWS,
    table: str = "analyses",
    assessment: Assessment | None = None,
    columns: Sequence[Column] | None = None,
    language: Language = "en",
    **options: Any,
) -> bytes:
    """Build a workbook of `rows`, generated 35 seconds after its window's end, and return its bytes.

    `options` are further ones of saving it.
    """
    window, summary = window or make_window(), Summary()
    summary.add(rows)
    generated = window.end + timedelta(seconds=35)
    columns = columns or sheet_columns(FailedStatuses(), phrases_of(language))
    with WorkbookWriter(window, folder, columns=columns, sheet_rows=sheet_rows, language=language) as workbook:
        workbook.add(rows)
        path = workbook.save(summary, table=table, generated=generated, assessment=assessment, **options)
        return path.read_bytes()


def opened(content: bytes) -> Any:
    """Open a workbook as openpyxl reads it; its types know less than it has."""
    return load_workbook(io.BytesIO(content))


def data_rows(content: bytes, sheet: str = "Hourly Report") -> list[tuple[Any, ...]]:
    """Read the cells below the header, values as openpyxl reads them."""
    return [*_data_rows(content, sheet)]


@lru_cache(maxsize=256)
def _data_rows(content: bytes, sheet: str) -> tuple[tuple[Any, ...], ...]:
    """Read them, of each workbook once: every recipient of a report has the same one."""
    book = load_workbook(io.BytesIO(content), read_only=True)
    return tuple(tuple(row) for row in book[sheet].iter_rows(min_row=2, values_only=True))


def data_rows_again(content: bytes, sheet: str = "Hourly Report") -> list[list[Any]]:
    """Read the same cells with the second, independent reader."""
    return CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_name(sheet).to_python()[1:]


def make_policy(seconds: float = 0.0) -> RetryPolicy:
    """Make a policy that allows further attempts for `seconds` from now, with hardly any waits; it needs a loop."""
    deadline = asyncio.get_running_loop().time() + seconds
    return RetryPolicy(deadline=deadline, first_wait=0.01, longest_wait=0.02)
