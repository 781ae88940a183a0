"""The words of a report in Russian; `english` and `language.Phrases` say what each of them is.

A count stands before its noun in the form that it asks for: 1 анализ, 2 анализа, 5 анализов. Behind "из" and "не
менее" it asks for the genitive: из 1 анализа, из 2 анализов; of a fraction, из 1,5 анализа.
"""

from collections.abc import Mapping
from typing import ClassVar

from ..config.settings import Language
from ..domain.baseline import DeviationKind
from ..domain.summary import AnomalyKind
from ..domain.window import DAY, Template, Window, offset_name
from .english import Forms, Span
from .formats import RU, Locale
from .language import Phrases


class Russian(Phrases):
    """What a report says, in Russian."""

    LANGUAGE: Language = "ru"
    LOCALE: Locale = RU
    _DASH = " – "
    _TO = "–"

    _TITLES: ClassVar[Mapping[Template, str]] = {"hourly": "Ежечасный отчёт", "daily": "Суточный отчёт"}
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
    TOO_LONG = "(слишком длинное значение)"
    ANOMALIES: ClassVar[Mapping[AnomalyKind, str]] = {
        "more failed than processed": "записей с\u00a0ошибкой больше, чем обработано",
        "missing": "нет длительности или числа записей",
        "no number": "показатель не является числом",
        "negative duration": "отрицательная длительность, в\u00a0медиане, 95\u00a0% и\u00a0максимуме не учтена",
        "too long": "слишком длинное значение, в\u00a0отчёт не вошло",
        "repeated": "время создания изменилось при чтении, строка учтена один раз, с\u00a0первым значением",
        "doubled": "точный повтор строки, учтён один раз: не размножает ли строки соединение таблиц (join)",
        "shared id": "тот же идентификатор, что у\u00a0другой строки: не размножает ли строки соединение таблиц (join)",
    }
    _COUNTED_ANALYSES: ClassVar[Forms] = {"one": "{} анализ", "few": "{} анализа", "many": "{} анализов"}
    _UNFIGURED: ClassVar[Forms] = {
        "one": "У\u00a0{} анализа {anomaly} ({statuses}).",
        "many": "У\u00a0{} анализов {anomaly} ({statuses}).",
    }
    _UNFINISHED = "Не завершено: {count} ({statuses})"
    _COUNTED_STATUS = "{status}:\u00a0{count}"
    _OTHERS = "прочие"
    _NO_STATUS = "(без статуса)"
    _OTHER_STATUSES: ClassVar[Forms] = {
        "one": "{} другой статус",
        "few": "{} других статуса",
        "many": "{} других статусов",
    }
    _OR_MORE_STATUSES: ClassVar[Forms] = {
        "one": "не менее {} другого статуса",
        "many": "не менее {} других статусов",
    }

    NO_ANALYSES = "Анализов нет"
    _NORMAL = "Ничего необычного: {headline}"
    _NONE_FAILED = "{analyses}, ошибок нет"
    _SOME_FAILED: ClassVar[Forms] = {
        "one": "Завершился ошибкой {} из\u00a0{analyses}",
        "many": "Завершились ошибкой {} из\u00a0{analyses}",
    }
    _OF_ANALYSES: ClassVar[Forms] = {"one": "{} анализа", "many": "{} анализов"}
    _OF_ANALYSES_IF_NORMAL: ClassVar[Forms] = _OF_ANALYSES
    _NO_RECORDS = "Записи не обрабатывались"
    _RECORDS = "Успешно обработано {rate} из\u00a0{records}"
    _OF_RECORDS: ClassVar[Forms] = {"one": "{} записи", "other": "{} записи", "many": "{} записей"}
    _RECORDS_LINE = "Записей успешно: {rate} из\u00a0{records}"
    _DURATIONS_LINE = "Длительность: медиана {median}, 95\u00a0% – до {p95}, максимум {longest}"
    _FACTS: ClassVar[Mapping[DeviationKind, str]] = {
        "empty": NO_ANALYSES,
        "few": "{analyses}",
        "many": "{analyses}",
        "failed": "Ошибок {rate}",
        "low_success": "Записей успешно {rate}",
        "slow": "Долго: 95\u00a0% – до {duration}",
    }
    _BURST = "{count} из\u00a0{failures} – с\u00a0{start} до {end}."
    _BURST_OF_ALL = "Все ошибки ({count}) – с\u00a0{start} до {end}."
    _OF_FAILURES: ClassVar[Forms] = {"one": "{} ошибки", "many": "{} ошибок"}

    USUAL = "Обычно"
    _USUALLY = "обычно {usual}"
    _NO_SHARE = "нет"
    _NO_COUNT = "ни одного"
    _LIMIT = "порог {limit}"
    _NOT_COMPARED = "С\u00a0прошлыми неделями не сравнивается: число анализов за них узнать не удалось."
    _MEDIAN_OF = "Обычно – это медиана {few}четырёх последних {weekdays}{clock}."
    _THREE_OF = "трёх из\u00a0"
    _WEEKDAYS = ("понедельников", "вторников", "сред", "четвергов", "пятниц", "суббот", "воскресений")
    _FROM_24_HOURS = "24\u00a0часа с\u00a0{start}"
    _KNOWN_FROM = "Обычные значения будут известны с\u00a0{date}."
    _THIS: ClassVar[Mapping[Span, str]] = {"hour": "Этот час", "day": "Эти сутки", "24 hours": "Эти 24 часа"}
    _BEFORE: ClassVar[Mapping[Span, str]] = {"hour": "Прошлый час", "day": "Прошлые сутки", "24 hours": "Прошлые сутки"}
    _EARLIER: ClassVar[Mapping[Span, str]] = {
        "hour": "часом раньше",
        "day": "сутками раньше",
        "24 hours": "сутками раньше",
    }

    _LATE_ROWS = "За {window} {rows}, когда {end}{failures}."
    _ROWS: ClassVar[Forms] = {
        "one": "пришла ещё {} строка",
        "few": "пришли ещё {} строки",
        "many": "пришло ещё {} строк",
    }
    _SENT = "отчёт уже был отправлен"
    _SKIPPED = "отчёт уже пропустили как пустой"
    _AND_FAILED: ClassVar[Forms] = {"other": "; анализов с\u00a0ошибкой стало больше на {}"}
    _FAILED_SINCE: ClassVar[Forms] = {
        "one": "За {window} с\u00a0ошибкой завершился ещё {} анализ, когда отчёт уже был отправлен.",
        "few": "За {window} с\u00a0ошибкой завершились ещё {} анализа, когда отчёт уже был отправлен.",
        "many": "За {window} с\u00a0ошибкой завершилось ещё {} анализов, когда отчёт уже был отправлен.",
    }
    _MORE_REMARKS: ClassVar[Forms] = {
        "one": "И\u00a0ещё {} такое замечание.",
        "few": "И\u00a0ещё {} таких замечания.",
        "many": "И\u00a0ещё {} таких замечаний.",
    }

    FAILED_STATUS = "ошибка"
    MOST_FAILED = "Анализы, где больше всего записей с\u00a0ошибкой"
    _PART = "{failed} из\u00a0{processed}"
    _TOLL = _TOLL_OF_ONE = "{failed} из\u00a0{processed} с\u00a0ошибкой"
    REPEAT = "Возможно, это повтор: ответ на первую отправку потерялся."
    DOWNLOAD = "Скачать файл"
    _CHANNELS: ClassVar[Mapping[str, str]] = {"email": "почты", "telegram": "Телеграма"}
    _LEFT_OUT = "Файл не удалось приложить. {reason}"
    _LINKED = "Файл слишком велик для {channel} ({size}), скачайте его{until}:"
    _UNTIL = " до {moment}"
    _WITHOUT_ROWS = "В\u00a0приложенном файле {file} строк нет."
    _NAMED_IN_UTC = "Все анализы за {window} – в\u00a0приложенном файле {file} (в\u00a0его имени время UTC)."
    _ATTACHED = "Все анализы – в\u00a0приложенном файле {file}."
    _TOO_LARGE = (
        "Он слишком велик для {channel} ({size}), выложить его по ссылке не удалось. "
        "Те, кто следит за отчётами, об этом знают."
    )

    DOCUMENT_CREATOR = "Генератор отчётов"
    _DOCUMENT_SUBJECT = "Анализы: {name}"
    COLUMN_ID = "Идентификатор"
    COLUMN_TIMESTAMP = "Время"
    COLUMN_STATUS = "Статус"
    COLUMN_DURATION = "Длительность, с"
    COLUMN_PROCESSED = "Обработано записей"
    COLUMN_FAILED = "Записей с\u00a0ошибкой"
    COLUMN_RATE = "Записей успешно"
    SHORTENED = "… [сокращено]"
    MOMENT_FORMAT = r"dd\.mm\.yyyy hh:mm:ss"  # as Excel writes it: SheetJS shows no date with a plain point
    RATE_FORMAT = '[>=1]0.0%;[>=0.9995]"99,9%";0.0%'  # nothing but a whole one is 100.0%
    _NO_ANALYSES_IN = "Нет анализов за {window}."
    SUMMARY = "Сводка"
    TIMES_IN = "Часовой пояс"
    _IN_ZONE = "{what}, часовой пояс {zone}"
    _THEN = "затем"
    GENERATED = "Сформирован"
    TABLE = "Таблица"
    OTHER_WINDOWS = "Другие периоды"
    SHARE = "Доля"
    COUNTS_AS = "Считается"
    COUNTS_AS_FAILED = "ошибкой"
    COMPARED = "Сравнение"
    WORST = "Худшие анализы"
    WORST_ORDER = (
        "Сначала те, где больше всего записей с\u00a0ошибкой, затем самые долгие. Время – ссылка на строку анализа."
    )
    ITS_ROW = "Строка"
    DURATION = "Длительность"
    _APPROXIMATE = "Когда длительностей больше {exact}, медиана и\u00a095\u00a0% даны с\u00a0точностью до {error}."
    _FAILED_STATUSES = "Ошибкой считаются статусы: {names}."
    _HIGHLIGHTS = (
        "Среди строк жирным шрифтом и\u00a0цветом выделены "
        "статусы с\u00a0ошибкой и\u00a0доли успешных записей ниже {rate}."
    )

    FROM = "Начало"
    _PER_HOUR = "по часам"
    _PER_FIVE_MINUTES = "по 5\u00a0минут"
    _CHART_TITLE = "Анализы и\u00a0ошибки {buckets}"
    _CHART_DESCRIPTION = (
        "Столбчатая диаграмма: анализы и\u00a0ошибки {buckets}, {window}. {total}; больше всего с\u00a0{start}: {most}."
    )
    _CHART_TOTAL = _CHART_TOTAL_OF_ONE = "{analyses}, из них с\u00a0ошибкой {failed}"
    _BUCKET = "{analyses}, с\u00a0ошибкой {failed}"
    _CHART_CAPTION = "Больше всего: {most} с\u00a0{start} до {end}."
    _LOWER_PART = " Нижняя часть столбца – с\u00a0ошибкой."

    def label(self, window: Window) -> str:
        """Name the window: `23.11.2026, 13:00–14:00 UTC`, or `23.11.2026, Europe/Berlin` for a day."""
        start, end = window.start.astimezone(window.zone), window.end.astimezone(window.zone)
        if window.is_calendar_day:
            return f"{start:{RU.date}}, {window.zone.key}"
        clock, is_hour = "%H:%M:%S" if start.second else "%H:%M", window.end - window.start < DAY
        offset = "" if start.utcoffset() == end.utcoffset() else f" {offset_name(start)}"
        dash = self._TO if is_hour and not offset else f"{offset}{self._DASH}"
        end_date = "" if is_hour else f"{end:{RU.date}}, "
        return f"{start:{RU.date}}, {start:{clock}}{dash}{end_date}{end:{clock}} {offset_name(end)}"

    def subject(self, window: Window, name: str) -> str:
        """Write the subject of a mail: `Digital Twin: ежечасный отчёт – 23.11.2026 13:00–14:00 UTC`."""
        return f"{self.page_title(window, name)}{self._DASH}{self._short_label(window)}"

    def page_title(self, window: Window, name: str) -> str:
        """Head the plain text of a mail with the report's title: `Digital Twin: ежечасный отчёт`."""
        return f"{name}: {self.title(window).lower()}"

    def _earlier_label(self, window: Window) -> str:
        """Name an earlier window within a sentence: `12:00–13:00 UTC 23.11.2026`; a day as its title does."""
        if window.template == "daily":
            return self._short_label(window)
        return f"{self._clock(window).removeprefix(', ')} {window.start.astimezone(window.zone):{RU.date}}"


RUSSIAN = Russian()
