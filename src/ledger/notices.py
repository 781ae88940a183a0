"""Notices of what operators were told, so that a lasting failure is alerted when it begins, and then once a day."""

import asyncio
import json
import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import msgspec
from postgrest import AsyncQueryRequestBuilder

from ..config.loader import LoadedSettings, Settings
from ..config.options import Options
from ..errors import LedgerError, SourceError
from ..runtime.atomic_write import atomic_write
from ..supabase.client import PostgrestClient
from ..supabase.decode import read_json
from .directory import FOLDER, refuse_others
from .key import ledger_key
from .table_rules import refused, unusable

logger = logging.getLogger(__name__)
TABLE = "report_notices"
FILE = "notices"
REMINDER = timedelta(hours=23, minutes=30)
"""After which a lasting failure is alerted again: a day, less what an hourly run may start earlier."""
MONITOR = "the monitor answered: "
"""How the one notice begins that tells nobody anything: the monitor's last answer, kept for --check."""
LOGINS = "refused login: "
"""How the notices of refused logins begin, under this name too: whichever deployment tried, the account is the same."""
LOOKED = "looked"
"""The notice that tells nobody anything either: when --watch looked last, kept for --check."""
_LARGEST = 1000
"""Notices that are read: what Supabase gives at most in one answer."""
Moments = Mapping[str, datetime]
_CONTENT = msgspec.json.Decoder(dict[str, datetime])


class Notices(Protocol):
    """Where notices are kept; a notice is the key of a cause and the moment at which somebody was alerted."""

    @property
    def is_lasting(self) -> bool:
        """Whether the next run will know of them, as far as that was seen."""

    async def told(self) -> Moments:
        """Return the moments of the notices that are not cleared."""

    async def tell(self, keys: Iterable[str], at: datetime) -> None:
        """Note that somebody was alerted about `keys` at that moment (aware)."""

    async def clear(self, keys: Iterable[str], at: datetime) -> None:
        """Note that nothing fails any more of `keys`."""


def due(causes: Iterable[str], told: Moments, now: datetime) -> list[str]:
    """Return those of `causes` of which nobody was told, or not for a day."""
    return [cause for cause in causes if cause not in told or now - told[cause] >= REMINDER]


class DirectoryNotices:
    """A file in the ledger's folder, which ends with its pod; what can't be read or written is told twice.

    One for each `key` of a ledger, and one for runs whose settings don't tell theirs.
    """

    is_lasting = True

    def __init__(self, folder: Path, key: str) -> None:
        self._folder = folder
        self._path = folder / (f"{FILE}-{key}" if key else FILE)

    async def told(self) -> Moments:
        """Return what the file has; nothing where there is none."""
        return self._read()

    async def tell(self, keys: Iterable[str], at: datetime) -> None:
        """Add `keys`."""
        self._write({**self._read(), **dict.fromkeys(keys, at)})

    async def clear(self, keys: Iterable[str], at: datetime) -> None:  # noqa: ARG002 - the file has only open ones
        """Remove `keys`."""
        gone = set(keys)
        self._write({key: moment for key, moment in self._read().items() if key not in gone})

    def _read(self) -> dict[str, datetime]:
        try:
            refuse_others(self._folder)
            found = _CONTENT.decode((self._path).read_bytes())
        except (OSError, LedgerError, msgspec.DecodeError):
            return {}
        return {key: moment for key, moment in found.items() if moment.tzinfo}

    def _write(self, notices: Moments) -> None:
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            refuse_others(self._folder)
            with atomic_write(self._path) as file:
                file.write(json.dumps({key: at.isoformat() for key, at in notices.items()}).encode())
        except (OSError, LedgerError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            logger.warning("It could not be noted that somebody was alerted (%s)", reason, extra=_FAILED)


_FAILED = {"event": "ledger_failed"}


class MemoryNotices:
    """Those of a trial, which leaves no trace."""

    is_lasting = True

    def __init__(self) -> None:
        self._notices: dict[str, datetime] = {}

    async def told(self) -> Moments:
        """Return those of this run."""
        return self._notices

    async def tell(self, keys: Iterable[str], at: datetime) -> None:
        """Add `keys`."""
        self._notices |= dict.fromkeys(keys, at)

    async def clear(self, keys: Iterable[str], at: datetime) -> None:  # noqa: ARG002
        """Remove `keys`."""
        for key in keys:
            self._notices.pop(key, None)


class TableNotices:
    """The table in Supabase, its rows of one `name`, a ledger's key; the `fallback` where it can't be asked in time."""

    def __init__(self, client: PostgrestClient, name: str, fallback: Notices, limit: float) -> None:
        self._client = client
        self._name = name
        self._fallback = fallback
        self._limit = limit
        self.is_lasting = True

    async def told(self) -> Moments:
        """Return what the table has, and what was noted elsewhere while it could not be asked."""
        query = self._client.table(TABLE).select("key,told_at").eq("name", self._name).is_("cleared_at", "null")
        rows = await self._ask(query.limit(_LARGEST))
        self.is_lasting = rows is not None
        elsewhere = await self._fallback.told()
        found = {str(row.get("key")): _moment(row.get("told_at")) for row in rows or []}
        return {**elsewhere, **found}

    async def tell(self, keys: Iterable[str], at: datetime) -> None:
        """Note `keys` in the table, or elsewhere."""
        keys = [*keys]
        rows = [{"name": self._name, "key": key, "told_at": at.isoformat(), "cleared_at": None} for key in keys]
        if await self._ask(self._client.table(TABLE).upsert(rows, on_conflict="name,key")) is None:
            await self._fallback.tell(keys, at)

    async def clear(self, keys: Iterable[str], at: datetime) -> None:
        """Note in both that nothing fails any more of `keys`."""
        keys = [*keys]
        await self._fallback.clear(keys, at)
        # In one question, whose keys stand in its body: an address may not be as long as a thousand of them.
        rows = [{"name": self._name, "key": key, "cleared_at": at.isoformat()} for key in keys]
        await self._ask(self._client.table(TABLE).upsert(rows, on_conflict="name,key"))

    async def _ask(self, query: AsyncQueryRequestBuilder) -> list[dict[str, Any]] | None:
        """Ask once; return the rows, None if there was no right answer in time: the alert matters more."""
        try:
            async with asyncio.timeout(self._limit):
                answer = await self._client.send(query, TABLE)
                if not answer.is_success:
                    raise refused(answer, TABLE, self._client.credentials)
                return read_json(answer.content, TABLE) if answer.content else []
        except TimeoutError:
            reason, key = "it took too long", "ledger.timed_out"
        except SourceError as error:
            reason, key = str(error), unusable(error).problem.key
        except LedgerError as error:
            reason, key = str(error), error.problem.key
        logger.warning("The notices in Supabase can't be used: %s", reason, extra=_FAILED | {"key": key})
        return None


def _moment(value: object) -> datetime:
    """Return the moment that the table has; one that can't be read counts as long ago, so an alert goes out."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        moment = datetime.min.replace(tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def watch_notices(settings: Settings, client: PostgrestClient, fallback: Notices, limit: float) -> Notices:
    """Return those of --watch, which neither clear nor are cleared by those of reports."""
    key = ledger_key(settings.report, settings.supabase)
    return TableNotices(client, f"{key.text} watch", fallback, limit)


def login_notices(options: Options, settings: Settings, client: PostgrestClient, limit: float) -> Notices | None:
    """Return those of refused logins, of all deployments; None where the table isn't used."""
    if options.is_trial or settings.report.report_ledger != "supabase":
        return None
    return TableNotices(client, LOGINS.rstrip(": "), MemoryNotices(), limit)


def notices_without_table(options: Options, loaded: LoadedSettings) -> Notices:
    """Return those of a run that has not reached Supabase: in the ledger's folder, of a trial in memory alone."""
    if options.is_trial:
        return MemoryNotices()
    key = ledger_key(loaded.report, loaded.supabase).file_stem() if loaded.report and loaded.supabase else ""
    return DirectoryNotices(loaded.folder() / FOLDER, f"{key}-watch" if options.watch else key)


def notices_of(
    options: Options, settings: Settings, client: PostgrestClient, fallback: Notices, limit: float
) -> Notices:
    """Return those of a run: in the table beside the ledger's, if it keeps that, asked for `limit` seconds."""
    report = settings.report
    if options.is_trial or report.report_ledger != "supabase":
        return fallback
    if options.watch:
        return watch_notices(settings, client, fallback, limit)
    return TableNotices(client, ledger_key(report, settings.supabase).text, fallback, limit)
