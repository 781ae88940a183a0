"""Which earlier runs have ended, so that their claims can be taken over at once.

Each run holds an operating-system lock in its folder for as long as it lives. A container that starts again in its pod
finds the folder of the one before it, and no other pod's. Names of pods can be alike, and say nothing.

A Job with podReplacementPolicy Failed starts a pod only when the one before it, of the same index, has ended. After
`kubectl delete --force` that one may still run: the takeover changes the version of the record, so none of its writes
counts any more, and it sends nothing without one.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import LedgerError
from .directory import refuse_others

_PREFIX, _SUFFIX = "run-", ".lock"
_LEFT_OVER = 2 * 86_400.0
"""Seconds after which nobody asks for an ended run's lock any more: no claim lives as long."""


@contextmanager
def held_lock(folder: Path, token: str) -> Iterator[None]:
    """Hold the lock of the run of `token` for the block; where the folder can't be used, hold none."""
    descriptor = _locked(folder, token)
    try:
        yield
    finally:
        if descriptor is not None:
            with suppress(OSError):
                _path(folder, token).unlink(missing_ok=True)
            os.close(descriptor)


def has_ended(folder: Path, token: str) -> bool:
    """Return whether the run of `token` held its lock in this folder and has ended; False where that isn't known."""
    try:
        refuse_others(folder)
        descriptor = os.open(_path(folder, token), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (OSError, LedgerError):
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def holder_name(process: str, token: str, uid: str | None, index: int | None) -> str:
    """Return the holder of a claim; of a pod in a sequence it names the Job's `uid` and the pod's `index` as well."""
    place = f"/{uid}/{'' if index is None else index}" if uid else ""
    return f"{process.replace('/', '-')}{place}.{token}"


def follows(holder: str, earlier: str) -> bool:
    """Return whether the pod of `holder` began when that of `earlier`, of the same Job and index, had ended."""
    place = _place(holder)
    return bool(place) and place == _place(earlier)


def _place(holder: str) -> str:
    return holder.rpartition(".")[0].partition("/")[2]


def _locked(folder: Path, token: str) -> int | None:
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        refuse_others(folder)
        _remove_left_overs(folder)
        descriptor = os.open(_path(folder, token), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except (OSError, LedgerError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # another claim of this run holds it
        os.close(descriptor)
        return None
    return descriptor


def _remove_left_overs(folder: Path) -> None:
    for path in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        token = path.name.removeprefix(_PREFIX).removesuffix(_SUFFIX)
        if time.time() - path.lstat().st_mtime > _LEFT_OVER and has_ended(folder, token):
            path.unlink(missing_ok=True)


def _path(folder: Path, token: str) -> Path:
    return folder / f"{_PREFIX}{token}{_SUFFIX}"
