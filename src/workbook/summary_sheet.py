"""The sheet "Summary": a narrow column of sections, to be read on a phone from top to bottom."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from openpyxl.formatting.rule import DataBar, FormatObject, Rule
from openpyxl.worksheet.pagebreak import Break

from ..domain.analysis import is_failed_status
from ..domain.quantiles import EXACT, RELATIVE_ERROR
from ..domain.summary import Summary
from ..domain.window import Window, offset_name
from ..phrases.formats import shown
from .cells import Sheet
from .chart import ANALYSES, CHART_ROWS, write_buckets
from .data_sheet import LOW_RATE, location, set_up_print, times_in
from .layout import CARDS, Card, Layout

STATUSES_SHOWN = 15
_CARD_LABEL = 34
"""UTF-16 units of a status on a card: two layout."""


class Origin(Struct, frozen=True, kw_only=True):
    """Where a report comes from: the table's name, when it was `generated` (aware), rows that a data sheet takes."""

    table: str
    generated: datetime
    sheet_rows: int


def write_summary(sheet: Sheet, window: Window, summary: Summary, origin: Origin, remarks: Sequence[str]) -> None:
    """Write the figures of `summary`, and `remarks` on other windows, into a sheet that has no rows yet."""
    sheet.sheet_view.showGridLines = False
    set_up_print(sheet, window, "portrait")
    layout = Layout(sheet)
    _write_head(layout, window, origin)
    if not summary.rows:
        layout.heading(f"No analyses in {window.label()}.")
        _write_notes(layout, summary, remarks)
        return
    layout.cards(_figures(summary))
    layout.cards([(shown(status, _CARD_LABEL), count, "#,##0") for status, count in _gathered(summary, CARDS)])
    _write_notes(layout, summary, remarks)
    chart_row = layout.last + 2
    for _ in range(CHART_ROWS + 1):
        layout.add()
    sheet.row_breaks.append(Break(id=layout.last))  # on paper the tables begin a page
    _write_statuses(layout, summary)
    _write_worst(layout, window, summary, origin)
    write_buckets(layout, window, summary, chart_row)


def _write_head(layout: Layout, window: Window, origin: Origin) -> None:
    generated = origin.generated.astimezone(window.zone)
    layout.title(f"{window.template.title()} Report")
    layout.fact("Window", window.label())
    layout.fact("Times in", times_in(window))
    layout.fact("Generated", f"{generated:%Y-%m-%d %H:%M:%S} {offset_name(generated)}")
    layout.fact("Table", origin.table)


def _figures(summary: Summary) -> list[Card]:
    durations = summary.durations
    seconds = '#,##0.00 "s"'
    return [
        ("Analyses", summary.rows, "#,##0"),
        ("Failed analyses", summary.failed_analyses, "#,##0"),
        ("Records processed", summary.processed, "#,##0"),
        ("Records failed", summary.failed, "#,##0"),
        ("Success rate", summary.success_rate, "0.0%"),
        ("Median duration", durations.median, seconds),
        ("95 % took at most", durations.p95, seconds),
        ("Longest", durations.longest, seconds),
    ]


def _gathered(summary: Summary, limit: int) -> list[tuple[str, int]]:
    """List the statuses in at most `limit` layout, the last one for those that have no line of their own."""
    statuses = summary.statuses()
    if len(statuses) <= limit:
        return statuses
    rest = statuses[limit - 1 :]
    return [*statuses[: limit - 1], (f"{len(rest):,} other statuses", sum(count for _, count in rest))]


def _write_notes(layout: Layout, summary: Summary, remarks: Sequence[str]) -> None:
    """Tell what a reader must know of the figures, what is odd, and what came late for earlier windows."""
    if not summary.durations.exact:
        layout.sentence(
            f"Of more than {EXACT:,} durations, median and 95 % are given to within {RELATIVE_ERROR:.0%} of them."
        )
    if anomalies := summary.anomalies():
        layout.heading("Odd in these rows")
        for anomaly in anomalies:
            layout.sentence(f"{anomaly.count:,} × {anomaly.what}")
    if remarks:
        layout.heading("Other windows")
        for remark in remarks:
            layout.sentence(remark)


def _write_statuses(layout: Layout, summary: Summary) -> None:
    layout.heading("Statuses")
    layout.header("Status", "Analyses", "Share", "Counts as")
    first = layout.last + 1
    for status, count in _gathered(summary, STATUSES_SHOWN):
        layout.row(
            layout.text(status),
            layout.figure(count, "#,##0"),
            layout.figure(count / summary.rows, "0.0%"),
            layout.text("failed" if is_failed_status(status) else ""),
        )
    bar = DataBar(cfvo=[FormatObject("num", val=0), FormatObject("num", val=1)], color=f"FF{ANALYSES}")
    layout.sheet.conditional_formatting.add(f"C{first}:C{layout.last}", Rule("dataBar", dataBar=bar))


def _write_worst(layout: Layout, window: Window, summary: Summary, origin: Origin) -> None:
    """List the worst analyses; the moment of each is a link, for LibreOffice doesn't wrap one as long as an id."""
    layout.heading("Worst analyses")
    layout.sentence("Most records failed, then slowest. The time of each leads to its row.")
    layout.header("ID", "Records failed", "Duration (s)", "Its row")
    for worst in summary.worst:
        row, moment = worst.analysis, worst.analysis.created_at.astimezone(window.zone)
        layout.row(
            layout.text(str(row.id)),
            layout.figure(row.records_failed, "#,##0"),
            layout.figure(row.duration, "#,##0.00"),
            layout.text(f"{moment:%H:%M:%S} {offset_name(moment)}", location(window, worst.place, origin.sheet_rows)),
        )
    layout.sentence(
        f"Among the rows, failed statuses and success rates below {LOW_RATE:.0%} stand out in bold on colour."
    )
