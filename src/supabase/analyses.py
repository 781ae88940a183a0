"""Read all rows of a window from Supabase, page by page.

Keyset paging over `(created_at, id)`: each page begins behind the last row of the page before, so that no row is
repeated or skipped, whatever cap the server puts on a page. Each query also has that row's moment as its lower bound,
where reading of the index begins: the cursor's `or` is only a filter, and with the window's start every page would pass
all rows before it. Reading ends at the first empty page; a page may be shorter than requested for other reasons.
A page that is too large is requested again with a tenth of the rows, down to one row, which is then read column by
column. The next page is requested while this one is processed.
A view whose join multiplies rows has several rows of one `created_at` and `id`, and the next page leaves out the rest
of that group: where there may be such rows, the group at a page's end is read by equality.
"""

import asyncio
import logging
import re
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

from postgrest import AsyncSelectRequestBuilder, CountMethod

from ..domain.analysis import COLUMNS, TOO_LONG, Analysis, FailedStatuses
from ..domain.window import EARLIEST, Window
from ..runtime.http import LARGEST_PAGE, Response
from ..runtime.retry import RetryPolicy, retry
from ..runtime.visible_text import one_line_quote
from .client import PostgrestClient, quoted_value
from .decode import memory_of, read_analysis, read_json, read_moments, read_page
from .metadata import MEDIA_TYPE, sort_cost, type_without_moments
from .page import Page, PageSize, different_ids, last_group, overlaps, page_of, within
from .reply import error_code
from .source_errors import (
    BadAnswerError,
    ColumnTypeError,
    HiddenRowsError,
    IdTooLongError,
    OddRowError,
    PageTooLargeError,
    RepeatedIdsError,
    RowsMissingError,
)

logger = logging.getLogger(__name__)
PAGE_ROWS = 5000
"""Rows requested at once; Supabase's own limit is 1,000 by default (max-rows of PostgREST)."""
GROUP_ROWS = 1000
"""Rows of one moment and id that are read at most."""
LONGEST_VALUE = 7_000
"""Bytes that a value of a filter may have in an address: gateways reject addresses of more than 8 KB."""
NOT_TEXT = ("42883", "22P02")
"""undefined_function, "operator does not exist"; invalid_text_representation: the column is not text."""
_BLANKS = r"[\u0009-\u000d\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
"""What str.strip() removes; PostgreSQL's own class depends on the locale."""
_TOTAL = re.compile("[0-9]{1,18}")
LEAVE = 0.002
"""Seconds for a request to leave this process."""


T = TypeVar("T")
Query = Callable[[Sequence[str], int], AsyncSelectRequestBuilder]
"""Makes a query for columns of at most so many rows."""


class AnalysesTable:
    """The table of analyses in a Supabase project."""

    def __init__(self, client: PostgrestClient, name: str) -> None:
        self._client = client
        self._name = name
        self._wrong_type: str | None = None

    async def pages(self, window: Window, policy: RetryPolicy, *, careful: bool = False) -> AsyncGenerator[Page]:
        """Yield every row of `window` in order of `created_at`, `id`; an empty window yields one empty page.

        A group of rows that share both may be cut at a page's end: `careful` looks for the rest at every page's end, at
        the cost of a request each; otherwise that begins with the first rows that share an id.
        Raise RowsMissingError at the end if fewer rows arrived than the server counted at the beginning,
        HiddenRowsError if row-level security may hide rows of an empty window, another SourceError if the server can't
        be reached, rejects a query, or answers with anything but the window's rows.
        """
        size = PageSize(rows=PAGE_ROWS, most=PAGE_ROWS)
        rows, counted = await self._first(window, policy, size)
        arrived = 0
        # The first answer's rows and count are of one moment: when they agree there is nothing behind.
        if not rows or len(rows) == counted:
            arrived = len(rows)
            yield page_of(rows, counted)
            rows = []
        while rows:
            careful = careful or different_ids(rows) < len(rows)
            if careful:
                rows = await self._with_group(rows, policy, size)
            arrived += len(rows)
            ahead = asyncio.create_task(self._behind(rows, window, policy, size))
            try:
                # The request leaves before the rows keep this thread busy.
                await asyncio.wait([ahead], timeout=LEAVE)
                yield page_of(rows, counted)
                rows = await ahead
            finally:
                ahead.cancel()
                await asyncio.gather(ahead, return_exceptions=True)
        if arrived < counted:
            raise RowsMissingError(arrived=arrived, counted=counted, table=self._name)
        if arrived == 0 and not self._client.credentials.sees_all:
            await self._look_for_any_row(policy)

    async def _first(self, window: Window, policy: RetryPolicy, size: PageSize) -> tuple[list[Analysis], int]:
        query = partial(self._query, window.start, window.end, count=CountMethod.exact)
        response, rows = await self._ask(query, policy, size)
        return within(window, window.start, rows, self._name), self._total(response)

    async def _behind(
        self, before: Sequence[Analysis], window: Window, policy: RetryPolicy, size: PageSize
    ) -> list[Analysis]:
        """Request the page behind the rows `before`; raise BadAnswerError if it repeats some of them."""
        last = before[-1]
        at, row_id = quoted_value(last.created_at.isoformat()), quoted_value(self._as_text(last.id))

        def query(columns: Sequence[str], most: int) -> AsyncSelectRequestBuilder:
            rows = self._query(last.created_at, window.end, columns, most)
            return rows.or_(f"created_at.gt.{at},and(created_at.eq.{at},id.gt.{row_id})")

        _, rows = await self._ask(query, policy, size)
        if overlaps(before, rows):
            raise BadAnswerError(table=self._name, came="the same rows twice")
        return within(window, last.created_at, rows, self._name)

    async def _with_group(self, rows: list[Analysis], policy: RetryPolicy, size: PageSize) -> list[Analysis]:
        """Return `rows` with the whole group of those that share the last one's moment and id."""
        here, group = last_group(rows), await self._group(rows[-1], policy, size)
        return [*rows[:-here], *group] if len(group) > here else rows

    async def _group(self, last: Analysis, policy: RetryPolicy, size: PageSize) -> list[Analysis]:
        """Request all rows of one moment and id; raise RepeatedIdsError if they are too many, or too large."""
        found, total = list[Analysis](), 1
        size = PageSize(rows=min(size.rows, GROUP_ROWS), most=GROUP_ROWS)
        while len(found) < total:
            # Equal rows can't be told apart: the database returns them in the order in which they are stored.
            query = partial(self._alike, last, passed=len(found), count=CountMethod.exact)
            response, rows = await self._ask(query, policy, size, passed=len(found))
            total = self._total(response)
            if any(row.created_at != last.created_at for row in rows):
                raise BadAnswerError(table=self._name, came="rows of another moment")
            found += rows
            if total > GROUP_ROWS or memory_of(found) > LARGEST_PAGE:
                raise RepeatedIdsError(table=self._name, row_id=one_line_quote(last.id), count=total)
            if not rows:
                break
        return found

    async def holds_twice(self, row: Analysis, window: Window) -> bool:
        """Return whether `window` has several rows with the id of `row` at one moment."""
        query = self._short("id", window.start, window.end, CountMethod.exact).eq("id", self._as_text(row.id))
        return self._total(await self._client.answer(query, self._name)) > 1

    async def check_ids(self, window: Window, policy: RetryPolicy) -> list[Analysis]:
        """Return a page of `window`; raise RepeatedIdsError if an id comes twice, SourceError as `pages` does."""
        rows, _ = await self._first(window, policy, PageSize(rows=PAGE_ROWS, most=PAGE_ROWS))
        if different_ids(rows) < len(rows):
            ((row_id, count),) = Counter(row.id for row in rows).most_common(1)
            raise RepeatedIdsError(table=self._name, row_id=one_line_quote(row_id), count=count)
        return rows

    async def _look_for_any_row(self, policy: RetryPolicy) -> None:
        """Raise HiddenRowsError if this key sees no row of the table at all."""
        query = self._client.table(self._name).select(*COLUMNS).limit(1)
        try:
            _, rows = await retry(lambda: self._read(query, read_page), policy)
        except (PageTooLargeError, IdTooLongError):  # there is a row
            return
        if not rows:
            raise HiddenRowsError(table=self._name, setting=self._client.credentials.setting)

    async def count(self, start: datetime, end: datetime) -> int:
        """Count the rows of [start, end), both aware, without fetching them, in one attempt: nothing depends on it."""
        query = self._short("id", start, end, CountMethod.exact)
        return self._total(await self._client.answer(query, self._name))

    async def count_failed(self, start: datetime, end: datetime, failed: FailedStatuses) -> int | None:
        """Count those rows of [start, end) whose status is among `failed`, as `count` does.

        None if the column's type can't be matched with a pattern, like an enum or JSON, or if the statuses are too many
        for an address.
        """
        pattern = status_pattern(failed)
        if _encoded_length(pattern) > LONGEST_VALUE:
            return None
        query = self._short("id", start, end, CountMethod.exact).filter("status", "imatch", pattern)
        response = await self._client.send(query, self._name)
        if error_code(response) in NOT_TEXT:
            return None
        return self._total(self._client.checked(response, self._name))

    async def first_moment(self, end: datetime) -> datetime | None:
        """Return the moment (aware UTC) of the first row before `end` (aware), None if there is none.

        Rows before EARLIEST are skipped: -infinity, a year BC or the zero of some clock is not a moment.
        """
        query = self._short("created_at", EARLIEST.replace(tzinfo=UTC), end).order("created_at")
        response = await self._client.answer(query, self._name)
        return next(iter(read_moments(response.content, self._name)), None)

    async def check_type(self) -> None:
        """Raise ColumnTypeError if `created_at` can't be filtered by hours; the server is asked once."""
        if self._wrong_type is None:
            self._wrong_type = await type_without_moments(self._client, self._name)
        if self._wrong_type:
            raise ColumnTypeError(table=self._name, said=self._wrong_type)

    async def probe(self, window: Window, policy: RetryPolicy) -> int:
        """Count `window` and look at one row of it, as a run would; raise SourceError as `pages` does."""
        rows, counted = await self._first(window, policy, PageSize(rows=1, most=1))
        if not rows and not self._client.credentials.sees_all:
            await self._look_for_any_row(policy)
        return counted

    async def sort_cost(self, window: Window) -> float | None:
        """Return what sorting would cost the database, in its planner's units; 0 if an index gives the order.

        None if PostgREST shows no plans (the default). The query is for the window's first row only: for a whole page
        PostgreSQL often prefers to sort, if rows are few or far apart, though the index is there.
        """
        query = self._query(window.start, window.end, COLUMNS, 1)
        query.request.headers["Accept"] = MEDIA_TYPE
        response = await self._client.send(query, self._name)
        if response.status_code in (406, 415):  # PGRST107, and before PostgREST 12.1
            return None
        return sort_cost(self._client.checked(response, self._name).content)

    async def _ask(
        self, query: Query, policy: RetryPolicy, size: PageSize, passed: int = 0
    ) -> tuple[Response, list[Analysis]]:
        """Request a page until it arrives, or the deadline has passed: with fewer rows if it is too large.

        `passed`: how many rows of the first one's moment and id are before it.
        """
        while True:
            page = query(COLUMNS, size.rows)
            try:
                response, rows = await retry(lambda: self._read(page, read_page), policy)  # noqa: B023 - awaited here
            except PageTooLargeError:
                if size.rows == 1:
                    return await self._column_by_column(query, policy, passed)
                size.shrink()
                logger.info("A page of %s is too large; %d rows are requested instead", self._name, size.rows)
            else:
                size.fitted(len(response.content))
                return response, rows

    async def _read(
        self, query: AsyncSelectRequestBuilder, read: Callable[[bytes, str], list[T]]
    ) -> tuple[Response, list[T]]:
        response = await self._client.answer(query, self._name)
        return response, read(response.content, self._name)

    async def _column_by_column(
        self, query: Query, policy: RetryPolicy, passed: int
    ) -> tuple[Response, list[Analysis]]:
        """Request id and moment of a single row that is too large, then each of its other columns."""
        place, others = COLUMNS[:2], COLUMNS[2:]
        response, found = await retry(lambda: self._read(query(place, 1), read_json), policy)
        rows = []
        for row in found[:1]:
            at = read_analysis(row | dict.fromkeys(others), self._name)
            values = [await self._value(at, column, policy, passed) for column in others]
            rows.append(read_analysis(row | dict(zip(others, values, strict=True)), self._name))
        return response, rows

    async def _value(self, row: Analysis, column: str, policy: RetryPolicy, passed: int) -> Any:
        """Request one column of a row; return TOO_LONG if it can't be read."""
        query = self._alike(row, [column], 1, passed=passed)
        try:
            _, found = await retry(lambda: self._read(query, read_json), policy)
        except PageTooLargeError:
            logger.warning("The %s of the row %s is too long to read", column, row.id)
            return TOO_LONG
        return found[0].get(column) if found else None  # none: it was deleted meanwhile

    def _alike(
        self, row: Analysis, columns: Sequence[str], most: int, *, passed: int, count: CountMethod | None = None
    ) -> AsyncSelectRequestBuilder:
        """Make a query for the rows of one moment and id, behind the first `passed` of them."""
        query = self._client.table(self._name).select(*columns, count=count)
        query = query.eq("created_at", row.created_at.isoformat()).eq("id", self._as_text(row.id)).limit(most)
        return query.offset(passed) if passed else query

    def _as_text(self, row_id: int | str) -> str:
        """Return an id as a query has it; raise SourceError if that can't be sent."""
        text = str(row_id)
        if re.search("[\ud800-\udfff]", text):
            raise OddRowError(table=self._name, column="id", said=one_line_quote(text))
        if _encoded_length(quoted_value(text)) > LONGEST_VALUE:
            raise IdTooLongError(table=self._name, length=len(text))
        return text

    def _total(self, response: Response) -> int:
        total = response.headers.get("content-range", "").rpartition("/")[2]
        if not _TOTAL.fullmatch(total):
            raise BadAnswerError(table=self._name, came="rows without their count")
        return int(total)

    def _short(
        self, column: str, start: datetime, end: datetime, count: CountMethod | None = None
    ) -> AsyncSelectRequestBuilder:
        query = self._client.short(self._name).select(column, count=count)
        return query.gte("created_at", start.isoformat()).lt("created_at", end.isoformat()).limit(1)

    def _query(
        self, start: datetime, end: datetime, columns: Sequence[str], most: int, *, count: CountMethod | None = None
    ) -> AsyncSelectRequestBuilder:
        return (
            self._client.table(self._name)
            .select(*columns, count=count)
            .gte("created_at", start.isoformat())
            .lt("created_at", end.isoformat())
            .order("created_at")
            .order("id")
            .limit(most)
        )


def _encoded_length(value: str) -> int:
    """Return how many bytes a value takes in an address."""
    return len(quote(value, safe=""))


def status_pattern(failed: FailedStatuses) -> str:
    """Write the statuses as a regular expression of PostgreSQL, to be matched in whatever case.

    It finds the texts that `status in failed` finds: the blanks around are those that Python strips. Letters beyond
    ASCII are written in both cases, because PostgreSQL knows of them only where the database's locale does.
    """
    names = "|".join("".join(map(_either_case, name)) for name in sorted(failed.plain))
    return f"^{_BLANKS}*({names}){_BLANKS}*$"


def _either_case(letter: str) -> str:
    upper = letter.upper()
    return re.escape(letter) if letter.isascii() or len(upper) > 1 or upper == letter else f"[{letter}{upper}]"
