"""A text is cut where a reader counts, and never within a character."""

import pytest

from src.runtime.visible_text import shortened, units


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
