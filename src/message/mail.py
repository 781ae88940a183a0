"""A report as a mail: its subject, its plain text, and its page, which Gmail, Outlook and a phone show alike.

What the page looks like is its template's. Text of the table is written so that no mail program makes a link of it.
"""

import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from ..domain.delivery import Attachment
from ..phrases.language import Phrases, phrases_of
from .content import Bar, Chart, Content

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.bccache import Bucket

_HEIGHT = 56
"""Pixels of the highest bar of the chart."""
_LABELS = 4
"""Clock times below the chart."""
_TEMPLATES = Path(__file__).parent / "templates"
_WORD_JOINER = "\u2060"
# Before "://", before @, and before a dot in a name: "1.5 s" and "done. next" stay as they are.
_LINKED = re.compile(r"(?=://)|(?<=\S)(?=@\S)|(?<=\w)(?=[.。．｡][^\W\d])")


class ChartBar(Struct, frozen=True, kw_only=True):
    """One bar of the chart: the heights of its two parts in pixels."""

    failed: int
    others: int


def render_subject(content: Content) -> str:
    """Write the subject: in an unusual hour the fact first; nothing of the table stands in it."""
    phrases = phrases_of(content.language)
    return f"{phrases.with_lead(content.lead, phrases.subject(content.window, content.name))}{content.marks}"


def render_text(content: Content, attachment: Attachment) -> str:
    """Write the mail's plain text, in which the workbook is as `attachment` says."""
    phrases, comparison, figures = phrases_of(content.language), content.comparison, content.figures
    whereabouts = phrases.whereabouts(attachment, content.window, content.rows, "email")
    counts = [one.line for one in comparison.rows] if content.rows or comparison.is_compared else []
    statuses = [f"{unlinked(bar.name)}{_behind(bar)}: {phrases.number(bar.count)}" for bar in figures.bars]
    worst = [unlinked(f"{case.moment}, {case.status}: {case.toll}\n    {case.name}") for case in figures.worst]
    paragraphs = (
        [f"{phrases.page_title(content.window, content.name)}{content.marks}", phrases.label(content.window)],
        [*content.headlines, figures.failure_burst, content.records],
        [*counts, comparison.what_is_usual],
        [whereabouts, attachment.link] if not attachment.is_attached else [],
        [*content.remarks],
        [unlinked(figures.unfinished)],
        _listed(phrases.ODD_DATA, [unlinked(anomaly) for anomaly in figures.anomalies]),
        [f"{name}: {value}" for name, value in figures.details],
        _listed(phrases.STATUSES, statuses),
        _listed(figures.chart.title, _buckets(phrases, figures.chart)) if figures.chart else [],
        _listed(phrases.MOST_FAILED, worst),
        [unlinked(figures.unfigured)],
        [whereabouts] if attachment.is_attached else [],
    )
    return "\n\n".join("\n".join(filter(None, lines)) for lines in paragraphs if any(lines)) + "\n"


def _behind(bar: Bar) -> str:
    return bar.counts_as and f" ({bar.counts_as})"


def _buckets(phrases: Phrases, chart: Chart) -> list[str]:
    return [f"{start}: {phrases.bucket(one)}" for start, one in zip(chart.starts, chart.buckets, strict=True)]


def _listed(heading: str, lines: Sequence[str]) -> list[str]:
    return [f"{heading}:", *(f"  {line}" for line in lines)] if lines else []


def render_page(content: Content, attachment: Attachment) -> str:
    """Write the page, in which the workbook is as `attachment` says."""
    phrases, chart = phrases_of(content.language), content.figures.chart
    counts = [] if content.comparison.is_compared else [(one.name, one.now) for one in content.comparison.rows]
    return load_template().render(
        content=content,
        attachment=attachment,
        preview=_preview(content),
        whereabouts=phrases.whereabouts(attachment, content.window, content.rows, "email"),
        figures=[*counts, *content.figures.details] if content.rows else [],
        columns=_columns(chart) if chart else [],
        labels=_labels(chart) if chart else [],
        height=_HEIGHT,
        phrases=phrases,
    )


def _preview(content: Content) -> list[str]:
    """Return sentences that say what the subject doesn't: of an unusual hour, the other deviations first."""
    if not content.rows:
        return [content.comparison.rows[0].line]
    headlines = [f"{headline}." for headline in content.headlines[bool(content.lead) :]]
    return [*headlines, content.figures.failure_burst, content.records]


def _columns(chart: Chart) -> list[ChartBar]:
    """Return the bars; whatever is there, be it one analysis, can be seen."""
    most = max(1, *(bucket.analyses for bucket in chart.buckets))
    columns = []
    for bucket in chart.buckets:
        height = max(2 if bucket.analyses else 0, round(bucket.analyses / most * _HEIGHT))
        failed = max(1, round(bucket.failed / bucket.analyses * height)) if bucket.failed else 0
        columns.append(ChartBar(failed=failed, others=height - failed))
    return columns


def _labels(chart: Chart) -> list[tuple[str, int]]:
    """Return the clock times below the chart, each with the number of bars that it stands under."""
    span = len(chart.starts) // _LABELS
    *firsts, last = range(0, span * _LABELS, span)
    return [*((chart.starts[first], span) for first in firsts), (chart.starts[last], len(chart.starts) - last)]


def unlinked(text: str) -> str:
    """Return `text` with a word joiner wherever an address of the web or of a mailbox hangs together.

    No markup keeps Gmail, Outlook and Apple Mail from making a link of `evil.example` that stands as text in a page
    or in plain text. They all stop where the address is broken by a character without width at which no line is
    broken; whoever copies such an address copies that too. The workbook has it as it is.
    """
    return _LINKED.sub(_WORD_JOINER, text)


@cache
def load_template() -> "Template":
    """Load the template, once, and Jinja2 with it: a run that sends no mail does without.

    Its bytecode is kept beside that of this module, if Python may write that.
    """
    from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined

    class Kept(FileSystemBytecodeCache):
        def dump_bytecode(self, bucket: "Bucket") -> None:
            with suppress(OSError):  # on a read-only file system, for one
                if not sys.dont_write_bytecode:
                    super().dump_bytecode(bucket)

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        loader=FileSystemLoader(_TEMPLATES),
        bytecode_cache=Kept(str(Path(cache_from_source(__file__)).parent), "%s.jinja"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["unlinked"] = unlinked
    return environment.get_template("report.html")
