"""The body of an answer → rows, every one of them checked."""

import json
import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain
from sys import getsizeof
from typing import Any

import msgspec

from ..config.limits import LARGEST_PAGE
from ..domain.analysis import COLUMNS, LARGEST_FIGURE, LONGEST_TEXT, Analysis, Figure
from ..errors import BadAnswerError, IdTooLongError, PageTooLargeError
from ..runtime.visible_text import in_quotes

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,99})(\.[0-9]{1,100})?([eE][+-]?[0-9]{1,3})?")
"""A number as JSON and PostgreSQL write it: 007 is none."""
_COUNT = "([+-]?[0-9]{1,12})"
_POSTGRES = re.compile(
    rf"(?=.)(?:{_COUNT} days?)?(?:(?(1) )([+-]?)([0-9]{{2,12}}):([0-5][0-9]):([0-5][0-9](?:\.[0-9]{{1,12}})?))?"
)
"""An interval in PostgreSQL's own style: days or a time or both, each with its sign."""
_ISO_8601 = re.compile(
    rf"([+-]?)P(?=.)(?:{_COUNT}D)?(?:T(?=.)(?:{_COUNT}H)?(?:{_COUNT}M)?(?:([+-]?[0-9]{{1,12}}(?:\.[0-9]{{1,12}})?)S)?)?"
)
_EXCERPT = 80
_READ = 1 << 14
"""Bytes of an answer that are looked at for an excerpt: a secret that stands at its end is whole in them."""
_LENIENT = 2 << 20
"""Bytes that json reads, which takes also what msgspec won't (NaN, half a surrogate), and a hundred times the room."""
_VALUES = 300_000
"""Values of a larger body: each takes 240 bytes at most. A page of the ledger for ten recipients has 60,000."""
_NATIVE = msgspec.json.Decoder(list[Analysis])


def read_page(body: bytes, table: str) -> list[Analysis]:
    """Read an answer's body as rows; raise SourceError for anything else.

    Decoded and validated in one native pass, a quarter of json's time; what that won't take is read by hand.
    (msgspec rounds a seventh fractional digit, fromisoformat truncates it; PostgreSQL sends six.)
    """
    try:
        rows = _NATIVE.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return read_by_hand(body, table)
    if not all(row.created_at.tzinfo is UTC for row in rows):
        return read_by_hand(body, table)
    return _checked_size(rows, body, table)


def read_by_hand(body: bytes, table: str) -> list[Analysis]:
    """Read as `read_page` does, slower, but also odd rows, and say what is wrong with the rest."""
    return _checked_size([read_analysis(row, table) for row in _objects(body, table)], body, table)


def _checked_size(rows: list[Analysis], body: bytes, table: str) -> list[Analysis]:
    """Return `rows`; raise PageTooLargeError if their texts take more than a page may.

    One wide character makes Python store every character of its text in four bytes.
    """
    if len(body) > _LENIENT:
        values = chain.from_iterable(
            (row.id, row.status, row.duration, row.records_processed, row.records_failed) for row in rows
        )
        if sum(map(getsizeof, values)) > LARGEST_PAGE:
            raise PageTooLargeError(table=table)
    return rows


def read_moments(body: bytes, table: str) -> list[datetime]:
    """Read an answer's body as rows of `created_at` alone; raise BadAnswerError for anything else."""
    return [_moment(row.get("created_at"), table) for row in read_json(body, table)]


def read_json(body: bytes, table: str) -> list[dict[str, Any]]:
    """Read an answer's body as a list of objects.

    Raise PageTooLargeError if its values could fill the memory, or are nested too deeply, BadAnswerError for anything
    else than such a list.
    """
    return [*_objects(body, table)]


def _objects(body: bytes, table: str) -> Iterator[dict[str, Any]]:
    """Read the objects of a list, of a large one each by itself; raise as `read_json` does."""
    try:
        if len(body) > _LENIENT:
            yield from _objects_of_many(body, table)
            return
        rows = json.loads(body)
    except RecursionError:
        raise PageTooLargeError(table=table) from None
    except ValueError:
        # A gateway's page, or a body cut short: not what the server behind it will say every time.
        raise BadAnswerError(table=table, came=_kind_of_text(body), transient=True) from None
    if not isinstance(rows, list):
        raise BadAnswerError(table=table, came=f"a single {type(rows).__name__}, {excerpt(body)}")
    for row in rows:
        if not isinstance(row, dict):
            raise BadAnswerError(table=table, came=f"a list that holds a {type(row).__name__}, {excerpt(body)}")
    yield from rows


def _objects_of_many(body: bytes, table: str) -> Iterator[dict[str, Any]]:
    """Read a large list, if it has no more than _VALUES values: the marks between them are counted, and texts' too."""
    if sum(map(body.count, (b",", b"[", b"{"))) > _VALUES:
        raise PageTooLargeError(table=table)
    try:
        for row in msgspec.json.decode(body, type=list[msgspec.Raw]):
            yield msgspec.json.decode(row, type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError):  # fewer rows are read by json, or said to be none
        raise PageTooLargeError(table=table) from None


def read_analysis(row: dict[str, Any], table: str) -> Analysis:
    """Read a row from its columns; raise SourceError if it has no place among the others."""
    if missing := [column for column in COLUMNS if column not in row]:
        raise BadAnswerError(table=table, came=f"a row without {', '.join(missing)}")
    row_id = row["id"]
    if not isinstance(row_id, int | str) or isinstance(row_id, bool):
        raise BadAnswerError(table=table, came=f"a row whose id is a {type(row_id).__name__}")
    if (length := len(str(row_id))) > LONGEST_TEXT:
        raise IdTooLongError(table=table, length=length)
    return Analysis(
        id=row_id,
        created_at=_moment(row["created_at"], table),
        status=_text(row["status"], table),
        duration=_duration(row["duration"], table),
        records_processed=_figure(row["records_processed"], table),
        records_failed=_figure(row["records_failed"], table),
    )


def excerpt(body: bytes) -> str:
    """Quote the beginning of an answer in one line."""
    return in_quotes(body.lstrip()[:_READ].decode("utf-8", "replace"), _EXCERPT)


def _kind_of_text(body: bytes) -> str:
    if not body.strip():
        return "nothing"
    kind = "a web page" if body.lstrip().startswith(b"<") else "text that is not complete JSON"
    return f"{kind}, {excerpt(body)}"


def _moment(value: object, table: str) -> datetime:
    """Read a timestamp as PostgreSQL or PostgREST writes it; one without an offset is UTC."""
    try:
        moment = datetime.fromisoformat(value)  # type: ignore[arg-type] # anything but text is a TypeError
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        came = f"a row whose created_at is not a time, {in_quotes(value, _EXCERPT)}"
        raise BadAnswerError(table=table, came=came) from None


def _text(value: object, table: str) -> str | None:
    if value is None:
        return None
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except RecursionError:
        raise PageTooLargeError(table=table) from None
    return text[:LONGEST_TEXT]


def _duration(value: object, table: str) -> Figure:
    """Read a figure, or an `interval` as its seconds."""
    figure = _figure(value, table)
    seconds = _seconds(figure) if isinstance(figure, str) else None
    return figure if seconds is None else seconds


def _seconds(interval: str) -> int | float | None:
    """Return how long an interval is, None if it is none, or counts months, whose length is not definite."""
    if match := _POSTGRES.fullmatch(interval):
        days, sign, *clock = match.groups("0")
        sign, counts = "", [days, *(sign + count for count in clock)]
    elif match := _ISO_8601.fullmatch(interval):
        sign, *counts = match.groups("0")
    else:
        return None
    days, hours, minutes, rest = counts
    # Decimal, because a sum of floats would not be true to the microsecond.
    seconds = int(days) * 86_400 + int(hours) * 3_600 + int(minutes) * 60 + Decimal(rest)
    seconds = -seconds if sign == "-" else seconds
    return int(seconds) if seconds == int(seconds) else float(seconds)


def _figure(value: object, table: str) -> Figure:
    """Read a number, also one that comes as text, as PostgreSQL's `numeric` may; NaN is text."""
    if isinstance(value, str) and (match := _NUMBER.fullmatch(value)):
        whole = match[1] is None and match[2] is None
        value = int(value) if whole else float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _text(value, table)
    if not math.isfinite(value) or abs(value) >= LARGEST_FIGURE:
        return json.dumps(value)
    return value
