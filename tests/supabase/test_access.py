"""What a key may not see is said, and never taken for an empty hour."""

import re
from collections.abc import Callable

import pytest

from ..builders import OPTION, START
from ..conftest import Run
from ..faults import arrived, sheet_ids
from ..sandbox import Sandbox

RunTool = Callable[..., Run]


def assert_refused(sandbox: Sandbox, run: RunTool, key: str, *facts: str, **changes: str) -> None:
    """Check that a run fails with the problem of that key, tells it with `facts` in one alert, and sends no report."""
    sandbox.supabase.fill(3, start=START)

    result = run(*OPTION, **changes)

    assert (result.code, result.keys, sandbox.alerted) == (1, [key], [key])
    (alert,) = sandbox.alerts
    for text in (alert, result.log):
        assert [fact for fact in facts if fact not in text] == []
    assert sandbox.workbooks() == []


@pytest.mark.parametrize(
    ("table", "key", "facts"),
    [
        ("analyses_forbidden", "source.permission", ["SUPABASE_KEY", "HTTP 403"]),
        ("nowhere", "source.no_table", ["HTTP 404"]),
        ("analyses_other", "source.column", ["HTTP 400"]),
    ],
    ids=["no grant", "no table", "no column"],
)
def test_a_table_that_a_secret_key_cant_read_fails_the_run_with_its_reason(
    sandbox: Sandbox, run: RunTool, table: str, key: str, facts: list[str]
) -> None:
    """A table that was not granted, isn't there, or lacks a column."""
    assert_refused(sandbox, run, key, table, *facts, SUPABASE_TABLE=table)


def test_the_statement_that_an_alert_names_makes_the_table_readable(sandbox: Sandbox, run: RunTool) -> None:
    """Supabase doesn't grant new tables to the role of a secret key."""
    table = {"SUPABASE_TABLE": "analyses_forbidden"}
    log = run(*OPTION, **table).log
    (statement,) = set(re.findall(r"Run this in the SQL editor: (grant [^;]+);", log))

    with sandbox.supabase.changed(statement, "revoke all on analyses_forbidden from service_role"):
        assert '"analyses_forbidden"' in statement
        assert run(*OPTION, **table).code == 0


def test_a_hint_of_the_server_is_shown(sandbox: Sandbox, run: RunTool) -> None:
    """It knows which column comes near."""
    change, back = (
        f"alter table analyses rename {names}" for names in ("duration to durations", "durations to duration")
    )
    with sandbox.supabase.changed(change, back):
        log = run("--check").output

    assert "analyses.durations" in log


@pytest.mark.parametrize(
    ("table", "key", "facts"),
    [
        ("analyses_forbidden", "source.permission", ["HTTP 401"]),
        ("analyses_guarded", "source.hidden_rows", []),
    ],
    ids=["no grant", "row-level security without a policy"],
)
def test_a_publishable_key_that_sees_nothing_fails_the_run_with_its_reason(
    sandbox: Sandbox, run: RunTool, table: str, key: str, facts: list[str]
) -> None:
    """Row-level security without a policy answers with no rows, not with an error."""
    changes = {"SUPABASE_TABLE": table, "SUPABASE_KEY": sandbox.supabase.publishable_key}
    assert_refused(sandbox, run, key, "SUPABASE_KEY", table, *facts, **changes)


def test_a_secret_key_sees_through_row_level_security(sandbox: Sandbox, run: RunTool) -> None:
    """Its role bypasses it."""
    sandbox.supabase.fill(30, table="analyses_guarded", start=START)

    assert run(*OPTION, SUPABASE_TABLE="analyses_guarded").code == 0
    assert arrived(sandbox) == sandbox.supabase.ids("analyses_guarded", start=START)


def test_a_key_from_which_rows_are_hidden_is_warned_of_once_a_run(sandbox: Sandbox, run: RunTool) -> None:
    """Its hours have every row that it may see, and no count tells of the others."""
    sandbox.supabase.fill(60, table="analyses_guarded", step="1 minute", start=START)
    policy = "create policy half on analyses_guarded to anon using (extract(minute from created_at) < 30)"
    key = {"SUPABASE_TABLE": "analyses_guarded", "SUPABASE_KEY": sandbox.supabase.publishable_key}
    with sandbox.supabase.changed(policy, "drop policy half on analyses_guarded"):
        result, check = run(*OPTION, "--count", "2", **key), run("--check", **key)
    whole = run(*OPTION, "--resend", SUPABASE_TABLE="analyses_guarded")

    assert (result.code, result.events.count("key_is_limited")) == (0, 1)
    (line,) = re.findall(r"^.*publishable key.*$", check.output, re.MULTILINE)
    assert "row-level security" in line
    assert [len(sheet_ids(content)) for _, content in sandbox.workbooks()[:2]] == [30, 30]
    assert "key_is_limited" not in whole.events


def test_a_key_that_the_gateway_doesnt_know_fails_the_run_with_its_reason(sandbox: Sandbox, run: RunTool) -> None:
    """It is refused before PostgREST."""
    changes = {"SUPABASE_KEY": "sb_secret_of_another_project"}
    assert_refused(sandbox, run, "source.key", "SUPABASE_KEY", "HTTP 401", **changes)


def test_a_token_is_no_key(sandbox: Sandbox, run: RunTool) -> None:
    """The gateway takes a token only beside a key of the project."""
    changes = {"SUPABASE_KEY": sandbox.supabase.jwt("reports_generator")}
    assert_refused(sandbox, run, "source.key", "SUPABASE_KEY", "HTTP 401", "Invalid API key", **changes)


def test_a_token_of_a_role_that_isnt_there_fails_the_run_with_its_reason(sandbox: Sandbox, run: RunTool) -> None:
    """Say, a token that was signed for another project's role."""
    assert_refused(
        sandbox,
        run,
        "source.role",
        "SUPABASE_JWT",
        "HTTP 400",
        "reporter",
        SUPABASE_KEY=sandbox.supabase.publishable_key,
        SUPABASE_JWT=sandbox.supabase.jwt("reporter"),
    )
