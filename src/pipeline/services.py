"""The parts of a run, put together once: the only place where they are made."""

import asyncio
import os
import socket
import ssl
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from ..channels.interface import Channel, addresses
from ..channels.mail import MailChannel
from ..channels.preview import previews
from ..channels.telegram import TelegramChannel
from ..config.loader import LoadedSettings, Settings
from ..config.options import Options
from ..config.recipients import limited_to
from ..config.timeouts import Timeouts
from ..domain.outcome import ChannelAddress
from ..ledger.directory import FOLDER, DirectoryLedger
from ..ledger.interface import Ledger, NoLedger
from ..ledger.key import ledger_key
from ..ledger.liveness import holder_name
from ..ledger.notices import login_notices, notices_of
from ..ledger.table import TableLedger
from ..runtime.connection import tls_context
from ..runtime.redaction import Redaction
from ..runtime.retry import RetryPolicy
from ..supabase.analyses import AnalysesTable
from ..supabase.client import PostgrestClient, open_client
from ..supabase.storage import Storage
from .alerts import Alerts
from .login_refusals import NoticedRefusals, login_mark


class Run(Struct, frozen=True, kw_only=True):
    """What a run was started with; `clock` returns this moment, aware UTC, `began` is one of the monotonic clock.

    `token` is no other run's.
    """

    options: Options
    loaded: LoadedSettings
    redaction: Redaction
    timeouts: Timeouts
    clock: Callable[[], datetime]
    tls: ssl.SSLContext
    began: float
    token: str

    def seconds(self) -> float:
        """Return how long it has taken until now."""
        return time.monotonic() - self.began

    @property
    def holder(self) -> str:
        """The name that this run's claims bear: no other process's, even where hosts and process ids are the same."""
        report = self.loaded.report
        process = (report and report.pod_name) or f"{socket.gethostname()}.{os.getpid()}"
        uid, index = (report.sequential_job_uid, report.job_completion_index) if report else (None, None)
        return holder_name(process, self.token, uid, index)

    def channels(self) -> list[Channel]:
        """Make the channels whose settings are whole."""
        found: list[Channel] = []
        if self.loaded.mail:
            found.append(MailChannel(self.loaded.mail, self.tls, self.timeouts, hide=self.redaction.hide))
        if self.loaded.telegram:
            found.append(TelegramChannel(self.loaded.telegram, self.tls, self.timeouts))
        return found

    def alerts(self, channels: Sequence[Channel]) -> Alerts:
        """Make what alerts through `channels`."""
        alerts = Alerts(channels, self.options, self.loaded, self.redaction, self.clock, self.timeouts)
        limit = self.timeouts.run or (self.loaded.report.report_time_limit if self.loaded.report else 0)
        alerts.time_left = lambda: limit - self.seconds()
        return alerts

    def policy(self, settings: Settings) -> RetryPolicy:
        """Return the policy of a window whose time begins now."""
        limit = self.timeouts.run or settings.report.report_time_limit
        return RetryPolicy(
            deadline=asyncio.get_running_loop().time() + limit,
            first_wait=self.timeouts.first_wait,
            longest_wait=self.timeouts.longest_wait,
        )


def start_run(
    options: Options,
    loaded: LoadedSettings,
    redaction: Redaction,
    timeouts: Timeouts,
    clock: Callable[[], datetime],
    began: float,
) -> Run:
    """Put together what a run is started with."""
    return Run(
        options=options,
        loaded=loaded,
        redaction=redaction,
        timeouts=timeouts,
        clock=clock,
        tls=tls_context(),
        began=began,
        token=uuid.uuid4().hex[:12],
    )


class Services(Struct, frozen=True, kw_only=True):
    """The parts of a run while its connection to Supabase is open."""

    run: Run
    settings: Settings
    client: PostgrestClient
    table: AnalysesTable
    ledger: Ledger
    storage: Storage | None
    channels: Sequence[Channel]
    alerts: Alerts

    @property
    def resender(self) -> str:
        """The name that a resend bears: the Job's, so that its restart goes on where it was."""
        return self.settings.report.job_name or self.run.holder

    @property
    def only(self) -> tuple[str, ...]:
        """The recipients that the run is limited to, as they were named; none if it isn't."""
        return () if self.run.options.dry_run else limited_to(self.run.options, self.settings.report)

    @property
    def present(self) -> list[ChannelAddress]:
        """The recipients that the settings name now, as far as the run is for them."""
        return addresses(self.channels, self.only)

    @property
    def quiet(self) -> list[ChannelAddress]:
        """The recipients who get only unusual windows: each by its own name, a chat without its topics."""
        named = {one.casefold() for one in self.settings.report.report_only_unusual}
        return [address for address in addresses(self.channels) if address[1].casefold() in named]

    def policy(self) -> RetryPolicy:
        """Return the policy of a window whose time begins now."""
        return self.run.policy(self.settings)


@asynccontextmanager
async def open_services(
    run: Run, settings: Settings, channels: Sequence[Channel], alerts: Alerts
) -> AsyncIterator[Services]:
    """Open the Supabase project for the block, and make the parts that `settings` ask for."""
    limit = run.timeouts.run or settings.report.report_time_limit
    timeouts = replace(run.timeouts, clock=min(run.timeouts.clock, limit / 2))
    async with open_client(settings.supabase, run.tls, timeouts) as client:
        without_table = alerts.notices
        _share_refusals(run, settings, channels, client)
        alerts.notices = notices_of(run.options, settings, client, without_table, run.timeouts.alert_note)
        alerts.ledger = ledger_of(run, settings, client)
        try:
            yield Services(
                run=run,
                settings=settings,
                client=client,
                table=AnalysesTable(client, settings.supabase.supabase_table),
                ledger=alerts.ledger,
                storage=_storage(run, settings, timeouts),
                channels=previews(settings) if run.options.dry_run else channels,
                alerts=alerts,
            )
        finally:  # the client ends here
            alerts.notices, alerts.ledger = without_table, None
            for channel in channels:
                channel.remember_refusals(None)


def _share_refusals(run: Run, settings: Settings, channels: Sequence[Channel], client: PostgrestClient) -> None:
    """Let the runs of an hour share the logins that the mail server may refuse, where the ledger is in Supabase."""
    notices = login_notices(run.options, settings, client, run.timeouts.alert_note)
    if notices and settings.mail and settings.mail.smtp_login == "password":
        store = NoticedRefusals(notices, login_mark(settings.mail, settings.supabase), run.clock)
        for channel in channels:
            channel.remember_refusals(store)


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
