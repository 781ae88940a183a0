"""With REPORT_KEEP_DAYS, the end of a scheduled run removes old records and old workbooks of the bucket.

Workbooks in REPORT_DIR, of which every run makes a new one, go after one day. What fails of that is a warning.
"""

import asyncio
import logging
import os
import re
import stat
from collections.abc import Iterator
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ..domain.window import DAY, EARLIEST, HOUR, LATEST, Window, day_of
from ..errors import LedgerError, StorageError
from ..ledger.identity import deployment_folder, identity_of_2_0
from ..ledger.key import ledger_key
from ..runtime.retry import RetryPolicy
from ..supabase.storage import Storage
from ..workbook.writer import file_name
from .services import Services

logger = logging.getLogger(__name__)
_TIME = 30.0
"""Seconds for all of it."""
FILES_AT_ONCE = 100
"""Files that one run removes at most, in the bucket and in REPORT_DIR each."""
_FOLDER = re.compile(r"report\.(?:hourly|daily)\.([0-9]{8}T[0-9]{6}Z)\.[0-9a-f]+")
_RESENT = re.compile(r"\.resend\.[0-9]+$")
_WORKBOOK = re.compile(r"report_(?:[0-9]{8}_[0-9]{6}|daily_[0-9]{8})(?:_[2-9])?\.xlsx")


async def remove_old(services: Services, window: Window, watermark: datetime | None, policy: RetryPolicy) -> None:
    """Remove this deployment's own records and stored workbooks that are too old by the end of `window`.

    In REPORT_DIR any workbook of a report goes that is this user's and older than a day.
    From `watermark` on (aware), somebody is still to be sent a window or told of it, so that its record stays.
    """
    days = services.report.report_keep_days
    if days is None:
        return
    try:
        if not await _is_over(services, window):
            return
        await _remove_all(services, window, window.end - timedelta(days=days), watermark, policy)
    except Exception:  # the reports have gone out
        extra = {"event": "retention_failed"}
        logger.warning("What is old could not be removed; the next run tries again", exc_info=True, extra=extra)


async def _is_over(services: Services, window: Window) -> bool:
    """Return whether `window` is over by Supabase's clock: a clock of this machine that is ahead removes nothing."""
    if services.client.server_time is None:  # nothing was asked so far
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
    try:
        async with asyncio.timeout(min(_TIME, policy.left())):
            await _remove_records(services, min(before, watermark or before), policy)
            if services.storage:
                await _remove_stored(services, services.storage, window, before, policy)
    except TimeoutError:
        logger.warning("There was no time to remove what is old; the next run goes on", extra={"event": "retention"})
    _remove_workbooks(services.report.report_dir, services.run.clock() - DAY)


async def _remove_records(services: Services, before: datetime, policy: RetryPolicy) -> None:
    try:
        removed = await services.ledger.prune(before, policy)
    except LedgerError as error:
        extra = {"event": "retention_failed", "key": error.problem.key}
        logger.warning("Old records of the ledger could not be removed: %s", error, extra=extra)
    else:
        _say(removed, f"records of the ledger from before {before:%Y-%m-%dT%H:%M}Z")


async def _remove_stored(
    services: Services, storage: Storage, window: Window, before: datetime, policy: RetryPolicy
) -> None:
    """Remove workbooks from the bucket, each by the name that its folder's window gives it."""
    extra = {"event": "retention_failed"}
    try:
        paths = await _old_paths(services, storage, window, before, policy)
        removed = await storage.remove(paths, policy) if paths else 0
    except StorageError as error:
        extra |= {"key": error.problem.key}
        logger.warning("Old workbooks in the bucket could not be removed: %s", error, extra=extra)
        return
    _say(removed, f"workbooks in the bucket from before {before:%Y-%m-%dT%H:%M}Z")
    if removed < len(paths):
        left, setting = len(paths) - removed, services.client.credentials.setting
        why = f"{setting}'s role needs a grant and a policy for delete on storage.objects"
        logger.warning("%d old workbooks in the bucket could not be removed: %s", left, why, extra=extra)


async def _old_paths(
    services: Services, storage: Storage, window: Window, before: datetime, policy: RetryPolicy
) -> list[str]:
    """List the workbooks of windows before `before`: in the deployment's own folder, and those of versions before 2.1.

    The latter lie in the bucket itself, where others keep files too; their own names tell whose they are.
    """
    own, paths = deployment_folder(ledger_key(services.report, services.settings.supabase)), list[str]()
    for parent in (own, ""):
        async with aclosing(storage.folders(parent, f"report.{window.template}.", policy)) as folders:
            async for folder in folders:
                start = _start_of(folder)
                if len(paths) == FILES_AT_ONCE or (start and start >= before):
                    break
                likely = [*_windows_from(start, window)] if start else []
                if not parent:
                    identity = _RESENT.sub("", folder)
                    likely = [one for one in likely if identity_of_2_0(services.settings.supabase, one) == identity]
                paths += [f"{parent}/{folder}/{file_name(one)}".lstrip("/") for one in likely[:1]]
    return paths


def _start_of(folder: str) -> datetime | None:
    """Return the start of the window that `folder` is named after, None if no window starts then."""
    if match := _FOLDER.match(folder):
        with suppress(ValueError):
            start = datetime.strptime(match[1], "%Y%m%dT%H%M%SZ")  # noqa: DTZ007 - compared without zones
            return start.replace(tzinfo=UTC) if EARLIEST <= start <= LATEST else None
    return None


def _windows_from(start: datetime, like: Window) -> Iterator[Window]:
    """Yield the windows of the template of `like` that may start at `start`: a full one, or a trial's."""
    if like.template == "daily":
        yield day_of(start.astimezone(like.zone).date(), like.zone)
    length = DAY if like.template == "daily" else HOUR
    yield Window(template=like.template, start=start, end=start + length, zone=like.zone)


def _remove_workbooks(folder: Path, before: datetime) -> None:
    """Remove the reports' workbooks of this user's that were put into `folder` before `before` (aware)."""
    removed = 0
    for path in sorted(folder.glob("report_*.xlsx")):
        if removed == FILES_AT_ONCE:
            break
        with suppress(OSError):
            found = path.lstat()
            is_ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and _WORKBOOK.fullmatch(path.name)
            if is_ours and found.st_mtime < before.timestamp():
                path.unlink()
                removed += 1
    _say(removed, f"workbooks in {folder} from before {before:%Y-%m-%dT%H:%M}Z")


def _say(removed: int, what: str) -> None:
    if removed:
        logger.info("Removed %d %s", removed, what, extra={"event": "retention"})
