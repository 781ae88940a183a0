"""The forms of what is content: a mail's subject, text and page, a chat's caption; and the alert when something failed.

Nothing of the table stands in a subject.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from ..domain.attachment import Attachment
from ..domain.window import Window
from ..phrases import english as phrases
from . import html as letter
from .caption import _caption
from .content import Content
from .text import _text


class Wording(Struct, frozen=True, kw_only=True):
    """One report in the words of every channel: `html` is the mail's page, `caption` is in Telegram's HTML."""

    subject: str
    text: str
    html: str
    caption: str


class Report(Struct, frozen=True, kw_only=True):
    """One window's report, ready for every recipient.

    `identity` names this delivery: the same for every attempt at it, another for any other report;
    `repeats` is the identity of the delivery that this one repeats on purpose, if it does.
    `created` is aware UTC. `worded` writes the report for a channel, given where its file is.
    `stored` puts the workbook behind a link, or raises StorageError; None where there is no REPORT_BUCKET.
    `moved` says where the workbook is, if not sent along.
    """

    window: Window
    identity: str
    created: datetime
    attachment: Path
    worded: Callable[[Attachment], Wording]
    repeats: str = ""
    stored: Callable[[], Awaitable[Attachment]] | None = None
    moved: Attachment | None = None

    @property
    def file(self) -> Attachment:
        """Where the workbook is: sent along, unless it was moved."""
        return self.moved or Attachment(name=self.attachment.name, size=self.attachment.stat().st_size)


def worded(file: Attachment, content: Content, window: Window) -> Wording:
    """Write a report for every channel."""
    in_mail, in_chat = (_whereabouts(file, window, channel) for channel in ("email", "Telegram"))
    return Wording(
        subject=f"{phrases.SENDER} {content.title} - {content.label}{content.marks}",
        text=_text(content, in_mail, file),
        html=letter.rendered(content, in_mail, apart=not file.along, link=file.link),
        caption=_caption(content, in_chat, file),
    )


def _whereabouts(file: Attachment, window: Window, channel: str) -> str:
    if file.link:
        return phrases.linked(file.size, file.until, window, channel)
    return phrases.left_out(file.left_out) if file.left_out else phrases.attached(file.name)
