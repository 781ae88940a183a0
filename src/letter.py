"""The mail's page: the words in HTML that Gmail, Outlook and a phone show alike.

Mail programs know little of the web: tables, styles on the elements themselves, no images.
Whatever else stands in the template (dark colours) is an extra that may be ignored.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from . import words
from .plain import rate
from .told import Told

if TYPE_CHECKING:
    from jinja2 import Template

_TEMPLATES = Path(__file__).parent / "templates"


def rendered(told: Told, whereabouts: str, *, apart: bool, link: str) -> str:
    """Write the page; everything in it is escaped.

    `whereabouts` tells where the workbook is; it stands on top where that is `apart` from the mail, behind `link` or
    nowhere.
    """
    return _template().render(told=told, whereabouts=whereabouts, apart=apart, link=link, words=words, rate=rate)


@cache
def _template() -> "Template":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # 0.1 s that a run without mail need not spend

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")
