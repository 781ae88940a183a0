"""Secrets are kept out of whatever is written or sent."""

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

from msgspec import Struct

HIDDEN = "[hidden]"
CUT = "…"
"""Stands where somebody else's words were cut off."""
MACHINE_MADE = 24
"""Characters from which on a secret is a key or a token: no other text begins like it by chance."""

_TOKEN = re.compile(r"(?:[0-9]+:)?[A-Za-z0-9._~+/=-]+")
"""A key, a JWT, or a bot's token with its number before it."""


class _Form(Struct, frozen=True, kw_only=True):
    """A form of a secret, which begins with `known`: as much as gives it away.

    `in_part`: what follows `known` may break off anywhere, for excerpts and Python's own errors cut it off; of what is
    no key and no token, a part counts only in front of CUT.
    """

    whole: str
    known: str
    in_part: bool

    def hidden(self, text: str) -> str:
        """Return `text` without it, in any case of letters: python-telegram-bot capitalises what Telegram says."""
        rest, parts, place = self.whole[len(self.known) :], list[str](), 0
        # A match has no length, so that one that turns out to be none does not hide one that begins within it.
        for match in re.finditer(f"(?={re.escape(self.known)})", text, re.IGNORECASE):
            start = match.start() + len(self.known)
            end = start + _in_common(rest, text[start : start + len(rest)])
            is_secret = self.in_part or end == start + len(rest) or text.startswith(CUT, end)
            if is_secret and end > place:
                parts += [text[place : match.start()], HIDDEN] if match.start() >= place else []
                place = end
        return "".join([*parts, text[place:]])


class Redaction:
    """Replaces secrets in texts, in the forms in which they turn up; `hide` tells it which."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: dict[str, _Form] = {}
        self.hide(secrets)

    def hide(self, secrets: Iterable[str]) -> None:
        """Add `secrets` to what is replaced."""
        for secret in secrets:
            in_part = _is_machine_made(secret)
            for whole in filter(None, _forms(secret)):
                share = len(whole) // 3 if in_part else len(whole) // 2 + 1
                self._known[whole] = _Form(whole=whole, known=whole[:share], in_part=in_part)
        # Longer ones first: one secret may be the beginning of another.
        self._known = {form: self._known[form] for form in sorted(self._known, key=len, reverse=True)}

    def forget(self) -> None:
        """Replace nothing any more."""
        self._known.clear()

    @property
    def longest(self) -> int:
        """The characters of the longest form of a secret."""
        return max(map(len, self._known), default=0)

    def __call__(self, text: str) -> str:
        """Return `text` without secrets."""
        for form in self._known.values():
            text = form.hidden(text)
        return text


SECRETS = Redaction()
"""Those of this process. The words of servers are kept without them from the moment they are quoted."""


def _is_machine_made(secret: str) -> bool:
    """Tell a key or a token from what begins with a name or an address, which stand in other texts too."""
    return len(secret) >= MACHINE_MADE and _TOKEN.fullmatch(secret) is not None


def _forms(secret: str) -> Iterator[str]:
    """Yield how a secret may be written: as it is, escaped for a URL, JSON, Python or HTML, and in base64."""
    whole = secret.encode(errors="surrogateescape")  # as it came from the environment, which may hold any byte
    yield from (secret, quote(whole, safe=""), quote_plus(whole), json.dumps(secret)[1:-1], repr(secret)[1:-1])
    yield html.escape(secret)
    yield " ".join(secret.split())  # in one line of somebody else's words
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(whole).decode().rstrip("=")


def _in_common(one: str, other: str) -> int:
    """Count the characters with which both begin, in any case of letters."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a.lower() != b.lower()), min(len(one), len(other)))
