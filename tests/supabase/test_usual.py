"""What is usual, as the real PostgREST counts it."""

import asyncio
import json
from collections.abc import Callable

import pytest

from src.domain.analysis import FAILED_STATUSES, FailedStatuses
from src.domain.window import DAY, HOUR
from src.phrases.language import ENGLISH

from ..builders import OPTION, START, make_window
from ..conftest import Run
from ..sandbox import Sandbox
from .test_analyses import NEARLY, WORDS, opened_table

phrases = ENGLISH

RunTool = Callable[..., Run]


@pytest.mark.parametrize("names", [WORDS, FAILED_STATUSES, ("FAILED",)], ids=["odd words", "default", "one"])
def test_the_database_counts_as_failed_what_the_rows_own_test_calls_failed(
    sandbox: Sandbox, names: tuple[str, ...]
) -> None:
    """Whatever stands in a status, its pattern means only that."""
    failed = FailedStatuses(names)
    blanks = [chr(code) for code in range(0x110000) if chr(code).isspace()]
    forms = [form for word in (*WORDS, *FAILED_STATUSES) for form in (word, word.upper(), word.title(), f" {word}\t")]
    statuses = [*forms, *NEARLY, *(f"{blank}failed{blank}" for blank in blanks), "cra\u017fhed", None]
    sandbox.supabase.sql(
        "insert into analyses (created_at, status) "
        "select $1::timestamptz, one from json_array_elements_text($2::json) one",
        START.isoformat(),
        json.dumps(statuses),
    )

    async def count() -> int | None:
        async with opened_table(sandbox) as table:
            return await table.count_failed(START, START + HOUR, failed)

    assert asyncio.run(count()) == sum(status in failed for status in statuses)


def test_an_enum_has_no_usual_figure_of_failed_analyses_and_check_says_so(sandbox: Sandbox, run: RunTool) -> None:
    """PostgREST refuses a pattern there; everything else is as ever."""
    for week in range(6):
        sandbox.supabase.fill(30, table="analyses_enum", start=START - week * 7 * DAY)

    result = run(*OPTION, SUPABASE_TABLE="analyses_enum")
    checked = run("--check", SUPABASE_TABLE="analyses_enum").output

    assert result.code == 0
    compared = phrases.compared(make_window(), "30", "0", "30")
    assert f"Analyses: {compared}\nFailed: 0\n" in sandbox.mails[0].text
    assert (" enum " in checked, " enum " in run("--check").output) == (True, False)
