"""A report as the page of a mail, which Gmail, Outlook and a phone show alike; what it looks like is its template's."""

import sys
from contextlib import suppress
from functools import cache
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from ..domain.attachment import Attachment
from ..phrases.language import phrases_of
from .content import Chart, Content
from .unlinked import unlinked

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.bccache import Bucket

_HEIGHT = 56
"""Pixels of the highest bar of the chart."""
_LABELS = 4
"""Clock times below the chart."""
_TEMPLATES = Path(__file__).parent / "templates"


class ChartBar(Struct, frozen=True, kw_only=True):
    """One bar of the chart: the heights of its two parts in pixels."""

    failed: int
    others: int


def render(content: Content, attachment: Attachment) -> str:
    """Write the page, in which the workbook is as `attachment` says."""
    phrases = phrases_of(content.language)
    counts = [] if content.is_compared else [(one.name, one.now) for one in content.compared]
    return load_template().render(
        content=content,
        attachment=attachment,
        preview=_preview(content),
        whereabouts=phrases.whereabouts(attachment, content.window, content.rows, "email"),
        figures=[*counts, *content.details] if content.rows else [],
        columns=_columns(content.chart) if content.chart else [],
        labels=_labels(content.chart) if content.chart else [],
        height=_HEIGHT,
        phrases=phrases,
    )


def _preview(content: Content) -> list[str]:
    """Return sentences that say what the subject doesn't: of an unusual hour, the other deviations first."""
    headlines = [f"{headline}." for headline in content.headlines[bool(content.lead) :]]
    return [*headlines, content.failure_burst, content.records] if content.rows else [content.compared[0].line]


def _columns(chart: Chart) -> list[ChartBar]:
    """Return the bars; whatever is there, be it one analysis, can be seen."""
    most = max(1, *(bucket.analyses for bucket in chart.buckets))
    columns = []
    for bucket in chart.buckets:
        height = max(2 if bucket.analyses else 0, round(bucket.analyses / most * _HEIGHT))
        failed = max(1, round(bucket.failed / bucket.analyses * height)) if bucket.failed else 0
        columns.append(ChartBar(failed=failed, others=height - failed))
    return columns


def _labels(chart: Chart) -> list[tuple[str, int]]:
    """Return the clock times below the chart, each with the number of bars that it stands under."""
    span = len(chart.starts) // _LABELS
    firsts = range(0, span * _LABELS, span)
    return [
        (chart.starts[first], span if first + span < span * _LABELS else len(chart.starts) - first) for first in firsts
    ]


@cache
def load_template() -> "Template":
    """Load the template, once, and Jinja2 with it: a run that sends no mail does without.

    Its bytecode is kept beside that of this module, if Python may write that.
    """
    from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined

    class Kept(FileSystemBytecodeCache):
        def dump_bytecode(self, bucket: "Bucket") -> None:
            with suppress(OSError):  # on a read-only file system, for one
                if not sys.dont_write_bytecode:
                    super().dump_bytecode(bucket)

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        loader=FileSystemLoader(_TEMPLATES),
        bytecode_cache=Kept(str(Path(cache_from_source(__file__)).parent), "%s.jinja"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["unlinked"] = unlinked
    return environment.get_template("report.html")
