"""A report as the plain text of a mail."""

from ..domain.attachment import File
from ..phrases import english as words
from .content import Told


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
