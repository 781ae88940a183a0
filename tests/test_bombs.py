"""Answers made to fill the memory: each run ends in time, with its alert or its report, in less than 200 MiB."""

import json
import math
import resource
import ssl
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import pytest

from src.domain.analysis import TOO_LONG
from src.domain.summary import Anomaly
from src.phrases.language import ENGLISH
from src.runtime.http import LARGEST_ANSWER, LARGEST_PAGE
from src.supabase.decode import LARGEST_JSON

from .bench import launcher
from .builders import OPTION, Rows, data_rows, ids, make_rows
from .faults import large
from .processes import ENTRY, LONGEST
from .sandbox import Sandbox
from .sandbox.web import Answer, Fault, Request, Web

pytestmark = pytest.mark.sampled

MIB = 1 << 20
MEMORY = 512 * MIB
"""What a run may have at all (RLIMIT_DATA), half of what its pod has."""
PEAK = 200
"""MiB that it may really use."""
ENDLESS = Answer(body=b'{"public": false, "x": "', more=b"x" * MIB, times=math.inf)


def gzip_bomb(gibibytes: int = 4) -> Answer:
    """Make an answer of some MiB that unpacks to `gibibytes`: every MiB of blanks is the same block of 1 KiB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    first, block = (packer.compress(b" " * MIB) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return Answer(headers={"content-encoding": "gzip"}, body=first + block * 1024 * gibibytes)


def filled(part: bytes, around: tuple[bytes, bytes] = (b"[", b"]"), size: int = LARGEST_PAGE) -> Answer:
    """Make a JSON list of as many `part` as fit into `size` bytes."""
    first, last = around
    count = (size - len(first) - len(last)) // (len(part) + 1)
    return Answer(headers={"content-range": "0-0/1"}, body=first + b",".join([part] * count) + last)


def deep(size: int = LARGEST_ANSWER) -> Answer:
    """Make JSON that is nested as deeply as fits into `size` bytes."""
    return Answer(headers={"content-range": "0-0/1"}, body=b"[" * (size // 2) + b"]" * (size // 2))


@dataclass(frozen=True, kw_only=True)
class Cost:
    """How a run ended: its exit code, its peak in MiB, and its log."""

    code: int
    peak: float
    log: str


def ended(sandbox: Sandbox, arguments: Sequence[str] = OPTION, **changes: str) -> Cost:
    """Run the tool under the limit of memory, to its end."""
    told = sandbox.folder / "cost.json"
    command = [sys.executable, launcher.__file__, str(told), sys.executable, str(ENTRY), *arguments]
    done = subprocess.run(
        command,
        env=sandbox.environment | changes,
        stderr=subprocess.PIPE,
        text=True,
        timeout=LONGEST * 2,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY)),
    )
    print(done.stderr[:5000], file=sys.__stderr__)
    cost = json.loads(told.read_text())
    return Cost(code=cost["code"], peak=cost["peak"], log=done.stderr)


def assert_light(cost: Cost) -> None:
    """Assert that it stayed small and said what it had to say in sentences."""
    assert cost.peak <= PEAK
    assert "Traceback" not in cost.log
    assert "MemoryError" not in cost.log
    assert len(cost.log) < 20_000


MakeAnswer = Callable[[], Answer]
"""Made in the test that wants it: each is as large as an answer may be."""
PAGES: dict[str, MakeAnswer] = {
    "gzip": gzip_bomb,
    "endless": lambda: ENDLESS,
    "deep": lambda: deep(LARGEST_PAGE),
    "empty lists": lambda: filled(b"[]"),
    "empty objects": lambda: filled(b"{}"),
    "small objects": lambda: filled(b'{"a":1}'),
    "objects within": lambda: filled(b'{"a":{"a":{"a":{"a":{}}}}}'),
    "numbers": lambda: filled(b"1e9"),
    "short texts": lambda: filled(b'"ab"'),
    "one long text": lambda: filled(b"x" * (LARGEST_PAGE - 9), (b'["', b'"]')),
    "one long text, wide": lambda: filled("🙂".encode() + b"x" * (LARGEST_PAGE - 13), (b'["', b'"]')),
    "another encoding": lambda: Answer(headers={"content-encoding": "br"}, body=b"[]"),
}


def named(answers: Mapping[str, MakeAnswer], often: Iterable[str]) -> list[object]:
    """Make parameters of `answers`, of which `make test` tries those `often`, `make test-long` the others."""
    return [
        pytest.param(answer, id=name, marks=[] if name in often else [pytest.mark.long])
        for name, answer in answers.items()
    ]


@pytest.mark.parametrize("answer", named(PAGES, ("gzip", "endless", "deep", "small objects", "one long text, wide")))
def test_no_page_of_supabase_fills_the_memory(sandbox: Sandbox, answer: MakeAnswer) -> None:
    """The hour fails with a sentence and one alert, and the next one is tried again."""
    sandbox.supabase.always = Fault(answer=answer())

    cost = ended(sandbox, REPORT_TIME_LIMIT="30")

    assert_light(cost)
    assert cost.code == 1
    assert (len(sandbox.alerts), [key.partition(".")[0] for key in sandbox.alerted]) == (1, ["source"])


@pytest.mark.parametrize(
    "total", [pytest.param(10**8, id="10^8", marks=pytest.mark.long), pytest.param(10**18 - 1, id="10^18")]
)
def test_no_number_of_rows_that_supabase_counts_fills_the_memory(sandbox: Sandbox, total: int) -> None:
    """It is the server's word alone; what comes is read as ever."""
    page = json.dumps(make_rows(1)).encode()
    sandbox.supabase.always = Fault(answer=Answer(headers={"content-range": f"0-0/{total}"}, body=page))

    cost = ended(sandbox, REPORT_TIME_LIMIT="30")

    assert_light(cost)
    assert cost.code == 1
    assert (len(sandbox.alerts), [key.partition(".")[0] for key in sandbox.alerted]) == (1, ["source"])


@pytest.mark.parametrize("answer", named(PAGES, ("gzip", "small objects", "one long text, wide")))
def test_no_answers_to_counts_fill_the_memory(sandbox: Sandbox, answer: MakeAnswer) -> None:
    """Eleven of which are asked for at once; the report goes out, and is compared with nothing."""
    sandbox.supabase.insert(make_rows(3))
    sandbox.supabase.always = Fault(answer=answer(), match="?select=id&")

    cost = ended(sandbox)

    assert_light(cost)
    assert cost.code == 0
    assert len(sandbox.mails) == 1
    assert len(sandbox.messages) == 2


@pytest.mark.parametrize("answer", named(PAGES, ("endless", "deep")))
def test_no_page_of_the_ledger_fills_the_memory(sandbox: Sandbox, answer: MakeAnswer) -> None:
    """As with the rows."""
    sandbox.supabase.always = Fault(answer=answer(), match="/report_deliveries")

    cost = ended(sandbox, REPORT_LEDGER="supabase", REPORT_TIME_LIMIT="30")

    assert_light(cost)
    assert cost.code == 1
    assert {key.partition(".")[0] for key in sandbox.alerted} == {"ledger"}


ANSWERS: dict[str, MakeAnswer] = {
    "gzip": gzip_bomb,
    "endless": lambda: ENDLESS,
    "deep": deep,
    "small objects": lambda: filled(b'{"a":1}', size=1 << 20),
}


@pytest.mark.parametrize("answer", named(ANSWERS, ("gzip", "endless")))
def test_no_answer_of_telegram_fills_the_memory(sandbox: Sandbox, answer: MakeAnswer) -> None:
    """The mails go out, and one of them is the alert."""
    sandbox.supabase.insert(make_rows(3))
    sandbox.bot.always = Fault(answer=answer())

    cost = ended(sandbox, REPORT_TIME_LIMIT="30")

    assert_light(cost)
    assert cost.code == 1
    assert len(sandbox.mails) == 1
    assert len(sandbox.alerts) == 1


@pytest.mark.parametrize(
    ("match", "answer"),
    [
        pytest.param("/bucket/", ANSWERS["gzip"], id="bucket, gzip"),
        pytest.param("/bucket/", ANSWERS["endless"], id="bucket, endless", marks=pytest.mark.long),
        pytest.param("/object/sign", ANSWERS["gzip"], id="sign, gzip", marks=pytest.mark.long),
        pytest.param("/object/sign", ANSWERS["endless"], id="sign, endless"),
    ],
)
def test_no_answer_of_storage_fills_the_memory(sandbox: Sandbox, match: str, answer: MakeAnswer) -> None:
    """Everyone gets the message, without the workbook, and somebody is told."""
    sandbox.supabase.insert(make_rows(7))
    sandbox.supabase.make_bucket("reports")
    large(sandbox)
    sandbox.supabase.always = Fault(answer=answer(), match=match)

    cost = ended(sandbox, REPORT_BUCKET="reports", REPORT_TIME_LIMIT="30")

    assert_light(cost)
    assert cost.code == 1
    assert len(sandbox.mails) == 1
    assert len(sandbox.alerts) == 1


@pytest.mark.parametrize("answer", named(ANSWERS, ("gzip", "endless")))
def test_no_answer_of_the_monitor_fills_the_memory_or_takes_long(sandbox: Sandbox, answer: MakeAnswer) -> None:
    """Its status is all that is wanted of it."""
    sandbox.supabase.insert(make_rows(3))
    sandbox.monitor.always = Fault(answer=answer())

    cost = ended(sandbox, HEARTBEAT_URL=sandbox.monitor.check_url, LOG_FORMAT="json")

    assert_light(cost)
    assert cost.code == 0
    assert len(sandbox.mails) == 1
    assert len(sandbox.monitor.pings) == 2
    assert "heartbeat_failed" not in cost.log


@dataclass(frozen=True, kw_only=True)
class Long:
    """A value that is `times` times `more`, as JSON writes it in a text."""

    more: bytes
    times: int


class GiantTable(Web):
    """PostgREST before a table that no database could keep in memory; a Long value is written as it goes out."""

    def __init__(self, tls: ssl.SSLContext, rows: Rows) -> None:
        super().__init__(tls)
        self.rows = rows

    def answer(self, request: Request) -> Answer:
        """Answer the questions that the program asks: its columns, its limit, its cursor, and a row by its id."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(request.target).query).items()}
        known = [row["id"] for row in self.rows]
        first = 0
        if cursor := query.get("or"):
            first = 1 + next(place for place, one in enumerate(known) if f'id.gt."{one}"' in cursor)
        elif wanted := query.get("id"):
            first = known.index(wanted.removeprefix("eq."))
        rows = self.rows[first : first + int(query["limit"])]
        columns = query["select"].split(",")
        headers = {"content-range": f"0-{len(rows)}/{len(self.rows)}"}
        parts: list[bytes] = []
        for row in rows:
            parts.append(b",{" if parts else b"[{")
            for place, name in enumerate(columns):
                parts.append(b"%s%s:" % (b"," if place else b"", json.dumps(name).encode()))
                if isinstance(value := row[name], Long):
                    return Answer(headers=headers, body=b"".join([*parts, b'"']), more=value.more, times=value.times)
                parts.append(json.dumps(value, ensure_ascii=False).encode())
            parts.append(b"}")
        return Answer(headers=headers, body=b"".join([*(parts or [b"["]), b"]"]))


@pytest.fixture
def giant(sandbox: Sandbox) -> Iterator[GiantTable]:
    """Serve a table whose rows the test chooses."""
    table = GiantTable(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), [])
    with table.serving():
        yield table
        table.over.set()


CONTROLS = Long(more=rb"\u0001" * 16_384, times=60 * 64)
"""60 MiB of control characters, which JSON writes in six bytes each."""


def test_a_row_with_a_giant_status_is_reported_with_its_other_columns(sandbox: Sandbox, giant: GiantTable) -> None:
    """One row can't keep everyone else's from being delivered; it is named as odd."""
    giant.rows = make_rows(120)
    giant.rows[70]["status"] = CONTROLS

    cost = ended(sandbox, SUPABASE_URL=giant.url)

    assert_light(cost)
    assert cost.code == 0
    rows = data_rows(sandbox.mails[0].attachment())
    assert [row[0] for row in rows] == ids(giant.rows)
    assert rows[70][2:6] == (TOO_LONG, 1.5, 10, 1)
    assert ENGLISH.anomaly(Anomaly(kind="too long", count=1)) in sandbox.mails[0].text


def test_every_column_but_id_and_moment_may_be_too_long(sandbox: Sandbox, giant: GiantTable) -> None:
    """Whatever their types are."""
    giant.rows = make_rows(3, duration=CONTROLS, records_processed=CONTROLS, records_failed=CONTROLS)

    cost = ended(sandbox, SUPABASE_URL=giant.url)

    assert_light(cost)
    assert cost.code == 0
    assert [row[3:6] for row in data_rows(sandbox.mails[0].attachment())] == [(TOO_LONG,) * 3] * 3


def test_an_id_too_large_for_an_address_ends_the_hour_with_a_sentence(sandbox: Sandbox, giant: GiantTable) -> None:
    """And with one alert."""
    giant.rows = make_rows(3)
    giant.rows[1]["id"] = CONTROLS

    cost = ended(sandbox, SUPABASE_URL=giant.url)

    assert_light(cost)
    assert cost.code == 1
    assert (len(sandbox.alerts), sandbox.alerted) == (1, ["source.page_too_large"])


FITS = LARGEST_JSON - 2000
"""Bytes that a row with a long status may have."""


@pytest.mark.parametrize(
    ("first", "more", "count", "end"),
    [
        pytest.param("", "\x7f", FITS, "[shortened]", id="DEL", marks=pytest.mark.long),
        pytest.param("", "\x01", FITS // 6, "[shortened]", id="controls", marks=pytest.mark.long),
        pytest.param("🙂", "x", FITS - 4, "[shortened]", id="one wide"),
        pytest.param("", "\x85", FITS // 2, "[shortened]", id="C1", marks=pytest.mark.long),
        pytest.param("🙂", "x", 15 * MIB, TOO_LONG, id="longer, one wide"),
        pytest.param("", "\x85", 7 * MIB, TOO_LONG, id="longer, C1", marks=pytest.mark.long),
    ],
)
def test_a_status_that_fits_is_shown_cut_and_a_longer_one_has_a_mark(
    sandbox: Sandbox, giant: GiantTable, first: str, more: str, count: int, end: str
) -> None:
    """The first as any text that is longer than a cell."""
    giant.rows = make_rows(3)
    giant.rows[1]["status"] = first + more * count

    cost = ended(sandbox, SUPABASE_URL=giant.url)

    assert_light(cost)
    assert cost.code == 0
    rows = data_rows(sandbox.mails[0].attachment())
    assert [row[0] for row in rows] == ids(giant.rows)
    assert rows[1][2].endswith(end)


@pytest.mark.parametrize(
    "beginning", [pytest.param("", id="narrow"), pytest.param("🙂", id="wide", marks=pytest.mark.long)]
)
def test_many_long_statuses_are_all_there(sandbox: Sandbox, giant: GiantTable, beginning: str) -> None:
    """Two full pages of them are in memory at once."""
    giant.rows = make_rows(1000)
    for place, row in enumerate(giant.rows):
        row["status"] = f"{beginning}{place}" + "x" * 32_000

    cost = ended(sandbox, SUPABASE_URL=giant.url)

    assert_light(cost)
    assert cost.code == 0
    assert [row[0] for row in data_rows(sandbox.mails[0].attachment())] == ids(giant.rows)
