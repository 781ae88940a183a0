"""Analyses that fail after the report of their hour are told of once, to whoever has a report with fewer failures."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from src.ledger.record import Entry, new_record
from src.phrases.language import ENGLISH

from ..builders import OPTION, make_rows, make_window
from ..conftest import Run
from ..sandbox import CHATS, RECIPIENTS, Sandbox
from ..sandbox.web import Answer, Fault
from .test_late_rows import found, late
from .test_ledger import CATCH_UP, job, late_rows, this_hour

RunTool = Callable[..., Run]


def fill(sandbox: Sandbox, *statuses: str) -> None:
    """Put analyses of these statuses into the hour that the run four hours ago reports."""
    rows = make_rows(len(statuses), start=this_hour(5))
    sandbox.supabase.insert([row | {"status": status} for row, status in zip(rows, statuses, strict=True)])


def end(sandbox: Sandbox, status: str, before: str = "running") -> None:
    """Let the analyses that have the status `before` end with `status`."""
    sandbox.supabase.sql("update analyses set status = $1 where status = $2", status, before)


def failed(run: Run) -> list[tuple[object, object]]:
    """List the windows for which a run found later failures, each with their number."""
    fields = [record.__dict__ for event in ("late_rows", "failed_since") for record in run.logged(event)]
    return [(one["window"], one["failed"]) for one in fields]


def remark(count: int) -> str:
    """Return the remark to readers that so many more have failed."""
    return ENGLISH.failed_since(make_window(this_hour(5)), count)


def told(sandbox: Sandbox, text: str) -> list[str]:
    """List who got a message that says so, in the order of the messages."""
    mails = [to for mail in sandbox.mails if text in mail.text for to in mail.recipients]
    return [*mails, *(sent.chat for sent in sandbox.messages if text in sent.text)]


def record_of(sandbox: Sandbox) -> dict[str, Any]:
    """Return the record of the hour that `fill` fills."""
    start = this_hour(5).isoformat()
    (row,) = sandbox.supabase.sql("select record from report_deliveries where window_start = $1", start)
    return dict(row["record"])


def test_what_fails_after_the_report_is_told_once_to_everybody(sandbox: Sandbox, run: RunTool) -> None:
    """What fails later still is news again, with the whole number; what had failed before is not counted."""
    fill(sandbox, "running", "queued", "failed", "completed")
    runs = [run(JOB_NAME=job(4), **CATCH_UP)]
    end(sandbox, "Timed out")
    runs.append(run(JOB_NAME=job(3), **CATCH_UP))
    end(sandbox, "failed", before="queued")
    runs += [run(JOB_NAME=job(back), **CATCH_UP) for back in (2, 1)]

    assert [failed(one) for one in runs] == [[], found(5, 1), found(5, 2), []]
    for count in (1, 2):
        assert sorted(told(sandbox, remark(count))) == sorted([*RECIPIENTS, *CHATS])
    subjects = [mail.message["Subject"] for mail in sandbox.mails]
    assert [ENGLISH.FAILED_SINCE in subject for subject in subjects] == [False, True, True, False]
    assert not any(ENGLISH.ROWS_LATE in subject for subject in subjects)


def test_a_recipient_who_was_down_is_told_later(sandbox: Sandbox, run: RunTool) -> None:
    """The others hear of it until everybody knows; of rows and failures together there is one sentence."""
    fill(sandbox, "running", "running", "completed")
    run(JOB_NAME=job(4), **CATCH_UP)
    end(sandbox, "failed")
    late(sandbox, 5, 9)
    down = {"SMTP_PASSWORD": "wrong"}

    runs = [run(JOB_NAME=job(back), **changes, **CATCH_UP) for back, changes in ((3, down), (2, {}), (1, {}))]

    assert [late_rows(one) for one in runs] == [found(5, 1), found(5, 1), []]
    assert [failed(one) for one in runs] == [found(5, 2), found(5, 2), []]
    both = ENGLISH.late_rows(make_window(this_hour(5)), 1, failed=2)
    assert {*told(sandbox, both)} == {*RECIPIENTS, *CHATS}
    marked = [str(mail.message["Subject"]) for mail in sandbox.mails if both in mail.text]
    assert [ENGLISH.ROWS_LATE + ENGLISH.FAILED_SINCE in subject for subject in marked] == [True]


def test_failures_that_were_repaired_are_only_logged(sandbox: Sandbox, run: RunTool) -> None:
    """Only more of them than in the report are news, though a row was deleted meanwhile."""
    fill(sandbox, "failed", "deleted", "completed", "completed")
    run(JOB_NAME=job(4), **CATCH_UP)
    end(sandbox, "repaired", before="failed")
    repaired = run(JOB_NAME=job(3), **CATCH_UP)
    sandbox.supabase.sql("delete from analyses where status = 'deleted'")
    end(sandbox, "failed", before="completed")
    more = run(JOB_NAME=job(2), **CATCH_UP)

    assert [record.levelname for record in repaired.logged("fewer_failures")] == ["INFO"]
    assert [failed(repaired), failed(more), more.logged("fewer_failures")] == [[], found(5, 1), []]
    assert more.given("rows", "fewer_rows") == [3]
    assert [record_of(sandbox)[name] for name in ("failed", "failed_told", "deleted")] == [1, 2, 1]


def test_who_got_the_report_with_the_failures_is_not_waited_for() -> None:
    """Nor whoever the settings name no more, or is owed it; nobody is told twice."""
    entries = [Entry(channel="email", recipient=str(count), state="delivered", failed=count) for count in (1, 3, 2)]
    owed = Entry(channel="email", recipient="owed")
    record = structs.replace(new_record(make_window()), entries=[*entries, owed], failed=1)
    first, second, gone, late = (entry.address for entry in record.entries)

    record.announce_failed(3, reached={late}, waited_for={first, second, late})
    assert record.failed_since(3) == 2
    record.announce_failed(3, reached={first, late}, waited_for={first, second, late})

    assert [record.failed_since(count) for count in (2, 3, 4)] == [0, 0, 3]
    assert gone == entries[2].address


def test_a_status_that_is_no_text_is_asked_for_in_vain_and_not_told_of(sandbox: Sandbox, run: RunTool) -> None:
    """Late rows are noticed all the same."""
    enum = {"SUPABASE_TABLE": "analyses_enum"} | CATCH_UP
    rows = make_rows(2, start=this_hour(5))
    sandbox.supabase.insert(rows[:1], "analyses_enum")
    run(JOB_NAME=job(4), **enum)
    sandbox.supabase.sql("update analyses_enum set status = 'failed'")
    sandbox.supabase.insert(rows[1:], "analyses_enum")

    result = run(JOB_NAME=job(3), **enum)

    assert (result.code, late_rows(result), failed(result)) == (0, found(5, 1), found(5, 0))
    assert sandbox.alerts == []


def test_what_was_counted_otherwise_or_not_at_all_is_not_compared(sandbox: Sandbox, run: RunTool) -> None:
    """By other statuses that count as failed, or by version 2.0, which saves what it knows of a record."""
    fill(sandbox, "failed", "cancelled", "cancelled")
    run(JOB_NAME=job(4), **CATCH_UP)
    other = run(JOB_NAME=job(3), REPORT_FAILED_STATUSES="cancelled", **CATCH_UP)
    record = record_of(sandbox)
    for part in (record, *record["entries"]):
        for name in {"failed", "failed_by", "failed_told"} & part.keys():
            del part[name]
    kept, start = json.dumps(record), this_hour(5).isoformat()
    sandbox.supabase.sql("update report_deliveries set record = $1 where window_start = $2", kept, start)
    end(sandbox, "failed", before="cancelled")
    late(sandbox, 5, 9)

    of_2_0 = run(JOB_NAME=job(2), **CATCH_UP)

    assert (failed(other), other.logged("fewer_failures")) == ([], [])
    assert (late_rows(of_2_0), failed(of_2_0), record["format"]) == (found(5, 1), found(5, 0), 2)
    assert len(sandbox.mails) == 3


def test_failures_that_cannot_be_counted_hide_no_late_rows(sandbox: Sandbox, run: RunTool) -> None:
    """Rows are counted first; an error costs nobody a report."""
    fill(sandbox, "running")
    run(JOB_NAME=job(4), **CATCH_UP)
    late(sandbox, 5, 9)
    sandbox.supabase.always = Fault(answer=Answer(status=503), match="status=imatch")

    result = run(JOB_NAME=job(3), **CATCH_UP)

    assert (result.code, late_rows(result)) == (0, found(5, 1))


@pytest.mark.parametrize("ledger", ["directory", "supabase"])
def test_both_ledgers_keep_how_many_had_failed(sandbox: Sandbox, run: RunTool, ledger: str) -> None:
    """Of the window, and for each recipient."""
    for row, status in zip(make_rows(3), ("failed", "running", "error"), strict=True):
        sandbox.supabase.insert([row | {"status": status}])

    run(*OPTION, REPORT_LEDGER=ledger)

    if ledger == "supabase":
        (record,) = [row["record"] for row in sandbox.supabase.sql("select record from report_deliveries")]
    else:
        (record,) = [json.loads(path.read_text()) for path in (sandbox.folder / "report_ledger").glob("*.json")]
    assert [record["failed"], *(entry["failed"] for entry in record["entries"])] == [2] * 5
