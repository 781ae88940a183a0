"""What operators read about each rule, as small text files: `python -m tests.answers.golden` writes them anew.

What differs afterwards is what operators will see differ: `git diff tests/answers/golden`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from src.channels import smtp_rules
from src.channels.telegram_rules import RULES, Asked, BotAnswer
from src.commands.heartbeat import MONITOR_RULES
from src.errors import Rule
from src.runtime.connection import CONNECTION_RULES

FOLDER = Path(__file__).parent / "golden"
SMTP_FACTS = {
    "server": "smtp.example.com:465",
    "recipient": "anna@example.org",
    "setting": "SMTP_TO",
    "target": "anna@example.org",
    "why": "it did not answer in time",
}
_ANSWER = BotAnswer(status=400, description="", form="bot_api", moved_to=-1002)
TABLES: Mapping[str, tuple[Sequence[Rule], Mapping[str, str]]] = {
    "connections": (
        CONNECTION_RULES,
        {"address": "SUPABASE_URL", "variable": "HTTPS_PROXY", "proxy": "proxy.example.com:3128"},
    ),
    "monitor": (MONITOR_RULES, {}),
    "smtp": ((*smtp_rules.RULES, smtp_rules.NOT_SMTP), SMTP_FACTS),
    "telegram": (RULES, Asked(what="the report", chat="42").facts(_ANSWER)),
}
"""The rules of each server, and what their sentences name."""


def path_of(name: str) -> Path:
    """Return the file of a server's rules."""
    return FOLDER / f"{name}.txt"


def shown(name: str) -> str:
    """Show each rule once: key, what was said, what to do, and the runbook's section."""
    rules, facts = TABLES[name]
    problems = [rule.problem("" if name == "connections" else "the server's words", facts) for rule in rules]
    blocks = [f"=== {one.key}\n{one.statement}\n{one.remedy or '(no remedy)'}\n{one.group}\n" for one in problems]
    return "\n".join(dict.fromkeys(blocks))


def main() -> None:
    """Write every file."""
    FOLDER.mkdir(exist_ok=True)
    for name in TABLES:
        path_of(name).write_text(shown(name))


if __name__ == "__main__":
    main()
