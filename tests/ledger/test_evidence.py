"""What a run has not seen itself is no evidence: of a refusal, of the time, of another run."""

import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from src.phrases.language import ENGLISH

from ..builders import NO_TIME, OPTION, make_rows
from ..conftest import Run
from ..faults import BLOCKED as BOT_BLOCKED
from ..faults import ONCE, copies
from ..pipeline.test_retention import KEEP, record, recorded
from ..processes import LONGEST, started, wait_until
from ..sandbox import CHATS, RECIPIENTS, Sandbox
from ..sandbox.web import FOREVER, Answer, Fault
from .test_ledger import CATCH_UP, job

RunTool = Callable[..., Run]
BLOCKED = "550 5.7.1 Your address is blocked"


def test_a_recipient_who_is_served_alone_is_not_refused_when_the_server_blocks_everybody(
    sandbox: Sandbox, run: RunTool
) -> None:
    """Others may have got that hour, but in another run."""
    run(JOB_NAME=job(3), **CATCH_UP)
    sandbox.mailbox.refused = {RECIPIENTS[0]: "451 4.7.1 Try again later"}
    run(JOB_NAME=job(2), timeouts=NO_TIME, **CATCH_UP)
    sandbox.mailbox.refused = dict.fromkeys(RECIPIENTS, BLOCKED)
    run(JOB_NAME=job(1), **CATCH_UP)
    sandbox.mailbox.refused = {}

    assert run(JOB_NAME=job(0), **CATCH_UP).code == 0

    assert copies(sandbox) == ((4, 4), (4, 4))


@pytest.mark.parametrize("ledger", ["directory", "supabase"])
def test_a_refusal_does_not_take_back_what_may_have_arrived_before_it(
    sandbox: Sandbox, run: RunTool, ledger: str
) -> None:
    """The chat blocked the bot between two attempts: the copy that it gets later says that it may be one."""
    sandbox.supabase.insert(make_rows(3))
    sandbox.bot.faults.extend([Fault(cut="after"), Fault(), Fault(answer=BOT_BLOCKED)])

    codes = [run(*OPTION, REPORT_LEDGER=ledger).code for _ in range(2)]

    assert codes == [1, 0]
    texts = [sent.text for sent in sandbox.messages if sent.chat == CHATS[0]]
    assert [ENGLISH.REPEAT in text for text in texts] == [False, True]


def test_a_clock_that_is_weeks_ahead_removes_no_record(sandbox: Sandbox, run: RunTool) -> None:
    """What is old is told by Supabase's clock."""
    sandbox.supabase.sql("grant delete on report_deliveries to service_role")
    young = {record(sandbox, "supabase", back) for back in range(5, 1, -1)}

    sandbox.supabase.slow = 40 * 86_400
    run(clock=lambda: datetime.now(UTC) + timedelta(days=40), **CATCH_UP, **KEEP)

    assert young <= recorded(sandbox, "supabase")


def test_a_stop_is_alerted_whatever_else_was_alerted_a_moment_ago(sandbox: Sandbox, run: RunTool) -> None:
    """Where the ledger ends with the pod, the hour would be lost silently."""
    run("--start", "2026-11-22T12", SUPABASE_TABLE="nowhere")
    sandbox.supabase.insert(make_rows(3))
    sandbox.supabase.always = Fault(delay=FOREVER, match="/analyses?")

    with started(sandbox, *OPTION) as process:
        wait_until(lambda: sandbox.supabase.requests and "/analyses?" in sandbox.supabase.requests[-1].target, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(LONGEST) == 128 + signal.SIGTERM

    assert sandbox.alerted == ["source.no_table", "stopped"]


def test_a_replica_that_is_behind_makes_no_run_believe_that_its_window_was_taken_over(
    sandbox: Sandbox, run: RunTool
) -> None:
    """The answer to a write is lost, and the row is read as it was before."""
    stale = Answer(headers={"content-type": "application/json"}, body=b"[]")
    sandbox.supabase.faults += [
        Fault(match="%2Crecord&"),  # the claim
        Fault(cut="after", match="version=eq."),
        Fault(answer=stale, match="%2Crecord&"),
    ]

    assert (run(*OPTION, **CATCH_UP).code, copies(sandbox)) == (0, ONCE)
