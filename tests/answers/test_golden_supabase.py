"""The sentences about Supabase's answers are those of the golden file, and each leads to a section of the runbook."""

import re

from ..pages import section
from .golden_supabase import PATH, written


def test_the_sentences_are_those_of_the_golden_file() -> None:
    """A change of them is seen in a review."""
    assert written() == PATH.read_text()


def test_each_sentence_leads_to_the_section_that_lists_its_key() -> None:
    """Whoever has the alert finds the entry by either."""
    blocks = re.findall(r"^=== (\S+).*?^Runbook: (.+?)$", PATH.read_text(), re.MULTILINE | re.DOTALL)
    listed = {
        title: keys.split()
        for part in ("Failed: reading the rows", "Failed: the ledger")
        for title, keys in re.findall(
            r"^### ([^\n]+)\n\n<!-- (.+?) -->", section("runbook", part), re.MULTILINE | re.DOTALL
        )
    }
    storage = re.search(r"<!-- (.+?) -->", section("runbook", "The report went without its workbook"), re.DOTALL)
    assert storage
    listed["The report went without its workbook"] = storage[1].split()

    assert len(blocks) > 60
    assert [(key, title) for key, title in blocks if key not in listed[title]] == []
