"""A report as the text under a document in a chat, in Telegram's HTML."""

from collections.abc import Sequence
from html import escape
from urllib.parse import urlsplit

from ..domain.attachment import Attachment
from ..phrases import english as phrases
from ..runtime.visible_text import shortened, units
from .content import Content

CAPTION_LIMIT = 1024
"""UTF-16 units of a Telegram caption without its markup (1,024 characters after entities parsing in the Bot API's
sendDocument, its own count being wider)."""
TEXT_LIMIT = 4096
"""The same of a message without a document (sendMessage); there, a link of any length has its room."""
_REPEAT = f"\n\n{phrases.REPEAT}"
Line = tuple[str, str]
"""A line of a caption: plain text, and what stands in the tag around it, if there is one (`b`, `a href="…"`)."""


def render(content: Content, attachment: Attachment, *, is_repeat: bool = False) -> str:
    """Write the text under the workbook in a chat, or in its place, as `attachment` says.

    What matters most stands first, because the end may be cut off; a repeat's note has room in every caption.
    """
    paragraphs: list[list[Line]] = [
        [(f"{content.title} - {content.label}{phrases.named(content.name)}{content.marks}", "")],
        [(phrases.warned(warning), "b") for warning in content.warnings],
        [(content.headline, "b"), (content.records, ""), (content.cluster, "")],
        [(one.line, "") for one in content.compared] if content.is_compared else [],
        [(phrases.odd_data(content.anomalies), "")],
        _workbook(content, attachment),
        [(remark, "") for remark in content.remarks],
        [(f"{name}: {value}", "") for name, value in content.details],
        [(f"{bar.name}: {bar.count:,}", "") for bar in content.bars],
    ]
    lines = [
        line for paragraph in paragraphs if any(map(any, paragraph)) for line in (*filter(any, paragraph), ("", ""))
    ]
    limit = CAPTION_LIMIT if attachment.is_attached else TEXT_LIMIT
    return _marked_up(lines[:-1], limit - len(_REPEAT)) + (_REPEAT if is_repeat else "")


def _workbook(content: Content, attachment: Attachment) -> list[Line]:
    """Say where the workbook is, unless it stands above the caption."""
    if attachment.is_attached:
        return []
    lines: list[Line] = [(phrases.whereabouts(attachment, content.window, content.rows, "telegram"), "")]
    if not attachment.link:
        return lines
    host = urlsplit(attachment.link).hostname or ""
    if "." not in host and ":" not in host:  # Telegram drops such a link without a word; as text it can be copied
        return [*lines, (attachment.link, "")]
    return [*lines, (phrases.DOWNLOAD, f'a href="{escape(attachment.link)}"')]


def _marked_up(lines: Sequence[Line], limit: int) -> str:
    """Write `lines` in Telegram's HTML, cut to `limit` UTF-16 units of what is shown, never within a tag or entity."""
    written = []
    for text, tag in lines:
        if limit <= 1:
            break
        kept = escape(shortened(text, limit - 1))
        written.append(f"<{tag}>{kept}</{tag.split()[0]}>" if tag else kept)
        limit -= units(text) + 1
    return "\n".join(written).rstrip()
