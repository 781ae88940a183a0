"""One window's rows → its report, ready to be sent."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator
from contextlib import ExitStack, aclosing, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

from ..domain.baseline import deviations, is_as_usual
from ..domain.delivery import Attachment
from ..domain.request import WindowRequest
from ..domain.summary import Summary
from ..domain.window import Window
from ..errors import SourceError, TimeLimitError
from ..ledger.identity import chosen_identity, stored_folder
from ..ledger.key import ledger_key
from ..ledger.record import Record
from ..message.content import Report, describe
from ..phrases.language import phrases_of
from ..runtime.atomic_write import private_folder, put_in_place
from ..runtime.retry import RetryPolicy
from ..runtime.terminal import rows_bar
from ..supabase.page import Page, SeenIds
from ..supabase.source_errors import ClocksDifferError, NotOverError, RowsMissingError
from ..workbook.data_sheet import sheet_columns
from ..workbook.summary_sheet import Assessment
from ..workbook.writer import WorkbookWriter, disk_errors
from .failures import different_clocks
from .other_windows import compare
from .run import goes_by_job
from .services import Services

logger = logging.getLogger(__name__)
_NEARLY_OVER = 60.0
"""A window that ends within this many seconds, by Supabase's clock, is waited for."""

_OF_TYPE = ("source.bad_answer", "source.odd_row", "source.database_error")
"""Errors that a `created_at` of another type than a timestamp may cause."""


class WindowReader:
    """Reads the rows of a window into a workbook, and knows how far it has come."""

    def __init__(self, services: Services, window: Window, policy: RetryPolicy) -> None:
        self._services = services
        self._window = window
        self._policy = policy
        self._is_over = False
        self._is_careful = False
        self._seen: SeenIds | None = None
        self.pages = self._rows = self._counted = self._largest = self._moved = 0
        self._asked = services.run.clock()

    @property
    def expected(self) -> int:
        """The number of pages in all, if those to come are as large as the largest so far."""
        return self.pages + math.ceil((self._counted - self._rows) / max(self._largest, 1))

    async def read_into(self, workbook: WorkbookWriter) -> Summary | None:
        """Read the rows page by page, and fold them into figures; what comes again is left out.

        Return None if the window must be read once more: its rows were missing, or it is over only now. Raise
        RowsMissingError if rows are missing again.
        """
        self.pages = self._rows = self._counted = self._largest = self._moved = 0
        self._asked, table = self._services.run.clock(), self._services.table
        summary = Summary(failed_statuses=self._services.failed_statuses)
        try:
            async with aclosing(table.pages(self._window, self._policy, careful=self._is_careful)) as pages:
                with rows_bar() as advance:
                    async for page in pages:
                        await self._take(page, workbook, summary)
                        advance(len(page.rows) + page.doubled, page.counted)
            self._check_complete(summary)
        except NotOverError as error:
            await self._wait_or_alert(error)
            self._is_over = True  # or by our own clock alone: it may be the other one that is wrong
            return None
        except RowsMissingError as error:
            if self._is_careful:
                raise
            extra = {"event": "retry", "stage": error.stage, "rows": error.arrived}
            words = "Only %d of %d rows arrived; reading it once more"
            logger.warning(words, error.arrived, error.counted, extra=extra)
            self._is_careful = True
            return None
        except SourceError as error:
            if error.problem.key in _OF_TYPE:
                await table.check_type()
            raise
        return summary

    async def _take(self, page: Page, workbook: WorkbookWriter, summary: Summary) -> None:
        if not self.pages:
            self._check_over()
            self._seen = SeenIds(page.counted) if page.counted > len(page.rows) + page.doubled else None
        rows, again = self._seen.split(page.rows) if self._seen else (page.rows, ())
        shared = page.shared
        # In a first reading they are taken to have moved; if rows are missing then, the database is asked.
        if again and self._is_careful and await self._services.table.holds_twice(again[0], self._window):
            rows, again, shared = page.rows, (), shared + len(again)
        workbook.add(rows)
        summary.add(rows, repeated=len(again), doubled=page.doubled, shared=shared)
        self.pages += 1
        self._rows += len(page.rows) + page.doubled
        self._counted, self._largest = page.counted, max(self._largest, len(page.rows))
        self._moved += len(again)

    def _check_complete(self, summary: Summary) -> None:
        table = self._services.settings.supabase.supabase_table
        arrived = self._rows - self._moved  # one that came twice made up for a missing one
        if arrived < self._counted:
            raise RowsMissingError(arrived=arrived, counted=self._counted, table=table)
        if count := summary.rows_of_shared_ids:
            extra = {"event": "repeated_ids", "key": "source.repeated_ids", "rows": count}
            words = "%d rows of %s have the id of another row: look for a join that multiplies rows"
            logger.warning(words, count, table, extra=extra)

    def _check_over(self) -> None:
        """Raise NotOverError if the window was not over by Supabase's clock when it was asked for: ours may be ahead.

        A trial up to now isn't over by intent; of that, raise ClocksDifferError if now is another moment for Supabase.
        The Job's name knows better than any clock.
        """
        services, now = self._services, self._services.run.clock()
        if self._is_over:
            return
        if services.run.options.until_now:
            services.client.check_clock(now)
            return
        server_time = services.client.server_time
        if server_time is None or goes_by_job(services.run.options, services.report, self._asked):
            return
        left = self._window.end - server_time + (now - self._asked)
        if left > timedelta():
            raise NotOverError(label=self._window.label(), seconds=left.total_seconds())

    async def _wait_or_alert(self, error: NotOverError) -> None:
        """Wait until a window is over that nearly is; alert of one that is over by our own clock alone."""
        services = self._services
        if error.seconds <= _NEARLY_OVER:
            wait = error.seconds + services.report.report_settle
            extra = {"event": "settling", "seconds": round(wait, 3)}
            logger.warning("%s Waiting %.0f s.", error, wait, extra=extra)
            await asyncio.sleep(wait)
            return
        try:
            services.client.check_clock(services.run.clock())
        except ClocksDifferError:  # the run will alert of the clocks themselves
            logger.warning("%s", error, extra={"event": "notice", "key": error.problem.key})
        else:
            await services.alerts.send([different_clocks(error)])


@asynccontextmanager
async def built_report(
    services: Services, request: WindowRequest, record: Record, policy: RetryPolicy
) -> AsyncIterator[tuple[Report | None, int]]:
    """Read the window into a report for the block; return it with the number of its rows.

    None in place of a report that is empty and to be skipped. `record` is what the ledger has of the window. The
    workbook is in a folder of its own, so that no other run can replace it before it is sent.
    Raise TimeLimitError when the deadline has passed, SourceError or WorkbookError for what they say.
    """
    report_dir = services.report.report_dir
    reader = WindowReader(services, request.window, policy)
    with ExitStack() as stack:
        with disk_errors(f"{report_dir}"):
            folder = stack.enter_context(private_folder(report_dir, services.run.clock()))
        began, until = asyncio.get_running_loop().time(), min(policy.deadline, policy.building_until)
        try:
            async with asyncio.timeout_at(until):
                built = await _build(services, request, reader, folder, record, policy)
        except TimeoutError:
            is_share = policy.building_until < policy.deadline
            limit = round(until - began) if is_share else services.report.report_time_limit
            raise TimeLimitError(limit, pages=reader.pages, expected=reader.expected, is_share=is_share) from None
        yield built


async def _build(
    services: Services, request: WindowRequest, reader: WindowReader, folder: Path, record: Record, policy: RetryPolicy
) -> tuple[Report | None, int]:
    settings, window, summary = services.report, request.window, None
    columns = sheet_columns(services.failed_statuses, phrases_of(settings.report_language))
    while summary is None:
        began = services.run.clock()
        with WorkbookWriter(window, folder, columns=columns, language=settings.report_language) as workbook:
            summary = await reader.read_into(workbook)
            if summary is None:
                continue
            limit = min(services.timeouts.comparison, policy.left() / 2)
            comparison = await compare(services.table, window, services.failed_statuses, limit)
            found = deviations(summary, comparison.usual, settings.thresholds)
            # An hour that could not be compared may be empty where many rows are usual.
            may_be_skipped = not found and not comparison.failure
            if not summary.rows and may_be_skipped and settings.report_when_empty == "skip":
                return None, 0
            created, name = services.run.clock(), settings.report_name
            table = services.settings.supabase.supabase_table
            assessment = Assessment(comparison=comparison, deviations=found, remarks=request.remarks)
            path = workbook.save(summary, table=table, generated=created, assessment=assessment, name=name)
    report = _describe(services, request, record, path, summary, assessment, created)
    kept, seconds = _kept(path, settings.report_dir), (created - began).total_seconds()
    extra = {"event": "built", "seconds": seconds, "rows": summary.rows, "bytes": report.attachment.size}
    logger.info("%s: %d rows in %s", window.label(), summary.rows, kept, extra=extra)
    return report, summary.rows_of_table


def _describe(
    services: Services,
    request: WindowRequest,
    record: Record,
    path: Path,
    summary: Summary,
    assessment: Assessment,
    created: datetime,
) -> Report:
    settings, supabase, window = services.report, services.settings.supabase, request.window
    comparison, found, language = assessment.comparison, assessment.deviations, settings.report_language
    with disk_errors(path.name):
        attachment = Attachment(name=path.name, size=path.stat().st_size)
    key = ledger_key(settings, supabase)
    identity, repeats = chosen_identity(key, supabase, window, record, summary.rows_of_table)
    return Report(
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
            name=settings.report_name,
            language=language,
        ),
    )


def _kept(path: Path, folder: Path) -> str:
    """Put a copy of the workbook into REPORT_DIR; nobody is sent it, so that a report goes out without it too."""
    try:
        return str(put_in_place(path, folder))
    except OSError as error:
        extra = {"event": "not_kept"}
        logger.warning("%s could not be kept in %s (%s)", path.name, folder, error.strerror, extra=extra)
        return path.name
