"""The run's own window, then those before it: send missed ones, announce late rows, alert of what no run sends."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress

from msgspec.structs import replace

from ..domain.delivery import ChannelAddress
from ..domain.request import Result, WindowRequest
from ..domain.window import Window, as_option
from ..errors import LedgerError, LedgerVersionError, Problem, Stage
from ..ledger.claim import Claim
from ..ledger.history import History, read_history, windows_before
from ..ledger.record import Record
from ..runtime.retry import RetryPolicy
from . import failures
from .other_windows import announcement, find_changed_rows, note_changed_rows
from .report_window import report_window
from .retention import remove_old
from .services import Services

logger = logging.getLogger(__name__)
_TIME_FOR_LATE_ROWS = 30.0
"""Seconds in which they are looked for."""
LARGEST_SHARE = 1 / 3
"""Of the time that is left: what building one window, and attempts at its temporary failures, get while others wait."""
_EARLIER_WINDOW = Problem(
    key="earlier_window",
    reason="An earlier window failed.",
    remedy="The log says which, and why.",
    group="Other messages",
)


async def report_with_catch_up(services: Services, window: Window, *, resend: bool) -> Result:
    """Report the run's own window first, then those that were missed, oldest first, while time lasts.

    Return the own one's result with the exit code of all: a missed window that fails again for a cause alerted before
    doesn't change that. Raise LedgerVersionError if the ledger is of another version: nothing is sent then.
    """
    policy = services.run.policy()
    request = WindowRequest(window=window, trigger="scheduled", resend=resend)
    try:
        history = await _history(services, window, policy)
    except LedgerVersionError:
        raise
    except Exception as error:  # the run's own window matters more
        return await _without_history(services, await report_window(services, request, policy), error)
    services.alerts.mark_working(Stage.MISSED)
    if history is None:
        result = await report_window(services, request, policy)
        await _alert_of_new_ledger(services, window, policy)
        await remove_old(services, window, None, policy)
        return result
    result = await _report_own(services, request, history, policy)
    caught_up = await _catch_up(services, history, policy)
    unsent = await _alert_of_unsent(services, history, window, policy, is_well=result.code == 0)
    code = max(result.code, caught_up, unsent)
    await remove_old(services, window, history.watermark(), policy)
    return replace(result, code=code, problem=result.problem or (_EARLIER_WINDOW if code else None))


async def _history(services: Services, window: Window, policy: RetryPolicy) -> History | None:
    """Read the history in a part of the run's time; raise LedgerError if that fails."""
    part = services.run.policy(min(services.timeouts.history, policy.left() / 2))
    return await read_history(services.ledger, window, services.report.report_catch_up, services.everyone, part)


async def _without_history(services: Services, result: Result, error: Exception) -> Result:
    """Alert that missed windows could not be looked for, unless the next run can be expected to."""
    if isinstance(error, LedgerError) and error.transient:
        extra = {"event": "ledger_failed", "key": error.problem.key}
        logger.warning("Missed windows could not be looked for; the next run will. %s", error, extra=extra)
        return result
    failure = failures.no_history(error)
    if result.problem and result.problem.key == failure.problem.key:  # alerted with the run's own window
        return result
    await services.alerts.send([failure])
    return replace(result, code=max(result.code, 1), problem=result.problem or failure.problem)


async def _report_own(services: Services, request: WindowRequest, history: History, policy: RetryPolicy) -> Result:
    """Report the run's own window, with remarks on rows that came late for earlier ones."""
    delivered, limit = history.delivered(), _TIME_FOR_LATE_ROWS
    changed = await find_changed_rows(delivered, services.table, services.failed_statuses, limit)
    news = [one for one in changed if one.is_news]
    for one in news:
        one.log(services.report)
    remarks, marks = announcement(news, services.report)
    request = replace(request, remarks=remarks, marks=marks, watermark=history.watermark())
    own = policy.sharing(LARGEST_SHARE) if history.missed() else policy
    result = await report_window(services, request, own)
    # What nobody was sent stays news.
    seen = [one for one in changed if result.sent or not one.is_news]
    await note_changed_rows(seen, result.outcomes, services.present, services.ledger, policy)
    return result


async def _catch_up(services: Services, history: History, policy: RetryPolicy) -> int:
    """Report the windows that were missed; return the exit code of those whose failure is news."""
    code, windows = 0, history.missed()
    for waiting, missed in zip(range(len(windows) - 1, -1, -1), windows, strict=True):
        if not policy.allows(0):
            extra = {"event": "postponed", "window": as_option(missed)}
            logger.warning("No time is left for %s; the next run sends it", missed.label(), extra=extra)
            break
        # Neither a mailbox that says "later" to each window nor a window that takes long to read holds up the others.
        own = policy.sharing(min(LARGEST_SHARE, 1 / (waiting + 1))) if waiting else policy
        own = own.building_for(LARGEST_SHARE) if waiting else own
        result = await report_window(services, WindowRequest(window=missed, trigger="catch_up"), own)
        code = max(code, 0 if result.known else result.code)
    return code


async def _alert_of_new_ledger(services: Services, window: Window, policy: RetryPolicy) -> None:
    """Alert once if an empty ledger follows another one that ended before the window before `window`.

    Its settings were changed during an outage: what was missed then is in the other ledger, and nobody catches it up.
    """
    ledger, reach = services.ledger, services.report.report_catch_up
    if not (ledger.remembers and reach):
        return
    try:
        reached = windows_before(window, reach)
        found = await ledger.predecessor(reached[0].start, policy)
        if found is None or await ledger.begun(policy) not in (None, window.start):
            return
    except LedgerError as error:
        failures.log_ledger_error(error)
        return
    if missed := [one for one in reached if one.start > found.newest]:
        await services.alerts.send([failures.new_ledger(window, missed, found.changed, services.report)])


async def _alert_of_unsent(
    services: Services, history: History, window: Window, policy: RetryPolicy, *, is_well: bool
) -> int:
    """Alert of what no run sends automatically, and note in the record of `window` what the alerts named.

    `is_well`: the run's own window has reached everyone.

    Return 1 if the ledger has a record that can't be read, or a window in which several runs were killed, that no alert
    had named; or if no alert could be sent.
    """
    killed = await _alert_of_killed_runs(services, history.stuck(), policy)
    unreadable = await _alert_of_unreadable(services, history)
    beyond, is_known = await _alert_of_out_of_reach(services, history.out_of_reach(), is_well=is_well)
    if named := [*unreadable, *beyond]:
        try:
            async with services.ledger.claim(window, policy) as claim:
                claim.record.watermark = history.watermark(named)
                claim.record.unreadable += [one.start for one in unreadable]
                await claim.save()
        except LedgerError as error:
            failures.log_ledger_error(error, window)
    return 1 if killed or history.unreadable() or not is_known else 0


async def _alert_of_killed_runs(services: Services, windows: Sequence[Window], policy: RetryPolicy) -> bool:
    """Alert once of windows that no run catches up; return whether there are any that no alert had named.

    One that another run holds, or whose last run's claim has not ended yet, is left to the next run. One that was
    reported since the history was read is not news.
    """
    soon = min(policy.deadline, asyncio.get_running_loop().time() + services.timeouts.alert_note)
    claims: dict[Window, Claim] = {}
    async with AsyncExitStack() as stack:
        for window in windows:
            with suppress(LedgerError, TimeoutError):
                async with asyncio.timeout_at(soon):  # the saving, later, has the run's own time
                    claim = await stack.enter_async_context(services.ledger.claim(window, policy))
                if _is_stuck(claim.record, services.everyone):
                    claims[window] = claim
        named, commands = failures.commands_for([*claims], services.report)
        if not named:
            return False
        if await services.alerts.send([failures.killed_runs(named, commands)]) != "nobody":
            for window in named:
                claims[window].record.given_up = True
                try:
                    await claims[window].save()
                except LedgerError as error:  # rather an alert too many than one too few
                    failures.log_ledger_error(error, window)
    return True


def _is_stuck(record: Record, present: Sequence[ChannelAddress]) -> bool:
    """Return whether the window of `record` is stuck for any of `present`, and no alert named it."""
    return record.is_stuck and not (record.given_up or record.is_settled(present))


async def _alert_of_unreadable(services: Services, history: History) -> list[Window]:
    """Alert of records that can't be read; return their windows, if somebody was alerted.

    What does not fit into one alert is left to the next run.
    """
    found = history.unreadable()[: failures.RECORDS_NAMED]
    described = [failures.unreadable_record(window, error) for window, error in found]
    is_sent = described and await services.alerts.send(described) != "nobody"
    return [window for window, _ in found] if is_sent else []


async def _alert_of_out_of_reach(
    services: Services, windows: Sequence[Window], *, is_well: bool
) -> tuple[list[Window], bool]:
    """Alert of windows further back than catch-up reaches, with a command for each range.

    Return those that the alert named, and whether somebody knows of such windows. While an outage lasts, each run
    pushes another one out of reach: they are alerted once a day, and the rest by the first run that `is_well`. What
    does not fit into one alert is left to the next run.
    """
    named, commands = failures.commands_for(windows, services.report)
    if not named:
        return [], True
    result = await services.alerts.send([failures.out_of_reach(named, commands, is_well=is_well)])
    return (named if result == "now" else []), result != "nobody"
