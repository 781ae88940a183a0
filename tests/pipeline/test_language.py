"""A run in another language than English: what recipients get is in it, what operators get is not."""

import re
from collections.abc import Callable

from src.phrases.language import phrases_of

from ..builders import OPTION, make_rows, make_window, opened
from ..conftest import Run
from ..ledger.test_ledger import CATCH_UP, job, this_hour
from ..sandbox import CHATS, RECIPIENTS, Sandbox
from .test_compare import ALERT_CHAT, put, put_weeks

RunTool = Callable[..., Run]
RUSSIAN = re.compile("[А-яЁё]")


def test_a_report_in_russian_arrives_whole(sandbox: Sandbox, run: RunTool) -> None:
    """Mail, caption and workbook, for everyone; the log is English, and the file has the same name."""
    sandbox.supabase.insert(make_rows(21))

    result = run(*OPTION, REPORT_LANGUAGE="RU", REPORT_NAME="Стенд")

    line = "ежечасный отчёт – 22.11.2026 13:00–14:00 UTC"
    assert result.code == 0
    assert {mail.message["Subject"] for mail in sandbox.mails} == {f"Стенд: {line}"}
    heads = [sent.text.splitlines()[:2] for sent in sandbox.messages]
    assert heads == [[f"{line.capitalize().replace('utc', 'UTC')} · Стенд", "21 анализ, ошибок нет"]] * len(CHATS)
    books = [content for _, content in sandbox.workbooks()]
    assert len(books) == len(CHATS) + len(RECIPIENTS)
    assert {tuple(opened(content).sheetnames) for content in books} == {("Ежечасный отчёт", "Сводка")}
    assert (sandbox.folder / "report_20261122_130000.xlsx").exists()
    assert not RUSSIAN.search(result.log.replace("Стенд", ""))


def test_an_alert_is_english_whatever_the_reports_language(sandbox: Sandbox, run: RunTool) -> None:
    """It is searched for."""
    sandbox.supabase.insert(make_rows(3))
    sandbox.mailbox.refused = {RECIPIENTS[0]: "550 5.1.1 No such user here"}

    run(*OPTION, REPORT_LANGUAGE="ru")

    (alert,) = sandbox.alerts
    assert not RUSSIAN.search(alert)


def test_the_alert_chat_is_told_of_an_unusual_hour_in_the_reports_language(sandbox: Sandbox, run: RunTool) -> None:
    """It is no alert, and may be forwarded as it is."""
    sandbox.bot.chats.add(ALERT_CHAT)
    put(sandbox, 100, failed=60)
    put_weeks(sandbox, 60, 61, 62, 63)

    run(*OPTION, TELEGRAM_ALERT_CHAT_ID=ALERT_CHAT, REPORT_LANGUAGE="ru")

    (told,) = sandbox.unusual
    assert told.chat == ALERT_CHAT
    line = "⚠ Ошибок 60,0\u00a0%, обычно нет – Ежечасный отчёт – 22.11.2026 13:00–14:00 UTC"
    assert told.text.splitlines()[0] == line


def test_rows_that_came_late_are_told_in_the_reports_language_and_logged_in_english(
    sandbox: Sandbox, run: RunTool
) -> None:
    """The log's sentence is the one that the documents name."""
    run(JOB_NAME=job(2), **CATCH_UP, REPORT_LANGUAGE="ru")
    sandbox.supabase.insert(make_rows(3, start=this_hour(3)))

    told = run(JOB_NAME=job(1), **CATCH_UP, REPORT_LANGUAGE="ru")

    assert phrases_of("en").late_rows(make_window(this_hour(3)), 3) in told.log
    assert "пришли ещё 3 строки, когда отчёт" in sandbox.mails[-1].text.replace("=\n", "")
    assert phrases_of("ru").ROWS_LATE in sandbox.mails[-1].message["Subject"]


def test_a_workbook_that_can_be_sent_nowhere_is_told_in_the_reports_language(sandbox: Sandbox, run: RunTool) -> None:
    """Recipients read why in Russian, the operator in English."""
    sandbox.supabase.insert(make_rows(3))
    sandbox.bot.largest = 1000

    run(*OPTION, REPORT_LANGUAGE="ru", REPORT_CHANNELS="telegram")

    assert "Файл не удалось приложить. Он слишком велик для Телеграма" in sandbox.messages[0].text
    assert not RUSSIAN.search("".join(sandbox.alerts))
