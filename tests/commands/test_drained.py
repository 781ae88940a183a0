"""A drained node: what the Job's next pod does is left to it; what nobody would see is alerted."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from ..conftest import Run
from ..faults import ONCE, copies
from ..pipeline.test_outages import BEGIN, Sigterm, job_at
from ..sandbox import RECIPIENTS, Sandbox
from ..sandbox.web import FOREVER, Fault

RunTool = Callable[..., Run]
KEEP_LOGS = {"REPORT_LEDGER": "supabase", "SEQUENTIAL_JOB_UID": "0b0e7a52-5d1c"}
PAGE, LEDGER = "order=created_at", "report_deliveries"
"""What the run asks for when SIGTERM comes: a page of rows, its window opened; or the ledger, for the first time."""


def hour(run: RunTool, number: int, *, late: timedelta = timedelta(minutes=2), **changes: str) -> Run:
    """Run the Job of an hour in a pod of its own, `late` after it was due."""
    due = BEGIN.replace(minute=0) + timedelta(hours=number)
    return run(clock=lambda: due + late, **{"JOB_NAME": job_at(due)} | KEEP_LOGS | changes)


def drain(sandbox: Sandbox, match: str) -> None:
    """Let SIGTERM come with the first request that matches."""
    sandbox.supabase.faults.append(Fault(until=Sigterm(), hold=FOREVER, match=match))


def errors(result: Run) -> list[str]:
    """List the errors in the log of a run."""
    return [record.getMessage() for record in result.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("moment", [PAGE, LEDGER])
def test_a_drained_node_is_a_warning_and_the_next_pod_sends_the_hour(
    sandbox: Sandbox, run: RunTool, moment: str
) -> None:
    """No error, no alert, and no failure for the monitor, which the next pod tells how it ended."""
    monitor: dict[str, Any] = {"HEARTBEAT_URL": sandbox.monitor.check_url}
    hour(run, 0)
    mails = len(sandbox.mails)
    drain(sandbox, moment)

    stopped = hour(run, 1, **monitor)
    pings = [path for path, _ in sandbox.monitor.pings]
    again = hour(run, 1, **monitor)

    assert (stopped.code, errors(stopped), pings) == (143, [], ["/start"])
    assert [record.levelname for record in stopped.logged("stopped")] == ["WARNING"]
    assert (again.code, len(sandbox.mails) - mails, sandbox.alerts) == (0, 1, [])
    assert [path for path, _ in sandbox.monitor.pings] == ["/start", "/start", ""]


def test_the_first_hour_of_a_ledger_is_left_to_the_next_pod_once_it_is_opened(sandbox: Sandbox, run: RunTool) -> None:
    """The next hour's run sees it then; nothing else does."""
    drain(sandbox, PAGE)
    stopped = hour(run, 0)

    assert (stopped.code, errors(stopped), hour(run, 1).code) == (143, [], 0)
    assert (len(sandbox.mails), sandbox.alerts) == (2, [])


@pytest.mark.parametrize(
    ("moment", "changes", "late"),
    [
        pytest.param(PAGE, {"SEQUENTIAL_JOB_UID": ""}, 120, id="without keep-logs"),
        pytest.param(PAGE, {"REPORT_LEDGER": "directory"}, 120, id="a ledger that ends with its pod"),
        pytest.param(PAGE, {"JOB_NAME": "test-report"}, 120, id="made by hand"),
        pytest.param(PAGE, {"REPORT_START": "2026-11-08T13"}, 120, id="an hour that was named"),
        pytest.param(PAGE, {"REPORT_ONLY": RECIPIENTS[0]}, 120, id="some of the recipients"),
        pytest.param(PAGE, {"REPORT_CATCH_UP": "0"}, 120, id="no catching up"),
        pytest.param(PAGE, {}, 800, id="no time for another attempt"),
        pytest.param(LEDGER, {}, 120, id="an empty ledger"),
    ],
)
def test_a_stop_that_no_other_pod_surely_makes_good_is_alerted(
    sandbox: Sandbox, run: RunTool, moment: str, changes: dict[str, str], late: int
) -> None:
    """As an error, to operators and monitor."""
    drain(sandbox, moment)

    result = hour(run, 0, late=timedelta(seconds=late), HEARTBEAT_URL=sandbox.monitor.check_url, **changes)

    assert (result.code, sandbox.alerted, sandbox.monitor.pings[-1][0]) == (143, ["stopped"], "/fail")
    assert errors(result)


class ReadOnly(Sigterm):
    """Comes with a ledger that may not be written any more."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__()
        self._sandbox = sandbox

    def wait(self, timeout: float | None = None) -> bool:
        """Revoke the right, then send it."""
        self._sandbox.supabase.sql("revoke update on report_deliveries from service_role")
        return super().wait(timeout)


def test_a_stop_that_the_ledger_cannot_keep_is_alerted(sandbox: Sandbox, run: RunTool) -> None:
    """Nobody knows then whether a later run sees it."""
    hour(run, 0)
    sandbox.supabase.faults.append(Fault(until=ReadOnly(sandbox), hold=FOREVER, match=PAGE))
    try:
        result = hour(run, 1)
    finally:
        sandbox.supabase.sql("grant update on report_deliveries to service_role")

    assert (result.code, sandbox.alerted) == (143, ["stopped"])


def test_an_hour_that_nobody_sends_after_drained_nodes_is_alerted_by_a_later_run(
    sandbox: Sandbox, run: RunTool
) -> None:
    """Three stops in a row without a word are as many killed runs."""
    hour(run, 0)
    for _ in range(3):
        drain(sandbox, PAGE)
        hour(run, 1)
    assert sandbox.alerts == []

    assert hour(run, 2).code == 1

    assert sandbox.alerted == [f"silent_runs.{BEGIN:%Y-%m-%dT%H}"]


def test_a_stop_when_all_is_sent_is_no_failure_for_the_monitor(sandbox: Sandbox, run: RunTool) -> None:
    """The next pod finds that everybody has it."""
    drain(sandbox, "/object/list/")
    monitor: dict[str, Any] = {
        "HEARTBEAT_URL": sandbox.monitor.check_url,
        "REPORT_KEEP_DAYS": "35",
        "REPORT_BUCKET": "reports",
    }

    stopped, again = hour(run, 0, **monitor), hour(run, 0, **monitor)

    assert (stopped.code, errors(stopped), again.code, copies(sandbox)) == (143, [], 0, ONCE)
    assert [path for path, _ in sandbox.monitor.pings] == ["/start", "/start", ""]
