"""A `created_at` that is no timestamp is refused by the name of its type, and nothing else is."""

from collections.abc import Callable

import pytest

from ..builders import OPTION, START, make_rows
from ..conftest import Run
from ..sandbox import Sandbox
from ..sandbox.web import Answer, Fault

RunTool = Callable[..., Run]
WRONG = ("text", "date", "words", "mood")
RIGHT = ("timestamp", "moment")
MAKE = "create domain words as text; create domain moment as timestamptz; create type mood as enum ('calm');"
DROP = "drop type if exists words, moment, mood cascade;"
REST = "status text, duration float, records_processed int, records_failed int"


def tables(*types: str) -> tuple[str, str]:
    """Write what makes a view over a table of each type, named by its number, and what drops it all."""
    names = [f"typed_{number}" for number in range(len(types))]
    made = [
        f"create table {name}_rows (id int, created_at {kind}, {REST}); "
        f"create view {name} as select * from {name}_rows; "
        f"grant select on {name}_rows, {name} to service_role;"
        for name, kind in zip(names, types, strict=True)
    ]
    return DROP + MAKE + "".join(made), "".join(f"drop table {name}_rows cascade;" for name in names) + DROP


def test_a_column_of_another_type_is_refused_by_its_name(sandbox: Sandbox, run: RunTool) -> None:
    """In a run and by --check, through a view too; with text, sixty rows of the hour looked like none."""
    with sandbox.supabase.changed(*tables(*WRONG)):
        sandbox.supabase.sql("insert into typed_0_rows select n, '2025-11-22 13:05:00' from generate_series(1, 60) n")
        results = [run(*OPTION, SUPABASE_TABLE=f"typed_{number}") for number in range(len(WRONG))]
        check = run("--check", SUPABASE_TABLE="typed_0").output

    assert {(result.code, result.keys[0]) for result in results} == {(1, "source.created_at_type")}
    assert (sandbox.mails, sandbox.messages, sandbox.alerted) == ([], [], ["source.created_at_type"])
    assert [f"“{kind}”" in result.log for kind, result in zip(WRONG, results, strict=True)] == [True] * len(WRONG)
    (line,) = [line for line in check.splitlines() if line[5:].startswith("table ")]
    assert (line[:4], "“text”" in line, line.endswith("(source.created_at_type)")) == ("FAIL", True, True)


def test_a_timestamp_of_any_kind_is_taken(sandbox: Sandbox, run: RunTool) -> None:
    """Without a zone it is UTC; a domain is what it is made of."""
    rows = [row | {"id": number} for number, row in enumerate(make_rows(3))]
    with sandbox.supabase.changed(*tables(*RIGHT)):
        for number in range(len(RIGHT)):
            sandbox.supabase.insert(rows, f"typed_{number}_rows")
        results = [run(*OPTION, SUPABASE_TABLE=f"typed_{number}") for number in range(len(RIGHT))]
        check = run("--check", SUPABASE_TABLE="typed_0")

    assert ([result.code for result in results], check.code) == ([0] * len(RIGHT), 0)
    assert [result.given("rows", "built") for result in results] == [[3]] * len(RIGHT)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=503),
        Answer(
            status=400,
            body=b'{"code": "42804", "message": "\xd0\xb0\xd1\x80\xd0\xb3\xd1\x83\xd0\xbc\xd0\xb5\xd0\xbd\xd1\x82"}',
        ),
        Answer(body=b"[]"),
        Answer(body=b"<html>"),
    ],
    ids=["503", "another language", "rows", "page"],
)
def test_an_answer_that_is_not_understood_refuses_nothing(sandbox: Sandbox, run: RunTool, answer: Answer) -> None:
    """Nor does it cost the comparison."""
    sandbox.supabase.insert(make_rows(3))
    sandbox.supabase.always = Fault(answer=answer, match="created_at=is.true")

    codes = [run(*OPTION).code, run("--check").code]

    assert (codes, sandbox.alerts) == ([0, 0], [])


def test_a_run_asks_for_the_type_once(sandbox: Sandbox, run: RunTool) -> None:
    """Of however many windows."""
    run("--start", f"{START:%Y-%m-%dT%H}", "--count", "3")

    assert sum("created_at=is.true" in request.target for request in sandbox.supabase.requests) == 1
