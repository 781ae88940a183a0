"""A report of what is out of the ordinary as a message of its own, for those who get the alerts."""

from ..phrases.language import phrases_of
from .content import Content


def render(content: Content) -> str:
    """Write the message in plain text; nothing of the table stands in it but figures."""
    phrases = phrases_of(content.language)
    title = phrases.caption_title(content.window, content.name)
    counts = [one.line for one in content.compared] if content.is_compared else []
    lines = [phrases.led(content.lead, title), *content.headlines[1:], content.failure_burst, *counts, *content.figures]
    return "\n".join(filter(None, lines))
