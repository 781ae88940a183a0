"""Values as each language writes them for readers: numbers, shares, durations, sizes, moments, text of the table.

They are those of Unicode's CLDR, in English with ISO dates and short units; a test compares them with Babel, which
itself takes too long to load.
"""

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Literal, TypeVar
from zoneinfo import ZoneInfo

from msgspec import Struct

from ..domain.analysis import TOO_LONG
from ..domain.window import offset_name
from ..runtime.visible_text import one_line

BLANK = "\u00a0"
"""At which no line is broken: within a figure."""
NAME_LENGTH = 40
"""UTF-16 units of an id or a status in a message; the workbook has it whole."""
_LARGEST = 10**21
"""Numbers from here on are written with a power of ten, so that any number fits into a line."""
PluralForm = Literal["one", "few", "many", "other"]
_V = TypeVar("_V")


def _english_form(count: int | float) -> PluralForm:
    return "one" if count == 1 else "other"


def _russian_form(count: int | float) -> PluralForm:
    if count % 1:
        return "other"
    tens, ones = divmod(int(count) % 100, 10)
    if ones == 1 and tens != 1:
        return "one"
    return "few" if ones in (2, 3, 4) and tens != 1 else "many"


class Locale(Struct, frozen=True, kw_only=True):
    """How a language writes values: English, unless said otherwise.

    `power` stands between the digits and the exponent of a number that is too long. `date` is a form for strftime,
    behind which `comma` stands before a time. `plural_form` returns the form of a noun that a count asks for.
    """

    decimal: str = "."
    group: str = ","
    per_cent: str = "%"
    power: str = "e+"
    infinity: str = "inf"
    second: str = "s"
    minute: str = "min"
    hour: str = "h"
    kilobyte: str = "kB"
    megabyte: str = "MB"
    has_whole_tenths: bool = True
    """Whether a size of so many megabytes is `2.0 MB` rather than `2 MB`."""
    date: str = "%Y-%m-%d"
    comma: str = " "
    plural_form: Callable[[int | float], PluralForm] = _english_form

    def number(self, value: int | float) -> str:
        """Write a count or a sum: `1,234`, of fractions at most six digits, from 10^21 on with a power of ten."""
        if math.isinf(value):
            return self.infinity if value > 0 else f"-{self.infinity}"
        if abs(value) >= _LARGEST:
            digits, _, exponent = f"{value:.3e}".partition("e+")
            return f"{self._signs(digits)}{self.power}{exponent}"
        return self._signs(f"{Decimal(str(round(value, 6))):,f}".removesuffix(".0"))

    def rate(self, value: float | None) -> str:
        """Write a share: `97.8%`, or `-` where there is none.

        Nothing but a whole one is `100%`, and nothing but none is `0.0%`.
        """
        if value is None:
            return "-"
        if 0 < value < 0.001:
            return f"<{BLANK}{self._signs('0.1')}{self.per_cent}"
        if abs(value) >= 10:
            return f"{self.number(round(value * 100, 0))}{self.per_cent}"
        tenths = min(value * 100, 99.9) if value < 1 else value * 100
        return f"{self._signs('100' if value == 1 else f'{tenths:.1f}')}{self.per_cent}"

    def limit(self, value: float) -> str:
        """Write a share that somebody set: `10%`, `7.5%`."""
        return self.rate(value).replace(f"{self.decimal}0{self.per_cent}", self.per_cent)

    def seconds(self, value: float) -> str:
        """Write a duration in seconds: `2.9 s`, `3 min 5 s`, `2 h 7 min`."""
        if not 60 <= value < 360_000:
            return f"{self.number(round(value, 1 if abs(value) >= 2 else 2))}{BLANK}{self.second}"
        minutes, seconds = divmod(round(value), 60)
        hours, rest = divmod(minutes, 60)
        if hours:
            return BLANK.join((f"{hours}", self.hour, f"{rest}", self.minute))
        return BLANK.join((f"{minutes}", self.minute, f"{seconds}", self.second))

    def megabytes(self, size: int) -> str:
        """Write a size in bytes: `31 MB`, `0.4 MB`, `60 kB`."""
        if size < 1e5:
            return f"{self.number(round(size / 1e3))} {self.kilobyte}"
        has_tenths = size < 9.95e6
        if has_tenths and self.has_whole_tenths:
            return f"{self._signs(f'{size / 1e6:.1f}')} {self.megabyte}"
        return f"{self.number(round(size / 1e6, 1 if has_tenths else None))} {self.megabyte}"

    def moment(self, at: datetime, zone: ZoneInfo, clock: str = "%H:%M:%S") -> str:
        """Write an aware moment as `zone` reads it, its offset beside it: `2026-11-26 17:00:31 UTC+3`."""
        local = at.astimezone(zone)
        return f"{local:{self.date}}{self.comma}{local:{clock}} {offset_name(local)}"

    def _signs(self, written: str) -> str:
        return written.translate(str.maketrans(",.", self.group + self.decimal))


EN = Locale()
RU = Locale(
    decimal=",",
    group=BLANK,
    per_cent=f"{BLANK}%",
    power="·10^",
    infinity="∞",
    second="с",
    minute="мин",
    hour="ч",
    kilobyte="кБ",
    megabyte="МБ",
    has_whole_tenths=False,
    date="%d.%m.%Y",
    comma=", ",
    plural_form=_russian_form,
)


def shown(text: str, limit: int = NAME_LENGTH) -> str:
    """Write text of the table in one line of at most `limit` UTF-16 units, with what nobody sees made visible."""
    return one_line(text, limit)


def given(value: _V, too_long: str) -> _V | str:
    """Return a value of the table, or `too_long` where it was one that nobody could read."""
    return too_long if value == TOO_LONG else value


def clock(at: datetime, zone: ZoneInfo) -> str:
    """Write an aware moment as a time of day with the offset of `zone`: `13:00:31 UTC+3`."""
    local = at.astimezone(zone)
    return f"{local:%H:%M:%S} {offset_name(local)}"


def clocks(moments: Sequence[datetime], zone: ZoneInfo) -> list[str]:
    """Write moments as the clock times of `zone`; where the clocks change between them, with the offset too."""
    local = [moment.astimezone(zone) for moment in moments]
    changes = len({one.utcoffset() for one in local}) > 1
    return [f"{one:%H:%M} {offset_name(one)}" if changes else f"{one:%H:%M}" for one in local]
