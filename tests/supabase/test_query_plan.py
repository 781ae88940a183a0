"""What a plan of PostgreSQL says about sorting; tests/commands/test_index.py tries real ones."""

import json

import pytest

from src.supabase.metadata import sort_cost


def node(kind: str, cost: float, *below: object) -> dict[str, object]:
    """Write a node of a plan."""
    return {"Node Type": kind, "Total Cost": cost, "Parallel Aware": False} | ({"Plans": below} if below else {})


@pytest.mark.parametrize(
    ("plan", "cost"),
    [
        (node("Aggregate", 9.5, node("Limit", 8.4, node("Index Scan", 1884.3))), 0.0),
        (node("Limit", 8.4, node("Incremental Sort", 190.0, node("Index Scan", 188.3))), 0.0),
        (node("Limit", 1.3, node("Sort", 1.4, node("Seq Scan", 1.3))), 1.4),
        (node("Limit", 6782.1, node("Gather Merge", 23690.4, node("Sort", 6149.6, node("Seq Scan", 5046.9)))), 6149.6),
    ],
    ids=["index", "index on created_at alone", "few rows", "several processes"],
)
def test_a_plans_sort_is_found_with_its_cost(plan: object, cost: float) -> None:
    """However deep; what is sorted within rows of one moment counts as read by the index."""
    assert sort_cost(json.dumps([{"Plan": plan}]).encode()) == cost


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'[{"id": 1}]', b"<html>", b"[" * 99_999, b"\xff"])
def test_what_is_no_plan_says_nothing_about_sorting(body: bytes) -> None:
    """A server that doesn't know the media type answers with rows."""
    assert sort_cost(body) is None
