"""Every row arrives once, in order, as PostgreSQL itself compares them."""

from collections.abc import Callable

import pytest

from ..builders import OPTION, START, data_rows_again
from ..conftest import Run
from ..faults import ONCE, arrived, copies
from ..sandbox import Sandbox

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


@pytest.mark.parametrize("table", ["analyses_interval", "analyses_interval_iso"])
def test_intervals_arrive_as_seconds(sandbox: Sandbox, run: RunTool, table: str) -> None:
    """In both styles; below zero, and of more than a day too."""
    duration = "make_interval(days => n / 100 - 1, secs => (n - 150) * 1234.567891)"
    sandbox.supabase.fill(300, table="analyses_interval", duration=duration, start=START)

    assert run(*OPTION, SUPABASE_TABLE=table).code == 0

    sent = data_rows_again(sandbox.mails[0].attachment())
    seconds = sandbox.supabase.sql(
        "select extract(epoch from duration)::float as s from analyses_interval order by created_at"
    )
    assert [row[3] for row in sent] == [row["s"] for row in seconds]
