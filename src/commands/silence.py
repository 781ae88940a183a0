"""Of those who get only unusual reports: whether somebody notices if they get none because runs have stopped."""

from datetime import timedelta

from ..domain.outcome import ChannelAddress, named, same
from ..domain.request import Note
from ..errors import LedgerError
from ..ledger.interface import ReadLimit
from ..ledger.notices import LOOKED, MemoryNotices, watch_notices
from ..ledger.record import Record
from ..pipeline.services import Services, ledger_of
from ..runtime.retry import RetryPolicy

_KNOWN_FOR = timedelta(days=4)
"""For so long a daily report or a look of --watch counts: a schedule may leave out a long weekend."""


async def who_breaks_the_silence(services: Services, policy: RetryPolicy) -> str:
    """Name those who get only unusual reports, and say what tells a usual day from runs that have stopped.

    A Note if nothing is known that does.
    """
    words = f"{named(services.quiet)}: only reports that are unusual or can't be compared"
    if services.run.loaded.watch.heartbeat_url:
        return f"{words}; if runs stop, the monitor notices"
    if await _get_daily_reports(services, policy):
        return f"{words}, and daily ones"
    if await _is_watched(services):
        return f"{words}; if runs stop, --watch notices"
    return Note(
        f"{words}. If runs stop, that looks like a usual day to them: send them daily reports, set HEARTBEAT_URL, or "
        "use --watch"
    )


async def _get_daily_reports(services: Services, policy: RetryPolicy) -> bool:
    """Return whether all of them were sent a daily report lately, as far as the ledger has it."""
    settings, now = services.settings, services.run.clock()
    if settings.report.report_template == "daily":
        return False
    ledger = ledger_of(services.run, settings.of_template("daily"), services.client)
    try:
        records = await ledger.records(now - _KNOWN_FOR, now, policy, ReadLimit())
    except LedgerError:  # the line of the ledger says why
        return False
    got = {address for record in records.values() if isinstance(record, Record) for address in _reached(record)}
    return got >= set(map(same, services.quiet))


def _reached(record: Record) -> list[ChannelAddress]:
    got = [entry.address for entry in record.entries if entry.state in ("delivered", "without file")]
    return got if record.scheduled else []


async def _is_watched(services: Services) -> bool:
    settings, run = services.settings, services.run
    if settings.report.report_ledger != "supabase":
        return False
    notices = watch_notices(settings, services.client, MemoryNotices(), run.timeouts.alert_note)
    looked = (await notices.told()).get(LOOKED)
    return looked is not None and run.clock() - looked < _KNOWN_FOR
