"""Files that are for their owner only, and whole or not there at all."""

import errno
import filecmp
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import BinaryIO

_PRIVATE = ".report_build_"
_LEFT_OVER = timedelta(days=1)
"""No run takes as long as that."""
_PART = f".*.{'[0-9a-f]' * 16}.part"
_HALF_FILE = timedelta(hours=1)
"""Without a byte written to it: a file is written within minutes."""
_NAMES = 9
"""Names that a workbook may be kept under."""


@contextmanager
def atomic_write(path: Path, *, durable: bool = False) -> Iterator[BinaryIO]:
    """Open a new file beside `path`, for its owner only, that takes its name when the block is done without error.

    A `durable` one is on the disk by then, so that not even a loss of power takes it back.
    No half file ever bears the name, and a symbolic link of that name is replaced, not followed.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
        if durable:
            _sync_folder(path.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextmanager
def private_folder(parent: Path, now: datetime) -> Iterator[Path]:
    """Make a folder in `parent` that only its owner may enter, and remove it when the block is done.

    Where `parent` is others' too, they can put something else in its place: the path that is returned leads to the
    folder itself, whatever its name has become. What killed runs have left in `parent` before `now` is removed.
    """
    remove_left_overs(parent, now)
    path = Path(mkdtemp(dir=parent, prefix=_PRIVATE))
    try:
        with _held(path) as folder:
            try:
                yield folder
            finally:
                _empty(folder)
    finally:
        with suppress(OSError):
            path.rmdir()


@contextmanager
def _held(path: Path) -> Iterator[Path]:
    """Keep the folder at `path` open, and return a path that leads to it by that descriptor, where there is one."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        found = os.fstat(descriptor)
        if found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise PermissionError(errno.EPERM, "its own folder there was replaced", str(path))
        held = Path(f"/proc/self/fd/{descriptor}")  # Linux; elsewhere the name has to do
        yield held if held.exists() else path
    finally:
        os.close(descriptor)


def _empty(folder: Path) -> None:
    with suppress(OSError):
        for file in [*folder.iterdir()]:
            file.unlink(missing_ok=True)


def remove_left_overs(folder: Path, now: datetime) -> None:
    """Remove what killed runs of this user have left in `folder`: half files an hour before `now`, folders a day.

    Where others may rename what is there, a name proves nothing, and all of it stays.
    """
    if _is_renamed_by_others(folder):
        return
    for pattern, age, remove in ((_PART, _HALF_FILE, os.unlink), (f"{_PRIVATE}*", _LEFT_OVER, shutil.rmtree)):
        for path in folder.glob(pattern):
            with suppress(OSError):
                found = path.lstat()
                if found.st_uid == os.geteuid() and now.timestamp() - found.st_mtime > age.total_seconds():
                    remove(path)  # each refuses what is of the other kind


def _is_renamed_by_others(folder: Path) -> bool:
    """Return whether others may write to `folder`, and no sticky bit keeps them from what is not theirs."""
    try:
        mode = folder.stat().st_mode
    except OSError:
        return True
    return bool(mode & 0o022) and not mode & stat.S_ISVTX


def put_in_place(file: Path, folder: Path) -> Path:
    """Copy `file` into `folder`, in place of an earlier one of this user's; return the path.

    Under another name where that one is taken by somebody else's file. Not as a hard link: what somebody did to the
    one would be done to the other.
    """
    path = _place(folder / file.name)
    with atomic_write(path) as copy, file.open("rb") as content:
        shutil.copyfileobj(content, copy, 1 << 20)
    return path


def take_away(file: Path, folder: Path) -> None:
    """Remove what was put in place, unless something else has taken its place since."""
    with suppress(OSError):
        path = _place(folder / file.name)
        if filecmp.cmp(file, path, shallow=False):
            path.unlink()


def _place(path: Path) -> Path:
    """Return `path`, or the first of its numbered names that is free or this user's file."""
    names = [path, *(path.with_stem(f"{path.stem}_{number}") for number in range(2, _NAMES + 1))]
    for name in names:
        try:
            found = name.lstat()
        except FileNotFoundError:
            return name
        if found.st_uid == os.geteuid() and not stat.S_ISDIR(found.st_mode):
            return name
    raise FileExistsError(errno.EEXIST, "all its names are taken", str(path))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
