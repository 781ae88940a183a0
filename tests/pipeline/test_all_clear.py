"""An all-clear says only what was seen to work, and what it leaves undone."""

import re
from collections.abc import Callable

from ..alerts import lacking
from ..builders import OPTION, make_rows
from ..conftest import Run
from ..ledger.test_ledger import CATCH_UP, LEDGERS, job, this_hour
from ..sandbox import CHATS, RECIPIENTS, Sandbox
from ..sandbox.web import Answer, Fault

RunTool = Callable[..., Run]
GONE = "550 5.1.1 No such user"


def all_clears(sandbox: Sandbox) -> list[str]:
    """List the all-clears."""
    return [text for text in sandbox.alerts if text.startswith("✅")]


@LEDGERS
def test_a_mailbox_that_nothing_was_sent_to_is_not_said_to_work(sandbox: Sandbox, run: RunTool, ledger: str) -> None:
    """An empty hour that is skipped shows nothing of the mailbox."""
    settings = {"REPORT_LEDGER": ledger}
    sandbox.mailbox.refused = {RECIPIENTS[0]: GONE}
    assert run(JOB_NAME=job(1), **settings).code == 1

    assert run(JOB_NAME=job(0), REPORT_WHEN_EMPTY="skip", **settings).code == 0

    assert all_clears(sandbox) == []


def test_two_tables_have_notices_of_their_own(sandbox: Sandbox, run: RunTool) -> None:
    """A report of one that goes well says nothing of the other's failure, and its failure is alerted all the same."""
    sandbox.supabase.always = Fault(answer=Answer(status=401), match="/analyses?")
    run(JOB_NAME=job(1), **CATCH_UP)
    run(JOB_NAME=job(1), SUPABASE_TABLE="analyses_named", **CATCH_UP)

    assert (len(sandbox.failures), all_clears(sandbox)) == (1, [])


def test_a_recipient_who_was_removed_is_called_gone(sandbox: Sandbox, run: RunTool) -> None:
    """Not working: nobody knows that."""
    sandbox.mailbox.refused = {RECIPIENTS[0]: GONE}
    run(JOB_NAME=job(1), **CATCH_UP)

    run(JOB_NAME=job(0), SMTP_TO=RECIPIENTS[1], **CATCH_UP)

    (text,) = all_clears(sandbox)
    assert RECIPIENTS[0] in text
    assert "works again" not in text
    assert "no longer" in text


def test_a_schedule_that_pauses_at_night_gives_no_all_clear_in_the_morning(sandbox: Sandbox, run: RunTool) -> None:
    """Nothing was wrong."""
    run(JOB_NAME=job(5), **CATCH_UP)

    assert run(JOB_NAME=job(0), **CATCH_UP).code == 0
    assert (len(sandbox.mails), sandbox.alerts) == (6, [])


def test_reports_that_were_refused_meanwhile_are_named_with_a_command_that_sends_them(
    sandbox: Sandbox, run: RunTool
) -> None:
    """All of them, also those that are out of reach."""
    sandbox.mailbox.refused = {RECIPIENTS[0]: GONE}
    for back in (4, 3, 2):
        run(JOB_NAME=job(back), REPORT_CATCH_UP="2", **CATCH_UP)
    sandbox.mailbox.refused = {}

    run(JOB_NAME=job(1), REPORT_CATCH_UP="2", **CATCH_UP)

    (text,) = all_clears(sandbox)
    found = re.search(r"REPORT_START=(\S+) REPORT_COUNT=(\d+)", text)
    assert found
    assert found.groups() == (f"{this_hour(5):%Y-%m-%dT%H}", "3")
    run(REPORT_START=found[1], REPORT_COUNT=found[2], **CATCH_UP)
    assert [mail.recipients for mail in sandbox.mails].count((RECIPIENTS[0],)) == 3


def test_a_stop_before_the_window_was_claimed_is_cleared_when_it_is_delivered(sandbox: Sandbox, run: RunTool) -> None:
    """The alert named the window, so its delivery is news."""
    sandbox.supabase.insert(make_rows(1))
    sandbox.supabase.faults += [Fault(answer=Answer(status=401), match="report_deliveries")]
    assert run(*OPTION, **CATCH_UP).code == 1

    assert run(*OPTION, **CATCH_UP).code == 0

    assert len(all_clears(sandbox)) == 1


def test_who_is_owed_is_told_from_who_was_refused(sandbox: Sandbox, run: RunTool) -> None:
    """In the alert, in the last line's fields, and by the numbers of this run alone."""
    sandbox.mailbox.refused = {RECIPIENTS[0]: GONE}

    first = run(*OPTION)
    only = run(*OPTION, "--only", RECIPIENTS[0])

    fields = first.records[-1].__dict__
    assert [fields[name] for name in ("delivered", "owed", "refused", "recipients")] == [3, 0, 1, 4]
    assert lacking(sandbox.failures[0]) == ([], [f"email to {RECIPIENTS[0]}"])
    fields = only.records[-1].__dict__
    assert [fields[name] for name in ("delivered", "owed", "refused", "recipients")] == [0, 0, 1, 1]


def test_a_dry_run_delivers_to_nobody(sandbox: Sandbox, run: RunTool) -> None:
    """Its last line counts none."""
    fields = run(*OPTION, "--dry-run").records[-1].__dict__

    assert fields["delivered"] == 0


def test_an_alert_that_nothing_can_record_says_that_every_run_repeats_it(sandbox: Sandbox, run: RunTool) -> None:
    """With Supabase down, each new pod knows nothing of the last one's alert."""
    sandbox.supabase.always = Fault(answer=Answer(status=401))

    for back in (1, 0):
        run(JOB_NAME=job(back), REPORT_DIR=str(pod(sandbox, back)), **CATCH_UP)

    assert len(sandbox.failures) == 2  # one cause is one alert
    assert all("repeats" in text for text in sandbox.failures)
    assert len(sandbox.bot.sent) == 2
    assert {sent.chat for sent in sandbox.bot.sent} == {CHATS[0]}


def pod(sandbox: Sandbox, number: int) -> object:
    """Return a new pod's folder."""
    folder = sandbox.folder / f"pod-{number}"
    folder.mkdir()
    return folder


def test_settings_that_were_changed_in_an_outage_do_not_drop_its_hours_silently(sandbox: Sandbox, run: RunTool) -> None:
    """Under another name the ledger begins anew: one alert has the command for the hours between."""
    run(JOB_NAME=job(5), REPORT_LEDGER_NAME="old", **CATCH_UP)

    results = [run(JOB_NAME=job(back), REPORT_LEDGER_NAME="new", **CATCH_UP) for back in (1, 0)]

    assert [result.code for result in results] == [0, 0]
    assert sandbox.alerted == ["ledger.begins_anew"]
    assert f"REPORT_START={this_hour(5):%Y-%m-%dT%H} REPORT_COUNT=3" in sandbox.failures[0]
    assert len(sandbox.failures) == 1


def test_a_second_deployment_beside_one_that_runs_alerts_nobody(sandbox: Sandbox, run: RunTool) -> None:
    """Its ledger is empty, and nothing was missed."""
    run(JOB_NAME=job(1), REPORT_LEDGER_NAME="english", **CATCH_UP)

    assert run(JOB_NAME=job(0), REPORT_LEDGER_NAME="russian", **CATCH_UP).code == 0
    assert sandbox.alerts == []


def test_two_deployments_that_share_a_ledger_are_found(sandbox: Sandbox, run: RunTool) -> None:
    """An hour that one of them missed would be caught up by nobody."""
    for recipient in RECIPIENTS:
        run(JOB_NAME=job(0), SMTP_TO=recipient, REPORT_CHANNELS="email", SMTP_ALERT_TO="ops@example.com", **CATCH_UP)

    assert sandbox.alerted == ["ledger.shared_name"]
