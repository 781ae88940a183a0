"""The run's own window, then those before it: missed ones are sent, late rows and lost hours are told of."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress

from msgspec.structs import replace

from ..channels.interface import addresses
from ..config.rerun_command import rerun_command
from ..domain.outcome import ChannelAddress
from ..domain.request import Result, WindowRequest
from ..domain.window import Window, as_option, as_ranges
from ..errors import LedgerError, LedgerVersionError, Problem, Stage
from ..ledger.claim import Claim
from ..ledger.history import History, read_history, windows_before
from ..ledger.record import SILENT_RUNS, Record
from ..message.alert import Command, Failure
from ..phrases.language import ENGLISH, phrases_of
from ..runtime.retry import RetryPolicy
from .late_rows import find_changed_rows, marks, note_changed_rows
from .report_window import describe_failure, report_window
from .retention import remove_old
from .services import Services

logger = logging.getLogger(__name__)
RECORDS_TOLD = 5
"""Records that one alert names: each takes some 500 of its 4,096 characters."""
LARGEST_SHARE = 1 / 3
"""Of the time that is left: what building one window, and attempts at its temporary failures, get while others wait."""
RANGES_TOLD = 8
"""Ranges of windows that one alert names: in a cluster each takes some 350 of its 4,096 characters."""
_NO_RUN = "No run sends them automatically."
_SEND_THEM = "Send them now:"


async def report_with_catch_up(services: Services, window: Window, *, resend: bool) -> Result:
    """Report the run's own window first, then those that were missed, oldest first, while time lasts.

    Return the own one's result with the exit code of all: a missed window that fails again for a cause told before
    doesn't change that. Raise LedgerVersionError if the ledger is of another version: nothing is sent then.
    """
    policy = services.policy()
    request = WindowRequest(window=window, trigger="scheduled", resend=resend)
    try:
        history = await _history(services, window, policy)
    except LedgerVersionError:
        raise
    except Exception as error:  # the run's own window matters more
        result = await report_window(services, request, policy)
        return await _without_history(services, result, error)
    services.alerts.works((Stage.MISSED,))
    if history is None:
        result = await report_window(services, request, policy)
        await _alert_of_predecessor(services, window, policy)
        await remove_old(services, window, None, policy)
        return result
    changed = await find_changed_rows(history, services)
    news = [one for one in changed if one.is_news]
    for one in news:
        # One that was skipped is sent by any run that names it, and once.
        command = rerun_command(one.window, services.settings.report, resend=not one.skipped)
        how = "To send it" if one.skipped else "This command sends it to everyone again, every time it is run"
        counts = {"event": "late_rows", "rows": one.more} if one.is_late else {"event": "failed_since"}
        extra = counts | {"window": as_option(one.window), "failed": one.failed_since}
        logger.warning("%s%s %s: %s", one.remark(ENGLISH), one.who_lacks_them, how, command, extra=extra)
    phrases = phrases_of(services.settings.report.report_language)
    remarks = [one.remark(phrases) for one in news]
    request = replace(request, remarks=remarks, marks=marks(news, phrases), watermark=history.watermark())
    result = await report_window(services, request, policy.sharing(LARGEST_SHARE) if history.missed() else policy)
    # What nobody was told of stays news.
    changed = [one for one in changed if result.sent or not one.is_news]
    await note_changed_rows(changed, result.outcomes, services, policy)
    caught_up = await _catch_up(services, history, policy)
    told = await _tell(services, history, window, policy, is_well=result.code == 0)
    code = max(result.code, caught_up, told)
    await remove_old(services, window, history.watermark(), policy)
    earlier = Problem(
        key="earlier_window",
        reason="An earlier window failed.",
        remedy="The log says which, and why.",
        group="Other messages",
    )
    return replace(result, code=code, problem=result.problem or (earlier if code else None))


async def _history(services: Services, window: Window, policy: RetryPolicy) -> History | None:
    """Read the history in a part of the run's time; raise LedgerError if that fails."""
    limit = min(services.run.timeouts.history, policy.left() / 2)
    own = replace(policy, deadline=asyncio.get_running_loop().time() + limit)
    reach, present = services.settings.report.report_catch_up, addresses(services.channels)
    return await read_history(services.ledger, window, reach, present, own)


async def _alert_of_predecessor(services: Services, window: Window, policy: RetryPolicy) -> None:
    """Alert once if an empty ledger follows another one that ended before the window before `window`.

    Its settings were changed during an outage: what was missed then is in the other ledger, and nobody catches it up.
    """
    reach = services.settings.report.report_catch_up
    if not (services.ledger.remembers and reach):
        return
    try:
        reached = windows_before(window, reach)
        found = await services.ledger.predecessor(reached[0].start, policy)
        if found is None or await services.ledger.begun(policy) not in (None, window.start):
            return
    except LedgerError as error:
        logger.warning("%s", error, extra={"event": "ledger_failed", "key": error.problem.key})
        return
    missed = [one for one in reached if one.start > found.newest]
    if not missed:
        return
    first, count = missed[0], len(missed)
    span = f"{count} windows from {first.label()} on were" if missed[1:] else f"{first.label()} was"
    problem = Problem(
        key="ledger.begins_anew",
        reason=f"{' and '.join(found.changed)} changed, and {span} missed.",
        remedy=f"The ledger begins anew with {window.label()}; it knows nothing of earlier windows.",
        group="The ledger begins anew",
    )
    logger.warning("%s", problem.reason, extra={"event": "history_begins", "key": problem.key})
    command = Command(line=rerun_command(first, services.settings.report, count=count))
    failure = Failure(what=Stage.CATCH_UP, problem=problem, later=_NO_RUN, todo=_SEND_THEM, commands=[command])
    await services.alerts.send(None, [failure])  # `window` itself is sent


async def _without_history(services: Services, result: Result, error: Exception) -> Result:
    """Tell that missed windows could not be looked for, unless the next run can be expected to."""
    if isinstance(error, LedgerError) and error.transient:
        extra = {"event": "ledger_failed", "key": error.problem.key}
        logger.warning("Missed windows could not be looked for; the next run will. %s", error, extra=extra)
        return result
    later = "No run sends missed reports until this works."
    failure = replace(describe_failure(error), what=Stage.MISSED, later=later)
    if result.problem and result.problem.key == failure.problem.key:  # alerted with the run's own window
        return result
    await services.alerts.send(None, [failure])
    return replace(result, code=max(result.code, 1), problem=result.problem or failure.problem)


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


async def _tell(services: Services, history: History, window: Window, policy: RetryPolicy, *, is_well: bool) -> int:
    """Alert of what no run will send by itself, and note in the record of `window` what somebody was told of.

    `is_well`: the run's own window has reached everyone.

    Return 1 if the ledger has a record that can't be read, or a window in which several runs ended without a word, and
    nobody had been told; or if nobody could be told.
    """
    stuck = await _tell_of_stuck(services, history.stuck(), policy)
    unreadable = await _tell_of_unreadable(services, history)
    out_of_reach, is_known = await _tell_of_out_of_reach(services, history.out_of_reach(), is_well=is_well)
    told = [*unreadable, *out_of_reach]
    if told:
        try:
            async with services.ledger.claim(window, policy) as claim:
                claim.record.watermark = history.watermark(told)
                claim.record.unreadable += [one.start for one in unreadable]
                await claim.save()
        except LedgerError as error:
            extra = {"event": "ledger_failed", "window": as_option(window), "key": error.problem.key}
            logger.warning("%s", error, extra=extra)
    return 1 if stuck or history.unreadable() or not is_known else 0


async def _tell_of_stuck(services: Services, windows: Sequence[Window], policy: RetryPolicy) -> bool:
    """Alert of windows that are stepped over, once; return whether there are any that nobody was told of.

    One that another run holds, or whose last run's claim has not ended yet, is left to the next run. One that somebody
    saw to since the history was read is no news.
    """
    soon = min(policy.deadline, asyncio.get_running_loop().time() + services.run.timeouts.alert_note)
    claims: dict[Window, Claim] = {}
    async with AsyncExitStack() as stack:
        for window in windows:
            with suppress(LedgerError, TimeoutError):
                async with asyncio.timeout_at(soon):  # the saving, later, has the run's own time
                    claim = await stack.enter_async_context(services.ledger.claim(window, policy))
                if _is_news(claim.record, addresses(services.channels)):
                    claims[window] = claim
        named, listed = _with_commands([*claims], services)
        if not named:
            return False
        if await services.alerts.send(None, [_stepped_over(named, listed)]) != "nobody":
            for window in named:
                claims[window].record.given_up = True
                await _saved(claims[window], window)
    return True


def _is_news(record: Record, present: Sequence[ChannelAddress]) -> bool:
    """Return whether the window of `record` is stuck for any of `present`, and nobody was told."""
    return record.is_stuck and not (record.given_up or record.is_settled(present))


async def _saved(claim: Claim, window: Window) -> None:
    try:
        await claim.save()
    except LedgerError as error:  # rather told twice than not at all
        extra = {"event": "ledger_failed", "window": as_option(window), "key": error.problem.key}
        logger.warning("%s", error, extra=extra)


def _stepped_over(windows: Sequence[Window], commands: Sequence[Command]) -> Failure:
    """Log that runs ended in `windows` without a word, and describe it as data."""
    what = ", ".join(window.label() for window in windows)
    reason = f"{SILENT_RUNS} runs in a row were killed while they worked on {what}."
    problem = Problem(
        key=f"silent_runs.{as_option(windows[0])}",
        reason=reason,
        remedy="Find out why: often the memory limit was exceeded (kubectl describe pod says OOMKilled), or a node was "
        "lost.",
        group="Runs were killed",
    )
    logger.error("%s", reason, extra={"event": "stepped_over", "key": problem.key})
    later, todo = "No run sends it automatically any more.", "Then send:"
    return Failure(what=Stage.CATCH_UP, problem=problem, later=later, todo=todo, commands=commands)


async def _tell_of_unreadable(services: Services, history: History) -> list[Window]:
    """Alert of records that can't be read; return the windows of which somebody was told.

    What does not fit into one alert is left to the next run.
    """
    found = history.unreadable()[:RECORDS_TOLD]
    failures = [
        Failure(
            what=f"the ledger, {window.label()}",
            problem=error.problem,
            later="No run sends this window until its record is removed.",
        )
        for window, error in found
    ]
    for failure in failures:
        logger.error("%s", failure.problem, extra={"event": "ledger_failed", "key": failure.problem.key})
    taken = found and await services.alerts.send(None, failures) != "nobody"
    return [window for window, _ in found] if taken else []


async def _tell_of_out_of_reach(
    services: Services, windows: Sequence[Window], *, is_well: bool
) -> tuple[list[Window], bool]:
    """Alert of windows further back than catch-up reaches, with a command for each range.

    Return those told of, and whether somebody knows of such windows. While an outage lasts, each run pushes another
    one out of reach: they are told of once a day, and the rest by the first run that `is_well`. What does not fit into
    one alert is left to the next run.
    """
    named, listed = _with_commands(windows, services)
    if not named:
        return [], True
    what, them = f"{len(named)} reports, from {named[0].label()} to {named[-1].label()}, are", "them"
    if len(named) == 1:
        what, them = f"The report of {named[0].label()} is", "it"
    problem = Problem(
        key=f"out_of_reach.{as_option(named[0])}" if is_well else "out_of_reach",
        reason=f"{what} further back than REPORT_CATCH_UP reaches.",
        group="Reports that are too far back",
    )
    todo = f"Send {them} now to whoever lacks {them}:"
    failure = Failure(what=Stage.CATCH_UP, problem=problem, later=_NO_RUN, todo=todo, commands=listed)
    result = await services.alerts.send(None, [failure])
    return (named if result == "now" else []), result != "nobody"


def _with_commands(windows: Sequence[Window], services: Services) -> tuple[list[Window], list[Command]]:
    """Return those of `windows` that one alert can name, and for each range of them the command that sends it."""
    ranges = as_ranges(windows)[:RANGES_TOLD]
    commands = [rerun_command(one[0], services.settings.report, count=len(one)) for one in ranges]
    rows = [f", {len(one)} in a row" if len(one) > 1 else "" for one in ranges]
    listed = [
        Command(line=line, label=f"{one[0].label()}{row}")
        for one, row, line in zip(ranges, rows, commands, strict=True)
    ]
    return [window for one in ranges for window in one], listed
