"""Every text and every bar of the mail's page stands out from what is behind it, light, dark and in grey."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from ..phrases.hours import got, hours

TEXT, BARS = 4.5, 3.0
"""The least contrast of WCAG 2.2 (1.4.3, 1.4.11)."""
VOID = {"meta", "br"}
SIX_DIGITS = "#[0-9a-f]{6}"


def luminance(colour: str) -> float:
    """Return the relative luminance that WCAG defines."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, 1 to 21."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def grey(colour: str) -> str:
    """Return what a grey screen shows of a colour."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return "#" + f"{round(0.2126 * red + 0.7152 * green + 0.0722 * blue):02x}" * 3


@dataclass
class Colours(HTMLParser):
    """The colours of a page as it is shown: each text with what is behind it, and each bar; `dark` as it is there."""

    page: str
    dark: bool
    texts: set[tuple[str, str]] = field(default_factory=set)
    bars: dict[str, set[tuple[str, str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()
        rules = self.page.partition("prefers-color-scheme: dark")[2].partition("</style>")[0] if self.dark else ""
        self._rules = dict(re.findall(r"\.([\w-]+(?: a)?) \{(.*?)\}", rules))
        self._open: list[tuple[str, str, str, bool]] = [("", "#000000", "#ffffff", True)]
        self.feed(self.page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take over the colours of the element around, as far as this one has none of its own."""
        if tag in VOID:
            return
        given = {name: value or "" for name, value in attrs}
        _, colour, behind, is_shown = self._open[-1]
        inside = ".button a" if tag == "a" else ""
        rules = ";".join(self._rules.get(name, "") for name in [*given.get("class", "").split(), inside[1:]])
        style = f";{given.get('style', '')};{rules}".replace(" !important", "")
        for found in re.findall(rf"[; ]color: ?({SIX_DIGITS})", style):
            colour = found
        for found in re.findall(rf"background-color: ?({SIX_DIGITS})", style):
            behind = found
        for name in {"good-bar", "bad-bar", "rest"} & {*given.get("class", "").split()}:
            self.bars.setdefault(name, set()).add((behind, self._open[-1][2]))
        hidden = "display:none" in style or tag in ("style", "title", "head")
        self._open.append((tag, colour, behind, is_shown and not hidden))

    def handle_endtag(self, tag: str) -> None:
        """Go back to the element around."""
        if tag not in VOID:
            assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        """Keep the colours of what somebody reads."""
        _, colour, behind, is_shown = self._open[-1]
        if is_shown and data.strip(" \n\xa0"):
            self.texts.add((colour, behind))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return pages that have every part of the template between them."""
    kinds = ("unusual", "odd_data", "too_large", "without_workbook", "normal")
    folder = tmp_path_factory.mktemp("pages")
    return [got(Path(folder), hours()[kind], "en").forms.html for kind in kinds]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_is_told_from_its_background(pages: list[str], dark: bool) -> None:
    """Also that of the notes and of the button; in dark colours each class has one of its own."""
    pairs = {pair for page in pages for pair in Colours(page, dark).texts}

    assert len(pairs) >= 6
    assert {pair: contrast(*pair) for pair in pairs if contrast(*pair) < TEXT} == {}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_failed_the_rest_and_what_is_behind_are_three_colours_in_grey_too(pages: list[str], dark: bool) -> None:
    """In the chart and in the statuses, whose bars stand beside what is left of their line."""
    found = [Colours(page, dark).bars for page in pages]
    colours = {name: {bar for bars in found for bar, _ in bars.get(name, ())} for name in ("good-bar", "bad-bar")}
    ((good,), (bad,)) = colours.values()
    behind = {one for bars in found for name in colours for _, one in bars.get(name, ())}
    tracks = {bar for bars in found for bar, _ in bars.get("rest", ())}

    assert (len(behind), len(tracks)) == (1, 1)
    pairs = [(good, bad), *((bar, other) for bar in (good, bad) for other in behind | tracks)]
    assert {pair for pair in pairs if contrast(*pair) < BARS} == set()
    assert {pair for pair in pairs if contrast(*map(grey, pair)) < BARS} == set()


def test_what_is_black_and_white_has_the_most_contrast_there_is() -> None:
    """The formula is that of WCAG."""
    assert contrast("#000000", "#ffffff") == contrast("#ffffff", "#000000") == 21
    assert round(contrast("#777777", "#ffffff"), 2) == 4.48
    assert [contrast(one, other) for one, other in pairwise(["#123456"] * 2)] == [1]


def test_outlook_keeps_bars_as_thin_as_they_are(pages: list[str]) -> None:
    """Word's engine, which draws there, would give each the height of a line."""
    bars = re.findall(r'<td class="(?:good-bar|bad-bar|rest)".*?>', pages[0])

    assert len(bars) > 12
    assert [bar for bar in bars if "mso-line-height-rule:exactly" not in bar] == []
