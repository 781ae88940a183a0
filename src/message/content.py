"""All that a report says of its window, in words, before it takes any form."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from ..config.settings import DEFAULT_NAME, Language
from ..domain.analysis import Analysis, FailedStatuses, Figure
from ..domain.baseline import Comparison, Deviation
from ..domain.failure_burst import failure_burst
from ..domain.summary import Summary, TimeBucket, busiest
from ..domain.window import Window
from ..phrases.formats import clocks, given, shown
from ..phrases.formats import moment as moment_of
from ..phrases.language import Phrases, phrases_of

STATUSES_SHOWN = 9
WORST_SHOWN = 5
REMARKS_SHOWN = 5
Labelled = tuple[str, str]


class Bar(Struct, frozen=True, kw_only=True):
    """A status, how many analyses have it, and their share of all (0 to 1)."""

    name: str
    count: int
    share: float
    failed: bool


class Case(Struct, frozen=True, kw_only=True):
    """One of the worst analyses."""

    name: str
    moment: str
    status: str
    failed: bool
    toll: str


class Compared(Struct, frozen=True, kw_only=True):
    """A figure of the window, of the one before, and what is usual; "" where that isn't known.

    `unusual`: it is out of the ordinary. `line` says it all in one.
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
    `marks` stand behind the title; `warnings` say what is out of the ordinary, `warned` the same in a few words.
    `compared` are the counts that the headline gives too, side by side with others where `is_compared`; `not_compared`
    says that what is usual could not be counted. `details` are labels with their values. `is_normal`: the window is as
    usual, and that is known.
    """

    language: Language
    window: Window
    rows: int
    failed: int
    name: str
    title: str
    label: str
    marks: str
    warnings: Sequence[str]
    warned: Sequence[str]
    headline: str
    records: str
    failure_burst: str
    comparison_headers: Sequence[str]
    compared: Sequence[Compared]
    is_compared: bool
    not_compared: str
    is_normal: bool
    unfinished: str
    anomalies: Sequence[str]
    remarks: Sequence[str]
    details: Sequence[Labelled]
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
    return Content(
        language=language,
        window=window,
        rows=summary.rows,
        failed=summary.failed_analyses,
        name=name,
        title=phrases.title(window),
        label=phrases.label(window),
        marks=(phrases.LATE if late else "") + marks,
        warnings=[*dict.fromkeys(map(phrases.warning, deviations))],
        warned=[*dict.fromkeys(map(phrases.deviation, deviations))],
        headline=phrases.headline(window, summary),
        records=phrases.records(summary),
        failure_burst=_failure_burst(phrases, window, summary),
        comparison_headers=[phrases.this(window), phrases.the_one_before(window), phrases.USUAL],
        compared=_compared(phrases, window, summary, comparison, deviations),
        is_compared=comparison != Comparison(),
        not_compared=phrases.NOT_COMPARED if comparison.failure else "",
        is_normal=comparison.usual is not None and not deviations,
        unfinished=phrases.unfinished(summary.unfinished),
        anomalies=[phrases.anomaly(odd) for odd in summary.anomalies()],
        remarks=_few(phrases, remarks),
        details=_details(phrases, summary),
        chart=_chart(phrases, window, summary) if summary.rows else None,
        bars=_bars(phrases, summary),
        worst=_worst(phrases, window, summary),
    )


def _failure_burst(phrases: Phrases, window: Window, summary: Summary) -> str:
    found = failure_burst(summary.buckets(window))
    return phrases.failure_burst(found, *clocks([found.start, found.end], window.zone)) if found else ""


def _compared(
    phrases: Phrases, window: Window, summary: Summary, comparison: Comparison, deviations: Sequence[Deviation]
) -> list[Compared]:
    kinds = {found.kind for found in deviations}
    analyses, failed = comparison.analyses(summary.rows), comparison.failed(summary.failed_analyses)
    figures = (
        (phrases.ANALYSES, analyses, bool(kinds & {"empty", "few", "many"})),
        (phrases.FAILED_ANALYSES, failed, bool(kinds & {"failed", "high_failures"})),
    )
    found = []
    for name, counts, unusual in figures:
        now, then, mostly = ["" if count is None else phrases.number(count) for count in counts]
        line = f"{name}: {phrases.compared(window, now, then, mostly)}"
        found.append(Compared(name=name, now=now, before=then, usual=mostly, unusual=unusual, line=line))
    return found


def _chart(phrases: Phrases, window: Window, summary: Summary) -> Chart:
    buckets = summary.buckets(window)
    starts = clocks([bucket.start for bucket in buckets], window.zone)
    most = busiest(buckets)
    any_failed = bool(summary.failed_analyses)
    return Chart(
        title=phrases.chart_title(window),
        caption=phrases.chart_caption(buckets[most], starts[most], any_failed=any_failed),
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


def _bars(phrases: Phrases, summary: Summary) -> list[Bar]:
    return [
        Bar(
            name=phrases.counted_status(counted),
            count=counted.analyses,
            share=counted.analyses / summary.rows,
            failed=counted.failed,
        )
        for counted in summary.statuses(STATUSES_SHOWN)
    ]


def _worst(phrases: Phrases, window: Window, summary: Summary) -> list[Case]:
    """List the analyses with the most records failed, as far as any did."""
    worst = [one.analysis for one in summary.worst if _is_positive(one.analysis.records_failed)]
    return [_case(phrases, analysis, window, summary.failed_statuses) for analysis in worst[:WORST_SHOWN]]


def _case(phrases: Phrases, analysis: Analysis, window: Window, failed: FailedStatuses) -> Case:
    duration = given(analysis.duration, phrases.TOO_LONG)
    took = phrases.seconds(duration) if isinstance(duration, int | float) else shown(duration or "")
    failed_records, processed = _figure(phrases, analysis.records_failed), _figure(phrases, analysis.records_processed)
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
    return moment_of(at, window.zone, "%H:%M:%S") if first == last else phrases.moment(at, window.zone)


def _figure(phrases: Phrases, value: Figure) -> str:
    if isinstance(value, int | float):
        return phrases.number(value)
    return "?" if value is None else shown(given(value, phrases.TOO_LONG))


def _is_positive(value: Figure) -> bool:
    return isinstance(value, int | float) and value > 0
