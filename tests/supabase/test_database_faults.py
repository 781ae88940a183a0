"""What PostgreSQL may do in the middle of a run costs no row."""

import re
from collections.abc import Callable
from contextlib import ExitStack

from ..builders import OPTION, START
from ..conftest import Run
from ..faults import ONCE, arrived, copies
from ..pages import section
from ..processes import read_until, started, wait_until
from ..sandbox import Sandbox
from ..sandbox.supabase import Hold

RunTool = Callable[..., Run]
RETRY = "Retrying in"


def test_a_query_over_the_time_limit_of_its_role_is_said(sandbox: Sandbox, run: RunTool) -> None:
    """Supabase gives the publishable key's role three seconds."""
    result = run("--check", SUPABASE_TABLE="analyses_slow", SUPABASE_KEY=sandbox.supabase.publishable_key)

    assert result.code == 1
    (line,) = re.findall(r"^.*\(source\.query_too_slow\).*$", result.output, re.MULTILINE)
    assert "analyses_slow" in line


def test_a_table_that_is_locked_is_not_blamed_on_the_index_alone(sandbox: Sandbox, run: RunTool) -> None:
    """The runbook's query finds who holds the lock."""
    (find,) = re.findall(r"^  (select .+;)$", section("runbook", "Failed: reading the rows"), re.MULTILINE)

    with sandbox.supabase.locked("analyses_guarded"):
        found = sandbox.supabase.sql(find.replace("analyses", "analyses_guarded"))
        line = run("--check", SUPABASE_TABLE="analyses_guarded", SUPABASE_KEY=sandbox.supabase.publishable_key).output

    (row,) = found
    assert row["query"].split()[-1] == "analyses_guarded"
    assert re.search(r"analyses_index\.sql.* lock\b", line)


def test_a_page_that_an_administrator_ends_is_asked_for_again(sandbox: Sandbox) -> None:
    """PostgreSQL says so by a code of its own."""
    sandbox.supabase.fill(2500, start=START)
    hold = sandbox.supabase.hold = Hold(page=2)

    with started(sandbox, *OPTION) as process:
        hold.wait_until_reached()
        with sandbox.supabase.locked("analyses"):
            hold.released.set()
            wait_until(lambda: sandbox.supabase.sql("select 1 from pg_locks where not granted"), process)
            sandbox.supabase.sql("select pg_terminate_backend(pid) from pg_locks where not granted")
            said = read_until(process, RETRY)
        code = process.wait(timeout=60)

    assert "HTTP 503: " in said
    assert (code, copies(sandbox)) == (0, ONCE)
    assert arrived(sandbox) == sandbox.supabase.ids(start=START)


def test_a_table_locked_beyond_the_time_limit_is_read_once_it_is_free(sandbox: Sandbox) -> None:
    """The first page is stopped after eight seconds, and asked for again."""
    sandbox.supabase.fill(2500, start=START)

    with started(sandbox, *OPTION) as process:
        with sandbox.supabase.locked("analyses"):
            said = read_until(process, RETRY)
        code = process.wait(timeout=60)

    assert "statement timeout" in said
    assert (code, copies(sandbox)) == (0, ONCE)
    assert arrived(sandbox) == sandbox.supabase.ids(start=START)


def test_a_server_that_is_down_in_mid_paging_costs_no_row(sandbox: Sandbox) -> None:
    """The page is asked for again until it is up."""
    sandbox.supabase.fill(5000, start=START)
    hold = sandbox.supabase.hold = Hold(page=3)

    with started(sandbox, *OPTION) as process:
        hold.wait_until_reached()
        with sandbox.supabase.postgres.stopped():
            hold.released.set()
            said = read_until(process, RETRY)
        code = process.wait(timeout=60)

    assert "HTTP 503: Database connection" in said
    assert (code, copies(sandbox)) == (0, ONCE)
    assert arrived(sandbox) == sandbox.supabase.ids(start=START)


def test_a_restart_that_ends_a_page_in_mid_query_costs_no_row(sandbox: Sandbox) -> None:
    """A lock keeps the query at work until the restart."""
    sandbox.supabase.fill(5000, start=START)
    hold = sandbox.supabase.hold = Hold(page=3)

    with started(sandbox, *OPTION) as process:
        hold.wait_until_reached()
        with sandbox.supabase.locked("analyses"):
            hold.released.set()
            wait_until(lambda: sandbox.supabase.sql("select 1 from pg_locks where not granted"), process)
            sandbox.supabase.postgres.restart()
        said = read_until(process, RETRY)
        code = process.wait(timeout=60)

    assert "HTTP 503: Database client" in said
    assert (code, copies(sandbox)) == (0, ONCE)
    assert arrived(sandbox) == sandbox.supabase.ids(start=START)


def test_a_read_only_server_delivers_with_the_ledger_in_a_directory(sandbox: Sandbox, run: RunTool) -> None:
    """As a standby that has not been promoted is."""
    sandbox.supabase.fill(2500, start=START)
    with sandbox.supabase.postgres.standby():
        sandbox.supabase.postgrest.wait_until_ready()
        assert run(*OPTION).code == 0

    assert copies(sandbox) == ONCE
    assert arrived(sandbox) == sandbox.supabase.ids(start=START)


def test_a_standby_that_is_promoted_in_mid_run_costs_nothing_with_the_ledger_in_supabase(sandbox: Sandbox) -> None:
    """As in a failover; nothing is sent before it can be noted."""
    sandbox.supabase.fill(3, start=START)
    with ExitStack() as stack:
        with sandbox.supabase.postgres.standby():
            sandbox.supabase.postgrest.wait_until_ready()
            process = stack.enter_context(started(sandbox, *OPTION, REPORT_LEDGER="supabase"))
            said = read_until(process, RETRY)
            sent_before = copies(sandbox)
        code = process.wait(timeout=60)

    assert "during recovery" in said
    assert (sent_before, code, copies(sandbox)) == (((0, 0), (0, 0)), 0, ONCE)
