"""A report as the plain text of a mail."""

from ..domain.attachment import Attachment
from ..phrases.language import phrases_of
from .content import Bar, Content
from .unlinked import unlinked


def render(content: Content, attachment: Attachment) -> str:
    """Write the mail's plain text, in which the workbook is as `attachment` says."""
    phrases = phrases_of(content.language)
    whereabouts = phrases.whereabouts(attachment, content.window, content.rows, "email")
    statuses = [f"  {unlinked(bar.name)}{_behind(bar)}: {phrases.number(bar.count)}" for bar in content.bars]
    worst = [unlinked(f"  {case.moment}, {case.status}: {case.toll}\n    {case.name}") for case in content.worst]
    chart = content.chart
    buckets = zip(chart.starts, chart.buckets, strict=True) if chart else ()
    paragraphs = (
        [f"{phrases.page_title(content.window, content.name)}{content.marks}", content.label],
        [*content.headlines, content.failure_burst, content.records],
        [
            *([one.line for one in content.compared] if content.rows or content.is_compared else []),
            content.what_is_usual,
        ],
        [whereabouts, attachment.link] if not attachment.is_attached else [],
        [*content.remarks],
        [unlinked(content.unfinished)],
        [f"{phrases.ODD_DATA}:", *(f"  {unlinked(anomaly)}" for anomaly in content.anomalies)]
        if content.anomalies
        else [],
        [f"{name}: {value}" for name, value in content.details],
        [f"{phrases.STATUSES}:", *statuses] if statuses else [],
        [f"{chart.title}:", *(f"  {start}: {phrases.bucket(one)}" for start, one in buckets)] if chart else [],
        [f"{phrases.MOST_FAILED}:", *worst] if worst else [],
        [content.unfigured and unlinked(content.unfigured)],
        [whereabouts] if attachment.is_attached else [],
    )
    return "\n\n".join("\n".join(filter(None, lines)) for lines in paragraphs if any(lines)) + "\n"


def _behind(bar: Bar) -> str:
    return bar.counts_as and f" ({bar.counts_as})"
