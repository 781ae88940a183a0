"""A row that comes again is known again, in little memory."""

import random
import tracemalloc
import uuid

import pytest

from src.domain.analysis import Analysis
from src.supabase.page import SeenIds

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
        fresh = [row.id for row in seen.split(of(*page))[0]]

        assert fresh == [one for one in page if one not in known]
        known.update(page)


@pytest.mark.parametrize(("earlier", "later"), [(-1, -2), (5, 5 + 2**61 - 1), (0, 2**61 - 1), (10**400, 10**400 + 1)])
def test_numbers_that_hash_takes_for_one_are_two(earlier: int, later: int) -> None:
    """Whatever stands beside them in a tuple, it could not tell them apart."""
    seen = SeenIds(10)
    seen.split(of(earlier))

    fresh, again = seen.split(of(later, earlier))

    assert ([row.id for row in fresh], [row.id for row in again]) == ([later], [earlier])


def test_rows_of_one_id_on_one_page_are_as_new_as_the_first_of_them() -> None:
    """A page is of one moment, in which no row moves."""
    seen = SeenIds(10)

    assert [len(part) for part in seen.split(of(1, 2, 1, 1))] == [4, 0]
    assert [len(part) for part in seen.split(of(3, 1, 3, 1))] == [2, 2]


def test_more_rows_than_were_counted_are_all_taken() -> None:
    """Rows that are inserted meanwhile don't fill the table until it goes round in circles."""
    seen = SeenIds(10)

    assert [len(seen.split(of(*range(first, first + 20)))[0]) for first in range(0, 400, 20)] == [20] * 20


@pytest.mark.slow
def test_a_million_rows_are_remembered_in_six_megabytes() -> None:
    """Where a set of their ids would take a hundred."""
    tracemalloc.start()
    try:
        seen = SeenIds(1_000_000)
        seen.split(of(*range(5000)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 9 * 2**20
