"""A report as the text under a document in a chat, in Telegram's HTML."""

from collections.abc import Sequence
from html import escape

from ..domain.attachment import Attachment
from ..phrases import english as phrases
from ..phrases.formats import fitted
from .content import Content

CAPTION_LIMIT = 1024
"""UTF-16 units of a Telegram caption without its markup (1,024 characters after entities parsing in the Bot API's
sendDocument, its own count being wider)."""
_REPEAT = f"\n\n{phrases.REPEAT}"
Line = tuple[str, str]
"""A line of a caption: plain text, and what stands in the tag around it, if there is one (`b`, `a href="…"`)."""


def marked_as_repeat(caption: str) -> str:
    """Add to a caption that its message may be there already; there is room for it in every caption."""
    return caption + _REPEAT


def _caption(content: Content, whereabouts: str, file: Attachment) -> str:
    """Write the text under the file in a chat; what matters most stands first, because the end may be cut off."""
    download = (phrases.DOWNLOAD, f'a href="{escape(file.link)}"') if file.link else ("", "")
    paragraphs: list[list[Line]] = [
        [(f"{content.title} - {content.label}{content.marks}", "")],
        [(content.headline, "b"), (content.comparison, ""), (content.to_look_at, "")],
        [(whereabouts, ""), download] if not file.along else [],
        [(remark, "") for remark in content.remarks],
        [(f"{name}: {value}", "") for name, value in content.details],
        [(f"{bar.name}: {bar.count:,}", "") for bar in content.bars],
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
