"""Whatever Supabase answers, or doesn't: a clear sentence, and never an empty report."""

import base64
import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from src.domain.window import HOUR
from src.errors import BadAnswerError, HiddenRowsError, SourceError, SourceRefusedError, SourceUnreachableError
from src.supabase.credentials import Credentials

from ..builders import START, make_rows
from ..sandbox import Sandbox
from ..sandbox.web import FOREVER, Answer, Fault
from .test_analyses import read

HTML = Answer(headers={"content-type": "text/html"}, body=b"<html><title>We'll be back</title></html>")


def test_a_web_page_with_status_200_is_not_an_empty_hour(sandbox: Sandbox) -> None:
    """As gateways answer when the project sleeps."""
    sandbox.supabase.faults.append(Fault(answer=HTML))

    with pytest.raises(BadAnswerError, match=r"the table analyses .* a web page, “<html><title>We'll be back"):
        read(sandbox)


def test_a_web_page_in_place_of_a_later_page_is_not_the_end(sandbox: Sandbox) -> None:
    """Half an hour's rows are not the hour."""
    sandbox.supabase.insert(make_rows(20))
    sandbox.supabase.page_cap = 10
    sandbox.supabase.faults += [Fault(), Fault(answer=HTML)]

    with pytest.raises(BadAnswerError, match="a web page"):
        read(sandbox)


def test_an_answer_cut_off_within_is_not_taken_for_whole(sandbox: Sandbox) -> None:
    """The connection ends in the midst of the rows."""
    sandbox.supabase.insert(make_rows(20))
    sandbox.supabase.faults.append(Fault(cut="within"))

    with pytest.raises(SourceUnreachableError, match="the connection broke off"):
        read(sandbox)


def test_a_wrong_key_is_said(sandbox: Sandbox) -> None:
    """The server's own answer."""
    with pytest.raises(SourceRefusedError, match=r"does not accept SUPABASE_KEY \(HTTP 401.*Copy a secret key"):
        read(sandbox, supabase_key="sb_secret_of_elsewhere")


def test_a_missing_table_is_said(sandbox: Sandbox) -> None:
    """The server's own answer."""
    with pytest.raises(SourceRefusedError, match=r"no table nowhere \(HTTP 404.*Check SUPABASE_TABLE"):
        read(sandbox, "nowhere")


def test_a_missing_column_is_said(sandbox: Sandbox) -> None:
    """The server's own answer names it."""
    with pytest.raises(SourceRefusedError, match=r"analyses_other lacks a column .*duration does not exist.*It needs"):
        read(sandbox, "analyses_other")


def test_a_missing_permission_is_said(sandbox: Sandbox) -> None:
    """The server's own answer."""
    with pytest.raises(SourceRefusedError, match=r"may not read the table analyses_forbidden .*permission denied"):
        read(sandbox, "analyses_forbidden")


@pytest.mark.parametrize(
    ("status", "body", "kind", "sentence"),
    [
        (401, b'{"code": "PGRST301", "message": "JWT expired"}', SourceRefusedError, "does not accept SUPABASE_KEY"),
        (401, b'{"code": "42501", "message": "permission denied"}', SourceRefusedError, "may not read the table"),
        (401, b"<html>login</html>", SourceRefusedError, "does not accept SUPABASE_KEY"),
        (404, b"<html>not here</html>", SourceRefusedError, "There is no table analyses"),
        (404, b'{"code": "42P01", "message": "relation"}', SourceRefusedError, "There is no table analyses"),
        (301, b"", SourceRefusedError, "SUPABASE_URL leads elsewhere"),
        (500, b'{"code": "57014", "message": "statement timeout"}', SourceUnreachableError, "Create the index"),
        (500, b'{"code": "55P03", "message": "lock timeout"}', SourceUnreachableError, "holds a lock on the table"),
        (
            400,
            b'{"code": "22023", "message": "role \\"x\\" does not exist"}',
            SourceRefusedError,
            "SUPABASE_KEY names a",
        ),
        (400, b'{"code": "22023", "message": "time zone not recognized"}', SourceRefusedError, "refuses the question"),
        (400, b'{"code": "0A000", "message": "not supported"}', SourceRefusedError, "refuses the question"),
        (403, b"<html>blocked</html>", SourceRefusedError, "refuses the question"),
        (406, b'{"code": "PGRST106", "message": "schema"}', SourceRefusedError, "refuses the question"),
        (429, b"", SourceUnreachableError, "HTTP 429"),
        (502, b"<html>Bad Gateway</html>", SourceUnreachableError, "HTTP 502, “<html>Bad Gateway"),
        (503, b"", SourceUnreachableError, "HTTP 503"),
        (544, b"[]", SourceUnreachableError, "HTTP 544"),
    ],
)
def test_a_status_is_said_in_words(
    sandbox: Sandbox, status: int, body: bytes, kind: type[SourceError], sentence: str
) -> None:
    """With the server's own, shortened."""
    headers = {"location": "https://elsewhere.example.com/"} if status == 301 else {}
    sandbox.supabase.faults.append(Fault(answer=Answer(status=status, headers=headers, body=body)))

    with pytest.raises(kind) as caught:
        read(sandbox)

    assert sentence in str(caught.value)


GIVEN = b'{"code": "42501", "message": "permission denied", "hint": "Grant the required privileges to the role."}'


@pytest.mark.parametrize(
    ("table", "key", "sentence"),
    [
        ("analyses", "", 'Run this in the SQL editor: grant select on "analyses" to service_role;'),
        ("Analyses", "", 'Run this in the SQL editor: grant select on "Analyses" to service_role;'),
        (
            "analyses",
            "sb_publishable_0123456789",
            "Use a secret key, or grant its role select on the table and give it a row",
        ),
    ],
    ids=["a secret key", "a name that needs quoting", "another key"],
)
def test_a_missing_permission_is_told_with_what_gives_it_to_this_key(
    sandbox: Sandbox, table: str, key: str, sentence: str
) -> None:
    """Whoever has a secret key can't use another one; a hint of PostgREST stands with its words."""
    sandbox.supabase.faults.append(Fault(answer=Answer(status=403, body=GIVEN)))

    with pytest.raises(SourceRefusedError) as caught:
        read(sandbox, table, **({"supabase_key": key} if key else {}))

    assert sentence in caught.value.problem.remedy
    assert "(HTTP 403, “permission denied”, hint: “Grant the required privileges to the role.”)." in str(caught.value)


@pytest.mark.parametrize("code", ["57P01", "57P02", "57P03"])
def test_a_server_that_is_shut_down_is_asked_again(sandbox: Sandbox, code: str) -> None:
    """It is known by its code, whatever status comes with it."""
    body = json.dumps({"code": code, "message": "the database system is shutting down"}).encode()
    sandbox.supabase.insert(make_rows(3))
    sandbox.supabase.faults.append(Fault(answer=Answer(status=400, body=body)))

    assert len(read(sandbox, retry_for=5)) == 3


def test_a_redirect_is_not_followed_with_the_key(sandbox: Sandbox) -> None:
    """One request, no second."""
    away = Answer(status=307, headers={"location": f"{sandbox.supabase.url}/elsewhere"})
    sandbox.supabase.faults.append(Fault(answer=away))

    with pytest.raises(SourceRefusedError):
        read(sandbox)

    assert len(sandbox.supabase.requests) == 1


def test_a_host_nobody_knows_is_said(sandbox: Sandbox) -> None:
    """A typing error in the address."""
    with pytest.raises(
        SourceUnreachableError, match=r"its host name is not known \(no-such-project\.invalid\)\. Check"
    ):
        read(sandbox, supabase_url="http://no-such-project.invalid")


def test_a_port_where_nothing_listens_is_said(sandbox: Sandbox) -> None:
    """A server that is down."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and not listening
        with pytest.raises(SourceUnreachableError, match="nothing listens on that port"):
            read(sandbox, supabase_url=f"http://127.0.0.1:{taken.getsockname()[1]}")


def test_https_to_a_server_that_speaks_plain_http_is_said(sandbox: Sandbox) -> None:
    """The wrong scheme."""
    with pytest.raises(SourceUnreachableError, match="it does not speak TLS on that port"):
        read(sandbox, supabase_url=sandbox.supabase.url.replace("http://", "https://"))


def test_what_is_no_tls_after_the_handshake_is_said(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """httpx passes it on as ssl.SSLError."""
    monkeypatch.setenv("SSL_CERT_FILE", sandbox.environment["SSL_CERT_FILE"])
    sandbox.speak("https")
    sandbox.supabase.faults.append(Fault(cut="garbled"))

    with pytest.raises(SourceUnreachableError, match="it does not speak TLS on that port"):
        read(sandbox)


def test_a_certificate_nobody_vouches_for_is_said(sandbox: Sandbox) -> None:
    """The key does not leave this machine."""
    port = sandbox.mailbox.tls_port  # any server with the sandbox's certificate
    with pytest.raises(SourceUnreachableError, match=r"certificate is not trusted .*SSL_CERT_FILE"):
        read(sandbox, supabase_url=f"https://localhost:{port}")


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

    with pytest.raises(SourceUnreachableError, match="it did not answer in time"):
        read(sandbox, wait=0.3, deadline=0.5)


def test_a_connection_cut_before_an_answer_is_said(sandbox: Sandbox) -> None:
    """A restart of the server."""
    sandbox.supabase.faults.append(Fault(cut="before"))

    with pytest.raises(SourceUnreachableError, match="the connection broke off"):
        read(sandbox)


def test_an_empty_hour_that_row_level_security_may_have_made_is_a_failure(sandbox: Sandbox) -> None:
    """Under a publishable key, with rows that it may not see."""
    sandbox.supabase.insert(make_rows(3, status="private"), "analyses_guarded")

    with pytest.raises(HiddenRowsError, match="sees no row at all in the table analyses_guarded"):
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


def jwt(claims: object) -> str:
    """Write a token with `claims`; who signed it matters to the server only."""
    return "eyJhbGciOiJIUzI1NiJ9." + base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=") + ".sig"


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
    ("claims", "note"),
    [
        ({"exp": NOW.timestamp() + 15 * 86_400}, ""),
        ({"exp": NOW.timestamp() + 14 * 86_400}, "SUPABASE_JWT expires at 2026-12-07 14:00 UTC: make a new one"),
        ({"exp": NOW.timestamp()}, "SUPABASE_JWT expired at 2026-11-23 14:00 UTC: make a new one"),
        ({}, ""),
        ({"exp": "soon"}, ""),
        ({"exp": 10**30}, ""),
        ({"exp": None}, ""),
    ],
)
def test_the_end_of_a_token_is_warned_of_two_weeks_before(claims: dict[str, object], note: str) -> None:
    """Whatever stands in it."""
    used = Credentials(key=SecretStr("sb_publishable_abc"), token=SecretStr(jwt({"role": "clerk"} | claims)))

    assert used.expiry_note(NOW).removesuffix(" (docs/security.md says how)") == note


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
