"""What operators read about Supabase's answers: `python -m tests.answers.golden_supabase` writes the file anew.

What differs afterwards is what operators will see differ: `git diff tests/answers/golden`.
"""

from collections.abc import Callable, Iterable, Iterator

from src.errors import Problem, RecordsTooLargeError, SourceError, StorageError
from src.ledger.table_rules import LEDGER_RULES
from src.supabase.credentials import Credentials
from src.supabase.reply import Reply, ReplyRule, as_error
from src.supabase.rest_rules import RULES, facts
from src.supabase.source_errors import (
    BadAnswerError,
    ClocksDifferError,
    ColumnTypeError,
    HiddenRowsError,
    IdTooLongError,
    NotOverError,
    NotPostgrestError,
    OddRowError,
    PageTooLargeError,
    RowsMissingError,
)
from src.supabase.storage_rules import STORAGE_RULES, storage_facts

from .supabase import CREDENTIALS, FOLDER

PATH = FOLDER / "golden" / "supabase.txt"
_READY = (
    NotPostgrestError(table="analyses", came="a web page", said="<html>"),
    BadAnswerError(table="analyses", came="the same rows twice"),
    OddRowError(table="analyses", column="id", said="null", condition="id is null"),
    OddRowError(table="analyses", column="created_at", said="1763906400"),
    ColumnTypeError(table="analyses", said="text"),
    PageTooLargeError(table="analyses"),
    IdTooLongError(table="Analyses", length=70_000),
    HiddenRowsError(table="analyses"),
    RowsMissingError(arrived=1, counted=2, table="analyses"),
    NotOverError(label="2026-11-23 13:00-14:00 UTC", seconds=120),
    ClocksDifferError(minutes=-125),
    RecordsTooLargeError(table="report_deliveries"),
)


def written() -> str:
    """Write a block for each rule, and for each error that needs none: key, statement, remedy, section."""
    rest = _problems("source", RULES, lambda used: facts("analyses", used, "select"))
    own = [rule for rule in LEDGER_RULES if rule not in RULES]
    ledger = _problems("ledger", own, lambda used: facts("report_deliveries", used, "select, insert"))
    storage = _problems("storage", STORAGE_RULES, lambda used: storage_facts("store", "reports", used))
    ready = (("", error.problem) for error in _READY)
    return "\n".join(_block(*found) for found in (*rest, *ready, *ledger, *storage))


def _problems(
    part: str, rules: Iterable[ReplyRule], facts_of: Callable[[Credentials], dict[str, str]]
) -> Iterator[tuple[str, Problem]]:
    for rule in rules:
        reply = Reply(status=400, action="read", words="the server's words")
        named = facts_of(CREDENTIALS["reports_jwt" if rule.who in ("token", "reports_role") else "secret"])
        kind = StorageError if part == "storage" else SourceError
        yield rule.who or "", as_error(kind, part, rule, reply, named).problem


def _block(who: str, problem: Problem) -> str:
    lines = [problem.statement, problem.remedy, f"Runbook: {problem.group}"]
    return "\n".join([f"=== {problem.key}{f' ({who})' if who else ''}", *filter(None, lines), ""])


if __name__ == "__main__":
    PATH.write_text(written())
