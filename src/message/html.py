"""A report as the page of a mail, which Gmail, Outlook and a phone show alike; what it looks like is its template's."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..domain.attachment import Attachment
from ..phrases import english as phrases
from ..phrases.formats import rate
from .content import Content
from .unlinked import unlinked

if TYPE_CHECKING:
    from jinja2 import Template

_TEMPLATES = Path(__file__).parent / "templates"


def render(content: Content, attachment: Attachment) -> str:
    """Write the page, in which the workbook is as `attachment` says."""
    return _template().render(
        content=content,
        attachment=attachment,
        whereabouts=phrases.whereabouts(attachment, content.zone, "email"),
        figures=[*content.figures, *content.details],
        phrases=phrases,
    )


@cache
def _template() -> "Template":
    """Load the template, once, and Jinja2 with it: a run that sends no mail does without."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        loader=FileSystemLoader(_TEMPLATES),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"rate": rate, "unlinked": unlinked}
    return environment.get_template("report.html")
