"""Text from outside, made visible, and cut to a length."""

import re

# What XML 1.0 can't hold, or nobody can see: controls but tab and line feed, lone surrogates, U+FFFE and U+FFFF.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def visible(text: str) -> str:
    r"""Show the characters that a sheet can't: `␀` to `␟` and `␡` for controls, `\x85` or `\ud800` for others."""
    return _UNSEEN.sub(_picture, text)


def units(text: str) -> int:
    """Count UTF-16 units, as Excel and Telegram do."""
    return len(text.encode("utf-16-le")) // 2


def shortened(text: str, limit: int, mark: str = "…") -> str:
    """Cut `text` to `limit` UTF-16 units, between characters, with a mark at its end."""
    if len(text) * 2 <= limit or units(text) <= limit:
        return text
    kept = text.encode("utf-16-le")[: (limit - units(mark)) * 2]
    return kept.decode("utf-16-le", "ignore") + mark


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)  # the block Control Pictures
    if code == 0x7F:
        return "␡"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
