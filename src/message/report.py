"""The forms of what is told: a mail's subject, text and page, a chat's caption; and the alert when something failed.

Nothing of the table stands in a subject.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from ..domain.attachment import File
from ..domain.window import Window
from ..phrases import english as words
from . import html as letter
from .caption import _caption
from .content import Told
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
    worded: Callable[[File], Wording]
    repeats: str = ""
    stored: Callable[[], Awaitable[File]] | None = None
    moved: File | None = None

    @property
    def file(self) -> File:
        """Where the workbook is: sent along, unless it was moved."""
        return self.moved or File(name=self.attachment.name, size=self.attachment.stat().st_size)


def worded(file: File, told: Told, window: Window) -> Wording:
    """Write a report for every channel."""
    in_mail, in_chat = (_whereabouts(file, window, channel) for channel in ("email", "Telegram"))
    return Wording(
        subject=f"{words.SENDER} {told.title} - {told.label}{told.marks}",
        text=_text(told, in_mail, file),
        html=letter.rendered(told, in_mail, apart=not file.along, link=file.link),
        caption=_caption(told, in_chat, file),
    )


def _whereabouts(file: File, window: Window, channel: str) -> str:
    if file.link:
        return words.linked(file.size, file.until, window, channel)
    return words.left_out(file.left_out) if file.left_out else words.attached(file.name)
