"""Every row of a window arrives, in order, each once, whatever the server's cap and the shape of the ids."""

import asyncio
import gc
import json
import sys
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from src.config.settings import SupabaseSettings
from src.config.timeouts import Timeouts
from src.domain.analysis import (
    COLUMNS,
    FAILED_STATUSES,
    LONGEST_TEXT,
    TOO_LONG,
    Analysis,
    FailedStatuses,
)
from src.domain.window import HOUR, Window
from src.errors import SourceError
from src.runtime.connection import tls_context
from src.runtime.http import LARGEST_PAGE
from src.supabase.analyses import LONGEST_VALUE, PAGE_ROWS, AnalysesTable
from src.supabase.client import open_client, quoted_value
from src.supabase.page import Page
from src.supabase.source_errors import BadAnswerError, IdTooLongError, OddRowError, PageTooLargeError, RowsMissingError

from ..builders import START, ids, make_policy, make_rows, make_window
from ..sandbox import Sandbox
from ..sandbox.web import FOREVER, Answer, Fault

ONE_INSTANT = timedelta(0)
TOO_LARGE = Answer(body=b"x" * (LARGEST_PAGE + 1))
DEEP = Answer(body=b'[{"records_failed": ' + b"[" * 5000 + b"]" * 5000 + b"}]")
EMPTY = Answer(headers={"content-range": "*/0"}, body=b"[]")


def read(sandbox: Sandbox, table: str = "analyses", **changes: Any) -> list[Analysis]:
    """Read a window's rows from the sandbox."""
    return [row for page in read_pages(sandbox, table, **changes) for row in page.rows]


def read_pages(
    sandbox: Sandbox, table: str = "analyses", window: Window | None = None, *, retry_for: float = 0, **changes: Any
) -> list[Page]:
    """Read a window's pages from the sandbox, with `retry_for` seconds for further attempts."""

    async def all_pages() -> list[Page]:
        async with opened_table(sandbox, table, **changes) as source:
            return [page async for page in source.pages(window or make_window(), make_policy(retry_for))]

    return asyncio.run(all_pages())


@asynccontextmanager
async def opened_table(
    sandbox: Sandbox,
    table: str = "analyses",
    *,
    wait: float = 60,
    deadline: float = 120,
    **changes: str,
) -> AsyncIterator[AnalysesTable]:
    """Open a table of the sandbox, with changed settings."""
    values = {"supabase_url": sandbox.supabase.url, "supabase_key": sandbox.supabase.secret_key}
    settings = SupabaseSettings.model_validate(values | changes)
    timeouts = Timeouts(supabase_read=wait, supabase_answer=deadline)
    async with open_client(settings, tls_context(), timeouts) as client:
        yield AnalysesTable(client, table)


def rows_in(thing: object) -> int:
    """Count the rows that a list holds; rows themselves are unknown to the garbage collector."""
    return len(thing) if isinstance(thing, list) and thing and type(thing[0]) is Analysis else 0


def limits(sandbox: Sandbox) -> list[int]:
    """List how many rows each question asked for."""
    queries = [parse_qs(urlsplit(request.target).query) for request in sandbox.supabase.requests]
    return [int(query["limit"][0]) for query in queries]


def answer(rows: Sequence[dict[str, Any]], counted: int) -> Fault:
    """Plan an answer with `rows` of `counted`."""
    content_range = f"0-{len(rows) - 1}/{counted}"
    return Fault(answer=Answer(headers={"content-range": content_range}, body=json.dumps(rows).encode()))


@pytest.mark.parametrize("cap", [1, 37, 500, None], ids="cap {}".format)
@pytest.mark.parametrize("step", [timedelta(seconds=1), ONE_INSTANT], ids=["spread", "one instant"])
def test_all_rows_arrive_in_order_each_once_under_any_page_cap(
    sandbox: Sandbox, cap: int | None, step: timedelta
) -> None:
    """2,500 rows are 2,500 rows (75 under a cap of one)."""
    rows = make_rows(75 if cap == 1 else 2500, step=step)
    sandbox.supabase.insert(rows)
    sandbox.supabase.page_cap = cap

    assert ids(rows) == [row.id for row in read(sandbox)]


@pytest.mark.parametrize(
    ("table", "keys"),
    [
        pytest.param("analyses_numbered", [*range(9, 12), *range(2**53, 2**53 + 50), 2**63 - 1], id="numbers"),
        pytest.param("analyses_named", ["a", "B", "é", "(x)", " ", "1,2", "x.y", "and(z)"], id="text"),
    ],
)
def test_numbers_and_odd_texts_serve_as_ids(sandbox: Sandbox, table: str, keys: list[Any]) -> None:
    """Ids above 2^53 keep every digit, ids with quotes and commas do not break the cursor."""
    rows = [row | {"id": key} for row, key in zip(make_rows(len(keys), step=ONE_INSTANT), keys, strict=True)]
    sandbox.supabase.insert(rows, table)
    sandbox.supabase.page_cap = 2

    arrived = [row.id for row in read(sandbox, table)]

    assert len(keys) == len(arrived)
    assert {*keys} == {*arrived}
    assert table == "analyses_named" or keys == arrived


def test_quotes_and_backslashes_in_an_id_are_escaped_in_the_cursor(sandbox: Sandbox) -> None:
    """In PostgREST's form; the sandbox's server can't read it, so what was asked is looked at."""
    sandbox.supabase.faults += [answer(make_rows(1, id='q"uo\\te'), counted=2), answer([], counted=2)]

    with pytest.raises(RowsMissingError):
        read(sandbox)

    asked = parse_qs(urlsplit(sandbox.supabase.requests[1].target).query)["or"][0]
    assert asked.endswith(r'id.gt."q\"uo\\te"))')


def test_a_window_is_half_open(sandbox: Sandbox) -> None:
    """A row at the turn of the hour belongs to the hour that begins, to the microsecond."""
    microsecond = timedelta(microseconds=1)
    moments = [START - microsecond, START, START + HOUR - microsecond, START + HOUR]
    rows = [row | {"created_at": moment.isoformat()} for row, moment in zip(make_rows(4), moments, strict=True)]
    sandbox.supabase.insert(rows)

    assert moments[1:3] == [row.created_at for row in read(sandbox)]


def test_an_empty_window_is_one_empty_page(sandbox: Sandbox) -> None:
    """An hour without analyses is a fact, not an error."""
    assert [Page(rows=[], counted=0)] == read_pages(sandbox)


def test_only_the_six_columns_are_asked_for_in_pages_of_at_most_5000(sandbox: Sandbox) -> None:
    """The database sends nothing that the report doesn't show."""
    sandbox.supabase.insert(make_rows(3))
    sandbox.supabase.page_cap = 2

    read(sandbox)

    queries = [parse_qs(urlsplit(request.target).query) for request in sandbox.supabase.requests]
    assert len(queries) == 3
    assert all(query["select"] == [",".join(COLUMNS)] for query in queries)
    assert all(int(query["limit"][0]) == PAGE_ROWS <= 5000 for query in queries)


def test_a_window_that_fits_one_page_costs_one_request(sandbox: Sandbox) -> None:
    """Rows and their count come in the same answer."""
    sandbox.supabase.insert(make_rows(100))

    read(sandbox)

    assert len(sandbox.supabase.requests) == 1


def test_rows_that_come_while_it_is_read_arrive_too(sandbox: Sandbox) -> None:
    """Reading ends where the server has nothing more, not where the count says so."""
    rows = make_rows(30)
    sandbox.supabase.insert(rows[:20])
    sandbox.supabase.page_cap = 10

    async def read_while_inserting() -> list[Any]:
        arrived: list[Any] = []
        async with opened_table(sandbox) as table:
            async for page in table.pages(make_window(), make_policy()):
                if not arrived:
                    sandbox.supabase.insert(rows[20:])
                arrived += [row.id for row in page.rows]
        return arrived

    assert ids(rows) == asyncio.run(read_while_inserting())


def test_fewer_rows_than_counted_is_an_error_with_both_numbers(sandbox: Sandbox) -> None:
    """A short report is never taken for a whole one."""
    sandbox.supabase.faults += [answer(make_rows(2), counted=9000), answer([], counted=0)]

    with pytest.raises(RowsMissingError) as caught:
        read(sandbox)

    assert (caught.value.arrived, caught.value.counted) == (2, 9000)


def test_a_server_that_does_not_count_is_an_error(sandbox: Sandbox) -> None:
    """Without a count nobody can tell whether all rows came."""
    sandbox.supabase.faults.append(Fault(answer=Answer(body=json.dumps(make_rows(2)).encode())))

    with pytest.raises(BadAnswerError):
        read(sandbox)


@pytest.mark.parametrize("total", ["²", "١٢", "9" * 5000, "-1", "1.5", "*", ""], ids=lambda total: total[:4])
def test_a_count_that_is_no_number_is_an_error(sandbox: Sandbox, total: str) -> None:
    """Digits of other scripts, or more of them than a number holds, are none."""
    headers = {"content-range": f"0-1/{total}".encode().decode("latin-1")}
    sandbox.supabase.faults.append(Fault(answer=Answer(headers=headers, body=json.dumps(make_rows(2)).encode())))

    with pytest.raises(BadAnswerError):
        read(sandbox)


@pytest.mark.parametrize("row_id", ["\ud800", "a\udfff"])
def test_an_id_that_no_address_can_hold_is_an_error(sandbox: Sandbox, row_id: str) -> None:
    """Half a surrogate is no text, and can't be asked for."""
    sandbox.supabase.faults.append(answer(make_rows(1, id=row_id), counted=2))

    with pytest.raises(OddRowError):
        read(sandbox)

    assert len(sandbox.supabase.requests) == 1


@pytest.mark.parametrize("letter", ["x", "🙂", " ", "\\"])
@pytest.mark.parametrize("asked", [2, 1])
def test_an_id_too_long_for_an_address_is_an_error(sandbox: Sandbox, letter: str, asked: int) -> None:
    """Where the rows behind it are to be asked for; the longest that fits is, measured as an address has it."""
    size = len(quote(quoted_value(letter))) - len(quote(quoted_value("")))
    length = (LONGEST_VALUE - len(quote(quoted_value("")))) // size + (asked == 1)
    sandbox.supabase.faults += [answer(make_rows(1, id=letter * length), counted=2), answer([], counted=2)]

    with pytest.raises(IdTooLongError if asked == 1 else RowsMissingError):
        read(sandbox)

    assert len(sandbox.supabase.requests) == asked
    assert all(len(request.target) < 8000 for request in sandbox.supabase.requests)


def test_an_id_longer_than_any_text_is_an_error_wherever_it_stands(sandbox: Sandbox) -> None:
    """Many of them would fill the memory."""
    sandbox.supabase.faults.append(answer(make_rows(1, id="x" * (LONGEST_TEXT + 1)), counted=1))

    with pytest.raises(IdTooLongError):
        read(sandbox)


def test_a_page_too_large_is_asked_for_with_a_tenth_of_the_rows(sandbox: Sandbox) -> None:
    """Down to a row alone, and with more again as soon as there is room."""
    rows = make_rows(700)
    sandbox.supabase.insert(rows)
    sandbox.supabase.faults += [Fault(answer=TOO_LARGE)] * 2

    assert ids(rows) == [row.id for row in read(sandbox)]
    assert limits(sandbox) == [5000, 500, 50, 500, 5000, 5000]


def test_a_row_that_is_too_large_is_read_column_by_column(sandbox: Sandbox) -> None:
    """What is too long has a mark in its place; the rest is what it is, and so are the rows behind it."""
    rows = make_rows(3)
    sandbox.supabase.insert(rows)
    too_large, fine = Fault(answer=TOO_LARGE), Fault()
    sandbox.supabase.faults += [*[too_large] * 5, fine, Fault(answer=TOO_LARGE), fine, fine, Fault(answer=DEEP)]

    first, *others = read(sandbox)

    assert (first.id, first.status, first.duration, first.records_processed) == (rows[0]["id"], TOO_LONG, 1.5, 10)
    assert first.records_failed == TOO_LONG
    assert [row.id for row in others] == ids(rows[1:])
    assert limits(sandbox)[:5] == [5000, 500, 50, 5, 1]


def test_a_row_whose_place_is_too_large_is_an_error(sandbox: Sandbox) -> None:
    """Nothing can be asked for behind it."""
    sandbox.supabase.insert(make_rows(3))
    sandbox.supabase.always = Fault(answer=TOO_LARGE)

    with pytest.raises(PageTooLargeError):
        read(sandbox)

    assert len(sandbox.supabase.requests) == 6


def test_a_key_that_sees_a_giant_row_sees_a_row(sandbox: Sandbox) -> None:
    """So an empty window is empty."""
    sandbox.supabase.faults += [Fault(answer=EMPTY), Fault(answer=TOO_LARGE)]

    assert read(sandbox, supabase_key=sandbox.supabase.publishable_key) == []


def test_a_server_that_gives_the_same_page_again_is_an_error(sandbox: Sandbox) -> None:
    """A proxy that drops the filters can't keep a run going for ever."""
    sandbox.supabase.faults += [answer(make_rows(2), counted=4)] * 2

    with pytest.raises(BadAnswerError):
        read(sandbox)


@pytest.mark.parametrize("table", ["analyses", "analyses_numbered", "analyses_named"])
def test_figures_and_moments_come_as_numbers_and_utc(sandbox: Sandbox, table: str) -> None:
    """`double precision`, `numeric`, `bigint` and both kinds of timestamp mean what they say."""
    (row,) = make_rows(1, id="12", start=START + timedelta(microseconds=100_000), duration=1.5, records_failed=None)
    sandbox.supabase.insert(
        [row | ({"id": "0" * 8 + "-0000-4000-8000-" + "0" * 12} if table == "analyses" else {})], table
    )

    (arrived,) = read(sandbox, table)

    assert arrived.created_at == START + timedelta(microseconds=100_000)
    assert arrived.created_at.utcoffset() == timedelta(0)
    assert (arrived.duration, arrived.records_processed, arrived.records_failed) == (1.5, 10, None)


def test_rows_are_never_all_in_memory(sandbox: Sandbox) -> None:
    """While one page is used, the pages before it are gone."""
    sandbox.supabase.insert(make_rows(1000))
    sandbox.supabase.page_cap = 100

    async def most_alive() -> int:
        most, others = 0, sum(map(rows_in, gc.get_objects()))  # those that other tests keep
        async with opened_table(sandbox) as table:
            async for _page in table.pages(make_window(), make_policy()):
                most = max(most, sum(map(rows_in, gc.get_objects())) - others)
        return most

    assert 100 <= asyncio.run(most_alive()) <= 300


def test_the_next_page_is_on_its_way_while_one_is_worked_on(sandbox: Sandbox) -> None:
    """A distant server's answers take no time of their own, though the work leaves the program no time to ask."""
    sandbox.supabase.insert(make_rows(30))
    sandbox.supabase.page_cap = 10

    async def asked_meanwhile() -> list[int]:
        asked = list[int]()
        async with opened_table(sandbox) as table:
            async for _page in table.pages(make_window(), make_policy()):
                end = time.monotonic() + 10
                while len(sandbox.supabase.requests) < len(asked) + 2 and time.monotonic() < end:
                    time.sleep(0.01)  # noqa: ASYNC251 - as work does
                asked.append(len(sandbox.supabase.requests))
        return asked

    assert asyncio.run(asked_meanwhile()) == [2, 3, 4]


def test_a_page_nobody_waits_for_any_more_is_given_up_quietly(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """When the disk is full there is one error, not a second one about a page that was on its way."""
    sandbox.supabase.insert(make_rows(30))
    sandbox.supabase.page_cap = 10
    sandbox.supabase.faults += [Fault(), Fault(answer=Answer(status=400)), Fault()]

    async def stop_at_the_first() -> None:
        async with opened_table(sandbox) as table, aclosing(table.pages(make_window(), make_policy())) as pages:
            async for _page in pages:
                while on_its_way := asyncio.all_tasks() - {asyncio.current_task()}:
                    await asyncio.wait(on_its_way)
                raise OSError("full")

    with pytest.raises(OSError, match="full"):
        asyncio.run(stop_at_the_first())
    gc.collect()  # a task whose failure nobody looked at says so here

    assert caplog.records == []


def test_rows_out_of_order_are_an_error(sandbox: Sandbox) -> None:
    """What lies behind the last row would not be all that is missing."""
    sandbox.supabase.faults.append(answer(make_rows(3)[::-1], counted=3))

    with pytest.raises(BadAnswerError):
        read(sandbox)


def test_a_page_that_overlaps_the_one_before_is_an_error(sandbox: Sandbox) -> None:
    """A row too many could hide one too few from the count."""
    rows = make_rows(4, step=ONE_INSTANT)
    sandbox.supabase.faults += [answer(rows[:3], counted=4), answer(rows[1:], counted=4)]

    with pytest.raises(BadAnswerError):
        read(sandbox)


def test_a_page_that_goes_back_in_time_is_an_error(sandbox: Sandbox) -> None:
    """Even by a row that was not there before."""
    rows = make_rows(4)
    sandbox.supabase.faults += [answer(rows[1:3], counted=4), answer([rows[0], rows[3]], counted=4)]

    with pytest.raises(BadAnswerError):
        read(sandbox)


@pytest.mark.parametrize("lost", ["or", "created_at", "order"])
def test_a_filter_that_gets_lost_on_the_way_is_an_error(sandbox: Sandbox, lost: str) -> None:
    """A gateway may drop what it doesn't know."""
    rows = make_rows(3, start=START - HOUR) + make_rows(30) + make_rows(3, start=START + HOUR)
    sandbox.supabase.insert([row | {"id": f"{uuid.UUID(int=place)}"} for place, row in enumerate(reversed(rows))])
    sandbox.supabase.page_cap = 10
    sandbox.supabase.lost = lost

    with pytest.raises(BadAnswerError):
        read(sandbox)


def test_a_row_of_the_next_hour_is_an_error(sandbox: Sandbox) -> None:
    """Its own report will have it."""
    sandbox.supabase.faults.append(answer(make_rows(1, start=START + HOUR), counted=1))

    with pytest.raises(BadAnswerError):
        read(sandbox)


@pytest.mark.parametrize("moment", [0.0, 0.1], ids=["while the question leaves", "while the page is worked on"])
def test_a_run_that_is_stopped_leaves_no_question_behind(sandbox: Sandbox, moment: float) -> None:
    """Nothing is read, or tried again, while the alert goes out."""
    sandbox.supabase.insert(make_rows(30))
    sandbox.supabase.page_cap = 10
    sandbox.supabase.faults += [Fault(), Fault(delay=FOREVER)]

    async def stop() -> list[str]:
        async def work() -> None:
            async with opened_table(sandbox) as table, aclosing(table.pages(make_window(), make_policy())) as pages:
                async for _page in pages:
                    await asyncio.sleep(1)

        running = asyncio.create_task(work())
        while len(sandbox.supabase.requests) < 2:  # noqa: ASYNC110 - another thread counts them
            await asyncio.sleep(0)
        await asyncio.sleep(moment)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return [str(task) for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    assert asyncio.run(stop()) == []


WORDS = ("failed", "timed out", "a.b*(c)", "50 %", "x\\y", "[z]", "c++", "Ошибка", "naïve", "é", "“q”", "a&b=c#d?")
NEARLY = (
    "fail",
    "failed!",
    "failed x",
    "xfailed",
    "timed  out",
    "aXb*(c)",
    "50  %",
    "ошибк",
    "",
    " ",
    "a\nfailed",
    "c+",
)


@pytest.mark.parametrize("names", [WORDS, FAILED_STATUSES, ("FAILED",)], ids=["odd words", "default", "one"])
def test_the_database_counts_as_failed_what_the_rows_own_test_calls_failed(
    sandbox: Sandbox, names: tuple[str, ...]
) -> None:
    """In whatever case, with whatever blanks around; no sign of a pattern means anything."""
    failed = FailedStatuses(names)
    blanks = [chr(code) for code in range(sys.maxunicode + 1) if chr(code).isspace()]
    forms = [form for word in (*WORDS, *FAILED_STATUSES) for form in (word, word.upper(), word.title(), f" {word}\t")]
    statuses = [*forms, *NEARLY, *(f"{blank}failed{blank}" for blank in blanks), "cra\u017fhed", None]
    rows = [row | {"status": status} for row, status in zip(make_rows(len(statuses)), statuses, strict=True)]
    sandbox.supabase.insert(rows)

    async def count() -> list[int | None]:
        async with opened_table(sandbox) as table:
            halves = [(START, START + HOUR), (START, START + timedelta(seconds=30))]
            return [await table.count_failed(*half, failed) for half in halves]

    expected = [sum(status in failed for status in part) for part in (statuses, statuses[:30])]
    assert asyncio.run(count()) == expected
    assert expected[1] > 0


def test_statuses_too_many_for_an_address_are_not_asked_for(sandbox: Sandbox) -> None:
    """A gateway would refuse it; what is usual stays unknown."""
    failed = FailedStatuses(tuple(f"{number:02}{'я' * 50}" for number in range(50)))

    async def count() -> int | None:
        async with opened_table(sandbox) as table:
            return await table.count_failed(START, START + HOUR, failed)

    assert asyncio.run(count()) is None
    assert sandbox.supabase.requests == []


@pytest.mark.parametrize("code", ["42883", "22P02"])
def test_a_status_that_is_no_text_has_no_count_of_failed_ones(sandbox: Sandbox, code: str) -> None:
    """An enum, as PostgreSQL refuses it; another refusal is an error."""
    words = json.dumps({"code": code, "message": "operator does not exist: state ~* unknown"}).encode()
    sandbox.supabase.faults += [Fault(answer=Answer(status=404, body=words)), Fault(answer=Answer(status=404))]

    async def count() -> int | None:
        async with opened_table(sandbox) as table:
            return await table.count_failed(START, START + HOUR, FailedStatuses())

    assert asyncio.run(count()) is None
    with pytest.raises(SourceError):
        asyncio.run(count())


@pytest.mark.parametrize("table", ["analyses", "analyses_named"])
def test_the_first_row_tells_how_far_a_table_reaches_back(sandbox: Sandbox, table: str) -> None:
    """Also where moments have no zone; an empty table reaches nowhere."""

    async def first() -> datetime | None:
        async with opened_table(sandbox, table) as source:
            return await source.first_moment(START + HOUR)

    assert asyncio.run(first()) is None
    sandbox.supabase.insert(make_rows(9), table)
    assert asyncio.run(first()) == START
