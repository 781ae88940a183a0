"""One window's rows → its report, ready to be sent."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator
from contextlib import ExitStack, aclosing, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

from msgspec import Struct

from ..config.schedule import goes_by_job
from ..domain.analysis import FailedStatuses
from ..domain.attachment import Attachment
from ..domain.baseline import deviations, is_as_usual
from ..domain.request import WindowRequest
from ..domain.summary import Summary
from ..domain.window import Window
from ..errors import ClocksDifferError, NotOverError, RowsMissingError, SourceError, TimeLimitError
from ..ledger.identity import chosen_identity, stored_folder
from ..ledger.key import ledger_key
from ..ledger.record import Record
from ..message.alert import Failure
from ..message.content import Report, describe
from ..phrases.language import phrases_of
from ..runtime.atomic_write import private_folder, put_in_place
from ..runtime.progress import rows_bar
from ..runtime.retry import RetryPolicy
from ..supabase.page import Page
from ..supabase.seen_ids import SeenIds
from ..workbook.columns import sheet_columns
from ..workbook.summary_sheet import Assessment
from ..workbook.writer import WorkbookWriter, translated
from .compare import compare
from .services import Services

logger = logging.getLogger(__name__)
_NEARLY_OVER = 60.0
"""A window that ends within this many seconds, by Supabase's clock, is waited for."""

_OF_TYPE = ("source.bad_answer", "source.odd_row", "source.database_error")
"""What may come of a `created_at` that is no timestamp; if it is one, the error is about something else."""


class Reading(Struct):
    """How far the reading of a window has come."""

    pages: int = 0
    rows: int = 0
    counted: int = 0
    largest: int = 0
    moved: int = 0

    def begin(self) -> None:
        """Forget what was read before."""
        self.pages = self.rows = self.counted = self.largest = self.moved = 0

    def take(self, page: Page) -> None:
        """Count a page."""
        self.pages += 1
        self.rows += len(page.rows) + page.doubled
        self.counted, self.largest = page.counted, max(self.largest, len(page.rows))

    @property
    def expected(self) -> int:
        """The number of pages in all, if those to come are as large as the largest so far."""
        return self.pages + math.ceil((self.counted - self.rows) / max(self.largest, 1))


@asynccontextmanager
async def built_report(
    services: Services, request: WindowRequest, record: Record, policy: RetryPolicy
) -> AsyncIterator[tuple[Report | None, int]]:
    """Read the window into a report for the block; return it with the number of its rows.

    None in place of a report that is empty and to be skipped. `record` is what the ledger has of the window. The
    workbook is in a folder of its own, so that no other run can replace it before it is sent.
    Raise TimeLimitError when the deadline has passed, SourceError or WorkbookError for what they say.
    """
    report_dir = services.settings.report.report_dir
    reading = Reading()
    with ExitStack() as stack:
        with translated(f"{report_dir}"):
            folder = stack.enter_context(private_folder(report_dir, services.run.clock()))
        loop = asyncio.get_running_loop()
        began, until = loop.time(), min(policy.deadline, policy.building_until)
        try:
            async with asyncio.timeout_at(until):
                built = await _build_whole(services, request, folder, record, policy, reading)
        except TimeoutError:
            is_share = policy.building_until < policy.deadline
            limit = round(until - began) if is_share else services.settings.report.report_time_limit
            raise TimeLimitError(limit, pages=reading.pages, expected=reading.expected, is_share=is_share) from None
        yield built


async def _build_whole(
    services: Services, request: WindowRequest, folder: Path, record: Record, policy: RetryPolicy, reading: Reading
) -> tuple[Report | None, int]:
    """Build the report; where rows were missing, or the window is over in a moment only, count and read once more.

    A window that is over by our own clock alone is reported all the same, for it may be the other one that is wrong.
    """
    is_over = careful = False
    while True:
        try:
            return await _build(services, request, folder, record, policy, reading, is_over=is_over, careful=careful)
        except NotOverError as error:
            await _wait_or_tell(services, error)
            is_over = True
        except RowsMissingError as error:
            if careful:
                raise
            extra = {"event": "retry", "stage": error.stage, "rows": error.arrived}
            words = "Only %d of %d rows arrived; reading it once more"
            logger.warning(words, error.arrived, error.counted, extra=extra)
            careful = True
        except SourceError as error:
            if error.problem.key in _OF_TYPE:
                await services.table.check_type()
            raise


async def _wait_or_tell(services: Services, error: NotOverError) -> None:
    """Wait until a window is over that nearly is; alert of one that is over by our own clock alone."""
    if error.seconds > _NEARLY_OVER:
        await _tell_of_not_over(services, error)
        return
    wait = error.seconds + services.settings.report.report_settle
    extra = {"event": "settling", "seconds": round(wait, 3)}
    logger.warning("%s Waiting %.0f s.", error, wait, extra=extra)
    await asyncio.sleep(wait)


async def _tell_of_not_over(services: Services, error: NotOverError) -> None:
    """Alert of a window that is over by our own clock alone, unless the run will alert of the clocks themselves."""
    try:
        services.client.check_clock(services.run.clock())
    except ClocksDifferError:
        logger.warning("%s", error, extra={"event": "notice", "key": error.problem.key})
    else:
        await tell_of_clocks(services, error)


async def tell_of_clocks(services: Services, error: SourceError) -> None:
    """Alert of two clocks that differ, which keeps no report."""
    logger.warning("%s", error, extra={"event": "notice", "key": error.problem.key})
    await services.alerts.send(None, [Failure(what="nothing yet, but two clocks differ", problem=error.problem)])


async def _build(
    services: Services,
    request: WindowRequest,
    folder: Path,
    record: Record,
    policy: RetryPolicy,
    reading: Reading,
    *,
    is_over: bool,
    careful: bool,
) -> tuple[Report | None, int]:
    settings, window, began = services.settings, request.window, services.run.clock()
    name, failed = settings.report.report_name, FailedStatuses(settings.report.report_failed_statuses)
    language = settings.report.report_language
    columns = sheet_columns(failed, phrases_of(language))
    with WorkbookWriter(window, columns=columns, language=language) as workbook:
        summary = await _read_rows(services, window, workbook, policy, reading, is_over=is_over, careful=careful)
        comparison = await compare(services, window, policy)
        found = deviations(summary, comparison.usual, settings.report.thresholds)
        # An hour that could not be compared may be empty where many rows are usual.
        may_be_skipped = not found and not comparison.failure
        if not summary.rows and may_be_skipped and settings.report.report_when_empty == "skip":
            return None, 0
        created = services.run.clock()
        table = settings.supabase.supabase_table
        assessment = Assessment(comparison=comparison, deviations=found, remarks=request.remarks)
        path = workbook.save(folder, summary, table=table, generated=created, assessment=assessment, name=name)
    with translated(path.name):
        attachment = Attachment(name=path.name, size=path.stat().st_size)
    kept = _kept(path, settings.report.report_dir)
    key = ledger_key(settings.report, settings.supabase)
    identity, repeats = chosen_identity(key, settings.supabase, window, record, summary.rows_of_table)
    report = Report(
        identity=identity,
        repeats=repeats,
        folder=stored_folder(key, identity, language),
        created=created,
        workbook=path,
        attachment=attachment,
        is_as_usual=not request.remarks and is_as_usual(summary, comparison, found),
        content=describe(
            window,
            summary,
            late=request.is_late,
            remarks=request.remarks,
            marks=request.marks,
            comparison=comparison,
            deviations=found,
            name=name,
            language=language,
        ),
    )
    seconds = (created - began).total_seconds()
    extra = {"event": "built", "seconds": seconds, "rows": summary.rows, "bytes": attachment.size}
    logger.info("%s: %d rows in %s", window.label(), summary.rows, kept, extra=extra)
    return report, summary.rows_of_table


def _kept(path: Path, folder: Path) -> str:
    """Put a copy of the workbook into REPORT_DIR; nobody is sent it, so that a report goes out without it too."""
    try:
        kept = put_in_place(path, folder)
    except OSError as error:
        extra = {"event": "not_kept"}
        logger.warning("%s could not be kept in %s (%s)", path.name, folder, error.strerror, extra=extra)
        return path.name
    if kept.name != path.name:
        extra = {"event": "kept_beside"}
        words = "%s in %s is not this user's file, so the workbook is kept as %s"
        logger.warning(words, path.name, folder, kept.name, extra=extra)
    return str(kept)


async def _read_rows(
    services: Services,
    window: Window,
    workbook: WorkbookWriter,
    policy: RetryPolicy,
    reading: Reading,
    *,
    is_over: bool,
    careful: bool,
) -> Summary:
    """Read the rows page by page into the workbook, and fold them into figures; what comes again is left out.

    Raise RowsMissingError if fewer rows came than were counted, and as `_check_over` does unless it `is_over`.
    """
    summary, seen = Summary(failed_statuses=FailedStatuses(services.settings.report.report_failed_statuses)), None
    reading.begin()
    asked = services.run.clock()
    async with aclosing(services.table.pages(window, policy, careful=careful)) as pages:
        with rows_bar() as advance:
            async for page in pages:
                if not reading.pages:
                    if not is_over:
                        _check_over(services, window, asked)
                    seen = SeenIds(page.counted) if page.counted > len(page.rows) + page.doubled else None
                rows, again = seen.split(page.rows) if seen else (page.rows, ())
                shared = page.shared
                # In a first reading they are taken to have moved; if rows are missing then, the database is asked.
                if again and careful and await services.table.holds_twice(again[0], window):
                    rows, again, shared = page.rows, (), shared + len(again)
                workbook.add(rows)
                summary.add(rows, repeated=len(again), doubled=page.doubled, shared=shared)
                reading.take(page)
                reading.moved += len(again)
                advance(len(page.rows) + page.doubled, page.counted)
    table = services.settings.supabase.supabase_table
    if (arrived := reading.rows - reading.moved) < reading.counted:  # one that came twice made up for a missing one
        raise RowsMissingError(arrived=arrived, counted=reading.counted, table=table)
    if count := summary.rows_of_shared_ids:
        extra = {"event": "repeated_ids", "key": "source.repeated_ids", "rows": count}
        logger.warning(
            "%d rows of %s have the id of another row: look for a join that multiplies rows", count, table, extra=extra
        )
    return summary


def _check_over(services: Services, window: Window, asked: datetime) -> None:
    """Raise NotOverError if the window was not over by Supabase's clock when it was asked for: ours may be ahead.

    A trial up to now isn't over by intent; of that, raise ClocksDifferError if now is another moment for Supabase.
    The Job's name knows better than any clock.
    """
    run = services.run
    if run.options.until_now:
        services.client.check_clock(run.clock())
        return
    if goes_by_job(run.options, services.settings.report, asked):
        return
    if (server_time := services.client.server_time) is None:
        return
    left = window.end - server_time + (run.clock() - asked)
    if left > timedelta():
        raise NotOverError(label=window.label(), seconds=left.total_seconds())
