"""A row is read as what it is, or refused with what it is instead."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from src.domain.analysis import COLUMNS, LONGEST_TEXT, Analysis
from src.errors import SourceError
from src.supabase.decode import read_page
from src.supabase.source_errors import OddRowError, PageTooLargeError

from ..builders import make_rows
from ..sandbox import Sandbox

(ROW,) = make_rows(1)


def read_one(**changes: Any) -> Analysis:
    """Read one row with `changes`, as it comes over the wire."""
    (row,) = read_page(json.dumps(make_rows(1, **changes)).encode(), "analyses")
    return row


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-23T13:00:00.123+00:00", datetime(2026, 11, 23, 13, 0, 0, 123000, UTC)),
        ("2026-11-23 13:00:00+00", datetime(2026, 11, 23, 13, tzinfo=UTC)),
        ("2026-11-23T13:00:00.1Z", datetime(2026, 11, 23, 13, 0, 0, 100000, UTC)),
        ("2026-11-23T16:00:00+03:00", datetime(2026, 11, 23, 13, tzinfo=UTC)),
        ("2026-11-23 07:30:00.000001-05:30", datetime(2026, 11, 23, 13, 0, 0, 1, UTC)),
        ("2026-11-23T13:00:00.123456", datetime(2026, 11, 23, 13, 0, 0, 123456, UTC)),
        ("2026-11-23 13:00:00", datetime(2026, 11, 23, 13, tzinfo=UTC)),
    ],
)
def test_a_timestamp_is_read_in_all_its_forms(text: str, moment: datetime) -> None:
    """With T or a blank, any fraction, any offset; without one it is UTC."""
    read = read_one(created_at=text).created_at

    assert read == moment
    assert read.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("value", "figure"),
    [
        (12, 12),
        (-3, -3),
        (1.5, 1.5),
        (None, None),
        ("0.00", 0.0),
        ("-1.5e3", -1500.0),
        ("42", 42),
        ("9007199254740993", 2**53 + 1),
        (2**63 - 1, 2**63 - 1),
        ("NaN", "NaN"),
        (float("nan"), "NaN"),
        ("Infinity", "Infinity"),
        (float("-inf"), "-Infinity"),
        ("1_000", "1_000"),
        (" 5", " 5"),
        ("007", "007"),
        ("-0.5", -0.5),
        ("", ""),
        ("٣", "٣"),
        (True, "true"),
        ({"a": 1}, '{"a": 1}'),
        (10**100, "1" + "0" * 100),
        (1e200, "1e+200"),
        ("9" * 5000, "9" * 5000),
        ("1e400", "1e400"),
        (10**309, "1" + "0" * 309),
        (-(10**309), "-1" + "0" * 309),
    ],
)
def test_a_figure_is_a_number_where_it_is_one_and_else_shown_as_it_stands(value: object, figure: object) -> None:
    """Nothing is dropped, nothing is guessed."""
    read = read_one(duration=value).duration

    assert (read, type(read)) == (figure, type(figure))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("00:01:30", 90),
        ("01:02:03.5", 3723.5),
        ("123:00:00", 442_800),
        ("1 day 02:03:04", 93_784),
        ("2 days", 172_800),
        ("-1 days +02:03:04.25", -79_015.75),
        ("1 day -00:00:00.000001", 86_399.999999),
        ("-00:00:01.5", -1.5),
        ("PT1H2M3.5S", 3723.5),
        ("P1DT2H", 93_600),
        ("P-1DT2H3M4.25S", -79_015.75),
        ("PT-1.5S", -1.5),
        ("-PT1M30S", -90),
        ("PT0S", 0),
        ("2:03:04", 7384),
        ("-2:03:04.5", -7384.5),
        ("1 2:03:04", 93_784),
        ("-1 2:03:04", -93_784),
        ("+0-0 +1 -2:03:04.5", 79_015.5),
        ("+0-0 -1 +2:03:04", -79_016),
        ("@ 0", 0),
        ("@ 1 day 2 hours 3 mins 4.5 secs", 93_784.5),
        ("@ 1 day 2 hours 3 mins 4.5 secs ago", -93_784.5),
        ("@ 2 days -1 hours -1 mins", 169_140),
        ("@ 1 sec ago", -1),
        ("@ 2 days -0.5 secs", 172_799.5),
    ],
)
def test_an_interval_is_a_duration_in_seconds(text: str, seconds: float) -> None:
    """In each of PostgreSQL's styles; records are counted, so there it is none."""
    read = read_one(duration=text, records_failed=text)

    assert (read.duration, type(read.duration)) == (seconds, type(seconds))
    assert read.records_failed == text


@pytest.mark.parametrize(
    "text",
    [
        *("1 mon", "1 year 2 days", "P1M", "P1Y", "P", "PT", "P1DT", "Pending", "9999999999999 days"),
        *("1 day02:03:04", " 01:02:03", "01:02:03\n", "01:02", "1:2:3", "01:60:00", "٠1:02:03", "-"),
        *("1-2", "+1-2 +3 +4:05:06", "1 2", "+0-0 1 2:03:04", "@", "@ ago", "@ 1 mon", "@ 1 year 2 days ago", "@1 day"),
    ],
)
def test_what_has_no_definite_length_is_no_duration(text: str) -> None:
    """A month has 28 to 31 days; the text is shown as it stands."""
    assert read_one(duration=text).duration == text


SIGNED = st.integers(-(10**6), 10**6)


@pytest.mark.slow
@given(days=SIGNED, hours=SIGNED, minutes=st.integers(0, 59), microseconds=st.integers(0, 60 * 10**6 - 1))
@example(days=-1, hours=0, minutes=0, microseconds=1)
def test_every_interval_comes_to_its_seconds(days: int, hours: int, minutes: int, microseconds: int) -> None:
    """To the microsecond, in both styles."""
    sign, count = ("-" if hours < 0 else ""), f"{microseconds // 10**6:02}.{microseconds % 10**6:06}"
    clock = f"{sign}{abs(hours):02}:{minutes:02}:{count}"
    iso = f"P{days}DT{hours}H{sign}{minutes}M{sign}{count}S"
    magnitude = (abs(hours) * 3600 + minutes * 60) * 10**6 + microseconds
    seconds = (days * 86_400 * 10**6 + (-magnitude if sign else magnitude)) / 10**6

    assert read_one(duration=f"{days} days {clock}").duration == seconds
    assert read_one(duration=iso).duration == seconds


@pytest.mark.parametrize("style", ["postgres", "postgres_verbose", "sql_standard", "iso_8601"])
def test_every_interval_of_postgresql_comes_to_its_seconds(sandbox: Sandbox, style: str) -> None:
    """Of days, hours, minutes and microseconds, each with a sign of its own or none at all."""
    made = sandbox.supabase.sql(
        f"""set intervalstyle = {style};
        select made::text as text, extract(epoch from made)::text as seconds from (
          select make_interval(days => days, mins => mins) + make_interval(secs => secs) as made
          from unnest(array[0, 1, -1, 3, -40, 100000]) days,
               unnest(array[0, 1, -1, 59, 60, -61, 1440, -9000]) mins,
               unnest(array[0, 1, -1, 0.5, -0.000001, 59.999999, -7200.25]::float[]) secs
        ) intervals"""
    )
    sandbox.supabase.sql("reset intervalstyle")

    rows = [ROW | {"duration": row["text"]} for row in made]
    read = read_page(json.dumps(rows).encode(), "analyses")

    assert len(made) == 6 * 8 * 7
    assert [row.duration for row in read] == [float(row["seconds"]) for row in made]


@pytest.mark.parametrize(
    ("value", "status"),
    [("=1+1", "=1+1"), (None, None), ("", ""), (7, "7"), (False, "false"), ({"é": []}, '{"é": []}')],
)
def test_a_status_is_text_whatever_its_columns_type(value: object, status: str | None) -> None:
    """A `jsonb` or a `boolean` has a form that can be read."""
    assert read_one(status=value).status == status


@pytest.mark.parametrize(
    ("body", "key", "is_transient"),
    [
        (b"<!doctype html><title>502 Bad Gateway</title>", "source.not_postgrest", True),
        (b"", "source.not_postgrest", True),
        (b" \n", "source.not_postgrest", True),
        (b"\xff\xfe\x00", "source.not_postgrest", True),
        (b'{"message": "hello"}', "source.not_postgrest", False),
        (b'"rows"', "source.not_postgrest", False),
        (b"null", "source.not_postgrest", False),
        (b'[{"id": 1, "created_at"', "source.bad_answer", True),
        (b"[1, 2]", "source.bad_answer", True),
        (b'[{"id": 1, "status": null}]', "source.bad_answer", True),
    ],
    ids=lambda value: str(value)[:24],
)
def test_anything_but_rows_is_refused_with_what_came(body: bytes, key: str, is_transient: bool) -> None:
    """An outage never looks like an empty hour."""
    with pytest.raises(SourceError) as caught:
        read_page(body, "some_table")

    assert (caught.value.problem.key, caught.value.transient) == (key, is_transient)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * 100_000 + b"]" * 100_000, id="nested too deeply"),
        pytest.param(b"[" + b"[]," * 1_000_000 + b"[]]", id="more values than memory"),
        pytest.param(b'["' + b"x" * (3 << 20), id="cut off, and large"),
        pytest.param(b'{"a":"' + b"x" * (3 << 20) + b'"}', id="no list, and large"),
    ],
)
def test_what_would_fill_the_memory_is_too_large(body: bytes) -> None:
    """Whoever asked asks for less."""
    with pytest.raises(PageTooLargeError):
        read_page(body, "analyses")


def test_a_long_text_is_cut_where_a_cell_is_full() -> None:
    """One character later, so that the sheet says it; of more of them than are read at once, fewer are requested."""
    long = {"status": "y" * 100_000, "duration": "z" * 100_000, "records_failed": ["w" * 100_000]}
    rows = [ROW | long] * 8

    row, *others = read_page(json.dumps(rows[:6]).encode(), "analyses")

    assert (row.status, row.duration) == ("y" * LONGEST_TEXT, "z" * LONGEST_TEXT)
    assert row.records_failed == '["' + "w" * (LONGEST_TEXT - 2)
    assert others == [row] * 5
    with pytest.raises(PageTooLargeError):
        read_page(json.dumps(rows).encode(), "analyses")


@pytest.mark.slow
def test_texts_count_with_the_memory_that_they_take() -> None:
    """One wide character makes each of its text take four bytes."""
    rows = [ROW | {"status": "🙂" + "x" * 32_000}] * 400
    wire = json.dumps(rows, ensure_ascii=False).encode()

    with pytest.raises(PageTooLargeError):
        read_page(wire, "analyses")
    assert len(read_page(wire.replace("🙂".encode(), b""), "analyses")) == 400


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": None}, "null"),
        ({"id": True}, "true"),
        ({"id": 1.5}, "1.5"),
        ({"created_at": None}, "None"),
        ({"created_at": "9999-12-31T23:00:00-12:00"}, "9999-12-31T23:00:00-12:00"),
        ({"created_at": "infinity"}, "infinity"),
        ({"created_at": "-infinity"}, "-infinity"),
        ({"created_at": 1763906400}, "1763906400"),
        ({"created_at": "\ud800" + "x" * 500}, "\\ud800xxx"),
    ],
)
def test_a_row_that_cannot_be_placed_is_the_tables_fault(changes: dict[str, Any], said: str) -> None:
    """Without an id or a moment there is no order and no cursor; the address and a proxy are not why."""
    with pytest.raises(OddRowError) as caught:
        read_one(**changes)

    assert caught.value.problem.said.startswith(said)
    assert "SUPABASE_URL" not in str(caught.value)
    assert "proxy" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "condition"),
    [
        ({"id": None}, "id is null"),
        ({"id": 1.5}, "id <> trunc(id)"),
        ({"created_at": "-infinity"}, "not isfinite(created_at)"),
    ],
)
def test_a_row_that_cannot_be_placed_is_found_by_the_statement_that_is_told(
    changes: dict[str, Any], condition: str
) -> None:
    """It can be pasted."""
    with pytest.raises(OddRowError) as caught:
        read_one(**changes)

    (statement,) = re.findall("select .*;", caught.value.problem.remedy)
    assert re.fullmatch(rf"select \* from analyses\b.* {re.escape(condition)};", statement)


@pytest.mark.parametrize("digits", ["9" * 5000, "1" + "0" * 309 + ".5"])
def test_a_number_that_python_does_not_read_is_shown_as_it_stands(digits: str) -> None:
    """In each column that may hold one; JSON sets no limit."""
    wire = json.dumps([ROW | dict.fromkeys(("id", *COLUMNS[2:]), 123456789)]).replace("123456789", digits).encode()

    (row,) = read_page(wire, "analyses")

    assert {row.id, row.status, row.duration, row.records_processed, row.records_failed} == {digits}


def test_the_six_columns_are_those_of_the_report() -> None:
    """No more is asked for."""
    assert COLUMNS == ("id", "created_at", "status", "duration", "records_processed", "records_failed")


@pytest.mark.slow
@pytest.mark.parametrize("column", ["status", "duration", "records_processed", "records_failed"])
def test_texts_of_every_column_count_with_the_memory_that_they_take(column: str) -> None:
    """A figure may hold text too."""
    wire = json.dumps([ROW | {column: "🙂" + "x" * 32_000}] * 400, ensure_ascii=False).encode()

    with pytest.raises(PageTooLargeError):
        read_page(wire, "analyses")
