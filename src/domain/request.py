"""What a run is asked for, and what came of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct

from ..errors import Problem
from .window import Window

Trigger = Literal["scheduled", "manual", "catch_up"]
"""Why a window is reported: it is this run's own, it was named (--start, REPORT_START), or it was missed before."""


class WindowRequest(Struct, frozen=True, kw_only=True):
    """A window to be reported: why, and with which `remarks` on other windows.

    `resend`: to everyone, whoever has it. `watermark` is noted in the window's record.
    """

    window: Window
    trigger: Trigger = "manual"
    resend: bool = False
    remarks: Sequence[str] = ()
    watermark: datetime | None = None

    @property
    def is_late(self) -> bool:
        """Whether it is caught up."""
        return self.trigger == "catch_up"


class Result(Struct, frozen=True, kw_only=True):
    """How one window, or a whole run, went: its exit code, in words, and the `problem` that it failed of.

    `sent` tells whether anything was sent, `known` whether its failure was told of before; `window` is its start,
    `rows` are those it had, `bytes` those of its workbook.
    """

    code: int
    words: str
    problem: Problem | None = None
    sent: bool = False
    known: bool = False
    window: str | None = None
    rows: int | None = None
    bytes: int | None = None
