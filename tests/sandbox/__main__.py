"""`python -m tests.sandbox -- COMMAND`: run a command with the environment set, then show what arrived."""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from . import Sandbox
from .sample import ROWS, sample_hour, sample_weeks
from .telegram import Sent, refusal
from .web import Answer, Fault

FOLDER = Path(".sandbox")
HOUR = timedelta(hours=1)
MOST_BEHIND = 10_000
"""Analyses of the hour up to which there are weeks behind it."""


def main() -> int:
    """Start the sandbox, run the command in it, show what arrived; return the command's exit code."""
    options = _options()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    sandbox = Sandbox(FOLDER.resolve())
    print("Starting Supabase Lite, a mail server and a Bot API on the loopback (about 10 s) ...", flush=True)
    with sandbox.serving():
        _prepare(sandbox, options)
        print(f"$ {shlex.join(options.command)}", flush=True)
        code = subprocess.run(options.command, env=os.environ | sandbox.environment, check=False).returncode
        print(f"exit code {code}")
        _show(sandbox)
    return code


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.sandbox")
    parser.add_argument("--rows", type=int, default=ROWS, help="analyses in the last full hour (default %(default)s)")
    parser.add_argument("--page-cap", type=int, help="rows the server puts on a page at most (default 1,000)")
    parser.add_argument("--refuse", action="append", default=[], metavar="ADDRESS", help="refuse mail for this address")
    parser.add_argument("--supabase-status", type=int, help="answer the first request to Supabase with this status")
    parser.add_argument("--telegram-status", type=int, help="answer the first request to Telegram with this status")
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="what to run, after --")
    return parser.parse_args()


def _prepare(sandbox: Sandbox, options: argparse.Namespace) -> None:
    # The hour after the last full one too: by the time the command looks at the clock it may be the last full one.
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    for start in (hour - HOUR, hour):
        sandbox.supabase.insert(sample_hour(start, options.rows))
        if options.rows <= MOST_BEHIND:  # what is usual, without keeping who asks for large hours waiting
            sandbox.supabase.insert(sample_weeks(start, options.rows))
    # What the report is compared with: the hour before, with a few analyses less.
    sandbox.supabase.insert(sample_hour(hour - 2 * HOUR, options.rows - options.rows // 9))
    sandbox.supabase.page_cap = options.page_cap
    sandbox.mailbox.refused = dict.fromkeys(options.refuse, "550 5.1.1 No such user here")
    if options.supabase_status:
        sandbox.supabase.faults.append(Fault(answer=Answer(status=options.supabase_status)))
    if options.telegram_status:
        sandbox.bot.faults.append(Fault(answer=refusal(options.telegram_status, "as planned")))


def _show(sandbox: Sandbox) -> None:
    for path in sorted(sandbox.folder.glob("*.xlsx")):
        _print_part(f"workbook: {_relative(path)} ({path.stat().st_size:,} bytes)")
    for number, delivery in enumerate(sandbox.mailbox.deliveries, 1):
        path = sandbox.folder / f"mail-{number}.eml"
        path.write_bytes(delivery.raw)
        if delivery.page:
            path.with_suffix(".html").write_text(delivery.page, encoding="utf-8")
        _print_part(f"mail: {_relative(path)}", f"To: {', '.join(delivery.recipients)}")
        if delivery.page:
            print(f"Its page, for a browser: {_relative(path.with_suffix('.html'))}")
        print(f"Subject: {delivery.message['Subject']}\n\n{delivery.text.rstrip()}")
    for (text, file_name, size), chats in _by_text(sandbox.bot.sent).items():
        document = f"with {file_name} ({size:,} bytes)" if file_name else "without a file"
        _print_part(f"Telegram message to {' and '.join(chats)}, {document}", text)


def _by_text(messages: Iterable[Sent]) -> dict[tuple[str, str, int], list[str]]:
    """Gather the chats that got the same message, so that it is shown once."""
    chats: dict[tuple[str, str, int], list[str]] = {}
    for sent in messages:
        chats.setdefault((sent.text, sent.file_name, len(sent.document)), []).append(f"chat {sent.chat}")
    return chats


def _print_part(title: str, *lines: str) -> None:
    print(f"\n── {title} ", *lines, sep="\n")


def _relative(path: Path) -> str:
    return os.path.relpath(path)


if __name__ == "__main__":
    sys.exit(main())
