"""What operators read, as small text files: `python -m tests.pipeline.golden` writes them anew.

Each scene is played with a set clock on the real servers. What differs afterwards is what operators will see differ:
`git diff tests/pipeline/golden`.
"""

import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from src.cli import main as tool
from src.config.settings import GROUPS
from src.config.timeouts import Timeouts
from src.domain.window import HOUR

from ..builders import NO_TIME, make_rows
from ..faults import source_name
from ..sandbox import RECIPIENTS, Sandbox
from ..sandbox.telegram import refusal
from ..sandbox.web import FOREVER, Answer, Fault
from .test_outages import Sigterm, job_at

FOLDER = Path(__file__).parent / "golden"
NOW = datetime(2026, 11, 22, 14, 2, tzinfo=UTC)
"""When the first run of a scene starts."""
GONE = "550 5.1.1 No such user here"
Changes = dict[str, Any]
WRONG_TOKEN: Changes = {"TELEGRAM_BOT_TOKEN": "123456789:wrong-AAH4cKzV0Qw9uXyZlmNopQr"}
WRONG_LOGIN: Changes = {"SMTP_PASSWORD": "not-the-password"}
NO_SOURCE = Fault(answer=Answer(status=401), match="/rest/v1/analyses?")
TABLE: Changes = {"REPORT_LEDGER": "supabase"}
DIRECTORY: Changes = {"REPORT_LEDGER": "directory"}


@dataclass(kw_only=True)
class Play:
    """Runs the tool in the sandbox by a set clock, and keeps its log: each line's event, level and message."""

    sandbox: Sandbox
    log: list[tuple[str, str]] = field(default_factory=list)

    def run(self, *arguments: str, back: int = 0, timeouts: Timeouts = NO_TIME, **changes: str) -> str:
        """Start the run of the hour that is `back` hours before the scene's; return what it printed."""
        at = NOW - back * HOUR
        self.sandbox.supabase.clock = lambda: at
        given = self.sandbox.environment | {"LOG_FORMAT": "json"} | changes
        known = {name.upper() for group in GROUPS for name in group.model_fields}
        with pytest.MonkeyPatch.context() as patch:
            for name in known | {name for name in os.environ if name.lower().endswith("_proxy")}:
                patch.delenv(name, raising=False)
            for name, value in given.items():
                patch.setenv(name, value)
            with redirect_stdout(io.StringIO()) as output, redirect_stderr(io.StringIO()) as errors:
                tool(arguments, env_file=None, timeouts=timeouts, clock=lambda: at)
        for line in map(json.loads, errors.getvalue().splitlines()):
            self.log.append((line["event"], f"{line['level']} {line['message']}"))
        return output.getvalue()

    def in_cluster(self, *arguments: str, back: int = 0, **changes: str) -> str:
        """Start the Job of such an hour, whose ledger is in Supabase unless `changes` say otherwise."""
        return self.run(*arguments, back=back, **(TABLE | {"JOB_NAME": job_at(NOW - back * HOUR)} | changes))

    def fill(self, back: int, rows: int, first: int = 0) -> None:
        """Put rows into the hour that the run of `back` hours ago reports; `first` of them are there before."""
        start = NOW.replace(minute=0) - (back + 1) * HOUR
        kept = make_rows(rows + first, start=start)[first:]
        self.sandbox.supabase.insert([row | {"id": f"{back:08}{str(row['id'])[8:]}"} for row in kept])

    def refuse(self, *recipients: str) -> None:
        """Let the mail server know these recipients no more."""
        self.sandbox.mailbox.refused = dict.fromkeys(recipients, GONE)

    def logged(self, *events: str) -> list[str]:
        """Return the lines of these events."""
        return [line for event, line in self.log if event in events]

    def told(self, beginning: str) -> list[str]:
        """Return what operators were told that begins so."""
        return [text for text in self.sandbox.alerts if text.startswith(beginning)]

    def put(self, back: int, record: object) -> None:
        """Leave a record of the hour that the run of `back` hours ago reports."""
        start = NOW.replace(minute=0) - (back + 1) * HOUR
        self.sandbox.supabase.sql(
            "insert into report_deliveries (name, template, source, zone, window_start, record, scheduled) "
            "values ('production', 'hourly', $1, 'UTC', $2, $3, true)",
            *(source_name(self.sandbox), start.isoformat(), json.dumps(record)),
        )


Scene = Callable[[Play], Iterable[str]]


def failing_source(play: Play) -> Iterable[str]:
    """In a cluster, and a day later."""
    play.in_cluster(back=24)
    play.sandbox.supabase.always = NO_SOURCE
    play.in_cluster(back=23)
    play.in_cluster(back=-1)
    return play.told("⚠️")


def on_a_machine(play: Play) -> Iterable[str]:
    """Where no later run sends it."""
    play.sandbox.supabase.always = NO_SOURCE
    play.run()
    return play.told("⚠️")


def without_a_lasting_ledger(play: Play) -> Iterable[str]:
    """In a pod: everyone, and only those of a channel."""
    play.in_cluster(back=1, **DIRECTORY, **WRONG_LOGIN)
    play.sandbox.supabase.always = NO_SOURCE
    play.in_cluster(**DIRECTORY)
    return play.told("⚠️")


def refused(play: Play) -> Iterable[str]:
    """No later run sends it."""
    play.refuse(RECIPIENTS[0])
    play.in_cluster()
    return play.told("⚠️")


def refused_and_owed(play: Play) -> Iterable[str]:
    """Later runs send it to those who are owed it."""
    play.refuse(RECIPIENTS[0])
    play.in_cluster(**WRONG_TOKEN)
    return play.told("⚠️")


def without_supabase(play: Play) -> Iterable[str]:
    """Where nothing can be recorded."""
    play.sandbox.supabase.always = Fault(answer=Answer(status=401))
    play.in_cluster()
    return play.told("⚠️")


def stopped(play: Play) -> Iterable[str]:
    """By SIGTERM."""
    play.sandbox.supabase.faults.append(Fault(until=Sigterm(), hold=FOREVER, match="order=created_at"))
    play.in_cluster()
    return play.told("⚠️")


def time_limit(play: Play) -> Iterable[str]:
    """Before a row was read."""
    play.sandbox.supabase.always = Fault(delay=FOREVER, match="order=created_at")
    play.run(timeouts=replace(NO_TIME, run=2))
    return play.told("⚠️")


def wrong_settings(play: Play) -> Iterable[str]:
    """In a Job, and a name that no recipient has."""
    play.in_cluster(SMTP_PORT="many", REPORT_TIMEZONE="Mars/Olympus")
    play.in_cluster(REPORT_START="2026-11-22T13", REPORT_ONLY="manger@example.com")
    return play.told("⚠️")


def killed(play: Play) -> Iterable[str]:
    """Three runs of an hour, without a word."""
    play.in_cluster(back=2)
    entry = {"channel": "email", "recipient": RECIPIENTS[0], "state": "owed"}
    start = (NOW.replace(minute=0) - 2 * HOUR).isoformat()
    play.put(1, {"template": "hourly", "start": start, "silent": 3, "attempts": 3, "entries": [entry]})
    play.in_cluster()
    return play.told("⚠️")


def out_of_reach(play: Play) -> Iterable[str]:
    """Two ranges."""
    play.in_cluster(back=9)
    play.in_cluster(back=5, REPORT_CATCH_UP="0")
    play.in_cluster(REPORT_CATCH_UP="1")
    return play.told("⚠️")


def unreadable(play: Play) -> Iterable[str]:
    """A record that is none."""
    play.in_cluster(back=2)
    play.put(1, [])
    play.in_cluster()
    return play.told("⚠️")


def fewer_rows(play: Play) -> Iterable[str]:
    """Rows came between two attempts."""
    play.fill(0, 3)
    play.run(**WRONG_LOGIN)
    play.fill(0, 2, 3)
    play.run()
    return [text for text in play.told("⚠️") if "fewer_rows" in text]


def begins_anew(play: Play) -> Iterable[str]:
    """After an outage with another name."""
    play.in_cluster(back=5, REPORT_LEDGER_NAME="old")
    play.in_cluster(REPORT_LEDGER_NAME="new")
    return play.told("⚠️")


def shared_ledger(play: Play) -> Iterable[str]:
    """Two deployments with one name."""
    for recipient in RECIPIENTS:
        play.in_cluster(SMTP_TO=recipient, REPORT_CHANNELS="email", SMTP_ALERT_TO="ops@example.com")
    return play.told("⚠️")


def moved_chat(play: Play) -> Iterable[str]:
    """Everyone has the report."""
    play.sandbox.bot.faults.append(Fault(answer=refusal(400, "Bad Request: upgraded", migrate_to_chat_id=42)))
    play.run()
    return play.told("⚠️")


def test_alert(play: Play) -> Iterable[str]:
    """Asked for."""
    play.refuse("gone@example.com")
    printed = play.run("--test-alert", SMTP_ALERT_TO="ops@example.com,gone@example.com")
    return [play.told("🔔")[0], printed]


ALERTS: Mapping[str, Scene] = {
    "a failing source, and the same a day later": failing_source,
    "a failing source on one machine": on_a_machine,
    "pods without a lasting ledger": without_a_lasting_ledger,
    "refused": refused,
    "refused and owed": refused_and_owed,
    "nothing can be recorded": without_supabase,
    "stopped by SIGTERM": stopped,
    "the time limit": time_limit,
    "wrong settings": wrong_settings,
    "runs that were killed": killed,
    "out of reach": out_of_reach,
    "a record that cannot be read": unreadable,
    "fewer rows": fewer_rows,
    "the ledger begins anew": begins_anew,
    "two deployments share a ledger": shared_ledger,
    "a chat that moved": moved_chat,
    "a test": test_alert,
}


def one_hour(play: Play) -> Iterable[str]:
    """Delivered by its command."""
    play.run(**WRONG_LOGIN)
    play.run()
    return play.told("✅")


def several_hours(play: Play) -> Iterable[str]:
    """Caught up."""
    play.in_cluster(back=3)
    for back in (2, 1):
        play.in_cluster(back=back, **WRONG_TOKEN)
    play.in_cluster()
    return play.told("✅")


def skipped_hour(play: Play) -> Iterable[str]:
    """Empty, as it turned out."""
    play.sandbox.supabase.always = NO_SOURCE
    play.in_cluster()
    play.sandbox.supabase.always = None
    play.in_cluster(REPORT_WHEN_EMPTY="skip")
    return play.told("✅")


def works_again(play: Play) -> Iterable[str]:
    """The source, of which no later run sends what failed."""
    play.sandbox.supabase.always = NO_SOURCE
    play.run(back=1)
    play.sandbox.supabase.always = None
    play.run()
    return play.told("✅")


def left_undone(play: Play) -> Iterable[str]:
    """A recipient who was refused two hours."""
    play.in_cluster(back=3)
    play.refuse(RECIPIENTS[0])
    for back in (2, 1):
        play.in_cluster(back=back)
    play.refuse()
    play.in_cluster()
    return play.told("✅")


def removed(play: Play) -> Iterable[str]:
    """A recipient whom the settings name no more."""
    play.refuse(RECIPIENTS[0])
    play.in_cluster(back=1)
    play.in_cluster(SMTP_TO=RECIPIENTS[1])
    return play.told("✅")


ALL_CLEARS: Mapping[str, Scene] = {
    "an hour": one_hour,
    "several hours": several_hours,
    "an hour that was skipped": skipped_hour,
    "a part works again": works_again,
    "reports are left": left_undone,
    "a recipient is gone": removed,
}


def late_rows(play: Play) -> Iterable[str]:
    """For an hour that everyone has, one that some have with fewer rows, and one that was skipped."""
    skip: Changes = {"REPORT_WHEN_EMPTY": "skip"}
    play.fill(4, 1)
    play.in_cluster(back=4)
    play.fill(3, 1)
    play.in_cluster(back=3, **WRONG_LOGIN)
    play.fill(3, 1, 1)
    play.in_cluster(back=3)
    play.in_cluster(back=2, **skip)
    for back in (4, 3, 2):
        play.fill(back, 1, 5)
    play.log.clear()
    play.in_cluster(back=1)
    return play.logged("late_rows")


def deleted_rows(play: Play) -> Iterable[str]:
    """After the report was sent."""
    play.fill(1, 3)
    play.in_cluster(back=1)
    play.sandbox.supabase.sql("delete from analyses")
    play.in_cluster()
    return play.logged("fewer_rows")


def delivered_before(play: Play) -> Iterable[str]:
    """With the command that sends it again; and an hour that was skipped."""
    for _ in range(2):
        play.run()
        play.run(back=1, REPORT_WHEN_EMPTY="skip")
    return play.logged("delivered_before")


def alerted_before(play: Play) -> Iterable[str]:
    """The second run says why nobody is alerted."""
    play.sandbox.supabase.always = NO_SOURCE
    play.run()
    play.log.clear()
    play.run()
    return play.logged("note", "failed", "run")


def backfill_that_fails(play: Play) -> Iterable[str]:
    """The table of all windows."""
    play.sandbox.supabase.always = Fault(answer=Answer(status=401), match="created_at=gte.2026-11-22T12")
    play.run("--start", "2026-11-22T11", "--count", "3")
    return play.logged("backfill")


def limits_of_a_run(play: Play) -> Iterable[str]:
    """A key that may not see every row, and a run for some."""
    play.run("--only", RECIPIENTS[0], SUPABASE_KEY=play.sandbox.supabase.publishable_key)
    return play.logged("ledger", "key_is_limited", "note")


def not_kept(play: Play) -> Iterable[str]:
    """The workbook's name is taken."""
    (play.sandbox.folder / "report_20261122_130000.xlsx").mkdir()
    play.run()
    return play.logged("not_kept")


def old_ones(play: Play) -> Iterable[str]:
    """Removed, and not removed."""
    play.sandbox.supabase.sql("grant delete on report_deliveries to service_role")
    keep: Changes = {"REPORT_KEEP_DAYS": "35", "REPORT_CATCH_UP": "0"}
    for back in (960, 961):
        start = NOW.replace(minute=0) - (back + 1) * HOUR
        play.put(back, {"template": "hourly", "start": start.isoformat(), "scheduled": True})
    play.in_cluster(**keep)
    play.sandbox.supabase.always = Fault(answer=Answer(status=400), match="window_start=lte")
    play.put(970, {"template": "hourly", "start": (NOW.replace(minute=0) - 971 * HOUR).isoformat(), "scheduled": True})
    play.in_cluster(back=-1, **keep)
    return play.logged("retention", "retention_failed")


LOG: Mapping[str, Scene] = {
    "rows that came late": late_rows,
    "rows that are gone": deleted_rows,
    "delivered or skipped before": delivered_before,
    "alerted before": alerted_before,
    "a backfill": backfill_that_fails,
    "a limited key and a run for some": limits_of_a_run,
    "a name that is taken": not_kept,
    "what is old": old_ones,
}


def good_check(play: Play) -> Iterable[str]:
    """All is well."""
    return _sorted(play.run("--check", **TABLE))


def check_in_a_pod(play: Play) -> Iterable[str]:
    """Whose ledger ends with it, with a status that is no text."""
    return _sorted(play.run("--check", POD_NAMESPACE="production", SUPABASE_TABLE="analyses_loose"))


def check_of_a_limited_key(play: Play) -> Iterable[str]:
    """Which may not see every row."""
    play.fill(0, 3)
    return _sorted(play.run("--check", SUPABASE_KEY=play.sandbox.supabase.publishable_key))


def bad_check(play: Play) -> Iterable[str]:
    """Much is wrong."""
    play.refuse(RECIPIENTS[0])
    play.sandbox.bot.chats.discard("42")
    (play.sandbox.folder / "report_ledger").mkdir(mode=0o755)
    return _sorted(
        play.run("--check", SUPABASE_TABLE="nothing", REPORT_BUCKET="nowhere", SMTP_ALERT_TO="ops@example.com")
    )


def worse_check(play: Play) -> Iterable[str]:
    """What hangs on something else is not tried."""
    return _sorted(play.run("--check", REPORT_DIR="/proc", **WRONG_LOGIN, **WRONG_TOKEN, **TABLE))


def _sorted(output: str) -> Sequence[str]:
    """Sort the lines, which come as each is known."""
    return ["\n".join(sorted(output.splitlines(), key=lambda line: line[5:]))]


CHECK: Mapping[str, Scene] = {
    "all is well": good_check,
    "in a pod": check_in_a_pod,
    "a limited key": check_of_a_limited_key,
    "much is wrong": bad_check,
    "not tried": worse_check,
}


def deliveries(play: Play) -> Iterable[str]:
    """Of a table, with each state."""
    play.fill(1, 3)
    play.refuse(RECIPIENTS[0])
    play.in_cluster(back=2, REPORT_WHEN_EMPTY="skip")
    play.in_cluster(back=1)
    play.in_cluster(**WRONG_TOKEN)
    return [play.run("--deliveries", "2026-11-22T10", COLUMNS="120", **TABLE)]


DELIVERIES: Mapping[str, Scene] = {"four hours": deliveries}
FILES: Mapping[str, Mapping[str, Scene]] = {
    "alerts": ALERTS,
    "all_clears": ALL_CLEARS,
    "log": LOG,
    "check": CHECK,
    "deliveries": DELIVERIES,
}
CASES = [(file, name) for file, scenes in FILES.items() for name in scenes]


def shown(sandbox: Sandbox, file: str, name: str) -> str:
    """Play a scene; return its block of the file."""
    texts = "\n---\n".join(text.strip() for text in FILES[file][name](Play(sandbox=sandbox)))
    known = {
        str(sandbox.folder): "/reports",
        sandbox.supabase.url: "https://project.supabase.co",
        f"localhost:{sandbox.mailbox.tls_port}": "smtp.example.com:465",
        source_name(sandbox): "0123abcd",
    }
    for found, put in known.items():
        texts = texts.replace(found, put)
    texts = re.sub(r" [\d,.]+( GB free| s: )", r" 9.9\1", texts)
    return f"=== {name}\n{texts}\n"


def blocks(file: str) -> dict[str, str]:
    """Return the blocks of a file by their names."""
    found = re.split(r"^(?==== )", (FOLDER / f"{file}.txt").read_text(), flags=re.MULTILINE)[1:]
    return {block[4:].partition("\n")[0]: block.rstrip("\n") + "\n" for block in found}


def main() -> None:
    """Write every file."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        sandbox = Sandbox(Path(folder))
        with sandbox.serving():
            for file, scenes in FILES.items():
                (FOLDER / f"{file}.txt").write_text("\n".join(_played(sandbox, file, name) for name in scenes))


def _played(sandbox: Sandbox, file: str, name: str) -> str:
    sandbox.reset()
    sandbox.speak("http")
    sandbox.folder = Path(tempfile.mkdtemp(dir=sandbox.folder))
    try:
        return shown(sandbox, file, name)
    finally:
        shutil.rmtree(sandbox.folder)
        sandbox.folder = sandbox.folder.parent


if __name__ == "__main__":
    main()
