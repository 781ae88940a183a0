"""What the ledger in Supabase lacks is said, with what to do about it."""

import json
import os
import re
import socket
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest

from src.config.limits import LARGEST_PAGE
from src.ledger.record import Entry, Record

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
    (line,) = (line for line in output.splitlines() if re.match(r"(OK|FAIL) +ledger ", line))
    return line


def test_a_check_of_the_ledger_changes_nothing(sandbox: Sandbox, run: RunTool) -> None:
    """It says that a run could write there, too."""
    run(*OPTION, **TABLE)
    before = sandbox.supabase.sql("select * from report_deliveries")

    check = run("--check", **TABLE)

    assert "readable and writable, nothing in it yet" in ledger_line(check.output)
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
    assert "lacks its trigger, so that the claim of a run that dies would never end" in ledger_line(check.output)
    assert "Run src/sql/report_deliveries.sql in the SQL editor" in ledger_line(check.output)


def test_a_server_that_shows_no_refused_row_leaves_the_trigger_open(sandbox: Sandbox, run: RunTool) -> None:
    """It may be told to keep such details to itself."""
    refusal = Answer(status=400, body=b'{"code": "23502", "details": null, "message": "null value in column"}')
    sandbox.supabase.faults += [Fault(match="report_deliveries")] * 2
    sandbox.supabase.faults.append(Fault(answer=refusal, match="report_deliveries"))

    check = run("--check", **TABLE)

    assert "readable and writable (whether it has its trigger can't be seen), nothing" in ledger_line(check.output)


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

    for said in (report.log, ledger_line(check.output)):
        assert f"The role of SUPABASE_KEY lacks {lacking} on the table report_deliveries (HTTP 403" in said
        assert grant in said


def test_a_ledger_for_which_the_key_is_of_the_wrong_kind_asks_for_a_secret_key(sandbox: Sandbox, run: RunTool) -> None:
    """Nothing is to be granted to the role of a publishable key."""
    check = run("--check", SUPABASE_KEY=sandbox.supabase.publishable_key, **TABLE)

    assert "The ledger needs a secret key (sb_secret_…)" in ledger_line(check.output)
    assert "grant" not in ledger_line(check.output)


def test_a_ledger_that_is_not_there_is_named_with_its_sql(sandbox: Sandbox, run: RunTool) -> None:
    """Not with the table of analyses, though PostgREST 12 says nothing of a table that it should write to."""
    gone, back = "alter table report_deliveries rename to gone", "alter table gone rename to report_deliveries"
    with sandbox.supabase.changed(gone, back):
        report, check = run(*OPTION, **TABLE), run("--check", **TABLE)

    for said in (report.log, ledger_line(check.output)):
        assert "There is no table report_deliveries, which REPORT_LEDGER=supabase needs (HTTP 404" in said
        assert "Run src/sql/report_deliveries.sql in the SQL editor" in said
        assert "SUPABASE_TABLE" not in said


def test_a_column_that_the_ledger_lacks_is_said(sandbox: Sandbox, run: RunTool) -> None:
    """Its SQL leaves a table alone that is there."""
    gone, back = (f"alter table report_deliveries rename {names}" for names in ("holder to h", "h to holder"))
    with sandbox.supabase.changed(gone, back):
        check = run("--check", **TABLE)

    assert "The table report_deliveries is not the one that this version needs" in ledger_line(check.output)
    assert "compare the table with that file" in ledger_line(check.output)


def test_an_address_without_supabase_is_not_taken_for_a_ledger_that_is_not_there(
    sandbox: Sandbox, run: RunTool
) -> None:
    """Running its SQL would not help."""
    sandbox.supabase.always = Fault(answer=Answer(status=404, body=b"<html>not here</html>"), match="report_deliveries")

    report = run(*OPTION, **TABLE)

    assert "SUPABASE_URL" in report.log
    assert "in the SQL editor" not in report.log


@pytest.mark.parametrize(
    ("status", "code", "sentence"),
    [
        (
            400,
            "0A000",
            "The ledger can't be used. Supabase's database can only be read at the moment (HTTP 400, “as is”).",
        ),
        (
            405,
            "25006",
            "The ledger can't be used. Supabase's database can only be read at the moment (HTTP 405, “as is”).",
        ),
        (
            500,
            "55P03",
            "Supabase stopped the query for report_deliveries because it took too long (HTTP 500, “as is”).",
        ),
    ],
    ids=["standby", "read-only", "locked"],
)
def test_a_write_that_may_go_through_later_is_tried_again(
    sandbox: Sandbox, run: RunTool, status: int, code: str, sentence: str
) -> None:
    """A standby is promoted, a full disk grows, a lock ends."""
    answer = Answer(status=status, body=json.dumps({"code": code, "message": "as is"}).encode())
    sandbox.supabase.faults += [Fault(match="report_deliveries"), Fault(answer=answer, match="report_deliveries")]

    report = run(*OPTION, **TABLE)

    assert f"{sentence} Retrying in" in report.log
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


def many_recipients(sandbox: Sandbox, hours: int) -> None:
    """Leave the records of so many hours before the last one, each delivered to fifty recipients."""
    entries = [
        Entry(channel=channel, recipient=one, state="delivered", receipt="message 1", at=f"{this_hour(1)}", rows=3)
        for channel, known in (("email", RECIPIENTS), ("telegram", CHATS))
        for one in (*known, *(f"{number}@example.com" for number in range(25 - len(known))))
    ]
    content = Record(template="hourly", start="", entries=entries, rows=3, scheduled=True, attempts=1).content()
    sandbox.supabase.sql(
        "insert into report_deliveries (name, template, source, zone, window_start, record, scheduled) "
        "select 'production', 'hourly', $1, 'UTC', at, $2::jsonb || jsonb_build_object('start', at), true "
        "from generate_series($3::timestamptz, $4::timestamptz, '1 hour') as at",
        *(source_name(sandbox), json.dumps(content), f"{this_hour(hours + 1)}", f"{this_hour(2)}"),
    )


def test_a_month_of_many_recipients_is_listed_and_caught_up_from(sandbox: Sandbox, run: RunTool) -> None:
    """No single answer could hold it: fewer records are asked for at once."""
    many_recipients(sandbox, 744)

    listed = run("--deliveries", f"{this_hour(745):%Y-%m-%dT%H}", **TABLE)
    caught_up = run(JOB_NAME=job(0), REPORT_CATCH_UP="744", **TABLE)

    assert (listed.code, len(re.findall(" delivered ", listed.output))) == (0, 744 * 50)
    assert (caught_up.code, sandbox.alerts, len(sandbox.mails)) == (0, [], 1)
    limits = [parse_qs(urlsplit(one.target).query).get("limit") for one in sandbox.supabase.requests]
    assert limits.count(["1000"]) < limits.count(["100"])


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
    assert len(sandbox.alerts) == 2
    for alert in sandbox.alerts:
        assert "The ledger's answer for the table report_deliveries is too large to be read" in alert
        assert "select window_start, length(record::text) from report_deliveries order by 2 desc limit 5;" in alert
        assert "SUPABASE_TABLE" not in alert
