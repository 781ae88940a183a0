"""Files that are for their owner only, and whole or not there at all."""

import filecmp
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

_PRIVATE = ".report_build_"
_LEFT_OVER = timedelta(days=1)
"""No run takes as long as that."""


@contextmanager
def atomic_write(path: Path, *, durable: bool = False) -> Iterator[BinaryIO]:
    """Open a new file beside `path`, for its owner only, that takes its name when the block is done without error.

    A `durable` one is on the disk by then, so that not even a loss of power takes it back.
    No half file ever bears the name, and a symbolic link of that name is replaced, not followed.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
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

    Those that killed runs have left there are removed too, if they are a day old at `now` (aware).
    """
    for path in parent.glob(f"{_PRIVATE}*"):
        with suppress(OSError):
            found = path.lstat()
            if found.st_uid == os.geteuid() and now.timestamp() - found.st_mtime > _LEFT_OVER.total_seconds():
                shutil.rmtree(path)  # which refuses what is no folder
    with TemporaryDirectory(dir=parent, prefix=_PRIVATE, ignore_cleanup_errors=True) as name:
        yield Path(name)


def put_in_place(file: Path, folder: Path) -> Path:
    """Copy `file` into `folder`, in place of what bears its name there; return the path.

    Not as a hard link: what somebody did to the one would be done to the other.
    """
    path = folder / file.name
    with atomic_write(path) as copy, file.open("rb") as content:
        shutil.copyfileobj(content, copy, 1 << 20)
    return path


def take_away(file: Path, folder: Path) -> None:
    """Remove what was put in place, unless something else has taken its place since."""
    path = folder / file.name
    with suppress(OSError):
        if filecmp.cmp(file, path, shallow=False):
            path.unlink()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
