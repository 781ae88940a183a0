"""The sheet "Summary": the window, the main figures, the statuses and a chart of them."""

from openpyxl.chart import BarChart, Reference
from openpyxl.styles import Alignment, Font
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet

from .cells import Sheet, Value, cell, header_cell, text_cell
from .summary import Summary
from .window import Window, offset_name

STATUSES_SHOWN = 15
"""As many bars as the chart can name."""


def set_up_print(sheet: Sheet, window: Window) -> None:
    """Fit a sheet to the width of a landscape page, and name window and zone at its head."""
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.paperSize = Worksheet.PAPERSIZE_A4
    sheet.page_setup.fitToWidth = 1
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    zone = window.zone.key if window.template == "daily" else offset_name(window.start.astimezone(window.zone))
    sheet.oddHeader.left.text = f"{window.label()} (times in {zone})"
    sheet.oddFooter.right.text = "&P / &N"


def write_summary(sheet: Sheet, window: Window, summary: Summary) -> None:
    """Write the figures of `summary` into a sheet that has no rows yet."""
    sheet.column_dimensions["A"].width = 24
    sheet.column_dimensions["B"].width = 32
    set_up_print(sheet, window)
    title = text_cell(sheet, f"{window.template.title()} Report")
    title.font = Font(name="Calibri", bold=True, size=16)
    sheet.append([title])
    sheet.append([text_cell(sheet, "Window"), text_cell(sheet, window.label())])
    figures: tuple[tuple[str, Value, str], ...] = (
        ("Analyses", summary.rows, "#,##0"),
        ("Records processed", summary.processed, "#,##0"),
        ("Records failed", summary.failed, "#,##0"),
        ("Success rate", summary.success_rate, "0.0%"),
    )
    for name, value, number_format in figures:
        figure = cell(sheet, value, number_format)
        figure.alignment = Alignment(horizontal="left")
        sheet.append([text_cell(sheet, name), figure])
    _write_statuses(sheet, summary)


def _write_statuses(sheet: Sheet, summary: Summary) -> None:
    statuses = summary.statuses()
    if not statuses:
        return
    if rest := statuses[STATUSES_SHOWN:]:
        statuses = [*statuses[:STATUSES_SHOWN], (f"{len(rest):,} other statuses", sum(count for _, count in rest))]
    sheet.append([])
    sheet.append([header_cell(sheet, "Status"), header_cell(sheet, "Analyses")])
    first = 9  # title, window, four figures, a blank row and the header stand above
    for status, count in statuses:
        sheet.append([text_cell(sheet, status), cell(sheet, count, "#,##0")])
    chart = BarChart()
    chart.type = "bar"
    chart.title = "Analyses by status"
    chart.legend = None
    chart.x_axis.scaling.orientation = "maxMin"  # the most frequent on top
    chart.x_axis.delete = chart.y_axis.delete = False  # Excel hides axes that don't say so
    last = first + len(statuses) - 1
    chart.add_data(Reference(sheet, min_col=2, min_row=first, max_row=last))
    chart.set_categories(Reference(sheet, min_col=1, min_row=first, max_row=last))
    sheet.add_chart(chart, "D2")
