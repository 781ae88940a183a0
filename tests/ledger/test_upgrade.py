"""From the ledger of version 1.0 to this one and back: records stay what they are, and nothing is sent twice."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ..builders import START
from ..conftest import Run
from ..faults import ONCE, copies, source_name
from ..pages import ROOT, section
from ..sandbox import CHATS, RECIPIENTS, Sandbox
from ..sandbox.web import Request
from .test_claim import EVERYTHING
from .test_ledger import job, this_hour

RunTool = Callable[..., Run]
TABLE = {"REPORT_LEDGER": "supabase"}
OLD = Path(__file__).with_name("version_1_0.sql").read_text()
NEW = (ROOT / "src/sql/report_deliveries.sql").read_text()
(BACK,) = re.findall(r"^```sql\n(.+?)^```", section("delivery", "Upgrade from 1.0, and back"), re.MULTILINE | re.DOTALL)
EVERYONE = [*(("email", address) for address in RECIPIENTS), *(("telegram", chat) for chat in CHATS)]


@contextmanager
def table_of_1_0(sandbox: Sandbox) -> Iterator[None]:
    """Have the table of version 1.0 while the block runs, and the new one after it, whatever became of it."""
    with sandbox.supabase.changed(f"drop table report_deliveries; {OLD}", f"drop table report_deliveries; {NEW}"):
        yield


def record_of_1_0(start: str, states: dict[tuple[str, str], str], rows: int | None = 30) -> dict[str, Any]:
    """Write a record field for field as version 1.0 did."""
    entries = [
        {"channel": channel, "recipient": recipient, "state": state, "receipt": "2.0.0 queued", "at": start}
        for (channel, recipient), state in states.items()
    ]
    return {
        "template": "hourly", "start": start, "entries": entries, "rows": rows, "resent": 0, "resent_by": "",
        "alerted": [], "cleared": False, "late_rows": 0, "given_up": False, "scheduled": True, "watermark": None,
        "unreadable": [],
    }  # fmt: skip


def put(sandbox: Sandbox, back: int, states: dict[tuple[str, str], str], rows: int | None = 30) -> None:
    """Put a record of version 1.0 there."""
    start = this_hour(back).isoformat()
    sandbox.supabase.sql(
        "insert into report_deliveries (template, window_start, record, scheduled) values ($1, $2, $3, true)",
        f"hourly.{source_name(sandbox)}",
        start,
        json.dumps(record_of_1_0(start, states, rows)),
    )


def states(sandbox: Sandbox) -> dict[str, list[str]]:
    """List the states of each window's recipients as the ledger has them, by the hours back."""
    rows = sandbox.supabase.sql("select window_start, record from report_deliveries order by window_start")
    return {row["window_start"].isoformat(): [one["state"] for one in row["record"]["entries"]] for row in rows}


def all_are(state: str) -> dict[tuple[str, str], str]:
    """Give everyone the same state."""
    return dict.fromkeys(EVERYONE, state)


def fill_with_records_of_1_0(sandbox: Sandbox) -> None:
    """Four hours: delivered to all, owed to one, refused for one, skipped."""
    for back in (5, 4, 3):
        sandbox.supabase.fill(30, start=this_hour(back))
    put(sandbox, 5, all_are("delivered"))
    put(sandbox, 4, all_are("delivered") | {("email", RECIPIENTS[0]): "owed"})
    put(sandbox, 3, all_are("delivered") | {("email", RECIPIENTS[0]): "refused"})
    put(sandbox, 2, all_are("skipped"), rows=0)


def test_records_of_1_0_stay_what_they_are_and_only_what_is_owed_is_sent(sandbox: Sandbox, run: RunTool) -> None:
    """The SQL is run twice; the second time changes nothing."""
    with table_of_1_0(sandbox):
        fill_with_records_of_1_0(sandbox)
        before = states(sandbox)
        sandbox.supabase.change(NEW)
        once = sandbox.supabase.sql(EVERYTHING)
        sandbox.supabase.change(NEW)
        assert sandbox.supabase.sql(EVERYTHING) == once
        assert states(sandbox) == before
        assert {(row["name"], row["template"], row["source"], row["zone"]) for row in once} == {
            ("production", "hourly", source_name(sandbox), "UTC")
        }

        result = run(JOB_NAME=job(0), **TABLE)

    assert result.code == 0
    subjects = [str(mail.message["Subject"]) for mail in sandbox.mails]
    hours = [f"{this_hour(back):%Y-%m-%d %H:%M}" for back in (1, 4)]
    assert [hour in subject for hour, subject in zip(hours, subjects, strict=True)] == [True, True]
    assert [mail.recipients for mail in sandbox.mails] == [RECIPIENTS, RECIPIENTS[:1]]
    assert len(sandbox.messages) == len(CHATS)


def test_going_back_leaves_records_that_1_0_knows_and_the_next_upgrade_finds_them_again(
    sandbox: Sandbox, run: RunTool
) -> None:
    """With the statement of the page; a trial's own records go."""
    with table_of_1_0(sandbox):
        fill_with_records_of_1_0(sandbox)
        sandbox.supabase.change(NEW)
        assert run(JOB_NAME=job(0), **TABLE).code == 0
        assert run(JOB_NAME=job(0), **TABLE, REPORT_LEDGER_NAME="trial").code == 0
        sent = len(sandbox.mails)
        kept = dict(states(sandbox).items())

        sandbox.supabase.change(BACK)

        columns = sandbox.supabase.sql(
            "select column_name as name from information_schema.columns where table_name = 'report_deliveries' "
            "order by ordinal_position"
        )
        assert {column["name"] for column in columns} == set(re.findall(r"^  (\w+) \w+.*[,-]", OLD, re.MULTILINE)) - {
            "primary"
        }
        assert states(sandbox) == kept
        (template,) = {row["template"] for row in sandbox.supabase.sql("select template from report_deliveries")}
        assert template == f"hourly.{source_name(sandbox)}"
        sandbox.supabase.change(NEW)
        assert run(JOB_NAME=job(0), **TABLE).code == 0
        assert len(sandbox.mails) == sent


def asked_by_1_0(sandbox: Sandbox) -> list[tuple[str, int]]:
    """Ask what version 1.0 asks before it sends anything, and return the answers' statuses."""
    key = f"template=eq.hourly.{source_name(sandbox)}"
    start = START.isoformat().replace("+", "%2B")
    record = record_of_1_0(START.isoformat(), {}, None)
    row = {"template": f"hourly.{source_name(sandbox)}", "window_start": START.isoformat(), "record": record}
    base = "/rest/v1/report_deliveries"
    questions = [
        ("GET", f"{base}?select=window_start&{key}&scheduled=is.true&order=window_start.asc&limit=1", {}),
        ("POST", f"{base}?on_conflict=template%2Cwindow_start", row),
        ("PATCH", f"{base}?{key}&window_start=eq.{start}&or=(holder.is.null)", {"holder": "pod", "lease_seconds": 600}),
    ]
    answers = []
    for method, target, body in questions:
        headers = {"apikey": sandbox.supabase.secret_key, "content-type": "application/json"}
        headers["prefer"] = "resolution=ignore-duplicates,return=representation"
        content = json.dumps(body).encode() if body else b""
        answer = sandbox.supabase.answer(Request(method=method, target=target, headers=headers, body=content, at=0.0))
        answers.append((answer.body.decode(), answer.status))
    return answers


def test_version_1_0_gets_no_claim_on_the_new_table(sandbox: Sandbox) -> None:
    """Its history is empty, its insert is refused, and there is nothing that it could claim: it sends nothing."""
    history, insert, claim = asked_by_1_0(sandbox)

    assert history == ("[]", 200)
    assert insert[1] == 400
    assert "ON CONFLICT" in insert[0]
    assert claim == ("[]", 200)
    assert sandbox.supabase.sql("select * from report_deliveries") == []


def test_until_its_sql_is_run_the_new_version_sends_nothing_and_names_the_file(sandbox: Sandbox, run: RunTool) -> None:
    """One alert for a scheduled run, one for an hour that is named, and a check together."""
    with table_of_1_0(sandbox):
        fill_with_records_of_1_0(sandbox)
        before = states(sandbox)

        runs = [run(JOB_NAME=job(0), **TABLE), run("--start", f"{this_hour(4):%Y-%m-%dT%H}", **TABLE)]
        check = run("--check", **TABLE)

        assert [one.code for one in (*runs, check)] == [1, 1, 1]
        assert [one.keys for one in runs] == [["ledger.column"]] * 2
        for said in (*(one.log for one in runs), check.output):
            assert "src/sql/report_deliveries.sql" in said
        assert (sandbox.mails, sandbox.messages, len(sandbox.alerts), states(sandbox)) == ([], [], 1, before)


def test_a_record_of_a_later_format_stops_the_run(sandbox: Sandbox, run: RunTool) -> None:
    """Before anything is sent, with a sentence and one alert."""
    sandbox.supabase.fill(30, start=this_hour(2))
    assert run(JOB_NAME=job(1), **TABLE).code == 0
    sandbox.supabase.sql("update report_deliveries set record = record || '{\"format\": 4}'")

    result = run(JOB_NAME=job(0), **TABLE)

    assert (result.code, copies(sandbox), len(sandbox.alerts)) == (1, ONCE, 1)
    assert result.keys == sandbox.alerted == ["ledger.later_format"]


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role", "reports_generator"])
def test_the_sql_gives_the_tables_to_those_roles_alone(sandbox: Sandbox, role: str) -> None:
    """Whatever a project's default privileges had given to whom."""
    sandbox.supabase.sql(
        "do $$ begin create role reports_generator nologin; exception when duplicate_object then null; end $$"
    )
    sandbox.supabase.sql("grant all on report_deliveries, report_notices to anon, authenticated, service_role, public")
    sandbox.supabase.change(NEW)

    rights = sandbox.supabase.sql(
        "select table_name, string_agg(privilege_type::text, ' ' order by privilege_type::text) as rights "
        "from information_schema.role_table_grants where table_name like 'report\\_%' and grantee = $1 "
        "group by table_name order by table_name",
        role,
    )

    expected = [] if role in ("anon", "authenticated") else ["DELETE INSERT SELECT UPDATE"] * 2
    assert [row["rights"] for row in rights] == expected
