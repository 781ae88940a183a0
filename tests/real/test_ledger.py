"""The ledger in Supabase: pods that overlap, end and come late send each report once."""

import json
import re
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from ..pages import section
from ..sandbox import CHATS, RECIPIENTS
from .sandbox import HOUR, ONCE, RealSandbox, ids, until
from .supabase import Hold

TABLE = {"REPORT_LEDGER": "supabase"}
# Read once: should the hour turn while tests run, Jobs are just an hour later than they were due.
THIS_HOUR = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def this_hour(back: int) -> datetime:
    """Return the start of the hour `back` hours before the present one."""
    return THIS_HOUR - back * timedelta(hours=1)


def scheduled(back: int) -> dict[str, str]:
    """Return what changes for the Job that was due `back` hours ago, which reports the hour before."""
    minutes = int(this_hour(back).timestamp() // 60)
    return TABLE | {"JOB_NAME": f"reports-generator-{minutes}"}


def claims(real: RealSandbox, pod: str) -> int:
    """Count the times that a pod asked for a claim, or renewed it."""
    asked = [json.loads(request.body) for request in real.supabase.requests if request.method in ("PATCH", "POST")]
    return sum(str(change["holder"]).startswith(f"{pod}.") for change in asked)


def test_two_pods_at_once_send_once(real: RealSandbox) -> None:
    """The second waits for the first, and finds that all is done."""
    real.fill(30)
    hold = real.supabase.hold = Hold(page=1)

    with real.started(*HOUR, POD_NAME="pod-1", **TABLE) as first:
        hold.wait_until_reached()
        with real.started(*HOUR, POD_NAME="pod-2", **TABLE) as second:
            until(lambda: claims(real, "pod-2") == 2)
            assert real.copies == {}
            hold.released.set()
            codes = [process.wait(timeout=60) for process in (first, second)]

    assert (codes, real.copies) == ([0, 0], ONCE)


def test_eight_claimants_at_once_send_once(real: RealSandbox) -> None:
    """Each in a folder of its own, as pods have them."""
    real.fill(30)
    with ExitStack() as stack:
        started = []
        for number in range(8):
            folder = real.folder / f"pod-{number}"
            folder.mkdir()
            pod = {"POD_NAME": folder.name, "REPORT_DIR": str(folder)}
            started.append(stack.enter_context(real.started(*HOUR, **pod, **TABLE)))
        codes = [process.wait(timeout=60) for process in started]

    assert (codes, real.copies) == ([0] * 8, ONCE)


def test_the_claim_of_a_dead_pod_is_taken_over_when_its_lease_is_over(real: RealSandbox) -> None:
    """Not before; then all that it had not sent is sent."""
    real.fill(30)
    hold = real.supabase.hold = Hold(page=1)
    with real.started(*HOUR, POD_NAME="pod-1", **TABLE) as first:
        hold.wait_until_reached()
        first.kill()
    hold.released.set()

    with real.started(*HOUR, POD_NAME="pod-2", **TABLE) as second:
        until(lambda: claims(real, "pod-2") == 2)
        (row,) = real.supabase.sql("select holder from report_deliveries")
        assert row["holder"].startswith("pod-1.")
        # Its trigger counts from now.
        real.supabase.sql("update report_deliveries set lease_seconds = -1")
        code = second.wait(timeout=60)

    assert (code, real.copies) == (0, ONCE)
    assert real.arrived() == real.ids()


def test_a_claim_is_one_question_though_postgrest_filters_it_again(real: RealSandbox) -> None:
    """Of one that is free, of one that an earlier process of the pod held, and of one whose holder died."""
    codes = [real.run(*HOUR, POD_NAME="pod-1", **TABLE).code]
    for holder in ("null", "'pod-1.before'", "'dead'"):
        real.supabase.sql(f"update report_deliveries set holder = {holder}, lease_seconds = -1")
        codes.append(real.run(*HOUR, "--resend", POD_NAME="pod-1", **TABLE).code)

    changes = [json.loads(request.body) for request in real.supabase.requests if request.method == "PATCH"]
    claimed = [change for change in changes if change["holder"] and "record" not in change]
    assert (codes, len(claimed)) == ([0] * 4, 3)
    assert real.supabase.sql("select holder from report_deliveries") == [{"holder": None}]


def test_a_pod_whose_claim_was_taken_over_sends_nothing_more(real: RealSandbox) -> None:
    """It was silent for longer than its lease; the other pod delivers."""
    real.fill(30)
    hold = real.supabase.hold = Hold(page=1)

    with real.started(*HOUR, POD_NAME="pod-1", **TABLE) as first:
        hold.wait_until_reached()
        real.supabase.sql("update report_deliveries set lease_seconds = -1")
        second = real.run(*HOUR, POD_NAME="pod-2", **TABLE)
        hold.released.set()
        _, log = first.communicate(timeout=60)

    assert (first.returncode, second.code, real.copies) == (1, 0, ONCE)
    assert "was taken over by another run" in log


def test_five_missed_hours_are_caught_up_oldest_first(real: RealSandbox) -> None:
    """Behind the present one; all their rows arrive, and a further run sends nothing."""
    for back in range(1, 8):
        real.fill(30, start=this_hour(back))
    assert real.run(**scheduled(6)).code == 0

    codes = [real.run(**scheduled(0)).code for _ in range(2)]

    hours = [this_hour(back) for back in (7, 1, 6, 5, 4, 3, 2)]
    late = [False, False, True, True, True, True, True]
    assert codes == [0, 0]
    assert real.copies == dict.fromkeys(ONCE, 7)
    assert [ids(mail.attachment()) for mail in real.mails] == [real.ids(start=hour) for hour in hours]
    assert [mail.message["Subject"].endswith(" (late)") for mail in real.mails] == late


def test_rows_that_came_late_are_told_once(real: RealSandbox) -> None:
    """In the log and in the next report."""
    real.fill(30, start=this_hour(3))
    real.run(**scheduled(2))
    real.fill(3, start=this_hour(3))

    logs = [real.run(**scheduled(back)).log for back in (1, 0)]

    remark = "3 rows have come late for "
    assert [remark in log for log in logs] == [True, False]
    assert [remark in mail.text for mail in real.mails] == [False, True, False]


def test_the_queries_of_the_monitoring_page_tell_who_got_what_and_which_hours_are_missing(real: RealSandbox) -> None:
    """As somebody pastes them into the SQL editor."""
    real.fill(30, start=this_hour(2))
    real.run(**scheduled(1))
    who, missing, claimed = re.findall(
        r"^```sql\n(.+?)^```", section("monitoring", "Ask the ledger"), re.MULTILINE | re.DOTALL
    )

    states = [(row["channel"], row["recipient"], row["state"]) for row in real.supabase.sql(who)]
    assert states == [
        *(("email", address, "delivered") for address in RECIPIENTS),
        *(("telegram", chat, "delivered") for chat in sorted(CHATS)),
    ]
    hours = {row["hour"] for row in real.supabase.sql(missing)}
    assert hours == {this_hour(back) for back in range(1, 25)} - {this_hour(2)}
    assert real.supabase.sql(claimed) == []

    real.supabase.sql("update report_deliveries set record = jsonb_set(record, '{entries,0,state}', '\"owed\"')")
    owed = [(row["hour"], row["state"]) for row in real.supabase.sql(missing) if row["state"] != "not opened"]
    assert owed == [(this_hour(2), "owed")]


@pytest.mark.parametrize("is_begun", [False, True], ids=["empty", "begun"])
def test_a_check_finds_a_ledger_without_its_trigger_and_changes_nothing(real: RealSandbox, is_begun: bool) -> None:
    """Without it no claim would ever end by itself."""
    if is_begun:
        assert real.run(**scheduled(0)).code == 0
    before = real.supabase.sql("select * from report_deliveries")

    whole = real.run("--check", **TABLE)
    disabled, enabled = (f"alter table report_deliveries {way} trigger all" for way in ("disable", "enable"))
    with real.supabase.changed(disabled, enabled):
        lacking = real.run("--check", **TABLE)

    assert re.search(r"(?m)^ok +ledger +readable and writable, (begun|nothing)", whole.output, re.IGNORECASE)
    assert "The table report_deliveries lacks its trigger" in lacking.output
    assert "Run src/sql/report_deliveries.sql in the SQL editor" in lacking.output
    assert (len(before), real.supabase.sql("select * from report_deliveries")) == (is_begun, before)


@pytest.mark.parametrize(
    ("revoked", "lacking"),
    [
        ("insert", "insert"),
        ("update", "update"),
        ("select", "select, update"),  # an update's filter is read
        ("all", "select, insert, update"),
    ],
)
def test_rights_that_the_ledger_lacks_are_named_with_the_statement_that_grants_them(
    real: RealSandbox, revoked: str, lacking: str
) -> None:
    """By a run and by a check."""
    back = "grant select, insert, update, delete on report_deliveries to service_role"
    with real.supabase.changed(f"revoke {revoked} on report_deliveries from service_role", back):
        run, check = real.run(*HOUR, **TABLE), real.run("--check", **TABLE)

    assert real.alerted == ["ledger.permission"]
    assert all(f'grant {lacking} on "report_deliveries" to service_role;' in said for said in (run.log, check.output))


def test_a_ledger_that_is_not_there_is_named_with_its_sql(real: RealSandbox) -> None:
    """Not with the table of analyses."""
    gone, back = "alter table report_deliveries rename to gone", "alter table gone rename to report_deliveries"
    with real.supabase.changed(gone, back):
        run, check = real.run(*HOUR, **TABLE), real.run("--check", **TABLE)

    for said in (run.log, check.output):
        assert "src/sql/report_deliveries.sql" in said
        assert "SUPABASE_TABLE" not in said
