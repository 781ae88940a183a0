"""The windows before this one: the missed ones are made good, rows that came late are told of."""

import logging
from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from ..channels.interface import addresses
from ..config.kubernetes import rerun_command
from ..domain.window import Window, as_option
from ..errors import LedgerError, ReportError
from ..ledger.history import History, as_ranges, read_history
from ..ledger.interface import Ledger
from ..message.alert import Failure
from .late_rows import find_late_rows, note_late_rows
from .report_window import Producer, Result

logger = logging.getLogger(__name__)
RANGES_TOLD = 8
"""Ranges of windows that one alert names: in a cluster each takes some 350 of its 4,096 characters."""


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
    watermark = history.watermark() if history else None
    result = await producer.produce(window, trigger="scheduled", resend=resend, remarks=remarks, watermark=watermark)
    code = result.code
    if history is None:
        return result
    if result.sent:
        await note_late_rows(producer.ledger, late)
    for missed in history.missed():
        if not producer.policy.allows(0):
            extra = {"event": "postponed", "window": as_option(missed)}
            logger.warning("No time is left for %s; the next run makes it good", missed.label(), extra=extra)
            break
        made_good = await producer.produce(missed, trigger="catch_up")
        code = code if made_good.known else max(code, made_good.code)
    unreadable = await _tell_of_unreadable(producer, history)
    told = [*unreadable, *await _tell_of_out_of_reach(producer, history.out_of_reach())]
    if told:
        await _note_told(producer.ledger, window, history.watermark(told), unreadable)
    code = max(code, 1 if history.unreadable() else 0)
    why = result.why or ("An earlier window failed; its own line in the log says why." if code else "")
    return replace(result, code=code, why=why)


async def _history_or_none(producer: Producer, window: Window) -> History | None:
    try:
        reach, present = producer.settings.report.report_catch_up, addresses(producer.channels)
        return await read_history(producer.ledger, window, reach, present)
    except ReportError as error:
        logger.warning("What was missed before can't be told: %s", error, extra={"event": "ledger_failed"})
        return None


async def _tell_of_unreadable(producer: Producer, history: History) -> list[Window]:
    """Alert of records that cannot be read; return their windows if somebody was told."""
    found = history.unreadable()
    failures = [Failure(what=f"the ledger, {window.label()}", why=str(error)) for window, error in found]
    for failure in failures:
        logger.error("%s", failure.why, extra={"event": "ledger_failed"})
    taken = found and await producer.alerts.send(None, failures, owed=()) == "now"
    return [window for window, _ in found] if taken else []


async def _tell_of_out_of_reach(producer: Producer, windows: Sequence[Window]) -> list[Window]:
    """Alert of windows that no run will send by itself, with a command for each range; return those told of.

    What does not fit into one alert is left to the next run.
    """
    ranges = as_ranges(windows)[:RANGES_TOLD]
    if not ranges:
        return []
    named = [window for one in ranges for window in one]
    commands = [rerun_command(one[0], producer.settings.report, count=len(one)) for one in ranges]
    listed = [
        f"{one[0].label()}, {len(one)} in a row:\n{command}" for one, command in zip(ranges, commands, strict=True)
    ]
    why = "They are further back than REPORT_CATCH_UP reaches, so no run will send them by itself. To send them, run:"
    what = f"{len(named)} reports, from {named[0].label()} to {named[-1].label()}"
    failure = Failure(what=what, why="\n".join([why, *listed]))
    return named if await producer.alerts.send(None, [failure], owed=()) == "now" else []


async def _note_told(ledger: Ledger, window: Window, watermark: datetime, unreadable: Sequence[Window]) -> None:
    """Remember in the record of the run's own `window` what somebody was told of."""
    try:
        async with ledger.claim(window) as claim:
            claim.record.watermark = watermark
            claim.record.unreadable += [one.start for one in unreadable]
            await claim.save()
    except LedgerError as error:
        logger.warning("%s", error, extra={"event": "ledger_failed", "window": as_option(window)})
