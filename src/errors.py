"""What can go wrong, as one tree; each branch knows the exit code it leads to.

    ReportError                 1   something failed, whatever a server refused included
    ├── InputError              2   found before anything was contacted
    │   ├── SettingsError           variables that are missing or wrong, all of them at once
    │   └── OptionError             an option that cannot be meant as it stands
    ├── SourceError             1   the rows could not be read
    │   └── RowsMissingError        fewer rows arrived than the server counted
    ├── WorkbookError           1   the workbook could not be written
    └── DeliveryError           1   a recipient did not get the report

Each message is a whole sentence for the operator and ends in what to do.
Adapters translate foreign exceptions into these at their own edge, nowhere else.
"""

from typing import ClassVar


class ReportError(Exception):
    """Something that an operator has to know; `str()` of it is the sentence to show."""

    exit_code: ClassVar[int] = 1


class InputError(ReportError):
    """Settings or options are wrong; nothing was contacted."""

    exit_code = 2


class SettingsError(InputError):
    """Variables that are missing or wrong: `problems` holds one line a variable, never a value."""

    def __init__(self, problems: list[str]) -> None:
        count = "1 setting is" if len(problems) == 1 else f"{len(problems)} settings are"
        lines = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(
            f"{count} missing or wrong:\n{lines}\nSet them in the environment or in .env (.env.example shows all)."
        )
        self.problems = problems


class OptionError(InputError):
    """An option that cannot be meant as it stands."""


class SourceError(ReportError):
    """The rows could not be read."""


class RowsMissingError(SourceError):
    """Fewer rows arrived than the server had counted."""

    def __init__(self, *, arrived: int, counted: int, table: str) -> None:
        super().__init__(
            f"Only {arrived:,} of {counted:,} rows of {table} arrived. "
            "Run this window again; if it stays so, look for rows being deleted while they are read."
        )
        self.arrived = arrived
        self.counted = counted


class WorkbookError(ReportError):
    """The workbook could not be written."""


class DeliveryError(ReportError):
    """A recipient, or a whole channel, did not get the report."""
