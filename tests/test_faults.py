"""Whatever the world does: every recipient has the report, once wherever that can be known; a table in docs/."""

from collections.abc import Callable
from pathlib import Path

import pytest

from src.domain.delivery import chat_and_topic
from src.phrases.english import English

from .alerts import reasons
from .builders import OPTION, data_rows, ids, make_rows
from .conftest import Run
from .faults import ROWS, SPECIAL, Row, as_markdown, copies
from .pages import has_an_entry, section
from .sandbox import CHATS, RECIPIENTS, Sandbox

RunTool = Callable[..., Run]


def exists(test: str) -> bool:
    """Tell whether there is a test, given as pytest names it."""
    path, name = test.split("::")
    return f"\ndef {name}(" in (Path(__file__).parent / path).read_text()


@pytest.mark.parametrize(
    ("row", "scheme"),
    [
        pytest.param(
            row,
            scheme,
            id=f"{row.edge}, {scheme}: {row.fault}",
            marks=[pytest.mark.long] if scheme != row.schemes[0] else [],
        )
        for row in ROWS
        for scheme in row.schemes
    ],
)
def test_a_fault_comes_to_what_the_table_says(sandbox: Sandbox, run: RunTool, row: Row, scheme: str) -> None:
    """Who got how many copies, who was alerted of what, and the exit code; whoever got one got all rows."""
    sandbox.speak(scheme)
    rows = make_rows(5)
    sandbox.supabase.insert(rows)
    row.plan(sandbox)

    at = row.at
    result = run(*OPTION, timeouts=row.timeouts, **({"clock": lambda: at} if at else {}), **row.changes)

    assert (row.mails, row.chats, row.code) == (*copies(sandbox), result.code)
    assert row.alerts == len(sandbox.alerts)
    said = [why for alert in sandbox.alerts for why in reasons(alert)]
    assert [why for why in said if not has_an_entry(why)] == []
    assert all(map(reasons, sandbox.alerts))
    if row.bare:
        assert (len(sandbox.mails), len(sandbox.messages)) == (1, len(CHATS))
    for _, content in sandbox.workbooks():
        assert ids(rows) == [line[0] for line in data_rows(content)]
    assert len({mail.message["Message-ID"] for mail in sandbox.mails}) <= 1
    if "SMTP_HIDE_RECIPIENTS" in row.changes:
        assert [address for address in RECIPIENTS if any(address in mail.raw.decode() for mail in sandbox.mails)] == []
    for chat in CHATS if not row.moved else ():
        texts = [sent.text for sent in sandbox.messages if chat_and_topic(sent.chat)[0] == chat]
        # The one whose first attempt was cut off got only the second, which can't know that.
        begun = 0 if row.marked or (chat == CHATS[0] and row.unseen) else 1
        assert [place >= begun for place in range(len(texts))] == [English.REPEAT in text for text in texts]


def test_the_fault_table_of_the_page_is_this_one() -> None:
    """At least forty rows, each tried."""
    assert len(ROWS) + len(SPECIAL) >= 40
    page = section("delivery", "Every fault that was tried")
    assert page.rstrip().endswith(as_markdown())


def test_what_no_row_brings_about_is_tried_by_the_test_that_the_table_names() -> None:
    """Or the page would promise what nobody tries."""
    named = {name for name, _ in SPECIAL.values()}

    assert {name for name in named if not exists(name)} == set()
