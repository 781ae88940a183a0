"""A report as the plain text of a mail."""

from ..domain.attachment import Attachment
from ..phrases import english as phrases
from .content import Content
from .unlinked import unlinked


def render(content: Content, attachment: Attachment) -> str:
    """Write the mail's plain text, in which the workbook is as `attachment` says."""
    whereabouts = phrases.whereabouts(attachment, content.zone, "email")
    analyses, *others = [f"{name}: {value}" for name, value in (*content.figures, *content.details)] or [""]
    statuses = [f"  {unlinked(bar.name)}: {bar.count:,}" for bar in content.bars]
    worst = [unlinked(f"  {case.moment}, {case.status}: {case.toll}\n    {case.name}") for case in content.worst]
    paragraphs = (
        [f"{phrases.page_title(content.title)}{content.marks}", content.label],
        [content.headline, content.comparison],
        [whereabouts, attachment.link] if not attachment.is_attached else [],
        [*content.remarks],
        [f"{phrases.ODD_DATA}:", *(f"  {anomaly}" for anomaly in content.anomalies)] if content.anomalies else [],
        [analyses, *statuses, *others],
        [f"{content.worst_title}:", *worst] if worst else [],
        [whereabouts] if attachment.is_attached else [],
    )
    return "\n\n".join("\n".join(filter(None, lines)) for lines in paragraphs if any(lines)) + "\n"
