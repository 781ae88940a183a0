"""A window in which runs end without a word is stepped over in the end, and told of once."""

import json
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from ..alerts import lacking, ranges
from ..builders import OPTION, QUICK, make_rows
from ..conftest import Run
from ..faults import copies
from ..processes import killed_when, started, wait_until
from ..sandbox import CHATS, RECIPIENTS, Sandbox
from ..sandbox.web import FOREVER, Answer, Fault
from .test_ledger import CATCH_UP, LEDGERS, ONCE, everyone_has, job, opened_long_ago, this_hour

pytestmark = pytest.mark.sampled

RunTool = Callable[..., Run]
POD = {"POD_NAME": "reports-generator-1", **CATCH_UP}


def kill(sandbox: Sandbox, times: int, **changes: str) -> None:
    """Kill runs while they read the rows, as often as that, as a memory limit does."""
    for _ in range(times):
        sandbox.supabase.faults.append(Fault(delay=FOREVER, match="order=created_at"))
        sandbox.supabase.requests.clear()
        with started(sandbox, **changes) as process:
            wait_until(lambda: any("order=created_at" in one.target for one in sandbox.supabase.requests), process)
            process.kill()
        sandbox.supabase.faults.clear()


def hours(sandbox: Sandbox) -> list[str]:
    """List the hours whose reports came by mail."""
    return [str(mail.message["Subject"]).partition("Hourly Report - ")[2][:16] for mail in sandbox.mails]


def shown(back: int) -> str:
    """Write the hour `back` hours ago as a subject does."""
    return f"{this_hour(back):%Y-%m-%d %H:%M}"


def test_after_three_runs_that_were_killed_a_window_is_stepped_over_and_told_of_once(
    sandbox: Sandbox, run: RunTool
) -> None:
    """The hours after it are sent; the command of the alert sends it, and then all is as ever."""
    run(JOB_NAME=job(3), **POD)
    kill(sandbox, 3, JOB_NAME=job(2), **POD)

    told, later = run(JOB_NAME=job(1), **POD), run(JOB_NAME=job(0), **POD)

    (alert,) = sandbox.alerts
    hour = f"{this_hour(3):%Y-%m-%dT%H}"
    assert (told.code, later.code) == (1, 0)
    assert hours(sandbox) == [shown(4), shown(2), shown(1)]
    assert (told.events.count("stepped_over"), sandbox.alerted) == (1, [f"silent_runs.{hour}"])
    assert (ranges(alert), lacking(alert)) == ([(hour, 1)], ([], []))
    assert run(REPORT_START=f"{this_hour(3):%Y-%m-%dT%H}", JOB_NAME="again-1", **POD).code == 0
    assert run(JOB_NAME=job(0), **POD).code == 0
    assert hours(sandbox) == [shown(4), shown(2), shown(1), shown(3)]


def test_a_window_whose_runs_were_killed_twice_is_caught_up(sandbox: Sandbox, run: RunTool) -> None:
    """And the runs that ended with a word since count from the beginning."""
    run(JOB_NAME=job(3), **POD)
    kill(sandbox, 2, JOB_NAME=job(2), **POD)

    assert run(JOB_NAME=job(1), **POD).code == 0
    assert (hours(sandbox), sandbox.alerts) == ([shown(4), shown(2), shown(3)], [])
    records = sandbox.supabase.sql("select record from report_deliveries order by window_start")
    assert [(row["record"]["attempts"], row["record"]["silent"]) for row in records] == [(1, 0), (3, 0), (1, 0)]


def test_a_run_that_is_stopped_or_fails_has_ended_with_a_word(sandbox: Sandbox, run: RunTool) -> None:
    """However often: it was alerted, and catch-up goes on trying."""
    run(JOB_NAME=job(3), **POD)
    for _ in range(3):
        run(JOB_NAME=job(2), SMTP_PASSWORD="wrong", **POD)

    assert run(JOB_NAME=job(1), **POD).code == 0
    assert hours(sandbox) == [shown(4), shown(2), shown(3)]


def test_a_stop_by_sigterm_is_a_word(sandbox: Sandbox, run: RunTool) -> None:
    """A drained node is no reason to step over an hour."""
    run(JOB_NAME=job(2), **POD)
    sandbox.supabase.faults.append(Fault(delay=FOREVER, match="order=created_at"))
    sandbox.supabase.requests.clear()
    with started(sandbox, JOB_NAME=job(1), **POD) as process:
        wait_until(lambda: any("order=created_at" in one.target for one in sandbox.supabase.requests), process)
        process.terminate()
        assert process.wait(60) == 143

    records = sandbox.supabase.sql("select record from report_deliveries order by window_start")
    assert [(row["record"]["attempts"], row["record"]["silent"]) for row in records] == [(1, 0), (1, 0)]


@pytest.mark.parametrize("back", [2, 4])
def test_a_stuck_window_of_which_nobody_could_be_told_is_told_of_by_a_later_run(
    sandbox: Sandbox, run: RunTool, back: int
) -> None:
    """In reach or beyond it."""
    run(JOB_NAME=job(back + 1), **POD)
    sandbox.supabase.sql("update report_deliveries set scheduled = true")
    start = this_hour(back + 1)
    record = {"template": "hourly", "start": start.isoformat(), "scheduled": True, "silent": 3, "attempts": 3}
    record["entries"] = [{"channel": "email", "recipient": RECIPIENTS[0], "state": "owed"}]
    sandbox.supabase.sql(
        "insert into report_deliveries (name, template, source, zone, window_start, record, scheduled) "
        "select name, template, source, zone, $1, $2, true from report_deliveries limit 1",
        start.isoformat(),
        json.dumps(record),
    )
    sandbox.bot.blocked = {*CHATS}
    sandbox.mailbox.data_faults += ["", "554 5.6.0 No"]
    untold = run(JOB_NAME=job(1), REPORT_CHANNELS="email", REPORT_CATCH_UP="3", **POD)
    sandbox.bot.blocked = set()

    told = run(JOB_NAME=job(0), REPORT_CATCH_UP="3", **POD)

    assert untold.code == 1
    assert f"REPORT_START={start:%Y-%m-%dT%H}" in "".join(sandbox.alerts)
    assert shown(back + 1) not in hours(sandbox)
    assert "not_delivered" not in told.events


def leave_stuck(sandbox: Sandbox, back: int) -> dict[str, object]:
    """Leave the record of an hour in which runs ended without a word; return it."""
    entry = {"channel": "email", "recipient": RECIPIENTS[0], "state": "owed"}
    record: dict[str, object] = {"template": "hourly", "start": this_hour(back).isoformat(), "scheduled": True}
    record |= {"silent": 3, "attempts": 3, "entries": [entry]}
    opened_long_ago(sandbox, back, json.dumps(record))
    return record


DELIVERED = {"entries": [{"channel": "email", "recipient": RECIPIENTS[0], "state": "delivered"}]}


@pytest.mark.parametrize("since", [{"silent": 0}, DELIVERED, {"given_up": True}], ids=["tried", "delivered", "told"])
def test_an_hour_that_somebody_saw_to_since_the_history_was_read_is_not_told_of(
    sandbox: Sandbox, run: RunTool, since: dict[str, object]
) -> None:
    """The run's own hour takes minutes, and meanwhile somebody sends the one that was stuck, or another run tells."""
    run(JOB_NAME=job(2), **POD)
    record = leave_stuck(sandbox, 2) | since

    sandbox.bot.before_each = lambda _: opened_long_ago(sandbox, 2, json.dumps(record))

    result = run(JOB_NAME=job(0), REPORT_CATCH_UP="1", **POD)

    assert (result.code, sandbox.alerts) == (0, [])
    assert "stepped_over" not in result.events


def test_an_alert_on_a_stuck_hour_that_took_long_is_noted_all_the_same(sandbox: Sandbox, run: RunTool) -> None:
    """As long as the run has time, or the next one would tell it again."""
    run(JOB_NAME=job(2), **POD)
    leave_stuck(sandbox, 2)
    busy = Answer(status=503, headers={"retry-after": "3"})

    def note_later(target: str) -> None:
        if "/sendMessage" in target:
            sandbox.supabase.faults.append(Fault(answer=busy, match="report_deliveries"))

    sandbox.bot.before_each = note_later
    code = run(JOB_NAME=job(0), REPORT_CATCH_UP="1", timeouts=replace(QUICK, alert_note=3), **POD).code
    sandbox.bot.before_each = None

    assert (code, sandbox.supabase.faults) == (1, [])
    assert run(JOB_NAME=job(0), REPORT_CATCH_UP="1", **POD).code == 0
    assert len(sandbox.alerts) == 1


def test_a_ledger_that_fails_after_an_alert_on_a_stuck_hour_is_a_warning(sandbox: Sandbox, run: RunTool) -> None:
    """The run's own hour was delivered, and everybody knows what there is to know."""
    run(JOB_NAME=job(2), **POD)
    leave_stuck(sandbox, 2)
    refused = Fault(answer=Answer(status=400), match="report_deliveries")

    def refuse(target: str) -> None:
        if "/sendMessage" in target:
            sandbox.supabase.always = refused

    sandbox.bot.before_each = refuse
    result = run(JOB_NAME=job(0), REPORT_CATCH_UP="1", **POD)

    assert (result.code, len(sandbox.alerts)) == (1, 1)
    levels = {record.levelname for record in result.logged("ledger_failed")}
    assert (levels, "ledger.rejected" in result.keys, "failed" in result.events) == ({"WARNING"}, True, False)
    assert hours(sandbox) == [shown(3), shown(1)]


@LEDGERS
def test_a_run_that_was_killed_has_been_counted(sandbox: Sandbox, run: RunTool, ledger: str) -> None:
    """Before it read a row; the second run delivers all, once."""
    rows = make_rows(3)
    sandbox.supabase.insert(rows)
    sandbox.supabase.faults.append(Fault(delay=FOREVER, match="/analyses"))
    pod = {"REPORT_LEDGER": ledger, "POD_NAME": "reports-generator-1"}
    killed_when(sandbox, lambda: any("/analyses" in one.target for one in sandbox.supabase.requests), **pod)

    listed = run("--deliveries", "2026-11-22T13", **pod).output

    assert run(*OPTION, **pod).code == 0
    assert copies(sandbox) == ONCE
    assert everyone_has(sandbox, rows)
    (line, *_) = (line for line in listed.splitlines() if RECIPIENTS[0] in line)
    assert line.split()[-1] == "1"
