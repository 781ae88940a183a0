"""Files of answers: one a line, with the verdict that it should get."""

import re
from pathlib import Path

from src.config.settings import GROUPS

FOLDER = Path(__file__).parent
_SETTINGS = {name.upper() for group in GROUPS for name in group.model_fields} | {"SSL_CERT_FILE"}
Row = dict[str, str]


def read_rows(name: str) -> list[Row]:
    """Read the rows of a file, by its columns; `-` is nothing."""
    lines = [line for line in (FOLDER / f"{name}.tsv").read_text().splitlines() if not line.startswith("#")]
    columns, *rows = [line.split("\t") for line in lines]
    return [{name: "" if cell == "-" else cell for name, cell in zip(columns, row, strict=True)} for row in rows]


def row_id(row: Row) -> str:
    """Name a row in a test's id."""
    return " ".join(list(row.values())[:4])[:120]


def blamed(text: str) -> set[str]:
    """Return the settings that a text names."""
    return {*re.findall(r"[A-Z]+_[A-Z_]+", text)} & _SETTINGS


def settings_of(row: Row) -> set[str]:
    """Return the settings that the remedy has to name, and no other one."""
    return {*filter(None, row["setting"].split(","))}
