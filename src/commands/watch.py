"""Notice that no run starts any more: `--watch` alerts operators, and `--check` says what else would notice."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from ..channels.interface import addresses
from ..config.settings import ReportSettings
from ..domain.delivery import ChannelAddress, format_recipients, normalized
from ..domain.request import Note, Result
from ..domain.window import Window, after, before, last_full
from ..errors import LedgerError, Problem, ReportError, SettingsError, Stage
from ..ledger.history import windows_before
from ..ledger.interface import ReadLimit
from ..ledger.notices import LOOKED, MemoryNotices, watch_notices
from ..ledger.record import Record
from ..message.alert import Failure
from ..pipeline.failures import describe_failure, failed_result
from ..pipeline.run import Run, rerun_command
from ..pipeline.services import Services, ledger_of, open_services
from ..runtime.retry import RetryPolicy

logger = logging.getLogger(__name__)
_COUNTS_FOR = timedelta(days=4)
"""For so long a look of --watch, or a daily report, counts: a schedule may leave out a long weekend."""


async def watch(run: Run) -> Result:
    """Look in the ledger in Supabase; alert about windows that are not settled, or a ledger that can't be read.

    Return 1 then, and 2 if the settings are wrong or name another ledger. The alerts' notices are apart from those of
    reports, so that neither gives the other's all-clear.
    """
    try:
        settings = run.loaded.checked()
        if settings.report.report_ledger != "supabase":
            words = "REPORT_LEDGER is directory; wanted: supabase, the only ledger that --watch can read"
            raise SettingsError([words], is_job=settings.report.job_name is not None)
    except ReportError as error:
        return failed_result(error)
    async with open_services(run, settings, run.channels()) as services:
        failure, words = await _look(services)
        if failure:
            await services.alerts.send([failure])
        await services.alerts.conclude(is_well=failure is None)
        await services.alerts.notices.tell([LOOKED], run.clock())
    return Result(code=1 if failure else 0, words=words, problem=failure.problem if failure else None)


async def _look(services: Services) -> tuple[Failure | None, str]:
    """Return what is wrong, if anything is, and the result in words; note what was seen to work."""
    policy, due = services.run.policy(services.timeouts.history), _due(services)
    try:
        begun = await services.ledger.begun(policy)
        windows = [window for window in due if begun and window.start >= begun]
        records = await services.ledger.records(due[0].start, due[-1].end, policy, ReadLimit()) if windows else {}
    except Exception as error:  # whatever it is, nobody else would tell
        failure = describe_failure(error)
        return failure, f"failed: {failure.what}"
    services.alerts.mark_working(Stage.LEDGER)
    if not windows:
        return None, "nothing was due yet: the first scheduled report in this ledger is later, or there is none"
    present = addresses(services.channels)
    left = [place for place, one in enumerate(windows) if not _is_settled(records.get(one.start), present)]
    if not left:
        services.alerts.mark_working(Stage.WATCH)
        return None, f"{len(windows)} of {len(windows)} windows are settled"
    problem = _not_settled(windows[left[0] : left[-1] + 1], len(left), services.report)
    logger.error("%s", problem, extra={"event": "failed", "stage": Stage.WATCH, "key": problem.key})
    return Failure(what=Stage.WATCH, problem=problem), f"{len(left)} of {len(windows)} windows are not settled"


def _due(services: Services) -> list[Window]:
    """Return the windows that the next run reaches, oldest first, the last of them one whose run had time to end."""
    settings, now = services.report, services.run.clock()
    newest = last_full(settings.report_template, settings.report_timezone, now)
    if newest.end + timedelta(seconds=settings.report_time_limit) > now:
        newest = before(newest)
    return windows_before(after(newest), max(1, settings.report_catch_up))


def _is_settled(record: Record | LedgerError | None, present: Sequence[ChannelAddress]) -> bool:
    """Return whether no run has to send the window of `record` any more, or operators know that none will."""
    return isinstance(record, Record) and (record.is_settled(present) or record.given_up)


def _not_settled(span: Sequence[Window], count: int, settings: ReportSettings) -> Problem:
    """Describe that `count` windows, the first and the last of `span` among them, are not settled."""
    what = f"The report of {span[0].label()} has"
    if count > 1:
        what = f"{count} reports, from {span[0].label()} to {span[-1].label()}, have"
    return Problem(
        key="watch.not_settled",
        reason=f"{what} not reached everyone.",
        remedy="Look whether runs start at all, and what the log of the last one says. The next run that works sends "
        "what it reaches. To send all of it now, run:\n" + rerun_command(span[0], settings, count=len(span)),
        group="Reports that no run sends",
    )


async def check_watch(services: Services) -> str:
    """Say who notices that runs don't start any more, where no monitor does; Prometheus rules are not known here."""
    if looked := await _last_look(services):
        return f"--watch looked at the reports at {looked:%Y-%m-%d %H:%M} UTC"
    return Note(
        "neither HEARTBEAT_URL nor --watch is in use; without rules in Prometheus, nobody notices if runs stop: "
        "see docs/monitoring.md"
    )


async def check_quiet(services: Services, policy: RetryPolicy) -> str:
    """Name those who get only unusual reports, and say what tells a usual day from runs that have stopped.

    A Note if nothing is known that does.
    """
    words = f"{format_recipients(services.quiet)}: only reports that are unusual or can't be compared"
    if services.run.loaded.watch.heartbeat_url:
        return f"{words}; if runs stop, the monitor notices"
    if await _get_daily_reports(services, policy):
        return f"{words}, and daily ones"
    if await _last_look(services):
        return f"{words}; if runs stop, --watch notices"
    return Note(
        f"{words}. If runs stop, that looks like a usual day to them: send them daily reports, set HEARTBEAT_URL, or "
        "use --watch"
    )


async def _get_daily_reports(services: Services, policy: RetryPolicy) -> bool:
    """Return whether the ledger says that all of them were sent a daily report lately."""
    settings, now = services.settings, services.run.clock()
    if settings.report.report_template == "daily":
        return False
    ledger = ledger_of(services.run, settings.of_template("daily"), services.client)
    try:
        records = await ledger.records(now - _COUNTS_FOR, now, policy, ReadLimit())
    except LedgerError:  # the line of the ledger says why
        return False
    got = {address for record in records.values() if isinstance(record, Record) for address in _reached(record)}
    return got >= set(map(normalized, services.quiet))


def _reached(record: Record) -> list[ChannelAddress]:
    got = [entry.address for entry in record.entries if entry.state in ("delivered", "without file")]
    return got if record.scheduled else []


async def _last_look(services: Services) -> datetime | None:
    """Return when --watch looked last; None if that is too long ago, or nothing notes it."""
    settings, run = services.settings, services.run
    if settings.report.report_ledger != "supabase":
        return None
    notices = watch_notices(settings, services.client, MemoryNotices(), run.timeouts.alert_note)
    looked = (await notices.told()).get(LOOKED)
    return looked if looked and run.clock() - looked < _COUNTS_FOR else None
