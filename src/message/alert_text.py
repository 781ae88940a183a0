"""Text for operators, in which the words of others and commands are marked."""

from collections.abc import Callable, Iterable

from msgspec import Struct
from msgspec.structs import replace

from ..errors import Problem
from ..runtime.visible_text import shortened, units


class Piece(Struct, frozen=True, kw_only=True):
    """A piece of a text.

    A quote holds the words of others, of which no mail program or chat may make a link; a command is to be copied.
    """

    text: str
    is_quote: bool = False
    is_command: bool = False


class AlertText(Struct, frozen=True, kw_only=True):
    """A text for operators, piece by piece; `str()` gives it whole."""

    pieces: tuple[Piece, ...]

    def __str__(self) -> str:
        return "".join(piece.text for piece in self.pieces)

    def mapped(self, change: Callable[[str], str]) -> "AlertText":
        """Return the text with each piece changed."""
        changed = (replace(piece, text=change(piece.text)) for piece in self.pieces)
        return AlertText(pieces=tuple(changed))

    def shortened(self, limit: int) -> "AlertText":
        """Return at most `limit` UTF-16 units of the text; of a quote that is cut the closing mark stays."""
        kept, left = list[Piece](), limit
        for piece in self.pieces:
            size = units(piece.text)
            if size > left:
                kept.append(replace(piece, text=shortened(piece.text, max(0, left - piece.is_quote))))
                kept += [ours("”")] if piece.is_quote and left else []
                break
            kept.append(piece)
            left -= size
        return AlertText(pieces=tuple(kept))


def ours(text: str) -> Piece:
    """Return a piece of our own words."""
    return Piece(text=text)


def command_piece(line: str) -> Piece:
    """Return a piece that is a command."""
    return Piece(text=line, is_command=True)


def joined(pieces: Iterable[Piece]) -> AlertText:
    """Return a text of these pieces."""
    return AlertText(pieces=tuple(pieces))


def describe(problem: Problem) -> list[Piece]:
    """Return reason, the server's words as a quote, and remedy."""
    if not problem.said:
        return [ours(str(problem))]
    remedy = f" {problem.remedy}" if problem.remedy else ""
    reason = problem.reason.removesuffix(".")
    return [ours(f"{reason} (“"), Piece(text=problem.said, is_quote=True), ours(f"”).{remedy}")]
