"""Text for operators, in which the words of others are told from ours."""

from collections.abc import Callable, Iterable

from msgspec import Struct

from ..errors import Problem
from ..runtime.visible_text import shortened, units


class Piece(Struct, frozen=True, kw_only=True):
    """A piece of a text; a quote holds the words of others, which nobody's mail program or chat may make a link of."""

    text: str
    is_quote: bool = False


class AlertText(Struct, frozen=True, kw_only=True):
    """A text for operators, piece by piece; `str()` gives it whole."""

    pieces: tuple[Piece, ...]

    def __str__(self) -> str:
        return "".join(piece.text for piece in self.pieces)

    def mapped(self, change: Callable[[str], str]) -> "AlertText":
        """Return the text with each piece changed."""
        changed = (Piece(text=change(piece.text), is_quote=piece.is_quote) for piece in self.pieces)
        return AlertText(pieces=tuple(changed))

    def shortened(self, limit: int) -> "AlertText":
        """Return at most `limit` UTF-16 units of the text; of a quote that is cut the closing mark stays."""
        kept, left = list[Piece](), limit
        for piece in self.pieces:
            size = units(piece.text)
            if size > left:
                kept.append(Piece(text=shortened(piece.text, max(0, left - piece.is_quote)), is_quote=piece.is_quote))
                kept += [ours("”")] if piece.is_quote and left else []
                break
            kept.append(piece)
            left -= size
        return AlertText(pieces=tuple(kept))


def ours(text: str) -> Piece:
    """Return a piece of our own words."""
    return Piece(text=text)


def joined(pieces: Iterable[Piece]) -> AlertText:
    """Return a text of these pieces."""
    return AlertText(pieces=tuple(pieces))


def describe(problem: Problem) -> list[Piece]:
    """Return reason, the server's words as a quote, and remedy."""
    remedy = f" {problem.remedy}" if problem.remedy else ""
    if not problem.said:
        return [ours(f"{problem.reason}{remedy}")]
    reason = problem.reason.removesuffix(".")
    return [ours(f"{reason} (“"), Piece(text=problem.said, is_quote=True), ours(f"”).{remedy}")]
