"""One window, from its claim in the ledger to the outcome of every recipient."""

import asyncio
import logging
from collections.abc import Sequence

from msgspec.structs import replace

from ..channels.interface import addresses
from ..config.rerun_command import rerun_command
from ..domain.outcome import Outcome
from ..domain.request import Result, WindowRequest
from ..domain.window import Window, as_option
from ..errors import Problem, ReportError, TimeLimitError, broken_down
from ..ledger.claim import Claim
from ..message import unusual
from ..message.alert import STOPPED, Failure
from ..runtime.atomic_write import take_away
from ..runtime.logs import window_in_hand
from ..runtime.retry import RetryPolicy
from ..runtime.visible_text import foreign, in_quotes
from .build import built_report
from .deliver import deliver
from .services import Services

logger = logging.getLogger(__name__)


async def report_window(services: Services, request: WindowRequest, policy: RetryPolicy) -> Result:
    """Report a window to those to whom the run sends it; log and alert whatever fails."""
    window_in_hand.set(as_option(request.window))
    try:
        async with services.ledger.claim(request.window, policy) as claim:
            try:
                result = await _claimed(services, request, claim, policy)
            except asyncio.CancelledError:
                await _stopped(services, request.window, claim)
                raise
            except Exception as error:
                result = await _failed(services, request, error, claim)
    except Exception as error:  # it can't be claimed
        result = await _failed(services, request, error, None)
    return replace(result, window=as_option(request.window))


async def _claimed(services: Services, request: WindowRequest, claim: Claim, policy: RetryPolicy) -> Result:
    resend_by = services.resender if request.resend else ""
    present = addresses(services.channels)
    await claim.open_for(present, request.trigger, resend_by=resend_by, watermark=request.watermark)
    if not claim.owes_anybody:
        return _delivered_before(services, request.window, claim)
    async with built_report(services, request, claim.record.resent, policy) as (report, rows):
        if report is None:
            return await _skip(services, request.window, claim)
        claim.count_rows(rows)
        limit, storage = services.run.timeouts.send, services.storage
        is_first = not claim.record.has_reached_anybody
        outcomes = await deliver(report, services.channels, claim, policy, limit, storage)
        result = await _conclude(services, request.window, claim, outcomes)
        if is_first and result.sent and report.content.warnings:
            await services.alerts.tell_of_unusual(unusual.render(report.content))
        if request.is_late and result.code == 0:  # nobody looks for its file; that of the run's own window stays
            take_away(report.workbook, services.settings.report.report_dir)
        return replace(result, rows=rows, bytes=report.attachment.size)


def _delivered_before(services: Services, window: Window, claim: Claim) -> Result:
    end = "skipped before, because it had no rows" if claim.record.is_skipped else "delivered before"
    command = rerun_command(window, services.settings.report, resend=True)
    extra = {"event": "delivered_before"}
    logger.info("%s was %s. To send it again: %s", window.label(), end, command, extra=extra)
    for entry in claim.record.entries:
        channel, recipient, at = foreign(entry.channel), foreign(entry.recipient), foreign(entry.at)
        extra |= {"channel": channel, "recipient": recipient}
        logger.info("%s to %s: %s at %s", channel, recipient, entry.state, at, extra=extra)
    words = "skipped before" if claim.record.is_skipped else "delivered before"
    return Result(code=0, words=words, rows=claim.record.rows)


async def _skip(services: Services, window: Window, claim: Claim) -> Result:
    await claim.skip()
    logger.info("%s: skipped: no rows", window.label(), extra={"event": "skipped"})
    await _all_clear(services, window, claim)
    return Result(code=0, words="skipped: no rows", rows=0)


async def _conclude(services: Services, window: Window, claim: Claim, outcomes: Sequence[Outcome]) -> Result:
    failed = [outcome for outcome in outcomes if not outcome.delivered]
    done = f"{len(outcomes) - len(failed)} of {len(outcomes)}"
    words = f"{done} written" if any(one.state == "written" for one in outcomes) else f"delivered to {done}"
    logger.info("%s: %s", window.label(), words, extra={"event": "concluded"})
    if notices := [
        Failure(what="nothing yet, but a setting must be updated", problem=one.notice) for one in outcomes if one.notice
    ]:
        await services.alerts.send(None, notices)
    if not failed:
        await _all_clear(services, window, claim)
        return Result(code=0, words=words, sent=True)
    told = await services.alerts.send(window, _failures(failed), claim=claim, outcomes=outcomes)
    sent = len(failed) < len(outcomes)
    return Result(code=1, words=words, problem=failed[0].problem, sent=sent, known=told == "before")


async def _all_clear(services: Services, window: Window, claim: Claim) -> None:
    if claim.record.is_done(addresses(services.channels)):
        await services.alerts.all_clear(window, claim)


async def _failed(services: Services, request: WindowRequest, error: Exception, claim: Claim | None) -> Result:
    failure = describe_failure(error)
    result = Result(code=1, words=f"failed: {failure.what}", problem=failure.problem)
    if request.is_late and isinstance(error, TimeLimitError):
        extra = {"event": "postponed"}
        logger.warning("%s The next run continues with this window.", failure.problem.reason, extra=extra)
        return replace(result, known=True)
    told = await services.alerts.send(request.window, [failure], claim=claim)
    return replace(result, known=told == "before")


def describe_failure(error: Exception) -> Failure:
    """Log `error`, and describe it as data: what failed, and of which problem."""
    if isinstance(error, ReportError):
        logger.error("%s", error, extra={"event": "failed", "stage": error.stage})
        return Failure(what=error.stage, problem=error.problem)
    logger.error("The run broke down", exc_info=error, extra={"event": "broke_down"})
    return Failure(what="the run", problem=broken_down("The run", error, in_quotes(error)))


async def _stopped(services: Services, window: Window, claim: Claim) -> None:
    """Tell of a run that was stopped from outside, unless its window was told of already."""
    services.alerts.stop_is_told = True
    if claim.record.is_done(addresses(services.channels)):
        end = "skipped" if claim.record.is_skipped else "delivered"
        logger.warning("Stopped after %s was %s", window.label(), end, extra={"event": "stopped"})
        return
    logger.error("Stopped before %s was delivered", window.label(), extra={"event": "stopped"})
    if not claim.record.alerted or claim.record.cleared:
        await services.alerts.send(window, [Failure(what="the run", problem=STOPPED)], claim=claim)


def _failures(failed: Sequence[Outcome]) -> list[Failure]:
    """Gather failed outcomes by their problem, so that a dead server is told of once."""
    by_problem: dict[Problem, list[str]] = {}
    for outcome in failed:
        if outcome.problem:
            by_problem.setdefault(outcome.problem, []).append(f"{outcome.channel} to {outcome.recipient}")
    return [
        Failure(what=", ".join(recipients), problem=problem, parts=tuple(recipients))
        for problem, recipients in by_problem.items()
    ]
