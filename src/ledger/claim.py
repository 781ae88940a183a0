"""What has been delivered to whom, so that a retry sends only the rest.

A record belongs to one window of one template. It is written before each sending and after it, so that whatever
ends a run in between, the next one knows what is owed, and what may have arrived without its end being seen.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime

from msgspec import UNSET

from ..domain.delivery import ChannelAddress, Outcome, normalized
from ..domain.request import Trigger
from ..domain.window import Window
from ..errors import LedgerError
from ..runtime.visible_text import foreign
from .record import Entry, EntryState, Record

logger = logging.getLogger(__name__)
_LONGEST_HOLDER = 400
"""Characters of a holder in the log: it has at most 253 of a pod's name, 63 of a uid, and an index."""


class ClaimWait:
    """Logs a wait for the claim on `window`: once for each run that holds it, and its end."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._holder = ""
        self._began = time.monotonic()

    def log(self, holder: str, until: str) -> None:
        """Log that `holder` has the claim, and `until` when; nothing if that was logged before."""
        if holder != self._holder:
            self._holder = holder
            words = self._window.label(), foreign(holder, _LONGEST_HOLDER), foreign(until, _LONGEST_HOLDER)
            logger.info("Waiting for the claim on %s: %s holds it; %s", *words, extra={"event": "claim_wait"})

    def end(self) -> None:
        """Log that the claim is there, if it was waited for."""
        if self._holder:
            seconds = round(time.monotonic() - self._began, 3)
            extra = {"event": "claimed", "seconds": seconds}
            logger.info("Claimed %s after %.0f s", self._window.label(), seconds, extra=extra)


class Claim:
    """A record that this run has claimed; every change is saved before the call returns.

    `lost`: the record could not be read, and why; `record` is a new one then, and whoever is sent the window may have
    it already.
    """

    def __init__(
        self,
        record: Record,
        save: Callable[[Record], Awaitable[None]],
        clock: Callable[[], datetime],
        *,
        lost: LedgerError | None = None,
    ) -> None:
        self.record = record
        self.lost = lost
        self._save = save
        self._clock = clock
        self._turn = asyncio.Lock()
        self._owed: list[ChannelAddress] = []
        self._rows: int | None = None
        self._failed: int | None = None
        self._is_opened = False

    async def open_for(
        self,
        present: Sequence[ChannelAddress],
        trigger: Trigger,
        *,
        resend_by: str = "",
        is_asked: bool = False,
        watermark: datetime | None = None,
    ) -> None:
        """Enter those of the present recipients who are sent the window by a run of this `trigger`.

        With `resend_by` that is all of them, once more or for the first time; nobody else's entry changes. A resend
        that was begun by the same (a Job, or else a process) goes on where it was. `is_asked`: somebody asked for the
        window for them, so that they are sent it though it may be as usual.
        """
        record, repeats = self.record, dict[ChannelAddress, int]()
        if resend_by and record.resent_by != resend_by:
            repeats, self._owed = self._begin_resend(present, resend_by), [*present]
        else:
            self._owed = record.owed(present, trigger, is_asked=is_asked)
        # Whoever was sent nothing, and is now, begins anew: if this run fails, a later one sends it.
        anew = {entry.address for entry in self._entries(self._owed) if entry.state in ("skipped", "as usual")}
        record.entries = [entry for entry in record.entries if entry.address not in anew]
        known = {entry.address for entry in record.entries}
        new = [address for address in self._owed if normalized(address) not in known]
        record.entries += [
            Entry(
                channel=channel,
                recipient=recipient,
                state="sending" if self.lost else "owed",
                repeat=repeats.get(normalized((channel, recipient)), 0),
            )
            for channel, recipient in new
        ]
        for entry in self._entries(self._owed) if is_asked else ():
            entry.asked = True
        self._count_attempt()
        record.scheduled = record.scheduled or trigger != "manual"
        record.watermark = watermark or record.watermark
        await self.save()

    def _begin_resend(self, present: Sequence[ChannelAddress], resend_by: str) -> dict[ChannelAddress, int]:
        """Remove the entries of those who are sent the window once more; return the number of each one's next copy."""
        record, again = self.record, set(map(normalized, present))
        record.resent += bool(record.entries)
        record.resent_by = resend_by
        repeats = {entry.address: entry.repeat + 1 for entry in record.entries}
        record.entries = [entry for entry in record.entries if entry.address not in again]
        return repeats

    def _count_attempt(self) -> None:
        """Count this run before anything else is done, so that one that is killed has been counted."""
        if self._owed:
            self._is_opened = True
            self.record.attempts += 1
            self.record.silent += 1

    def end(self) -> bool:
        """Enter that this run recorded its end; return whether that has to be saved."""
        if not self._is_opened:
            return False
        self._is_opened, self.record.silent, self.record.given_up = False, 0, False
        return True

    async def leave(self) -> None:
        """Save the record of a run that is stopped and alerts nobody: it counts as one that recorded no end."""
        self._is_opened = False
        await self.save()

    async def postpone(self) -> bool:
        """Note that there was no time to build the report; return whether that is so for the second time in a row."""
        self.record.postponed += 1
        await self.save()
        return self.record.postponed > 1

    async def close(self) -> None:
        """Record that this run ended, if it was opened to send."""
        if self.end():
            await self.save()

    @property
    def owes_anybody(self) -> bool:
        """Whether the window is to be sent to anybody."""
        return bool(self._owed)

    def owed(self, channel: str) -> tuple[str, ...]:
        """List the recipients of `channel` to whom the window is sent, as settings spell them."""
        return tuple(recipient for name, recipient in self._owed if name == channel)

    def unconfirmed(self, channel: str) -> frozenset[str]:
        """Return those of `owed` whom a sending may have reached without a recorded result."""
        entries = [one for one in self.record.entries if one.state == "sending" or one.unconfirmed]
        return self._those(channel, entries)

    def without_attachment(self, channel: str) -> frozenset[str]:
        """Return those of `owed` who got the report without its workbook."""
        return self._those(channel, [one for one in self.record.entries if one.state == "without file"])

    def _those(self, channel: str, entries: Iterable[Entry]) -> frozenset[str]:
        found = {entry.address for entry in entries}
        return frozenset(recipient for recipient in self.owed(channel) if normalized((channel, recipient)) in found)

    async def sending(self, channel: str, recipients: Sequence[str]) -> None:
        """Note that a sending begins, once more where the end of an earlier one wasn't seen."""
        unconfirmed = self.unconfirmed(channel)
        repeated = {normalized((channel, recipient)) for recipient in recipients if recipient in unconfirmed}
        for entry in self.record.entries:
            if entry.address in repeated:
                entry.unconfirmed = True
                entry.repeat += 1
        self._set([(channel, recipient) for recipient in recipients], "sending")
        await self.save()

    async def note(self, outcomes: Sequence[Outcome]) -> None:
        """Record the results of a send."""
        for outcome in outcomes:
            state: EntryState = "delivered"
            if outcome.state != "written":
                state = "owed" if outcome.state == "failed" else outcome.state
            if state == "owed" and outcome.ambiguous:
                state = "sending"
            self._set([(outcome.channel, outcome.recipient)], state, outcome.receipt)
        await self.save()

    async def skip(self) -> None:
        """Note that the window has no rows, so that those whom it is owed to get nothing."""
        self._set(self._owed, "skipped")
        self.record.rows, self.record.late_rows, self.record.deleted = 0, 0, 0
        self.record.failed, self.record.failed_by, self.record.failed_told = None, "", 0
        await self.save()

    async def leave_out(self, quiet: Sequence[ChannelAddress]) -> list[ChannelAddress]:
        """Note that the window is as usual for those of `quiet` who are owed it; return them: they are not sent it.

        Those who may have it or lack only its workbook are sent it all the same, and those for whom somebody asked.
        """
        wanted = set(map(normalized, quiet))
        entries = [one for one in self._entries(self._owed) if one.state in ("owed", "refused")]
        entries = [one for one in entries if not (one.asked or one.unconfirmed)]
        left_out = {one.address for one in entries} & wanted
        for entry in entries:
            if entry.address in left_out:
                entry.rows, entry.failed = self._rows, self._failed
        found = [address for address in self._owed if normalized(address) in left_out]
        if found:
            self._owed = [address for address in self._owed if address not in found]
            self._set(found, "as usual")
            await self.save()
        return found

    def enter_report(self, rows: int, failed: int, failed_by: str, identity: str, repeats: str) -> None:
        """Enter how many rows the report has, what it is known by, and the one that it `repeats`.

        `failed`: of so many analyses the status counts as failed, by the statuses that `failed_by` tells from others.
        It is saved with the first sending.

        Where somebody has the report of an earlier build, or it was as usual for them, the smaller numbers stay: those
        rows were late for them, and these failures came since. A number of failures that isn't known stays unknown.
        """
        record, self._rows, self._failed = self.record, rows, failed
        record.postponed, record.identity, record.repeats = 0, identity, repeats
        is_first = not record.is_known
        if is_first or record.rows is None or record.rows > rows:
            record.rows, record.late_rows, record.deleted = rows, 0, 0
        is_fewer = record.failed is not None and record.failed_by == failed_by and record.failed > failed
        if is_first or is_fewer:
            record.failed, record.failed_by, record.failed_told = failed, failed_by, 0

    async def note_alert(self, causes: Sequence[str]) -> None:
        """Note that somebody was alerted about `causes`."""
        self.record.alerted += [cause for cause in causes if cause not in self.record.alerted]
        self.record.cleared = False
        await self.save()

    @property
    def wants_all_clear(self) -> bool:
        """Whether somebody was alerted of this window and not yet told that all is well."""
        return bool(self.record.alerted) and not self.record.cleared

    async def note_all_clear(self) -> None:
        """Note that somebody was told that all is well; what fails from now on is news."""
        self.record.cleared = True
        self.record.alerted = []
        await self.save()

    async def save(self) -> None:
        """Save the record."""
        async with self._turn:
            await self._save(self.record)

    def _set(self, recipients: Iterable[ChannelAddress], state: EntryState, receipt: str = "") -> None:
        for entry in self._entries(recipients):
            if entry.state == "sending" and state in ("delivered", "without file"):
                entry.rows, entry.failed, entry.unconfirmed = self._rows, self._failed, UNSET
            entry.state, entry.receipt, entry.at = state, receipt, self._clock().isoformat(timespec="seconds")

    def _entries(self, recipients: Iterable[ChannelAddress]) -> list[Entry]:
        wanted = set(map(normalized, recipients))
        return [entry for entry in self.record.entries if entry.address in wanted]
