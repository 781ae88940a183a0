"""The sheet "Summary": a narrow column of sections for a phone, with the chart beside it for a laptop."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from openpyxl.chart import BarChart, Reference
from openpyxl.chart.axis import ChartLines
from openpyxl.chart.legend import Legend
from openpyxl.chart.shapes import GraphicalProperties
from openpyxl.chart.text import RichText, Text
from openpyxl.chart.title import Title
from openpyxl.drawing.line import LineProperties
from openpyxl.drawing.spreadsheet_drawing import AnchorMarker, OneCellAnchor
from openpyxl.drawing.text import CharacterProperties, Paragraph, ParagraphProperties, RegularTextRun
from openpyxl.drawing.xdr import XDRPositiveSize2D
from openpyxl.formatting.rule import DataBar, FormatObject, Rule
from openpyxl.worksheet.page import PageMargins
from openpyxl.worksheet.pagebreak import Break

from ..domain.analysis import Figure
from ..domain.baseline import IN_VOLUME, Comparison, Counts, Deviation, is_called_normal
from ..domain.summary import Summary, busiest
from ..domain.window import Window
from ..phrases.formats import clocks, given, moment
from ..phrases.language import Phrases, figure
from .cells import EXACT_DIGITS, Sheet, showing
from .data_sheet import LOW_RATE, location, set_up_print
from .layout import CARDS, TEXT_SHOWN, Card, Formatted, Layout

STATUSES_SHOWN = 10
_STATUS_OF_ROW = 22
"""UTF-16 units of the status of one of the worst analyses: two lines."""
ANALYSES_COLOUR, FAILED_COLOUR = "6B89CC", "642603"
"""As in the mail: far apart from each other and from white in grey too."""
WIDTH, HEIGHT = 427, 300
"""Pixels of the chart, which is as wide as the columns beside the tables."""
_PIXEL = 9_525
"""A pixel in the units of drawings (ECMA-376 22.9.2.1)."""


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
        cards = _figures(summary, assessment, phrases)
        layout.cards(cards if is_compared else [*_counts(summary, phrases), *cards])
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
    layout.title(f"{phrases.title(window)}{phrases.named(origin.name)}")
    layout.sentence(phrases.label(window))
    for found in assessment.deviations:
        layout.headline(phrases.warned(phrases.warning(found)), is_warning=True)
    if not assessment.deviations:
        is_normal = is_called_normal(summary, assessment.comparison, assessment.deviations)
        layout.headline(phrases.headline(summary, assessment.comparison, is_normal=is_normal), is_warning=False)


def _write_comparison(
    layout: Layout, window: Window, summary: Summary, assessment: Assessment, phrases: Phrases
) -> None:
    """Put the counts beside those of the window before and the usual ones, and mark what is unusual."""
    comparison, kinds = assessment.comparison, {found.kind for found in assessment.deviations}
    now = Counts(analyses=summary.rows, failed=summary.failed_analyses)
    rows = (
        (phrases.ANALYSES, comparison.analyses(summary.rows), _count, bool(kinds & IN_VOLUME)),
        (phrases.FAILED_COUNT, comparison.failed(summary.failed_analyses), _count, "failed" in kinds),
        (phrases.FAILED_SHARE, comparison.failed_share(now), _rate, "failed" in kinds),
    )
    layout.add()
    layout.header(phrases.COMPARED, phrases.this(window), phrases.the_one_before(window), phrases.USUAL)
    for name, figures, form, is_unusual in rows if summary.rows else rows[:1]:  # of no analyses none could fail
        cells = [layout.figure(form(one, phrases)) for one in figures]
        if is_unusual:
            layout.mark(cells[0])
        layout.row(layout.text(name), *cells)


def _count(value: float | None, phrases: Phrases) -> Formatted:
    """Return a count or a sum, as text where Excel would show other digits."""
    return phrases.number(value) if value is not None and abs(value) >= EXACT_DIGITS else value, "#,##0"


def _rate(value: float | None, phrases: Phrases) -> Formatted:
    return value, showing(phrases.rate(value))


def _duration(value: Figure, phrases: Phrases) -> Formatted:
    """Return a duration, shown in the words of the messages."""
    return value, showing(phrases.seconds(value)) if isinstance(value, int | float) else "General"


def _counts(summary: Summary, phrases: Phrases) -> list[Card]:
    counts = ((phrases.ANALYSES, summary.rows), (phrases.FAILED_COUNT, summary.failed_analyses))
    return [Card(label=label, value=_count(value, phrases)) for label, value in counts]


def _figures(summary: Summary, assessment: Assessment, phrases: Phrases) -> list[Card]:
    kinds, took = {found.kind for found in assessment.deviations}, summary.durations
    rate, p95 = _rate(summary.success_rate, phrases), _duration(took.p95, phrases)
    return [
        Card(label=phrases.SUCCESS_RATE, value=rate, is_unusual="low_success" in kinds),
        Card(label=phrases.PROCESSED, value=_count(summary.processed, phrases)),
        Card(label=phrases.FAILED, value=_count(summary.failed, phrases)),
        Card(label=phrases.LONGEST, value=_duration(took.longest, phrases)),
        Card(label=phrases.MEDIAN, value=_duration(took.median, phrases)),
        Card(label=phrases.P95, value=p95, is_unusual="slow" in kinds),
    ]


def _write_statuses(layout: Layout, summary: Summary, phrases: Phrases) -> None:
    layout.heading(phrases.STATUSES)
    layout.header(phrases.COLUMN_STATUS, phrases.ANALYSES, phrases.SHARE, phrases.COUNTS_AS)
    first = layout.last + 1
    for counted in summary.statuses(STATUSES_SHOWN):
        cells = (
            layout.text(phrases.counted_status(counted, TEXT_SHOWN)),
            layout.figure(_count(counted.analyses, phrases)),
            layout.figure(_rate(counted.analyses / summary.rows, phrases)),
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
            layout.text(moment(row.created_at, window.zone, "%H:%M:%S"), place),
            status,
            layout.text(phrases.part(figure(phrases, row.records_failed), figure(phrases, row.records_processed))),
            layout.figure(_duration(given(row.duration, phrases.TOO_LONG), phrases)),
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
    layout.fact(phrases.GENERATED, phrases.moment(origin.generated, window.zone))
    layout.fact(phrases.TABLE, origin.table)
    layout.fact(phrases.TIMES_IN, phrases.zone_name(window))


class DescribedAnchor(OneCellAnchor):
    """From the cell at `column` and `row`, from 0, in the chart's size, with a text for screen readers.

    openpyxl makes the frame that carries the text (`descr`, ECMA-376 20.1.2.2.8) only as it writes the drawing.
    """

    __attrs__ = OneCellAnchor.__attrs__
    __elements__ = OneCellAnchor.__elements__

    def __init__(self, *, column: int, row: int, text: str) -> None:
        size = XDRPositiveSize2D(WIDTH * _PIXEL, HEIGHT * _PIXEL)
        super().__init__(_from=AnchorMarker(col=column, row=row), ext=size)
        self.text = text

    def to_tree(self, *args: Any, **kwargs: Any) -> Any:
        """Write the anchor with its text."""
        frame: Any = self.graphicFrame
        frame.nvGraphicFramePr.cNvPr.descr = self.text
        return super().to_tree(*args, **kwargs)


def write_buckets(layout: Layout, window: Window, summary: Summary, phrases: Phrases) -> None:
    """Add the table of buckets, and draw its chart at the head of the sheet, beside what stands there."""
    buckets = summary.buckets(window)
    names = clocks([bucket.start for bucket in buckets], window.zone)
    layout.heading(phrases.buckets_heading(window))
    layout.header(phrases.FROM, phrases.ANALYSES, phrases.FAILED_ANALYSES)
    first = layout.last
    for bucket, name in zip(buckets, names, strict=True):
        counts = [layout.figure(_count(value, phrases)) for value in (bucket.analyses, bucket.failed)]
        layout.row(layout.text(name), *counts)
    chart = _chart(layout.sheet, first, layout.last)
    chart.title = _title(phrases.chart_title(window), 1200)
    chart.x_axis.title = _title(phrases.chart_axis(window), 900)
    chart.y_axis.title = _title(phrases.ANALYSES, 900)
    most = busiest(buckets)
    description = phrases.chart_description(window, summary, buckets[most], names[most])
    anchor = DescribedAnchor(column=CARDS + 1, row=1, text=description)
    layout.sheet.add_chart(chart, anchor)


def _title(text: str, size: int) -> Title:
    """Make a title of `size` hundredths of a point that keeps clear of the columns."""
    paragraph = Paragraph(
        pPr=ParagraphProperties(defRPr=CharacterProperties(sz=size, b=True)), r=[RegularTextRun(t=text)]
    )
    return Title(tx=Text(rich=RichText(p=[paragraph])), overlay=False)


def _chart(sheet: Sheet, first: int, last: int) -> BarChart:
    """Draw rows `first` (of headers) to `last`: times in column A, analyses in B, failed ones in C in front of them."""
    chart = BarChart()
    chart.x_axis.delete = chart.y_axis.delete = False  # Excel hides axes that don't say so
    chart.y_axis.number_format = "#,##0"
    chart.y_axis.majorGridlines = ChartLines(GraphicalProperties(ln=LineProperties(solidFill="D9D9D9")))
    chart.legend = Legend(legendPos="b", overlay=False)
    chart.gapWidth, chart.overlap = 40, 100
    chart.add_data(Reference(sheet, min_col=2, max_col=3, min_row=first, max_row=last), titles_from_data=True)
    chart.set_categories(Reference(sheet, min_col=1, min_row=first + 1, max_row=last))
    for series, colour in zip(chart.series, (ANALYSES_COLOUR, FAILED_COLOUR), strict=True):
        series.graphicalProperties.solidFill = colour
        series.graphicalProperties.line.solidFill = colour
    return chart
