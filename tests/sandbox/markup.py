"""Telegram's HTML as the Bot API reads it ("Formatting options"): few tags, each one closed, anything else refused."""

import re
from html import unescape
from urllib.parse import urlsplit

_ENTITY = r"&(?:lt|gt|amp|quot|#\d+|#x[0-9A-Fa-f]+);"
_TAGS = re.compile("b|strong|i|em|u|ins|s|strike|del|code|pre|blockquote|tg-spoiler|tg-emoji|a|span")
_TAG = re.compile(r"<(/?)([A-Za-z-]*)((?:\s+[A-Za-z-]+(?:=(?:\"[^\"<]*\"|'[^'<]*'|[^\s\"'<>]+))?)*)\s*>")

_LINK = re.compile(r"<a\s+href=\"([^\"]*)\"")


def plain(markup: str) -> str:
    """Return what a reader sees; raise ValueError with the server's words if it can't be read."""
    shown: list[str] = []
    opened: list[str] = []
    place = 0
    while (start := markup.find("<", place)) >= 0:
        shown.append(markup[place:start])
        tag = _TAG.match(markup, start)
        offset = len(markup[:start].encode())
        if tag is None:
            raise ValueError(f"can't parse entities: Unclosed start tag at byte offset {offset}")
        closing, name = tag[1], tag[2].lower()
        if closing and (not opened or opened.pop() != name):
            raise ValueError(f"can't parse entities: Unexpected end tag at byte offset {offset}")
        if not closing and not _TAGS.fullmatch(name):
            raise ValueError(f'can\'t parse entities: Unsupported start tag "{name}" at byte offset {offset}')
        if not closing:
            opened.append(name)
        place = tag.end()
    if opened:
        raise ValueError(f"can't parse entities: Can't find end tag corresponding to start tag \"{opened[-1]}\"")
    shown.append(markup[place:])
    # What is no entity of these stays as it stands, as it does there.
    return re.sub(_ENTITY, lambda entity: unescape(entity[0]), "".join(shown))


def links(markup: str) -> list[str]:
    """List what a reader can tap: Telegram drops a link to a host without a dot, and shows its text alone."""
    found = [unescape(address) for address in _LINK.findall(markup)]
    hosts = {address: urlsplit(address).hostname or "" for address in found}
    return [address for address in found if "." in hosts[address] or ":" in hosts[address]]
