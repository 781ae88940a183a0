"""The words of a report in English: all that its recipients read, in a message or in the workbook, but figures.

They are plain text of no form yet. Nothing else in the program speaks to recipients; another language is a subclass
of `language.Phrases` that replaces these words.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

from ..config.settings import Language
from ..domain import analysis
from ..domain.baseline import DeviationKind
from ..domain.summary import AnomalyKind
from ..domain.window import Template, Window
from .formats import EN, Locale, PluralForm

Forms = Mapping[PluralForm, str]
"""A text in the forms that its count asks for, which stands at `{}`; the last is for those that are missing."""
Span = Literal["hour", "day", "24 hours"]


class English:
    """Words, sentences, and how a report and its window are named: what every other language replaces.

    What stands in braces is filled in by `language.Phrases`, which says what each of them is.
    """

    LANGUAGE: Language = "en"
    LOCALE: Locale = EN
    _DASH = " - "
    _TO = "-"

    # The report's name, and the marks behind it.
    _TITLES: ClassVar[Mapping[Template, str]] = {"hourly": "Hourly Report", "daily": "Daily Report"}
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
    TOO_LONG = analysis.TOO_LONG
    ANOMALIES: ClassVar[Mapping[AnomalyKind, str]] = {
        "more failed than processed": "more records failed than were processed",
        "missing": "duration or records missing",
        "no number": "a figure that is not a number",
        "negative duration": "a negative duration, not counted in median, 95% and longest",
        "too long": "a value too long to read, left out of the report",
        "repeated": "created_at changed while it was read: counted once, with its first value",
        "doubled": "the same row twice, counted once: does a join multiply rows?",
        "shared id": "the id of another row: does a join multiply rows?",
    }
    _COUNTED_ANALYSES: ClassVar[Forms] = {"one": "{} analysis", "other": "{} analyses"}
    _UNFIGURED: ClassVar[Forms] = {"other": "{anomaly}: {statuses}."}
    _UNFINISHED = "{count} not finished: {statuses}"
    _COUNTED_STATUS = "{count} {status}"
    _OTHERS = "others"
    _NO_STATUS = "(no status)"
    _OTHER_STATUSES: ClassVar[Forms] = {"other": "{} other statuses"}
    _OR_MORE_STATUSES: ClassVar[Forms] = {"other": "{} or more other statuses"}

    # How it went.
    NO_ANALYSES = "No analyses"
    _NORMAL = "Nothing unusual: {headline}"
    _NONE_FAILED = "{analyses}, none failed"
    _SOME_FAILED: ClassVar[Forms] = {"other": "{} of {analyses} failed"}
    _OF_ANALYSES: ClassVar[Forms] = _COUNTED_ANALYSES
    _OF_ANALYSES_IF_NORMAL: ClassVar[Forms] = {"other": "{}"}
    _NO_RECORDS = "No records processed"
    _RECORDS = "{rate} of {records} succeeded"
    _OF_RECORDS: ClassVar[Forms] = {"one": "{} record", "other": "{} records"}
    _RECORDS_LINE = "Records: {rate} of {records} succeeded"
    _DURATIONS_LINE = "Duration: median {median}, 95% within {p95}, longest {longest}"
    _FACTS: ClassVar[Mapping[DeviationKind, str]] = {
        "empty": NO_ANALYSES,
        "few": "{analyses}",
        "many": "{analyses}",
        "failed": "{rate} failed",
        "low_success": "{rate} of records succeeded",
        "slow": "Slow: 95% within {duration}",
    }
    _BURST = "{count} of the {failures} came from {start} to {end}."
    _BURST_OF_ALL = "All {count} failures came from {start} to {end}."
    _OF_FAILURES: ClassVar[Forms] = {"other": "{} failures"}

    # What it is compared with.
    USUAL = "Usual"
    _USUALLY = "usually {usual}"
    _NO_SHARE = "none"
    _NO_COUNT = "none"
    _LIMIT = "limit {limit}"
    _NOT_COMPARED = "Not compared with earlier weeks: their analyses could not be counted."
    _MEDIAN_OF = "Usual: the median of {few}the last four {weekdays}{clock}."
    _THREE_OF = "three of "
    _WEEKDAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")
    _FROM_24_HOURS = "24 hours from {start}"
    _KNOWN_FROM = "What is usual will be known from {date} on."
    _THIS: ClassVar[Mapping[Span, str]] = {"hour": "This hour", "day": "This day", "24 hours": "These 24 hours"}
    _BEFORE: ClassVar[Mapping[Span, str]] = {"hour": "Hour before", "day": "Day before", "24 hours": "24 hours before"}
    _EARLIER: ClassVar[Mapping[Span, str]] = {"hour": "hour before", "day": "day before", "24 hours": "24 hours before"}

    # Remarks about earlier windows.
    _LATE_ROWS = "{rows} come late for {window}, after {end}{failures}."
    _ROWS: ClassVar[Forms] = {"one": "{} row has", "other": "{} rows have"}
    _SENT = "its report was sent"
    _SKIPPED = "it was skipped as empty"
    _AND_FAILED: ClassVar[Forms] = {
        "one": ", and {} more of its analyses has failed",
        "other": ", and {} more of its analyses have failed",
    }
    _FAILED_SINCE: ClassVar[Forms] = {
        "one": "{} more analysis of {window} has failed since its report was sent.",
        "other": "{} more analyses of {window} have failed since its report was sent.",
    }
    _MORE_REMARKS: ClassVar[Forms] = {"other": "And {} more like this."}

    # In messages alone.
    FAILED_STATUS = "failed"
    MOST_FAILED = "Analyses with the most failed records"
    _PART = "{failed} of {processed}"
    _TOLL = "{failed} of {processed} records failed"
    _TOLL_OF_ONE = "{failed} of {processed} record failed"
    REPEAT = "This may be a repeat: the answer to the first attempt got lost."
    DOWNLOAD = "Download the workbook"
    _CHANNELS: ClassVar[Mapping[str, str]] = {"email": "email", "telegram": "Telegram"}
    _LEFT_OUT = "The workbook could not be attached. {reason}"
    _LINKED = "The workbook is too large for {channel} ({size}); download it{until}:"
    _UNTIL = " until {moment}"
    _WITHOUT_ROWS = "The attached workbook, {file}, has no rows."
    _NAMED_IN_UTC = "Every analysis of {window} is in the attached workbook, {file} (named in UTC)."
    _ATTACHED = "Every analysis is in the attached workbook, {file}."
    _TOO_LARGE = (
        "It is too large for {channel} ({size}) and could not be put behind a link. "
        "The operators of these reports have been alerted."
    )

    # In the workbook: properties of the document, headers of the rows, the sheet "Summary".
    DOCUMENT_CREATOR = "Reports Generator"
    _DOCUMENT_SUBJECT = "{name} analyses"
    COLUMN_ID = "ID"
    COLUMN_TIMESTAMP = "Timestamp"
    COLUMN_STATUS = "Status"
    COLUMN_DURATION = "Duration (s)"
    COLUMN_PROCESSED = "Records Processed"
    COLUMN_FAILED = "Records Failed"
    COLUMN_RATE = "Success Rate"
    SHORTENED = "… [shortened]"
    MOMENT_FORMAT = "yyyy-mm-dd hh:mm:ss"
    RATE_FORMAT = '[>=1]0.0%;[>=0.9995]"99.9%";0.0%'  # nothing but a whole one is 100.0%
    _NO_ANALYSES_IN = "No analyses in {window}."
    SUMMARY = "Summary"
    TIMES_IN = "Times in"
    _IN_ZONE = "{what}, times in {zone}"
    _THEN = "then"
    GENERATED = "Generated"
    TABLE = "Table"
    OTHER_WINDOWS = "Other windows"
    SHARE = "Share"
    COUNTS_AS = "Counts as"
    COUNTS_AS_FAILED = "failed"
    COMPARED = "Compared"
    WORST = "Worst analyses"
    WORST_ORDER = "The most failed records first, then the slowest. Each time is a link to its row."
    ITS_ROW = "Its row"
    DURATION = "Duration"
    _APPROXIMATE = "Of more than {exact} durations, median and 95 % are given to within {error} of them."
    _FAILED_STATUSES = "These statuses count as failed: {names}."
    _HIGHLIGHTS = "In the rows, failed statuses and success rates below {rate} are bold on a coloured background."

    # The chart.
    FROM = "From"
    _PER_HOUR = "per hour"
    _PER_FIVE_MINUTES = "per five minutes"
    _CHART_TITLE = "Analyses and failures {buckets}"
    _CHART_DESCRIPTION = "Column chart: analyses and failures {buckets}, {window}. {total}; most, {most}, from {start}."
    _CHART_TOTAL = "{analyses}, {failed} of them failed"
    _CHART_TOTAL_OF_ONE = "{analyses}, {failed} failed"
    _BUCKET = "{analyses}, {failed} failed"
    _CHART_CAPTION = "Peak: {most} from {start} to {end}."
    _LOWER_PART = " The lower part of a bar: failed."

    def label(self, window: Window) -> str:
        """Name the window: `2026-11-23 13:00-14:00 UTC`."""
        return window.label()

    def subject(self, window: Window, name: str) -> str:
        """Write the subject of a mail: `Digital Twin Hourly Report - 2026-11-23 13:00-14:00 UTC`."""
        return f"{name} {self._TITLES[window.template]} - {window.label()}"

    def page_title(self, window: Window, name: str) -> str:
        """Head the plain text of a mail with the report's title: `Hourly Report for Digital Twin`."""
        return f"{self._TITLES[window.template]} for {name}"

    def _earlier_label(self, window: Window) -> str:
        """Name an earlier window within a sentence."""
        return window.label()
