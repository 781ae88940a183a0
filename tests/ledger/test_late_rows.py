"""Rows that come late are told of once, whatever else is deleted meanwhile, and to whom it may matter."""

import re
from collections.abc import Callable

import pytest

from src.phrases.language import ENGLISH

from ..alerts import command_in
from ..builders import OPTION, make_rows, make_window
from ..conftest import Run
from ..sandbox import CHATS, RECIPIENTS, Sandbox
from .test_ledger import CATCH_UP, job, late_rows, this_hour

pytestmark = pytest.mark.sampled

RunTool = Callable[..., Run]


def late(sandbox: Sandbox, hour: int, place: int) -> None:
    """Let a row come late for the hour `hour` hours ago."""
    sandbox.supabase.insert(make_rows(place + 1, start=this_hour(hour))[place:])


def delete_one(sandbox: Sandbox, hour: int) -> None:
    """Delete the first row of an hour."""
    sandbox.supabase.sql(
        "delete from analyses where id = (select id from analyses where created_at >= $1 "
        "and created_at < $1::timestamptz + interval '1 hour' order by created_at limit 1)",
        this_hour(hour).isoformat(),
    )


def fill(sandbox: Sandbox, hour: int, rows: int = 3) -> None:
    """Put rows into an hour, with ids of its own."""
    prefix = f"{hour:08d}"
    for place, row in enumerate(make_rows(rows, start=this_hour(hour))):
        sandbox.supabase.insert([row | {"id": f"{prefix}-0000-4000-8000-{place:012d}"}])


def remark(hour: int, rows: int) -> str:
    """Return the remark to readers that so many rows have come late for an hour."""
    return ENGLISH.late_rows(make_window(this_hour(hour)), rows)


def found(hour: int, rows: int) -> list[tuple[str, int]]:
    """Return what a run logs that found so many late rows for an hour alone."""
    return [(f"{this_hour(hour):%Y-%m-%dT%H}", rows)]


def test_a_row_that_is_deleted_does_not_hide_one_that_came_late_for_another_hour(
    sandbox: Sandbox, run: RunTool
) -> None:
    """The sum of both hours is what it was."""
    for hour in (5, 4):
        fill(sandbox, hour)
    run(JOB_NAME=job(4), **CATCH_UP)
    run(JOB_NAME=job(3), **CATCH_UP)
    delete_one(sandbox, 5)
    late(sandbox, 4, 9)

    told = run(JOB_NAME=job(2), **CATCH_UP)

    assert late_rows(told) == found(4, 1)
    assert remark(4, 1) in sandbox.mails[-1].text


def test_a_row_that_was_deleted_before_does_not_hide_one_that_comes_late(sandbox: Sandbox, run: RunTool) -> None:
    """Of the same hour: the number is what it was when the report was sent."""
    fill(sandbox, 5)
    run(JOB_NAME=job(4), **CATCH_UP)
    delete_one(sandbox, 5)
    run(JOB_NAME=job(3), **CATCH_UP)
    late(sandbox, 5, 9)

    told = [late_rows(run(JOB_NAME=job(back), **CATCH_UP)) for back in (2, 1)]

    assert told == [found(5, 1), []]
    assert "late" not in sandbox.mails[-3].text
    assert remark(5, 1) in sandbox.mails[-2].text


def test_late_rows_that_are_deleted_again_are_not_told_of_once_more(sandbox: Sandbox, run: RunTool) -> None:
    """Only more rows are news."""
    fill(sandbox, 6)
    run(JOB_NAME=job(5), **CATCH_UP)
    for place in (7, 8, 9):
        late(sandbox, 6, place)
    told = [late_rows(run(JOB_NAME=job(4), **CATCH_UP))]
    delete_one(sandbox, 6)
    told.append(late_rows(run(JOB_NAME=job(3), **CATCH_UP)))
    late(sandbox, 6, 10)
    told.append(late_rows(run(JOB_NAME=job(2), **CATCH_UP)))

    assert told == [found(6, 3), [], found(6, 4)]


def test_those_who_got_fewer_rows_are_named(sandbox: Sandbox, run: RunTool) -> None:
    """Two rows were committed between two attempts at one hour: the chats have three, the addresses five."""
    run(JOB_NAME=job(4), **CATCH_UP)
    fill(sandbox, 4)
    run(JOB_NAME=job(3), SMTP_PASSWORD="wrong", **CATCH_UP)
    late(sandbox, 4, 8)
    late(sandbox, 4, 9)
    run(JOB_NAME=job(3), **CATCH_UP)

    told, after = (run(JOB_NAME=job(back), **CATCH_UP) for back in (2, 1))

    assert (late_rows(told), late_rows(after)) == (found(4, 2), [])
    assert remark(4, 2) in sandbox.mails[-2].text
    (line,) = [record.getMessage() for record in told.logged("late_rows")]
    assert [one in line for one in (*CHATS, *RECIPIENTS)] == [True, True, False, False]


def test_without_a_history_an_alert_tells_who_got_fewer_rows(sandbox: Sandbox, run: RunTool) -> None:
    """With its command; the report itself is delivered, and the exit code says so."""
    sandbox.supabase.insert(make_rows(3))
    run(*OPTION, SMTP_PASSWORD="wrong")
    sandbox.supabase.insert(make_rows(5)[3:])

    second, third = run(*OPTION), run(*OPTION)

    (alert,) = [one for one in sandbox.alerts if "fewer_rows" in one]
    assert (second.code, third.code) == (0, 0)
    assert [record.__dict__["rows"] for record in second.logged("late_rows")] == [5]
    assert {*re.findall(r"(?:email|telegram) to ([^ ,]+)", alert)} == {*CHATS}
    assert command_in(alert) == f"python reports_generator.py --start {OPTION[1]} --resend"


def test_a_resend_meanwhile_keeps_its_own_count_of_rows(sandbox: Sandbox, run: RunTool) -> None:
    """While a run looked for late rows and sent its own report, somebody sent that hour again: nothing came late."""
    fill(sandbox, 4)
    run(JOB_NAME=job(3), **CATCH_UP)
    late(sandbox, 4, 9)
    mailbox = sandbox.mailbox
    asked = len(mailbox.deliveries)
    resent = '{"rows": 4, "late_rows": 0}'

    def resend_meanwhile(_: str) -> None:
        sandbox.supabase.sql(
            "update report_deliveries set record = record || $1::jsonb, version = version + 1 where window_start = $2",
            resent,
            this_hour(4).isoformat(),
        )

    sandbox.bot.before_each = resend_meanwhile

    run(JOB_NAME=job(2), **CATCH_UP)

    (row,) = sandbox.supabase.sql("select record from report_deliveries order by window_start limit 1")
    assert (row["record"]["rows"], row["record"]["late_rows"]) == (4, 0)
    assert len(mailbox.deliveries) > asked


@pytest.mark.parametrize("hours", [3, 25])
def test_looking_for_late_rows_counts_each_delivered_hour_once(sandbox: Sandbox, run: RunTool, hours: int) -> None:
    """For its rows and for its failures: two short questions for each hour in reach, never more."""
    run(JOB_NAME=job(hours), **CATCH_UP)
    run(JOB_NAME=job(1), **CATCH_UP)
    sandbox.supabase.requests.clear()

    run(JOB_NAME=job(0), **CATCH_UP)

    counted = [one.target for one in sandbox.supabase.requests if "select=id&created_at=gte" in one.target]
    # And the hour before and four weeks, to compare with; of each, what failed too.
    assert len(counted) == 2 * min(hours, 24) + 10
