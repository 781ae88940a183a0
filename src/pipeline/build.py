"""One window's rows → its report, ready to be sent."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, aclosing, asynccontextmanager
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from ..config.loader import Settings
from ..domain.attachment import Attachment
from ..domain.summary import Summary
from ..domain.window import Window, to_compare_with
from ..errors import RowsMissingError, TimeLimitError
from ..message.content import describe
from ..message.report import Report
from ..runtime.atomic_write import private_folder, put_in_place
from ..runtime.progress import rows_bar
from ..runtime.retry import RetryPolicy
from ..supabase.analyses import AnalysesTable
from ..workbook.writer import WorkbookWriter, translated

logger = logging.getLogger(__name__)
COMPARISON_LIMIT = 3.0
"""Seconds that counting the window before may take; the report matters more."""


class Builder(Struct, frozen=True, kw_only=True):
    """Builds the reports of a run."""

    settings: Settings
    table: AnalysesTable
    policy: RetryPolicy
    clock: Callable[[], datetime]

    @asynccontextmanager
    async def build(
        self, window: Window, *, resent: int, late: bool, remarks: Sequence[str]
    ) -> AsyncIterator[tuple[Report | None, Summary]]:
        """Read the window into a report, None of it if it is empty and to be skipped; `resent` counts its resends.

        Its workbook is in a folder of its own, so that no other run can replace it before it is sent; the folder is
        removed at the end of the block.
        Raise TimeLimitError when the deadline has passed, SourceError or WorkbookError for what they say.
        """
        report_dir = self.settings.report.report_dir
        with ExitStack() as stack:
            with translated(f"{report_dir}"):
                folder = stack.enter_context(private_folder(report_dir, self.clock()))
            try:
                async with asyncio.timeout_at(self.policy.deadline):
                    built = await self._build_whole(folder, window, resent=resent, late=late, remarks=remarks)
            except TimeoutError:
                raise TimeLimitError(self.settings.report.report_time_limit) from None
            yield built

    async def _build_whole(
        self, folder: Path, window: Window, *, resent: int, late: bool, remarks: Sequence[str]
    ) -> tuple[Report | None, Summary]:
        """Read the window into a workbook; where rows were missing, count and read once more."""
        try:
            return await self._build(folder, window, resent=resent, late=late, remarks=remarks)
        except RowsMissingError as error:
            extra = {"event": "retry", "stage": error.stage, "rows": error.arrived}
            logger.warning(
                "Only %d of %d rows arrived; reading it once more", error.arrived, error.counted, extra=extra
            )
            return await self._build(folder, window, resent=resent, late=late, remarks=remarks)

    async def _build(
        self, folder: Path, window: Window, *, resent: int, late: bool, remarks: Sequence[str]
    ) -> tuple[Report | None, Summary]:
        """Read the window into a workbook; there is no report of an empty one that is to be skipped."""
        began = self.clock()
        with WorkbookWriter(window) as workbook:
            summary = await self._read(window, workbook)
            if not summary.rows and self.settings.report.report_when_empty == "skip":
                return None, summary
            before = await self._counted_before(window)
            created = self.clock()
            table = self.settings.supabase.supabase_table
            path = workbook.save(folder, summary, table=table, generated=created, remarks=remarks)
        with translated(path.name):
            kept = put_in_place(path, self.settings.report.report_dir)
            attachment = Attachment(name=path.name, size=path.stat().st_size)
        figures = {"rows": summary.rows, "bytes": attachment.size, "seconds": (created - began).total_seconds()}
        logger.info("%s: %d rows in %s", window.label(), summary.rows, kept, extra={"event": "built", **figures})
        identity = self._identity(window)
        report = Report(
            window=window,
            identity=f"{identity}.resend.{resent}" if resent else identity,
            repeats=identity if resent else "",
            created=created,
            workbook=path,
            attachment=attachment,
            content=describe(window, summary, late=late, remarks=remarks, before=before),
        )
        return report, summary

    async def _read(self, window: Window, workbook: WorkbookWriter) -> Summary:
        """Read the rows page by page into `workbook`, and fold them into the figures."""
        summary = Summary()
        async with aclosing(self.table.pages(window)) as pages:
            with rows_bar() as advance:
                async for page in pages:
                    workbook.add(page.rows)
                    summary.add(page.rows)
                    advance(len(page.rows), page.counted)
        return summary

    async def _counted_before(self, window: Window) -> int | None:
        """Count the window before, to compare with; None if that can't be done soon."""
        earlier = to_compare_with(window)
        try:
            async with asyncio.timeout(min(COMPARISON_LIMIT, self.policy.left() / 2)):
                return await self.table.count(earlier.start, earlier.end)
        except Exception as error:  # a report without its comparison is still the report
            logger.info("%s is not compared with: %s", earlier.label(), error or "counting took too long")
            return None

    def _identity(self, window: Window) -> str:
        """Name the delivery of one window of one table, so that a retry's mail is known as the same."""
        supabase = self.settings.supabase
        source = f"{supabase.supabase_url} {supabase.supabase_table} {window.end.isoformat()}"
        digest = hashlib.sha256(source.encode()).hexdigest()[:12]
        return f"report.{window.template}.{window.start:%Y%m%dT%H%M%SZ}.{digest}"
