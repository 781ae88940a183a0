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
from ..domain.baseline import WEEKS, Comparison, Deviation
from ..domain.failure_burst import FailureBurst
from ..domain.quantiles import EXACT, RELATIVE_ERROR
from ..domain.summary import Anomaly, AnomalyKind, StatusCount, Summary, TimeBucket
from ..domain.window import Window, offset_name
from . import formats
from .formats import BLANK, NAME_LENGTH, clocks, limit, megabytes, shown
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
FAILED_COUNT = "Failed"
FAILED_SHARE = "Failed share"
PROCESSED = "Records processed"
FAILED = "Records failed"
SUCCESS_RATE = "Records succeeded"
MEDIAN = "Median duration"
P95 = "95% within"
LONGEST = "Longest duration"
ODD_DATA = "Odd data"
STATUSES = "Statuses"
_NO_STATUS = "(no status)"
ANOMALIES: Mapping[AnomalyKind, str] = {
    "more failed than processed": "more records failed than were processed",
    "missing": "duration or records missing",
    "no number": "a figure that is not a number",
    "negative duration": "a negative duration, not counted in median, 95% and longest",
    "too long": "a value too long to read, left out of the report",
    "repeated": "created_at changed while it was read: counted once, with its first value",
    "doubled": "the same row twice, counted once: does a join multiply rows?",
    "shared id": "the id of another row: does a join multiply rows?",
}

# In messages alone.
FAILED_STATUS = "failed"
MOST_FAILED = "Analyses with the most failed records"
NO_ANALYSES = "No analyses"
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
TIMES_IN = "Times in"
GENERATED = "Generated"
TABLE = "Table"
MOMENT_FORMAT = "yyyy-mm-dd hh:mm:ss"
RATE_FORMAT = '[>=1]0.0%;[>=0.9995]"99.9%";0.0%'  # nothing but a whole one is 100.0%
OTHER_WINDOWS = "Other windows"
SHARE = "Share"
COUNTS_AS = "Counts as"
COUNTS_AS_FAILED = "failed"
COMPARED = "Compared"
USUAL = "Usual"
_NOT_COMPARED = "Not compared with earlier weeks: their analyses could not be counted."
WORST = "Worst analyses"
WORST_ORDER = "The most failed records first, then the slowest. Each time is a link to its row."
ITS_ROW = "Its row"
DURATION = "Duration"
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


def subject(window: Window, name: str) -> str:
    """Write the subject of a mail: `Digital Twin Hourly Report - 2026-11-23 13:00-14:00 UTC`."""
    return f"{name} {document_title(window)}"


def led(lead: str, line: str) -> str:
    """Put the fact that leads before a line that names the report, if there is one."""
    return f"{lead} - {line}" if lead else line


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


def headline(summary: Summary, comparison: Comparison, *, is_normal: bool) -> str:
    """Say how it went in one line: `Nothing unusual: 116 of 2,431 failed (4.8%, usually 5.3%)`."""
    share = comparison.usual.failed_share if comparison.usual else None
    usually = "" if share is None else f"usually {rate(share)}"
    beginning = "Nothing unusual: " if is_normal else ""
    rows, failed = summary.rows, summary.failed_analyses
    if not rows:
        return f"{beginning}{NO_ANALYSES.lower()}" if is_normal else NO_ANALYSES
    if not failed:
        return f"{beginning}{_analyses(rows)}, none failed{usually and f' ({usually})'}"
    of_all = f"{rows:,}" if is_normal else _analyses(rows)
    return f"{beginning}{failed:,} of {of_all} failed ({', '.join(filter(None, [rate(failed / rows), usually]))})"


def records(summary: Summary) -> str:
    """Say how the records went: `95.5% of 1,668,175 records succeeded`; nothing where that isn't known."""
    if not summary.rows or summary.success_rate is None:
        return ""
    if not summary.rated_records:
        return "No records processed"
    return f"{rate(summary.success_rate)} of {_records(number(summary.rated_records))} succeeded"


def records_line(summary: Summary) -> str:
    """Say the same in a line of figures: `Records: 95.5% of 1,668,175 succeeded`."""
    if not summary.rated_records or summary.success_rate is None:
        return ""
    return f"Records: {rate(summary.success_rate)} of {number(summary.rated_records)} succeeded"


def durations_line(median: str, p95: str, longest: str) -> str:
    """Say how long the analyses took: `Duration: median 3.4 s, 95% within 12.4 s, longest 1 min 2 s`."""
    return f"Duration: median {median}, 95% within {p95}, longest {longest}"


def no_analyses(window: Window) -> str:
    """Say on the sheet of the rows that there are none."""
    return f"No analyses in {window.label()}."


def fact(found: Deviation) -> str:
    """Say what is unusual in a few words with its number."""
    match found.kind:
        case "empty":
            return NO_ANALYSES
        case "few" | "many":
            return _analyses(round(found.value))
        case "failed":
            return f"{rate(found.value)} failed"
        case "low_success":
            return f"{rate(found.value)} of records succeeded"
        case "slow":
            return f"Slow: 95% within {seconds(found.value)}"


def warning(found: Deviation) -> str:
    """Say what is unusual, and what it is held against: `16.6% failed, usually 5.3%, limit 10%`."""
    usually = "" if found.usual is None else f"usually {_usually(found)}"
    limited = (
        "" if found.limit is None else f"limit {seconds(found.limit) if found.kind == 'slow' else limit(found.limit)}"
    )
    return ", ".join(filter(None, [fact(found), usually, limited]))


def _usually(found: Deviation) -> str:
    if not found.usual:
        return "none"
    return rate(found.usual) if found.kind == "failed" else f"{round(found.usual):,}"


def warned(text: str) -> str:
    """Mark what is unusual."""
    return f"⚠ {text}"


def failure_burst(found: FailureBurst, start: str, end: str) -> str:
    """Say where failures come in a burst, from the clock time `start` to `end`."""
    share = f"{found.failed:,} of the {found.of:,}" if found.failed < found.of else f"All {found.of:,}"
    return f"{share} failures came from {start} to {end}."


def what_is_usual(window: Window, comparison: Comparison) -> str:
    """Explain the usual figures, or say why there are none and from when on there will be."""
    if comparison.failure:
        return _NOT_COMPARED
    if comparison.usual:
        few = "" if comparison.usual.weeks == WEEKS else "three of "
        return f"Usual: the median of {few}the last four {window.start.astimezone(window.zone):%A}s{_clock(window)}."
    if comparison.known_from:
        return f"What is usual will be known from {comparison.known_from.astimezone(window.zone):%Y-%m-%d} on."
    return ""


def this(window: Window) -> str:
    """Name the window in a table that compares it."""
    span = _span(window)
    return f"These {span}" if span[0].isdigit() else f"This {span}"


def the_one_before(window: Window) -> str:
    """Name the window before in such a table; in short words, for a phone's column."""
    return f"{_span(window).capitalize()} before"


def compared(window: Window, now: str, before: str, usual: str) -> str:
    """Compare a figure in a line: `2,431 (usually 2,400, hour before 2,219)`, as far as it is known."""
    parts = [f"usually {usual}" if usual else "", f"{_span(window)} before {before}" if before else ""]
    known = ", ".join(filter(None, parts))
    return f"{now} ({known})" if known else now


def anomaly(odd: Anomaly) -> str:
    """Say how many analyses are odd, and in which way."""
    return f"{_analyses(odd.count)}: {ANOMALIES[odd.kind]}"


def unfigured(odd: Anomaly) -> str:
    """Say which analyses lack figures, by their statuses."""
    return f"{ANOMALIES[odd.kind].capitalize()}: {_each(odd.statuses)}."


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


def part(failed: str, processed: str) -> str:
    """Say how many of the records of an analysis failed: `12 of 200`."""
    return f"{failed} of {processed}"


def toll(failed: str, processed: str, took: str) -> str:
    """Say what an analysis cost: `12 of 200 records failed, 1.25 s`."""
    return f"{failed} of {_records(processed)} failed{took and f', {took}'}"


def whereabouts(attachment: Attachment, window: Window, rows: int, channel: str) -> str:
    """Say where those whom `channel` reaches find the workbook: attached, behind a link, or nowhere, and why."""
    if attachment.left_out:
        return f"The workbook could not be attached. {shown(attachment.left_out, _REASON_LENGTH)}"
    if attachment.link:
        end = f" until {formats.moment(attachment.until, window.zone)}" if attachment.until else ""
        size = megabytes(attachment.size).replace(" ", BLANK)
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
        "The operators of these reports have been alerted."
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
    return f"In the rows, failed statuses and success rates below {low_rate:.0%} are bold on a coloured background."


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


def chart_caption(most: TimeBucket, start: str, end: str, *, any_failed: bool) -> str:
    """Say how high the highest bar of a mail's chart is, and which part of a bar is what."""
    failed = " The lower part of a bar: failed." if any_failed else ""
    return f"Peak: {most.analyses:,} from {start} to {end}.{failed}"


def _clock(window: Window) -> str:
    """Write the clock times of a window that is no day: `, 13:00-14:00 UTC`, or `, 24 hours from 13:07 UTC`."""
    if window.is_calendar_day:
        return ""
    start, end = clocks([window.start, window.end], window.zone)
    times = f"{start}-{end}" if window.template == "hourly" else f"{_span(window)} from {start}"
    return f", {times}{BLANK}{offset_name(window.start.astimezone(window.zone))}"


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
