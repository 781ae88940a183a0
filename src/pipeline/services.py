"""What one run is made of: options, settings and time-outs put together, and nothing started yet."""

import argparse
import asyncio
import hashlib
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from msgspec import Struct

from ..channels import mail, telegram
from ..channels.interface import Channel
from ..channels.mail import MailChannel
from ..channels.preview import previews
from ..channels.telegram import TelegramChannel
from ..config.kubernetes import rerun_command
from ..config.loader import LoadedSettings, Settings
from ..domain.window import Window
from ..ledger.directory import DirectoryLedger
from ..ledger.interface import Ledger, NoLedger
from ..ledger.table import TableLedger
from ..message.alert import recovery_note
from ..runtime.connection import tls_context
from ..runtime.redaction import Redaction
from ..runtime.retry import RetryPolicy
from ..supabase import client as rest
from ..supabase import storage
from ..supabase.analyses import AnalysesTable
from ..supabase.client import PostgrestClient, open_client
from ..supabase.storage import Storage
from . import deliver as delivery
from .alerts import Alerts
from .build import Builder
from .heartbeat import Heartbeat
from .report_window import Producer


class Timeouts(Struct, frozen=True, kw_only=True):
    """All waits and time-outs of a run, in seconds."""

    first_wait: float = 1.0
    longest_wait: float = 60.0
    supabase: float = rest.WAIT
    supabase_deadline: float = rest.DEADLINE
    storage: float = storage.WAIT
    send_limit: float = delivery.SEND_LIMIT
    smtp: float = mail.TIMEOUT
    smtp_quit: float = mail.QUIT_TIMEOUT
    telegram_upload: float = telegram.UPLOAD_TIMEOUT
    telegram: float = telegram.READ_TIMEOUT
    limit: float | None = None
    """In place of REPORT_TIME_LIMIT."""


class Services:
    """The parts of a run, each made from what the settings ask for."""

    def __init__(
        self,
        options: argparse.Namespace,
        loaded: LoadedSettings,
        redaction: Redaction,
        timeouts: Timeouts,
        clock: Callable[[], datetime],
    ) -> None:
        self._options = options
        self._loaded = loaded
        self._redaction = redaction
        self._timeouts = timeouts
        self._clock = clock
        self._tls = tls_context()
        self._alerts: list[Alerts] = []
        self._told: set[str] = set()
        self.is_interrupted = False
        self.mail = self.telegram = None
        if loaded.mail:
            self.mail = MailChannel(loaded.mail, self._tls, timeouts.smtp, timeouts.smtp_quit)
        if loaded.telegram:
            self.telegram = TelegramChannel(loaded.telegram, self._tls, timeouts.telegram, timeouts.telegram_upload)
        self.channels: list[Channel] = [channel for channel in (self.mail, self.telegram) if channel]
        self.heartbeat = Heartbeat(None if self._is_trial else loaded.watch.heartbeat_url, self._tls, redaction)

    @property
    def _is_trial(self) -> bool:
        """Whether this run leaves no trace in ledger and monitor."""
        return bool(self._options.until_now or self._options.dry_run or self._options.check)

    @asynccontextmanager
    async def api(self, settings: Settings) -> AsyncIterator[PostgrestClient]:
        """Open the Supabase project for the block."""
        waits, deadline = self._timeouts.supabase, self._timeouts.supabase_deadline
        async with open_client(settings.supabase, self._tls, wait=waits, deadline=deadline) as opened:
            yield opened

    def producer(self, settings: Settings, api: PostgrestClient) -> Producer:
        """Make the producer of a window; its deadline begins to run now."""
        policy = self.policy(settings)
        table = self.table(settings, api, policy)
        return Producer(
            settings=settings,
            table=table,
            builder=Builder(
                settings=settings,
                table=table,
                policy=policy,
                clock=self._clock,
            ),
            ledger=self.ledger(settings, api, policy),
            channels=previews(settings) if self._options.dry_run else self.channels,
            storage=self.storage(settings, policy),
            alerts=self.alerts(settings),
            policy=policy,
            clock=self._clock,
            resender=settings.report.job_name or self._holder(),
            again=lambda asked: rerun_command(asked, settings.report, resend=True),
        )

    def table(self, settings: Settings, api: PostgrestClient, policy: RetryPolicy) -> AnalysesTable:
        """Make the reader of the table."""
        return AnalysesTable(api, settings.supabase.supabase_table, policy)

    def policy(self, settings: Settings) -> RetryPolicy:
        """Begin the time that a window may take."""
        limit = self._timeouts.limit or settings.report.report_time_limit
        return RetryPolicy(
            deadline=asyncio.get_running_loop().time() + limit,
            first_wait=self._timeouts.first_wait,
            longest_wait=self._timeouts.longest_wait,
            send_limit=self._timeouts.send_limit,
        )

    def ledger(self, settings: Settings, api: PostgrestClient, policy: RetryPolicy) -> Ledger:
        """Make the ledger that the settings name; none for a trial."""
        report = settings.report
        table = f"{settings.supabase.supabase_url} {settings.supabase.supabase_table}"
        source = hashlib.sha256(table.encode()).hexdigest()[:8]
        if self._is_trial and not self._options.check:
            return NoLedger(self._clock)
        if report.report_ledger == "supabase":
            return TableLedger(api, self._clock, self._holder(), policy, source)
        return DirectoryLedger(report.report_dir, self._clock, self._holder(), policy, source)

    def storage(self, settings: Settings, policy: RetryPolicy) -> Storage | None:
        """Make the client of the bucket that the settings name, if they name one."""
        report = settings.report
        if report.report_bucket is None or self._options.dry_run:
            return None
        return Storage(
            settings.supabase,
            report.report_bucket,
            timedelta(hours=report.report_link_hours),
            tls=self._tls,
            policy=policy,
            clock=self._clock,
            hide=self._redaction.hide,
            wait=self._timeouts.storage,
        )

    @property
    def stop_is_told(self) -> bool:
        """Whether a SIGTERM has been dealt with by whoever had a window in hand."""
        return any(alerts.knows_of_stop for alerts in self._alerts)

    def alerts(self, settings: Settings | None) -> Alerts:
        """Make what raises alerts; without `settings`, for those that are not whole."""
        everyone = [f"{channel.name} to {recipient}" for channel in self.channels for recipient in channel.recipients]
        alerts = Alerts(
            self.channels,
            redact=self._redaction,
            command=self._command,
            recovery_note=_recovery_note(settings, settled=False),
            settled_note=_recovery_note(settings, settled=True),
            everyone=["everyone"] if self._loaded.problems else everyone,
            clock=self._clock,
            muted=lambda: self._options.dry_run or self.is_interrupted,
            # Of many windows that fail of one cause, one alert; the table at the end names them all.
            known=self._told if self._options.count or (settings and settings.report.report_count) else None,
        )
        self._alerts.append(alerts)
        return alerts

    def _command(self, window: Window) -> str:
        until_now = self._options.until_now
        return rerun_command(window, self._loaded.report, until_now=until_now) if self._loaded.report else ""

    def _holder(self) -> str:
        pod_name = self._loaded.report and self._loaded.report.pod_name
        return pod_name or f"{socket.gethostname()}.{os.getpid()}"


def _recovery_note(settings: Settings | None, *, settled: bool) -> str:
    """Say whether what an alert is about will be made good by itself; nothing where the settings are not whole."""
    if not settings:
        return ""
    report = settings.report
    return recovery_note(report.report_ledger, report.report_catch_up, in_a_job=bool(report.job_name), settled=settled)
