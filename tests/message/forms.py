"""A report in all of its forms, and as people see them."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

from src.domain.delivery import Attachment
from src.message.caption import render_caption
from src.message.content import Content
from src.message.mail import render_page, render_subject, render_text

from ..sandbox.markup import plain


@dataclass
class Page(HTMLParser):
    """A page as a mail program reads it: its elements, their attributes, and the text."""

    markup: str
    tags: set[str] = field(default_factory=set)
    attributes: list[tuple[str, str | None]] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an element."""
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        """Keep text."""
        self.text += data


@dataclass(frozen=True, kw_only=True)
class Forms:
    """One report in all of its forms; `repeat` is its caption where it may be there already."""

    subject: str
    text: str
    html: str
    caption: str
    repeat: str

    @property
    def shown(self) -> tuple[str, str, str]:
        """What a reader sees of the text, of the page and of the caption."""
        return self.text, Page(self.html).text, plain(self.caption)


def all_forms(content: Content, attachment: Attachment) -> Forms:
    """Render a report in every form."""
    return Forms(
        subject=render_subject(content),
        text=render_text(content, attachment),
        html=render_page(content, attachment),
        caption=render_caption(content, attachment),
        repeat=render_caption(content, attachment, is_repeat=True),
    )
