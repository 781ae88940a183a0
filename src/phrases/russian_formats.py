"""A value → a few characters as Russian writes it, and the form of a noun that a count asks for.

What `formats` is for English: numbers, dates, units and plural forms are Babel's, of Unicode's CLDR.
"""

import math
from datetime import datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_decimal
from babel.units import format_unit

from ..domain.window import offset_name
from .formats import BLANK

LOCALE = Locale("ru")
PER_CENT = f"{BLANK}%"
_T = TypeVar("_T")
_LARGEST = 10**21
"""Numbers from here on are written with a power of ten, so that any number fits into a line."""


def number(value: int | float) -> str:
    """Write a count or a sum: `1 234`, of fractions at most six digits, from 10^21 on with a power of ten."""
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if abs(value) >= _LARGEST:
        digits, _, power = f"{value:.3e}".partition("e")
        return f"{digits.replace('.', ',')}·10^{int(power)}"
    return str(format_decimal(round(value, 6), "#,##0.######", locale=LOCALE))


def rate(value: float | None) -> str:
    """Write a share: `97,8 %`, or `-` where there is none; as in English near its ends."""
    if value is None:
        return "-"
    if 0 < value < 0.001:
        return f"<{BLANK}0,1{PER_CENT}"
    if abs(value) >= 10:
        return f"{number(round(value * 100, 0))}{PER_CENT}"
    if value == 1:
        return f"100{PER_CENT}"
    tenths = min(value * 100, 99.9) if value < 1 else value * 100
    return f"{format_decimal(round(tenths, 1), '#,##0.0', locale=LOCALE)}{PER_CENT}"


def seconds(value: float) -> str:
    """Write a duration: `2,9 с`, `3 мин 5 с`, `2 ч 7 мин`."""
    if not 60 <= value < 360_000:
        return _unit(number(round(value, 1 if abs(value) >= 2 else 2)), "duration-second")
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{_unit(f'{minutes}', 'duration-minute')}{BLANK}{_unit(f'{rest}', 'duration-second')}"
    return f"{_unit(f'{minutes // 60}', 'duration-hour')}{BLANK}{_unit(f'{minutes % 60}', 'duration-minute')}"


def moment(at: datetime, zone: ZoneInfo) -> str:
    """Write an aware moment to the second: `23.11.2026, 14:00:31 UTC`."""
    local = at.astimezone(zone)
    return f"{date(local)}, {local:%H:%M:%S} {offset_name(local)}"


def date(local: datetime) -> str:
    """Write a date: `23.11.2026`."""
    return str(format_date(local.date(), "short", locale=LOCALE))


def minute(local: datetime) -> str:
    """Write a moment to the minute: `23.11.2026, 14:00 UTC`."""
    return f"{date(local)}, {local:%H:%M} {offset_name(local)}"


def limit(value: float) -> str:
    """Write a share that somebody set: `10 %`, `7,5 %`."""
    return rate(value).replace(f",0{PER_CENT}", PER_CENT)


def megabytes(size: int) -> str:
    """Write a size in bytes: `31 МБ`, `0,4 МБ`, `60 кБ`."""
    if size < 1e5:
        return _unit(number(round(size / 1e3)), "digital-kilobyte")
    millions = size / 1e6
    return _unit(number(round(millions, 1) if millions < 9.95 else round(millions)), "digital-megabyte")


def _unit(figure: str, unit: str) -> str:
    return str(format_unit(figure, unit, "short", locale=LOCALE)).replace(" ", "\u00a0")


def plural(count: int, one: _T, few: _T, many: _T) -> _T:
    """Return the form that a noun has behind `count`."""
    return {"one": one, "few": few}.get(LOCALE.plural_form(count), many)


def genitive(count: int | float, one: str, many: str) -> str:
    """Write a count with its noun in the genitive: `1 записи`, `2 записей`; of a fraction, `1,5 записи`."""
    form = LOCALE.plural_form(round(count, 6))
    return f"{number(count)} {one if form in ('one', 'other') else many}"
