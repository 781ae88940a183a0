"""Read the body of an answer as rows, and check each of them."""

import json
import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain
from sys import getsizeof
from typing import Any

import msgspec

from ..domain.analysis import COLUMNS, LARGEST_FIGURE, LONGEST_TEXT, Analysis, Figure
from ..errors import SourceError
from ..runtime.http import LARGEST_PAGE
from ..runtime.visible_text import one_line_quote
from .reply import excerpt
from .source_errors import BadAnswerError, IdTooLongError, NotPostgrestError, OddRowError, PageTooLargeError

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,99})(?:\.[0-9]{1,100})?(?:[eE][+-]?[0-9]{1,3})?")
"""A number as JSON and PostgreSQL write it; 007 is not one."""
_COUNT = "[+-]?[0-9]{1,12}"
_SECONDS = r"[0-9]{1,12}(?:\.[0-9]{1,12})?"
_CLOCK = r"(?P<hours>[0-9]{1,12}):(?P<minutes>[0-5][0-9]):(?P<seconds>[0-5][0-9](?:\.[0-9]{1,12})?)"
_INTERVALS = tuple(
    map(
        re.compile,
        (
            # postgres: days or a time or both, each with its sign; sql_standard writes a time alone like this too
            rf"(?=.)(?:(?P<days>{_COUNT}) days?)?(?:(?(days) )(?P<sign>[+-]?){_CLOCK})?",
            # postgres_verbose
            rf"@(?= [+-]?[0-9])(?: 0)?(?: (?P<days>{_COUNT}) days?)?(?: (?P<hours>{_COUNT}) hours?)?"
            rf"(?: (?P<minutes>{_COUNT}) mins?)?(?: (?P<seconds>[+-]?{_SECONDS}) secs?)?(?P<whole> ago)?",
            # sql_standard: one sign for all, or a sign for each behind years and months
            rf"(?P<whole>-?)(?P<days>[0-9]{{1,12}}) {_CLOCK}",
            rf"[+]0-0 (?P<days>[+-][0-9]{{1,12}}) (?P<sign>[+-]){_CLOCK}",
            # iso_8601
            rf"(?P<whole>[+-]?)P(?=.)(?:(?P<days>{_COUNT})D)?(?:T(?=.)(?:(?P<hours>{_COUNT})H)?"
            rf"(?:(?P<minutes>{_COUNT})M)?(?:(?P<seconds>[+-]?{_SECONDS})S)?)?",
        ),
    )
)
"""Intervals in the styles of PostgreSQL: `sign` is that of the time, `whole` that of all."""
LARGEST_JSON = 2 << 20
"""Bytes of a body that json reads: it accepts what msgspec rejects (half a surrogate), but takes a hundred times the
room."""
_VALUES = 300_000
"""Values of a larger body: each takes 240 bytes at most. A page of the ledger for ten recipients has 60,000."""
_NATIVE = msgspec.json.Decoder(list[Analysis])


def read_page(body: bytes, table: str) -> list[Analysis]:
    """Read the body of an answer as rows; raise SourceError for anything else.

    Decoded and checked in one native pass, in a quarter of json's time; a page with an odd row is read by hand.
    (msgspec rounds a seventh fractional digit, fromisoformat truncates it; PostgreSQL sends six.)
    """
    try:
        rows = _NATIVE.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return read_by_hand(body, table)
    if not all(row.created_at.tzinfo is UTC for row in rows):
        return read_by_hand(body, table)
    # One wide character makes Python store every character of its text in four bytes.
    if len(body) > LARGEST_PAGE // 4 and memory_of(rows) > LARGEST_PAGE:
        raise PageTooLargeError(table=table)
    return rows


def read_by_hand(body: bytes, table: str) -> list[Analysis]:
    """Read as `read_page` does, slower, but also odd rows; say what is wrong with anything else."""
    return [read_analysis(row, table) for row in read_json(body, table)]


def memory_of(rows: Iterable[Analysis]) -> int:
    """Return how many bytes the values of `rows` take, except for their moments."""
    values = chain.from_iterable(
        (row.id, row.status, row.duration, row.records_processed, row.records_failed) for row in rows
    )
    return sum(map(getsizeof, values))


def read_moments(body: bytes, table: str) -> list[datetime]:
    """Read an answer's body as rows of `created_at` alone; raise BadAnswerError for anything else."""
    return [_moment(row.get("created_at"), table) for row in read_json(body, table)]


def read_json(body: bytes, table: str) -> list[dict[str, Any]]:
    """Read an answer's body as a list of objects; a number that Python can't hold is text.

    Raise PageTooLargeError if it is larger than LARGEST_JSON or nested too deeply, NotPostgrestError or BadAnswerError
    for anything but such a list.
    """
    if len(body) > LARGEST_JSON:
        raise PageTooLargeError(table=table)
    try:
        rows = json.loads(body, parse_int=_number, parse_float=_number)
    except RecursionError:
        raise PageTooLargeError(table=table) from None
    except ValueError:
        raise _not_json(body, table) from None
    if not isinstance(rows, list):
        raise NotPostgrestError(table=table, came=f"a single {type(rows).__name__}", said=excerpt(body))
    for row in rows:
        if not isinstance(row, dict):
            raise BadAnswerError(table=table, came=f"a {type(row).__name__}", said=excerpt(body))
    return rows


def read_records(body: bytes, table: str) -> list[dict[str, Any]]:
    """Read a body of the ledger's records, of which a page is larger than one of odd rows; raise as `read_json` does.

    Values are counted by the marks between them, those in texts too.
    """
    if len(body) <= LARGEST_JSON:
        return read_json(body, table)
    if sum(map(body.count, (b",", b"[", b"{"))) > _VALUES:
        raise PageTooLargeError(table=table)
    try:
        return msgspec.json.decode(body, type=list[dict[str, Any]])
    except (msgspec.MsgspecError, ValueError, RecursionError):  # fewer records are read by json, or said to be none
        raise PageTooLargeError(table=table) from None


def _number(digits: str) -> int | float | str:
    """Read a number; return `digits` if they are more than Python reads, or if no float is that large."""
    try:
        number = int(digits) if digits.lstrip("-").isdecimal() else float(digits)
    except ValueError:
        return digits
    return digits if abs(number) == math.inf else number


def read_analysis(row: dict[str, Any], table: str) -> Analysis:
    """Read a row from its columns; raise SourceError if it can't be placed among the others."""
    if missing := [column for column in COLUMNS if column not in row]:
        raise BadAnswerError(table=table, came=f"a row without {', '.join(missing)}")
    row_id = row["id"]
    if not isinstance(row_id, int | str) or isinstance(row_id, bool):
        finds = "id is null" if row_id is None else "id <> trunc(id)" if isinstance(row_id, float) else ""
        raise OddRowError(table=table, column="id", said=one_line_quote(json.dumps(row_id)), condition=finds)
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


def _not_json(body: bytes, table: str) -> SourceError:
    """Return the error of a body that is not JSON: a gateway's page, or a body cut short, may pass."""
    if body.lstrip().startswith(b"["):
        return BadAnswerError(table=table, came="a list that is cut off", said=excerpt(body))
    came = "a web page" if body.lstrip().startswith(b"<") else "text that is not JSON" if body.strip() else "nothing"
    return NotPostgrestError(table=table, came=came, said=excerpt(body), transient=True)


def _moment(value: object, table: str) -> datetime:
    """Read a timestamp as PostgreSQL or PostgREST writes it; one without an offset is UTC."""
    try:
        moment = datetime.fromisoformat(value)  # type: ignore[arg-type] # anything but text is a TypeError
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        finds = "not isfinite(created_at)" if value in ("infinity", "-infinity") else ""
        raise OddRowError(table=table, column="created_at", said=one_line_quote(value), condition=finds) from None


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
    """Return the length of an interval, None if it is not one, or counts months, whose length varies."""
    match = next(filter(None, (style.fullmatch(interval) for style in _INTERVALS)), None)
    if match is None:
        return None
    parts = match.groupdict()
    days, hours, minutes = (int(parts.get(name) or 0) for name in ("days", "hours", "minutes"))
    # Decimal, because a sum of floats would not be exact to the microsecond.
    time = hours * 3_600 + minutes * 60 + Decimal(parts.get("seconds") or 0)
    seconds = days * 86_400 + (-time if parts.get("sign") == "-" else time)
    seconds = -seconds if parts.get("whole") in ("-", " ago") else seconds
    return int(seconds) if seconds == int(seconds) else float(seconds)


def _figure(value: object, table: str) -> Figure:
    """Read a number, also one in quotes, as PostgreSQL's `numeric` may be; NaN is text."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = _number(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _text(value, table)
    # The size first: a whole number may be too large for math.
    if abs(value) >= LARGEST_FIGURE or math.isnan(value):
        return json.dumps(value)
    return value
