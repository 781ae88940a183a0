"""A report as the plain text of a mail."""

from ..domain.attachment import Attachment
from ..phrases import english as phrases
from .content import Content


def _text(content: Content, whereabouts: str, file: Attachment) -> str:
    """Write the mail's plain text."""
    analyses, *others = [f"{name}: {value}" for name, value in (*content.figures, *content.details)] or [""]
    statuses = [f"  {bar.name}: {bar.count:,}" for bar in content.bars]
    worst = [f"  {case.moment}, {case.status}: {case.toll}\n    {case.name}" for case in content.worst]
    paragraphs = (
        [f"{content.title} for {phrases.SENDER}{content.marks}", content.label],
        [content.headline, content.comparison],
        [whereabouts, file.link] if not file.along else [],
        [*content.remarks],
        [f"{phrases.ODD_DATA}:", *(f"  {anomaly}" for anomaly in content.anomalies)] if content.anomalies else [],
        [analyses, *statuses, *others],
        [f"{content.worst_title}:", *worst] if worst else [],
        [whereabouts] if file.along else [],
    )
    return "\n\n".join("\n".join(filter(None, lines)) for lines in paragraphs if any(lines)) + "\n"
