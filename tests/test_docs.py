"""Documentation and code say the same."""

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from src.config.settings import GROUPS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
FIELDS: dict[str, Any] = {name.upper(): field for group in GROUPS for name, field in group.model_fields.items()}


def readme_section(title: str) -> str:
    """Return the text under a heading of the README."""
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def as_written(name: str) -> str:
    """Write a field's default as the documents do."""
    default = FIELDS[name].default
    if default is None:
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    return ",".join(default) if isinstance(default, tuple) else str(getattr(default, "key", default))


def test_the_readmes_settings_table_is_the_settings() -> None:
    """Names, order and defaults."""
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.+?) \|", readme_section("Settings"), re.MULTILINE)

    assert [*FIELDS] == [name for name, _ in rows]
    for name, default in rows:
        if FIELDS[name].is_required():
            assert default.startswith("required"), name
        elif name == "REPORT_DIR":
            assert default == "the system's temporary folder"
        else:
            assert default == (f"`{as_written(name)}`" if as_written(name) else "none"), name


def test_the_example_env_file_is_the_settings() -> None:
    """All names in the same order; what has a default is commented out and shows it."""
    lines = re.findall(r"^(# )?([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE)

    assert [*FIELDS] == [name for _, name, _ in lines]
    for comment, name, value in lines:
        assert bool(comment) != FIELDS[name].is_required(), name
        assert FIELDS[name].is_required() or name == "REPORT_DIR" or value == as_written(name), name


def test_every_setting_says_what_a_right_value_looks_like() -> None:
    """It stands in the error when the value is wrong."""
    assert [name for name, field in FIELDS.items() if not field.description] == []


def test_the_readmes_options_are_those_of_help() -> None:
    """None more, none less."""
    command = [sys.executable, str(ROOT / "reports_generator.py"), "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    options = set(re.findall(r"--[a-z][a-z-]+", shown))
    assert options == set(re.findall(r"^\| `(--[a-z-]+)", readme_section("Options"), re.MULTILINE))


def test_the_readmes_index_is_the_one_of_the_repository() -> None:
    """Copied from either, it is the same."""
    sql = (ROOT / "src/sql/analyses_index.sql").read_text()
    statement = "\n".join(line for line in sql.splitlines() if not line.startswith("--"))

    assert f"```sql\n{statement}\n```" in README


def test_every_link_of_the_readme_leads_somewhere() -> None:
    """Files move."""
    links = re.findall(r"\]\(([^)#:]+)\)", README)

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_readmes_make_targets_exist() -> None:
    """A newcomer types what stands there."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|\$ )make ([a-z]+)", README))

    assert {"demo", "test"} <= named <= targets


def test_every_package_is_pinned_with_hashes_and_the_short_list_is_among_them() -> None:
    """What is installed is what was tried; no line names a registry."""
    text = (ROOT / "requirements.reports.txt").read_text()
    hashes = r"((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)"
    pinned = re.findall(rf"^([a-z0-9-]+)(?:\[\w+\])?==\S+.*?\\\n{hashes}", text, re.MULTILINE)
    short = re.findall(r"^[a-z0-9-]+$", (ROOT / "requirements.reports.in").read_text(), re.MULTILINE)

    assert {"supabase", "openpyxl", "python-telegram-bot", "pydantic-settings"} <= set(short)
    assert set(short) <= {name for name, _ in pinned}
    assert len(re.findall(r"^[^#\s]", text, re.MULTILINE)) == len(pinned)
    assert "://" not in text


def test_a_package_wanted_with_an_extra_is_pinned_with_it() -> None:
    """Else pip takes it for unpinned as soon as it has a newer release, and nothing can be installed any more."""
    needs = "\n".join(need for package in metadata.distributions() for need in package.requires or ())
    wanted = re.findall(r"^([\w.-]+)\[(\w+)\](?!.*extra ==)", needs, re.MULTILINE)
    pins = re.findall(r"^([a-z0-9-]+)\[(\w+)\]==", (ROOT / "requirements.dev.txt").read_text(), re.MULTILINE)

    assert ("httpx", "http2") in wanted
    assert {*wanted} == {*pins}


def test_development_uses_the_very_versions_that_are_deployed() -> None:
    """Otherwise the tests would try something else."""
    deployed, developed = (
        dict(re.findall(r"^([a-z0-9-]+)(?:\[\w+\])?==(\S+)", (ROOT / name).read_text(), re.MULTILINE))
        for name in ("requirements.reports.txt", "requirements.dev.txt")
    )

    assert deployed == {name: developed.get(name) for name in deployed}


def test_the_readmes_table_of_the_code_names_every_package() -> None:
    """In it a newcomer looks for where a thing is done."""
    packages = {path.parent.name for path in (ROOT / "src").glob("*/__init__.py")}

    assert packages == set(re.findall(r"\]\(src/(\w+)\)", readme_section("How the code reads")))
