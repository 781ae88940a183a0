"""`--check` says of each part whether a run would get along with it, and sends nothing."""

import pytest

from .builders import make_rows
from .sandbox import Sandbox
from .test_run import RunTool


def check(run: RunTool, **changes: str) -> tuple[int, dict[str, str]]:
    """Run --check; return its code and its lines by the part they are about."""
    result = run("--check", **changes)
    lines = result.output.splitlines()
    parts = [
        "settings",
        "folder",
        "table",
        "key",
        "index",
        "email",
        "telegram bot",
        "telegram -1001000000001",
        "telegram 42",
        "ledger",
    ]
    parts.append("bucket")
    return result.code, {part: line for line in lines for part in parts if line[4:].startswith(f"{part} ")}


def test_a_whole_set_up_is_ok_part_by_part(sandbox: Sandbox, run: RunTool) -> None:
    """And nobody is sent anything."""
    sandbox.supabase.insert(make_rows(3))

    code, lines = check(run)

    assert code == 0
    assert list(lines) == [
        "settings",
        "folder",
        "table",
        "key",
        "index",
        "email",
        "telegram bot",
        "telegram -1001000000001",
        "telegram 42",
        "ledger",
    ]
    assert all(line.startswith("ok ") for line in lines.values())
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
    assert lines[part].startswith("NO ")
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
