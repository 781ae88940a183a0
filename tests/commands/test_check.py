"""`--check` says of each part whether a run would get along with it, and sends nothing."""

import pytest

from ..builders import make_rows
from ..sandbox import Sandbox
from ..test_run import RunTool

PARTS = ["settings", "folder", "table", "key", "index", "email", "telegram bot"]
PARTS += ["telegram -1001000000001", "telegram 42", "ledger"]
"""Of a whole set of settings without a bucket, in their order."""


def check(run: RunTool, **changes: str) -> tuple[int, dict[str, str]]:
    """Run --check; return its code and its lines by the part they are about."""
    result = run("--check", **changes)
    lines = result.output.splitlines()
    return result.code, {part: line for line in lines for part in [*PARTS, "bucket"] if line[5:].startswith(f"{part} ")}


def test_a_whole_set_up_is_ok_part_by_part(sandbox: Sandbox, run: RunTool) -> None:
    """And nobody is sent anything."""
    sandbox.supabase.insert(make_rows(3))

    code, lines = check(run)

    assert code == 0
    assert list(lines) == PARTS
    assert all(line.startswith("OK ") for line in lines.values())
    assert "@reports_bot" in lines["telegram bot"]
    assert (sandbox.mailbox.deliveries, sandbox.bot.sent) == ([], [])


@pytest.mark.parametrize(
    ("part", "changes", "words"),
    [
        ("folder", {"REPORT_DIR": "/proc"}, "Set REPORT_DIR to a folder that can"),
        ("table", {"SUPABASE_TABLE": "nothing"}, "There is no table nothing"),
        ("table", {"SUPABASE_KEY": "sb_secret_wrong"}, "does not accept SUPABASE_KEY"),
        ("email", {"SMTP_PASSWORD": "wrong password"}, "does not accept SMTP_USER with SMTP_PASSWORD"),
        (
            "telegram bot",
            {"TELEGRAM_BOT_TOKEN": "123:" + 20 * "a"},
            "does not accept TELEGRAM_BOT_TOKEN",
        ),
        ("telegram 42", {"TELEGRAM_CHAT_ID": "42"}, "does not know chat 42"),
        ("bucket", {"REPORT_BUCKET": "nowhere"}, "nowhere"),
    ],
    ids=["folder", "table", "key", "login", "token", "chat", "bucket"],
)
def test_what_is_wrong_is_one_line_with_what_to_do(
    sandbox: Sandbox, run: RunTool, part: str, changes: dict[str, str], words: str
) -> None:
    """The other parts are looked at all the same; nobody is alerted."""
    sandbox.supabase.insert(make_rows(3))
    sandbox.bot.chats.discard("42") if part == "telegram 42" else None

    code, lines = check(run, **changes)

    assert code == 1
    assert lines[part].startswith("FAIL ")
    assert words in lines[part]
    assert len(lines) >= 6
    assert (sandbox.mailbox.deliveries, sandbox.bot.sent) == ([], [])


def test_settings_and_the_kind_of_key_are_told(sandbox: Sandbox, run: RunTool) -> None:
    """Who reads the table sees whether it is the right project's, and whether rows may be hidden."""
    sandbox.supabase.insert(make_rows(3))

    _, lines = check(
        run, REPORT_TEMPLATE="daily", REPORT_CHANNELS="email", SUPABASE_KEY=sandbox.supabase.publishable_key
    )

    assert lines["settings"].endswith("whole: daily in UTC, email to 2")
    assert "a publishable key, row-level security may hide rows" in lines["key"]


def test_wrong_settings_are_listed_and_nobody_is_alerted(sandbox: Sandbox, run: RunTool) -> None:
    """Exit 2, as everywhere."""
    result = run("--check", SMTP_PORT="none")

    assert result.code == 2
    assert "SMTP_PORT" in result.log
    assert (sandbox.mailbox.deliveries, sandbox.bot.requests) == ([], [])


def test_what_hangs_on_a_part_that_failed_is_not_called_ok(sandbox: Sandbox, run: RunTool) -> None:
    """A refused key sees no row, and nobody knows the chats under a wrong token; the sentence stands once."""
    code, lines = check(run, SUPABASE_KEY="sb_secret_wrong", TELEGRAM_BOT_TOKEN="123:" + 20 * "a")

    assert code == 1
    assert [lines[part][:4] for part in ("table", "key", "index", "telegram bot", "telegram 42")] == ["FAIL"] * 5
    assert lines["key"].endswith("Not tried: see table.")
    assert lines["telegram 42"].endswith("Not tried: see telegram bot.")


def test_a_ledger_that_a_run_would_refuse_is_told(sandbox: Sandbox, run: RunTool) -> None:
    """Not at the next full hour."""
    (sandbox.folder / "report_ledger").mkdir(mode=0o755)

    code, lines = check(run)

    assert code == 1
    assert "is not a folder of this user's own with mode 0700" in lines["ledger"]


def test_a_window_that_a_run_would_refuse_is_told(sandbox: Sandbox, run: RunTool) -> None:
    """As the run would: exit 2."""
    result = run("--check", REPORT_COUNT="3")

    assert result.code == 2
    assert "REPORT_COUNT is set without REPORT_START" in result.log
