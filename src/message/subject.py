"""A report as the subject of a mail."""

from ..phrases.language import phrases_of
from .content import Content


def render(content: Content) -> str:
    """Write the subject: in an unusual hour the fact first; nothing of the table stands in it."""
    phrases = phrases_of(content.language)
    return f"{phrases.led(content.lead, phrases.subject(content.window, content.name))}{content.marks}"
