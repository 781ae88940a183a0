"""The phrases of a report in every language: put together here, of the words that each language has.

A further language is one more subclass of `Phrases`, its name in `Language` of the settings, and its line in
`phrases_of`. Text of the table comes in by `formats.shown` only.
"""

from collections.abc import Sequence
from datetime import timedelta

from ..config.settings import DEFAULT_NAME, Language
from ..domain.analysis import Figure
from ..domain.baseline import IN_VOLUME, WEEKS, Comparison, Deviation
from ..domain.delivery import Attachment
from ..domain.quantiles import EXACT, RELATIVE_ERROR
from ..domain.summary import Anomaly, FailureBurst, StatusCount, Summary, TimeBucket
from ..domain.window import Window, offset_name
from .english import English, Forms, Span
from .formats import BLANK, NAME_LENGTH, clocks, given, shown

_REASON_LENGTH = 300


class Phrases(English):
    """What a report says, in English; in another language where a subclass replaces the words."""

    def number(self, value: int | float) -> str:
        """Write a count or a sum."""
        return self.LOCALE.number(value)

    def rate(self, value: float | None) -> str:
        """Write a share, or `-` where there is none."""
        return self.LOCALE.rate(value)

    def seconds(self, value: float) -> str:
        """Write a duration in seconds."""
        return self.LOCALE.seconds(value)

    def figure(self, value: Figure) -> str:
        """Write a figure of the table: a number, a question mark where there is none, or the text in its place."""
        if isinstance(value, int | float):
            return self.number(value)
        return "?" if value is None else shown(given(value, self.TOO_LONG))

    def title(self, window: Window) -> str:
        """Name the report, wherever its name stands: `Hourly Report`."""
        return self._TITLES[window.template]

    def with_lead(self, lead: str, line: str) -> str:
        """Put the fact that leads before a line that names the report, if there is one."""
        return f"{lead}{self._DASH}{line}" if lead else line

    def caption_title(self, window: Window, name: str) -> str:
        """Head the caption in a chat: `Hourly Report - 2026-11-23 13:00-14:00 UTC`."""
        return f"{self.document_title(window)}{self.name_suffix(name)}"

    def document_title(self, window: Window) -> str:
        """Name the mail's page, and the workbook in its properties: `Hourly Report - 2026-11-23 13:00-14:00 UTC`."""
        return f"{self.title(window)}{self._DASH}{self._short_label(window)}"

    def name_suffix(self, name: str) -> str:
        """Write what stands behind a fixed line to say whose report it is: nothing for the default name."""
        return "" if name == DEFAULT_NAME else f" · {name}"

    def document_subject(self, name: str) -> str:
        """Say what the workbook is about."""
        return self._DOCUMENT_SUBJECT.format(name=name)

    def headline(self, summary: Summary, comparison: Comparison, *, is_normal: bool) -> str:
        """Say how it went in one line: `Nothing unusual: 116 of 2,431 failed (4.8%, usually 5.3%)`."""
        share = comparison.usual.failed_share if comparison.usual else None
        usually = [] if share is None else [self._USUALLY.format(usual=self.rate(share))]
        rows, failed = summary.rows, summary.failed_analyses
        if not rows:
            said, shares = self.NO_ANALYSES, list[str]()
        elif not failed:
            said, shares = self._NONE_FAILED.format(analyses=self._counted(rows, self._COUNTED_ANALYSES)), usually
        else:
            analyses = self._counted(rows, self._OF_ANALYSES_IF_NORMAL if is_normal else self._OF_ANALYSES)
            said = self._counted(failed, self._SOME_FAILED, analyses=analyses)
            shares = [self.rate(failed / rows), *usually]
        said += f" ({', '.join(shares)})" if shares else ""
        return self._NORMAL.format(headline=f"{said[0].lower()}{said[1:]}") if is_normal else said

    def records(self, summary: Summary) -> str:
        """Say how the records went: `95.5% of 1,668,175 records succeeded`; nothing where that isn't known."""
        if not summary.rows or summary.success_rate is None:
            return ""
        if not summary.rated_records:
            return self._NO_RECORDS
        of_records = self._counted(summary.rated_records, self._OF_RECORDS)
        return self._RECORDS.format(rate=self.rate(summary.success_rate), records=of_records)

    def records_line(self, summary: Summary) -> str:
        """Say the same in a line of figures: `Records: 95.5% of 1,668,175 succeeded`."""
        if not summary.rated_records or summary.success_rate is None:
            return ""
        rate, records = self.rate(summary.success_rate), self.number(summary.rated_records)
        return self._RECORDS_LINE.format(rate=rate, records=records)

    def durations_line(self, median: str, p95: str, longest: str) -> str:
        """Say how long the analyses took: `Duration: median 3.4 s, 95% within 12.4 s, longest 1 min 2 s`."""
        return self._DURATIONS_LINE.format(median=median, p95=p95, longest=longest)

    def no_analyses(self, window: Window) -> str:
        """Say on the sheet of the rows that there are none."""
        return self._NO_ANALYSES_IN.format(window=self.label(window))

    def fact(self, deviation: Deviation) -> str:
        """Say what is unusual in a few words with its number."""
        count = round(deviation.value) if deviation.kind in IN_VOLUME else 0
        return self._FACTS[deviation.kind].format(
            analyses=self._counted(count, self._COUNTED_ANALYSES),
            rate=self.rate(deviation.value),
            duration=self.seconds(deviation.value),
        )

    def warning(self, deviation: Deviation) -> str:
        """Say what is unusual, and what it is held against: `16.6% failed, usually 5.3%, limit 10%`."""
        parts = [self.fact(deviation)]
        if deviation.usual is not None:
            parts.append(self._USUALLY.format(usual=self._usual(deviation, deviation.usual)))
        if deviation.limit is not None:
            write = self.seconds if deviation.kind == "slow" else self.LOCALE.limit
            parts.append(self._LIMIT.format(limit=write(deviation.limit)))
        return ", ".join(parts)

    def _usual(self, deviation: Deviation, usual: float) -> str:
        if deviation.kind == "failed":
            return self.rate(usual) if usual else self._NO_SHARE
        return self.number(round(usual)) if usual else self._NO_COUNT

    def marked(self, text: str) -> str:
        """Mark what is unusual."""
        return f"⚠ {text}"

    def failure_burst(self, burst: FailureBurst, start: str, end: str) -> str:
        """Say where failures come in a burst, from the clock time `start` to `end`."""
        sentence = self._BURST if burst.failed < burst.of else self._BURST_OF_ALL
        failures = self._counted(burst.of, self._OF_FAILURES)
        return sentence.format(count=self.number(burst.failed), failures=failures, start=start, end=end)

    def what_is_usual(self, window: Window, comparison: Comparison) -> str:
        """Explain the usual figures, or say why there are none and from when on there will be."""
        if comparison.failure:
            return self._NOT_COMPARED
        if comparison.usual:
            few = "" if comparison.usual.weeks == WEEKS else self._THREE_OF
            weekdays = self._WEEKDAYS[window.start.astimezone(window.zone).weekday()]
            return self._MEDIAN_OF.format(few=few, weekdays=weekdays, clock=self._clock(window))
        if comparison.known_from:
            date = comparison.known_from.astimezone(window.zone).strftime(self.LOCALE.date)
            return self._KNOWN_FROM.format(date=date)
        return ""

    def this(self, window: Window) -> str:
        """Name the window in a table that compares it."""
        return self._THIS[_span(window)]

    def the_one_before(self, window: Window) -> str:
        """Name the window before in such a table; in short words, for a phone's column."""
        return self._BEFORE[_span(window)]

    def compared(self, window: Window, now: str, before: str, usual: str) -> str:
        """Compare a figure in a line: `2,431 (usually 2,400, hour before 2,219)`, as far as it is known."""
        earlier = before and f"{self._EARLIER[_span(window)]} {before}"
        known = ", ".join(filter(None, [usual and self._USUALLY.format(usual=usual), earlier]))
        return f"{now} ({known})" if known else now

    def anomaly(self, odd: Anomaly) -> str:
        """Say how many analyses are odd, and in which way."""
        return f"{self._counted(odd.count, self._COUNTED_ANALYSES)}: {self.ANOMALIES[odd.kind]}"

    def unfigured(self, odd: Anomaly) -> str:
        """Say which analyses lack figures, by their statuses."""
        anomaly, statuses = self.ANOMALIES[odd.kind], self._each(odd.statuses)
        said = self._counted(odd.count, self._UNFIGURED, anomaly=anomaly, statuses=statuses)
        return f"{said[0].upper()}{said[1:]}"

    def unfinished(self, counted: Sequence[StatusCount]) -> str:
        """Say how many analyses have not ended: `18 not finished: 12 running, 6 queued`; nothing where all have."""
        if not counted:
            return ""
        statuses = self.status(counted[0].status) if len(counted) == 1 else self._each(counted)
        return self._UNFINISHED.format(count=self.number(sum(one.analyses for one in counted)), statuses=statuses)

    def _each(self, counted: Sequence[StatusCount]) -> str:
        pairs = [
            (self.number(one.analyses), self._OTHERS if one.others else self.status(one.status)) for one in counted
        ]
        return ", ".join(self._COUNTED_STATUS.format(count=count, status=status) for count, status in pairs)

    def late_rows(self, window: Window, more: int, *, failed: int = 0, skipped: bool = False) -> str:
        """Write the remark that rows came after a window's report was sent, or after it was skipped as empty.

        `failed`: so many more of its analyses have failed.
        """
        return self._LATE_ROWS.format(
            rows=self._counted(more, self._ROWS),
            window=self._earlier_label(window),
            end=self._SKIPPED if skipped else self._SENT,
            failures=self._counted(failed, self._AND_FAILED) if failed else "",
        )

    def failed_since(self, window: Window, failed: int) -> str:
        """Write the remark that analyses have failed after a window's report was sent."""
        return self._counted(failed, self._FAILED_SINCE, window=self._earlier_label(window))

    def more_like_this(self, count: int) -> str:
        """Say that remarks are left out."""
        return self._counted(count, self._MORE_REMARKS)

    def status(self, name: str | None, limit: int = NAME_LENGTH) -> str:
        """Show the status of an analysis, or that it has none but blanks, in at most `limit` UTF-16 units."""
        return shown(given(name or "", self.TOO_LONG), limit) or self._NO_STATUS

    def counted_status(self, counted: StatusCount, limit: int = NAME_LENGTH) -> str:
        """Show a status that was counted, or how many others were, in at most `limit` UTF-16 units."""
        if not counted.others:
            return self.status(counted.status, limit)
        return self._counted(counted.others, self._OR_MORE_STATUSES if counted.more else self._OTHER_STATUSES)

    def part(self, failed: str, processed: str) -> str:
        """Say how many of the records of an analysis failed: `12 of 200`."""
        return self._PART.format(failed=failed, processed=processed)

    def toll(self, failed: str, processed: str, took: str) -> str:
        """Say what an analysis cost: `12 of 200 records failed, 1.25 s`."""
        records = (self._TOLL_OF_ONE if processed == "1" else self._TOLL).format(failed=failed, processed=processed)
        return ", ".join(filter(None, [records, took]))

    def whereabouts(self, attachment: Attachment, window: Window, rows: int, channel: str) -> str:
        """Say where those whom `channel` reaches find the workbook: attached, behind a link, or nowhere, and why."""
        if attachment.left_out:
            return self._LEFT_OUT.format(reason=shown(attachment.left_out, _REASON_LENGTH))
        if attachment.link:
            moment = attachment.until and self.LOCALE.moment(attachment.until, window.zone, "%H:%M")
            until = self._UNTIL.format(moment=moment) if moment else ""
            size = self.LOCALE.megabytes(attachment.size).replace(" ", BLANK)
            return self._LINKED.format(channel=self._CHANNELS[channel], size=size, until=until)
        if not rows:
            return self._WITHOUT_ROWS.format(file=attachment.name)
        # The file's name may say another hour than the report does.
        is_elsewhere = window.template == "hourly" and window.start.astimezone(window.zone).utcoffset()
        sentence = self._NAMED_IN_UTC if is_elsewhere else self._ATTACHED
        return sentence.format(file=attachment.name, window=self.label(window))

    def too_large(self, channel: str, size: int) -> str:
        """Say to those who get it why a workbook of `size` bytes is left out."""
        return self._TOO_LARGE.format(channel=self._CHANNELS[channel], size=self.LOCALE.megabytes(size))

    def zone_name(self, window: Window) -> str:
        """Name the zone in which times are shown, with its offset or offsets: `Europe/Berlin (UTC+1)`, or `UTC`."""
        last = (window.end - timedelta.resolution).astimezone(window.zone)
        offset, later = offset_name(window.start.astimezone(window.zone)), offset_name(last)
        if window.zone.key == offset == later:
            return offset
        return f"{window.zone.key} ({offset if offset == later else f'{offset}, {self._THEN} {later}'})"

    def page_header(self, window: Window) -> str:
        """Write what stands at the head of every printed page."""
        return self._IN_ZONE.format(what=self.label(window), zone=self.zone_name(window))

    def approximate_quantiles(self) -> str:
        """Say how exact median and 95 % are where there are many durations."""
        return self._APPROXIMATE.format(exact=self.number(EXACT), error=self.LOCALE.limit(RELATIVE_ERROR))

    def failed_statuses(self, names: Sequence[str]) -> str:
        """Say which statuses count as failed."""
        return self._FAILED_STATUSES.format(names=", ".join(names))

    def highlights(self, low_rate: float) -> str:
        """Say what stands out among the rows."""
        return self._HIGHLIGHTS.format(rate=self.LOCALE.limit(low_rate))

    def buckets_heading(self, window: Window) -> str:
        """Head the table of buckets."""
        return self._IN_ZONE.format(what=self._buckets(window).capitalize(), zone=self.zone_name(window))

    def chart_title(self, window: Window) -> str:
        """Name the chart."""
        return self._CHART_TITLE.format(buckets=self._buckets(window))

    def chart_axis(self, window: Window) -> str:
        """Name the chart's axis of times."""
        return f"{self.FROM} ({self.zone_name(window)})"

    def chart_description(self, window: Window, summary: Summary, most: TimeBucket, start: str) -> str:
        """Tell who doesn't see the chart what it shows; `most` is its highest column, which begins at `start`."""
        total = self._CHART_TOTAL_OF_ONE if summary.rows == 1 else self._CHART_TOTAL
        analyses = self._counted(summary.rows, self._COUNTED_ANALYSES)
        return self._CHART_DESCRIPTION.format(
            buckets=self._buckets(window),
            window=self.label(window),
            total=total.format(analyses=analyses, failed=self.number(summary.failed_analyses)),
            most=self.number(most.analyses),
            start=start,
        )

    def bucket(self, bucket: TimeBucket) -> str:
        """Say what a bucket holds: `210`, or `210, 4 failed`."""
        analyses = self.number(bucket.analyses)
        return self._BUCKET.format(analyses=analyses, failed=self.number(bucket.failed)) if bucket.failed else analyses

    def chart_caption(self, most: TimeBucket, start: str, end: str, *, any_failed: bool) -> str:
        """Say how high the highest bar of a mail's chart is, and which part of a bar is what."""
        caption = self._CHART_CAPTION.format(most=self.number(most.analyses), start=start, end=end)
        return caption + (self._LOWER_PART if any_failed else "")

    def _counted(self, count: int | float, forms: Forms, **facts: str) -> str:
        """Fill the form that `count`, as it is written, asks for with it and `facts`."""
        form = forms.get(self.LOCALE.plural_form(round(count, 6))) or [*forms.values()][-1]
        return form.format(self.number(count), **facts)

    def _short_label(self, window: Window) -> str:
        """Name the window in a title, where no comma stands."""
        return self.label(window).replace(", ", " ")

    def _buckets(self, window: Window) -> str:
        return self._PER_HOUR if window.template == "daily" else self._PER_FIVE_MINUTES

    def _clock(self, window: Window) -> str:
        """Write the clock times of a window that is no day: `, 13:00-14:00 UTC`, or `, 24 hours from 13:07 UTC`."""
        if window.is_calendar_day:
            return ""
        start, end = clocks([window.start, window.end], window.zone)
        times = f"{start}{self._TO}{end}" if window.template == "hourly" else self._FROM_24_HOURS.format(start=start)
        return f", {times}{BLANK}{offset_name(window.start.astimezone(window.zone))}"


def _span(window: Window) -> Span:
    if window.template == "hourly":
        return "hour"
    return "day" if window.is_calendar_day else "24 hours"


ENGLISH = Phrases()


def phrases_of(language: Language) -> Phrases:
    """Return the phrases of `language`; what another one than English needs is loaded only for it."""
    match language:
        case "en":
            return ENGLISH
        case "ru":
            from .russian import RUSSIAN

            return RUSSIAN
