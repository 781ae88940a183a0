"""What has been delivered to whom, so that a retry sends only the rest.

A record belongs to one window of one template. It is written before each sending and after it, so that whatever
ends a run in between, the next one knows what is owed, and what may have arrived without its end being seen.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import datetime
from typing import Protocol

from ..channels.interface import Channel, Outcome
from ..domain.window import Template, Window
from ..errors import LedgerError
from .record import Address, Entry, Record, State, Trigger, new_record, same


def addresses(channels: Iterable[Channel]) -> list[Address]:
    """List the recipients that the settings name now, each with its channel."""
    return [(channel.name, recipient) for channel in channels for recipient in channel.recipients]


class Book:
    """A record that this run has claimed; every change is saved before the call returns."""

    def __init__(
        self, record: Record, save: Callable[[Record], Awaitable[None]], clock: Callable[[], datetime], holder: str
    ) -> None:
        self.record = record
        self.holder = holder
        self._save = save
        self._clock = clock
        self._turn = asyncio.Lock()
        self._owed: list[Address] = []

    async def open_for(
        self,
        channels: Iterable[Channel],
        trigger: Trigger,
        *,
        resend_by: str = "",
        watermark: datetime | None = None,
    ) -> None:
        """Enter those of the present recipients who are sent the window by a run of this `trigger`.

        With `resend_by` that is all of them, once more or for the first time. A resend that was begun by the same
        (a Job, or else a process) goes on where it was.
        """
        record, present = self.record, addresses(channels)
        if resend_by and record.entries and record.resent_by != resend_by:
            record.resent += 1
            record.resent_by = resend_by
            record.entries = []
        self._owed = present if not record.entries else record.owed(present, trigger)
        known = {entry.address for entry in record.entries}
        new = [address for address in self._owed if same(address) not in known]
        record.entries += [Entry(channel=channel, recipient=recipient) for channel, recipient in new]
        record.scheduled = record.scheduled or trigger != "manual"
        record.watermark = watermark or record.watermark
        await self.save()

    def owed(self, channel: str) -> tuple[str, ...]:
        """List the recipients of `channel` to whom the window is sent, as settings spell them."""
        return tuple(recipient for name, recipient in self._owed if name == channel)

    def unseen(self, channel: str) -> frozenset[str]:
        """Name those of `owed` for whom a sending began whose end nobody saw."""
        return self._those(channel, "sending")

    def bare(self, channel: str) -> frozenset[str]:
        """Name those of `owed` who got the report without its workbook."""
        return self._those(channel, "without file")

    def _those(self, channel: str, state: State) -> frozenset[str]:
        found = {entry.address for entry in self.record.entries if entry.state == state}
        return frozenset(recipient for recipient in self.owed(channel) if same((channel, recipient)) in found)

    async def sending(self, channel: str, recipients: Sequence[str]) -> None:
        """Note that a sending begins."""
        self._set(channel, recipients, "sending", "")
        await self.save()

    async def note(self, outcomes: Sequence[Outcome]) -> None:
        """Note what became of a sending."""
        for outcome in outcomes:
            state: State = "delivered"
            if outcome.state != "written":
                state = "owed" if outcome.state == "failed" else outcome.state
            if state == "owed" and outcome.ambiguous:
                state = "sending"
            self._set(outcome.channel, [outcome.recipient], state, outcome.receipt)
        await self.save()

    async def skip(self, channels: Iterable[Channel]) -> None:
        """Note that the window has no rows, so that those of `channels` whom it was owed to get nothing."""
        for channel in channels:
            self._set(channel.name, self.owed(channel.name), "skipped", "")
        self.record.rows, self.record.late_rows = 0, 0
        await self.save()

    def is_new(self, causes: Sequence[str]) -> bool:
        """Tell whether one of `causes` is one that nobody was told of."""
        return any(cause not in self.record.alerted for cause in causes)

    async def note_alert(self, causes: Sequence[str]) -> None:
        """Note that somebody was told of `causes`."""
        self.record.alerted += [cause for cause in causes if cause not in self.record.alerted]
        self.record.cleared = False
        await self.save()

    @property
    def wants_all_clear(self) -> bool:
        """Whether somebody was alerted of this window and not yet told that all is well."""
        return bool(self.record.alerted) and not self.record.cleared

    async def note_all_clear(self) -> None:
        """Note that somebody was told that all is well."""
        self.record.cleared = True
        await self.save()

    async def save(self) -> None:
        """Save the record."""
        async with self._turn:
            await self._save(self.record)

    def _set(self, channel: str, recipients: Sequence[str], state: State, receipt: str) -> None:
        changed = {same((channel, recipient)) for recipient in recipients}
        for entry in self.record.entries:
            if entry.address in changed:
                entry.state, entry.receipt, entry.at = state, receipt, self._clock().isoformat(timespec="seconds")


class Ledger(Protocol):
    """Where records are kept. `remembers` tells whether they outlive this pod."""

    remembers: bool

    def claim(self, window: Window) -> AbstractAsyncContextManager[Book]:
        """Claim the window's record for the block, making a new one if there is none.

        Raise LedgerError if another run holds it to the end of patience.
        """

    async def records(self, template: Template, start: datetime, end: datetime) -> dict[datetime, Record | LedgerError]:
        """Return the record of each window that has one and starts in [start, end), by that start.

        In place of a record that cannot be read stands the error that says so.
        """

    async def begun(self, template: Template) -> datetime | None:
        """Return the start of the first window ever recorded, None if there is none."""

    async def check(self, template: Template) -> str:
        """Say what is there, and change nothing; raise LedgerError if a run could not use it."""


class NoLedger:
    """Remembers nothing: for trials by hand."""

    remembers = False

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    def claim(self, window: Window) -> AbstractAsyncContextManager[Book]:
        """Return a new record that is kept nowhere."""

        async def forget(_: Record) -> None:
            pass

        return nullcontext(Book(new_record(window), forget, self._clock, ""))

    async def records(self, template: Template, start: datetime, end: datetime) -> dict[datetime, Record | LedgerError]:  # noqa: ARG002
        """Return none."""
        return {}

    async def begun(self, template: Template) -> datetime | None:  # noqa: ARG002
        """Return None."""
        return None

    async def check(self, template: Template) -> str:  # noqa: ARG002
        """Say that there is none."""
        return "none"
