"""The record of one window's delivery: its recipients, and the result for each."""

from collections.abc import Sequence, Set
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from ..domain.delivery import ChannelAddress, normalized
from ..domain.request import Trigger
from ..domain.window import Template, Window
from ..errors import LedgerError, LedgerVersionError
from ..runtime.visible_text import one_line_quote

EntryState = Literal["owed", "sending", "delivered", "without file", "refused", "skipped", "as usual"]
_SENT_BY: dict[Trigger, tuple[EntryState, ...]] = {
    "scheduled": ("owed", "sending", "refused", "without file"),
    "manual": ("owed", "sending", "refused", "without file", "skipped"),
    "catch_up": ("owed", "sending"),
}
"""The states of an entry from which each trigger sends."""
_DONE = ("delivered", "skipped", "as usual")
_GOT = ("delivered", "without file")
_KNOWN = (*_GOT, "as usual")
"""The states of an entry whose recipient knows how many rows the window had, if only that they were as usual."""
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
FORMAT = 3
"""The form of a record's content; that of version 1.0, which has no number, can be read too."""
_FORMAT_OF_2_0 = 2
"""That of records in which nothing is `as usual`, a state that version 2 would take for somebody else's writing."""
SILENT_RUNS = 3
"""Runs in a row that opened a window and ended without recording it, after which no run catches it up."""


class Entry(msgspec.Struct, kw_only=True):
    """One recipient of a window's report; `at` is when `state` began, ISO 8601 in UTC.

    `rows`: how many the report had that reached the recipient, None if version 1.0 sent it.
    `repeat`: how often it was sent once more, on purpose or because it wasn't known whether it had arrived.
    `told`: how many late rows a message that reached the recipient has announced.
    `failed`: how many failed analyses the recipient knows of, by the report or by a later message; None if not known.
    `asked`: somebody asked for the window for this recipient, who is sent it though it may be as usual.
    `unconfirmed`: a sending before the last one may have brought it, whatever the last one came to.
    """

    channel: str
    recipient: str
    state: EntryState = "owed"
    receipt: str = ""
    at: str = ""
    rows: int | None = None
    repeat: int = 0
    told: int = 0
    failed: int | None = None
    asked: bool = False
    unconfirmed: bool | msgspec.UnsetType = msgspec.UNSET  # not written for all: a run reads 16 MiB of entries

    @property
    def address(self) -> ChannelAddress:
        """The channel and the recipient, to be compared with others."""
        return normalized((self.channel, self.recipient))


class Record(msgspec.Struct, kw_only=True):
    """What is known of one window; `start` is ISO 8601 in UTC.

    `rows`: how many the delivered report had, 0 if it was skipped; the fewest of those that reached somebody.
    `attempts`: how many runs opened it to send it; `silent`: how many of the last ones ended without recording it.
    `resent`: how often it was sent again on purpose, `resent_by` whom.
    `alerted`: causes that somebody was told about. `late_rows`: how many rows that came later were told about.
    `deleted`: how many of the rows were seen to be gone.
    `failed`: how many analyses of the delivered report had failed, the fewest of those that reached somebody; versions
    before 2.1 kept none. `failed_by`: which statuses counted as failed. `failed_told`: how many failures are known to
    everybody who had a report with fewer.
    `postponed`: how many runs in a row caught it up and had no time to build it.
    `identity`: what the last sending is known by; versions before 2.1 kept none. `repeats`: what the sending of other
    content is known by that this one may repeat.
    `cleared`: somebody was told that all is well after all.
    `given_up`: no run will send it by itself any more, and somebody was told.
    `scheduled`: a scheduled run has opened it, not only runs that named it.
    `watermark`: every window that starts before it is settled, or somebody was told about it.
    `unreadable`: starts of windows whose records could not be read, of which somebody was told during this one.
    """

    template: Template
    start: str
    entries: list[Entry] = []
    rows: int | None = None
    resent: int = 0
    resent_by: str = ""
    alerted: list[str] = []
    cleared: bool = False
    late_rows: int = 0
    given_up: bool = False
    scheduled: bool = False
    watermark: Moment | None = None
    unreadable: list[Moment] = []
    attempts: int = 0
    silent: int = 0
    deleted: int = 0
    failed: int | None = None
    failed_by: str = ""
    failed_told: int = 0
    postponed: int = 0
    identity: str = ""
    repeats: str = ""

    def owed(
        self, present: Sequence[ChannelAddress], trigger: Trigger, *, is_asked: bool = False
    ) -> list[ChannelAddress]:
        """Return those of `present`, as they are spelt there, to whom a run of this `trigger` sends the window.

        A recipient without an entry is sent it by every trigger, unless catching up finds that a scheduled run has
        opened the window: that run was before the recipient was added. One for whom it was as usual is sent it only if
        somebody asked (`is_asked`).
        """
        states = self._states()
        without: EntryState = "delivered" if trigger == "catch_up" and self.scheduled else "owed"
        sent_by = (*_SENT_BY[trigger], "as usual") if is_asked else _SENT_BY[trigger]
        return [address for address in present if states.get(normalized(address), without) in sent_by]

    def lacking(self, present: Sequence[ChannelAddress]) -> list[ChannelAddress]:
        """Return those of `present` who have an entry, and not the report."""
        states = self._states()
        return [address for address in present if states.get(normalized(address), "delivered") not in _DONE]

    def still_owed(self, present: Sequence[ChannelAddress]) -> list[ChannelAddress]:
        """Return those of `present` whom a later run sends the report."""
        return self.those(present, "owed", "sending")

    def refused(self, present: Sequence[ChannelAddress]) -> list[ChannelAddress]:
        """Return those of `present` who lack the report, or its workbook, and whom no later run sends it by itself."""
        return self.those(present, "refused", "without file")

    def others(self, present: Sequence[ChannelAddress]) -> list[ChannelAddress]:
        """Return the recipients that a scheduled run entered, if none of them is one of `present`."""
        entered = [entry.address for entry in self.entries] if self.scheduled else []
        return [] if set(entered) & {*map(normalized, present)} else entered

    def those(self, present: Sequence[ChannelAddress], *wanted: EntryState) -> list[ChannelAddress]:
        """Return those of `present` whose entry is in one of the states `wanted`."""
        states = self._states()
        return [address for address in present if states.get(normalized(address)) in wanted]

    def is_done(self, present: Sequence[ChannelAddress]) -> bool:
        """Return whether those of `present` who have an entry have the report, or were rightly not sent it."""
        return bool(self.entries) and not self.lacking(present)

    def is_settled(self, present: Sequence[ChannelAddress]) -> bool:
        """Return whether no recipient of `present` is sent it any more unless somebody names the window."""
        return bool(self.entries) and not self.owed(present, "catch_up")

    @property
    def has_reached_anybody(self) -> bool:
        """Whether somebody got the report, with or without its workbook."""
        return any(entry.state in _GOT for entry in self.entries)

    @property
    def is_known(self) -> bool:
        """Whether somebody got the report, or was not sent it because it was as usual."""
        return any(entry.state in _KNOWN for entry in self.entries)

    @property
    def is_as_usual(self) -> bool:
        """Whether somebody who gets only unusual windows was not sent it."""
        return any(entry.state == "as usual" for entry in self.entries)

    @property
    def has_unconfirmed(self) -> bool:
        """Whether the result of a sending to somebody was never recorded."""
        return any(entry.state == "sending" for entry in self.entries)

    @property
    def has_failed(self) -> bool:
        """Whether a run had no time for it, or somebody was alerted of it, and that is not over."""
        return bool(self.postponed or (self.alerted and not self.cleared))

    @property
    def is_stuck(self) -> bool:
        """Whether so many runs in a row ended without recording it that it is left to people."""
        return self.silent >= SILENT_RUNS

    @property
    def expected_rows(self) -> int:
        """How many rows the window should have, if none came or went since it was looked at last."""
        return (self.rows or 0) - self.deleted + self.late_rows

    def failed_since(self, failed: int | None) -> int:
        """Return how many analyses have failed since the report, if `failed` of them have and not everybody knows."""
        if failed is None or self.failed is None or failed <= max(self.failed, self.failed_told):
            return 0
        return failed - self.failed

    @property
    def counts(self) -> tuple[object, ...]:
        """Everything that the numbers of rows and failures which come later or go are counted from."""
        return (
            self.rows,
            self.deleted,
            self.late_rows,
            self.failed,
            self.failed_told,
            [(entry.address, entry.state, entry.rows, entry.failed) for entry in self.entries],
        )

    def with_fewer_than(self, rows: int) -> list[ChannelAddress]:
        """Return those who got the report with fewer rows than `rows`."""
        got = [entry for entry in self.entries if entry.state in _GOT]
        return [(entry.channel, entry.recipient) for entry in got if self._rows_of(entry) < rows]

    def announce(self, late_rows: int, *, reached: Set[ChannelAddress], waited_for: Set[ChannelAddress]) -> None:
        """Enter that a message which reached `reached` announced that many late rows.

        They count as announced when everybody of `waited_for` who got the report without them knows.
        """
        rows = (self.rows or 0) + late_rows
        for entry in self.entries:
            entry.told = late_rows if entry.address in reached else entry.told
        if all(entry.told >= late_rows or self._rows_of(entry) >= rows for entry in self._informed(waited_for)):
            self.late_rows = late_rows

    def announce_failed(self, failed: int, *, reached: Set[ChannelAddress], waited_for: Set[ChannelAddress]) -> None:
        """Enter that a message which reached `reached` announced that so many analyses have `failed` by now."""
        for entry in self.entries:
            entry.failed = max(failed, entry.failed or 0) if entry.address in reached else entry.failed
        if all(self._failed_of(entry) >= failed for entry in self._informed(waited_for)):
            self.failed_told = failed

    def _informed(self, addresses: Set[ChannelAddress]) -> list[Entry]:
        """Return the entries of those of `addresses` who know how the window went, if only that it was empty."""
        return [entry for entry in self.entries if entry.state in (*_KNOWN, "skipped") and entry.address in addresses]

    def _failed_of(self, entry: Entry) -> int:
        return (self.failed or 0) if entry.failed is None else entry.failed

    def _rows_of(self, entry: Entry) -> int:
        return (self.rows or 0) if entry.rows is None else entry.rows

    @property
    def is_skipped(self) -> bool:
        """Whether the window was skipped for whoever was owed it, because it had no rows."""
        return any(entry.state == "skipped" for entry in self.entries)

    def _states(self) -> dict[ChannelAddress, EntryState]:
        return {entry.address: entry.state for entry in self.entries}

    def content(self) -> dict[str, Any]:
        """Return the record as JSON has it, in the earliest form that holds it."""
        content: dict[str, Any] = msgspec.to_builtins(self)
        return {"format": FORMAT if self.is_as_usual else _FORMAT_OF_2_0, **content}


def read_record(content: object, start: datetime, removal: str) -> Record:
    """Read what `content` returned for the window from `start`; `removal` is the command that removes it.

    Raise LedgerVersionError if a later version wrote it, LedgerError if it is something else.
    """
    written = content.get("format", 1) if isinstance(content, dict) else 1
    if isinstance(written, int) and written > FORMAT:
        raise LedgerVersionError(
            "ledger.later_format",
            f"A later version of this program wrote the ledger's record of the window from {start:%Y-%m-%dT%H:%M}Z "
            f"(format {one_line_quote(written, 20)}; this version knows {FORMAT}).",
            "Run that version or a later one; the image's tag says which one runs.",
            group="A later version wrote a record",
        )
    try:
        record = msgspec.convert(content, Record)
        msgspec.json.encode(record)  # half a surrogate could not be saved again
    except (msgspec.ValidationError, UnicodeError):
        raise LedgerError(
            f"ledger.unreadable_record.{start:%Y%m%dT%H%MZ}",
            f"The ledger's record of the window from {start:%Y-%m-%dT%H:%M}Z was not written by this program.",
            f"Find out who changed it, then run this to remove it: {removal} The window then counts as never "
            "delivered, and the next run that includes it sends it to everyone.",
            group="A record can't be read",
        ) from None
    return record


def new_record(window: Window) -> Record:
    """Make the record of a window that nobody has opened yet."""
    return Record(template=window.template, start=window.start.isoformat())
