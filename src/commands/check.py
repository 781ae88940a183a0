"""`--check`: is everything there that a run needs? Nothing is sent, nothing stays written."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import cache, partial
from tempfile import TemporaryFile
from typing import TypeVar

from msgspec import Struct

from ..channels.mail import MailChannel
from ..channels.telegram import TelegramChannel
from ..config.loader import Settings
from ..domain.analysis import COLUMNS
from ..domain.window import Window
from ..errors import ReportError, SourceRefusedError, WorkbookError
from ..ledger.interface import Ledger
from ..pipeline.services import Services
from ..runtime.retry import RetryPolicy
from ..supabase.analyses import AnalysesTable
from ..supabase.client import PostgrestClient

INDEX_SQL = "src/sql/analyses_index.sql"
LIMIT = 75.0
"""Seconds that one part may take: a little more than its own client waits, which then says what it waited for."""
_ROOM = 2**16
"""Bytes that are written to see whether there is room."""


class Finding(Struct, frozen=True, kw_only=True):
    """What became of one check: `words` say what is there, or what to do."""

    part: str
    ok: bool
    words: str


Check = Callable[[], Awaitable[str]]
T = TypeVar("T")


async def run_checks(checks: Sequence[tuple[str, Check]]) -> list[Finding]:
    """Do all checks side by side; return one finding each, in their order."""
    return list(await asyncio.gather(*(_finding(part, check) for part, check in checks)))


async def _finding(part: str, check: Check) -> Finding:
    try:
        async with asyncio.timeout(LIMIT):
            return Finding(part=part, ok=True, words=await check())
    except ReportError as error:
        return Finding(part=part, ok=False, words=str(error).replace("run this window again", "check again"))
    except TimeoutError:
        return Finding(part=part, ok=False, words=f"It took longer than {LIMIT:.0f} s. Look at its server.")
    except Exception as error:  # a check that breaks down is a finding too
        return Finding(part=part, ok=False, words=f"The check broke down ({type(error).__name__}: {error}).")


def _once(ask: Callable[[], Coroutine[None, None, T]]) -> Callable[[], Awaitable[T]]:
    """Ask once, however many wait for the answer."""
    task = cache(lambda: asyncio.create_task(ask()))
    return lambda: asyncio.shield(task())


async def _behind(part: str, asked: Callable[[], Awaitable[object]]) -> None:
    """Raise ReportError if what must be well first is not; its own line says why."""
    try:
        await asked()
    except ReportError as error:
        raise ReportError(f"Not tried: see {part}.") from error


def checks(services: Services, settings: Settings, client: PostgrestClient, window: Window) -> list[tuple[str, Check]]:
    """List what is looked at, each asked once: the operator is at the terminal."""
    policy = RetryPolicy(deadline=0.0)
    table = services.table(settings, client, policy)
    found = checks_of_settings(settings)
    found += checks_of_table(table, window, key_kind=client.key_kind, sees_all=client.sees_all)
    found += checks_of_mail(services.mail) if services.mail else []
    found += checks_of_telegram(services.telegram) if services.telegram else []
    if storage := services.storage(settings, policy):
        found.append(("bucket", storage.check))
    return [*found, check_of_ledger(services.ledger(settings, client, policy), window)]


def checks_of_settings(settings: Settings) -> list[tuple[str, Check]]:
    """Say what is set, as a run would use it, and check that there is room for the workbook."""
    report = settings.report

    async def what() -> str:
        mail, telegram = settings.mail, settings.telegram
        ways = [f"email to {len(mail.smtp_to)}"] if mail else []
        ways += [f"telegram to {len(telegram.telegram_chat_id)}"] if telegram else []
        return f"whole: {report.report_template} in {report.report_timezone.key}, {', '.join(ways)}"

    async def folder() -> str:
        try:
            with TemporaryFile(dir=report.report_dir) as file:
                file.write(bytes(_ROOM))
        except OSError as error:
            why = f"{report.report_dir} can't be written to ({error.strerror})"
            raise WorkbookError(f"{why}. Set REPORT_DIR to a folder that can.") from error
        return f"{report.report_dir} can be written to, {shutil.disk_usage(report.report_dir).free / 1e9:,.1f} GB free"

    return [("settings", what), ("folder", folder)]


def checks_of_table(table: AnalysesTable, window: Window, *, key_kind: str, sees_all: bool) -> list[tuple[str, Check]]:
    """Check that the table can be read as a run reads it, the kind of key, and the index."""
    probe = _once(lambda: table.probe(window))

    async def rows() -> str:
        counted = await probe()
        return f"readable with its {len(COLUMNS)} columns, {counted:,} rows in {window.label()}"

    async def key() -> str:
        await _behind("table", probe)
        end = "sees every row" if sees_all else "row-level security may hide rows from it; a secret key sees all"
        return f"{key_kind}, {end}"

    async def index() -> str:
        await _behind("table", probe)
        plan = await table.plan(window)
        if plan is None:
            return f"can't be seen through the API; {INDEX_SQL} makes it, and changes nothing where it is"
        if '"Sort"' in plan:
            raise SourceRefusedError(f"Each page sorts the table anew. Run {INDEX_SQL} in the SQL editor.")
        return "used"

    return [("table", rows), ("key", key), ("index", index)]


def checks_of_mail(channel: MailChannel) -> list[tuple[str, Check]]:
    """Check connection, certificate and login."""
    return [("email", channel.check)]


def checks_of_telegram(channel: TelegramChannel) -> list[tuple[str, Check]]:
    """Check the bot, and each chat that it writes to."""
    bot = _once(channel.check_bot)

    async def one(chat: str) -> str:
        await _behind("telegram bot", bot)
        return await channel.check_chat(chat)

    return [("telegram bot", bot), *((f"telegram {chat}", partial(one, chat)) for chat in channel.chats)]


def check_of_ledger(ledger: Ledger, window: Window) -> tuple[str, Check]:
    """Check that the ledger can be used."""
    return "ledger", lambda: ledger.check(window.template)


def as_table(findings: Sequence[Finding]) -> str:
    """Write one line a finding."""
    width = max(len(finding.part) for finding in findings)
    return "\n".join(
        f"{'ok ' if finding.ok else 'NO '} {finding.part:<{width}}  {finding.words}" for finding in findings
    )
