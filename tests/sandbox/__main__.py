"""`python -m tests.sandbox -- COMMAND`: run a command with the environment set, then show who got what, and where.

What arrived, the workbooks and the ledger stay in .sandbox: a later run adds to them.
"""

import argparse
import os
import random
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from . import Sandbox
from .sample import ROWS, sample_hour, sample_weeks
from .smtp import Delivery
from .telegram import Sent, refusal
from .web import Answer, Fault

FOLDER = Path(".sandbox")
PORT = FOLDER / "port"
"""Holds the port of the project's address, by which the ledger knows what was delivered before."""
HOUR = timedelta(hours=1)
_KINDS = {".txt": "the Telegram message", ".eml": "the mail", ".html": "the mail's page", ".xlsx": "the workbook"}
MOST_BEHIND = 10_000
"""Analyses of the hour up to which there are weeks behind it."""


def main() -> int:
    """Start the sandbox, run the command in it, show what arrived; return the command's exit code."""
    options = _options()
    FOLDER.mkdir(exist_ok=True)
    began = time.time()
    sandbox = Sandbox(FOLDER.resolve())
    sandbox.supabase.port = _free_port()
    with ExitStack() as stack:
        with _step("Starting a database with its REST interface, a mail server and a Bot API on this machine"):
            stack.enter_context(sandbox.serving())
        PORT.write_text(str(urlsplit(sandbox.supabase.url).port))
        hour = _last_full_hour()
        environment = {}
        if options.next_hour and (hour := _next_hour()) != _last_full_hour():
            environment["REPORT_START"] = f"{hour:%Y-%m-%dT%H}"
        with _step(f"Filling the table analyses up to {hour:%Y-%m-%d %H}:00 UTC, and with the weeks before"):
            _prepare(sandbox, options, hour)
        shown = " ".join([*(f"{name}={value}" for name, value in environment.items()), shlex.join(options.command)])
        print(f"$ {shown}", flush=True)
        command = subprocess.run(options.command, env=os.environ | sandbox.environment | environment, check=False)
        print(f"exit code {command.returncode}\n")
        _show(sandbox, began)
    return command.returncode


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.sandbox")
    parser.add_argument(
        "--next-hour", action="store_true", help="report the newest hour without a workbook in .sandbox"
    )
    parser.add_argument("--rows", type=int, help=f"analyses in each full hour (default about {ROWS:,})")
    parser.add_argument("--page-cap", type=int, help="rows the server puts on a page at most (default 1,000)")
    parser.add_argument("--refuse", action="append", default=[], metavar="ADDRESS", help="refuse mail for this address")
    parser.add_argument("--supabase-status", type=int, help="answer the first request to Supabase with this status")
    parser.add_argument("--telegram-status", type=int, help="answer the first request to Telegram with this status")
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="what to run, after --")
    return parser.parse_args()


@contextmanager
def _step(title: str) -> Iterator[None]:
    began = time.monotonic()
    print(f"{title} ...", end="", flush=True)
    yield
    print(f" {time.monotonic() - began:.1f} s", flush=True)


def _free_port() -> int:
    """Return the port of the runs before; 0, for any free one, if there is none or something else has it now."""
    if not PORT.exists():
        return 0
    port = int(PORT.read_text())
    with socket.socket() as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind(("127.0.0.1", port))
        except OSError:
            print(f"Port {port} is in use: this run has another one, and doesn't know what was delivered before.")
            return 0
    return port


def _last_full_hour() -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - HOUR


def _next_hour() -> datetime:
    """Return the newest full hour that no run before has reported."""
    hour = _last_full_hour()
    while (FOLDER / f"report_{hour:%Y%m%d_%H%M%S}.xlsx").exists():
        hour -= HOUR
    return hour


def _prepare(sandbox: Sandbox, options: argparse.Namespace, hour: datetime) -> None:
    # The hour before, which the report is compared with, and all up to the present one: by the time the command looks
    # at the clock, that may be the last full one. Each has the same rows in every run, so that none is late.
    last = _last_full_hour() + HOUR
    start = hour - HOUR
    while start <= last:
        rows = options.rows or _usual_rows(start)
        sandbox.supabase.insert(sample_hour(start, rows))
        # What is usual, without keeping who asks for large hours waiting.
        if start in (hour, last) and rows <= MOST_BEHIND:
            sandbox.supabase.insert(sample_weeks(start, rows))
        start += HOUR
    sandbox.supabase.page_cap = options.page_cap
    sandbox.mailbox.refused = dict.fromkeys(options.refuse, "550 5.1.1 No such user here")
    if options.supabase_status:
        sandbox.supabase.faults.append(Fault(answer=Answer(status=options.supabase_status)))
    if options.telegram_status:
        sandbox.bot.faults.append(Fault(answer=refusal(options.telegram_status, "as planned")))


def _usual_rows(start: datetime) -> int:
    return round(ROWS * random.Random(start.isoformat()).uniform(0.9, 1.1))


def _show(sandbox: Sandbox, began: float) -> None:
    """Print who got what, then where that is."""
    mails, messages = sandbox.mailbox.deliveries, _by_text(sandbox.bot.sent)
    for delivery in mails:
        print(f"{', '.join(delivery.recipients)} got the mail\n  {delivery.message['Subject']}")
    for message, chats in messages.items():
        headline, _, _ = message.text.partition("\n")
        file = f" with {message.file_name}" if message.file_name else ""
        print(f"{' and '.join(chats)} got the Telegram message{file}\n  {headline}")
    if not mails and not messages:
        print("Nothing was sent.")
    paths = [_kept("message", message.text.encode(), ".txt") for message in messages]
    paths += [_kept_mail(delivery) for delivery in mails]
    paths += [path for path in sorted(FOLDER.glob("*.xlsx")) if path.stat().st_mtime >= began]
    if paths:
        print("\nTo look at:", *(f"{_KINDS[path.suffix]:20} {path}" for path in paths), sep="\n  ")


def _kept_mail(delivery: Delivery) -> Path:
    """Keep a mail, and its page for a browser; return the path of what there is to look at."""
    path = _kept("mail", delivery.raw, ".eml")
    if not delivery.page:
        return path
    page = path.with_suffix(".html")
    page.write_text(delivery.page, encoding="utf-8")
    return page


def _kept(name: str, content: bytes, suffix: str) -> Path:
    """Keep `content` behind what runs before have left."""
    number = 1
    while (path := FOLDER / f"{name}-{number}{suffix}").exists():
        number += 1
    path.write_bytes(content)
    return path


def _by_text(messages: list[Sent]) -> dict[Sent, list[str]]:
    """Gather the chats that got the same message, so that it is shown once."""
    chats: dict[Sent, list[str]] = {}
    for sent in messages:
        chats.setdefault(replace(sent, chat="", at=0.0), []).append(f"chat {sent.chat}")
    return chats


if __name__ == "__main__":
    sys.exit(main())
