"""Secrets are kept out of whatever is written or sent."""

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

HIDDEN = "[hidden]"
CUT = "…"
"""Stands where somebody else's words were cut off."""
MACHINE_MADE = 24
"""Characters from which on a secret is a key or a token: no other text begins like it by chance."""

_TOKEN = re.compile(r"(?:[0-9]+:)?[A-Za-z0-9._~+/=-]+")
"""A key, a JWT, or a bot's token with its number before it."""


class Redaction:
    """Replaces secrets in texts, in the forms in which they turn up; `hide` tells it which."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: dict[str, str] = {}
        self._cut_off = re.compile("(?!)")  # nothing
        self.hide(secrets)

    def hide(self, secrets: Iterable[str]) -> None:
        """Add `secrets` to what is replaced."""
        for secret in secrets:
            for form in filter(None, _forms(secret)):
                self._known[form] = form[: len(form) // 3] if _is_machine_made(secret) else form
        # Longer ones first: one secret may be the beginning of another.
        self._known = {form: self._known[form] for form in sorted(self._known, key=len, reverse=True)}
        short = [_more_than_half(form) for form, known in self._known.items() if form == known]
        self._cut_off = re.compile("|".join(short) or "(?!)", re.IGNORECASE)

    @property
    def longest(self) -> int:
        """The characters of the longest form of a secret."""
        return max(map(len, self._known), default=0)

    def __call__(self, text: str) -> str:
        """Return `text` without secrets."""
        for secret, known in self._known.items():
            text = _without(secret, known, text)
        return self._cut_off.sub(HIDDEN, text)


def _is_machine_made(secret: str) -> bool:
    """Tell a key or a token from what begins with a name or an address, which stand in other texts too."""
    return len(secret) >= MACHINE_MADE and _TOKEN.fullmatch(secret) is not None


def _forms(secret: str) -> Iterator[str]:
    """Yield how a secret may be written: as it is, escaped for a URL, JSON, Python or HTML, and in base64."""
    yield from (secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], repr(secret)[1:-1])
    yield html.escape(secret)
    yield " ".join(secret.split())  # in one line of somebody else's words
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(secret.encode()).decode().rstrip("=")


def _more_than_half(secret: str) -> str:
    """Return the pattern of a secret that somebody else's words break off in."""
    half = len(secret) // 2 + 1
    return f"{re.escape(secret[:half])}{''.join(f'(?:{re.escape(character)}' for character in secret[half:])}" + (
        ")?" * len(secret[half:]) + f"(?={CUT})"
    )


def _without(secret: str, known: str, text: str) -> str:
    """Replace `secret` in `text`, as far as it goes from `known`, the part of it that gives it away.

    In any case of letters, for python-telegram-bot capitalises what Telegram says; a part of a secret only where
    that is MACHINE_MADE, for excerpts and Python's own errors cut it off.
    """
    before, *pieces = re.split(re.escape(known), text, flags=re.IGNORECASE)
    rest = secret[len(known) :]
    return HIDDEN.join([before, *(piece[_in_common(rest, piece) :] for piece in pieces)])


def _in_common(one: str, other: str) -> int:
    """Count the characters with which both begin, in any case of letters."""
    pairs = enumerate(zip(one.lower(), other.lower(), strict=False))
    return next((place for place, pair in pairs if pair[0] != pair[1]), min(len(one), len(other)))
