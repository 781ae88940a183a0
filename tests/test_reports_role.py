"""A run with a token of the role that src/sql/reports_role.sql makes, beside a publishable key."""

import json
import re
import time
from collections.abc import Callable, Iterator

import pytest

from .builders import OPTION, make_rows
from .conftest import Run
from .sandbox import Sandbox
from .sandbox.web import Answer, Fault

RunTool = Callable[..., Run]
DAY = 86_400


@pytest.fixture
def access(sandbox: Sandbox) -> Iterator[Callable[[float], dict[str, str]]]:
    """Make the settings of a run with the role and a token of so many days; row-level security guards the rows."""
    sandbox.supabase.insert(make_rows(3))

    def settings(days: float) -> dict[str, str]:
        token = sandbox.supabase.jwt("reports_generator", exp=int(time.time() + days * DAY))
        return {"SUPABASE_KEY": sandbox.supabase.publishable_key, "SUPABASE_JWT": token, "REPORT_LEDGER": "supabase"}

    sandbox.supabase.sql("alter table analyses enable row level security")
    yield settings
    sandbox.supabase.sql("alter table analyses disable row level security")


def line_of(output: str, part: str) -> str:
    """Return the line of a check that is about `part`."""
    (line,) = (line for line in output.splitlines() if line[5:].partition("  ")[0] == part)
    return line


def test_it_delivers_and_is_warned_of_only_when_its_token_ends(
    sandbox: Sandbox, run: RunTool, access: Callable[[float], dict[str, str]]
) -> None:
    """The rows are guarded and the ledger is kept in Supabase; a secret key is nowhere on this machine."""
    soon, later = (run(*OPTION, LOG_FORMAT="json", **access(days)) for days in (13, 15))

    assert (soon.code, later.code, len(sandbox.mails)) == (0, 0, 1)  # the ledger remembers
    (warned,) = (json.loads(line) for line in soon.log.splitlines() if '"WARNING"' in line)
    assert warned["event"] == "key_expires"
    assert re.match(r"SUPABASE_JWT expires at 20\d\d-\d\d-\d\d \d\d:\d\d UTC: make a new one", warned["message"])
    assert "WARNING" not in later.log


def test_the_key_goes_as_apikey_and_the_token_as_authorization(
    sandbox: Sandbox, run: RunTool, access: Callable[[float], dict[str, str]]
) -> None:
    """To the rows, the ledger and Storage alike: the gateway refuses a token as `apikey`."""
    sandbox.supabase.make_bucket("reports")
    settings = access(90)

    run("--check", REPORT_BUCKET="reports", **settings)

    paths = {request.target.split("?")[0] for request in sandbox.supabase.requests}
    sent = {(one.headers["apikey"], one.headers["authorization"]) for one in sandbox.supabase.requests}
    assert {"/rest/v1/analyses", "/rest/v1/report_deliveries", "/storage/v1/bucket/reports"} <= paths
    assert sent == {(settings["SUPABASE_KEY"], f"Bearer {settings['SUPABASE_JWT']}")}


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (90, r"good until 20\d\d-\d\d-\d\d$"),
        (13, r"SUPABASE_JWT expires at .+ UTC: make a new one \(docs/security\.md says how\)$"),
    ],
)
def test_a_check_names_key_role_and_the_tokens_end(
    run: RunTool, access: Callable[[float], dict[str, str]], days: float, words: str
) -> None:
    """Whoever set it up a year ago knows when to make another."""
    result = run("--check", **access(days))

    line = line_of(result.output, "key")
    assert result.code == 0
    assert "a publishable key with a JWT of reports_generator, sees every row by the policy of src/sql/reports" in line
    assert re.search(words, line)


def test_a_token_that_has_ended_is_told_as_such_by_a_check(
    run: RunTool, access: Callable[[float], dict[str, str]]
) -> None:
    """As a token, in each line that it spoils; the key beside it is fine."""
    result = run("--check", **access(-1))

    assert result.code == 1
    for part in ("table", "ledger"):
        assert "does not accept SUPABASE_JWT (HTTP 401" in line_of(result.output, part)
        assert "Make a new token" in line_of(result.output, part)
    assert "SUPABASE_KEY" not in result.output


def test_a_wrong_key_beside_a_good_token_is_told_as_such(
    sandbox: Sandbox, run: RunTool, access: Callable[[float], dict[str, str]]
) -> None:
    """The gateway looks at the key first, and asks for a publishable one."""
    refused = Answer(status=401, body=b'{"message":"Invalid API key","hint":"Double check your API key."}')
    sandbox.supabase.always = Fault(answer=refused)

    line = line_of(run("--check", **access(90)).output, "table")

    assert "does not accept SUPABASE_KEY (HTTP 401, Invalid API key). Copy the publishable key" in line


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        (
            "revoke select on analyses from reports_generator",
            "SUPABASE_JWT may not read the table analyses (HTTP 403",
        ),
        (
            "revoke insert on report_deliveries from reports_generator",
            "The role of SUPABASE_JWT lacks insert on the table report_deliveries (HTTP 403",
        ),
    ],
)
def test_a_right_that_the_role_lacks_is_told_with_the_sql_that_grants_it(
    sandbox: Sandbox, run: RunTool, access: Callable[[float], dict[str, str]], statement: str, sentence: str
) -> None:
    """Not with a statement for service_role, which it isn't."""
    run("--check", **access(90))
    back = re.sub("revoke (.+) from", r"grant \1 to", statement)
    sandbox.supabase.sql(statement)
    try:
        result = run(*OPTION, **access(90))
    finally:
        sandbox.supabase.sql(back)

    assert result.code == 1
    assert sentence in result.log
    assert "Run src/sql/reports_role.sql in the SQL editor" in result.log
