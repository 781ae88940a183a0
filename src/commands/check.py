"""`--check`: is everything there that a run needs? Nothing is sent; nothing stays written but a refused login."""

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing
from datetime import datetime
from functools import cache, partial
from statistics import median
from tempfile import TemporaryFile
from typing import Literal, TypeVar

from msgspec import Struct, structs

from ..channels.interface import Channel
from ..config.environment import colours_are_wanted, proxies_are_set, proxy_for
from ..config.loader import Settings
from ..domain.analysis import COLUMNS, NUMBER, Analysis, FailedStatuses
from ..domain.request import Note, Result
from ..domain.window import Window, last_full
from ..errors import Problem, ReportError, SourceError, WorkbookError, unexpected
from ..ledger.table import has_table
from ..pipeline.failures import failed_result
from ..pipeline.run import Run
from ..pipeline.services import Services, open_services
from ..runtime.redaction import Redaction
from ..runtime.retry import RetryPolicy
from ..runtime.terminal import print_answer
from ..runtime.visible_text import one_line_quote, visible
from ..supabase.analyses import AnalysesTable
from ..supabase.client import PostgrestClient
from ..supabase.credentials import ROLE_SQL, Credentials
from .asked import check_limit, choose_windows
from .heartbeat import check_answer
from .watch import check_quiet, check_watch

TIMED_OUT = "Why a connection failed"
INDEX_SQL = "src/sql/analyses_index.sql"
_MAKES_INDEX = f"{INDEX_SQL} makes it, and changes nothing if it exists"
_SMALL_SORT = 100.0
"""What a sort may cost in PostgreSQL's units before the index is missed: it sorts 300 rows for 10, 20,000 for 500.

With the index it never sorts for more than a few, because the first row by the index costs some 8.
"""
_NO_USUAL_FAILURES = (
    "Its status is not text but an enum or the like, so the reports can't say how many failed analyses are usual"
)
_TIME = 75.0
"""Seconds of one part: a little more than its own client waits, which then says what it waited for."""
_ROOM = 2**16
"""Bytes that are written to see whether there is room."""


Status = Literal["OK", "NOTE", "FAIL", "SKIP"]
COLOURS: dict[Status, str] = {"OK": "32", "NOTE": "36", "FAIL": "31", "SKIP": "33"}
"""ECMA-48: green, cyan, red, yellow."""


class CheckResult(Struct, frozen=True, kw_only=True):
    """The result of one check: `words` say what is there, or what to do; `key` is that of the problem.

    NOTE: it is not wrong, but something is not known or not used. SKIP: it could not be tried.
    """

    part: str
    status: Status
    words: str
    key: str = ""


Check = Callable[[], Awaitable[str]]
Probe = Callable[[], Awaitable[int]]
"""Counts the rows of a window, once for all who ask."""
T = TypeVar("T")


async def check(run: Run) -> Result:
    """Look at every part, print a line for each in a fixed order, and return 1 if one of them failed."""
    try:
        settings = run.loaded.checked()
        choose_windows(run.options, settings.report, run.clock())
        check_limit(run.options, settings)
    except ReportError as error:
        return failed_result(error)
    window = last_full(settings.report.report_template, settings.report.report_timezone, run.clock())
    found = []
    async with open_services(run, settings, run.channels()) as services:
        parts = checks(services, window, run.loaded.hints)
        width = max(len(part) for part, _ in parts)
        async with aclosing(run_checks(parts, _TIME)) as results:
            async for result in results:
                print_answer(as_json(result, run) if run.options.json else result_line(result, width, run.redaction))
                found.append(result)
    if wrong := [result.part for result in found if result.status in ("FAIL", "SKIP")]:
        problem = Problem(key="check", reason=f"Not OK: {', '.join(wrong)}.", remedy="Their lines say what to do.")
        return Result(code=1, words=f"not OK: {', '.join(wrong)}", problem=problem)
    notes = sum(result.status == "NOTE" for result in found)
    words = f"{len(found) - notes} are OK, {notes} with a NOTE" if notes else f"all {len(found)} are OK"
    return Result(code=0, words=words)


def as_json(result: CheckResult, run: Run) -> str:
    """Write a result as one line of JSON."""
    return json.dumps(structs.asdict(result) | {"words": visible(run.redaction(result.words))})


def result_line(result: CheckResult, width: int, redaction: Redaction) -> str:
    """Write a result in one line, in colour on a terminal."""
    status = f"{result.status:<4}"
    if sys.stdout.isatty() and colours_are_wanted():
        status = f"\x1b[{COLOURS[result.status]}m{status}\x1b[0m"
    return f"{status} {result.part:<{width}}  {visible(redaction(result.words))}"


async def run_checks(parts: Sequence[tuple[str, Check]], limit: float) -> AsyncGenerator[CheckResult]:
    """Do all checks side by side, each for `limit` seconds at most; yield their results in the order of `parts`."""
    tasks = [asyncio.create_task(_checked(part, one, limit)) for part, one in parts]
    try:
        for task in tasks:
            yield await task
    finally:  # earlier than at their end where nobody reads the results
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _checked(part: str, check: Check, limit: float) -> CheckResult:
    try:
        async with asyncio.timeout(limit):
            words = await check()
            return CheckResult(part=part, status="NOTE" if isinstance(words, Note) else "OK", words=words)
    except NotTriedError as error:
        return CheckResult(part=part, status="SKIP", words=str(error), key=error.problem.key)
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
    return CheckResult(part=part, status="FAIL", words=f"{problem}{section}", key=problem.key)


class NotTriedError(ReportError):
    """A part that could not be checked, because another one that it needs failed."""

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
    deadline = asyncio.get_running_loop().time() + _TIME
    policy = RetryPolicy(deadline=deadline, first_wait=3 * _TIME, longest_wait=3 * _TIME)  # there is no time for one
    found = checks_of_settings(services.settings, hints)
    found += checks_of_table(services.table, window, policy, services.client, services.run.clock)
    for channel in services.channels:
        found += checks_of_channel(channel)
    if services.storage:
        found.append(("bucket", services.storage.check))
    found.append(("ledger", partial(_check_ledger, services, policy)))
    if services.quiet:
        found.append(("only unusual", partial(check_quiet, services, policy)))
    if services.run.loaded.watch.heartbeat_url:
        found.append(("monitor", partial(check_answer, services.alerts.notices)))
    else:
        found.append(("watch", partial(check_watch, services)))
    return found


async def _check_ledger(services: Services, policy: RetryPolicy) -> str:
    """Check the ledger, and say what another setting would make better."""
    words, report = await services.ledger.check(policy), services.report
    if report.report_ledger == "supabase":
        named = f"{words}, name {report.ledger_name}"
        return Note(named) if isinstance(words, Note) else named
    notes = [words]
    if report.pod_namespace or report.job_name:
        notes.append("it is lost with the pod, so a new Job sends to everybody again")
    if await has_table(services.client):
        notes.append("the table report_deliveries exists, but is not used: set REPORT_LEDGER=supabase")
    return Note("; ".join(notes)) if len(notes) > 1 else words


def checks_of_settings(settings: Settings, hints: Sequence[str]) -> list[tuple[str, Check]]:
    """Say what is set, as a run would use it, with `hints`, and check that there is room for the workbook."""
    report = settings.report

    async def what() -> str:
        mail, telegram = settings.mail, settings.telegram
        hidden = ", hidden from each other" if mail and mail.smtp_hide_recipients else ""
        ways = [f"email to {len(mail.smtp_to)}{hidden}"] if mail else []
        ways += [f"telegram to {len(telegram.telegram_chat_id)}"] if telegram else []
        complete = f"complete: {report.report_template} in {report.report_timezone.key}, {', '.join(ways)}"
        words = ". ".join([complete, *_proxies(settings), *hints])
        return Note(words) if hints or (mail and proxies_are_set()) else words

    async def folder() -> str:
        try:
            with TemporaryFile(dir=report.report_dir) as file:
                file.write(bytes(_ROOM))
        except OSError as error:
            raise WorkbookError(
                "workbook.disk",
                f"{report.report_dir} can't be written to ({error.strerror}).",
                "Set REPORT_DIR to a folder that this user may write to.",
            ) from error
        return f"{report.report_dir} can be written to, {shutil.disk_usage(report.report_dir).free / 1e9:,.1f} GB free"

    return [("settings", what), ("folder", folder)]


def _proxies(settings: Settings) -> list[str]:
    """Say what goes by a proxy, and where one is set that mail goes directly."""
    urls = {"Supabase": settings.supabase.supabase_url}
    urls |= {"Telegram": settings.telegram.telegram_api_url} if settings.telegram else {}
    said = [f"{name} is reached by the proxy {by.host}" for name, url in urls.items() if (by := proxy_for(url))]
    said += ["Email goes directly: a proxy is not used for it"] if settings.mail and proxies_are_set() else []
    return said


def checks_of_table(
    table: AnalysesTable, window: Window, policy: RetryPolicy, client: PostgrestClient, clock: Callable[[], datetime]
) -> list[tuple[str, Check]]:
    """Check that the table can be read as a run reads it, the kind of key, the index, and the clock."""
    probe = _once(partial(table.probe, window, policy))
    return [
        ("table", partial(_check_rows, table, window, policy, probe)),
        ("key", partial(_check_key, client.credentials, clock, probe)),
        ("index", partial(_check_index, table, window, probe)),
        ("clock", partial(_check_clock, client, clock, probe)),
    ]


async def _check_rows(table: AnalysesTable, window: Window, policy: RetryPolicy, probe: Probe) -> str:
    await table.check_type()
    counted = await probe()
    page = await table.check_ids(window, policy)
    words = f"readable with its {len(COLUMNS)} columns, {counted:,} rows in {window.label()}"
    words += _median_duration(page, counted)
    note = await _baseline_note(table, window)
    return Note(f"{words}. {note}") if note else words


async def _check_key(used: Credentials, clock: Callable[[], datetime], probe: Probe) -> str:
    await _behind("table", probe)
    until = f"good until {used.expires:%Y-%m-%d}" if used.expires else ""
    expiry, retirement = used.expiry_note(clock()), used.retirement_note
    words = ". ".join(filter(None, [f"{used.kind}, {_sight(used)}", expiry or until, retirement]))
    is_ok = (used.sees_all or used.is_reports_role) and not expiry and not retirement
    return words if is_ok else Note(words)


async def _check_index(table: AnalysesTable, window: Window, probe: Probe) -> str:
    await _behind("table", probe)
    cost = await table.sort_cost(window)
    if cost is None:
        return Note(f"can't be seen through the API; {_MAKES_INDEX}")
    if cost > _SMALL_SORT:
        raise SourceError(
            "source.index",
            "Each page sorts the table anew: the index is missing, or invalid because its build was cut off.",
            f"Run {INDEX_SQL} in the SQL editor: it makes or repairs the index.",
            group="Supabase stopped the query",
        )
    return Note(f"not used, because the table is small; {_MAKES_INDEX}") if cost else "used"


async def _check_clock(client: PostgrestClient, clock: Callable[[], datetime], probe: Probe) -> str:
    await _behind("table", probe)
    client.check_clock(clock())
    if client.server_time is None:
        return Note("can't be compared: Supabase's answers bear no date")
    return "agrees with Supabase's"


def _median_duration(rows: Sequence[Analysis], counted: int) -> str:
    """Say how long analyses take, as the reports would: that shows whether the column holds seconds."""
    durations = [row.duration for row in rows if isinstance(row.duration, NUMBER) and row.duration >= 0]
    if not durations:
        return ""
    some = f" in the first {len(rows):,}" if len(rows) < counted else ""
    return f", median duration {median(durations):,.2f} s{some}"


async def _baseline_note(table: AnalysesTable, window: Window) -> str:
    """Say why one window's counts don't let the reports know what is usual; nothing if they do."""
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
    """Check the way to a channel's recipients and operators, and each of them."""
    way = _once(channel.check)

    async def one(recipient: str) -> str:
        await _behind(channel.way, way)
        return await channel.check_recipient(recipient)

    return [(channel.way, way), *((f"{channel.name} {who}", partial(one, who)) for who in channel.everyone)]
