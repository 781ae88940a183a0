"""A report: the run's own window and those that were missed, or the windows that were named."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from ..channels.interface import Channel
from ..config.loader import Settings
from ..config.options import limited_to
from ..domain.request import Result, WindowRequest
from ..domain.window import Window
from ..errors import SIGINT_CODE, SIGTERM_CODE, InputError, OptionError, Problem, ReportError, Stage
from ..message.alert import STOPPED_BY_SIGTERM, Failure
from ..pipeline.alerts import Alerts
from ..pipeline.catch_up import report_with_catch_up
from ..pipeline.failures import describe_failure, different_clocks, failed_result, result_of
from ..pipeline.job import goes_by_job, has_next_pod, is_named
from ..pipeline.report_window import report_window
from ..pipeline.run import Run
from ..pipeline.services import Services, ledger_place, open_services
from ..supabase.source_errors import ClocksDifferError
from .asked import check_consent, check_limit, choose_windows
from .backfill import report_each
from .heartbeat import Heartbeat

logger = logging.getLogger(__name__)
_STOPPED = Result(code=SIGTERM_CODE, words="stopped by SIGTERM", problem=STOPPED_BY_SIGTERM)
_BY_HAND = Problem(key="interrupted", reason="The run was stopped from the keyboard.")


async def report(run: Run) -> Result:
    """Report what was asked for; log, alert and tell the monitor whatever fails."""
    channels = run.channels()
    alerts = Alerts(run, channels)
    url = None if run.options.is_trial else run.loaded.watch.heartbeat_url
    heartbeat = Heartbeat(url, run.tls, run.redaction, run.timeouts)
    run.stop.listen()
    try:
        await heartbeat.started()
        result = await _reported(run, channels, alerts, heartbeat)
    except asyncio.CancelledError:
        result = await _stopped(run, alerts)
    with suppress(asyncio.CancelledError):  # the report's own result is final
        if result.is_left:  # the next pod tells the monitor how it ended
            pass
        elif result.code:
            await heartbeat.failed(str(result.problem or result.words))
        else:
            await heartbeat.succeeded(result.last_line(run.seconds()))
    return result


async def _reported(run: Run, channels: Sequence[Channel], alerts: Alerts, heartbeat: Heartbeat) -> Result:
    """Report the windows; whatever fails is logged, and alerted unless the operator reads it on the terminal."""
    try:
        return await _report_windows(run, channels, alerts, heartbeat)
    except OptionError as error:
        return failed_result(error)
    except Exception as error:
        failure = describe_failure(error)
        await alerts.send([failure], _likely_window(run))
        return result_of(failure, error.exit_code if isinstance(error, ReportError) else 1)


async def _report_windows(run: Run, channels: Sequence[Channel], alerts: Alerts, heartbeat: Heartbeat) -> Result:
    options, settings = run.options, _settings(run)
    try:
        windows = choose_windows(options, settings.report, run.clock())
    except InputError:
        raise
    except ReportError as error:  # a pod's window isn't over, nor are those of the pods after it
        failure = describe_failure(error)
        async with open_services(run, settings, channels, alerts) as services:
            await services.alerts.send([failure])
        return result_of(failure, error.exit_code)
    check_limit(options, settings)
    check_consent(options, settings)
    logger.info("Ledger: %s", ledger_place(run, settings), extra={"event": "ledger"})
    if not options.until_now:
        grace, by_job = settings.report.report_settle, goes_by_job(options, settings.report, run.clock())
        await settle(windows[-1], timedelta(seconds=grace), run.clock(), is_over=by_job)
    async with open_services(run, settings, channels, alerts) as services:
        _warn_of_the_key(services)
        result = await _asked_for(services, windows)
        if not options.until_now:  # which has refused
            await _check_clock(services)
        is_whole = not (services.only or options.is_trial)
        await services.alerts.conclude(is_well=is_whole and result.code == 0)
        await heartbeat.note(services.alerts.notices, run.clock())
        return result


async def _asked_for(services: Services, windows: Sequence[Window]) -> Result:
    """Report several windows, one that was named, or the run's own and those that were missed before."""
    options, report = services.run.options, services.report
    resend = options.resend or report.report_resend
    if len(windows) > 1:
        return await report_each(services, windows, resend=resend)
    if services.only:
        logger.info("Only to %s: nobody else is sent anything", ", ".join(services.only))
    if options.is_trial or is_named(options, report) or limited_to(options, report):
        return await report_window(services, WindowRequest(window=windows[0], resend=resend), services.run.policy())
    return await report_with_catch_up(services, windows[0], resend=resend)


async def _check_clock(services: Services) -> None:
    """Alert if the clock of this machine or Supabase's is wrong, once the reports have gone out: they may be late."""
    try:
        services.client.check_clock(services.run.clock())
    except ClocksDifferError as error:
        await services.alerts.send([different_clocks(error)])


def _warn_of_the_key(services: Services) -> None:
    """Say, once a run, what the key does not see though every count agrees, and that it ends within days."""
    used = services.client.credentials
    if not (used.sees_all or used.is_reports_role):
        logger.warning(
            "Row-level security of the table %s may hide rows from this key (%s); the report has every row that the "
            "key may see. A secret key sees all.",
            services.settings.supabase.supabase_table,
            used.kind,
            extra={"event": "key_is_limited"},
        )
    if note := used.expiry_note(services.run.clock()):
        logger.warning("%s.", note, extra={"event": "key_expires"})
    if note := used.retirement_note:
        logger.warning("%s.", note, extra={"event": "key_retires"})


def _settings(run: Run) -> Settings:
    """Return the run's settings; a dry run writes to --output. Raise InputError if anything is wrong with them."""
    is_dry_run = run.options.dry_run
    settings = run.loaded.checked(is_dry_run=is_dry_run)
    if is_dry_run and run.loaded.of_sending:
        names = ", ".join(problem.partition(" ")[0] for problem in run.loaded.of_sending)
        logger.info("Missing or wrong, and not needed for files: %s", names, extra={"event": "note"})
    return settings.writing_to(_made(run.options.output or Path())) if is_dry_run else settings


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(f"--output {folder} can't be made ({error.strerror}).", "Name another folder.") from error
    return folder


def _likely_window(run: Run) -> Window | None:
    """Return the window that an alert is about, though the run may have failed before it was chosen."""
    with suppress(ReportError):
        if run.loaded.report:
            return choose_windows(run.options, run.loaded.report, run.clock())[0]
    return None


async def _stopped(run: Run, alerts: Alerts) -> Result:
    """Return the result of the stopped run.

    Alert of a SIGTERM that came before a window was at hand, unless the Job's next pod does the work.
    """
    stop = run.stop
    if stop.by_hand:
        return Result(code=SIGINT_CODE, words="stopped from the keyboard", problem=_BY_HAND)
    stop.let_finish()
    window, is_handled = stop.window or _likely_window(run), stop.is_handled
    if not stop.is_failure and await _is_left(run, window, is_handled=is_handled):
        return replace(_STOPPED, is_left=True)
    if not is_handled:
        extra = {"event": "failed", "stage": Stage.RUN, "key": STOPPED_BY_SIGTERM.key}
        logger.error("%s", STOPPED_BY_SIGTERM, extra=extra)
        await alerts.send([Failure(what=Stage.RUN, problem=STOPPED_BY_SIGTERM)], window)
    return _STOPPED


async def _is_left(run: Run, window: Window | None, *, is_handled: bool) -> bool:
    """Return whether the Job's next pod, or else a later run, surely does the work of a run that was stopped.

    Of a window whose result nobody knows yet, a later run sees that nobody sent it only if the ledger began before.
    """
    settings = run.loaded.report
    if not (window and settings and has_next_pod(run.options, settings, run.clock())):
        return False
    if is_handled:
        return True
    try:
        async with (
            asyncio.timeout(run.timeouts.alert_note),
            open_services(run, run.loaded.checked(), []) as services,
        ):
            begun = await services.ledger.begun(run.policy())
    except (ReportError, TimeoutError):
        return False
    if begun is None or begun > window.start:
        return False
    words = "Stopped by SIGTERM; the Job's next pod reports %s, or else a later run"
    logger.warning(words, window.label(), extra={"event": "stopped"})
    return True


async def settle(window: Window, grace: timedelta, at: datetime, *, is_over: bool) -> None:
    """Wait, from now (`at`) until `grace` has passed since the window's end, so that transactions open then can commit.

    Of a window that surely `is_over` though this machine's clock is behind, `grace` is the longest wait.
    """
    left = window.end + grace - at
    wait = (min(left, grace) if is_over else left).total_seconds()
    if wait > 0:
        logger.info("Waiting %.0f s for rows that are still being committed", wait, extra={"event": "settling"})
        await asyncio.sleep(wait)


def now() -> datetime:
    """Return this moment, aware UTC."""
    return datetime.now(UTC)
