"""The figures agree with the rows."""

from src.summary import Summary

from .builders import make_analysis


def test_the_figures_are_those_of_all_rows() -> None:
    """However they come in pages."""
    rows = [make_analysis(status=("completed", "failed")[number % 2], records_failed=number) for number in range(10)]
    whole, paged = Summary(), Summary()

    whole.add(rows)
    for row in rows:
        paged.add([row])

    assert whole == paged
    assert (whole.rows, whole.processed, whole.failed) == (10, 2000, 45)
    assert whole.statuses() == [("completed", 5), ("failed", 5)]
    assert whole.success_rate == (2000 - 45) / 2000


def test_a_row_without_both_figures_does_not_bend_the_rate() -> None:
    """It is counted, but its missing figure isn't taken for zero."""
    summary = Summary()
    summary.add([make_analysis(records_failed=100), make_analysis(records_failed=None)])

    assert (summary.processed, summary.failed, summary.success_rate) == (400, 100, 0.5)


def test_without_records_there_is_no_rate() -> None:
    """Neither 0 % nor 100 % would be true."""
    summary = Summary()
    summary.add([make_analysis(records_processed=0, records_failed=0)])

    assert summary.success_rate is None


def test_statuses_come_most_frequent_first_and_none_is_named() -> None:
    """A row without a status is a row."""
    summary = Summary()
    summary.add(make_analysis(status=status) for status in ("b", None, "a", None, ""))

    assert summary.statuses() == [("(no status)", 3), ("a", 1), ("b", 1)]
