"""Every language says all of it, and nothing of another one."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from string import Formatter
from tempfile import TemporaryDirectory
from typing import get_args

import pytest

from src.config.settings import Language
from src.domain.analysis import FAILED_STATUSES, TOO_LONG
from src.domain.summary import AnomalyKind
from src.message.caption import CAPTION_LIMIT, TEXT_LIMIT
from src.phrases.english import English
from src.phrases.language import Phrases, phrases_of
from src.runtime.visible_text import units

from ..builders import make_analysis, opened
from ..message.forms import Page
from ..sandbox.markup import plain
from ..test_start import SRC
from .golden import LANGUAGES
from .hours import Got, Hour, got, hostile, hours, words

HOURS = [*hours().items(), *((f"hostile-{number}", hour) for number, hour in enumerate(hostile()))]
OTHER = {"en": re.compile("[А-яЁё]+"), "ru": re.compile("[A-Za-z]+")}
"""The letters that a report of a language has only in what isn't ours."""
LABELS = ("alt", "aria-label", "title")
NAMES = {name for name in dir(Phrases) if not name.startswith("_")}
REPLACED = {name for name in vars(English) if not name.startswith("__")}
"""What each language says in its own way."""


@cache
def got_of(name: str, language: Language) -> Got:
    """Make what recipients get of one of HOURS, once for all tests, which only read it."""
    with TemporaryDirectory() as folder:
        return got(Path(folder), dict(HOURS)[name], language)


def data_of(hour: Hour) -> list[str]:
    """List what of an hour isn't ours, the longest first: data, names of report, file, table and zone, the link."""
    of_rows = [str(getattr(row, name)) for row in hour.rows for name in ("id", "status", "duration", "records_failed")]
    texts = {text for text in of_rows if re.search("[A-Za-zА-яЁё]", text)} - {TOO_LONG, "None", "nan"}
    names: set[str] = {hour.name, hour.attachment.name, hour.attachment.link, hour.window.zone.key, "UTC", "analyses"}
    cut = {f"{text[:length]}…" for text in texts for length in (33, 39, 59)}
    texts |= {*cut, *names, *FAILED_STATUSES, str(make_analysis().id)}
    return sorted(texts - {""}, key=len, reverse=True)


def texts_of(found: Got, language: Language) -> Iterator[str]:
    """Yield all that a reader sees, or has read aloud; of a number's format what stands in quotation marks."""
    page = Page(found.forms.html.partition("</head>")[2])
    yield from (found.forms.subject, found.forms.text, plain(found.forms.repeat), found.unusual, page.text)
    yield from re.findall("<title>(.*)</title>", found.forms.html)
    yield from (value or "" for name, value in page.attributes if name in LABELS)
    for sheet in opened(found.workbook):
        for row in sheet.iter_rows():
            for cell in row:
                yield from [str(cell.value)] if isinstance(cell.value, str) else []
                yield from re.findall('"([^"]*)"', cell.number_format)
    for text in words(found.workbook):
        is_format = (re.search(r"[0#]|[ydmhs]{2}", text) and '"' in text) or text in ("#,##0", "0.0%", "General")
        is_format = is_format or text == phrases_of(language).MOMENT_FORMAT
        yield from re.findall('"([^"]*)"', text) if is_format else [re.sub("&[A-Z]", "", text)]


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("name", "hour"), HOURS, ids=[name for name, _ in HOURS])
def test_a_report_has_no_word_of_another_language(name: str, hour: Hour, language: Language) -> None:
    """But what stands in the table or is a name: in messages, cells, charts, formats, properties, texts read aloud."""
    found = got_of(name, language)
    strange, data = set(), data_of(hour)
    for text in texts_of(found, language):
        rest = re.sub("ф{20,}", "", text.replace("\u2060", ""))
        for known in data:
            rest = rest.replace(known, "")
        if OTHER[language].search(rest):
            strange.add(rest)

    assert strange == set()
    assert f'<html lang="{language}"' in found.forms.html


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_messages_of_every_language_are_as_long_as_they_may_be(language: Language) -> None:
    """Caption, a sheet's name, a subject."""
    for name, hour in HOURS:
        found = got_of(name, language)
        limit = CAPTION_LIMIT if hour.attachment.is_attached and not hour.lost else TEXT_LIMIT
        assert units(plain(found.forms.repeat)) <= limit
        assert units(found.forms.subject) <= 240
        assert max(len(name) for name in opened(found.workbook).sheetnames) <= 31


def test_no_russian_line_ends_in_a_word_of_one_letter() -> None:
    """It belongs to the word behind it."""
    for name, _ in HOURS:
        forms = got_of(name, "ru").forms
        for text in (forms.text, Page(forms.html).text, plain(forms.repeat)):
            assert re.findall(r"(?<![\w-])[авикосуАВИКОСУ] \S+", text) == []


def fields_of(words: object) -> set[str | None]:
    """Return the names of what is filled in besides a count, whatever forms the words have."""
    if isinstance(words, Mapping):
        return {name for form in words.values() for name in fields_of(form)}
    return {name for _, name, _, _ in Formatter().parse(words)} - {None, ""} if isinstance(words, str) else set()


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_a_language_replaces_every_word_and_adds_none(language: Language) -> None:
    """What it leaves out would be read in English, what it has besides by nobody."""
    own = {name: value for name, value in vars(type(phrases_of(language))).items() if not name.startswith("__")}

    assert len(REPLACED) > 100
    assert own.keys() == REPLACED
    assert {name: fields_of(value) for name, value in own.items()} == {
        name: fields_of(getattr(English, name)) for name in own
    }


def test_every_phrase_is_used() -> None:
    """One that isn't would be translated for nothing."""
    sources = [path for path in (*SRC.rglob("*.py"), *SRC.rglob("*.html")) if path.parent != SRC / "phrases"]
    text = "\n".join(path.read_text() for path in sources)
    composed = (SRC / "phrases" / "language.py").read_text()

    assert len(NAMES) > 70
    used = {name for name in NAMES if re.search(rf"phrases(?:_of\(\S+?\))?\.{name}\b", text)}
    assert NAMES - used == {"ANOMALIES"}
    assert {name for name in REPLACED if name not in used and f"self.{name}" not in composed} == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_is_the_one_that_is_asked_for(language: Language) -> None:
    """The page says it to programs that read aloud."""
    assert language == phrases_of(language).LANGUAGE


@pytest.mark.parametrize("language", get_args(Language))
def test_every_kind_of_odd_data_has_its_words(language: Language) -> None:
    """A dict may lack a key without a type error, and a report must not fail of its words."""
    assert phrases_of(language).ANOMALIES.keys() == {*get_args(AnomalyKind)}
