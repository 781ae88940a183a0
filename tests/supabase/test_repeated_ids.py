"""Ids that come twice: exact repeats are left out, rows that differ are kept, and none is lost between two pages."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from src.domain.analysis import TOO_LONG
from src.domain.summary import Anomaly
from src.domain.window import HOUR
from src.phrases import english
from src.supabase.analyses import GROUP_ROWS
from src.supabase.source_errors import BadAnswerError, RowsMissingError

from ..builders import OPTION, START, Rows, data_rows, make_policy, make_window
from ..commands.test_check import check, key_of
from ..conftest import Run
from ..ledger.test_ledger import CATCH_UP, job, late_rows, this_hour
from ..sandbox import Sandbox
from ..sandbox.web import Fault
from .test_analyses import DEEP, answer, opened_table

RunTool = Callable[..., Run]
TABLE = "analyses_joined"


def rows_of(*groups: str) -> Rows:
    """Make a row for each letter, one moment and id for each group: equal letters are equal rows."""
    return [
        {
            "id": place,
            "created_at": (START + timedelta(seconds=place)).isoformat(),
            "status": letter,
            "duration": 1,
            "records_processed": 10,
            "records_failed": 0,
        }
        for place, letters in enumerate(groups)
        for letter in letters
    ]


def read(sandbox: Sandbox, *, careful: bool = False) -> tuple[list[tuple[int | str, str | None]], int, int]:
    """Read the hour; return ids and statuses, how many rows were doubled, and how many shared an id."""

    async def pages() -> Any:
        async with opened_table(sandbox, TABLE) as table:
            return [page async for page in table.pages(make_window(), make_policy(), careful=careful)]

    found = asyncio.run(pages())
    rows = [(row.id, row.status) for page in found for row in page.rows]
    return rows, sum(page.doubled for page in found), sum(page.shared for page in found)


def questions_of_groups(sandbox: Sandbox) -> int:
    """Count the questions for one id."""
    return sum("id=eq." in request.target for request in sandbox.supabase.requests)


@pytest.mark.parametrize("cap", [1, 2, 3, 4, 5, None], ids="cap {}".format)
def test_every_row_of_a_group_arrives_wherever_a_page_ends(sandbox: Sandbox, cap: int | None) -> None:
    """Rows that differ are kept, in their order; of equal ones there is one."""
    groups = ("a", "aa", "ab", "aab", "a", "a", "abcde", "aaaaaaa", "a", "ba")
    sandbox.supabase.insert(rows_of(*groups), TABLE)
    sandbox.supabase.page_cap = cap

    rows, doubled, shared = read(sandbox, careful=True)

    assert sorted(rows) == [(place, letter) for place, group in enumerate(groups) for letter in sorted({*group})]
    assert [row_id for row_id, _ in rows] == sorted(row_id for row_id, _ in rows)
    assert (doubled, shared) == (sum(map(len, groups)) - len(rows), len(rows) - len(groups))


def test_a_group_that_ends_between_pages_unseen_is_found_by_a_careful_reading(sandbox: Sandbox) -> None:
    """The first reading lacks a row; without rows that share an id it asks no more than ever."""
    sandbox.supabase.insert(rows_of("a", "ab", "a", "a"), TABLE)
    sandbox.supabase.page_cap = 2

    with pytest.raises(RowsMissingError):
        read(sandbox)
    assert questions_of_groups(sandbox) == 0
    assert read(sandbox, careful=True)[0] == [(0, "a"), (1, "a"), (1, "b"), (2, "a"), (3, "a")]


def test_a_reading_is_careful_from_the_first_rows_on_that_share_an_id(sandbox: Sandbox) -> None:
    """So that the hour is read once."""
    sandbox.supabase.insert(rows_of("ab", "aa", "a", "a"), TABLE)
    sandbox.supabase.page_cap = 3

    assert read(sandbox) == ([(0, "a"), (0, "b"), (1, "a"), (2, "a"), (3, "a")], 1, 1)


@pytest.mark.parametrize("cap", [2, None], ids=["several pages", "one page"])
def test_the_report_counts_a_row_once_and_says_what_is_odd(sandbox: Sandbox, run: RunTool, cap: int | None) -> None:
    """Also where the first reading lacked a row."""
    sandbox.supabase.insert(rows_of("a", "ab", "a", "aa"), TABLE)
    sandbox.supabase.page_cap = cap

    result = run(*OPTION, SUPABASE_TABLE=TABLE)

    assert (result.code, result.keys) == (0, ["source.repeated_ids"])
    assert len(result.logged("retry")) == (1 if cap else 0)
    cells = data_rows(sandbox.mails[0].attachment())
    assert [(row[0], row[2]) for row in cells] == [(0, "a"), (1, "a"), (1, "b"), (2, "a"), (3, "a")]
    for kind in ("doubled", "shared id"):
        assert english.anomaly(Anomaly(kind=kind, count=1)) in sandbox.mails[0].text


def test_an_hour_is_read_carefully_though_it_is_over_by_our_own_clock_alone(sandbox: Sandbox, run: RunTool) -> None:
    """A clock that is ahead takes away no second reading."""
    sandbox.supabase.insert(rows_of("a", "ab", "a", "a"), TABLE)
    sandbox.supabase.page_cap = 2
    sandbox.supabase.show(START + HOUR - timedelta(minutes=2))

    result = run(clock=lambda: START + HOUR + timedelta(minutes=1), SUPABASE_TABLE=TABLE)

    assert (result.code, result.keys) == (0, ["source.not_over", "source.repeated_ids"])
    cells = data_rows(sandbox.mails[0].attachment())
    assert [(row[0], row[2]) for row in cells] == [(0, "a"), (1, "a"), (1, "b"), (2, "a"), (3, "a")]


def test_a_row_that_was_left_out_did_not_come_late(sandbox: Sandbox, run: RunTool) -> None:
    """The next run counts the hour as the table has it."""
    sandbox.supabase.insert([row | {"created_at": this_hour(3).isoformat()} for row in rows_of("a", "aa")], TABLE)

    results = [run(JOB_NAME=job(back), SUPABASE_TABLE=TABLE, **CATCH_UP) for back in (2, 1)]

    assert [(result.code, late_rows(result)) for result in results] == [(0, []), (0, [])]
    assert results[0].keys == ["source.repeated_ids"]


def test_rows_that_share_an_id_at_different_moments_are_kept_if_the_table_has_them_all(
    sandbox: Sandbox, run: RunTool
) -> None:
    """They look like a row that moved while it was read, but the count says that none may be missing."""
    rows = [row | {"id": place % 3} for place, row in enumerate(rows_of(*"abcdef"))]
    sandbox.supabase.insert(rows, TABLE)
    sandbox.supabase.page_cap = 2

    result = run(*OPTION, SUPABASE_TABLE=TABLE)

    assert (result.code, result.keys) == (0, ["source.repeated_ids"])
    assert [row[2] for row in data_rows(sandbox.mails[0].attachment())] == [*"abcdef"]
    assert english.anomaly(Anomaly(kind="shared id", count=3)) in sandbox.mails[0].text


def test_more_rows_of_one_id_than_are_read_are_an_error_that_names_it(sandbox: Sandbox, run: RunTool) -> None:
    """No page could hold them all."""
    rows = [row | {"id": 987654} for row in rows_of("b" * (GROUP_ROWS + 1))]
    sandbox.supabase.insert([*rows, *rows_of("", "a")], TABLE)

    result = run(*OPTION, SUPABASE_TABLE=TABLE)

    assert (result.code, sandbox.alerted) == (1, ["source.repeated_ids"])
    assert "987654" in sandbox.failures[0]


def test_rows_of_one_id_that_no_answer_holds_together_are_read_one_by_one(sandbox: Sandbox) -> None:
    """The second of the two is too large even alone."""
    sandbox.supabase.insert(rows_of("bc", "d"), TABLE)
    sandbox.supabase.sql(f"update {TABLE} set status = repeat(status, 200000) where id = 0")
    too_large, fine = Fault(answer=DEEP), Fault()
    sandbox.supabase.faults += [*[too_large] * 4, fine, fine, too_large, fine, too_large]

    rows, doubled, shared = read(sandbox, careful=True)

    assert [(row_id, (status or "")[:18]) for row_id, status in rows] == [(0, "b" * 18), (0, TOO_LONG), (1, "d")]
    assert (doubled, shared) == (0, 1)


def test_a_group_of_other_moments_is_an_error(sandbox: Sandbox) -> None:
    """A gateway may drop what it doesn't know."""
    rows = rows_of("aa", "b", "c")
    sandbox.supabase.faults += [answer(rows[:2], counted=4), answer(rows[2:], counted=2)]

    with pytest.raises(BadAnswerError):
        read(sandbox)


@pytest.mark.parametrize("group", ["aa", "ab"], ids=["equal rows", "rows that differ"])
def test_a_check_fails_where_ids_come_twice(sandbox: Sandbox, run: RunTool, group: str) -> None:
    """In the last full hour's first page."""
    sandbox.supabase.insert(rows_of("a", group), TABLE)
    sandbox.supabase.sql(f"update {TABLE} set created_at = date_trunc('hour', now()) - interval '30 minutes'")

    code, lines = check(run, SUPABASE_TABLE=TABLE)

    assert code == 1
    assert lines["table"].startswith("FAIL ")
    assert key_of(lines["table"]) == "source.repeated_ids"
