"""The rows of a window from Supabase, page by page, every one of them.

Keyset paging over `(created_at, id)`: each page asks for what lies behind the last row of the one before,
so it is the same whatever cap the server puts on a page, and a row is never repeated or stepped over.
Reading ends at the first empty page; a page that is merely shorter than asked for says nothing.
"""

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from postgrest import AsyncPostgrestClient, CountMethod

from .errors import RowsMissingError, SourceError
from .settings import SupabaseSettings
from .window import Window

COLUMNS = ("id", "created_at", "status", "duration", "records_processed", "records_failed")
PAGE_ROWS = 5000
"""Rows asked for at once; Supabase caps this at 1,000 unless told otherwise (max-rows of PostgREST)."""
TIMEOUT = httpx.Timeout(60, connect=10)
"""Seconds for one wait on the server; a count of an unindexed table takes its time."""

Figure = int | float | str | None
"""A figure as the table holds it; text is something that is not a number and is shown as it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """One row; `created_at` is aware UTC, `duration` in seconds, None where the table has no value."""

    id: int | str
    created_at: datetime
    status: str | None
    duration: Figure
    records_processed: Figure
    records_failed: Figure

    @property
    def success_rate(self) -> float | None:
        """The share of records that did not fail: 1.0 when nothing was processed, None without figures."""
        processed, failed = self.records_processed, self.records_failed
        if not isinstance(processed, int | float) or not isinstance(failed, int | float):
            return None
        return (processed - failed) / processed if processed else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some rows in order, and how many rows the window had when its reading began."""

    rows: list[Analysis]
    counted: int


class AnalysesTable:
    """The table of analyses behind a Supabase project's REST address."""

    def __init__(self, client: AsyncPostgrestClient, name: str) -> None:
        self._client = client
        self._name = name

    async def pages(self, window: Window, page_rows: int = PAGE_ROWS) -> AsyncIterator[Page]:
        """Yield every row of `window` in order of `created_at`, `id`; an empty window yields one empty page.

        Raise RowsMissingError at the end if fewer rows came than the server counted at the beginning,
        SourceError if the server refuses or answers with something else than rows.
        """
        raw, counted = await self._first(window, page_rows)
        arrived = 0
        while True:
            yield Page(rows=[_analysis(row) for row in raw], counted=counted)
            arrived += len(raw)
            # The first answer's rows and count are of one moment: when they agree there is nothing behind.
            if not raw or arrived == len(raw) == counted:
                break
            raw = await self._behind(raw[-1], window, page_rows)
        if arrived < counted:
            raise RowsMissingError(arrived=arrived, counted=counted, table=self._name)

    async def _first(self, window: Window, page_rows: int) -> tuple[list[dict[str, Any]], int]:
        response = await self._get(window, page_rows, count=CountMethod.exact)
        total = response.headers.get("content-range", "").rpartition("/")[2]
        if not total.isdecimal():
            raise SourceError(
                f"The server did not say how many rows of {self._name} there are. "
                "Check that SUPABASE_URL is a Supabase project's address and nothing between strips Content-Range."
            )
        return self._rows(response), int(total)

    async def _behind(self, last: dict[str, Any], window: Window, page_rows: int) -> list[dict[str, Any]]:
        at, row_id = _quoted(last["created_at"]), _quoted(last["id"])
        cursor = f"created_at.gt.{at},and(created_at.eq.{at},id.gt.{row_id})"
        rows = self._rows(await self._get(window, page_rows, cursor=cursor))
        if rows and rows[-1]["id"] == last["id"]:
            raise SourceError(
                f"The server gave the same page of {self._name} twice. "
                "Check that nothing between here and Supabase drops the query's filters."
            )
        return rows

    async def _get(
        self, window: Window, page_rows: int, cursor: str | None = None, count: CountMethod | None = None
    ) -> httpx.Response:
        query = (
            self._client.from_(self._name)
            .select(*COLUMNS, count=count)
            .gte("created_at", window.start.isoformat())
            .lt("created_at", window.end.isoformat())
            .order("created_at")
            .order("id")
            .limit(page_rows)
        )
        if cursor:
            query = query.or_(cursor)
        try:
            # Sent by hand: execute() hides the status and takes an HTML page or a cut body for data.
            response = await query.request.send(httpx.Headers())
        except httpx.HTTPError as error:
            raise SourceError(
                f"Supabase could not be asked for {self._name} ({type(error).__name__}: {error}). "
                "Check SUPABASE_URL and the network, then run this window again."
            ) from error
        if not response.is_success:
            raise SourceError(
                f"Supabase refused to give {self._name}: HTTP {response.status_code} {response.text[:200]}. "
                "Check SUPABASE_KEY and SUPABASE_TABLE, then run this window again."
            )
        return response

    def _rows(self, response: httpx.Response) -> list[dict[str, Any]]:
        try:
            rows = json.loads(response.content)
        except ValueError:
            rows = None
        if not isinstance(rows, list) or not all(isinstance(row, dict) and row.keys() >= {*COLUMNS} for row in rows):
            raise SourceError(
                f"The answer for {self._name} is not a list of rows with {', '.join(COLUMNS)}. "
                "Check SUPABASE_URL and SUPABASE_TABLE, then run this window again."
            )
        return rows


@asynccontextmanager
async def open_table(settings: SupabaseSettings, tls: ssl.SSLContext) -> AsyncIterator[AnalysesTable]:
    """Open the table that `settings` names; its connections end with the block."""
    key = settings.supabase_key.get_secret_value()
    # A redirect is not followed: it would carry the key to another host.
    async with httpx.AsyncClient(verify=tls, timeout=TIMEOUT, follow_redirects=False) as session:
        client = AsyncPostgrestClient(
            f"{settings.supabase_url}/rest/v1",
            headers={"apikey": key, "Authorization": f"Bearer {key}"},
            http_client=session,
        )
        yield AnalysesTable(client, settings.supabase_table)


def _analysis(row: dict[str, Any]) -> Analysis:
    return Analysis(
        id=row["id"],
        created_at=_moment(row["created_at"]),
        status=row["status"],
        duration=_figure(row["duration"]),
        records_processed=_figure(row["records_processed"]),
        records_failed=_figure(row["records_failed"]),
    )


def _moment(text: str) -> datetime:
    """Read a timestamp as PostgreSQL or PostgREST writes it; one without an offset is UTC."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _figure(value: Any) -> Figure:
    """Read a number, also one that comes as text as PostgreSQL's `numeric` may."""
    if isinstance(value, str):
        try:
            return int(value) if value.lstrip("-").isdecimal() else float(value)
        except ValueError:
            return value
    return value  # type: ignore[no-any-return]


def _quoted(value: object) -> str:
    """Quote a value for a PostgREST filter, where commas and brackets have a meaning of their own."""
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
