"""The ledger in Supabase: for overlapping and replaced pods too."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from postgrest import AsyncQueryRequestBuilder, ReturnMethod

from ..domain.window import Template, Window
from ..errors import LedgerError, SourceError
from ..runtime.retry import RetryPolicy, retry
from ..supabase.client import PostgrestClient, refusal
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
_SQL = "src/sql/report_deliveries.sql"
_NO_ROW = {"holder": "check", "lease_seconds": LEASE, "scheduled": False}
"""A row without its key, which no table can hold."""
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:")


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
        """Say with which window it begins; raise LedgerError if a run could not use it, or its trigger is missing."""
        begun = await self.begun(template)
        answers = await self._probe()
        for response in answers.values():
            if not response.is_success and _error(response).get("code") != "23502":  # not_null_violation
                raise await self._refusal(response)
        since = f"begun with the window of {begun:%Y-%m-%dT%H:%M}Z" if begun else "nothing in it yet"
        return f"readable and writable{_trigger(answers['insert'])}, {since}"

    async def _probe(self) -> dict[str, httpx.Response]:
        """Return what the database answers to a question for each right that a run needs; none changes anything."""
        table = self._client.table(TABLE)
        questions = {
            "select": table.select("template").limit(1),
            "insert": table.insert(_NO_ROW, returning=ReturnMethod.minimal),
            "update": table.update(_NO_ROW, returning=ReturnMethod.minimal).is_("template", "null"),
        }
        return {right: await self._send(question) for right, question in questions.items()}

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
            response = await self._send(query)
            if not response.is_success:
                raise await self._refusal(response)
            try:
                return read_json(response.content, TABLE) if response.content else []
            except SourceError as error:
                raise _unusable(error) from error

        return await retry(once, self._policy)

    async def _send(self, query: AsyncQueryRequestBuilder) -> httpx.Response:
        """Send a question once; raise LedgerError if no answer comes."""
        try:
            async with asyncio.timeout(self._policy.left() + LAST_WORD):
                return await self._client.send(query, TABLE)
        except TimeoutError as error:
            raise LedgerError("The ledger does not answer. Look at Supabase, then run this window again.") from error
        except SourceError as error:
            raise _unusable(error) from error

    async def _refusal(self, response: httpx.Response) -> LedgerError:
        """Say what a refusal means, by PostgreSQL's and PostgREST's error codes."""
        error = _error(response)
        code = error.get("code")
        said = ", ".join([f"HTTP {response.status_code}", *([str(error["message"])] if "message" in error else [])])
        if code == "42501":  # insufficient_privilege
            return await self._lacks_rights(said)
        if code in ("42703", "PGRST204"):  # undefined_column
            return LedgerError(
                f"The table {TABLE} lacks a column ({said}). Compare it with {_SQL}, which makes the table "
                "only where there is none."
            )
        # PostgREST 12 has no words for it when it should write.
        if code in ("42P01", "PGRST205") or (response.status_code, response.content) == (404, b"{}"):
            return LedgerError(
                f"There is no table {TABLE}, which REPORT_LEDGER=supabase needs ({said}). "
                f"Run {_SQL} in the SQL editor, then run this window again."
            )
        return _unusable(refusal(response, TABLE))

    async def _lacks_rights(self, said: str) -> LedgerError:
        """Say which rights are missing; PostgreSQL wants select for an update's filter too."""
        answers = await self._probe()
        missing = [right for right, answer in answers.items() if _error(answer).get("code") == "42501"]
        rights = ", ".join(missing or answers)
        sentence = f"The role of SUPABASE_KEY lacks {rights} on the table {TABLE} ({said})."
        if self._client.sees_all:
            statement = f"grant {rights} on {TABLE} to service_role;"
            return LedgerError(f"{sentence} Run this in the SQL editor, then run this window again: {statement}")
        return LedgerError(f"{sentence} The ledger needs a secret key (sb_secret_…): set SUPABASE_KEY to one.")


def _trigger(refused: httpx.Response) -> str:
    """Return what is to be said of the trigger, nothing if it is there; raise LedgerError if it is not.

    A row is `refused` for want of its key only after the trigger has seen it, and the refusal shows the row: with two
    moments, updated_at and the lease_until that the trigger sets, or with the one alone.
    """
    moments = len(_MOMENT.findall(str(_error(refused).get("details"))))
    if moments == 1:
        raise LedgerError(
            f"The table {TABLE} lacks its trigger, so that the claim of a run that dies would never end. "
            f"Run {_SQL} in the SQL editor: it makes the trigger and keeps what is there."
        )
    return "" if moments else " (whether it has its trigger can't be seen)"


def _unusable(error: SourceError) -> LedgerError:
    sentence = f"The ledger can't be used. {error} Its SQL is {_SQL}."
    return LedgerError(sentence, transient=error.transient, retry_after=error.retry_after)


def _error(response: httpx.Response) -> dict[str, Any]:
    """Return the error of PostgREST in an answer, an empty one if there is none."""
    try:
        content = response.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _window_start(row: dict[str, Any]) -> datetime:
    """Read the column that tells which window a row is about."""
    return datetime.fromisoformat(row["window_start"]).astimezone(UTC)
