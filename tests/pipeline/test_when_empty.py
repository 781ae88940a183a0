"""REPORT_WHEN_EMPTY=skip: nobody is bothered with an empty window, and nobody takes it for a delivered one."""

import json
from collections.abc import Callable

from src.errors import Stage
from src.message.recovery import Recovery, render_all_clear
from src.phrases.language import ENGLISH

from ..builders import OPTION, make_rows, make_window
from ..conftest import Run
from ..ledger.test_ledger import CATCH_UP, job, this_hour
from ..sandbox import CHATS, RECIPIENTS, Sandbox
from ..sandbox.web import Answer, Fault

phrases = ENGLISH

RunTool = Callable[..., Run]
EVERYONE = [*RECIPIENTS, *CHATS]
SKIP = {"REPORT_WHEN_EMPTY": "skip"}


def test_an_empty_window_is_skipped_and_said_so(sandbox: Sandbox, run: RunTool) -> None:
    """No message, no alert, no workbook left behind, and not a word of delivery."""
    result = run(*OPTION, **SKIP)

    assert result.code == 0
    assert result.events.count("skipped") == 1
    assert not {"delivered", "concluded"} & {*result.events}
    assert (sandbox.mailbox.deliveries, sandbox.bot.sent) == ([], [])
    assert [*sandbox.folder.glob("*.xlsx")] == []
    (record,) = (sandbox.folder / "report_ledger").glob("*.json")
    entries = json.loads(record.read_text())["entries"]
    assert [entry["state"] for entry in entries] == ["skipped"] * (len(RECIPIENTS) + len(CHATS))


def test_a_scheduled_run_does_not_open_its_skipped_window_again(sandbox: Sandbox, run: RunTool) -> None:
    """As when Kubernetes starts a Job twice; the log tells it apart from a delivered one."""
    run(JOB_NAME=job(1), **SKIP)
    sandbox.supabase.insert(make_rows(3, start=this_hour(2)))

    again = run(JOB_NAME=job(1), **SKIP)

    assert (again.code, sandbox.bot.sent) == (0, [])
    assert again.given("recipient", "delivered_before") == EVERYONE
    assert "skipped" not in again.events
    assert "skipped before" in again.log
    assert f"email to {RECIPIENTS[0]}: skipped at " in again.log
    assert ": delivered" not in again.log


def test_a_skipped_window_that_is_named_is_built_again(sandbox: Sandbox, run: RunTool) -> None:
    """Once it has rows everyone gets it; while it has none it is skipped again."""
    codes = [run(*OPTION, **SKIP).code, run(*OPTION, **SKIP).code]
    assert (codes, sandbox.bot.sent) == ([0, 0], [])
    sandbox.supabase.insert(make_rows(3))

    assert run(*OPTION, **SKIP).code == 0
    assert (len(sandbox.mails), len(sandbox.messages)) == (1, len(CHATS))


def test_a_window_with_rows_is_sent_as_ever(sandbox: Sandbox, run: RunTool) -> None:
    """One row is enough."""
    sandbox.supabase.insert(make_rows(1))

    assert run(*OPTION, **SKIP).code == 0
    assert len(sandbox.workbooks()) == len(RECIPIENTS) + len(CHATS)


def test_rows_hidden_from_the_key_are_not_skipped(sandbox: Sandbox, run: RunTool) -> None:
    """A window that only looks empty is a failure."""
    changes = {"SUPABASE_TABLE": "analyses_guarded", "SUPABASE_KEY": sandbox.supabase.publishable_key}

    result = run(*OPTION, **SKIP, **changes)

    assert result.code == 1
    assert sandbox.alerted == ["source.hidden_rows"]
    assert "analyses_guarded" in sandbox.alerts[0]


def test_later_runs_leave_it_alone_and_tell_of_rows_that_came_late(sandbox: Sandbox, run: RunTool) -> None:
    """With the words of a skipped window, in the first message that goes out."""
    run(JOB_NAME=job(3), **SKIP, **CATCH_UP)
    sandbox.supabase.insert(make_rows(2, start=this_hour(4)))

    quiet = run(JOB_NAME=job(2), **SKIP, **CATCH_UP)
    assert (quiet.code, sandbox.bot.sent) == (0, [])
    sandbox.supabase.insert(make_rows(5, start=this_hour(2))[2:])
    told = run(JOB_NAME=job(1), **SKIP, **CATCH_UP)
    again = run(JOB_NAME=job(0), **SKIP, **CATCH_UP)

    (mail,) = sandbox.mails
    assert (told.code, again.code) == (0, 0)
    assert phrases.late_rows(make_window(this_hour(4)), 2, skipped=True) in mail.text
    assert "late_rows" not in again.events


def test_a_window_that_was_alerted_of_and_turns_out_empty_is_cleared(sandbox: Sandbox, run: RunTool) -> None:
    """Whoever was woken is told the end of it, and not that it was delivered."""
    sandbox.supabase.always = Fault(answer=Answer(status=401))
    assert run(*OPTION, **SKIP).code == 1
    sandbox.supabase.always = None

    assert run(*OPTION, **SKIP).code == 0

    cleared = Recovery(window=make_window(), skipped=True)
    assert sandbox.alerts[-1].strip() == str(render_all_clear([cleared], [Stage.ROWS]))
    assert sandbox.alerts[-1] != str(render_all_clear([Recovery(window=make_window())], [Stage.ROWS]))


def test_a_missed_window_without_rows_is_skipped_too(sandbox: Sandbox, run: RunTool) -> None:
    """Catching up bothers nobody with it."""
    run(JOB_NAME=job(2), **SKIP, **CATCH_UP)

    result = run(JOB_NAME=job(0), **SKIP, **CATCH_UP)

    assert (result.code, result.events.count("skipped"), sandbox.mails) == (0, 2, [])
    again = run(JOB_NAME=job(0), **SKIP, **CATCH_UP)
    assert "skipped" not in again.events
    assert again.given("recipient", "delivered_before") == EVERYONE
