"""A dry run makes everything and sends nothing."""

import errno
import os
from email.parser import BytesParser
from email.policy import default
from pathlib import Path

import pytest

from ..builders import OPTION, data_rows, ids, make_rows
from ..sandbox import Sandbox
from ..test_run import RunTool

SMTP = ("SMTP_HOST", "SMTP_USER", "SMTP_PASSWORD", "SMTP_FROM", "SMTP_TO")
TELEGRAM = ("TELEGRAM_BOT_TOKEN", "TELEGRAM_CHAT_ID")
STEM = "report_20261122_130000"


def test_workbook_mail_and_caption_are_files(sandbox: Sandbox, run: RunTool, tmp_path: Path) -> None:
    """The real ones: the mail can be opened in a mail program, the workbook is in it."""
    rows = make_rows(30)
    sandbox.supabase.insert(rows)
    folder = tmp_path / "to be made" / "out"

    assert run(*OPTION, "--dry-run", "--output", str(folder)).code == 0

    assert {path.name for path in folder.iterdir()} == {
        f"{STEM}{suffix}" for suffix in (".xlsx", ".eml", ".html", ".txt")
    }
    mail = BytesParser(policy=default).parsebytes((folder / f"{STEM}.eml").read_bytes())
    (attachment,) = mail.iter_attachments()
    page = mail.get_body(("html",))
    assert page
    assert page.get_content().split() == (folder / f"{STEM}.html").read_text().split()
    assert attachment.get_content() == (folder / f"{STEM}.xlsx").read_bytes()
    assert [str(row[0]) for row in data_rows(attachment.get_content())] == [str(one) for one in ids(rows)]
    assert (folder / f"{STEM}.txt").read_text().startswith("Hourly Report - 2026-11-22 13:00-14:00 UTC")


def test_nobody_is_sent_anything_and_nothing_is_remembered(sandbox: Sandbox, run: RunTool, tmp_path: Path) -> None:
    """The real run afterwards delivers as if nothing had been."""
    sandbox.supabase.insert(make_rows(3))

    run(*OPTION, "--dry-run", "--output", str(tmp_path / "out"))

    assert (sandbox.mailbox.deliveries, sandbox.bot.requests) == ([], [])
    assert not (sandbox.folder / "report_ledger").exists()
    assert run(*OPTION).code == 0
    assert len(sandbox.mails) == 1


@pytest.mark.parametrize(
    "changes",
    [
        dict.fromkeys((*SMTP, *TELEGRAM), ""),
        {"SMTP_PORT": "many", "SMTP_TO": "nobody", "TELEGRAM_BOT_TOKEN": "x", "TELEGRAM_API_URL": "http://a.example"},
        {"SMTP_FROM": "", "REPORT_LEDGER": "supabase", "REPORT_LEDGER_NAME": "", "REPORT_ONLY": "who@example.com"},
    ],
    ids=["missing", "wrong", "of the ledger"],
)
def test_a_dry_run_needs_no_settings_but_those_of_supabase(
    sandbox: Sandbox, run: RunTool, tmp_path: Path, changes: dict[str, str]
) -> None:
    """All files are written, and a line names what a run that sends lacks; that one is refused."""
    sandbox.supabase.insert(make_rows(3))

    result = run(*OPTION, "--dry-run", "--output", str(tmp_path / "out"), **changes)

    assert result.code == 0
    files = {path.suffix: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert files.keys() == {".xlsx", ".eml", ".html", ".txt"}
    assert BytesParser(policy=default).parsebytes(files[".eml"])["From"]
    assert any(name in record.getMessage() for record in result.logged("note") for name in changes)
    assert run(*OPTION, **changes).code == 2
    assert run(*OPTION, "--dry-run", "--output", str(tmp_path), **changes, SUPABASE_KEY="").code == 2


def test_a_dry_run_that_fails_alerts_nobody(sandbox: Sandbox, run: RunTool, tmp_path: Path) -> None:
    """Somebody is sitting there, and reads it; and no line says that somebody was told."""
    result = run(*OPTION, "--dry-run", "--output", str(tmp_path), SUPABASE_KEY="sb_secret_of_elsewhere")

    assert result.code == 1
    assert result.keys == ["source.key"]
    assert "alerted" not in result.events
    assert (sandbox.mailbox.deliveries, sandbox.bot.requests) == ([], [])


def test_a_folder_that_cannot_be_made_is_said(sandbox: Sandbox, run: RunTool, tmp_path: Path) -> None:
    """Before anything is read."""
    (tmp_path / "file").touch()

    result = run(*OPTION, "--dry-run", "--output", str(tmp_path / "file" / "out"))

    assert result.code == 2
    assert result.keys == ["options"]
    assert sandbox.supabase.requests == []


def test_a_file_that_cannot_be_written_is_said_with_what_to_do(sandbox: Sandbox, run: RunTool, tmp_path: Path) -> None:
    """It is the folder's fault and not the program's."""
    sandbox.supabase.insert(make_rows(3))
    (tmp_path / f"{STEM}.eml").mkdir()

    result = run(*OPTION, "--dry-run", "--output", str(tmp_path))

    assert result.code == 1
    assert result.keys == ["preview.unwritable"]
    assert f"{STEM}.eml" in result.log
    assert os.strerror(errno.EISDIR) in result.log
    assert "--output" in result.log
    assert "broke down" not in result.log
    assert (tmp_path / f"{STEM}.txt").exists()
