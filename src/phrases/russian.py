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
from ..domain.baseline import WEEKS, Comparison, Deviation
from ..domain.failure_burst import FailureBurst
from ..domain.quantiles import EXACT, RELATIVE_ERROR
from ..domain.summary import Anomaly, AnomalyKind, StatusCount, Summary, TimeBucket
from ..domain.window import DAY, Window, offset_name
from .formats import BLANK, NAME_LENGTH, clocks, shown
from .russian_formats import LOCALE, PER_CENT, date, genitive, limit, megabytes, minute, plural
from .russian_formats import moment as moment
from .russian_formats import number as number
from .russian_formats import rate as rate
from .russian_formats import seconds as seconds

LANGUAGE = "ru"
_WEEKDAYS = ("понедельников", "вторников", "сред", "четвергов", "пятниц", "суббот", "воскресений")
_CHANNELS = {"email": "почты", "telegram": "Телеграма"}
_REASON_LENGTH = 300

LATE = " (с\u00a0опозданием)"
ROWS_LATE = " (есть опоздавшие строки)"
FAILED_SINCE = " (ошибок стало больше)"

ANALYSES = "Анализы"
FAILED_ANALYSES = "Анализы с\u00a0ошибкой"
FAILED_COUNT = "С\u00a0ошибкой"
FAILED_SHARE = "Доля ошибок"
PROCESSED = "Обработано записей"
FAILED = "Записей с\u00a0ошибкой"
SUCCESS_RATE = "Записей успешно"
MEDIAN = "Медиана длительности"
P95 = "95\u00a0% – не дольше"
LONGEST = "Самый долгий"
ODD_DATA = "Сомнительные данные"
STATUSES = "Статусы"
_NO_STATUS = "(без статуса)"
ANOMALIES: Mapping[AnomalyKind, str] = {
    "more failed than processed": "записей с\u00a0ошибкой больше, чем обработано",
    "missing": "нет длительности или числа записей",
    "no number": "показатель не является числом",
    "negative duration": "отрицательная длительность, в\u00a0медиане, 95\u00a0% и\u00a0максимуме не учтена",
    "too long": "слишком длинное значение, в\u00a0отчёт не вошло",
    "repeated": "время создания изменилось при чтении, строка учтена один раз, с\u00a0первым значением",
    "doubled": "точный повтор строки, учтён один раз: не размножает ли строки соединение таблиц (join)",
    "shared id": "тот же идентификатор, что у\u00a0другой строки: не размножает ли строки соединение таблиц (join)",
}
TOO_LONG = "(слишком длинное значение)"

FAILED_STATUS = "ошибка"
MOST_FAILED = "Анализы, где больше всего записей с\u00a0ошибкой"
NO_ANALYSES = "Анализов нет"
DOWNLOAD = "Скачать файл"
REPEAT = "Возможно, это повтор: ответ на первую отправку потерялся."

DOCUMENT_CREATOR = "Генератор отчётов"
COLUMN_ID = "Идентификатор"
COLUMN_TIMESTAMP = "Время"
COLUMN_STATUS = "Статус"
COLUMN_DURATION = "Длительность, с"
COLUMN_PROCESSED = "Обработано записей"
COLUMN_FAILED = "Записей с\u00a0ошибкой"
COLUMN_RATE = "Записей успешно"
SHORTENED = "… [сокращено]"
SUMMARY = "Сводка"
TIMES_IN = "Часовой пояс"
GENERATED = "Сформирован"
TABLE = "Таблица"
MOMENT_FORMAT = r"dd\.mm\.yyyy hh:mm:ss"  # as Excel writes it: SheetJS shows no date with a plain point
RATE_FORMAT = '[>=1]0.0%;[>=0.9995]"99,9%";0.0%'  # nothing but a whole one is 100.0%
OTHER_WINDOWS = "Другие периоды"
SHARE = "Доля"
COUNTS_AS = "Считается"
COUNTS_AS_FAILED = "ошибкой"
COMPARED = "Сравнение"
USUAL = "Обычно"
_NOT_COMPARED = "С\u00a0прошлыми неделями не сравнивается: число анализов за них узнать не удалось."
WORST = "Худшие анализы"
WORST_ORDER = (
    "Сначала те, где больше всего записей с\u00a0ошибкой, затем самые долгие. Время – ссылка на строку анализа."
)
ITS_ROW = "Строка"
DURATION = "Длительность"
FROM = "Начало"


def title(window: Window) -> str:
    """Name the report: `Ежечасный отчёт`."""
    return "Суточный отчёт" if window.template == "daily" else "Ежечасный отчёт"


def label(window: Window) -> str:
    """Name the window: `23.11.2026, 13:00–14:00 UTC`, or `23.11.2026, Europe/Berlin` for a day."""
    return _label(window, ", ")


def subject(window: Window, name: str) -> str:
    """Write the subject of a mail: `Digital Twin: ежечасный отчёт – 23.11.2026 13:00–14:00 UTC`."""
    return f"{page_title(window, name)} – {_label(window, ' ')}"


def led(lead: str, line: str) -> str:
    """Put the fact that leads before a line that names the report, if there is one."""
    return f"{lead} – {line}" if lead else line


def caption_title(window: Window, name: str) -> str:
    """Head the caption in a chat: `Ежечасный отчёт – 23.11.2026 13:00–14:00 UTC`."""
    return f"{document_title(window)}{named(name)}"


def document_title(window: Window) -> str:
    """Name the mail's page, and the workbook in its properties: `Ежечасный отчёт – 23.11.2026 13:00–14:00 UTC`."""
    return f"{title(window)} – {_label(window, ' ')}"


def page_title(window: Window, name: str) -> str:
    """Head the plain text of a mail with the report's title: `Digital Twin: ежечасный отчёт`."""
    return f"{name}: {title(window).lower()}"


def named(name: str) -> str:
    """Write what stands behind a fixed line to say whose report it is: nothing for the default name."""
    return "" if name == DEFAULT_NAME else f" · {name}"


def document_subject(name: str) -> str:
    """Say what the workbook is about."""
    return f"Анализы: {name}"


def headline(summary: Summary, comparison: Comparison, *, is_normal: bool) -> str:
    """Say how it went in one line: `Завершились ошибкой 116 из 2 431 анализа (4,8 %, обычно 5,3 %)`."""
    share = comparison.usual.failed_share if comparison.usual else None
    usually = "" if share is None else f"обычно {rate(share)}"
    rows, failed = summary.rows, summary.failed_analyses
    if not rows:
        said = NO_ANALYSES
    elif not failed:
        said = f"{_analyses(rows)}, ошибок нет{usually and f' ({usually})'}"
    else:
        ended = plural(failed, "Завершился", "Завершились", "Завершились")
        shares = ", ".join(filter(None, [rate(failed / rows), usually]))
        said = f"{ended} ошибкой {number(failed)} из{BLANK}{genitive(rows, 'анализа', 'анализов')} ({shares})"
    return f"Ничего необычного: {said[0].lower()}{said[1:]}" if is_normal else said


def records(summary: Summary) -> str:
    """Say how the records went: `Успешно обработано 95,5 % из 1 668 175 записей`; nothing where that isn't known."""
    if not summary.rows or summary.success_rate is None:
        return ""
    if not summary.rated_records:
        return "Записи не обрабатывались"
    of_all = genitive(summary.rated_records, "записи", "записей")
    return f"Успешно обработано {rate(summary.success_rate)} из{BLANK}{of_all}"


def records_line(summary: Summary) -> str:
    """Say the same in a line of figures: `Записей успешно: 95,5 % из 1 668 175`."""
    if not summary.rated_records or summary.success_rate is None:
        return ""
    return f"{SUCCESS_RATE}: {rate(summary.success_rate)} из{BLANK}{number(summary.rated_records)}"


def durations_line(median: str, p95: str, longest: str) -> str:
    """Say how long the analyses took: `Длительность: медиана 3,8 с, 95 % – до 20,2 с, максимум 1 мин 30 с`."""
    return f"Длительность: медиана {median}, 95{PER_CENT} – до {p95}, максимум {longest}"


def no_analyses(window: Window) -> str:
    """Say on the sheet of the rows that there are none."""
    return f"Нет анализов за {label(window)}."


def fact(found: Deviation) -> str:
    """Say what is unusual in a few words with its number."""
    match found.kind:
        case "empty":
            return NO_ANALYSES
        case "few" | "many":
            return _analyses(round(found.value))
        case "failed":
            return f"Ошибок {rate(found.value)}"
        case "low_success":
            return f"Записей успешно {rate(found.value)}"
        case "slow":
            return f"Долго: 95{PER_CENT} – до {seconds(found.value)}"


def warning(found: Deviation) -> str:
    """Say what is unusual, and what it is held against: `Ошибок 16,6 %, обычно 5,3 %, порог 10 %`."""
    usually = "" if found.usual is None else f"обычно {_usually(found)}"
    limited = (
        "" if found.limit is None else f"порог {seconds(found.limit) if found.kind == 'slow' else limit(found.limit)}"
    )
    return ", ".join(filter(None, [fact(found), usually, limited]))


def _usually(found: Deviation) -> str:
    if not found.usual:
        return "нет" if found.kind == "failed" else "ни одного"
    return rate(found.usual) if found.kind == "failed" else number(round(found.usual))


def warned(text: str) -> str:
    """Mark what is unusual."""
    return f"⚠ {text}"


def failure_burst(found: FailureBurst, start: str, end: str) -> str:
    """Say where failures come in a burst, from the clock time `start` to `end`."""
    if found.failed == found.of:
        return f"Все ошибки ({number(found.of)}) – с{BLANK}{start} до {end}."
    return f"{number(found.failed)} из{BLANK}{genitive(found.of, 'ошибки', 'ошибок')} – с{BLANK}{start} до {end}."


def what_is_usual(window: Window, comparison: Comparison) -> str:
    """Explain the usual figures, or say why there are none and from when on there will be."""
    if comparison.failure:
        return _NOT_COMPARED
    if comparison.usual:
        few = "" if comparison.usual.weeks == WEEKS else f"трёх из{BLANK}"
        days = _WEEKDAYS[window.start.astimezone(window.zone).weekday()]
        return f"Обычно – это медиана {few}четырёх последних {days}{_clock(window)}."
    if comparison.known_from:
        return f"Обычные значения будут известны с{BLANK}{date(comparison.known_from.astimezone(window.zone))}."
    return ""


def this(window: Window) -> str:
    """Name the window in a table that compares it."""
    return {"hour": "Этот час", "day": "Эти сутки", "24 hours": "Эти 24 часа"}[_span(window)]


def the_one_before(window: Window) -> str:
    """Name the window before in such a table; in short words, for a phone's column."""
    return "Прошлый час" if _span(window) == "hour" else "Прошлые сутки"


def compared(window: Window, now: str, before: str, usual: str) -> str:
    """Compare a figure in a line: `2 431 (обычно 2 400, часом раньше 2 219)`, as far as it is known."""
    earlier = "часом раньше" if _span(window) == "hour" else "сутками раньше"
    parts = [f"обычно {usual}" if usual else "", f"{earlier} {before}" if before else ""]
    known = ", ".join(filter(None, parts))
    return f"{now} ({known})" if known else now


def anomaly(odd: Anomaly) -> str:
    """Say how many analyses are odd, and in which way."""
    return f"{_analyses(odd.count)}: {ANOMALIES[odd.kind]}"


def unfigured(odd: Anomaly) -> str:
    """Say which analyses lack figures, by their statuses."""
    lack = plural(odd.count, "анализа", "анализов", "анализов")
    return f"У{BLANK}{number(odd.count)} {lack} {ANOMALIES[odd.kind]} ({_each(odd.statuses)})."


def unfinished(counted: Sequence[StatusCount]) -> str:
    """Say how many analyses have not ended: `Не завершено: 18 (running)`, or `… (running: 12, queued: 6)`."""
    if not counted:
        return ""
    statuses = status(counted[0].status) if len(counted) == 1 else _each(counted)
    return f"Не завершено: {number(sum(one.analyses for one in counted))} ({statuses})"


def _each(counted: Sequence[StatusCount]) -> str:
    return ", ".join(
        f"{'прочие' if one.others else status(one.status)}:{BLANK}{number(one.analyses)}" for one in counted
    )


def late_rows(window: Window, more: int, *, failed: int = 0, skipped: bool = False) -> str:
    """Write the remark that rows came after a window's report was sent, or after it was skipped as empty.

    `failed`: so many more of its analyses have failed.
    """
    came = plural(more, ("пришла ещё", "строка"), ("пришли ещё", "строки"), ("пришло ещё", "строк"))
    end = "отчёт уже пропустили как пустой" if skipped else "отчёт уже был отправлен"
    failures = f"; анализов с{BLANK}ошибкой стало больше на {number(failed)}" if failed else ""
    return f"За {_of(window)} {came[0]} {number(more)} {came[1]}, когда {end}{failures}."


def failed_since(window: Window, failed: int) -> str:
    """Write the remark that analyses have failed after a window's report was sent."""
    ended = plural(
        failed, ("завершился ещё", "анализ"), ("завершились ещё", "анализа"), ("завершилось ещё", "анализов")
    )
    said = f"За {_of(window)} с{BLANK}ошибкой {ended[0]} {number(failed)} {ended[1]}"
    return f"{said}, когда отчёт уже был отправлен."


def more_like_this(count: int) -> str:
    """Say that remarks are left out."""
    such = plural(count, "такое замечание", "таких замечания", "таких замечаний")
    return f"И{BLANK}ещё {number(count)} {such}."


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


def part(failed: str, processed: str) -> str:
    """Say how many of the records of an analysis failed: `12 из 200`."""
    return f"{failed} из{BLANK}{processed}"


def toll(failed: str, processed: str, took: str) -> str:
    """Say what an analysis cost: `12 из 200 с ошибкой, 1,25 с`."""
    return f"{failed} из{BLANK}{processed} с{BLANK}ошибкой{took and f', {took}'}"


def whereabouts(attachment: Attachment, window: Window, rows: int, channel: str) -> str:
    """Say where those whom `channel` reaches find the workbook: attached, behind a link, or nowhere, and why."""
    if attachment.left_out:
        return f"Файл не удалось приложить. {shown(attachment.left_out, _REASON_LENGTH)}"
    if attachment.link:
        end = f" до {minute(attachment.until.astimezone(window.zone))}" if attachment.until else ""
        return f"Файл слишком велик для {_CHANNELS[channel]} ({megabytes(attachment.size)}), скачайте его{end}:"
    if not rows:
        return f"В{BLANK}приложенном файле {attachment.name} строк нет."
    if window.template == "hourly" and window.start.astimezone(window.zone).utcoffset():
        # The file's name says another hour than the report does.
        every = f"Все анализы за {label(window)} – в{BLANK}приложенном файле"
        return f"{every} {attachment.name} (в{BLANK}его имени время UTC)."
    return f"Все анализы – в{BLANK}приложенном файле {attachment.name}."


def too_large(channel: str, size: int) -> str:
    """Say to those who get it why a workbook of `size` bytes is left out."""
    return (
        f"Он слишком велик для {_CHANNELS[channel]} ({megabytes(size)}), выложить его по ссылке не удалось. "
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
    error = limit(RELATIVE_ERROR)
    return (
        f"Когда длительностей больше {number(EXACT)}, медиана и{BLANK}95{PER_CENT} даны с{BLANK}точностью до {error}."
    )


def failed_statuses(names: Sequence[str]) -> str:
    """Say which statuses count as failed."""
    return f"Ошибкой считаются статусы: {', '.join(names)}."


def highlights(low_rate: float) -> str:
    """Say what stands out among the rows."""
    low = limit(low_rate)
    marked = f"статусы с{BLANK}ошибкой и{BLANK}доли успешных записей ниже {low}"
    return f"Среди строк жирным шрифтом и{BLANK}цветом выделены {marked}."


def buckets_heading(window: Window) -> str:
    """Head the table of buckets."""
    return f"{_buckets(window).capitalize()}, часовой пояс {zone_name(window)}"


def chart_title(window: Window) -> str:
    """Name the chart."""
    return f"Анализы и{BLANK}ошибки {_buckets(window)}"


def chart_axis(window: Window) -> str:
    """Name the chart's axis of times."""
    return f"{FROM} ({zone_name(window)})"


def chart_description(window: Window, summary: Summary, most: TimeBucket, start: str) -> str:
    """Tell who doesn't see the chart what it shows; `most` is its highest column, which begins at `start`."""
    return (
        f"Столбчатая диаграмма: анализы и{BLANK}ошибки {_buckets(window)}, {label(window)}. {_analyses(summary.rows)}, "
        f"из них с{BLANK}ошибкой {number(summary.failed_analyses)}; "
        f"больше всего с{BLANK}{start}: {number(most.analyses)}."
    )


def bucket(found: TimeBucket) -> str:
    """Say what a bucket holds: `210`, or `210, с ошибкой 4`."""
    return number(found.analyses) + (f", с{BLANK}ошибкой {number(found.failed)}" if found.failed else "")


def chart_caption(most: TimeBucket, start: str, end: str, *, any_failed: bool) -> str:
    """Say how high the highest bar of a mail's chart is, and which part of a bar is what."""
    failed = f" Нижняя часть столбца – с{BLANK}ошибкой." if any_failed else ""
    return f"Больше всего: {number(most.analyses)} с{BLANK}{start} до {end}.{failed}"


def _analyses(count: int) -> str:
    return f"{number(count)} {plural(count, 'анализ', 'анализа', 'анализов')}"


def _buckets(window: Window) -> str:
    return "по часам" if window.template == "daily" else f"по 5{BLANK}минут"


def _span(window: Window) -> str:
    if window.template == "hourly":
        return "hour"
    return "day" if window.is_calendar_day else "24 hours"


def _clock(window: Window) -> str:
    """Write the clock times of a window that is no day: `, 13:00–14:00 UTC`, or `, 24 часа с 13:07 UTC`."""
    if window.is_calendar_day:
        return ""
    start, end = clocks([window.start, window.end], window.zone)
    times = f"{start}–{end}" if window.template == "hourly" else f"24{BLANK}часа с{BLANK}{start}"
    return f", {times}{BLANK}{offset_name(window.start.astimezone(window.zone))}"


def _of(window: Window) -> str:
    """Name an earlier window within a sentence: `12:00–13:00 UTC 23.11.2026`; a day as `label` does."""
    if _span(window) != "hour":
        return _label(window, " ")
    return f"{_clock(window)[2:]} {date(window.start.astimezone(window.zone))}"


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
