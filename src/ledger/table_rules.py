"""What a refusal of the ledger's tables means: a few rules of their own before those for rows."""

import re
from collections.abc import Sequence

from ..errors import LedgerError, LedgerVersionError, RecordsTooLargeError, SourceError
from ..runtime.http import Response
from ..supabase.credentials import ROLE_SQL, Credentials
from ..supabase.reply import ReplyRule, as_error, first_match, json_object, read_reply
from ..supabase.rest_rules import INSUFFICIENT_PRIVILEGE, MISSING_TABLE, RULES, STOPPED_QUERY, facts
from ..supabase.source_errors import PageTooLargeError

SQL = "src/sql/report_deliveries.sql"
NOT_NULL = "23502"
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:")
_RIGHTS = ("select", "insert", "update")
"""What a run needs."""
_LACKS = "The role of {setting} lacks {rights} on the table {table}."
_NO_TABLE = "There is no table {table}, which REPORT_LEDGER=supabase needs."

LEDGER_RULES = (
    ReplyRule(
        key="column",
        code="42703|PGRST204|42P10",  # a column, or the key, isn't there
        reason="The table {table} is not the one that this version needs.",
        remedy=f"Run {SQL} in the SQL editor: it turns the table of version 1.0 into this one and keeps its records. "
        "If that changes nothing, compare the table with that file.",
        group="The ledger's table is not complete",
    ),
    ReplyRule(
        key="no_table",
        code=MISSING_TABLE,
        reason=_NO_TABLE,
        remedy=f"Run {SQL} in the SQL editor.",
        group="The ledger's table is missing",
    ),
    ReplyRule(
        key="no_table",
        status="404",
        code="",
        words=r"\A{}\Z",  # PostgREST 12 says no more to a write
        reason=_NO_TABLE,
        remedy=f"Run {SQL} in the SQL editor.",
        group="The ledger's table is missing",
    ),
    ReplyRule(
        key="locked",
        code=STOPPED_QUERY,
        reason="Supabase stopped the query on {table}, because it took too long.",
        remedy="Look for a transaction that holds a lock on the table.",
        fault="nobody",
        later=True,
        group="The ledger's table is locked",
    ),
    ReplyRule(
        key="read_only",
        # feature_not_supported, of a standby; read_only_sql_transaction. To a read, they say that a view can't be read.
        code="0A000|25006",
        action="write",
        reason="Supabase's database can only be read at the moment.",
        remedy="Look in the dashboard whether its disk is full, or whether it is being upgraded or restored.",
        fault="nobody",
        later=True,
        group="The database can only be read",
    ),
    ReplyRule(
        key="permission",
        code=INSUFFICIENT_PRIVILEGE,
        words=r"\A(?!.*set role)",
        who="sees_all",
        reason=_LACKS,
        remedy="Run this in the SQL editor: {grant}",
        group="The key may not use the ledger",
    ),
    ReplyRule(
        key="permission",
        code=INSUFFICIENT_PRIVILEGE,
        words=r"\A(?!.*set role)",
        who="reports_role",
        reason=_LACKS,
        remedy=f"Run {ROLE_SQL} in the SQL editor: it grants them where the table is there.",
        group="The key may not use the ledger",
    ),
    ReplyRule(
        key="permission",
        code=INSUFFICIENT_PRIVILEGE,
        words=r"\A(?!.*set role)",
        who="token",
        reason=_LACKS,
        remedy=f"Set SUPABASE_JWT to a token of the role that {ROLE_SQL} makes.",
        group="The key may not use the ledger",
    ),
    ReplyRule(
        key="permission",
        code=INSUFFICIENT_PRIVILEGE,
        words=r"\A(?!.*set role)",
        reason=_LACKS,
        remedy="The ledger needs a secret key (sb_secret_…): set SUPABASE_KEY to one.",
        group="The key may not use the ledger",
    ),
    *RULES,
)


def refused(response: Response, table: str, used: Credentials, missing: Sequence[str] = ()) -> LedgerError:
    """Return the error of a refusal; `missing` are the rights that the role lacks, where that is known to be why."""
    reply = read_reply(response, "read" if response.request.method == "GET" else "write", table)
    rule = first_match(LEDGER_RULES, reply, used)
    error = LedgerVersionError if rule.key == "column" else LedgerError
    return as_error(error, "ledger", rule, reply, facts(table, used, ", ".join(missing or _RIGHTS)))


def trigger_note(refused_row: Response) -> str:
    """Return what is to be said of the trigger, nothing if it is there; raise LedgerError if it is not.

    A row is refused for want of its key only after the trigger has seen it, and the refusal shows the row: with two
    moments, updated_at and the lease_until that the trigger sets, or with the one alone.
    """
    moments = len(_MOMENT.findall(str(json_object(refused_row.content).get("details"))))
    if moments == 1:
        raise LedgerError(
            "ledger.no_trigger",
            "The table report_deliveries lacks its trigger, so that the claim of a run that dies would never end.",
            f"Run {SQL} in the SQL editor: it makes the trigger and keeps what is there.",
            group="The ledger's table is not complete",
        )
    return "" if moments else " (whether it has its trigger can't be seen)"


def unusable(error: SourceError) -> LedgerError:
    """Return a failure to ask, or to read an answer, as the ledger's."""
    if isinstance(error, PageTooLargeError):
        return RecordsTooLargeError(table=error.table)
    problem = error.problem
    return LedgerError(
        f"ledger.{problem.key.removeprefix('source.')}",
        problem.reason,
        problem.remedy,
        said=problem.said,
        group=problem.group,
        transient=error.transient,
        retry_after=error.retry_after,
    )
