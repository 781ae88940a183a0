"""All that a report says of its window, in words, before it takes any form."""

from collections.abc import Sequence, Set
from datetime import datetime, timedelta
from pathlib import Path

from msgspec import Struct

from ..config.settings import DEFAULT_NAME, Language
from ..domain.analysis import Analysis, FailedStatuses, Figure
from ..domain.baseline import IN_VOLUME, Comparison, Counts, Deviation, DeviationKind, is_as_usual, is_called_normal
from ..domain.delivery import Attachment
from ..domain.summary import StatusCount, Summary, TimeBucket, busiest, failure_burst
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


class ComparisonTable(Struct, frozen=True, kw_only=True):
    """The counts of the window, side by side with others under `headers` where it `is_compared`.

    `what_is_usual` explains them, or says why there is nothing usual.
    """

    headers: Sequence[str]
    rows: Sequence[Compared]
    is_compared: bool
    is_usual_known: bool
    what_is_usual: str


class Figures(Struct, frozen=True, kw_only=True):
    """What the rows of the window show by themselves.

    `details` are labels with their values; `lines` say the same. `anomalies` cannot be true, which `unfigured`
    analyses can.
    """

    failure_burst: str
    details: Sequence[Labelled]
    lines: Sequence[str]
    chart: Chart | None
    bars: Sequence[Bar]
    worst: Sequence[Case]
    unfinished: str
    anomalies: Sequence[str]
    unfigured: str


class Content(Struct, frozen=True, kw_only=True):
    """Plain text in one language, each of bounded length, about `window`, which has so many `rows`.

    Of these rows, `failed` have a status that counts as failed.
    `lead` is the fact that stands before the title where the window is unusual, "" where it is normal; `marks` stand
    behind the title. `headlines` are what matters most, one line each: the deviations of a window that `is_unusual`,
    the most serious first, or how it went. `is_as_usual`: that is known of the window.
    """

    language: Language
    window: Window
    rows: int
    failed: int
    name: str
    lead: str
    marks: str
    headlines: Sequence[str]
    is_unusual: bool
    is_as_usual: bool
    records: str
    comparison: ComparisonTable
    remarks: Sequence[str]
    figures: Figures


class Report(Struct, frozen=True, kw_only=True):
    """One window's report, ready for every recipient; each channel renders its own form of `content`.

    `identity` names this delivery: the same for every attempt at it, another for any other report. `repeats` is the
    identity of the delivery that this one repeats under a name of its own, if it does. `folder` is where the workbook
    is stored in the bucket. `is_as_usual`: those who get only unusual windows need not see it.
    `created` is aware UTC. `workbook` is the file on the disk, `attachment` how it reaches the recipients.
    """

    identity: str
    created: datetime
    workbook: Path
    attachment: Attachment
    content: Content
    folder: str = ""
    repeats: str = ""
    is_as_usual: bool = False


def describe(
    window: Window,
    summary: Summary,
    *,
    late: bool = False,
    remarks: Sequence[str] = (),
    marks: str = "",
    comparison: Comparison = Comparison(),  # noqa: B008 - frozen
    deviations: Sequence[Deviation] = (),
    name: str = DEFAULT_NAME,
    language: Language = "en",
) -> Content:
    """Put a window's figures into words, and the `deviations` that they show; `remarks` have `marks` in the title."""
    phrases = phrases_of(language)
    is_normal = is_called_normal(summary, comparison, deviations)
    warnings = [phrases.marked(phrases.warning(found)) for found in deviations]
    has_low_success = any(found.kind == "low_success" for found in deviations)
    return Content(
        language=language,
        window=window,
        rows=summary.rows,
        failed=summary.failed_analyses,
        name=name,
        lead=_lead(phrases, summary, deviations, is_normal=is_normal),
        marks=(phrases.LATE if late else "") + marks,
        headlines=warnings or [phrases.headline(summary, comparison, is_normal=is_normal)],
        is_unusual=bool(deviations),
        is_as_usual=is_as_usual(summary, comparison, deviations),
        records="" if has_low_success else phrases.records(summary),
        comparison=_comparison_table(phrases, window, summary, comparison, {found.kind for found in deviations}),
        remarks=_few(phrases, remarks),
        figures=_figures(phrases, window, summary),
    )


def _lead(phrases: Phrases, summary: Summary, deviations: Sequence[Deviation], *, is_normal: bool) -> str:
    """Write the most serious fact within LEAD units, and the next one in a few words."""
    if not deviations:
        return phrases.NO_ANALYSES if not summary.rows and not is_normal else ""
    first, second = deviations[0], deviations[1:2]
    whole = phrases.marked(phrases.warning(first))
    lead = whole if units(whole) <= LEAD else phrases.marked(phrases.fact(first))
    return "; ".join([lead, *(phrases.fact(one)[:1].lower() + phrases.fact(one)[1:] for one in second)])


def _failure_burst(phrases: Phrases, window: Window, summary: Summary) -> str:
    found = failure_burst(summary.buckets(window))
    return phrases.failure_burst(found, *clocks([found.start, found.end], window.zone)) if found else ""


def _comparison_table(
    phrases: Phrases, window: Window, summary: Summary, comparison: Comparison, unusual: Set[DeviationKind]
) -> ComparisonTable:
    return ComparisonTable(
        headers=[phrases.this(window), phrases.the_one_before(window), phrases.USUAL],
        rows=_compared(phrases, window, summary, comparison, unusual),
        is_compared=comparison.usual is not None or comparison.before != Counts(),
        is_usual_known=comparison.usual is not None,
        what_is_usual=phrases.what_is_usual(window, comparison),
    )


def _compared(
    phrases: Phrases, window: Window, summary: Summary, comparison: Comparison, unusual: Set[DeviationKind]
) -> list[Compared]:
    rows, failed = summary.rows, summary.failed_analyses
    shares = comparison.failed_share(Counts(analyses=rows, failed=failed))
    table = (
        (phrases.ANALYSES, phrases.number, comparison.analyses(rows), bool(unusual & IN_VOLUME)),
        (phrases.FAILED_COUNT, phrases.number, comparison.failed(failed), "failed" in unusual),
        (phrases.FAILED_SHARE, phrases.rate, shares, "failed" in unusual),
    )
    compared = []
    for name, write, figures, is_unusual in table if rows else table[:1]:  # of no analyses none could fail
        now, before, usual = ["" if figure is None else write(figure) for figure in figures]
        line = "" if name == phrases.FAILED_SHARE else f"{name}: {phrases.compared(window, now, before, usual)}"
        compared.append(Compared(name=name, now=now, before=before, usual=usual, unusual=is_unusual, line=line))
    return compared


def _figures(phrases: Phrases, window: Window, summary: Summary) -> Figures:
    anomalies = summary.anomalies()
    return Figures(
        failure_burst=_failure_burst(phrases, window, summary),
        details=_details(phrases, summary),
        lines=_lines(phrases, summary),
        chart=_chart(phrases, window, summary) if summary.rows else None,
        bars=_bars(phrases, summary),
        worst=_worst(phrases, window, summary),
        unfinished=phrases.unfinished(summary.unfinished),
        anomalies=[phrases.anomaly(odd) for odd in anomalies if odd.kind != "missing"],
        unfigured="".join(phrases.unfigured(odd) for odd in anomalies if odd.kind == "missing"),
    )


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


def _lines(phrases: Phrases, summary: Summary) -> list[str]:
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
