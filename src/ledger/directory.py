"""The ledger in a folder: protects restarts in one pod and runs on one machine."""

import asyncio
import fcntl
import json
import os
import shlex
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from ..config.timeouts import Timeouts
from ..domain.window import Window
from ..errors import LedgerError, LedgerVersionError
from ..runtime.atomic_write import atomic_write, remove_left_overs
from ..runtime.retry import RetryPolicy
from .claim import Claim, ClaimWait
from .interface import PRUNED_AT_ONCE, Earlier, ReadLimit, WithoutHistory
from .key import NAME_OF_1_0, LedgerKey
from .record import Record, new_record, read_record

FOLDER = "report_ledger"
_MOMENT = "%Y%m%dT%H%M%SZ"


class DirectoryLedger(WithoutHistory):
    """One small file a window, in a folder of its own that only its owner may enter.

    Reports of several keys can share the folder.
    An operating-system lock, which dies with its process, keeps two runs from one window at a time.
    """

    def __init__(self, parent: Path, clock: Callable[[], datetime], key: LedgerKey, timeouts: Timeouts) -> None:
        self._key = key
        self._folder = parent / FOLDER
        self._clock = clock
        self._poll = timeouts.ledger_poll

    @asynccontextmanager
    async def claim(self, window: Window, policy: RetryPolicy) -> AsyncIterator[Claim]:
        """Claim the window's record for the block; wait for another run that holds it, until the deadline."""
        with _translated(self._folder):
            self._enter()
            path = self._path(window.start)
            descriptor = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            await self._lock(descriptor, window, policy)
            with _translated(self._folder):
                record = self._read(window.start) or new_record(window)

            async def save(changed: Record) -> None:
                with _translated(self._folder), atomic_write(path, durable=True) as file:
                    file.write(json.dumps(changed.content()).encode())

            claim = Claim(record, save, self._clock)
            try:
                yield claim
            finally:
                with suppress(LedgerError):  # what matters was saved before
                    await claim.close()
        finally:
            os.close(descriptor)

    async def records(
        self,
        start: datetime,
        end: datetime,
        policy: RetryPolicy,  # noqa: ARG002
        limit: ReadLimit,  # noqa: ARG002 - only this user writes here
    ) -> dict[datetime, Record | LedgerError]:
        """Return the record of each window that has one and starts in [start, end), by that start."""
        found: dict[datetime, Record | LedgerError] = {}
        with _translated(self._folder):
            for at in self._starts():
                if not start <= at < end:
                    continue
                try:
                    record = self._read(at)
                except LedgerVersionError:
                    raise
                except LedgerError as error:
                    found[at] = error
                else:
                    found |= {at: record} if record else {}
        return found

    async def earlier(self, before: datetime, policy: RetryPolicy) -> Earlier | None:  # noqa: ARG002
        """Count the records of windows that start before `before` (aware); None if there are none."""
        with _translated(self._folder):
            starts = [at for at in self._starts() if at < before]
        return Earlier(count=len(starts), oldest=starts[0]) if starts else None

    async def prune(self, before: datetime, policy: RetryPolicy) -> int:  # noqa: ARG002
        """Remove the records of the oldest windows that start before `before` (aware); return how many."""
        removed = 0
        with _translated(self._folder):
            for at in self._starts():
                path = self._path_read(at)
                if at >= before or removed == PRUNED_AT_ONCE:
                    break
                removed += _removed(path) if path else 0
        return removed

    def _starts(self) -> list[datetime]:
        """Return the starts of the windows that may have a record here, oldest first."""
        stems = {self._key.file_stem(), self._key.file_stem_of_1_0()}
        names = [name for stem in stems for name in self._folder.glob(f"{stem}-*.json")]
        return sorted({at for name in names if (at := _start(name))})

    def _path(self, start: datetime, stem: str = "") -> Path:
        return self._folder / f"{stem or self._key.file_stem()}-{start:{_MOMENT}}.json"

    def _path_read(self, start: datetime) -> Path | None:
        """Return the record of the window from `start`, or else the one that version 1.0 made; None without either."""
        path, old = self._path(start), self._path(start, self._key.file_stem_of_1_0())
        if path.exists():
            return path
        is_ours = self._key.name in ("", NAME_OF_1_0)
        return old if is_ours and old.exists() and not _has_format(old) else None

    def _read(self, start: datetime) -> Record | None:
        path = self._path_read(start)
        return _read(path, start) if path else None

    async def check(self, policy: RetryPolicy) -> str:  # noqa: ARG002
        """Say where it is; raise LedgerError if it is there and not to be used."""
        with _translated(self._folder), suppress(FileNotFoundError):  # the first run makes it
            refuse_others(self._folder)
        return f"in {self._folder}, as long as that folder exists"

    def _enter(self) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        refuse_others(self._folder)
        remove_left_overs(self._folder, self._clock())

    async def _lock(self, descriptor: int, window: Window, policy: RetryPolicy) -> None:
        wait = ClaimWait(window)
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not policy.allows(self._poll):
                    raise held_by_another(window, "another run on this machine") from None
                wait.log("another run on this machine", "its claim ends with it")
                await asyncio.sleep(self._poll)
            else:
                wait.end()
                return


def refuse_others(folder: Path) -> None:
    """Raise LedgerError if `folder` is not a folder that only its owner, this user, may enter."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise LedgerError(
            "ledger.foreign_folder",
            f"{folder} is not a folder of this user's own with mode 0700.",
            "Find out who made it, then remove it or set REPORT_DIR to another folder.",
            group="The ledger's folder can't be used",
        )


def held_by_another(window: Window, holder: str) -> LedgerError:
    """Say that a window is in another run's hands."""
    return LedgerError(
        "ledger.held",
        f"{window.label()} is being delivered by {holder}, which did not end in time.",
        "Look at the log of that run.",
        group="Another run holds the hour",
    )


def _start(path: Path) -> datetime | None:
    """Read a window's start off the name of its file; None if it is another file."""
    with suppress(ValueError):
        return datetime.strptime(path.stem.rpartition("-")[2], _MOMENT).replace(tzinfo=UTC)
    return None


def _has_format(path: Path) -> bool:
    """Return whether a record says which form it has; those of version 1.0 do not."""
    return b'"format"' in path.read_bytes()[:12]


def _read(path: Path, start: datetime) -> Record:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        content = None
    return read_record(content, start, f"rm {shlex.quote(str(path))};")


def _removed(path: Path) -> bool:
    """Remove a record and its lock; return whether no run held it."""
    lock = path.with_suffix(".lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
        lock.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    """Turn a failure of the disk into LedgerError."""
    try:
        yield
    except OSError as error:
        raise LedgerError(
            "ledger.disk",
            f"The ledger in {folder} can't be used ({error.strerror or type(error).__name__}).",
            "Check that REPORT_DIR has room and may be written to.",
            group="The ledger's folder can't be used",
        ) from error
