"""No missed hour keeps the others from everybody, and late rows are announced to everybody who lacks them."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from ..builders import QUICK, make_rows
from ..conftest import Run
from ..ledger.test_ledger import CATCH_UP, job, this_hour
from ..sandbox import CHATS, RECIPIENTS, Sandbox
from ..sandbox.web import FOREVER, Answer, Fault

RunTool = Callable[..., Run]
SHARED = replace(QUICK, run=9)
"""A third of it is enough for an hour of three rows, also on a busy machine."""


def hours_received(sandbox: Sandbox) -> list[str]:
    """List the hours whose mails came, in their order."""
    parts = [part for mail in sandbox.mails for part in mail.message.iter_attachments()]
    return [str(part.get_filename()).removeprefix("report_").removesuffix("0000.xlsx") for part in parts]


def hour(back: int) -> str:
    """Name an hour as its workbook does."""
    return f"{this_hour(back):%Y%m%d_%H}"


def hang(sandbox: Sandbox, back: int) -> None:
    """Let the rows of an hour never arrive."""
    sandbox.supabase.always = Fault(delay=FOREVER, match=f"created_at=gte.{this_hour(back):%Y-%m-%dT%H}")


@pytest.mark.long
def test_an_hour_that_takes_too_long_to_read_keeps_no_later_one_from_anybody(sandbox: Sandbox, run: RunTool) -> None:
    """It gets a share of the time, then the others have their turn; the next run takes it last, and alerts once."""
    run(JOB_NAME=job(4), **CATCH_UP)
    hang(sandbox, 4)

    first = run(JOB_NAME=job(1), timeouts=SHARED, **CATCH_UP)
    second = run(JOB_NAME=job(0), timeouts=replace(QUICK, run=3), **CATCH_UP)
    third = run(JOB_NAME=job(0), timeouts=replace(QUICK, run=3), **CATCH_UP)
    sandbox.supabase.always = None
    last = run(JOB_NAME=job(0), **CATCH_UP)

    assert (first.code, "postponed" in first.events, sandbox.alerted) == (0, True, ["postponed"])
    assert [result.code for result in (second, third, last)] == [1, 0, 0]
    assert hours_received(sandbox) == [hour(back) for back in (5, 2, 3, 1, 4)]
    assert len(sandbox.alerts) == 2  # and its all-clear


def test_late_rows_are_announced_until_everybody_who_lacks_them_knows(sandbox: Sandbox, run: RunTool) -> None:
    """A message that reached the chats alone is no announcement to the mailboxes."""
    run(JOB_NAME=job(3), **CATCH_UP)
    sandbox.supabase.insert(make_rows(3, start=this_hour(4)))
    events = [run(JOB_NAME=job(2), SMTP_PASSWORD="wrong", **CATCH_UP).events]
    events += [run(JOB_NAME=job(back), **CATCH_UP).events for back in (1, 0)]

    announced = [mail for mail in sandbox.mails if "3 rows" in mail.text]
    assert ["late_rows" in one for one in events] == [True, True, False]
    assert len(announced) == 1


def test_nobody_waits_for_a_recipient_who_is_refused(sandbox: Sandbox, run: RunTool) -> None:
    """A mailbox that is gone would have late rows announced every hour."""
    run(JOB_NAME=job(3), **CATCH_UP)
    sandbox.supabase.insert(make_rows(3, start=this_hour(4)))
    sandbox.mailbox.refused = {RECIPIENTS[0]: "550 5.1.1 No such user"}

    events = [run(JOB_NAME=job(back), **CATCH_UP).events for back in (2, 1)]

    assert ["late_rows" in one for one in events] == [True, False]


def test_an_empty_hour_that_could_not_be_compared_is_sent(sandbox: Sandbox, run: RunTool) -> None:
    """Where an empty hour is to be skipped, unknown is not usual."""
    sandbox.supabase.always = Fault(answer=Answer(status=500), match="select=created_at&")

    result = run(JOB_NAME=job(0), REPORT_WHEN_EMPTY="skip", **CATCH_UP)

    assert (result.code, len(sandbox.mails), len(sandbox.messages)) == (0, 1, len(CHATS))
