"""What a language has to say: one module for each has all of this, which mypy holds it to.

A further language is one more module, its name in `Language` of the settings, and its line in `phrases_of`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from ..config.settings import Language
from ..domain.analysis import Figure
from ..domain.attachment import Attachment
from ..domain.baseline import Comparison, Deviation
from ..domain.failure_burst import FailureBurst
from ..domain.summary import Anomaly, AnomalyKind, StatusCount, Summary, TimeBucket
from ..domain.window import Window
from . import english
from .formats import NAME_LENGTH, given, shown


class Phrases(Protocol):
    """Every word that a recipient reads, in one language; `english` says what each of them is."""

    LANGUAGE: str
    LATE: str
    ROWS_LATE: str
    FAILED_SINCE: str
    ANALYSES: str
    FAILED_ANALYSES: str
    FAILED_COUNT: str
    FAILED_SHARE: str
    PROCESSED: str
    FAILED: str
    SUCCESS_RATE: str
    MEDIAN: str
    P95: str
    LONGEST: str
    ODD_DATA: str
    STATUSES: str
    ANOMALIES: Mapping[AnomalyKind, str]
    TOO_LONG: str
    FAILED_STATUS: str
    MOST_FAILED: str
    NO_ANALYSES: str
    DOWNLOAD: str
    REPEAT: str
    DOCUMENT_CREATOR: str
    COLUMN_ID: str
    COLUMN_TIMESTAMP: str
    COLUMN_STATUS: str
    COLUMN_DURATION: str
    COLUMN_PROCESSED: str
    COLUMN_FAILED: str
    COLUMN_RATE: str
    SHORTENED: str
    SUMMARY: str
    TIMES_IN: str
    GENERATED: str
    TABLE: str
    MOMENT_FORMAT: str
    RATE_FORMAT: str
    OTHER_WINDOWS: str
    SHARE: str
    COUNTS_AS: str
    COUNTS_AS_FAILED: str
    COMPARED: str
    USUAL: str
    WORST: str
    WORST_ORDER: str
    ITS_ROW: str
    DURATION: str
    FROM: str

    def number(self, value: int | float) -> str:
        """Write a count or a sum."""

    def rate(self, value: float | None) -> str:
        """Write a share, or `-` where there is none."""

    def seconds(self, value: float) -> str:
        """Write a duration in seconds."""

    def moment(self, at: datetime, zone: ZoneInfo) -> str:
        """Write an aware moment to the second, with its date and its offset."""

    def title(self, window: Window) -> str:
        """Name the report."""

    def label(self, window: Window) -> str:
        """Name the window."""

    def subject(self, window: Window, name: str) -> str:
        """Write the subject of a mail."""

    def led(self, lead: str, line: str) -> str:
        """Put the fact that leads before a line that names the report, if there is one."""

    def caption_title(self, window: Window, name: str) -> str:
        """Head the caption in a chat."""

    def document_title(self, window: Window) -> str:
        """Name the mail's page, and the workbook in its properties."""

    def page_title(self, window: Window, name: str) -> str:
        """Head the plain text of a mail."""

    def named(self, name: str) -> str:
        """Write what stands behind a fixed line to say whose report it is."""

    def document_subject(self, name: str) -> str:
        """Say what the workbook is about."""

    def headline(self, summary: Summary, comparison: Comparison, *, is_normal: bool) -> str:
        """Say how it went in one line."""

    def records(self, summary: Summary) -> str:
        """Say how the records went; nothing where that isn't known."""

    def records_line(self, summary: Summary) -> str:
        """Say the same in a line of figures."""

    def durations_line(self, median: str, p95: str, longest: str) -> str:
        """Say how long the analyses took."""

    def no_analyses(self, window: Window) -> str:
        """Say on the sheet of the rows that there are none."""

    def fact(self, found: Deviation) -> str:
        """Say what is unusual in a few words with its number."""

    def warning(self, found: Deviation) -> str:
        """Say what is unusual, and what it is held against."""

    def warned(self, text: str) -> str:
        """Mark what is unusual."""

    def failure_burst(self, found: FailureBurst, start: str, end: str) -> str:
        """Say where failures come in a burst, from the clock time `start` to `end`."""

    def what_is_usual(self, window: Window, comparison: Comparison) -> str:
        """Explain the usual figures, or say why there are none."""

    def this(self, window: Window) -> str:
        """Name the window in a table that compares it."""

    def the_one_before(self, window: Window) -> str:
        """Name the window before in such a table."""

    def compared(self, window: Window, now: str, before: str, usual: str) -> str:
        """Compare a figure in a line, as far as the others are known."""

    def anomaly(self, odd: Anomaly) -> str:
        """Say how many analyses are odd, and in which way."""

    def unfigured(self, odd: Anomaly) -> str:
        """Say which analyses lack figures, by their statuses."""

    def unfinished(self, counted: Sequence[StatusCount]) -> str:
        """Say how many analyses have not ended, and which statuses they have; nothing where there are none."""

    def late_rows(self, window: Window, more: int, *, failed: int = 0, skipped: bool = False) -> str:
        """Write the remark that rows came after a window's report was sent, or after it was skipped as empty.

        `failed`: so many more of its analyses have failed.
        """

    def failed_since(self, window: Window, failed: int) -> str:
        """Write the remark that analyses have failed after a window's report was sent."""

    def more_like_this(self, count: int) -> str:
        """Say that remarks are left out."""

    def status(self, name: str | None, limit: int = NAME_LENGTH) -> str:
        """Show the status of an analysis, or that it has none, in at most `limit` UTF-16 units."""

    def counted_status(self, counted: StatusCount, limit: int = NAME_LENGTH) -> str:
        """Show a status that was counted, or how many others were, in at most `limit` UTF-16 units."""

    def part(self, failed: str, processed: str) -> str:
        """Say how many of the records of an analysis failed."""

    def toll(self, failed: str, processed: str, took: str) -> str:
        """Say what an analysis cost."""

    def whereabouts(self, attachment: Attachment, window: Window, rows: int, channel: str) -> str:
        """Say where those whom `channel` reaches find the workbook."""

    def too_large(self, channel: str, size: int) -> str:
        """Say to those who get it why a workbook of `size` bytes is left out."""

    def zone_name(self, window: Window) -> str:
        """Name the zone in which times are shown, with its offset or offsets."""

    def page_header(self, window: Window) -> str:
        """Write what stands at the head of every printed page."""

    def approximate_quantiles(self) -> str:
        """Say how exact median and 95 % are where there are many durations."""

    def failed_statuses(self, names: Sequence[str]) -> str:
        """Say which statuses count as failed."""

    def highlights(self, low_rate: float) -> str:
        """Say what stands out among the rows."""

    def buckets_heading(self, window: Window) -> str:
        """Head the table of buckets."""

    def chart_title(self, window: Window) -> str:
        """Name the chart."""

    def chart_axis(self, window: Window) -> str:
        """Name the chart's axis of times."""

    def chart_description(self, window: Window, summary: Summary, most: TimeBucket, start: str) -> str:
        """Tell who doesn't see the chart what it shows."""

    def bucket(self, found: TimeBucket) -> str:
        """Say what a bucket holds."""

    def chart_caption(self, most: TimeBucket, start: str, end: str, *, any_failed: bool) -> str:
        """Say how high the highest bar of a mail's chart is, and which part of a bar is what."""


def figure(phrases: Phrases, value: Figure) -> str:
    """Write a figure of the table: a number, a question mark where there is none, or the text in its place."""
    if isinstance(value, int | float):
        return phrases.number(value)
    return "?" if value is None else shown(given(value, phrases.TOO_LONG))


def phrases_of(language: Language) -> Phrases:
    """Return the phrases of `language`; what another one than English needs is loaded only for it."""
    match language:
        case "en":
            return english
        case "ru":
            from . import russian

            return russian
