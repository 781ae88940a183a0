"""A run that is stopped when its report is done."""

import json

import pytest

from ..builders import OPTION, make_rows
from ..processes import LONGEST, started, wait_until
from ..sandbox import Sandbox
from ..sandbox.web import Fault

FOREVER = 600.0


def test_a_stop_during_the_last_ping_changes_nothing(sandbox: Sandbox) -> None:
    """Everyone has the report: the exit code and the last line say so, and nobody is alerted."""
    sandbox.supabase.insert(make_rows(3))
    sandbox.monitor.faults += [Fault(), Fault(delay=FOREVER)]
    with started(sandbox, *OPTION, HEARTBEAT_URL=sandbox.monitor.check_url, LOG_FORMAT="json") as process:
        wait_until(lambda: len(sandbox.monitor.requests) == 2, process)
        process.terminate()
        _, log = process.communicate(timeout=LONGEST)

    assert process.returncode == 0
    assert json.loads(log.splitlines()[-1])["code"] == 0
    assert "Traceback" not in log
    assert sandbox.alerts == []


@pytest.mark.parametrize("ledger", ["directory", "supabase"])
def test_a_stop_behind_the_delivery_alerts_nobody(sandbox: Sandbox, ledger: str) -> None:
    """An alert would ask for what was sent to be sent again."""
    sandbox.supabase.insert(make_rows(3))
    job = {"JOB_NAME": "reports-generator-29730540", "REPORT_KEEP_DAYS": "35", "REPORT_BUCKET": "reports"}
    sandbox.supabase.always = Fault(delay=FOREVER, match="/object/list/")
    with started(sandbox, REPORT_LEDGER=ledger, LOG_FORMAT="json", **job) as process:
        wait_until(lambda: any("/object/list/" in one.target for one in sandbox.supabase.requests), process)
        process.terminate()
        _, log = process.communicate(timeout=LONGEST)

    assert process.returncode == 143
    last = json.loads(log.splitlines()[-1])
    assert (last["event"], last["code"], last["key"]) == ("run", 143, "stopped")
    assert sandbox.alerts == []
