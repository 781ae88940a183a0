"""What a run is asked for, and its result."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct

from ..errors import Problem
from .delivery import Outcome
from .window import Window

Trigger = Literal["scheduled", "manual", "catch_up"]
"""Why a window is reported: it is this run's own, it was asked for, or it was missed before.

Trials, and runs for some recipients only, are asked for too.
"""


class WindowRequest(Struct, frozen=True, kw_only=True):
    """A window to be reported: why, and with which `remarks` on other windows, and `marks` for them behind its title.

    `resend`: to everyone, whoever has it. `watermark` is noted in the window's record.
    """

    window: Window
    trigger: Trigger = "manual"
    resend: bool = False
    remarks: Sequence[str] = ()
    marks: str = ""
    watermark: datetime | None = None

    @property
    def is_late(self) -> bool:
        """Whether it is caught up."""
        return self.trigger == "catch_up"


class Note(str):
    """What a check says of a part that is not wrong, but not known, not used, or soon to be changed."""

    __slots__ = ()


class Tally(Struct, frozen=True, kw_only=True):
    """How many of the run's `recipients` this run delivered to, and how many lack the report after it.

    `owed`: a later run sends it. `refused`: only another attempt of the same Job, or a run by hand, tries again.
    """

    delivered: int = 0
    owed: int = 0
    refused: int = 0
    recipients: int = 0


class Result(Struct, frozen=True, kw_only=True):
    """The result of one window, or of a whole run: its exit code, in words, and the `problem` if it failed.

    `outcomes` are those of its recipients, `known` tells whether its failure was alerted before; `window` is its start,
    `label` its name for people, `rows` are those it had, `bytes` those of its workbook, `tally` counts its recipients.
    Of several windows, `rows` and `tally` are sums, and `outcomes`, `known`, `window` and `bytes` are not set.
    `is_left`: the run was stopped, and the next pod of its Job does its work, so no alert is needed.
    """

    code: int
    words: str
    problem: Problem | None = None
    outcomes: Sequence[Outcome] = ()
    known: bool = False
    window: str | None = None
    label: str = ""
    rows: int | None = None
    bytes: int | None = None
    tally: Tally | None = None
    is_left: bool = False

    @property
    def sent(self) -> bool:
        """Whether anything was delivered."""
        return any(outcome.delivered for outcome in self.outcomes)

    def last_line(self, seconds: float) -> str:
        """Sum up in one line a run that took so many `seconds`."""
        tally = self.tally or Tally()
        owed = f"still owed to {tally.owed}" if tally.owed else ""
        refused = f"refused by {tally.refused}" if tally.refused else ""
        rows = "" if self.rows is None else "1 row" if self.rows == 1 else f"{self.rows:,} rows"
        words = ", ".join(filter(None, [self.label, rows, self.words]))
        return "; ".join(filter(None, [f"exit {self.code} after {seconds:.1f} s: {words}", owed, refused]))
