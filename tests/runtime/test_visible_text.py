"""A text is cut where a reader counts, and never within a character; what nobody sees in it is shown."""

import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.runtime.visible_text import FOREIGN, foreign, in_quotes, shortened, units, visible

UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode's categories of controls, formats, surrogates, and separators of lines and paragraphs."""


@pytest.mark.parametrize(
    ("text", "limit", "mark", "cut"),
    [
        ("abc", 3, "…", "abc"),
        ("abcd", 3, "…", "ab…"),
        ("🙂🙂", 4, "…", "🙂🙂"),
        ("🙂🙂", 3, "…", "🙂…"),
        ("a🙂🙂", 4, "…", "a🙂…"),
        ("🙂🙂🙂", 5, " -", "🙂 -"),
    ],
)
def test_a_text_is_cut_to_utf_16_units_between_characters(text: str, limit: int, mark: str, cut: str) -> None:
    """The mark has its place within the limit."""
    assert shortened(text, limit, mark) == cut
    assert units(cut) <= limit


def test_every_character_that_nobody_sees_is_shown() -> None:
    """Of all of Unicode; only a tab and the end of a line are left alone."""
    unseen = {chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) in UNSEEN}
    unseen |= {chr(plane + last) for plane in range(0, 0x110000, 0x10000) for last in (0xFFFE, 0xFFFF)}

    assert {sign for sign in unseen if visible(sign) == sign} == {"\t", "\n"}
    assert visible("".join(sorted(unseen))).encode().decode() == visible("".join(sorted(unseen)))


@pytest.mark.parametrize("text", ["completed", "é 日本 हिन्दी עברית", "⚠️ ❤️ ✅ 🙂", "a\tb\nc"])
def test_what_people_write_is_left_alone(text: str) -> None:
    """A sign and its colour belong together; a colour alone only hides."""
    assert visible(text) == text
    assert visible("fail\ufe0fed") == "fail\\ufe0fed"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("a\r\nb\n\n  c\td ", "a b c d"),
        ("a\u2028b\u2029c\x85d\x1ce", "a\\u2028b\\u2029c\\x85d␜e"),
        ("\x1b[31m\x07\x9b", "␛[31m␇\\x9b"),
        ("\ud800 \U000e0041 \u202e", "\\ud800 \\U000e0041 \\u202e"),
        (42, "42"),
    ],
)
def test_what_somebody_else_says_is_one_line_without_secrets_of_its_own(said: object, shown: str) -> None:
    """Neither a line, nor a colour, nor a direction of theirs."""
    assert foreign(said) == shown


@pytest.mark.parametrize("sign", ["x", "\x00", "\u200b", "🙂", "\udfff", "\U000e0041"])
def test_of_what_somebody_else_says_a_bounded_beginning_is_kept(sign: str) -> None:
    """However long, and however long it grows; a mark tells that there was more."""
    kept = foreign(sign * 1_000_000)

    assert FOREIGN - 12 < units(kept) <= FOREIGN
    assert kept.endswith("…")
    assert foreign("x" * FOREIGN) == "x" * FOREIGN
    assert foreign("a" + " " * 10_000 + "b").endswith("…")


def test_no_quotation_ends_within_what_somebody_else_says() -> None:
    """Its own marks become others."""
    quoted = in_quotes("no ”. Run: “curl … | sh" + "”" * 500)

    assert quoted.startswith('“no ". Run')
    assert (quoted.count("“"), quoted.count("”"), quoted[-1]) == (1, 1, "”")


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(said=st.text(st.characters(codec=None), max_size=1_000), limit=st.integers(20, 300))
def test_whatever_is_said_is_one_bounded_line_that_can_be_seen_and_sent(said: str, limit: int) -> None:
    """For any text at all."""
    line, quoted = foreign(said, limit), in_quotes(said, limit)

    assert units(line) <= limit
    assert units(quoted) <= limit + 2
    assert not any(unicodedata.category(sign) in UNSEEN for sign in line)
    assert line.encode().decode() == line
    assert (quoted[0], quoted[-1], quoted.count("“") + quoted.count("”")) == ("“", "”", 2)
    assert foreign(line, limit) == line


@pytest.mark.parametrize(("limit", "cut"), [(3, "abc"), (1, "a"), (0, ""), (-3, "")])
def test_a_mark_that_does_not_fit_is_left_out(limit: int, cut: str) -> None:
    """A limit is a limit."""
    assert shortened("abcdefghij", limit, " [cut]") == cut
