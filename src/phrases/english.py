"""The words of a report: every sentence and label that a person reads, plain text of no form yet.

Nothing else in the program speaks to those who get the report; a second language is a second module like this one.
Text of the table comes in by `plain.shown` only.
"""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from ..domain.attachment import Attachment
from ..domain.summary import Summary
from ..domain.window import Window, day_of
from .formats import megabytes, moment, rate, shown

LANGUAGE = "en"
SENDER = "Digital Twin"
LATE = " (late)"
ODD = " (odd data)"
ROWS_LATE = " (rows came late)"
ODD_DATA = "Odd data"
STATUSES = "Statuses"
NO_STATUS = "(no status)"
MOST_FAILED = "Most records failed"
SLOWEST = "The slowest"
DOWNLOAD = "Download the workbook"
REPEAT = "This may be a repeat: the answer to the first attempt got lost."
ANALYSES = "Analyses"
FAILED_ANALYSES = "Failed analyses"
SUCCESS_RATE = "Success rate"
PROCESSED = "Records processed"
FAILED = "Records failed"
MEDIAN = "Half took at most"
P95 = "95 % took at most"
LONGEST = "The longest took"
SHORTENED = "… [shortened]"
_CHANNELS = {"email": "email", "telegram": "Telegram"}
_REASON_LENGTH = 300


def title(window: Window) -> str:
    """Name the kind of report: `Hourly Report`."""
    return f"{window.template.title()} Report"


def headline(window: Window, summary: Summary) -> str:
    """Say it all in one line: `2,431 analyses, 97.8 % of records succeeded, 12 failed` (12 analyses, that is)."""
    if not summary.rows:
        return f"No analyses in {window.label()}."
    parts = [analyses(summary.rows)]
    if not summary.processed:
        parts.append("no records processed")
    elif summary.success_rate is not None:
        parts.append(f"{rate(summary.success_rate)} of records succeeded")
    return ", ".join([*parts, f"{summary.failed_analyses:,} failed" if summary.failed_analyses else "none failed"])


def comparison(window: Window, rows: int, before: int | None) -> str:
    """Compare with the window before: `212 more than the hour before (2,219).`; nothing where that isn't known."""
    if before is None:
        return ""
    span = f"the {_span(window)} before"
    if not rows or not before:
        return f"The {_span(window)} before had {f'{before:,}' if before else 'none'}."
    if rows == before:
        return f"As many as {span}."
    return f"{abs(rows - before):,} {'more' if rows > before else 'fewer'} than {span} ({before:,})."


def to_look_at(failed: int, anomalies: Sequence[str]) -> str:
    """Say in one line what is wrong: how many analyses failed, and what is odd."""
    wrong = [f"{analyses(failed)} failed" if failed else "", *anomalies]
    return f"To look at: {'; '.join(filter(None, wrong))}" if any(wrong) else ""


def anomaly(what: str, count: int) -> str:
    """Say what is odd, and how often."""
    return f"{shown(what, 80)}: {analyses(count)}"


def late_rows(window: Window, more: int, *, skipped: bool = False) -> str:
    """Write the remark that rows came after a window's report was sent, or after it was skipped as empty."""
    rows = "1 row has" if more == 1 else f"{more:,} rows have"
    end = "it was skipped as empty" if skipped else "its report was sent"
    return f"{rows} come late for {window.label()}, after {end}."


def too_large(channel: str, size: int) -> str:
    """Say to those who get it why a workbook of `size` bytes is left out."""
    return (
        f"It is too large for {_CHANNELS[channel]} ({megabytes(size)}) and could not be put behind a link. "
        "Whoever looks after these reports has been told."
    )


def more_like_this(count: int) -> str:
    """Say that remarks are left out."""
    return f"And {count:,} more like this."


def other_statuses(count: int) -> str:
    """Name the statuses that aren't listed."""
    return "1 other status" if count == 1 else f"{count:,} other statuses"


def toll(failed: str, processed: str, took: str) -> str:
    """Say what an analysis cost: `12 of 200 records failed, 1.25 s`."""
    return f"{failed} of {processed} records failed{took and f', {took}'}"


def whereabouts(attachment: Attachment, zone: ZoneInfo, channel: str) -> str:
    """Say where those whom `channel` reaches find the workbook: attached, behind a link, or nowhere, and why."""
    if attachment.left_out:
        return f"The workbook could not be sent along. {shown(attachment.left_out, _REASON_LENGTH)}"
    if not attachment.link:
        return f"Every analysis is in the attached workbook, {attachment.name}."
    end = f" until {moment(attachment.until, zone)}" if attachment.until else ""
    size = megabytes(attachment.size)
    return f"The workbook is too large for {_CHANNELS[channel]} ({size}); download it{end}:"


def analyses(count: int) -> str:
    """Count analyses."""
    return "1 analysis" if count == 1 else f"{count:,} analyses"


def _span(window: Window) -> str:
    if window.template == "hourly":
        return "hour"
    return "day" if window == day_of(window.start.astimezone(window.zone).date(), window.zone) else "24 hours"
