"""Many windows again: here one after the other, on a cluster shared by the pods of an Indexed Job."""

import re
import signal
import subprocess
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import DEVNULL

import pytest

from src.domain.window import HOUR, as_option

from ..alerts import ranges
from ..builders import OPTION, START, make_rows, make_window
from ..ledger.test_key import settings_named
from ..processes import ENTRY, LONGEST, started, wait_until
from ..sandbox import CHATS, RECIPIENTS, Sandbox
from ..sandbox.web import FOREVER, Answer, Fault
from ..terminal import on_terminal
from ..test_run import RunTool

FIRST = START - 48 * HOUR


def fill(sandbox: Sandbox, hours: int) -> list[str]:
    """Put three rows into each hour from FIRST on; return how people read these hours."""
    starts = [FIRST + number * HOUR for number in range(hours)]
    for start in starts:
        sandbox.supabase.insert([row | {"id": str(uuid.uuid4())} for row in make_rows(3, start=start)])
    return [make_window(start).label() for start in starts]


def test_each_window_is_a_report_and_one_that_fails_does_not_stop_the_rest(sandbox: Sandbox, run: RunTool) -> None:
    """Oldest first, a line each, a table at the end, and the code of the worst."""
    labels = fill(sandbox, 4)
    option = ("--start", as_option(make_window(FIRST)), "--count", "4")
    broken = f"gte.{FIRST + HOUR:%Y-%m-%dT%H}"
    sandbox.supabase.always = Fault(answer=Answer(status=401), match=broken)

    result = run(*option)

    assert result.code == 1
    subjects = [mail.message["Subject"] for mail in sandbox.mails]
    assert [any(label in subject for subject in subjects) for label in labels] == [True, False, True, True]
    table = result.log.partition("All windows:\n")[2].splitlines()
    assert [line.split()[0] for line in table[:4]] == ["OK", "FAIL", "OK", "OK"]
    assert "3 of 4: " in result.log
    assert [line.split()[1] for line in table[:4]] == [f"{FIRST + place * HOUR:%Y-%m-%d}" for place in range(4)]
    assert "SUPABASE_KEY" in table[1]
    assert (result.keys, "3 of 4" in table[-1]) == (["source.key", "backfill"], True)


def test_run_again_a_backfill_sends_only_what_is_owed(sandbox: Sandbox, run: RunTool) -> None:
    """It can be broken off and begun anew."""
    fill(sandbox, 3)
    option = ("--start", as_option(make_window(FIRST)))
    run(*option, "--count", "2")

    assert run(*option, "--count", "3").code == 0
    assert len(sandbox.mails) == 3


def test_pods_that_share_no_ledger_are_refused(sandbox: Sandbox, run: RunTool) -> None:
    """Each restart would send anew."""
    result = run(REPORT_START=as_option(make_window(FIRST)), JOB_COMPLETION_INDEX="0")

    assert (result.code, result.keys, settings_named(result)) == (2, ["settings"], ["REPORT_LEDGER"])
    assert sandbox.mails == []


class Pods:
    """The pods of an Indexed Job, two at a time."""

    def __init__(self, sandbox: Sandbox, **changes: str) -> None:
        self._sandbox = sandbox
        self._lock = threading.Lock()
        self._names = 0
        self._environment = {
            "REPORT_LEDGER": "supabase",
            "REPORT_START": as_option(make_window(FIRST)),
            "JOB_NAME": "reports-generator-backfill",
        } | changes

    def start(self, index: int) -> "subprocess.Popen[bytes]":
        """Start a pod for an index."""
        with self._lock:
            self._names += 1
            name = f"backfill-{index}-{self._names}"
        folder = self._sandbox.folder / f"pod-{index}"  # a pod's folder ends with it
        folder.mkdir(exist_ok=True)
        changes = self._environment | {"JOB_COMPLETION_INDEX": str(index), "POD_NAME": name, "REPORT_DIR": str(folder)}
        environment = self._sandbox.environment | changes
        return subprocess.Popen([sys.executable, str(ENTRY)], env=environment, stderr=DEVNULL)

    def run(self, index: int) -> int:
        """Run a pod to its end."""
        with self.start(index) as process:
            process.wait(timeout=240)
        return process.returncode


@pytest.mark.parametrize("hours", [8, pytest.param(48, marks=pytest.mark.long)])
def test_hours_by_two_pods_at_a_time_reach_everyone(sandbox: Sandbox, hours: int) -> None:
    """With one index started twice and one pod killed; a copy more only where the kill fell into a sending."""
    labels = fill(sandbox, hours)
    pods = Pods(sandbox)

    with pods.start(7) as killed:
        wait_until(lambda: sandbox.bot.requests, killed)
        killed.kill()
    # Its claim ends by itself after seven minutes of the database's clock; here at once.
    sandbox.supabase.sql("update report_deliveries set holder = null where holder like 'backfill-7-%'")
    with ThreadPoolExecutor(2) as two:
        codes = list(two.map(pods.run, [*range(hours), 5]))

    assert codes == [0] * (hours + 1)
    subjects = [mail.message["Subject"] for mail in sandbox.mails]
    by_mail = [sum(label in subject for subject in subjects) for label in labels]
    by_chat = {
        chat: [sum(label in sent.text for sent in sandbox.messages if sent.chat == chat) for label in labels]
        for chat in CHATS
    }
    for copies in (by_mail, *by_chat.values()):
        assert min(copies) == 1
        assert [copy for place, copy in enumerate(copies) if place != 7] == [1] * (hours - 1)
        assert copies[7] <= 2
    assert {mail.recipients for mail in sandbox.mails} == {RECIPIENTS}
    assert sandbox.alerts == []


def test_pods_that_fail_of_one_cause_are_one_alert(sandbox: Sandbox) -> None:
    """Also those that fail at the same moment, and the second attempts; another cause is told too."""
    fill(sandbox, 3)

    with ThreadPoolExecutor(2) as two:
        codes = list(two.map(Pods(sandbox, SMTP_PASSWORD="wrong one").run, [0, 1, 2, 0]))
    assert codes == [1] * 4
    assert (len(sandbox.alerts), sandbox.alerted) == (1, ["smtp.login"])

    assert Pods(sandbox, SUPABASE_TABLE="analyzes").run(1) == 1
    assert (len(sandbox.alerts), sandbox.alerted) == (2, ["smtp.login", "source.no_table"])


def test_pods_that_see_the_same_wrong_clock_are_one_alert(sandbox: Sandbox) -> None:
    """Not only of hours that fail do they alert in turn."""
    fill(sandbox, 2)
    sandbox.supabase.slow = 2 * 3600
    sandbox.bot.always = Fault(delay=2)  # the other pod comes to its alert meanwhile

    with ThreadPoolExecutor(2) as two:
        codes = list(two.map(Pods(sandbox).run, [0, 1]))

    assert (codes, len(sandbox.alerts), sandbox.alerted) == ([0, 0], 1, ["source.clocks_differ"])


def test_pods_that_cannot_use_the_ledger_alert_each(sandbox: Sandbox) -> None:
    """They can't know of each other, and silence would be worse."""
    fill(sandbox, 2)
    pods = Pods(sandbox, SUPABASE_KEY="sb_secret_of_elsewhere")

    assert [pods.run(index) for index in range(2)] == [1, 1]
    assert len(sandbox.alerts) == 2


def test_an_index_whose_hour_is_not_over_fails_alone(sandbox: Sandbox, run: RunTool) -> None:
    """Exit 1, not that of wrong settings, which ends the Job; and one alert for all such pods."""
    many = {"REPORT_START": "2026-11-23T13", "REPORT_LEDGER": "supabase", "JOB_NAME": "many"}

    codes = [run(**many, JOB_COMPLETION_INDEX=index).code for index in ("99999", "100000", "99999")]

    assert codes == [1, 1, 1]
    assert [" 99999 " in alert for alert in sandbox.alerts] == [True]
    assert (sandbox.alerted, sandbox.mails) == (["window.not_over"], [])


def test_windows_that_fail_of_one_cause_are_one_alert(sandbox: Sandbox, run: RunTool) -> None:
    """A wrong key in a month of hours would be 720; the table names them all."""
    fill(sandbox, 3)

    result = run("--start", as_option(make_window(FIRST)), "--count", "3", SUPABASE_KEY="sb_secret_of_elsewhere")

    assert result.code == 1
    assert len(sandbox.alerts) == 1
    assert result.log.count("\n  FAIL 2026-11-20 ") == 3


@pytest.mark.parametrize(("sent", "code", "alerts"), [(signal.SIGTERM, 143, 1), (signal.SIGINT, 130, 0)])
def test_a_backfill_that_is_stopped_says_how_to_go_on(
    sandbox: Sandbox, tmp_path: Path, sent: signal.Signals, code: int, alerts: int
) -> None:
    """From the window that it was at; who stopped it by hand is not alerted of it."""
    fill(sandbox, 3)
    sandbox.supabase.always = Fault(delay=FOREVER, match=f"gte.{FIRST + HOUR:%Y-%m-%dT%H}")
    option = ("--start", as_option(make_window(FIRST)), "--count", "3")
    second = f"gte.{FIRST + HOUR:%Y-%m-%dT%H}"

    with started(sandbox, *option) as process:
        wait_until(lambda: any(second in request.target for request in sandbox.supabase.requests), process)
        process.send_signal(sent)
        _, log = process.communicate(timeout=LONGEST)

    assert process.returncode == code
    assert ranges(log) == [("2026-11-20T14", 2)]
    assert len(sandbox.alerts) == alerts


def test_ctrl_c_twice_does_not_wait(sandbox: Sandbox) -> None:
    """Not even for the monitor's answer, and shows no traceback."""
    sandbox.supabase.always = sandbox.monitor.always = Fault(delay=FOREVER)
    option = ("--start", as_option(make_window(FIRST)))

    with started(sandbox, *option, HEARTBEAT_URL=sandbox.monitor.check_url, LOG_FORMAT="json") as process:
        for pings in (1, 2):
            wait_until(lambda: len(sandbox.monitor.requests) == pings, process)  # noqa: B023 - asked at once
            process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=LONGEST)

    assert process.returncode == 130
    assert "Traceback" not in log
    assert "heartbeat_failed" not in log


def test_a_backfill_on_a_terminal_shows_one_bar_over_all_windows(sandbox: Sandbox, tmp_path: Path) -> None:
    """With the time that is left, and no line for each window beside it."""
    sandbox.supabase.insert(make_rows(3))
    command = [sys.executable, str(ENTRY), *OPTION, "--count", "2"]

    code, shown = on_terminal(command, sandbox.environment, tmp_path)

    assert code == 0
    assert re.search(r"Reporting: +50%.* 1/2 \[\d\d:\d\d<\d\d:\d\d", shown)
    assert "Reading:" not in shown
    assert "1 of 2: " not in shown
