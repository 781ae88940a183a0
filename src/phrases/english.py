"""The words of a report: every sentence and label that its recipients read, in a message or in the workbook.

They are plain text of no form yet. Nothing else in the program speaks to recipients; another language is another
module with the same names, which `language.Phrases` lists. Text of the table comes in by `formats.shown` only.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from ..config.settings import DEFAULT_NAME
from ..domain.analysis import TOO_LONG as TOO_LONG
from ..domain.attachment import Attachment
from ..domain.baseline import Deviation
from ..domain.failure_burst import FailureBurst
from ..domain.quantiles import EXACT, RELATIVE_ERROR
from ..domain.summary import Anomaly, AnomalyKind, StatusCount, Summary, TimeBucket
from ..domain.window import Window, offset_name
from . import formats
from .formats import NAME_LENGTH, about, megabytes, per_cent, shown
from .formats import number as number
from .formats import rate as rate
from .formats import seconds as seconds

LANGUAGE = "en"
_CHANNELS = {"email": "email", "telegram": "Telegram"}
_REASON_LENGTH = 300

# Marks behind the title.
LATE = " (late)"
ROWS_LATE = " (rows came late)"
FAILED_SINCE = " (more have failed)"

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
ANOMALIES: Mapping[AnomalyKind, str] = {
    "more failed than processed": "more records failed than were processed",
    "missing": "without figures",
    "no number": "a figure that is not a number",
    "negative duration": "a negative duration, left out of the median and the like",
    "too long": "a value too long to read, left out of the report",
    "repeated": "created_at changed while it was read: counted once, with its first value",
    "doubled": "the same row twice, counted once: does a join multiply rows?",
    "shared id": "the id of another row: does a join multiply rows?",
}

# In messages alone.
MOST_FAILED = "Most records failed"
DOWNLOAD = "Download the workbook"
REPEAT = "This may be a repeat: the answer to the first attempt got lost."

# In the workbook: properties of the document, headers of the rows, the sheet "Summary".
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
MOMENT_FORMAT = "yyyy-mm-dd hh:mm:ss"
SECONDS_FORMAT = '#,##0.00 "s"'
OTHER_WINDOWS = "Other windows"
SHARE = "Share"
COUNTS_AS = "Counts as"
COUNTS_AS_FAILED = "failed"
SHARE_FORMAT = '[<0.001]"< 0.1%";0.0%'
COMPARED = "Compared"
USUAL = "Usual"
NOT_COMPARED = "Not compared with earlier weeks: their analyses could not be counted."
WORST = "Worst analyses"
WORST_ORDER = "Most records failed, then slowest. The time of each leads to its row."
ITS_ROW = "Its row"
FROM = "From"


def title(window: Window) -> str:
    """Name the report, wherever its name stands: `Hourly Report`."""
    return f"{window.template.title()} Report"


def label(window: Window) -> str:
    """Name the window: `2026-11-23 13:00-14:00 UTC`."""
    return window.label()


def moment(at: datetime, zone: ZoneInfo) -> str:
    """Write an aware moment to the second: `2026-11-23 14:00:31 UTC`."""
    return formats.moment(at, zone, "%Y-%m-%d %H:%M:%S")


def subject(window: Window, name: str, suffix: str) -> str:
    """Write the subject of a mail: `Digital Twin Hourly Report - 2026-11-23 13:00-14:00 UTC (late)`."""
    return f"{name} {document_title(window)}{suffix}"


def caption_title(window: Window, name: str) -> str:
    """Head the caption in a chat: `Hourly Report - 2026-11-23 13:00-14:00 UTC`."""
    return f"{document_title(window)}{named(name)}"


def document_title(window: Window) -> str:
    """Name the mail's page, and the workbook in its properties: `Hourly Report - 2026-11-23 13:00-14:00 UTC`."""
    return f"{title(window)} - {window.label()}"


def page_title(window: Window, name: str) -> str:
    """Head the plain text of a mail with the report's title: `Hourly Report for Digital Twin`."""
    return f"{title(window)} for {name}"


def named(name: str) -> str:
    """Write what stands behind a fixed line to say whose report it is: nothing for the default name."""
    return "" if name == DEFAULT_NAME else f" · {name}"


def document_subject(name: str) -> str:
    """Say what the workbook is about."""
    return f"{name} analyses"


def headline(window: Window, summary: Summary) -> str:
    """Say how it went in one line: `192 of 2,500 analyses failed (7.7 %)`."""
    failed = summary.failed_analyses
    if not summary.rows:
        return no_analyses(window)
    if not failed:
        return f"{_analyses(summary.rows)}, none failed"
    return f"{failed:,} of {_analyses(summary.rows)} failed ({rate(failed / summary.rows)})"


def records(summary: Summary) -> str:
    """Say how the records went: `95.5 % of 1,668,175 records succeeded`; nothing where that isn't known."""
    if not summary.rows or summary.success_rate is None:
        return ""
    if not summary.rated_records:
        return "No records processed"
    return f"{rate(summary.success_rate)} of {_records(number(summary.rated_records))} succeeded"


def no_analyses(window: Window) -> str:
    """Say that a window is empty."""
    return f"No analyses in {window.label()}."


def deviation(found: Deviation) -> str:
    """Say what is out of the ordinary in a few words with its numbers, as in a subject."""
    match found.kind:
        case "empty":
            return f"no analyses, {_usually(found)}"
        case "few" | "many":
            return f"{_analyses(round(found.value))}, {_usually(found)}"
        case "failed" | "high_failures":
            return f"{per_cent(found.value)} of analyses failed"
        case "low_success":
            return f"{rate(found.value)} of records succeeded"
        case "slow":
            return f"95 % took at most {seconds(found.value)}"


def warning(found: Deviation) -> str:
    """Say what is out of the ordinary, and what it is held against."""
    said = deviation(found)
    match found.kind:
        case "empty" | "few" | "many":
            return f"{said[0].upper()}{said[1:]}"
        case "failed":
            return f"{said}, usually {f'about {per_cent(found.reference)}' if found.reference else 'none'}"
        case "slow":
            return f"{said}, the limit is {seconds(found.reference)}"
        case _:
            return f"{said}, the limit is {per_cent(found.reference)}"


def _usually(found: Deviation) -> str:
    return f"usually about {about(found.reference)}" if found.reference else "usually none"


def warned(text: str) -> str:
    """Mark what is out of the ordinary."""
    return f"⚠ {text}"


def alert_of_unusual(window: Window, name: str) -> str:
    """Head the message that tells the alert chat of an unusual window."""
    return f"⚠ Unusual: {caption_title(window, name)}"


def failure_burst(found: FailureBurst, start: str, end: str) -> str:
    """Say where failures come in a burst, from the clock time `start` to `end`."""
    return f"Over half of the failures, {found.failed:,} of {found.of:,}, came between {start} and {end}."


def this(window: Window) -> str:
    """Name the window in a table that compares it."""
    span = _span(window)
    return f"These {span}" if span[0].isdigit() else f"This {span}"


def the_one_before(window: Window) -> str:
    """Name the window before in such a table."""
    return f"The {_span(window)} before"


def compared(window: Window, now: str, before: str, usual: str) -> str:
    """Compare a figure in a line: `2,431 (the hour before 2,219, usually 2,400)`, as far as it is known."""
    parts = [f"the {_span(window)} before {before}" if before else "", f"usually {usual}" if usual else ""]
    known = ", ".join(filter(None, parts))
    return f"{now} ({known})" if known else now


def anomaly(odd: Anomaly) -> str:
    """Say what is odd, and how often; of analyses that lack a figure, which statuses they have."""
    if odd.kind == "missing":
        return f"{_analyses(odd.count)} {ANOMALIES[odd.kind]} ({_each(odd.statuses)})"
    return f"{ANOMALIES[odd.kind]}: {_analyses(odd.count)}"


def unfinished(counted: Sequence[StatusCount]) -> str:
    """Say how many analyses have not ended: `18 not finished: running`, or `18 not finished: 12 running, 6 queued`."""
    if not counted:
        return ""
    statuses = status(counted[0].status) if len(counted) == 1 else _each(counted)
    return f"{sum(one.analyses for one in counted):,} not finished: {statuses}"


def _each(counted: Sequence[StatusCount]) -> str:
    return ", ".join(f"{one.analyses:,} {'others' if one.others else status(one.status)}" for one in counted)


def late_rows(window: Window, more: int, *, failed: int = 0, skipped: bool = False) -> str:
    """Write the remark that rows came after a window's report was sent, or after it was skipped as empty.

    `failed`: so many more of its analyses have failed.
    """
    rows = "1 row has" if more == 1 else f"{more:,} rows have"
    end = "it was skipped as empty" if skipped else "its report was sent"
    failures = f", and {failed:,} more of its analyses {'has' if failed == 1 else 'have'} failed" if failed else ""
    return f"{rows} come late for {window.label()}, after {end}{failures}."


def failed_since(window: Window, failed: int) -> str:
    """Write the remark that analyses have failed after a window's report was sent."""
    analyses = "1 more analysis" if failed == 1 else f"{failed:,} more analyses"
    has = "has" if failed == 1 else "have"
    return f"{analyses} of {window.label()} {has} failed since its report was sent."


def more_like_this(count: int) -> str:
    """Say that remarks are left out."""
    return f"And {count:,} more like this."


def status(name: str | None, limit: int = NAME_LENGTH) -> str:
    """Show the status of an analysis, or that it has none but blanks, in at most `limit` UTF-16 units."""
    return shown(name or "", limit) or _NO_STATUS


def counted_status(counted: StatusCount, limit: int = NAME_LENGTH) -> str:
    """Show a status that was counted, or how many others were, in at most `limit` UTF-16 units."""
    if not counted.others:
        return status(counted.status, limit)
    return f"{counted.others:,} {'or more ' if counted.more else ''}other statuses"


def toll(failed: str, processed: str, took: str) -> str:
    """Say what an analysis cost: `12 of 200 records failed, 1.25 s`."""
    return f"{failed} of {_records(processed)} failed{took and f', {took}'}"


def whereabouts(attachment: Attachment, window: Window, rows: int, channel: str) -> str:
    """Say where those whom `channel` reaches find the workbook: attached, behind a link, or nowhere, and why."""
    if attachment.left_out:
        return f"The workbook could not be attached. {shown(attachment.left_out, _REASON_LENGTH)}"
    if attachment.link:
        end = f" until {formats.moment(attachment.until, window.zone)}" if attachment.until else ""
        size = megabytes(attachment.size)
        return f"The workbook is too large for {_CHANNELS[channel]} ({size}); download it{end}:"
    if not rows:
        return f"The attached workbook, {attachment.name}, has no rows."
    if window.template == "hourly" and window.start.astimezone(window.zone).utcoffset():
        # The file's name says another hour than the report does.
        return f"Every analysis of {window.label()} is in the attached workbook, {attachment.name} (named in UTC)."
    return f"Every analysis is in the attached workbook, {attachment.name}."


def too_large(channel: str, size: int) -> str:
    """Say to those who get it why a workbook of `size` bytes is left out."""
    return (
        f"It is too large for {_CHANNELS[channel]} ({megabytes(size)}) and could not be put behind a link. "
        "Whoever looks after these reports has been told."
    )


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


def failed_statuses(names: Sequence[str]) -> str:
    """Say which statuses count as failed."""
    return f"These statuses count as failed: {', '.join(names)}."


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
    of_them = "" if summary.rows == 1 else " of them"
    return (
        f"Column chart: analyses and failures {_buckets(window)}, {window.label()}. {_analyses(summary.rows)}, "
        f"{summary.failed_analyses:,}{of_them} failed; most, {most.analyses:,}, from {start}."
    )


def bucket(found: TimeBucket) -> str:
    """Say what a bucket holds: `210`, or `210, 4 failed`."""
    return f"{found.analyses:,}, {found.failed:,} failed" if found.failed else f"{found.analyses:,}"


def chart_caption(most: TimeBucket, start: str, *, any_failed: bool) -> str:
    """Say how high the highest bar of a mail's chart is, and which part of a bar is what."""
    failed = " At the bottom of a bar, in orange: failed." if any_failed else ""
    return f"Most from {start}: {most.analyses:,}.{failed}"


def _analyses(count: int) -> str:
    return "1 analysis" if count == 1 else f"{count:,} analyses"


def _records(count: str) -> str:
    return "1 record" if count == "1" else f"{count} records"


def _buckets(window: Window) -> str:
    return "per hour" if window.template == "daily" else "per five minutes"


def _span(window: Window) -> str:
    if window.template == "hourly":
        return "hour"
    return "day" if window.is_calendar_day else "24 hours"
