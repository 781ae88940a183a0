"""The ledger in Supabase: for overlapping and replaced pods too."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from postgrest import AsyncQueryRequestBuilder, ReturnMethod

from ..domain.window import Template, Window
from ..errors import LedgerError, SourceError
from ..runtime.retry import RetryPolicy, retry
from ..supabase.client import PostgrestClient
from ..supabase.decode import read_json
from .claim import Claim
from .directory import held_by_another
from .record import Record, new_record, read_record

logger = logging.getLogger(__name__)
TABLE = "report_deliveries"
LEASE = 600
"""Seconds that a claim lives without a sign of its holder: longer than the longest sending (delivery.SEND_LIMIT)."""
PAGE_RECORDS = 1000
"""Records asked for at once: what Supabase gives at most, unless told otherwise."""
RELEASE_LIMIT = 5.0
LAST_WORD = 3.0
"""Seconds for a question to the ledger when the run's time is over: what was sent is still noted."""
_POLL = 2.0


class TableLedger:
    """One row a window of one `source`, a name for the table that is reported.

    A claim is a conditional write that names its holder; each save renews it.
    """

    remembers = True

    def __init__(
        self, client: PostgrestClient, clock: Callable[[], datetime], holder: str, policy: RetryPolicy, source: str
    ) -> None:
        self._source = source
        self._client = client
        self._clock = clock
        self._holder = holder
        self._policy = policy

    @asynccontextmanager
    async def claim(self, window: Window) -> AsyncIterator[Claim]:
        """Claim the window's record for the block; wait for a live foreign claim, until the deadline."""
        await self._insert(new_record(window))
        while not (rows := await self._update(window, {"holder": self._holder}, free=True)):
            if not self._policy.allows(_POLL):
                raise held_by_another(window, "another run")
            await asyncio.sleep(_POLL)

        async def save(changed: Record) -> None:
            row = {"holder": self._holder, "record": changed.content(), "scheduled": changed.scheduled}
            if not await self._update(window, row, free=False):
                raise LedgerError(
                    f"{window.label()} was taken over by another run, because this one was silent for {LEASE} s. "
                    "Look at what kept it; the other run delivers what is owed."
                )

        try:
            yield Claim(self._read(rows[0], window.template, window.start), save, self._clock, self._holder)
        finally:
            try:
                async with asyncio.timeout(RELEASE_LIMIT):
                    await self._update(window, {"holder": None}, free=False)
            except (LedgerError, TimeoutError) as error:  # the lease ends by itself
                extra = {"event": "ledger_failed"}
                logger.warning("The claim could not be given back: %s", error or "it took too long", extra=extra)

    async def records(self, template: Template, start: datetime, end: datetime) -> dict[datetime, Record | LedgerError]:
        """Return the record of each window that has one and starts in [start, end), by that start.

        In place of a record that cannot be read stands the error that says so. Read page by page, to the first empty
        one: a page may be shorter than all that there is.
        """
        found: dict[datetime, Record | LedgerError] = {}
        while rows := await self._ask(self._page(template, start, end)):
            for row in rows:
                at = _window_start(row)
                try:
                    found[at] = self._read(row, template, at)
                except LedgerError as error:
                    found[at] = error
            if min(map(_window_start, rows)) < start:
                raise LedgerError("Supabase repeats records of the ledger that it gave before. Look at its log.")
            start = max(found) + timedelta.resolution
        return found

    def _page(self, template: Template, start: datetime, end: datetime) -> AsyncQueryRequestBuilder:
        query = self._client.table(TABLE).select("window_start,record").eq("template", self._key(template))
        query = query.gte("window_start", start.isoformat()).lt("window_start", end.isoformat())
        return query.order("window_start").limit(PAGE_RECORDS)

    def _read(self, row: dict[str, Any], template: Template, start: datetime) -> Record:
        where = f"template = '{self._key(template)}' and window_start = '{start.isoformat()}'"
        removal = f"delete from {TABLE} where {where};"  # noqa: S608 - shown to the operator, never run
        return read_record(row["record"], start, removal)

    async def begun(self, template: Template) -> datetime | None:
        """Return the start of the first window that a scheduled run opened, None if there is none."""
        query = self._client.table(TABLE).select("window_start").eq("template", self._key(template))
        query = query.is_("scheduled", "true").order("window_start").limit(1)
        rows = await self._ask(query)
        return _window_start(rows[0]) if rows else None

    def _key(self, template: Template) -> str:
        return f"{template}.{self._source}"

    async def check(self, template: Template) -> str:
        """Say with which window it begins; raise LedgerError if it can't be read."""
        begun = await self.begun(template)
        return f"readable, {f'begun with the window of {begun:%Y-%m-%dT%H:%M}Z' if begun else 'nothing in it yet'}"

    async def _insert(self, record: Record) -> None:
        """Put `record` there unless there is one."""
        row = {"template": self._key(record.template), "window_start": record.start, "record": record.content()}
        table = self._client.table(TABLE)
        await self._ask(table.upsert(row, ignore_duplicates=True, on_conflict="template,window_start"))

    async def _update(self, window: Window, change: dict[str, Any], *, free: bool) -> list[dict[str, Any]]:
        """Change the window's row if it is this holder's, or with `free` nobody's; return it if it was."""
        table = self._client.table(TABLE)
        query = table.update(change | {"lease_seconds": LEASE}, returning=ReturnMethod.representation)
        query = query.eq("template", self._key(window.template)).eq("window_start", window.start.isoformat())
        if free:
            # Before 14.4 PostgREST gives back only rows to which the `or` still applies afterwards: a holder does.
            # "now" is read by the database, so that its clock decides.
            query = query.or_(f'holder.is.null,holder.eq."{self._holder}",lease_until.lt.now')
        else:
            query = query.eq("holder", self._holder)
        return await self._ask(query)

    async def _ask(self, query: AsyncQueryRequestBuilder) -> list[dict[str, Any]]:
        async def once() -> list[dict[str, Any]]:
            try:
                async with asyncio.timeout(self._policy.left() + LAST_WORD):
                    answer = await self._client.answer(query, TABLE)
                return read_json(answer.content, TABLE) if answer.content else []
            except TimeoutError as error:
                raise LedgerError(
                    "The ledger does not answer. Look at Supabase, then run this window again."
                ) from error
            except SourceError as error:
                sentence = f"The ledger can't be used. {error} Its SQL is src/sql/report_deliveries.sql."
                raise LedgerError(sentence, transient=error.transient, retry_after=error.retry_after) from error

        return await retry(once, self._policy)


def _window_start(row: dict[str, Any]) -> datetime:
    """Read the column that tells which window a row is about."""
    return datetime.fromisoformat(row["window_start"]).astimezone(UTC)
