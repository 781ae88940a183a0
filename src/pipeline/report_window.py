"""One window, from its claim in the ledger to the outcome of every recipient: claim, build, deliver, conclude."""

import asyncio
import logging
from collections.abc import Sequence

from msgspec.structs import replace

from ..domain.delivery import ChannelAddress, Outcome, normalized
from ..domain.request import Result, Tally, WindowRequest
from ..domain.window import Window, as_option
from ..errors import LedgerError, Stage, TimeLimitError
from ..ledger.claim import Claim
from ..ledger.record import Record
from ..message.alert import STOPPED_BY_SIGTERM, Failure
from ..message.caption import render_unusual
from ..message.content import Report
from ..runtime.atomic_write import take_away
from ..runtime.logs import window_in_hand
from ..runtime.retry import RetryPolicy
from ..runtime.visible_text import foreign
from . import failures
from .build import built_report
from .deliver import deliver
from .run import has_next_pod, rerun_command
from .services import Services

logger = logging.getLogger(__name__)


async def report_window(services: Services, request: WindowRequest, policy: RetryPolicy) -> Result:
    """Report a window to those to whom the run sends it; log and alert whatever fails."""
    window, present = request.window, services.present
    window_in_hand.set(as_option(window))
    services.run.stop.begin_window(window)
    tally = Tally(owed=len(present), recipients=len(present))
    try:
        async with services.ledger.claim(window, policy) as claim:
            try:
                result = await _report(services, request, claim, policy)
            except asyncio.CancelledError:
                await _alert_of_stop(services, window, claim)
                raise
            except Exception as error:
                result = await _alert_of_failure(services, request, error, claim)
            if claim.record.entries:
                tally = _tally(claim.record, present, result.outcomes)
    except Exception as error:  # it can't be claimed
        result = await _alert_of_failure(services, request, error, None)
    services.run.stop.end_window()
    return replace(result, window=as_option(window), label=window.label(), tally=tally)


async def _report(services: Services, request: WindowRequest, claim: Claim, policy: RetryPolicy) -> Result:
    """Send the window to those to whom it is owed."""
    await _open(services, request, claim)
    if not claim.owes_anybody:
        return _delivered_before(services, request.window, claim.record)
    async with built_report(services, request, claim.record, policy) as (report, rows):
        services.alerts.mark_working(Stage.ROWS)
        if report is None:
            return await _skip(services, request.window, claim)
        services.alerts.mark_working(Stage.WORKBOOK)
        left_out = await _enter(services, claim, report, rows)
        is_first = not claim.record.has_reached_anybody
        limit, storage = services.timeouts.send, services.storage
        outcomes = await deliver(report, services.channels, claim, policy, limit, storage)
        result = await _conclude(services, request, claim, outcomes, left_out)
        await _alert_of_fewer_rows(services, request.window, claim.record, rows)
        result = await _alert_of_lost_record(services, request.window, claim, result)
        if is_first and result.sent and report.content.is_unusual:
            await services.alerts.send_unusual(render_unusual(report.content))
        if request.is_late and result.code == 0:  # nobody looks for its file; that of the run's own window stays
            take_away(report.workbook, services.report.report_dir)
        return replace(result, rows=rows, bytes=report.attachment.size)


async def _open(services: Services, request: WindowRequest, claim: Claim) -> None:
    """Open the window for those to whom this run sends it."""
    others = claim.record.others(services.everyone) if request.trigger == "scheduled" else []
    await claim.open_for(
        services.present,
        request.trigger,
        # A resend bears the Job's name, so that its restart goes on where it was.
        resend_by=(services.report.job_name or services.run.holder) if request.resend else "",
        is_asked=request.resend or bool(services.only),
        watermark=request.watermark,
    )
    services.alerts.mark_working(Stage.LEDGER)
    if others:
        await services.alerts.send([failures.shared_ledger(request.window)])


async def _enter(services: Services, claim: Claim, report: Report, rows: int) -> list[ChannelAddress]:
    """Enter the report in the claim; return those who are not sent it, because it is as usual."""
    # Where rows were repeated, the report has other numbers than the table will count for it.
    is_countable = rows == report.content.rows
    failed_by = services.failed_statuses.digest if is_countable else ""
    claim.enter_report(rows, report.content.failed, failed_by, report.identity, report.repeats)
    left_out = await claim.leave_out(services.quiet) if report.is_as_usual else []
    for channel, recipient in left_out:
        extra = {"event": "as_usual", "channel": channel, "recipient": recipient}
        logger.info("%s to %s: as usual, so not sent", channel, recipient, extra=extra)
    return left_out


def _delivered_before(services: Services, window: Window, record: Record) -> Result:
    """Log who has the window already, and the command that sends it once more."""
    words = "delivered before" if record.has_reached_anybody or not record.is_as_usual else "as usual, as found before"
    todo, end = "To send it again:", words
    if record.is_skipped:  # any run that names it builds it again
        words, end = "skipped before", "skipped before, because it had no rows"
        todo = "To send it if it has rows now:"
    command = rerun_command(window, services.report, resend=not record.is_skipped, only=services.only)
    logger.info("%s was %s. %s %s", window.label(), end, todo, command, extra={"event": "delivered_before"})
    for entry in record.entries:
        channel, recipient, at = foreign(entry.channel), foreign(entry.recipient), foreign(entry.at)
        extra = {"event": "delivered_before", "channel": channel, "recipient": recipient}
        logger.info("%s to %s: %s at %s", channel, recipient, entry.state, at, extra=extra)
    return Result(code=0, words=words, rows=record.rows)


async def _skip(services: Services, window: Window, claim: Claim) -> Result:
    await claim.skip()
    logger.info("%s: skipped: no rows", window.label(), extra={"event": "skipped"})
    await services.alerts.mark_recovered(window, claim)
    return Result(code=0, words="skipped: no rows", rows=0)


async def _conclude(
    services: Services,
    request: WindowRequest,
    claim: Claim,
    outcomes: Sequence[Outcome],
    left_out: Sequence[ChannelAddress],
) -> Result:
    """Log how the window went; alert of those who lack it, or note that everyone has it."""
    window, words = request.window, _conclusion(outcomes, left_out)
    logger.info("%s: %s", window.label(), words, extra={"event": "concluded"})
    if notices := failures.outdated_settings(outcomes):
        await services.alerts.send(notices)
    services.alerts.mark_working(*(f"{one.channel} to {one.recipient}" for one in outcomes if one.delivered))
    failed = [outcome for outcome in outcomes if not outcome.delivered]
    if not failed:
        await services.alerts.mark_recovered(window, claim, is_late=request.is_late)
        return Result(code=0, words=words, outcomes=outcomes)
    alerted = await services.alerts.send(failures.failed_deliveries(failed), window, claim=claim, outcomes=outcomes)
    return Result(code=1, words=words, problem=failed[0].problem, outcomes=outcomes, known=alerted == "before")


def _conclusion(outcomes: Sequence[Outcome], left_out: Sequence[ChannelAddress]) -> str:
    if not outcomes:
        return "as usual, so nobody was sent it"
    done = f"{sum(one.delivered for one in outcomes)} of {len(outcomes)}"
    words = f"{done} written" if any(one.state == "written" for one in outcomes) else f"delivered to {done}"
    return f"{words}; as usual, so not sent to {len(left_out)}" if left_out else words


def _tally(record: Record, present: Sequence[ChannelAddress], outcomes: Sequence[Outcome]) -> Tally:
    return Tally(
        delivered=sum(outcome.state == "delivered" for outcome in outcomes),
        owed=len(record.still_owed(present)),
        refused=len(record.refused(present)),
        recipients=len(present),
    )


async def _alert_of_fewer_rows(services: Services, window: Window, record: Record, rows: int) -> None:
    """Alert if some have a report with fewer than `rows`; with a ledger that lasts, the next run reports it."""
    # In the settings' own words: those of the ledger may be anybody's.
    known_shorter = set(map(normalized, record.with_fewer_than(rows)))
    shorter = [address for address in services.everyone if normalized(address) in known_shorter]
    if shorter:
        failure = failures.fewer_rows(window, rows, shorter, len(services.everyone), services.report)
        if not (services.ledger.remembers and services.report.report_catch_up):
            await services.alerts.send([failure])


async def _alert_of_lost_record(services: Services, window: Window, claim: Claim, result: Result) -> Result:
    """Alert if the window's record could not be read, so that everyone was sent it; return the run's result then."""
    if not claim.lost:
        return result
    failure = failures.lost_record(window, claim.lost.problem)
    await services.alerts.send([failure])
    return replace(result, code=1, problem=result.problem or failure.problem)


async def _alert_of_failure(
    services: Services, request: WindowRequest, error: Exception, claim: Claim | None
) -> Result:
    """Alert of `error`, except of a caught-up window for which there was no time for the first time."""
    failure = failures.describe_failure(error)
    result = failures.result_of(failure)
    if request.is_late and isinstance(error, TimeLimitError):
        if not await _is_postponed_again(claim):
            extra = {"event": "postponed", "key": failure.problem.key}
            logger.warning("%s A later run sends it, after the others.", failure.problem.statement, extra=extra)
            return replace(result, known=True)
        failure = replace(failure, problem=replace(failure.problem, key="postponed"))
    alerted = await services.alerts.send([failure], request.window, claim=claim)
    return replace(result, known=alerted == "before")


async def _is_postponed_again(claim: Claim | None) -> bool:
    """Note in the ledger that there was no time for the window; return whether operators have to know."""
    try:
        return claim is None or await claim.postpone()
    except LedgerError as error:
        failures.log_ledger_error(error)
        return True


async def _alert_of_stop(services: Services, window: Window, claim: Claim) -> None:
    """Alert that the run was stopped, unless somebody was alerted of its window or the Job's next pod reports it."""
    stop, record = services.run.stop, claim.record
    stop.end_window()
    extra = {"event": "stopped"}
    if record.is_done(services.present):
        end = "skipped" if record.is_skipped else "delivered"
        logger.warning("Stopped after %s was %s", window.label(), end, extra=extra)
    elif await _is_left(services, claim):
        words = "Stopped before %s was delivered; the Job's next pod delivers it, or else a later run"
        logger.warning(words, window.label(), extra=extra)
    else:
        stop.end_window(is_failure=True)
        logger.error("Stopped before %s was delivered", window.label(), extra=extra)
        if claim.wants_all_clear:
            logger.info("%s was alerted before; nobody is alerted again", window.label(), extra=extra)
        else:
            await services.alerts.send([Failure(what=Stage.RUN, problem=STOPPED_BY_SIGTERM)], window, claim=claim)


async def _is_left(services: Services, claim: Claim) -> bool:
    """Leave the window to the Job's next pod; return whether that, or else a later run, surely sends it."""
    if not has_next_pod(services.run.options, services.report, services.run.clock()):
        return False
    try:
        async with asyncio.timeout(services.timeouts.alert_note):
            await claim.leave()
    except (LedgerError, TimeoutError):
        return False
    return True
