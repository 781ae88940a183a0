"""Files for their owner only, written whole or not at all."""

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
_PART = f".*.{'[0-9a-f]' * 16}.part"
_LEFT_OVERS = ((_PART, timedelta(hours=1), os.unlink), (f"{_PRIVATE}*", timedelta(days=1), shutil.rmtree))
"""What killed runs leave, after which time without a change, and what removes it; each refuses the other kind."""


@contextmanager
def atomic_write(path: Path, *, durable: bool = False) -> Iterator[BinaryIO]:
    """Open a new file beside `path`, for its owner only, that takes its name when the block ends without error.

    A `durable` one is on the disk by then, so that not even a loss of power takes it back.
    No half file ever bears the name, and a symbolic link of that name is replaced, not followed.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
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
    """Make a folder in `parent` that only its owner may enter, and remove it when the block ends.

    What killed runs have left in `parent` before `now` is removed.
    """
    remove_left_overs(parent, now)
    with TemporaryDirectory(dir=parent, prefix=_PRIVATE, ignore_cleanup_errors=True) as path:
        yield Path(path)


def remove_left_overs(folder: Path, now: datetime) -> None:
    """Remove what killed runs have left in `folder`: half files an hour before `now`, folders a day."""
    for pattern, age, remove in _LEFT_OVERS:
        for path in folder.glob(pattern):
            with suppress(OSError):
                if now.timestamp() - path.lstat().st_mtime > age.total_seconds():
                    remove(path)


def put_in_place(file: Path, folder: Path) -> Path:
    """Copy `file` into `folder`, in place of an earlier one; return the path.

    Not as a hard link: what somebody did to the one would be done to the other.
    """
    path = folder / file.name
    with atomic_write(path) as copy, file.open("rb") as content:
        shutil.copyfileobj(content, copy, 1 << 20)
    return path


def take_away(file: Path, folder: Path) -> None:
    """Remove what was put in place, unless something else has taken its place since."""
    with suppress(OSError):
        path = folder / file.name
        if filecmp.cmp(file, path, shallow=False):
            path.unlink()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
