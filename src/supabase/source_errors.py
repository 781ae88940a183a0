"""What can go wrong with a window's rows.

    SourceError                 1   the rows could not be read
    ├── NotPostgrestError           the answer is not a list: something else answers
    ├── BadAnswerError              the answer is not a list of the window's rows
    ├── OddRowError                 a row has no place among the others
    ├── ColumnTypeError             created_at is of a type in which no hour can be found
    ├── PageTooLargeError           an answer has more than is read of one, or is nested too deeply
    ├── IdTooLongError              no URL could ask for the rows behind a row with this id
    ├── HiddenRowsError             row-level security may hide rows from this key
    ├── RowsMissingError            fewer rows arrived than the server counted
    ├── RepeatedIdsError            several rows have the same id
    ├── NotOverError                by Supabase's clock the window is not over
    └── ClocksDifferError           the clock of this machine or Supabase's is wrong

A query that the server rejects is a plain SourceError, whose reason rest_rules.py gives.
"""

import math

from ..errors import SourceError


class NotPostgrestError(SourceError):
    """An answer with status 200 that no PostgREST gives: `came` says what it is, `said` quotes its beginning."""

    group = "The answer is not a list of rows"

    def __init__(self, *, table: str, came: str, said: str = "", transient: bool = False) -> None:
        super().__init__(
            "source.not_postgrest",
            f"The answer for the table {table} is not a list of rows, but {came}.",
            "Check SUPABASE_URL, and any proxy on the way.",
            said=said,
            transient=transient,
        )


class BadAnswerError(SourceError):
    """A list that does not hold the window's rows: `came` says what it holds, `said` quotes its beginning."""

    group = "The answer is not a list of rows"

    def __init__(self, *, table: str, came: str, said: str = "") -> None:
        super().__init__(
            "source.bad_answer",
            f"Supabase's answer for the table {table} does not hold the rows that were asked for, but {came}.",
            "Look for what changes answers on the way, such as a proxy or a cache.",
            said=said,
            transient=True,
        )


class OddRowError(SourceError):
    """A row that has no place among the others, because of what `column` holds; `condition` finds it in SQL."""

    group = "A row has no place among the others"

    def __init__(self, *, table: str, column: str, said: str, condition: str = "") -> None:
        query = f"select * from {_sql_name(table)} where {condition};"  # noqa: S608 - shown, never run
        find = f"Run this in the SQL editor to find the row: {query} Then correct or remove it."
        types = {"id": "text, a uuid or an integer", "created_at": "a timestamp"}
        super().__init__(
            "source.odd_row",
            f"The table {table} has a row whose {column} can't be used.",
            find
            if condition
            else f"The column {column} must hold {types[column]}: set SUPABASE_TABLE to a view "
            "where it does, or correct the row.",
            said=said,
        )


class ColumnTypeError(SourceError):
    """The column `created_at` is of a type, as `said`, in which no hour can be found: it looks empty, or breaks."""

    group = "created_at is not a timestamp"

    def __init__(self, *, table: str, said: str) -> None:
        super().__init__(
            "source.created_at_type",
            f"The column created_at of the table {table} is not a timestamp.",
            "Set SUPABASE_TABLE to a view where it is a timestamptz, or change the column's type.",
            said=said,
        )


class PageTooLargeError(SourceError):
    """An answer has more than is read of one, or is nested too deeply: the caller may ask for fewer rows."""

    group = "An answer is too large"

    def __init__(self, *, table: str) -> None:
        self.table = table
        super().__init__(
            "source.page_too_large",
            f"Supabase's answer for the table {table} is too large to be read, or nested too deeply.",
            "Check SUPABASE_URL and any proxy on the way, and look in the table for a row with a very long id.",
        )


def _sql_name(table: str) -> str:
    """Return a table's name as SQL has it: PostgreSQL reads a bare one in lower case."""
    return table if table.islower() else f'"{table}"'


class IdTooLongError(SourceError):
    """A row has an id of `length` characters: no URL could ask for the rows behind it."""

    group = "An id is too long"

    def __init__(self, *, table: str, length: int) -> None:
        query = f"select created_at from {_sql_name(table)} where octet_length(id::text) > 1000;"  # noqa: S608 - shown
        super().__init__(
            "source.id_too_long",
            f"The table {table} has a row whose id is {length:,} characters long, too long for the address that asks "
            "for the rows behind it.",
            f"Run this in the SQL editor to find the row: {query} Then give it a shorter id, or remove it.",
        )


class HiddenRowsError(SourceError):
    """No row at all is visible, and row-level security may be why."""

    group = "The key sees no row at all"

    def __init__(self, *, table: str, setting: str = "SUPABASE_KEY") -> None:
        super().__init__(
            "source.hidden_rows",
            f"{setting} sees no row at all in the table {table}, so an empty hour can't be told from a hidden one.",
            "Use a secret key (sb_secret_…), or give the key's role a row-level security policy that lets it select, "
            "as src/sql/reports_role.sql does.",
        )


class RowsMissingError(SourceError):
    """Fewer rows arrived than the server had counted."""

    group = "Not all rows arrived"

    def __init__(self, *, arrived: int, counted: int, table: str) -> None:
        self.arrived = arrived
        self.counted = counted
        super().__init__(
            "source.rows_missing",
            f"Only {arrived:,} of {counted:,} rows of {table} arrived.",
            "Check what deletes rows while they are read.",
        )


class RepeatedIdsError(SourceError):
    """`count` rows have the same id."""

    group = "Ids that come twice"

    def __init__(self, *, table: str, row_id: str, count: int) -> None:
        super().__init__(
            "source.repeated_ids",
            f"{count:,} rows of {table} have the id {row_id}, so an analysis would be counted more than once.",
            "Look for a join that multiplies rows in the view that SUPABASE_TABLE names, and give each analysis one "
            "row.",
        )


class NotOverError(SourceError):
    """By Supabase's clock the window, called `label`, ends in some `seconds`."""

    group = "The hour is not over"

    def __init__(self, *, label: str, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(
            "source.not_over",
            f"By Supabase's clock {label} ends in {math.ceil(seconds):,} s; its report may lack rows.",
            "Set the clock of the machine that runs this program, if that is the one that is ahead.",
        )


class ClocksDifferError(SourceError):
    """The clock of this machine is some `minutes` ahead of Supabase's, or behind it if they are less than none."""

    group = "Two clocks differ"

    def __init__(self, *, minutes: int) -> None:
        super().__init__(
            "source.clocks_differ",
            f"The clock of this machine is {abs(minutes):,} min {'ahead of' if minutes > 0 else 'behind'} Supabase's.",
            "Reports may come late, or before their hour is over. Set the clock that is wrong, best with NTP.",
        )
