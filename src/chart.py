"""The Summary's chart: analyses and failures over the window."""

from xml.etree.ElementTree import Element

from openpyxl.chart import BarChart, Reference
from openpyxl.chart.shapes import GraphicalProperties
from openpyxl.drawing.spreadsheet_drawing import AnchorMarker, TwoCellAnchor

from .cells import Sheet

ANALYSES, FAILED = "8EA9DB", "843C0C"
"""Light blue and dark brown: far apart in grey too."""


class DescribedAnchor(TwoCellAnchor):
    """From column `left` and row `top` to column `right` and row `bottom`, from 0, with a text for screen readers.

    openpyxl makes the frame that carries the text (`descr`, ECMA-376 20.1.2.2.8) only as it writes the drawing.
    """

    __attrs__ = TwoCellAnchor.__attrs__
    __elements__ = TwoCellAnchor.__elements__

    def __init__(self, *, left: int, top: int, right: int, bottom: int, text: str) -> None:
        super().__init__("oneCell", AnchorMarker(col=left, row=top), AnchorMarker(col=right, row=bottom))
        self.text = text

    def to_tree(self, tagname: str | None = None, idx: int | None = None, namespace: str | None = None) -> Element:
        """Write the anchor with its text."""
        self.graphicFrame.nvGraphicFramePr.cNvPr.descr = self.text
        return super().to_tree(tagname, idx, namespace)


def steps_chart(sheet: Sheet, *, first: int, last: int, title: str, time_axis: str) -> BarChart:
    """Draw rows `first` (of headers) to `last`: times in column A, analyses in B, failed ones in C in front of them."""
    chart = BarChart()
    chart.title = title
    chart.x_axis.title, chart.y_axis.title = time_axis, "Analyses"
    chart.x_axis.delete = chart.y_axis.delete = False  # Excel hides axes that don't say so
    chart.x_axis.number_format, chart.y_axis.number_format = "General", "#,##0"
    chart.y_axis.majorGridlines.spPr = GraphicalProperties(ln={"solidFill": "D9D9D9"})
    chart.legend.position = "b"
    chart.gapWidth, chart.overlap = 40, 100
    chart.add_data(Reference(sheet, min_col=2, max_col=3, min_row=first, max_row=last), titles_from_data=True)
    chart.set_categories(Reference(sheet, min_col=1, min_row=first + 1, max_row=last))
    for series, colour in zip(chart.series, (ANALYSES, FAILED), strict=True):
        series.graphicalProperties.solidFill = colour
        series.graphicalProperties.line.solidFill = colour
    return chart
