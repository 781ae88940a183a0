"""What can go wrong, as one tree; each branch knows the exit code it leads to.

    ReportError                     1   something failed
    ├── InputError                  2   found before a row is read or a report sent
    │   ├── SettingsError               variables that are missing or wrong, all of them at once
    │   └── OptionError                 an option that is wrong or contradicts another
    ├── SourceError                 1   the rows could not be read; see src/supabase/source_errors.py
    ├── WorkbookError               1   the workbook could not be written
    ├── StorageError                1   a workbook too large for a channel could not be put behind a link
    ├── LedgerError                 1   what has been delivered to whom can't be read, written or claimed
    │   ├── LedgerVersionError          the ledger is of another version of this program
    │   └── RecordsTooLargeError        an answer of the ledger has more than is read of one
    ├── TimeLimitError              1   the run took longer than REPORT_TIME_LIMIT
    └── DeliveryError               1   a recipient, or a whole channel, did not get the report or an alert
        └── TooLargeError               a channel takes nothing of that size

An error is data: a key, a reason and a remedy. Whoever shows it puts the sentence together: an alert and `--check` need
all of it, a line about a retry only the reason.
Adapters translate foreign exceptions into these at their own edge, nowhere else.
"""

import signal
from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar, Literal

from msgspec import Struct
from msgspec.structs import replace

SIGINT_CODE, SIGPIPE_CODE, SIGTERM_CODE = (128 + number for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGTERM))
"""The exit codes of a run that a signal ended, as shells show them."""
Fault = Literal["ours", "theirs", "nobody"]
"""Who has to act: whoever runs this program, one recipient, or nobody yet, because it may pass."""


class Stage(StrEnum):
    """What a run does, as an alert names what failed."""

    RUN = "the run"
    SETTINGS = "the settings"
    OPTIONS = "the options"
    ROWS = "reading the rows"
    WORKBOOK = "writing the workbook"
    STORAGE = "storing the workbook"
    LEDGER = "the ledger"
    MISSED = "looking for missed windows"
    CATCH_UP = "catching up"
    DELIVERY = "delivery"
    WATCH = "regular delivery"


class Problem(Struct, frozen=True, kw_only=True):
    """What went wrong, as data.

    `key` is the same whenever the same thing goes wrong. It is an interface: the JSON log has it, docs/runbook.md lists
    it, and alerts are told apart by it. `reason` says what happened and `remedy` what to do, in whole sentences of
    ours; there is no remedy where nothing can be done. `said` holds the server's own words, in one line without
    quotation marks. `group` is the heading in docs/runbook.md. `short` is the reason in one line, where it has several.
    """

    key: str
    reason: str
    said: str = ""
    remedy: str = ""
    group: str = ""
    short: str = ""

    @property
    def statement(self) -> str:
        """The reason, with the server's words in quotation marks."""
        return f"{self.reason.removesuffix('.')} (“{self.said}”)." if self.said else self.reason

    def __str__(self) -> str:
        gap = "" if self.statement.endswith("\n") else " "
        return f"{self.statement}{gap}{self.remedy}".rstrip()


class Rule(Struct, frozen=True, kw_only=True):
    """A row of a server's table: what an answer means. A subclass says which answers it matches.

    `reason` and `remedy` may name facts in braces, such as `{recipient}`. `later`: another attempt of the same run may
    help. The table's first rule that matches counts; an answer that none matches is judged by its class alone.
    """

    key: str
    reason: str
    remedy: str = ""
    fault: Fault = "ours"
    later: bool = False
    group: str = ""

    def problem(self, said: str, facts: Mapping[str, str]) -> Problem:
        """Return the problem of an answer that this rule matches; `said` is the answer in one line."""
        return Problem(
            key=self.key,
            reason=self.reason.format_map(facts),
            said=said,
            remedy=self.remedy.format_map(facts),
            group=self.group,
        )


class ReportError(Exception):
    """Something that an operator has to know: `problem`; `str()` gives reason, the server's words and remedy.

    `stage` says in an alert what failed. A `transient` error may be gone at the next attempt; `retry_after` is how many
    seconds the server asks to be left alone. `group` is the runbook's heading where an error names no other one.
    """

    exit_code: ClassVar[int] = 1
    stage: ClassVar[Stage] = Stage.RUN
    group: ClassVar[str] = "Something unforeseen"

    def __init__(
        self,
        key: str,
        reason: str,
        remedy: str = "",
        *,
        said: str = "",
        group: str = "",
        transient: bool = False,
        retry_after: float = 0.0,
    ) -> None:
        self.problem = Problem(key=key, reason=reason, said=said, remedy=remedy, group=group or self.group)
        self.transient = transient
        self.retry_after = retry_after
        super().__init__(str(self.problem))


class InputError(ReportError):
    """Settings or options are wrong; no row is read and no report sent, but alerts may go out."""

    exit_code = 2
    stage = Stage.SETTINGS
    group = "Settings are missing or wrong"


_SET_HERE = (
    "Correct {them} in the environment or in .env (.env.example lists all settings), then run --check to try {them}."
)
_SET_IN_CLUSTER = (
    "Correct {them} in the ConfigMaps and Secrets that docs/kubernetes.md names (docs/settings.md lists all settings), "
    "then run a Job with --check to try {them}."
)


class SettingsError(InputError):
    """Variables that are missing or wrong: `problems` holds one line a variable, never a value.

    Where they are set depends on whether this run `is_job`, one on a cluster, unless a `remedy` says it.
    """

    def __init__(self, problems: list[str], *, is_job: bool = False, remedy: str = "") -> None:
        is_one = len(problems) == 1
        count = "1 setting is" if is_one else f"{len(problems)} settings are"
        lines = "\n".join(f"  {problem}" for problem in problems)
        where = _SET_IN_CLUSTER if is_job else _SET_HERE
        super().__init__(
            "settings",
            f"{count} missing or wrong:\n{lines}\n",
            remedy or where.format(them="it" if is_one else "them"),
        )
        names = ", ".join(problem.split()[0] for problem in problems)
        self.problem = replace(self.problem, short=problems[0] if is_one else f"{count} missing or wrong: {names}")
        self.problems = problems


class OptionError(InputError):
    """An option that is wrong or contradicts another."""

    stage = Stage.OPTIONS

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__("options", reason, remedy)


class SourceError(ReportError):
    """The rows could not be read."""

    stage = Stage.ROWS
    group = "Supabase is out of order"


class WorkbookError(ReportError):
    """The workbook could not be written."""

    stage = Stage.WORKBOOK
    group = "A file could not be written"


class StorageError(ReportError):
    """A workbook too large for a channel could not be put behind a link."""

    stage = Stage.STORAGE
    group = "The report went without its workbook"


class LedgerError(ReportError):
    """What has been delivered to whom can't be read, written or claimed."""

    stage = Stage.LEDGER
    group = "The ledger in Supabase can't be used"


class LedgerVersionError(LedgerError):
    """The ledger is of another version of this program; nothing is sent until they fit."""


class RecordsTooLargeError(LedgerError):
    """An answer of the ledger has more than is read of one: the caller may ask for fewer records."""

    group = "A record is too large"

    def __init__(self, *, table: str) -> None:
        query = f"select window_start, length(record::text) from {table} order by 2 desc limit 5;"  # noqa: S608 - shown
        super().__init__(
            "ledger.too_large",
            f"The ledger's answer for the table {table} is too large to be read, or nested too deeply.",
            "Check SUPABASE_URL and any proxy on the way. Run this in the SQL editor to find a large record: "
            f"{query} Then find out who wrote it, and remove it.",
        )


class TimeLimitError(ReportError):
    """The run took longer than REPORT_TIME_LIMIT: `pages` of `expected` pages had been read.

    `is_share`: the `seconds` were one window's share of it, because others waited.
    """

    group = "The time limit"

    def __init__(self, seconds: int, *, pages: int, expected: int, is_share: bool = False) -> None:
        if not pages:
            how_far = "before the first page of rows arrived"
        elif pages < expected:
            how_far = f"with {pages:,} of {expected:,} pages of rows read"
        else:
            how_far = "with all rows read"
        stopped = "The report was stopped so that others get their turn"
        what = stopped if is_share else "The run was stopped at its limit"
        super().__init__(
            "time_limit",
            f"{what} after {seconds} s, {how_far}.",
            "What usually helps: create the index of src/sql/analyses_index.sql, raise REPORT_TIME_LIMIT, or report "
            "fewer rows per window.",
        )


class DeliveryError(ReportError):
    """A recipient, or a whole channel, did not get the report or an alert.

    `ambiguous` means that it may have arrived all the same. `fault` says who has to act: only where that is the
    recipient (the address, the mailbox, the chat) is the recipient no longer owed the report.
    """

    stage = Stage.DELIVERY

    def __init__(
        self,
        key: str,
        reason: str,
        remedy: str = "",
        *,
        said: str = "",
        group: str = "",
        transient: bool = False,
        fault: Fault = "ours",
        ambiguous: bool = False,
        retry_after: float = 0.0,
    ) -> None:
        super().__init__(key, reason, remedy, said=said, group=group, transient=transient, retry_after=retry_after)
        self.fault = fault
        self.ambiguous = ambiguous

    @classmethod
    def of(
        cls,
        problem: Problem,
        *,
        transient: bool = False,
        fault: Fault = "ours",
        ambiguous: bool = False,
        retry_after: float = 0.0,
    ) -> "DeliveryError":
        """Make the error of a `problem`."""
        return cls(
            problem.key,
            problem.reason,
            problem.remedy,
            said=problem.said,
            group=problem.group,
            transient=transient,
            fault=fault,
            ambiguous=ambiguous,
            retry_after=retry_after,
        )


class TooLargeError(DeliveryError):
    """A channel takes nothing of that size: the report may go once more, without its file.

    Its remedy is said by whoever knows whether there can be a link.
    """

    group = "The report went without its workbook"


def unexpected(what: str, error: Exception, said: str) -> Problem:
    """Describe an exception that nobody foresaw in `what`; `said` is its own text in one line."""
    kind = type(error).__name__
    return Problem(
        key=f"broke_down.{kind}",
        reason=f"Unexpected error in {what}: {kind}.",
        said=said,
        remedy="The log has the traceback. Please report it to the developers.",
        group="Something unforeseen",
    )
