"""What has been delivered to whom, so that a retry sends only the rest.

A record belongs to one window of one template. It is written before each sending and after it, so that whatever
ends a run in between, the next one knows what is owed, and what may have arrived without its end being seen.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import datetime
from typing import Protocol

from .channels import Channel, Outcome
from .record import Entry, Record, State, new_record
from .window import Template, Window


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

    async def open_for(self, channels: Iterable[Channel], *, resend: bool) -> None:
        """Fix the window's recipients, if nobody has; with `resend` all of them are owed once more.

        A resend that this very holder began goes on where it was.
        """
        if not self.record.entries:
            self.record.entries = [
                Entry(channel=channel.name, recipient=recipient)
                for channel in channels
                for recipient in channel.recipients
            ]
        elif resend and (self.record.resent_by != self.holder or self.record.is_settled):
            self.record.resent += 1
            self.record.resent_by = self.holder
            for entry in self.record.entries:
                entry.state = "owed"
        await self.save()

    def owed(self, channel: Channel, *, refused_too: bool) -> tuple[str, ...]:
        """List the recipients of `channel` that lack the report, as far as they are still recipients."""
        without = ("owed", "sending", "refused") if refused_too else ("owed", "sending")
        return tuple(
            entry.recipient
            for entry in self.record.entries
            if entry.channel == channel.name and entry.state in without and entry.recipient in channel.recipients
        )

    def unseen(self, channel: str) -> frozenset[str]:
        """Name the recipients for whom a sending began whose end nobody saw."""
        entries = self.record.entries
        return frozenset(entry.recipient for entry in entries if (entry.channel, entry.state) == (channel, "sending"))

    async def sending(self, channel: str, recipients: Sequence[str]) -> None:
        """Note that a sending begins."""
        self._set(channel, recipients, "sending", "")
        await self.save()

    async def note(self, outcomes: Sequence[Outcome]) -> None:
        """Note what became of a sending."""
        for outcome in outcomes:
            state: State = outcome.state if outcome.state != "failed" else "owed"
            self._set(outcome.channel, [outcome.recipient], "sending" if outcome.ambiguous else state, outcome.receipt)
        await self.save()

    async def first_alert(self, causes: Sequence[str]) -> bool:
        """Note `causes`; tell whether one of them is new to this window."""
        new = [cause for cause in causes if cause not in self.record.alerted]
        if new:
            self.record.alerted += new
            self.record.cleared = False
            await self.save()
        return bool(new)

    async def first_all_clear(self) -> bool:
        """Tell whether somebody was alerted of this window and not yet told that all is well; note that they are."""
        if not self.record.alerted or self.record.cleared:
            return False
        self.record.cleared = True
        await self.save()
        return True

    async def save(self) -> None:
        """Save the record."""
        async with self._turn:
            await self._save(self.record)

    def _set(self, channel: str, recipients: Sequence[str], state: State, receipt: str) -> None:
        for entry in self.record.entries:
            if entry.channel == channel and entry.recipient in recipients:
                entry.state, entry.receipt, entry.at = state, receipt, self._clock().isoformat(timespec="seconds")


class Ledger(Protocol):
    """Where records are kept. `remembers` tells whether they outlive this pod."""

    remembers: bool

    def claim(self, window: Window) -> AbstractAsyncContextManager[Book]:
        """Claim the window's record for the block, making a new one if there is none.

        Raise LedgerError if another run holds it to the end of patience.
        """

    async def records(self, template: Template, start: datetime, end: datetime) -> list[Record]:
        """Return the records of windows that start in [start, end), oldest first."""

    async def begun(self, template: Template) -> datetime | None:
        """Return the start of the first window ever recorded, None if there is none."""


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

    async def records(self, template: Template, start: datetime, end: datetime) -> list[Record]:  # noqa: ARG002
        """Return none."""
        return []

    async def begun(self, template: Template) -> datetime | None:  # noqa: ARG002
        """Return None."""
        return None
