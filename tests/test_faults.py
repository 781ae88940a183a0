"""Whatever the world does: every recipient has the report, once wherever that can be known; a table in docs/."""

import re
from collections.abc import Callable

import pytest

from .builders import OPTION, data_rows, ids, make_rows
from .conftest import Run
from .faults import ROWS, SPECIAL, Row, as_markdown, copies
from .pages import has_an_entry, section
from .sandbox import CHATS, Sandbox

RunTool = Callable[..., Run]


def reasons(alert: str) -> list[str]:
    """Return the sentences of an alert for which an operator opens the runbook."""
    return re.findall(r"^Failed: .+\n(.+)$", alert, re.MULTILINE)


@pytest.mark.parametrize(
    ("row", "scheme"),
    [pytest.param(row, scheme, id=f"{row.edge}, {scheme}: {row.fault}") for row in ROWS for scheme in row.schemes],
)
def test_a_fault_comes_to_what_the_table_says(sandbox: Sandbox, run: RunTool, row: Row, scheme: str) -> None:
    """Who got how many copies, who was alerted of what, and the exit code; whoever got one got all rows."""
    sandbox.speak(scheme)
    rows = make_rows(5)
    sandbox.supabase.insert(rows)
    row.plan(sandbox)

    result = run(*OPTION, timeouts=row.timeouts, **row.changes)

    assert (row.mails, row.chats, row.code) == (*copies(sandbox), result.code)
    assert row.alerts == len(sandbox.alerts)
    assert [why for alert in sandbox.alerts for why in reasons(alert) if not has_an_entry(why)] == []
    if "without the workbook" in row.fault:
        assert (len(sandbox.mails), len(sandbox.messages)) == (1, len(CHATS))
    for _, content in sandbox.workbooks():
        assert ids(rows) == [line[0] for line in data_rows(content)]
    assert len({mail.message["Message-ID"] for mail in sandbox.mails}) <= 1
    for chat in CHATS if "supergroup" not in row.fault else ():
        texts = [sent.text for sent in sandbox.messages if sent.chat == chat]
        # The one whose first attempt was cut off got only the second, which can't know that.
        begun = 0 if chat == CHATS[0] and "cut before anything was done" in row.fault else 1
        assert [place >= begun for place in range(len(texts))] == ["may be a repeat" in text for text in texts]


def test_the_fault_table_of_the_page_is_this_one() -> None:
    """At least forty rows, each tried."""
    assert len(ROWS) + len(SPECIAL) >= 40
    assert section("delivery", "Every fault that was tried").rstrip().endswith(as_markdown())
