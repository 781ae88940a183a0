"""The bench measures the work that it says: every row is served, and like is compared with like."""

import asyncio
import json
from datetime import timedelta
from urllib.parse import urlencode

import pytest

from src.config.settings import SupabaseSettings
from src.config.timeouts import Timeouts
from src.domain.analysis import Analysis
from src.runtime.connection import tls_context
from src.supabase.analyses import AnalysesTable
from src.supabase.client import open_client

from .bench.bars import DRY, LATE, MILLION, bars
from .bench.pages import PAGE, Hour, serving
from .bench.runs import ROOT, Cost
from .bench.table import as_markdown, put_into
from .builders import START, make_policy, make_window
from .sandbox.sample import sample_hour


def read(rows: int, window_start: timedelta = timedelta()) -> list[Analysis]:
    """Read an hour from the page server as the tool does."""

    async def all_rows() -> list[Analysis]:
        async with serving(Hour(rows)) as url:
            values = {"supabase_url": url, "supabase_key": "sb_secret_of_the_bench_0123456789"}
            settings = SupabaseSettings.model_validate(values)
            async with open_client(settings, tls_context(), Timeouts()) as client:
                table = AnalysesTable(client, "analyses")
                pages = [page async for page in table.pages(make_window(START + window_start), make_policy())]
                assert {page.counted for page in pages} == {0 if window_start else rows}
                return [row for page in pages for row in page.rows]

    return asyncio.run(all_rows())


def cost(processor: float = 1, wall: float = 1, peak: float = 1) -> Cost:
    """Make what a run cost."""
    return Cost(processor=processor, wall=wall, peak=peak)


@pytest.mark.slow
@pytest.mark.parametrize("rows", [0, 1, 999, 1000, 1001, 2500])
def test_the_page_server_serves_the_tool_every_row_of_the_hour_once(rows: int) -> None:
    """In order, as many as were asked for, whole pages or not."""
    assert [row.id for row in read(rows)] == [row["id"] for row in sample_hour(START, rows)]


def test_the_page_server_has_no_rows_in_another_hour() -> None:
    """A program that asks for the wrong one isn't measured by accident."""
    assert read(10, window_start=timedelta(hours=1)) == []


@pytest.mark.parametrize("rows", [0, 1, 1000, 2500])
def test_paging_by_offset_gets_the_same_rows(rows: int) -> None:
    """The other programs ask that way."""
    hour, found = Hour(rows), []
    for offset in range(0, rows + PAGE, PAGE):
        query = urlencode({"created_at": f"gte.{START.isoformat()}", "offset": offset, "limit": PAGE})
        _, body = hour.answer(f"/rest/v1/analyses?{query}", counted=False)
        found += json.loads(body)

    assert found == sample_hour(START, rows)


def test_a_ratio_is_taken_between_runs_of_the_same_turn() -> None:
    """A machine that was busy in one turn slows both programs of it, and neither's figure."""
    costs = {("a", 100): [cost(1), cost(8), cost(3)], ("b", 100): [cost(2), cost(16), cost(6)]}

    assert bars(costs)[0].measured == 0.5


def test_every_bar_is_computed_from_a_whole_go() -> None:
    """Of figures that are exactly what is aimed at, none is over."""
    costs = {(letter, rows): [cost(10, 10, 80)] for letter in "abcd" for rows in (100, 1000, 10_000, 100_000)}
    costs |= {("a", 100): [cost(6.5)], ("a", 100_000): [cost(1.2, 2, 80)]}
    costs |= {(LATE, 100_000): [cost(1.5, 5.75)]}
    costs |= {(DRY, rows): [cost(1 + (rows - 100) / 1e5, peak=60)] for rows in (100, 1000, 10_000)}
    costs |= {(DRY, MILLION): [cost(1 + (MILLION - 100) / 1e5, peak=66)]}

    found = bars(costs)

    assert [bar.measured for bar in found] == pytest.approx([bar.aim for bar in found])
    assert {bar.verdict for bar in found} == {"ok"}


def test_a_figure_beyond_its_bar_is_called_over_and_one_that_is_missing_not_measured() -> None:
    """A short look isn't taken for a whole one."""
    first, *others = bars({("a", 100): [cost(2)], ("b", 100): [cost(1)]})

    assert first.verdict == "over"
    assert {bar.verdict for bar in others} == {"not measured"}


def test_a_table_takes_the_place_of_the_one_before_and_of_nothing_else() -> None:
    """The page's other lines are people's."""
    table = as_markdown({("a", 100): [cost()], ("b", 100): [cost()]}, "a machine")
    page = "Before.\n<!-- bench -->\nold\n<!-- /bench -->\nBehind.\n"

    once = put_into(page, table)

    assert once == f"Before.\n<!-- bench -->\n\n{table}\n\n<!-- /bench -->\nBehind.\n"
    assert put_into(once, table) == once
    assert table in put_into((ROOT / "docs" / "performance.md").read_text(), table)
