"""Rows that came for a window after its report was sent."""

import asyncio
import logging
from collections.abc import Sequence

from msgspec import Struct

from ..domain.window import Window, as_option
from ..errors import LedgerError, SourceError
from ..ledger.history import History
from ..ledger.record import Record
from ..phrases.language import Phrases
from ..runtime.retry import RetryPolicy
from ..supabase.analyses import AnalysesTable
from .services import Services

logger = logging.getLogger(__name__)


class LateRows(Struct, frozen=True, kw_only=True):
    """A window that has `more` rows now than its report had, or that was `skipped` as empty."""

    window: Window
    more: int
    skipped: bool = False

    def remark(self, phrases: Phrases) -> str:
        """Write the sentence for the next message."""
        return phrases.late_rows(self.window, self.more, skipped=self.skipped)


async def find_late_rows(history: History, services: Services) -> list[LateRows]:
    """Find delivered windows that have more rows now and of which nobody was told; none if it can't be told soon.

    One counted query answers for all that lie side by side; only where it differs is each window counted.
    """
    found = []
    try:
        async with asyncio.timeout(services.run.timeouts.late_rows):
            for delivered in history.delivered():
                total = await services.table.count(delivered[0][0].start, delivered[-1][0].end)
                if total != sum((record.rows or 0) + record.late_rows for _, record in delivered):
                    found += await _each_counted(delivered, services.table)
    except (SourceError, TimeoutError) as error:
        logger.info("Rows that came late were not looked for: %s", error or "counting took too long")
        return []
    return found


async def _each_counted(delivered: Sequence[tuple[Window, Record]], table: AnalysesTable) -> list[LateRows]:
    found = []
    for window, record in delivered:
        more = await table.count(window.start, window.end) - (record.rows or 0)
        if more < 0:
            logger.info("%s has %d rows fewer than its report had", window.label(), -more)
        elif more not in (0, record.late_rows):
            found.append(LateRows(window=window, more=more, skipped=record.is_skipped))
    return found


async def note_late_rows(late: Sequence[LateRows], services: Services, policy: RetryPolicy) -> None:
    """Remember what was told, so that it is told once a change."""
    for one in late:
        try:
            async with services.ledger.claim(one.window, policy) as claim:
                claim.record.late_rows = one.more
                await claim.save()
        except LedgerError as error:
            logger.warning("%s", error, extra={"event": "ledger_failed", "window": as_option(one.window)})
