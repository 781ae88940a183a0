"""What servers answer, and how connections fail, seen on the whole program: who got what, and what operators learn."""

import ssl
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from ..builders import NO_TIME, OPTION, QUICK, make_rows
from ..conftest import Run
from ..faults import copies
from ..sandbox import CHATS, Sandbox
from ..sandbox.telegram import refusal
from ..sandbox.web import Answer, Fault

pytestmark = pytest.mark.sampled

RunTool = Callable[..., Run]
PAGE = b"<html><title>Not Found</title></html>"
CERTIFICATE_EXPIRED, PROTOCOL_VERSION, HANDSHAKE_FAILURE, INTERNAL_ERROR = 45, 70, 40, 80
"""Alerts of TLS (RFC 8446 6)."""


def repeats(sandbox: Sandbox) -> list[str]:
    """List the chats to which a message came that says that it may be a repeat."""
    return [sent.chat for sent in sandbox.messages if "may be a repeat" in sent.text]


@pytest.mark.parametrize(
    ("answer", "key"),
    [
        (refusal(403, "Forbidden: bot was kicked from the supergroup chat"), "kicked"),
        (refusal(403, "Forbidden: bot was blocked by the user"), "blocked"),
        (refusal(403, "Forbidden: bot can't initiate conversation with a user"), "not_started"),
        (refusal(403, "Forbidden: bot is not a member of the channel chat"), "not_member"),
        (refusal(403, "Forbidden: something new"), "forbidden"),
        (refusal(400, "Bad Request: chat not found"), "unknown_chat"),
        (refusal(400, "Bad Request: not enough rights to send documents to the chat"), "no_right_to_send_files"),
        (refusal(400, "Bad Request: CHAT_SEND_DOCS_FORBIDDEN"), "no_right_to_send_files"),
        (refusal(400, "Bad Request: need administrator rights in the channel chat"), "no_right_to_post"),
        (refusal(400, "Bad Request: TOPIC_CLOSED"), "topic_closed"),
        (refusal(400, "Bad Request: message thread not found"), "topic_unknown"),
        (refusal(403, "Forbidden: ALLOW_PAYMENT_REQUIRED_500"), "paid_messages"),
        (refusal(400, "Bad Request: something new"), "bad_request"),
        (Answer(status=404, body=PAGE), "not_bot_api"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_one_chat_refuses_is_told_with_its_key_and_in_telegrams_own_words(
    sandbox: Sandbox, run: RunTool, answer: Answer, key: str
) -> None:
    """The other chat and the mail have their report, and nothing is tried again."""
    sandbox.supabase.insert(make_rows(3))
    sandbox.bot.faults.append(Fault(answer=answer))

    result = run(*OPTION)

    assert (result.code, copies(sandbox)) == (1, ((1, 1), (0, 1)))
    assert sandbox.alerted == [f"telegram.{key}"]
    assert f"telegram.{key}" in result.keys
    assert "retry" not in result.events
    if b"description" in answer.body:
        description = answer.body.decode().partition('"description": "')[2].partition('"')[0]
        assert f"“{description}”" in sandbox.alerts[0]


@pytest.mark.parametrize(
    ("answer", "key", "first_chat"),
    [
        (Answer(status=502, body=PAGE), "unavailable", 1),
        (refusal(500, "Internal Server Error: restart"), "unavailable", 1),
        (refusal(403, "Forbidden: SLOWMODE_WAIT_1"), "rate_limit", 1),
    ],
    ids=["502", "500", "slow mode"],
)
def test_what_may_pass_is_tried_again(
    sandbox: Sandbox, run: RunTool, answer: Answer, key: str, first_chat: int
) -> None:
    """And nothing of it was sent, so that nobody reads of a repeat."""
    sandbox.supabase.insert(make_rows(3))
    sandbox.bot.faults.append(Fault(answer=answer))

    result = run(*OPTION)

    assert (result.code, copies(sandbox)) == (0, ((1, 1), (1, 1)))
    assert (result.keys, sandbox.alerts) == ([f"telegram.{key}"], [])
    assert repeats(sandbox) == []


def test_a_gateway_that_waited_in_vain_may_have_passed_the_message_on(sandbox: Sandbox, run: RunTool) -> None:
    """So that the second copy says so."""
    sandbox.supabase.insert(make_rows(3))
    sandbox.bot.faults.append(Fault(answer=Answer(status=504, body=PAGE)))

    result = run(*OPTION)

    assert (result.code, result.keys) == (0, ["telegram.unavailable"])
    assert repeats(sandbox) == [CHATS[0]]


def test_a_file_that_is_too_large_for_one_chat_is_not_told_of_it_to_another(sandbox: Sandbox, run: RunTool) -> None:
    """Both go without it, each with an entry of its own that names no chat but its own."""
    sandbox.supabase.insert(make_rows(3))
    too_large = Fault(answer=refusal(413, "Request Entity Too Large"))
    sandbox.bot.faults += [too_large, too_large]

    result = run(*OPTION)

    (alert,) = sandbox.alerts
    assert result.code == 1
    assert f"Lack the workbook: telegram to {CHATS[0]}, telegram to {CHATS[1]}\n" in alert
    assert alert.count(CHATS[0]) == alert.count(f"telegram to {CHATS[0]}")
    assert sandbox.alerted == ["without_workbook.storage.no_bucket"]


def test_a_record_that_is_damaged_after_an_upload_may_have_arrived(sandbox: Sandbox, run: RunTool) -> None:
    """It is tried again as a broken connection, and the second copy says that it may be one; no disk is blamed."""
    sandbox.speak("https")
    sandbox.supabase.insert(make_rows(3))
    sandbox.bot.faults.append(Fault(cut="damaged"))

    result = run(*OPTION)

    assert (result.code, copies(sandbox)) == (0, ((1, 1), (2, 1)))
    assert (result.keys, sandbox.alerts) == (["telegram.broken"], [])
    assert repeats(sandbox) == [CHATS[0]]


def test_a_record_that_is_damaged_in_the_last_attempt_is_told_of_as_a_repeat_in_the_next_run(
    sandbox: Sandbox, run: RunTool
) -> None:
    """The ledger remembers that it may have arrived."""
    sandbox.speak("https")
    sandbox.supabase.insert(make_rows(3))
    sandbox.bot.faults.append(Fault(cut="damaged"))

    first = run(*OPTION, timeouts=NO_TIME)
    second = run(*OPTION)

    assert (first.code, second.code) == (1, 0)
    assert sandbox.alerted == ["telegram.broken"]
    assert (copies(sandbox), repeats(sandbox)) == (((1, 1), (2, 1)), [CHATS[0]])


@pytest.mark.parametrize("server", ["supabase", "bot"])
def test_an_internal_error_of_a_load_balancer_is_a_broken_connection(
    sandbox: Sandbox, run: RunTool, server: str
) -> None:
    """It is gone at the next attempt; before the upload nothing can have arrived."""
    sandbox.speak("https")
    sandbox.supabase.insert(make_rows(3))
    getattr(sandbox, server).faults.append(Fault(alert=INTERNAL_ERROR))

    result = run(*OPTION)

    assert (result.code, copies(sandbox)) == (0, ((1, 1), (1, 1)))
    assert result.keys == [{"supabase": "source.broken", "bot": "telegram.broken"}[server]]
    assert repeats(sandbox) == []


def with_client_certificate(tls: ssl.SSLContext) -> None:
    """Want one of every client."""
    tls.verify_mode = ssl.CERT_REQUIRED


def of_2006(tls: ssl.SSLContext) -> None:
    """Speak TLS 1.1 at most."""
    tls.set_ciphers("DEFAULT:@SECLEVEL=0")
    tls.minimum_version, tls.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1


def without_our_ciphers(tls: ssl.SSLContext) -> None:
    """Speak only a cipher that no client of today offers."""
    tls.maximum_version = ssl.TLSVersion.TLSv1_2
    tls.set_ciphers("AES128-SHA")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize(
    ("change", "kind"),
    [(with_client_certificate, "client_certificate"), (of_2006, "old_tls"), (without_our_ciphers, "no_cipher")],
    ids=["client certificate", "old TLS", "no common cipher"],
)
@pytest.mark.parametrize(("server", "prefix"), [("supabase", "source"), ("bot", "telegram")])
def test_a_server_whose_tls_does_not_fit_is_told_of_with_openssls_own_reason(
    sandbox: Sandbox, run: RunTool, server: str, prefix: str, change: Callable[[ssl.SSLContext], None], kind: str
) -> None:
    """At once: no attempt of this run changes it, and no setting is why."""
    sandbox.speak("https")
    sandbox.supabase.insert(make_rows(3))
    web = getattr(sandbox, server)
    web.tls = sandbox.make_tls("127.0.0.1")
    change(web.tls)

    result = run(*OPTION, TELEGRAM_ALERT_CHAT_ID="", SMTP_ALERT_TO="ops@example.com")

    nobody, by_mail = ((0, 0), (0, 0)), ((1, 1), (0, 0))
    assert (result.code, copies(sandbox)) == (1, by_mail if server == "bot" else nobody)
    assert sandbox.alerted == [f"{prefix}.{kind}"]
    assert "retry" not in result.events


@pytest.mark.parametrize(
    ("alert", "kind"),
    [
        (CERTIFICATE_EXPIRED, "client_certificate"),
        (PROTOCOL_VERSION, "old_tls"),
        (HANDSHAKE_FAILURE, "no_cipher"),
    ],
)
def test_a_handshake_that_is_refused_is_judged_by_the_alert(
    sandbox: Sandbox, run: RunTool, alert: int, kind: str
) -> None:
    """Not as a port that speaks no TLS."""
    sandbox.speak("https")
    sandbox.supabase.insert(make_rows(3))
    sandbox.bot.faults += [Fault(alert=alert)] * 2

    result = run(*OPTION)

    assert (result.code, copies(sandbox)) == (1, ((1, 1), (0, 0)))
    assert sandbox.alerted == [f"telegram.{kind}"]
    assert f"telegram.{kind}" in result.keys


def test_plain_http_on_the_port_of_https_blames_the_address(sandbox: Sandbox, run: RunTool) -> None:
    """OpenSSL says so in its own way."""
    sandbox.supabase.insert(make_rows(3))

    result = run(*OPTION, TELEGRAM_API_URL=sandbox.bot.url.replace("http:", "https:"))

    assert (result.code, copies(sandbox)) == (1, ((1, 1), (0, 0)))
    assert sandbox.alerted == ["telegram.not_tls"]


@pytest.mark.parametrize(
    ("answer", "key"),
    [
        (Answer(body=b"OK (not found)"), "unknown_check"),
        (Answer(body=b"OK (rate limited)"), "rate_limit"),
        (Answer(status=404, body=b"not found"), "unknown_check"),
        (Answer(status=429), "rate_limit"),
        (Answer(status=503), "unavailable"),
        (Answer(status=302, headers={"location": "/login"}), "redirect"),
    ],
    ids=["200 not found", "200 rate limited", "404", "429", "503", "302"],
)
def test_a_monitor_that_counts_no_ping_is_a_warning_in_every_run_and_fails_check(
    sandbox: Sandbox, run: RunTool, answer: Answer, key: str
) -> None:
    """--check sends no ping of its own, which would count as a run."""
    sandbox.supabase.insert(make_rows(3))
    sandbox.monitor.always = Fault(answer=answer)
    monitor = {"HEARTBEAT_URL": sandbox.monitor.check_url}

    first, second = run(*OPTION, **monitor), run(*OPTION, **monitor)
    pings = len(sandbox.monitor.pings)
    check = run("--check", **monitor)

    assert (first.code, second.code, sandbox.alerts) == (0, 0, [])
    assert [f"monitor.{key}" in result.keys for result in (first, second)] == [True, True]
    (line,) = [line for line in check.output.splitlines() if " monitor " in line]
    assert (check.code, line[:4]) == (1, "FAIL")
    assert line.endswith(f"(monitor.{key})")
    assert len(sandbox.monitor.pings) == pings


@pytest.mark.parametrize("ledger", ["directory", "supabase"])
def test_check_reports_what_the_monitor_answered_to_the_last_run(sandbox: Sandbox, run: RunTool, ledger: str) -> None:
    """Before any run nothing is known; what was wrong is over when a ping counts again."""
    sandbox.supabase.insert(make_rows(3))
    changes = {"HEARTBEAT_URL": sandbox.monitor.check_url, "REPORT_LEDGER": ledger}

    codes = [run("--check", **changes).code]
    for fault in (Fault(answer=Answer(body=b"OK (not found)")), None):
        sandbox.monitor.always = fault
        assert run(*OPTION, **changes).code == 0
        codes.append(run("--check", **changes).code)

    assert codes == [0, 1, 0]
    assert sandbox.alerts == []


def test_a_monitor_that_is_told_off_does_not_keep_an_alert_back(sandbox: Sandbox, run: RunTool) -> None:
    """Its answer is kept beside the notices, but nobody was told of it."""
    sandbox.monitor.always = Fault(answer=Answer(body=b"OK (not found)"))
    timeouts = replace(QUICK, heartbeat=5)
    monitor = {"HEARTBEAT_URL": sandbox.monitor.check_url}
    sandbox.supabase.insert(make_rows(3))

    assert run(*OPTION, timeouts=timeouts, **monitor).code == 0
    sandbox.bot.faults.append(Fault(answer=refusal(403, "Forbidden: bot was kicked from the group chat")))
    assert run("--start", "2026-11-22T14", timeouts=timeouts, **monitor).code == 1

    assert sandbox.alerted == ["telegram.kicked"]
