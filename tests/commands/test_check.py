"""`--check` says of each part whether a run would get along with it, and sends nothing."""

import json
import re
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from src.domain.window import HOUR

from ..builders import make_rows
from ..pages import PAGES
from ..sandbox import CHATS, RECIPIENTS, Sandbox
from ..sandbox.web import Fault
from ..terminal import on_terminal
from ..test_run import ROOT, RunTool

PARTS = {"settings", "folder", "table", "key", "index", "clock", "email", "telegram bot", "ledger", "watch"}
PARTS |= {f"email {address}" for address in RECIPIENTS} | {f"telegram {chat}" for chat in CHATS}
"""Of complete settings without a bucket."""


def key_of(line: str) -> str:
    """Return the key of the problem that a line names with the runbook's section."""
    return line.rpartition("(")[2].removesuffix(")")


def words_of(line: str) -> str:
    """Return what a line says of its part."""
    return re.split("  +", line[5:], maxsplit=1)[1]


def check(run: RunTool, **changes: str) -> tuple[int, dict[str, str]]:
    """Run --check; return its code and its lines by the part they are about."""
    result = run("--check", **changes)
    lines = result.output.splitlines()
    return result.code, {
        part: line for line in lines for part in [*PARTS, "bucket"] if line[5:].partition("  ")[0] == part
    }


def test_a_whole_set_up_is_ok_part_by_part(sandbox: Sandbox, run: RunTool) -> None:
    """What can't be seen, or isn't used, is a note, which changes no exit code; and nobody is sent anything."""
    sandbox.supabase.insert(make_rows(3))

    code, lines = check(run)

    assert code == 0
    assert lines.keys() == PARTS
    assert {part for part, line in lines.items() if not line.startswith("OK ")} == {"index", "ledger", "watch"}
    assert all(lines[part].startswith("NOTE ") for part in ("index", "ledger", "watch"))
    assert "@reports_bot" in lines["telegram bot"]
    assert (sandbox.mailbox.deliveries, sandbox.bot.sent) == ([], [])


def test_a_view_whose_durations_are_milliseconds_is_seen(sandbox: Sandbox, run: RunTool) -> None:
    """By the median, which a view as the page makes it puts right; of an hour without rows nothing is said."""
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - HOUR
    empty = check(run)[1]["table"]
    sandbox.supabase.fill(1100, start=start, duration="1500 + n % 3 - 1")
    (divided,) = re.findall(r"`duration_ms( / .+) as duration`", PAGES["getting-started"])

    code, lines = check(run)
    sandbox.supabase.sql(f"update analyses set duration = duration{divided}")

    assert (code, "median" in empty) == (0, False)
    assert lines["table"].endswith("median duration 1,500.00 s in the first 1,000")
    assert check(run)[1]["table"].endswith("median duration 1.50 s in the first 1,000")


def test_a_status_that_is_no_text_is_told(sandbox: Sandbox, run: RunTool) -> None:
    """The reports then know of no usual number of failed analyses; that alone is nothing wrong."""
    code, lines = check(run, SUPABASE_TABLE="analyses_loose")

    assert code == 0
    assert lines["table"].startswith("NOTE ")
    assert ["status" in words_of(one["table"]) for one in (lines, check(run)[1])] == [True, False]


@pytest.mark.parametrize(
    ("part", "changes", "key", "named"),
    [
        ("folder", {"REPORT_DIR": "/proc"}, "workbook.disk", "REPORT_DIR"),
        ("table", {"SUPABASE_TABLE": "nothing"}, "source.no_table", "SUPABASE_TABLE"),
        ("table", {"SUPABASE_KEY": "sb_secret_of_elsewhere"}, "source.key", "SUPABASE_KEY"),
        ("email", {"SMTP_PASSWORD": "wrong password"}, "smtp.login", "SMTP_PASSWORD"),
        ("telegram bot", {"TELEGRAM_BOT_TOKEN": "123:" + 20 * "a"}, "telegram.token", "TELEGRAM_BOT_TOKEN"),
        ("telegram 42", {"TELEGRAM_CHAT_ID": "42"}, "telegram.unknown_chat", "TELEGRAM_CHAT_ID"),
        ("bucket", {"REPORT_BUCKET": "nowhere"}, "storage.no_such_bucket", "nowhere"),
    ],
    ids=["folder", "table", "key", "login", "token", "chat", "bucket"],
)
def test_what_is_wrong_is_one_line_with_what_to_do(
    sandbox: Sandbox, run: RunTool, part: str, changes: dict[str, str], key: str, named: str
) -> None:
    """The other parts are looked at all the same; nobody is alerted."""
    sandbox.supabase.insert(make_rows(3))
    sandbox.bot.chats.discard("42") if part == "telegram 42" else None

    code, lines = check(run, **changes)

    assert code == 1
    assert lines[part].startswith("FAIL ")
    assert (key_of(lines[part]), named in lines[part]) == (key, True)
    assert len(lines) >= 6
    assert (sandbox.mailbox.deliveries, sandbox.bot.sent) == ([], [])


def test_settings_and_the_kind_of_key_are_told(sandbox: Sandbox, run: RunTool) -> None:
    """Who reads the table sees whether it is the right project's, and whether rows may be hidden."""
    sandbox.supabase.insert(make_rows(3))

    changes = {"REPORT_TEMPLATE": "daily", "REPORT_TIMEZONE": "Europe/Berlin", "REPORT_CHANNELS": "email"}
    _, lines = check(run, SUPABASE_KEY=sandbox.supabase.publishable_key, **changes)

    told = words_of(lines["settings"])
    assert [word in told for word in ("daily", "Europe/Berlin", "email to 2", "telegram")] == [True, True, True, False]
    assert ["publishable key" in words_of(one["key"]) for one in (lines, check(run)[1])] == [True, False]


def test_settings_that_hardly_fit_together_are_told(sandbox: Sandbox, run: RunTool) -> None:
    """In the log of every run, and beside the settings."""
    result = run("--check", SMTP_HOST="no-such-host.invalid", SMTP_PORT="587")

    (hint,) = [one.getMessage() for one in result.records if one.levelname == "WARNING"]
    assert all(setting in hint for setting in ("SMTP_PORT=587", "SMTP_SECURITY=starttls"))
    (line,) = [line for line in result.output.splitlines() if " settings " in line]
    assert line.startswith("NOTE ")
    assert line.endswith(f"email to 2, telegram to 2. {hint}")


def test_wrong_settings_are_listed_and_nobody_is_alerted(sandbox: Sandbox, run: RunTool) -> None:
    """Exit 2, as everywhere."""
    result = run("--check", SMTP_PORT="none")

    assert result.code == 2
    assert "SMTP_PORT" in result.log
    assert (sandbox.mailbox.deliveries, sandbox.bot.requests) == ([], [])


def test_what_hangs_on_a_part_that_failed_is_not_called_ok(sandbox: Sandbox, run: RunTool) -> None:
    """A refused key sees no row, and nobody knows the chats under a wrong token; the sentence stands once."""
    code, lines = check(run, SUPABASE_KEY="sb_secret_of_elsewhere", TELEGRAM_BOT_TOKEN="123:" + 20 * "a")

    assert code == 1
    assert [lines[part][:4] for part in ("table", "key", "index", "telegram bot", "telegram 42")] == [
        "FAIL",
        "SKIP",
        "SKIP",
        "FAIL",
        "SKIP",
    ]
    assert [lines[part].rpartition(" see ")[2] for part in ("key", "telegram 42")] == ["table.", "telegram bot."]


def test_a_ledger_that_a_run_would_refuse_is_told(sandbox: Sandbox, run: RunTool) -> None:
    """Not at the next full hour."""
    (sandbox.folder / "report_ledger").mkdir(mode=0o755)

    code, lines = check(run)

    assert code == 1
    assert (key_of(lines["ledger"]), "0700" in lines["ledger"]) == ("ledger.foreign_folder", True)


def test_a_window_that_a_run_would_refuse_is_told(sandbox: Sandbox, run: RunTool) -> None:
    """As the run would: exit 2."""
    result = run("--check", REPORT_COUNT="3")

    assert (result.code, result.keys) == (2, ["settings"])
    (line,) = [one.getMessage() for one in result.logged("failed")]
    assert all(setting in line for setting in ("REPORT_COUNT", "REPORT_START"))


def test_each_recipient_is_named_and_one_that_a_run_would_not_reach_fails(sandbox: Sandbox, run: RunTool) -> None:
    """The mail server is asked as far as it goes without sending: sender, recipients, and all taken back."""
    sandbox.mailbox.refused = {RECIPIENTS[0]: "550 5.1.1 No such user"}

    code, lines = check(run)

    assert code == 1
    assert lines[f"email {RECIPIENTS[0]}"].startswith("FAIL")
    assert "550 5.1.1" in lines[f"email {RECIPIENTS[0]}"]
    assert lines[f"email {RECIPIENTS[1]}"].startswith("OK")
    assert sandbox.mailbox.deliveries == []


def test_more_recipients_than_a_message_may_have_are_all_tried(sandbox: Sandbox, run: RunTool) -> None:
    """As a run would send to them: with several messages."""
    sandbox.mailbox.most_recipients = 1

    code, lines = check(run)

    assert code == 0
    assert {lines[f"email {address}"][:2] for address in RECIPIENTS} == {"OK"}


def test_a_sender_that_a_run_could_not_use_fails(sandbox: Sandbox, run: RunTool) -> None:
    """Its recipients could not be tried then."""
    sandbox.mailbox.sender_reply = "553 5.7.1 Sender address rejected: not owned by user reports"

    code, lines = check(run)

    assert code == 1
    assert "smtp.sender" in lines["email"]
    assert {lines[f"email {address}"][:4] for address in RECIPIENTS} == {"SKIP"}


def test_a_bot_api_server_that_is_older_than_the_library_is_well(sandbox: Sandbox, run: RunTool) -> None:
    """What it says of a chat is enough, whatever later versions add."""
    sandbox.bot.is_old = True

    code, lines = check(run)

    assert code == 0
    assert lines["telegram 42"].startswith("OK ")
    assert "a group, “Reports”" in lines["telegram 42"]


ORDER = ["settings", "folder", "table", "key", "index", "clock"]
ORDER += ["email", *(f"email {address}" for address in RECIPIENTS)]
ORDER += ["telegram bot", *(f"telegram {chat}" for chat in CHATS), "ledger", "watch"]


def test_lines_come_in_a_fixed_order_each_as_soon_as_all_before_it_are_known(sandbox: Sandbox) -> None:
    """A server that is slow holds up the lines behind its own, and not those before."""
    may_answer = threading.Event()
    sandbox.bot.always = Fault(until=may_answer)
    command = [sys.executable, "-u", str(ROOT / "reports_generator.py"), "--check"]
    before = ORDER.index("telegram bot")

    with subprocess.Popen(command, env=sandbox.environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        first = [process.stdout.readline() for _ in range(before)]
        may_answer.set()
        rest = process.stdout.readlines()

    assert [line[5:].partition("  ")[0] for line in [*first, *rest]] == ORDER


def test_programs_get_a_line_of_json_for_each_part(sandbox: Sandbox, run: RunTool) -> None:
    """With the key of what is wrong, by which the runbook can be searched."""
    result = run("--check", "--json", SMTP_PASSWORD="wrong password")

    lines = [json.loads(line) for line in result.output.splitlines()]
    found = {line["part"]: (line["status"], line["key"]) for line in lines}
    assert (result.code, [*lines[0]]) == (1, ["part", "status", "words", "key"])
    assert [*found] == ORDER
    assert found["email"] == ("FAIL", "smtp.login")
    assert (found["folder"], found["index"]) == (("OK", ""), ("NOTE", ""))
    assert {found[f"email {address}"][0] for address in RECIPIENTS} == {"SKIP"}


def test_on_a_terminal_it_is_coloured(sandbox: Sandbox, tmp_path: Path) -> None:
    """Green is what is well, red what is not."""
    command = [sys.executable, str(ROOT / "reports_generator.py"), "--check"]

    _, shown = on_terminal(command, sandbox.environment | {"SMTP_PASSWORD": "a wrong one"}, tmp_path)

    assert "\x1b[32mOK  \x1b[0m folder" in shown
    assert "\x1b[31mFAIL\x1b[0m email" in shown
    assert "\x1b[33mSKIP\x1b[0m email manager" in shown
    assert "\x1b[36mNOTE\x1b[0m index" in shown


def test_an_operators_address_that_is_refused_is_told_with_its_setting(sandbox: Sandbox, run: RunTool) -> None:
    """Before the first failure, of which nobody would be told."""
    sandbox.mailbox.refused = {"ops@example.com": "550 5.1.1 No such user here"}

    result = run("--check", SMTP_ALERT_TO="ops@example.com")

    (line,) = [line for line in result.output.splitlines() if "email ops@example.com" in line]
    assert (result.code, line[:4]) == (1, "FAIL")
    assert (key_of(line), "SMTP_ALERT_TO" in line, "SMTP_TO" in line) == ("smtp.recipient_refused", True, False)
