"""No secret reaches a log, an alert, a traceback or a process list."""

import base64
import html
import json
import logging
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from src.config.settings import MailSettings, TelegramSettings
from src.runtime.logs import set_up_logs
from src.runtime.redaction import HIDDEN, Redaction
from src.runtime.visible_text import in_quotes

from .builders import NO_TIME, OPTION, QUICK, make_rows
from .conftest import Run
from .processes import started, wait_until
from .sandbox import CHATS, Sandbox, smtp, telegram
from .sandbox.telegram import refusal
from .sandbox.web import FOREVER, Answer, Fault

RunTool = Callable[..., Run]
SECRETS = {
    "key": "sb_secret_Wm8xQ2-7hUfZt0Kc_9LrYvB3nE5dAoPs",
    "jwt": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0." + "q7Zk1x" * 40,
    "token": "123456789:AAH4cKzV0Qw9uXyZlmNopQrStUvWx",
    "password": 'p"a\\s%s w/ö+rd',
    "short": "hunter2",
}


def log_of(capsys: pytest.CaptureFixture[str], log: Callable[[], None]) -> str:
    """Return what `log` writes, with all secrets known."""
    redaction = Redaction()
    redaction.hide(SECRETS.values())
    set_up_logs(redaction, "text", "DEBUG")
    log()
    return capsys.readouterr().err


@pytest.mark.usefixtures("_root_logger")
@pytest.mark.parametrize("level", ["debug", "info", "warning", "error", "critical"])
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_an_error_text_that_holds_a_secret_is_logged_without_it(
    capsys: pytest.CaptureFixture[str], level: str, secret: str
) -> None:
    """At any level, as an argument, in an URL, in a repr, in JSON and in a traceback."""

    def log() -> None:
        write = getattr(logging.getLogger("anyone"), level)
        try:
            int(f"Illegal header value {secret!r} {secret}")
        except ValueError as error:
            write("asked https://x/bot%s/m?k=%s", secret, quote(secret, safe=""), exc_info=error)
            write(f"{json.dumps({'key': secret})} {error!r}")

    shown = log_of(capsys, log)

    assert HIDDEN in shown
    assert "Traceback" in shown
    for form in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1]):
        assert form not in shown
        assert form[: len(form) // 2] not in shown or len(form) < 16


@pytest.mark.usefixtures("_root_logger")
def test_a_warning_goes_through_the_same_filter(capsys: pytest.CaptureFixture[str]) -> None:
    """Python prints it to standard error otherwise."""
    shown = log_of(capsys, lambda: logging.getLogger("py.warnings").warning("%s", SECRETS["token"]))

    assert SECRETS["token"] not in shown


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_a_secret_in_base64_or_escaped_is_hidden_too(secret: str) -> None:
    """A server may repeat a login as it came, and a gateway's page a form's field."""
    whole = secret.encode()
    forms = (base64.b64encode(whole), base64.urlsafe_b64encode(whole))
    written = [*(form.decode().rstrip("=") for form in forms), html.escape(secret), quote_plus(secret)]
    redaction = Redaction([secret])

    assert [redaction(f"said: {form}.") for form in written] == [f"said: {HIDDEN}."] * len(written)


def test_a_login_and_half_a_token_are_hidden(sandbox: Sandbox) -> None:
    """AUTH PLAIN puts name and password into one; without the bot's public number a token is still one."""
    environment = {name.lower(): value for name, value in sandbox.environment.items()}
    login = base64.b64encode(f"\0{smtp.USER}\0{smtp.PASSWORD}".encode()).decode()
    token = environment["telegram_bot_token"].partition(":")[2]
    redaction = Redaction([*MailSettings.secrets(environment), *TelegramSettings.secrets(environment)])

    assert redaction(f"AUTH PLAIN {login}, bot {token}").replace("=", "") == f"AUTH PLAIN {HIDDEN}, bot {HIDDEN}"


@pytest.mark.parametrize("name", ["key", "jwt", "token"])
def test_a_secret_that_was_cut_off_is_hidden_as_far_as_it_goes(name: str) -> None:
    """An excerpt of an answer may end within it."""
    redaction = Redaction()
    redaction.hide([SECRETS[name]])
    for kept in range(len(SECRETS[name]) // 3, len(SECRETS[name]) + 1):
        assert redaction(f"said: {SECRETS[name][:kept]}…") == f"said: {HIDDEN}…"


@pytest.mark.parametrize("place", range(185, 200))
def test_a_password_that_was_cut_off_with_a_servers_words_is_hidden_too(place: int) -> None:
    """They are cut at a length, wherever the password stands in them."""
    password = "Kp7w-ZtR4xQ9"
    redaction = Redaction([password])

    shown = redaction(f"The server says ({in_quotes('.' * place + password + '.' * 500)}).")

    assert password[: len(password) // 2 + 1] not in shown
    assert shown.endswith("…”).")


def test_every_occurrence_is_hidden_and_the_rest_left_alone() -> None:
    """Side by side, one within the other, at the ends."""
    redaction = Redaction()
    redaction.hide(["hunter2", "hunter2-and-a-very-long-tail"])

    assert redaction("hunter2hunter2 x hunter2-and-a-very-long-tail hunter") == f"{HIDDEN * 2} x {HIDDEN} hunter"
    assert redaction("nothing here") == "nothing here"


def test_a_secret_in_other_letters_is_hidden_too() -> None:
    """python-telegram-bot capitalises what Telegram says."""
    redaction = Redaction()
    redaction.hide(SECRETS.values())

    for secret in SECRETS.values():
        assert redaction(secret.capitalize()) == redaction(secret.upper()) == HIDDEN


def test_a_word_that_only_begins_like_a_secret_is_left_alone() -> None:
    """An alert's command must stay whole."""
    redaction = Redaction()
    redaction.hide(["reports_generator-2026!"])

    assert redaction("python reports_generator.py --start x") == "python reports_generator.py --start x"


def all_that_was_written(sandbox: Sandbox, log: str) -> str:
    """Gather logs and everything that people received in words."""
    return log + "".join(sandbox.alerts) + "".join(mail.text for mail in sandbox.mails) + repr(sandbox.messages)


def plan(failure: str, sandbox: Sandbox) -> dict[str, str]:
    """Let something fail with a text that holds a secret; return changed settings."""
    match failure:
        case "source":
            answer = Answer(status=500, body=f"apikey was {sandbox.supabase.secret_key}".encode())
            sandbox.supabase.faults.append(Fault(answer=answer))
        case "chats":
            sandbox.bot.faults += [Fault(answer=refusal(400, f"Bad Request: {telegram.TOKEN}"))] * 2
        case "gateway":
            sandbox.bot.faults.append(Fault(answer=Answer(status=502, body=telegram.TOKEN.encode())))
        case "mail":
            sandbox.mailbox.data_reply = f"554 no mail for {smtp.PASSWORD}"
        case "unreachable":
            return {"TELEGRAM_API_URL": "https://no-such-host.invalid"}
        case "settings":
            return {"SMTP_PORT": "many"}
    return {}


QUOTING = ("source", "chats", "gateway", "mail")
"""What fails with a server's words, which somebody is shown."""


@pytest.mark.parametrize("failure", ["none", *QUOTING, "unreachable", "settings"])
def test_no_run_writes_a_secret_whatever_fails(sandbox: Sandbox, run: RunTool, failure: str) -> None:
    """Neither to the log nor to people."""
    sandbox.supabase.insert(make_rows(3))

    timeouts = NO_TIME if failure == "unreachable" else QUICK

    result = run(*OPTION, timeouts=timeouts, **plan(failure, sandbox))

    written = all_that_was_written(sandbox, result.log)
    assert result.code == {"none": 0, "source": 0, "gateway": 0, "settings": 2}.get(failure, 1)
    assert (HIDDEN in written) == (failure in QUOTING)
    for secret in (sandbox.supabase.secret_key, telegram.TOKEN, smtp.PASSWORD):
        assert secret not in written
        assert secret[: len(secret) // 2].lower() not in written.lower()


@pytest.mark.parametrize("said", ["HTTP Request", "connect_tcp", "/bot", "sendDocument"])
def test_third_parties_are_quiet_even_at_debug_level(sandbox: Sandbox, run: RunTool, said: str) -> None:
    """httpx logs each URL at INFO, and the token is part of Telegram's; httpcore and telegram say more at DEBUG."""
    result = run(*OPTION, LOG_LEVEL="DEBUG")

    assert result.code == 0
    assert len(sandbox.messages) == len(CHATS)
    assert said not in result.log


def process_list_entry(pid: int) -> bytes:
    """Return what every user of this machine can read of a process."""
    entry = Path(f"/proc/{pid}/cmdline")
    if entry.exists():
        return entry.read_bytes()
    return subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, check=True).stdout


def test_the_process_list_shows_no_secret(sandbox: Sandbox) -> None:
    """Secrets come by the environment; the command line has none."""
    sandbox.supabase.faults.append(Fault(delay=FOREVER))

    with started(sandbox, *OPTION) as process:
        wait_until(lambda: sandbox.supabase.requests, process)
        listed = process_list_entry(process.pid)

    for secret in (sandbox.supabase.secret_key, telegram.TOKEN, smtp.PASSWORD):
        assert secret.encode() not in listed
    assert b"reports_generator.py" in listed
