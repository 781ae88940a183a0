"""What operators read of each kind of failure and of its end is what the golden files show."""

import pytest

from ..sandbox import Sandbox
from .golden import CASES, FILES, FOLDER, blocks, shown

pytestmark = pytest.mark.sampled


@pytest.mark.parametrize(("file", "name"), CASES)
@pytest.mark.usefixtures("_root_logger")
def test_operators_read_what_the_golden_files_show(sandbox: Sandbox, file: str, name: str) -> None:
    """Word for word; `python -m tests.pipeline.golden` writes them anew, and their difference is looked at."""
    assert shown(sandbox, file, name) == blocks(file)[name]


def test_there_is_a_block_for_each_scene_and_no_other() -> None:
    """One that is left over shows what nobody reads."""
    assert {path.stem for path in FOLDER.iterdir()} == {*FILES}
    assert {file: [*blocks(file)] for file in FILES} == {file: [*scenes] for file, scenes in FILES.items()}
