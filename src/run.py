"""Composition, order, exit code; the only module that asks the clock."""

import argparse
import asyncio
import hashlib
import logging
import os
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from . import message, rest, storage
from .alarm import Alarm
from .analyses import AnalysesTable
from .catch_up import produce_with_catch_up
from .channels import Channel, mail, telegram
from .channels.mail import MailChannel
from .channels.telegram import TelegramChannel
from .errors import OptionError, ReportError
from .ledger import Ledger, NoLedger
from .ledger_folder import FolderLedger
from .ledger_table import TableLedger
from .logs import Redaction, set_up_logs
from .message import Failure
from .network import tls_context
from .options import choose_window, command_again, make_parser
from .produce import Producer
from .rest import Rest, open_rest
from .retry import Patience
from .settings import ENV_FILE, Draft, Settings, read_settings
from .storage import Storage
from .window import Window

logger = logging.getLogger(__name__)
STOPPED = 128 + signal.SIGTERM


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """All waits and time-outs of a run, in seconds."""

    first_wait: float = 1.0
    longest_wait: float = 60.0
    supabase: float = rest.WAIT
    supabase_deadline: float = rest.DEADLINE
    storage: float = storage.WAIT
    smtp: float = mail.TIMEOUT
    telegram: float = telegram.READ_TIMEOUT
    limit: float | None = None
    """In place of REPORT_TIME_LIMIT."""


def main(
    arguments: Sequence[str] | None = None, *, env_file: Path | None = ENV_FILE, timing: Timing | None = None
) -> int:
    """Make and deliver the report; return the exit code: 0 all delivered, 1 something failed, 2 wrong input."""
    options = make_parser().parse_args(arguments)
    redaction = Redaction()
    set_up_logs(redaction)
    draft = read_settings(env_file)
    redaction.hide(draft.secrets())
    try:
        return asyncio.run(_Run(options, draft, redaction, timing or Timing()).guarded())
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


class _Run:
    """One run, composed of what the settings ask for."""

    def __init__(self, options: argparse.Namespace, draft: Draft, redaction: Redaction, timing: Timing) -> None:
        self._options = options
        self._draft = draft
        self._redaction = redaction
        self._timing = timing
        self._tls = tls_context()
        self._channels = self._make_channels()
        self._producing: Alarm | None = None

    async def guarded(self) -> int:
        """Report; log and alert whatever goes wrong before a window is in hand."""
        task = asyncio.current_task()
        if task:
            with suppress(NotImplementedError, ValueError, RuntimeError):  # Windows, or not the main thread
                asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        try:
            return await self._report()
        except asyncio.CancelledError:
            if not (self._producing and self._producing.knows_of_stop):
                logger.error("Stopped before a window was in hand")
                await self._alarm(None).raise_for(self._likely_window(), [message.STOPPED])
            return STOPPED
        except OptionError as error:  # somebody is sitting there
            logger.error("%s", error)
            return error.exit_code
        except ReportError as error:
            logger.error("%s", error)
            await self._alarm(None).raise_for(self._likely_window(), [Failure(what=error.stage, why=str(error))])
            return error.exit_code
        except Exception as error:
            logger.exception("The run broke down")
            why = f"It broke down ({type(error).__name__}: {error}). Read the log, then run this window again."
            await self._alarm(None).raise_for(self._likely_window(), [Failure(what="the run", why=why)])
            return 1

    async def _report(self) -> int:
        settings = self._draft.checked()
        window = choose_window(self._options, settings.report, now())
        patience = self._patience(settings)
        if not self._options.until_now:
            await settle(window, timedelta(seconds=settings.report.report_settle))
        waits, deadline = self._timing.supabase, self._timing.supabase_deadline
        async with open_rest(settings.supabase, self._tls, wait=waits, deadline=deadline) as api:
            table = AnalysesTable(api, settings.supabase.supabase_table, patience)
            self._producing = self._alarm(settings)
            producer = Producer(
                settings=settings,
                table=table,
                ledger=self._ledger(settings, api, patience),
                channels=self._channels,
                alarm=self._producing,
                storage=self._storage(settings, patience),
                patience=patience,
                clock=now,
                resender=settings.report.job_name or self._holder(),
                again=lambda asked: command_again(asked, settings.report, resend=True),
            )
            resend = self._options.resend or settings.report.report_resend
            if self._options.until_now or self._options.start or settings.report.report_start:
                return (await producer.produce(window, resend=resend)).code
            return await produce_with_catch_up(producer, window, resend=resend)

    def _patience(self, settings: Settings) -> Patience:
        limit = self._timing.limit or settings.report.report_time_limit
        return Patience(
            deadline=asyncio.get_running_loop().time() + limit,
            first_wait=self._timing.first_wait,
            longest_wait=self._timing.longest_wait,
        )

    def _ledger(self, settings: Settings, api: Rest, patience: Patience) -> Ledger:
        report = settings.report
        table = f"{settings.supabase.supabase_url} {settings.supabase.supabase_table}"
        source = hashlib.sha256(table.encode()).hexdigest()[:8]
        holder = self._holder()
        if self._options.until_now:
            return NoLedger(now)
        if report.report_ledger == "supabase":
            return TableLedger(api, now, holder, patience, source)
        return FolderLedger(report.report_dir, now, holder, patience, source)

    def _storage(self, settings: Settings, patience: Patience) -> Storage | None:
        report = settings.report
        if report.report_bucket is None:
            return None
        return Storage(
            settings.supabase,
            report.report_bucket,
            timedelta(hours=report.report_link_hours),
            tls=self._tls,
            patience=patience,
            clock=now,
            hide=self._redaction.hide,
            wait=self._timing.storage,
        )

    def _holder(self) -> str:
        pod_name = self._draft.report and self._draft.report.pod_name
        return pod_name or f"{socket.gethostname()}.{os.getpid()}"

    def _alarm(self, settings: Settings | None) -> Alarm:
        outlook = ""
        if settings and settings.report.report_ledger == "directory":
            outlook = "Restarts of this very Job apart, it will not be made good by itself."
        elif settings:
            outlook = f"The next runs make it good by themselves, up to {settings.report.report_catch_up} windows back."
        everyone = [f"{channel.name} to {recipient}" for channel in self._channels for recipient in channel.recipients]
        return Alarm(
            self._channels,
            redact=self._redaction,
            command=self._command,
            outlook=outlook,
            everyone=["everyone"] if self._draft.problems else everyone,
            clock=now,
        )

    def _command(self, window: Window) -> str:
        until_now = self._options.until_now
        return command_again(window, self._draft.report, until_now=until_now) if self._draft.report else ""

    def _likely_window(self) -> Window | None:
        with suppress(ReportError):  # of what is alerted about
            return choose_window(self._options, self._draft.report, now()) if self._draft.report else None
        return None

    def _make_channels(self) -> list[Channel]:
        channels: list[Channel] = []
        if self._draft.mail:
            channels.append(MailChannel(self._draft.mail, self._tls, self._timing.smtp))
        if self._draft.telegram:
            channels.append(TelegramChannel(self._draft.telegram, self._tls, self._timing.telegram))
        return channels


async def settle(window: Window, grace: timedelta) -> None:
    """Wait until `grace` has passed since the window's end, so that transactions open then can commit."""
    wait = (window.end + grace - now()).total_seconds()
    if wait > 0:
        logger.info("Waiting %.0f s for rows that are still being committed", wait)
        await asyncio.sleep(wait)


def now() -> datetime:
    """Return this moment, aware UTC."""
    return datetime.now(UTC)
