"""`--deliveries` tells who got what, from either ledger, in a table that fits a terminal."""

import json
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec import structs
from msgspec.structs import replace

from src.commands.deliveries import Line, as_table, folded
from src.domain.window import HOUR, Window
from src.ledger.record import Entry, Record

from ..builders import OPTION, QUICK, figures_of, make_rows
from ..conftest import Run
from ..faults import source_name
from ..pages import section
from ..processes import ENTRY
from ..sandbox import CHATS, RECIPIENTS, Sandbox
from ..terminal import on_terminal

RunTool = Callable[..., Run]
LEDGERS = pytest.mark.parametrize("ledger", ["directory", "supabase"])
FROM = ("--deliveries", "2026-11-22T13")


def cells(output: str, hour: str = "2026-11-22 13:00") -> list[list[str]]:
    """Split the lines about an hour into their cells."""
    lines = [line.removeprefix("!").strip() for line in output.splitlines()]
    return [re.split(r"  +", line) for line in lines if line.startswith(f"{hour} ")]


@LEDGERS
def test_each_recipient_of_a_window_has_a_line(sandbox: Sandbox, run: RunTool, ledger: str) -> None:
    """What became of it, when, the server's word, in how many attempts, how often again, and with how many rows."""
    sandbox.supabase.insert(make_rows(3))
    sandbox.mailbox.refused = {RECIPIENTS[0]: "550 5.1.1 No such user"}
    run(*OPTION, REPORT_LEDGER=ledger)
    run(*OPTION, "--resend", REPORT_LEDGER=ledger)

    shown = run(*FROM, REPORT_LEDGER=ledger, COLUMNS="200")

    refused, taken, *chats = cells(shown.output)
    at = rf"{datetime.now(UTC):%Y-%m}-\d\d \d\d:\d\d"
    assert shown.code == 0
    assert refused[1:3] == [f"email {RECIPIENTS[0]}", "refused"]
    assert taken[1:3] == [f"email {RECIPIENTS[1]}", "delivered"]
    assert re.fullmatch(at, taken[3])
    assert taken[4:] == ["2.0.0 queued as 2", "2", "1", "3"]
    assert [chat[1] for chat in chats] == [f"telegram {chat}" for chat in CHATS]
    assert all(re.fullmatch(r"message \d+", chat[4]) and chat[5:] == ["2", "1", "3"] for chat in chats)
    assert ["not opened"] in [line[1:] for line in cells(shown.output, "2026-11-22 14:00")]


@LEDGERS
def test_without_a_beginning_the_last_24_windows_are_listed(sandbox: Sandbox, run: RunTool, ledger: str) -> None:
    """Each has a line, whatever is known of it; nobody is sent anything, and nothing changes."""
    shown = run("--deliveries", REPORT_LEDGER=ledger, COLUMNS="200")

    last = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    windows = [line.split("  ")[0] for line in shown.output.splitlines()[3:-1]]
    assert (shown.code, len(windows)) == (0, 24)
    assert windows[0] >= f"{last - 25 * HOUR:%Y-%m-%d %H:%M}"
    assert windows == sorted(set(windows))
    assert (sandbox.mails, sandbox.messages, sandbox.alerts) == ([], [], [])
    assert sandbox.supabase.sql("select * from report_deliveries") == []


def test_thirty_days_of_hours_are_one_question_a_page(sandbox: Sandbox, run: RunTool) -> None:
    """And one more, which tells that nothing follows; another one counts what was before."""
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - 720 * HOUR
    entry = Entry(channel="email", recipient=RECIPIENTS[0], state="delivered", receipt="", at=f"{start}", rows=3)
    delivered = Record(template="hourly", start="", entries=[entry], rows=3, attempts=1)
    sandbox.supabase.sql(
        "insert into report_deliveries (name, template, source, zone, window_start, record) "
        "select 'production', 'hourly', $1, 'UTC', at, $2::jsonb || jsonb_build_object('start', at) from "
        "generate_series($3::timestamptz, $3::timestamptz + interval '718 hours', '1 hour') as at",
        *(source_name(sandbox), json.dumps(delivered.content()), f"{start + HOUR}"),
    )
    run("--start", f"{start:%Y-%m-%dT%H}", REPORT_LEDGER="supabase")
    sandbox.supabase.requests.clear()

    shown = run("--deliveries", f"{start:%Y-%m-%dT%H}", REPORT_LEDGER="supabase", COLUMNS="200")

    assert len(cells(shown.output, f"{start:%Y-%m-%d %H:%M}")) == len(RECIPIENTS) + len(CHATS)
    assert shown.output.count(f"email {RECIPIENTS[0]}  delivered") == 720
    assert len(sandbox.supabase.requests) == 3


def test_a_bare_date_is_its_first_hour(sandbox: Sandbox, run: RunTool) -> None:
    """Nobody wants to count hours."""
    run(*OPTION)

    assert len(cells(run("--deliveries", "2026-11-22", COLUMNS="200").output)) == len(RECIPIENTS) + len(CHATS)


def line(hour: int, recipient: str, **known: Any) -> Line:
    """Make what is known of an hour for a recipient."""
    start = datetime(2026, 11, 22, 13, tzinfo=UTC) + hour * HOUR
    window = Window(template="hourly", start=start, end=start + HOUR, zone=ZoneInfo("UTC"))
    channel = "email" if "@" in recipient else "telegram"
    usual: dict[str, Any] = {
        "state": "delivered",
        "at": f"{start + HOUR}",
        "receipt": "message 7",
        "attempts": 1,
        "rows": 30,
    }
    return Line(window=window, channel=channel, recipient=recipient, **(usual | known))


@pytest.mark.parametrize("width", [80, 100, 200])
def test_the_table_fits_the_terminal_and_hides_no_character(width: int) -> None:
    """Receipts go first, then the years, then the end of a long address; wide characters count as two."""
    receipt = "2.0.0 消息已排队 as 123456789012345678901234567890"
    lines = [line(0, "somebody.with.a.long.name@example.com", state="without file", receipt=receipt, is_wrong=True)]

    header, row = as_table(lines, width)

    assert sum(2 if "一" <= character <= "鿿" else 1 for character in row) <= width
    names = ["window", "recipient", "state", "at", "receipt", "attempts", "repeat", "rows"]
    assert header.split() == [name for name in names if width == 200 or name != "receipt"]
    assert row.startswith("!")
    assert "11-22 13:00" in row
    assert row.endswith(" 30")
    assert ("消息已排队" in row, "long.name@example.com" in row) == (width == 200, width == 200)


@pytest.mark.parametrize("repeat", [0, 1])
def test_two_supergroups_can_be_told_apart_at_80_columns(repeat: int) -> None:
    """Their last figures do, which stay; without anything wrong no column is kept for its sign."""
    chats = ["-1001234567890", "-1001234567899"]
    lines = [line(hour, chat, state="without file", repeat=repeat) for hour in range(12) for chat in chats]

    table = as_table(folded(lines), 80)

    assert max(map(len, table)) <= 80
    assert [row.split()[:5] for row in table[1:]] == [["11-22", "13:00", "+11", "telegram", chat] for chat in chats]
    narrow = as_table([replace(one, is_wrong=True) for one in folded(lines)], 60)
    assert max(map(len, narrow)) <= 60
    assert ["90 without" in narrow[1], "99 without" in narrow[2]] == [True, True]


def test_hours_that_follow_each_other_are_one_line_if_all_is_equal() -> None:
    """The same recipients in the same states; rows are summed up, and an hour where one differs stands alone."""
    refused = line(2, "a@example.com", state="refused", is_wrong=True)
    mails = [refused if hour == 2 else line(hour, "a@example.com") for hour in range(5)]
    lines = [one for mail in mails for one in (mail, replace(mail, recipient="42", channel="telegram"))]

    found = [(one.window.start.hour, one.more, one.recipient, one.state, one.rows) for one in folded(lines)]

    assert found[::2] == [
        (13, 1, "a@example.com", "delivered", 60),
        (15, 0, "a@example.com", "refused", 30),
        (16, 1, "a@example.com", "delivered", 60),
    ]
    assert [(hour, more, rows) for hour, more, _, _, rows in found[1::2]] == [(13, 1, 60), (15, 0, 30), (16, 1, 60)]


def test_on_a_terminal_what_is_wrong_is_red_and_the_rest_is_short(
    sandbox: Sandbox, run: RunTool, tmp_path: Path
) -> None:
    """The hour that nobody began, between two that somebody did, is wrong; those after it are one line."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    for hours in (8, 6):
        run("--start", f"{now - hours * HOUR:%Y-%m-%dT%H}")
    command = [sys.executable, str(ENTRY), "--deliveries", f"{now - 7 * HOUR:%Y-%m-%dT%H}"]

    code, shown = on_terminal(command, sandbox.environment, tmp_path, width=80)

    empty = [line for line in shown.splitlines() if "not opened" in line and "," not in line]
    assert code == 0
    assert [line.startswith("\x1b[31m! ") for line in empty] == [False, True, False]
    assert [" +3 " in line for line in empty] == [False, True, False]
    assert len(shown.splitlines()[-3].split(",")) == 2
    assert f"--deliveries {now - 8 * HOUR:%Y-%m-%dT%H}" in shown.splitlines()[-2]
    assert max(len(re.sub(r"\x1b\[\d*m", "", line)) for line in shown.splitlines()[1:-1]) <= 80


def test_programs_get_a_line_of_json_for_each_recipient(sandbox: Sandbox, run: RunTool) -> None:
    """With exact times in UTC, null for what is not known, and nothing around it."""
    sandbox.supabase.insert(make_rows(3))
    sandbox.mailbox.refused = {RECIPIENTS[0]: "550 5.1.1 No such user"}
    run(*OPTION)

    shown = run(*FROM, "--json", COLUMNS="40")

    refused, taken, *_, following = [json.loads(line) for line in shown.output.splitlines()][:5]
    assert shown.code == 0
    rows = re.findall(r"^\| (`\w+`.*?) \|", section("commands", "`--json`"), re.MULTILINE)
    documented = re.findall(r"\w+", " ".join(rows))
    assert [*refused] == documented
    assert (refused["state"], refused["wrong"], taken["state"], taken["wrong"]) == ("refused", True, "delivered", False)
    assert (taken["window"], taken["end"]) == ("2026-11-22T13:00:00Z", "2026-11-22T14:00:00Z")
    assert (taken["channel"], taken["recipient"], taken["attempts"], taken["rows"]) == ("email", RECIPIENTS[1], 1, 3)
    assert (datetime.fromisoformat(taken["at"]).utcoffset(), taken["receipt"]) == (timedelta(), "2.0.0 queued as 1")
    assert following == dict.fromkeys(refused) | {
        "window": "2026-11-22T14:00:00Z",
        "end": "2026-11-22T15:00:00Z",
        "state": "not opened",
        "wrong": True,
        "repeat": 0,
    }


@LEDGERS
def test_the_table_ends_in_counts_and_in_what_was_before_it(sandbox: Sandbox, run: RunTool, ledger: str) -> None:
    """So that nobody takes the last hours for all that there are."""
    sandbox.mailbox.refused = {RECIPIENTS[0]: "550 5.1.1 No such user"}
    run("--start", "2026-11-22T12", "--count", "2", REPORT_LEDGER=ledger)

    *_, counted, before = run(*FROM, REPORT_LEDGER=ledger).output.splitlines()

    assert counted.partition(" not opened, ")[2] == "3 delivered, 1 refused"
    assert (figures_of(before)[0], before.rpartition(" --deliveries ")[2]) == ("1", "2026-11-22T12")


def test_what_a_server_hides_in_its_words_is_shown(sandbox: Sandbox, run: RunTool) -> None:
    """A control character of a receipt does nothing to the terminal."""
    run(*OPTION)
    (path,) = (sandbox.folder / "report_ledger").glob("*.json")
    path.write_text(path.read_text().replace("2.0.0 queued as 1", "2.0.0 \\u001b[31m red"))

    output = run(*FROM, COLUMNS="200").output

    assert "\x1b" not in output
    assert "␛[31m red" in output


@pytest.mark.parametrize(
    ("start", "meant"), [("soon", r"$"), ("2026-11-22T13:30", r"2026-11-22T13\?$"), ("1999-01-01T00", r"20.+T\d\d\?$")]
)
def test_a_wrong_beginning_is_exit_2(sandbox: Sandbox, run: RunTool, start: str, meant: str) -> None:
    """With the one that was probably meant."""
    result = run("--deliveries", start)

    assert (result.code, result.keys, sandbox.alerts) == (2, ["options"], [])
    (line,) = [record.getMessage() for record in result.logged("failed")]
    assert line.startswith(f"--deliveries {start} ")
    assert re.search(meant, line)


def test_a_ledger_that_cannot_be_read_is_said_on_the_terminal_alone(sandbox: Sandbox, run: RunTool) -> None:
    """Who asked reads it."""
    result = run(
        *FROM, REPORT_LEDGER="supabase", SUPABASE_KEY="sb_secret_of_elsewhere", timeouts=structs.replace(QUICK, run=1)
    )

    assert (result.code, result.keys, sandbox.alerts) == (1, ["ledger.key"], [])


def test_only_windows_that_were_asked_for_are_counted(sandbox: Sandbox, run: RunTool) -> None:
    """A trial of sixty minutes has a record too, which lies between two hours."""
    run("--start", f"{datetime.now(UTC) - 2 * HOUR:%Y-%m-%dT%H}", REPORT_LEDGER="supabase")
    sandbox.supabase.sql(
        "insert into report_deliveries (name, template, source, zone, window_start, record) "
        "select name, template, source, zone, window_start + interval '1 minute', record from report_deliveries"
    )

    shown = run("--deliveries", REPORT_LEDGER="supabase")

    assert re.findall(r"(\d+) of (\d+) ", shown.records[-1].getMessage()) == [("1", "24")]


@pytest.mark.parametrize("date", ["20261122", "2026-W47-7"])
def test_a_date_of_any_form_is_its_first_hour(run: RunTool, date: str) -> None:
    """As with dashes."""
    shown = run("--deliveries", date)

    assert shown.code == 0
    assert shown.output.splitlines()[1].startswith("2026-11-22 00:00-01:00 UTC")
