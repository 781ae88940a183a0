"""The words of a report in Russian; `english` says what each of them is.

Numbers, dates, units and plural forms come from `russian_formats`. A count stands before its noun in the form that
it asks for: 1 анализ, 2 анализа, 5 анализов. Behind "из" and "не менее" it asks for the genitive: из 1 анализа, из 2
анализов.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from babel.dates import format_time

from ..config.settings import DEFAULT_NAME
from ..domain import analysis
from ..domain.attachment import Attachment
from ..domain.baseline import Deviation
from ..domain.failure_burst import FailureBurst
from ..domain.quantiles import EXACT, RELATIVE_ERROR
from ..domain.summary import Anomaly, AnomalyKind, StatusCount, Summary, TimeBucket
from ..domain.window import DAY, Window, offset_name
from .formats import NAME_LENGTH, shown
from .russian_formats import LOCALE, PER_CENT, about, date, genitive, megabytes, minute, per_cent, plural
from .russian_formats import moment as moment
from .russian_formats import number as number
from .russian_formats import rate as rate
from .russian_formats import seconds as seconds

LANGUAGE = "ru"
_CHANNELS = {"email": "почты", "telegram": "Телеграма"}
_REASON_LENGTH = 300

LATE = " (с опозданием)"
ROWS_LATE = " (есть опоздавшие строки)"
FAILED_SINCE = " (ошибок стало больше)"

ANALYSES = "Анализы"
FAILED_ANALYSES = "Анализы с ошибкой"
PROCESSED = "Обработано записей"
FAILED = "Записей с ошибкой"
SUCCESS_RATE = "Доля успешных"
MEDIAN = "Медиана длительности"
P95 = "95\u00a0% не дольше"
LONGEST = "Самый долгий"
ODD_DATA = "Сомнительные данные"
STATUSES = "Статусы"
_NO_STATUS = "(без статуса)"
ANOMALIES: Mapping[AnomalyKind, str] = {
    "more failed than processed": "записей с ошибкой больше, чем обработано",
    "missing": "без показателей",
    "no number": "показатель не является числом",
    "negative duration": "отрицательная длительность, в медиане и максимуме не учтена",
    "too long": "слишком длинное значение, в отчёт не вошло",
    "repeated": "время создания изменилось при чтении: строка учтена один раз, с первым значением",
    "doubled": "точный повтор строки, учтён один раз: не размножает ли строки соединение таблиц (join)",
    "shared id": "тот же идентификатор, что у другой строки: не размножает ли строки соединение таблиц (join)",
}
TOO_LONG = "(слишком длинное значение)"

MOST_FAILED = "Больше всего записей с ошибкой"
DOWNLOAD = "Скачать файл"
REPEAT = "Возможно, это повтор: ответ на первую отправку потерялся."

DOCUMENT_CREATOR = "Генератор отчётов"
COLUMN_ID = "Идентификатор"
COLUMN_TIMESTAMP = "Время"
COLUMN_STATUS = "Статус"
COLUMN_DURATION = "Длительность, с"
COLUMN_PROCESSED = "Обработано записей"
COLUMN_FAILED = "Записей с ошибкой"
COLUMN_RATE = "Доля успешных"
SHORTENED = "… [сокращено]"
SUMMARY = "Сводка"
WINDOW = "Период"
TIMES_IN = "Часовой пояс"
GENERATED = "Сформирован"
TABLE = "Таблица"
MOMENT_FORMAT = r"dd\.mm\.yyyy hh:mm:ss"  # as Excel writes it: SheetJS shows no date with a plain point
SECONDS_FORMAT = '#,##0.00 "с"'
OTHER_WINDOWS = "Другие периоды"
SHARE = "Доля"
COUNTS_AS = "Считается"
COUNTS_AS_FAILED = "ошибкой"
SHARE_FORMAT = '[<0.001]"< 0,1%";0.0%'
COMPARED = "Сравнение"
USUAL = "Обычно"
NOT_COMPARED = "С прошлыми неделями не сравнивается: число анализов за них узнать не удалось."
WORST = "Худшие анализы"
WORST_ORDER = "Сначала те, где больше всего записей с ошибкой, затем самые долгие. Время ведёт к строке анализа."
ITS_ROW = "Строка"
FROM = "Начало"


def title(window: Window) -> str:
    """Name the report: `Часовой отчёт`."""
    return "Суточный отчёт" if window.template == "daily" else "Часовой отчёт"


def label(window: Window) -> str:
    """Name the window: `23.11.2026, 13:00–14:00 UTC`, or `23.11.2026, Europe/Berlin` for a day."""
    return _label(window, ", ")


def subject(window: Window, name: str, suffix: str) -> str:
    """Write the subject of a mail: `Digital Twin: часовой отчёт – 23.11.2026 13:00–14:00 UTC (с опозданием)`."""
    return f"{caption_title(window, name)}{suffix}"


def caption_title(window: Window, name: str) -> str:
    """Head the caption in a chat: `Digital Twin: часовой отчёт – 23.11.2026 13:00–14:00 UTC`."""
    return f"{page_title(window, name)} – {_label(window, ' ')}"


def document_title(window: Window) -> str:
    """Name the mail's page, and the workbook in its properties: `Часовой отчёт – 23.11.2026 13:00–14:00 UTC`."""
    return f"{title(window)} – {_label(window, ' ')}"


def page_title(window: Window, name: str) -> str:
    """Head the plain text of a mail with the report's title: `Digital Twin: часовой отчёт`."""
    return f"{name}: {title(window).lower()}"


def named(name: str) -> str:
    """Write what stands behind a fixed line to say whose report it is: nothing for the default name."""
    return "" if name == DEFAULT_NAME else f" · {name}"


def document_subject(name: str) -> str:
    """Say what the workbook is about."""
    return f"Анализы: {name}"


def headline(window: Window, summary: Summary) -> str:
    """Say how it went in one line: `192 из 2 500 анализов с ошибкой (7,7 %)`."""
    failed, rows = summary.failed_analyses, summary.rows
    if not rows:
        return no_analyses(window)
    if not failed:
        return f"{_analyses(rows)}, ошибок нет"
    return f"{number(failed)} из {genitive(rows, 'анализа', 'анализов')} с ошибкой ({rate(failed / rows)})"


def records(summary: Summary) -> str:
    """Say how the records went: `Успешно обработано 95,5 % из 1 668 175 записей`; nothing where that isn't known."""
    if not summary.rows or summary.success_rate is None:
        return ""
    if not summary.rated_records:
        return "Записи не обрабатывались"
    return f"Успешно обработано {rate(summary.success_rate)} из {genitive(summary.rated_records, 'записи', 'записей')}"


def no_analyses(window: Window) -> str:
    """Say that a window is empty."""
    return f"Нет анализов за {label(window)}."


def deviation(found: Deviation) -> str:
    """Say what is out of the ordinary in a few words with its numbers, as in a subject."""
    match found.kind:
        case "empty":
            return f"анализов нет, {_usually(found)}"
        case "few" | "many":
            return f"{_analyses(round(found.value))}, {_usually(found)}"
        case "failed" | "high_failures":
            return f"{per_cent(found.value)} анализов с ошибкой"
        case "low_success":
            return f"успешно обработано {rate(found.value)} записей"
        case "slow":
            return f"95{PER_CENT} анализов не дольше {seconds(found.value)}"


def warning(found: Deviation) -> str:
    """Say what is out of the ordinary, and what it is held against."""
    said = deviation(found)
    said = f"{said[0].upper()}{said[1:]}"
    match found.kind:
        case "empty" | "few" | "many":
            return said
        case "failed":
            return f"{said}, обычно {f'около {per_cent(found.reference)}' if found.reference else 'таких нет'}"
        case "slow":
            return f"{said}, порог {seconds(found.reference)}"
        case _:
            return f"{said}, порог {per_cent(found.reference)}"


def warned(text: str) -> str:
    """Mark what is out of the ordinary."""
    return f"⚠ {text}"


def alert_of_unusual(window: Window, name: str) -> str:
    """Head the message that tells the alert chat of an unusual window."""
    return f"⚠ Необычно: {title(window).lower()} – {_label(window, ' ')}{named(name)}"


def failure_burst(found: FailureBurst, start: str, end: str) -> str:
    """Say where failures come in a burst, from the clock time `start` to `end`."""
    return (
        f"Больше половины ошибок ({number(found.failed)} из {number(found.of)}) пришлось на время с {start} до {end}."
    )


def this(window: Window) -> str:
    """Name the window in a table that compares it."""
    return {"hour": "Этот час", "day": "Эти сутки", "24 hours": "Эти 24 часа"}[_span(window)]


def the_one_before(window: Window) -> str:
    """Name the window before in such a table; in short words, for a phone's column."""
    return "Часом раньше" if _span(window) == "hour" else "Сутками раньше"


def compared(window: Window, now: str, before: str, usual: str) -> str:
    """Compare a figure in a line: `2 431 (часом раньше 2 219, обычно 2 400)`, as far as it is known."""
    parts = [f"{the_one_before(window).lower()} {before}" if before else "", f"обычно {usual}" if usual else ""]
    known = ", ".join(filter(None, parts))
    return f"{now} ({known})" if known else now


def anomaly(odd: Anomaly) -> str:
    """Say what is odd, and how often; of analyses that lack a figure, which statuses they have."""
    if odd.kind != "missing":
        return f"{ANOMALIES[odd.kind]}: {_analyses(odd.count)}"
    return f"{_analyses(odd.count)} {ANOMALIES[odd.kind]} ({_each(odd.statuses)})"


def unfinished(counted: Sequence[StatusCount]) -> str:
    """Say how many analyses have not ended: `Не завершено: 18 (running)`, or `… (running: 12, queued: 6)`."""
    if not counted:
        return ""
    statuses = status(counted[0].status) if len(counted) == 1 else _each(counted)
    return f"Не завершено: {number(sum(one.analyses for one in counted))} ({statuses})"


def _each(counted: Sequence[StatusCount]) -> str:
    return ", ".join(f"{'прочие' if one.others else status(one.status)}: {number(one.analyses)}" for one in counted)


def late_rows(window: Window, more: int, *, failed: int = 0, skipped: bool = False) -> str:
    """Write the remark that rows came after a window's report was sent, or after it was skipped as empty.

    `failed`: so many more of its analyses have failed.
    """
    came = plural(more, ("пришла ещё", "строка"), ("пришли ещё", "строки"), ("пришло ещё", "строк"))
    end = "отчёт уже пропустили как пустой" if skipped else "отчёт был уже отправлен"
    failures = f"; анализов с ошибкой стало больше на {number(failed)}" if failed else ""
    return f"За {label(window)} {came[0]} {number(more)} {came[1]}, когда {end}{failures}."


def failed_since(window: Window, failed: int) -> str:
    """Write the remark that analyses have failed after a window's report was sent."""
    ended = plural(
        failed, ("завершился ещё", "анализ"), ("завершились ещё", "анализа"), ("завершилось ещё", "анализов")
    )
    return f"За {label(window)} с ошибкой {ended[0]} {number(failed)} {ended[1]}, когда отчёт был уже отправлен."


def more_like_this(count: int) -> str:
    """Say that remarks are left out."""
    such = plural(count, "такое замечание", "таких замечания", "таких замечаний")
    return f"И ещё {number(count)} {such}."


def status(name: str | None, limit: int = NAME_LENGTH) -> str:
    """Show the status of an analysis, or that it has none, in at most `limit` UTF-16 units."""
    return shown(TOO_LONG if name == analysis.TOO_LONG else name or "", limit) or _NO_STATUS


def counted_status(counted: StatusCount, limit: int = NAME_LENGTH) -> str:
    """Show a status that was counted, or how many others were, in at most `limit` UTF-16 units."""
    if not counted.others:
        return status(counted.status, limit)
    if counted.more:
        return f"не менее {genitive(counted.others, 'другого статуса', 'других статусов')}"
    return f"{number(counted.others)} {plural(counted.others, 'другой статус', 'других статуса', 'других статусов')}"


def toll(failed: str, processed: str, took: str) -> str:
    """Say what an analysis cost: `12 из 200 с ошибкой, 1,25 с`."""
    return f"{failed} из {processed} с ошибкой{took and f', {took}'}"


def whereabouts(attachment: Attachment, window: Window, rows: int, channel: str) -> str:
    """Say where those whom `channel` reaches find the workbook: attached, behind a link, or nowhere, and why."""
    if attachment.left_out:
        return f"Файл не удалось приложить. {shown(attachment.left_out, _REASON_LENGTH)}"
    if attachment.link:
        end = f" до {minute(attachment.until.astimezone(window.zone))}" if attachment.until else ""
        return f"Файл слишком велик для {_CHANNELS[channel]} ({megabytes(attachment.size)}), скачайте его{end}:"
    if not rows:
        return f"В приложенном файле {attachment.name} строк нет."
    if window.template == "hourly" and window.start.astimezone(window.zone).utcoffset():
        # The file's name says another hour than the report does.
        return f"Все анализы за {label(window)} – в приложенном файле {attachment.name} (в его имени время UTC)."
    return f"Все анализы – в приложенном файле {attachment.name}."


def too_large(channel: str, size: int) -> str:
    """Say to those who get it why a workbook of `size` bytes is left out."""
    return (
        f"Он слишком велик для {_CHANNELS[channel]} ({megabytes(size)}), и выложить его по ссылке не удалось. "
        "Те, кто следит за отчётами, об этом знают."
    )


def zone_name(window: Window) -> str:
    """Name the zone in which times are shown, with its offset or offsets: `Europe/Berlin (UTC+1)`, or `UTC`."""
    first, last = window.start.astimezone(window.zone), (window.end - timedelta.resolution).astimezone(window.zone)
    offset, later = offset_name(first), offset_name(last)
    if window.zone.key == offset == later:
        return offset
    return f"{window.zone.key} ({offset if offset == later else f'{offset}, затем {later}'})"


def page_header(window: Window) -> str:
    """Write what stands at the head of every printed page."""
    return f"{label(window)}, часовой пояс {zone_name(window)}"


def approximate_quantiles() -> str:
    """Say how exact median and 95 % are where there are many durations."""
    error = per_cent(RELATIVE_ERROR)
    return f"Когда длительностей больше {number(EXACT)}, медиана и 95{PER_CENT} даны с точностью до {error}."


def failed_statuses(names: Sequence[str]) -> str:
    """Say which statuses count as failed."""
    return f"Ошибкой считаются статусы: {', '.join(names)}."


def highlights(low_rate: float) -> str:
    """Say what stands out among the rows."""
    low = per_cent(low_rate)
    return f"Среди строк жирным шрифтом и цветом выделены статусы с ошибкой и доли успешных записей ниже {low}."


def buckets_heading(window: Window) -> str:
    """Head the table of buckets."""
    return f"{_buckets(window).capitalize()}, часовой пояс {zone_name(window)}"


def chart_title(window: Window) -> str:
    """Name the chart."""
    return f"Анализы и ошибки {_buckets(window)}"


def chart_axis(window: Window) -> str:
    """Name the chart's axis of times."""
    return f"{FROM} ({zone_name(window)})"


def chart_description(window: Window, summary: Summary, most: TimeBucket, start: str) -> str:
    """Tell who doesn't see the chart what it shows; `most` is its highest column, which begins at `start`."""
    return (
        f"Столбчатая диаграмма: анализы и ошибки {_buckets(window)}, {label(window)}. {_analyses(summary.rows)}, "
        f"из них с ошибкой {number(summary.failed_analyses)}; больше всего с {start}: {number(most.analyses)}."
    )


def bucket(found: TimeBucket) -> str:
    """Say what a bucket holds: `210`, or `210, с ошибкой 4`."""
    return number(found.analyses) + (f", с ошибкой {number(found.failed)}" if found.failed else "")


def chart_caption(most: TimeBucket, start: str, *, any_failed: bool) -> str:
    """Say how high the highest bar of a mail's chart is, and which part of a bar is what."""
    failed = " Внизу столбцов оранжевым – с ошибкой." if any_failed else ""
    return f"Больше всего с {start}: {number(most.analyses)}.{failed}"


def _analyses(count: int) -> str:
    return f"{number(count)} {plural(count, 'анализ', 'анализа', 'анализов')}"


def _usually(found: Deviation) -> str:
    return f"обычно около {about(found.reference)}" if found.reference else "обычно ни одного"


def _buckets(window: Window) -> str:
    return "по часам" if window.template == "daily" else "по пятиминуткам"


def _span(window: Window) -> str:
    if window.template == "hourly":
        return "hour"
    return "day" if window.is_calendar_day else "24 hours"


def _label(window: Window, comma: str) -> str:
    """Name the window, with `comma` between date and time."""
    start, end = window.start.astimezone(window.zone), window.end.astimezone(window.zone)
    if _span(window) == "day":
        return f"{date(start)}{comma}{window.zone.key}"
    clock = "medium" if start.second else "short"
    first, last = (format_time(one.time(), clock, locale=LOCALE) for one in (start, end))
    last = last if window.end - window.start < DAY else f"{date(end)}{comma}{last}"
    if start.utcoffset() != end.utcoffset():
        first, last = f"{first} {offset_name(start)} ", f" {last}"
    elif window.end - window.start >= DAY:
        first, last = f"{first} ", f" {last}"
    return f"{date(start)}{comma}{first}–{last} {offset_name(end)}"
