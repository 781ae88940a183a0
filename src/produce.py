"""One window, from its claim in the ledger to the outcome of every recipient."""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from . import message
from .alarm import Alarm
from .analyses import AnalysesTable
from .channels import Channel, Outcome
from .delivery import deliver
from .errors import LedgerError, ReportError, RowsMissingError, TimeLimitError
from .ledger import Book, Ledger
from .logs import rows_bar
from .message import Failure, Report
from .retry import Patience
from .settings import Settings
from .storage import Shelf, Storage
from .summary import Summary
from .told import tell
from .window import Window, to_compare_with
from .workbook import ReportWorkbook

logger = logging.getLogger(__name__)
COMPARISON_LIMIT = 3.0
"""Seconds that counting the window before may take; the report matters more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """How one window went: its exit code, whether anything was sent, and whether its failure was told of before."""

    code: int
    sent: bool = False
    known: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Producer:
    """Makes and delivers the reports of a run, with what the run was composed of."""

    settings: Settings
    table: AnalysesTable
    ledger: Ledger
    channels: Sequence[Channel]
    alarm: Alarm
    storage: Storage | None
    patience: Patience
    clock: Callable[[], datetime]
    again: Callable[[Window], str]
    resender: str

    async def produce(
        self,
        window: Window,
        *,
        late: bool = False,
        resend: bool = False,
        remarks: Sequence[str] = (),
        scheduled: bool = False,
    ) -> Result:
        """Report `window` to all who are owed it; whatever fails is logged and alerted here.

        A `late` one is made good without being asked for: those refused for good are left alone.
        """
        try:
            async with self.ledger.claim(window) as book:
                try:
                    await book.open_for(self.channels, resend_by=self.resender if resend else "", scheduled=scheduled)
                    return await self._claimed(window, book, late=late, remarks=remarks)
                except asyncio.CancelledError:
                    await self._stopped(window, book)
                    raise
                except TimeLimitError as error:
                    if late:
                        logger.warning("%s The next run makes it good.", error)
                        return Result(code=1, known=True)
                    return await self._failed(window, error.stage, str(error), book)
                except ReportError as error:
                    return await self._failed(window, error.stage, str(error), book)
                except Exception as error:
                    logger.exception("The run broke down")
                    why = f"It broke down ({type(error).__name__}: {error}). Read the log, then run this window again."
                    return await self._failed(window, "the run", why, book)
        except LedgerError as error:
            return await self._failed(window, error.stage, str(error), None)

    async def _claimed(self, window: Window, book: Book, *, late: bool, remarks: Sequence[str]) -> Result:
        if not any(book.owed(channel, refused_too=not late) for channel in self.channels):
            self._log_delivered_before(window, book)
            return Result(code=0)
        report, summary = await self._within_limit(window, book, late=late, remarks=remarks)
        if report is None:
            return await self._skip(window, book)
        book.record.rows, book.record.late_rows = summary.rows, 0  # saved with the first sending
        outcomes = await deliver(report, self.channels, book, self.patience, refused_too=not late)
        result = await self._conclude(window, book, outcomes)
        if late and result.code == 0:
            report.attachment.unlink(missing_ok=True)  # nobody looks for it; the present window's stays
        return result

    async def _within_limit(
        self, window: Window, book: Book, *, late: bool, remarks: Sequence[str]
    ) -> tuple[Report | None, Summary]:
        try:
            async with asyncio.timeout_at(self.patience.deadline):
                return await self._build_whole(window, book, late=late, remarks=remarks)
        except TimeoutError:
            raise TimeLimitError(self.settings.report.report_time_limit) from None

    async def _build_whole(
        self, window: Window, book: Book, *, late: bool, remarks: Sequence[str]
    ) -> tuple[Report | None, Summary]:
        """Read the window into a workbook; where rows were missing, count and read once more."""
        try:
            return await self._build(window, book, late=late, remarks=remarks)
        except RowsMissingError as error:
            logger.warning("Only %d of %d rows arrived; reading it once more", error.arrived, error.counted)
            return await self._build(window, book, late=late, remarks=remarks)

    async def _build(
        self, window: Window, book: Book, *, late: bool, remarks: Sequence[str]
    ) -> tuple[Report | None, Summary]:
        """Read the window into a workbook; there is no report of an empty one that is to be skipped."""
        summary = Summary()
        with ReportWorkbook(window) as workbook, rows_bar() as advance:
            async for page in self.table.pages(window):
                workbook.add(page.rows)
                summary.add(page.rows)
                advance(len(page.rows), page.counted)
            if not summary.rows and self.settings.report.report_when_empty == "skip":
                return None, summary
            before = await self._counted_before(window)
            created = self.clock()
            attachment = workbook.save(
                self.settings.report.report_dir,
                summary,
                table=self.settings.supabase.supabase_table,
                generated=created,
                remarks=remarks,
            )
        logger.info("%s: %d rows in %s", window.label(), summary.rows, attachment)
        told = tell(window, summary, late=late, remarks=remarks, before=before)
        identity = self._identity(window)
        resent = book.record.resent
        delivery = f"{identity}.resend.{resent}" if resent else identity
        report = Report(
            window=window,
            identity=delivery,
            repeats=identity if resent else "",
            created=created,
            attachment=attachment,
            stored=Shelf(self.storage, attachment, delivery) if self.storage else None,
            worded=cache(lambda file: message.worded(file, told, window)),
        )
        return report, summary

    async def _counted_before(self, window: Window) -> int | None:
        """Count the window before, to compare with; None if that can't be told soon."""
        earlier = to_compare_with(window)
        try:
            async with asyncio.timeout(min(COMPARISON_LIMIT, self.patience.left() / 2)):
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

    async def _conclude(self, window: Window, book: Book, outcomes: Sequence[Outcome]) -> Result:
        failed = [outcome for outcome in outcomes if not outcome.delivered]
        logger.info("%s: delivered to %d of %d", window.label(), len(outcomes) - len(failed), len(outcomes))
        notices = [Failure(what="nothing yet", why=outcome.notice) for outcome in outcomes if outcome.notice]
        if notices:
            await self.alarm.raise_for(None, notices)
        if failed:
            told = await self.alarm.raise_for(window, _failures(failed), book=book, outcomes=outcomes)
            return Result(code=1, sent=len(failed) < len(outcomes), known=told == "before")
        if book.record.is_done(self._present()):
            await self.alarm.all_clear(window, book)
        return Result(code=0, sent=True)

    async def _skip(self, window: Window, book: Book) -> Result:
        await book.skip(self.channels)
        logger.info("%s: skipped: no rows", window.label())
        if book.record.is_done(self._present()):
            await self.alarm.all_clear(window, book)
        return Result(code=0)

    async def _failed(self, window: Window, stage: str, why: str, book: Book | None) -> Result:
        logger.error("%s", why)
        told = await self.alarm.raise_for(window, [Failure(what=stage, why=why)], book=book)
        return Result(code=1, known=told == "before")

    async def _stopped(self, window: Window, book: Book) -> None:
        """Tell of a run that was stopped from outside, unless its window was told of already."""
        self.alarm.knows_of_stop = True
        if book.record.is_done(self._present()):
            end = "skipped" if book.record.is_skipped else "delivered"
            logger.warning("Stopped after %s was %s", window.label(), end)
            return
        logger.error("Stopped before %s was delivered", window.label())
        if not book.record.alerted or book.record.cleared:
            await self.alarm.raise_for(window, [message.STOPPED], book=book)

    def _present(self) -> set[tuple[str, str]]:
        return {(channel.name, recipient) for channel in self.channels for recipient in channel.recipients}

    def _log_delivered_before(self, window: Window, book: Book) -> None:
        end = "skipped before, for it had no rows" if book.record.is_skipped else "delivered before"
        logger.info("%s was %s. To send it again: %s", window.label(), end, self.again(window))
        for entry in book.record.entries:
            logger.info("%s to %s: %s at %s", entry.channel, entry.recipient, entry.state, entry.at)


def _failures(failed: Sequence[Outcome]) -> list[Failure]:
    """Gather failed outcomes by their reason, so that a dead server is told of once."""
    by_reason: dict[str, list[str]] = {}
    for outcome in failed:
        by_reason.setdefault(outcome.failure, []).append(f"{outcome.channel} to {outcome.recipient}")
    return [Failure(what=", ".join(recipients), why=why) for why, recipients in by_reason.items()]
