"""The corpus of mail servers' replies, and the sentences of their rules."""

import re
from pathlib import Path

from msgspec import Struct

from src.channels.smtp_reply import NO_REPLY, Phase, Reply
from src.channels.smtp_rules import NOT_SMTP, RULES

FOLDER = Path(__file__).parent
GOLDEN = FOLDER / "golden" / "smtp.txt"
FACTS = {
    "server": "smtp.example.com:465",
    "recipient": "anna@example.org",
    "setting": "SMTP_TO",
    "target": "anna@example.org",
    "why": "it did not answer in time",
}
SETTING = re.compile(r"\b(?:SMTP|SUPABASE|REPORT|TELEGRAM|HEARTBEAT|SSL)_[A-Z_]+\b")


class Case(Struct, frozen=True, kw_only=True):
    """A row of the corpus: a reply, and the verdict that it deserves; `security` may end in a comma and SMTP_LOGIN."""

    phase: str
    security: str
    others: str
    reply: str
    key: str
    fault: str
    when: str
    arrived: str
    setting: str
    source: str

    def read(self) -> Reply:
        """Return the reply as the program reads it."""
        code, text = re.match(r"(?:(\d{3})(?: |$))?(.*)", self.reply.replace("\\n", "\n"), re.DOTALL).groups()  # type: ignore[union-attr]
        phase = Phase(self.phase)
        if phase is Phase.EHLO and code == "250":  # it is judged by the step that it does not offer
            phase = Phase.STARTTLS if self.security == "starttls" else Phase.AUTH
        return Reply(
            phase=phase,
            code=int(code or NO_REPLY),
            text=text,
            sender="reports@example.com",
            recipient="anna@example.org",
            login=self.security.partition(",")[2] or "password",  # type: ignore[arg-type]
        )


def read_cases() -> list[Case]:
    """Read the corpus."""
    lines = [line for line in (FOLDER / "smtp.tsv").read_text().split("\n") if line and not line.startswith("#")]
    names = lines[0].split("\t")
    return [Case(**dict(zip(names, line.split("\t"), strict=True))) for line in lines[1:]]


def show_rules() -> str:
    """Show what operators read of each rule; several rules may have the same sentences."""
    blocks = []
    for rule in (*RULES, NOT_SMTP):
        problem = rule.problem("", FACTS)
        verdict = f"{rule.fault}, {'later' if rule.later else 'final'}"
        lines = [f"=== {rule.key} ({verdict})", problem.statement, problem.remedy, f"Runbook: {problem.group}"]
        blocks.append("\n".join(filter(None, lines)))
    return "\n\n".join(dict.fromkeys(blocks)) + "\n"


if __name__ == "__main__":
    GOLDEN.write_text(show_rules())
