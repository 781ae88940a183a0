"""The ledger in Supabase: pods that overlap or end send each report once, and its table answers the pages' queries."""

import json
import re
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from msgspec.structs import replace

from src.domain.window import HOUR
from src.phrases.language import ENGLISH

from ..builders import OPTION, QUICK, START
from ..conftest import Run
from ..faults import ONCE, arrived, copies
from ..pages import section
from ..processes import LONGEST, killed_when, started, wait_until
from ..sandbox import CHATS, RECIPIENTS, Sandbox
from ..sandbox.supabase import Hold
from ..sandbox.web import FOREVER, Fault
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


def test_a_pod_that_replaces_a_dead_one_of_its_job_goes_on_at_once(sandbox: Sandbox, run: RunTool) -> None:
    """Though the lease of ten minutes has just begun; what may have been sent comes marked."""
    pod = {"SEQUENTIAL_JOB_UID": "0b0e7a52-5d1c", "REPORT_CHANNELS": "telegram", **TABLE}
    sandbox.bot.faults.append(Fault(hold=FOREVER))
    killed_when(sandbox, lambda: sandbox.bot.requests, POD_NAME="pod-1", **pod)
    elsewhere = sandbox.folder / "pod-2"
    elsewhere.mkdir()

    second = run(*OPTION, POD_NAME="pod-2", REPORT_DIR=str(elsewhere), timeouts=replace(QUICK, run=5), **pod)

    assert (second.code, "claim_wait" in second.events) == (0, False)
    texts = {sent.chat: sent.text for sent in sandbox.messages if sent.chat == CHATS[0]}
    assert [ENGLISH.REPEAT in text for text in texts.values()] == [True]


def test_a_pod_that_was_deleted_by_force_sends_nothing_after_its_successor_came(sandbox: Sandbox, run: RunTool) -> None:
    """The message that was on its way arrives; the second chat gets the report from the successor alone."""
    pod = {"SEQUENTIAL_JOB_UID": "0b0e7a52-5d1c", "REPORT_CHANNELS": "telegram", **TABLE}
    elsewhere = sandbox.folder / "pod-2"
    elsewhere.mkdir()
    codes = list[int]()

    def replace_the_pod(_: str) -> None:
        sandbox.bot.before_each = None
        with started(sandbox, *OPTION, POD_NAME="pod-2", REPORT_DIR=str(elsewhere), **pod) as second:
            codes.append(second.wait(LONGEST))

    sandbox.bot.before_each = replace_the_pod

    first = run(*OPTION, POD_NAME="pod-1", **pod)

    assert (codes, first.code, first.keys) == ([0], 1, ["ledger.taken_over"])
    sent = [(one.chat, ENGLISH.REPEAT in one.text) for one in sandbox.messages]
    assert sorted(sent) == sorted([(CHATS[0], True), (CHATS[0], False), (CHATS[1], False)])


@pytest.mark.parametrize("ledger", ["directory", "supabase"])
def test_a_wait_for_another_runs_claim_is_logged_once_with_its_end(sandbox: Sandbox, run: RunTool, ledger: str) -> None:
    """Whose claim it is, and when it ends without a sign of that run; then how long it took."""
    pod = {"REPORT_LEDGER": ledger, "REPORT_CHANNELS": "telegram"}
    hold = sandbox.supabase.hold = Hold(page=1)
    sandbox.supabase.fill(30, start=START)
    with started(sandbox, *OPTION, POD_NAME="pod-1", **pod) as first:
        hold.wait_until_reached()
        waiting = run(*OPTION, POD_NAME="pod-2", timeouts=replace(QUICK, run=0.5), **pod)
        hold.released.set()
        assert first.wait(LONGEST) == 0

    assert (waiting.code, waiting.keys) == (1, ["ledger.held"])
    assert (waiting.events.count("claim_wait"), waiting.events.count("claimed")) == (1, 0)
    (line,) = (record.getMessage() for record in waiting.logged("claim_wait"))
    if ledger == "supabase":
        assert "pod-1." in line
        assert re.search(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", line)


def test_the_end_of_a_wait_for_a_claim_is_logged(sandbox: Sandbox, run: RunTool) -> None:
    """With the seconds that it took."""
    sandbox.supabase.fill(30, start=START)
    run(*OPTION, **TABLE)
    sandbox.supabase.sql("update report_deliveries set holder = 'another', lease_seconds = 1")

    assert run(*OPTION, **TABLE).given("seconds", "claimed")


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
    (present,) = sandbox.supabase.sql("select date_trunc('hour', now()) as hour")  # it may have turned meanwhile
    assert hours == {present["hour"] - back * HOUR for back in range(1, 25)} - {this_hour(2)}
    assert sandbox.supabase.sql(claimed) == []

    sandbox.supabase.sql("update report_deliveries set record = jsonb_set(record, '{entries,0,state}', '\"owed\"')")
    owed = [(row["hour"], row["state"]) for row in sandbox.supabase.sql(missing) if row["state"] != "not opened"]
    assert owed == [(this_hour(2), "owed")]
