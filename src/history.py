"""What the ledger remembers of the windows before one: which were missed, which nobody makes good any more."""

from collections.abc import Sequence, Set
from datetime import datetime

from .ledger import Ledger
from .record import Record
from .window import Window, before

LOOK_BACK = 24 * 7
"""Windows in which those that nobody made good are looked for: a week of hours."""


def windows_before(window: Window, count: int) -> list[Window]:
    """Return the `count` windows that come before `window`, oldest first."""
    found: list[Window] = []
    for _ in range(count):
        window = before(window)
        found.append(window)
    return found[::-1]


class History:
    """What the ledger remembers of the windows since `begun`, of which `reach` are made good.

    `present` are the channels and recipients that the settings name now: others are owed nothing more.
    """

    def __init__(
        self, window: Window, reach: int, begun: datetime, records: Sequence[Record], present: Set[tuple[str, str]]
    ) -> None:
        self._records = {record.start: record for record in records}
        self._present = present
        known = [other for other in windows_before(window, _looked_at(reach)) if other.start >= begun]
        in_reach = {other.start for other in windows_before(window, reach)}
        self._reached = [other for other in known if other.start in in_reach]
        self._beyond = [other for other in known if other.start not in in_reach]

    def missed(self) -> list[Window]:
        """Return the windows in reach that somebody is still owed, oldest first."""
        return [window for window in self._reached if not self._is_settled(window)]

    def given_up(self) -> list[Window]:
        """Return the windows out of reach that were never delivered, and of which nobody was told."""
        return [window for window in self._beyond if not self._is_settled(window)]

    def delivered(self) -> list[tuple[Window, Record]]:
        """Return the windows in reach whose delivered report had its rows counted."""
        found = [(window, self._records.get(window.start.isoformat())) for window in self._reached]
        return [(window, record) for window, record in found if record and record.rows is not None]

    def covers(self) -> bool:
        """Tell whether every window in reach is among the delivered ones."""
        return len(self.delivered()) == len(self._reached)

    def _is_settled(self, window: Window) -> bool:
        record = self._records.get(window.start.isoformat())
        return record is not None and (record.is_settled(self._present) or record.given_up)


def _looked_at(reach: int) -> int:
    return max(2 * reach, LOOK_BACK)


async def read_history(ledger: Ledger, window: Window, reach: int, present: Set[tuple[str, str]]) -> History | None:
    """Read what `ledger` remembers; None if it remembers nothing, or nothing before `window`."""
    if not ledger.remembers or not reach:
        return None
    begun = await ledger.begun(window.template)
    if begun is None or begun >= window.start:
        return None
    oldest = windows_before(window, _looked_at(reach))[0]
    records = await ledger.records(window.template, max(oldest.start, begun), window.start)
    return History(window, reach, begun, records, present)
