"""All that a report says of its window, in words, before it takes any form."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from ..config.settings import DEFAULT_NAME, Language
from ..domain.analysis import Analysis, FailedStatuses, Figure
from ..domain.baseline import IN_VOLUME, Comparison, Counts, Deviation, is_as_usual, is_called_normal
from ..domain.failure_burst import failure_burst
from ..domain.summary import StatusCount, Summary, TimeBucket, busiest
from ..domain.window import Window
from ..phrases.formats import clock, clocks, given, shown
from ..phrases.language import Phrases, phrases_of
from ..runtime.visible_text import units

STATUSES_SHOWN = 9
WORST_SHOWN = 5
REMARKS_SHOWN = 5
LEAD = 40
"""UTF-16 units of the first fact of a subject: about what a phone's list of mails shows."""
Labelled = tuple[str, str]


class Bar(Struct, frozen=True, kw_only=True):
    """A status, how many analyses have it, and their share of all (0 to 1).

    `counts_as`: the word for failed, where the name of a status that counts as failed doesn't say it.
    """

    name: str
    count: int
    share: float
    failed: bool
    counts_as: str


class Case(Struct, frozen=True, kw_only=True):
    """One of the worst analyses."""

    name: str
    moment: str
    status: str
    failed: bool
    toll: str


class Compared(Struct, frozen=True, kw_only=True):
    """A figure of the window, of the one before, and what is usual; "" where that isn't known.

    `unusual`: it deviates from what is usual. `line` says it all in one, "" of a share, which the headline has.
    """

    name: str
    now: str
    before: str
    usual: str
    unusual: bool
    line: str


class Chart(Struct, frozen=True, kw_only=True):
    """The window's buckets with the clock times at which they begin; `description` is for those who don't see it."""

    title: str
    caption: str
    description: str
    starts: Sequence[str]
    buckets: Sequence[TimeBucket]


class Content(Struct, frozen=True, kw_only=True):
    """Plain text in one language, each of bounded length, about `window`, which has so many `rows`.

    Of these rows, `failed` have a status that counts as failed.
    `lead` is the fact that stands before the title where the window is unusual, "" where it is normal; `marks` stand
    behind the title. `headlines` are what matters most, one line each: the deviations of a window that `is_unusual`,
    the most serious first, or how it went. `compared` are the counts, side by side with others where `is_compared`,
    and `what_is_usual` explains them. `details` are labels with their values; `figures` the lines that say the same.
    `anomalies` cannot be true, which `unfigured` analyses can. `is_as_usual`: that is known of the window.
    """

    language: Language
    window: Window
    rows: int
    failed: int
    name: str
    title: str
    label: str
    lead: str
    marks: str
    headlines: Sequence[str]
    is_unusual: bool
    records: str
    failure_burst: str
    comparison_headers: Sequence[str]
    compared: Sequence[Compared]
    is_compared: bool
    is_usual_known: bool
    what_is_usual: str
    is_as_usual: bool
    unfinished: str
    anomalies: Sequence[str]
    unfigured: str
    remarks: Sequence[str]
    details: Sequence[Labelled]
    figures: Sequence[str]
    chart: Chart | None
    bars: Sequence[Bar]
    worst: Sequence[Case]


def describe(
    window: Window,
    summary: Summary,
    *,
    late: bool = False,
    remarks: Sequence[str] = (),
    marks: str = "",
    comparison: Comparison | None = None,
    deviations: Sequence[Deviation] = (),
    name: str = DEFAULT_NAME,
    language: Language = "en",
) -> Content:
    """Put a window's figures into words, and the `deviations` that they show in `comparison` with others.

    `marks` stand behind the title because of the `remarks`.
    """
    comparison, phrases = comparison or Comparison(), phrases_of(language)
    is_normal = is_called_normal(summary, comparison, deviations)
    odd = summary.anomalies()
    return Content(
        language=language,
        window=window,
        rows=summary.rows,
        failed=summary.failed_analyses,
        name=name,
        title=phrases.title(window),
        label=phrases.label(window),
        lead=_lead(phrases, summary, deviations, is_normal=is_normal),
        marks=(phrases.LATE if late else "") + marks,
        headlines=[phrases.warned(phrases.warning(found)) for found in deviations]
        or [phrases.headline(summary, comparison, is_normal=is_normal)],
        is_unusual=bool(deviations),
        records="" if any(found.kind == "low_success" for found in deviations) else phrases.records(summary),
        failure_burst=_failure_burst(phrases, window, summary),
        comparison_headers=[phrases.this(window), phrases.the_one_before(window), phrases.USUAL],
        compared=_compared(phrases, window, summary, comparison, deviations),
        is_compared=comparison.usual is not None or comparison.before != Counts(),
        is_usual_known=comparison.usual is not None,
        what_is_usual=phrases.what_is_usual(window, comparison),
        is_as_usual=is_as_usual(summary, comparison, deviations),
        unfinished=phrases.unfinished(summary.unfinished),
        anomalies=[phrases.anomaly(one) for one in odd if one.kind != "missing"],
        unfigured=next((phrases.unfigured(one) for one in odd if one.kind == "missing"), ""),
        remarks=_few(phrases, remarks),
        details=_details(phrases, summary),
        figures=_figures(phrases, summary),
        chart=_chart(phrases, window, summary) if summary.rows else None,
        bars=_bars(phrases, summary),
        worst=_worst(phrases, window, summary),
    )


def _lead(phrases: Phrases, summary: Summary, deviations: Sequence[Deviation], *, is_normal: bool) -> str:
    """Write the most serious fact within LEAD units, and the next one in a few words."""
    if not deviations:
        return phrases.NO_ANALYSES if not summary.rows and not is_normal else ""
    first, second = deviations[0], deviations[1:2]
    whole = phrases.warned(phrases.warning(first))
    lead = whole if units(whole) <= LEAD else phrases.warned(phrases.fact(first))
    return "; ".join([lead, *(phrases.fact(one)[:1].lower() + phrases.fact(one)[1:] for one in second)])


def _failure_burst(phrases: Phrases, window: Window, summary: Summary) -> str:
    found = failure_burst(summary.buckets(window))
    return phrases.failure_burst(found, *clocks([found.start, found.end], window.zone)) if found else ""


def _compared(
    phrases: Phrases, window: Window, summary: Summary, comparison: Comparison, deviations: Sequence[Deviation]
) -> list[Compared]:
    kinds = {found.kind for found in deviations}
    has_unusual_count, has_unusual_failures = bool(kinds & IN_VOLUME), "failed" in kinds
    counts = (
        (phrases.ANALYSES, comparison.analyses(summary.rows), has_unusual_count),
        (phrases.FAILED_COUNT, comparison.failed(summary.failed_analyses), has_unusual_failures),
    )
    found = []
    for name, figures, unusual in counts:
        now, then, mostly = ["" if count is None else phrases.number(count) for count in figures]
        line = f"{name}: {phrases.compared(window, now, then, mostly)}"
        found.append(Compared(name=name, now=now, before=then, usual=mostly, unusual=unusual, line=line))
    if not summary.rows:
        return found[:1]  # nothing could fail
    shares = comparison.failed_share(Counts(analyses=summary.rows, failed=summary.failed_analyses))
    now, then, mostly = ["" if share is None else phrases.rate(share) for share in shares]
    name, unusual = phrases.FAILED_SHARE, has_unusual_failures
    return [*found, Compared(name=name, now=now, before=then, usual=mostly, unusual=unusual, line="")]


def _chart(phrases: Phrases, window: Window, summary: Summary) -> Chart:
    buckets = summary.buckets(window)
    *starts, end = clocks([*(bucket.start for bucket in buckets), window.end], window.zone)
    most = busiest(buckets)
    any_failed = bool(summary.failed_analyses)
    return Chart(
        title=phrases.chart_title(window),
        caption=phrases.chart_caption(buckets[most], starts[most], [*starts, end][most + 1], any_failed=any_failed),
        description=phrases.chart_description(window, summary, buckets[most], starts[most]),
        starts=starts,
        buckets=buckets,
    )


def _few(phrases: Phrases, remarks: Sequence[str]) -> list[str]:
    rest = len(remarks) - REMARKS_SHOWN
    return [*remarks[:REMARKS_SHOWN], *([phrases.more_like_this(rest)] if rest > 0 else [])]


def _details(phrases: Phrases, summary: Summary) -> list[Labelled]:
    if not summary.rows:
        return []
    records = [
        (phrases.PROCESSED, phrases.number(summary.processed)),
        (phrases.FAILED, phrases.number(summary.failed)),
        (phrases.SUCCESS_RATE, phrases.rate(summary.success_rate)),
    ]
    took = summary.durations
    times = ((phrases.MEDIAN, took.median), (phrases.P95, took.p95), (phrases.LONGEST, took.longest))
    return records + [(name, phrases.seconds(value)) for name, value in times if value is not None]


def _figures(phrases: Phrases, summary: Summary) -> list[str]:
    took = summary.durations
    lines = [phrases.records_line(summary)]
    if took.median is not None and took.p95 is not None and took.longest is not None:
        lines.append(phrases.durations_line(*map(phrases.seconds, (took.median, took.p95, took.longest))))
    return [*filter(None, lines)]


def _bars(phrases: Phrases, summary: Summary) -> list[Bar]:
    return [
        Bar(
            name=phrases.counted_status(counted),
            count=counted.analyses,
            share=counted.analyses / summary.rows,
            failed=counted.failed,
            counts_as=_counts_as(phrases, counted),
        )
        for counted in summary.statuses(STATUSES_SHOWN)
    ]


def _counts_as(phrases: Phrases, counted: StatusCount) -> str:
    is_said = counted.status.strip().casefold() == phrases.FAILED_STATUS
    return phrases.FAILED_STATUS if counted.failed and not is_said else ""


def _worst(phrases: Phrases, window: Window, summary: Summary) -> list[Case]:
    """List the analyses with the most records failed, as far as any did."""
    worst = [one.analysis for one in summary.worst if _is_positive(one.analysis.records_failed)]
    return [_case(phrases, analysis, window, summary.failed_statuses) for analysis in worst[:WORST_SHOWN]]


def _case(phrases: Phrases, analysis: Analysis, window: Window, failed: FailedStatuses) -> Case:
    duration = given(analysis.duration, phrases.TOO_LONG)
    took = phrases.seconds(duration) if isinstance(duration, int | float) else shown(duration or "")
    failed_records, processed = phrases.figure(analysis.records_failed), phrases.figure(analysis.records_processed)
    return Case(
        name=shown(str(analysis.id)),
        moment=_moment(phrases, analysis.created_at, window),
        status=phrases.status(analysis.status),
        failed=analysis.status in failed,
        toll=phrases.toll(failed_records, processed, took),
    )


def _moment(phrases: Phrases, at: datetime, window: Window) -> str:
    """Write a moment of `window`: with its date where the window has more than one."""
    first, last = (at.astimezone(window.zone).date() for at in (window.start, window.end - timedelta(microseconds=1)))
    return clock(at, window.zone) if first == last else phrases.LOCALE.moment(at, window.zone)


def _is_positive(value: Figure) -> bool:
    return isinstance(value, int | float) and value > 0
