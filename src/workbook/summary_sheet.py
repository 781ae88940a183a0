"""The sheet "Summary": a narrow column of sections, to be read on a phone from top to bottom."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from openpyxl.formatting.rule import DataBar, FormatObject, Rule
from openpyxl.worksheet.pagebreak import Break

from ..domain.baseline import Comparison, Counts, Deviation
from ..domain.summary import Summary
from ..domain.window import Window
from ..phrases.formats import given, moment
from ..phrases.language import Phrases
from .cells import Sheet
from .chart import ANALYSES_COLOUR, CHART_ROWS, write_buckets
from .columns import LOW_RATE
from .data_sheet import location, set_up_print
from .layout import CARDS, TEXT_SHOWN, Card, Layout

STATUSES_SHOWN = 15
_CARD_LABEL = 34
"""UTF-16 units of a status on a card: two lines."""


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
    layout = Layout(sheet)
    _write_head(layout, window, origin, phrases)
    if not summary.rows:
        layout.heading(phrases.NO_ANALYSES)
        _write_comparison(layout, window, summary, assessment, phrases)
        _write_notes(layout, summary, assessment.remarks, phrases)
        return
    _write_comparison(layout, window, summary, assessment, phrases)
    layout.cards(_figures(summary, phrases))
    statuses = summary.statuses(CARDS)
    layout.cards([(phrases.counted_status(one, _CARD_LABEL), one.analyses, "#,##0") for one in statuses])
    _write_notes(layout, summary, assessment.remarks, phrases)
    chart_row = layout.last + 2
    for _ in range(CHART_ROWS + 1):
        layout.add()
    sheet.row_breaks.append(Break(id=layout.last))  # on paper the tables begin a page
    _write_statuses(layout, summary, phrases)
    _write_worst(layout, window, summary, origin, phrases)
    write_buckets(layout, window, summary, chart_row, phrases)


def _write_head(layout: Layout, window: Window, origin: Origin, phrases: Phrases) -> None:
    layout.title(f"{phrases.title(window)}{phrases.named(origin.name)}")
    layout.fact(phrases.WINDOW, phrases.label(window))
    layout.fact(phrases.TIMES_IN, phrases.zone_name(window))
    layout.fact(phrases.GENERATED, phrases.moment(origin.generated, window.zone))
    layout.fact(phrases.TABLE, origin.table)


def _write_comparison(
    layout: Layout, window: Window, summary: Summary, assessment: Assessment, phrases: Phrases
) -> None:
    """Say what is out of the ordinary, and put the counts beside those of the window before and the usual ones."""
    if assessment.deviations:
        layout.add()
    for warning in map(phrases.warning, assessment.deviations):
        layout.warning(phrases.warned(warning))
    if assessment.comparison.usual or assessment.comparison.before != Counts():
        _write_counts(layout, window, summary, assessment.comparison, phrases)
    if explained := phrases.what_is_usual(window, assessment.comparison):
        layout.sentence(explained)


def _write_counts(layout: Layout, window: Window, summary: Summary, comparison: Comparison, phrases: Phrases) -> None:
    layout.add()
    layout.header(phrases.COMPARED, phrases.this(window), phrases.the_one_before(window), phrases.USUAL)
    rows = (
        (phrases.ANALYSES, comparison.analyses(summary.rows)),
        (phrases.FAILED_ANALYSES, comparison.failed(summary.failed_analyses)),
    )
    for name, counts in rows:
        figures = (layout.figure("-" if count is None else count, "#,##0") for count in counts)
        layout.row(layout.text(name), *figures)


def _figures(summary: Summary, phrases: Phrases) -> list[Card]:
    durations = summary.durations
    return [
        (phrases.ANALYSES, summary.rows, "#,##0"),
        (phrases.FAILED_ANALYSES, summary.failed_analyses, "#,##0"),
        (phrases.PROCESSED, summary.processed, "#,##0"),
        (phrases.FAILED, summary.failed, "#,##0"),
        (phrases.SUCCESS_RATE, summary.success_rate, "0.0%"),
        (phrases.MEDIAN, durations.median, phrases.SECONDS_FORMAT),
        (phrases.P95, durations.p95, phrases.SECONDS_FORMAT),
        (phrases.LONGEST, durations.longest, phrases.SECONDS_FORMAT),
    ]


def _write_notes(layout: Layout, summary: Summary, remarks: Sequence[str], phrases: Phrases) -> None:
    """Tell what a reader must know of the figures, what is odd, and what came late for earlier windows."""
    if not summary.durations.exact:
        layout.sentence(phrases.approximate_quantiles())
    if unfinished := phrases.unfinished(summary.unfinished):
        layout.sentence(unfinished)
    if anomalies := summary.anomalies():
        layout.heading(phrases.ODD_DATA)
        for anomaly in anomalies:
            layout.sentence(phrases.unfigured(anomaly) if anomaly.kind == "missing" else phrases.anomaly(anomaly))
    if remarks:
        layout.heading(phrases.OTHER_WINDOWS)
        for remark in remarks:
            layout.sentence(remark)


def _write_statuses(layout: Layout, summary: Summary, phrases: Phrases) -> None:
    layout.heading(phrases.STATUSES)
    layout.header(phrases.COLUMN_STATUS, phrases.ANALYSES, phrases.SHARE, phrases.COUNTS_AS)
    first = layout.last + 1
    for counted in summary.statuses(STATUSES_SHOWN):
        layout.row(
            layout.text(phrases.counted_status(counted, TEXT_SHOWN)),
            layout.figure(counted.analyses, "#,##0"),
            layout.figure(counted.analyses / summary.rows, phrases.SHARE_FORMAT),
            layout.text(phrases.COUNTS_AS_FAILED if counted.failed else ""),
        )
    ends = [FormatObject("num", val=0), FormatObject("num", val=1)]
    bar = DataBar(cfvo=ends, color=f"FF{ANALYSES_COLOUR}", minLength=0, maxLength=100)
    layout.sheet.conditional_formatting.add(f"C{first}:C{layout.last}", Rule("dataBar", dataBar=bar))
    layout.sentence(phrases.failed_statuses(summary.failed_statuses.names))


def _write_worst(layout: Layout, window: Window, summary: Summary, origin: Origin, phrases: Phrases) -> None:
    """List the worst analyses; the moment of each is a link, for LibreOffice doesn't wrap one as long as an id."""
    layout.heading(phrases.WORST)
    layout.sentence(phrases.WORST_ORDER)
    layout.header(phrases.COLUMN_ID, phrases.FAILED, phrases.COLUMN_DURATION, phrases.ITS_ROW)
    for worst in summary.worst:
        row = worst.analysis
        layout.row(
            layout.text(str(row.id)),
            layout.figure(given(row.records_failed, phrases.TOO_LONG), "#,##0"),
            layout.figure(given(row.duration, phrases.TOO_LONG), "#,##0.00"),
            layout.text(
                moment(row.created_at, window.zone, "%H:%M:%S"), location(window, worst.place, origin.starts, phrases)
            ),
        )
    layout.sentence(phrases.highlights(LOW_RATE))
