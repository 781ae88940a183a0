"""The whole path: what people receive, what the operator reads, the exit code."""

import asyncio
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from src.commands.report import settle
from src.config.settings import DEFAULT_NAME
from src.domain.summary import Anomaly
from src.domain.window import HOUR, Window, day_of
from src.phrases.language import ENGLISH

from .builders import OPTION, START, Rows, data_rows, data_rows_again, ids, make_rows, make_window
from .conftest import Run
from .faults import copies
from .processes import LONGEST, started, wait_until
from .sandbox import CHATS, RECIPIENTS, Sandbox
from .sandbox.sample import sample_hour
from .sandbox.web import Fault
from .supabase.test_analyses import answer
from .terminal import on_terminal

ROOT = Path(__file__).parent.parent
RunTool = Callable[..., Run]


def received(sandbox: Sandbox) -> list[bytes]:
    """List the workbooks that arrived, by mail and in the chats."""
    return [delivery.attachment() for delivery in sandbox.mails] + [sent.document for sent in sandbox.messages]


def forget(sandbox: Sandbox) -> None:
    """Remove the ledger, as the end of a pod does."""
    shutil.rmtree(sandbox.folder / "report_ledger", ignore_errors=True)


def assert_everyone_has(sandbox: Sandbox, rows: Rows) -> None:
    """Check that each recipient got one workbook, with just these rows in this order."""
    workbooks = received(sandbox)
    assert [delivery.recipients for delivery in sandbox.mails] == [RECIPIENTS]
    assert [*CHATS] == [sent.chat for sent in sandbox.messages]
    for content in workbooks:
        assert [str(key) for key in ids(rows)] == [str(row[0]) for row in data_rows(content)]


@pytest.mark.parametrize(
    ("cap", "step"),
    [pytest.param(1000, timedelta(seconds=1), id="1000"), pytest.param(37, timedelta(0), id="37 at one instant")],
)
def test_2500_rows_reach_everyone_once_and_in_order(sandbox: Sandbox, run: RunTool, cap: int, step: timedelta) -> None:
    """Under Supabase's cap of 1,000 as under one of 37."""
    rows = make_rows(2500, step=step)
    sandbox.supabase.insert(rows)
    sandbox.supabase.page_cap = cap

    result = run(*OPTION)

    assert result.code == 0
    assert_everyone_has(sandbox, rows)
    assert "Analyses: 2,500" in sandbox.mails[0].text
    assert [row[0] for row in data_rows_again(received(sandbox)[0])] == ids(rows)


def test_ids_above_2_to_the_53_arrive_with_every_digit(sandbox: Sandbox, run: RunTool) -> None:
    """Where the table counts with big numbers."""
    rows = [row | {"id": 2**53 + number} for number, row in enumerate(make_rows(40))]
    sandbox.supabase.insert(rows, "analyses_numbered")
    sandbox.supabase.page_cap = 7

    assert run(*OPTION, SUPABASE_TABLE="analyses_numbered").code == 0
    assert_everyone_has(sandbox, rows)


def test_an_empty_hour_arrives_as_such(sandbox: Sandbox, run: RunTool) -> None:
    """Silence would be taken for a broken report."""
    assert run(*OPTION).code == 0

    nothing = ENGLISH.no_analyses(make_window())
    assert [data_rows(content)[0][0] for content in received(sandbox)] == [nothing] * 3
    assert ENGLISH.NO_ANALYSES in sandbox.mails[0].text
    assert all(nothing.partition(" in ")[0] in sent.text for sent in sandbox.messages)


def test_a_row_inserted_a_minute_ago_arrives_with_until_now(sandbox: Sandbox, run: RunTool) -> None:
    """For trials by hand."""
    rows = make_rows(1, start=datetime.now(UTC) - timedelta(minutes=1))
    sandbox.supabase.insert(rows)

    assert run("--until-now", "--yes").code == 0
    assert_everyone_has(sandbox, rows)


def test_without_options_it_is_the_last_full_hour(sandbox: Sandbox, run: RunTool) -> None:
    """Rows of the hour before and of the one that has begun stay out."""
    before = datetime.now(UTC)
    this_hour = before.replace(minute=0, second=0, microsecond=0)
    hours = {start: make_rows(1, start=start, id=f"{number:08}-0000-4000-8000-000000000000")
             for number, start in enumerate([this_hour - 2 * HOUR, this_hour - HOUR, this_hour])}  # fmt: skip
    sandbox.supabase.insert([row for rows in hours.values() for row in rows])

    assert run().code == 0

    # Should the hour have turned meanwhile, the hour that was then the last full one is right.
    last_full = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - HOUR
    stamp = f"report_{last_full:%Y%m%d_%H%M%S}.xlsx"
    if {sent.file_name for sent in sandbox.messages} != {stamp}:
        last_full -= HOUR
    assert_everyone_has(sandbox, hours[last_full])


def test_a_daily_report_covers_a_local_day(sandbox: Sandbox, run: RunTool) -> None:
    """All 25 hours of it where the clocks go back."""
    start = datetime(2025, 10, 25, 22, tzinfo=UTC)
    rows = make_rows(25, start=start, step=HOUR)
    sandbox.supabase.insert([*rows, make_rows(26, start=start, step=HOUR)[25]])

    result = run("--start", "2025-10-26", REPORT_TEMPLATE="daily", REPORT_TIMEZONE="Europe/Berlin")

    assert result.code == 0
    day = day_of(date(2025, 10, 26), ZoneInfo("Europe/Berlin"))
    assert sandbox.mails[0].message["Subject"] == ENGLISH.subject(day, DEFAULT_NAME)
    workbooks = received(sandbox)
    assert ids(rows) == [row[0] for row in data_rows(workbooks[0], "Daily Report")]
    assert {"report_daily_20251026.xlsx"} == {sent.file_name for sent in sandbox.messages}


def test_what_people_receive_bears_the_names_of_the_contract(sandbox: Sandbox, run: RunTool) -> None:
    """Filters and rules in mailboxes hang on them."""
    sandbox.supabase.insert(make_rows(1))
    run(*OPTION)

    message = sandbox.mails[0].message
    assert message["Subject"] == "Digital Twin Hourly Report - 2026-11-22 13:00-14:00 UTC"
    assert all(sent.text.startswith("Hourly Report - 2026-11-22 13:00-14:00 UTC") for sent in sandbox.messages)
    assert {"report_20261122_130000.xlsx"} == {sent.file_name for sent in sandbox.messages}
    assert (sandbox.folder / "report_20261122_130000.xlsx").read_bytes() == received(sandbox)[0]


def test_the_same_window_has_the_same_message_id_and_another_one_another(sandbox: Sandbox, run: RunTool) -> None:
    """A mail client drops what it has, and nothing else."""
    run(*OPTION)
    forget(sandbox)
    run(*OPTION)
    run("--start", "2026-11-22T14")
    forget(sandbox)
    run(*OPTION, SUPABASE_TABLE="analyses_named")

    first, again, other_hour, other_table = (d.message["Message-ID"] for d in sandbox.mails)
    assert first == again
    assert len({first, other_hour, other_table}) == 3


def test_rows_being_deleted_meanwhile_are_no_reason_to_fail(sandbox: Sandbox, run: RunTool) -> None:
    """The second count is of what is there then."""
    rows = make_rows(2)
    sandbox.supabase.insert(rows)
    sandbox.supabase.faults += [answer(rows, counted=5), answer([], counted=0)]

    assert run(*OPTION).code == 0
    assert_everyone_has(sandbox, rows)


def moved(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as it is once its created_at was changed to a later moment of the hour."""
    return row | {"created_at": (START + timedelta(minutes=50)).isoformat()}


def test_a_row_whose_moment_changes_while_it_is_read_arrives_once(sandbox: Sandbox, run: RunTool) -> None:
    """And the report says that something was odd."""
    rows = make_rows(4)
    pages = [answer(rows[:2], counted=4), answer([*rows[2:], moved(rows[0])], counted=4), answer([], counted=4)]
    sandbox.supabase.faults += pages

    result = run(*OPTION)

    assert result.code == 0
    assert_everyone_has(sandbox, rows)
    assert "Analyses: 4" in sandbox.mails[0].text
    assert ENGLISH.anomaly(Anomaly(kind="repeated", count=1)) in sandbox.mails[0].text


def test_a_row_that_comes_twice_does_not_hide_one_that_does_not_come(sandbox: Sandbox, run: RunTool) -> None:
    """Four were counted and four came, but one of them twice: all is read once more."""
    rows = make_rows(4)
    sandbox.supabase.insert(rows)
    pages = [answer(rows[:2], counted=4), answer([rows[2], moved(rows[0])], counted=4), answer([], counted=4)]
    sandbox.supabase.faults += pages

    result = run(*OPTION)

    assert result.code == 0
    assert [record.__dict__["rows"] for record in result.logged("retry")] == [3]
    assert_everyone_has(sandbox, rows)


def test_a_slow_mail_server_does_not_delay_telegram(sandbox: Sandbox) -> None:
    """It answers only when both chats have their report."""
    sandbox.mailbox.until = threading.Event()

    with started(sandbox, *OPTION) as process:
        wait_until(lambda: len(sandbox.messages) == len(CHATS), process)
        sandbox.mailbox.until.set()

        assert process.wait(LONGEST) == 0
    assert len(sandbox.mails) == 1


def test_a_slow_bot_api_does_not_delay_the_mail(sandbox: Sandbox) -> None:
    """It answers only when the mail is there."""
    mail_is_there = threading.Event()
    sandbox.bot.faults.append(Fault(until=mail_is_there))

    with started(sandbox, *OPTION) as process:
        wait_until(lambda: sandbox.mails, process)
        mail_is_there.set()

        assert process.wait(LONGEST) == 0
    assert len(sandbox.messages) == len(CHATS)


@pytest.mark.parametrize(
    ("channels", "mails", "messages"), [("email", 1, 0), ("telegram", 0, 2), ("telegram,email", 1, 2)]
)
def test_only_the_chosen_channels_deliver(
    sandbox: Sandbox, run: RunTool, channels: str, mails: int, messages: int
) -> None:
    """REPORT_CHANNELS decides."""
    assert run(*OPTION, REPORT_CHANNELS=channels).code == 0

    assert (mails, messages) == (len(sandbox.mails), len(sandbox.messages))


@pytest.mark.parametrize("start", ["2026-11-22T13:30", "2999-01-01T00", "now"])
def test_a_wrong_start_is_a_usage_error_before_anything_is_contacted(
    sandbox: Sandbox, run: RunTool, start: str
) -> None:
    """Exit 2, and not one request."""
    result = run("--start", start)

    assert result.code == 2
    assert f"--start {start}" in result.log
    assert (sandbox.supabase.requests, received(sandbox)) == ([], [])


def test_wrong_settings_are_found_before_anything_is_contacted(sandbox: Sandbox, run: RunTool) -> None:
    """Exit 2, all of them named."""
    result = run(*OPTION, SMTP_PORT="many", REPORT_TEMPLATE="weekly")

    assert result.code == 2
    assert "SMTP_PORT" in result.log
    assert "REPORT_TEMPLATE" in result.log
    assert sandbox.supabase.requests == []


@pytest.mark.slow
def test_rows_still_being_committed_at_the_turn_of_the_hour_are_waited_for() -> None:
    """Until REPORT_SETTLE seconds after the window's end, and not for a window long over."""
    window = make_window(datetime.now(UTC) - HOUR)

    asyncio.run(settled(window, 0.5))

    assert datetime.now(UTC) >= window.end + timedelta(seconds=0.5)
    ahead = make_window(datetime.now(UTC) - HOUR + timedelta(seconds=0.3))
    asyncio.run(settled(ahead, 0.2))
    assert datetime.now(UTC) >= ahead.end + timedelta(seconds=0.2)  # a node's clock that is slow
    asyncio.run(asyncio.wait_for(settled(make_window(START), 600), LONGEST))


async def settled(window: Window, seconds: float, *, is_over: bool = False) -> None:
    """Wait for a window to settle, by this machine's clock."""
    await settle(window, timedelta(seconds=seconds), datetime.now(UTC), is_over=is_over)


def test_a_node_whose_clock_is_behind_waits_no_longer_than_it_is_told_to() -> None:
    """The Job's name says that its hour is over, whatever the clock shows."""
    ahead = make_window(datetime.now(UTC) - HOUR + timedelta(minutes=10))

    asyncio.run(asyncio.wait_for(settled(ahead, 0.1, is_over=True), LONGEST))


def last_hour() -> datetime:
    """Return the end of the last full hour."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def test_an_hour_that_is_not_over_by_supabases_clock_alone_is_sent_and_the_clocks_are_alerted(
    sandbox: Sandbox, run: RunTool
) -> None:
    """Either clock may be the wrong one: once a day operators are told, and every hour goes out."""
    end = last_hour()
    sandbox.supabase.insert(make_rows(5, start=end - HOUR))
    sandbox.supabase.show(end - timedelta(minutes=2))
    clock = end + timedelta(minutes=1)
    changes: tuple[dict[str, str], ...] = ({}, {"JOB_NAME": "by-hand"}, {"REPORT_LEDGER": "supabase"})

    results = [run("--resend", clock=lambda: clock, **one) for one in changes]

    assert ([one.code for one in results], len(sandbox.mails)) == ([0] * 3, 3)
    assert (len(sandbox.failures), sandbox.alerted) == (1, ["source.not_over"])
    assert all("Analyses: 5" in mail.text or "5 analyses" in mail.text for mail in sandbox.mails)


@pytest.mark.parametrize("behind", [timedelta(hours=2), timedelta(hours=-2), timedelta(minutes=6)], ids=str)
def test_a_clock_that_is_wrong_is_alerted_once_a_day_and_keeps_no_report(
    sandbox: Sandbox, run: RunTool, behind: timedelta
) -> None:
    """In either direction: an hour that comes late for ever would be nobody's failure."""
    sandbox.supabase.slow = behind.total_seconds()

    results = [run(*OPTION, "--resend", REPORT_LEDGER="supabase") for _ in range(2)]
    alerted = len(sandbox.failures), sandbox.alerted
    trial, check = run("--until-now", "--yes"), run("--check")

    assert ([one.code for one in results], alerted) == ([0, 0], (1, ["source.clocks_differ"]))
    assert (copies(sandbox), len(sandbox.failures)) == (((2, 2), (2, 2)), 2)
    assert (trial.code, trial.keys) == (1, ["source.clocks_differ"])
    (line,) = [line for line in check.output.splitlines() if line[5:].startswith("clock ")]
    assert (check.code, line[:4], line.endswith("(source.clocks_differ)")) == (1, "FAIL", True)


def test_clocks_that_differ_by_a_little_are_nobodys_concern(sandbox: Sandbox, run: RunTool) -> None:
    """Nor those that can't be compared."""
    sandbox.supabase.slow = 240

    codes = [run(*OPTION).code, run("--check").code, run("--until-now", "--yes").code]

    assert (codes, sandbox.alerts) == ([0, 0, 0], [])


def test_an_hour_that_is_over_in_a_moment_by_supabases_clock_is_waited_for(sandbox: Sandbox, run: RunTool) -> None:
    """And its rows are asked for again then."""
    end = last_hour()
    sandbox.supabase.insert(make_rows(5, start=end - HOUR))
    sandbox.supabase.show(end - timedelta(seconds=1))

    result = run(clock=lambda: end + timedelta(minutes=1))

    assert (result.code, "Waiting " in result.log) == (0, True)
    assert "Analyses: 5" in sandbox.mails[0].text


def test_a_job_reports_the_hour_of_its_name_whatever_the_clocks_show(sandbox: Sandbox, run: RunTool) -> None:
    """The node's is behind by up to an hour here, and Supabase's by more."""
    due = last_hour() + HOUR
    sandbox.supabase.slow = 7200

    assert run(JOB_NAME=f"reports-generator-{int(due.timestamp()) // 60}").code == 0

    assert {sent.file_name for sent in sandbox.messages} == {f"report_{due - HOUR:%Y%m%d_%H}0000.xlsx"}


def start_process(*command: str, cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the entry as people do."""
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, env=env, capture_output=True, text=True, timeout=LONGEST, check=False
    )


@pytest.mark.slow
def test_in_an_empty_environment_it_lists_what_is_missing_from_any_folder(tmp_path: Path) -> None:
    """Exit 2; a bare copy of the entry and src is enough."""
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT / "src", checkout / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "reports_generator.py", checkout)

    done = start_process(str(checkout / "reports_generator.py"), cwd=tmp_path, env={"LOG_FORMAT": "text"})

    assert done.returncode == 2
    assert " SUPABASE_URL " in done.stderr
    assert len(re.findall(r"^ +[A-Z_]+ ", done.stderr, re.MULTILINE)) == 9
    assert "Traceback" not in done.stderr


def test_as_a_process_it_delivers_and_exits_0_without_a_bar_in_the_log(sandbox: Sandbox, tmp_path: Path) -> None:
    """As the CronJob starts it."""
    rows = sample_hour(START, rows=1200)
    sandbox.supabase.insert(rows)

    done = start_process(str(ROOT / "reports_generator.py"), *OPTION, cwd=tmp_path, env=sandbox.environment)

    assert (done.returncode, done.stdout) == (0, "")
    assert len(received(sandbox)) == 3
    assert "1200 rows in" in done.stderr
    assert "Reading" not in done.stderr
    assert "\r" not in done.stderr


def test_a_watching_person_sees_a_bar_of_rows(sandbox: Sandbox, tmp_path: Path) -> None:
    """On a terminal, with how many there are in all."""
    sandbox.supabase.insert(make_rows(2500))
    command = [sys.executable, str(ROOT / "reports_generator.py"), *OPTION]

    code, shown = on_terminal(command, sandbox.environment, tmp_path)

    assert code == 0
    assert "Reading" in shown
    assert "/2500 [" in shown


def test_a_key_from_which_rows_may_be_hidden_is_warned_of_once_a_run(sandbox: Sandbox, run: RunTool) -> None:
    """The server counts only what such a key may see."""
    sandbox.supabase.insert(make_rows(3))

    limited = run(*OPTION, "--count", "2", SUPABASE_KEY=sandbox.supabase.publishable_key)
    whole = run(*OPTION, "--resend")

    assert (limited.code, limited.events.count("key_is_limited")) == (0, 1)
    assert "key_is_limited" not in whole.events
