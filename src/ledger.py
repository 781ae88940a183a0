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

    async def open_for(self, channels: Iterable[Channel], *, resend_by: str = "", scheduled: bool = False) -> None:
        """Fix the window's recipients, if nobody has; with `resend_by` those of now are owed it, once more or at last.

        A resend that was begun by the same (a Job, or else a process) goes on where it was.
        """
        present = [(channel.name, recipient) for channel in channels for recipient in channel.recipients]
        if not self.record.entries:
            self.record.entries = [Entry(channel=channel, recipient=recipient) for channel, recipient in present]
            self.record.scheduled = scheduled
        elif resend_by and self.record.resent_by != resend_by:
            self.record.resent += 1
            self.record.resent_by = resend_by
            self.record.entries = [Entry(channel=channel, recipient=recipient) for channel, recipient in present]
        await self.save()

    def owed(self, channel: Channel, *, refused_too: bool) -> tuple[str, ...]:
        """List the recipients of `channel` that lack the report, as far as they are still recipients."""
        without = ("owed", "sending", *(("without file", "refused") if refused_too else ()))
        return tuple(
            entry.recipient
            for entry in self.record.entries
            if entry.channel == channel.name and entry.state in without and entry.recipient in channel.recipients
        )

    def unseen(self, channel: str) -> frozenset[str]:
        """Name the recipients for whom a sending began whose end nobody saw."""
        return self._those(channel, "sending")

    def bare(self, channel: str) -> frozenset[str]:
        """Name the recipients who got the report without its workbook."""
        return self._those(channel, "without file")

    def _those(self, channel: str, state: State) -> frozenset[str]:
        entries = self.record.entries
        return frozenset(entry.recipient for entry in entries if (entry.channel, entry.state) == (channel, state))

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
        """Note that the window has no rows, so that nobody gets what is still owed to `channels`."""
        for channel in channels:
            self._set(channel.name, self.owed(channel, refused_too=True), "skipped", "")
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

    async def records(self, template: Template, start: datetime, end: datetime) -> list[Record]:  # noqa: ARG002
        """Return none."""
        return []

    async def begun(self, template: Template) -> datetime | None:  # noqa: ARG002
        """Return None."""
        return None

    async def check(self, template: Template) -> str:  # noqa: ARG002
        """Say that there is none."""
        return "none"
