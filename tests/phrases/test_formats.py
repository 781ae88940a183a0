"""Numbers, dates, units and plural forms are those of Unicode's CLDR, as Babel has them."""

import random
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import babel
import pytest
from babel.dates import format_date
from babel.numbers import format_decimal, get_decimal_symbol, get_group_symbol, get_infinity_symbol
from babel.units import format_unit

from src.phrases.formats import BLANK, EN, RU, Locale

LOCALES = [(EN, babel.Locale("en")), (RU, babel.Locale("ru"))]
RUSSIAN = babel.Locale("ru")
COUNTS = [*range(1_200), *(10**power + rest for power in range(4, 21) for rest in range(25))]
NUMBERS = [*COUNTS, *(-count for count in COUNTS[::7]), 0.5, 1.5, 2.0, 0.000001, 0.00005, 1e15, 1e16, 1.5e20, -0.25]
RANDOM = random.Random(37)
FRACTIONS = [RANDOM.uniform(-10, 10 ** RANDOM.uniform(-5, 15)) for _ in range(2_000)]
both = pytest.mark.parametrize(("ours", "theirs"), LOCALES, ids=["en", "ru"])


@both
def test_numbers_are_written_as_cldr_writes_them(ours: Locale, theirs: babel.Locale) -> None:
    """Signs, groups, and up to six digits behind the decimal sign."""
    for value in (*NUMBERS, *FRACTIONS):
        assert ours.number(value) == format_decimal(round(value, 6), "#,##0.######", locale=theirs)
    assert (ours.decimal, ours.group) == (get_decimal_symbol(theirs), get_group_symbol(theirs))


@both
def test_shares_are_written_as_cldr_writes_them(ours: Locale, theirs: babel.Locale) -> None:
    """With a tenth, and the sign where the language has it."""
    pattern = theirs.percent_formats[None].pattern.removeprefix("#,##0")

    assert ours.per_cent == pattern
    for tenths in range(1, 1_000):
        assert ours.rate(tenths / 1_000) == format_decimal(tenths / 10, "#,##0.0", locale=theirs) + pattern
    assert ours.rate(1) == f"100{pattern}"


@both
def test_a_noun_has_the_form_that_cldr_has_for_its_count(ours: Locale, theirs: babel.Locale) -> None:
    """Of fractions too."""
    assert all(ours.plural_form(count) == theirs.plural_form(count) for count in (*COUNTS, 0.5, 1.5, 2.0, 1234.25))


def test_russian_units_and_dates_are_those_of_cldr() -> None:
    """With a blank at which no line breaks; the unit of English durations is the SI's: s, min, h."""
    units = {
        "duration-second": RU.second,
        "duration-minute": RU.minute,
        "duration-hour": RU.hour,
        "digital-kilobyte": RU.kilobyte,
        "digital-megabyte": RU.megabyte,
    }
    at = datetime(2026, 2, 3, 14, 5, 6, tzinfo=UTC)

    for count in (1, 2, 5, 21):
        for name, unit in units.items():
            assert format_unit(count, name, "short", locale=RUSSIAN).replace(BLANK, " ") == f"{count} {unit}"
    assert RU.infinity == get_infinity_symbol(RUSSIAN)
    assert f"{at:{RU.date}}" == format_date(at, "short", locale=RUSSIAN)
    assert RU.moment(at, ZoneInfo("UTC")) == "03.02.2026, 14:05:06 UTC"
    assert RUSSIAN.datetime_formats["short"] == f"{{1}}{RU.comma}{{0}}"


def test_english_sizes_are_those_of_cldr() -> None:
    """Megabytes below ten keep their tenth."""
    english = babel.Locale("en")

    assert EN.megabytes(60_000) == format_unit(60, "digital-kilobyte", "short", locale=english)
    assert EN.megabytes(31_400_000) == format_unit(31, "digital-megabyte", "short", locale=english)
    assert [EN.megabytes(2_000_000), RU.megabytes(2_000_000)] == ["2.0 MB", "2 МБ"]
