"""A run with a token of the role that src/sql/reports_role.sql makes, beside a publishable key."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jwt
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from src.supabase.credentials import ROLE_SQL

from .builders import OPTION, make_rows
from .conftest import Run
from .faults import ONCE, copies, large, with_bucket
from .pages import ROOT, section
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
    assert re.search(r"SUPABASE_JWT .* 20\d\d-\d\d-\d\d \d\d:\d\d UTC", warned["message"])
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
    [(90, r" 20\d\d-\d\d-\d\d$"), (13, r"SUPABASE_JWT .* 20\d\d-\d\d-\d\d \d\d:\d\d UTC.*\(docs/security\.md\b.*\)$")],
)
def test_a_check_names_key_role_and_the_tokens_end(
    run: RunTool, access: Callable[[float], dict[str, str]], days: float, words: str
) -> None:
    """Whoever set it up a year ago knows when to make another."""
    result = run("--check", **access(days))

    line = line_of(result.output, "key")
    assert result.code == 0
    assert all(one in line for one in ("publishable key", " reports_generator", ROLE_SQL))
    assert re.search(words, line)


def test_a_token_that_has_ended_is_told_as_such_by_a_check(
    run: RunTool, access: Callable[[float], dict[str, str]]
) -> None:
    """As a token, in each line that it spoils; the key beside it is fine."""
    result = run("--check", **access(-1))

    assert result.code == 1
    for part in ("table", "ledger"):
        assert re.search(r"\((source|ledger)\.jwt(_expired)?\)$", line_of(result.output, part))
    assert "SUPABASE_KEY" not in result.output


def test_a_wrong_key_beside_a_good_token_is_told_as_such(
    sandbox: Sandbox, run: RunTool, access: Callable[[float], dict[str, str]]
) -> None:
    """The gateway looks at the key first, and asks for a publishable one."""
    refused = Answer(status=401, body=b'{"message":"Invalid API key","hint":"Double check your API key."}')
    sandbox.supabase.always = Fault(answer=refused)

    line = line_of(run("--check", **access(90)).output, "table")

    assert line.endswith("(source.key)")
    assert "SUPABASE_JWT" not in line


@pytest.mark.parametrize(
    ("statement", "key"),
    [
        ("revoke select on analyses from reports_generator", "source.permission"),
        ("revoke insert on report_deliveries from reports_generator", "ledger.permission"),
    ],
)
def test_a_right_that_the_role_lacks_is_told_with_the_sql_that_grants_it(
    sandbox: Sandbox, run: RunTool, access: Callable[[float], dict[str, str]], statement: str, key: str
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
    assert key in result.keys
    assert "src/sql/reports_role.sql" in result.log


def token_of_the_page(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], key: str) -> str:
    """Run the lines of the page that make a token, with `key` pasted, and return what they print."""
    (lines,) = re.findall(r"```python\n(.+?)```", section("security", "Make the token"), re.DOTALL)
    monkeypatch.setattr("getpass.getpass", lambda prompt: key)
    capsys.readouterr()
    exec(lines, {})
    return capsys.readouterr().out.strip()


def test_a_token_made_as_the_page_says_is_one_that_a_run_can_use(
    sandbox: Sandbox,
    run: RunTool,
    access: Callable[[float], dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With the project's secret, for a year."""
    token = token_of_the_page(monkeypatch, capsys, sandbox.supabase.jwt_secret)

    result = run(*OPTION, **access(1) | {"SUPABASE_JWT": token})

    assert (result.code, len(sandbox.mails)) == (0, 1)
    assert "WARNING" not in result.log


def test_a_token_made_with_a_signing_key_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Supabase finds the public key by that name; the role and the year are the same."""
    private = ec.generate_private_key(ec.SECP256R1())
    signing_key = ECAlgorithm.to_jwk(private, as_dict=True) | {"kid": "of-the-page", "alg": "ES256"}

    token = token_of_the_page(monkeypatch, capsys, json.dumps(signing_key))

    claims: dict[str, Any] = jwt.decode(token, private.public_key(), ["ES256"])
    assert (jwt.get_unverified_header(token)["kid"], claims["role"]) == ("of-the-page", "reports_generator")
    assert claims["exp"] - claims["iat"] == 365 * DAY


COMMENTED = re.findall(
    r"^-- ((?:grant|create policy) .+;)$", (ROOT / "src/sql/reports_role.sql").read_text(), re.MULTILINE
)
"""The lines of its SQL for REPORT_BUCKET, which stand there as comments."""


@contextmanager
def let_into_the_bucket(sandbox: Sandbox) -> Iterator[None]:
    """Run those lines, and take the rights away again when the block is over."""
    for statement in COMMENTED:
        sandbox.supabase.sql(statement)
    try:
        yield
    finally:
        for table in ("storage.buckets", "storage.objects"):
            sandbox.supabase.sql(f"drop policy if exists reports_generator on {table}")
            sandbox.supabase.sql(f"revoke all on {table} from reports_generator")
        sandbox.supabase.sql("revoke usage on schema storage from reports_generator")


def test_the_lines_for_a_bucket_let_the_role_into_that_bucket_alone(sandbox: Sandbox) -> None:
    """Reading and writing."""
    for name in ("reports", "others"):
        sandbox.supabase.make_bucket(name)
        sandbox.supabase.sql("insert into storage.objects (bucket_id, name) values ($1, 'a.xlsx')", name)

    def as_the_role(statement: str) -> list[dict[str, Any]]:
        """Do one statement with the role's rights."""
        sandbox.supabase.sql("set role reports_generator")
        try:
            return sandbox.supabase.sql(statement)
        finally:
            sandbox.supabase.sql("reset role")

    with let_into_the_bucket(sandbox):
        seen = as_the_role(
            "select (select json_agg(id) from storage.buckets) b, json_agg(bucket_id) o from storage.objects"
        )
        as_the_role("insert into storage.objects (bucket_id, name) values ('reports', 'b.xlsx')")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            as_the_role("insert into storage.objects (bucket_id, name) values ('others', 'b.xlsx')")

    assert len(COMMENTED) == 5
    assert seen == [{"b": ["reports"], "o": ["reports"]}]


def test_with_those_lines_a_workbook_that_is_too_large_is_linked(
    sandbox: Sandbox, run: RunTool, access: Callable[[float], dict[str, str]]
) -> None:
    """Without them Storage refuses it, and the alert names the file with the lines."""
    with_bucket(large)(sandbox)
    settings = access(90) | {"REPORT_BUCKET": "reports"}

    refused = run(*OPTION, **settings)
    with let_into_the_bucket(sandbox):
        linked = run(*OPTION, **settings)

    assert (refused.code, linked.code, copies(sandbox)) == (1, 0, ONCE)
    assert "without_workbook.storage.permission" in refused.keys
    assert all(one in sandbox.alerts[0] for one in ("SUPABASE_JWT", ROLE_SQL))
