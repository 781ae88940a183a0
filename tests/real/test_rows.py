"""Every row arrives once, in order, as PostgreSQL itself compares them."""

import pytest

from .sandbox import HOUR, ONCE, RealSandbox, cells

ODD_TEXT = r"""(array['a', 'B', 'é', 'É', '_', ' ', '"', '(', '\', ',', '.', 'and(', '🙂'])[1 + n % 13] || n"""
"""Ids that collations order differently, and that a filter of PostgREST has to quote."""


@pytest.mark.parametrize("step", ["1 s", "0 s"], ids=["spread over the hour", "at one instant"])
@pytest.mark.parametrize(
    ("table", "key"),
    [
        pytest.param("analyses", "gen_random_uuid()", id="uuid"),
        pytest.param("analyses_bigint", "9007199254740990 - 1200 + n", id="bigint"),
        pytest.param("analyses_text_c", ODD_TEXT, id="text under C"),
        pytest.param("analyses_text_icu", ODD_TEXT, id="text under ICU"),
    ],
)
def test_every_row_arrives_once_and_in_order_whatever_its_id_is(
    real: RealSandbox, table: str, key: str, step: str
) -> None:
    """Under Supabase's cap of 1,000 rows a page."""
    real.fill(2500, table=table, key=key, step=step)

    assert real.run(*HOUR, SUPABASE_TABLE=table).code == 0
    assert real.copies == ONCE
    assert real.arrived() == real.ids(table)


@pytest.mark.parametrize("table", ["analyses_interval", "analyses_interval_iso"])
def test_intervals_arrive_as_seconds(real: RealSandbox, table: str) -> None:
    """In both styles; below zero, and of more than a day too."""
    duration = "make_interval(days => n / 100 - 1, secs => (n - 150) * 1234.567891)"
    real.fill(300, table="analyses_interval", duration=duration)

    assert real.run(*HOUR, SUPABASE_TABLE=table).code == 0

    sent = cells(real.mails[0].attachment())
    seconds = real.supabase.sql(
        "select extract(epoch from duration)::float as s from analyses_interval order by created_at"
    )
    assert [row[3] for row in sent] == [row["s"] for row in seconds]
