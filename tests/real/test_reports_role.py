"""The role of src/sql/reports_role.sql can do what a run needs, and nothing else."""

import json
import time
from collections.abc import Iterator

import psycopg
import pytest

from ..sandbox import RECIPIENTS
from ..sandbox.web import Request
from .sandbox import HOUR, ONCE, RealSandbox
from .supabase import REST, SQL

ROLE_SQL = (SQL / "reports_role.sql").read_text()
LEDGER = {"REPORT_LEDGER": "supabase"}
DAY = 86_400


@pytest.fixture
def access(real: RealSandbox) -> Iterator[dict[str, str]]:
    """The settings of a run with the role; the table of analyses is guarded, as most are."""
    token = real.supabase.jwt("reports_generator", exp=int(time.time()) + 90 * DAY)
    guarded = (f"alter table analyses {way} row level security" for way in ("enable", "disable"))
    with real.supabase.changed(*guarded):
        yield {"SUPABASE_KEY": real.supabase.publishable_key, "SUPABASE_JWT": token}


def ask(real: RealSandbox, token: str, method: str, path: str, body: object = None) -> tuple[int, str]:
    """Ask the REST interface with a token beside the publishable key; return the status and PostgreSQL's code."""
    headers = {"apikey": real.supabase.publishable_key, "authorization": f"Bearer {token}"}
    content = json.dumps(body).encode() if body else b""
    headers["content-type"] = "application/json"
    request = Request(method=method, target=f"{REST}/{path}", headers=headers, body=content, at=0.0)
    answer = real.supabase.answer(request)
    return answer.status, json.loads(answer.body).get("code", "") if answer.status >= 400 else ""


def test_every_row_of_a_guarded_table_is_delivered_and_the_ledger_remembers(
    real: RealSandbox, access: dict[str, str]
) -> None:
    """More than a page of them; the second run owes nobody anything, and neither warns."""
    real.fill(2500)

    first, second = (real.run(*HOUR, **access, **LEDGER) for _ in range(2))

    assert (first.code, second.code, real.copies) == (0, 0, ONCE)
    assert real.arrived() == real.ids()
    assert "WARNING" not in first.log + second.log


def test_a_resend_a_refused_recipient_and_what_was_missed_are_kept_too(
    real: RealSandbox, access: dict[str, str]
) -> None:
    """Every way in which the ledger is written."""
    real.fill(3)
    real.mailbox.refused = {RECIPIENTS[0]: "550 5.1.1 No such user"}
    refused = real.run(*HOUR, **access, **LEDGER)
    real.mailbox.refused = {}

    again, resent = real.run(*HOUR, **access, **LEDGER), real.run(*HOUR, "--resend", **access, **LEDGER)

    assert (refused.code, again.code, resent.code) == (1, 0, 0)
    assert real.copies == dict.fromkeys(ONCE, 2)


def test_a_check_names_key_role_and_the_tokens_end(real: RealSandbox, access: dict[str, str]) -> None:
    """And finds table and ledger well."""
    real.fill(3)

    result = real.run("--check", **access, **LEDGER)

    assert result.code == 0
    assert "a publishable key with a JWT of reports_generator, sees every row by the policy of" in result.output
    assert "good until " in result.output


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        pytest.param("GET", "analyses_guarded?select=id", None, id="read another table"),
        pytest.param("GET", "analyses_bigint?select=id", None, id="read a table without row-level security"),
        pytest.param("POST", "analyses", {"status": "made up"}, id="insert into analyses"),
        pytest.param("PATCH", "analyses?status=eq.completed", {"status": "made up"}, id="update analyses"),
        pytest.param("DELETE", "analyses?status=eq.completed", None, id="delete from analyses"),
    ],
)
def test_nothing_else_is_allowed(
    real: RealSandbox, access: dict[str, str], method: str, path: str, body: object
) -> None:
    """Whoever steals the token can read the hour's rows and spoil the ledger, and that is all."""
    real.fill(3)

    assert ask(real, access["SUPABASE_JWT"], method, path, body) == (403, "42501")
    assert len(real.ids()) == 3


def test_the_role_owns_nothing_and_cant_log_in(real: RealSandbox) -> None:
    """It is used through authenticator only, and bypasses no policy."""
    (role,) = real.supabase.sql("select * from pg_roles where rolname = 'reports_generator'")

    assert [name for name, value in role.items() if name.startswith("rol") and value is True] == ["rolinherit"]
    assert real.supabase.sql("select from pg_auth_members where member = 'reports_generator'::regrole") == []


def test_running_the_sql_again_changes_nothing(real: RealSandbox) -> None:
    """Rights, policies and memberships stay the same, row by row."""
    state = (
        "select (select json_agg(p order by p.oid) from pg_policy p)::text as policies, "
        "(select json_agg(m order by m.oid) from pg_auth_members m)::text as members, "
        "(select json_agg(array[relname::text, relacl::text] order by oid) from pg_class)::text as rights, "
        "(select json_agg(nspacl::text order by oid) from pg_namespace)::text as schemas"
    )
    before = real.supabase.sql(state)

    real.supabase.sql(ROLE_SQL)

    assert real.supabase.sql(state) == before


def test_without_the_ledgers_tables_the_rest_is_made_all_the_same(real: RealSandbox, access: dict[str, str]) -> None:
    """The ledger may be kept in a directory; a table of analyses that isn't there is said."""
    gone, back = "alter table report_deliveries rename to gone", "alter table gone rename to report_deliveries"
    real.fill(3)
    with real.supabase.changed(f"drop policy reports_generator on analyses; {gone}", back):
        real.supabase.sql(ROLE_SQL)
        result = real.run(*HOUR, **access)
    renamed = ROLE_SQL.replace("'analyses'", "'no_such_table'")

    assert (result.code, real.copies) == (0, ONCE)
    with pytest.raises(
        psycopg.errors.RaiseException, match="There is no table no_such_table: write the name of SUPABASE_TABLE"
    ):
        real.supabase.sql(renamed)


def test_a_policy_that_is_gone_never_makes_an_empty_report(real: RealSandbox, access: dict[str, str]) -> None:
    """The name of the role is believed for a warning, not for an empty hour."""
    real.fill(3)
    policy = "create policy reports_generator on analyses for select to reports_generator using (true)"
    with real.supabase.changed("drop policy reports_generator on analyses", policy):
        result = real.run(*HOUR, **access)

    assert (result.code, real.copies) == (1, {})
    assert "SUPABASE_JWT sees no row at all in the table analyses" in result.log
    assert "as src/sql/reports_role.sql does" in result.log


def test_rights_that_are_gone_are_told_with_the_sql_that_brings_them_back(
    real: RealSandbox, access: dict[str, str]
) -> None:
    """Of the rows and of the ledger."""
    real.fill(3)
    with real.supabase.changed("revoke all on analyses, report_deliveries from reports_generator", ROLE_SQL):
        result = real.run("--check", **access, **LEDGER)

    table, ledger = (
        next(line for line in result.output.splitlines() if f" {part} " in line) for part in ("table", "ledger")
    )
    assert (table.endswith("(source.permission)"), ledger.endswith("(ledger.permission)")) == (True, True)
    assert all("src/sql/reports_role.sql" in line for line in (table, ledger))


def test_a_token_that_has_ended_or_is_anothers_fails_the_run_with_its_reason(
    real: RealSandbox, access: dict[str, str]
) -> None:
    """One alert, that names the token and not the key."""
    real.fill(3)
    expired = real.supabase.jwt("reports_generator", exp=int(time.time()) - DAY)
    forged = access["SUPABASE_JWT"][:-6] + "AAAAAA"

    runs = [real.run(*HOUR, **access | {"SUPABASE_JWT": token}) for token in (expired, forged)]

    assert [run.code for run in runs] == [1, 1]
    assert real.copies == {}
    assert real.alerted == ["source.jwt_expired", "source.jwt"]
    assert all("SUPABASE_JWT" in result.log and "SUPABASE_KEY" not in result.log for result in runs)
