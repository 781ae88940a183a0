"""`.env`: what it sets, taken as it is written, and what in it is probably a mistake."""

import re
from collections.abc import Set
from contextlib import suppress
from pathlib import Path

from dotenv.parser import Binding, parse_stream

_REFERENCE = re.compile(r"\$\{[^}]*\}")
_CUT_OFF = re.compile(r"=[^\S\r\n]*(?![\s'\"#])[^\r\n]*?\s#")
"""An unquoted value, and behind it blanks and a `#`: what follows is a comment."""


def read_env_file(path: Path | None) -> dict[str, str]:
    """Return the variables that the file sets, by their names as they are written; none if there is no file.

    Raise OSError or UnicodeError if it can't be read. Nothing in a value is replaced: it may be a password.
    """
    return {line.key: line.value for line in _lines(path) if line.key and line.value is not None}


def env_file_hints(path: Path | None, known: Set[str]) -> list[str]:
    """Return a sentence for each line whose meaning may surprise, of those that set a variable of `known`."""
    hints: list[str] = []
    with suppress(OSError, UnicodeError):  # reported where the settings are read
        for line in _lines(path):
            where = f"Line {_number(line)} of {path}"
            if line.error:
                hints.append(f"{where} can't be understood and is ignored: check its “=” and its quotation marks.")
            if not line.key or line.key.upper() not in known:
                continue
            if _REFERENCE.search(line.value or ""):
                hints.append(f"{where}: ${{…}} in {line.key} is not replaced. Write the value itself.")
            if _CUT_OFF.search(line.original.string):
                hints.append(
                    f"{where}: the value of {line.key} ends before “ #”. If the rest belongs to it, put the value in "
                    "single quotes; otherwise give the comment a line of its own."
                )
    return hints


def _lines(path: Path | None) -> list[Binding]:
    if path is None or not path.exists():
        return []
    with path.open(encoding="utf-8") as file:
        return [*parse_stream(file)]


def _number(line: Binding) -> int:
    """Count to the line itself: empty ones before it belong to its text."""
    text = line.original.string
    return line.original.line + text[: len(text) - len(text.lstrip())].count("\n")
