"""A claim is one process's own, and no write that comes late undoes what was noted since."""

import asyncio
import json
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from src.config.loader import load_settings
from src.config.options import Options
from src.errors import LedgerError
from src.ledger.directory import FOLDER, DirectoryLedger
from src.ledger.interface import Ledger, ReadLimit
from src.ledger.key import LedgerKey, ledger_key
from src.ledger.liveness import follows
from src.ledger.table import TableLedger
from src.pipeline.run import Run as StartedRun
from src.pipeline.run import start_run
from src.runtime.redaction import Redaction
from src.supabase.client import open_client

from ..builders import OPTION, QUICK, make_policy, make_rows, make_window
from ..conftest import Run
from ..faults import copies
from ..processes import killed_when, noted
from ..sandbox import CHATS, Sandbox
from ..sandbox.web import FOREVER, Fault
from .test_ledger import holders_of

RunTool = Callable[..., Run]
TABLE = {"REPORT_LEDGER": "supabase"}
ONCE = ((1, 1), (1, 1))
NO_WAIT = replace(QUICK, run=0.5)
"""For a run that finds the window in other hands."""
EVERYTHING = "select * from report_deliveries order by name, window_start"


@pytest.fixture
def start(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Callable[..., StartedRun]:
    """Start runs in one process, so that host name and process id are the same, and go no further."""
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)

    def begin(pod: str, uid: str = "", index: str = "") -> StartedRun:
        monkeypatch.setenv("POD_NAME", pod)
        monkeypatch.setenv("SEQUENTIAL_JOB_UID", uid)
        monkeypatch.setenv("JOB_COMPLETION_INDEX", index)
        return start_run(Options(), load_settings(None), Redaction([]), QUICK, lambda: datetime.now(UTC), 0.0)

    return begin


@asynccontextmanager
async def ledger_of(run: StartedRun) -> AsyncIterator[Ledger]:
    """Open the ledger in Supabase as a run does."""
    settings = run.loaded.checked()
    async with open_client(settings.supabase, run.tls, run.timeouts) as client:
        folder, key = settings.report.report_dir / FOLDER, ledger_key(settings.report, settings.supabase)
        yield TableLedger(client, run.clock, key, run.timeouts, holder=run.holder, folder=folder)


def test_two_containers_with_one_host_name_and_process_id_do_not_take_each_others_claim(
    start: Callable[..., StartedRun],
) -> None:
    """The second one waits, and says so in the end."""

    async def both() -> str:
        async with ledger_of(start("")) as one, ledger_of(start("")) as other:
            async with one.claim(make_window(), make_policy(5)):
                with pytest.raises(LedgerError) as refused:
                    async with other.claim(make_window(), make_policy(0.2)):
                        pass
            async with other.claim(make_window(), make_policy(5)):
                return refused.value.problem.key

    assert asyncio.run(both()) == "ledger.held"


@pytest.mark.parametrize("record", ['{"format": 99}', '{"no": "record"}'], ids=["later version", "not ours"])
def test_a_record_that_cannot_be_read_is_not_held(sandbox: Sandbox, run: RunTool, record: str) -> None:
    """Whoever mends it need not wait for the lease to end before the hour can be sent."""
    run(*OPTION, POD_NAME="one", **TABLE)
    kept = sandbox.supabase.sql("select record from report_deliveries")
    sandbox.supabase.sql("update report_deliveries set record = $1", record)

    assert run(*OPTION, POD_NAME="one", **TABLE).code == 1

    assert sandbox.supabase.sql("table report_deliveries")[0]["record"] == json.loads(record)
    assert holders_of(sandbox) == [None]
    sandbox.supabase.sql("update report_deliveries set record = $1", json.dumps(kept[0]["record"]))
    assert run(*OPTION, POD_NAME="other", **TABLE).code == 0


def carried_out_again(sandbox: Sandbox) -> int:
    """Let Supabase carry out once more, in any order, what it was asked to write so far; return how much that is."""
    writes = [request for request in sandbox.supabase.requests if request.method in ("PATCH", "POST")]
    random.Random(1).shuffle(writes)
    for request in writes:
        sandbox.supabase.answer(request)
    return len(writes)


def test_a_write_that_is_carried_out_late_changes_nothing(sandbox: Sandbox, run: RunTool) -> None:
    """Supabase may do what a run gave up long ago: nobody is sent anything again, and no claim comes back."""
    run(*OPTION, **TABLE)
    run(*OPTION, **TABLE)
    before = sandbox.supabase.sql(EVERYTHING)

    assert carried_out_again(sandbox) > 4
    assert sandbox.supabase.sql(EVERYTHING) == before
    assert run(*OPTION, **TABLE).code == 0
    assert copies(sandbox) == ONCE


def test_a_write_that_is_carried_out_late_in_its_own_run_changes_nothing(sandbox: Sandbox, run: RunTool) -> None:
    """While the second chat is being sent the report, the first one's is not forgotten."""
    seen = list[tuple[object, object]]()

    def meanwhile(_: str) -> None:
        before = sandbox.supabase.sql(EVERYTHING)
        carried_out_again(sandbox)
        seen.append((before, sandbox.supabase.sql(EVERYTHING)))

    sandbox.bot.before_each = meanwhile

    code = run(*OPTION, REPORT_CHANNELS="telegram", **TABLE).code

    assert (code, len(seen)) == (0, len(CHATS))
    assert all(before == after for before, after in seen)


@pytest.mark.parametrize("place", range(9))
def test_a_write_whose_answer_is_lost_is_known_as_done(sandbox: Sandbox, run: RunTool, place: int) -> None:
    """Whichever question to the ledger it is: the run goes on, and everybody gets the report once."""
    sandbox.supabase.faults += [Fault(match="report_deliveries")] * place
    sandbox.supabase.faults.append(Fault(hold=FOREVER, match="report_deliveries"))

    result = run(*OPTION, timeouts=replace(QUICK, supabase_read=0.5), **TABLE)

    assert (result.code, copies(sandbox)) == (0, ONCE)
    assert holders_of(sandbox) == [None]
    assert sandbox.supabase.faults == []


def test_a_record_that_another_run_changed_stops_the_run_before_it_sends_more(sandbox: Sandbox, run: RunTool) -> None:
    """The first chat has the report by then; the second does not get it from this run."""
    taken = "update report_deliveries set holder = 'another', version = version + 1"
    sandbox.bot.faults.append(Fault())
    sandbox.bot.before_each = lambda _: sandbox.supabase.sql(taken)

    result = run(*OPTION, REPORT_CHANNELS="telegram", **TABLE)

    assert (result.code, [sent.chat for sent in sandbox.messages]) == (1, [CHATS[0]])
    assert result.keys == sandbox.alerted == ["ledger.taken_over"]


def test_a_claim_ends_after_an_hour_at_most(sandbox: Sandbox, run: RunTool) -> None:
    """Whatever lease was asked for: by the database itself."""
    run(*OPTION, **TABLE)

    sandbox.supabase.sql("update report_deliveries set holder = 'forever', lease_seconds = 1000000")

    (left,) = sandbox.supabase.sql("select lease_until <= now() + interval '1 hour' as ends from report_deliveries")
    assert left == {"ends": True}


@pytest.mark.parametrize("shares_folder", [True, False], ids=["its own folder", "another pod's folder"])
def test_a_container_that_starts_again_in_its_pod_goes_on_at_once(
    sandbox: Sandbox, run: RunTool, tmp_path: Path, shares_folder: bool
) -> None:
    """The run before it in the same folder is known to have ended; another pod of the same name may be alive."""
    sandbox.bot.faults.append(Fault(delay=FOREVER))
    killed_when(
        sandbox,
        lambda: sandbox.bot.requests and noted(sandbox, "email") == {"delivered"},
        POD_NAME="pod",
        **TABLE,
    )
    folder = sandbox.folder
    if not shares_folder:
        folder = tmp_path / "another"
        folder.mkdir()

    result = run(*OPTION, timeouts=QUICK if shares_folder else NO_WAIT, POD_NAME="pod", REPORT_DIR=str(folder), **TABLE)

    assert (result.code, result.keys) == ((0, []) if shares_folder else (1, ["ledger.held"]))
    assert len(sandbox.mails) == 1


def test_a_name_that_begins_like_another_pods_takes_no_claim_of_it(start: Callable[..., StartedRun]) -> None:
    """`reports` may stand beside `reports.eu`, and both may be alive."""

    async def beside() -> str:
        async with (
            ledger_of(start("reports.eu")) as one,
            ledger_of(start("reports")) as other,
            one.claim(make_window(), make_policy(5)),
        ):
            try:
                async with other.claim(make_window(), make_policy(0.2)):
                    return "claimed"
            except LedgerError as error:
                return error.problem.key

    assert asyncio.run(beside()) == "ledger.held"


@pytest.mark.parametrize(
    ("earlier", "later", "is_free"),
    [
        (("a", "1", "0"), ("b", "1", "0"), True),
        (("a", "1", ""), ("b", "1", ""), True),
        (("a", "1", "0"), ("b", "1", "1"), False),
        (("a", "1", ""), ("b", "2", ""), False),
        (("a", "", ""), ("b", "", ""), False),
        (("a", "", ""), ("b", "1", ""), False),
        (("a", "1", ""), ("b", "", ""), False),
    ],
    ids=[
        "same index",
        "same Job",
        "another index",
        "another Job",
        "no sequence",
        "the later alone",
        "the earlier alone",
    ],
)
def test_a_pod_takes_over_at_once_from_the_one_before_it_in_its_job(
    start: Callable[..., StartedRun], earlier: tuple[str, str, str], later: tuple[str, str, str], is_free: bool
) -> None:
    """Of no other Job and no other index: those may be alive. The one before it changes nothing from then on."""

    async def both() -> tuple[str, str]:
        async with (
            ledger_of(start(*earlier)) as one,
            ledger_of(start(*later)) as other,
            one.claim(make_window(), make_policy(5)) as dead,
        ):
            try:
                async with other.claim(make_window(), make_policy(0.2)):
                    taken = "claimed"
            except LedgerError as error:
                taken = error.problem.key
            try:
                await dead.sending("email", ["manager@example.com"])
            except LedgerError as error:
                return taken, error.problem.key
            return taken, "saved"

    assert asyncio.run(both()) == (("claimed", "ledger.taken_over") if is_free else ("ledger.held", "saved"))


def test_a_host_whose_name_looks_like_a_place_in_a_job_takes_no_claim(
    start: Callable[..., StartedRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux allows all characters in it."""
    monkeypatch.setattr(socket, "gethostname", lambda: "a/1/0")

    assert not follows(start("").holder, start("").holder)


def test_the_ledger_in_a_folder_counts_attempts_and_rows_too(sandbox: Sandbox, run: RunTool) -> None:
    """A record says how many runs began with the window, and how many rows each recipient got."""
    sandbox.supabase.insert(make_rows(3))
    run(*OPTION, SMTP_PASSWORD="wrong")
    run(*OPTION)
    run(*OPTION)  # has nothing to send

    (path,) = (sandbox.folder / "report_ledger").glob("*.json")
    record = json.loads(path.read_text())
    assert (record["format"], record["attempts"], record["silent"]) == (2, 2, 0)
    assert [entry["rows"] for entry in record["entries"]] == [3, 3, 3, 3]


def test_a_record_of_a_later_format_in_a_folder_stops_the_run(sandbox: Sandbox, run: RunTool) -> None:
    """Before anything is sent."""
    run(*OPTION)
    (path,) = (sandbox.folder / "report_ledger").glob("*.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 4}))

    again = run(*OPTION, "--resend")

    assert (again.code, copies(sandbox)) == (1, ONCE)
    assert again.keys == ["ledger.later_format"]


def test_a_ledger_in_a_folder_that_is_not_there_has_no_records(tmp_path: Path) -> None:
    """It has no records then."""
    key = LedgerKey(name="", template="hourly", source="x", zone="UTC")
    ledger = DirectoryLedger(tmp_path / "nowhere", lambda: datetime.now(UTC), key, QUICK)

    async def read() -> object:
        window = make_window()
        return await ledger.records(window.start, window.end, make_policy(), ReadLimit())

    assert asyncio.run(read()) == {}
