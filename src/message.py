"""The words: subject, text and caption of a report, and the alert when something failed.

Every text is plain; nothing of the table stands in a subject.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from .summary import Summary
from .window import Window

CAPTION_LIMIT = 1024
"""UTF-16 units of a Telegram caption (1,024 characters in the Bot API's sendDocument, its own count being wider)."""
ALERT = "⚠️ ERROR in Reports Generator:"
_STATUSES_SHOWN = 8
_STATUS_LENGTH = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """One window's report, ready for every recipient.

    `identity` names this delivery: the same for every attempt at it, another for any other report.
    `created` is aware UTC.
    """

    window: Window
    identity: str
    created: datetime
    attachment: Path
    subject: str
    text: str
    caption: str


def subject(window: Window) -> str:
    """Write the subject of the mail: `Digital Twin Hourly Report - 2026-11-23 13:00-14:00 UTC`."""
    return f"Digital Twin {_title(window)} - {window.label()}"


def caption(window: Window, summary: Summary) -> str:
    """Write the text under the file in a chat, at most CAPTION_LIMIT long."""
    text = f"{_title(window)} - {window.label()}\n\n{_figures(window, summary)}"
    units = text.encode("utf-16-le")
    if len(units) <= CAPTION_LIMIT * 2:
        return text
    return units[: CAPTION_LIMIT * 2 - 2].decode("utf-16-le", "ignore") + "…"


def body(window: Window, summary: Summary, attachment: Path) -> str:
    """Write the mail's plain text: the window, the main figures, what is attached."""
    return (
        f"{_title(window)} for Digital Twin\n{window.label()}\n\n"
        f"{_figures(window, summary)}\n\n"
        f"Every analysis is in the attached workbook, {attachment.name}.\n"
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """What failed, and why: `why` is a sentence that ends in what to do."""

    what: str
    why: str


def alert(window: Window | None, failures: Sequence[Failure], *, owed: Sequence[str], command: str | None) -> str:
    """Write the alert: the window, what failed and why, who is still owed the report, what makes it good."""
    lines = [ALERT]
    if window:
        lines.append(f"Window: {window.template} report, {window.label()}")
    for failure in failures:
        lines += ["", f"Failed: {failure.what}", failure.why]
    lines += ["", f"Still owed: {', '.join(owed)}"]
    if command:
        lines += ["", "To make it good, mend the cause, then run:", command]
    return "\n".join(lines)


def rate(value: float | None) -> str:
    """Write a share for people: `97.8 %`, or `-` where there is none."""
    return "-" if value is None else f"{value * 100:.1f} %"


def _title(window: Window) -> str:
    return f"{window.template.title()} Report"


def _figures(window: Window, summary: Summary) -> str:
    if not summary.rows:
        return f"No analyses in {window.label()}."
    statuses = summary.statuses()
    lines = [f"Analyses: {summary.rows:,}"]
    lines += [f"  {_shortened(status)}: {count:,}" for status, count in statuses[:_STATUSES_SHOWN]]
    if rest := statuses[_STATUSES_SHOWN:]:
        lines.append(f"  {len(rest):,} other statuses: {sum(count for _, count in rest):,}")
    lines += [
        f"Records processed: {summary.processed:,}",
        f"Records failed: {summary.failed:,}",
        f"Success rate: {rate(summary.success_rate)}",
    ]
    return "\n".join(lines)


def _shortened(status: str) -> str:
    line = " ".join(status.split())
    return line if len(line) <= _STATUS_LENGTH else line[: _STATUS_LENGTH - 1] + "…"
