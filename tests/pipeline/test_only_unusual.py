"""REPORT_ONLY_UNUSUAL: some recipients get an hour only if it is unusual, late rows are announced, or nobody knows."""

import asyncio
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from src.ledger.claim import Claim
from src.ledger.record import Entry, EntryState, new_record
from src.phrases.language import ENGLISH

from ..alerts import are_clear, hours_in
from ..builders import NO_TIME, OPTION, START, make_rows, make_window
from ..channels.test_topics import GROUP, OPEN, TOPIC, by_telegram
from ..conftest import Run
from ..faults import ONCE, copies
from ..ledger.test_late_rows import fill, late
from ..ledger.test_ledger import CATCH_UP, LEDGERS, job, late_rows, this_hour
from ..pages import section
from ..sandbox import CHATS, RECIPIENTS, Sandbox
from ..sandbox.web import Answer, Fault
from .test_compare import put_weeks

pytestmark = pytest.mark.sampled

RunTool = Callable[..., Run]
QUIET = {"REPORT_ONLY_UNUSUAL": f"{RECIPIENTS[0].upper()},{CHATS[1]}"}
ALL_QUIET = {"REPORT_ONLY_UNUSUAL": ",".join((*RECIPIENTS, *CHATS))}
OTHERS = ((0, 1), (1, 0))
"""What `copies` counts where those of QUIET got nothing."""
NOBODY = ((0, 0), (0, 0))
OLDEST = "00000000-0000-4000-8000-000000000000"
ADDRESS = ("email", RECIPIENTS[0])
NOW = datetime(2026, 11, 22, 14, 0, 40, tzinfo=UTC)


def ordinary(sandbox: Sandbox, count: int = 5, **changes: object) -> None:
    """Put an hour of few rows into an old table, the first of them with `changes`; none are usual, so that it is."""
    sandbox.supabase.insert(make_rows(1, start=START - timedelta(days=50), id=OLDEST))
    rows = make_rows(count)
    sandbox.supabase.insert([rows[0] | changes, *rows[1:]])


def old_table(sandbox: Sandbox) -> None:
    """Put a row into the table by which the weeks before the present hour are known to be empty."""
    sandbox.supabase.insert(make_rows(1, start=this_hour(0) - timedelta(days=60), id=OLDEST))


def listed(run: RunTool, *start: str, **changes: str) -> list[dict[str, Any]]:
    """List what the ledger has."""
    return [json.loads(line) for line in run("--deliveries", *start, "--json", **changes).output.splitlines()]


@LEDGERS
def test_an_hour_that_is_as_usual_is_sent_to_the_others_alone(sandbox: Sandbox, run: RunTool, ledger: str) -> None:
    """The ledger has it with its rows, and a run that names the hour sends it to nobody either."""
    ordinary(sandbox)

    first = run(*OPTION, REPORT_LEDGER=ledger, **QUIET)
    again = run(*OPTION, REPORT_LEDGER=ledger, **QUIET)

    assert ([first.code, again.code], copies(sandbox), sandbox.alerts) == ([0, 0], OTHERS, [])
    assert first.given("recipient", "as_usual") == [RECIPIENTS[0], CHATS[1]]
    quiet = [one for one in listed(run, OPTION[1], REPORT_LEDGER=ledger) if one["state"] == "as usual"]
    assert [(one["recipient"], one["rows"], one["wrong"]) for one in quiet] == [
        (RECIPIENTS[0], 5, False),
        (CHATS[1], 5, False),
    ]


def new_table(sandbox: Sandbox) -> None:
    """Let a table have two weeks, which are too few."""
    ordinary(sandbox)
    sandbox.supabase.sql("update analyses set created_at = $1 where id = $2", f"{START - timedelta(weeks=2)}", OLDEST)


def uncounted(match: str) -> Callable[[Sandbox], None]:
    """Let the questions with `match` for what is usual fail."""

    def plan(sandbox: Sandbox) -> None:
        ordinary(sandbox)
        sandbox.supabase.always = Fault(answer=Answer(status=503), match=match)

    return plan


@pytest.mark.parametrize(
    "plan",
    [
        pytest.param(lambda box: ordinary(box, 20), id="unusual"),
        pytest.param(lambda box: ordinary(box, status="failed"), id="beyond a limit"),
        pytest.param(lambda box: put_weeks(box, 5, 5, 5, 5), id="empty where rows are usual"),
        pytest.param(new_table, id="too few weeks"),
        pytest.param(uncounted("status=imatch"), id="failures not compared"),
        pytest.param(lambda box: ordinary(box, duration=-1.0), id="a negative duration"),
    ],
)
def test_what_matters_or_is_not_known_is_sent_to_everyone(
    sandbox: Sandbox, run: RunTool, plan: Callable[[Sandbox], None]
) -> None:
    """Each of the reasons by itself."""
    plan(sandbox)

    assert run(*OPTION, REPORT_WARN_FAILED_ABOVE="10", **QUIET).code == 0
    assert copies(sandbox) == ONCE


def test_analyses_without_figures_or_end_are_no_reason(sandbox: Sandbox, run: RunTool) -> None:
    """A running analysis has none yet, in any hour."""
    ordinary(sandbox, status="running", duration=None, records_processed=None, records_failed=None)

    assert run(*OPTION, **QUIET).code == 0
    assert copies(sandbox) == OTHERS


def test_a_chat_is_named_without_its_topics(sandbox: Sandbox, run: RunTool) -> None:
    """Each is a recipient of its own, and is to be named for itself before it gets fewer hours."""
    ordinary(sandbox)
    sandbox.bot.topics = {GROUP: OPEN}

    assert run(*OPTION, REPORT_ONLY_UNUSUAL=GROUP, **by_telegram(GROUP, TOPIC)).code == 0
    assert [sent.chat for sent in sandbox.messages] == [TOPIC]


def test_where_all_get_only_unusual_hours_nothing_is_sent_and_the_monitor_hears_why(
    sandbox: Sandbox, run: RunTool
) -> None:
    """Exit 0; the workbook stays, and a large one is not stored."""
    ordinary(sandbox)
    sandbox.supabase.make_bucket("reports")
    sandbox.mailbox.largest = sandbox.bot.largest = 1000

    result = run(*OPTION, HEARTBEAT_URL=sandbox.monitor.check_url, REPORT_BUCKET="reports", **ALL_QUIET)

    assert (result.code, copies(sandbox), sandbox.mailbox.deliveries, sandbox.bot.requests) == (0, NOBODY, [], [])
    assert not [one for one in sandbox.supabase.requests if "/storage/" in one.target]
    assert (sandbox.folder / "report_20261122_130000.xlsx").exists()
    (start, _), (end, words) = sandbox.monitor.pings
    assert (start, end, "as usual" in words) == ("/start", "", True)


def test_an_empty_hour_that_is_as_usual_is_not_sent_to_them(sandbox: Sandbox, run: RunTool) -> None:
    """The others are told that it is empty."""
    put_weeks(sandbox)

    assert run(*OPTION, **QUIET).code == 0
    assert copies(sandbox) == OTHERS


@LEDGERS
def test_whoever_asks_for_such_an_hour_gets_it_sent(sandbox: Sandbox, run: RunTool, ledger: str) -> None:
    """With --only, and with --resend again; a later run leaves it at that."""
    ordinary(sandbox)
    options = [(), ("--only", f"{RECIPIENTS[0]},{CHATS[1]}"), (), ("--resend",)]
    got = []

    for one in options:
        assert run(*OPTION, *one, REPORT_LEDGER=ledger, **QUIET).code == 0
        got.append(copies(sandbox))

    assert got == [OTHERS, ONCE, ONCE, ((2, 2), (2, 2))]


def test_what_somebody_asked_for_and_could_not_be_sent_is_sent_by_a_later_run(sandbox: Sandbox, run: RunTool) -> None:
    """Though it is as usual: whoever asked was promised that."""
    old_table(sandbox)
    run(JOB_NAME=job(2), **QUIET, **CATCH_UP)
    hour = f"{this_hour(3):%Y-%m-%dT%H}"
    failed = run("--start", hour, "--only", RECIPIENTS[0], SMTP_PASSWORD="wrong", timeouts=NO_TIME, **QUIET, **CATCH_UP)
    before = copies(sandbox)

    later = run(JOB_NAME=job(1), **QUIET, **CATCH_UP)

    assert (failed.code, later.code) == (1, 0)
    assert (before, copies(sandbox)) == (((0, 1), (1, 0)), ((1, 2), (2, 0)))


@pytest.mark.parametrize("changes", [QUIET, {"REPORT_WHEN_EMPTY": "skip"}], ids=["as usual", "skipped"])
def test_what_was_not_sent_and_is_asked_for_is_sent_by_a_later_run_if_it_fails(
    sandbox: Sandbox, run: RunTool, changes: dict[str, str]
) -> None:
    """As its alert says: whoever asked is owed the hour from then on."""
    old_table(sandbox)
    hour = f"{this_hour(4):%Y-%m-%dT%H}"
    states = list[str]()

    def run_and_look(*options: str, **more: str) -> int:
        code = run(*options, **changes, **CATCH_UP, **more).code
        entries = [one for one in listed(run, hour, **CATCH_UP) if one["window"].startswith(hour)]
        states.extend(one["state"] for one in entries if one["recipient"] == RECIPIENTS[0])
        return code

    run_and_look(JOB_NAME=job(3))
    fill(sandbox, 4)
    sandbox.supabase.always = Fault(answer=Answer(status=401), match="/analyses?")
    assert run_and_look("--start", hour, "--only", RECIPIENTS[0]) == 1
    sandbox.supabase.always = None
    run_and_look(JOB_NAME=job(2))

    assert sandbox.alerts[0].splitlines()[1].startswith("The next run sends it")
    assert states[1:] == ["owed", "delivered"]


def test_rows_in_the_report_that_was_asked_for_did_not_come_late(sandbox: Sandbox, run: RunTool) -> None:
    """Though they came after the hour was found to be as usual."""
    old_table(sandbox)
    fill(sandbox, 4)
    run(JOB_NAME=job(3), **ALL_QUIET, **CATCH_UP)
    late(sandbox, 4, 9)
    run("--start", f"{this_hour(4):%Y-%m-%dT%H}", "--only", ",".join((*RECIPIENTS, *CHATS)), **ALL_QUIET, **CATCH_UP)
    before = copies(sandbox)

    after = run(JOB_NAME=job(2), **ALL_QUIET, **CATCH_UP)

    assert (before, copies(sandbox), late_rows(after)) == (ONCE, ONCE, [])


def test_missed_hours_that_are_as_usual_are_settled_without_a_message(sandbox: Sandbox, run: RunTool) -> None:
    """The others get them late; an all-clear says who did not, and no later run opens them again."""
    old_table(sandbox)
    run(JOB_NAME=job(4), **QUIET, **CATCH_UP)
    sandbox.supabase.always = Fault(answer=Answer(status=401), match="/analyses?")
    failed = run(JOB_NAME=job(3), **QUIET, **CATCH_UP)
    sandbox.supabase.always = None

    caught_up, after = (run(JOB_NAME=job(back), **QUIET, **CATCH_UP) for back in (1, 0))

    assert [one.code for one in (failed, caught_up, after)] == [1, 0, 0]
    assert copies(sandbox) == ((0, 5), (5, 0))
    assert len(caught_up.given("recipient", "as_usual")) == 2 * 3
    assert len(after.given("recipient", "as_usual")) == 2
    clear = sandbox.alerts[-1]
    assert are_clear([clear]) == [True]
    assert "REPORT_ONLY_UNUSUAL" in clear
    assert make_window(this_hour(4)).label() in hours_in(clear)


def test_rows_that_come_late_for_such_an_hour_are_announced_to_all_and_not_from_zero(
    sandbox: Sandbox, run: RunTool
) -> None:
    """And failures; in the next report, which is sent to everyone though its own hour is as usual; then no more."""
    old_table(sandbox)
    run(JOB_NAME=job(5), **ALL_QUIET, **CATCH_UP)
    fill(sandbox, 5)
    sandbox.supabase.sql("update analyses set status = 'failed' where id = $1", f"{5:08d}-0000-4000-8000-{0:012d}")
    run(JOB_NAME=job(4), **ALL_QUIET, **CATCH_UP)
    late(sandbox, 5, 9)
    sandbox.supabase.sql("update analyses set status = 'failed'")
    before = copies(sandbox)

    told, after = (run(JOB_NAME=job(back), **ALL_QUIET, **CATCH_UP) for back in (3, 2))

    assert (before, copies(sandbox)) == (NOBODY, ONCE)
    assert [[rows for _, rows in late_rows(one)] for one in (told, after)] == [[1], []]
    said = ENGLISH.late_rows(make_window(this_hour(5)), 1, failed=3)
    assert all(said in text for text in (sandbox.mails[0].text, *(sent.text for sent in sandbox.messages)))


def test_they_get_the_alerts_that_others_get(sandbox: Sandbox, run: RunTool) -> None:
    """Where no operators are named."""
    ordinary(sandbox)

    run(*OPTION, SUPABASE_KEY="sb_secret_of_elsewhere", TELEGRAM_ALERT_CHAT_ID="", **ALL_QUIET)

    assert [sent.chat for sent in sandbox.bot.sent] == [CHATS[0]]


def claim_of(*entries: Entry) -> Claim:
    """Make a claim on a record of these entries, which is saved nowhere."""

    async def nowhere(_: object) -> None:
        pass

    record = new_record(make_window())
    record.entries = [*entries]
    return Claim(record, nowhere, lambda: NOW)


@pytest.mark.parametrize(
    ("state", "asked", "is_left_out"),
    [
        ("owed", False, True),
        ("refused", False, True),
        ("sending", False, False),
        ("without file", False, False),
        ("owed", True, False),
    ],
)
def test_only_who_surely_has_nothing_of_it_and_did_not_ask_is_left_out(
    state: EntryState, asked: bool, is_left_out: bool
) -> None:
    """What may have arrived is repeated with the word that it may be one."""
    claim = claim_of(Entry(channel="email", recipient=RECIPIENTS[0], state=state, asked=asked))

    async def left_out() -> list[tuple[str, str]]:
        await claim.open_for([ADDRESS], "scheduled")
        return await claim.leave_out([ADDRESS])

    assert asyncio.run(left_out()) == ([ADDRESS] if is_left_out else [])
    assert claim.owes_anybody is not is_left_out


def test_only_a_record_with_the_new_state_has_the_new_form(sandbox: Sandbox, run: RunTool) -> None:
    """Version 2 stops at that one instead of taking it for a stranger's; the documented SQL makes it readable there."""
    ordinary(sandbox)
    run(*OPTION, **QUIET, **CATCH_UP)
    run("--start", "2026-11-22T12", **CATCH_UP)
    (back,) = re.findall(r"^```sql\n(.+?)^```", section("kubernetes", "Roll back"), re.MULTILINE | re.DOTALL)

    def forms() -> list[tuple[int, set[str]]]:
        rows = sandbox.supabase.sql("select record from report_deliveries order by window_start")
        return [(row["record"]["format"], {one["state"] for one in row["record"]["entries"]}) for row in rows]

    before = forms()
    sandbox.supabase.sql(back)

    assert before == [(2, {"delivered"}), (3, {"delivered", "as usual"})]
    assert forms() == [(2, {"delivered"}), (2, {"delivered"})]


@pytest.mark.parametrize("named", ["boss@example.com", f"{RECIPIENTS[0]},-100999"])
def test_whoever_gets_no_report_at_all_is_an_error_of_the_settings(sandbox: Sandbox, run: RunTool, named: str) -> None:
    """A misspelt address would get every hour; nothing is contacted but those who are alerted."""
    result = run(*OPTION, REPORT_ONLY_UNUSUAL=named)

    assert (result.code, result.keys, sandbox.supabase.requests, copies(sandbox)) == (2, ["settings"], [], NOBODY)
    assert "REPORT_ONLY_UNUSUAL" in result.log
    assert named.rpartition(",")[2] not in result.log


def daily_report(sandbox: Sandbox, run: RunTool, *recipients: str) -> None:
    """Let a daily report of yesterday have been sent to `recipients` by its schedule."""
    settings = {"REPORT_TEMPLATE": "daily", "JOB_NAME": "reports-generator-daily-1", **CATCH_UP}
    assert run(SMTP_TO=",".join(recipients), REPORT_CHANNELS="email", **settings).code == 0


def looked(sandbox: Sandbox, run: RunTool) -> None:
    """Let --watch have looked at the ledger an hour ago."""
    run(*OPTION, **CATCH_UP)
    sandbox.supabase.sql(
        "insert into report_notices (name, key, told_at) select concat_ws(' ', name, template, source, zone, 'watch'), "
        "'looked', now() - interval '1 hour' from report_deliveries"
    )


@pytest.mark.parametrize(
    ("plan", "monitor", "status"),
    [
        (lambda *_: None, False, "NOTE"),
        (lambda *_: None, True, "OK  "),
        (lambda box, run: daily_report(box, run, *RECIPIENTS), False, "OK  "),
        (lambda box, run: daily_report(box, run, RECIPIENTS[1]), False, "NOTE"),
        (looked, False, "OK  "),
    ],
    ids=["nothing", "monitor", "daily", "daily for another", "watch"],
)
def test_a_check_names_them_and_notes_where_silence_says_nothing(
    sandbox: Sandbox, run: RunTool, plan: Callable[..., None], monitor: bool, status: str
) -> None:
    """A usual day and runs that have stopped look the same to them without something that tells them apart."""
    plan(sandbox, run)
    changes = {"HEARTBEAT_URL": sandbox.monitor.check_url} if monitor else {}

    result = run("--check", REPORT_ONLY_UNUSUAL=RECIPIENTS[0], **changes, **CATCH_UP)

    (line,) = [one for one in result.output.splitlines() if "only unusual" in one]
    assert (result.code, line[:4]) == (0, status)
    assert RECIPIENTS[0] in line


def test_a_claim_that_is_killed_between_leaves_them_owed_or_left_out(sandbox: Sandbox, run: RunTool) -> None:
    """Their state is saved before anybody is sent anything."""
    ordinary(sandbox)
    seen = list[dict[str, str]]()

    def look(_: str) -> None:
        rows = sandbox.supabase.sql("select record from report_deliveries")
        seen.append({one["recipient"]: one["state"] for one in rows[0]["record"]["entries"]})

    sandbox.bot.before_each = look
    run(*OPTION, **QUIET, **CATCH_UP)

    assert {(one[RECIPIENTS[0]], one[CHATS[1]]) for one in seen} == {("as usual", "as usual")}


def test_late_rows_stay_news_until_those_who_were_left_out_know_of_them() -> None:
    """As for those who have a report without them."""
    chat = ("telegram", CHATS[1])
    record = new_record(make_window())
    record.rows = 3
    record.entries = [
        Entry(channel=channel, recipient=to, state="as usual", rows=3, failed=0) for channel, to in (ADDRESS, chat)
    ]
    announced = []

    for reached in ({chat}, {ADDRESS}):
        record.announce(1, reached=reached, waited_for={ADDRESS, chat})
        record.announce_failed(2, reached=reached, waited_for={ADDRESS, chat})
        announced.append((record.late_rows, record.failed_told))

    assert announced == [(0, 0), (1, 2)]


def test_rows_between_two_attempts_are_late_for_those_who_were_left_out_at_the_first() -> None:
    """Three rows and one failure were as usual for them; the second attempt brings five and two to the others."""
    other = ("email", RECIPIENTS[1])
    claim = claim_of()

    async def twice() -> None:
        await claim.open_for([ADDRESS, other], "scheduled")
        claim.enter_report(3, 1, "", "first", "")
        await claim.leave_out([ADDRESS])
        await claim.open_for([ADDRESS, other], "scheduled")
        claim.enter_report(5, 2, "", "second", "")

    asyncio.run(twice())

    assert claim.owed("email") == (RECIPIENTS[1],)
    assert (claim.record.expected_rows, claim.record.failed) == (3, 1)
    assert [(one.state, one.rows, one.failed) for one in claim.record.entries] == [
        ("as usual", 3, 1),
        ("owed", None, None),
    ]
