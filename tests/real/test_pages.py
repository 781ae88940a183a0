"""What a page costs the database."""

from .sandbox import HOUR, ONCE, RealSandbox


def test_the_first_page_is_read_by_the_index(real: RealSandbox) -> None:
    """It looks at a few buffers of the many that the table has."""
    real.fill(20_000)
    assert real.run(*HOUR).code == 0

    first, *_ = real.supabase.pages()
    (table,) = real.supabase.sql("select relpages from pg_class where relname = 'analyses'")
    assert real.supabase.buffers(first) * 5 < table["relpages"]


def test_250_000_rows_arrive_and_a_page_costs_the_same_wherever_it_lies(real: RealSandbox) -> None:
    """In 250 pages, each row once and in order; the database doesn't pass by what was read before."""
    real.fill(250_000, step="14 ms")

    assert real.run(*HOUR).code == 0
    assert real.copies == ONCE
    assert real.arrived() == real.ids()

    pages = real.supabase.pages()
    first, middle, last = (real.supabase.buffers(pages[place]) for place in (0, 125, 249))
    assert max(middle, last) <= first * 1.5
