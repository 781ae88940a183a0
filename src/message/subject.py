"""A report as the subject of a mail."""

from ..phrases import english as phrases
from .content import Content


def render(content: Content) -> str:
    """Write the subject; nothing of the table stands in it."""
    return f"{phrases.SENDER} {content.title} - {content.label}{content.marks}"
