"""What PostgREST's refusals of the ledger's table mean."""

import re
from collections.abc import Sequence

import httpx

from ..errors import LedgerError, LedgerVersionError, PageTooLargeError, RecordsTooLargeError, SourceError
from ..supabase.credentials import ROLE_SQL, Credentials
from ..supabase.replies import QUERY_STOPPED, error_of, grant, quoted, refusal

SQL = "src/sql/report_deliveries.sql"
NOT_NULL = "23502"
_ANOTHER_FORM = ("42703", "PGRST204", "42P10")
"""A column, or the key, isn't there."""
_UNDEFINED_TABLE = ("42P01", "PGRST205")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:")


def refused(response: httpx.Response, table: str, used: Credentials) -> LedgerError:
    """Say what a refusal means, by PostgreSQL's and PostgREST's error codes."""
    code = error_of(response).get("code")
    if code in _ANOTHER_FORM:
        return LedgerVersionError(
            "ledger.column",
            f"The table {table} is not the one that this version needs {quoted(response)}.",
            f"Run {SQL} in the SQL editor: it turns the table of version 1.0 into this one and keeps its records. If "
            "that changes nothing, compare the table with that file.",
        )
    # PostgREST 12 has no words for it when it should write.
    if code in _UNDEFINED_TABLE or (response.status_code, response.content) == (404, b"{}"):
        return LedgerError(
            "ledger.no_table",
            f"There is no table {table}, which REPORT_LEDGER=supabase needs {quoted(response)}.",
            f"Run {SQL} in the SQL editor.",
        )
    if code in QUERY_STOPPED:
        return LedgerError(
            "ledger.locked",
            f"Supabase stopped the query for {table} because it took too long {quoted(response)}.",
            "Look for a transaction that holds a lock on the table.",
            transient=True,
        )
    return unusable(refusal(response, table, used))


def lacks_rights(response: httpx.Response, table: str, rights: Sequence[str], used: Credentials) -> LedgerError:
    """Say which `rights` are missing; PostgreSQL wants select for an update's filter too."""
    named = ", ".join(rights)
    reason = f"The role of {used.setting} lacks {named} on the table {table} {quoted(response)}."
    if used.sees_all:
        remedy = grant(named, table)
    elif used.is_reports_role:
        remedy = f"Run {ROLE_SQL} in the SQL editor: it grants them where the table is there."
    else:
        remedy = (
            "The ledger needs a secret key (sb_secret_…): set SUPABASE_KEY to one, or SUPABASE_JWT to a token of the "
            f"role that {ROLE_SQL} makes."
        )
    return LedgerError("ledger.permission", reason, remedy)


def trigger_note(refused_row: httpx.Response) -> str:
    """Return what is to be said of the trigger, nothing if it is there; raise LedgerError if it is not.

    A row is refused for want of its key only after the trigger has seen it, and the refusal shows the row: with two
    moments, updated_at and the lease_until that the trigger sets, or with the one alone.
    """
    moments = len(_MOMENT.findall(str(error_of(refused_row).get("details"))))
    if moments == 1:
        raise LedgerError(
            "ledger.no_trigger",
            "The table report_deliveries lacks its trigger, so that the claim of a run that dies would never end.",
            f"Run {SQL} in the SQL editor: it makes the trigger and keeps what is there.",
        )
    return "" if moments else " (whether it has its trigger can't be seen)"


def unusable(error: SourceError) -> LedgerError:
    """Say of a failure of the REST interface that it is the ledger's."""
    if isinstance(error, PageTooLargeError):
        return RecordsTooLargeError(table=error.table)
    return LedgerError(
        f"ledger.{error.problem.key}",
        f"The ledger can't be used. {error.problem.reason}",
        f"{error.problem.remedy} The ledger's SQL is {SQL}.",
        said=error.problem.said,
        transient=error.transient,
        retry_after=error.retry_after,
    )
