"""What `--check` says of the table's index."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from ..conftest import Run
from ..sandbox import Sandbox
from ..test_run import ROOT

RunTool = Callable[..., Run]
NO_INDEX = ("drop index analyses_created_at_id", "create index analyses_created_at_id on analyses (created_at, id)")
"""What removes the table's index, and what brings it back."""


def part(run: RunTool, name: str, **changes: str) -> str:
    """Return the status and the words of a check about one part."""
    lines = [line.split(maxsplit=2) for line in run("--check", **changes).output.splitlines()]
    ((status, _, words),) = [line for line in lines if line[1] == name]
    return f"{status:<4} {words}"


USED, SMALL = "OK   used", "NOTE not used, because the table is small; src/sql/analyses_index.sql makes it"
MISSING = "FAIL Each page sorts the table anew: the index is missing, or invalid"


@pytest.mark.parametrize(
    ("rows", "hours", "with_it", "without"),
    [
        (0, 1, SMALL, SMALL),
        (20, 1, USED, SMALL),
        (300, 1, USED, SMALL),
        (300, 100, USED, SMALL),
        (20_000, 1, USED, MISSING),
        (20_000, 100, USED, MISSING),
    ],
)
def test_the_index_is_called_missing_only_where_it_is_and_the_table_is_not_small(
    sandbox: Sandbox, run: RunTool, rows: int, hours: int, with_it: str, without: str
) -> None:
    """Though PostgreSQL sorts a few rows, or those of one hour out of many, with the index too."""
    this_hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    sandbox.supabase.plans = True
    sandbox.supabase.fill(rows, start=this_hour - timedelta(hours=hours), step=f"{hours * 3600 / max(rows, 1)} s")

    found = part(run, "index")
    with sandbox.supabase.changed(*NO_INDEX):
        found_without = part(run, "index")

    assert found.startswith(with_it)
    assert found_without.startswith(without)


FILE = (ROOT / "src/sql/analyses_index.sql").read_text()
INDEX = "'analyses_created_at_id'::regclass"


def index_file(sandbox: Sandbox) -> object:
    """Return what the index is stored in, another one once it was built anew; None unless it is valid."""
    valid = f"select pg_relation_filenode(indexrelid) as file from pg_index where indexrelid = {INDEX} and indisvalid"
    (found,) = [row["file"] for row in sandbox.supabase.sql(valid)] or [None]
    return found


def test_an_index_whose_build_was_cut_off_is_named_and_the_file_repairs_it(sandbox: Sandbox, run: RunTool) -> None:
    """Once: a valid one is not built again."""
    this_hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    sandbox.supabase.plans = True
    sandbox.supabase.fill(20_000, start=this_hour - timedelta(hours=1), step="0.18 s")
    sandbox.supabase.sql(f"update pg_index set indisvalid = false where indexrelid = {INDEX}")

    found, invalid = part(run, "index"), index_file(sandbox)
    sandbox.supabase.sql(FILE)
    repaired = index_file(sandbox)
    sandbox.supabase.sql(FILE)

    assert (found.startswith(MISSING), invalid) == (True, None)
    assert repaired is not None
    assert index_file(sandbox) == repaired
    assert part(run, "index").startswith(USED)


def test_the_file_makes_an_index_that_is_missing(sandbox: Sandbox) -> None:
    """In one transaction with whatever else somebody pastes beside it."""
    sandbox.supabase.sql("drop index analyses_created_at_id")

    sandbox.supabase.sql(f"select 1; {FILE} select 1;")

    assert index_file(sandbox) is not None
