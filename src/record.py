"""What is known of one window's delivery: its recipients, and what became of it for each."""

from collections.abc import Set
from typing import Any, Literal

import msgspec

from .errors import LedgerError
from .window import Template, Window

State = Literal["owed", "sending", "delivered", "without file", "refused", "skipped"]
SETTLED = ("delivered", "without file", "refused", "skipped")
"""States that no later run changes by itself."""


class Entry(msgspec.Struct, kw_only=True):
    """One recipient of a window's report; `at` is when `state` began, ISO 8601 in UTC."""

    channel: str
    recipient: str
    state: State = "owed"
    receipt: str = ""
    at: str = ""


class Record(msgspec.Struct, kw_only=True):
    """What is known of one window; `start` is ISO 8601 in UTC.

    `rows`: how many the delivered report had, 0 if it was skipped.
    `resent`: how often it was sent again on purpose, `resent_by` whom.
    `alerted`: causes that somebody was told of. `late_rows`: how many rows that came later were told of.
    `cleared`: somebody was told that all is well after all.
    `given_up`: nobody will make it good by itself any more, and somebody was told.
    `scheduled`: it was opened by a scheduled run, not by one that asked for this very window.
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

    def is_done(self, present: Set[tuple[str, str]]) -> bool:
        """Tell whether every recipient has it, or it was skipped, that is one of `present`.

        `present` are pairs of channel and recipient.
        """
        done = ("delivered", "skipped")
        return bool(self.entries) and all(entry.state in done for entry in self._those_of(present))

    def is_settled(self, present: Set[tuple[str, str]]) -> bool:
        """Tell whether no recipient of `present` is sent to any more without being asked for."""
        return bool(self.entries) and all(entry.state in SETTLED for entry in self._those_of(present))

    @property
    def is_skipped(self) -> bool:
        """Whether the window was skipped for whoever was owed it, because it had no rows."""
        return any(entry.state == "skipped" for entry in self.entries)

    def _those_of(self, present: Set[tuple[str, str]]) -> list[Entry]:
        return [entry for entry in self.entries if (entry.channel, entry.recipient) in present]

    def content(self) -> dict[str, Any]:
        """Return the record as JSON has it."""
        content: dict[str, Any] = msgspec.to_builtins(self)
        return content


def read_record(content: object) -> Record:
    """Read what `content` returned; raise LedgerError if it is something else."""
    try:
        return msgspec.convert(content, Record)
    except msgspec.ValidationError:
        raise LedgerError(
            "A record of the ledger is none of this program's. "
            "Look at who wrote it, and move it away; that window is then taken for one never delivered."
        ) from None


def new_record(window: Window) -> Record:
    """Make the record of a window that nobody has opened yet."""
    return Record(template=window.template, start=window.start.isoformat())
