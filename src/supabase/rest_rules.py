"""Rules for refusals by PostgREST, PostgreSQL or Supabase's gateway: one table, for rows and for the ledger.

Codes: docs.postgrest.org/en/stable/references/errors.html and postgresql.org/docs/current/errcodes-appendix.html.
Statuses: supabase.com/docs/guides/troubleshooting/http-status-codes, and Cloudflare's own 5xx.
"""

from functools import partial

from ..domain.analysis import COLUMNS
from ..errors import SourceError
from ..runtime.http import Response
from .credentials import ROLE_SQL, Credentials
from .reply import CLOCK, DASHBOARD, ReplyRule, as_error, first_match, passing_rule, read_reply

INSUFFICIENT_PRIVILEGE = "42501"
MISSING_TABLE = "42P01|PGRST205"
STOPPED_QUERY = "57014|55P03"
"""query_canceled, by statement_timeout; lock_not_available, by lock_timeout."""
_passing = partial(passing_rule, group="Supabase is out of order")
_jwt_expired = partial(ReplyRule, key="jwt_expired", code="PGRST30[13]", words="expired")
_key = partial(ReplyRule, key="key", group="Supabase rejected SUPABASE_KEY")
_no_role = partial(
    ReplyRule,
    key="role",
    code="22023|42501|42704",
    words=r'\Arole ".*does not exist|set role',
    reason="{setting} names a role that the database lacks, or may not switch to.",
    group="The key names a role that isn't there",
)
_forbidden = partial(
    ReplyRule,
    key="permission",
    code=INSUFFICIENT_PRIVILEGE,  # with 401 too
    reason="{setting} may not read the table {table}.",
    group="The key may not read the table",
)
PROJECT_RULES = (
    ReplyRule(
        key="redirect",
        status="30.",
        code="",
        reason="SUPABASE_URL leads elsewhere.",
        remedy="Set SUPABASE_URL to the address that it redirects to, if you know that one.",
        group="SUPABASE_URL leads elsewhere",
    ),
    ReplyRule(
        key="paused",
        status="540",
        reason="The Supabase project is paused.",
        remedy="Restore it in the dashboard; a project of the free plan is paused after a week without requests.",
        group="The project is paused or over its quota",
    ),
    ReplyRule(
        key="quota",
        status="402",
        reason="The Supabase project is over its quota.",
        remedy="Look at the organization's usage and billing in the dashboard; raise the plan or the spend cap.",
        group="The project is paused or over its quota",
    ),
)
"""Rules that Storage has too."""

RULES = (
    CLOCK,
    _jwt_expired(
        who="token",
        reason="SUPABASE_JWT has expired.",
        remedy="Make a new token, as docs/security.md says, and set SUPABASE_JWT to it.",
        group="Supabase rejected SUPABASE_JWT",
    ),
    _jwt_expired(
        who="jwt_key",
        reason="The JWT in SUPABASE_KEY has expired.",
        remedy="Set SUPABASE_KEY to a secret key from the project's API settings.",
        group="Supabase rejected SUPABASE_KEY",
    ),
    _jwt_expired(
        # The gateway's own token: the key has no end.
        reason="Supabase's gateway sent an expired token to its database.",
        remedy=DASHBOARD,
        group="Supabase rejected SUPABASE_KEY",
    ),
    ReplyRule(
        key="jwt",
        code="PGRST30[1-9]",  # PostgREST's; the gateway, which looks at the key, gives no code
        who="token",
        reason="Supabase rejected SUPABASE_JWT.",
        remedy="Make a new token, as docs/security.md says, and set SUPABASE_JWT to it.",
        group="Supabase rejected SUPABASE_JWT",
    ),
    ReplyRule(
        key="jwt_needed",
        code="PGRST301",
        words="Expected 3 parts.*got 1",
        reason="This server takes only a JWT as SUPABASE_KEY.",
        remedy="Set SUPABASE_KEY to the server's service_role JWT: only Supabase's own gateway takes a key that begins "
        "with sb_.",
        group="Supabase rejected SUPABASE_KEY",
    ),
    _key(
        code="PGRST30[1-9]",
        reason="Supabase rejected SUPABASE_KEY.",
        remedy="Set SUPABASE_KEY to a secret key from the project's API settings.",
    ),
    _no_role(who="reports_role", remedy=f"Run {ROLE_SQL} in the SQL editor: it makes the role."),
    _no_role(
        remedy="Use a secret key of this project, or create the role in the SQL editor and grant it to authenticator.",
    ),
    _forbidden(words=r"\b{table}\b", who="sees_all", remedy="Run this in the SQL editor: {grant}"),
    _forbidden(
        who="sees_all",
        reason="{setting} may not read something that the table {table} depends on.",
        remedy="Grant what the database names to service_role in the SQL editor.",
    ),
    _forbidden(who="reports_role", remedy=f"Run {ROLE_SQL} in the SQL editor, with this table's name in it."),
    _forbidden(
        remedy="Use a secret key, or grant its role select on the table and give it a row-level security policy.",
    ),
    _key(
        status="401",
        words="in browser",
        reason="Supabase took this program for a browser, from which it takes no secret key.",
        remedy="Look for what changes the User-Agent on the way, such as a proxy.",
    ),
    _key(
        status="401",
        words=r"\A(?!<)",  # a web page asks for another login than Supabase's
        reason="Supabase rejected SUPABASE_KEY.",
        remedy="Set SUPABASE_KEY to {project_key} from the project's API settings.",
    ),
    ReplyRule(
        key="column",
        code="42703|PGRST204",
        reason="The table {table} lacks a column.",
        remedy="It needs {columns}: add what is missing, or set SUPABASE_TABLE to a view that has them.",
        group="The table lacks a column",
    ),
    ReplyRule(
        key="schema",
        code=MISSING_TABLE,
        words=r"\w\.\w+\.\w",
        reason="SUPABASE_TABLE names a schema.",
        remedy="Set SUPABASE_TABLE to the table's name alone: analyses, not public.analyses.",
        group="There is no table",
    ),
    ReplyRule(
        key="schema",
        code="PGRST106",
        reason="Supabase does not expose the schema of the table {table}.",
        remedy="Expose the schema public in Project Settings → Data API.",
        group="There is no table",
    ),
    ReplyRule(
        key="no_table",
        code=MISSING_TABLE,
        words=r"\b{table}\b",  # another name is that of a table behind a view or a policy
        reason="There is no table {table}.",
        remedy="Check SUPABASE_TABLE, and that the table's schema is exposed (Project Settings → Data API).",
        group="There is no table",
    ),
    ReplyRule(
        key="function_missing",
        code="PGRST202",
        reason="Supabase lacks a function that the query on {table} calls.",
        remedy="Create it, then run this in the SQL editor: notify pgrst, 'reload schema';",
        group="The database rejected the query",
    ),
    ReplyRule(
        key="query_too_slow",
        code=STOPPED_QUERY,
        reason="Supabase stopped the query on {table}, because it took too long.",
        remedy="Create the index of src/sql/analyses_index.sql; if it is there, look for a transaction that holds a "
        "lock on the table.",
        fault="nobody",
        later=True,
        group="Supabase stopped the query",
    ),
    _passing(key="shut_down", reason="Supabase's database is shutting down or starting.", code="57P0[1-5]"),
    _passing(
        key="conflict", reason="Another transaction was in the way of the query on {table}.", code="40[0-9A-Z]{3}"
    ),
    _passing(
        key="no_resources",
        reason="Supabase's database has run out of connections, memory or disk.",
        code="53[0-9A-Z]{3}",
    ),
    _passing(key="pool", reason="Supabase's database had no free connection in time.", code="PGRST003"),
    _passing(key="pool", reason="Supabase's database had no free connection in time.", status="544"),
    _passing(key="schema_cache", reason="Supabase's REST interface can't reach its database.", code="PGRST00."),
    _passing(
        key="rate_limit",
        reason="Supabase limits the number of requests.",
        remedy="Look for what else uses the project.",
        status="429",
    ),
    ReplyRule(
        key="database_error",
        status="4..|500",
        code="[0-9A-Z]{5}",  # any other SQLSTATE
        reason="The database rejected the query on {table}.",
        remedy="Correct what it names; a hint says how. To try, select from {table} in the SQL editor.",
        group="The database rejected the query",
    ),
    *PROJECT_RULES,
    ReplyRule(
        key="url_too_long",
        status="414|431|494",
        reason="The address of the query on {table} is too long for a server on the way.",
        remedy="Allow addresses of 8 KB in the gateway or proxy before PostgREST.",
        group="Supabase rejected the query",
    ),
    _passing(
        key="gateway_tls", reason="Supabase's gateway has no TLS connection to the server behind it.", status="52[56]"
    ),
    _passing(
        key="gateway",
        reason="Supabase's gateway has no answer from the server behind it.",
        status="408|50[234]|52.|530",
        code="",
    ),
    ReplyRule(
        key="not_postgrest",
        status="404|405",
        code="|PGRST12[56]",
        reason="No PostgREST answers at SUPABASE_URL.",
        remedy="Set SUPABASE_URL to the project's own address, like https://abcdefghijklmnop.supabase.co.",
        group="The answer is not a list of rows",
    ),
    _passing(key="out_of_order", reason="Supabase is out of order.", status="5..|408|425"),
    ReplyRule(
        key="rejected",
        reason="Supabase rejected the query on {table}.",
        remedy="Its words say why.",
        group="Supabase rejected the query",
    ),
)


def refusal(response: Response, table: str, used: Credentials) -> SourceError:
    """Return the error of a refused request for rows with the credentials `used`."""
    reply = read_reply(response, "read", table)
    return as_error(SourceError, "source", first_match(RULES, reply, used), reply, facts(table, used, "select"))


def facts(table: str, used: Credentials, rights: str) -> dict[str, str]:
    """Return the facts that reasons and remedies of the rules name."""
    # Always quoted: PostgreSQL reads a bare name in lower case, and one like "order" not at all.
    name = table.replace('"', '""')
    return {
        "table": table,
        "setting": used.setting,
        "columns": ", ".join(COLUMNS),
        "rights": rights,
        "project_key": "the publishable key" if used.token else "a secret key",
        "grant": f'grant {rights} on "{name}" to service_role;',
    }
