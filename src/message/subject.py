"""A report as the subject of a mail."""

from ..phrases import english as phrases
from .content import Content


def render(content: Content) -> str:
    """Write the subject; nothing of the table stands in it."""
    warned = f" {phrases.warned('; '.join(content.warned))}" if content.warned else ""
    return phrases.subject(content.name, content.title, content.label, f"{content.marks}{warned}")
