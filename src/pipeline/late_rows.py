"""Rows that came for a window after its report was sent."""

import asyncio
import logging
from collections.abc import Sequence, Set

from msgspec import Struct

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
    """A window that has `rows` now, others than its `record` expects.

    Rows are counted, not compared: where as many came late as were deleted since the last look, nothing shows.
    """

    window: Window
    rows: int
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

    def remark(self, phrases: Phrases) -> str:
        """Write the sentence for the next message."""
        return phrases.late_rows(self.window, self.more, skipped=self.skipped)

    def noted(self, record: Record, reached: Set[ChannelAddress], waited_for: Set[ChannelAddress]) -> bool:
        """Enter in `record` what was seen; return False if it has changed meanwhile, so that this is stale."""
        if record.counts != self.record.counts:
            return False
        if self.is_late:
            record.announce(self.more, reached=reached, waited_for=waited_for)
        else:
            record.deleted += record.expected_rows - self.rows
        return True


async def find_changed_rows(history: History, services: Services) -> list[ChangedRows]:
    """Find delivered windows that have other numbers of rows than they should, oldest first.

    Each is counted by itself: a row that is gone from one would hide one that came late for another. The newest go
    first, as far as there is time; what can't be counted soon is left to the next run.
    """
    found: list[ChangedRows] = []

    async def look(delivered: list[tuple[Window, Record]]) -> None:
        while delivered:
            window, record = delivered.pop()
            rows = await services.table.count(window.start, window.end)
            if rows != record.expected_rows:
                found.append(ChangedRows(window=window, rows=rows, record=record))

    delivered = history.delivered()
    try:
        async with asyncio.timeout(services.run.timeouts.late_rows), asyncio.TaskGroup() as group:
            for _ in range(SIDE_BY_SIDE):
                group.create_task(look(delivered))
    except* (SourceError, TimeoutError) as errors:
        why = str(errors.exceptions[0]) or "counting took too long"
        logger.info("Rows that came late were not looked for everywhere: %s", why)
    for one in found:
        if not one.is_late:
            gone = one.record.expected_rows - one.rows
            extra = {"event": "fewer_rows", "window": as_option(one.window), "rows": one.rows}
            logger.info("%s has %d rows fewer than its report had", one.window.label(), gone, extra=extra)
    return sorted(found, key=lambda one: one.window.start)


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
