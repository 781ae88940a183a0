"""Answers of Supabase's, given to the running program: who got what, who was alerted of what, and the exit code."""

from collections.abc import Callable, Iterable

import pytest
from msgspec.structs import replace

from ..builders import OPTION, QUICK, make_rows
from ..conftest import Run
from ..faults import large
from ..ledger.test_ledger import job
from ..sandbox import CHATS, RECIPIENTS, Sandbox
from ..sandbox.web import Answer, Fault
from .supabase import Case, read_cases

RunTool = Callable[..., Run]
TABLE = {"REPORT_LEDGER": "supabase"}
NOT_YET = Answer(status=401, body=b'{"code": "PGRST303", "message": "JWT issued at future"}')
SOON_GIVEN_UP = replace(QUICK, clock=0.1)


def one_a_key(cases: Iterable[Case], *requests: str) -> list[Case]:
    """Return the first case of each key to one of `requests` with a secret key."""
    found = [case for case in cases if case.request in requests and case.credentials == "secret"]
    return [*{case.key: case for case in reversed(found)}.values()]


def as_fault(case: Case, match: str) -> Fault:
    """Return the fault that gives a case's answer, without the seconds that it asks for."""
    headers = {name: value for name, value in case.headers.items() if name != "retry-after"}
    return Fault(answer=Answer(status=case.status, headers=headers, body=case.body), match=match)


def copies(sandbox: Sandbox) -> dict[str, int]:
    """Count the reports that each recipient got."""
    mails = [address for mail in sandbox.mails for address in mail.recipients]
    chats = [message.chat for message in sandbox.messages]
    return {one: (mails + chats).count(one) for one in (*RECIPIENTS, *CHATS)}


EVERYBODY, NOBODY = dict.fromkeys((*RECIPIENTS, *CHATS), 1), dict.fromkeys((*RECIPIENTS, *CHATS), 0)
POSTGREST, STORAGE = read_cases("postgrest.tsv"), read_cases("storage.tsv")


@pytest.mark.sampled
@pytest.mark.parametrize("case", one_a_key(POSTGREST, "rows"), ids=lambda case: case.name)
def test_an_answer_to_the_question_for_rows(sandbox: Sandbox, run: RunTool, case: Case) -> None:
    """What may pass is asked again, and the report comes; anything else is alerted of, at once."""
    sandbox.supabase.insert(make_rows(3))
    fault = as_fault(case, "/rest/v1/analyses")
    sandbox.supabase.faults += [fault] if case.when == "later" else []
    sandbox.supabase.always = fault if case.when == "final" else None

    result = run(*OPTION)

    assert f"source.{case.key}" in result.keys
    if case.when == "later":
        assert (result.code, copies(sandbox), sandbox.alerts) == (0, EVERYBODY, [])
    else:
        assert (result.code, copies(sandbox), sandbox.alerted) == (1, NOBODY, [f"source.{case.key}"])


@pytest.mark.sampled
@pytest.mark.parametrize("case", one_a_key(POSTGREST, "ledger-read", "ledger-write"), ids=lambda case: case.name)
def test_an_answer_to_the_ledger(sandbox: Sandbox, run: RunTool, case: Case) -> None:
    """Without its record nothing is sent; what may pass is asked again."""
    sandbox.supabase.insert(make_rows(3))
    fault = as_fault(case, "report_deliveries")
    reads = [Fault(match="report_deliveries")] if case.request == "ledger-write" else []  # a run reads first
    sandbox.supabase.faults += [*reads, fault]
    sandbox.supabase.always = fault if case.when == "final" else None

    result = run(*OPTION, **TABLE)

    if case.when == "later":
        assert (result.code, copies(sandbox), sandbox.alerts) == (0, EVERYBODY, [])
    else:
        assert (result.code, copies(sandbox), sandbox.alerted) == (1, NOBODY, [case.key])


@pytest.mark.sampled
@pytest.mark.parametrize("case", one_a_key(STORAGE, "upload"), ids=lambda case: case.name)
def test_an_answer_of_storage(sandbox: Sandbox, run: RunTool, case: Case) -> None:
    """The report goes without its workbook, and somebody is alerted of it; what may pass is asked again."""
    sandbox.supabase.insert(make_rows(6))
    sandbox.supabase.make_bucket("reports")
    large(sandbox)
    fault = as_fault(case, "/storage/v1/object/reports/")
    sandbox.supabase.faults += [fault] if case.when == "later" else []
    sandbox.supabase.always = fault if case.when == "final" else None

    result = run(*OPTION, REPORT_BUCKET="reports")

    assert copies(sandbox) == EVERYBODY
    if case.when == "later":
        assert (result.code, len(sandbox.workbooks()), sandbox.alerts) == (0, 4, [])
    else:
        assert (result.code, sandbox.alerted) == (1, [f"without_workbook.storage.{case.key}"])


@pytest.mark.long
def test_a_token_of_the_future_stops_no_run_wherever_it_comes(sandbox: Sandbox, run: RunTool) -> None:
    """At each request of a run, from the search for missed windows to the notices, everyone gets one report."""
    changes = TABLE | {"JOB_NAME": job(0)}
    sandbox.supabase.insert(make_rows(3))
    run(**changes)
    kinds = [f"{request.method} {request.target.partition('&')[0]}" for request in sandbox.supabase.requests]
    places = [place for place, kind in enumerate(kinds) if kind not in kinds[:place]]
    assert len(places) > 5

    for place in places:
        sandbox.reset()
        sandbox.supabase.faults += [*[Fault()] * place, Fault(answer=NOT_YET)]

        result = run(**changes)

        assert (place, result.code, copies(sandbox), sandbox.alerts) == (place, 0, EVERYBODY, [])


def test_a_token_of_the_future_is_waited_for_at_the_notices(sandbox: Sandbox, run: RunTool) -> None:
    """So that the next run doesn't alert again."""
    sandbox.mailbox.sender_reply = "553 5.7.1 Not yours"
    sandbox.supabase.faults += [Fault(answer=NOT_YET, match="report_notices")] * 2
    for _ in range(2):
        run(*OPTION, **TABLE)

    noted = sandbox.supabase.sql("select key from report_notices")
    assert noted
    assert len(sandbox.failures) == 1


@pytest.mark.parametrize(
    ("changes", "key"), [({}, "source.clock"), (TABLE, "ledger.clock")], ids=["rows", "the ledger"]
)
def test_a_clock_that_stays_off_is_alerted_of(
    sandbox: Sandbox, run: RunTool, changes: dict[str, str], key: str
) -> None:
    """After a minute in all, not at each request; no key is blamed."""
    sandbox.supabase.always = Fault(answer=NOT_YET)

    result = run(*OPTION, timeouts=SOON_GIVEN_UP, **changes)

    assert (result.code, copies(sandbox), sandbox.alerted) == (1, NOBODY, [key])
    assert all("SUPABASE_KEY" not in alert for alert in sandbox.alerts)


def test_a_key_that_is_being_retired_is_warned_of_once_a_run_and_by_a_check(sandbox: Sandbox, run: RunTool) -> None:
    """Each hour goes on working, until it is switched off."""
    empty = Answer(headers={"content-range": "*/0"}, body=b"[]")
    sandbox.supabase.always = Fault(answer=empty)  # the sandbox's gateway takes no JWT as a key
    key = {"SUPABASE_KEY": sandbox.supabase.jwt("service_role", ref=1)}

    report, check = run(*OPTION, **key), run("--check", **key)

    assert report.events.count("key_retires") == 1
    assert "sb_secret_" in next(line for line in check.output.splitlines() if line.split()[1] == "key")
