"""The figures agree with the rows."""

from src.summary import OTHER_STATUSES, STATUS_LENGTH, STATUSES, Summary

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


def test_the_rate_is_whole_when_nothing_was_processed_and_none_without_figures() -> None:
    """As in the rows: nothing processed means nothing failed, a missing figure isn't guessed."""
    nothing, unknown = Summary(), Summary()
    nothing.add([make_analysis(records_processed=0, records_failed=0)])
    unknown.add([make_analysis(records_processed=None)])

    assert (nothing.success_rate, unknown.success_rate, Summary().success_rate) == (1.0, None, None)


def test_no_number_of_odd_statuses_fills_the_memory() -> None:
    """Beyond a thousand they are counted together."""
    summary = Summary()
    summary.add(make_analysis(status=f"{number} {'x' * 5000}") for number in range(STATUSES + 50))

    assert len(summary.by_status) == STATUSES + 1
    assert summary.by_status[OTHER_STATUSES] == 50
    assert max(map(len, summary.by_status)) <= STATUS_LENGTH


def test_statuses_come_most_frequent_first_and_none_is_named() -> None:
    """A row without a status is a row."""
    summary = Summary()
    summary.add(make_analysis(status=status) for status in ("b", None, "a", None, ""))

    assert summary.statuses() == [("(no status)", 3), ("a", 1), ("b", 1)]
