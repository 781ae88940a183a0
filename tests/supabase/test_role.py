"""The role of src/sql/reports_role.sql can do what a run needs, and nothing else."""

import json
import re
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from ..builders import OPTION, START
from ..conftest import Run
from ..faults import ONCE, copies
from ..pages import ROOT
from ..sandbox import RECIPIENTS, Sandbox
from ..sandbox.supabase import REST
from ..sandbox.web import Request

RunTool = Callable[..., Run]
ROLE_SQL = (ROOT / "src/sql/reports_role.sql").read_text()
LEDGER = {"REPORT_LEDGER": "supabase"}
DAY = 86_400


@pytest.fixture
def access(sandbox: Sandbox) -> Iterator[dict[str, str]]:
    """The settings of a run with the role; the table of analyses is guarded, as most are."""
    token = sandbox.supabase.jwt("reports_generator", exp=int(time.time()) + 90 * DAY)
    sandbox.supabase.sql("alter table analyses enable row level security")
    yield {"SUPABASE_KEY": sandbox.supabase.publishable_key, "SUPABASE_JWT": token}
    sandbox.supabase.sql("alter table analyses disable row level security")


def ask(sandbox: Sandbox, token: str, method: str, path: str, body: object = None) -> tuple[int, str]:
    """Ask the REST interface with a token beside the publishable key; return the status and PostgreSQL's code."""
    headers = {"apikey": sandbox.supabase.publishable_key, "authorization": f"Bearer {token}"}
    content = json.dumps(body).encode() if body else b""
    headers["content-type"] = "application/json"
    request = Request(method=method, target=f"{REST}/{path}", headers=headers, body=content, at=0.0)
    answer = sandbox.supabase.answer(request)
    return answer.status, json.loads(answer.body).get("code", "") if answer.status >= 400 else ""


def test_a_resend_a_refused_recipient_and_what_was_missed_are_kept_too(
    sandbox: Sandbox, run: RunTool, access: dict[str, str]
) -> None:
    """Every way in which the ledger is written."""
    sandbox.supabase.fill(3, start=START)
    sandbox.mailbox.refused = {RECIPIENTS[0]: "550 5.1.1 No such user"}
    refused = run(*OPTION, **access, **LEDGER)
    sandbox.mailbox.refused = {}

    again, resent = run(*OPTION, **access, **LEDGER), run(*OPTION, "--resend", **access, **LEDGER)

    assert (refused.code, again.code, resent.code) == (1, 0, 0)
    assert copies(sandbox) == ((2, 2), (2, 2))


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        pytest.param("GET", "analyses_guarded?select=id", None, id="read another table"),
        pytest.param("GET", "analyses_numbered?select=id", None, id="read a table without row-level security"),
        pytest.param("POST", "analyses", {"status": "made up"}, id="insert into analyses"),
        pytest.param("PATCH", "analyses?status=eq.completed", {"status": "made up"}, id="update analyses"),
        pytest.param("DELETE", "analyses?status=eq.completed", None, id="delete from analyses"),
    ],
)
def test_nothing_else_is_allowed(
    sandbox: Sandbox, access: dict[str, str], method: str, path: str, body: object
) -> None:
    """Whoever steals the token can read the hour's rows and spoil the ledger, and that is all."""
    sandbox.supabase.fill(3, start=START)

    assert ask(sandbox, access["SUPABASE_JWT"], method, path, body) == (403, "42501")
    assert len(sandbox.supabase.ids(start=START)) == 3


def test_the_role_owns_nothing_and_cant_log_in(sandbox: Sandbox) -> None:
    """It is used through authenticator only, and bypasses no policy."""
    (role,) = sandbox.supabase.sql("select * from pg_roles where rolname = 'reports_generator'")

    assert [name for name, value in role.items() if name.startswith("rol") and value is True] == ["rolinherit"]
    memberships = sandbox.supabase.sql("select from pg_auth_members where member = 'reports_generator'::regrole")
    assert memberships == []


def test_running_the_sql_again_changes_nothing(sandbox: Sandbox) -> None:
    """Rights, policies and memberships stay the same, row by row."""
    state = (
        "select (select json_agg(p order by p.oid) from pg_policy p)::text as policies, "
        "(select json_agg(m order by m.oid) from pg_auth_members m)::text as members, "
        "(select json_agg(array[relname::text, relacl::text] order by oid) from pg_class)::text as rights, "
        "(select json_agg(nspacl::text order by oid) from pg_namespace)::text as schemas"
    )
    before = sandbox.supabase.sql(state)

    sandbox.supabase.sql(ROLE_SQL)

    assert sandbox.supabase.sql(state) == before


def test_without_the_ledgers_tables_the_rest_is_made_all_the_same(
    sandbox: Sandbox, run: RunTool, access: dict[str, str]
) -> None:
    """The ledger may be kept in a directory; a table of analyses that isn't there is said."""
    gone, back = "alter table report_deliveries rename to gone", "alter table gone rename to report_deliveries"
    sandbox.supabase.fill(3, start=START)
    with sandbox.supabase.changed(f"drop policy reports_generator on analyses; {gone}", back):
        sandbox.supabase.sql(ROLE_SQL)
        result = run(*OPTION, **access)
    renamed = ROLE_SQL.replace("'analyses'", "'no_such_table'")

    assert (result.code, copies(sandbox)) == (0, ONCE)
    with pytest.raises(psycopg.errors.RaiseException, match=r"no_such_table.* SUPABASE_TABLE"):
        sandbox.supabase.sql(renamed)


def test_a_policy_that_is_gone_never_makes_an_empty_report(
    sandbox: Sandbox, run: RunTool, access: dict[str, str]
) -> None:
    """The name of the role is believed for a warning, not for an empty hour."""
    sandbox.supabase.fill(3, start=START)
    policy = "create policy reports_generator on analyses for select to reports_generator using (true)"
    sandbox.supabase.sql("drop policy reports_generator on analyses")
    try:
        result = run(*OPTION, **access)
    finally:
        sandbox.supabase.sql(policy)

    assert (result.code, copies(sandbox)) == (1, ((0, 0), (0, 0)))
    assert (result.keys, sandbox.alerted) == (["source.hidden_rows"], ["source.hidden_rows"])
    assert re.search(r"SUPABASE_JWT .* src/sql/reports_role\.sql\b", result.log)


def test_a_token_that_has_ended_or_is_anothers_fails_the_run_with_its_reason(
    sandbox: Sandbox, run: RunTool, access: dict[str, str]
) -> None:
    """One alert, that names the token and not the key."""
    sandbox.supabase.fill(3, start=START)
    expired = sandbox.supabase.jwt("reports_generator", exp=int(time.time()) - DAY)
    forged = access["SUPABASE_JWT"][:-6] + "AAAAAA"

    runs = [run(*OPTION, **access | {"SUPABASE_JWT": token}) for token in (expired, forged)]

    assert [run.code for run in runs] == [1, 1]
    assert sandbox.workbooks() == []
    assert [run.keys for run in runs] == [["source.jwt_expired"], ["source.jwt"]]
    assert "key_expires" in runs[0].events
    for result in runs:
        assert "SUPABASE_JWT" in result.log
        assert "SUPABASE_KEY" not in result.log
