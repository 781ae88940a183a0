"""With REPORT_KEEP_DAYS, the end of a scheduled run removes old records and old workbooks of the bucket.

Workbooks in REPORT_DIR, of which every run makes a new one, go after one day. A failure to remove is a warning.
"""

import asyncio
import logging
import os
import re
import stat
from collections.abc import Awaitable, Iterator
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ..config.loader import Settings
from ..domain.window import DAY, EARLIEST, HOUR, LATEST, Window, day_of
from ..errors import ReportError
from ..ledger.identity import deployment_folder, identity_of_2_0
from ..ledger.key import ledger_key
from ..runtime.retry import RetryPolicy
from ..supabase.storage import Storage
from .services import Services

logger = logging.getLogger(__name__)
_TIME = 30.0
"""Seconds for all of it."""
AT_ONCE = 100
"""Windows whose workbooks one run removes from the bucket at most, and files that it removes from REPORT_DIR."""
_IN_VAIN = 3
"""Windows of which nothing could be removed, after which no more are tried: a role without that right gets no error."""
_WORKBOOK = re.compile(r"report_(?:[0-9]{8}_[0-9]{6}|daily_[0-9]{8})(?:_[2-9])?\.xlsx")


async def remove_old(services: Services, window: Window, watermark: datetime | None, policy: RetryPolicy) -> None:
    """Remove this deployment's own records and stored workbooks that are too old by the end of `window`.

    In REPORT_DIR any workbook of a report goes that is this user's and older than a day.
    From `watermark` on (aware), somebody is still to be sent a window or alerted about it, so that its record stays.
    """
    days = services.report.report_keep_days
    if days is None:
        return
    try:
        if await _is_over(services, window):
            await _remove_all(services, window, window.end - timedelta(days=days), watermark, policy)
    except Exception:  # the reports have gone out
        extra = {"event": "retention_failed"}
        logger.warning("What is old could not be removed; the next run tries again", exc_info=True, extra=extra)


async def _is_over(services: Services, window: Window) -> bool:
    """Return whether `window` is over by Supabase's clock: a clock of this machine that is ahead removes nothing."""
    if services.client.server_time is None:  # no request so far
        await services.table.first_moment(window.end)
    server_time = services.client.server_time
    if server_time is not None and window.end <= server_time:
        return True
    extra = {"event": "retention"}
    logger.warning("Nothing old is removed: %s is not over by Supabase's clock", window.label(), extra=extra)
    return False


async def _remove_all(
    services: Services, window: Window, before: datetime, watermark: datetime | None, policy: RetryPolicy
) -> None:
    """Remove what is older than `before`, each kind for itself."""
    kept = min(before, watermark or before)
    try:
        async with asyncio.timeout(min(_TIME, policy.left())):
            await _log("records of the ledger", kept, services.ledger.prune(kept, policy))
            if services.storage:
                await _log(
                    "workbooks in the bucket",
                    before,
                    _remove_stored(services, services.storage, window, before, policy),
                )
    except TimeoutError:
        logger.warning("There was no time to remove what is old; the next run goes on", extra={"event": "retention"})
    folder, day_ago = services.report.report_dir, services.run.clock() - DAY
    await _log(f"workbooks in {folder}", day_ago, asyncio.to_thread(_remove_workbooks, folder, day_ago))


async def _log(what: str, before: datetime, removal: Awaitable[int]) -> None:
    """Log how many of `what` are removed, or why they can't be."""
    try:
        removed = await removal
    except ReportError as error:
        extra = {"event": "retention_failed", "key": error.problem.key}
        logger.warning("Old %s could not be removed: %s", what, error, extra=extra)
        return
    if removed:
        words = f"{what} from before {before:%Y-%m-%dT%H:%M}Z"
        logger.info("Removed %d %s", removed, words, extra={"event": "retention"})


async def _remove_stored(
    services: Services, storage: Storage, window: Window, before: datetime, policy: RetryPolicy
) -> int:
    """Remove the workbooks of the oldest windows before `before` from the bucket; return how many."""
    found = removed = kept = 0
    for folder in await _old_folders(services.settings, storage, window, before, policy):
        paths = [f"{folder}/{name}" async for name in storage.names(folder, "", policy)]
        gone = await storage.remove(paths, policy) if paths else 0
        found, removed, kept = found + len(paths), removed + gone, kept + bool(paths and not gone)
        if kept == _IN_VAIN:
            break
    if removed < found:
        why = f"{services.client.credentials.setting}'s role needs a grant and a policy for delete on storage.objects"
        words = "%d old workbooks in the bucket could not be removed: %s"
        logger.warning(words, found - removed, why, extra={"event": "retention_failed"})
    return removed


async def _old_folders(
    settings: Settings, storage: Storage, window: Window, before: datetime, policy: RetryPolicy
) -> list[str]:
    """List the folders of windows before `before`: those in the deployment's own, and those of versions before 2.1.

    The latter lie in the bucket itself, where others keep files too; their names tell whose they are.
    """
    folders = list[str]()
    for parent in (f"{deployment_folder(ledger_key(settings.report, settings.supabase))}/", ""):
        async with aclosing(storage.names(parent.rstrip("/"), f"report.{window.template}.", policy)) as names:
            async for name in names:
                start = _start_of(name)
                if len(folders) == AT_ONCE or (start and start >= before):
                    break
                if start and (parent or name.partition(".resend.")[0] in _names_of_2_0(settings, start, window)):
                    folders.append(f"{parent}{name}")
    return folders


def _start_of(folder: str) -> datetime | None:
    """Return the start of the window that `folder` is named after, None if no window starts then."""
    with suppress(ValueError):
        start = datetime.strptime(folder.split(".")[2], "%Y%m%dT%H%M%SZ")  # noqa: DTZ007 - compared without zones
        return start.replace(tzinfo=UTC) if EARLIEST <= start <= LATEST else None
    return None


def _names_of_2_0(settings: Settings, start: datetime, like: Window) -> Iterator[str]:
    """Yield what versions before 2.1 called the windows of the template of `like` that may start at `start`."""
    if like.template == "daily":
        yield identity_of_2_0(settings.supabase, day_of(start.astimezone(like.zone).date(), like.zone))
    length = DAY if like.template == "daily" else HOUR  # of a trial too
    window = Window(template=like.template, start=start, end=start + length, zone=like.zone)
    yield identity_of_2_0(settings.supabase, window)


def _remove_workbooks(folder: Path, before: datetime) -> int:
    """Remove the reports' workbooks of this user's that were put into `folder` before `before` (aware)."""
    removed = 0
    for path in sorted(folder.glob("report_*.xlsx")):
        with suppress(OSError):
            found = path.lstat()
            is_ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and _WORKBOOK.fullmatch(path.name)
            if is_ours and found.st_mtime < before.timestamp() and removed < AT_ONCE:
                path.unlink()
                removed += 1
    return removed
