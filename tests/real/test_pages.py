"""What a page costs the database."""

from .sandbox import HOUR, RealSandbox


def test_the_first_page_is_read_by_the_index(real: RealSandbox) -> None:
    """It looks at a few buffers of the many that the table has."""
    real.fill(20_000)
    assert real.run(*HOUR).code == 0

    first, *_ = real.supabase.pages()
    (table,) = real.supabase.sql("select relpages from pg_class where relname = 'analyses'")
    assert real.supabase.buffers(first) * 5 < table["relpages"]
