"""Several windows, one after the other: one that fails doesn't stop the rest; a table at the end says how each went."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from ..domain.window import Window, as_option
from ..pipeline.report_window import Result

logger = logging.getLogger(__name__)


async def produce_each(windows: Sequence[Window], produce: Callable[[Window], Awaitable[Result]]) -> Result:
    """Produce `windows` in their order; return the worst code, and for a failure how many failed."""
    results: list[tuple[Window, Result]] = []
    for place, window in enumerate(windows, 1):
        try:
            result = await produce(window)
        except asyncio.CancelledError:
            goes_on = f"--start {as_option(window)} --count {len(windows) - place + 1}"
            extra = {"event": "stopped", "window": as_option(window)}
            logger.warning("Stopped at %d of %d; go on with %s", place, len(windows), goes_on, extra=extra)
            raise
        results.append((window, result))
        logger.info("%d of %d: %s: %s", place, len(windows), window.label(), result.words, extra={"event": "progress"})
    logger.info("%s", as_table(results), extra={"event": "backfill"})
    failed = [result for _, result in results if result.code]
    why = f"{len(failed)} of {len(windows)} windows failed, the first because: {failed[0].why}" if failed else ""
    return Result(
        code=max(result.code for _, result in results),
        words=f"{len(windows) - len(failed)} of {len(windows)} windows made",
        why=why,
        rows=sum(result.rows or 0 for _, result in results),
    )


def as_table(results: Sequence[tuple[Window, Result]]) -> str:
    """Write a line for each window."""
    width = max(len(window.label()) for window, _ in results)
    lines = [
        f"{'ok ' if not result.code else 'NO '} {window.label():<{width}}  {result.words}"
        f"{f'. {result.why}' if result.code else ''}"
        for window, result in results
    ]
    return "\n".join(["All windows:", *lines])
