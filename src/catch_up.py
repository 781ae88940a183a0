"""The windows before this one: the missed ones are made good, rows that came late are told of."""

import asyncio
import logging
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from . import words
from .analyses import AnalysesTable
from .errors import LedgerError, ReportError, SourceError
from .history import History, read_history
from .ledger import Ledger
from .message import Failure
from .options import command_again
from .produce import Producer, Result
from .record import Record
from .window import Window, as_option

logger = logging.getLogger(__name__)
COUNT_LIMIT = 30.0
"""Seconds that looking for late rows may take; the present report matters more."""


class LateRows(Struct, frozen=True, kw_only=True):
    """A window that has `more` rows now than its report had, or that was `skipped` as empty."""

    window: Window
    more: int
    skipped: bool = False

    @property
    def remark(self) -> str:
        """The sentence for the next message."""
        return words.late_rows(self.window, self.more, skipped=self.skipped)


async def find_late_rows(history: History, table: AnalysesTable) -> list[LateRows]:
    """Find delivered windows that have more rows now and of which nobody was told; quietly none if it can't be told.

    One counted query answers for all; only where it differs is each window counted.
    """
    delivered = history.delivered()
    if not delivered or not history.covers():
        return []
    try:
        async with asyncio.timeout(COUNT_LIMIT):
            total = await table.count(delivered[0][0].start, delivered[-1][0].end)
            if total == sum((record.rows or 0) + record.late_rows for _, record in delivered):
                return []
            return await _each_counted(delivered, table)
    except (SourceError, TimeoutError) as error:
        logger.info("Rows that came late were not looked for: %s", error or "counting took too long")
        return []


async def _each_counted(delivered: Sequence[tuple[Window, Record]], table: AnalysesTable) -> list[LateRows]:
    found = []
    for window, record in delivered:
        more = await table.count(window.start, window.end) - (record.rows or 0)
        if more < 0:
            logger.info("%s has %d rows fewer than its report had", window.label(), -more)
        elif more not in (0, record.late_rows):
            found.append(LateRows(window=window, more=more, skipped=record.is_skipped))
    return found


async def produce_with_catch_up(producer: Producer, window: Window, *, resend: bool) -> Result:
    """Report the present window first, then make good what was missed, oldest first, while time lasts.

    Return the present one's result with the exit code of all: a missed window that fails again for a cause
    told before doesn't change that.
    """
    history = await _history_or_none(producer, window)
    late = await find_late_rows(history, producer.table) if history else []
    for one in late:
        extra = {"event": "late_rows", "window": as_option(one.window), "rows": one.more}
        logger.warning("%s To send it again: %s", one.remark, producer.again(one.window), extra=extra)
    remarks = [one.remark for one in late]
    result = await producer.produce(window, resend=resend, remarks=remarks, scheduled=True)
    code = result.code
    if history is None:
        return result
    if result.sent:
        await note_late_rows(producer.ledger, late)
    for missed in history.missed():
        if not producer.patience.allows(0):
            extra = {"event": "postponed", "window": as_option(missed)}
            logger.warning("No time is left for %s; the next run makes it good", missed.label(), extra=extra)
            break
        made_good = await producer.produce(missed, late=True, scheduled=True)
        code = code if made_good.known else max(code, made_good.code)
    await _give_up(producer, history.given_up())
    why = result.why or ("A window that was missed failed again." if code else "")
    return replace(result, code=code, why=why)


async def _history_or_none(producer: Producer, window: Window) -> History | None:
    try:
        present = {(channel.name, recipient) for channel in producer.channels for recipient in channel.recipients}
        return await read_history(producer.ledger, window, producer.settings.report.report_catch_up, present)
    except ReportError as error:
        logger.warning("What was missed before can't be told: %s", error, extra={"event": "ledger_failed"})
        return None


async def _give_up(producer: Producer, windows: Sequence[Window]) -> None:
    if not windows:
        return
    settings = producer.settings.report
    command = command_again(windows[0], settings).replace(as_option(windows[0]), "$start")
    starts = " ".join(as_option(window) for window in windows)
    why = (
        "They are too far back to be made good by the next runs. To make them good, run:\n"
        f"for start in {starts}; do {command}; sleep 1; done"
    )
    what = f"{len(windows)} reports, from {windows[0].label()} to {windows[-1].label()}"
    if await producer.alarm.raise_for(None, [Failure(what=what, why=why)], owed=()) == "now":
        await note_given_up(producer.ledger, windows)


async def note_late_rows(ledger: Ledger, late: Sequence[LateRows]) -> None:
    """Remember what was told, so that it is told once a change."""
    for one in late:
        try:
            async with ledger.claim(one.window) as book:
                book.record.late_rows = one.more
                await book.save()
        except LedgerError as error:
            logger.warning("%s", error, extra={"event": "ledger_failed", "window": as_option(one.window)})


async def note_given_up(ledger: Ledger, windows: Sequence[Window]) -> None:
    """Remember that somebody was told of windows that are out of reach."""
    for window in windows:
        try:
            async with ledger.claim(window) as book:
                book.record.given_up = True
                await book.save()
        except LedgerError as error:
            logger.warning("%s", error, extra={"event": "ledger_failed", "window": as_option(window)})
