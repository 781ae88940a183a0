"""What can go wrong, as one tree; each branch knows the exit code it leads to.

    ReportError                     1   something failed, whatever a server refused included
    ├── InputError                  2   found before anything was contacted
    │   ├── SettingsError               variables that are missing or wrong, all of them at once
    │   └── OptionError                 an option that cannot be meant as it stands
    ├── SourceError                 1   the rows could not be read
    │   ├── SourceUnreachableError      Supabase can't be reached, is too slow, or is out of order
    │   ├── SourceRefusedError          the key, the table or a column is not what it should be
    │   ├── BadAnswerError              what came is not a list of the window's rows
    │   ├── HiddenRowsError             row-level security may hide rows from this key
    │   └── RowsMissingError            fewer rows arrived than the server counted
    ├── WorkbookError               1   the workbook could not be written
    ├── StorageError                1   a workbook too large for a channel could not be put behind a link
    ├── LedgerError                 1   what has been delivered to whom can't be read, written or claimed
    ├── TimeLimitError              1   the run took longer than REPORT_TIME_LIMIT
    └── DeliveryError               1   a recipient, or a whole channel, did not get the report or an alert
        └── TooLargeError               a channel takes nothing of that size

`transient` errors may be gone at the next attempt; `retry_after` is how many seconds the server wants to be left alone.
`fault` says whose a delivery's is: ours (login, sender, token, certificate, policy) stays owed, theirs does not.
Each message is a whole sentence for the operator and ends in what to do.
Adapters translate foreign exceptions into these at their own edge, nowhere else.
"""

from typing import ClassVar, Literal

Fault = Literal["ours", "theirs"]


class ReportError(Exception):
    """Something that an operator has to know; `str()` of it is the sentence to show.

    `stage` says in an alert what failed.
    """

    exit_code: ClassVar[int] = 1
    stage: ClassVar[str] = "the run"
    transient: bool = False
    retry_after: float = 0.0


class InputError(ReportError):
    """Settings or options are wrong; nothing was contacted."""

    exit_code = 2
    stage = "the settings"


class SettingsError(InputError):
    """Variables that are missing or wrong: `problems` holds one line a variable, never a value."""

    def __init__(self, problems: list[str]) -> None:
        count = "1 setting is" if len(problems) == 1 else f"{len(problems)} settings are"
        lines = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(
            f"{count} missing or wrong:\n{lines}\n"
            "Set them in the environment or in .env (.env.example shows all); then --check tries them."
        )
        self.problems = problems


class OptionError(InputError):
    """An option that cannot be meant as it stands."""

    stage = "the options"


class SourceError(ReportError):
    """The rows could not be read."""

    stage = "reading the rows"


class SourceUnreachableError(SourceError):
    """Supabase can't be reached, is too slow, or is out of order; it may be well again later."""

    def __init__(self, message: str, *, transient: bool = True, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.transient = transient
        self.retry_after = retry_after


class SourceRefusedError(SourceError):
    """The key, the table or a column is not what it should be; asking again won't help."""


class BadAnswerError(SourceError):
    """An answer that is not a list of the window's rows: `came` says what it is instead."""

    def __init__(self, *, table: str, came: str, transient: bool = False) -> None:
        self.transient = transient
        super().__init__(
            f"Supabase's answer for the table {table} is not a list of its rows: {came}. "
            "Check SUPABASE_URL, SUPABASE_TABLE and any proxy between, then run this window again."
        )


class HiddenRowsError(SourceError):
    """No row at all is visible, and row-level security may be why."""

    def __init__(self, *, table: str) -> None:
        super().__init__(
            f"SUPABASE_KEY sees no row at all in the table {table}, so this hour can't be told from a hidden one. "
            "Use a secret key (sb_secret_…), or give the key's role a row-level security policy that lets it select."
        )


class RowsMissingError(SourceError):
    """Fewer rows arrived than the server had counted."""

    def __init__(self, *, arrived: int, counted: int, table: str) -> None:
        self.arrived = arrived
        self.counted = counted
        super().__init__(
            f"Only {arrived:,} of {counted:,} rows of {table} arrived. "
            "Run this window again; if it stays so, look for rows being deleted while they are read."
        )


class WorkbookError(ReportError):
    """The workbook could not be written."""

    stage = "writing the workbook"


class StorageError(ReportError):
    """A workbook too large for a channel could not be put behind a link."""

    stage = "storing the workbook"

    def __init__(self, message: str, *, transient: bool = False, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.transient = transient
        self.retry_after = retry_after


class LedgerError(ReportError):
    """What has been delivered to whom can't be read, written or claimed."""

    stage = "the ledger"

    def __init__(self, message: str, *, transient: bool = False, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.transient = transient
        self.retry_after = retry_after


class TimeLimitError(ReportError):
    """The run took longer than REPORT_TIME_LIMIT."""

    def __init__(self, seconds: int) -> None:
        super().__init__(
            f"The run was stopped at its limit of {seconds} s. "
            "Look in the log at what took so long; REPORT_TIME_LIMIT sets the limit."
        )


class DeliveryError(ReportError):
    """A recipient, or a whole channel, did not get the report or an alert.

    `ambiguous` means that it may have arrived all the same.
    """

    stage = "delivery"

    def __init__(
        self,
        message: str,
        *,
        transient: bool = False,
        fault: Fault = "ours",
        ambiguous: bool = False,
        retry_after: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.transient = transient
        self.fault = fault
        self.ambiguous = ambiguous
        self.retry_after = retry_after


class TooLargeError(DeliveryError):
    """A channel takes nothing of that size: the report may go once more, without its file.

    What to do is said behind its sentence, by whoever knows whether there can be a link.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, transient=True)


def meanwhile(sentence: str) -> str:
    """Take out of a sentence what to do when all is over, for as long as it is tried again."""
    return sentence.replace(", then run this window again", "")
