"""The words of a report: every sentence and label that its recipients read, in a message or in the workbook.

They are plain text of no form yet. Nothing else in the program speaks to recipients; a second language is a second
module like this one. Text of the table comes in by `formats.shown` only.
"""

from collections.abc import Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

from ..domain.analysis import is_failed_status
from ..domain.attachment import Attachment
from ..domain.quantiles import EXACT, RELATIVE_ERROR
from ..domain.summary import Anomaly, AnomalyKind, StatusCount, Summary, TimeBucket
from ..domain.window import Window, day_of, offset_name
from .formats import NAME_LENGTH, megabytes, moment, rate, shown

LANGUAGE = "en"
SENDER = "Digital Twin"
_CHANNELS = {"email": "email", "telegram": "Telegram"}
_REASON_LENGTH = 300

# Marks behind the title.
LATE = " (late)"
ODD = " (odd data)"
ROWS_LATE = " (rows came late)"

# Figures and their headings, in messages and on the sheet "Summary".
ANALYSES = "Analyses"
FAILED_ANALYSES = "Failed analyses"
PROCESSED = "Records processed"
FAILED = "Records failed"
SUCCESS_RATE = "Success rate"
MEDIAN = "Median duration"
P95 = "95 % took at most"
LONGEST = "Longest duration"
ODD_DATA = "Odd data"
STATUSES = "Statuses"
_NO_STATUS = "(no status)"
ANOMALIES: dict[AnomalyKind, str] = {
    "more failed than processed": "more records failed than were processed",
    "missing": "a figure is missing: unfinished when this report was made",
    "no number": "a figure that is not a number",
    "negative duration": "a negative duration, left out of the median and the like",
    "too long": "a value too long to read, left out of the report",
}

# In messages alone.
MOST_FAILED = "Most records failed"
SLOWEST = "The slowest"
DOWNLOAD = "Download the workbook"
REPEAT = "This may be a repeat: the answer to the first attempt got lost."

# In the workbook: properties of the document, headers of the rows, the sheet "Summary".
DOCUMENT_SUBJECT = f"{SENDER} analyses"
DOCUMENT_CREATOR = "Reports Generator"
COLUMN_ID = "ID"
COLUMN_TIMESTAMP = "Timestamp"
COLUMN_STATUS = "Status"
COLUMN_DURATION = "Duration (s)"
COLUMN_PROCESSED = "Records Processed"
COLUMN_FAILED = "Records Failed"
COLUMN_RATE = "Success Rate"
SHORTENED = "… [shortened]"
SUMMARY = "Summary"
WINDOW = "Window"
TIMES_IN = "Times in"
GENERATED = "Generated"
TABLE = "Table"
SECONDS_FORMAT = '#,##0.00 "s"'
OTHER_WINDOWS = "Other windows"
SHARE = "Share"
COUNTS_AS = "Counts as"
WORST = "Worst analyses"
WORST_ORDER = "Most records failed, then slowest. The time of each leads to its row."
ITS_ROW = "Its row"
FROM = "From"


def title(window: Window) -> str:
    """Name the report, wherever its name stands: `Hourly Report`."""
    return f"{window.template.title()} Report"


def page_title(name: str) -> str:
    """Head the plain text of a mail with the report's name: `Hourly Report for Digital Twin`."""
    return f"{name} for {SENDER}"


def headline(window: Window, summary: Summary) -> str:
    """Say it all in one line: `2,431 analyses, 97.8 % of records succeeded, 12 failed` (12 analyses, that is)."""
    if not summary.rows:
        return no_analyses(window)
    parts = [analyses(summary.rows)]
    if not summary.processed:
        parts.append("no records processed")
    elif summary.success_rate is not None:
        parts.append(f"{rate(summary.success_rate)} of records succeeded")
    return ", ".join([*parts, f"{summary.failed_analyses:,} failed" if summary.failed_analyses else "none failed"])


def no_analyses(window: Window) -> str:
    """Say that a window is empty."""
    return f"No analyses in {window.label()}."


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


def anomaly(odd: Anomaly) -> str:
    """Say what is odd, and how often."""
    return f"{ANOMALIES[odd.kind]}: {analyses(odd.count)}"


def late_rows(window: Window, more: int, *, skipped: bool = False) -> str:
    """Write the remark that rows came after a window's report was sent, or after it was skipped as empty."""
    rows = "1 row has" if more == 1 else f"{more:,} rows have"
    end = "it was skipped as empty" if skipped else "its report was sent"
    return f"{rows} come late for {window.label()}, after {end}."


def more_like_this(count: int) -> str:
    """Say that remarks are left out."""
    return f"And {count:,} more like this."


def status(name: str | None, limit: int = NAME_LENGTH) -> str:
    """Show the status of an analysis, or that it has none, in at most `limit` UTF-16 units."""
    return shown(name or _NO_STATUS, limit)


def counted_status(counted: StatusCount, limit: int = NAME_LENGTH) -> str:
    """Show a status that was counted, or how many others were, in at most `limit` UTF-16 units."""
    if not counted.others:
        return status(counted.status, limit)
    return f"{counted.others:,} {'or more ' if counted.more else ''}other statuses"


def toll(failed: str, processed: str, took: str) -> str:
    """Say what an analysis cost: `12 of 200 records failed, 1.25 s`."""
    return f"{failed} of {processed} records failed{took and f', {took}'}"


def whereabouts(attachment: Attachment, zone: ZoneInfo, channel: str) -> str:
    """Say where those whom `channel` reaches find the workbook: attached, behind a link, or nowhere, and why."""
    if attachment.left_out:
        return f"The workbook could not be attached. {shown(attachment.left_out, _REASON_LENGTH)}"
    if not attachment.link:
        return f"Every analysis is in the attached workbook, {attachment.name}."
    end = f" until {moment(attachment.until, zone)}" if attachment.until else ""
    size = megabytes(attachment.size)
    return f"The workbook is too large for {_CHANNELS[channel]} ({size}); download it{end}:"


def too_large(channel: str, size: int) -> str:
    """Say to those who get it why a workbook of `size` bytes is left out."""
    return (
        f"It is too large for {_CHANNELS[channel]} ({megabytes(size)}) and could not be put behind a link. "
        "Whoever looks after these reports has been told."
    )


def analyses(count: int) -> str:
    """Count analyses."""
    return "1 analysis" if count == 1 else f"{count:,} analyses"


def zone_name(window: Window) -> str:
    """Name the zone in which times are shown, with its offset or offsets: `Europe/Berlin (UTC+1)`, or `UTC`."""
    first, last = window.start.astimezone(window.zone), (window.end - timedelta.resolution).astimezone(window.zone)
    offset, later = offset_name(first), offset_name(last)
    if window.zone.key == offset == later:
        return offset
    return f"{window.zone.key} ({offset if offset == later else f'{offset}, then {later}'})"


def page_header(window: Window) -> str:
    """Write what stands at the head of every printed page."""
    return f"{window.label()}, times in {zone_name(window)}"


def approximate_quantiles() -> str:
    """Say how exact median and 95 % are where there are many durations."""
    return f"Of more than {EXACT:,} durations, median and 95 % are given to within {RELATIVE_ERROR:.0%} of them."


def counts_as(name: str) -> str:
    """Say whether a status counts as failed."""
    return "failed" if is_failed_status(name) else ""


def highlights(low_rate: float) -> str:
    """Say what stands out among the rows."""
    return f"Among the rows, failed statuses and success rates below {low_rate:.0%} stand out in bold on colour."


def buckets_heading(window: Window) -> str:
    """Head the table of buckets."""
    return f"{_buckets(window).capitalize()}, times in {zone_name(window)}"


def chart_title(window: Window) -> str:
    """Name the chart."""
    return f"Analyses and failures {_buckets(window)}"


def chart_axis(window: Window) -> str:
    """Name the chart's axis of times."""
    return f"{FROM} ({zone_name(window)})"


def chart_description(window: Window, summary: Summary, most: TimeBucket, start: str) -> str:
    """Tell who doesn't see the chart what it shows; `most` is its highest column, which begins at `start`."""
    return (
        f"Column chart: analyses and failures {_buckets(window)}, {window.label()}. {summary.rows:,} analyses, "
        f"{summary.failed_analyses:,} of them failed; most, {most.analyses:,}, from {start}."
    )


def _buckets(window: Window) -> str:
    return "per hour" if window.template == "daily" else "in buckets of five minutes"


def _span(window: Window) -> str:
    if window.template == "hourly":
        return "hour"
    return "day" if window == day_of(window.start.astimezone(window.zone).date(), window.zone) else "24 hours"
