"""What operators are told of a failure, and of its end."""

from collections.abc import Sequence

from msgspec import Struct

from ..config.settings import DEFAULT_NAME, ReportSettings
from ..domain.window import Window
from ..errors import Problem
from ..runtime.visible_text import shortened

ALL_CLEAR = "✅ All clear:"
ALERT = "⚠️ ERROR in Reports Generator:"
LONGEST = 4096
"""UTF-16 units of an alert: the characters of a message (Bot API, sendMessage)."""
_OWED_NAMED = 10


class Failure(Struct, frozen=True, kw_only=True):
    """`what` failed, and the `problem` that it failed of; `parts` are those that `what` names, if several."""

    what: str
    problem: Problem
    parts: Sequence[str] = ()

    @property
    def causes(self) -> list[str]:
        """What stays the same when a part fails again of the same problem."""
        return [f"{part}: {self.problem.key}" for part in self.parts or [self.what]]


STOPPED = Problem(
    key="stopped",
    reason="The run was stopped by SIGTERM.",
    remedy="Its Job came to its deadline, or its node was drained.",
)


def render(
    window: Window | None,
    failures: Sequence[Failure],
    *,
    owed: Sequence[str] = (),
    recovery: str = "",
    command: str = "",
    name: str = DEFAULT_NAME,
) -> str:
    """Write an alert: the window, what failed and why, who is still owed the report, what will happen, the command.

    `name` says whose report it is, unless it is the default one.
    """
    report = [] if name == DEFAULT_NAME else [f"Report: {name}"]
    head = [ALERT, *report, *([f"Window: {window.template} report, {window.label()}"] if window else [])]
    tail = []
    if owed:
        more = f" and {len(owed) - _OWED_NAMED} more" if len(owed) > _OWED_NAMED else ""
        tail += ["", f"Still owed: {', '.join(owed[:_OWED_NAMED])}{more}"]
    tail += [recovery] if recovery else []
    tail += ["", "To send it, fix the cause, then run:", command] if command else []
    told = [line for failure in failures for line in ("", f"Failed: {failure.what}", str(failure.problem))]
    first, last = "\n".join(head) + "\n", "\n".join(["", *tail])
    # What is told of the failures is cut short, never the window, the owed or the command.
    return first + shortened("\n".join(told), LONGEST - len(first) - len(last)) + last


def render_all_clear(window: Window, *, skipped: bool = False, name: str = DEFAULT_NAME) -> str:
    """Write that a window somebody was alerted of has reached everyone, or was `skipped` as empty."""
    end = "was skipped: it has no rows" if skipped else "has now been delivered to everyone"
    report = f"{window.template} report" if name == DEFAULT_NAME else f"{window.template} report {name}"
    return f"{ALL_CLEAR} the {report} of {window.label()} {end}."


def recovery(settings: ReportSettings, *, owed: bool, settled: bool) -> str:
    """Say what later runs send by themselves.

    `owed`: somebody is still owed the report. `settled`: somebody was refused, or got it without its workbook, which
    no later run changes by itself.
    """
    if settings.report_ledger == "supabase":
        reach = settings.report_catch_up
        notes = [f"The next runs send it by themselves, up to {reach} windows back."] if owed else []
        notes += ["No later run sends by itself what was refused or went without its workbook."] if settled else []
        return " ".join(notes)
    if settings.job_name is None:
        return "Nothing will send it by itself."
    return (
        "Kubernetes may retry this Job; after that you must send it yourself. "
        "This deployment keeps no lasting ledger, so the command sends to everyone again."
    )
