"""Every word that a recipient reads stands in one module, so that a second language is a second module."""

import ast
import re
from collections.abc import Iterator

from ..builders import make_analysis, make_window
from ..test_start import SRC
from .golden import shown
from .hours import Hour

WORDS = re.compile(r"^[A-Z][a-z]+\b|[a-z]{3,} [a-z]{3,}")
NO_WORDS = {"Calibri", "General", "Template", "Bucket"}
"""A font, a number format, types."""


def strings(node: ast.AST) -> Iterator[str]:
    """List the texts of a module but its docstrings, and but what is raised, asserted or said to operators."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.Raise() | ast.Assert() | ast.Expr(value=ast.Constant()):
                continue
            case ast.Call(func=ast.Name(id="translated")):
                continue
            case ast.Constant(value=str(text)):
                yield text
            case _:
                yield from strings(child)


def test_no_word_for_recipients_stands_elsewhere() -> None:
    """Neither in what makes messages nor in what makes the workbook; alerts are for operators."""
    modules = [*(SRC / "workbook").glob("*.py"), *(SRC / "message").glob("*.py")]
    found = {
        (path.name, text)
        for path in modules
        if path.name not in ("alert.py", "recovery.py")
        for text in strings(ast.parse(path.read_text()))
        if WORDS.search(text) and "<" not in text and text not in NO_WORDS
    }

    assert len(modules) > 10
    assert found == set()


def test_the_page_has_no_word_of_its_own() -> None:
    """What its template shows is all put in."""
    template = (SRC / "message" / "templates" / "report.html").read_text()
    body = template.partition("<body")[2].partition(">")[2]
    words = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<!--.*?-->|<[^>]*>|&#?\w+;", " ", body, flags=re.DOTALL)

    assert body
    assert words.strip(" .,()\n") == ""


def test_one_is_said_in_the_singular() -> None:
    """A quiet hour has one analysis of one record."""
    row = make_analysis(status="failed", records_processed=1, records_failed=1)
    content = shown(Hour(rows=[row], window=make_window()), "en")

    assert "0.0% of 1 record succeeded" in content
    assert "1 of 1 record failed" in content
    assert "1 analysis, 1 failed; most" in content
    assert re.findall(r"(?<![\d,.])1 (?:analyses|records)|of them", content) == []
