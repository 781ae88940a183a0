"""The parts of a run while Supabase is connected, put together once: the only place where they are made."""

import hashlib
import hmac
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from ..channels.interface import Channel, addresses
from ..channels.preview import previews
from ..channels.smtp_login import MOST_REFUSALS
from ..config.loader import Settings
from ..config.options import limited_to
from ..config.settings import MailSettings, ReportSettings, SupabaseSettings
from ..config.timeouts import Timeouts
from ..domain.analysis import FailedStatuses
from ..domain.delivery import ChannelAddress
from ..ledger.directory import FOLDER, DirectoryLedger
from ..ledger.interface import Ledger, NoLedger
from ..ledger.key import ledger_key
from ..ledger.notices import LOGINS, Notices, login_notices, notices_of
from ..ledger.table import TableLedger
from ..supabase.analyses import AnalysesTable
from ..supabase.client import PostgrestClient, open_client
from ..supabase.storage import Storage
from .alerts import Alerts
from .run import Run

HOUR = timedelta(hours=1)


class Services(Struct, frozen=True, kw_only=True):
    """The parts of a run while its connection to Supabase is open."""

    run: Run
    settings: Settings
    report: ReportSettings
    timeouts: Timeouts
    client: PostgrestClient
    table: AnalysesTable
    ledger: Ledger
    storage: Storage | None
    channels: Sequence[Channel]
    alerts: Alerts

    @property
    def failed_statuses(self) -> FailedStatuses:
        """The statuses of analyses that count as failed."""
        return FailedStatuses(self.report.report_failed_statuses)

    @property
    def only(self) -> tuple[str, ...]:
        """The recipients that the run is limited to, as they were named; none if it isn't."""
        return () if self.run.options.dry_run else limited_to(self.run.options, self.report)

    @property
    def everyone(self) -> list[ChannelAddress]:
        """The recipients that the settings name now."""
        return addresses(self.channels)

    @property
    def present(self) -> list[ChannelAddress]:
        """Those of everyone that the run is for."""
        return addresses(self.channels, self.only)

    @property
    def quiet(self) -> list[ChannelAddress]:
        """The recipients who get only unusual windows: each by its own name, a chat without its topics."""
        named = {one.casefold() for one in self.report.report_only_unusual}
        return [address for address in self.everyone if address[1].casefold() in named]


@asynccontextmanager
async def open_services(
    run: Run, settings: Settings, channels: Sequence[Channel], alerts: Alerts | None = None
) -> AsyncIterator[Services]:
    """Open the Supabase project for the block, and make the parts that `settings` ask for.

    Its alerts remember where `alerts`, those of the run without a connection, do if Supabase can't be reached.
    """
    timeouts = replace(run.timeouts, clock=min(run.timeouts.clock, run.time_limit / 2))
    async with open_client(settings.supabase, run.tls, timeouts) as client:
        ledger = ledger_of(run, settings, client)
        fallback = (alerts or Alerts(run, channels)).notices
        notices = notices_of(run.options, settings, client, fallback, run.timeouts.alert_note)
        _share_refusals(run, settings, channels, client)
        try:
            yield Services(
                run=run,
                settings=settings,
                report=settings.report,
                timeouts=timeouts,
                client=client,
                table=AnalysesTable(client, settings.supabase.supabase_table),
                ledger=ledger,
                storage=_storage(run, settings, timeouts),
                channels=previews(settings) if run.options.dry_run else channels,
                alerts=Alerts(run, channels, notices, ledger),
            )
        finally:  # the client ends here
            for channel in channels:
                channel.remember_refusals(None)


def ledger_place(run: Run, settings: Settings) -> str:
    """Say where the run keeps its ledger, before anything is opened."""
    report = settings.report
    if run.options.is_trial:
        return "none, because this is a trial"
    name = f", name {report.ledger_name}" if report.ledger_name else ""
    return f"{'Supabase' if report.report_ledger == 'supabase' else report.report_dir / FOLDER}{name}"


def ledger_of(run: Run, settings: Settings, client: PostgrestClient) -> Ledger:
    """Make the ledger that the settings name; none for a trial."""
    report, key = settings.report, ledger_key(settings.report, settings.supabase)
    if run.options.is_trial:
        return NoLedger(run.clock)
    if report.report_ledger == "supabase":
        return TableLedger(client, run.clock, key, run.timeouts, holder=run.holder, folder=report.report_dir / FOLDER)
    return DirectoryLedger(report.report_dir, run.clock, key, run.timeouts)


def _storage(run: Run, settings: Settings, timeouts: Timeouts) -> Storage | None:
    """Make the client of the bucket that the settings name, if they name one."""
    report = settings.report
    if report.report_bucket is None or run.options.dry_run:
        return None
    return Storage(
        settings.supabase,
        report.report_bucket,
        timedelta(hours=report.report_link_hours),
        tls=run.tls,
        clock=run.clock,
        hide=run.redaction.hide,
        timeouts=timeouts,
    )


def _share_refusals(run: Run, settings: Settings, channels: Sequence[Channel], client: PostgrestClient) -> None:
    """Let the runs of an hour share the logins that the mail server may refuse, where the ledger is in Supabase."""
    notices = login_notices(run.options, settings, client, run.timeouts.alert_note)
    if notices and settings.mail and settings.mail.smtp_login == "password":
        store = NoticedRefusals(notices, _login_mark(settings.mail, settings.supabase), run.clock)
        for channel in channels:
            channel.remember_refusals(store)


class NoticedRefusals:
    """Keeps as many refusals of one login in `notices` as an hour may have, by this machine's `clock`.

    Each has one of so many places, and stands in its notice behind that. Runs that begin at the same moment do not see
    each other's.
    """

    def __init__(self, notices: Notices, login: str, clock: Callable[[], datetime]) -> None:
        self._notices = notices
        self._login = f"{LOGINS}{login} "
        self._clock = clock

    async def recent(self) -> list[str]:
        """Return the keys of the last hour's refusals, the latest last."""
        now = self._clock()
        return [notice.split(" ")[-1] for at, notice in await self._kept() if now - at < HOUR]

    async def add(self, key: str) -> None:
        """Add a refusal of this moment, in place of the oldest where there are enough."""
        kept, now = [notice for _, notice in await self._kept()], self._clock()
        places = [f"{self._login}{place} " for place in range(MOST_REFUSALS)]
        free = [place for place in places if not any(notice.startswith(place) for notice in kept)]
        if not free:
            await self._notices.clear(kept[:1], now)
            free = [place for place in places if kept[0].startswith(place)]
        await self._notices.tell([f"{free[0]}{key}"], now)

    async def clear(self) -> None:
        """Forget all of them."""
        if kept := await self._kept():
            await self._notices.clear([notice for _, notice in kept], self._clock())

    async def _kept(self) -> list[tuple[datetime, str]]:
        """Return the moment and the text of each notice, the oldest first."""
        told = await self._notices.told()
        return sorted((at, notice) for notice, at in told.items() if notice.startswith(self._login))


def _login_mark(mail: MailSettings, supabase: SupabaseSettings) -> str:
    """Return what stands for host, user and password in the ledger.

    Nobody who reads the ledger can try passwords against it: the key of Supabase, or the token beside it, goes in.
    """
    secret = (supabase.supabase_jwt or supabase.supabase_key).get_secret_value()
    password = mail.smtp_password.get_secret_value() if mail.smtp_password else ""
    login = "\0".join((mail.smtp_host, mail.smtp_user or "", password))
    return hmac.new(secret.encode(), login.encode(), hashlib.sha256).hexdigest()
