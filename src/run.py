"""Options, composition, order, exit code; the only module that asks the clock."""

import argparse
import asyncio
import hashlib
import logging
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from . import message
from .analyses import AnalysesTable, open_table
from .channels import Channel
from .channels.mail import MailChannel
from .channels.telegram import TelegramChannel
from .delivery import deliver
from .errors import ReportError, RowsMissingError
from .logs import rows_bar, set_up_logs
from .message import Report
from .settings import ENV_FILE, Settings, load_settings
from .summary import Summary
from .window import Window, last_full, starting_at, until
from .workbook import ReportWorkbook

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None, *, env_file: Path | None = ENV_FILE) -> int:
    """Make and deliver one report; return the exit code: 0 all delivered, 1 something failed, 2 wrong input."""
    options = _parser().parse_args(arguments)
    set_up_logs()
    try:
        settings = load_settings(env_file)
        window = _window(options, settings)
        return asyncio.run(_run(settings, window))
    except ReportError as error:
        logger.error("%s", error)
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="reports_generator.py",
        description="Report the last full hour of analyses: from Supabase, as a workbook, by email and Telegram.",
        epilog="Settings come from the environment and .env; .env.example shows all of them.",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--start",
        metavar="TIME",
        help="report the window that starts then, like 2026-11-23T13 (UTC unless it carries an offset), "
        "instead of the last full one",
    )
    which.add_argument(
        "--until-now",
        action="store_true",
        help="report the sixty minutes (daily: 24 hours) up to this moment",
    )
    return parser


def _window(options: argparse.Namespace, settings: Settings) -> Window:
    template, zone = settings.report.report_template, settings.report.report_timezone
    if options.start is not None:
        return starting_at(options.start, template, zone, _now())
    return (until if options.until_now else last_full)(template, zone, _now())


async def _run(settings: Settings, window: Window) -> int:
    tls = ssl.create_default_context()
    await settle(window, timedelta(seconds=settings.report.report_settle))
    async with open_table(settings.supabase, tls) as table:
        report = await _report(table, window, settings)
    outcomes = await deliver(report, _channels(settings, tls))
    failed = [outcome for outcome in outcomes if not outcome.delivered]
    logger.info("%s: delivered to %d of %d recipients", window.label(), len(outcomes) - len(failed), len(outcomes))
    return 1 if failed else 0


async def settle(window: Window, grace: timedelta) -> None:
    """Wait until `grace` has passed since the window's end, so that transactions open then can commit.

    A window up to this very moment is not waited for.
    """
    now = _now()
    wait = (window.end + grace - now).total_seconds()
    if window.end <= now and wait > 0:
        logger.info("Waiting %.0f s for rows that are still being committed", wait)
        await asyncio.sleep(wait)


async def _report(table: AnalysesTable, window: Window, settings: Settings) -> Report:
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


def _channels(settings: Settings, tls: ssl.SSLContext) -> list[Channel]:
    channels: list[Channel] = []
    if settings.mail:
        channels.append(MailChannel(settings.mail, tls))
    if settings.telegram:
        channels.append(TelegramChannel(settings.telegram, tls))
    return channels


def _now() -> datetime:
    return datetime.now(UTC)
