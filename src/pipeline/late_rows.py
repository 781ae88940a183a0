"""Rows that came, and analyses that failed, after the report of their window was sent."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence, Set

from msgspec import Struct

from ..domain.analysis import FailedStatuses
from ..domain.outcome import ChannelAddress, Outcome, named, same
from ..domain.window import Window, as_option
from ..errors import LedgerError, SourceError
from ..ledger.history import History
from ..ledger.record import Record
from ..phrases.language import Phrases
from ..runtime.retry import RetryPolicy
from .services import Services

logger = logging.getLogger(__name__)
SIDE_BY_SIDE = 4
"""Windows that are counted at once."""


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
    def skipped(self) -> bool:
        """Whether the window was skipped as empty, so that nobody has its report."""
        return self.record.is_skipped

    @property
    def who_lacks_them(self) -> str:
        """Those who got the report with fewer rows, in a sentence for the log."""
        lacking = self.record.with_fewer_than(self.rows + self.record.deleted)
        return f" {named(lacking)} got fewer." if lacking else ""

    @property
    def failed_since(self) -> int:
        """How many analyses have failed since the report in all, 0 if none did that is news."""
        return self.record.failed_since(self.failed)

    @property
    def is_repaired(self) -> bool:
        """Whether fewer analyses have failed than when the report was sent."""
        return self.failed is not None and self.failed < (self.record.failed or 0)

    @property
    def is_news(self) -> bool:
        """Whether recipients are to be told of it."""
        return self.is_late or bool(self.failed_since)

    def remark(self, phrases: Phrases) -> str:
        """Write the sentence for the next message."""
        if self.is_late:
            return phrases.late_rows(self.window, self.more, failed=self.failed_since, skipped=self.skipped)
        return phrases.failed_since(self.window, self.failed_since)

    def noted(self, record: Record, reached: Set[ChannelAddress], waited_for: Set[ChannelAddress]) -> bool:
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


def marks(news: Sequence[ChangedRows], phrases: Phrases) -> str:
    """Return what stands behind the title of the message that announces `news`."""
    rows = phrases.ROWS_LATE if any(one.is_late for one in news) else ""
    return rows + (phrases.FAILED_SINCE if any(one.failed_since for one in news) else "")


async def find_changed_rows(history: History, services: Services) -> list[ChangedRows]:
    """Find delivered windows that have other numbers of rows than they should, or more failures, oldest first.

    Each is counted by itself: a row that is gone from one would hide one that came late for another. The newest go
    first, rows before failures, as far as there is time; what can't be counted soon is left to the next run.
    """
    delivered = history.delivered()
    rows, failed = await _count(delivered, services)
    counted = [
        ChangedRows(window=window, rows=rows[window], failed=failed.get(window), record=record)
        for window, record in delivered
        if window in rows
    ]
    _log_fewer(counted)
    return [one for one in counted if one.rows != one.record.expected_rows or one.failed_since]


async def _count(
    delivered: Sequence[tuple[Window, Record]], services: Services
) -> tuple[dict[Window, int], dict[Window, int]]:
    """Count rows and failures of windows as far as there is time; failures only where both counts are of one kind."""
    table, statuses = services.table, FailedStatuses(services.settings.report.report_failed_statuses)
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
        async with asyncio.timeout(services.run.timeouts.late_rows):
            await _side_by_side(count_rows, [window for window, _ in delivered])
            await _side_by_side(count_failed, comparable)
    except* (SourceError, TimeoutError) as errors:
        why = str(errors.exceptions[0]) or "counting took too long"
        logger.info("Rows that came late, and failures since, were not looked for everywhere: %s", why)
    return rows, failed


async def _side_by_side(ask: Callable[[Window], Awaitable[None]], windows: list[Window]) -> None:
    """Ask about each of `windows`, the last ones first, and take them off."""

    async def work() -> None:
        while windows:
            await ask(windows.pop())

    async with asyncio.TaskGroup() as group:
        for _ in range(SIDE_BY_SIDE):
            group.create_task(work())


def _log_fewer(counted: Sequence[ChangedRows]) -> None:
    """Log what is no news to recipients: rows that are gone, and failures that were repaired."""
    for one in counted:
        if (gone := one.record.expected_rows - one.rows) > 0:
            extra = {"event": "fewer_rows", "window": as_option(one.window), "rows": one.rows}
            logger.info("%s has %d rows fewer than its report had", one.window.label(), gone, extra=extra)
    if repaired := ", ".join(as_option(one.window) for one in counted if one.is_repaired):
        logger.info(
            "Fewer analyses have failed now than in the report: %s", repaired, extra={"event": "fewer_failures"}
        )


async def note_changed_rows(
    changed: Sequence[ChangedRows], outcomes: Sequence[Outcome], services: Services, policy: RetryPolicy
) -> None:
    """Remember what was seen, so that each change is announced once to everybody who has the report without it.

    `outcomes` are those of the message that announced it. Nobody waits for a recipient who was refused.
    """
    reached = {same((one.channel, one.recipient)) for one in outcomes if one.has_arrived}
    refused = {same((one.channel, one.recipient)) for one in outcomes if one.state == "refused"}
    waited_for = {*map(same, services.present)} - refused
    for one in changed:
        try:
            async with services.ledger.claim(one.window, policy) as claim:
                if one.noted(claim.record, reached, waited_for):
                    await claim.save()
        except LedgerError as error:
            extra = {"event": "ledger_failed", "window": as_option(one.window), "key": error.problem.key}
            logger.warning("%s", error, extra=extra)
