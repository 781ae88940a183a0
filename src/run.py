"""Composition, order, exit code; the only module that asks the clock."""

import argparse
import asyncio
import hashlib
import logging
import ssl
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from . import message
from .analyses import AnalysesTable
from .channels import Channel, Outcome
from .channels.mail import MailChannel
from .channels.telegram import TelegramChannel
from .delivery import deliver, healthiest_first, raise_alert
from .errors import OptionError, ReportError, RowsMissingError
from .logs import Redaction, rows_bar, set_up_logs
from .message import Failure, Report
from .network import tls_context
from .options import choose_window, command_again, make_parser
from .rest import open_rest
from .settings import ENV_FILE, Draft, Settings, read_settings
from .summary import Summary
from .window import Window
from .workbook import ReportWorkbook

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None, *, env_file: Path | None = ENV_FILE) -> int:
    """Make and deliver one report; return the exit code: 0 all delivered, 1 something failed, 2 wrong input."""
    options = make_parser().parse_args(arguments)
    redaction = Redaction()
    set_up_logs(redaction)
    draft = read_settings(env_file)
    redaction.hide(draft.secrets())
    try:
        return asyncio.run(_Run(options, draft, redaction).guarded())
    except KeyboardInterrupt:
        return 130


class _Run:
    """One run, and what is known of it so far, for the alert."""

    def __init__(self, options: argparse.Namespace, draft: Draft, redaction: Redaction) -> None:
        self._options = options
        self._draft = draft
        self._redaction = redaction
        self._tls = tls_context()
        self._channels = _channels(draft, self._tls)
        self._window: Window | None = None

    async def guarded(self) -> int:
        """Report; log and alert whatever goes wrong."""
        try:
            return await self._report()
        except OptionError as error:  # somebody is sitting there
            logger.error("%s", error)
            return error.exit_code
        except ReportError as error:
            logger.error("%s", error)
            await self._alert([Failure(what=error.stage, why=str(error))])
            return error.exit_code
        except Exception as error:
            logger.exception("The run broke down")
            why = f"It broke down ({type(error).__name__}: {error}). Read the log, then run this window again."
            await self._alert([Failure(what="the run", why=why)])
            return 1

    async def _report(self) -> int:
        settings = self._draft.checked()
        window = self._window = choose_window(self._options, settings.report, _now())
        await settle(window, timedelta(seconds=settings.report.report_settle))
        async with open_rest(settings.supabase, self._tls) as rest:
            table = AnalysesTable(rest, settings.supabase.supabase_table)
            report = await _build_whole(table, window, settings)
        outcomes = await deliver(report, self._channels)
        failed = [outcome for outcome in outcomes if not outcome.delivered]
        delivered = len(outcomes) - len(failed)
        logger.info("%s: delivered to %d of %d recipients", window.label(), delivered, len(outcomes))
        if failed:
            await self._alert(_failures(failed), outcomes)
        return 1 if failed else 0

    async def _alert(self, failures: Sequence[Failure], outcomes: Sequence[Outcome] = ()) -> None:
        command, owed = None, ["everyone"]
        if outcomes:
            owed = [f"{outcome.channel} to {outcome.recipient}" for outcome in outcomes if not outcome.delivered]
        elif not self._draft.problems:
            owed = [f"{channel.name} to {recipient}" for channel in self._channels for recipient in channel.recipients]
        if self._draft.report and not self._window:
            with suppress(ReportError):  # of what is alerted about
                self._window = choose_window(self._options, self._draft.report, _now())
        if self._draft.report and self._window:
            command = command_again(self._window, self._draft.report, until_now=self._options.until_now)
        text = message.alert(self._window, failures, owed=owed, command=command)
        await raise_alert(self._redaction(text), _now(), healthiest_first(self._channels, outcomes))


async def settle(window: Window, grace: timedelta) -> None:
    """Wait until `grace` has passed since the window's end, so that transactions open then can commit.

    A window up to this very moment is not waited for.
    """
    now = _now()
    wait = (window.end + grace - now).total_seconds()
    if window.end <= now and wait > 0:
        logger.info("Waiting %.0f s for rows that are still being committed", wait)
        await asyncio.sleep(wait)


async def _build_whole(table: AnalysesTable, window: Window, settings: Settings) -> Report:
    """Read the window into a workbook; where rows were missing, count and read once more."""
    try:
        return await _build(table, window, settings)
    except RowsMissingError as error:
        logger.warning("%s Reading it once more.", error)
        return await _build(table, window, settings)


async def _build(table: AnalysesTable, window: Window, settings: Settings) -> Report:
    summary = Summary()
    with ReportWorkbook(window) as workbook, rows_bar() as advance:
        async for page in table.pages(window):
            workbook.add(page.rows)
            summary.add(page.rows)
            advance(len(page.rows), page.counted)
        attachment = workbook.save(settings.report.report_dir, summary)
    logger.info("%s: %d rows in %s", window.label(), summary.rows, attachment)
    return Report(
        window=window,
        identity=_identity(window, settings),
        created=_now(),
        attachment=attachment,
        subject=message.subject(window),
        text=message.body(window, summary, attachment),
        caption=message.caption(window, summary),
    )


def _identity(window: Window, settings: Settings) -> str:
    """Name the delivery of one window of one table, so that a retry's mail is known as the same."""
    source = f"{settings.supabase.supabase_url} {settings.supabase.supabase_table} {window.end.isoformat()}"
    digest = hashlib.sha256(source.encode()).hexdigest()[:12]
    return f"report.{window.template}.{window.start:%Y%m%dT%H%M%SZ}.{digest}"


def _failures(failed: Sequence[Outcome]) -> list[Failure]:
    """Gather failed outcomes by their reason, so that a dead server is told of once."""
    by_reason: dict[str, list[str]] = {}
    for outcome in failed:
        by_reason.setdefault(outcome.failure or "", []).append(f"{outcome.channel} to {outcome.recipient}")
    return [Failure(what=", ".join(recipients), why=why) for why, recipients in by_reason.items()]


def _channels(draft: Draft, tls: ssl.SSLContext) -> list[Channel]:
    channels: list[Channel] = []
    if draft.mail:
        channels.append(MailChannel(draft.mail, tls))
    if draft.telegram:
        channels.append(TelegramChannel(draft.telegram, tls))
    return channels


def _now() -> datetime:
    return datetime.now(UTC)
