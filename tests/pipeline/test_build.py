"""Each run sends the workbook that it built itself, and leaves it in REPORT_DIR."""

import errno
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from src.commands.check import INDEX_SQL

from ..alerts import lacking
from ..builders import OPTION, QUICK, data_rows, ids, make_rows
from ..conftest import Run
from ..ledger.test_ledger import CATCH_UP, job, this_hour
from ..processes import LONGEST, Process, started, wait_until
from ..sandbox import CHATS, RECIPIENTS, Sandbox
from ..sandbox.web import Fault
from ..supabase.test_analyses import answer
from ..test_run import assert_everyone_has

RunTool = Callable[..., Run]
NAME = "report_20261122_130000.xlsx"
OTHER = "analyses_named"


def wait_for_the_bot(sandbox: Sandbox, process: Process) -> None:
    """Wait until a run has sent its first chat the report."""
    wait_until(lambda: sandbox.bot.requests, process)


def names(folder: Path) -> set[str]:
    """List what is in a folder."""
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(("template", "start"), [("hourly", OPTION[1]), ("daily", "2026-11-22")])
def test_two_tables_at_once_in_one_folder_never_send_each_others_workbook(
    sandbox: Sandbox, run: RunTool, template: str, start: str
) -> None:
    """The second one's is built under the same name while the first one's is being sent."""
    first, second = make_rows(3), make_rows(4)
    sandbox.supabase.insert(first)
    sandbox.supabase.insert(second, OTHER)
    second_is_sent = threading.Event()
    sandbox.bot.faults.append(Fault(until=second_is_sent))
    window = {"REPORT_TEMPLATE": template}

    with started(sandbox, "--start", start, REPORT_CHANNELS="telegram", **window) as process:
        wait_for_the_bot(sandbox, process)
        other = run("--start", start, REPORT_CHANNELS="email", SUPABASE_TABLE=OTHER, **window)
        second_is_sent.set()
        code = process.wait(LONGEST)

    arrived = {
        name: [row[0] for row in data_rows(content, f"{template.title()} Report")]
        for name, content in sandbox.workbooks()
    }
    assert (code, other.code) == (0, 0)
    assert arrived == dict.fromkeys(CHATS, ids(first)) | dict.fromkeys(RECIPIENTS, ids(second))


def test_the_workbook_of_a_failed_delivery_stays(sandbox: Sandbox, run: RunTool) -> None:
    """Somebody can still send it by hand; nothing else is left."""
    rows = make_rows(3)
    sandbox.supabase.insert(rows)
    sandbox.mailbox.sender_reply = "553 5.7.1 Not yours"
    sandbox.bot.chats = set()

    assert run(*OPTION).code == 1
    assert names(sandbox.folder) == {NAME, "report_ledger"}
    assert [row[0] for row in data_rows((sandbox.folder / NAME).read_bytes())] == ids(rows)


def test_a_folder_that_cannot_be_written_to_is_named(sandbox: Sandbox, run: RunTool) -> None:
    """The operator learns which folder, and what to do."""
    result = run(*OPTION, "--dry-run", "--output", "/proc")

    assert (result.code, result.keys) == (1, ["workbook.disk"])
    (line,) = [record.getMessage() for record in result.logged("failed")]
    assert all(one in line for one in ("/proc ", os.strerror(errno.ENOENT), "REPORT_DIR"))


def test_a_run_that_is_stopped_while_it_sends_leaves_the_workbook_and_nothing_else(sandbox: Sandbox) -> None:
    """By SIGTERM."""
    stopped = threading.Event()
    sandbox.bot.faults.append(Fault(until=stopped))

    with started(sandbox, *OPTION) as process:
        wait_for_the_bot(sandbox, process)
        process.terminate()
        code = process.wait(LONGEST)
    stopped.set()

    assert code == 143
    assert names(sandbox.folder) == {NAME, "report_ledger"}


def test_the_folder_of_a_killed_run_is_removed_after_a_day(sandbox: Sandbox, run: RunTool) -> None:
    """Not before: its run may still be at work; and nothing that only bears such a name."""
    killed = threading.Event()
    sandbox.bot.faults.append(Fault(until=killed))
    with started(sandbox, *OPTION) as process:
        wait_for_the_bot(sandbox, process)
        process.kill()
    killed.set()
    (left,) = names(sandbox.folder) - {NAME, "report_ledger"}
    alien = sandbox.folder / f"{left}.txt"
    alien.touch()

    def after(hours: int) -> set[str]:
        changed = time.time() - hours * 3600
        for path in (sandbox.folder / left, alien):
            os.utime(path, (changed, changed))
        run("--until-now", "--yes")
        return names(sandbox.folder) & {left, alien.name}

    assert after(23) == {left, alien.name}
    assert after(25) == {alien.name}


def test_a_missed_windows_workbook_is_removed_only_if_it_is_this_ones(sandbox: Sandbox, run: RunTool) -> None:
    """Another table's, left by its failed delivery, is not."""
    missed = sandbox.folder / f"report_{this_hour(2):%Y%m%d_%H}0000.xlsx"
    run(JOB_NAME=job(2), **CATCH_UP)
    made_good = threading.Event()
    sandbox.bot.faults += [Fault(), Fault(), Fault(until=made_good)]

    with started(sandbox, JOB_NAME=job(0), **CATCH_UP) as process:
        wait_until(lambda: len(sandbox.bot.requests) == 5, process)
        missed.write_bytes(b"another table's")
        made_good.set()
        assert process.wait(LONGEST) == 0

    assert missed.read_bytes() == b"another table's"


@pytest.mark.parametrize(("chats", "code"), [(CHATS[:1], 0), (CHATS, 1)], ids=["at the last", "with one to come"])
def test_a_workbook_that_vanishes_while_it_is_sent_costs_only_those_still_to_come(
    sandbox: Sandbox, chats: tuple[str, ...], code: int
) -> None:
    """Whoever is sent it at that moment has it, and the next learn in a sentence that it can't be read."""
    sandbox.supabase.insert(rows := make_rows(3))
    vanished = threading.Event()
    sandbox.bot.faults.append(Fault(until=vanished))

    changes = {"REPORT_CHANNELS": "telegram", "TELEGRAM_CHAT_ID": ",".join(chats), "LOG_FORMAT": "json"}
    with started(sandbox, *OPTION, **changes) as process:
        wait_for_the_bot(sandbox, process)
        (built,) = sandbox.folder.glob(f".report_build_*/{NAME}")
        built.unlink()
        vanished.set()
        _, log = process.communicate(timeout=LONGEST)

    assert (process.returncode, "broke_down" in log) == (code, False), log
    assert [(chat, [row[0] for row in data_rows(content)]) for chat, content in sandbox.workbooks()] == [
        (chats[0], ids(rows))
    ]
    assert len(sandbox.alerts) == code
    assert sandbox.alerted == ["workbook.unreadable"] * code
    for alert in sandbox.alerts:
        assert (lacking(alert), NAME in alert) == (([f"telegram to {chats[1]}"], []), True)


def test_a_name_that_is_taken_in_the_folder_costs_no_hour(sandbox: Sandbox, run: RunTool) -> None:
    """The workbook is not kept, which the log says; everybody has the report."""
    sandbox.supabase.insert(rows := make_rows(3))
    (sandbox.folder / NAME).mkdir()

    result = run(*OPTION)

    assert result.code == 0
    assert_everyone_has(sandbox, rows)
    assert len(result.logged("not_kept")) == 1
    assert names(sandbox.folder) == {NAME, "report_ledger"}


def test_no_run_may_leave_a_picture_of_its_memory(sandbox: Sandbox) -> None:
    """In the core dump of a crash there would be keys and rows."""
    looked_at = threading.Event()
    sandbox.bot.faults.append(Fault(until=looked_at))

    with started(sandbox, *OPTION) as process:
        wait_for_the_bot(sandbox, process)
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        looked_at.set()
        assert process.wait(LONGEST) == 0

    assert [line.split()[-3:] for line in limits.splitlines() if "core file" in line] == [["0", "0", "bytes"]]


def test_half_files_of_killed_runs_go_from_folder_and_ledger(sandbox: Sandbox, run: RunTool) -> None:
    """With the next run, once they are an hour old."""
    (sandbox.folder / "report_ledger").mkdir(mode=0o700)
    left = [
        sandbox.folder / f".{NAME}.0123456789abcdef.part",
        sandbox.folder / "report_ledger" / ".hourly-1234-20261122T130000Z.json.0123456789abcdef.part",
    ]
    for path in left:
        path.touch()
        os.utime(path, (0, 0))

    assert run(*OPTION).code == 0
    assert [path.exists() for path in left] == [False, False]


def test_a_folder_that_a_dry_run_makes_is_its_owners_only(sandbox: Sandbox, run: RunTool, tmp_path: Path) -> None:
    """Whatever the umask: there are rows and addresses in it. One that is there stays as it is."""
    (tmp_path / "there").mkdir(mode=0o755)
    before = os.umask(0)
    try:
        codes = [run(*OPTION, "--dry-run", "--output", str(tmp_path / name)).code for name in ("made", "there")]
    finally:
        os.umask(before)

    assert codes == [0, 0]
    assert [f"{(tmp_path / name).stat().st_mode & 0o777:o}" for name in ("made", "there")] == ["700", "755"]


@pytest.mark.parametrize(("page", "read"), [(1, []), (3, [("2", "4")])], ids=["first page", "third page"])
def test_a_run_that_its_time_limit_stops_tells_how_far_it_came(
    sandbox: Sandbox, run: RunTool, page: int, read: list[tuple[str, str]]
) -> None:
    """And what usually helps."""
    sandbox.supabase.insert(make_rows(35))
    sandbox.supabase.page_cap = 10
    stopped = threading.Event()
    sandbox.supabase.faults += [Fault()] * (page - 1) + [Fault(until=stopped)]

    result = run(*OPTION, timeouts=replace(QUICK, run=5))
    stopped.set()

    assert (result.code, result.keys, sandbox.alerted) == (1, ["time_limit"], ["time_limit"])
    for said in (*(record.getMessage() for record in result.logged("failed")), *sandbox.alerts):
        assert [*dict.fromkeys(re.findall(r" (\d+) of (\d+) pages", said))] == read
        assert all(one in said for one in (" 800 s", INDEX_SQL))


def test_what_was_read_before_it_was_read_once_more_doesnt_count(sandbox: Sandbox, run: RunTool) -> None:
    """The second reading has its own count."""
    sandbox.supabase.insert(make_rows(35))
    sandbox.supabase.page_cap = 10
    stopped = threading.Event()
    sandbox.supabase.faults += [
        answer(make_rows(30), counted=9000),
        answer([], counted=0),
        Fault(),
        Fault(),  # of the rows that share the last one's id
        Fault(until=stopped),
    ]

    result = run(*OPTION, timeouts=replace(QUICK, run=5))
    stopped.set()

    (line,) = [record.getMessage() for record in result.logged("failed")]
    assert re.findall(r" (\d+) of (\d+) pages", line) == [("1", "4")]
