"""Several windows, one after the other: one that fails doesn't stop the rest; a table at the end says how each went."""

import asyncio
import logging
from collections.abc import Sequence

from msgspec.structs import replace

from ..domain.request import Result, Tally, WindowRequest
from ..domain.window import Window, as_option
from ..pipeline.job import only_option
from ..pipeline.report_window import report_window
from ..pipeline.services import Services
from ..runtime.terminal import is_watched, windows_bar

logger = logging.getLogger(__name__)


async def report_each(services: Services, windows: Sequence[Window], *, resend: bool) -> Result:
    """Report `windows` in their order, each with a time limit of its own; return the worst code."""
    results: list[tuple[Window, Result]] = []
    with windows_bar(len(windows)) as advance:
        for place, window in enumerate(windows, 1):
            results.append((window, await _report(services, window, place, len(windows), resend=resend)))
            advance()
            if not is_watched():
                _log_progress(results, len(windows))
    logger.info("%s", as_table(results), extra={"event": "backfill"})
    label = f"{windows[0].label()} to {windows[-1].label()}"
    return replace(_summed_up([result for _, result in results]), label=label)


async def _report(services: Services, window: Window, place: int, count: int, *, resend: bool) -> Result:
    """Report the window at `place` of `count`; where the run is stopped, say how to go on."""
    try:
        return await report_window(services, WindowRequest(window=window, resend=resend), services.run.policy())
    except asyncio.CancelledError:
        goes_on = f"--start {as_option(window)} --count {count - place + 1}"
        goes_on += " --resend" if resend else ""
        goes_on += f" {only_option(services.only)}" if services.only else ""
        extra = {"event": "stopped", "window": as_option(window)}
        logger.warning("Stopped at %d of %d; go on with %s", place, count, goes_on, extra=extra)
        raise


def _log_progress(results: Sequence[tuple[Window, Result]], count: int) -> None:
    window, result = results[-1]
    label = window.label()
    logger.info("%d of %d: %s: %s", len(results), count, label, result.words, extra={"event": "progress"})


def _summed_up(results: Sequence[Result]) -> Result:
    failed = [result for result in results if result.code]
    tallies = [result.tally for result in results if result.tally]
    problem = None
    if failed and (first := failed[0].problem):
        reason = f"{len(failed)} of {len(results)} windows failed, the first because: {first.reason}"
        problem = replace(first, key="backfill", reason=reason)
    return Result(
        code=max(result.code for result in results),
        words=f"{len(results) - len(failed)} of {len(results)} windows reported",
        problem=problem,
        rows=sum(result.rows or 0 for result in results),
        tally=Tally(
            delivered=sum(tally.delivered for tally in tallies),
            owed=sum(tally.owed for tally in tallies),
            refused=sum(tally.refused for tally in tallies),
            recipients=sum(tally.recipients for tally in tallies),
        ),
    )


def as_table(results: Sequence[tuple[Window, Result]]) -> str:
    """Write a line for each window."""
    width = max(len(window.label()) for window, _ in results)
    lines = [
        f"{'FAIL' if result.code else 'OK  '} {window.label():<{width}}  {result.words}"
        f"{f'. {result.problem.statement}' if result.code and result.problem else ''}"
        for window, result in results
    ]
    return "\n".join(["All windows:", *lines])
