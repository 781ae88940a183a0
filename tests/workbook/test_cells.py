"""Text arrives as that text: what a sheet can't hold is shown, and what is too long is marked."""

import re
from pathlib import Path

import pytest

from src.phrases.english import English
from src.runtime.visible_text import units, visible
from src.workbook.cells import TEXT_UNITS, cell_text

from ..builders import build, data_rows, data_rows_again, make_analysis


def unescaped(text: str) -> str:
    """Read the escapes of ECMA-376 22.9.2.19, which openpyxl leaves in the text of cells."""
    return re.sub(r"_x([0-9A-Fa-f]{4})_", lambda match: chr(int(match[1], 16)), text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x00b", "a␀b"),
        ("\x07\x1b[31m", "␇␛[31m"),
        ("line\r\nbreak", "line␍\nbreak"),
        ("tab\there", "tab\there"),
        ("\x7f\x85", "␡\\x85"),
        ("\ud83d", "\\ud83d"),
        ("\ufffe\uffff", "\\ufffe\\uffff"),
        ("fail\u200bed \u202e\u2028", "fail\\u200bed \\u202e\\u2028"),
        ("fail\ufe0fed \U000e0041\u00ad\u3164", "fail\\ufe0fed \\U000e0041\\xad\\u3164"),
        ("ordinary é 🙂 ⚠️ ❤️ فارسی 日本", "ordinary é 🙂 ⚠️ ❤️ فارسی 日本"),
    ],
)
def test_what_nobody_could_see_is_shown(tmp_path: Path, text: str, shown: str) -> None:
    """Nothing is dropped silently, and Excel opens the file."""
    content = build(tmp_path, make_analysis(status=text))

    assert visible(text) == shown
    assert data_rows(content)[0][2] == shown
    assert data_rows_again(content)[0][2] == shown


@pytest.mark.parametrize("text", ["x" * 40_000, "🙂" * 40_000, "x" + "🙂" * 20_000, "\x00" * 40_000])
def test_a_long_text_is_shortened_with_a_mark_to_what_excel_accepts(tmp_path: Path, text: str) -> None:
    """Counted in UTF-16 units, and never cut within a character."""
    content = build(tmp_path, make_analysis(status=text))

    arrived = data_rows(content)[0][2]
    assert TEXT_UNITS - 1 <= units(arrived) <= TEXT_UNITS
    assert arrived.endswith(English.SHORTENED)
    assert visible(text).startswith(arrived.removesuffix(English.SHORTENED))
    assert data_rows_again(content)[0][2] == arrived


@pytest.mark.parametrize("text", ["_x0041_" * 6000, "_x0041_" * 4000, "ab_x0041_" * 3000 + "🙂" * 9000])
def test_a_long_text_of_escapes_is_shortened_with_a_mark_and_no_escape_is_torn(tmp_path: Path, text: str) -> None:
    """Escapes make the text longer in the file than in the cell."""
    content = build(tmp_path, make_analysis(status=text))

    arrived = data_rows_again(content)[0][2]
    assert arrived.endswith(English.SHORTENED)
    assert text.startswith(arrived.removesuffix(English.SHORTENED))
    assert unescaped(data_rows(content)[0][2]) == arrived


@pytest.mark.parametrize("text", ["x" * TEXT_UNITS, "🙂" * (TEXT_UNITS // 2)])
def test_a_text_that_just_fits_is_left_alone(text: str) -> None:
    """To the last character."""
    assert cell_text(text) == text


@pytest.mark.parametrize("text", ["_x0041_", "a_x000D_b", "_x005F_x0041_", "__x0041__"])
def test_a_text_that_looks_like_an_escape_stays_that_text(tmp_path: Path, text: str) -> None:
    """Excel and others would read `_x0041_` as A; openpyxl leaves the escape's own escape to be seen."""
    content = build(tmp_path, make_analysis(status=text))

    assert data_rows_again(content)[0][2] == text
    assert unescaped(data_rows(content)[0][2]) == text


@pytest.mark.parametrize("count", [5460, 5459, 5000])
def test_no_escapes_make_a_text_longer_than_a_cell(count: int) -> None:
    """Excel would say that the file is damaged."""
    text = "_x0041" * count + "_"

    written = cell_text(text)

    assert units(written) <= TEXT_UNITS
    assert written.endswith(English.SHORTENED)
    assert text.startswith(unescaped(written).removesuffix(English.SHORTENED))
