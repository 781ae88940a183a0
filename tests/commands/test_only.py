"""A run for some of the recipients leaves the others as they are; an alert's command sends what it tells of, once."""

import re
import shlex
from collections.abc import Callable

import pytest

from ..alerts import are_clear, command_in, lacking, ranges, window_of
from ..builders import NO_TIME, OPTION, make_rows, make_window
from ..conftest import Run
from ..faults import copies
from ..ledger.test_ledger import CATCH_UP, LEDGERS, job, this_hour
from ..processes import LONGEST, noted, started
from ..sandbox import CHATS, RECIPIENTS, Sandbox
from ..test_run import forget

pytestmark = pytest.mark.sampled

RunTool = Callable[..., Run]
NO_SUCH = "550 5.1.1 No such user"
JOB = {"JOB_NAME": "reports-generator-29924384", **CATCH_UP}


def pasted(alert: str) -> tuple[list[str], dict[str, str]]:
    """Return the options and the variables of an alert's command, as a shell takes them."""
    words = shlex.split(command_in(alert))
    if words[:2] == ["python", "reports_generator.py"]:
        return words[2:], {}
    return [], {"JOB_NAME": "again-1", **dict(word.split("=", 1) for word in words if re.match("REPORT_[A-Z]+=", word))}


@LEDGERS
@pytest.mark.parametrize("how", ["option", "variable"])
def test_a_run_for_some_sends_to_them_alone(sandbox: Sandbox, run: RunTool, ledger: str, how: str) -> None:
    """In whatever case they are written; the others get the hour from a run for all, and nobody twice."""
    named = f"MANAGER@example.com,{CHATS[0]}"
    options, changes = ([f"--only={named}"], {}) if how == "option" else ([], {"REPORT_ONLY": named})

    first = run(*OPTION, *options, REPORT_LEDGER=ledger, **changes)
    some = copies(sandbox)
    again = run(*OPTION, *options, REPORT_LEDGER=ledger, **changes)
    rest = run(*OPTION, REPORT_LEDGER=ledger)

    assert ([one.code for one in (first, again, rest)], some) == ([0, 0, 0], ((1, 0), (1, 0)))
    assert copies(sandbox) == ((1, 1), (1, 1))
    assert [record.args for record in first.records if record.msg.startswith("Only ")] == [(named.replace(",", ", "),)]


def test_the_option_wins_over_the_variable(sandbox: Sandbox, run: RunTool) -> None:
    """As with every other."""
    run(*OPTION, "--only", RECIPIENTS[1], REPORT_ONLY=RECIPIENTS[0])

    assert copies(sandbox) == ((0, 1), (0, 0))


@pytest.mark.parametrize(
    ("named", "nearest"),
    [
        ("manger@example.com", RECIPIENTS[0]),
        ("-100100000001", CHATS[0]),
        (f"{RECIPIENTS[0]},Team@exmaple.com", RECIPIENTS[1]),
    ],
)
def test_whoever_is_no_recipient_is_named_with_the_nearest_one(
    sandbox: Sandbox, run: RunTool, named: str, nearest: str
) -> None:
    """Exit 2 before anything is contacted; of a variable in a Job somebody is alerted."""
    typed = run(*OPTION, f"--only={named}")

    assert (typed.code, sandbox.alerts, sandbox.supabase.requests) == (2, [], [])
    assert run("--check", f"--only={named}").code == 2
    assert run(REPORT_START=OPTION[1], REPORT_ONLY=named).code == 2
    (alert,) = sandbox.alerts
    for said in (typed.log, alert):
        assert all(one in said for one in (named.split(",")[-1], nearest))
    assert (typed.keys, sandbox.alerted, "REPORT_ONLY" in alert) == (["options"], ["settings"], True)
    assert copies(sandbox) == ((0, 0), (0, 0))


@pytest.mark.parametrize("named", ["you@example.com", "me@example.com", "you@a-company-of-many-words.example.com", "7"])
def test_whoever_is_like_no_recipient_is_not_taken_for_one(sandbox: Sandbox, run: RunTool, named: str) -> None:
    """All behind the @ is the same for colleagues; the answer lists who there is."""
    recipients = (*RECIPIENTS, "team@a-company-of-many-words.example.com")

    typed = run(*OPTION, f"--only={named}", SMTP_TO=",".join(recipients))

    assert (typed.code, "Did you mean" in typed.log) == (2, False)
    assert all(one in typed.log for one in (*recipients, *CHATS))
    assert (sandbox.alerts, sandbox.supabase.requests) == ([], [])


@pytest.mark.parametrize("changes", [{}, JOB], ids=["shell", "cluster"])
def test_a_trial_for_everybody_is_asked_for_twice(sandbox: Sandbox, run: RunTool, changes: dict[str, str]) -> None:
    """Without --yes it names everybody whom it would reach, and contacts nobody."""
    result = run("--until-now", **changes)

    assert (result.code, result.keys) == (2, ["options"])
    assert all(one in result.log for one in (*RECIPIENTS, *CHATS))
    servers = (sandbox.supabase.requests, sandbox.bot.requests, sandbox.mailbox.deliveries, sandbox.monitor.pings)
    assert servers == ([], [], [], [])
    assert run("--until-now", "--yes", **changes).code == 0
    assert copies(sandbox) == ((1, 1), (1, 1))


def test_a_trial_for_some_or_for_nobody_needs_no_second_word(
    sandbox: Sandbox, run: RunTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By option, by variable, and as files."""
    monkeypatch.chdir(sandbox.folder)

    codes = [run("--until-now", REPORT_ONLY=RECIPIENTS[0]).code, run("--until-now", "--dry-run").code]

    assert (codes, copies(sandbox)) == ([0, 0], ((1, 0), (0, 0)))


def test_a_limit_to_nobody_is_not_taken_for_none(sandbox: Sandbox, run: RunTool) -> None:
    """A lone comma would send to everybody."""
    assert run(*OPTION, REPORT_ONLY=",").code == 2
    with pytest.raises(SystemExit):
        run(*OPTION, "--only", ",")
    with pytest.raises(SystemExit):
        run(*OPTION, "--only", RECIPIENTS[0], "--dry-run")
    assert copies(sandbox) == ((0, 0), (0, 0))


def test_a_trial_can_be_for_one(sandbox: Sandbox, run: RunTool) -> None:
    """Nobody else sees it."""
    assert run("--until-now", "--only", RECIPIENTS[0]).code == 0

    assert copies(sandbox) == ((1, 0), (0, 0))


def test_an_hour_that_a_run_for_some_opened_is_still_sent_to_the_others(sandbox: Sandbox, run: RunTool) -> None:
    """By its own scheduled run, and by catching up: it counts as scheduled by neither."""
    run(JOB_NAME=job(3), **CATCH_UP)
    for back in (3, 2):
        run("--start", f"{this_hour(back):%Y-%m-%dT%H}", "--only", RECIPIENTS[0], **CATCH_UP)
    flags = sandbox.supabase.sql("select scheduled from report_deliveries order by window_start")

    codes = [run(JOB_NAME=job(1), **CATCH_UP).code, run(JOB_NAME=job(0), **CATCH_UP).code]

    assert ([flag["scheduled"] for flag in flags], codes) == ([True, False, False], [0, 0])
    assert copies(sandbox) == ((4, 4), (4, 4))


def test_a_run_of_its_own_hour_for_some_leaves_it_to_the_scheduled_one(sandbox: Sandbox, run: RunTool) -> None:
    """Also without --start, and it sends no missed hour."""
    run(JOB_NAME=job(2), **CATCH_UP)
    run("--only", CHATS[1], JOB_NAME=job(0), **CATCH_UP)
    some = copies(sandbox)

    assert run(JOB_NAME=job(0), **CATCH_UP).code == 0
    assert (some, copies(sandbox)) == (((1, 1), (1, 2)), ((3, 3), (3, 3)))


@LEDGERS
def test_a_resend_for_some_repeats_it_for_them_alone(sandbox: Sandbox, run: RunTool, ledger: str) -> None:
    """And without a limit for all."""
    run(*OPTION, REPORT_LEDGER=ledger)
    run(*OPTION, "--resend", "--only", RECIPIENTS[0], REPORT_LEDGER=ledger)
    some = copies(sandbox)

    assert run(*OPTION, REPORT_LEDGER=ledger).code == 0
    assert (some, copies(sandbox)) == (((2, 1), (1, 1)), ((2, 1), (1, 1)))
    run(*OPTION, "--resend", REPORT_LEDGER=ledger, POD_NAME="another")
    assert copies(sandbox) == ((3, 2), (2, 2))


@pytest.mark.parametrize("job", [{}, JOB], ids=["shell", "cluster"])
@pytest.mark.parametrize("right", [RECIPIENTS[0], "right@example.com"], ids=["restored", "corrected"])
def test_the_command_for_one_who_was_refused_sends_once_when_the_cause_is_gone(
    sandbox: Sandbox, run: RunTool, job: dict[str, str], right: str
) -> None:
    """Pasted before that and twice after: the mailbox was restored, or the address corrected."""
    sandbox.mailbox.refused = {RECIPIENTS[0]: NO_SUCH}
    run(*OPTION, **job)
    options, variables = pasted(sandbox.alerts[0])

    codes = [run(*options, **job | variables).code]
    sandbox.mailbox.refused = {}
    cured = job | variables | {"SMTP_TO": f"{right},{RECIPIENTS[1]}"}
    codes += [run(*options, **cured).code for _ in range(2)]

    assert codes == [1, 0, 0]
    assert [mail.recipients for mail in sandbox.mails] == [(RECIPIENTS[1],), (right,)]
    assert len(sandbox.messages) == len(CHATS)
    assert "resend" not in sandbox.alerts[0].lower()


def test_the_command_for_what_is_owed_names_nobody_and_sends_once(sandbox: Sandbox, run: RunTool) -> None:
    """The ledger knows who is owed it; two people paste it at once, and then a third."""
    run(*OPTION, SMTP_PASSWORD="wrong", **JOB)
    options, variables = pasted(sandbox.alerts[0])
    changes = {**JOB, **variables}

    with started(sandbox, *options, **changes) as one, started(sandbox, *options, **changes) as other:
        codes = [one.wait(LONGEST), other.wait(LONGEST)]

    assert "REPORT_ONLY" not in variables
    assert [*codes, run(*options, **changes).code] == [0, 0, 0]
    assert copies(sandbox) == ((1, 1), (1, 1))


def test_without_a_lasting_ledger_the_command_is_for_those_who_lack_it(sandbox: Sandbox, run: RunTool) -> None:
    """The others would get a second copy, for nobody remembers them."""
    job = {"JOB_NAME": "reports-generator-29924384"}
    run(*OPTION, SMTP_PASSWORD="wrong", **job)
    options, variables = pasted(sandbox.alerts[0])
    forget(sandbox)

    assert run(*options, **job | variables).code == 0
    assert variables["REPORT_ONLY"] == ",".join(RECIPIENTS)
    assert copies(sandbox) == ((1, 1), (1, 1))


def test_a_job_for_somebody_unknown_is_alerted_with_a_command_for_whoever_was_meant(
    sandbox: Sandbox, run: RunTool
) -> None:
    """Its own command again would fail again, no later run does its work, and a Job has no .env."""
    sandbox.supabase.insert(make_rows(3))
    job = {"JOB_NAME": "again-1", "REPORT_START": OPTION[1]}
    assert run(**job, REPORT_ONLY="manger@example.com", **CATCH_UP).code == 2

    (alert,) = sandbox.alerts
    assert (sandbox.alerted, window_of(alert), ".env" in alert) == (["settings"], make_window().label(), False)
    assert "next run" not in alert
    options, variables = pasted(alert)
    assert run(*options, **job | variables | CATCH_UP).code == 0
    assert copies(sandbox) == ((1, 0), (0, 0))


def test_an_alert_of_a_run_for_some_is_about_them(sandbox: Sandbox, run: RunTool) -> None:
    """Who is owed it, and the command."""
    sandbox.mailbox.data_faults.append("451 4.3.0 Later")
    run(*OPTION, f"--only={RECIPIENTS[0]},{CHATS[0]}", timeouts=NO_TIME, **CATCH_UP)
    run("--start", "2026-11-22T15", f"--only={CHATS[0]}", SUPABASE_KEY="sb_secret_of_elsewhere")

    first, second = sandbox.alerts
    assert [lacking(alert)[0] for alert in (first, second)] == [
        [f"email to {RECIPIENTS[0]}"],
        [f"telegram to {CHATS[0]}"],
    ]
    assert command_in(first).endswith(f" --start 2026-11-22T13 --only={RECIPIENTS[0]}")
    assert command_in(second).endswith(f" --start 2026-11-22T15 --only={CHATS[0]}")


def test_all_is_clear_only_when_all_have_it(sandbox: Sandbox, run: RunTool) -> None:
    """A run for one of them, of an hour that nobody else has, says nothing of everyone."""
    sandbox.mailbox.refused = {RECIPIENTS[0]: NO_SUCH}
    run(*OPTION, "--only", RECIPIENTS[0], **CATCH_UP)
    sandbox.mailbox.refused = {}
    run(*OPTION, "--only", RECIPIENTS[0], **CATCH_UP)
    alone = len(sandbox.alerts)

    run(*OPTION, **CATCH_UP)

    assert (alone, are_clear(sandbox.alerts)) == (2, [False, True, True])
    label = make_window().label()
    assert [(RECIPIENTS[0] in one, label in one) for one in sandbox.alerts[1:]] == [(True, False), (False, True)]


def test_late_rows_say_that_their_command_sends_each_time(sandbox: Sandbox, run: RunTool) -> None:
    """But that of a window that was skipped as empty, which any run that names it sends."""
    skip = {**CATCH_UP, "REPORT_WHEN_EMPTY": "skip"}
    sandbox.supabase.insert(make_rows(1, start=this_hour(3), id="00000000-0000-4000-8000-000000000009"))
    run(JOB_NAME=job(2), **skip)
    run(JOB_NAME=job(1), **skip)
    for back in (3, 2):
        sandbox.supabase.insert(make_rows(1, start=this_hour(back), id=f"0000000{back}-0000-4000-8000-000000000000"))

    result = run(JOB_NAME=job(0), **skip)

    sent, skipped = (record.getMessage() for record in result.logged("late_rows"))
    assert [("everyone" in line, " REPORT_RESEND=true" in line) for line in (sent, skipped)] == [
        (True, True),
        (False, False),
    ]
    assert [ranges(line) for line in (sent, skipped)] == [[(f"{this_hour(back):%Y-%m-%dT%H}", 1)] for back in (3, 2)]


def test_a_policy_that_keeps_everyone_out_is_no_refusal_of_the_one_who_was_named(
    sandbox: Sandbox, run: RunTool
) -> None:
    """Scheduled runs would send a refused one nothing any more, though the cause is the sender's."""
    sandbox.supabase.insert(make_rows(3))
    sandbox.mailbox.refused = dict.fromkeys(RECIPIENTS, "550 5.7.1 Blocked by policy")

    result = run(*OPTION, "--only", RECIPIENTS[0])

    assert (result.code, result.keys) == (1, ["smtp.refused_for_all"])
    assert noted(sandbox, "email") == {"owed"}
