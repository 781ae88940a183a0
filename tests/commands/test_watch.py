"""`--watch` alerts when reports that were due are not settled: once, once a day, and when it is over."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from src.domain.window import HOUR
from src.errors import Stage

from ..alerts import are_clear, ranges
from ..builders import NO_TIME
from ..conftest import Run
from ..pipeline.test_outages import BEGIN, FULL, GONE, Play, job_at
from ..sandbox import RECIPIENTS, Sandbox
from ..sandbox.web import Answer, Fault

RunTool = Callable[..., Run]
TABLE = {"REPORT_LEDGER": "supabase"}


def due(number: int) -> datetime:
    """Return when the report of an hour is due: 0 is that of BEGIN."""
    return BEGIN.replace(minute=0) + number * HOUR


def report(run: RunTool, number: int, **changes: str) -> Run:
    """Run the scheduled Job of an hour, two minutes past it."""
    at = due(number)
    return run(clock=lambda: at + timedelta(minutes=2), timeouts=NO_TIME, **{"JOB_NAME": job_at(at)} | TABLE | changes)


def watch(run: RunTool, number: int, minute: int = 30, **changes: str) -> Run:
    """Run the watchdog half an hour after the report of an hour was due."""
    job = {"JOB_NAME": f"watchdog-{int(due(number).timestamp()) // 60 + 30}", "CRONJOB_NAME": "reports-generator"}
    at = due(number) + timedelta(minutes=minute)
    return run("--watch", clock=lambda: at, timeouts=NO_TIME, **job | TABLE | changes)


def test_reports_that_stop_are_alerted_once_a_day_and_at_their_end(sandbox: Sandbox, run: RunTool) -> None:
    """As after a lost node, or while the CronJob is suspended; the reports' own runs say nothing of it."""
    codes = [report(run, 0).code, watch(run, 0).code]
    codes += [watch(run, number).code for number in (1, 2, 25)]
    first, second = sandbox.alerts

    Play(sandbox=sandbox, run=run, place="table").pass_by(25, 0)
    codes += [report(run, 26).code, watch(run, 26).code, watch(run, 27, minute=5).code]

    assert codes == [0, 0, 1, 1, 1, 0, 0, 0]
    assert sandbox.alerted == ["watch.not_settled"]
    assert [ranges(one) for one in (first, second)] == [[("2026-11-09T00", 1)], [("2026-11-09T01", 24)]]
    assert are_clear(sandbox.alerts) == [False, False, True]
    assert Stage.WATCH in sandbox.alerts[-1].lower()


def test_the_command_of_the_alert_makes_a_job_of_the_reports_cronjob(sandbox: Sandbox, run: RunTool) -> None:
    """Not one of the watchdog's."""
    report(run, 0)
    watch(run, 1)

    assert "--from=cronjob/reports-generator " in sandbox.alerts[0]


@pytest.mark.parametrize("number", [0, 1, 5])
def test_a_ledger_in_which_no_run_began_has_nothing_due(sandbox: Sandbox, run: RunTool, number: int) -> None:
    """A new deployment is not alerted of; nor does a run by hand make earlier or later hours due."""
    run("--start", "2026-11-09T00", **TABLE)

    assert (watch(run, number).code, sandbox.alerts) == (0, [])


def test_hours_before_the_first_scheduled_one_are_not_due(sandbox: Sandbox, run: RunTool) -> None:
    """And the hour of a run that still has time is not yet."""
    report(run, 3)

    assert [watch(run, 3).code, watch(run, 4, minute=13).code, watch(run, 4, minute=14).code] == [0, 0, 1]
    assert ranges(sandbox.alerts[0]) == [("2026-11-09T03", 1)]


@pytest.mark.parametrize(
    ("refusal", "code"), [(GONE, 0), (FULL, 1)], ids=["refused, which was alerted", "owed for as long as it takes"]
)
def test_what_a_run_has_alerted_of_for_good_is_settled(sandbox: Sandbox, run: RunTool, refusal: str, code: int) -> None:
    """No later run sends that; what is owed is not settled, whatever was alerted."""
    sandbox.mailbox.refused = {RECIPIENTS[0]: refusal}
    assert report(run, 0).code == 1
    told = len(sandbox.alerts)

    assert (watch(run, 0).code, len(sandbox.alerts) - told) == (code, code)


def test_a_skipped_hour_is_settled(sandbox: Sandbox, run: RunTool) -> None:
    """Nobody is to get it."""
    report(run, 0, REPORT_WHEN_EMPTY="skip")

    assert (sandbox.mails, watch(run, 0).code, sandbox.alerts) == ([], 0, [])


@pytest.mark.parametrize(("given_up", "code"), [(True, 0), (False, 1)])
def test_an_hour_that_is_left_to_people_is_settled(sandbox: Sandbox, run: RunTool, given_up: bool, code: int) -> None:
    """They were told by the run that stepped over it."""
    report(run, 0)
    change = {"given_up": given_up, "entries": [], "silent": 3}
    sandbox.supabase.sql("update report_deliveries set record = record || $1::jsonb", json.dumps(change))

    assert watch(run, 0).code == code


def test_a_record_that_cannot_be_read_is_not_settled(sandbox: Sandbox, run: RunTool) -> None:
    """Nobody knows then who has the report."""
    report(run, 0)
    sandbox.supabase.sql("update report_deliveries set record = '{}'")

    assert (watch(run, 0).code, sandbox.alerted) == (1, ["watch.not_settled"])


def test_a_day_is_watched_like_an_hour(sandbox: Sandbox, run: RunTool) -> None:
    """In the zone of the report."""
    daily: dict[str, Any] = {"REPORT_TEMPLATE": "daily", "REPORT_TIMEZONE": "Europe/Moscow"}
    report(run, 21, **daily)  # midnight there
    codes = [watch(run, number, **daily).code for number in (21, 44, 45)]

    assert (codes, ranges(sandbox.alerts[0])) == ([0, 0, 1], [("2026-11-10", 1)])


def test_what_the_reports_noted_in_their_folder_is_left_to_them(sandbox: Sandbox, run: RunTool) -> None:
    """Where both share one: the watchdog gives no all-clear of what a report alerted."""
    report(run, 0)
    tables = "report_deliveries, report_notices"
    sandbox.supabase.sql(f"revoke all on {tables} from service_role")
    try:
        report(run, 1)
    finally:
        sandbox.supabase.sql(f"grant select, insert, update, delete on {tables} to service_role")
    sandbox.supabase.sql("update report_deliveries set window_start = window_start + interval '1 hour'")

    codes = [watch(run, 1).code]
    told = are_clear(sandbox.alerts)
    codes += [report(run, 2).code]

    assert (codes, told, are_clear(sandbox.alerts)) == ([0, 0], [False], [False, True])


def test_a_ledger_that_cannot_be_read_is_alerted_until_it_can(sandbox: Sandbox, run: RunTool) -> None:
    """Once, and its end too."""
    report(run, 0)
    sandbox.supabase.sql("revoke select on report_deliveries from service_role")
    try:
        codes = [watch(run, 0).code, watch(run, 0).code]
    finally:
        sandbox.supabase.sql("grant select on report_deliveries to service_role")

    assert ([*codes, watch(run, 0).code], sandbox.alerted) == ([1, 1, 0], ["ledger.permission"])
    assert are_clear(sandbox.alerts) == [False, True]


def test_a_project_that_is_down_is_alerted(sandbox: Sandbox, run: RunTool) -> None:
    """Where nothing can be noted, by every watchdog."""
    sandbox.supabase.always = Fault(answer=Answer(status=503))

    assert (watch(run, 0).code, sandbox.alerted) == (1, ["ledger.gateway"])


def test_a_ledger_in_a_folder_cannot_be_watched(sandbox: Sandbox, run: RunTool) -> None:
    """It ends with its pod."""
    result = watch(run, 0, REPORT_LEDGER="directory")

    assert (result.code, result.keys, sandbox.alerts) == (2, ["settings"], [])
    assert "REPORT_LEDGER" in result.log


def test_it_changes_nothing_in_the_ledger_and_tells_the_monitor_nothing(sandbox: Sandbox, run: RunTool) -> None:
    """A ping would stand for a report's run."""
    report(run, 0)
    before = sandbox.supabase.sql("select * from report_deliveries")

    watch(run, 1, HEARTBEAT_URL=sandbox.monitor.check_url)

    assert sandbox.supabase.sql("select * from report_deliveries") == before
    assert sandbox.monitor.pings == []


def test_it_clears_no_notice_of_the_reports_runs(sandbox: Sandbox, run: RunTool) -> None:
    """What they alerted of is theirs to call over."""
    notices = "select * from report_notices where key <> 'looked' order by key"
    sandbox.mailbox.refused = {RECIPIENTS[0]: GONE}
    report(run, 0)
    before = sandbox.supabase.sql(notices)

    assert watch(run, 0).code == 0
    assert len(before) > 1
    assert sandbox.supabase.sql(notices) == before


def test_a_check_says_who_notices_that_runs_stop(sandbox: Sandbox, run: RunTool) -> None:
    """Nobody; --watch, as long as it looks; or the monitor, which has a line of its own."""

    def line(number: int, **changes: str) -> str:
        check = run("--check", clock=lambda: due(number), timeouts=NO_TIME, **TABLE | changes)
        return "".join(one for one in check.output.splitlines() if " watch " in one)

    before = line(1)
    watch(run, 1)
    looked = f"{due(1) + timedelta(minutes=30):%Y-%m-%d %H:%M}"

    assert [looked in one for one in (before, line(2), line(200))] == [False, True, False]
    assert (before[:4], line(2)[:4], "HEARTBEAT_URL" in before) == ("NOTE", "OK  ", True)
    assert line(2, HEARTBEAT_URL=sandbox.monitor.check_url) == ""
