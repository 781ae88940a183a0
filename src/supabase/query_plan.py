"""The database's plan for a query, as PostgREST gives it: how rows come into their order."""

from collections.abc import Iterator

import msgspec
from msgspec import Struct, field

MEDIA_TYPE = "application/vnd.pgrst.plan+json"


class _Node(Struct, frozen=True):
    kind: str = field(name="Node Type")
    cost: float = field(name="Total Cost")
    below: list["_Node"] = field(name="Plans", default_factory=list)


class _Explained(Struct, frozen=True):
    plan: _Node = field(name="Plan")


def sort_cost(explained: bytes) -> float | None:
    """Return what sorting costs in a plan, in the planner's units; 0 if nothing is sorted, None if it is no plan."""
    try:
        (found,) = msgspec.json.decode(explained, type=list[_Explained])
        return max((node.cost for node in _nodes(found.plan) if node.kind == "Sort"), default=0.0)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _nodes(node: _Node) -> Iterator[_Node]:
    yield node
    for one in node.below:
        yield from _nodes(one)
