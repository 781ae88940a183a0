"""Russian as a colleague would write it: forms of nouns, numbers, dates, durations."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from src.config.settings import DEFAULT_NAME
from src.domain.analysis import FailedStatuses
from src.domain.baseline import Comparison, Deviation
from src.domain.delivery import Attachment
from src.domain.summary import FailureBurst, StatusCount, Summary
from src.domain.window import Window, day_of, until
from src.phrases.russian import RUSSIAN
from src.workbook.data_sheet import sheet_columns

from ..builders import START, make_analysis, make_window
from ..pages import PAGES

BERLIN = ZoneInfo("Europe/Berlin")
DAY = day_of(START.date(), BERLIN)
TRIAL = until("daily", BERLIN, START + timedelta(minutes=7, seconds=4))


def of_rows(count: int, *, failed: int = 0, processed: float = 100) -> Summary:
    """Fold so many analyses."""
    summary = Summary()
    summary.add(
        [
            make_analysis(status="failed" if number < failed else "completed", records_processed=processed)
            for number in range(count)
        ]
    )
    return summary


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (1, "1 анализ"),
        (2, "2 анализа"),
        (5, "5 анализов"),
        (11, "11 анализов"),
        (21, "21 анализ"),
        (104, "104 анализа"),
        (1_581_951, "1\u00a0581\u00a0951 анализ"),
    ],
)
def test_a_count_has_its_noun_in_the_form_that_it_asks_for(count: int, shown: str) -> None:
    """One, few, many, and those whose end is one again."""
    assert RUSSIAN.warning(Deviation(kind="few", value=count, usual=2391)) == f"{shown}, обычно 2\u00a0391"


def test_behind_of_a_noun_stands_in_the_genitive() -> None:
    """Of one, and of all others."""
    summaries = of_rows(1, failed=1), of_rows(21, failed=2), of_rows(32, failed=5), of_rows(3)
    headlines = [RUSSIAN.headline(summary, Comparison(), is_normal=False) for summary in summaries]

    assert [headline.replace("\u00a0", " ") for headline in headlines] == [
        "Завершился ошибкой 1 из 1 анализа (100 %)",
        "Завершились ошибкой 2 из 21 анализа (9,5 %)",
        "Завершились ошибкой 5 из 32 анализов (15,6 %)",
        "3 анализа, ошибок нет",
    ]
    assert RUSSIAN.records(of_rows(3, processed=7)).endswith("21 записи")
    assert RUSSIAN.records(of_rows(3)).endswith("300 записей")
    assert RUSSIAN.records(of_rows(3, processed=0.5)).endswith("1,5 записи")
    assert RUSSIAN.records(of_rows(3, processed=1.1)).endswith("3,3 записи")
    assert RUSSIAN.records(of_rows(10, processed=1.1)).endswith("11 записей")  # as floats 10.999999999999998


@pytest.mark.parametrize(
    ("more", "shown"),
    [(1, "пришла ещё 1 строка"), (3, "пришли ещё 3 строки"), (12, "пришло ещё 12 строк"), (21, "пришла ещё 21 строка")],
)
def test_verbs_and_nouns_of_late_rows_agree(more: int, shown: str) -> None:
    """And say after what they came."""
    window = "За 13:00–14:00\u00a0UTC 22.11.2026"

    assert RUSSIAN.late_rows(make_window(), more) == f"{window} {shown}, когда отчёт уже был отправлен."
    assert RUSSIAN.late_rows(make_window(), more, skipped=True).endswith("когда отчёт уже пропустили как пустой.")


@pytest.mark.parametrize(
    ("failed", "shown"),
    [(1, "завершился ещё 1 анализ"), (2, "завершились ещё 2 анализа"), (12, "завершилось ещё 12 анализов")],
)
def test_verbs_and_nouns_of_later_failures_agree(failed: int, shown: str) -> None:
    """Beside late rows there is one figure more, and no second sentence."""
    window = "За 13:00–14:00\u00a0UTC 22.11.2026"
    with_rows = RUSSIAN.late_rows(make_window(), 5, failed=failed)

    assert (
        RUSSIAN.failed_since(make_window(), failed)
        == f"{window} с\u00a0ошибкой {shown}, когда отчёт уже был отправлен."
    )
    assert with_rows.startswith(RUSSIAN.late_rows(make_window(), 5).rstrip("."))
    assert with_rows.endswith(f" {failed}.")


def test_what_is_left_out_is_counted_in_its_form_too() -> None:
    """Statuses and remarks."""
    counts = [StatusCount(analyses=9, others=number) for number in (1, 3, 18)]

    assert [RUSSIAN.counted_status(one) for one in counts] == [
        "1 другой статус",
        "3 других статуса",
        "18 других статусов",
    ]
    more = [StatusCount(analyses=9, others=number, more=True) for number in (991, 992)]
    assert [RUSSIAN.counted_status(one) for one in more] == [
        "не менее 991 другого статуса",
        "не менее 992 других статусов",
    ]
    assert [RUSSIAN.more_like_this(number) for number in (1, 2, 5)] == [
        "И\u00a0ещё 1 такое замечание.",
        "И\u00a0ещё 2 таких замечания.",
        "И\u00a0ещё 5 таких замечаний.",
    ]


def test_numbers_have_a_comma_and_blanks_at_which_no_line_breaks() -> None:
    """Of whatever size; a share is nothing or whole only where it is."""
    numbers = [0, 1_581_951, 1.5, 1234.5678901, 10**20, 10**21, 1.5e300, -2]
    assert [RUSSIAN.number(value) for value in numbers] == [
        "0",
        "1\u00a0581\u00a0951",
        "1,5",
        "1\u00a0234,56789",
        "100" + "\u00a0000" * 6,
        "1,000·10^21",
        "1,500·10^300",
        "-2",
    ]
    shares = [None, 0, 0.0004, 0.955, 0.9999, 1, -0.5, 12.5, -1e307]
    assert [RUSSIAN.rate(value) for value in shares] == [
        "-",
        "0,0\u00a0%",
        "<\u00a00,1\u00a0%",
        "95,5\u00a0%",
        "99,9\u00a0%",
        "100\u00a0%",
        "-50,0\u00a0%",
        "1\u00a0250\u00a0%",
        "-∞\u00a0%",
    ]


def test_durations_have_russian_units() -> None:
    """Seconds, minutes, hours."""
    durations = [0, 2.9, 59.999, 185, 7620, 1e9]
    assert [RUSSIAN.seconds(value).replace("\u00a0", "_") for value in durations] == [
        "0_с",
        "2,9_с",
        "60_с",
        "3_мин_5_с",
        "2_ч_7_мин",
        "1_000_000_000_с",
    ]


@pytest.mark.parametrize(
    ("window", "label"),
    [
        (make_window(), "22.11.2026, 13:00–14:00 UTC"),
        (make_window(zone="Asia/Kolkata"), "22.11.2026, 18:30–19:30 UTC+5:30"),
        (make_window(datetime(2026, 10, 25, 0, tzinfo=UTC), "Europe/Berlin"), "25.10.2026, 02:00 UTC+2 – 02:00 UTC+1"),
        (DAY, "22.11.2026, Europe/Berlin"),
        (TRIAL, "21.11.2026, 14:07:05 – 22.11.2026, 14:07:05 UTC+1"),
    ],
)
def test_a_window_is_named_by_its_date_and_times(window: Window, label: str) -> None:
    """With a comma in a sentence, without one in the first line."""
    assert RUSSIAN.label(window) == label
    assert RUSSIAN.caption_title(window, DEFAULT_NAME).endswith(f" отчёт – {label.replace(', ', ' ')}")


def test_the_first_line_of_subject_and_caption_names_report_and_window() -> None:
    """In a subject the project's name stands before it."""
    assert RUSSIAN.caption_title(make_window(), DEFAULT_NAME) == "Ежечасный отчёт – 22.11.2026 13:00–14:00 UTC"
    line = "Digital Twin: ежечасный отчёт – 22.11.2026 13:00–14:00 UTC"
    assert RUSSIAN.subject(make_window(), DEFAULT_NAME) == line
    assert RUSSIAN.subject(DAY, "Стенд") == "Стенд: суточный отчёт – 22.11.2026 Europe/Berlin"


def test_a_day_is_compared_with_the_day_before() -> None:
    """And a trial's 24 hours with those before."""
    assert RUSSIAN.compared(make_window(), "2", "1", "3") == "2 (обычно 3, часом раньше 1)"
    assert RUSSIAN.compared(DAY, "2", "1", "") == "2 (сутками раньше 1)"
    assert [RUSSIAN.this(one) for one in (make_window(), DAY, TRIAL)] == ["Этот час", "Эти сутки", "Эти 24 часа"]


def test_a_burst_of_failures_is_told_in_a_sentence() -> None:
    """From when to when."""
    found = FailureBurst(start=START, end=START, failed=1200, of=1500)

    said = RUSSIAN.failure_burst(found, "13:15", "13:25").replace("\u00a0", " ")
    assert said == "1 200 из 1 500 ошибок – с 13:15 до 13:25."


def test_the_russian_page_quotes_what_arrives() -> None:
    """Columns, sheets, marks, first line, and the beginnings of sentences that a reader looks for."""
    page = PAGES["ru"]
    headers = [column.header for column in sheet_columns(FailedStatuses(), RUSSIAN)]
    table = page.partition("| столбец |")[2].partition("\n\n")[0]
    window = make_window(datetime(2026, 11, 24, 13, tzinfo=UTC))
    attachment = Attachment(name="r.xlsx", size=1, left_out="x")

    assert re.findall(r"^\| ([А-Я][^|]+?) \|", table, re.MULTILINE) == [
        header.replace("\u00a0", " ") for header in headers
    ]
    assert f"`{RUSSIAN.caption_title(window, DEFAULT_NAME)}`" in page
    for mark in (RUSSIAN.LATE, RUSSIAN.ROWS_LATE, RUSSIAN.FAILED_SINCE):
        assert f"| `{mark.strip()}` |".replace("\u00a0", " ") in page
    few = RUSSIAN.warning(Deviation(kind="few", value=300, usual=2391))
    assert f"`{RUSSIAN.marked(few)}`".replace("\u00a0", " ") in page
    for sentence in (
        RUSSIAN.title(window),
        RUSSIAN.SUMMARY,
        RUSSIAN.ODD_DATA,
        RUSSIAN.REPEAT.partition(":")[0],
        RUSSIAN.whereabouts(attachment, window, 1, "email").partition(".")[0],
        RUSSIAN.late_rows(window, 5).partition("2026 ")[2].rstrip("."),
    ):
        assert f"«{sentence}»" in page
