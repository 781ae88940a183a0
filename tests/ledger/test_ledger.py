"""Nothing lost, nothing twice: restarts, overlapping runs, recipients that come, go and are refused."""

import errno
import json
import os
import re
import resource
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import trustme
from msgspec.structs import replace

from src.config.timeouts import Timeouts
from src.domain.request import Trigger
from src.domain.window import HOUR, day_of
from src.ledger.history import windows_before
from src.ledger.record import Entry, EntryState, new_record
from src.phrases.language import ENGLISH
from src.pipeline.run import scheduled_time

from ..alerts import are_clear, lacking, ranges
from ..builders import NO_TIME, OPTION, QUICK, Rows, data_rows, ids, make_rows, make_window
from ..conftest import Run
from ..faults import SHORT_SEND, copies, source_name
from ..processes import ENTRY, LONGEST, Process, killed_when, noted, started, wait_until
from ..sandbox import CHATS, RECIPIENTS, Sandbox
from ..sandbox.telegram import refusal
from ..sandbox.web import FOREVER, Answer, Fault

pytestmark = pytest.mark.sampled

RunTool = Callable[..., Run]
ONCE = ((1, 1), (1, 1))
WRONG_TOKEN = {"TELEGRAM_BOT_TOKEN": "123456789:wrong-AAH4cKzV0Qw9uXyZlmNop"}
LEDGERS = pytest.mark.parametrize("ledger", ["directory", "supabase"])


def everyone_has(sandbox: Sandbox, rows: Rows) -> bool:
    """Tell whether every report that arrived has just these rows."""
    contents = [mail.attachment() for mail in sandbox.mails] + [sent.document for sent in sandbox.messages]
    return all([line[0] for line in data_rows(content)] == ids(rows) for content in contents)


@LEDGERS
def test_a_second_run_of_a_delivered_window_sends_nothing_and_says_so(
    sandbox: Sandbox, run: RunTool, ledger: str
) -> None:
    """To whom, when, and how to send it again; exit 0."""
    run(*OPTION, REPORT_LEDGER=ledger)

    again = run(*OPTION, REPORT_LEDGER=ledger)

    assert (again.code, copies(sandbox)) == (0, ONCE)
    assert {*again.events} >= {"delivered_before"}
    assert {*again.events}.isdisjoint({"built", "delivered"})
    assert "python reports_generator.py --start 2026-11-22T13 --resend" in again.log
    for recipient in (*RECIPIENTS, *CHATS):
        assert re.search(rf"{recipient}: delivered at \d{{4}}-\d\d-\d\dT", again.log)


@LEDGERS
@pytest.mark.parametrize("how", ["option", "variable"])
def test_a_resend_reaches_everyone_again_as_an_answer_to_the_first(
    sandbox: Sandbox, run: RunTool, ledger: str, how: str
) -> None:
    """A new Message-ID, so that no mailbox drops it, and References to the first."""
    run(*OPTION, REPORT_LEDGER=ledger)

    options, changes = (["--resend"], {}) if how == "option" else ([], {"REPORT_RESEND": "true"})
    again = run(*OPTION, *options, REPORT_LEDGER=ledger, **changes)
    run(*OPTION, REPORT_LEDGER=ledger)

    first, second = (mail.message for mail in sandbox.mails)
    assert (again.code, copies(sandbox)) == (0, ((2, 2), (2, 2)))
    assert first["Message-ID"] != second["Message-ID"]
    assert first["References"] is None
    assert second["References"] == first["Message-ID"]


def test_a_trial_up_to_now_is_kept_in_no_ledger(sandbox: Sandbox, run: RunTool) -> None:
    """It can be tried as often as one likes."""
    assert [run("--until-now", "--yes").code for _ in range(2)] == [0, 0]
    assert copies(sandbox) == ((2, 2), (2, 2))
    assert not (sandbox.folder / "report_ledger").exists()


def test_the_ledgers_folder_and_files_are_for_their_owner_only(sandbox: Sandbox, run: RunTool) -> None:
    """Addresses stand in them."""
    run(*OPTION)

    folder = sandbox.folder / "report_ledger"
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert (stat.S_IMODE(folder.stat().st_mode), modes) == (0o700, {0o600})


def test_a_run_killed_in_mid_page_leaves_no_half_workbook(sandbox: Sandbox, run: RunTool) -> None:
    """No half workbook bears the report's name."""
    rows = make_rows(30)
    sandbox.supabase.insert(rows)
    sandbox.supabase.page_cap = 10
    sandbox.supabase.faults += [Fault(), Fault(drip=0.02)]

    killed_when(sandbox, lambda: sandbox.supabase.dripped > 10)

    assert [*sandbox.folder.glob("report_2*")] == []
    assert run(*OPTION).code == 0
    assert copies(sandbox) == ONCE
    assert everyone_has(sandbox, rows)


@LEDGERS
def test_a_chat_whose_upload_was_killed_is_told_that_it_may_be_a_repeat(
    sandbox: Sandbox, run: RunTool, ledger: str
) -> None:
    """The chat gets it, with a word that it may be a repeat; everyone else gets it once."""
    sandbox.bot.faults.append(Fault(delay=FOREVER))
    pod = {"REPORT_LEDGER": ledger, "POD_NAME": "reports-generator-1"}

    killed_when(sandbox, lambda: sandbox.bot.requests and noted(sandbox, "email") == {"delivered"}, **pod)
    assert run(*OPTION, **pod).code == 0

    assert copies(sandbox) == ONCE
    assert ENGLISH.REPEAT in [sent.text for sent in sandbox.messages if sent.chat == CHATS[0]][-1]


def test_a_run_killed_before_it_noted_telegrams_answer_sends_again_and_says_so(sandbox: Sandbox, run: RunTool) -> None:
    """At least once beats lost; the repeat says that it may be one."""
    sandbox.bot.faults.append(Fault(hold=FOREVER))

    killed_when(sandbox, lambda: sandbox.bot.sent and noted(sandbox, "email") == {"delivered"})
    assert run(*OPTION).code == 0

    assert copies(sandbox) == ((1, 1), (2, 1))
    texts = [sent.text for sent in sandbox.messages if sent.chat == CHATS[0]]
    assert [ENGLISH.REPEAT in text for text in texts] == [False, True]


def test_a_run_killed_before_it_noted_the_mail_servers_answer_sends_under_the_same_id(
    sandbox: Sandbox, run: RunTool
) -> None:
    """The second mail has the Message-ID of the first."""
    sandbox.mailbox.data_faults.append("taken, silent")

    killed_when(sandbox, lambda: sandbox.mailbox.deliveries and noted(sandbox, "telegram") == {"delivered"})
    assert run(*OPTION).code == 0

    first, second = (mail.message["Message-ID"] for mail in sandbox.mails)
    assert first == second
    assert copies(sandbox) == ((2, 2), (1, 1))


def claims(sandbox: Sandbox) -> list[dict[str, object]]:
    """List the attempts at a claim that came to the ledger in Supabase."""
    changes = [json.loads(request.body) for request in sandbox.supabase.requests if request.method == "PATCH"]
    return [change for change in changes if change["holder"] and "record" not in change]


def has_lock_open(process: Process) -> bool:
    """Tell whether a run has come to the lock of a window in its folder."""
    files = Path(f"/proc/{process.pid}/fd").iterdir()
    return any(os.path.realpath(file).endswith(".lock") for file in files)


@pytest.mark.parametrize("ledger", ["directory", "supabase"])
def test_two_runs_of_one_hour_at_once_send_it_once(sandbox: Sandbox, tmp_path: Path, ledger: str) -> None:
    """In one folder, and in two with the ledger in Supabase; both end with 0."""
    folders = [tmp_path / "one", tmp_path / ("one" if ledger == "directory" else "two")]
    for folder in folders:
        folder.mkdir(exist_ok=True)
    both_at_work = threading.Event()
    sandbox.bot.faults.append(Fault(until=both_at_work))
    changes = [{"REPORT_DIR": str(folder), "REPORT_LEDGER": ledger} for folder in folders]

    with started(sandbox, *OPTION, **changes[0]) as one, started(sandbox, *OPTION, **changes[1]) as other:
        wait_until(lambda: sandbox.bot.requests, one)
        wait_until(lambda: len(claims(sandbox)) == 2 or (has_lock_open(one) and has_lock_open(other)), other)
        both_at_work.set()
        codes = [one.wait(LONGEST), other.wait(LONGEST)]

    assert codes == [0, 0]
    assert copies(sandbox) == ONCE


@pytest.mark.parametrize("filters_again", [True, False], ids=["PostgREST before 14.4", "PostgREST since 14.4"])
def test_a_claim_is_one_question_whatever_postgrest_gives_back_of_it(
    sandbox: Sandbox, run: RunTool, filters_again: bool
) -> None:
    """Of one that is free, of one that an earlier process of the pod held, and of one whose holder died."""
    sandbox.supabase.filters_again = filters_again
    holders = ("null", "'pod-1.before'", "'dead'")

    codes = [run(*OPTION, REPORT_LEDGER="supabase").code]
    for holder in holders:
        sandbox.supabase.sql(f"update report_deliveries set holder = {holder}, lease_seconds = -1")
        codes.append(run(*OPTION, "--resend", REPORT_LEDGER="supabase", POD_NAME="pod-1").code)

    assert (codes, len(claims(sandbox))) == ([0] * 4, 3)
    assert holders_of(sandbox) == [None]


def holders_of(sandbox: Sandbox) -> list[str | None]:
    """List who holds the windows of the ledger in Supabase."""
    return [row["holder"] for row in sandbox.supabase.sql("select holder from report_deliveries")]


def test_one_of_three_refused_and_accepted_on_the_second_run(sandbox: Sandbox, run: RunTool) -> None:
    """Only that one gets the second mail; one alert, one all-clear."""
    three = ("a@example.com", "b@example.com", "c@example.com")
    sandbox.mailbox.refused = {three[1]: "550 5.1.1 No such user"}
    first = run(*OPTION, SMTP_TO=",".join(three))
    sandbox.mailbox.refused = {}

    second = run(*OPTION, SMTP_TO=",".join(three))
    third = run(*OPTION, SMTP_TO=",".join(three))

    assert [first.code, second.code, third.code] == [1, 0, 0]
    assert [(three[0], three[2]), (three[1],)] == [mail.recipients for mail in sandbox.mails]
    assert are_clear(sandbox.alerts) == [False, True]
    assert lacking(sandbox.alerts[0]) == ([], [f"email to {three[1]}"])
    assert make_window().label() in sandbox.alerts[1]


def test_an_address_refused_for_good_is_alerted_once_a_day(sandbox: Sandbox, run: RunTool) -> None:
    """Three windows, one alert; a second run of a window tries again, tells nobody twice, and logs what failed."""
    sandbox.mailbox.refused = {RECIPIENTS[0]: "550 5.1.1 No such user"}

    codes = [run("--start", f"2026-11-22T{hour}").code for hour in (13, 14, 15)]
    again = run(*OPTION)

    assert [*codes, again.code] == [1, 1, 1, 1]
    assert len(sandbox.alerts) == 1
    assert copies(sandbox) == ((0, 3), (3, 3))
    assert (again.keys, "alerted" in again.events) == (["smtp.recipient_refused"], False)


STATES = ("owed", "sending", "delivered", "refused", "without file", "skipped")
SENT_BY = {
    "scheduled": {"owed", "sending", "refused", "without file"},
    "manual": {"owed", "sending", "refused", "without file", "skipped"},
    "catch_up": {"owed", "sending"},
}


@pytest.mark.parametrize("trigger", SENT_BY)
@pytest.mark.parametrize("state", STATES)
def test_what_a_recipient_has_decides_whether_the_window_is_sent(state: EntryState, trigger: Trigger) -> None:
    """A delivered window is sent by no run; what was refused or skipped only where somebody asks for it."""
    record = new_record(make_window())
    record.entries = [Entry(channel="email", recipient="Manager@Example.com", state=state)]
    manager = ("email", "manager@example.com")

    assert (record.owed([manager], trigger) == [manager]) == (state in SENT_BY[trigger])


@pytest.mark.parametrize("scheduled", [False, True])
@pytest.mark.parametrize("trigger", SENT_BY)
def test_a_recipient_without_an_entry_is_sent_the_window(trigger: Trigger, scheduled: bool) -> None:
    """By every run but one that catches up a window that a scheduled run has opened."""
    record = new_record(make_window())
    record.entries = [Entry(channel="email", recipient="manager@example.com", state="delivered")]
    record.scheduled = scheduled
    new = ("email", "new@example.com")

    assert (record.owed([new], trigger) == [new]) == (trigger != "catch_up" or not scheduled)


def test_a_window_that_is_named_reaches_recipients_who_were_added_or_corrected(sandbox: Sandbox, run: RunTool) -> None:
    """Exit 0 means that every present recipient has it; nobody gets a second copy."""
    sandbox.mailbox.refused = {RECIPIENTS[0]: "550 5.1.1 No such user"}
    run(*OPTION)

    corrected = run(*OPTION, SMTP_TO=f"right@example.com,{RECIPIENTS[1]}")
    added = run(*OPTION, SMTP_TO=f"right@example.com,{RECIPIENTS[1]},new@example.com")
    again = run(*OPTION, SMTP_TO=f"right@example.com,{RECIPIENTS[1]},new@example.com")

    assert [corrected.code, added.code, again.code] == [0, 0, 0]
    assert [mail.recipients for mail in sandbox.mails] == [
        (RECIPIENTS[1],), ("right@example.com",), ("new@example.com",),
    ]  # fmt: skip
    assert [*CHATS] == [sent.chat for sent in sandbox.messages]


def test_a_channel_that_is_added_gets_a_named_window(sandbox: Sandbox, run: RunTool) -> None:
    """The other channel, which has it, sends nothing."""
    run(*OPTION, REPORT_CHANNELS="email")

    assert run(*OPTION).code == 0
    assert copies(sandbox) == ONCE


@LEDGERS
def test_a_job_that_starts_again_also_reaches_a_recipient_who_was_added_meanwhile(
    sandbox: Sandbox, run: RunTool, ledger: str
) -> None:
    """The window is that run's own."""
    run(JOB_NAME=job(0), REPORT_LEDGER=ledger)

    assert run(JOB_NAME=job(0), REPORT_LEDGER=ledger, SMTP_TO=",".join((*RECIPIENTS, "new@example.com"))).code == 0
    assert [mail.recipients for mail in sandbox.mails] == [RECIPIENTS, ("new@example.com",)]


def test_addresses_are_the_same_in_whatever_case_they_are_written(sandbox: Sandbox, run: RunTool) -> None:
    """Another spelling in SMTP_TO is no new recipient."""
    run(*OPTION)

    assert run(*OPTION, SMTP_TO="Manager@Example.COM,TEAM@example.com").code == 0
    assert len(sandbox.mails) == 1


def test_a_refused_address_that_is_spelt_in_another_case_is_tried_as_it_stands_now(
    sandbox: Sandbox, run: RunTool
) -> None:
    """The settings decide how an address is written, not the ledger."""
    sandbox.mailbox.refused = {RECIPIENTS[0]: "550 5.1.1 No such user"}
    run(*OPTION)

    assert run(*OPTION, SMTP_TO=f"Manager@example.com,{RECIPIENTS[1]}").code == 0
    assert [mail.recipients for mail in sandbox.mails] == [(RECIPIENTS[1],), ("Manager@example.com",)]
    assert run(*OPTION).code == 0
    assert len(sandbox.mails) == 2


def test_a_missed_hour_that_somebody_sent_to_himself_is_still_caught_up_for_the_others(
    sandbox: Sandbox, run: RunTool
) -> None:
    """A trial by hand, from another machine with the same ledger, takes it from nobody."""
    run(JOB_NAME=job(2), **CATCH_UP)
    trial = {"SMTP_TO": "me@example.com", "REPORT_CHANNELS": "email"}
    run("--start", f"{this_hour(2):%Y-%m-%dT%H}", **trial, **CATCH_UP)

    codes = [run(JOB_NAME=job(0), **CATCH_UP).code, run(JOB_NAME=job(0), **CATCH_UP).code]

    missed = [mail.recipients for mail in sandbox.mails if f"{this_hour(2):%Y-%m-%d %H:%M}" in mail.message["Subject"]]
    assert (codes, missed) == ([0, 0], [("me@example.com",), RECIPIENTS])
    assert len(sandbox.messages) == 3 * len(CHATS)


def test_a_scheduled_run_marks_an_hour_that_was_first_opened_by_hand(sandbox: Sandbox, run: RunTool) -> None:
    """A recipient who is added later then gets only later hours."""
    run("--start", f"{this_hour(2):%Y-%m-%dT%H}", **CATCH_UP)
    run(JOB_NAME=job(1), **CATCH_UP)

    run(JOB_NAME=job(0), SMTP_TO=",".join((*RECIPIENTS, "new@example.com")), **CATCH_UP)

    assert [mail.recipients for mail in sandbox.mails] == [RECIPIENTS, (*RECIPIENTS, "new@example.com")]


def test_a_recipient_who_is_added_gets_no_hour_that_a_scheduled_run_opened_before(
    sandbox: Sandbox, run: RunTool
) -> None:
    """Also where that hour is still owed to others and caught up now."""
    sandbox.mailbox.data_faults.append("451 4.3.0 Later")
    run(JOB_NAME=job(1), **CATCH_UP, timeouts=NO_TIME)

    assert run(JOB_NAME=job(0), SMTP_TO=",".join((*RECIPIENTS, "new@example.com")), **CATCH_UP).code == 0
    assert [mail.recipients for mail in sandbox.mails] == [(*RECIPIENTS, "new@example.com"), RECIPIENTS]


def test_a_recipient_removed_meanwhile_is_owed_nothing_more(sandbox: Sandbox, run: RunTool) -> None:
    """Taking an address out of SMTP_TO is the cure that an alert names."""
    sandbox.mailbox.refused = {RECIPIENTS[0]: "550 5.1.1 No such user"}
    run(*OPTION)

    assert run(*OPTION, SMTP_TO=RECIPIENTS[1]).code == 0


def test_a_failure_that_lasts_is_alerted_once_and_cleared_once(sandbox: Sandbox, run: RunTool) -> None:
    """One for a window and a cause, then one all-clear."""
    codes = [run(*OPTION, SUPABASE_KEY="sb_secret_of_elsewhere").code for _ in range(3)]
    codes += [run(*OPTION).code, run(*OPTION).code]

    assert codes == [1, 1, 1, 0, 0]
    assert are_clear(sandbox.alerts) == [False, True]
    assert (sandbox.alerted, ranges(sandbox.alerts[0])) == (["source.key"], [(OPTION[1], 1)])


@LEDGERS
def test_a_day_over_a_clock_change_is_delivered_once(sandbox: Sandbox, run: RunTool, ledger: str) -> None:
    """All 25 hours of it, and known again by a second run."""
    rows = make_rows(25, start=datetime(2025, 10, 25, 22, tzinfo=UTC), step=HOUR)
    sandbox.supabase.insert(rows)
    daily = {"REPORT_TEMPLATE": "daily", "REPORT_TIMEZONE": "Europe/Berlin", "REPORT_LEDGER": ledger}

    codes = [run("--start", "2025-10-26", **daily).code for _ in range(2)]

    assert (codes, copies(sandbox)) == ([0, 0], ONCE)
    assert [row[0] for row in data_rows(sandbox.messages[0].document, "Daily Report")] == ids(rows)


def test_days_missed_over_a_clock_change_follow_each_other_without_a_gap() -> None:
    """Catching up counts local days, not 24 hours."""
    day = day_of(date(2025, 10, 28), ZoneInfo("Europe/Berlin"))

    days = windows_before(day, 4)

    assert [window.end - window.start for window in days] == [24 * HOUR, 24 * HOUR, 25 * HOUR, 24 * HOUR]
    assert all(one.end == other.start for one, other in zip(days, [*days[1:], day], strict=True))


def test_with_its_real_waits_a_process_tries_again_and_delivers_once(sandbox: Sandbox) -> None:
    """Nothing shrunk here."""
    rows = make_rows(5)
    sandbox.supabase.insert(rows)
    sandbox.supabase.faults.append(Fault(answer=Answer(status=503)))
    sandbox.bot.faults.append(Fault(answer=Answer(status=502)))
    sandbox.mailbox.data_faults.append("451 4.3.0 Try again later")

    with started(sandbox, *OPTION) as process:
        assert process.wait(LONGEST) == 0

    assert copies(sandbox) == ONCE
    assert everyone_has(sandbox, rows)


def test_a_server_that_wants_to_be_left_alone_is_left_alone_that_long(sandbox: Sandbox, run: RunTool) -> None:
    """Retry-After of Supabase, retry_after of Telegram; the waits of the run itself are hardly any here."""
    sandbox.supabase.faults.append(Fault(answer=Answer(status=429, headers={"retry-after": "1"})))
    sandbox.bot.faults.append(Fault(answer=refusal(429, "Too Many Requests: retry after 1", retry_after=1)))

    assert run(*OPTION, TELEGRAM_CHAT_ID=CHATS[0]).code == 0

    for server in (sandbox.supabase, sandbox.bot):
        first, second, *_ = (request.at for request in server.requests)
        assert second - first >= 1


@LEDGERS
def test_what_one_run_could_not_know_the_next_one_says(sandbox: Sandbox, run: RunTool, ledger: str) -> None:
    """The connection was cut after the message was taken, and there was no time for another attempt."""
    sandbox.bot.faults.append(Fault(cut="after"))

    codes = [run(*OPTION, timeouts=NO_TIME, REPORT_LEDGER=ledger).code, run(*OPTION, REPORT_LEDGER=ledger).code]

    texts = [sent.text for sent in sandbox.messages if sent.chat == CHATS[0]]
    assert (codes, copies(sandbox)) == ([1, 0], ((1, 1), (2, 1)))
    assert [ENGLISH.REPEAT in text for text in texts] == [False, True]


def test_a_wait_beyond_the_time_limit_is_not_begun(sandbox: Sandbox, run: RunTool) -> None:
    """The run asks once more within its time, for what the server says may be wrong, then ends with an alert."""
    sandbox.supabase.always = Fault(answer=Answer(status=429, headers={"retry-after": "3600"}))

    result = run(*OPTION)

    assert (result.code, len(sandbox.supabase.requests), len(sandbox.alerts)) == (1, 2, 1)


def test_a_disk_that_is_full_fails_the_run_and_says_so(sandbox: Sandbox) -> None:
    """No half file, one alert, exit 1."""
    sandbox.supabase.insert(make_rows(500))
    command = [sys.executable, str(ENTRY), *OPTION]

    done = subprocess.run(
        command,
        env=sandbox.environment,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000)),
    )

    assert done.returncode == 1
    assert os.strerror(errno.EFBIG) in done.stderr
    assert [*sandbox.folder.glob("*report_2*")] == []
    (alert,) = sandbox.alerts
    assert sandbox.alerted == ["workbook.disk"]
    assert all(setting in alert for setting in ("REPORT_DIR", "TMPDIR"))


def test_sigterm_stops_the_run_with_one_alert_and_143(sandbox: Sandbox) -> None:
    """And nothing half done is left; a second one of the same window alerts nobody again."""
    for _ in range(2):
        sandbox.supabase.faults.append(Fault(delay=FOREVER, match="/analyses"))
        sandbox.supabase.requests.clear()
        with started(sandbox, *OPTION) as process:
            wait_until(lambda: sandbox.supabase.requests, process)
            process.terminate()
            assert process.wait(LONGEST) == 143

    assert (len(sandbox.alerts), sandbox.alerted) == (1, ["stopped"])
    assert [*sandbox.folder.glob("*report_2*")] == []


DUE = datetime(2026, 11, 23, 14, tzinfo=UTC)
MINUTES = int(DUE.timestamp() // 60)


def test_sigterm_while_it_waits_for_another_run_is_alerted_too(sandbox: Sandbox) -> None:
    """Before a window is in hand."""
    sandbox.supabase.faults.append(Fault(delay=FOREVER, match="report_deliveries"))
    with started(sandbox, *OPTION, REPORT_LEDGER="supabase") as process:
        wait_until(lambda: sandbox.supabase.requests, process)
        process.terminate()
        assert process.wait(LONGEST) == 143

    (alert,) = sandbox.alerts
    assert make_window().label() in alert
    assert sandbox.alerted == ["stopped"]


@pytest.mark.parametrize(
    ("name", "now", "scheduled"),
    [
        pytest.param(f"reports-generator-{MINUTES}", DUE + timedelta(seconds=7), DUE, id="in time"),
        pytest.param(f"reports-generator-{MINUTES}", DUE + timedelta(minutes=67), DUE, id="after the turn of the hour"),
        pytest.param(f"reports-generator-{MINUTES}", DUE - timedelta(seconds=4), DUE, id="a node's clock that is slow"),
        pytest.param(f"reports-generator-{MINUTES}", DUE - timedelta(minutes=10), DUE, id="ten minutes behind"),
        pytest.param("test-report", DUE, None, id="made by hand"),
        pytest.param("reports-generator-again-1795435200", DUE, None, id="made by an alert's command"),
        pytest.param("again-20261123", DUE, None, id="digits that mean something else"),
        pytest.param(None, DUE, None, id="outside a cluster"),
    ],
)
def test_the_scheduled_time_is_read_off_the_jobs_name(
    name: str | None, now: datetime, scheduled: datetime | None
) -> None:
    """Defensively: no release of Kubernetes promises it."""
    assert scheduled_time(name, now) == scheduled


def test_a_scheduled_job_reports_the_hour_before_its_scheduled_time(sandbox: Sandbox, run: RunTool) -> None:
    """Even when it starts an hour late."""
    assert run(JOB_NAME=job(1)).code == 0

    assert {sent.file_name for sent in sandbox.messages} == {f"report_{this_hour(2):%Y%m%d_%H}0000.xlsx"}


def test_the_record_of_a_window_can_be_read_by_people(sandbox: Sandbox, run: RunTool) -> None:
    """Who got it, when, and the server's word for it."""
    run(*OPTION)

    (path,) = (sandbox.folder / "report_ledger").glob("hourly-*-20261122T130000Z.json")
    record = json.loads(path.read_text())
    entries = [(entry["channel"], entry["recipient"], entry["state"]) for entry in record["entries"]]
    assert entries == [("email", address, "delivered") for address in RECIPIENTS] + [
        ("telegram", chat, "delivered") for chat in CHATS
    ]
    assert all(entry["receipt"] and entry["at"] for entry in record["entries"])


# Read once: should the hour turn while tests run, Jobs are just an hour later than they were due.
THIS_HOUR = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def this_hour(back: int) -> datetime:
    """Return the start of the hour `back` hours before the present one."""
    return THIS_HOUR - back * HOUR


def job(back: int) -> str:
    """Name the Job that was due `back` hours ago."""
    minutes = int((this_hour(back) - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(minutes=1))
    return f"reports-generator-{minutes}"


CATCH_UP = {"REPORT_LEDGER": "supabase"}


def opened_long_ago(sandbox: Sandbox, back: int, record: str = "") -> None:
    """Put a delivered record of the hour `back` hours ago into the ledger, or `record` in its place."""
    entries = [{"channel": "email", "recipient": address, "state": "delivered"} for address in RECIPIENTS]
    entries += [{"channel": "telegram", "recipient": chat, "state": "delivered"} for chat in CHATS]
    content = {"template": "hourly", "start": this_hour(back).isoformat(), "entries": entries, "scheduled": True}
    key = "name, template, source, zone, window_start"
    sql = f"insert into report_deliveries ({key}, record, scheduled) "
    sql += f"values ('production', 'hourly', $1, 'UTC', $2, $3, true) on conflict ({key}) "
    sql += "do update set record = excluded.record"
    values = (source_name(sandbox), this_hour(back).isoformat(), record or json.dumps(content))
    sandbox.supabase.sql(sql, *values)


def test_the_first_run_ever_makes_up_nothing(sandbox: Sandbox, run: RunTool) -> None:
    """A new installation doesn't flood anyone with yesterday."""
    assert run(JOB_NAME=job(0), **CATCH_UP).code == 0
    assert len(sandbox.mails) == 1


def test_three_hours_missed_are_made_good_oldest_first_behind_the_present_one(sandbox: Sandbox, run: RunTool) -> None:
    """Each its own report, marked as late."""
    run(JOB_NAME=job(4), **CATCH_UP)

    assert run(JOB_NAME=job(0), **CATCH_UP).code == 0

    subjects = [mail.message["Subject"] for mail in sandbox.mails]
    hours = [this_hour(back) for back in (5, 1, 4, 3, 2)]
    assert [f"{hour:%Y-%m-%d %H:%M}" in subject for hour, subject in zip(hours, subjects, strict=True)] == [True] * 5
    assert [subject.endswith(" (late)") for subject in subjects] == [False, False, True, True, True]
    assert sum("(late)" in sent.text for sent in sandbox.messages) == 6
    assert run(JOB_NAME=job(0), **CATCH_UP).code == 0
    assert len(sandbox.mails) == 5


def test_a_missed_window_that_fails_again_for_the_same_cause_does_not_fail_the_present_one(
    sandbox: Sandbox, run: RunTool
) -> None:
    """It is logged; nobody is told twice, and the present window's exit code is its own."""
    run(JOB_NAME=job(2), **CATCH_UP)
    sandbox.supabase.always = Fault(answer=Answer(status=401), match=f"created_at=gte.{this_hour(2):%Y-%m-%dT%H}")
    assert run(JOB_NAME=job(1), **CATCH_UP).code == 1
    assert len(sandbox.alerts) == 1

    result = run(JOB_NAME=job(0), **CATCH_UP)

    assert (result.code, len(sandbox.alerts), len(sandbox.mails)) == (0, 1, 2)
    assert result.keys == ["source.key"]
    sandbox.supabase.always = None
    assert run(JOB_NAME=job(0), **CATCH_UP).code == 0
    assert [mail.message["Subject"].endswith("(late)") for mail in sandbox.mails] == [False, False, True]
    assert are_clear(sandbox.alerts) == [False, True]


def test_fewer_rows_than_before_are_only_logged(sandbox: Sandbox, run: RunTool) -> None:
    """A clean-up of the table is nobody's late row."""
    sandbox.supabase.insert(make_rows(3, start=this_hour(3)))
    run(JOB_NAME=job(2), **CATCH_UP)
    sandbox.supabase.sql("delete from analyses")

    result = run(JOB_NAME=job(1), **CATCH_UP)

    (fewer,) = result.logged("fewer_rows")
    assert (fewer.__dict__["window"], fewer.__dict__["rows"]) == (f"{this_hour(3):%Y-%m-%dT%H}", 0)
    assert (sandbox.alerts, "late" in sandbox.mails[-1].text) == ([], False)


def test_a_ledger_that_hangs_does_not_hold_the_run_beyond_its_limit(sandbox: Sandbox, run: RunTool) -> None:
    """A last word to it gets a little more; one wait for Supabase, which would be a minute, ends with that too."""
    sandbox.supabase.always = Fault(delay=FOREVER, match="report_deliveries")
    timeouts = replace(QUICK, run=0.5, ledger_last_word=0.2)
    began = time.monotonic()

    assert run(*OPTION, timeouts=timeouts, **CATCH_UP).code == 1
    assert time.monotonic() - began < timeouts.supabase_read / 2


def test_windows_out_of_reach_are_named_in_one_alert_with_their_commands(sandbox: Sandbox, run: RunTool) -> None:
    """Nobody makes them good by itself any more."""
    run(JOB_NAME=job(5), REPORT_CATCH_UP="2", **CATCH_UP)

    codes = [run(JOB_NAME=job(0), REPORT_CATCH_UP="2", **CATCH_UP).code for _ in range(2)]

    (alert,) = sandbox.failures
    assert codes == [0, 0]
    assert len(sandbox.mails) == 4
    assert ranges(alert) == [(f"{this_hour(5):%Y-%m-%dT%H}", 2)]
    assert lacking(alert) == ([], [])
    assert sandbox.alerted == [f"out_of_reach.{this_hour(5):%Y-%m-%dT%H}"]


def test_without_catching_up_the_hours_of_a_pause_are_neither_sent_nor_alerted(sandbox: Sandbox, run: RunTool) -> None:
    """As in a schedule of working hours."""
    run(JOB_NAME=job(5), REPORT_CATCH_UP="0", **CATCH_UP)

    assert run(JOB_NAME=job(0), REPORT_CATCH_UP="0", **CATCH_UP).code == 0
    assert (len(sandbox.mails), sandbox.alerts) == (2, [])


def test_rows_that_came_late_are_told_once_a_change_with_the_command(sandbox: Sandbox, run: RunTool) -> None:
    """In the log and in the next message."""
    run(JOB_NAME=job(2), **CATCH_UP)
    sandbox.supabase.insert(make_rows(3, start=this_hour(3)))

    told = run(JOB_NAME=job(1), **CATCH_UP)
    again = run(JOB_NAME=job(0), **CATCH_UP)

    remark = ENGLISH.late_rows(make_window(this_hour(3)), 3)
    assert late_rows(told) == [(f"{this_hour(3):%Y-%m-%dT%H}", 3)]
    assert f"REPORT_START={this_hour(3):%Y-%m-%dT%H} REPORT_RESEND=true" in told.log
    assert [remark in mail.text for mail in sandbox.mails] == [False, True, False]
    assert [remark in sent.text for sent in sandbox.messages[2:]] == [True, True, False, False]
    assert late_rows(again) == []


def late_rows(run: Run) -> list[tuple[str, int]]:
    """List the windows for which a run found rows that came late, each with their number."""
    fields = [record.__dict__ for record in run.logged("late_rows")]
    return [(one["window"], one["rows"]) for one in fields]


def test_late_rows_are_looked_for_in_one_cheap_question_or_quietly_not_at_all(sandbox: Sandbox, run: RunTool) -> None:
    """A failing count costs nobody a report."""
    run(JOB_NAME=job(2), **CATCH_UP)
    sandbox.supabase.requests.clear()
    sandbox.supabase.faults.append(Fault(answer=Answer(status=503), match="select=id&"))

    result = run(JOB_NAME=job(1), **CATCH_UP)

    assert (result.code, sandbox.alerts) == (0, [])
    # One for the windows that were delivered; the ten others are about those that this one is compared with.
    assert sum("select=id&created_at=gte" in request.target for request in sandbox.supabase.requests) == 1 + 10


@pytest.mark.parametrize("hours", [8, 200])
def test_all_windows_of_a_long_outage_are_caught_up_or_named(sandbox: Sandbox, run: RunTool, hours: int) -> None:
    """However much longer than the reach it was; an outage of 200 hours is one range and one command."""
    opened_long_ago(sandbox, hours + 1)

    codes = [run(JOB_NAME=job(0), REPORT_CATCH_UP="2", **CATCH_UP).code for _ in range(2)]

    (alert,) = sandbox.failures
    assert (codes, len(sandbox.mails)) == ([0, 0], 3)
    assert f"REPORT_START={this_hour(hours):%Y-%m-%dT%H} REPORT_COUNT={hours - 3} " in alert


def test_hours_out_of_reach_are_named_as_ranges(sandbox: Sandbox, run: RunTool) -> None:
    """What was delivered between them is not sent again by their commands."""
    for back in (9, 6):
        opened_long_ago(sandbox, back)

    run(JOB_NAME=job(0), REPORT_CATCH_UP="2", **CATCH_UP)

    (alert,) = sandbox.failures
    for back in (8, 5):
        assert f"REPORT_START={this_hour(back):%Y-%m-%dT%H} REPORT_COUNT=2 " in alert


def test_ranges_that_one_alert_cannot_hold_are_named_by_the_next_run(sandbox: Sandbox, run: RunTool) -> None:
    """Every other hour was missed; no hour is left unnamed, and none is named twice."""
    for back in range(4, 40, 2):
        opened_long_ago(sandbox, back)

    for _ in range(4):
        run(JOB_NAME=job(0), REPORT_CATCH_UP="2", **CATCH_UP)

    named = [hour for alert in sandbox.failures for hour in re.findall(r"REPORT_START=(\S+)", alert)]
    assert named == [f"{this_hour(back):%Y-%m-%dT%H}" for back in range(37, 4, -2)]
    assert all(len(alert) <= 4096 and "…" not in alert for alert in sandbox.failures)


def test_one_record_that_cannot_be_read_costs_only_its_own_window(sandbox: Sandbox, run: RunTool) -> None:
    """It is alerted once, with the statement that removes it; the other missed hours are caught up."""
    run(JOB_NAME=job(4), **CATCH_UP)
    opened_long_ago(sandbox, 3, record="[]")

    codes = [run(JOB_NAME=job(0), **CATCH_UP).code for _ in range(2)]

    (alert,) = sandbox.failures
    late = [mail for mail in sandbox.mails if mail.message["Subject"].endswith("(late)")]
    assert (codes, len(late), len(sandbox.mails)) == ([1, 0], 2, 4)
    statement = re.search(r"delete from report_deliveries where [^;]+;", alert)
    assert statement
    sandbox.supabase.sql(statement[0])
    assert run(JOB_NAME=job(0), **CATCH_UP).code == 0
    assert len(sandbox.mails) == 5


def test_a_record_that_cannot_be_read_does_not_hide_late_rows_of_other_windows(sandbox: Sandbox, run: RunTool) -> None:
    """On either side of it."""
    for back in (4, 2):
        run(JOB_NAME=job(back), **CATCH_UP)
    opened_long_ago(sandbox, 4, record="[]")
    for back in (5, 3):
        sandbox.supabase.insert(
            make_rows(2, start=this_hour(back), id=f"0000000{back}-0000-4000-8000-000000000000")[:1]
        )

    run(JOB_NAME=job(1), **CATCH_UP)

    remarks = [ENGLISH.late_rows(make_window(this_hour(back)), 1) for back in (5, 3)]
    assert [remark in sandbox.mails[-1].text for remark in remarks] == [True, True]


def test_history_is_read_to_its_end_whatever_the_servers_cap(sandbox: Sandbox, run: RunTool) -> None:
    """With three rows a page, delivered hours beyond the first page are not opened again."""
    for back in range(6, 1, -1):
        run(JOB_NAME=job(back), **CATCH_UP)
    sandbox.supabase.page_cap = 3
    sandbox.supabase.requests.clear()

    result = run(JOB_NAME=job(1), **CATCH_UP)

    claims = [request for request in sandbox.supabase.requests if request.method == "POST"]
    assert (result.code, len(sandbox.mails), len(claims)) == (0, 6, 1)


def test_a_window_asked_for_by_hand_is_no_beginning_to_catch_up_from(sandbox: Sandbox, run: RunTool) -> None:
    """The first scheduled run makes up nothing."""
    run("--start", f"{this_hour(6):%Y-%m-%dT%H}", **CATCH_UP)

    run(JOB_NAME=job(0), **CATCH_UP)

    assert len(sandbox.mails) == 2


def test_an_alert_that_nobody_took_is_raised_again(sandbox: Sandbox, run: RunTool) -> None:
    """Only what somebody was told counts as told."""
    sandbox.bot.blocked = {*CHATS}
    sandbox.mailbox.refused = dict.fromkeys(RECIPIENTS, "550 5.1.1 No such user")
    run(*OPTION, SUPABASE_KEY="sb_secret_of_elsewhere")
    assert sandbox.alerts == []
    sandbox.bot.blocked = set()

    run(*OPTION, SUPABASE_KEY="sb_secret_of_elsewhere")
    run(*OPTION, SUPABASE_KEY="sb_secret_of_elsewhere")

    assert len(sandbox.alerts) == 1


def test_a_jobs_resend_that_is_restarted_sends_only_the_rest(sandbox: Sandbox, run: RunTool) -> None:
    """OnFailure starts the same pod again; nobody gets a third copy for another's refusal."""
    run(*OPTION)
    sandbox.mailbox.refused = {RECIPIENTS[0]: "550 5.1.1 No such user"}
    again = {"REPORT_START": "2026-11-22T13", "REPORT_RESEND": "true", "JOB_NAME": "again-1", "POD_NAME": "again-1-x"}

    codes = [run(**again).code, run(**again).code]

    assert codes == [1, 1]
    assert copies(sandbox) == ((1, 2), (2, 2))


def test_a_resend_to_some_leaves_to_the_others_what_they_are_owed(sandbox: Sandbox, run: RunTool) -> None:
    """A trial to oneself takes an hour from nobody, and those who have it don't get it twice."""
    run(JOB_NAME=job(2), **CATCH_UP)
    run(JOB_NAME=job(1), **CATCH_UP, SMTP_PASSWORD="wrong")
    trial = {"SMTP_TO": "me@example.com", "REPORT_CHANNELS": "email"}
    run("--start", f"{this_hour(2):%Y-%m-%dT%H}", "--resend", **trial, **CATCH_UP)

    assert run(JOB_NAME=job(0), **CATCH_UP).code == 0

    hour = f"{this_hour(2):%Y-%m-%d %H:%M}"
    assert [mail.recipients for mail in sandbox.mails if hour in mail.message["Subject"]] == [
        ("me@example.com",),
        RECIPIENTS,
    ]
    assert len(sandbox.messages) == 3 * len(CHATS)


def test_one_chat_that_is_to_be_left_alone_does_not_give_up_the_other(sandbox: Sandbox, run: RunTool) -> None:
    """Each chat is waited for on its own."""
    sandbox.bot.faults += [
        Fault(answer=refusal(429, "Too Many Requests: retry after 900", retry_after=900)),
        Fault(answer=Answer(status=502)),
    ]

    assert run(*OPTION).code == 1
    assert copies(sandbox) == ((1, 1), (0, 1))


def test_a_chat_that_took_it_is_not_owed_for_another_ones_time_out(sandbox: Sandbox, run: RunTool) -> None:
    """Each chat's outcome is noted before the next one's turn."""
    sandbox.bot.faults += [Fault(), Fault(delay=FOREVER)]

    killed_when(sandbox, lambda: len(sandbox.bot.requests) == 2)

    assert run(*OPTION).code == 0
    assert copies(sandbox)[1] == (1, 1)


def test_two_tables_share_a_ledger_without_taking_each_other_for_delivered(sandbox: Sandbox, run: RunTool) -> None:
    """In one folder, and in one project."""
    for ledger in ("directory", "supabase"):
        run(*OPTION, REPORT_LEDGER=ledger)
        run(*OPTION, REPORT_LEDGER=ledger, SUPABASE_TABLE="analyses_named")

    assert len(sandbox.mails) == 4


def test_windows_out_of_reach_are_named_again_where_nobody_was_told(sandbox: Sandbox, run: RunTool) -> None:
    """An alert that no channel took leaves them as they are, and fails the run: a green monitor would hide them."""
    run(JOB_NAME=job(5), REPORT_CATCH_UP="2", **CATCH_UP)
    sandbox.bot.faults += [Fault(match="sendMessage", answer=refusal(400, "Bad Request: no"))]
    sandbox.mailbox.data_faults += ["", "", "", "554 5.6.0 No"]
    assert run(JOB_NAME=job(0), REPORT_CATCH_UP="2", **CATCH_UP).code == 1
    assert sandbox.failures == []

    run(JOB_NAME=job(0), REPORT_CATCH_UP="2", **CATCH_UP)

    assert len(sandbox.failures) == 1
    assert sandbox.alerted == [f"out_of_reach.{this_hour(5):%Y-%m-%dT%H}"]
    assert run(JOB_NAME=job(0), REPORT_CATCH_UP="2", **CATCH_UP).code == 0
    assert len(sandbox.failures) == 1


def sender_refused(sandbox: Sandbox) -> dict[str, str]:
    """Let the mail server refuse the sender as Postfix does, at each recipient."""
    sandbox.mailbox.refused = dict.fromkeys(RECIPIENTS, "553 5.7.1 Sender address rejected: not owned by user reports")
    return {}


def another_authority(sandbox: Sandbox) -> dict[str, str]:
    """Trust an authority that signed nothing here."""
    path = sandbox.folder / "another-ca.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return {"SSL_CERT_FILE": str(path)}


@pytest.mark.parametrize(
    ("wrong", "channel", "key", "named"),
    [
        (lambda _: {"SMTP_PASSWORD": "wrong"}, "email", "smtp.login", "SMTP_PASSWORD"),
        (lambda _: WRONG_TOKEN, "telegram", "telegram.token", "TELEGRAM_BOT_TOKEN"),
        (sender_refused, "email", "smtp.sender", "SMTP_FROM"),
        (another_authority, "email", "smtp.untrusted", "SSL_CERT_FILE"),
    ],
    ids=["password", "token", "sender", "certificate"],
)
def test_an_hour_of_wrong_credentials_is_delivered_when_they_are_right_again(
    sandbox: Sandbox, run: RunTool, wrong: Callable[[Sandbox], dict[str, str]], channel: str, key: str, named: str
) -> None:
    """By the next run, for the alert says that they are owed it; what reached the others by then reaches them once."""
    run(JOB_NAME=job(2), **CATCH_UP)

    failed = run(JOB_NAME=job(1), **CATCH_UP, **wrong(sandbox))
    sandbox.mailbox.refused = {}
    then = run(JOB_NAME=job(0), **CATCH_UP)

    owed = RECIPIENTS if channel == "email" else CHATS
    assert (failed.code, then.code) == (1, 0)
    assert are_clear(sandbox.alerts) == [False, True]
    assert (key in sandbox.alerted, named in sandbox.alerts[0]) == (True, True)
    assert lacking(sandbox.alerts[0]) == ([f"{channel} to {recipient}" for recipient in owed], [])
    assert copies(sandbox) == ((3, 3), (3, 3))


def test_a_recipient_that_alone_is_refused_for_policy_is_settled(sandbox: Sandbox, run: RunTool) -> None:
    """Who else gets the mail in the same run shows that we may send; the next runs leave that hour alone."""
    run(JOB_NAME=job(2), **CATCH_UP)
    sandbox.mailbox.refused = {RECIPIENTS[0]: "550 5.7.1 Blocked by policy"}
    code = run(JOB_NAME=job(1), **CATCH_UP).code
    sandbox.mailbox.refused = {}

    assert run(JOB_NAME=job(0), **CATCH_UP).code == 0

    (alert,) = sandbox.failures
    assert (code, copies(sandbox)) == (1, ((2, 3), (3, 3)))
    assert lacking(alert) == ([], [f"email to {RECIPIENTS[0]}"])


def test_an_alert_tells_what_is_owed_from_what_is_refused(sandbox: Sandbox, run: RunTool) -> None:
    """Where there are both, it names both; the next run sends it to those alone who are owed it."""
    run(JOB_NAME=job(2), **CATCH_UP)
    sandbox.mailbox.refused = {RECIPIENTS[0]: "550 5.1.1 No such user"}
    run(JOB_NAME=job(1), **WRONG_TOKEN, **CATCH_UP)
    sandbox.mailbox.refused = {}

    run(JOB_NAME=job(0), **CATCH_UP)

    assert lacking(sandbox.failures[0]) == ([f"telegram to {chat}" for chat in CHATS], [f"email to {RECIPIENTS[0]}"])
    assert copies(sandbox) == ((2, 3), (3, 3))


@LEDGERS
def test_a_server_that_never_answers_the_final_dot_gets_one_repeat_a_run(
    sandbox: Sandbox, run: RunTool, ledger: str
) -> None:
    """And a run that follows one such sends once, until it is answered; all under one Message-ID."""
    sandbox.mailbox.data_faults = ["taken, silent"] * 3

    sent = []
    for _ in range(3):
        run(*OPTION, timeouts=SHORT_SEND, REPORT_LEDGER=ledger)
        sent.append(len(sandbox.mails))

    assert sent == [2, 3, 4]
    assert len({mail.message["Message-ID"] for mail in sandbox.mails}) == 1
    assert len(sandbox.messages) == len(CHATS)
    assert are_clear(sandbox.alerts)[-1]


def test_a_run_stopped_while_a_server_is_silent_at_quit_has_noted_the_delivery(sandbox: Sandbox, run: RunTool) -> None:
    """A 250 is the delivery: the next run has nothing to send by mail."""
    sandbox.mailbox.quit_silent = True
    sandbox.bot.faults.append(Fault(delay=FOREVER))

    killed_when(sandbox, lambda: sandbox.mailbox.quits and noted(sandbox, "email") == {"delivered"})

    assert run(*OPTION).code == 0
    assert len(sandbox.mails) == 1


def test_a_server_silent_at_quit_costs_nobody_the_run(sandbox: Sandbox, run: RunTool) -> None:
    """Neither the time limit nor anything else that comes after the 250 makes a delivered mail a failed one."""
    sandbox.mailbox.quit_silent = True

    assert run(*OPTION, timeouts=replace(QUICK, run=10, smtp_quit=20)).code == 0
    assert (copies(sandbox), sandbox.alerts) == (ONCE, [])


@pytest.mark.parametrize(
    ("fault", "code", "alerts"),
    [
        (Fault(answer=Answer(status=503), match="select=window_start%2Crecord"), 0, 0),
        (Fault(answer=Answer(status=403), match="select=window_start%2Crecord"), 1, 1),
        (Fault(answer=Answer(body=b'[{"record": {}}]'), match="select=window_start%2Crecord"), 1, 1),
    ],
    ids=["for a while", "for good", "unforeseen"],
)
def test_a_history_that_cannot_be_read_costs_nobody_the_runs_own_hour(
    sandbox: Sandbox, run: RunTool, fault: Fault, code: int, alerts: int
) -> None:
    """What won't be well by the next run is alerted, for catching up is off until then."""
    run(JOB_NAME=job(1), **CATCH_UP)
    sandbox.supabase.always = fault

    result = run(
        JOB_NAME=job(0), timeouts=Timeouts(first_wait=0.01, longest_wait=0.05, history=0.5, run=60), **CATCH_UP
    )

    assert (result.code, len(sandbox.failures), len(sandbox.mails)) == (code, alerts, 2)


def test_many_records_that_cannot_be_read_are_named_a_few_at_a_time(sandbox: Sandbox, run: RunTool) -> None:
    """Each once, and none is lost to the length of an alert."""
    run(JOB_NAME=job(20), **CATCH_UP)
    for back in range(5, 17):
        opened_long_ago(sandbox, back, record="[]")

    codes = [run(JOB_NAME=job(0), **CATCH_UP).code for _ in range(4)]

    bodies = [alert.partition("\n")[2] for alert in sandbox.failures]  # the first line repeats the first cause
    named = [hour for body in bodies for hour in re.findall(r"window from (\S+)Z ", body)]
    assert sorted(named) == [f"{this_hour(back):%Y-%m-%dT%H:%M}" for back in range(16, 4, -1)]
    assert codes == [1, 1, 1, 0]


def test_rows_of_an_hour_that_nobody_has_yet_are_not_told_as_late(sandbox: Sandbox, run: RunTool) -> None:
    """They are in the report when it is sent."""
    run(JOB_NAME=job(3), **CATCH_UP)
    run(JOB_NAME=job(2), SMTP_PASSWORD="wrong", **WRONG_TOKEN, **CATCH_UP)
    sandbox.supabase.insert(make_rows(3, start=this_hour(3)))

    result = run(JOB_NAME=job(1), **CATCH_UP)

    assert late_rows(result) == []
    assert not any("late" in mail.text for mail in sandbox.mails[:-1])
    assert "Analyses: 3" in sandbox.mails[-1].text


def test_a_failure_after_an_all_clear_is_alerted_again(sandbox: Sandbox, run: RunTool) -> None:
    """It is news."""
    run(*OPTION, SMTP_PASSWORD="wrong")
    run(*OPTION)
    run(*OPTION, "--resend", SMTP_PASSWORD="wrong")

    assert are_clear(sandbox.alerts) == [False, True, False]


def test_a_resend_of_an_hour_that_nobody_opened_sends_once_when_its_job_restarts(
    sandbox: Sandbox, run: RunTool
) -> None:
    """Those who have it by then get no second copy."""
    sandbox.mailbox.refused = {RECIPIENTS[0]: "550 5.1.1 No such user"}
    again = {"REPORT_START": "2026-11-22T13", "REPORT_RESEND": "true", "JOB_NAME": "again-1", "POD_NAME": "again-1-x"}

    codes = [run(**again).code, run(**again).code]

    assert (codes, copies(sandbox)) == ([1, 1], ((0, 1), (1, 1)))


def test_hours_named_once_are_not_named_again_after_the_next_outage(sandbox: Sandbox, run: RunTool) -> None:
    """However long that one is: what was told stays told."""
    opened_long_ago(sandbox, 40)
    run(JOB_NAME=job(20), REPORT_CATCH_UP="2", **CATCH_UP)

    run(JOB_NAME=job(0), REPORT_CATCH_UP="2", **CATCH_UP)

    first, second = sandbox.failures
    assert f"REPORT_START={this_hour(39):%Y-%m-%dT%H}" in first
    assert f"{this_hour(39):%Y-%m-%dT%H}" not in second
    assert f"REPORT_START={this_hour(20):%Y-%m-%dT%H} REPORT_COUNT=17 " in second


@pytest.mark.long
def test_a_mailbox_that_says_later_for_hours_keeps_no_missed_hour_from_the_others(
    sandbox: Sandbox, run: RunTool
) -> None:
    """Each window's attempts get a part of the time, so that the last one has its turn too."""
    run(JOB_NAME=job(4), **CATCH_UP)
    sandbox.mailbox.refused = {RECIPIENTS[0]: "452 4.2.2 Mailbox full"}

    result = run(JOB_NAME=job(0), timeouts=replace(QUICK, run=12), **CATCH_UP)

    hours = [f"{this_hour(back):%Y-%m-%d %H:%M}" for back in (5, 1, 4, 3, 2)]
    assert [hour in mail.message["Subject"] for hour, mail in zip(hours, sandbox.mails, strict=True)] == [True] * 5
    assert (result.code, copies(sandbox), len(sandbox.alerts)) == (1, ((1, 5), (5, 5)), 1)
    sandbox.mailbox.refused = {}
    assert run(JOB_NAME=job(0), **CATCH_UP).code == 0
    assert copies(sandbox) == ((5, 5), (5, 5))
