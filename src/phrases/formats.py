"""A value → a few plain characters for people: numbers, shares, durations, sizes, moments, text of the table."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

from ..domain.analysis import TOO_LONG
from ..domain.window import offset_name
from ..runtime.visible_text import one_line

BLANK = "\u00a0"
"""At which no line is broken: within a figure."""
NAME_LENGTH = 40
"""UTF-16 units of an id or a status in a message; the workbook has it whole."""
_LARGEST = 10**21
"""Numbers from here on are written with an exponent, so that any number fits into a line."""
_V = TypeVar("_V")


def shown(text: str, limit: int = NAME_LENGTH) -> str:
    """Write text of the table in one line of at most `limit` UTF-16 units, with what nobody sees made visible."""
    return one_line(text, limit)


def given(value: _V, too_long: str) -> _V | str:
    """Return a value of the table, or `too_long` where it was one that nobody could read."""
    return too_long if value == TOO_LONG else value


def number(value: int | float) -> str:
    """Write a sum for people: `1,234`, of fractions at most six digits, from 10^21 on with an exponent."""
    if abs(value) >= _LARGEST:
        return f"{value:.3e}"
    return f"{value:,}" if isinstance(value, int) else f"{round(value, 6):,}".removesuffix(".0")


def rate(value: float | None) -> str:
    """Write a share for people: `97.8%`, or `-` where there is none.

    Nothing but a whole one is `100%`, and nothing but none is `0.0%`.
    """
    if value is None:
        return "-"
    if 0 < value < 0.001:
        return f"<{BLANK}0.1%"
    if abs(value) >= 10:
        return f"{number(round(value * 100, 0))}%"
    return "100%" if value == 1 else f"{min(value * 100, 99.9) if value < 1 else value * 100:.1f}%"


def limit(value: float) -> str:
    """Write a share that somebody set: `10%`, `7.5%`."""
    return rate(value).replace(".0%", "%")


def clocks(moments: Sequence[datetime], zone: ZoneInfo) -> list[str]:
    """Write moments as the clock times of `zone`; where the clocks change between them, with the offset too."""
    local = [moment.astimezone(zone) for moment in moments]
    changes = len({one.utcoffset() for one in local}) > 1
    return [f"{one:%H:%M} {offset_name(one)}" if changes else f"{one:%H:%M}" for one in local]


def seconds(value: float) -> str:
    """Write a duration in seconds for people: `2.9 s`, `3 min 5 s`, `2 h 7 min`."""
    if not 60 <= value < 360_000:
        return f"{number(round(value, 1 if abs(value) >= 2 else 2))}{BLANK}s"
    minutes, rest = divmod(round(value), 60)
    written = f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
    return written.replace(" ", BLANK)


def megabytes(size: int) -> str:
    """Write a size in bytes for people: `31 MB`, `0.4 MB`, `60 kB`."""
    if size < 1e5:
        return f"{size / 1e3:.0f} kB"
    millions = size / 1e6
    return f"{millions:.1f} MB" if millions < 9.95 else f"{millions:,.0f} MB"


def moment(at: datetime, zone: ZoneInfo, form: str = "%Y-%m-%d %H:%M") -> str:
    """Write an aware moment as `zone` reads it, its offset beside it: `2026-11-26 17:00 UTC+3`."""
    local = at.astimezone(zone)
    return f"{local.strftime(form)} {offset_name(local)}"
