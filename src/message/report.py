"""The forms of what is told: a mail's subject, text and page, a chat's caption; and the alert when something failed.

Nothing of the table stands in a subject.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from html import escape
from pathlib import Path

from msgspec import Struct

from ..domain.window import Window
from ..phrases import english as words
from ..phrases.formats import fitted
from . import html as letter
from .content import Told

CAPTION_LIMIT = 1024
"""UTF-16 units of a Telegram caption without its markup (1,024 characters after entities parsing in the Bot API's
sendDocument, its own count being wider)."""
ALL_CLEAR = "✅ All clear:"
ALERT = "⚠️ ERROR in Reports Generator:"
ALERT_LIMIT = 4096
"""UTF-16 units of an alert: the characters of a message (Bot API, sendMessage)."""
_OWED_NAMED = 10
_REPEAT = f"\n\n{words.REPEAT}"
Line = tuple[str, str]
"""A line of a caption: plain text, and what stands in the tag around it, if there is one (`b`, `a href="…"`)."""


class File(Struct, frozen=True, kw_only=True):
    """Where the workbook is for one channel: sent along, behind a `link` instead, or left out for a reason.

    `size` in bytes; `until` (aware UTC) is when the link ends; `left_out` is a sentence.
    """

    name: str
    size: int
    link: str = ""
    until: datetime | None = None
    left_out: str = ""

    @property
    def along(self) -> bool:
        """Whether it is sent along."""
        return not self.link and not self.left_out


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


def marked_as_repeat(caption: str) -> str:
    """Add to a caption that its message may be there already; there is room for it in every caption."""
    return caption + _REPEAT


def _whereabouts(file: File, window: Window, channel: str) -> str:
    if file.link:
        return words.linked(file.size, file.until, window, channel)
    return words.left_out(file.left_out) if file.left_out else words.attached(file.name)


def _text(told: Told, whereabouts: str, file: File) -> str:
    """Write the mail's plain text."""
    analyses, *others = [f"{name}: {value}" for name, value in (*told.figures, *told.details)] or [""]
    statuses = [f"  {bar.name}: {bar.count:,}" for bar in told.bars]
    worst = [f"  {case.moment}, {case.status}: {case.toll}\n    {case.name}" for case in told.worst]
    paragraphs = (
        [f"{told.title} for {words.SENDER}{told.marks}", told.label],
        [told.headline, told.comparison],
        [whereabouts, file.link] if not file.along else [],
        [*told.remarks],
        [f"{words.ODD_DATA}:", *(f"  {oddity}" for oddity in told.oddities)] if told.oddities else [],
        [analyses, *statuses, *others],
        [f"{told.worst_title}:", *worst] if worst else [],
        [whereabouts] if file.along else [],
    )
    return "\n\n".join("\n".join(filter(None, lines)) for lines in paragraphs if any(lines)) + "\n"


def _caption(told: Told, whereabouts: str, file: File) -> str:
    """Write the text under the file in a chat; what matters most stands first, because the end may be cut off."""
    download = (words.DOWNLOAD, f'a href="{escape(file.link)}"') if file.link else ("", "")
    paragraphs: list[list[Line]] = [
        [(f"{told.title} - {told.label}{told.marks}", "")],
        [(told.headline, "b"), (told.comparison, ""), (told.to_look_at, "")],
        [(whereabouts, ""), download] if not file.along else [],
        [(remark, "") for remark in told.remarks],
        [(f"{name}: {value}", "") for name, value in told.details],
        [(f"{bar.name}: {bar.count:,}", "") for bar in told.bars],
    ]
    lines = [line for paragraph in paragraphs if paragraph for line in (*filter(any, paragraph), ("", ""))]
    return _marked_up(lines[:-1], CAPTION_LIMIT - len(_REPEAT))


def _marked_up(lines: Sequence[Line], limit: int) -> str:
    """Write `lines` in Telegram's HTML, cut to `limit` UTF-16 units of what is shown, never within a tag or entity."""
    written = []
    for text, tag in lines:
        if limit <= 1:
            break
        kept = escape(fitted(text, limit - 1))
        written.append(f"<{tag}>{kept}</{tag.split()[0]}>" if tag else kept)
        limit -= len(text.encode("utf-16-le")) // 2 + 1
    return "\n".join(written).rstrip()


class Failure(Struct, frozen=True, kw_only=True):
    """What failed, and why: `why` is a sentence that ends in what to do."""

    what: str
    why: str

    @property
    def cause(self) -> str:
        """What stays the same when it fails again: without the server's words, which stand in brackets."""
        return f"{self.what}: {self.why.partition('(')[0].strip()}"


STOPPED = Failure(
    what="the run", why="It was stopped by SIGTERM (a deadline, or its node was drained). Run this window again."
)


def alert(
    window: Window | None,
    failures: Sequence[Failure],
    *,
    owed: Sequence[str] = (),
    outlook: str = "",
    command: str | None = None,
) -> str:
    """Write the alert: the window, what failed and why, who is still owed the report, what makes it good."""
    head, tail = [ALERT], []
    if window:
        head.append(f"Window: {window.template} report, {window.label()}")
    told = [line for failure in failures for line in ("", f"Failed: {failure.what}", failure.why)]
    if owed:
        more = f" and {len(owed) - _OWED_NAMED} more" if len(owed) > _OWED_NAMED else ""
        tail += ["", f"Still owed: {', '.join(owed[:_OWED_NAMED])}{more}"]
    if outlook:
        tail.append(outlook)
    if command:
        tail += ["", "To make it good, mend the cause, then run:", command]
    first, last = "\n".join(head) + "\n", "\n".join(["", *tail])
    # What is told of the failures gives way, never the window, the owed or the command.
    return first + fitted("\n".join(told), ALERT_LIMIT - len(first) - len(last)) + last


def all_clear(window: Window, *, skipped: bool = False) -> str:
    """Write that a window somebody was alerted of has reached everyone, or was `skipped` as empty."""
    end = "was skipped: it has no rows" if skipped else "has now been delivered to everyone"
    return f"{ALL_CLEAR} the {window.template} report of {window.label()} {end}."
