"""What a refusal of Supabase's REST interface means, by the error codes of PostgREST and PostgreSQL."""

from typing import Any

import httpx

from ..domain.analysis import COLUMNS
from ..errors import SourceError, SourceRefusedError, SourceUnreachableError
from ..runtime.retry import is_transient_status, retry_after
from ..runtime.visible_text import in_quotes
from .credentials import ROLE_SQL, Credentials
from .decode import excerpt

INSUFFICIENT_PRIVILEGE = "42501"
_UNDEFINED_COLUMN = "42703"
_UNDEFINED_TABLE = ("42P01", "PGRST205")
QUERY_STOPPED = ("57014", "55P03")
"""query_canceled, by statement_timeout; lock_not_available, by lock_timeout."""
_SHUT_DOWN = ("57P01", "57P02", "57P03")
"""admin_shutdown, crash_shutdown, cannot_connect_now."""
_READ_ONLY = ("0A000", "25006")
"""What a standby (feature_not_supported) and a read-only server (read_only_sql_transaction) answer to a write."""
_LARGEST_ERROR = 1 << 16
"""Bytes of an error of PostgREST; real ones have some hundred."""
_INVALID_PARAMETER = "22023"
"""Of the role, which PostgREST sets to that of the key; or of a function in a view."""


def error_of(response: httpx.Response) -> dict[str, Any]:
    """Return the error of PostgREST in an answer, an empty one if there is none."""
    if len(response.content) > _LARGEST_ERROR:
        return {}
    try:
        content = response.json()
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def quoted(response: httpx.Response) -> str:
    """Quote an answer in brackets: its status, its words, and PostgREST's hint if it gives one.

    In quotation marks, so that no sentence in them passes for one of ours.
    """
    error = error_of(response)
    words = [f"HTTP {response.status_code}"]
    if message := error.get("message"):
        words.append(in_quotes(message))
    elif response.content.strip() not in (b"", b"{}"):
        words.append(excerpt(response.content))
    if (hint := error.get("hint")) and error.get("code"):  # a gateway, which gives no code, hints at what we say too
        words.append(f"hint: {in_quotes(hint)}")
    return f"({', '.join(words)})"


def grant(rights: str, table: str) -> str:
    """Return the statement that gives a secret key's role `rights` on a table."""
    # Quoted always: PostgreSQL reads a bare name in small letters, and one like "order" not at all.
    name = table.replace('"', '""')
    return f'Run this in the SQL editor: grant {rights} on "{name}" to service_role;'


def refusal(response: httpx.Response, table: str, used: Credentials) -> SourceError:
    """Say what a status beyond 2xx means to a request with the credentials `used`."""
    return _refused_role(response, table, used) or _refused(response, table, used) or _failed(response, table)


def _refused_role(response: httpx.Response, table: str, used: Credentials) -> SourceRefusedError | None:
    """Say what the role lacks whose request it was, None if it isn't that."""
    code, said = str(error_of(response).get("code")), quoted(response)
    if code == INSUFFICIENT_PRIVILEGE:  # before 401, which PostgREST answers for it too
        remedy = "Use a secret key, or grant its role select on the table and give it a row-level security policy."
        if used.sees_all:
            remedy = grant("select", table)
        if used.is_reports_role:
            remedy = f"Run {ROLE_SQL} in the SQL editor, with this table's name in it."
        reason = f"{used.setting} may not read the table {table} {said}."
        return SourceRefusedError("source.permission", reason, remedy)
    if code == _INVALID_PARAMETER and "role" in said:
        remedy = "Use a secret key of this project, or create the role and grant it to authenticator."
        if used.is_reports_role:
            remedy = f"Run {ROLE_SQL} in the SQL editor: it makes the role."
        reason = f"{used.setting} names a role that the database does not have {said}."
        return SourceRefusedError("source.role", reason, remedy)
    return None


def _refused(response: httpx.Response, table: str, used: Credentials) -> SourceRefusedError | None:
    """Say which setting is wrong, None if it isn't known to be one."""
    code, said = str(error_of(response).get("code")), quoted(response)
    if used.token and code.startswith("PGRST30"):  # of PostgREST; the gateway, which looks at the key, gives no code
        return SourceRefusedError(
            "source.jwt",
            f"Supabase does not accept SUPABASE_JWT {said}.",
            "Make a new token, as docs/security.md says, and replace it.",
        )
    if response.status_code == 401 or code.startswith("PGRST30"):
        return SourceRefusedError(
            "source.key",
            f"Supabase does not accept SUPABASE_KEY {said}.",
            f"Copy {'the publishable' if used.token else 'a secret'} key from the project's API settings.",
        )
    if code == _UNDEFINED_COLUMN:
        return SourceRefusedError(
            "source.column",
            f"The table {table} lacks a column {said}.",
            f"It needs {', '.join(COLUMNS)}; check SUPABASE_TABLE.",
        )
    if code in _UNDEFINED_TABLE or response.status_code == 404:
        return SourceRefusedError(
            "source.no_table",
            f"There is no table {table} {said}.",
            "Check SUPABASE_TABLE, SUPABASE_URL and the exposed schemas.",
        )
    if response.is_redirect:
        return SourceRefusedError(
            "source.redirect",
            f"SUPABASE_URL leads elsewhere {said}.",
            "Set it to the address that it redirects to, if you know that one.",
        )
    return None


def _failed(response: httpx.Response, table: str) -> SourceError:
    """Say that the server failed, or that nothing is known of its refusal but its words."""
    code, said = error_of(response).get("code"), quoted(response)
    if code in QUERY_STOPPED:
        return SourceUnreachableError(
            "source.query_too_slow",
            f"Supabase stopped the query for {table} because it took too long {said}.",
            "Create the index of src/sql/analyses_index.sql; if it is there, look for a transaction that holds a lock "
            "on the table.",
            transient=True,
        )
    # To a read, the same codes say that the view can't be read this way, now or later.
    if code in _READ_ONLY and response.request.method != "GET":
        return SourceUnreachableError(
            "source.read_only",
            f"Supabase's database can only be read at the moment {said}.",
            "Look in the dashboard whether its disk is full, or whether it is being upgraded or restored.",
            transient=True,
        )
    is_transient = is_transient_status(response.status_code) or code in _SHUT_DOWN
    if response.status_code < 500 and not is_transient:
        return SourceRefusedError(
            "source.refused",
            f"Supabase refuses the question for {table} {said}.",
            "Read its words, and check SUPABASE_URL.",
        )
    return SourceUnreachableError(
        "source.out_of_order",
        f"Supabase is out of order {said}.",
        "Check the project's status page and logs.",
        transient=is_transient,
        retry_after=retry_after(response.headers),
    )
