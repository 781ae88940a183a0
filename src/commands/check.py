"""`--check`: is everything there that a run needs? Nothing is sent, nothing stays written."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import cache, partial
from tempfile import TemporaryFile
from typing import TypeVar

from msgspec import Struct

from ..channels.interface import Channel
from ..channels.mail import MailChannel
from ..channels.telegram import TelegramChannel
from ..config.loader import Settings
from ..config.schedule import choose_windows
from ..domain.analysis import COLUMNS
from ..domain.request import Result
from ..domain.window import Window, last_full
from ..errors import Problem, ReportError, SourceRefusedError, WorkbookError, broken_down
from ..pipeline.alerts import Alerts
from ..pipeline.report_window import describe_failure
from ..pipeline.services import Run, Services, open_services
from ..runtime.retry import RetryPolicy
from ..supabase.analyses import AnalysesTable

INDEX_SQL = "src/sql/analyses_index.sql"
_ROOM = 2**16
"""Bytes that are written to see whether there is room."""


class Finding(Struct, frozen=True, kw_only=True):
    """What became of one check: `words` say what is there, or what to do."""

    part: str
    ok: bool
    words: str


Check = Callable[[], Awaitable[str]]
T = TypeVar("T")


async def check(run: Run) -> Result:
    """Look at every part, print a line for each, and return 1 if one of them is not well."""
    try:
        settings = run.loaded.checked()
        choose_windows(run.options, settings.report, run.clock())
    except ReportError as error:
        failure = describe_failure(error)
        return Result(code=error.exit_code, words=f"failed: {failure.what}", problem=failure.problem)
    channels = run.channels()
    alerts = Alerts(channels, run.options, run.loaded, run.redaction, run.clock, run.timeouts)
    window = last_full(settings.report.report_template, settings.report.report_timezone, run.clock())
    async with open_services(run, settings, channels, alerts) as services:
        findings = await run_checks(checks(services, window), run.timeouts.check)
    print(run.redaction(as_table(findings)))  # noqa: T201 - the answer of this command
    if wrong := [finding.part for finding in findings if not finding.ok]:
        problem = Problem(key="check", reason=f"Not OK: {', '.join(wrong)}.", remedy="Their lines say what to do.")
        return Result(code=1, words=f"not OK: {', '.join(wrong)}", problem=problem)
    return Result(code=0, words=f"all {len(findings)} are OK")


async def run_checks(checks: Sequence[tuple[str, Check]], limit: float) -> list[Finding]:
    """Do all checks side by side, each for `limit` seconds at most; return one finding each, in their order."""
    return list(await asyncio.gather(*(_finding(part, one, limit) for part, one in checks)))


async def _finding(part: str, check: Check, limit: float) -> Finding:
    try:
        async with asyncio.timeout(limit):
            return Finding(part=part, ok=True, words=await check())
    except ReportError as error:
        return Finding(part=part, ok=False, words=str(error))
    except TimeoutError:
        return Finding(part=part, ok=False, words=f"It took longer than {limit:.0f} s. Check its server.")
    except Exception as error:  # a check that breaks down is a finding too
        return Finding(part=part, ok=False, words=str(broken_down("The check", error)))


def _once(ask: Callable[[], Coroutine[None, None, T]]) -> Callable[[], Awaitable[T]]:
    """Ask once, however many wait for the answer."""
    task = cache(lambda: asyncio.create_task(ask()))
    return lambda: asyncio.shield(task())


async def _behind(part: str, asked: Callable[[], Awaitable[object]]) -> None:
    """Raise ReportError if what must be well first is not; its own line says why."""
    try:
        await asked()
    except ReportError as error:
        raise ReportError("check.not_tried", f"Not tried: see {part}.") from error


def checks(services: Services, window: Window) -> list[tuple[str, Check]]:
    """List what is looked at, each asked once: the operator is at the terminal."""
    policy = RetryPolicy(deadline=0.0, first_wait=1.0, longest_wait=1.0)
    client, ledger = services.client, services.ledger
    found = checks_of_settings(services.settings)
    found += checks_of_table(services.table, window, policy, key_kind=client.key_kind, sees_all=client.sees_all)
    for channel in services.channels:
        found += checks_of_channel(channel)
    if services.storage:
        found.append(("bucket", services.storage.check))
    return [*found, ("ledger", lambda: ledger.check(window.template, policy))]


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
            raise WorkbookError(
                "workbook.disk",
                f"{report.report_dir} can't be written to ({error.strerror}).",
                "Set REPORT_DIR to a folder that can.",
            ) from error
        return f"{report.report_dir} can be written to, {shutil.disk_usage(report.report_dir).free / 1e9:,.1f} GB free"

    return [("settings", what), ("folder", folder)]


def checks_of_table(
    table: AnalysesTable, window: Window, policy: RetryPolicy, *, key_kind: str, sees_all: bool
) -> list[tuple[str, Check]]:
    """Check that the table can be read as a run reads it, the kind of key, and the index."""
    probe = _once(lambda: table.probe(window, policy))

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
            raise SourceRefusedError(
                "source.index", "Each page sorts the table anew.", f"Run {INDEX_SQL} in the SQL editor."
            )
        return "used"

    return [("table", rows), ("key", key), ("index", index)]


def checks_of_channel(channel: Channel) -> list[tuple[str, Check]]:
    """Check connection, certificate and login of the mail server; the bot, and each chat that it writes to."""
    if isinstance(channel, MailChannel):
        return [("email", channel.check)]
    if not isinstance(channel, TelegramChannel):
        return []
    bot = _once(channel.check_bot)

    async def one(chat: str) -> str:
        await _behind("telegram bot", bot)
        return await channel.check_chat(chat)

    return [("telegram bot", bot), *((f"telegram {chat}", partial(one, chat)) for chat in channel.chats)]


def as_table(findings: Sequence[Finding]) -> str:
    """Write one line a finding."""
    width = max(len(finding.part) for finding in findings)
    return "\n".join(f"{'OK  ' if one.ok else 'FAIL'} {one.part:<{width}}  {one.words}" for one in findings)
