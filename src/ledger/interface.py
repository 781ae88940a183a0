"""What every ledger does: it holds the windows of one key, and so of one template."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from ..domain.window import Window
from ..errors import LedgerError
from ..runtime.retry import RetryPolicy
from .claim import Claim
from .record import Record, new_record

PRUNED_AT_ONCE = 100
"""Records that one run removes at most."""


class Predecessor(Struct, frozen=True, kw_only=True):
    """Another ledger whose reports this one seems to continue: the start of its newest window (aware UTC).

    `changed` names the settings that tell the two apart.
    """

    newest: datetime
    changed: Sequence[str]


class Earlier(Struct, frozen=True, kw_only=True):
    """The windows before another one that have a record: how many, and the start of the oldest (aware UTC)."""

    count: int
    oldest: datetime


LARGEST_HISTORY = 16 << 20
"""Bytes of records that a run reads of the windows before its own: 744 of them with 130 recipients each."""


class ReadLimit(Struct):
    """How many bytes of records may still be read: `left`; `pages` counts those that were."""

    left: int = LARGEST_HISTORY
    pages: int = 0

    def take(self, size: int) -> None:
        """Count a page of `size` bytes; raise LedgerError if it is one too many."""
        self.left -= size
        self.pages += 1
        if self.left < 0:
            raise too_much_history("more bytes than are read")


def too_much_history(how_much: str) -> LedgerError:
    """Say that the ledger has more records than a run reads."""
    query = "select name, count(*), max(length(record::text)) from report_deliveries group by 1 order by 3 desc;"
    return LedgerError(
        "ledger.too_much_history",
        f"The ledger's records of the windows before this one have {how_much}, so missed windows were not looked for.",
        f"Run this in the SQL editor to see what they are: {query} Then find out who wrote them, remove those that are "
        "no window's, and lower REPORT_CATCH_UP if there are none.",
        group="The ledger has too many records",
    )


class Ledger(Protocol):
    """Where records are kept. `remembers` tells whether they outlive this pod."""

    remembers: bool

    def claim(self, window: Window, policy: RetryPolicy) -> AbstractAsyncContextManager[Claim]:
        """Claim the window's record for the block, making a new one if there is none.

        Raise LedgerError if another run holds it until the deadline of `policy`.
        """

    async def records(
        self, start: datetime, end: datetime, policy: RetryPolicy, limit: ReadLimit
    ) -> dict[datetime, Record | LedgerError]:
        """Return the record of each window that has one and starts in [start, end), by that start.

        In place of a record that cannot be read stands the error that says so; raise LedgerVersionError if a later
        version wrote it, LedgerError if they have more bytes than `limit`.
        """

    async def earlier(self, before: datetime, policy: RetryPolicy) -> Earlier | None:
        """Count the records of windows that start before `before` (aware); None if there are none."""

    async def begun(self, policy: RetryPolicy) -> datetime | None:
        """Return the start of the first window that a scheduled run opened, None if there is none."""

    async def predecessor(self, since: datetime, policy: RetryPolicy) -> Predecessor | None:
        """Return the ledger that this one, still empty, seems to continue, None if there is none."""

    async def newest_watermark(self, before: datetime, policy: RetryPolicy) -> datetime | None:
        """Return the watermark of the last scheduled window that starts before `before` (aware), None without one."""

    async def prune(self, before: datetime, policy: RetryPolicy) -> int:
        """Remove the records of the oldest windows that start before `before` (aware); return how many.

        Those that a run holds stay, and more than PRUNED_AT_ONCE are left to the next time.
        """

    async def check(self, policy: RetryPolicy) -> str:
        """Say what is there, and change nothing; raise LedgerError if a run could not use it."""


class WithoutHistory:
    """Of a ledger that ends with its pod: nothing can be caught up from it."""

    remembers = False

    async def records(
        self,
        start: datetime,  # noqa: ARG002
        end: datetime,  # noqa: ARG002
        policy: RetryPolicy,  # noqa: ARG002
        limit: ReadLimit,  # noqa: ARG002
    ) -> dict[datetime, Record | LedgerError]:
        """Return none."""
        return {}

    async def earlier(self, before: datetime, policy: RetryPolicy) -> Earlier | None:  # noqa: ARG002
        """Return None."""
        return None

    async def begun(self, policy: RetryPolicy) -> datetime | None:  # noqa: ARG002
        """Return None."""
        return None

    async def predecessor(self, since: datetime, policy: RetryPolicy) -> Predecessor | None:  # noqa: ARG002
        """Return None."""
        return None

    async def newest_watermark(
        self,
        before: datetime,  # noqa: ARG002
        policy: RetryPolicy,  # noqa: ARG002
    ) -> datetime | None:
        """Return None."""
        return None


class NoLedger(WithoutHistory):
    """Keeps nothing: for trials by hand."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    def claim(self, window: Window, policy: RetryPolicy) -> AbstractAsyncContextManager[Claim]:  # noqa: ARG002
        """Return a new record that is kept nowhere."""

        async def forget(_: Record) -> None:
            pass

        return nullcontext(Claim(new_record(window), forget, self._clock))

    async def prune(self, before: datetime, policy: RetryPolicy) -> int:  # noqa: ARG002
        """Return 0."""
        return 0

    async def check(self, policy: RetryPolicy) -> str:  # noqa: ARG002
        """Say that there is none."""
        return "none"
