"""A report in a chat: the text under its document, in Telegram's HTML, and a message of its own."""

import re
from collections.abc import Sequence
from html import escape
from urllib.parse import urlsplit

from ..domain.delivery import Attachment
from ..phrases.language import Phrases, phrases_of
from ..runtime.visible_text import shortened, units
from .content import Bar, Content

CAPTION_LIMIT = 1024
"""UTF-16 units of a Telegram caption without its markup (1,024 characters after entities parsing in the Bot API's
sendDocument, its own count being wider)."""
TEXT_LIMIT = 4096
"""The same of a message without a document (sendMessage); there, a link of any length has its room."""
Part = tuple[str, str]
"""Plain text, and what stands in the tag around it, if there is one (`b`, `code`, `a href="…"`)."""
Line = tuple[Part, ...]
# Anything else may make a link: @name, /start@bot, #tag, $TAG, an address, a number to call or of a bank card.
_NO_LINK = re.compile(r"(?!.*\d{7})[\w ,()-]*")


def render_caption(content: Content, attachment: Attachment, *, is_repeat: bool = False) -> str:
    """Write the text under the workbook in a chat, or in its place, as `attachment` says.

    What matters most stands first, because the end may be cut off; a repeat's note has room in every caption.
    """
    phrases, comparison, figures = phrases_of(content.language), content.comparison, content.figures
    paragraphs: list[list[Line]] = [
        _head(phrases, content),
        [*map(_line, content.remarks)],
        _workbook(phrases, content, attachment),
        [
            _line(figures.failure_burst),
            *(_line(one.line) for one in comparison.rows if comparison.is_compared),
            _line("" if comparison.is_usual_known else comparison.what_is_usual),
            *map(_line, figures.lines),
            *(_line(phrases.marked(anomaly)) for anomaly in figures.anomalies),
            (_of_the_table(figures.unfinished),),
            _statuses(phrases, figures.bars),
        ],
    ]
    whole = [[*filter(_text, paragraph)] for paragraph in paragraphs]
    lines = [line for paragraph in whole if paragraph for line in (*paragraph, _line(""))]
    limit = CAPTION_LIMIT if attachment.is_attached else TEXT_LIMIT
    repeat = f"\n\n{phrases.REPEAT}"
    return _marked_up(lines[:-1], limit - units(repeat)) + (repeat if is_repeat else "")


def render_unusual(content: Content) -> str:
    """Write a message of its own, for those who get the alerts, of what is unusual.

    It is plain text; nothing of the table stands in it but figures.
    """
    phrases = phrases_of(content.language)
    title = phrases.caption_title(content.window, content.name)
    counts = [one.line for one in content.comparison.rows if content.comparison.is_compared]
    figures = [content.figures.failure_burst, *counts, *content.figures.lines]
    lines = [phrases.with_lead(content.lead, title), *content.headlines[1:], *figures]
    return "\n".join(filter(None, lines))


def _line(text: str, tag: str = "") -> Line:
    return ((text, tag),)


def _head(phrases: Phrases, content: Content) -> list[Line]:
    """Name the report, and say what matters most: before its name in an unusual hour, behind it in a normal one."""
    title = _line(f"{phrases.caption_title(content.window, content.name)}{content.marks}")
    headlines = [_line(headline, "b") for headline in content.headlines]
    return [*headlines, title] if content.lead else [title, *headlines]


def _statuses(phrases: Phrases, bars: Sequence[Bar]) -> Line:
    parts = [
        part for bar in bars for part in ((" · ", ""), _of_the_table(bar.name), (f" {phrases.number(bar.count)}", ""))
    ]
    return tuple(parts[1:])


def _text(line: Line) -> str:
    return "".join(text for text, _ in line)


def _of_the_table(text: str) -> Part:
    """Keep Telegram from making a link of text of the table: of code it makes none."""
    return text, "" if _NO_LINK.fullmatch(text) else "code"


def _workbook(phrases: Phrases, content: Content, attachment: Attachment) -> list[Line]:
    """Say where the workbook is, unless it stands above the caption."""
    if attachment.is_attached:
        return []
    lines = [_line(phrases.whereabouts(attachment, content.window, content.rows, "telegram"))]
    if not attachment.link:
        return lines
    host = urlsplit(attachment.link).hostname or ""
    if "." not in host and ":" not in host:  # Telegram drops such a link without a word; as text it can be copied
        return [*lines, _line(attachment.link)]
    return [*lines, _line(phrases.DOWNLOAD, f'a href="{escape(attachment.link)}"')]


def _marked_up(lines: Sequence[Line], limit: int) -> str:
    """Write `lines` in Telegram's HTML, cut to `limit` UTF-16 units of what is shown, never within a tag or entity."""
    written = []
    for line in lines:
        if limit <= 1:
            break
        kept, parts = shortened(_text(line), limit - 1), []
        for text, tag in line:
            parts.append(_tagged(kept[: len(text)], tag))
            kept = kept[len(text) :]
        written.append("".join([*parts, escape(kept)]))
        limit -= units(_text(line)) + 1
    return "\n".join(written).rstrip()


def _tagged(text: str, tag: str) -> str:
    return f"<{tag}>{escape(text)}</{tag.split()[0]}>" if tag and text else escape(text)
