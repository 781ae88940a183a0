"""What the ledger in Supabase lacks is named, with what to do about it."""

import json
import os
import re
import socket
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest

from src.ledger.record import Entry, Record
from src.runtime.http import LARGEST_PAGE

from ..builders import OPTION
from ..conftest import Run
from ..faults import source_name
from ..sandbox import CHATS, RECIPIENTS, Sandbox
from ..sandbox.web import Answer, Fault
from .test_ledger import job, this_hour

RunTool = Callable[..., Run]
TABLE = {"REPORT_LEDGER": "supabase"}


def ledger_line(output: str) -> str:
    """Return the line of a check that is about the ledger."""
    (line,) = (line for line in output.splitlines() if re.match(r"(OK|NOTE|FAIL) +ledger ", line))
    return line


def ledger_key(output: str) -> str:
    """Return the key with which a failed check of the ledger ends."""
    (key,) = re.findall(r"\((ledger\.\w+)\)$", ledger_line(output))
    return str(key)


def test_a_check_of_the_ledger_changes_nothing(sandbox: Sandbox, run: RunTool) -> None:
    """It says that a run could write there, too."""
    run(*OPTION, **TABLE)
    before = sandbox.supabase.sql("select * from report_deliveries")

    check = run("--check", **TABLE)

    assert ledger_line(check.output).startswith("OK")
    assert (len(before), sandbox.supabase.sql("select * from report_deliveries")) == (1, before)


@pytest.mark.parametrize("is_begun", [False, True], ids=["empty", "begun"])
def test_a_ledger_without_its_trigger_is_found_by_a_check(sandbox: Sandbox, run: RunTool, is_begun: bool) -> None:
    """Even when nothing is in it yet."""
    if is_begun:
        run(*OPTION, **TABLE)
    disabled, enabled = (f"alter table report_deliveries {way} trigger all" for way in ("disable", "enable"))
    with sandbox.supabase.changed(disabled, enabled):
        check = run("--check", **TABLE)

    assert check.code == 1
    assert ledger_key(check.output) == "ledger.no_trigger"
    assert "src/sql/report_deliveries.sql" in ledger_line(check.output)


def test_a_server_that_shows_no_refused_row_leaves_the_trigger_open(sandbox: Sandbox, run: RunTool) -> None:
    """It may be told to keep such details to itself."""
    refusal = Answer(status=400, body=b'{"code": "23502", "details": null, "message": "null value in column"}')
    sandbox.supabase.faults += [Fault(match="report_deliveries")] * 2
    sandbox.supabase.faults.append(Fault(answer=refusal, match="report_deliveries"))

    check = run("--check", **TABLE)

    assert re.match("NOTE .*trigger", ledger_line(check.output))


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
    sandbox: Sandbox, run: RunTool, revoked: str, lacking: str
) -> None:
    """By a run and by a check."""
    grant = f'grant {lacking} on "report_deliveries" to service_role;'
    sandbox.supabase.sql(f"revoke {revoked} on report_deliveries from service_role")
    try:
        report, check = run(*OPTION, **TABLE), run("--check", **TABLE)
    finally:
        sandbox.supabase.sql("grant select, insert, update, delete on report_deliveries to service_role")

    assert "ledger.permission" in report.keys
    assert ledger_key(check.output) == "ledger.permission"
    assert all(grant in said for said in (report.log, ledger_line(check.output)))


def test_a_ledger_for_which_the_key_is_of_the_wrong_kind_asks_for_a_secret_key(sandbox: Sandbox, run: RunTool) -> None:
    """Nothing is to be granted to the role of a publishable key."""
    check = run("--check", SUPABASE_KEY=sandbox.supabase.publishable_key, **TABLE)

    assert ledger_key(check.output) == "ledger.permission"
    assert "sb_secret_" in ledger_line(check.output)
    assert "grant" not in ledger_line(check.output)


def test_a_ledger_that_is_not_there_is_named_with_its_sql(sandbox: Sandbox, run: RunTool) -> None:
    """Not with the table of analyses, though PostgREST 12 says nothing of a table that it should write to."""
    gone, back = "alter table report_deliveries rename to gone", "alter table gone rename to report_deliveries"
    with sandbox.supabase.changed(gone, back):
        report, check = run(*OPTION, **TABLE), run("--check", **TABLE)

    assert "ledger.no_table" in report.keys
    assert ledger_key(check.output) == "ledger.no_table"
    for said in (report.log, ledger_line(check.output)):
        assert "src/sql/report_deliveries.sql" in said
        assert "SUPABASE_TABLE" not in said


def test_a_column_that_the_ledger_lacks_is_said(sandbox: Sandbox, run: RunTool) -> None:
    """Its SQL leaves a table alone that is there."""
    gone, back = (f"alter table report_deliveries rename {names}" for names in ("holder to h", "h to holder"))
    with sandbox.supabase.changed(gone, back):
        check = run("--check", **TABLE)

    assert ledger_key(check.output) == "ledger.column"


def test_an_address_without_supabase_is_not_taken_for_a_ledger_that_is_not_there(
    sandbox: Sandbox, run: RunTool
) -> None:
    """Running its SQL would not help."""
    sandbox.supabase.always = Fault(answer=Answer(status=404, body=b"<html>not here</html>"), match="report_deliveries")

    report = run(*OPTION, **TABLE)

    assert report.keys[-1] == "ledger.not_postgrest"
    assert ".sql" not in report.log


@pytest.mark.parametrize(
    ("status", "code", "key"),
    [(400, "0A000", "ledger.read_only"), (405, "25006", "ledger.read_only"), (500, "55P03", "ledger.locked")],
    ids=["standby", "read-only", "locked"],
)
def test_a_write_that_may_go_through_later_is_tried_again(
    sandbox: Sandbox, run: RunTool, status: int, code: str, key: str
) -> None:
    """A standby is promoted, a full disk grows, a lock ends."""
    answer = Answer(status=status, body=json.dumps({"code": code, "message": "as is"}).encode())
    sandbox.supabase.faults += [Fault(match="report_deliveries"), Fault(answer=answer, match="report_deliveries")]

    report = run(*OPTION, **TABLE)

    assert (report.keys, report.events.count("retry")) == ([key], 1)
    assert (report.code, len(sandbox.messages)) == (0, len(CHATS))


def test_a_machine_of_any_name_stays_one_value_in_the_question_for_a_claim(
    sandbox: Sandbox, run: RunTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a pod the holder is the machine's name, in which Linux allows all characters."""
    monkeypatch.setattr(socket, "gethostname", lambda: 'pod",lease_until.gt.now,holder.neq."\\')

    for _ in range(2):  # the first one inserts the row, the second one asks for it
        run(*OPTION, **TABLE)

    (found,) = {
        either
        for request in sandbox.supabase.requests
        for either in parse_qs(urlsplit(request.target).query).get("or", [])
    }
    holder = rf'"pod\",lease_until.gt.now,holder.neq.\"\\.{os.getpid()}.'
    assert found.startswith(f"(holder.is.null,lease_until.lt.now,holder.eq.{holder}")
    assert re.fullmatch(r'[0-9a-f]+"\)', found.rpartition(".")[2])


def many_recipients(sandbox: Sandbox, hours: int, padding: int) -> None:
    """Leave the records of so many hours before the last one, each delivered to fifty recipients, and larger still."""
    entries = [
        Entry(channel=channel, recipient=one, state="delivered", receipt="message 1", at=f"{this_hour(1)}", rows=3)
        for channel, known in (("email", RECIPIENTS), ("telegram", CHATS))
        for one in (*known, *(f"{number}@example.com" for number in range(25 - len(known))))
    ]
    content = Record(template="hourly", start="", entries=entries, rows=3, scheduled=True, attempts=1).content()
    content["padding"] = "x" * padding
    sandbox.supabase.sql(
        "insert into report_deliveries (name, template, source, zone, window_start, record, scheduled) "
        "select 'production', 'hourly', $1, 'UTC', at, $2::jsonb || jsonb_build_object('start', at), true "
        "from generate_series($3::timestamptz, $4::timestamptz, '1 hour') as at",
        *(source_name(sandbox), json.dumps(content), f"{this_hour(hours + 1)}", f"{this_hour(2)}"),
    )


@pytest.mark.long
@pytest.mark.parametrize(("hours", "padding"), [(120, 150_000), pytest.param(744, 0, marks=pytest.mark.long)])
def test_a_history_beyond_what_one_answer_holds_is_listed_and_caught_up_from(
    sandbox: Sandbox, run: RunTool, hours: int, padding: int
) -> None:
    """Fewer records are asked for at once: a month of many recipients, or five days of large records.

    More bytes than a run may read before it sends are alerted, and cost nobody its own hour.
    """
    many_recipients(sandbox, hours, padding)

    listed = run("--deliveries", f"{this_hour(hours + 1):%Y-%m-%dT%H}", **TABLE)
    caught_up = run(JOB_NAME=job(0), REPORT_CATCH_UP=f"{hours}", **TABLE)

    assert (listed.code, len(re.findall(" delivered ", listed.output))) == (0, hours * 50)
    assert (caught_up.code, sandbox.alerted) == ((1, ["ledger.too_much_history"]) if padding else (0, []))
    assert len(sandbox.mails) == 1
    limits = [parse_qs(urlsplit(one.target).query).get("limit") for one in sandbox.supabase.requests]
    assert ["100"] in limits


TOO_LARGE = Answer(body=b"x" * (LARGEST_PAGE + 1))


def test_a_record_that_is_too_large_is_said_to_be_the_ledgers(sandbox: Sandbox, run: RunTool) -> None:
    """Not the table's of analyses; where many are asked for, only one that is too large alone is said."""
    run(JOB_NAME=job(1), **TABLE)
    sandbox.supabase.always = Fault(answer=TOO_LARGE, match="window_start=gte")
    caught_up = run(JOB_NAME=job(0), **TABLE)
    limits = [
        query["limit"]
        for query in (parse_qs(urlsplit(one.target).query) for one in sandbox.supabase.requests)
        if "window_start" in query and query["window_start"][0].startswith("gte")
    ]
    sandbox.supabase.always = Fault(answer=TOO_LARGE, match="window_start=eq")
    opened = run(*OPTION, **TABLE)

    assert (caught_up.code, len(sandbox.mails), opened.code) == (1, 2, 1)
    assert limits[-4:] == [["1000"], ["100"], ["10"], ["1"]]
    assert (sandbox.alerted, len(sandbox.alerts)) == (["ledger.too_large"], 2)
    for alert in sandbox.alerts:
        (statement,) = re.findall("select .+;", alert)
        assert [*sandbox.supabase.sql(statement)[0]] == ["window_start", "length"]
        assert "SUPABASE_TABLE" not in alert
