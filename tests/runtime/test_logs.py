"""What the operator reads: lines for a query, the last line of a run, the word that Kubernetes keeps."""

import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest

from src.cli import TERMINATION_BYTES, main
from src.config.timeouts import Timeouts
from src.runtime.logs import FIELDS, LEFT_OUT, LONGEST, LogForm, set_up_logs
from src.runtime.redaction import Redaction

from ..builders import OPTION, make_rows, make_window
from ..pages import section
from ..sandbox import CHATS, RECIPIENTS, Sandbox
from ..test_run import RunTool
from ..test_start import SRC


def lines_of(log: str) -> list[dict[str, Any]]:
    """Read each line as JSON."""
    return [json.loads(line) for line in log.splitlines()]


def test_one_query_answers_who_got_an_hours_report_and_how_long_it_took(sandbox: Sandbox, run: RunTool) -> None:
    """Every line is JSON; a delivery bears window, channel, recipient, seconds, bytes and attempt."""
    sandbox.supabase.insert(make_rows(3))

    lines = lines_of(run(*OPTION, LOG_FORMAT="json").log)

    found = [line for line in lines if line["event"] == "delivered" and line["window"] == "2026-11-22T13"]
    assert {line["recipient"] for line in found} == {*RECIPIENTS, *CHATS}
    assert all(line["seconds"] > 0 and line["bytes"] > 1000 and line["attempt"] == 1 for line in found)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]) for line in lines)


def test_the_last_line_sums_the_run_up(sandbox: Sandbox, run: RunTool) -> None:
    """Well or not."""
    sandbox.supabase.insert(make_rows(3))
    good = lines_of(run(*OPTION, LOG_FORMAT="json").log)[-1]
    other_hour = ("--start", "2026-11-22T12")
    bad = lines_of(run(*other_hour, LOG_FORMAT="json", SUPABASE_KEY="sb_secret_of_elsewhere").log)[-1]

    assert (good["event"], good["code"], good["rows"], good["level"]) == ("run", 0, 3, "INFO")
    assert good["seconds"] > 0
    assert (bad["event"], bad["code"], bad["level"]) == ("run", 1, "ERROR")


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"])
def test_google_cloud_logging_finds_the_severity(capsys: pytest.CaptureFixture[str], level: str) -> None:
    """Else every line on standard error counts as an error there; these are names of its LogSeverity."""
    set_up_logs(Redaction(), "json", "DEBUG")

    logging.getLogger("x").log(logging.getLevelNamesMapping()[level], "said")

    (line,) = lines_of(capsys.readouterr().err)
    assert line["severity"] == level


def test_json_hides_secrets_and_stays_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Also those with signs that JSON escapes, and in a traceback."""
    secret = 'pass"word\\with signs'
    redaction = Redaction()
    redaction.hide([secret])
    set_up_logs(redaction, "json")

    logging.getLogger("x").error("broke at %s", secret, exc_info=ValueError(f"it was {secret}"))

    (line,) = lines_of(capsys.readouterr().err)
    assert (line["message"], line["traceback"]) == ("broke at [hidden]", "ValueError: it was [hidden]")


def test_the_page_lists_every_event_and_every_field() -> None:
    """Queries and dashboards hang on these names."""
    source = "\n".join(path.read_text() for path in SRC.rglob("*.py"))
    written = set(re.findall(r'\bevent(?:": |=|: str = )"([a-z_]+)"', source)) | set(
        re.findall(r'else "(not_delivered)"', source)
    )
    listed = set(re.findall(r"^\| `([a-z_]+)` \|", section("monitoring", "Events"), re.MULTILINE))

    assert written | {"note"} == listed
    fields = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.+?) \|", section("monitoring", "Logs"), re.MULTILINE)))
    assert {*FIELDS, "time", "level", "severity", "message", "traceback"} == {*fields}


@pytest.mark.parametrize("rows", [0, 3], ids=["an empty hour", "a full one"])
def test_kubernetes_gets_the_runs_last_word(sandbox: Sandbox, run: RunTool, tmp_path: Path, rows: int) -> None:
    """`kubectl describe pod` shows it."""
    sandbox.supabase.insert(make_rows(rows))
    run(*OPTION)  # sets the environment
    word = tmp_path / "termination-log"
    word.touch()

    timeouts = Timeouts(first_wait=0.01, longest_wait=0.05, run=5)
    code = main([*OPTION, "--resend"], env_file=None, timeouts=timeouts, termination_log=word)

    assert code == 0
    hour_and_rows = f"{re.escape(make_window().label())}, {rows} rows"
    assert re.fullmatch(rf"exit 0 after [\d.]+ s: {hour_and_rows}, delivered to 4 of 4", word.read_text())
    assert len(word.read_bytes()) <= TERMINATION_BYTES


HOSTILE = "a\x1b[2J\x07\x9b\u2028\u202e\u200b\ud800\rz\n2026-11-22T13:00:00Z INFO all is well"
SHOWN = "a␛[2J␇\\x9b\\u2028\\u202e\\u200b\\ud800␍z\n2026-11-22T13:00:00Z INFO all is well"


def logged(capsys: pytest.CaptureFixture[str], form: LogForm, *secrets: str, **extra: object) -> str:
    """Return what is written of a message, of a field and of a traceback that are all HOSTILE."""
    set_up_logs(Redaction(secrets), form)
    logging.getLogger("anyone").error("%s", HOSTILE, extra={"recipient": HOSTILE}, exc_info=ValueError(HOSTILE))
    return capsys.readouterr().err


@pytest.mark.usefixtures("_root_logger")
def test_no_message_draws_on_the_terminal_or_passes_for_a_line_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    """As text: controls are shown, and lines that belong to the one above are set in."""
    first, *others = logged(capsys, "text").splitlines()

    assert first.endswith("ERROR " + SHOWN.splitlines()[0])
    assert others[0] == "  " + SHOWN.splitlines()[1]
    assert others[1] == "  ValueError: " + SHOWN.splitlines()[0]
    assert all(line.startswith("  ") for line in others)


@pytest.mark.usefixtures("_root_logger")
def test_a_line_of_json_is_one_line_of_whole_text_whatever_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    """Valid UTF-8, and the same for message, field and traceback."""
    written = logged(capsys, "json")

    assert re.fullmatch(r"[ -~…␀-␡]+\n", written)
    line = json.loads(written.encode())
    assert (line["message"], line["recipient"], line["traceback"]) == (SHOWN, SHOWN, f"ValueError: {SHOWN}")


@pytest.mark.usefixtures("_root_logger")
@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("sign", ["x", "\x00", "\u200b", '"', "\n"])
def test_a_message_of_megabytes_is_a_line_of_a_few_thousand_characters(
    capsys: pytest.CaptureFixture[str], form: LogForm, sign: str
) -> None:
    """Its beginning and its end."""
    set_up_logs(Redaction(["a secret"]), form)

    logging.getLogger("anyone").error("begin %s end", sign * 10_485_760, extra={"channel": sign * 1_000_000})

    written = capsys.readouterr().err
    assert len(written) < 20_000
    assert "begin" in written
    assert LEFT_OUT in written
    assert " end" in written


@pytest.mark.slow
@pytest.mark.usefixtures("_root_logger")
def test_a_secret_is_hidden_wherever_a_long_message_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """No part of it is left at either side of the cut."""
    secret = "Kp7w-ZtR4xQ9"
    set_up_logs(Redaction([secret]), "text")

    for cut in (LONGEST * 3 // 4, LONGEST // 4):
        for place in range(cut - 60, cut + 60):
            begin, end = "x" * place + secret + "x" * 20_000, "x" * 20_000 + secret + "x" * place
            logging.getLogger("anyone").error("%s", begin)
            logging.getLogger("anyone").error("%s", end)

    assert not re.search("Kp|7w|ZtR|R4x|xQ9", capsys.readouterr().err.replace("x", ""))
