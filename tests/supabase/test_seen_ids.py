"""A row that comes again is known again, in little memory."""

import random
import tracemalloc
import uuid

import pytest

from src.domain.analysis import Analysis
from src.supabase.seen_ids import SeenIds

from ..builders import make_analysis


def of(*ids: int | str) -> list[Analysis]:
    """Make rows with these ids."""
    return [make_analysis(id=one) for one in ids]


@pytest.mark.parametrize("kind", [int, str, lambda number: str(uuid.UUID(int=number)), lambda number: number << 40])
def test_a_row_that_came_on_an_earlier_page_is_left_out(kind: type[int]) -> None:
    """Whatever ids look like, and however full the table is."""
    dice, seen, known = random.Random(7), SeenIds(3000), set[int | str]()

    for _ in range(30):
        page = [kind(number) for number in dice.sample(range(5000), 100)]
        fresh = [row.id for row in seen.unseen(of(*page))]

        assert fresh == [one for one in page if one not in known]
        known.update(page)


def test_more_rows_than_were_counted_are_all_taken() -> None:
    """Rows that are inserted meanwhile don't fill the table until it goes round in circles."""
    seen = SeenIds(10)

    assert [len(seen.unseen(of(*range(first, first + 20)))) for first in range(0, 400, 20)] == [20] * 20


def test_a_million_rows_are_remembered_in_six_megabytes() -> None:
    """Where a set of their ids would take a hundred."""
    tracemalloc.start()
    try:
        seen = SeenIds(1_000_000)
        seen.unseen(of(*range(5000)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 9 * 2**20
