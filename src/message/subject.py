"""A report as the subject of a mail."""

from ..phrases.language import phrases_of
from .content import Content


def render(content: Content) -> str:
    """Write the subject; nothing of the table stands in it."""
    phrases = phrases_of(content.language)
    warned = f" {phrases.warned('; '.join(content.warned))}" if content.warned else ""
    return phrases.subject(content.window, content.name, f"{content.marks}{warned}")
