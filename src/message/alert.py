"""What operators are told of a failure, and of its end."""

from collections.abc import Sequence

from msgspec import Struct

from ..domain.window import Window
from ..runtime.visible_text import shortened

ALL_CLEAR = "✅ All clear:"
ALERT = "⚠️ ERROR in Reports Generator:"
ALERT_LIMIT = 4096
"""UTF-16 units of an alert: the characters of a message (Bot API, sendMessage)."""
_OWED_NAMED = 10


class Failure(Struct, frozen=True, kw_only=True):
    """What failed, and why: `why` is a sentence that ends in what to do."""

    what: str
    why: str

    @property
    def cause(self) -> str:
        """What stays the same when it fails again: without the server's words, which stand in brackets."""
        return f"{self.what}: {self.why.partition('(')[0].strip()}"


STOPPED = Failure(
    what="the run", why="It was stopped by SIGTERM (a deadline, or its node was drained). Run this window again."
)


def alert(
    window: Window | None,
    failures: Sequence[Failure],
    *,
    owed: Sequence[str] = (),
    recovery_note: str = "",
    command: str | None = None,
) -> str:
    """Write the alert: the window, what failed and why, who is still owed the report, what makes it good."""
    head, tail = [ALERT], []
    if window:
        head.append(f"Window: {window.template} report, {window.label()}")
    told = [line for failure in failures for line in ("", f"Failed: {failure.what}", failure.why)]
    if owed:
        more = f" and {len(owed) - _OWED_NAMED} more" if len(owed) > _OWED_NAMED else ""
        tail += ["", f"Still owed: {', '.join(owed[:_OWED_NAMED])}{more}"]
    if recovery_note:
        tail.append(recovery_note)
    if command:
        tail += ["", "To make it good, mend the cause, then run:", command]
    first, last = "\n".join(head) + "\n", "\n".join(["", *tail])
    # What is told of the failures gives way, never the window, the owed or the command.
    return first + shortened("\n".join(told), ALERT_LIMIT - len(first) - len(last)) + last


def all_clear(window: Window, *, skipped: bool = False) -> str:
    """Write that a window somebody was alerted of has reached everyone, or was `skipped` as empty."""
    end = "was skipped: it has no rows" if skipped else "has now been delivered to everyone"
    return f"{ALL_CLEAR} the {window.template} report of {window.label()} {end}."


def recovery_note(ledger: str, catch_up: int, *, in_a_job: bool, settled: bool = False) -> str:
    """Say whether a report that failed will be sent by itself, with that REPORT_LEDGER and REPORT_CATCH_UP.

    `settled`: it was refused, or went without its workbook, which no later run changes by itself.
    """
    if ledger == "supabase":
        if settled:
            return "Nothing will send by itself what was refused or went without its workbook."
        return f"The next runs make it good by themselves, up to {catch_up} windows back."
    if not in_a_job:
        return "Nothing will send it by itself."
    return (
        "Unless Kubernetes restarts this very Job, nothing will send it by itself; "
        "and as the ledger ends with the pod, the command sends it to everyone."
    )
