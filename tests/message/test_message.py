"""The words that people receive, in every form."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from src.config.settings import DEFAULT_NAME
from src.domain.analysis import Analysis
from src.domain.baseline import Comparison, Counts, Thresholds, Usual, deviations
from src.domain.delivery import Attachment
from src.domain.summary import Summary
from src.domain.window import Window, day_of, until
from src.errors import Problem, SettingsError, Stage
from src.message.alert import LONGEST, Coverage, Failure, render_alert
from src.message.caption import CAPTION_LIMIT
from src.message.content import LEAD, REMARKS_SHOWN, describe
from src.message.recovery import Recovery, render_all_clear
from src.phrases.formats import BLANK, EN, shown
from src.phrases.language import ENGLISH

from ..alerts import failed_parts
from ..builders import START, build, figures_of, make_analysis, make_window, opened
from ..sandbox.markup import links, plain
from .forms import Forms, Page, all_forms

phrases = ENGLISH

ATTACHED = Attachment(name="report.xlsx", size=10_000)
URL = 'https://abc.supabase.co/storage/v1/object/sign/reports/report.xlsx?token=a&b="' + "e" * 300
LINKED = Attachment(name="report.xlsx", size=31_000_000, link=URL, until=datetime(2026, 11, 25, 14, tzinfo=UTC))
REASON = "It is too large for this mail server (31 MB, it takes 25 MB). <Sorry & thanks>"
LEFT_OUT = Attachment(name="report.xlsx", size=31_000_000, left_out=REASON)
BERLIN = ZoneInfo("Europe/Berlin")
HOSTILE = [
    "<script>alert(1)</script>",
    "&amp;<b>&lt;",
    '"><img src=x onerror=alert(1)>',
    "a\x00b\x07c\x1b[31m",
    "\u202eevil\u2066\u200f",
    "x" * 10_000,
    "\ud800",
    "🙂" * 10_000,
    "a\r\nBcc: evil@example.com\r\n\r\n",
    "{{ 7 * 7 }}",
    " ",
]


def make_summary(*statuses: str | None) -> Summary:
    """Fold one ordinary analysis for each of `statuses`."""
    return folded([make_analysis(status=status) for status in statuses])


def folded(rows: Sequence[Analysis]) -> Summary:
    """Fold `rows`."""
    summary = Summary()
    summary.add(rows)
    return summary


def write(
    summary: Summary,
    *,
    attachment: Attachment = ATTACHED,
    window: Window | None = None,
    late: bool = False,
    remarks: Sequence[str] = (),
    marks: str = "",
    before: Counts | None = None,
    usual: Usual | None = None,
    thresholds: Thresholds | None = None,
    name: str = DEFAULT_NAME,
) -> Forms:
    """Write a report of `summary`, compared with the window before and with what is usual."""
    content = describe(
        window or make_window(),
        summary,
        late=late,
        remarks=remarks,
        marks=marks,
        comparison=Comparison(before=before or Counts(), usual=usual),
        deviations=deviations(summary, usual, thresholds or Thresholds()),
        name=name,
    )
    return all_forms(content, attachment)


def lines(text: str) -> list[str]:
    """List the lines of what is shown."""
    return text.splitlines()


def units(text: str) -> int:
    """Count UTF-16 units."""
    return len(text.encode("utf-16-le")) // 2


def test_the_subject_names_the_window() -> None:
    """As design and customer want it."""
    day = day_of(START.date(), BERLIN)

    assert write(make_summary("completed")).subject == "Digital Twin Hourly Report - 2026-11-22 13:00-14:00 UTC"
    assert write(Summary(), window=day).subject.endswith(f"{phrases.title(day)} - 2026-11-22 Europe/Berlin")


PLAIN_SUBJECT = phrases.subject(make_window(), DEFAULT_NAME)


def test_only_an_unusual_window_has_a_fact_before_the_line_in_its_subject() -> None:
    """In numbers; neither ordinary failures nor odd data do, which the report itself tells."""
    odd = folded([make_analysis(records_processed=1, records_failed=2)])
    half = make_summary(*["failed"] * 166, *["completed"] * 134)
    usual = Usual(analyses=2391, failed=96)

    assert write(make_summary("failed", "failed")).subject == PLAIN_SUBJECT
    assert write(odd).subject == PLAIN_SUBJECT
    late = phrases.ROWS_LATE + phrases.FAILED_SINCE
    assert write(make_summary("completed"), remarks=["2 rows …"], marks=late).subject == PLAIN_SUBJECT + late
    for summary, figures in ((half, ["300", "2,391", "55.3"]), (Summary(), ["2,391"])):
        lead, _, line = write(summary, usual=usual).subject.partition(" - ")
        assert (lead[:2], figures_of(lead), line) == ("⚠ ", figures, PLAIN_SUBJECT)
    lead, _, line = write(odd, late=True, marks=late, usual=usual).subject.partition(" - ")
    assert line == PLAIN_SUBJECT + phrases.LATE + late
    assert (lead[:2], figures_of(lead)) == ("⚠ ", ["1", "2,391"])


KINDS = {
    "normal": make_summary(*["completed"] * 2315, *["failed"] * 116),
    "half the volume": make_summary(*["completed"] * 856, *["failed"] * 44),
    "tripled failures": make_summary(*["completed"] * 2040, *["failed"] * 360),
    "empty": Summary(),
}
"""Kinds of hour where some 2,398 analyses are usual, 126 of which fail."""


def test_forty_characters_of_subject_and_caption_tell_the_kinds_of_hour_apart() -> None:
    """That is what a list of mails and a notification show of them."""
    written = [write(summary, usual=Usual(analyses=2398, failed=126)) for summary in KINDS.values()]

    for texts in ([one.subject for one in written], [plain(one.caption) for one in written]):
        beginnings = [lines(text)[0][:LEAD] for text in texts]
        assert len({*beginnings}) == len(KINDS)
        assert [beginning.startswith("⚠") for beginning in beginnings] == [False, True, True, True]


def test_no_figure_has_two_values_in_one_message() -> None:
    """What the headline gives stands in the comparison as it is, not rounded once more."""
    counts, shares = set[str](), set[str]()
    for summary in KINDS.values():
        wording = write(summary, usual=Usual(analyses=2398, failed=126), before=Counts(analyses=2220, failed=107))
        for text in (wording.subject, *wording.shown):
            counts |= {*re.findall(r"usually (\d,\d+)", text)}
            shares |= {*re.findall(r"usually ([\d.]+)%", text)}

    assert (counts, shares) == ({"2,398"}, {"5.3"})


def test_a_limit_of_ones_own_leads_the_subject_and_is_named_in_the_report() -> None:
    """Without any baseline; usual and limit of one figure are one warning."""
    bad = folded([make_analysis(duration=45, records_failed=16), make_analysis(status="failed", duration=45)])
    limits = Thresholds(success_below=0.99, failed_above=0.1, slower_than=30)
    wording = write(bad, thresholds=limits)
    both = write(make_summary(*["failed"] * 30), usual=Usual(analyses=30, failed=1), thresholds=limits)

    assert figures_of(wording.subject.partition(" - ")[0]) == ["50.0", "10", "95.2"]
    found = deviations(bad, None, limits)
    assert [one.kind for one in found] == ["failed", "low_success", "slow"]
    warnings = [line for line in lines(wording.text) if line.startswith("⚠")]
    assert warnings == [phrases.marked(phrases.warning(one)) for one in found]
    assert [figures_of(line) for line in warnings] == [["50.0", "10"], ["95.2", "99"], ["95", "45", "30"]]
    warnings = [line for line in lines(both.text) if line.startswith("⚠")]
    assert [figures_of(line) for line in warnings] == [["100", "3.3", "10"], ["98.5", "99"]]


def test_the_subject_holds_nothing_of_the_table_and_keeps_one_short_line() -> None:
    """Whatever the table holds."""
    rows = [make_analysis(id=text, status=text, duration=text, records_failed=text) for text in HOSTILE]
    for zone in ("UTC", "America/Argentina/ComodRivadavia"):
        window = make_window(zone=zone)
        usual = Usual(analyses=10**6)
        hostile = write(folded(rows), window=window, late=True, remarks=HOSTILE, usual=usual).subject
        harmless = write(
            make_summary(*["completed"] * len(HOSTILE)), window=window, late=True, remarks=["late"], usual=usual
        ).subject

        assert hostile == harmless
        assert re.fullmatch("[ -~⚠]{1,190}", hostile)


def test_every_form_begins_with_window_and_headline() -> None:
    """How many failed, and how their records went; in the inbox's preview too."""
    summary = make_summary(*["completed"] * 2308, *["failed"] * 192)
    wording = write(summary, before=Counts(analyses=2219))
    headline = phrases.headline(summary, Comparison(), is_normal=False)

    assert figures_of(headline) == ["192", "2,500", "7.7"]
    for text in wording.shown:
        assert "2026-11-22 13:00-14:00 UTC" in text
        assert headline in text
        assert re.search(r"98\.5% of 500,000 .*succeeded", text)
    hidden = re.search(r'<body[^>]*>\s*<div style="display:none[^>]*>([^&]*)', wording.html)
    assert hidden
    assert hidden[1] == f"{headline}. {phrases.records(summary)}"
    assert wording.caption.startswith(f"Hourly Report - 2026-11-22 13:00-14:00 UTC\n<b>{headline}</b>\n")


def test_what_is_unusual_comes_first_in_every_form() -> None:
    """Before any figure; the headline of the page is in the colour of what is bad."""
    summary, usual = make_summary(*["completed"] * 300), Usual(analyses=2391, failed=96)
    wording = write(summary, usual=usual)
    ordinary = write(make_summary(*["completed"] * 300), usual=Usual(analyses=310, failed=0))

    (few,) = deviations(summary, usual, Thresholds())
    warning = phrases.marked(phrases.warning(few))
    assert (warning[0], figures_of(warning)) == ("⚠", ["300", "2,391"])
    assert lines(wording.text)[3] == lines(plain(wording.caption))[0] == warning
    assert warning in Page(wording.html).text
    assert '<h1 class="bad"' in wording.html
    assert '<h1 class="text"' in ordinary.html
    assert "⚠" not in "".join(ordinary.shown)


def test_a_normal_hour_says_so_with_the_usual_share_and_an_unknown_one_does_not() -> None:
    """An hour at 9.9 % against 5.3 % is not marked, so the words alone would mislead."""
    summary = make_summary(*["completed"] * 2308, *["failed"] * 192)
    usual = Comparison(usual=Usual(analyses=2398, failed=126))
    normal = phrases.headline(summary, usual, is_normal=True)

    assert figures_of(normal) == ["192", "2,500", "7.7", "5.3"]
    assert normal in lines(write(summary, usual=usual.usual).text)
    assert normal[:15] not in "".join(write(summary).shown)


@pytest.mark.parametrize(
    ("summary", "usual"),
    [
        (make_summary(*["failed"] * 300), Usual(analyses=300)),
        (folded([make_analysis(records_processed=1, records_failed=2)]), Usual(analyses=1, failed=0)),
    ],
    ids=["the usual failures are unknown", "odd data"],
)
def test_an_hour_is_not_called_normal_where_failures_cannot_be_compared_or_data_is_odd(
    summary: Summary, usual: Usual
) -> None:
    """That nothing is unusual would mislead."""
    normal = phrases.headline(summary, Comparison(usual=usual), is_normal=True)

    assert normal[:15] not in "".join(write(summary, usual=usual).shown)


def test_the_counts_stand_beside_those_before_and_the_usual_ones() -> None:
    """A table on the page, in brackets elsewhere; what isn't known is a dash there and left out here."""
    summary = make_summary(*["completed"] * 2308, *["failed"] * 192)
    wording = write(summary, before=Counts(analyses=2219, failed=98), usual=Usual(analyses=2400.5, failed=90))
    first_day = write(summary, before=Counts(analyses=2219))

    hour = make_window()
    header = f"{phrases.this(hour)} {phrases.the_one_before(hour)} {phrases.USUAL}"
    words = " ".join(Page(wording.html).text.split())
    counts, share = "Analyses 2,500 2,219 2,400 Failed 192 98 90", "Failed share 7.7% 4.4% 3.7%"
    assert words.count(f"{header} {counts} {share}")
    for text in (wording.text, plain(wording.caption)):
        assert f"Analyses: {phrases.compared(hour, '2,500', '2,219', '2,400')}" in lines(text)
        assert f"Failed: {phrases.compared(hour, '192', '98', '90')}" in lines(text)
    words = " ".join(Page(first_day.html).text.split())
    assert words.count("Analyses 2,500 2,219 - Failed 192 - - Failed share 7.7% - -")
    assert f"Analyses: {phrases.compared(hour, '2,500', '2,219', '')}" in lines(first_day.text)
    assert "Failed: 192" in lines(first_day.text)


@pytest.mark.parametrize(
    ("comparison", "figures"),
    [
        (Comparison(usual=Usual(analyses=9, failed=0)), ["13", "00", "14", "00"]),
        (Comparison(known_from=START + timedelta(days=20)), ["2026", "12", "12"]),
        (Comparison(failure="too slow"), []),
    ],
    ids=["known", "not yet", "failed"],
)
def test_what_is_usual_is_explained_or_said_to_be_unknown(comparison: Comparison, figures: list[str]) -> None:
    """In one line: a reader must not wonder what usual means, nor take unknown for normal."""
    content = describe(make_window(), make_summary("completed"), comparison=comparison)

    assert re.findall(r"\d+", content.comparison.what_is_usual) == figures
    assert content.comparison.what_is_usual
    for text in all_forms(content, ATTACHED).shown[:2]:
        assert content.comparison.what_is_usual in text


def test_nothing_is_compared_where_nothing_is_known() -> None:
    """The counts are figures among the others."""
    wording = write(make_summary("completed"))

    assert "before" not in "".join(wording.shown)
    assert re.search(r"Analyses\s+1\s+Failed\s+0\s+Failed share\s+0.0%\s+Records processed", Page(wording.html).text)


def spread(minutes: Sequence[int], *, window: Window | None = None) -> Summary:
    """Fold five analyses for each five minutes of an hour, and fail all those of `minutes`."""
    start = (window or make_window()).start
    return folded(
        [
            make_analysis(
                status="failed" if minute in minutes else "completed", created_at=start + timedelta(minutes=minute)
            )
            for minute in range(0, 60, 5)
            for _ in range(5)
        ]
    )


def test_it_is_said_where_failures_cluster() -> None:
    """In one sentence, by the clock of its readers; nothing where they are few, or everywhere."""
    window = make_window(zone="Asia/Kolkata")
    sentence = "10 of the 15 failures came from 18:45 to 18:55."

    for text in write(spread([15, 20, 40], window=window), window=window).shown:
        assert sentence in text
    for summary in (spread([15]), spread(range(60)), make_summary(*["failed"] * 90)):
        assert "failures came" not in write(summary).text


def test_the_page_has_a_bar_for_each_five_minutes_and_the_text_a_line() -> None:
    """As a table of cells, without a picture, with its text alternative; what is small can still be seen."""
    rows = [make_analysis(created_at=START + timedelta(minutes=5 * place)) for place in range(11) for _ in range(100)]
    failed = make_analysis(created_at=START + timedelta(minutes=50), status="failed")
    summary = folded([*rows, failed])
    wording = write(summary)

    chart = re.search(r'<div role="img" aria-label="([^"]*)">(.*?)</div>', wording.html, re.DOTALL)
    assert chart
    most = summary.buckets(make_window())[10]
    assert chart[1] == phrases.chart_description(make_window(), summary, most, "13:50")
    assert make_window().label() in chart[1]
    assert figures_of(chart[1])[-4:] == ["1,101", "1", "101", "13:50"]
    assert [int(height) for height in re.findall(r'class="good-bar" height="(\d+)"', chart[2])] == [55] * 11
    assert re.findall(r'class="bad-bar" height="(\d+)"', chart[2]) == ["1"]
    assert chart[2].count('valign="bottom"') == 12
    assert re.findall(r">(\d\d:\d\d)<", chart[2]) == ["13:00", "13:15", "13:30", "13:45"]
    assert "  13:45: 100\n  13:50: 101, 1 failed\n  13:55: 0\n" in wording.text


def test_a_bar_of_one_analysis_can_be_seen_and_one_of_none_is_not_there() -> None:
    """However high the highest is."""
    many = [make_analysis(created_at=START) for _ in range(1000)]
    page = write(folded([*many, make_analysis(created_at=START + timedelta(minutes=9), status="error")])).html

    assert re.findall(r'class="(\w+)-bar" height="(\d+)"', page) == [("good", "56"), ("bad", "2")]


def test_a_day_of_25_hours_has_a_bar_for_each() -> None:
    """The clock times below them stand under their bars."""
    day = day_of(date(2026, 10, 25), BERLIN)
    page = write(folded([make_analysis(created_at=day.start)]), window=day).html

    spans = re.findall(r'colspan="(\d+)" style="padding-top:3px[^>]*>([^<]+)<', page)
    assert spans == [("6", "00:00 UTC+2"), ("6", "05:00 UTC+1"), ("6", "11:00 UTC+1"), ("7", "17:00 UTC+1")]
    assert page.count('class="good-bar" height="56"') == 1


def test_every_form_gives_the_figures() -> None:
    """By status, processed, failed, rate, durations."""
    wording = write(make_summary("completed", "completed", "failed"))

    for line in (
        "Analyses: 3",
        "completed: 2",
        "failed: 1",
        "Failed: 1",
        "Records processed: 600",
        "Records failed: 9",
        "Records succeeded: 98.5%",
        f"{phrases.MEDIAN}: 1.25{BLANK}s",
        f"{phrases.P95}: 1.25{BLANK}s",
        f"{phrases.LONGEST}: 1.25{BLANK}s",
    ):
        label, _, value = line.partition(": ")
        assert line in wording.text
        assert re.search(rf"{re.escape(label)}\s+{re.escape(value)}", Page(wording.html).text)
    assert figures_of(lines(plain(wording.caption))[3]) == ["98.5", "600"]
    assert lines(plain(wording.caption))[-1] == "completed 2 · failed 1"
    assert "report.xlsx" in wording.text
    assert "report.xlsx" in wording.html


def test_the_page_shows_statuses_as_bars_of_their_share() -> None:
    """Failed ones in a colour of their own, with their name beside it."""
    page = write(make_summary(*["completed"] * 3, "Failed ")).html

    bars = re.findall(r'class="(good|bad)-bar" width="(\d+)%"', page)
    assert bars == [("good", "75"), ("bad", "25")]
    assert re.findall(r'class="rest" width="(\d+)%"', page) == ["25", "75"]


def test_text_and_page_name_the_worst_five() -> None:
    """With moment and zone, what they cost, and the id to look for in the workbook."""
    rows = [
        make_analysis(id=f"id-{number}", records_failed=number, created_at=START + timedelta(minutes=number))
        for number in range(8)
    ]
    wording = write(folded(rows), window=make_window(zone="Asia/Kolkata"))

    for text in (wording.text, Page(wording.html).text):
        assert f"7 of 200 records failed, 1.25{BLANK}s" in text
        assert "18:37:00 UTC+5:30, completed" in text
        assert re.findall(r"id-\d", text) == [f"id-{number}" for number in (7, 6, 5, 4, 3)]


def test_a_good_hour_is_short() -> None:
    """No list of five ordinary analyses, and nothing to look at."""
    good = folded([make_analysis(records_failed=0, duration=number) for number in range(3)])
    one = write(folded([make_analysis(records_failed=0), make_analysis(id="bad one", records_failed=1)]))

    for text in write(good).shown:
        assert phrases.MOST_FAILED not in text
        assert f"{make_analysis().id}" not in text
        assert phrases.ODD_DATA not in text
    assert phrases.MOST_FAILED in one.text
    assert "bad one" in one.text
    assert f"{make_analysis().id}" not in one.text


def test_what_cannot_be_true_is_marked_in_the_caption_and_missing_figures_are_not() -> None:
    """Only what cannot be true is a warning."""
    odd = folded([make_analysis(status="failed"), make_analysis(records_processed=1, records_failed=2)])
    lacking = folded([make_analysis(status="cancelled", duration=None)])

    (anomaly,) = odd.anomalies()
    assert phrases.marked(phrases.anomaly(anomaly)) in lines(plain(write(odd).caption))
    assert figures_of(phrases.anomaly(anomaly)) == ["1"]
    assert "⚠" not in "".join(write(lacking).shown)
    assert 'class="note"' not in write(lacking).html


def test_missing_figures_are_named_by_the_statuses_that_lack_them() -> None:
    """Who reads it knows at once whether that is as it should be."""
    lacking = [make_analysis(status=status, duration=None) for status in ["cancelled"] * 17 + ["failed"] * 2]
    many = [make_analysis(status=f"{number}", duration=None) for number in range(9)]

    wording = write(folded([make_analysis(), *lacking]))
    for text in (wording.text, Page(wording.html).text):
        assert "17 cancelled, 2 failed" in text
    assert "1 0, 1 1, 1 2, 6 others" in write(folded(many)).text


def test_a_status_named_where_figures_are_missing_is_no_link_either() -> None:
    """A word joiner stands within."""
    wording = write(folded([make_analysis(status="evil.example", duration=None)]))

    for text in (wording.text, Page(wording.html).text):
        assert "1 evil\u2060.example" in text


def test_anomalies_and_late_rows_are_told_in_every_form() -> None:
    """What the subject's mark means."""
    odd = folded([make_analysis(records_processed=1, records_failed=2)])
    (anomaly,), remark = odd.anomalies(), phrases.late_rows(make_window(), 3)

    assert remark.startswith("3 rows ")
    assert make_window().label() in remark
    for text in write(odd, remarks=[remark]).shown:
        assert phrases.anomaly(anomaly) in text
        assert remark in text


def test_many_remarks_are_told_by_the_first_few() -> None:
    """A message stays one that is read."""
    text = write(Summary(), remarks=[f"remark {number}" for number in range(REMARKS_SHOWN + 9)]).text

    assert f"remark {REMARKS_SHOWN - 1}\n{phrases.more_like_this(9)}" in text
    assert f"remark {REMARKS_SHOWN}" not in text


def test_the_comparison_names_the_day_or_the_hours_it_is_with() -> None:
    """A trial's 24 hours are no day."""
    day, trial = day_of(START.date(), BERLIN), until("daily", BERLIN, START)

    for window, span in ((make_window(), "hour"), (day, "day"), (trial, "24 hours")):
        for words in (phrases.this(window), phrases.the_one_before(window), phrases.compared(window, "2", "1", "")):
            assert re.findall(r"24 hours|hour|day", words.lower()) == [span]
    assert figures_of(phrases.compared(day, "2", "1", "")) == ["2", "1"]
    assert figures_of(phrases.compared(trial, "2", "1", "3")) == ["2", "3", "24", "1"]


@pytest.mark.parametrize(
    ("rows", "headline", "records"),
    [
        ([make_analysis(records_failed=0)], ["1"], ["100", "200"]),
        ([make_analysis(records_processed=10**6, records_failed=1)], ["1"], ["99.9", "1,000,000"]),
        ([make_analysis(records_processed=0, records_failed=0)], ["1"], []),
        ([make_analysis(records_failed=None, status="Error")], ["1", "1", "100"], None),
        ([make_analysis(records_failed=None), make_analysis(records_failed=20)], ["2"], ["90.0", "200"]),
    ],
)
def test_the_headline_says_no_more_than_is_known(
    rows: list[Analysis], headline: list[str], records: list[str] | None
) -> None:
    """One failed record of a million is not 100 %; records without a figure are not among those of the rate."""
    first, *rest = write(folded(rows)).text.split("\n\n")[1].splitlines()

    assert figures_of(first) == headline
    assert [figures_of(line) for line in rest] == ([] if records is None else [records])


def test_an_empty_window_is_said_so() -> None:
    """In a sentence, not as a row of zeros; nothing says that its analyses are in the workbook."""
    for text in write(Summary(), before=Counts(analyses=3, failed=0)).shown:
        assert text.count(phrases.NO_ANALYSES) == 1
        assert "3" in text.partition("efore")[2][:40]
        assert "Records" not in text
        assert phrases.whereabouts(ATTACHED, make_window(), 1, "email") not in text
    assert phrases.whereabouts(ATTACHED, make_window(), 0, "email") in write(Summary()).text


def test_in_another_zone_the_attachments_line_names_the_hour_too() -> None:
    """The file's name is in UTC, and may bear another date."""
    window = make_window(datetime(2026, 11, 24, 21, tzinfo=UTC), "Europe/Moscow")
    summary = folded([make_analysis(created_at=window.start)])
    sentence = phrases.whereabouts(ATTACHED, window, 1, "email")

    assert re.search(r"2026-11-25 00:00-01:00 UTC\+3 .* report\.xlsx \(.*\bUTC\)", sentence)
    assert sentence in write(summary, window=window).text
    assert sentence in Page(write(summary, window=window).html).text
    in_utc = phrases.whereabouts(ATTACHED, make_window(), 1, "email")
    assert "UTC" not in in_utc
    assert in_utc in write(make_summary("completed")).text


def test_another_name_stands_in_every_form_and_moves_no_fixed_line() -> None:
    """In the subject in place of the default, behind the caption's line."""
    wording = write(make_summary("completed"), name="Staging <1>", late=True)

    assert wording.subject == "Staging <1> Hourly Report - 2026-11-22 13:00-14:00 UTC (late)"
    assert lines(plain(wording.caption))[0] == "Hourly Report - 2026-11-22 13:00-14:00 UTC · Staging <1> (late)"
    assert lines(wording.text)[0] == phrases.page_title(make_window(), "Staging <1>") + phrases.LATE
    assert "Staging <1>" in lines(wording.text)[0]
    assert "Hourly Report · Staging <1> (late)" in Page(wording.html).text
    assert "·" not in "".join(write(make_summary("completed")).shown)


def test_a_workbook_behind_a_link_is_told_with_its_end_in_the_readers_zone() -> None:
    """As a link in the text, a button on the page, a word to tap in the chat; the caption stays within its limit."""
    window = make_window(zone="Europe/Moscow")
    wording = write(make_summary("completed"), attachment=LINKED, window=window)
    by_mail, in_chat = (phrases.whereabouts(LINKED, window, 1, channel) for channel in ("email", "telegram"))

    for sentence, channel in ((by_mail, "email"), (in_chat, "Telegram")):
        assert re.search(rf" {channel} \(31.MB\).* 2026-11-25 17:00 UTC\+3:$", sentence)
    assert f"{by_mail}\n{URL}\n" in wording.text
    assert by_mail in Page(wording.html).text
    assert ("href", URL) in Page(wording.html).attributes
    assert f"{in_chat}\n{phrases.DOWNLOAD}\n" in plain(wording.caption)
    assert "?token=a&amp;b=&quot;eee" in wording.caption
    assert "attached" not in "".join(wording.shown)


@pytest.mark.parametrize(
    ("host", "is_tapped"),
    [("localhost:54321", False), ("kong:8000", False), ("127.0.0.1:54321", True), ("[::1]:54321", True)],
)
def test_a_link_that_telegram_would_drop_is_text_in_the_chat_alone(host: str, is_tapped: bool) -> None:
    """TDLib's check_link drops those to a host without a dot; however long, it is whole, so that it can be copied."""
    link = f"http://{host}/storage/v1/object/sign/reports/r.xlsx?token={'a&b' * 300}"
    wording = write(make_summary("completed", "error"), attachment=replace(LINKED, link=link))

    assert links(wording.caption) == ([link] if is_tapped else [])
    assert (f"\n{link}\n" in plain(wording.caption)) != is_tapped
    assert f"\n{link}\n" in wording.text
    assert ("href", link) in Page(wording.html).attributes


def test_a_workbook_left_out_is_told_with_the_reason() -> None:
    """Never dropped in silence."""
    for text in write(make_summary("completed"), attachment=LEFT_OUT).shown:
        assert phrases.whereabouts(LEFT_OUT, make_window(), 1, "email") in text
        assert REASON in text
        assert phrases.whereabouts(ATTACHED, make_window(), 1, "email") not in text


@pytest.mark.slow
@pytest.mark.parametrize("attachment", [ATTACHED, LINKED, LEFT_OUT], ids=["attached", "linked", "left out"])
@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_stays_text_in_every_form(hostile: str, attachment: Attachment) -> None:
    """No element, no entity, no line, no direction of its own; all limits kept."""
    rows = [make_analysis(id=f"{hostile}{place}", status=f"{place}{hostile}", duration=hostile) for place in range(500)]
    plain_rows = [make_analysis(status=f"{place}", duration="x") for place in range(500)]
    harmless = write(folded(plain_rows), attachment=attachment, remarks=["late"] * 50)

    wording = write(folded(rows), attachment=attachment, remarks=["late"] * 50)

    page = Page(wording.html)
    assert page.tags == Page(harmless.html).tags
    assert {name for name, _ in page.attributes} == {name for name, _ in Page(harmless.html).attributes}
    assert units(plain(wording.repeat)) <= CAPTION_LIMIT
    assert len(wording.html.encode()) < 100_000  # Gmail hides what is beyond 102 kB
    assert len(wording.text) < 10_000
    for shown_text in wording.shown:
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200f\ud800-\udfff]", shown_text)
        assert "\nBcc" not in shown_text


def test_what_nobody_could_see_is_shown() -> None:
    """A control character, a lone surrogate or a turn of direction neither hides nor breaks a message."""
    for text in write(make_summary("a\x07b\x00", "\ud800", "\u202eevil")).shown:
        assert "a␇b␀" in text
        assert "\\ud800" in text
        assert "\\u202eevil" in text


LOOK_ALIKES = [
    "https://evil.example/login",
    "evil.example",
    "www.evil.example",
    "main.py",
    "me@evil.example",
    "@name",
    "/start@bot",
    "#tag",
    "$TAG",
    "+49 30 12345678",
    "4111 1111 1111 1111 4111111111111111",
    "evil。example",
]
NO_LINK = re.compile(r"\w://|\w@\w|\w[.。][a-z]")
"""What mail programs want of a link is not there."""


@pytest.mark.parametrize("text", LOOK_ALIKES)
def test_text_of_the_table_that_looks_like_a_link_is_none(text: str) -> None:
    """In a chat it is code; in page and text a word joiner, which nobody sees, keeps mail programs from linking it."""
    rows = [make_analysis(id=text, status=text, duration=text, records_processed=text, records_failed=1)]
    wording = write(folded(rows))

    assert f"\n<code>{text}</code> 1" in wording.caption
    for form in (wording.text.partition("report.xlsx")[0], Page(wording.html).text.partition("report.xlsx")[0]):
        assert form.replace("\u2060", "").count(text) >= 4
        table = form.partition("Statuses")[2] or form.partition("Analyses: 1")[2]
        assert not NO_LINK.search(table)


def test_an_ordinary_status_is_written_as_ever() -> None:
    """No code, no joiner; nor in figures with fractions."""
    rows = [make_analysis(status=status) for status in ("completed", "timed out", "step-2_b (late)", "fertig geprüft")]
    wording = write(folded([*rows, make_analysis(records_failed=1.5, id="9.75-a")]))

    assert "<code>" not in wording.caption
    assert not any("\u2060" in text for text in (wording.text, wording.html, wording.caption))


@pytest.mark.slow
@pytest.mark.parametrize("tail", ["", "x" * 2000, "🙂" * 900])
def test_code_in_a_caption_counts_as_what_is_shown_and_is_never_cut_within_its_tag(tail: str) -> None:
    """Telegram counts the characters after its markup is read."""
    summary = make_summary(*[f"@{number}<&>{tail}" for number in range(20)])
    captions = [write(summary, remarks=["y" * 400, "z" * length]).caption for length in range(1, 400)]

    assert {units(plain(caption)) <= CAPTION_LIMIT for caption in captions} == {True}
    assert {caption.count("<code>") - caption.count("</code>") for caption in captions} == {0}
    assert {caption.count("<code>") > 3 for caption in captions} == {True, False}
    assert any(caption.endswith("…</code>") for caption in captions)


def test_a_hidden_character_in_a_status_is_shown_in_every_form(tmp_path: Path) -> None:
    """It would pass for another status; in the sheets too."""
    status = "fail\u200bed"
    rows = [make_analysis(id=status, status=status)]
    workbook = opened(build(tmp_path, *rows))

    for text in write(folded(rows)).shown:
        assert "fail\\u200bed" in text
        assert status not in text
    for sheet in workbook:
        cells = {f"{cell}" for row in sheet.iter_rows(values_only=True) for cell in row}
        assert "fail\\u200bed" in cells
        assert status not in cells


@pytest.mark.parametrize("status", ["x" * 5000, "🙂" * 5000, "a\nb\r\nc" * 2000, "<&>" * 2000])
def test_a_caption_keeps_telegrams_limit_and_its_figures_whatever_the_statuses(status: str) -> None:
    """Counted as Telegram counts, after its markup is read."""
    summary = make_summary(*(f"{number} {status}" for number in range(500)))

    text = plain(write(summary).caption)

    assert units(text) <= CAPTION_LIMIT
    assert "492 other statuses 492" in text
    assert "98.5% of 100,000" in text


@pytest.mark.parametrize("reason", ["<" * 5000, "&🙂" * 5000])
def test_a_caption_is_never_cut_within_an_entity(reason: str) -> None:
    """What is cut off is what is shown, before it is escaped."""
    summary = make_summary(*(f"{number} {reason}" for number in range(500)))
    remarks = [f"{reason[:length]}" for length in (90, 91, 92, 93, 94)]

    for length in range(1, 9):
        wording = write(summary, remarks=[*remarks, "x" * length], attachment=ATTACHED)
        repeat = plain(wording.repeat)
        assert CAPTION_LIMIT - 10 < units(repeat) <= CAPTION_LIMIT
        assert repeat.endswith(phrases.REPEAT)
        assert plain(wording.caption).endswith("…")
        assert not re.search(r"&(?!(?:lt|gt|amp|quot|#x27);)", wording.caption)


@pytest.mark.parametrize(
    ("sums", "shown_sum"),
    [((10.0,) * 3, "30"), ((0.1,) * 300, "30"), ((1000, 234), "1,234"), ((0.25, 1), "1.25"), ((2**60,), f"{2**60:,}"),
     ((10**99,), "1.000e+99"), ((1e99,), "1.000e+99")],
)  # fmt: skip
def test_sums_are_written_for_people(sums: tuple[float, ...], shown_sum: str) -> None:
    """Without the dust of binary fractions, and never too long for a line."""
    assert EN.number(sum(sums)) == shown_sum


def test_rates_durations_and_sizes_are_written_for_people() -> None:
    """Short, and nothing is rounded up to perfection."""
    assert [EN.rate(value) for value in (1.0, 0.99999, 0.978, 0.001, 0.0004, 0.0, -0.5, -1e99, 1e308, None)] == [
        "100%", "99.9%", "97.8%", "0.1%", f"<{BLANK}0.1%", "0.0%", "-50.0%", "-1.000e+101%", "inf%", "-"
    ]  # fmt: skip
    durations = [EN.seconds(value) for value in (0, 1.254, 2.904, 59.94, 60, 185.2, 7630, 1e99, -3)]
    assert [duration.replace(BLANK, " ") for duration in durations] == [
        "0 s", "1.25 s", "2.9 s", "59.9 s", "1 min 0 s", "3 min 5 s", "2 h 7 min", "1.000e+99 s", "-3 s"
    ]  # fmt: skip
    sizes = [EN.megabytes(size).replace(BLANK, " ") for size in (1, 444_000, 9_949_000, 31_400_000)]
    assert sizes == ["0 kB", "0.4 MB", "9.9 MB", "31 MB"]
    assert [EN.limit(value) for value in (1.0, 0.995, 0.1, 0.077, 0.05)] == ["100%", "99.5%", "10%", "7.7%", "5%"]


def test_no_figure_is_broken_from_its_unit() -> None:
    """Nor from its other parts."""
    assert not any(" " in written for written in (EN.seconds(2.9), EN.seconds(185), EN.seconds(7630), EN.rate(0.0004)))


def test_text_of_the_table_comes_in_one_line_of_bounded_length() -> None:
    """Counted in UTF-16 units, cut between characters."""
    assert shown("a\nb\r\n  c\td") == "a b c d"
    assert shown("a\u2028b\x85c") == "a\\u2028b\\x85c"
    assert shown("🙂" * 50) == "🙂" * 19 + "…"
    assert shown("x" * 40) == "x" * 40


def test_the_hours_around_a_clock_change_are_told_apart() -> None:
    """02:30 comes twice that night; its offset says which."""
    twice = [datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1)]
    texts = [
        write(folded([make_analysis(created_at=at)]), window=make_window(at.replace(minute=0), "Europe/Berlin"))
        for at in twice
    ]

    assert ["02:30:00 UTC+2, completed" in texts[0].text, "02:30:00 UTC+1, completed" in texts[1].text] == [True, True]
    assert texts[0].subject.endswith("2026-10-25 02:00 UTC+2 - 02:00 UTC+1")
    assert texts[1].subject.endswith("2026-10-25 02:00-03:00 UTC+1")
    assert [EN.moment(at, BERLIN) for at in twice] == ["2026-10-25 02:30:00 UTC+2", "2026-10-25 02:30:00 UTC+1"]


def test_a_day_of_25_hours_tells_every_moment_with_its_offset() -> None:
    """The first and the last hour have different ones."""
    day = day_of(date(2026, 10, 25), BERLIN)
    rows = [make_analysis(created_at=day.start), make_analysis(created_at=day.end - timedelta(seconds=1))]
    text = write(folded(rows), window=day, before=Counts(analyses=1)).text

    assert day.end - day.start == timedelta(hours=25)
    assert "00:00:00 UTC+2, completed" in text
    assert "23:59:59 UTC+1, completed" in text
    assert f"Analyses: {phrases.compared(day, '2', '1', '')}" in text


def test_a_window_over_midnight_gives_moments_their_date() -> None:
    """A clock alone would leave the day open."""
    window = make_window(datetime(2026, 11, 22, 18, tzinfo=UTC), "Asia/Kolkata")

    text = write(folded([make_analysis(created_at=window.start + timedelta(minutes=45))]), window=window).text

    assert "2026-11-23 00:15:00 UTC+5:30, completed" in text


def test_the_page_asks_for_nothing_from_outside_and_reads_well_aloud() -> None:
    """No image, no script, no style sheet; layout tables say that they are no data; light and dark."""
    page = Page(write(make_summary("completed", "failed"), before=Counts(analyses=3)).html)

    assert not page.tags & {"img", "script", "link", "iframe", "svg", "input"}
    assert not re.search(r"https?://(?!www\.w3\.org/1999/xhtml)|url\(", page.markup)
    assert page.markup.count("<table") == page.markup.count('<table role="presentation"') + 1
    assert page.markup.count('<table role="table"') == 1
    assert page.markup.count('<th scope="') == 6
    assert ("lang", "en") in page.attributes
    assert {"h1", "h2", "title"} <= page.tags
    for name in ("color-scheme", "supported-color-schemes"):
        assert f'<meta name="{name}" content="light dark">' in page.markup
    assert "prefers-color-scheme: dark" in page.markup


def test_a_long_alert_keeps_window_owed_command_and_runbook() -> None:
    """What is said of the failures gives way."""
    problem = Problem(key="x", reason="x" * 300, group="The time limit")
    failures = [Failure(what=f"email to {number}", problem=problem) for number in range(100)]
    owed = [f"email to {number}" for number in range(100)]

    text = str(render_alert(make_window(), failures, coverage=Coverage(owed=owed, is_certain=True), command="run me"))

    assert units(text) <= LONGEST
    assert lines(text)[0].endswith(" 100 of 100 lack 2026-11-22 13:00-14:00 UTC")
    assert "email to 9 and 90 more" in text
    assert re.search(rf"\nRunbook: {problem.group} \(x\)\n\n[^\n]+:\nrun me$", text)


def test_an_alert_names_the_report_where_it_isnt_the_default_one() -> None:
    """Behind its fixed beginning."""
    failure = Failure(what="x", problem=Problem(key="x", reason="y."))

    window = make_window()
    named, default = (str(render_alert(window, [failure], name=name)) for name in ("Staging", DEFAULT_NAME))
    head = "⚠️ ERROR in Reports Generator:"
    assert lines(named)[0].startswith(f"{head} y. Staging {window.label()} ")
    assert lines(default)[0].startswith(f"{head} y. {window.label()} ")
    assert "Staging" in str(render_alert(None, [failure], name="Staging"))
    all_clear = str(render_all_clear([Recovery(window=window)], name="Staging"))
    assert all_clear.startswith("✅ All clear: ")
    assert re.search("Staging: .* 2026", lines(all_clear)[0])


def test_the_first_line_of_an_alert_keeps_the_hour_however_long_its_cause_is() -> None:
    """It is the mail's subject; of several causes it has the one that hits most."""
    long = Failure(what="x", problem=Problem(key="a", reason="A rather long reason " * 20), parts=["email to a"])
    worst = Failure(what="y", problem=Problem(key="b", reason="Worse."), parts=["email to b", "email to c"])
    owed, refused, have = ["email to b", "email to c"], ["email to a"], ["telegram to 4"]
    coverage = Coverage(owed=owed, refused=refused, have=have, is_certain=True)
    window = make_window()

    alone = lines(str(render_alert(window, [long], coverage=coverage)))[0]
    both = str(render_alert(window, [long, worst], coverage=coverage))

    assert alone.endswith(f" 3 of 4 lack {window.label()}")
    assert units(alone) <= 180
    assert lines(both)[0].startswith("⚠️ ERROR in Reports Generator: Worse")
    assert failed_parts(both) == ["y", "x"]
    assert "\nRefused: email to a\nHave it: 1 chat" in both


def test_the_name_of_each_wrong_setting_stands_in_the_first_line_of_its_alert() -> None:
    """And below each has a line of its own."""
    problems = ["SMTP_PORT must be an integer, like 465", "REPORT_TIMEZONE is not a known time zone; use one"]
    error = SettingsError(problems)

    text = lines(str(render_alert(None, [Failure(what=Stage.SETTINGS, problem=error.problem)])))

    assert text[0].endswith(": SMTP_PORT, REPORT_TIMEZONE.")
    assert [line.strip() for line in text if line.startswith("  ")] == problems


def test_an_alert_of_many_names_and_wide_characters_fits_into_a_message() -> None:
    """Telegram refuses a longer one, and nobody would be alerted."""
    failure = Failure(what="reading the rows", problem=Problem(key="a", reason="🙂" * 3000, remedy="Look."))
    owed = [f"email to somebody-{place}@example.com" for place in range(50)]

    text = str(
        render_alert(
            make_window(), [failure], coverage=Coverage(owed=owed), command="run it " + "x" * 500, name="🙂" * 60
        )
    )

    assert units(text) <= LONGEST
    assert text.endswith("run it " + "x" * 500)


def test_a_quote_that_is_cut_off_stays_a_quote() -> None:
    """Nothing behind it passes for our own words, and its mark is closed."""
    problem = Problem(key="x", reason="Refused.", said="https://evil.example/" + "x" * 5000)

    text = render_alert(make_window(), [Failure(what="x", problem=problem)], command="run me")

    (quote,) = (piece for piece in text.pieces if piece.is_quote)
    assert quote.text.startswith("https://evil.example/xxx")
    assert str(text).count("“") == str(text).count("”") == 1
    assert units(str(text)) <= LONGEST


def test_analyses_that_have_not_ended_are_told_in_every_form() -> None:
    """One line, and none where all have ended."""
    running = make_summary("completed", *["running"] * 18, *["queued"] * 2)
    line = phrases.unfinished(running.unfinished)

    assert figures_of(line) == ["20", "18", "2"]
    assert [line in text for text in write(running).shown] == [True] * 3
    assert figures_of(phrases.unfinished(make_summary("completed", "running").unfinished)) == ["1"]
    assert phrases.unfinished(make_summary("completed", "failed").unfinished) == ""
