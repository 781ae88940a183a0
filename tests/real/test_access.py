"""What a key may not see is said, and never taken for an empty hour."""

import re

import pytest

from .sandbox import HOUR, RealSandbox, ids


def assert_refused(real: RealSandbox, key: str, **changes: str) -> None:
    """Check that a run fails with the problem `key`, tells it in one alert, and sends no report."""
    real.fill(3)

    result = real.run(*HOUR, **changes)

    assert result.code == 1
    assert (real.alerted, len(real.alerts)) == ([key], 1)
    assert real.copies == {}


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("analyses_not_granted", "source.permission"),
        ("analyses_missing", "source.no_table"),
        ("analyses_without_duration", "source.column"),
    ],
    ids=["no grant", "no table", "no column"],
)
def test_a_table_that_a_secret_key_cant_read_fails_the_run_with_its_reason(
    real: RealSandbox, table: str, key: str
) -> None:
    """A table that was not granted, isn't there, or lacks a column."""
    assert_refused(real, key, SUPABASE_TABLE=table)


def test_the_statement_that_an_alert_names_makes_the_table_readable(real: RealSandbox) -> None:
    """Supabase doesn't grant new tables to the role of a secret key."""
    table = {"SUPABASE_TABLE": "analyses_not_granted"}
    log = real.run(*HOUR, **table).log
    (statement,) = set(re.findall(r"(grant select [^;]+);", log))

    with real.supabase.changed(statement, "revoke all on analyses_not_granted from service_role"):
        assert statement == 'grant select on "analyses_not_granted" to service_role'
        assert real.run(*HOUR, **table).code == 0


def test_a_hint_of_the_server_is_shown(real: RealSandbox) -> None:
    """It knows which column comes near."""
    change, back = (
        f"alter table analyses rename {names}" for names in ("duration to durations", "durations to duration")
    )
    with real.supabase.changed(change, back):
        log = real.run("--check").output

    assert '; hint: Perhaps you meant to reference the column "analyses.durations".”' in log


@pytest.mark.parametrize(
    ("table", "reason"),
    [("analyses", "source.permission"), ("analyses_guarded", "source.hidden_rows")],
    ids=["no grant", "row-level security without a policy"],
)
def test_a_publishable_key_that_sees_nothing_fails_the_run_with_its_reason(
    real: RealSandbox, table: str, reason: str
) -> None:
    """Row-level security without a policy answers with no rows, not with an error."""
    assert_refused(real, reason, SUPABASE_TABLE=table, SUPABASE_KEY=real.supabase.publishable_key)


def test_a_secret_key_sees_through_row_level_security(real: RealSandbox) -> None:
    """Its role bypasses it."""
    real.fill(30, table="analyses_guarded")

    assert real.run(*HOUR, SUPABASE_TABLE="analyses_guarded").code == 0
    assert real.arrived() == real.ids("analyses_guarded")


def test_a_key_from_which_rows_are_hidden_is_warned_of_once_a_run(real: RealSandbox) -> None:
    """Its hours have every row that it may see, and no count tells of the others."""
    real.fill(60, table="analyses_guarded", step="1 minute")
    policy = "create policy half on analyses_guarded to anon using (extract(minute from created_at) < 30)"
    key = {"SUPABASE_TABLE": "analyses_guarded", "SUPABASE_KEY": real.supabase.publishable_key}
    with real.supabase.changed(policy, "drop policy half on analyses_guarded"):
        result, check = real.run(*HOUR, "--count", "2", **key), real.run("--check", **key)
    whole = real.run(*HOUR, "--resend", SUPABASE_TABLE="analyses_guarded")

    said = "may hide rows from this key (a publishable key); the report has every row that the key may see."
    assert (result.code, result.log.count(said)) == (0, 1)
    assert "a publishable key, row-level security may hide rows from it: the report has every row that" in check.output
    assert [len(ids(content)) for _, content in real.workbooks()[:2]] == [30, 30]
    assert "may hide rows" not in whole.log


def test_a_key_that_the_gateway_doesnt_know_fails_the_run_with_its_reason(real: RealSandbox) -> None:
    """It is refused before PostgREST."""
    assert_refused(real, "source.key", SUPABASE_KEY="sb_secret_of_another_project")


def test_a_token_is_no_key(real: RealSandbox) -> None:
    """The gateway takes a token only beside a key of the project."""
    assert_refused(
        real,
        "source.key",
        SUPABASE_KEY=real.supabase.jwt("reports_generator"),
    )


def test_a_token_of_a_role_that_isnt_there_fails_the_run_with_its_reason(real: RealSandbox) -> None:
    """Say, a token that was signed for another project's role."""
    assert_refused(
        real,
        "source.role",
        SUPABASE_KEY=real.supabase.publishable_key,
        SUPABASE_JWT=real.supabase.jwt("reporter"),
    )
