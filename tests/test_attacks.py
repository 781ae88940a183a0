"""What is made to break a run: settings of odd bytes, servers and ledgers that lie. Each ends in a sentence of ours."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from src.runtime.redaction import HIDDEN, SECRETS, Redaction
from src.runtime.visible_text import FOREIGN, foreign

from .builders import OPTION, make_rows
from .conftest import Run
from .sandbox import Sandbox, smtp

RunTool = Callable[..., Run]
ODD_BYTE = os.fsdecode(b"Caf\xe9 at sea, at night")


@pytest.mark.parametrize(
    "name", ["SMTP_PASSWORD", "SUPABASE_KEY", "TELEGRAM_BOT_TOKEN", "HEARTBEAT_URL", "REPORT_NAME", "SMTP_FROM"]
)
def test_a_byte_that_is_not_utf_8_is_a_wrong_setting_of_which_operators_are_alerted(
    sandbox: Sandbox, run: RunTool, name: str
) -> None:
    """By whatever is whole: the mailbox, where it is the bot's token."""
    value = f"{ODD_BYTE} <reports@example.com>" if name == "SMTP_FROM" else ODD_BYTE

    result = run(*OPTION, **{name: value})

    assert (result.code, result.keys, sandbox.alerted) == (2, ["settings"], ["settings"])
    assert name in sandbox.alerts[0]


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REPORT_DIR", "SECRETS_DIR"])
@pytest.mark.parametrize("kind", ["locked", "too long"])
def test_a_path_that_may_not_be_looked_at_is_a_wrong_setting(
    sandbox: Sandbox, run: RunTool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    """Of another user's folder, or longer than the system takes; for the superuser no folder is locked."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # where notices are kept without a REPORT_DIR
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o000)
    path = locked / "within" if kind == "locked" else tmp_path / ("x" * 300)

    result = run(*OPTION, **{name: str(path)})

    assert (result.code, result.keys, sandbox.alerted) == (2, ["settings"], ["settings"])
    assert name in sandbox.alerts[0]


@pytest.mark.parametrize("length", [24, 700, 5000])
@pytest.mark.parametrize("secret", ["pass word, ", "aab"], ids=["chosen", "like a token"])
def test_a_secret_of_any_length_is_hidden_also_where_it_is_cut_off(secret: str, length: int) -> None:
    """No pattern grows with it."""
    secret = (secret * length)[:length].strip()
    redaction = Redaction([secret])

    for kept in range(length // 2 + 1, len(secret) + 1, max(1, length // 50)):
        assert redaction(f"aa said: {secret[:kept]}…") == f"aa said: {HIDDEN}…"
    assert redaction(f"a{secret}") == f"a{HIDDEN}"


def test_a_long_secret_keeps_no_report_from_anybody(sandbox: Sandbox, run: RunTool) -> None:
    """As the address of a check may be."""
    sandbox.supabase.insert(make_rows(1))

    result = run(*OPTION, HEARTBEAT_URL=f"{sandbox.monitor.check_url}/{'a-b.c/' * 200}")

    assert (result.code, len(sandbox.mails), len(sandbox.messages)) == (0, 1, 2)


@pytest.mark.parametrize("place", range(FOREIGN - len(smtp.PASSWORD) - 2, FOREIGN + 1))
def test_a_quotation_that_is_cut_within_a_secret_shows_nothing_of_it(place: int) -> None:
    """What a server says is kept without secrets before it is cut."""
    SECRETS.hide([smtp.PASSWORD])

    said = foreign("." * place + smtp.PASSWORD + " and more" * 50)

    assert not any(smtp.PASSWORD[:length] in said for length in range(3, len(smtp.PASSWORD)))
