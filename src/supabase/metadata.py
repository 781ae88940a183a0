"""Metadata of the table: the type of `created_at`, and what sorting costs."""

import re
from collections.abc import Iterator

import msgspec
from msgspec import Struct, field

from ..errors import SourceError
from ..runtime.http import Response
from ..runtime.visible_text import one_line_quote
from .client import PostgrestClient
from .reply import error_code, json_object

MEDIA_TYPE = "application/vnd.pgrst.plan+json"
_MOMENTS = ("timestamp with time zone", "timestamp without time zone")
"""The second is read as UTC."""
_DATATYPE_MISMATCH = "42804"
_NAMES_TYPE = re.compile("argument of IS TRUE must be type boolean, not type (.+)")
_REFUSED_VALUE = ("22007", "22P02")
"""invalid_datetime_format, invalid_text_representation."""
_NAMES_MOMENT = re.compile("invalid input syntax for type timestamp( with time zone)?: .*")


async def type_without_moments(client: PostgrestClient, table: str) -> str:
    """Return the type of `created_at` if it can't be filtered by hours.

    An empty text for other types, and if the answers are not understood, as in another language. PostgreSQL names a
    column's type when it rejects `is true` in planning; a domain has a name of its own, and its base type is named when
    a value that is not a moment is rejected.
    """
    try:
        answer = await _asked(client, table, "is", "true")
        named = _NAMES_TYPE.fullmatch(_message(answer)) if error_code(answer) == _DATATYPE_MISMATCH else None
        if not named or named[1] in _MOMENTS:
            return ""
        answer = await _asked(client, table, "gte", "x")
    except SourceError:
        return ""
    is_known = answer.is_success or error_code(answer) in _REFUSED_VALUE
    return "" if not is_known or _NAMES_MOMENT.fullmatch(_message(answer)) else one_line_quote(named[1])


async def _asked(client: PostgrestClient, table: str, operator: str, value: str) -> Response:
    """Send a query for no row."""
    return await client.send(client.short(table).select("id").filter("created_at", operator, value).limit(0), table)


def _message(answer: Response) -> str:
    return str(json_object(answer.content).get("message"))


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
