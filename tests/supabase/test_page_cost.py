"""What a page costs the database."""

from collections.abc import Callable

from ..builders import OPTION, START
from ..conftest import Run
from ..sandbox import Sandbox

RunTool = Callable[..., Run]


def test_the_first_page_is_read_by_the_index(sandbox: Sandbox, run: RunTool) -> None:
    """It looks at a few buffers of the many that the table has."""
    sandbox.supabase.fill(20_000, start=START)
    assert run(*OPTION).code == 0

    first, *_ = sandbox.supabase.pages()
    (table,) = sandbox.supabase.sql("select relpages from pg_class where relname = 'analyses'")
    assert sandbox.supabase.buffers(first) * 5 < table["relpages"]


def test_a_page_costs_the_same_wherever_it_lies(sandbox: Sandbox, run: RunTool) -> None:
    """The database doesn't pass by what was read before."""
    sandbox.supabase.fill(20_000, start=START, step="100 ms")
    assert run(*OPTION).code == 0

    pages = sandbox.supabase.pages()
    first, middle, last = (sandbox.supabase.buffers(pages[place]) for place in (0, 10, 19))
    assert max(middle, last) <= first * 3  # a scan from the start would read hundreds
