"""What PostgreSQL may do in the middle of a run costs no row."""

import re
from contextlib import ExitStack

from ..pages import section
from .sandbox import HOUR, ONCE, RealSandbox, read_until, until
from .supabase import Hold

RETRY = "Retrying in"


def test_a_query_over_the_time_limit_of_its_role_is_said(real: RealSandbox) -> None:
    """Supabase gives the publishable key's role three seconds."""
    result = real.run("--check", SUPABASE_TABLE="analyses_slow", SUPABASE_KEY=real.supabase.publishable_key)

    assert result.code == 1
    assert "(source.query_too_slow)" in result.output


def test_a_table_that_is_locked_is_not_blamed_on_the_index_alone(real: RealSandbox) -> None:
    """The runbook's query finds who holds the lock."""
    (find,) = re.findall(r"^  (select .+;)$", section("runbook", "Failed: reading the rows"), re.MULTILINE)

    with real.supabase.locked("analyses_guarded"):
        found = real.supabase.sql(find.replace("analyses", "analyses_guarded"))
        line = real.run("--check", SUPABASE_TABLE="analyses_guarded", SUPABASE_KEY=real.supabase.publishable_key).output

    assert [row["query"] for row in found] == ["lock table analyses_guarded"]
    assert "(source.query_too_slow)" in line
    assert "a lock" in line


def test_a_page_that_an_administrator_ends_is_asked_for_again(real: RealSandbox) -> None:
    """PostgreSQL says so by a code of its own."""
    real.fill(2500)
    hold = real.supabase.hold = Hold(page=2)

    with real.started(*HOUR) as process:
        hold.wait_until_reached()
        with real.supabase.locked("analyses"):
            hold.released.set()
            until(lambda: real.supabase.sql("select 1 from pg_locks where not granted"))
            real.supabase.sql("select pg_terminate_backend(pid) from pg_locks where not granted")
            said = read_until(process, RETRY)
        code = process.wait(timeout=60)

    assert "HTTP 503: " in said
    assert (code, real.copies) == (0, ONCE)
    assert real.arrived() == real.ids()


def test_a_table_locked_beyond_the_time_limit_is_read_once_it_is_free(real: RealSandbox) -> None:
    """The first page is stopped after eight seconds, and asked for again."""
    real.fill(2500)

    with real.started(*HOUR) as process:
        with real.supabase.locked("analyses"):
            said = read_until(process, RETRY)
        code = process.wait(timeout=60)

    assert "canceling statement due to statement timeout" in said
    assert (code, real.copies) == (0, ONCE)
    assert real.arrived() == real.ids()


def test_a_server_that_is_down_in_mid_paging_costs_no_row(real: RealSandbox) -> None:
    """The page is asked for again until it is up."""
    real.fill(5000)
    hold = real.supabase.hold = Hold(page=3)

    with real.started(*HOUR) as process:
        hold.wait_until_reached()
        with real.supabase.postgres.stopped():
            hold.released.set()
            said = read_until(process, RETRY)
        code = process.wait(timeout=60)

    assert "HTTP 503: Database connection error." in said
    assert (code, real.copies) == (0, ONCE)
    assert real.arrived() == real.ids()


def test_a_restart_that_ends_a_page_in_mid_query_costs_no_row(real: RealSandbox) -> None:
    """A lock keeps the query at work until the restart."""
    real.fill(5000)
    hold = real.supabase.hold = Hold(page=3)

    with real.started(*HOUR) as process:
        hold.wait_until_reached()
        with real.supabase.locked("analyses"):
            hold.released.set()
            until(lambda: real.supabase.sql("select 1 from pg_locks where not granted"))
            real.supabase.postgres.restart()
        said = read_until(process, RETRY)
        code = process.wait(timeout=60)

    assert "HTTP 503: Database client error." in said
    assert (code, real.copies) == (0, ONCE)
    assert real.arrived() == real.ids()


def test_a_read_only_server_delivers_with_the_ledger_in_a_directory(real: RealSandbox) -> None:
    """As a standby that has not been promoted is."""
    real.fill(2500)
    with real.supabase.postgres.standby():
        real.supabase.postgrest.wait_until_ready()
        assert real.run(*HOUR).code == 0

    assert real.copies == ONCE
    assert real.arrived() == real.ids()


def test_a_standby_that_is_promoted_in_mid_run_costs_nothing_with_the_ledger_in_supabase(real: RealSandbox) -> None:
    """As in a failover; nothing is sent before it can be noted."""
    real.fill(3)
    with ExitStack() as stack:
        with real.supabase.postgres.standby():
            real.supabase.postgrest.wait_until_ready()
            process = stack.enter_context(real.started(*HOUR, REPORT_LEDGER="supabase"))
            said = read_until(process, RETRY)
            sent_before = real.copies
        code = process.wait(timeout=60)

    assert "cannot set transaction read-write mode during recovery" in said
    assert (sent_before, code, real.copies) == ({}, 0, ONCE)
