"""All that a report says of its window, in words, before it takes any form."""

from collections.abc import Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from ..domain.analysis import Analysis, Figure, is_failed_status
from ..domain.summary import Summary
from ..domain.window import Window
from ..phrases import english as phrases
from ..phrases.formats import moment, number, rate, seconds, shown

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


class Content(Struct, frozen=True, kw_only=True):
    """Plain text, each of bounded length, with its moments as `zone` reads them.

    `marks` stand behind the title; `figures` and `details` are labels with their values, `figures` being
    the counts that the headline gives too.
    """

    title: str
    label: str
    marks: str
    headline: str
    comparison: str
    to_look_at: str
    anomalies: Sequence[str]
    remarks: Sequence[str]
    figures: Sequence[Labelled]
    details: Sequence[Labelled]
    bars: Sequence[Bar]
    worst_title: str
    worst: Sequence[Case]
    zone: ZoneInfo


def describe(
    window: Window, summary: Summary, *, late: bool = False, remarks: Sequence[str] = (), before: int | None = None
) -> Content:
    """Put a window's figures into words; `before` is how many analyses the window before had, if it is known."""
    anomalies = [phrases.anomaly(odd) for odd in summary.anomalies()]
    any_failed = any(_is_positive(one.analysis.records_failed) for one in summary.worst[:WORST_SHOWN])
    return Content(
        title=phrases.title(window),
        label=window.label(),
        marks=(phrases.LATE if late else "")
        + (phrases.ODD if anomalies else "")
        + (phrases.ROWS_LATE if remarks else ""),
        headline=phrases.headline(window, summary),
        comparison=phrases.comparison(window, summary.rows, before),
        to_look_at=phrases.to_look_at(summary.failed_analyses, anomalies),
        anomalies=anomalies,
        remarks=_few(remarks),
        figures=_figures(summary),
        details=_details(summary),
        bars=_bars(summary),
        worst_title=phrases.MOST_FAILED if any_failed else phrases.SLOWEST,
        worst=[_case(one.analysis, window) for one in summary.worst[:WORST_SHOWN]],
        zone=window.zone,
    )


def _few(remarks: Sequence[str]) -> list[str]:
    rest = len(remarks) - REMARKS_SHOWN
    return [*remarks[:REMARKS_SHOWN], *([phrases.more_like_this(rest)] if rest > 0 else [])]


def _figures(summary: Summary) -> list[Labelled]:
    if not summary.rows:
        return []
    return [(phrases.ANALYSES, f"{summary.rows:,}"), (phrases.FAILED_ANALYSES, f"{summary.failed_analyses:,}")]


def _details(summary: Summary) -> list[Labelled]:
    if not summary.rows:
        return []
    records = [
        (phrases.PROCESSED, number(summary.processed)),
        (phrases.FAILED, number(summary.failed)),
        (phrases.SUCCESS_RATE, rate(summary.success_rate)),
    ]
    took = summary.durations
    times = ((phrases.MEDIAN, took.median), (phrases.P95, took.p95), (phrases.LONGEST, took.longest))
    return records + [(name, seconds(value)) for name, value in times if value is not None]


def _bars(summary: Summary) -> list[Bar]:
    return [
        Bar(
            name=phrases.counted_status(counted),
            count=counted.analyses,
            share=counted.analyses / summary.rows,
            failed=is_failed_status(counted.status),
        )
        for counted in summary.statuses(STATUSES_SHOWN)
    ]


def _case(analysis: Analysis, window: Window) -> Case:
    duration = analysis.duration
    took = seconds(duration) if isinstance(duration, int | float) else shown(duration or "")
    return Case(
        name=shown(str(analysis.id)),
        moment=moment(analysis.created_at, window.zone, _clock(window)),
        status=phrases.status(analysis.status),
        failed=is_failed_status(analysis.status),
        toll=phrases.toll(_figure(analysis.records_failed), _figure(analysis.records_processed), took),
    )


def _clock(window: Window) -> str:
    """Return the form in which a moment of `window` is shown: with its date where the window has more than one."""
    first, last = (at.astimezone(window.zone).date() for at in (window.start, window.end - timedelta(microseconds=1)))
    return "%H:%M:%S" if first == last else "%Y-%m-%d %H:%M:%S"


def _figure(value: Figure) -> str:
    if isinstance(value, int | float):
        return number(value)
    return "?" if value is None else shown(value)


def _is_positive(value: Figure) -> bool:
    return isinstance(value, int | float) and value > 0
