"""What readers of each language get of each kind of hour is what the golden files show."""

import pytest

from src.config.settings import Language

from .golden import FOLDER, LANGUAGES, path_of, shown
from .hours import Hour, hours

CASES = [(language, name, hour) for language in LANGUAGES for name, hour in hours().items()]


@pytest.mark.parametrize(("language", "name", "hour"), CASES, ids=[f"{one}-{name}" for one, name, _ in CASES])
def test_readers_get_what_the_golden_files_show(language: Language, name: str, hour: Hour) -> None:
    """Word for word; `python -m tests.phrases.golden` writes them anew, and their difference is looked at."""
    assert shown(hour, language) == path_of(language, name).read_text()


def test_there_is_a_golden_file_for_each_kind_of_hour_and_no_other() -> None:
    """One that is left over shows what nobody gets."""
    assert {*FOLDER.rglob("*.txt")} == {path_of(language, name) for language, name, _ in CASES}
