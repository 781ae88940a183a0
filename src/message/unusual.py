"""A report of what is out of the ordinary as a message of its own, for those who get the alerts."""

from ..phrases.language import phrases_of
from .content import Content


def render(content: Content) -> str:
    """Write the message in plain text; nothing of the table stands in it but figures."""
    lines = [
        phrases_of(content.language).alert_of_unusual(content.window, content.name),
        *content.warnings,
        content.headline,
        content.records,
        content.failure_burst,
    ]
    return "\n".join(dict.fromkeys(filter(None, lines)))
