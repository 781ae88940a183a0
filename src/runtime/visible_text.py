"""Text from outside, made visible, and cut to a length."""

import re

from .redaction import SECRETS

FOREIGN = 200
"""UTF-16 units that are kept of what a server says."""
# Unicode's Cf: format characters, of which most turn a direction, join, or hide.
_FORMAT = (
    "\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    "\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
)
# Further ones that nobody sees (Default_Ignorable_Code_Point): fillers, joiners, selectors, tags.
_IGNORABLE = "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff"
# Controls but tab and line feed, separators of lines and paragraphs, lone surrogates.
_CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"
_NONCHARACTERS = "\ufdd0-\ufdef" + "".join(
    f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000)
)
# A selector behind a character such as ⚠ makes an emoji of it; anywhere else it only hides.
_SELECTORS = "\ufe00-\ufe0f"
_UNSEEN = re.compile(f"[{_CONTROLS}{_FORMAT}{_IGNORABLE}{_NONCHARACTERS}]|(?<![^\\w\\s!-~{_SELECTORS}])[{_SELECTORS}]")
_QUOTE_MARKS = str.maketrans(dict.fromkeys("“”„‟«»″〝〞〟＂", '"'))


def visible(text: str) -> str:
    r"""Show what can't be seen, or can't stand in XML: `␀` to `␟` and `␡` for controls, `\x85` or `\u200b` for others.

    Tab and line feed stay.
    """
    # Nearly every text, told in a fraction of the pattern's time.
    return text if text.isascii() and text.isprintable() else _UNSEEN.sub(_picture, text)


def one_line(text: object, limit: int) -> str:
    """Write `text` in one line of at most `limit` UTF-16 units, with what nobody sees made visible.

    It is cut before it is looked at, for it may be megabytes.
    """
    words = str(text).strip(" \t\r\n")
    return _cut(_made_visible(words[: limit * 4]), limit, is_whole=len(words) <= limit * 4)


def foreign(text: object, limit: int = FOREIGN) -> str:
    """Write what somebody else said as `one_line` does, without the secrets of this process.

    A secret that is cut in two would not be found: so much is read beyond the cut, and left out afterwards.
    """
    words, spare = str(text).strip(" \t\r\n"), SECRETS.longest
    kept = SECRETS(_made_visible(words[: limit * 4 + spare]))
    is_whole = len(words) <= limit * 4 + spare
    return _cut(kept if is_whole else kept[: max(0, len(kept) - spare)], limit, is_whole=is_whole)


def _made_visible(words: str) -> str:
    return " ".join(visible(words.replace("\r", "\n")).split())


def _cut(line: str, limit: int, *, is_whole: bool) -> str:
    return shortened(line if is_whole else f"{line}…", limit)


def one_line_quote(text: object, limit: int = FOREIGN) -> str:
    """Return what somebody else said as `foreign` does, with no quotation mark that could close ours around it."""
    return foreign(text, limit).translate(_QUOTE_MARKS)


def in_quotes(text: object, limit: int = FOREIGN) -> str:
    """Return what somebody else said in one line, in quotation marks that nothing in it can close."""
    return f"“{one_line_quote(text, limit)}”"


def units(text: str) -> int:
    """Count UTF-16 units, as Excel and Telegram do."""
    return len(text.encode("utf-16-le")) // 2


def shortened(text: str, limit: int, mark: str = "…") -> str:
    """Cut `text` to `limit` UTF-16 units, between characters, with a mark at its end if there is room for one."""
    if len(text) * 2 <= limit or units(text) <= limit:
        return text
    mark = mark if units(mark) <= limit else ""
    kept = text.encode("utf-16-le")[: max(0, limit - units(mark)) * 2]
    return kept.decode("utf-16-le", "ignore") + mark


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)  # the block Control Pictures
    if code == 0x7F:
        return "␡"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
