"""What operators read about each rule is what the golden files show."""

import pytest

from . import golden_supabase
from .golden import FOLDER, TABLES, path_of, shown


@pytest.mark.parametrize("name", TABLES)
def test_operators_read_what_the_golden_files_show(name: str) -> None:
    """Word for word; `python -m tests.answers.golden` writes them anew, and their difference is looked at."""
    assert shown(name) == path_of(name).read_text()


def test_there_is_a_golden_file_for_each_table_of_rules_and_no_other() -> None:
    """One that is left over shows what nobody reads."""
    assert {*FOLDER.iterdir()} == {golden_supabase.PATH, *(path_of(name) for name in TABLES)}
