"""Count other windows: those that a report is compared with, and those whose rows changed after their report."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence, Set
from typing import Any

from msgspec import Struct

from ..config.settings import ReportSettings
from ..domain.analysis import FailedStatuses
from ..domain.baseline import FEWEST_WEEKS, WEEK, Comparison, Counts, earlier_weeks, usual
from ..domain.delivery import ChannelAddress, Outcome, format_recipients, normalized
from ..domain.window import Window, as_option, to_compare_with
from ..errors import LedgerError, SourceError
from ..ledger.interface import Ledger
from ..ledger.record import Record
from ..phrases.language import ENGLISH, Phrases, phrases_of
from ..runtime.retry import RetryPolicy
from ..supabase.analyses import AnalysesTable
from .failures import log_ledger_error
from .run import rerun_command

logger = logging.getLogger(__name__)
SIDE_BY_SIDE = 4
"""Windows whose changes are counted at once."""


class ChangedRows(Struct, frozen=True, kw_only=True):
    """A window that has `rows` now, of which so many have `failed`; None where that isn't known.

    They are other numbers than its `record` expects. Rows are counted, not compared: where as many came late as were
    deleted since the last look, nothing shows, nor where as many failures were repaired as came.
    """

    window: Window
    rows: int
    failed: int | None
    record: Record

    @property
    def is_late(self) -> bool:
        """Whether rows came since."""
        return self.rows > self.record.expected_rows

    @property
    def more(self) -> int:
        """How many rows came late in all."""
        return self.record.late_rows + self.rows - self.record.expected_rows

    @property
    def failed_since(self) -> int:
        """How many analyses have failed since the report in all, 0 if none did that is news."""
        return self.record.failed_since(self.failed)

    @property
    def is_news(self) -> bool:
        """Whether recipients get a remark about it."""
        return self.is_late or bool(self.failed_since)

    def remark(self, phrases: Phrases) -> str:
        """Write the sentence for the next message."""
        if self.is_late:
            skipped = self.record.is_skipped  # as empty, so that nobody has its report
            return phrases.late_rows(self.window, self.more, failed=self.failed_since, skipped=skipped)
        return phrases.failed_since(self.window, self.failed_since)

    def log(self, report: ReportSettings) -> None:
        """Log the news, and the command that sends the window again."""
        # One that was skipped is sent by any run that names it, and once.
        skipped = self.record.is_skipped
        command = rerun_command(self.window, report, resend=not skipped)
        how = "To send it" if skipped else "This command sends it to everyone again, every time it is run"
        lacking = self.record.with_fewer_than(self.rows + self.record.deleted)
        who = f" {format_recipients(lacking)} got fewer." if lacking else ""
        counts = {"event": "late_rows", "rows": self.more} if self.is_late else {"event": "failed_since"}
        extra = counts | {"window": as_option(self.window), "failed": self.failed_since}
        logger.warning("%s%s %s: %s", self.remark(ENGLISH), who, how, command, extra=extra)

    def note_in(self, record: Record, reached: Set[ChannelAddress], waited_for: Set[ChannelAddress]) -> bool:
        """Enter in `record` what was seen; return False if it has changed meanwhile, so that this is stale."""
        if record.counts != self.record.counts:
            return False
        if self.is_late:
            record.announce(self.more, reached=reached, waited_for=waited_for)
        else:
            record.deleted += record.expected_rows - self.rows
        if self.failed is not None and self.failed_since:
            record.announce_failed(self.failed, reached=reached, waited_for=waited_for)
        return True


def announcement(news: Sequence[ChangedRows], report: ReportSettings) -> tuple[list[str], str]:
    """Return the remarks on `news` for the next message, and the marks behind its title."""
    phrases = phrases_of(report.report_language)
    marks = phrases.ROWS_LATE if any(one.is_late for one in news) else ""
    marks += phrases.FAILED_SINCE if any(one.failed_since for one in news) else ""
    return [one.remark(phrases) for one in news], marks


async def find_changed_rows(
    delivered: Sequence[tuple[Window, Record]], table: AnalysesTable, statuses: FailedStatuses, limit: float
) -> list[ChangedRows]:
    """Find those of the `delivered` windows that have other numbers of rows than they should, or more failures.

    Each is counted alone: a row that is gone from one would hide one that came late for another. The newest go first,
    rows before failures; what can't be counted within `limit` seconds is left to the next run.
    """
    rows, failed = dict[Window, int](), dict[Window, int]()
    comparable = [window for window, record in delivered if record.failed_by == statuses.digest]

    async def count_rows(window: Window) -> None:
        rows[window] = await table.count(window.start, window.end)

    async def count_failed(window: Window) -> None:
        count = await table.count_failed(window.start, window.end, statuses)
        if count is None:  # nor can those of other windows be counted
            comparable.clear()
        else:
            failed[window] = count

    try:
        async with asyncio.timeout(limit):
            await _side_by_side(count_rows, [window for window, _ in delivered])
            await _side_by_side(count_failed, comparable)
    except* (SourceError, TimeoutError) as errors:
        why = str(errors.exceptions[0]) or "counting took too long"
        logger.info("Rows that came late, and failures since, were not looked for everywhere: %s", why)
    counted = [
        ChangedRows(window=window, rows=rows[window], failed=failed.get(window), record=record)
        for window, record in delivered
        if window in rows
    ]
    _log_fewer(counted)
    return [one for one in counted if one.rows != one.record.expected_rows or one.failed_since]


def _log_fewer(counted: Sequence[ChangedRows]) -> None:
    """Log what recipients get no remark about: rows that are gone, and failures that were repaired."""
    for one in counted:
        if (gone := one.record.expected_rows - one.rows) > 0:
            extra = {"event": "fewer_rows", "window": as_option(one.window), "rows": one.rows}
            logger.info("%s has %d rows fewer than its report had", one.window.label(), gone, extra=extra)
    if repaired := [one for one in counted if one.failed is not None and one.failed < (one.record.failed or 0)]:
        windows = ", ".join(as_option(one.window) for one in repaired)
        logger.info("Fewer analyses have failed now than in the report: %s", windows, extra={"event": "fewer_failures"})


async def _side_by_side(count: Callable[[Window], Awaitable[None]], windows: list[Window]) -> None:
    """Count each of `windows`, the last ones first, and take them off the list."""

    async def work() -> None:
        while windows:
            await count(windows.pop())

    async with asyncio.TaskGroup() as group:
        for _ in range(SIDE_BY_SIDE):
            group.create_task(work())


async def note_changed_rows(
    changed: Sequence[ChangedRows],
    outcomes: Sequence[Outcome],
    present: Sequence[ChannelAddress],
    ledger: Ledger,
    policy: RetryPolicy,
) -> None:
    """Remember what was seen, so that each change is announced once to everybody who has the report without it.

    `outcomes` are those of the message that announced it. Nobody waits for a recipient who was refused.
    """
    reached = {normalized((one.channel, one.recipient)) for one in outcomes if one.has_arrived}
    refused = {normalized((one.channel, one.recipient)) for one in outcomes if one.state == "refused"}
    waited_for = {*map(normalized, present)} - refused
    for one in changed:
        try:
            async with ledger.claim(one.window, policy) as claim:
                if one.note_in(claim.record, reached, waited_for):
                    await claim.save()
        except LedgerError as error:
            log_ledger_error(error, one.window)


async def compare(table: AnalysesTable, window: Window, statuses: FailedStatuses, limit: float) -> Comparison:
    """Count what `window` is compared with; whatever can't be counted within `limit` seconds stays unknown.

    A report without its comparison is still the report. At most eleven small questions are asked, all at once, and
    once a run another about the type of `created_at`: raise ColumnTypeError if no hour can be found by it.
    """
    windows = [to_compare_with(window), *earlier_weeks(window)]
    counts = [table.count(one.start, one.end) for one in windows]
    counts_of_failed = [table.count_failed(one.start, one.end, statuses) for one in windows]
    asked: list[Coroutine[Any, Any, Any]] = [table.check_type(), table.first_moment(window.end)]
    within = [asyncio.wait_for(one, limit) for one in (*asked, *counts, *counts_of_failed)]
    typed, first, *found = await asyncio.gather(*within, return_exceptions=True)
    if isinstance(typed, Exception) and not isinstance(typed, TimeoutError):
        raise typed
    analyses, failed = found[: len(windows)], found[len(windows) :]
    if why := _failure(analyses[:1]):
        extra = {"event": "not_compared", "window": as_option(windows[0])}
        logger.info("%s is not compared with: %s", windows[0].label(), why, extra=extra)
    if failure := _failure([first, *analyses[1:], *failed[1:]]):
        extra = {"event": "not_compared", "window": as_option(window)}
        logger.info("Not all that is usual for %s is known: %s", window.label(), failure, extra=extra)
    pairs = zip(analyses, failed, strict=True)
    before, *weeks = [Counts(analyses=_known(one), failed=_known(two)) for one, two in pairs]
    began = _known(first)
    if not _failure([first]) and (began is None or began >= windows[0].end):
        before = Counts()  # nothing is known of the time before the first row
    known = usual([*zip(windows[1:], weeks, strict=True)], began)
    if known:
        return Comparison(before=before, usual=known, is_partial=bool(known.failed is None and failure))
    if failure:
        return Comparison(before=before, failure=failure)
    return Comparison(before=before, known_from=began and began + FEWEST_WEEKS * WEEK)


def _failure(found: Sequence[Any]) -> str:
    """Say why one of the answers `found` is missing, "" if none is."""
    errors = [one for one in found if isinstance(one, Exception)]
    if any(isinstance(error, TimeoutError) for error in errors):
        return "counting took too long"
    return next((str(error) or type(error).__name__ for error in errors), "")


def _known(found: Any) -> Any:
    return None if isinstance(found, Exception) else found
