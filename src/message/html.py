"""The mail's page: the words in HTML that Gmail, Outlook and a phone show alike.

Mail programs know little of the web: tables, styles on the elements themselves, no images.
Whatever else stands in the template (dark colours) is an extra that may be ignored.

The template's parts are filled here. What is put into one is escaped, unless it is a part itself: markup comes from
the template alone. (A template engine would take longer to load than all of a report's words to write.)
"""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from html import escape
from pathlib import Path
from string import Template

from ..domain.attachment import Attachment
from ..phrases import english as phrases
from ..phrases.formats import rate
from .content import Bar, Case, Content, Labelled

_TEMPLATE = Path(__file__).parent / "templates" / "report.html"
_FONT = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;"
_WRAP = "word-break:break-word;overflow-wrap:anywhere;"
_GOOD = {"name_class": "text", "ink": "#1f2937", "bar_class": "good-bar", "colour": "#4472c4"}
_BAD = {"name_class": "bad", "ink": "#a8430a", "bar_class": "bad-bar", "colour": "#c2570c"}
_FILLER_SIGNS = 60
"""Blanks behind the headline, so that a mailbox's list shows no more than it of the page."""


class _Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def render(content: Content, attachment: Attachment) -> str:
    """Write the page, everything in it escaped; where the workbook is stands on top if that is not in the mail."""
    whereabouts = phrases.whereabouts(attachment, content.zone, "email")
    sections = [
        _where(whereabouts, attachment.link) if not attachment.is_attached else "",
        _note(content.remarks),
        _note(content.anomalies, phrases.ODD_DATA),
        _cards([*content.figures, *content.details]),
        _listed(phrases.STATUSES, map(_bar, content.bars)),
        _listed(content.worst_title, map(_case, content.worst)),
    ]
    return _part(
        "page",
        language=phrases.LANGUAGE,
        title=content.title,
        label=content.label,
        marks=content.marks,
        headline=content.headline,
        comparison=content.comparison,
        filler=_Markup("&#847;&zwnj;&nbsp;" * _FILLER_SIGNS),
        compared=_part("compared", text=content.comparison) if content.comparison else "",
        sections=_joined(sections),
        foot=whereabouts if attachment.is_attached else "",
    )


def _where(whereabouts: str, link: str) -> str:
    if not link:
        return _note([whereabouts])
    return _part("download", whereabouts=whereabouts, link=link, download=phrases.DOWNLOAD)


def _note(lines: Sequence[str], name: str = "") -> str:
    if not lines:
        return ""
    head: list[str] = [_part("name", name=name)] if name else []
    first, *others = [*head, *lines]
    return _part("note", first=first, others=_joined(_part("below", text=other) for other in others))


def _cards(figures: Sequence[Labelled]) -> str:
    """Put figures two by two."""
    cards = [_part("card", name=name, value=value) for name, value in figures]
    pairs = [_part("pair", cards=_joined(cards[place : place + 2])) for place in range(0, len(cards), 2)]
    return _part("cards", rows=_joined(pairs)) if pairs else ""


def _listed(title: str, rows: Iterable[str]) -> str:
    listed = _joined(rows)
    return _joined([_part("heading", text=title), _part("list", rows=listed)]) if listed else ""


def _bar(bar: Bar) -> str:
    width = min(max(round(bar.share * 100), 1), 100)
    return _part(
        "bar",
        **(_BAD if bar.failed else _GOOD),
        name=bar.name,
        count=f"{bar.count:,}",
        share=rate(bar.share),
        width=width,
        rest=_part("rest", width=100 - width) if width < 100 else "",
    )


def _case(case: Case) -> str:
    status = _part("failed status" if case.failed else "status", status=case.status)
    return _part("case", toll=case.toll, moment=case.moment, status=status, name=case.name)


def _part(part: str, **values: object) -> _Markup:
    """Fill a part of the template."""
    return _Markup(_parts()[part].substitute({name: _as_markup(value) for name, value in values.items()}))


def _joined(pieces: Iterable[str]) -> _Markup:
    """Put pieces one behind the other."""
    return _Markup("".join(map(_as_markup, pieces)))


def _as_markup(value: object) -> str:
    return value if isinstance(value, _Markup) else escape(str(value))


@cache
def _parts() -> dict[str, Template]:
    text = _TEMPLATE.read_text(encoding="utf-8").replace("$font", _FONT).replace("$wrap", _WRAP)
    _, *pieces = re.split(r"<!-- part (.+) -->\n", text)
    return {name: Template(part) for name, part in zip(pieces[::2], pieces[1::2], strict=True)}
