"""What a start costs, and who asks the clock."""

import subprocess
import sys
from pathlib import Path

SRC = Path(__file__).parent.parent / "src"


def test_only_the_report_command_asks_the_clock() -> None:
    """Everyone else is given a moment, so that any moment can be tried."""
    for path in SRC.rglob("*.py"):
        assert path.parts[-2:] == ("commands", "report.py") or "now(" not in path.read_text(), path


def test_a_language_is_loaded_only_for_its_report() -> None:
    """And Babel, which the tests compare its numbers with, for none."""
    program = """
import sys, tempfile
from pathlib import Path
from tests.builders import build, make_analysis, make_content
from tests.message.forms import all_forms
from src.domain.delivery import Attachment
for language in ("en", "ru"):
    all_forms(make_content("failed", language=language), Attachment(name="r.xlsx", size=1))
    build(Path(tempfile.mkdtemp()), make_analysis(), language=language)
    print("babel" in sys.modules, "src.phrases.russian" in sys.modules)
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, cwd=SRC.parent)

    assert done.stdout.split() == ["False", "False", "False", "True"]
