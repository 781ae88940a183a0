"""The ledger in Supabase: for overlapping and replaced pods too."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from postgrest import AsyncQueryRequestBuilder, AsyncSelectRequestBuilder, CountMethod, ReturnMethod

from ..config.timeouts import Timeouts
from ..domain.request import Note
from ..domain.window import Window
from ..errors import LedgerError, LedgerVersionError, RecordsTooLargeError, SourceError
from ..runtime.http import Response
from ..runtime.retry import RetryPolicy, retry
from ..supabase.client import PostgrestClient, quoted_value
from ..supabase.decode import read_records
from ..supabase.page import PageSize
from ..supabase.reply import error_code
from ..supabase.rest_rules import INSUFFICIENT_PRIVILEGE
from .claim import Claim, ClaimWait
from .directory import held_by_another
from .interface import PRUNED_AT_ONCE, Earlier, Predecessor, ReadLimit
from .key import LedgerKey
from .liveness import follows, has_ended, held_lock
from .record import Record, new_record, read_record
from .table_rules import NOT_NULL, refused, trigger_note, unusable

logger = logging.getLogger(__name__)
TABLE = "report_deliveries"
PAGE_RECORDS = 1000
"""Records asked for at once: what Supabase gives at most, unless told otherwise."""
_STALE_ANSWERS = 3
"""Answers of a replica that is behind, after which what it says is believed."""
_CLAIM = "version,holder,lease_until,scheduled"
"""The columns of a row but its record; those of a filter in brackets are among them, as PostgREST wants it."""
_ROW = f"{_CLAIM},record"
_MOST_CHANGES = 10
"""Changes of its own that a run finds carried out late, one after the other."""
_NO_ROW = {"holder": "check", "lease_seconds": 0, "scheduled": False}
"""A row without its key, which no table can hold."""


class TableLedger:
    """One row a window of one key.

    A claim is a conditional write that names its holder; each save renews it. Each change names the version that it
    changes: one that is carried out late, when its answer was given up long ago, changes nothing.
    `holder` is this process's own and ends in its token; `folder` holds the locks of the runs that shared it.
    """

    remembers = True

    def __init__(
        self,
        client: PostgrestClient,
        clock: Callable[[], datetime],
        key: LedgerKey,
        timeouts: Timeouts,
        *,
        holder: str,
        folder: Path,
    ) -> None:
        self._key = key
        self._client = client
        self._clock = clock
        self._holder = holder
        self._token = holder.rpartition(".")[2]
        self._folder = folder
        self._timeouts = timeouts

    @asynccontextmanager
    async def claim(self, window: Window, policy: RetryPolicy) -> AsyncIterator[Claim]:
        """Claim the window's record for the block; wait while another run holds it, until the deadline."""
        with held_lock(self._folder, self._token):
            async with self._claim(window, policy) as claim:
                yield claim

    @asynccontextmanager
    async def _claim(self, window: Window, policy: RetryPolicy) -> AsyncIterator[Claim]:
        row, lost = await self._claimed(window, policy)
        version, claim = _version(row), None

        async def change(row: dict[str, Any]) -> None:
            nonlocal version
            version = await self._change(window, version, row, policy)

        async def save(record: Record) -> None:
            await change({"holder": self._holder, "record": record.content(), "scheduled": record.scheduled})

        try:
            record = new_record(window) if lost else self._read(row, window.start)
            claim = Claim(record, save, self._clock, lost=lost)
            yield claim
        finally:
            last = {"record": claim.record.content()} if claim and claim.end() else {}
            try:
                async with asyncio.timeout(self._timeouts.ledger_release):
                    await change({"holder": None, **last})
            except (LedgerError, TimeoutError) as error:  # the lease ends by itself
                key = error.problem.key if isinstance(error, LedgerError) else "ledger.timed_out"
                extra = {"event": "ledger_failed", "key": key}
                logger.warning("The claim could not be given back: %s", str(error) or "it took too long", extra=extra)

    async def _claimed(self, window: Window, policy: RetryPolicy) -> tuple[dict[str, Any], RecordsTooLargeError | None]:
        """Return the window's row, claimed; raise LedgerError if another run holds it until the deadline.

        Of a row whose record is too large to be read, return the rest, and the error that says so.
        """
        lost: RecordsTooLargeError | None = None
        wait = ClaimWait(window)
        while True:
            try:
                row = await self._row(window, policy, _ROW if lost is None else _CLAIM)
            except RecordsTooLargeError as error:
                if lost:
                    raise
                lost = error
                continue
            if row is None:
                claimed = await self._insert(new_record(window), policy)
            else:
                change = {"holder": self._holder}
                free = self._ended(row.get("holder"))
                claimed = await self._update(window, _version(row), change, policy, free=free)
            if claimed:
                wait.end()
                return (row or {}) | claimed[0], lost
            if not policy.allows(self._timeouts.ledger_poll_table):
                raise held_by_another(window, "another run")
            if row and (holder := row.get("holder")):
                wait.log(holder, f"its claim ends at {row.get('lease_until')} without a sign of it")
            await asyncio.sleep(self._timeouts.ledger_poll_table)

    async def _change(self, window: Window, version: int, change: dict[str, Any], policy: RetryPolicy) -> int:
        """Change the window's row, of which `version` is known; return the version that it has then.

        Raise LedgerError if another run has changed it.
        """
        changes = 0
        while not await self._update(window, version, change, policy):
            stored = await self._fresh_row(window, version, policy)
            if all(stored.get(name, "") == value for name, value in change.items()):
                return _version(stored)  # the answer was lost
            if stored.get("holder") != self._holder or _version(stored) <= version:
                raise LedgerError(
                    "ledger.taken_over",
                    f"{window.label()} was taken over by another run after a silence of {self._timeouts.lease} s.",
                    "The other run delivers what is owed; the log shows what kept this one.",
                    group="Another run took over",
                )
            version = _version(stored)  # of a change of this holder's that was given up, and carried out later
            changes += 1
            if changes == _MOST_CHANGES:
                raise LedgerError(
                    "ledger.keeps_changing",
                    f"Somebody else changes the record of {window.label()} all the time, in this run's name.",
                    "Find out who has the key that the ledger is written with.",
                    group="A record changes all the time",
                )
        return version + 1

    async def _fresh_row(self, window: Window, version: int, policy: RetryPolicy) -> dict[str, Any]:
        """Return the window's row in a later state than `version`; a replica may answer with an earlier one.

        Return that earlier one if it is all that comes.
        """
        stored = await self._row(window, policy) or {"version": version}
        for _ in range(_STALE_ANSWERS):
            if _version(stored) > version:
                break
            await asyncio.sleep(self._timeouts.ledger_poll_table)
            stored = await self._row(window, policy) or {"version": version}
        return stored

    async def records(
        self, start: datetime, end: datetime, policy: RetryPolicy, limit: ReadLimit
    ) -> dict[datetime, Record | LedgerError]:
        """Return the record of each window that has one and starts in [start, end), by that start.

        In place of a record that cannot be read stands the error that says so. Read page by page, to the first empty
        one: a page may be shorter than all that there is. Raise LedgerVersionError if a later version wrote one,
        LedgerError if they have more bytes than `limit`.
        """
        found, size = dict[datetime, Record | LedgerError](), PageSize(rows=PAGE_RECORDS, most=PAGE_RECORDS)
        while rows := await self._fitting(start, end, size, policy, limit):
            for row in rows:
                at = _window_start(row)
                try:
                    found[at] = self._read(row, at)
                except LedgerVersionError:
                    raise
                except LedgerError as error:
                    found[at] = error
            if min(map(_window_start, rows)) < start:
                raise LedgerError(
                    "ledger.repeats", "Supabase repeats records of the ledger that it gave before.", "Check its log."
                )
            start = max(found) + timedelta.resolution
        return found

    async def _fitting(
        self, start: datetime, end: datetime, size: PageSize, policy: RetryPolicy, limit: ReadLimit
    ) -> list[dict[str, Any]]:
        """Return a page; one that is too large is asked for again with a tenth of its records, down to one alone."""
        while True:
            try:
                return await self._ask(self._page(start, end, size.rows), policy, limit)
            except RecordsTooLargeError:
                if size.rows == 1:
                    raise
                size.shrink()
                logger.info("A page of the ledger is too large; %d records are asked for instead", size.rows)

    def _page(self, start: datetime, end: datetime, most: int) -> AsyncQueryRequestBuilder:
        query = self._select("window_start,record")
        query = query.gte("window_start", start.isoformat()).lt("window_start", end.isoformat())
        return query.order("window_start").limit(most)

    def _select(self, columns: str) -> AsyncSelectRequestBuilder:
        return self._client.table(TABLE).select(columns).match(self._key.columns())

    def _read(self, row: dict[str, Any], start: datetime) -> Record:
        key = " and ".join(f"{column} = '{value}'" for column, value in self._key.columns().items())
        where = f"{key} and window_start = '{start.isoformat()}'"
        removal = f"delete from {TABLE} where {where};"  # noqa: S608 - shown to the operator, never run
        return read_record(row.get("record"), start, removal)

    async def earlier(self, before: datetime, policy: RetryPolicy) -> Earlier | None:
        """Count the records of windows that start before `before` (aware); None if there are none."""
        query = self._client.table(TABLE).select("window_start", count=CountMethod.exact).match(self._key.columns())
        query = query.lt("window_start", before.isoformat()).order("window_start").limit(1)
        response = await retry(lambda: self._accepted(query, policy), policy)
        rows, total = _rows(response), response.headers.get("content-range", "").rpartition("/")[2]
        return Earlier(count=int(total), oldest=_window_start(rows[0])) if rows and total.isdecimal() else None

    async def begun(self, policy: RetryPolicy) -> datetime | None:
        """Return the start of the first window that a scheduled run opened, None if there is none."""
        query = self._select("window_start")
        query = query.is_("scheduled", "true").order("window_start").limit(1)
        rows = await self._ask(query, policy)
        return _window_start(rows[0]) if rows else None

    async def predecessor(self, since: datetime, policy: RetryPolicy) -> Predecessor | None:
        """Return the ledger that this one, still empty, seems to continue: it ended at `since` (aware) or later.

        It has the same template, and the same name or the same source. None if there is none.
        """
        key, own = self._key, self._key.columns()
        query = self._client.table(TABLE).select("name,source,zone,window_start").is_("scheduled", "true")
        query = query.eq("template", key.template).gte("window_start", since.isoformat())
        query = query.or_(f"name.eq.{quoted_value(key.name)},source.eq.{quoted_value(key.source)}")
        found = await self._ask(query.order("window_start", desc=True).limit(2), policy)
        rows = [row for row in found if any(row.get(name) != value for name, value in own.items() if name in row)]
        if not rows:
            return None
        names = {"REPORT_LEDGER_NAME": "name", "SUPABASE_URL or SUPABASE_TABLE": "source", "REPORT_TIMEZONE": "zone"}
        changed = [setting for setting, column in names.items() if rows[0].get(column) != own[column]]
        return Predecessor(newest=_window_start(rows[0]), changed=changed)

    async def newest_watermark(self, before: datetime, policy: RetryPolicy) -> datetime | None:
        """Return the watermark of the last scheduled window that starts before `before` (aware), None without one."""
        query = self._select("window_start,record")
        query = query.is_("scheduled", "true").lt("window_start", before.isoformat())
        rows = await self._ask(query.order("window_start", desc=True).limit(1), policy)
        with suppress(LedgerError):  # said where its window is looked at
            return self._read(rows[0], _window_start(rows[0])).watermark if rows else None
        return None

    async def prune(self, before: datetime, policy: RetryPolicy) -> int:
        """Remove the records of the oldest windows that start before `before` (aware); return how many."""
        unheld = "holder.is.null,lease_until.lt.now"
        query = self._select("window_start").lt("window_start", before.isoformat()).or_(unheld)
        query = query.order("window_start").limit(PRUNED_AT_ONCE)
        if not (rows := await self._ask(query, policy)):
            return 0
        removal = self._client.table(TABLE).delete(returning=ReturnMethod.minimal).match(self._key.columns())
        removal = removal.lte("window_start", rows[-1]["window_start"]).or_(unheld)
        response = await self._send(removal, policy)
        if not response.is_success:
            raise refused(response, TABLE, self._client.credentials, ["delete"])
        return len(rows)

    async def check(self, policy: RetryPolicy) -> str:
        """Say with which window it begins; raise LedgerError if a run could not use it, or its trigger is missing."""
        begun = await self.begun(policy)
        answers = await self._probe(policy)
        for response in answers.values():
            if not response.is_success and error_code(response) != NOT_NULL:
                raise await self._refusal(response, policy)
        since = f"begun with the window of {begun:%Y-%m-%dT%H:%M}Z" if begun else "nothing in it yet"
        note = trigger_note(answers["insert"])
        words = f"readable and writable{note}, {since}"
        return Note(words) if note else words

    async def _probe(self, policy: RetryPolicy) -> dict[str, Response]:
        """Return what the database answers to a question for each right that a run needs; none changes anything."""
        table = self._client.table(TABLE)
        questions = {
            "select": table.select("name").limit(1),
            "insert": table.insert(_NO_ROW, returning=ReturnMethod.minimal),
            "update": table.update(_NO_ROW, returning=ReturnMethod.minimal).is_("name", "null"),
        }
        return {right: await self._send(question, policy) for right, question in questions.items()}

    async def _row(self, window: Window, policy: RetryPolicy, columns: str = _ROW) -> dict[str, Any] | None:
        """Return the window's row as it is; None if there is none."""
        query = self._select(columns)
        rows = await self._ask(query.eq("window_start", window.start.isoformat()), policy)
        return rows[0] if rows else None

    def _ended(self, holder: str | None) -> list[str]:
        """List the holders whose claims this process may take: itself, and a `holder` that is known to have ended."""
        if not holder:
            return [self._holder]
        is_ended = follows(self._holder, holder) or has_ended(self._folder, holder.rpartition(".")[2])
        return [self._holder, *([holder] if is_ended else [])]

    async def _insert(self, record: Record, policy: RetryPolicy) -> list[dict[str, Any]]:
        """Put `record` there, claimed, unless there is one; return its row if it was put there."""
        row = self._key.columns() | {"window_start": record.start, "record": record.content(), "version": 0}
        row |= {"holder": self._holder, "lease_seconds": self._timeouts.lease}
        unique = ",".join([*self._key.columns(), "window_start"])
        query = self._client.table(TABLE).upsert(row, ignore_duplicates=True, on_conflict=unique)
        return await self._ask(query, policy)

    async def _update(
        self, window: Window, version: int, change: dict[str, Any], policy: RetryPolicy, *, free: Sequence[str] = ()
    ) -> list[dict[str, Any]]:
        """Change `version` of the window's row if it is this holder's; return it if it was.

        With `free` also if it is nobody's, or one of those.
        """
        row = change | {"version": version + 1, "lease_seconds": self._timeouts.lease}
        query = self._client.table(TABLE).update(row, returning=ReturnMethod.representation)
        query = query.match(self._key.columns()).eq("window_start", window.start.isoformat())
        query = query.eq("version", version)
        query.request.params = query.request.params.set("select", _CLAIM)  # not the record, which may be large
        if free:
            # Before 14.4 PostgREST gives back only rows to which the `or` still applies afterwards: a holder does.
            # "now" is read by the database, so that its clock decides.
            holders = (f"holder.eq.{quoted_value(one)}" for one in free)
            query = query.or_(",".join(["holder.is.null", "lease_until.lt.now", *holders]))
        else:
            query = query.eq("holder", self._holder)
        return await self._ask(query, policy)

    async def _ask(
        self, query: AsyncQueryRequestBuilder, policy: RetryPolicy, limit: ReadLimit | None = None
    ) -> list[dict[str, Any]]:
        async def once() -> list[dict[str, Any]]:
            response = await self._accepted(query, policy)
            if limit:
                limit.take(len(response.content))
            return _rows(response)

        return await retry(once, policy)

    async def _accepted(self, query: AsyncQueryRequestBuilder, policy: RetryPolicy) -> Response:
        """Send a question once; raise LedgerError if it is refused."""
        response = await self._send(query, policy)
        if not response.is_success:
            raise await self._refusal(response, policy)
        return response

    async def _send(self, query: AsyncQueryRequestBuilder, policy: RetryPolicy) -> Response:
        """Send a question once; raise LedgerError if no answer comes."""
        try:
            async with asyncio.timeout(policy.left() + self._timeouts.ledger_last_word):
                return await self._client.send(query, TABLE)
        except TimeoutError as error:
            raise LedgerError(
                "ledger.timed_out",
                "The ledger did not answer in time.",
                "Check the Supabase project.",
                group="The ledger did not answer",
                transient=True,
            ) from error
        except SourceError as error:
            raise unusable(error) from error

    async def _refusal(self, response: Response, policy: RetryPolicy) -> LedgerError:
        """Return the error of a refusal; where a right is missing, it names which one."""
        missing: list[str] = []
        if error_code(response) == INSUFFICIENT_PRIVILEGE:
            answers = await self._probe(policy)
            missing = [right for right, answer in answers.items() if error_code(answer) == INSUFFICIENT_PRIVILEGE]
        return refused(response, TABLE, self._client.credentials, missing)


async def has_table(client: PostgrestClient) -> bool:
    """Return whether the ledger's table is there, as far as that can be seen."""
    try:
        return (await client.send(client.table(TABLE).select("name").limit(1), TABLE)).is_success
    except SourceError:  # the check of the table says why
        return False


def _rows(response: Response) -> list[dict[str, Any]]:
    """Read the rows of an answer; raise LedgerError if it is something else."""
    try:
        return read_records(response.content, TABLE) if response.content else []
    except SourceError as error:
        raise unusable(error) from error


def _version(row: dict[str, Any]) -> int:
    """Read the column that counts a row's changes; raise LedgerError if it is no number."""
    version = row.get("version")
    if isinstance(version, int):
        return version
    raise LedgerError(
        "ledger.odd_row",
        f"The table {TABLE} has a row whose version is not a number.",
        "Look for it in the SQL editor, and remove it: no run wrote it.",
        group="A record can't be read",
    )


def _window_start(row: dict[str, Any]) -> datetime:
    """Read the column that tells which window a row is about; raise LedgerError if it is no moment."""
    try:
        return datetime.fromisoformat(row["window_start"]).astimezone(UTC)
    except (LookupError, TypeError, ValueError, OverflowError):
        raise LedgerError(
            "ledger.odd_row",
            f"The table {TABLE} has a row whose window_start is not a time.",
            "Look for it in the SQL editor, and remove it: no run wrote it.",
            group="A record can't be read",
        ) from None
