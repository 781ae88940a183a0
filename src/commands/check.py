"""`--check`: is everything there that a run needs? Nothing is sent; nothing stays written but a refused login."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from datetime import datetime
from functools import cache, partial
from statistics import median
from tempfile import TemporaryFile
from typing import Literal, TypeVar

from msgspec import Struct

from ..channels.interface import Channel
from ..channels.mail import MailChannel
from ..channels.telegram import TelegramChannel
from ..config.loader import Settings
from ..config.recipients import check_limit
from ..config.schedule import choose_windows
from ..domain.analysis import COLUMNS, NUMBER, FailedStatuses
from ..domain.request import Result
from ..domain.window import Window, last_full
from ..errors import Problem, ReportError, SourceError, WorkbookError, unexpected
from ..ledger.table import has_table
from ..pipeline.heartbeat import check_answer
from ..pipeline.report_window import failed_result
from ..pipeline.services import Run, Services, open_services
from ..runtime.proxies import proxies_are_set, proxy_of
from ..runtime.redaction import Redaction
from ..runtime.retry import RetryPolicy
from ..runtime.visible_text import one_line_quote, visible
from ..supabase.analyses import AnalysesTable, Page
from ..supabase.client import PostgrestClient
from ..supabase.credentials import ROLE_SQL, Credentials

TIMED_OUT = "Why a connection failed"
INDEX_SQL = "src/sql/analyses_index.sql"
_MAKES_INDEX = f"{INDEX_SQL} makes it, and changes nothing where it is"
_SMALL_SORT = 100.0
"""What a sort may cost in PostgreSQL's units before the index is missed: it sorts 300 rows for 10, 20,000 for 500.

With the index it never sorts for more than a few, because the first row by the index costs some 8.
"""
_NO_USUAL_FAILURES = (
    "Its status is not text but an enum or the like, so the reports can't say how many failed analyses are usual"
)
_ROOM = 2**16
"""Bytes that are written to see whether there is room."""


Status = Literal["OK", "FAIL", "SKIP"]
COLOURS: dict[Status, str] = {"OK": "32", "FAIL": "31", "SKIP": "33"}
"""ECMA-48: green, red, yellow."""


class CheckResult(Struct, frozen=True, kw_only=True):
    """What became of one check: `words` say what is there, or what to do. SKIP: it could not be tried."""

    part: str
    status: Status
    words: str


Check = Callable[[], Awaitable[str]]
T = TypeVar("T")


async def check(run: Run) -> Result:
    """Look at every part, print a line for each as soon as it is known, and return 1 if one of them is not well."""
    try:
        settings = run.loaded.checked()
        choose_windows(run.options, settings.report, run.clock())
        check_limit(run.options, settings)
    except ReportError as error:
        return failed_result(error)
    channels = run.channels()
    alerts = run.alerts(channels)
    window = last_full(settings.report.report_template, settings.report.report_timezone, run.clock())
    found = []
    async with open_services(run, settings, channels, alerts) as services:
        parts = checks(services, window, run.loaded.hints)
        width = max(len(part) for part, _ in parts)
        async for result in run_checks(parts, run.timeouts.check):
            print(result_line(result, width, run.redaction), flush=True)  # noqa: T201 - the answer of this command
            found.append(result)
    not_ok = {result.part for result in found if result.status != "OK"}
    if wrong := [part for part, _ in parts if part in not_ok]:
        problem = Problem(key="check", reason=f"Not OK: {', '.join(wrong)}.", remedy="Their lines say what to do.")
        return Result(code=1, words=f"not OK: {', '.join(wrong)}", problem=problem)
    return Result(code=0, words=f"all {len(found)} are OK")


def result_line(result: CheckResult, width: int, redaction: Redaction) -> str:
    """Write a result in one line, in colour on a terminal."""
    status = f"{result.status:<4}"
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        status = f"\x1b[{COLOURS[result.status]}m{status}\x1b[0m"
    return f"{status} {result.part:<{width}}  {visible(redaction(result.words))}"


async def run_checks(parts: Sequence[tuple[str, Check]], limit: float) -> AsyncIterator[CheckResult]:
    """Do all checks side by side, each for `limit` seconds at most; yield what became of each when it is known."""
    for result in asyncio.as_completed([_checked(part, one, limit) for part, one in parts]):
        yield await result


async def _checked(part: str, check: Check, limit: float) -> CheckResult:
    try:
        async with asyncio.timeout(limit):
            return CheckResult(part=part, status="OK", words=await check())
    except NotTriedError as error:
        return CheckResult(part=part, status="SKIP", words=str(error))
    except ReportError as error:
        return failed_check(part, error.problem)
    except TimeoutError:
        reason = f"It took longer than {limit:.0f} s."
        problem = Problem(key="check.timed_out", reason=reason, remedy="Check its server.", group=TIMED_OUT)
        return failed_check(part, problem)
    except Exception as error:  # a check that fails in an unexpected way is a result too
        return failed_check(part, unexpected("the check", error, one_line_quote(error)))


def failed_check(part: str, problem: Problem) -> CheckResult:
    """Return the result of a check that found `problem`: what it is, what to do, and the runbook's section."""
    section = f" Runbook: {problem.group} ({problem.key})" if problem.group else ""
    return CheckResult(part=part, status="FAIL", words=f"{problem}{section}")


class NotTriedError(ReportError):
    """A part that could not be looked at, because another one that it needs is not well."""

    def __init__(self, part: str) -> None:
        super().__init__("check.not_tried", f"Not tried: see {part}.")


def _once(ask: Callable[[], Coroutine[None, None, T]]) -> Callable[[], Awaitable[T]]:
    """Ask once, however many wait for the answer."""
    task = cache(lambda: asyncio.create_task(ask()))
    return lambda: asyncio.shield(task())


async def _behind(part: str, asked: Callable[[], Awaitable[T]]) -> T:
    """Return the answer that another part waits for too; raise NotTriedError if there is none: its line says why."""
    try:
        return await asked()
    except ReportError as error:
        raise NotTriedError(part) from error


def checks(services: Services, window: Window, hints: Sequence[str]) -> list[tuple[str, Check]]:
    """List what is looked at, each asked once: the operator is at the terminal."""
    limit = services.run.timeouts.check
    # The first wait is longer than there is time.
    policy = RetryPolicy(
        deadline=asyncio.get_running_loop().time() + limit, first_wait=3 * limit, longest_wait=3 * limit
    )
    client = services.client
    found = checks_of_settings(services.settings, hints)
    found += checks_of_table(services.table, window, policy, client, services.run.clock)
    for channel in services.channels:
        found += checks_of_channel(channel)
    if services.storage:
        found.append(("bucket", services.storage.check))
    found.append(("ledger", partial(_check_ledger, services, policy)))
    if services.run.loaded.watch.heartbeat_url:
        found.append(("monitor", partial(check_answer, services.alerts.notices)))
    return found


async def _check_ledger(services: Services, policy: RetryPolicy) -> str:
    """Check the ledger, and say what another setting would make better."""
    words, report = await services.ledger.check(policy), services.settings.report
    if report.report_ledger == "supabase":
        return f"{words}, name {report.ledger_name}"
    notes = [words]
    if report.pod_namespace or report.job_name:
        notes.append("that ends with the pod: a new Job knows nothing of this one, and sends to everybody again")
    if await has_table(services.client):
        notes.append("the table report_deliveries is there, but not used: set REPORT_LEDGER=supabase")
    return "; ".join(notes)


def checks_of_settings(settings: Settings, hints: Sequence[str]) -> list[tuple[str, Check]]:
    """Say what is set, as a run would use it, with `hints`, and check that there is room for the workbook."""
    report = settings.report

    async def what() -> str:
        mail, telegram = settings.mail, settings.telegram
        ways = [f"email to {len(mail.smtp_to)}"] if mail else []
        ways += [f"telegram to {len(telegram.telegram_chat_id)}"] if telegram else []
        complete = f"complete: {report.report_template} in {report.report_timezone.key}, {', '.join(ways)}"
        return ". ".join([complete, *_proxies(settings), *hints])

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


def _proxies(settings: Settings) -> list[str]:
    """Say what goes by a proxy, and where one is set that mail goes directly."""
    urls = {"Supabase": settings.supabase.supabase_url}
    urls |= {"Telegram": settings.telegram.telegram_api_url} if settings.telegram else {}
    said = [f"{name} is reached by the proxy {by}" for name, url in urls.items() if (by := proxy_of(url)[1])]
    said += ["Email goes directly: a proxy is not used for it"] if settings.mail and proxies_are_set() else []
    return said


def checks_of_table(
    table: AnalysesTable, window: Window, policy: RetryPolicy, client: PostgrestClient, clock: Callable[[], datetime]
) -> list[tuple[str, Check]]:
    """Check that the table can be read as a run reads it, the kind of key, the index, and the clock."""
    used = client.credentials
    probe = _once(lambda: table.probe(window, policy))

    async def rows() -> str:
        await table.check_type()
        page = await probe()
        words = f"readable with its {len(COLUMNS)} columns, {page.counted:,} rows in {window.label()}"
        words += _median_duration(page)
        return ". ".join(filter(None, [words, await _baseline_note(table, window)]))

    async def key() -> str:
        await _behind("table", probe)
        until = f"good until {used.expires:%Y-%m-%d}" if used.expires else ""
        notes = [used.expiry_note(clock()) or until, used.retirement_note]
        return ". ".join(filter(None, [f"{used.kind}, {_sight(used)}", *notes]))

    async def index() -> str:
        await _behind("table", probe)
        cost = await table.sort_cost(window)
        if cost is None:
            return f"can't be seen through the API; {_MAKES_INDEX}"
        if cost > _SMALL_SORT:
            raise SourceError(
                "source.index",
                "Each page sorts the table anew: the index is missing, or invalid because its build was cut off.",
                f"Run {INDEX_SQL} in the SQL editor: it makes or repairs the index.",
                group="Supabase stopped the query",
            )
        return f"not used, because the table is small; {_MAKES_INDEX}" if cost else "used"

    async def clocks() -> str:
        await _behind("table", probe)
        client.check_clock(clock())
        return "agrees with Supabase's" if client.server_time else "can't be compared: Supabase's answers bear no date"

    return [("table", rows), ("key", key), ("index", index), ("clock", clocks)]


def _median_duration(page: Page) -> str:
    """Say how long analyses take, as the reports would: whoever sees it knows whether the column holds seconds."""
    durations = [row.duration for row in page.rows if isinstance(row.duration, NUMBER) and row.duration >= 0]
    if not durations:
        return ""
    some = f" in the first {len(page.rows):,}" if len(page.rows) < page.counted else ""
    return f", median duration {median(durations):,.2f} s{some}"


async def _baseline_note(table: AnalysesTable, window: Window) -> str:
    """Say why the reports can't know what is usual, as far as one window's counts tell; nothing if they can."""
    try:
        await table.first_moment(window.end)
        counted = await table.count_failed(window.start, window.end, FailedStatuses())
    except SourceError as error:
        return f"The reports can't say what is usual: {error.problem.statement}"
    return _NO_USUAL_FAILURES if counted is None else ""


def _sight(used: Credentials) -> str:
    """Say which rows these credentials see."""
    if used.sees_all:
        return "sees every row"
    if used.is_reports_role:
        return f"sees every row by the policy of {ROLE_SQL}"
    return (
        "row-level security may hide rows from it: the report has every row that the key may see; a secret key sees all"
    )


def checks_of_channel(channel: Channel) -> list[tuple[str, Check]]:
    """Check the way to a channel's recipients, and each of them."""
    if isinstance(channel, MailChannel):
        return checks_of_mail(channel)
    return checks_of_telegram(channel) if isinstance(channel, TelegramChannel) else []


def checks_of_mail(channel: MailChannel) -> list[tuple[str, Check]]:
    """Check connection, certificate, login and sender; and whether the server takes each recipient and operator."""
    answer = _once(channel.check)

    async def server() -> str:
        words, _ = await answer()
        return words

    async def one(recipient: str) -> str:
        _, refused = await _behind("email", answer)
        if recipient in refused:
            raise refused[recipient]
        return "accepted by the mail server"

    return [("email", server), *((f"email {recipient}", partial(one, recipient)) for recipient in channel.addresses)]


def checks_of_telegram(channel: TelegramChannel) -> list[tuple[str, Check]]:
    """Check the bot, and each chat that it writes to."""
    bot = _once(channel.check_bot)

    async def one(chat: str) -> str:
        await _behind("telegram bot", bot)
        return await channel.check_chat(chat)

    return [("telegram bot", bot), *((f"telegram {chat}", partial(one, chat)) for chat in channel.chats)]
