"""The ledger in Supabase: for overlapping and replaced pods too."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from postgrest import AsyncQueryRequestBuilder, ReturnMethod

from ..config.timeouts import Timeouts
from ..domain.window import Template, Window
from ..errors import LedgerError, SourceError
from ..runtime.retry import RetryPolicy, retry
from ..supabase.client import PostgrestClient, quoted_value
from ..supabase.decode import read_json
from ..supabase.replies import INSUFFICIENT_PRIVILEGE, error_of
from .claim import Claim
from .directory import held_by_another
from .record import Record, new_record, read_record
from .table_replies import NOT_NULL, lacks_rights, refused, trigger_note, unusable

logger = logging.getLogger(__name__)
TABLE = "report_deliveries"
PAGE_RECORDS = 1000
"""Records asked for at once: what Supabase gives at most, unless told otherwise."""
_NO_ROW = {"holder": "check", "lease_seconds": 0, "scheduled": False}
"""A row without its key, which no table can hold."""


class TableLedger:
    """One row a window of one `source`, a name for the table that is reported.

    A claim is a conditional write that names its holder; each save renews it.
    """

    remembers = True

    def __init__(
        self, client: PostgrestClient, clock: Callable[[], datetime], holder: str, source: str, timeouts: Timeouts
    ) -> None:
        self._source = source
        self._client = client
        self._clock = clock
        self._holder = holder
        self._timeouts = timeouts

    @asynccontextmanager
    async def claim(self, window: Window, policy: RetryPolicy) -> AsyncIterator[Claim]:
        """Claim the window's record for the block; wait for a live foreign claim, until the deadline."""
        await self._insert(new_record(window), policy)
        while not (rows := await self._update(window, {"holder": self._holder}, policy, free=True)):
            if not policy.allows(self._timeouts.ledger_poll_table):
                raise held_by_another(window, "another run")
            await asyncio.sleep(self._timeouts.ledger_poll_table)

        async def save(changed: Record) -> None:
            row = {"holder": self._holder, "record": changed.content(), "scheduled": changed.scheduled}
            if not await self._update(window, row, policy, free=False):
                raise LedgerError(
                    "ledger.taken_over",
                    f"{window.label()} was taken over by another run after a silence of {self._timeouts.lease} s.",
                    "The other run delivers what is owed; the log shows what kept this one.",
                )

        try:
            yield Claim(self._read(rows[0], window.template, window.start), save, self._clock)
        finally:
            try:
                async with asyncio.timeout(self._timeouts.ledger_release):
                    await self._update(window, {"holder": None}, policy, free=False)
            except (LedgerError, TimeoutError) as error:  # the lease ends by itself
                extra = {"event": "ledger_failed"}
                logger.warning("The claim could not be given back: %s", error or "it took too long", extra=extra)

    async def records(
        self, template: Template, start: datetime, end: datetime, policy: RetryPolicy
    ) -> dict[datetime, Record | LedgerError]:
        """Return the record of each window that has one and starts in [start, end), by that start.

        In place of a record that cannot be read stands the error that says so. Read page by page, to the first empty
        one: a page may be shorter than all that there is.
        """
        found: dict[datetime, Record | LedgerError] = {}
        while rows := await self._ask(self._page(template, start, end), policy):
            for row in rows:
                at = _window_start(row)
                try:
                    found[at] = self._read(row, template, at)
                except LedgerError as error:
                    found[at] = error
            if min(map(_window_start, rows)) < start:
                raise LedgerError(
                    "ledger.repeats", "Supabase repeats records of the ledger that it gave before.", "Check its log."
                )
            start = max(found) + timedelta.resolution
        return found

    def _page(self, template: Template, start: datetime, end: datetime) -> AsyncQueryRequestBuilder:
        query = self._client.table(TABLE).select("window_start,record").eq("template", self._key(template))
        query = query.gte("window_start", start.isoformat()).lt("window_start", end.isoformat())
        return query.order("window_start").limit(PAGE_RECORDS)

    def _read(self, row: dict[str, Any], template: Template, start: datetime) -> Record:
        where = f"template = '{self._key(template)}' and window_start = '{start.isoformat()}'"
        removal = f"delete from {TABLE} where {where};"  # noqa: S608 - shown to the operator, never run
        return read_record(row.get("record"), start, removal)

    async def begun(self, template: Template, policy: RetryPolicy) -> datetime | None:
        """Return the start of the first window that a scheduled run opened, None if there is none."""
        query = self._client.table(TABLE).select("window_start").eq("template", self._key(template))
        query = query.is_("scheduled", "true").order("window_start").limit(1)
        rows = await self._ask(query, policy)
        return _window_start(rows[0]) if rows else None

    async def newest_watermark(self, template: Template, before: datetime, policy: RetryPolicy) -> datetime | None:
        """Return the watermark of the last scheduled window that starts before `before` (aware), None without one."""
        query = self._client.table(TABLE).select("window_start,record").eq("template", self._key(template))
        query = query.is_("scheduled", "true").lt("window_start", before.isoformat())
        rows = await self._ask(query.order("window_start", desc=True).limit(1), policy)
        with suppress(LedgerError):  # said where its window is looked at
            return self._read(rows[0], template, _window_start(rows[0])).watermark if rows else None
        return None

    def _key(self, template: Template) -> str:
        return f"{template}.{self._source}"

    async def check(self, template: Template, policy: RetryPolicy) -> str:
        """Say with which window it begins; raise LedgerError if a run could not use it, or its trigger is missing."""
        begun = await self.begun(template, policy)
        answers = await self._probe(policy)
        for response in answers.values():
            if not response.is_success and error_of(response).get("code") != NOT_NULL:
                raise await self._refusal(response, policy)
        since = f"begun with the window of {begun:%Y-%m-%dT%H:%M}Z" if begun else "nothing in it yet"
        return f"readable and writable{trigger_note(answers['insert'])}, {since}"

    async def _probe(self, policy: RetryPolicy) -> dict[str, httpx.Response]:
        """Return what the database answers to a question for each right that a run needs; none changes anything."""
        table = self._client.table(TABLE)
        questions = {
            "select": table.select("template").limit(1),
            "insert": table.insert(_NO_ROW, returning=ReturnMethod.minimal),
            "update": table.update(_NO_ROW, returning=ReturnMethod.minimal).is_("template", "null"),
        }
        return {right: await self._send(question, policy) for right, question in questions.items()}

    async def _insert(self, record: Record, policy: RetryPolicy) -> None:
        """Put `record` there unless there is one."""
        row = {"template": self._key(record.template), "window_start": record.start, "record": record.content()}
        table = self._client.table(TABLE)
        await self._ask(table.upsert(row, ignore_duplicates=True, on_conflict="template,window_start"), policy)

    async def _update(
        self, window: Window, change: dict[str, Any], policy: RetryPolicy, *, free: bool
    ) -> list[dict[str, Any]]:
        """Change the window's row if it is this holder's, or with `free` nobody's; return it if it was."""
        table = self._client.table(TABLE)
        query = table.update(change | {"lease_seconds": self._timeouts.lease}, returning=ReturnMethod.representation)
        query = query.eq("template", self._key(window.template)).eq("window_start", window.start.isoformat())
        if free:
            # Before 14.4 PostgREST gives back only rows to which the `or` still applies afterwards: a holder does.
            # "now" is read by the database, so that its clock decides.
            query = query.or_(f"holder.is.null,holder.eq.{quoted_value(self._holder)},lease_until.lt.now")
        else:
            query = query.eq("holder", self._holder)
        return await self._ask(query, policy)

    async def _ask(self, query: AsyncQueryRequestBuilder, policy: RetryPolicy) -> list[dict[str, Any]]:
        async def once() -> list[dict[str, Any]]:
            response = await self._send(query, policy)
            if not response.is_success:
                raise await self._refusal(response, policy)
            try:
                return read_json(response.content, TABLE) if response.content else []
            except SourceError as error:
                raise unusable(error) from error

        return await retry(once, policy)

    async def _send(self, query: AsyncQueryRequestBuilder, policy: RetryPolicy) -> httpx.Response:
        """Send a question once; raise LedgerError if no answer comes."""
        try:
            async with asyncio.timeout(policy.left() + self._timeouts.ledger_last_word):
                return await self._client.send(query, TABLE)
        except TimeoutError as error:
            raise LedgerError(
                "ledger.timed_out", "The ledger did not answer in time.", "Check the Supabase project.", transient=True
            ) from error
        except SourceError as error:
            raise unusable(error) from error

    async def _refusal(self, response: httpx.Response, policy: RetryPolicy) -> LedgerError:
        """Say what a refusal means; of a right that is lacking, which one."""
        if error_of(response).get("code") != INSUFFICIENT_PRIVILEGE:
            return refused(response, TABLE, self._client.credentials)
        answers = await self._probe(policy)
        missing = [right for right, answer in answers.items() if error_of(answer).get("code") == INSUFFICIENT_PRIVILEGE]
        return lacks_rights(response, TABLE, missing or [*answers], self._client.credentials)


def _window_start(row: dict[str, Any]) -> datetime:
    """Read the column that tells which window a row is about; raise LedgerError if it is no moment."""
    try:
        return datetime.fromisoformat(row["window_start"]).astimezone(UTC)
    except (LookupError, TypeError, ValueError, OverflowError):
        raise LedgerError(
            "ledger.odd_row",
            f"The table {TABLE} has a row whose window_start is not a time.",
            "Look for it in the SQL editor, and remove it: no run wrote it.",
        ) from None
