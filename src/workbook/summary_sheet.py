"""The sheet "Summary": a narrow column of sections for a phone, with the chart beside it for a laptop."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from openpyxl.cell import Cell
from openpyxl.formatting.rule import DataBar, FormatObject, Rule
from openpyxl.worksheet.page import PageMargins
from openpyxl.worksheet.pagebreak import Break

from ..domain.analysis import Figure
from ..domain.baseline import IN_VOLUME, Comparison, Counts, Deviation, is_called_normal
from ..domain.summary import Summary
from ..domain.window import Window
from ..phrases.formats import clock, given
from ..phrases.language import Phrases
from .cells import EXACT_DIGITS, Sheet, Value, showing
from .chart import ANALYSES_COLOUR, write_buckets
from .columns import LOW_RATE
from .data_sheet import location, set_up_print
from .layout import TEXT_SHOWN, Card, Layout

STATUSES_SHOWN = 10
_STATUS_OF_ROW = 22
"""UTF-16 units of the status of one of the worst analyses: two lines."""


class Origin(Struct, frozen=True, kw_only=True):
    """Where a report comes from: the table's name, and when it was `generated` (aware).

    `starts` are the places of the first rows of its data sheets among the window's rows, the first being 0; `name`
    says whose report it is.
    """

    table: str
    generated: datetime
    starts: Sequence[int]
    name: str


class Assessment(Struct, frozen=True, kw_only=True):
    """What a window is compared with, how it is out of the ordinary, and remarks on other windows."""

    comparison: Comparison = Comparison()
    deviations: Sequence[Deviation] = ()
    remarks: Sequence[str] = ()


def write_summary(
    sheet: Sheet, window: Window, summary: Summary, origin: Origin, assessment: Assessment, phrases: Phrases
) -> None:
    """Write the figures of `summary`, and the `assessment` about them, into a sheet that has no rows yet."""
    sheet.sheet_view.showGridLines = False
    set_up_print(sheet, phrases.page_header(window), "portrait")
    sheet.page_margins = PageMargins(left=0.4, right=0.4, top=0.75, bottom=0.6)
    layout = Layout(sheet)
    _write_head(layout, window, summary, origin, assessment, phrases)
    is_compared = assessment.comparison.usual is not None or assessment.comparison.before != Counts()
    if is_compared:
        _write_comparison(layout, window, summary, assessment, phrases)
    if summary.rows:
        layout.cards([*([] if is_compared else _counts(summary, phrases)), *_figures(summary, assessment, phrases)])
        _write_statuses(layout, summary, phrases)
        _write_worst(layout, window, summary, origin, phrases)
    _write_notes(layout, window, summary, assessment, phrases)
    _write_origin(layout, window, origin, phrases)
    if summary.rows:
        sheet.row_breaks.append(Break(id=layout.last))  # on paper the table of buckets has a page of its own
        write_buckets(layout, window, summary, phrases)


def _write_head(
    layout: Layout, window: Window, summary: Summary, origin: Origin, assessment: Assessment, phrases: Phrases
) -> None:
    """Name the report, and say what matters most in the words of its messages."""
    layout.title(f"{phrases.title(window)}{phrases.name_suffix(origin.name)}")
    layout.sentence(phrases.label(window))
    for found in assessment.deviations:
        layout.headline(phrases.marked(phrases.warning(found)), is_warning=True)
    if not assessment.deviations:
        is_normal = is_called_normal(summary, assessment.comparison, assessment.deviations)
        layout.headline(phrases.headline(summary, assessment.comparison, is_normal=is_normal), is_warning=False)


def _write_comparison(
    layout: Layout, window: Window, summary: Summary, assessment: Assessment, phrases: Phrases
) -> None:
    """Put the counts beside those of the window before and the usual ones, and mark what is unusual."""
    comparison, kinds = assessment.comparison, {found.kind for found in assessment.deviations}
    now = Counts(analyses=summary.rows, failed=summary.failed_analyses)
    counts = (
        (phrases.ANALYSES, comparison.analyses(summary.rows), bool(kinds & IN_VOLUME)),
        (phrases.FAILED_COUNT, comparison.failed(summary.failed_analyses), "failed" in kinds),
    )
    shares = [_rate(layout, share, phrases) for share in comparison.failed_share(now)]
    rows = [(name, [_count(layout, one, phrases) for one in figures], unusual) for name, figures, unusual in counts]
    layout.add()
    layout.header(phrases.COMPARED, phrases.this(window), phrases.the_one_before(window), phrases.USUAL)
    rows.append((phrases.FAILED_SHARE, shares, "failed" in kinds))
    for name, cells, is_unusual in rows if summary.rows else rows[:1]:  # of no analyses none could fail
        if is_unusual:
            layout.mark(cells[0])
        layout.row(layout.text(name), *cells)


def _count(layout: Layout, value: float | None, phrases: Phrases) -> Cell:
    return layout.figure(None if value is None else _sum(value, phrases), "#,##0")


def _rate(layout: Layout, value: float | None, phrases: Phrases) -> Cell:
    return layout.figure(value, showing(phrases.rate(value)))


def _sum(value: float, phrases: Phrases) -> Value:
    """Return a sum, as text where Excel would show other digits."""
    return phrases.number(value) if abs(value) >= EXACT_DIGITS else value


def _counts(summary: Summary, phrases: Phrases) -> list[Card]:
    counts = ((phrases.ANALYSES, summary.rows), (phrases.FAILED_COUNT, summary.failed_analyses))
    return [Card(label=label, value=value, number_format="#,##0") for label, value in counts]


def _figures(summary: Summary, assessment: Assessment, phrases: Phrases) -> list[Card]:
    kinds = {found.kind for found in assessment.deviations}
    took, rate = summary.durations, summary.success_rate
    records = ((phrases.PROCESSED, summary.processed), (phrases.FAILED, summary.failed))
    times = ((phrases.LONGEST, took.longest), (phrases.MEDIAN, took.median), (phrases.P95, took.p95))
    return [
        Card(
            label=phrases.SUCCESS_RATE,
            value=rate,
            number_format=showing(phrases.rate(rate)),
            is_unusual="low_success" in kinds,
        ),
        *(Card(label=label, value=_sum(value, phrases), number_format="#,##0") for label, value in records),
        *(
            Card(
                label=label,
                value=value,
                number_format=_as_duration(value, phrases),
                is_unusual=label == phrases.P95 and "slow" in kinds,
            )
            for label, value in times
        ),
    ]


def _as_duration(value: Figure, phrases: Phrases) -> str:
    """Return the format that shows a duration in the words of the messages."""
    return showing(phrases.seconds(value)) if isinstance(value, int | float) else "General"


def _write_statuses(layout: Layout, summary: Summary, phrases: Phrases) -> None:
    layout.heading(phrases.STATUSES)
    layout.header(phrases.COLUMN_STATUS, phrases.ANALYSES, phrases.SHARE, phrases.COUNTS_AS)
    first = layout.last + 1
    for counted in summary.statuses(STATUSES_SHOWN):
        cells = (
            layout.text(phrases.counted_status(counted, TEXT_SHOWN)),
            layout.figure(counted.analyses, "#,##0"),
            _rate(layout, counted.analyses / summary.rows, phrases),
            layout.text(phrases.COUNTS_AS_FAILED if counted.failed else ""),
        )
        if counted.failed:
            layout.mark(*cells)
        layout.row(*cells)
    ends = [FormatObject("num", val=0), FormatObject("num", val=1)]
    bar = DataBar(cfvo=ends, color=f"FF{ANALYSES_COLOUR}", minLength=0, maxLength=100)
    layout.sheet.conditional_formatting.add(f"C{first}:C{layout.last}", Rule("dataBar", dataBar=bar))
    layout.sentence(phrases.failed_statuses(summary.failed_statuses.names))


def _write_worst(layout: Layout, window: Window, summary: Summary, origin: Origin, phrases: Phrases) -> None:
    """List the worst analyses; the moment of each is a link, for LibreOffice doesn't wrap one as long as an id."""
    layout.heading(phrases.WORST)
    layout.sentence(phrases.WORST_ORDER)
    layout.header(phrases.ITS_ROW, phrases.COLUMN_STATUS, phrases.FAILED, phrases.DURATION, beside=phrases.COLUMN_ID)
    for worst in summary.worst:
        row, place = worst.analysis, location(window, worst.place, origin.starts, phrases)
        status = layout.text(phrases.status(row.status, _STATUS_OF_ROW))
        if row.status in summary.failed_statuses:
            layout.mark(status)
        layout.row(
            layout.text(clock(row.created_at, window.zone), place),
            status,
            layout.text(phrases.part(phrases.figure(row.records_failed), phrases.figure(row.records_processed))),
            layout.figure(given(row.duration, phrases.TOO_LONG), _as_duration(row.duration, phrases)),
            beside=layout.text(str(row.id)),
        )


def _write_notes(layout: Layout, window: Window, summary: Summary, assessment: Assessment, phrases: Phrases) -> None:
    """Tell what is odd, what came late for earlier windows, and what a reader must know of the figures."""
    anomalies = summary.anomalies()
    if odd := [phrases.anomaly(one) for one in anomalies if one.kind != "missing"]:
        layout.heading(phrases.ODD_DATA)
        for sentence in odd:
            layout.sentence(sentence)
    if assessment.remarks:
        layout.heading(phrases.OTHER_WINDOWS)
        for remark in assessment.remarks:
            layout.sentence(remark)
    layout.add()
    notes = (
        phrases.unfinished(summary.unfinished),
        *(phrases.unfigured(one) for one in anomalies if one.kind == "missing"),
        phrases.what_is_usual(window, assessment.comparison),
        "" if summary.durations.exact else phrases.approximate_quantiles(),
        phrases.highlights(LOW_RATE) if summary.rows else "",
    )
    for note in filter(None, notes):
        layout.sentence(note)


def _write_origin(layout: Layout, window: Window, origin: Origin, phrases: Phrases) -> None:
    layout.add()
    layout.fact(phrases.GENERATED, phrases.LOCALE.moment(origin.generated, window.zone))
    layout.fact(phrases.TABLE, origin.table)
    layout.fact(phrases.TIMES_IN, phrases.zone_name(window))
