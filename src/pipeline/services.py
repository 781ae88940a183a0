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
from ..commands.check import (
    Check,
    check_of_ledger,
    checks_of_mail,
    checks_of_settings,
    checks_of_table,
    checks_of_telegram,
)
from ..config.kubernetes import command_again
from ..config.loader import Draft, Settings
from ..domain.window import Window
from ..ledger.claim import Ledger, NoLedger
from ..ledger.directory import FolderLedger
from ..ledger.table import TableLedger
from ..phrases import english as words
from ..runtime.connection import tls_context
from ..runtime.redaction import Redaction
from ..runtime.retry import Patience
from ..supabase import client as rest
from ..supabase import storage
from ..supabase.analyses import AnalysesTable
from ..supabase.client import Rest, open_rest
from ..supabase.storage import Storage
from . import deliver as delivery
from .alerts import Alarm
from .build import Builder
from .heartbeat import Heartbeat
from .report_window import Producer


class Timing(Struct, frozen=True, kw_only=True):
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


class Composition:
    """The parts of a run, each made from what the settings ask for."""

    def __init__(
        self,
        options: argparse.Namespace,
        draft: Draft,
        redaction: Redaction,
        timing: Timing,
        clock: Callable[[], datetime],
    ) -> None:
        self._options = options
        self._draft = draft
        self._redaction = redaction
        self._timing = timing
        self._clock = clock
        self._tls = tls_context()
        self._alarms: list[Alarm] = []
        self._told: set[str] = set()
        self.is_interrupted = False
        self.mail = self.telegram = None
        if draft.mail:
            self.mail = MailChannel(draft.mail, self._tls, timing.smtp, timing.smtp_quit)
        if draft.telegram:
            self.telegram = TelegramChannel(draft.telegram, self._tls, timing.telegram, timing.telegram_upload)
        self.channels: list[Channel] = [channel for channel in (self.mail, self.telegram) if channel]
        self.heartbeat = Heartbeat(None if self._is_trial else draft.watch.heartbeat_url, self._tls, redaction)

    @property
    def _is_trial(self) -> bool:
        """Whether this run leaves no trace in ledger and monitor."""
        return bool(self._options.until_now or self._options.dry_run or self._options.check)

    @asynccontextmanager
    async def api(self, settings: Settings) -> AsyncIterator[Rest]:
        """Open the Supabase project for the block."""
        waits, deadline = self._timing.supabase, self._timing.supabase_deadline
        async with open_rest(settings.supabase, self._tls, wait=waits, deadline=deadline) as opened:
            yield opened

    def producer(self, settings: Settings, api: Rest) -> Producer:
        """Make the producer of a window; its patience begins now."""
        patience = self.patience(settings)
        table = self.table(settings, api, patience)
        return Producer(
            settings=settings,
            table=table,
            builder=Builder(
                settings=settings,
                table=table,
                storage=self._storage(settings, patience),
                patience=patience,
                clock=self._clock,
            ),
            ledger=self.ledger(settings, api, patience),
            channels=previews(settings) if self._options.dry_run else self.channels,
            alarm=self.alarm(settings),
            patience=patience,
            clock=self._clock,
            resender=settings.report.job_name or self._holder(),
            again=lambda asked: command_again(asked, settings.report, resend=True),
        )

    def table(self, settings: Settings, api: Rest, patience: Patience) -> AnalysesTable:
        """Make the reader of the table."""
        return AnalysesTable(api, settings.supabase.supabase_table, patience)

    def patience(self, settings: Settings) -> Patience:
        """Begin the time that a window may take."""
        limit = self._timing.limit or settings.report.report_time_limit
        return Patience(
            deadline=asyncio.get_running_loop().time() + limit,
            first_wait=self._timing.first_wait,
            longest_wait=self._timing.longest_wait,
            send_limit=self._timing.send_limit,
        )

    def ledger(self, settings: Settings, api: Rest, patience: Patience) -> Ledger:
        """Make the ledger that the settings name; none for a trial."""
        report = settings.report
        table = f"{settings.supabase.supabase_url} {settings.supabase.supabase_table}"
        source = hashlib.sha256(table.encode()).hexdigest()[:8]
        if self._is_trial and not self._options.check:
            return NoLedger(self._clock)
        if report.report_ledger == "supabase":
            return TableLedger(api, self._clock, self._holder(), patience, source)
        return FolderLedger(report.report_dir, self._clock, self._holder(), patience, source)

    def _storage(self, settings: Settings, patience: Patience) -> Storage | None:
        report = settings.report
        if report.report_bucket is None or self._options.dry_run:
            return None
        return Storage(
            settings.supabase,
            report.report_bucket,
            timedelta(hours=report.report_link_hours),
            tls=self._tls,
            patience=patience,
            clock=self._clock,
            hide=self._redaction.hide,
            wait=self._timing.storage,
        )

    @property
    def stop_is_told(self) -> bool:
        """Whether a SIGTERM has been dealt with by whoever had a window in hand."""
        return any(alarm.knows_of_stop for alarm in self._alarms)

    def alarm(self, settings: Settings | None) -> Alarm:
        """Make what raises alerts; without `settings`, for those that are not whole."""
        everyone = [f"{channel.name} to {recipient}" for channel in self.channels for recipient in channel.recipients]
        alarm = Alarm(
            self.channels,
            redact=self._redaction,
            command=self._command,
            outlook=_outlook(settings, settled=False),
            settled_outlook=_outlook(settings, settled=True),
            everyone=["everyone"] if self._draft.problems else everyone,
            clock=self._clock,
            hushed=lambda: self._options.dry_run or self.is_interrupted,
            # Of many windows that fail of one cause, one alert; the table at the end names them all.
            known=self._told if self._options.count or (settings and settings.report.report_count) else None,
        )
        self._alarms.append(alarm)
        return alarm

    def checks(self, settings: Settings, api: Rest, window: Window) -> list[tuple[str, Check]]:
        """List what --check looks at."""
        patience = Patience(deadline=0.0)  # asked once: somebody is sitting there
        table = self.table(settings, api, patience)
        found = checks_of_settings(settings)
        found += checks_of_table(table, window, key_kind=api.key_kind, sees_all=api.sees_all)
        found += checks_of_mail(self.mail) if self.mail else []
        found += checks_of_telegram(self.telegram) if self.telegram else []
        if storage := self._storage(settings, patience):
            found.append(("bucket", storage.check))
        return [*found, check_of_ledger(self.ledger(settings, api, patience), window)]

    def _command(self, window: Window) -> str:
        until_now = self._options.until_now
        return command_again(window, self._draft.report, until_now=until_now) if self._draft.report else ""

    def _holder(self) -> str:
        pod_name = self._draft.report and self._draft.report.pod_name
        return pod_name or f"{socket.gethostname()}.{os.getpid()}"


def _outlook(settings: Settings | None, *, settled: bool) -> str:
    """Say whether what an alert is about will be made good by itself; nothing where the settings are not whole."""
    if not settings:
        return ""
    report = settings.report
    return words.outlook(report.report_ledger, report.report_catch_up, in_a_job=bool(report.job_name), settled=settled)
