"""A report goes out and the exit code says so, whatever becomes of standard error."""

import os
import re
import signal
import subprocess
import sys

import pytest

from ..builders import OPTION, make_rows
from ..processes import ENTRY
from ..sandbox import CHATS, RECIPIENTS, Sandbox

REPORT = [sys.executable, str(ENTRY), *OPTION]


def exit_code(sandbox: Sandbox, redirection: str, **changes: str) -> int:
    """Run the tool in a shell with its standard error redirected; return its exit code."""
    command = ["sh", "-c", f'"$@" {redirection}', "sh", *REPORT]
    return subprocess.run(command, env=sandbox.environment | changes, timeout=120, check=False).returncode


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "<&- >&- 2>&-"], ids=["closed", "full", "all closed"])
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_closed_or_full_standard_error_changes_nothing(sandbox: Sandbox, redirection: str, form: str) -> None:
    """Everyone has the report, and the exit code is 0."""
    sandbox.supabase.insert(make_rows(3))

    code = exit_code(sandbox, redirection, LOG_FORMAT=form)

    assert code == 0
    assert len(sandbox.workbooks()) == len(CHATS) + len(RECIPIENTS)


@pytest.mark.parametrize(
    ("option", "target", "code"),
    [
        ("--check", "a closed pipe", 128 + signal.SIGPIPE),
        ("--check", "/dev/full", 1),
        ("--deliveries", "a closed pipe", 128 + signal.SIGPIPE),
        ("--test-alert", "a closed pipe", 128 + signal.SIGPIPE),
        ("--version", "/dev/full", 1),
    ],
)
def test_an_answer_that_nobody_takes_ends_the_command_without_a_traceback(
    sandbox: Sandbox, option: str, target: str, code: int
) -> None:
    """As after `| head -1`, where a shell shows 141, and on a full disk."""
    reader, writer = os.pipe()
    os.close(reader)
    full = os.open("/dev/full", os.O_WRONLY)
    command = [sys.executable, str(ENTRY), option]

    done = subprocess.run(
        command,
        env=sandbox.environment,
        stdout=full if target == "/dev/full" else writer,
        stderr=subprocess.PIPE,
        timeout=120,
        check=False,
    )
    os.close(writer)
    os.close(full)

    assert done.returncode == code
    assert not re.search(b"Traceback|Exception|RuntimeWarning", done.stderr)


def test_an_encoding_without_our_characters_shows_escapes(sandbox: Sandbox) -> None:
    """Quotation marks are beyond ASCII."""
    command = [sys.executable, str(ENTRY), "--check"]
    environment = sandbox.environment | {"PYTHONIOENCODING": "ascii"}

    done = subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)

    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
    assert b"\\u201cReports\\u201d" in done.stdout


def test_a_failure_keeps_its_exit_code_and_its_alert(sandbox: Sandbox) -> None:
    """Not 120, which Python gives where it can't write what is left."""
    assert exit_code(sandbox, "2>/dev/full", SUPABASE_KEY="sb_secret_wrong_and_long_enough") == 1
    assert len(sandbox.alerts) == 1


def test_a_pipe_whose_reader_is_gone_changes_nothing(sandbox: Sandbox) -> None:
    """As after `2>&1 | head -1`."""
    reader, writer = os.pipe()
    os.close(reader)

    done = subprocess.run(REPORT, env=sandbox.environment, stderr=writer, timeout=120, check=False)
    os.close(writer)

    assert done.returncode == 0
    assert len(sandbox.workbooks()) == len(CHATS) + len(RECIPIENTS)
