"""One window, from its claim in the ledger to the outcome of every recipient."""

import asyncio
import logging
from collections.abc import Sequence

from msgspec.structs import replace

from ..channels.interface import addresses
from ..config.rerun_command import rerun_command
from ..config.schedule import has_next_pod, shared_by_pods
from ..domain.analysis import FailedStatuses
from ..domain.outcome import ChannelAddress, Outcome, named, same
from ..domain.request import Result, Tally, WindowRequest
from ..domain.window import Window, as_option
from ..errors import LedgerError, Problem, ReportError, Stage, TimeLimitError, unexpected
from ..ledger.claim import Claim
from ..ledger.record import Record
from ..message.alert import STOPPED_BY_SIGTERM, Command, Failure
from ..message.caption import render_unusual
from ..runtime.atomic_write import take_away
from ..runtime.logs import window_in_hand
from ..runtime.retry import RetryPolicy
from ..runtime.visible_text import foreign, one_line_quote
from .alerts import AlertResult
from .build import built_report
from .deliver import deliver
from .services import Services

logger = logging.getLogger(__name__)


async def report_window(services: Services, request: WindowRequest, policy: RetryPolicy) -> Result:
    """Report a window to those to whom the run sends it; log and alert whatever fails."""
    window_in_hand.set(as_option(request.window))
    services.alerts.at_hand, services.alerts.stop_is_told = request.window, False
    present = services.present
    tally = Tally(owed=len(present), recipients=len(present))
    try:
        async with services.ledger.claim(request.window, policy) as claim:
            try:
                result = await _claimed(services, request, claim, policy)
            except asyncio.CancelledError:
                await _stopped(services, request.window, claim)
                raise
            except Exception as error:
                result = await _failed(services, request, error, claim, policy)
            if claim.record.entries:
                tally = _tally(claim.record, present, result.outcomes)
    except Exception as error:  # it can't be claimed
        result = await _failed(services, request, error, None, policy)
    services.alerts.stop_is_told = True  # what became of it was told
    return replace(result, window=as_option(request.window), label=request.window.label(), tally=tally)


def _tally(record: Record, present: Sequence[ChannelAddress], outcomes: Sequence[Outcome]) -> Tally:
    return Tally(
        delivered=sum(outcome.state == "delivered" for outcome in outcomes),
        owed=len(record.still_owed(present)),
        refused=len(record.refused(present)),
        recipients=len(present),
    )


async def _claimed(services: Services, request: WindowRequest, claim: Claim, policy: RetryPolicy) -> Result:
    resend_by = services.resender if request.resend else ""
    others = claim.record.others(addresses(services.channels)) if request.trigger == "scheduled" else []
    is_asked = request.resend or bool(services.only)
    await claim.open_for(
        services.present, request.trigger, resend_by=resend_by, is_asked=is_asked, watermark=request.watermark
    )
    services.alerts.works((Stage.LEDGER,))
    await _alert_of_shared_name(services, request.window, others)
    if not claim.owes_anybody:
        return _delivered_before(services, request.window, claim)
    async with built_report(services, request, claim.record, policy) as (report, rows):
        services.alerts.works((Stage.ROWS,))
        if report is None:
            return await _skip(services, request.window, claim)
        services.alerts.works((Stage.WORKBOOK,))
        # Where rows were repeated, the report has other numbers than the table will count for it.
        is_countable = rows == report.content.rows
        failed_by = FailedStatuses(services.settings.report.report_failed_statuses).digest if is_countable else ""
        claim.enter_report(rows, report.content.failed, failed_by, report.identity, report.repeats)
        left_out = await claim.leave_out(services.quiet) if report.is_as_usual else []
        _log_left_out(left_out)
        limit, storage = services.run.timeouts.send, services.storage
        is_first = not claim.record.has_reached_anybody
        outcomes = await deliver(report, services.channels, claim, policy, limit, storage)
        result = await _conclude(services, request, claim, outcomes, left_out, policy)
        await _tell_of_fewer_rows(services, request.window, claim, rows)
        result = await _tell_of_lost(services, request.window, claim, result)
        if is_first and result.sent and report.content.is_unusual:
            await services.alerts.tell_of_unusual(render_unusual(report.content))
        if request.is_late and result.code == 0:  # nobody looks for its file; that of the run's own window stays
            take_away(report.workbook, services.settings.report.report_dir)
        return replace(result, rows=rows, bytes=report.attachment.size)


async def _alert_of_shared_name(services: Services, window: Window, others: Sequence[ChannelAddress]) -> None:
    """Alert once if another scheduled run opened `window` for `others` alone: two deployments share a ledger."""
    if not others:
        return
    problem = Problem(
        key="ledger.shared_name",
        reason=f"Another scheduled run opened {window.label()} in this ledger for other recipients, so two deployments "
        "share it.",
        remedy="Give each a REPORT_LEDGER_NAME of its own.",
        group="Two deployments share a ledger",
    )
    logger.warning("%s", problem, extra={"event": "shared_name", "key": problem.key})
    later = "If one of them misses an hour, no run sends it automatically."
    await services.alerts.send(None, [Failure(what=Stage.LEDGER, problem=problem, later=later)])


def _delivered_before(services: Services, window: Window, claim: Claim) -> Result:
    words = _end_before(claim.record)
    end = f"{words}, because it had no rows" if claim.record.is_skipped else words
    # A window that was skipped is built again by any run that names it.
    resend = not claim.record.is_skipped
    command = rerun_command(window, services.settings.report, resend=resend, only=services.only)
    extra = {"event": "delivered_before"}
    todo = "To send it again:" if resend else "To send it if it has rows now:"
    logger.info("%s was %s. %s %s", window.label(), end, todo, command, extra=extra)
    for entry in claim.record.entries:
        channel, recipient, at = foreign(entry.channel), foreign(entry.recipient), foreign(entry.at)
        extra |= {"channel": channel, "recipient": recipient}
        logger.info("%s to %s: %s at %s", channel, recipient, entry.state, at, extra=extra)
    return Result(code=0, words=words, rows=claim.record.rows)


def _end_before(record: Record) -> str:
    if record.is_skipped:
        return "skipped before"
    return "delivered before" if record.has_reached_anybody or not record.is_as_usual else "as usual, as found before"


def _log_left_out(left_out: Sequence[ChannelAddress]) -> None:
    for channel, recipient in left_out:
        extra = {"event": "as_usual", "channel": channel, "recipient": recipient}
        logger.info("%s to %s: as usual, so not sent", channel, recipient, extra=extra)


async def _skip(services: Services, window: Window, claim: Claim) -> Result:
    await claim.skip()
    logger.info("%s: skipped: no rows", window.label(), extra={"event": "skipped"})
    await _note_recovery(services, window, claim)
    return Result(code=0, words="skipped: no rows", rows=0)


async def _conclude(
    services: Services,
    request: WindowRequest,
    claim: Claim,
    outcomes: Sequence[Outcome],
    left_out: Sequence[ChannelAddress],
    policy: RetryPolicy,
) -> Result:
    window = request.window
    failed = [outcome for outcome in outcomes if not outcome.delivered]
    words = _conclusion(outcomes, left_out)
    logger.info("%s: %s", window.label(), words, extra={"event": "concluded"})
    if notices := [
        Failure(
            what="nothing yet, but a setting must be updated",
            problem=one.notice,
            parts=(f"the setting of {one.channel} to {one.recipient}",),
            later="The report was delivered.",
        )
        for one in outcomes
        if one.notice
    ]:
        await services.alerts.send(None, notices)
    services.alerts.works(f"{one.channel} to {one.recipient}" for one in outcomes if one.delivered)
    if not failed:
        await _note_recovery(services, window, claim, is_late=request.is_late)
        return Result(code=0, words=words, outcomes=outcomes)
    told = await alert_in_turn(services, window, _failures(failed), policy, claim=claim, outcomes=outcomes)
    return Result(code=1, words=words, problem=failed[0].problem, outcomes=outcomes, known=told == "before")


def _conclusion(outcomes: Sequence[Outcome], left_out: Sequence[ChannelAddress]) -> str:
    if not outcomes:
        return "as usual, so nobody was sent it"
    done = f"{sum(one.delivered for one in outcomes)} of {len(outcomes)}"
    words = f"{done} written" if any(one.state == "written" for one in outcomes) else f"delivered to {done}"
    return f"{words}; as usual, so not sent to {len(left_out)}" if left_out else words


async def _tell_of_fewer_rows(services: Services, window: Window, claim: Claim, rows: int) -> None:
    """Tell that rows came between two attempts, so that some have a report with fewer.

    With a ledger that remembers, the next run reports it.
    """
    # In the settings' own words: those of the ledger may be anybody's.
    known_shorter = set(map(same, claim.record.with_fewer_than(rows)))
    everyone = addresses(services.channels)
    shorter = [address for address in everyone if same(address) in known_shorter]
    if not shorter:
        return
    fewer = named(shorter)
    settings = services.settings.report
    command = rerun_command(window, settings, resend=True)
    problem = Problem(
        key=f"fewer_rows.{as_option(window)}",
        reason=f"{len(shorter)} of {len(everyone)} got {window.label()} with fewer rows than the others.",
        remedy=f"Rows came between two attempts: this report has {rows:,}; {fewer} got it earlier, with fewer.",
        group="Some got fewer rows",
    )
    logger.warning("%s To send it again: %s", problem, command, extra={"event": "late_rows", "rows": rows})
    if not (services.ledger.remembers and settings.report_catch_up):
        failure = Failure(
            what=f"nothing, but {window.label()} is not whole",
            problem=problem,
            later="No run sends it again automatically.",
            todo="Send it to everyone again:",
            commands=[Command(line=command)],
        )
        await services.alerts.send(None, [failure])


async def _tell_of_lost(services: Services, window: Window, claim: Claim, result: Result) -> Result:
    """Alert that the window's record could not be read, so that everyone was sent it; return the run's result then."""
    if not claim.lost:
        return result
    lost = claim.lost.problem
    reason = f"{lost.reason} {window.label()} was sent to everyone, marked as a possible repeat."
    failure = Failure(what=Stage.LEDGER, problem=replace(lost, reason=reason))
    logger.error("%s", failure.problem, extra={"event": "failed", "stage": Stage.LEDGER, "key": lost.key})
    await services.alerts.send(None, [failure])
    return replace(result, code=1, problem=result.problem or failure.problem)


async def _note_recovery(services: Services, window: Window, claim: Claim, *, is_late: bool = False) -> None:
    record, everyone = claim.record, addresses(services.channels)
    # A run that is limited to some may find the window opened for nobody else yet.
    if record.is_done(everyone) and (not services.only or record.is_settled(everyone)):
        await services.alerts.recovered(window, claim, is_late=is_late)


async def _failed(
    services: Services, request: WindowRequest, error: Exception, claim: Claim | None, policy: RetryPolicy
) -> Result:
    failure = describe_failure(error)
    result = Result(code=1, words=f"failed: {failure.what}", problem=failure.problem)
    if request.is_late and isinstance(error, TimeLimitError):
        if not await _is_postponed_again(claim):
            extra = {"event": "postponed", "key": failure.problem.key}
            logger.warning("%s A later run sends it, after the others.", failure.problem.statement, extra=extra)
            return replace(result, known=True)
        failure = replace(failure, problem=replace(failure.problem, key="postponed"))
    told = await alert_in_turn(services, request.window, [failure], policy, claim=claim)
    return replace(result, known=told == "before")


async def _is_postponed_again(claim: Claim | None) -> bool:
    """Note in the ledger that there was no time for the window; return whether operators have to know."""
    try:
        return claim is None or await claim.postpone()
    except LedgerError as error:
        logger.warning("%s", error, extra={"event": "ledger_failed", "key": error.problem.key})
        return True


def failed_result(error: ReportError) -> Result:
    """Log `error`, and return the result of a run that failed of it."""
    failure = describe_failure(error)
    return Result(code=error.exit_code, words=f"failed: {failure.what}", problem=failure.problem)


def describe_failure(error: Exception) -> Failure:
    """Log `error`, and describe it as data: what failed, and of which problem."""
    if isinstance(error, ReportError):
        extra = {"event": "failed", "stage": error.stage, "key": error.problem.key}
        logger.error("%s", error, extra=extra)
        return Failure(what=error.stage, problem=error.problem)
    problem = unexpected("the run", error, one_line_quote(error))
    logger.error("Unexpected error", exc_info=error, extra={"event": "broke_down", "key": problem.key})
    return Failure(what=Stage.RUN, problem=problem)


async def alert_in_turn(
    services: Services,
    window: Window | None,
    failures: Sequence[Failure],
    policy: RetryPolicy,
    *,
    claim: Claim | None = None,
    outcomes: Sequence[Outcome] = (),
) -> AlertResult:
    """Alert of `failures`, in an Indexed Job when no other pod does: it may be telling the same.

    Where the ledger can't be used, each alerts for itself.
    """
    shared = shared_by_pods(services.run.options, services.settings.report, services.run.clock())
    if shared and not services.alerts.muted:
        try:
            async with services.ledger.claim(shared, _outlasting_another_alert(services, policy)):
                return await services.alerts.send(window, failures, claim=claim, outcomes=outcomes)
        except LedgerError as error:
            logger.warning("What other pods have alerted of is not known: %s", error, extra={"event": "ledger_failed"})
    return await services.alerts.send(window, failures, claim=claim, outcomes=outcomes)


def _outlasting_another_alert(services: Services, policy: RetryPolicy) -> RetryPolicy:
    """Return a policy that outlasts another pod's alert, by Telegram and then by email."""
    longest = 2 * services.run.timeouts.alert + services.run.timeouts.alert_note
    return replace(policy, deadline=asyncio.get_running_loop().time() + longest)


async def _stopped(services: Services, window: Window, claim: Claim) -> None:
    """Tell of a run that was stopped from outside, unless its window was told of already or the next pod reports it."""
    services.alerts.stop_is_told = True
    if claim.record.is_done(services.present):
        end = "skipped" if claim.record.is_skipped else "delivered"
        logger.warning("Stopped after %s was %s", window.label(), end, extra={"event": "stopped"})
        return
    if await _is_left(services, claim):
        words = "Stopped before %s was delivered; the Job's next pod delivers it, or else a later run"
        logger.warning(words, window.label(), extra={"event": "stopped"})
        return
    services.alerts.stop_is_failure = True
    logger.error("Stopped before %s was delivered", window.label(), extra={"event": "stopped"})
    if claim.record.alerted and not claim.record.cleared:
        logger.info("%s was alerted of before; nobody is told again", window.label(), extra={"event": "stopped"})
        return
    await services.alerts.send(window, [Failure(what=Stage.RUN, problem=STOPPED_BY_SIGTERM)], claim=claim)


async def _is_left(services: Services, claim: Claim) -> bool:
    """Leave the window of `claim` to the Job's next pod; return whether that, or else a later run, surely sees it."""
    run = services.run
    if not has_next_pod(run.options, services.settings.report, run.clock()):
        return False
    try:
        async with asyncio.timeout(run.timeouts.alert_note):
            await claim.leave()
    except (LedgerError, TimeoutError):
        return False
    return True


def _failures(failed: Sequence[Outcome]) -> list[Failure]:
    """Gather failed outcomes by their problem, so that a dead server is told of once."""
    by_problem: dict[tuple[Problem, bool], list[str]] = {}
    for outcome in failed:
        if outcome.problem:
            kind = outcome.problem, outcome.state != "failed"
            by_problem.setdefault(kind, []).append(f"{outcome.channel} to {outcome.recipient}")
    return [
        Failure(what=", ".join(recipients), problem=problem, parts=tuple(recipients), for_good=for_good)
        for (problem, for_good), recipients in by_problem.items()
    ]
