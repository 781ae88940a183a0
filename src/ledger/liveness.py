"""Which earlier runs of this folder have ended: each run holds an operating-system lock for as long as it lives.

A container that starts again in its pod finds the folder of the one before it, and no other pod's. So it takes over
that one's claims at once, and never a claim of a run that may be alive: names of pods can be alike.
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
