"""Documentation and code say the same."""

import ast
import re
import shlex
import shutil
import subprocess
import sys
from importlib import metadata
from typing import Any, get_args

import pytest

from src.channels.telegram_rules import RULES
from src.cli import make_parser, parse
from src.commands.heartbeat import MONITOR_RULES
from src.config.options import Options
from src.config.settings import GROUPS
from src.domain.analysis import COLUMNS, FAILED_STATUSES, UNFINISHED_STATUSES
from src.domain.summary import AnomalyKind
from src.errors import LedgerError
from src.ledger.table_rules import LEDGER_RULES
from src.phrases.language import ENGLISH
from src.runtime.connection import CONNECTION_RULES
from src.supabase.rest_rules import RULES as REST_RULES
from src.supabase.storage import STORAGE_RULES
from src.workbook.data_sheet import SHEET_COLUMNS

from .pages import ALL, PAGES, PATHS, ROOT, anchors, commands, fragments, section, shell_blocks, symptoms

FIELDS: dict[str, Any] = {name.upper(): field for group in GROUPS for name, field in group.model_fields.items()}
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)")


def as_written(name: str) -> str:
    """Write a field's default as the documents do."""
    default = FIELDS[name].default
    if default is None:
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    return ",".join(default) if isinstance(default, tuple) else str(getattr(default, "key", default))


def test_the_readme_is_short() -> None:
    """Nobody reads 700 lines before the first command."""
    lines = PAGES["README"].splitlines()

    assert len(lines) <= 110
    assert [line for line in lines if len(line) > 120] == []


def test_the_readme_leads_to_every_page() -> None:
    """In its table of documents."""
    listed = re.findall(r"^\| \[\w[\w ]+\]\(docs/([a-z0-9-]+)\.md\) \|", section("README", "Documents"), re.MULTILINE)

    assert sorted(listed) == sorted(PAGES.keys() - {"README"})


def test_every_page_lists_its_sections() -> None:
    """In their order, below what the page is for."""
    for page in PAGES.keys() - {"README"}:
        head, *sections = re.split(r"^## ", PAGES[page], flags=re.MULTILINE)
        assert re.match(r"# .+\n\n\w.+\n", head), page
        titles = [text.partition("\n")[0] for text in sections]
        assert re.findall(r"^- \[(.+)\]\(#", head, re.MULTILINE) == titles, page


def test_the_runbook_lists_its_entries() -> None:
    """Whoever has an alert chooses its entry at the top, each under its section."""
    head, body = re.split(r"^(?=## )", PAGES["runbook"], maxsplit=1, flags=re.MULTILINE)
    listed = re.findall(r"^((?:  )?)- \[(.+)\]\(#", head, re.MULTILINE)

    assert listed == [("  " * len(sub), title) for sub, title in re.findall(r"^##(#?) (.+)$", body, re.MULTILINE)]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path: Any) -> None:
    """To a file that is there, and to a heading that is in it."""
    text = path.read_text()
    links = [(path.parent / target if target else path, anchor) for target, anchor in LINK.findall(text)]

    assert links
    assert [f"{target}" for target, _ in links if not target.exists()] == []
    headings = {target: anchors(target.read_text()) for target, anchor in links if anchor}
    assert [anchor for target, anchor in links if anchor and anchor not in headings[target]] == []


def test_every_file_that_a_page_names_is_there() -> None:
    """Files move."""
    named = set(re.findall(r"(?<![\w./])(?:src|tests|k8s|docs|\.ci)/[\w./-]*", ALL))

    assert len(named) > 40
    assert [name for name in named if not (ROOT / name.rstrip("/.")).exists()] == []


def test_the_settings_page_is_the_settings() -> None:
    """Every name, once, with its default and what bounds it; what is required stands in the first table."""
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.+?) \| (.+) \|$", PAGES["settings"], re.MULTILINE)
    required = re.findall(r"^\| `([A-Z_]+)`", section("settings", "Required"), re.MULTILINE)

    assert sorted(FIELDS) == sorted(name for name, _, _ in rows)
    assert required == [name for name, field in FIELDS.items() if field.is_required()]
    for name, default, meaning in rows:
        if FIELDS[name].is_required():
            assert default.startswith("required"), name
        elif name == "REPORT_DIR":
            assert ("temporary" in default, "`" in default) == (True, False)
        else:
            assert default == (f"`{as_written(name)}`" if as_written(name) else "none"), name
        bounds = [getattr(one, kind) for kind in ("ge", "le") for one in FIELDS[name].metadata if hasattr(one, kind)]
        if len(bounds) == 2 and name != "SMTP_PORT":
            assert f"{bounds[0]} to {bounds[1]}" in meaning, name


def test_the_readme_names_what_is_required() -> None:
    """No more, no less: it is what a newcomer fills in."""
    named = re.findall(r"`([A-Z_]+)`", section("README", "Your own project").partition("[All settings]")[0])

    assert named == [name for name, field in FIELDS.items() if field.is_required()]


def test_every_setting_that_a_page_names_is_one() -> None:
    """Settings are renamed."""
    prefixes = "|".join({name.partition("_")[0] for name in FIELDS})
    named = set(re.findall(rf"\b(?:{prefixes})_[A-Z_]+\b", ALL))

    assert named - FIELDS.keys() == {"SMTP_PASWORD"}  # the settings page shows what a misspelt one comes to


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


def test_the_options_of_the_page_are_those_of_help() -> None:
    """None more, none less, in what it shows of --help."""
    options = {option for action in make_parser()._actions for option in action.option_strings} - {"-h"}  # noqa: SLF001

    assert sorted(options) == sorted(
        re.findall(r"^  (?:-h, )?(--[a-z-]+)", section("commands", "Options"), re.MULTILINE)
    )


def test_every_command_of_a_page_is_understood() -> None:
    """An option that is gone, or that can't be combined with another one, would be typed in vain."""
    lines = [command.line for command in commands(ALL)] + re.findall(r"`([^`\n]+)`", ALL)
    asked = {
        found[1].strip() for line in lines if (found := re.search(r"(?:^| )python reports_generator\.py\b(.*)", line))
    }

    assert {"", "--check"} <= asked
    for arguments in asked - {"--chek", "--help", "--version"}:
        assert isinstance(parse(shlex.split(arguments)), Options)


SHELLS = [shell for shell in ("bash", "zsh") if shutil.which(shell)]
"""Those that operators paste into; `.ci/run` fetches zsh."""
NOT_PASTED = {
    "a comment, which an interactive zsh takes for words": r"(?:^|\s)#",
    "a prompt": r"^\$ ",
    "a pattern, which zsh refuses where no file matches": r"[?*[]",
    "a placeholder that redirects": r"<\w",
}
"""What no block of commands may have outside of quotes."""


def not_pasted(block: str) -> list[str]:
    """Name what keeps a block from being pasted into any shell, in one piece."""
    outside = re.sub(r"""'[^']*'|"[^"]*\"""", "''", block)
    wrong = [what for what, pattern in NOT_PASTED.items() if re.search(pattern, outside, re.MULTILINE)]
    *lines, _ = block.replace("\\\n", " ").rstrip("\n").split("\n")
    if any(re.search(r"^read |^[^|]*/dev/stdin", line) for line in lines):
        wrong.append("a command that reads the ones below it")
    return wrong


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_commands_can_be_pasted_into_any_shell(page: str) -> None:
    """In one piece, into zsh too; and no command stands in a block of another kind."""
    for block, _ in shell_blocks(PAGES[page]):
        assert not_pasted(block) == [], block
        for shell in SHELLS:
            subprocess.run([shell, "-n"], input=block, text=True, check=True, timeout=60)
    kinds = re.findall(r"^```(\w*)\n(.+?)^```", PAGES[page], re.MULTILINE | re.DOTALL)
    assert {kind for kind, _ in kinds} <= {"", "bash", "text", "json", "python", "sql", "yaml", "powershell"}
    assert [
        text for kind, text in kinds if kind != "bash" and re.search(r"^\$ |^(kubectl|make|git) ", text, re.M)
    ] == []
    assert re.findall(r"`[^`\n]+ # [^`\n]*`", re.sub(r"^```.+?^```", "", PAGES[page], flags=re.M | re.S)) == []


@pytest.mark.parametrize(
    "block",
    [
        "make push  # url, key",
        "# first\nmake push",
        "$ make push",
        "ls /tmp/report_*.xlsx",
        "kubectl get pod <name>",
        "kubectl create secret generic x --from-env-file=/dev/stdin | kubectl apply -f -\nmake push",
        "read -rs TOKEN\nmake push",
    ],
)
def test_a_block_that_cannot_be_pasted_is_seen(block: str) -> None:
    """The check itself can fail; what is in quotes, and what a pipe feeds, is fine."""
    assert len(not_pasted(block)) == 1
    assert not_pasted("printf '# $ *' | kubectl apply -f /dev/stdin\nread -rs TOKEN") == []


def test_the_page_about_reports_names_what_is_in_them() -> None:
    """Columns, statuses that count as failed, what is called odd, and the marks of a subject."""
    first_cells = r"^\| `?(.+?)`? \|"
    columns = re.findall(first_cells, section("getting-started", "What you need"), re.MULTILINE)
    headers = re.findall(first_cells, section("reports", "The workbook"), re.MULTILINE)
    odd = re.findall(first_cells, section("reports", "Odd data"), re.MULTILINE)
    marks = re.findall(first_cells, section("reports", "The messages"), re.MULTILINE)
    about_statuses = section("reports", "Which statuses count as failed")
    statuses = about_statuses.split(";")[0]
    (unfinished,) = re.findall(r"whose status is (.+?);", about_statuses)

    assert columns[1:] == [*COLUMNS]
    assert headers[1:] == [column.header for column in SHEET_COLUMNS]
    assert odd[1:] == [ENGLISH.ANOMALIES[kind] for kind in get_args(AnomalyKind)]
    assert {*marks} >= {mark.strip() for mark in (ENGLISH.ROWS_LATE, ENGLISH.FAILED_SINCE, ENGLISH.LATE)}
    assert {*re.findall(r"`(.+?)`", statuses)} == {*FAILED_STATUSES}
    assert re.split(", | or ", unfinished.replace("in progress", "inprogress")) == [*UNFINISHED_STATUSES]


def test_the_index_that_a_page_shows_is_the_one_of_the_repository() -> None:
    """Copied from either, it is the same."""
    sql = (ROOT / "src/sql/analyses_index.sql").read_text()
    statement = "\n".join(line for line in sql.splitlines() if not line.startswith("--"))

    assert f"```sql\n{statement}\n```" in PAGES["getting-started"]


def test_the_make_targets_that_a_page_names_exist() -> None:
    """A newcomer types what stands there."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", ALL, re.MULTILINE))

    assert {"demo", "test"} <= named <= targets


@pytest.mark.slow
def test_what_the_runbook_quotes_is_what_the_program_says() -> None:
    """Whoever searches the page for the words of an alert finds them; test_faults.py looks from the other side."""
    trees = [ast.parse(path.read_text()) for path in (ROOT / "src").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    said = {node.value for node in nodes if isinstance(node.value, str)}

    assert len(symptoms()) >= 40
    assert len(fragments()) >= 55
    assert [one for one in fragments() if not any(one in text for text in said)] == []


WITHOUT_SERVER = ("settings", "time_limit", "postponed", "stopped", "too_large", "test_alert")
"""Keys that begin with no server's name."""


def test_the_runbook_has_an_entry_for_every_problem() -> None:
    """By the keys that tell alerts apart; each entry names its own in a comment."""
    source = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    keys = set(
        re.findall(
            r'"((?:source|workbook|storage|ledger|smtp|telegram|monitor|alert|preview|too_large|window|watch)\.[a-z_]+)"',
            source,
        )
    )
    keys |= {f"source.{rule.key}" for rule in REST_RULES} | {f"ledger.{rule.key}" for rule in LEDGER_RULES}
    keys |= {f"storage.{rule.key}" for rule in STORAGE_RULES}
    named = {key for comment in re.findall(r"<!-- (.+?) -->", PAGES["runbook"], re.DOTALL) for key in comment.split()}

    assert {"source.key", "telegram.token", "smtp.login"} <= keys
    assert keys - named == {"ledger.query_too_slow"}  # there it is ledger.locked
    assert named - keys == {*WITHOUT_SERVER, "ledger.bad_answer", "ledger.unreadable_record"}


def test_an_alert_about_the_ledger_leads_to_the_entry_of_its_key() -> None:
    """Not to the one for whatever has none."""
    entries = re.findall(r"^### (.+)\n\n<!-- ([^>]+) -->", PAGES["runbook"], re.MULTILINE)
    heading = {key: title for title, keys in entries for key in keys.split()}
    calls = [node for path in (ROOT / "src" / "ledger").glob("*.py") for node in ast.walk(ast.parse(path.read_text()))]
    groups = {}
    for call in calls:
        if isinstance(call, ast.Call) and ast.unparse(call.func) in ("LedgerError", "LedgerVersionError"):
            literals = [one.value for one in ast.walk(call.args[0]) if isinstance(one, ast.Constant)]
            given = [one.value for one in call.keywords if one.arg == "group"]
            group = ast.literal_eval(given[0]) if given and isinstance(given[0], ast.Constant) else LedgerError.group
            groups[str(literals[0]).rstrip(".")] = group
    del groups["ledger"]  # its rules have groups of their own

    assert len(groups) > 10
    assert groups == {key: heading[key] for key in groups}


def test_the_runbook_has_a_row_for_every_reason_why_a_connection_failed() -> None:
    """With the word that ends its key."""
    rows = re.findall(r"^\| .+? \| `([a-z_]+)` \|", section("runbook", "Why a connection failed"), re.MULTILINE)

    assert {*rows} == {rule.key for rule in CONNECTION_RULES}


def test_the_rules_lead_to_headings_of_the_runbook() -> None:
    """Where the alert says that one should look."""
    groups = {rule.group for rule in (*CONNECTION_RULES, *MONITOR_RULES, *RULES)}
    headings = {*re.findall(r"^###? (.+)$", PAGES["runbook"], re.MULTILINE)}

    assert groups - headings == set()


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
    deployed, shown, developed = (
        dict(re.findall(r"^([a-z0-9-]+)(?:\[\w+\])?==(\S+)", (ROOT / name).read_text(), re.MULTILINE))
        for name in ("requirements.reports.txt", "requirements.demo.txt", "requirements.dev.txt")
    )

    assert deployed == {name: shown.get(name) for name in deployed}
    assert shown == {name: developed.get(name) for name in shown}


def test_the_table_of_the_code_names_every_package() -> None:
    """In it a newcomer looks for where a thing is done."""
    packages = {path.parent.name for path in (ROOT / "src").glob("*/__init__.py")}

    page = section("development", "Where things are")
    assert packages == {*re.findall(r"^\| \[\w+\]\(\.\./src/(\w+)\)", page, re.MULTILINE)}


def test_the_sandboxs_switches_are_those_of_the_page() -> None:
    """As its own --help tells them."""
    command = [sys.executable, "-m", "tests.sandbox", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, cwd=ROOT).stdout
    listed = re.findall(r"^\| `(--[a-z-]+)", section("development", "The sandbox"), re.MULTILINE)

    assert {"--help", *listed} == set(re.findall(r"--[a-z][a-z-]+", shown))
