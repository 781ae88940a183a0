"""The login to the mail server by OAuth2: where the token comes from, and what its refusals mean."""

import base64
from collections.abc import Callable

import pytest

from ..builders import NO_TIME, OPTION
from ..conftest import Run
from ..faults import TABLE, copies
from ..sandbox import RECIPIENTS, Sandbox, smtp
from ..sandbox.tokens import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, SCOPE, json_answer, refusal
from ..sandbox.web import Answer, Fault

pytestmark = pytest.mark.sampled

RunTool = Callable[..., Run]
BY_MAIL = {"TELEGRAM_ALERT_CHAT_ID": "", "SMTP_ALERT_TO": "ops@example.com"}
EVERYBODY = ((1, 1), (1, 1))
ONLY_CHATS = ((0, 0), (1, 1))
NOT_LET_IN = "535 5.7.3 Authentication unsuccessful [AS8P189CA0001.EURP189.PROD.OUTLOOK.COM]"


@pytest.fixture
def oauth(sandbox: Sandbox) -> dict[str, str]:
    """Settings of a login by OAuth2, to a mail server that takes it."""
    sandbox.mailbox.login_methods = "LOGIN PLAIN XOAUTH2"
    return sandbox.tokens.settings


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_token_by_client_credentials_lets_the_report_in(
    sandbox: Sandbox, run: RunTool, oauth: dict[str, str], security: str
) -> None:
    """As RFC 6749 4.4 asks for it; no password is sent to anybody."""
    port = sandbox.mailbox.tls_port if security == "tls" else sandbox.mailbox.starttls_port

    result = run(*OPTION, **oauth, SMTP_SECURITY=security, SMTP_PORT=str(port))

    assert (result.code, copies(sandbox)) == (0, EVERYBODY)
    assert (sandbox.mailbox.logins, sandbox.mailbox.mechanisms) == ([smtp.USER], ["XOAUTH2"])
    client = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "scope": SCOPE}
    assert sandbox.tokens.forms == [{"grant_type": "client_credentials"} | client]


def test_a_refresh_token_lets_it_in_without_a_scope(sandbox: Sandbox, run: RunTool, oauth: dict[str, str]) -> None:
    """Google's way; what is not set is not sent."""
    result = run(*OPTION, **oauth | {"SMTP_OAUTH_REFRESH_TOKEN": REFRESH_TOKEN, "SMTP_OAUTH_SCOPE": ""})

    assert (result.code, copies(sandbox)) == (0, EVERYBODY)
    (form,) = sandbox.tokens.forms
    assert form == {
        "grant_type": "refresh_token",
        "refresh_token": REFRESH_TOKEN,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
    }


def test_one_token_is_enough_for_several_reports_and_an_alert(
    sandbox: Sandbox, run: RunTool, oauth: dict[str, str]
) -> None:
    """Each logs in anew."""
    sandbox.mailbox.refused = {RECIPIENTS[0]: "550 5.1.1 No such user"}

    assert run(*OPTION, "--count", "2", **oauth, **BY_MAIL).code == 1
    assert (len(sandbox.tokens.given), len(sandbox.mailbox.logins)) == (1, 3)
    assert sandbox.alerted == ["smtp.recipient_refused"]


def test_a_token_that_ends_soon_is_replaced(sandbox: Sandbox, run: RunTool, oauth: dict[str, str]) -> None:
    """A backfill takes longer than an hour."""
    sandbox.tokens.lasts = 30

    assert run(*OPTION, "--count", "2", **oauth).code == 0
    assert len(sandbox.tokens.given) == 2


def test_the_check_gets_a_token_too(sandbox: Sandbox, run: RunTool, oauth: dict[str, str]) -> None:
    """And sends nothing."""
    assert run("--check", **oauth).code == 0
    assert (len(sandbox.tokens.given), sandbox.mailbox.deliveries) == (1, [])


def test_a_token_that_is_refused_once_is_renewed(sandbox: Sandbox, run: RunTool, oauth: dict[str, str]) -> None:
    """It may have been revoked since; nobody is alerted."""
    sandbox.mailbox.login_faults = ["535 5.7.3 Authentication unsuccessful"]

    assert (run(*OPTION, **oauth).code, copies(sandbox)) == (0, EVERYBODY)
    assert (len(sandbox.tokens.given), sandbox.alerts) == (2, [])


@pytest.mark.parametrize("reply", [NOT_LET_IN, "535-5.7.8 Username and Password not accepted.\n535 5.7.8 x - gsmtp"])
def test_a_good_token_that_the_mailbox_refuses_blames_no_secret(
    sandbox: Sandbox, run: RunTool, oauth: dict[str, str], reply: str
) -> None:
    """The application may not send as this mailbox; two logins in all, the alert's included."""
    sandbox.tokens.is_let_in, sandbox.mailbox.login_reply = False, reply.replace("\n", "\r\n")

    result = run(*OPTION, **oauth, **BY_MAIL)

    assert (result.code, copies(sandbox)) == (1, ONLY_CHATS)
    assert (len(sandbox.tokens.given), len(sandbox.mailbox.logins)) == (2, 2)
    assert sandbox.alerted == ["smtp.oauth_mailbox"]
    (alert,) = sandbox.failures
    assert "SMTP_OAUTH_CLIENT_SECRET" not in alert
    assert "SMTP.SendAsApp" in alert


def test_a_server_that_hangs_up_after_refusing_a_token_is_told_of_as_that(
    sandbox: Sandbox, run: RunTool, oauth: dict[str, str]
) -> None:
    """And not asked again and again."""
    sandbox.mailbox.login_faults = [f"{NOT_LET_IN}, cut"] * 99

    assert run(*OPTION, **oauth, **BY_MAIL).code == 1
    assert 99 - len(sandbox.mailbox.login_faults) <= 2
    assert sandbox.alerted == ["smtp.oauth_mailbox"]


@pytest.mark.parametrize(
    ("reply", "key"),
    [
        ("535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.", "oauth_off"),
        ("504 5.7.4 Unrecognized authentication type", "oauth_method"),
        ("550 5.7.60 Client does not have permissions to send as this sender", "sender"),
    ],
)
def test_other_refusals_of_a_token_are_told_apart(
    sandbox: Sandbox, run: RunTool, oauth: dict[str, str], reply: str, key: str
) -> None:
    """Each needs somebody else."""
    sandbox.mailbox.login_faults = [reply] * 9

    run(*OPTION, **oauth)

    assert sandbox.alerted == [f"smtp.{key}"]


def test_a_server_without_xoauth2_is_said(sandbox: Sandbox, run: RunTool, oauth: dict[str, str]) -> None:
    """No token is asked for in vain."""
    sandbox.mailbox.login_methods = "PLAIN LOGIN"

    run(*OPTION, **oauth)

    assert sandbox.alerted == ["smtp.oauth_method"]
    assert (sandbox.tokens.given, sandbox.mailbox.logins) == ([], [])


ENTRA = "AADSTS{}: Words of Microsoft's. Trace ID: 0f1e Correlation ID: 2d3c Timestamp: 2026-11-22 14:00:31Z"
CREDENTIALS, REFRESH = {}, {"SMTP_OAUTH_REFRESH_TOKEN": REFRESH_TOKEN}  # type: ignore[var-annotated]
REFUSALS = [
    (CREDENTIALS, refusal(401, "invalid_client", ENTRA.format(7000215)), "smtp.oauth_client"),
    (CREDENTIALS, refusal(401, "invalid_client", ENTRA.format(7000222)), "smtp.oauth_client_expired"),
    (CREDENTIALS, refusal(401, "invalid_client", "The OAuth client was not found."), "smtp.oauth_client"),
    (CREDENTIALS, refusal(400, "unauthorized_client", ENTRA.format(700016)), "smtp.oauth_unauthorized"),
    (CREDENTIALS, refusal(400, "invalid_request", ENTRA.format(90002)), "smtp.oauth_unauthorized"),
    (CREDENTIALS, refusal(400, "invalid_scope", ENTRA.format(1002012)), "smtp.oauth_scope"),
    (CREDENTIALS, refusal(400, "invalid_resource", ENTRA.format(500011)), "smtp.oauth_scope"),
    (CREDENTIALS, refusal(400, "unsupported_grant_type", "No."), "smtp.oauth_refused"),
    (CREDENTIALS, refusal(400, "invalid_grant", "Whatever this is."), "smtp.oauth_refused"),
    (REFRESH, refusal(400, "invalid_grant", "Token has been expired or revoked."), "smtp.oauth_grant"),
    (REFRESH, refusal(400, "invalid_grant", ENTRA.format(700082)), "smtp.oauth_grant"),
    (REFRESH, refusal(400, "invalid_grant", ENTRA.format(50173)), "smtp.oauth_grant"),
    (REFRESH, refusal(400, "invalid_grant", ENTRA.format(65001)), "smtp.oauth_unauthorized"),
    (REFRESH, refusal(403, "access_denied", "Account restricted"), "smtp.oauth_unauthorized"),
    (CREDENTIALS, Answer(status=302, headers={"location": "https://elsewhere.invalid/"}), "smtp.oauth_answer"),
    (CREDENTIALS, Answer(body=b"<html>Please log in</html>"), "smtp.oauth_answer"),
    (CREDENTIALS, Answer(status=404, body=b"<html>Not found</html>"), "smtp.oauth_answer"),
    (CREDENTIALS, json_answer(200, {"token_type": "mac", "access_token": "abc"}), "smtp.oauth_answer"),
    (CREDENTIALS, json_answer(200, {"token_type": "Bearer", "access_token": "two\r\nlines"}), "smtp.oauth_answer"),
    (CREDENTIALS, Answer(body=b"x" * (1 << 17)), "oauth.answer_too_large"),
]


@pytest.mark.sampled
@pytest.mark.parametrize(("changes", "answer", "key"), REFUSALS, ids=lambda value: str(value)[-60:])
def test_what_a_token_endpoint_refuses_is_asked_once_for_the_report_and_told_as_what_it_is(
    sandbox: Sandbox, run: RunTool, oauth: dict[str, str], changes: dict[str, str], answer: Answer, key: str
) -> None:
    """The chats have the report, and the mail server sees no login."""
    sandbox.tokens.always = Fault(answer=answer)

    result = run(*OPTION, **oauth | changes)

    assert (result.code, copies(sandbox)) == (1, ONLY_CHATS)
    assert sandbox.alerted == [key]
    assert (len(sandbox.tokens.requests), sandbox.mailbox.logins) == (1, [])


@pytest.mark.parametrize(
    ("fault", "key"),
    [
        (Fault(answer=Answer(status=503, body=b"<html>Busy</html>")), "smtp.oauth_later"),
        (Fault(answer=refusal(429, "temporarily_unavailable")), "smtp.oauth_later"),
        (Fault(answer=refusal(400, "temporarily_unavailable")), "smtp.oauth_later"),
        (Fault(cut="before"), "oauth.broken"),
        (Fault(cut="handshake"), "oauth.broken"),
    ],
    ids=str,
)
def test_a_token_endpoint_that_is_out_of_order_for_a_moment_harms_nobody(
    sandbox: Sandbox, run: RunTool, oauth: dict[str, str], fault: Fault, key: str
) -> None:
    """The next attempt at the mail asks again."""
    sandbox.tokens.faults.append(fault)

    result = run(*OPTION, **oauth)

    assert (result.code, copies(sandbox), result.keys) == (0, EVERYBODY, [key])


def test_a_token_endpoint_that_nobody_vouches_for_gets_no_secret(
    sandbox: Sandbox, run: RunTool, oauth: dict[str, str]
) -> None:
    """Its certificate is for its address, not for this name."""
    url = oauth["SMTP_OAUTH_TOKEN_URL"].replace("127.0.0.1", "localhost")

    run(*OPTION, **oauth | {"SMTP_OAUTH_TOKEN_URL": url}, timeouts=NO_TIME)

    assert sandbox.alerted == ["oauth.wrong_host"]
    assert sandbox.tokens.requests == []


TOKEN = f"eyJ0-sandbox-access-token-0000-{'x' * 40}"
"""The first one that the endpoint gives."""
SASL = f"user={smtp.USER}\1auth=Bearer {TOKEN}\1\1"
FORMS = [TOKEN, *(base64.b64encode(text.encode()).decode().rstrip("=") for text in (TOKEN, SASL))]


@pytest.mark.parametrize("form", FORMS, ids=["plain", "base64", "login"])
def test_a_token_reaches_no_log_and_no_alert_whoever_repeats_it(
    sandbox: Sandbox, run: RunTool, oauth: dict[str, str], form: str
) -> None:
    """Nor in base64, alone or as the login has it."""
    sandbox.mailbox.data_reply = f"554 5.6.0 You said {form}"

    result = run(*OPTION, **oauth, **TABLE)

    written = result.log + "".join(sandbox.alerts) + str(sandbox.supabase.sql("select * from report_deliveries"))
    assert sandbox.tokens.given == [TOKEN]
    assert "[hidden]" in result.log
    assert form[len(form) // 2 :][:16] not in written


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"SMTP_OAUTH_TOKEN_URL": "http://127.0.0.1/token"}, "SMTP_OAUTH_TOKEN_URL"),
        ({"SMTP_OAUTH_TOKEN_URL": ""}, "SMTP_OAUTH_TOKEN_URL"),
        ({"SMTP_OAUTH_CLIENT_ID": ""}, "SMTP_OAUTH_CLIENT_ID"),
        ({"SMTP_OAUTH_CLIENT_SECRET": ""}, "SMTP_OAUTH_CLIENT_SECRET"),
        ({"SMTP_OAUTH_SCOPE": ""}, "SMTP_OAUTH_SCOPE"),
        ({"SMTP_USER": ""}, "SMTP_USER"),
        ({"SMTP_LOGIN": "oauth"}, "SMTP_LOGIN"),
    ],
    ids=str,
)
def test_a_login_by_oauth2_that_lacks_a_part_is_refused_before_anything_is_sent(
    sandbox: Sandbox, run: RunTool, oauth: dict[str, str], changes: dict[str, str], name: str
) -> None:
    """By the name of the setting."""
    result = run(*OPTION, **oauth | changes)

    assert (result.code, sandbox.messages, sandbox.tokens.requests) == (2, [], [])
    assert f"  {name} " in result.log
