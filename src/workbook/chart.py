"""Analyses and failures over the window: a table of buckets, and a chart of it."""

from typing import Any

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

from ..domain.summary import Summary, busiest
from ..domain.window import Window
from ..phrases.formats import clocks
from ..phrases.language import Phrases
from .cells import Sheet
from .layout import CARDS, Layout

ANALYSES_COLOUR, FAILED_COLOUR = "6B89CC", "642603"
"""As in the mail: far apart from each other and from white in grey too."""
WIDTH, HEIGHT = 427, 300
"""Pixels of the chart, which is as wide as the columns beside the tables."""
_PIXEL = 9_525
"""A pixel in the units of drawings (ECMA-376 22.9.2.1)."""


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
        layout.row(layout.text(name), layout.figure(bucket.analyses, "#,##0"), layout.figure(bucket.failed, "#,##0"))
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
