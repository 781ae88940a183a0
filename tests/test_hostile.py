"""Whatever stands in the table: two readers find it in the workbook, none lost, none changed; messages stay whole."""

import json
import math
import tempfile
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.config.settings import Language
from src.domain.baseline import Comparison, Counts
from src.domain.delivery import Attachment
from src.domain.summary import Summary
from src.message.caption import CAPTION_LIMIT
from src.message.content import describe
from src.phrases.english import English
from src.runtime.visible_text import shortened, visible
from src.supabase.decode import read_by_hand, read_page
from src.workbook.cells import TEXT_UNITS

from .builders import START, build, data_rows, data_rows_again, make_window
from .message.forms import Page, all_forms
from .random_examples import random_examples
from .sandbox.markup import plain
from .test_start import SRC
from .workbook.test_cells import unescaped

NASTY = ["=1+1", "#N/A", "+7", "-2", "@x", "\x00", "\r\n", "\ud800", "_x0041_", " a ", "<&>\"'", "]]>", "🙂" * 17_000]
TEXT = st.text(st.characters(codec=None), max_size=60) | st.sampled_from(NASTY)
NUMBER = st.integers(-(10**30), 10**30) | st.floats(allow_nan=True, allow_infinity=True)
FIGURE = st.none() | NUMBER | NUMBER.map(str) | TEXT | st.booleans()
MOMENT = st.integers(0, 3_599_999_999).map(lambda microseconds: START + timedelta(microseconds=microseconds))
ROW = st.fixed_dictionaries(
    {
        "id": st.integers(-(2**63), 2**63) | TEXT.filter(bool),
        "created_at": MOMENT.map(datetime.isoformat),
        "status": st.none() | TEXT | st.integers() | st.booleans(),
        "duration": FIGURE,
        "records_processed": FIGURE,
        "records_failed": FIGURE,
    }
)


def expected_cell(value: Any) -> Any:
    """Tell what a reader should find for a value of the table, None for an empty cell."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and abs(value) >= 10**15:
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(value)
    if isinstance(value, float) and abs(value) >= 1e100:
        return json.dumps(value)
    return shortened(visible(value), TEXT_UNITS, English.SHORTENED) or None if isinstance(value, str) else value


def as_number(value: Any) -> Any:
    """Read a number that comes as text, where JSON would read one."""
    try:
        is_number = isinstance(value, str) and value[:1] in [*"-0123456789"] and value == value.strip()
        return json.loads(value) if is_number else value
    except ValueError:
        return value


def same(found: Any, wanted: Any) -> bool:
    """Compare as a reader would: text by its characters, a number by its value, an empty cell as nothing."""
    if isinstance(wanted, str):
        return isinstance(found, str) and found == wanted
    if wanted is None:
        return found in (None, "")
    return isinstance(found, int | float) and math.isclose(found, wanted, rel_tol=1e-14, abs_tol=1e-300)


@random_examples(50)
@given(rows=st.lists(ROW, min_size=1, max_size=6))
def test_two_readers_find_what_stands_in_the_table(rows: list[dict[str, Any]]) -> None:
    """From the wire to the cell, for random hostile rows."""
    with tempfile.TemporaryDirectory() as folder:
        wire = json.dumps(rows).encode()
        analyses = read_page(wire, "analyses")
        content = build(Path(folder), *analyses)

    one, other = data_rows(content), data_rows_again(content)
    assert len(one) == len(rows)
    assert len(other) == len(rows)
    for row, first, second in zip(rows, one, other, strict=True):
        status = row["status"] if row["status"] is None or isinstance(row["status"], str) else json.dumps(row["status"])
        figures = [as_number(row[name]) for name in ("duration", "records_processed", "records_failed")]
        for place, value in ((0, row["id"]), (2, status), *zip((3, 4, 5), figures, strict=True)):
            wanted = expected_cell(value)
            assert same(unescaped(first[place]) if isinstance(first[place], str) else first[place], wanted)
            assert same(second[place], wanted)
        moment = datetime.fromisoformat(row["created_at"]).replace(tzinfo=None, microsecond=0)
        assert abs(first[1] - moment) < timedelta(milliseconds=1)
        assert abs(second[1] - moment) < timedelta(milliseconds=1)


@random_examples(100)
@given(row=ROW)
def test_the_native_reader_reads_what_reading_by_hand_does(row: dict[str, Any]) -> None:
    """Value for value and type for type; what it won't take is read by hand anyway."""
    wire = json.dumps([row]).encode()

    assert repr(read_page(wire, "analyses")) == repr(read_by_hand(wire, "analyses"))


@random_examples(50)
@given(
    rows=st.lists(ROW, max_size=6),
    before=st.none() | st.integers(0, 10**6),
    language=st.sampled_from(get_args(Language)),
)
def test_every_message_can_be_written_and_read_whatever_the_table_holds(
    rows: list[dict[str, Any]], before: int | None, language: Language
) -> None:
    """By a mailbox with a line's limits, by a page's reader, by Telegram's."""
    wire = json.dumps(rows).encode()
    summary = Summary()
    summary.add(read_page(wire, "analyses"))
    window = make_window()
    wording = all_forms(
        describe(window, summary, comparison=Comparison(before=Counts(analyses=before)), language=language),
        Attachment(name="r.xlsx", size=1),
    )

    message = EmailMessage()
    message["Subject"] = wording.subject
    message.set_content(wording.text, cte="quoted-printable")
    message.add_alternative(wording.html, subtype="html", cte="quoted-printable")

    assert message.as_bytes().isascii()
    assert len(plain(wording.repeat).encode("utf-16-le")) <= CAPTION_LIMIT * 2
    assert Page(wording.html).tags <= Page((SRC / "message" / "templates/report.html").read_text()).tags
    word = {"en": "analyses", "ru": "анализ"}[language]
    assert (word in wording.text.lower()) == (word in Page(wording.html).text.lower())


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/St_Johns"])
def test_moments_are_the_rows_own_second_in_any_zone(tmp_path: Path, zone: str) -> None:
    """Not the next one, however near it is."""
    window = make_window(zone=zone)
    moment = datetime(2026, 11, 22, 13, 59, 59, 999_000, tzinfo=UTC)
    row = {"id": 1, "created_at": moment.isoformat(), "status": None, "duration": 0}
    wire = json.dumps([row | {"records_processed": 0, "records_failed": 0}]).encode()

    content = build(tmp_path, *read_page(wire, "analyses"), window=window)

    local = moment.astimezone(window.zone).replace(tzinfo=None, microsecond=0)
    assert abs(data_rows(content)[0][1] - local) <= timedelta(milliseconds=1)
    assert abs(data_rows_again(content)[0][1] - local) <= timedelta(milliseconds=1)
