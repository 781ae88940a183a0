"""What a window is compared with: the one before, and the same hours of the last weeks, counted side by side."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, TypeVar

from ..domain.analysis import FailedStatuses
from ..domain.baseline import FEWEST_WEEKS, WEEK, Comparison, Counts, earlier_weeks, usual
from ..domain.window import Window, as_option, to_compare_with
from ..runtime.retry import RetryPolicy
from .services import Services

logger = logging.getLogger(__name__)
T = TypeVar("T")


async def compare(services: Services, window: Window, policy: RetryPolicy) -> Comparison:
    """Count what `window` is compared with; whatever can't be counted soon stays unknown.

    A report without its comparison is still the report. At most eleven small questions are asked, all at once, and
    once a run another about the type of `created_at`: raise ColumnTypeError if no hour can be found by it.
    """
    table, failed = services.table, FailedStatuses(services.settings.report.report_failed_statuses)
    windows = [to_compare_with(window), *earlier_weeks(window)]
    first = asyncio.create_task(table.first_moment(window.end))
    analyses = [asyncio.create_task(table.count(one.start, one.end)) for one in windows]
    failures = [asyncio.create_task(table.count_failed(one.start, one.end, failed)) for one in windows]
    typed = asyncio.create_task(table.check_type())
    await _wait([first, typed, *analyses, *failures], min(services.run.timeouts.comparison, policy.left() / 2))
    if not typed.cancelled() and (error := typed.exception()):
        raise error
    if why := _failure(analyses[:1]):
        extra = {"event": "not_compared", "window": as_option(windows[0])}
        logger.info("%s is not compared with: %s", windows[0].label(), why, extra=extra)
    if failure := _failure([first, *analyses[1:], *failures[1:]]):
        extra = {"event": "not_compared", "window": as_option(window)}
        logger.info("Not all that is usual for %s is known: %s", window.label(), failure, extra=extra)
    before, *weeks = [
        Counts(analyses=_result(one), failed=_result(two)) for one, two in zip(analyses, failures, strict=True)
    ]
    began, is_sure = _result(first), not _failure([first])
    if is_sure and (began is None or began >= windows[0].end):  # nothing is known of the time before the first row
        before = Counts()
    known = usual([*zip(windows[1:], weeks, strict=True)], began)
    if known or failure:
        return Comparison(before=before, usual=known, failure="" if known else failure)
    return Comparison(before=before, known_from=began and began + FEWEST_WEEKS * WEEK)


async def _wait(tasks: Sequence[asyncio.Task[Any]], limit: float) -> None:
    """Wait until all of `tasks` are done, or for `limit` seconds; none is left at work."""
    try:
        await asyncio.wait(tasks, timeout=limit)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _failure(tasks: Sequence[asyncio.Task[Any]]) -> str:
    """Say why one of `tasks` has no result, "" if all have."""
    if any(task.cancelled() for task in tasks):
        return "counting took too long"
    return next((str(error) or type(error).__name__ for task in tasks if (error := task.exception())), "")


def _result(task: asyncio.Task[T]) -> T | None:
    return None if task.cancelled() or task.exception() else task.result()
