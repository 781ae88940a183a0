"""The ledger in a folder: protects restarts in one pod and runs on one machine."""

import asyncio
import fcntl
import json
import os
import shlex
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from ..config.timeouts import Timeouts
from ..domain.window import Template, Window
from ..errors import LedgerError
from ..runtime.atomic_write import atomic_write, remove_left_overs
from ..runtime.retry import RetryPolicy
from .claim import Claim
from .interface import WithoutHistory
from .record import Record, new_record, read_record

FOLDER = "report_ledger"


class DirectoryLedger(WithoutHistory):
    """One small file a window, in a folder of its own that only its owner may enter.

    `source` tells tables apart whose reports share the folder.
    An operating-system lock, which dies with its process, keeps two runs from one window at a time.
    """

    def __init__(self, parent: Path, clock: Callable[[], datetime], source: str, timeouts: Timeouts) -> None:
        self._source = source
        self._folder = parent / FOLDER
        self._clock = clock
        self._poll = timeouts.ledger_poll

    @asynccontextmanager
    async def claim(self, window: Window, policy: RetryPolicy) -> AsyncIterator[Claim]:
        """Claim the window's record for the block; wait for another run that holds it, until the deadline."""
        with _translated(self._folder):
            self._enter()
            path = self._folder / f"{window.template}-{self._source}-{window.start:%Y%m%dT%H%M%SZ}.json"
            descriptor = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            await self._lock(descriptor, window, policy)
            with _translated(self._folder):
                record = _read(path, window) if path.exists() else new_record(window)

            async def save(changed: Record) -> None:
                with _translated(self._folder), atomic_write(path, durable=True) as file:
                    file.write(json.dumps(changed.content()).encode())

            yield Claim(record, save, self._clock)
        finally:
            os.close(descriptor)

    async def check(self, template: Template, policy: RetryPolicy) -> str:  # noqa: ARG002
        """Say where it is; raise LedgerError if it is there and not to be used."""
        with _translated(self._folder), suppress(FileNotFoundError):  # the first run makes it
            self._refuse_others()
        return f"in {self._folder}, as long as that is there"

    def _enter(self) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._refuse_others()
        remove_left_overs(self._folder, self._clock())

    def _refuse_others(self) -> None:
        found = self._folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise LedgerError(
                "ledger.foreign_folder",
                f"{self._folder} is not a folder of this user's own with mode 0700.",
                "Find out who made it, then remove it or set REPORT_DIR to another folder.",
            )

    async def _lock(self, descriptor: int, window: Window, policy: RetryPolicy) -> None:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not policy.allows(self._poll):
                    raise held_by_another(window, "another run on this machine") from None
                await asyncio.sleep(self._poll)
            else:
                return


def held_by_another(window: Window, holder: str) -> LedgerError:
    """Say that a window is in another run's hands."""
    return LedgerError(
        "ledger.held",
        f"{window.label()} is being delivered by {holder}, which did not end in time.",
        "Look at the log of that run.",
    )


def _read(path: Path, window: Window) -> Record:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        content = None
    return read_record(content, window.start, f"rm {shlex.quote(str(path))}")


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
        ) from error
