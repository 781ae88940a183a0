"""A monitor outside learns of every run, and never harms one."""

import math
import re

import pytest
from msgspec.structs import replace

from ..builders import OPTION, QUICK, make_rows, make_window
from ..names import resolved
from ..sandbox import Sandbox
from ..sandbox.monitor import CHECK
from ..sandbox.web import FOREVER, Answer, Fault
from ..test_run import RunTool

pytestmark = pytest.mark.sampled


def test_a_run_that_went_well_is_a_start_and_a_success(sandbox: Sandbox, run: RunTool) -> None:
    """Without a reason."""
    sandbox.supabase.insert(make_rows(3))

    assert run(*OPTION, HEARTBEAT_URL=sandbox.monitor.check_url).code == 0
    start, (path, body) = sandbox.monitor.pings
    assert (start, path) == (("/start", ""), "")
    assert re.fullmatch(rf"exit 0 after [\d.]+ s: {make_window().label()}, 3 rows, delivered to 4 of 4", body)


def test_a_run_that_failed_says_why_in_short(sandbox: Sandbox, run: RunTool) -> None:
    """Who gets the monitor's mail knows where to look, and gets no secret."""
    key = "sb_secret_wrong_0123456789"
    sandbox.supabase.faults.append(Fault(answer=Answer(status=400, body=f"apikey was {key}".encode())))
    run(*OPTION, SUPABASE_KEY=key, HEARTBEAT_URL=sandbox.monitor.check_url)

    (start, _), (end, reason) = sandbox.monitor.pings
    assert (start, end) == ("/start", "/fail")
    assert "[hidden]" in reason
    assert key not in reason
    assert len(reason) <= 500


def test_one_refused_recipient_is_a_failure_for_the_monitor_too(sandbox: Sandbox, run: RunTool) -> None:
    """As it is for the exit code."""
    sandbox.supabase.insert(make_rows(3))
    sandbox.mailbox.refused = {"team@example.com": "550 5.1.1 No such user here"}

    assert run(*OPTION, HEARTBEAT_URL=sandbox.monitor.check_url).code == 1
    assert sandbox.monitor.pings[-1][0] == "/fail"
    assert "refused team@example.com" in sandbox.monitor.pings[-1][1]


def test_wrong_settings_are_told_too(sandbox: Sandbox, run: RunTool) -> None:
    """A deploy gone wrong is what a monitor is for."""
    assert run(*OPTION, SMTP_PORT="none", HEARTBEAT_URL=sandbox.monitor.check_url).code == 2
    assert sandbox.monitor.pings[-1][0] == "/fail"
    assert "SMTP_PORT" in sandbox.monitor.pings[-1][1]


@pytest.mark.parametrize(("status", "keys"), [(200, set()), (404, {"monitor.unknown_check"})])
def test_an_answer_in_an_odd_encoding_counts_by_its_status(
    sandbox: Sandbox, run: RunTool, status: int, keys: set[str]
) -> None:
    """A proxy may pack it as nobody asked for; the body says little."""
    sandbox.monitor.always = Fault(answer=Answer(status=status, headers={"content-encoding": "br"}, body=b"\x0b\x02"))
    sandbox.supabase.insert(make_rows(3))

    result = run(*OPTION, HEARTBEAT_URL=sandbox.monitor.check_url)

    assert result.code == 0
    assert {record.__dict__["key"] for record in result.logged("heartbeat_failed")} == keys


@pytest.mark.parametrize(
    ("fault", "key"),
    [
        (Fault(answer=Answer(status=500)), "monitor.unavailable"),
        (Fault(cut="before"), "monitor.broken"),
        (Fault(delay=FOREVER), "monitor.timed_out"),
        (Fault(cut="handshake"), "monitor.broken"),
        (Fault(cut="garbled"), "monitor.broken"),
    ],
    ids=["500", "cut", "slow", "cut in the handshake", "garbled"],
)
def test_a_broken_monitor_is_logged_and_fails_nothing(sandbox: Sandbox, run: RunTool, fault: Fault, key: str) -> None:
    """The report matters, the monitor doesn't; nobody is alerted of it."""
    sandbox.speak("https")
    sandbox.supabase.insert(make_rows(3))
    sandbox.monitor.faults += [fault] * 99

    timeouts = replace(QUICK, heartbeat=0.3)
    result = run(*OPTION, HEARTBEAT_URL=sandbox.monitor.check_url, timeouts=timeouts)

    assert result.code == 0
    assert len(sandbox.mails) == 1
    assert (result.keys, result.events.count("heartbeat_failed")) == ([key], 2)
    assert CHECK not in result.log
    assert sandbox.alerts == []


@pytest.mark.parametrize(
    "fault",
    [Fault(answer=Answer(status=503)), Fault(cut="before"), Fault(delay=FOREVER)],
    ids=["503", "cut", "no answer"],
)
def test_the_last_ping_is_repeated_if_it_may_not_have_been_counted(
    sandbox: Sandbox, run: RunTool, fault: Fault
) -> None:
    """Or the monitor would wake somebody about a run that went well; the first ping is worth no wait."""
    sandbox.supabase.insert(make_rows(3))
    sandbox.monitor.faults = [fault, fault]

    result = run(*OPTION, HEARTBEAT_URL=sandbox.monitor.check_url, timeouts=replace(QUICK, heartbeat=4))

    assert result.code == 0
    assert [path for path, _ in sandbox.monitor.pings] == ["/start", "", ""]
    assert result.events.count("heartbeat_failed") == 1


@pytest.mark.parametrize("status", [404, 429])
def test_a_ping_that_the_monitor_refuses_is_not_repeated(sandbox: Sandbox, run: RunTool, status: int) -> None:
    """It does not know the check, or gets too many pings already."""
    sandbox.supabase.insert(make_rows(3))
    sandbox.monitor.always = Fault(answer=Answer(status=status))

    run(*OPTION, HEARTBEAT_URL=sandbox.monitor.check_url, timeouts=replace(QUICK, heartbeat=4))

    assert len(sandbox.monitor.pings) == 2


def test_a_name_server_that_is_asked_twice_keeps_no_run_from_the_monitor(sandbox: Sandbox, run: RunTool) -> None:
    """A question that got lost is repeated after five seconds by the resolvers of Linux."""
    sandbox.supabase.insert(make_rows(3))
    url = sandbox.monitor.check_url.replace("127.0.0.1", "localhost")

    with resolved(wait=5.2):
        result = run(*OPTION, HEARTBEAT_URL=url, REPORT_CHANNELS="telegram")

    assert result.code == 0
    assert [path for path, _ in sandbox.monitor.pings] == ["/start", ""]


def test_a_monitor_that_answers_without_an_end_is_told_all_the_same(sandbox: Sandbox, run: RunTool) -> None:
    """Its status comes first; what follows is not waited for."""
    sandbox.supabase.insert(make_rows(3))
    sandbox.monitor.always = Fault(answer=Answer(more=b"x" * 1000, times=math.inf))

    result = run(*OPTION, HEARTBEAT_URL=sandbox.monitor.check_url)

    assert result.code == 0
    assert [path for path, _ in sandbox.monitor.pings] == ["/start", ""]
    assert "heartbeat_failed" not in result.events


def test_a_monitor_whose_answer_stops_behind_the_status_is_judged_by_that(sandbox: Sandbox, run: RunTool) -> None:
    """What has come in time says enough."""
    sandbox.supabase.insert(make_rows(3))
    sandbox.monitor.always = Fault(answer=Answer(body=b"OK"), drip=FOREVER)

    result = run(*OPTION, HEARTBEAT_URL=sandbox.monitor.check_url, timeouts=replace(QUICK, heartbeat=0.5))

    assert (result.code, result.keys) == (0, [])


@pytest.mark.parametrize("option", [("--until-now", "--yes"), (*OPTION, "--dry-run")], ids=["until now", "dry run"])
def test_a_trial_is_kept_from_the_monitor(
    sandbox: Sandbox, run: RunTool, monkeypatch: pytest.MonkeyPatch, option: tuple[str, ...]
) -> None:
    """It would count as the hour's run."""
    sandbox.supabase.insert(make_rows(3))
    monkeypatch.chdir(sandbox.folder)

    assert run(*option, HEARTBEAT_URL=sandbox.monitor.check_url).code == 0
    assert sandbox.monitor.pings == []


def test_a_monitor_in_the_clear_is_refused_and_not_pinged(sandbox: Sandbox, run: RunTool) -> None:
    """Whoever reads the address on its way could ping it."""
    result = run(*OPTION, HEARTBEAT_URL="http://monitor.invalid/0b0e7a52")

    assert result.code == 2
    assert "HEARTBEAT_URL" in result.log
    assert "heartbeat_failed" not in result.events
