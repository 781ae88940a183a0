"""What alerts are about: failures, each described as data and logged, and who lacks a report."""

import logging
from collections.abc import Sequence

from msgspec.structs import replace

from ..config.settings import ReportSettings
from ..domain.delivery import ChannelAddress, Outcome, format_recipients
from ..domain.request import Result
from ..domain.window import Window, as_option, as_ranges
from ..errors import LedgerError, Problem, ReportError, SourceError, Stage, unexpected
from ..ledger.record import SILENT_RUNS, EntryState, Record
from ..message.alert import Command, Coverage, Failure, recipient_names
from ..runtime.visible_text import one_line_quote
from .run import rerun_command

logger = logging.getLogger(__name__)
RECORDS_NAMED = 5
"""Records that one alert names: each takes some 500 of its 4,096 characters."""
RANGES_NAMED = 8
"""Ranges of windows that one alert names: in a cluster each takes some 350 of its 4,096 characters."""
_NO_RUN = "No run sends them automatically."


def describe_failure(error: Exception) -> Failure:
    """Log `error`, and return what failed and why."""
    if isinstance(error, ReportError):
        extra = {"event": "failed", "stage": error.stage, "key": error.problem.key}
        logger.error("%s", error, extra=extra)
        return Failure(what=error.stage, problem=error.problem)
    problem = unexpected("the run", error, one_line_quote(error))
    logger.error("Unexpected error", exc_info=error, extra={"event": "broke_down", "key": problem.key})
    return Failure(what=Stage.RUN, problem=problem)


def failed_result(error: Exception) -> Result:
    """Log `error`, and return the result of a run that ended with it."""
    return result_of(describe_failure(error), error.exit_code if isinstance(error, ReportError) else 1)


def result_of(failure: Failure, code: int = 1) -> Result:
    """Return the result of a run that ended with `failure`."""
    return Result(code=code, words=f"failed: {failure.what}", problem=failure.problem)


def log_ledger_error(error: LedgerError, window: Window | None = None) -> None:
    """Log an `error` of the ledger that costs no report and no alert."""
    extra = {"event": "ledger_failed", "key": error.problem.key} | ({"window": as_option(window)} if window else {})
    logger.warning("%s", error, extra=extra)


def failed_deliveries(failed: Sequence[Outcome]) -> list[Failure]:
    """Gather failed outcomes by their problem, so that one failure stands for all recipients of a dead server."""
    by_problem: dict[tuple[Problem, bool], list[str]] = {}
    for outcome in failed:
        if outcome.problem:
            kind = outcome.problem, outcome.state != "failed"
            by_problem.setdefault(kind, []).append(f"{outcome.channel} to {outcome.recipient}")
    return [
        Failure(what=", ".join(recipients), problem=problem, parts=tuple(recipients), for_good=for_good)
        for (problem, for_good), recipients in by_problem.items()
    ]


def coverage_of(record: Record | None, present: Sequence[ChannelAddress]) -> Coverage:
    """Return who of `present` has the report and who lacks it, as far as the ledger's `record` says so."""
    if record is None or not record.entries:
        return Coverage(owed=recipient_names(present))

    def those(*states: EntryState) -> list[str]:
        return recipient_names(record.those(present, *states))

    return Coverage(
        owed=those("owed", "sending"),
        refused=those("refused"),
        without_file=those("without file"),
        have=those("delivered"),
        is_certain=True,
    )


def outdated_settings(outcomes: Sequence[Outcome]) -> list[Failure]:
    """Return the notices of deliveries that succeeded, but will not with the same setting."""
    return [
        Failure(
            what="nothing yet, but a setting must be updated",
            problem=one.notice,
            parts=(f"the setting of {one.channel} to {one.recipient}",),
            later="The report was delivered.",
        )
        for one in outcomes
        if one.notice
    ]


def shared_ledger(window: Window) -> Failure:
    """Describe that another scheduled run opened `window` for other recipients: two deployments share a ledger."""
    problem = Problem(
        key="ledger.shared_name",
        reason=f"Another scheduled run opened {window.label()} in this ledger for other recipients, so two deployments "
        "share it.",
        remedy="Give each a REPORT_LEDGER_NAME of its own.",
        group="Two deployments share a ledger",
    )
    logger.warning("%s", problem, extra={"event": "shared_name", "key": problem.key})
    later = "If one of them misses an hour, no run sends it automatically."
    return Failure(what=Stage.LEDGER, problem=problem, later=later)


def lost_record(window: Window, lost: Problem) -> Failure:
    """Describe that the record of `window` could not be read, so that everyone was sent its report."""
    reason = f"{lost.reason} {window.label()} was sent to everyone, marked as a possible repeat."
    problem = replace(lost, reason=reason)
    logger.error("%s", problem, extra={"event": "failed", "stage": Stage.LEDGER, "key": lost.key})
    return Failure(what=Stage.LEDGER, problem=problem)


def fewer_rows(
    window: Window, rows: int, shorter: Sequence[ChannelAddress], everyone: int, report: ReportSettings
) -> Failure:
    """Describe that rows came between two attempts: those in `shorter` got fewer than the report has now."""
    command = rerun_command(window, report, resend=True)
    problem = Problem(
        key=f"fewer_rows.{as_option(window)}",
        reason=f"{len(shorter)} of {everyone} got {window.label()} with fewer rows than the others.",
        remedy=f"Rows came between two attempts: this report has {rows:,}; {format_recipients(shorter)} got it "
        "earlier, with fewer.",
        group="Some got fewer rows",
    )
    logger.warning("%s To send it again: %s", problem, command, extra={"event": "late_rows", "rows": rows})
    return Failure(
        what=f"nothing, but {window.label()} is not whole",
        problem=problem,
        later="No run sends it again automatically.",
        todo="Send it to everyone again:",
        commands=[Command(line=command)],
    )


def different_clocks(error: SourceError) -> Failure:
    """Describe that two clocks differ, which keeps back no report."""
    logger.warning("%s", error, extra={"event": "notice", "key": error.problem.key})
    return Failure(what="nothing yet, but two clocks differ", problem=error.problem)


def no_history(error: Exception) -> Failure:
    """Describe that missed windows could not be looked for."""
    later = "No run sends missed reports until this works."
    return replace(describe_failure(error), what=Stage.MISSED, later=later)


def new_ledger(window: Window, missed: Sequence[Window], changed: Sequence[str], report: ReportSettings) -> Failure:
    """Describe that the ledger begins anew with `window` because settings `changed`, and windows were missed."""
    first, count = missed[0], len(missed)
    span = f"{count} windows from {first.label()} on were" if missed[1:] else f"{first.label()} was"
    problem = Problem(
        key="ledger.begins_anew",
        reason=f"{' and '.join(changed)} changed, and {span} missed.",
        remedy=f"The ledger begins anew with {window.label()}; it knows nothing of earlier windows.",
        group="The ledger begins anew",
    )
    logger.warning("%s", problem.reason, extra={"event": "history_begins", "key": problem.key})
    commands = [Command(line=rerun_command(first, report, count=count))]
    return Failure(what=Stage.CATCH_UP, problem=problem, later=_NO_RUN, todo="Send them now:", commands=commands)


def killed_runs(windows: Sequence[Window], commands: Sequence[Command]) -> Failure:
    """Describe that several runs in a row were killed while they worked on `windows`."""
    what = ", ".join(window.label() for window in windows)
    problem = Problem(
        key=f"silent_runs.{as_option(windows[0])}",
        reason=f"{SILENT_RUNS} runs in a row were killed while they worked on {what}.",
        remedy="Find out why: often the memory limit was exceeded (kubectl describe pod says OOMKilled), or a node was "
        "lost.",
        group="Runs were killed",
    )
    logger.error("%s", problem.reason, extra={"event": "stepped_over", "key": problem.key})
    later, todo = "No run sends it automatically any more.", "Then send:"
    return Failure(what=Stage.CATCH_UP, problem=problem, later=later, todo=todo, commands=commands)


def unreadable_record(window: Window, error: LedgerError) -> Failure:
    """Describe that the record of `window` can't be read."""
    logger.error("%s", error.problem, extra={"event": "ledger_failed", "key": error.problem.key})
    later = "No run sends this window until its record is removed."
    return Failure(what=f"the ledger, {window.label()}", problem=error.problem, later=later)


def out_of_reach(windows: Sequence[Window], commands: Sequence[Command], *, is_well: bool) -> Failure:
    """Describe that `windows` are further back than catch-up reaches; while an outage lasts, all such are one cause."""
    what, them = f"{len(windows)} reports, from {windows[0].label()} to {windows[-1].label()}, are", "them"
    if len(windows) == 1:
        what, them = f"The report of {windows[0].label()} is", "it"
    problem = Problem(
        key=f"out_of_reach.{as_option(windows[0])}" if is_well else "out_of_reach",
        reason=f"{what} further back than REPORT_CATCH_UP reaches.",
        group="Reports that are too far back",
    )
    todo = f"Send {them} now to whoever lacks {them}:"
    return Failure(what=Stage.CATCH_UP, problem=problem, later=_NO_RUN, todo=todo, commands=commands)


def commands_for(windows: Sequence[Window], report: ReportSettings) -> tuple[list[Window], list[Command]]:
    """Return those of `windows` that one alert can name, and for each range of them the command that sends it."""
    ranges = as_ranges(windows)[:RANGES_NAMED]
    commands = [
        Command(
            line=rerun_command(one[0], report, count=len(one)),
            label=f"{one[0].label()}{f', {len(one)} in a row' if len(one) > 1 else ''}",
        )
        for one in ranges
    ]
    return [window for one in ranges for window in one], commands
