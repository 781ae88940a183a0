"""A report says what is usual for its hour, and is marked where the hour is not: asked of the table, all at once."""

import re
import threading
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from src.domain.baseline import Comparison, Deviation
from src.domain.window import DAY, HOUR, day_of
from src.phrases.language import ENGLISH

from ..builders import OPTION, QUICK, START, Rows, data_rows, figures_of, make_rows, make_window
from ..conftest import Run
from ..sandbox import CHATS, Sandbox
from ..sandbox.web import FOREVER, Answer, Fault

pytestmark = pytest.mark.sampled

phrases = ENGLISH

RunTool = Callable[..., Run]
WEEK = 7 * DAY
ALERT_CHAT = "-1009999999999"


def put(sandbox: Sandbox, count: int, start: datetime = START, *, failed: int = 0, table: str = "analyses") -> Rows:
    """Put an hour of analyses into the table, the first of which failed."""
    rows = [row | {"id": str(uuid.uuid4())} for row in make_rows(count, start=start)]
    rows = [row | ({"status": " FAILED"} if place < failed else {}) for place, row in enumerate(rows)]
    sandbox.supabase.insert(rows, table)
    return rows


def put_weeks(sandbox: Sandbox, *counts: int, failed: int = 0) -> None:
    """Put the same hour of the last weeks into the table, and a row before them all."""
    for week, count in enumerate(counts, 1):
        put(sandbox, count, START - week * WEEK, failed=failed)
    put(sandbox, 1, START - 50 * DAY)


def questions(sandbox: Sandbox) -> list[dict[str, list[str]]]:
    """List the questions that only counted, or looked for the first row."""
    asked = [parse_qs(urlsplit(request.target).query) for request in sandbox.supabase.requests]
    return [query for query in asked if query["limit"] == ["1"]]


def count_of(sandbox: Sandbox, start: datetime, end: datetime) -> list[str]:
    """List what the questions about [start, end) wanted: all of its rows, or the failed ones."""
    span = {f"gte.{start.isoformat()}", f"lt.{end.isoformat()}"}
    asked = [query for query in questions(sandbox) if span == {*query.get("created_at", [])}]
    return ["failed" if "status" in query else "all" for query in asked]


def shown(sandbox: Sandbox) -> list[str]:
    """List what the recipients see."""
    return [sandbox.mails[0].text, *(sent.text for sent in sandbox.messages)]


def figures(text: str, label: str = phrases.ANALYSES) -> list[str]:
    """List a count as a text compares it: now, before, usual; what isn't known is missing."""
    (line,) = re.findall(rf"^{label}: .*$", text, re.MULTILINE)
    now, before, usual = (
        re.search(pattern, line) for pattern in (": ([\\d,]+)", "before ([\\d,]*\\d)", "usually ([\\d,]*\\d)")
    )
    return [found[1] for found in (now, before, usual) if found]


def mark(sandbox: Sandbox) -> list[str]:
    """List the figures that mark the mail's subject; none where it is not marked."""
    lead, sign, _ = str(sandbox.mails[0].message["Subject"]).partition(" - Digital Twin ")
    return figures_of(lead) if sign else []


def test_an_hour_is_compared_with_the_one_before_and_the_same_hours_of_four_weeks(
    sandbox: Sandbox, run: RunTool
) -> None:
    """Counted, not fetched: eleven questions for at most one row each."""
    put(sandbox, 50, failed=3)
    put(sandbox, 7, START - HOUR, failed=1)
    put_weeks(sandbox, 40, 48, 52, 60, failed=2)

    assert run(*OPTION).code == 0

    assert len(questions(sandbox)) == 11
    for start in (START - HOUR, *(START - week * WEEK for week in (1, 2, 3, 4))):
        assert sorted(count_of(sandbox, start, start + HOUR)) == ["all", "failed"]
    for text in shown(sandbox):
        assert figures(text) == ["50", "7", "50"]
        assert figures(text, phrases.FAILED_COUNT) == ["3", "1", "2"]
        assert "⚠" not in text
    assert sandbox.mails[0].message["Subject"].endswith("13:00-14:00 UTC")


def test_the_questions_are_asked_side_by_side(sandbox: Sandbox, run: RunTool) -> None:
    """None is answered before all are asked, and every figure is there."""
    put(sandbox, 50)
    put_weeks(sandbox, 40, 48, 52, 60)
    all_asked = threading.Event()
    sandbox.supabase.faults.append(Fault(until=all_asked, match="select=created_at&"))
    sandbox.supabase.always = Fault(until=all_asked, match="select=id&")

    def watch() -> None:
        while len(questions(sandbox)) < 11 and not sandbox.supabase.over.wait(0.01):
            pass
        all_asked.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    result = run(*OPTION, timeouts=replace(QUICK, comparison=20))
    sandbox.supabase.over.set()
    watcher.join()

    assert result.code == 0
    assert figures(sandbox.mails[0].text) == ["50", "0", "50"]


def test_an_hour_of_few_analyses_is_marked_in_numbers(sandbox: Sandbox, run: RunTool) -> None:
    """In the subject, and first of all in every message."""
    put(sandbox, 15, failed=2)
    put_weeks(sandbox, 60, 61, 62, 63)

    assert run(*OPTION).code == 0

    assert mark(sandbox) == ["15", "62"]
    warning = phrases.marked(phrases.warning(Deviation(kind="few", value=15, usual=61.5)))
    for text in shown(sandbox):
        assert [line for line in text.splitlines() if "⚠" in line] == [warning]
    assert sandbox.alerts == []


SENTINELS = ("-infinity", "0044-03-15 12:00:00 BC", "0001-01-01", "1970-01-01", "infinity")


@pytest.mark.parametrize("sentinel", SENTINELS)
def test_a_row_that_stands_for_no_moment_leaves_what_is_usual_as_it_is(
    sandbox: Sandbox, run: RunTool, sentinel: str
) -> None:
    """An empty hour where sixty are usual is marked, and not skipped."""
    put_weeks(sandbox, 60, 61, 62, 63)
    sandbox.supabase.sql("insert into analyses (created_at) values ($1::timestamptz)", sentinel)

    result = run(*OPTION, REPORT_WHEN_EMPTY="skip")

    assert (result.code, result.logged("not_compared")) == (0, [])
    assert mark(sandbox) == ["62"]


def test_an_hour_that_is_not_compared_says_so_in_every_message(sandbox: Sandbox, run: RunTool) -> None:
    """And in the workbook; --check says why."""
    put(sandbox, 5)
    sandbox.supabase.always = Fault(answer=Answer(status=503), match="select=created_at&")

    assert run(*OPTION).code == 0
    checked = run("--check")

    said = phrases.what_is_usual(make_window(), Comparison(failure="HTTP 503"))
    for text in shown(sandbox):
        assert said in text
    for _, workbook in sandbox.workbooks():
        assert any(said in row for row in data_rows(workbook, phrases.SUMMARY))
    (line,) = [line for line in checked.output.splitlines() if line[5:].startswith("table ")]
    assert (line[:4], "usual" in line, "HTTP 503" in line) == ("NOTE", True, True)


def test_a_new_table_has_no_usual_figures_and_nothing_is_unusual(sandbox: Sandbox, run: RunTool) -> None:
    """Weeks before its first row are not empty weeks."""
    put(sandbox, 100)
    put(sandbox, 3, START - HOUR)
    put(sandbox, 3, START - 2 * WEEK - HOUR)

    assert run(*OPTION, TELEGRAM_SILENT="normal").code == 0

    assert figures(sandbox.mails[0].text) == ["100", "3"]
    assert [sent.silent for sent in sandbox.messages] == [False] * len(CHATS)


def test_weeks_without_rows_are_known_where_the_table_is_older(sandbox: Sandbox, run: RunTool) -> None:
    """An hour that usually has none is unusual with twenty."""
    put(sandbox, 20)
    put(sandbox, 1, START - 50 * DAY)

    assert run(*OPTION).code == 0

    many = phrases.warning(Deviation(kind="many", value=20, usual=0))
    assert sandbox.mails[0].message["Subject"].startswith(f"⚠ {many} - ")


def test_the_same_local_hour_is_compared_across_a_clock_change(sandbox: Sandbox, run: RunTool) -> None:
    """Nine o'clock in Berlin was seven by UTC before 25 October, and is eight since."""
    start = datetime(2026, 11, 3, 8, tzinfo=UTC)
    put(sandbox, 30, start)
    for week in (1, 2, 3, 4):
        put(sandbox, 30, start - week * WEEK - (HOUR if week > 1 else 0 * HOUR))
    put(sandbox, 1, start - 50 * DAY)

    assert run("--start", "2026-11-03T08", REPORT_TIMEZONE="Europe/Berlin").code == 0

    assert figures(sandbox.mails[0].text) == ["30", "0", "30"]


def test_a_day_is_compared_with_the_local_day_before_it(sandbox: Sandbox, run: RunTool) -> None:
    """However long that one was: the clocks of Berlin went back on 25 October."""
    midnights = [datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 23, tzinfo=UTC)]
    put(sandbox, 1, midnights[0])

    assert run("--start", "2026-10-26", REPORT_TEMPLATE="daily", REPORT_TIMEZONE="Europe/Berlin").code == 0

    assert sorted(count_of(sandbox, *midnights)) == ["all", "failed"]
    day = day_of(date(2026, 10, 26), ZoneInfo("Europe/Berlin"))
    assert phrases.compared(day, "0", "1", "") in sandbox.mails[0].text


def test_a_trial_is_compared_with_the_same_span_before_it(sandbox: Sandbox, run: RunTool) -> None:
    """Sixty minutes with sixty minutes."""
    sandbox.supabase.insert(make_rows(3, start=datetime.now(UTC) - timedelta(minutes=90)))

    assert run("--until-now", "--yes").code == 0

    assert figures(sandbox.mails[0].text) == ["0", "3"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(answer=Answer(status=503), match="select=id&"),
        Fault(answer=Answer(body=b"<html>"), match="select=id&"),
        Fault(cut="before", match="select=id&"),
        Fault(answer=Answer(headers={"content-range": f"*/{'9' * 5000}"}), match="select=id&"),
        Fault(delay=FOREVER, match="select=id&"),
    ],
    ids=["503", "no count", "cut", "absurd count", "too slow"],
)
def test_a_report_goes_out_without_the_comparison_where_it_cannot_be_made(
    sandbox: Sandbox, run: RunTool, fault: Fault
) -> None:
    """Asked once, logged, and nobody is alerted."""
    put(sandbox, 5)
    put_weeks(sandbox, 60, 60, 60, 60)
    sandbox.supabase.always = fault

    result = run(*OPTION, timeouts=replace(QUICK, comparison=0.5 if fault.delay else 20))

    assert (result.code, sandbox.alerts) == (0, [])
    assert result.given("window", "not_compared") == ["2026-11-22T12", "2026-11-22T13"]
    assert len(sandbox.supabase.requests) == 13 or fault.delay
    for text in shown(sandbox):
        assert not re.search(r"before|usual", text)
    assert figures(sandbox.mails[0].text) == ["5"]


@pytest.mark.parametrize(("weeks", "usual"), [((1,), ["62"]), ((1, 2), [])])
def test_a_report_goes_out_with_what_came(
    sandbox: Sandbox, run: RunTool, weeks: Sequence[int], usual: list[str]
) -> None:
    """Three weeks of four are enough, and the rest doesn't wait for what is slow."""
    put(sandbox, 55)
    put(sandbox, 7, START - HOUR)
    put_weeks(sandbox, 60, 61, 62, 63)
    for week in weeks:
        day = f"{START - week * WEEK:%Y-%m-%d}"
        sandbox.supabase.faults += [Fault(delay=FOREVER, match=f"created_at=gte.{day}")] * 2

    assert run(*OPTION, timeouts=replace(QUICK, comparison=5)).code == 0

    assert figures(sandbox.mails[0].text) == ["55", "7", *usual]


def test_what_is_usual_is_unknown_without_the_first_row(sandbox: Sandbox, run: RunTool) -> None:
    """Whether the weeks are empty or not there could not be told."""
    put(sandbox, 5)
    put_weeks(sandbox, 60, 60, 60, 60)
    sandbox.supabase.faults.append(Fault(answer=Answer(status=500), match="select=created_at&"))

    assert run(*OPTION).code == 0

    assert figures(sandbox.mails[0].text) == ["5", "0"]


def test_failures_have_no_usual_figure_where_their_status_is_no_text(sandbox: Sandbox, run: RunTool) -> None:
    """JSON, say, or an enum; the analyses have one."""
    sandbox.supabase.insert(make_rows(9), "analyses_loose")
    for week in (1, 2, 3, 4, 5):
        rows = [row | {"id": str(uuid.uuid4())} for row in make_rows(9, start=START - week * WEEK)]
        sandbox.supabase.insert(rows, "analyses_loose")

    result = run(*OPTION, SUPABASE_TABLE="analyses_loose")

    assert result.code == 0
    assert figures(sandbox.mails[0].text) == ["9", "0", "9"]
    assert figures(sandbox.mails[0].text, phrases.FAILED_COUNT) == ["0"]


def test_an_unusual_empty_hour_is_sent_though_empty_ones_are_skipped(sandbox: Sandbox, run: RunTool) -> None:
    """It is the one that somebody has to see; an empty hour that is usual stays skipped."""
    put_weeks(sandbox, 60, 61, 62, 63)

    assert run(*OPTION, REPORT_WHEN_EMPTY="skip").code == 0
    assert run("--start", "2026-11-22T12", REPORT_WHEN_EMPTY="skip").code == 0

    (mail,) = sandbox.mails
    empty = phrases.marked(phrases.warning(Deviation(kind="empty", value=0, usual=61.5)))
    assert mail.message["Subject"].startswith(f"{empty} - ")
    assert mark(sandbox) == ["62"]
    assert mail.text.count(phrases.NO_ANALYSES) == 1
    assert len(sandbox.messages) == len(CHATS)


def test_the_alert_chat_is_told_of_an_unusual_hour_in_a_message_of_its_own(sandbox: Sandbox, run: RunTool) -> None:
    """Once; it is no error, and a chat that gets the report is not told again."""
    sandbox.bot.chats.add(ALERT_CHAT)
    put(sandbox, 100, failed=60)
    put_weeks(sandbox, 60, 61, 62, 63)

    first = run(*OPTION, TELEGRAM_ALERT_CHAT_ID=ALERT_CHAT, REPORT_NAME="Staging", TELEGRAM_SILENT="always")
    again = run(*OPTION, TELEGRAM_ALERT_CHAT_ID=ALERT_CHAT)

    assert (first.code, again.code, sandbox.alerts) == (0, 0, [])
    (told,) = sandbox.unusual
    assert (told.chat, told.silent) == (ALERT_CHAT, False)
    head, *rest = told.text.splitlines()
    lead = phrases.marked(phrases.warning(Deviation(kind="failed", value=0.6, usual=0)))
    assert head == phrases.with_lead(lead, phrases.caption_title(make_window(), "Staging"))
    assert [figures_of(line)[:1] for line in rest[:3]] == [["100"], ["60"], ["90.0"]]


def test_the_alert_chat_is_told_once_though_some_get_the_report_only_from_a_later_run(
    sandbox: Sandbox, run: RunTool
) -> None:
    """By the run that sent it first; one that sends it to nobody tells of its failure alone."""
    sandbox.bot.chats = {ALERT_CHAT}
    put_weeks(sandbox, 60, 61, 62, 63)
    chats = {"TELEGRAM_ALERT_CHAT_ID": ALERT_CHAT, "REPORT_CHANNELS": "telegram"}
    codes = [run(*OPTION, **chats).code]
    assert sandbox.unusual == []

    sandbox.bot.chats |= {CHATS[0]}
    codes += [run(*OPTION, **chats).code]
    sandbox.bot.chats |= {CHATS[1]}
    codes += [run(*OPTION, **chats).code]

    assert codes == [1, 1, 0]
    assert len(sandbox.unusual) == 1


@pytest.mark.parametrize("changes", [{}, {"TELEGRAM_ALERT_CHAT_ID": ""}], ids=["a report's chat", "none"])
def test_without_an_alert_chat_of_its_own_nobody_is_told_apart_from_the_report(
    sandbox: Sandbox, run: RunTool, changes: dict[str, str]
) -> None:
    """The report itself is marked."""
    put_weeks(sandbox, 60, 61, 62, 63)

    assert run(*OPTION, **changes).code == 0

    assert sandbox.unusual == []
    assert len(sandbox.messages) == len(CHATS)


def test_an_alert_chat_that_cannot_be_told_fails_nothing(sandbox: Sandbox, run: RunTool) -> None:
    """The reports are there."""
    put_weeks(sandbox, 60, 61, 62, 63)

    result = run(*OPTION, TELEGRAM_ALERT_CHAT_ID=ALERT_CHAT)

    assert (result.code, sandbox.alerts) == (0, [])
    assert result.given("recipient", "alert_failed") == [ALERT_CHAT]
    assert result.keys == ["telegram.unknown_chat"]


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        (("--until-now", "--yes"), {}),
        ((*OPTION, "--count", "2"), {}),
        ((), {"REPORT_START": OPTION[1], "JOB_COMPLETION_INDEX": "0", "REPORT_LEDGER": "supabase"}),
    ],
    ids=["trial", "backfill", "pod of a backfill"],
)
def test_a_trial_and_a_backfill_tell_nobody_of_an_unusual_hour(
    sandbox: Sandbox, run: RunTool, options: Sequence[str], changes: dict[str, str]
) -> None:
    """The operator sees the reports, which are marked."""
    sandbox.bot.chats.add(ALERT_CHAT)
    put(sandbox, 9, datetime.now(UTC) - timedelta(minutes=30))
    put(sandbox, 9)

    result = run(*options, TELEGRAM_ALERT_CHAT_ID=ALERT_CHAT, REPORT_WARN_SLOWER_THAN="1", **changes)

    assert (result.code, sandbox.unusual) == (0, [])
    assert mark(sandbox) == ["95", "1.5", "1"]


def test_other_statuses_can_count_as_failed_in_every_figure(sandbox: Sandbox, run: RunTool) -> None:
    """In the hour's own, in the usual ones and in the workbook."""
    rows = put(sandbox, 50)
    sandbox.supabase.sql("update analyses set status = 'Stopped ' where id = $1", rows[0]["id"])
    put_weeks(sandbox, 50, 50, 50, 50, failed=3)

    assert run(*OPTION, REPORT_FAILED_STATUSES="stopped").code == 0

    assert figures(sandbox.mails[0].text, phrases.FAILED_COUNT) == ["1", "0", "0"]
    assert "1 of 50 failed (2.0%, " in sandbox.mails[0].text


def test_an_hour_beyond_a_limit_of_ones_own_is_marked_without_a_baseline(sandbox: Sandbox, run: RunTool) -> None:
    """All three."""
    put(sandbox, 10, failed=2)
    limits = {"REPORT_WARN_SUCCESS_BELOW": "95", "REPORT_WARN_FAILED_ABOVE": "10", "REPORT_WARN_SLOWER_THAN": "1"}

    assert run(*OPTION, **limits).code == 0

    assert mark(sandbox) == ["20.0", "10", "90.0"]
