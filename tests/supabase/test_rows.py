"""Every row arrives once, in order, as PostgreSQL itself compares them."""

from collections.abc import Callable

import pytest

from src.domain.summary import Anomaly
from src.phrases.language import ENGLISH

from ..builders import OPTION, START, data_rows, data_rows_again, make_rows
from ..conftest import Run
from ..faults import ONCE, arrived, copies
from ..sandbox import Sandbox

pytestmark = pytest.mark.sampled

RunTool = Callable[..., Run]

ODD_TEXT = r"""(array['a', 'B', 'é', 'É', '_', ' ', '"', '(', '\', ',', '.', 'and(', '🙂'])[1 + n % 13] || n"""
"""Ids that collations order differently, and that a filter of PostgREST has to quote."""


@pytest.mark.parametrize("step", ["1 s", "0 s"], ids=["spread over the hour", "at one instant"])
@pytest.mark.parametrize(
    ("table", "key"),
    [
        pytest.param("analyses", "gen_random_uuid()", id="uuid"),
        pytest.param("analyses_numbered", "9007199254740990 - 600 + n", id="bigint"),
        pytest.param("analyses_named", ODD_TEXT, id="text under C"),
        pytest.param("analyses_named_icu", ODD_TEXT, id="text under ICU"),
    ],
)
def test_every_row_arrives_once_and_in_order_whatever_its_id_is(
    sandbox: Sandbox, run: RunTool, table: str, key: str, step: str
) -> None:
    """Under Supabase's cap of 1,000 rows a page."""
    sandbox.supabase.fill(1200, table=table, key=key, step=step, start=START)

    assert run(*OPTION, SUPABASE_TABLE=table).code == 0
    assert copies(sandbox) == ONCE
    assert arrived(sandbox) == sandbox.supabase.ids(table, start=START)


@pytest.mark.parametrize("table", [f"analyses_interval{style}" for style in ("", "_iso", "_sql", "_verbose")])
def test_intervals_arrive_as_seconds(sandbox: Sandbox, run: RunTool, table: str) -> None:
    """In all of PostgreSQL's styles; below zero, and of more than a day too."""
    duration = "make_interval(days => n / 100 - 1, secs => (n - 150) * 1234.567891)"
    sandbox.supabase.fill(300, table="analyses_interval", duration=duration, start=START)

    assert run(*OPTION, SUPABASE_TABLE=table).code == 0

    sent = data_rows_again(sandbox.mails[0].attachment())
    seconds = sandbox.supabase.sql(
        "select extract(epoch from duration)::float as s from analyses_interval order by created_at"
    )
    assert [row[3] for row in sent] == [row["s"] for row in seconds]


@pytest.mark.parametrize("cap", [2, None], ids=["several pages", "one page"])
def test_no_whole_number_as_an_id_keeps_an_hour_from_anybody(sandbox: Sandbox, run: RunTool, cap: int | None) -> None:
    """Those that hash() takes for one, and those that are larger than a float, or than Python reads."""
    same_to_hash = [-1, -2, 7, 7 + (2**61 - 1), 7 + 2 * (2**61 - 1), 0, 2**61 - 1]
    sent = [*map(str, same_to_hash), "1" + "0" * 309, "-1" + "0" * 4999]
    rows = [row | {"id": None} for row in make_rows(len(sent))]
    sandbox.supabase.insert(rows, "analyses_joined")
    for row, number in zip(rows, sent, strict=True):
        sandbox.supabase.sql(
            "update analyses_joined set id = $1::numeric where created_at = $2::timestamptz", number, row["created_at"]
        )
    sandbox.supabase.page_cap = cap

    result = run(*OPTION, SUPABASE_TABLE="analyses_joined")

    assert (result.code, result.keys, result.logged("retry")) == (0, [], [])
    assert [str(cell) for cell in arrived(sandbox)] == sent


HUGE = ["1" + "0" * 309, "9" * 5000, "-1" + "0" * 309, "1" + "0" * 309 + ".5", "1" + "0" * 20_000]


@pytest.mark.parametrize("cap", [2, None], ids=["several pages", "one page"])
def test_no_number_as_a_figure_keeps_an_hour_from_anybody(sandbox: Sandbox, run: RunTool, cap: int | None) -> None:
    """It is shown as it stands, and counted as odd."""
    columns = ("duration", "records_processed", "records_failed")
    odd = [(column, number) for column in columns for number in HUGE]
    rows = [row | {"id": place} for place, row in enumerate(make_rows(len(odd) + 1))]
    sandbox.supabase.insert(rows, "analyses_joined")
    for place, (column, number) in enumerate(odd):
        sandbox.supabase.sql(f"update analyses_joined set {column} = $1::numeric where id = {place}", number)
    sandbox.supabase.page_cap = cap

    assert run(*OPTION, SUPABASE_TABLE="analyses_joined").code == 0
    cells = data_rows(sandbox.mails[0].attachment())
    assert [cells[place][3 + columns.index(column)] for place, (column, _) in enumerate(odd)] == HUGE * 3
    assert ENGLISH.anomaly(Anomaly(kind="no number", count=len(odd))) in sandbox.mails[0].text
