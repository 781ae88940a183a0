"""The parts of a run, put together once: the only place where they are made."""

import asyncio
import hashlib
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from msgspec import Struct

from ..channels.interface import Channel
from ..channels.mail import MailChannel
from ..channels.preview import previews
from ..channels.telegram import TelegramChannel
from ..config.loader import LoadedSettings, Settings
from ..config.schedule import Options
from ..config.settings import DEFAULT_NAME
from ..config.timeouts import Timeouts
from ..ledger.directory import DirectoryLedger
from ..ledger.interface import Ledger, NoLedger
from ..ledger.table import TableLedger
from ..runtime.connection import tls_context
from ..runtime.redaction import Redaction
from ..runtime.retry import RetryPolicy
from ..supabase.analyses import AnalysesTable
from ..supabase.client import PostgrestClient, open_client
from ..supabase.storage import Storage
from .alerts import Alerts


class Run(Struct, frozen=True, kw_only=True):
    """What a run was started with; `clock` returns this moment, aware UTC."""

    options: Options
    loaded: LoadedSettings
    redaction: Redaction
    timeouts: Timeouts
    clock: Callable[[], datetime]
    tls: ssl.SSLContext

    @property
    def holder(self) -> str:
        """The name that this run's claims bear."""
        pod_name = self.loaded.report and self.loaded.report.pod_name
        return pod_name or f"{socket.gethostname()}.{os.getpid()}"

    def channels(self) -> list[Channel]:
        """Make the channels whose settings are whole."""
        found: list[Channel] = []
        if self.loaded.mail:
            name = self.loaded.report.report_name if self.loaded.report else DEFAULT_NAME
            found.append(MailChannel(self.loaded.mail, self.tls, self.timeouts, name))
        if self.loaded.telegram:
            found.append(TelegramChannel(self.loaded.telegram, self.tls, self.timeouts))
        return found

    def alerts(self, channels: Sequence[Channel]) -> Alerts:
        """Make what alerts through `channels`."""
        return Alerts(channels, self.options, self.loaded, self.redaction, self.clock, self.timeouts)

    def policy(self, settings: Settings) -> RetryPolicy:
        """Return the policy of a window whose time begins now."""
        limit = self.timeouts.run or settings.report.report_time_limit
        return RetryPolicy(
            deadline=asyncio.get_running_loop().time() + limit,
            first_wait=self.timeouts.first_wait,
            longest_wait=self.timeouts.longest_wait,
        )


def start_run(
    options: Options, loaded: LoadedSettings, redaction: Redaction, timeouts: Timeouts, clock: Callable[[], datetime]
) -> Run:
    """Put together what a run is started with."""
    return Run(options=options, loaded=loaded, redaction=redaction, timeouts=timeouts, clock=clock, tls=tls_context())


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

    def policy(self) -> RetryPolicy:
        """Return the policy of a window whose time begins now."""
        return self.run.policy(self.settings)


@asynccontextmanager
async def open_services(
    run: Run, settings: Settings, channels: Sequence[Channel], alerts: Alerts
) -> AsyncIterator[Services]:
    """Open the Supabase project for the block, and make the parts that `settings` ask for."""
    async with open_client(settings.supabase, run.tls, run.timeouts) as client:
        yield Services(
            run=run,
            settings=settings,
            client=client,
            table=AnalysesTable(client, settings.supabase.supabase_table),
            ledger=_ledger(run, settings, client),
            storage=_storage(run, settings),
            channels=previews(settings) if run.options.dry_run else channels,
            alerts=alerts,
        )


def _ledger(run: Run, settings: Settings, client: PostgrestClient) -> Ledger:
    """Make the ledger that the settings name; none for a trial."""
    report = settings.report
    table = f"{settings.supabase.supabase_url} {settings.supabase.supabase_table}"
    source = hashlib.sha256(table.encode()).hexdigest()[:8]
    if run.options.is_trial:
        return NoLedger(run.clock)
    if report.report_ledger == "supabase":
        return TableLedger(client, run.clock, run.holder, source, run.timeouts)
    return DirectoryLedger(report.report_dir, run.clock, source, run.timeouts)


def _storage(run: Run, settings: Settings) -> Storage | None:
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
        timeouts=run.timeouts,
    )
