"""Whatever Supabase answers, or doesn't: a problem with its key, and never an empty report."""

import base64
import json
import re
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from src.domain.window import HOUR
from src.errors import Problem, SourceError
from src.supabase.credentials import Credentials
from src.supabase.source_errors import HiddenRowsError

from ..builders import START, make_rows
from ..jwt import unsigned_jwt as jwt
from ..sandbox import Sandbox
from ..sandbox.web import FOREVER, Answer, Fault
from .test_analyses import read

HTML = Answer(headers={"content-type": "text/html"}, body=b"<html><title>We'll be back</title></html>")


def failure(sandbox: Sandbox, table: str = "analyses", **changes: Any) -> Problem:
    """Read rows that can't be read, and return why."""
    with pytest.raises(SourceError) as caught:
        read(sandbox, table, **changes)
    return caught.value.problem


def test_a_web_page_with_status_200_is_not_an_empty_hour(sandbox: Sandbox) -> None:
    """As gateways answer when the project sleeps."""
    sandbox.supabase.faults.append(Fault(answer=HTML))

    assert failure(sandbox).key == "source.not_postgrest"


def test_a_web_page_in_place_of_a_later_page_is_not_the_end(sandbox: Sandbox) -> None:
    """Half an hour's rows are not the hour."""
    sandbox.supabase.insert(make_rows(20))
    sandbox.supabase.page_cap = 10
    sandbox.supabase.faults += [Fault(), Fault(answer=HTML)]

    assert failure(sandbox).key == "source.not_postgrest"


def test_an_answer_cut_off_within_is_not_taken_for_whole(sandbox: Sandbox) -> None:
    """The connection ends in the midst of the rows."""
    sandbox.supabase.insert(make_rows(20))
    sandbox.supabase.faults.append(Fault(cut="within"))

    assert failure(sandbox).key == "source.broken"


def test_a_wrong_key_is_said(sandbox: Sandbox) -> None:
    """The server's own answer."""
    assert failure(sandbox, supabase_key="sb_secret_of_elsewhere").key == "source.key"


@pytest.mark.parametrize(("table", "key"), [("nowhere", "source.no_table"), ("analyses_other", "source.column")])
def test_a_missing_table_or_column_is_said(sandbox: Sandbox, table: str, key: str) -> None:
    """The server's own answer names it."""
    problem = failure(sandbox, table)

    assert problem.key == key
    assert table in problem.said


def test_a_missing_permission_is_said(sandbox: Sandbox) -> None:
    """The server's own answer."""
    assert failure(sandbox, "analyses_forbidden").key == "source.permission"


GIVEN = {"code": "42501", "message": "permission denied for table x", "hint": "Grant the privileges to the role."}


@pytest.mark.parametrize("table", ["analyses", "Analyses"])
def test_a_secret_keys_missing_permission_is_told_with_the_statement_that_grants_it(
    sandbox: Sandbox, table: str
) -> None:
    """In quotation marks, because PostgreSQL reads a bare name in small letters."""
    given = GIVEN | {"message": f"permission denied for table {table}"}
    body = json.dumps(given).encode()
    sandbox.supabase.faults.append(Fault(answer=Answer(status=403, body=body)))

    problem = failure(sandbox, table)

    assert re.search(rf'\bgrant select\b.*"{table}" to service_role;$', problem.remedy)
    assert problem.said == f"HTTP 403: {given['message']}; hint: {given['hint']}"


@pytest.mark.parametrize(("table", "key"), [("analyses", "sb_publishable_0123456789"), ("elsewhere", "")])
def test_no_statement_is_named_that_would_not_help(sandbox: Sandbox, table: str, key: str) -> None:
    """Another kind of key needs more than a grant, another table another one."""
    body = json.dumps(GIVEN | {"message": "permission denied for table analyses"}).encode()
    sandbox.supabase.faults.append(Fault(answer=Answer(status=403, body=body)))

    problem = failure(sandbox, table, **({"supabase_key": key} if key else {}))

    assert problem.key == "source.permission"
    assert "grant select" not in problem.remedy


@pytest.mark.parametrize("code", ["57P01", "57P02", "57P03"])
def test_a_server_that_is_shut_down_is_asked_again(sandbox: Sandbox, code: str) -> None:
    """It is known by its code, whatever status comes with it."""
    body = json.dumps({"code": code, "message": "the database system is shutting down"}).encode()
    sandbox.supabase.insert(make_rows(3))
    sandbox.supabase.faults.append(Fault(answer=Answer(status=400, body=body)))

    assert len(read(sandbox, retry_for=5)) == 3


def test_an_answer_that_quotes_itself_stays_one_quote(sandbox: Sandbox) -> None:
    """No sentence in it passes for one of ours, and it has one line."""
    body = json.dumps({"code": "P0001", "message": "a”.\nRun this: “x"}).encode()
    sandbox.supabase.faults.append(Fault(answer=Answer(status=400, body=body)))

    problem = failure(sandbox)

    assert (problem.key, problem.said) == ("source.database_error", 'HTTP 400: a". Run this: "x')


def test_a_redirect_is_not_followed_with_the_key(sandbox: Sandbox) -> None:
    """One request, no second."""
    away = Answer(status=307, headers={"location": f"{sandbox.supabase.url}/elsewhere"})
    sandbox.supabase.faults.append(Fault(answer=away))

    assert failure(sandbox).key == "source.redirect"
    assert len(sandbox.supabase.requests) == 1


def test_a_host_nobody_knows_is_said(sandbox: Sandbox) -> None:
    """A typing error in the address."""
    assert failure(sandbox, supabase_url="http://no-such-project.invalid").key == "source.unknown_host"


def test_a_port_where_nothing_listens_is_said(sandbox: Sandbox) -> None:
    """A server that is down."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and not listening
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        assert failure(sandbox, supabase_url=url).key == "source.refused"


def test_https_to_a_server_that_speaks_plain_http_is_said(sandbox: Sandbox) -> None:
    """The wrong scheme."""
    assert failure(sandbox, supabase_url=sandbox.supabase.url.replace("http://", "https://")).key == "source.not_tls"


def test_what_is_no_tls_after_the_handshake_is_said(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """httpx passes it on as ssl.SSLError."""
    monkeypatch.setenv("SSL_CERT_FILE", sandbox.environment["SSL_CERT_FILE"])
    sandbox.speak("https")
    sandbox.supabase.faults.append(Fault(cut="garbled"))

    assert failure(sandbox).key == "source.not_tls"


def test_a_certificate_nobody_vouches_for_is_said(sandbox: Sandbox) -> None:
    """The key does not leave this machine."""
    port = sandbox.mailbox.tls_port  # any server with the sandbox's certificate
    assert failure(sandbox, supabase_url=f"https://localhost:{port}").key == "source.untrusted"


@pytest.mark.parametrize(
    "slow",
    [
        pytest.param(lambda: Fault(delay=FOREVER), id="silent"),
        pytest.param(lambda: Fault(drip=0.1), id="dripping"),
    ],
)
def test_a_server_too_slow_is_given_up(sandbox: Sandbox, slow: Callable[[], Fault]) -> None:
    """One that says nothing, and one that drips a byte now and then."""
    sandbox.supabase.insert(make_rows(20))
    sandbox.supabase.faults.append(slow())

    assert failure(sandbox, wait=0.3, deadline=0.5).key == "source.timed_out"


def test_a_connection_cut_before_an_answer_is_said(sandbox: Sandbox) -> None:
    """A restart of the server."""
    sandbox.supabase.faults.append(Fault(cut="before"))

    assert failure(sandbox).key == "source.broken"


def test_an_empty_hour_that_row_level_security_may_have_made_is_a_failure(sandbox: Sandbox) -> None:
    """Under a publishable key, with rows that it may not see."""
    sandbox.supabase.insert(make_rows(3, status="private"), "analyses_guarded")

    with pytest.raises(HiddenRowsError):
        read(sandbox, "analyses_guarded", supabase_key=sandbox.supabase.publishable_key)


def test_an_empty_hour_is_believed_where_another_hours_row_is_seen(sandbox: Sandbox) -> None:
    """Row-level security lets this key see rows; this hour just has none."""
    earlier = make_rows(1, status="shared", created_at="2026-11-01T00:00:00+00:00")
    sandbox.supabase.insert(earlier, "analyses_guarded")

    assert read(sandbox, "analyses_guarded", supabase_key=sandbox.supabase.publishable_key) == []


def test_an_empty_table_is_believed_under_a_secret_key(sandbox: Sandbox) -> None:
    """Nothing is hidden from it, so one request is enough."""
    assert read(sandbox) == []
    assert len(sandbox.supabase.requests) == 1


@pytest.mark.parametrize(
    ("key", "sees_all"),
    [
        ("sb_secret_abc", True),
        (jwt({"role": "service_role"}), True),
        ("sb_publishable_abc", False),
        (jwt({"role": "anon"}), False),
        (jwt({"role": "reporter"}), False),
        (jwt({}), False),
        (jwt([]), False),
        ("a.é.c", False),
        ("some-key", False),
    ],
)
def test_only_a_secret_key_or_the_service_role_is_known_to_see_every_row(key: str, sees_all: bool) -> None:
    """Any other may be subject to row-level security."""
    assert Credentials(key=SecretStr(key)).sees_all == sees_all


@pytest.mark.parametrize(
    ("key", "token", "kind", "role"),
    [
        ("sb_secret_abc", None, "a secret key", "service_role"),
        ("sb_publishable_abc", None, "a publishable key", "anon"),
        (jwt({"role": "anon"}), None, "a JWT of anon", "anon"),
        ("sb_publishable_abc", jwt({"role": "clerk"}), "a publishable key with a JWT of clerk", "clerk"),
        ("sb_secret_abc", jwt({"role": "clerk"}), "a secret key with a JWT of clerk", "clerk"),
        (jwt({"role": "anon"}), jwt({"role": "clerk"}), "a JWT of anon with a JWT of clerk", "clerk"),
        ("sb_publishable_abc", jwt({"role": "a\nb"}), "a publishable key with a JWT of an odd role", "a\nb"),
        ("sb_publishable_abc", jwt([1]), "a publishable key with a key of an unknown kind", ""),
    ],
)
def test_whose_role_a_request_has_is_told_by_the_token_before_the_key(
    key: str, token: str | None, kind: str, role: str
) -> None:
    """And neither is shown, in a repr neither."""
    used = Credentials(key=SecretStr(key), token=SecretStr(token) if token else None)

    assert (used.kind, used.role) == (kind, role)
    assert key not in repr(used)
    assert not token or token not in repr(used)


NOW = datetime(2026, 11, 23, 14, tzinfo=UTC)


@pytest.mark.parametrize(
    ("claims", "is_warned"),
    [
        ({"exp": NOW.timestamp() + 15 * 86_400}, False),
        ({"exp": NOW.timestamp() + 14 * 86_400}, True),
        ({"exp": NOW.timestamp()}, True),
        ({}, False),
        ({"exp": "soon"}, False),
        ({"exp": 10**30}, False),
        ({"exp": None}, False),
    ],
)
def test_the_end_of_a_token_is_warned_of_two_weeks_before(claims: dict[str, object], is_warned: bool) -> None:
    """Whatever stands in it."""
    used = Credentials(key=SecretStr("sb_publishable_abc"), token=SecretStr(jwt({"role": "clerk"} | claims)))

    assert bool(used.expiry_note(NOW)) == is_warned


HOSTED, OWN = "https://abcdefghijklmnop.supabase.co", "https://supabase.example.com"


@pytest.mark.parametrize(
    ("url", "key", "wanted"),
    [
        (HOSTED, jwt({"role": "service_role"}), "sb_secret_"),
        (HOSTED, jwt({"role": "anon"}), "sb_publishable_"),
        (OWN, jwt({"role": "anon", "ref": "abcdefghijklmnop"}), "sb_publishable_"),
        (OWN, jwt({"role": "service_role"}), ""),
        ("https://supabase.co.example.com", jwt({"role": "anon"}), ""),
        (HOSTED, jwt({"role": "reporter"}), ""),
        (HOSTED, "sb_secret_abc", ""),
        (HOSTED, "sb_publishable_abc", ""),
    ],
)
def test_a_jwt_that_hosted_supabase_is_retiring_is_told_with_the_key_in_its_place(
    url: str, key: str, wanted: str
) -> None:
    """A server of one's own goes on taking them; a hosted project is known by its name in the key, too."""
    note = Credentials(key=SecretStr(key), url=url).retirement_note

    assert (wanted in note) if wanted else note == ""
    assert key not in note


def test_the_hour_is_asked_for_by_its_very_limits(sandbox: Sandbox) -> None:
    """So that the server's index is used, and nothing else is read."""
    read(sandbox)

    query = parse_qs(urlsplit(sandbox.supabase.requests[0].target).query)
    assert query["created_at"] == [f"gte.{START.isoformat()}", f"lt.{(START + HOUR).isoformat()}"]


def test_a_token_that_is_nested_too_deeply_has_no_end() -> None:
    """It is as any other text that is none."""
    nested = base64.urlsafe_b64encode(b'{"exp":' + b"[" * 200_000 + b"]" * 200_000 + b"}").decode().rstrip("=")
    used = Credentials(key=SecretStr("sb_publishable_abc"), token=SecretStr(f"x.{nested}.x"))

    assert (used.expires, used.role) == (None, "")
