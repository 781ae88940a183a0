"""What the ledger remembers of the windows before one: which were missed, which no run will send by itself."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from ..domain.delivery import ChannelAddress
from ..domain.window import Template, Window, after, before, last_full
from ..errors import LedgerError
from ..runtime.retry import RetryPolicy
from .interface import Ledger, ReadLimit, too_much_history
from .record import Record

_MONTH: dict[Template, int] = {"hourly": 31 * 24, "daily": 31}
"""Windows among which refused ones are looked for."""
FARTHEST = 20_000
"""Windows looked back at: two years of hours. A record may bear any moment."""


def windows_before(window: Window, count: int) -> list[Window]:
    """Return the `count` windows that come before `window`, oldest first."""
    found: list[Window] = []
    for _ in range(count):
        window = before(window)
        found.append(window)
    return found[::-1]


def windows_between(start: datetime, window: Window) -> list[Window]:
    """Return the windows that start at `start` (aware) or later and come before `window`, oldest first.

    They are FARTHEST at most, the nearest ones.
    """
    found: list[Window] = []
    while len(found) < FARTHEST and (window := before(window)).start >= start:
        found.append(window)
    return found[::-1]


def is_in_reach(window: Window, reach: int, now: datetime) -> bool:
    """Return whether a run after `now` (aware) finds `window` among the `reach` windows before its own."""
    newest = last_full(window.template, window.zone, now)
    reached = windows_before(after(newest), reach)
    return bool(reached) and window.start >= reached[0].start


async def is_before_all(window: Window, ledger: Ledger, limit: float) -> bool:
    """Return whether `window` comes before all that scheduled runs have opened, so that no later run looks for it.

    False if `ledger`, asked once, doesn't answer within `limit` seconds, and if it remembers nothing.
    """
    if not ledger.remembers:
        return False
    once = RetryPolicy(deadline=asyncio.get_running_loop().time(), first_wait=limit, longest_wait=limit)
    try:
        async with asyncio.timeout(limit):
            begun = await ledger.begun(once)
    except (LedgerError, TimeoutError):
        return False
    return begun is None or window.start < begun


async def refused_windows(
    ledger: Ledger, newest: Window, recipients: Sequence[ChannelAddress], policy: RetryPolicy
) -> list[Window]:
    """Return the windows up to `newest` that one of `recipients` was refused, oldest first, of a month.

    Raise LedgerError if they can't be read.
    """
    reached = windows_before(after(newest), _MONTH[newest.template])
    records = await ledger.records(reached[0].start, newest.end, policy, ReadLimit())
    found = [(window, records.get(window.start)) for window in reached]
    return [window for window, record in found if isinstance(record, Record) and record.refused(recipients)]


class History(Struct, frozen=True, kw_only=True):
    """The records of the windows `in_reach` of catching up and of those `beyond`, back to the last watermark.

    `reach_start` is where the reach begins. `records` are by the start of their windows; in place of one that cannot
    be read stands the error that says so. `present` are the recipients that the settings name now; nobody else is
    sent anything.
    """

    reach_start: datetime
    in_reach: Sequence[Window]
    beyond: Sequence[Window]
    records: Mapping[datetime, Record | LedgerError]
    present: Sequence[ChannelAddress]

    def missed(self) -> list[Window]:
        """Return the windows in reach that are to be sent to somebody; those that are stuck are not.

        Oldest first, but behind the others those that failed before: none may keep the others from everybody.
        """
        found = [window for window in self.in_reach if self._is_missing(window) and not self._is_stuck(window)]
        return sorted(found, key=self._has_failed)

    def _has_failed(self, window: Window) -> bool:
        record = self.records.get(window.start)
        return isinstance(record, Record) and record.has_failed

    def stuck(self) -> list[Window]:
        """Return the windows in reach that no run catches up, because so many ended in them without a word."""
        return [window for window in self.in_reach if self._is_missing(window) and self._is_stuck(window)]

    def out_of_reach(self) -> list[Window]:
        """Return the windows beyond reach that should have been sent to somebody, oldest first."""
        return [window for window in self.beyond if self._is_missing(window)]

    def unreadable(self) -> list[tuple[Window, LedgerError]]:
        """Return the windows whose records cannot be read and of which nobody was told, each with its error."""
        told = {start for record in self.records.values() if isinstance(record, Record) for start in record.unreadable}
        found = [(window, self.records.get(window.start)) for window in (*self.beyond, *self.in_reach)]
        return [(window, why) for window, why in found if isinstance(why, LedgerError) and window.start not in told]

    def delivered(self) -> list[tuple[Window, Record]]:
        """Return the windows in reach whose report had its rows counted, oldest first."""
        found = [(window, self.records.get(window.start)) for window in self.in_reach]
        return [(window, one) for window, one in found if isinstance(one, Record) and _is_counted(one)]

    def watermark(self, told: Sequence[Window] = ()) -> datetime:
        """Return the moment before which no window is to be looked at again, once somebody was `told` of those."""
        left = [*self.out_of_reach(), *(window for window, _ in self.unreadable())]
        return min([self.reach_start, *(window.start for window in left if window not in told)])

    def _is_stuck(self, window: Window) -> bool:
        record = self.records.get(window.start)
        return isinstance(record, Record) and record.is_stuck

    def _is_missing(self, window: Window) -> bool:
        record = self.records.get(window.start)
        if isinstance(record, Record):
            return not (record.is_settled(self.present) or record.given_up)
        return record is None


def _is_counted(record: Record) -> bool:
    return record.rows is not None and (record.is_known or record.is_skipped)


async def read_history(
    ledger: Ledger, window: Window, reach: int, present: Sequence[ChannelAddress], policy: RetryPolicy
) -> History | None:
    """Read what `ledger` remembers; None if it remembers nothing, or nothing before `window`.

    The records in reach bear the watermark that earlier runs left, and that of `window` the one of an earlier attempt
    at it. After an outage longer than the reach it is looked for further back; without any, everything since the
    beginning of the ledger is read. Raise LedgerError if there is more than can be read until the deadline of `policy`,
    or more than LARGEST_HISTORY: the run's own window matters more.
    """
    if not ledger.remembers or not reach:
        return None
    limit = ReadLimit()
    try:
        async with asyncio.timeout_at(policy.deadline):
            return await _read(ledger, window, reach, present, policy, limit)
    except TimeoutError:
        if limit.pages:
            raise too_much_history("more than can be read in the time for it") from None
        raise LedgerError(
            "ledger.timed_out",
            "The ledger did not answer in time.",
            "Check the Supabase project.",
            group="The ledger did not answer",
            transient=True,
        ) from None


async def _read(
    ledger: Ledger,
    window: Window,
    reach: int,
    present: Sequence[ChannelAddress],
    policy: RetryPolicy,
    limit: ReadLimit,
) -> History | None:
    begun = await ledger.begun(policy)
    if begun is None or begun >= window.start:
        return None
    in_reach = [other for other in windows_before(window, reach) if other.start >= begun]
    oldest = in_reach[0] if in_reach else window
    records = await ledger.records(oldest.start, window.end, policy, limit)
    marks = [record.watermark for record in records.values() if isinstance(record, Record) and record.watermark]
    if not marks:
        marks = [await ledger.newest_watermark(oldest.start, policy) or begun]
    since = max(marks)
    beyond = windows_between(since, oldest)
    if beyond:
        records |= await ledger.records(since, oldest.start, policy, limit)
    return History(reach_start=oldest.start, in_reach=in_reach, beyond=beyond, records=records, present=present)
