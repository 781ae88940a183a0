"""The ledger in Supabase: pods that overlap or end send each report once, and its table answers the pages' queries."""

import json
import re
from collections.abc import Callable
from contextlib import ExitStack

from ..builders import OPTION, START
from ..conftest import Run
from ..faults import ONCE, arrived, copies
from ..pages import section
from ..processes import started, wait_until
from ..sandbox import CHATS, RECIPIENTS, Sandbox
from ..sandbox.supabase import Hold
from .test_ledger import job, this_hour

RunTool = Callable[..., Run]
TABLE = {"REPORT_LEDGER": "supabase"}


def claims(sandbox: Sandbox, pod: str) -> int:
    """Count the times that a pod asked for a claim, or renewed it."""
    asked = [json.loads(request.body) for request in sandbox.supabase.requests if request.method in ("PATCH", "POST")]
    return sum(str(change["holder"]).startswith(f"{pod}.") for change in asked)


def test_four_claimants_at_once_send_once(sandbox: Sandbox) -> None:
    """Each in a folder of its own, as pods have them."""
    sandbox.supabase.fill(30, start=START)
    with ExitStack() as stack:
        processes = []
        for number in range(4):
            folder = sandbox.folder / f"pod-{number}"
            folder.mkdir()
            pod = {"POD_NAME": folder.name, "REPORT_DIR": str(folder)}
            processes.append(stack.enter_context(started(sandbox, *OPTION, **pod, **TABLE)))
        codes = [process.wait(timeout=60) for process in processes]

    assert (codes, copies(sandbox)) == ([0] * 4, ONCE)


def test_the_claim_of_a_dead_pod_is_taken_over_when_its_lease_is_over(sandbox: Sandbox) -> None:
    """Not before, where nobody else can know that it has ended; then all that it had not sent is sent."""
    sandbox.supabase.fill(30, start=START)
    hold = sandbox.supabase.hold = Hold(page=1)
    with started(sandbox, *OPTION, POD_NAME="pod-1", **TABLE) as first:
        hold.wait_until_reached()
        first.kill()
    hold.released.set()
    elsewhere = sandbox.folder / "pod-2"
    elsewhere.mkdir()

    with started(sandbox, *OPTION, POD_NAME="pod-2", REPORT_DIR=str(elsewhere), **TABLE) as second:
        wait_until(lambda: claims(sandbox, "pod-2") == 2, second)
        (row,) = sandbox.supabase.sql("select holder from report_deliveries")
        assert row["holder"].startswith("pod-1.")
        # Its trigger counts from now.
        sandbox.supabase.sql("update report_deliveries set lease_seconds = -1")
        code = second.wait(timeout=60)

    assert (code, copies(sandbox)) == (0, ONCE)
    assert arrived(sandbox) == sandbox.supabase.ids(start=START)


def test_the_queries_of_the_monitoring_page_tell_who_got_what_and_which_hours_are_missing(
    sandbox: Sandbox, run: RunTool
) -> None:
    """As somebody pastes them into the SQL editor."""
    sandbox.supabase.fill(30, start=this_hour(2))
    run(JOB_NAME=job(1), **TABLE)
    who, missing, claimed = re.findall(
        r"^```sql\n(.+?)^```", section("monitoring", "Ask the ledger"), re.MULTILINE | re.DOTALL
    )

    states = [(row["channel"], row["recipient"], row["state"]) for row in sandbox.supabase.sql(who)]
    assert states == [
        *(("email", address, "delivered") for address in RECIPIENTS),
        *(("telegram", chat, "delivered") for chat in sorted(CHATS)),
    ]
    hours = {row["hour"] for row in sandbox.supabase.sql(missing)}
    assert hours == {this_hour(back) for back in range(1, 25)} - {this_hour(2)}
    assert sandbox.supabase.sql(claimed) == []

    sandbox.supabase.sql("update report_deliveries set record = jsonb_set(record, '{entries,0,state}', '\"owed\"')")
    owed = [(row["hour"], row["state"]) for row in sandbox.supabase.sql(missing) if row["state"] != "not opened"]
    assert owed == [(this_hour(2), "owed")]
