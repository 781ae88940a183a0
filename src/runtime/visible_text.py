"""Text from outside, made visible, and cut to a length."""

import re

# What XML 1.0 can't hold, or nobody can see: controls but tab and line feed, lone surrogates, U+FFFE and U+FFFF.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def visible(text: str) -> str:
    r"""Show the characters that a sheet can't: `␀` to `␟` and `␡` for controls, `\x85` or `\ud800` for others."""
    return _UNSEEN.sub(_picture, text)


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)  # the block Control Pictures
    if code == 0x7F:
        return "␡"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
