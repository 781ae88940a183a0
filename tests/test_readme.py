"""What the documents show is what happens: their lines are run, and what they print is held against them."""

import json
import re
import shlex
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import pytest

from src.cli import main
from src.config.timeouts import Timeouts
from src.domain.window import HOUR
from src.ledger.record import Entry, Record

from .builders import OPTION, make_rows
from .faults import source_name
from .pages import PAGES, ROOT, commands, section
from .sandbox import RECIPIENTS, Sandbox
from .sandbox.sample import sample_hour
from .sandbox.web import Answer, Fault
from .terminal import lines_left, on_terminal
from .test_run import RunTool

SOME = "…"
"""Stands in a page for lines that are not shown."""
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
LICENCES = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
"""Older names → those of SPDX, which newer packages use."""


def _shown() -> Iterator[tuple[str, list[str]]]:
    """Find each command of ours in the documents that has its output below it."""
    for command in commands("\n".join(PAGES.values())):
        if "python reports_generator.py" in command.line and command.below:
            yield command.line, command.below.rstrip("\n").split("\n")


SHOWN = [*_shown()]


def shape(line: str, folder: Path) -> str:
    """Take out of a line what is another one each time: figures, how wide they are, and where this test's folder is."""
    return re.sub("  +", "  ", re.sub(r"\d[\d,.:TZ]*", "0", line.replace(f"{folder}", "/tmp").rstrip()))


def fill(sandbox: Sandbox) -> None:
    """Put rows into the hours that the documents speak of."""
    for start in (datetime(2026, 11, 23, 13, tzinfo=UTC), *(NOVEMBER + number * HOUR for number in range(3))):
        sandbox.supabase.insert(sample_hour(start, 30))


def record_delivery(sandbox: Sandbox, folder: Path) -> None:
    """Send the first of those hours."""
    command = [sys.executable, f"{ROOT / 'reports_generator.py'}", "--start", "2026-11-23T13"]
    subprocess.run(command, env=sandbox.environment, cwd=folder, check=True, capture_output=True, timeout=60)


def settle_last_hours(sandbox: Sandbox) -> None:
    """Leave records of scheduled reports that were skipped, of the hours that are over now and of the present one."""
    entry = Entry(channel="email", recipient=RECIPIENTS[0], state="skipped")
    record = Record(template="hourly", start="", entries=[entry], scheduled=True)
    sandbox.supabase.sql(
        "insert into report_deliveries (name, template, source, zone, window_start, record, scheduled) "
        "select 'production', 'hourly', $1, 'UTC', at, $2::jsonb || jsonb_build_object('start', at), true from "
        "generate_series(date_trunc('hour', now()) - interval '3 hours', now(), '1 hour') as at",
        source_name(sandbox),
        json.dumps(record.content()),
    )


@pytest.mark.parametrize(("command", "output"), SHOWN, ids=[command for command, _ in SHOWN])
def test_a_command_prints_what_its_page_shows(
    sandbox: Sandbox, tmp_path: Path, command: str, output: list[str]
) -> None:
    """On a terminal, but for figures and the order in which channels come to their end."""
    fill(sandbox)
    if "--deliveries" in command:
        record_delivery(sandbox, tmp_path)
    if "--watch" in command:
        settle_last_hours(sandbox)
    if "--count 3" in command:
        refusal = Answer(
            status=404, body=b'{"code": "42P01", "message": "relation \\"public.analyses\\" does not exist"}'
        )
        sandbox.supabase.always = Fault(answer=refusal, match="created_at=gte.2026-11-01T01")
    *variables, _, _ = re.split(r"\s+", command.partition("reports_generator.py")[0] + "x")
    arguments = shlex.split(command.partition("reports_generator.py")[2])
    environment = {name: value for name, value in sandbox.environment.items() if not name.startswith("LOG_")}
    environment |= dict(variable.split("=", 1) for variable in variables) | {"COLUMNS": "100"}

    _, written = on_terminal([sys.executable, f"{ROOT / 'reports_generator.py'}", *arguments], environment, tmp_path)

    found = Counter(shape(line, tmp_path) for line in lines_left(written) if line.strip())
    wanted = Counter(shape(line, tmp_path) for line in output if line.strip() and line != SOME)
    assert wanted <= found
    assert SOME in output or found == wanted


def test_the_commands_with_output_are_all_that_an_operator_has() -> None:
    """A block that is no longer understood would be tried by nobody."""
    options = {option for command, _ in SHOWN for option in re.findall(r"--[a-z-]+", command)}

    assert {"--help", "--version", "--check", "--start", "--count", "--dry-run", "--output"} <= options


def test_the_lines_of_json_on_the_page_are_those_of_a_run(sandbox: Sandbox, run: RunTool) -> None:
    """Field for field, in the same order."""
    sandbox.supabase.insert(make_rows(3))
    written = [json.loads(line) for line in run(*OPTION, LOG_FORMAT="json").log.splitlines()]

    lines = re.findall(r"^\{.+\}$", section("monitoring", "Logs"), re.MULTILINE)
    assert len(lines) == 2
    for line in map(json.loads, lines):
        (same,) = [
            one for one in written if one["event"] == line["event"] and one.get("recipient") == line.get("recipient")
        ]
        assert [*line] == [*same]
        assert shape(line["message"], sandbox.folder) == shape(same["message"], sandbox.folder)


def test_the_termination_message_on_the_page_is_a_failed_runs(sandbox: Sandbox, run: RunTool, tmp_path: Path) -> None:
    """One line with the reason, whatever that is."""
    run(*OPTION, SUPABASE_KEY="sb_secret_of_elsewhere")  # sets the environment
    word = tmp_path / "termination-log"
    word.touch()

    main(OPTION, env_file=None, timeouts=Timeouts(run=5), termination_log=word)

    (line,) = re.findall(r"^exit 1 after .+$", section("monitoring", "The termination message"), re.MULTILINE)
    assert shape(word.read_text(), tmp_path) == shape(line, tmp_path)


def test_a_wrong_setting_is_one_line_for_kubernetes(sandbox: Sandbox, run: RunTool, tmp_path: Path) -> None:
    """The list has several; each keeps its words."""
    run(*OPTION, SMTP_PORT="none", REPORT_SETTLE="soon")
    word = tmp_path / "termination-log"
    word.touch()

    main(OPTION, env_file=None, termination_log=word)

    assert "\n" not in word.read_text()
    assert re.match(r"exit 2 after [\d.]+ s: 2 settings .*: SMTP_PORT .+ REPORT_SETTLE ", word.read_text())


def test_the_pings_on_the_page_are_those_of_runs(sandbox: Sandbox, run: RunTool) -> None:
    """One that went well, one that didn't."""
    sandbox.supabase.insert(make_rows(3))
    run(*OPTION, HEARTBEAT_URL=sandbox.monitor.check_url)
    run(*OPTION, "--resend", HEARTBEAT_URL=sandbox.monitor.check_url, SUPABASE_KEY="sb_secret_of_elsewhere")

    shown_pings = re.findall(
        r"^POST https://hc-ping\.com/…(\S*) *(.*)$", section("monitoring", "Heartbeat"), re.MULTILINE
    )
    pings = [(path, re.sub(r"after [\d.]+ s", "after 0.2 s", body)) for path, body in sandbox.monitor.pings]
    assert shown_pings == pings


def test_the_alert_on_the_page_is_the_one_of_a_refused_recipient(sandbox: Sandbox, run: RunTool) -> None:
    """Word for word: whoever reads one at night has seen it before."""
    fill(sandbox)
    sandbox.mailbox.refused = {"manager@example.com": "550 5.1.1 No such user here"}

    run("--start", "2026-11-23T13")

    (shown_alert,) = re.findall(
        r"^```\n(.+?)\n```", section("runbook", "How to read an alert"), re.MULTILINE | re.DOTALL
    )
    assert [shown_alert] == sandbox.alerts


def test_the_licences_are_those_on_the_page_and_none_asks_for_our_source() -> None:
    """Of what is deployed; LGPL and MPL are for the libraries themselves."""
    listed = dict(
        re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|$", section("security", "Dependencies and licences"), re.MULTILINE)
    )
    pinned = re.findall(r"^([a-z0-9-]+)", (ROOT / "requirements.reports.txt").read_text(), re.MULTILINE)
    found: dict[str, list[str]] = defaultdict(list)
    for name in pinned:
        if name != "colorama":  # Windows only
            found[licence_of(name)].append(name)

    del listed["licence"]
    assert listed == {licence: ", ".join(names) for licence, names in sorted(found.items())}
    assert not [licence for licence in found if re.search(r"(?<!L)GPL", licence)]


def licence_of(name: str) -> str:
    """Name a package's licence as SPDX does."""
    about = metadata.metadata(name).json
    if expression := about.get("license_expression"):
        return str(expression)
    names = [line.split(" :: ")[-1] for line in about.get("classifier", []) if line.startswith("License ::")]
    return " OR ".join(LICENCES[name] for name in names) or str(about["license"])
