"""What recipients get of each kind of hour, as small text files: `python -m tests.phrases.golden` writes them anew.

What differs afterwards is what readers will see differ: `git diff tests/phrases/golden`.
"""

import tempfile
from pathlib import Path
from typing import get_args

from src.config.settings import Language

from ..message.forms import Page
from ..sandbox.markup import plain
from .hours import Hour, got, hours, sheets, words

FOLDER = Path(__file__).parent / "golden"
LANGUAGES: tuple[Language, ...] = get_args(Language)


def path_of(language: Language, name: str) -> Path:
    """Return the file of an hour in a language."""
    return FOLDER / language / f"{name}.txt"


def shown(hour: Hour, language: Language) -> str:
    """Show all that recipients get of an hour, under headings."""
    with tempfile.TemporaryDirectory() as folder:
        found = got(Path(folder), hour, language)
    body = found.forms.html.partition("<body")[2].replace("<br>", "\n").replace("&#847;&zwnj;&nbsp;", "")
    page = "\n".join(line.strip() for line in Page(f"<body{body}").text.splitlines() if line.strip())
    parts = {
        "subject": found.forms.subject,
        "plain text": found.forms.text,
        "page": page,
        "caption": plain(found.forms.caption),
        "unusual": found.unusual,
        **{f"sheet {title}": "\n".join(lines) for title, lines in sheets(found.workbook).items()},
        "elsewhere in the workbook": "\n".join(dict.fromkeys(words(found.workbook))),
    }
    return "\n".join(f"=== {heading}\n{text.strip()}\n" for heading, text in parts.items() if text)


def main() -> None:
    """Write every file."""
    for language in LANGUAGES:
        for name, hour in hours().items():
            path = path_of(language, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(shown(hour, language))


if __name__ == "__main__":
    main()
