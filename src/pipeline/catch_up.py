"""The run's own window, then those before it: missed ones are sent, late rows and lost hours are told of."""

import asyncio
import logging
from collections.abc import Sequence

from msgspec.structs import replace

from ..channels.interface import addresses
from ..config.rerun_command import rerun_command
from ..domain.request import Result, WindowRequest
from ..domain.window import Window, as_option
from ..errors import LedgerError, Problem
from ..ledger.history import History, as_ranges, read_history
from ..message.alert import Failure
from ..phrases import english
from ..phrases.language import phrases_of
from ..runtime.retry import RetryPolicy
from .late_rows import find_late_rows, note_late_rows
from .report_window import describe_failure, report_window
from .services import Services

logger = logging.getLogger(__name__)
RECORDS_TOLD = 5
"""Records that one alert names: each takes some 500 of its 4,096 characters."""
RANGES_TOLD = 8
"""Ranges of windows that one alert names: in a cluster each takes some 350 of its 4,096 characters."""


async def report_with_catch_up(services: Services, window: Window, *, resend: bool) -> Result:
    """Report the run's own window first, then those that were missed, oldest first, while time lasts.

    Return the own one's result with the exit code of all: a missed window that fails again for a cause told before
    doesn't change that.
    """
    policy = services.policy()
    request = WindowRequest(window=window, trigger="scheduled", resend=resend)
    try:
        history = await _history(services, window, policy)
    except Exception as error:  # the run's own window matters more
        result = await report_window(services, request, policy)
        return await _without_history(services, result, error)
    if history is None:
        return await report_window(services, request, policy)
    late = await find_late_rows(history, services)
    for one in late:
        command = rerun_command(one.window, services.settings.report, resend=True)
        extra = {"event": "late_rows", "window": as_option(one.window), "rows": one.more}
        logger.warning("%s To send it again: %s", one.remark(english), command, extra=extra)
    phrases = phrases_of(services.settings.report.report_language)
    request = replace(request, remarks=[one.remark(phrases) for one in late], watermark=history.watermark())
    result = await report_window(services, request, policy)
    if result.sent:
        await note_late_rows(late, services, policy)
    code = max(result.code, await _catch_up(services, history, policy), await _tell(services, history, window, policy))
    earlier = Problem(key="earlier_window", reason="An earlier window failed.", remedy="The log says which, and why.")
    return replace(result, code=code, problem=result.problem or (earlier if code else None))


async def _history(services: Services, window: Window, policy: RetryPolicy) -> History | None:
    """Read the history in a part of the run's time; raise LedgerError if that fails."""
    limit = min(services.run.timeouts.history, policy.left() / 2)
    own = replace(policy, deadline=asyncio.get_running_loop().time() + limit)
    reach, present = services.settings.report.report_catch_up, addresses(services.channels)
    return await read_history(services.ledger, window, reach, present, own)


async def _without_history(services: Services, result: Result, error: Exception) -> Result:
    """Tell that missed windows could not be looked for, unless the next run can be expected to."""
    if isinstance(error, LedgerError) and error.transient:
        extra = {"event": "ledger_failed"}
        logger.warning("Missed windows could not be looked for; the next run will. %s", error, extra=extra)
        return result
    failure = replace(describe_failure(error), what="looking for missed windows")
    await services.alerts.send(None, [failure])
    return replace(result, code=max(result.code, 1), problem=result.problem or failure.problem)


async def _catch_up(services: Services, history: History, policy: RetryPolicy) -> int:
    """Report the windows that were missed; return the exit code of those whose failure is news."""
    code = 0
    for missed in history.missed():
        if not policy.allows(0):
            extra = {"event": "postponed", "window": as_option(missed)}
            logger.warning("No time is left for %s; the next run sends it", missed.label(), extra=extra)
            break
        result = await report_window(services, WindowRequest(window=missed, trigger="catch_up"), policy)
        code = max(code, 0 if result.known else result.code)
    return code


async def _tell(services: Services, history: History, window: Window, policy: RetryPolicy) -> int:
    """Alert of what no run will send by itself, and note in the record of `window` what somebody was told of.

    Return 1 if the ledger has a record that can't be read and of which nobody had been told, or if nobody could be
    told.
    """
    unreadable = await _tell_of_unreadable(services, history)
    out_of_reach = await _tell_of_out_of_reach(services, history.out_of_reach())
    told = [*unreadable, *out_of_reach]
    if told:
        try:
            async with services.ledger.claim(window, policy) as claim:
                claim.record.watermark = history.watermark(told)
                claim.record.unreadable += [one.start for one in unreadable]
                await claim.save()
        except LedgerError as error:
            logger.warning("%s", error, extra={"event": "ledger_failed", "window": as_option(window)})
    return 1 if history.unreadable() or (history.out_of_reach() and not out_of_reach) else 0


async def _tell_of_unreadable(services: Services, history: History) -> list[Window]:
    """Alert of records that can't be read; return the windows of which somebody was told.

    What does not fit into one alert is left to the next run.
    """
    found = history.unreadable()[:RECORDS_TOLD]
    failures = [Failure(what=f"the ledger, {window.label()}", problem=error.problem) for window, error in found]
    for failure in failures:
        logger.error("%s", failure.problem, extra={"event": "ledger_failed"})
    taken = found and await services.alerts.send(None, failures) == "now"
    return [window for window, _ in found] if taken else []


async def _tell_of_out_of_reach(services: Services, windows: Sequence[Window]) -> list[Window]:
    """Alert of windows further back than catch-up reaches, with a command for each range; return those told of.

    What does not fit into one alert is left to the next run.
    """
    ranges = as_ranges(windows)[:RANGES_TOLD]
    if not ranges:
        return []
    named = [window for one in ranges for window in one]
    commands = [rerun_command(one[0], services.settings.report, count=len(one)) for one in ranges]
    listed = [f"{one[0].label()}, {len(one)} in a row:\n{line}" for one, line in zip(ranges, commands, strict=True)]
    problem = Problem(
        key=f"out_of_reach.{as_option(named[0])}",
        reason="They are further back than REPORT_CATCH_UP reaches, so no run will send them by itself.",
        remedy="\n".join(["To send them, run:", *listed]),
    )
    what = f"{len(named)} reports, from {named[0].label()} to {named[-1].label()}"
    return named if await services.alerts.send(None, [Failure(what=what, problem=problem)]) == "now" else []
