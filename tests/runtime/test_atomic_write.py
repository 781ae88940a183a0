"""Files are for their owner only, and whole or not there at all."""

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from src.runtime.atomic_write import atomic_write, private_folder, put_in_place, remove_left_overs, take_away

NOW = datetime(2026, 11, 23, 14, tzinfo=UTC)


def test_a_file_is_for_its_owner_only(tmp_path: Path) -> None:
    """Whatever the umask: reports are nobody else's business on a shared machine."""
    before = os.umask(0)
    try:
        with atomic_write(tmp_path / "report.xlsx") as file:
            file.write(b"rows")
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "report.xlsx").stat().st_mode) == 0o600


def test_a_half_file_never_bears_the_name(tmp_path: Path) -> None:
    """It has it at once when it is whole; after a failure nothing is left."""
    path = tmp_path / "report.xlsx"

    def write_half() -> None:
        with atomic_write(path) as file:
            file.write(b"half")
            assert not path.exists()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()

    assert [*tmp_path.iterdir()] == []


def test_a_symbolic_link_is_replaced_not_followed(tmp_path: Path) -> None:
    """Nobody can aim the report at another file by a link in /tmp."""
    target = tmp_path / "precious"
    target.write_text("precious")
    path = tmp_path / "report.xlsx"
    path.symlink_to(target)

    with atomic_write(path) as file:
        file.write(b"rows")

    assert target.read_text() == "precious"
    assert not path.is_symlink()
    assert path.read_bytes() == b"rows"


def test_a_report_made_again_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    """The same window, the same name."""
    for content in (b"first", b"second"):
        with atomic_write(tmp_path / "report.xlsx") as file:
            file.write(content)

    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"second"]


def test_a_private_folder_is_its_owners_only_and_goes_with_what_is_in_it(tmp_path: Path) -> None:
    """However its block ends."""

    def fail() -> None:
        with private_folder(tmp_path, NOW) as folder:
            (folder / "report.xlsx").write_bytes(b"rows")
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert [*tmp_path.iterdir()] == []


def test_a_file_put_in_place_is_a_copy_for_its_owner_only(tmp_path: Path) -> None:
    """What is done to it afterwards doesn't touch the one that is sent."""
    file = tmp_path / "built" / "report.xlsx"
    file.parent.mkdir()
    file.write_bytes(b"rows")

    path = put_in_place(file, tmp_path)
    mode = stat.S_IMODE(path.stat().st_mode)
    path.write_bytes(b"changed")

    assert (path, mode) == (tmp_path / "report.xlsx", 0o600)
    assert file.read_bytes() == b"rows"


@pytest.mark.parametrize("there", [b"rows", b"others", None], ids=["its own", "another's", "none"])
def test_only_the_same_file_is_taken_away(tmp_path: Path, there: bytes | None) -> None:
    """Another one may have taken its place; it may be gone."""
    file, path = tmp_path / "built" / "report.xlsx", tmp_path / "report.xlsx"
    file.parent.mkdir()
    file.write_bytes(b"rows")
    if there:
        path.write_bytes(there)

    take_away(file, tmp_path)

    assert path.exists() == (there == b"others")
    assert file.exists()


@pytest.mark.parametrize(("minutes", "stays"), [(59, True), (61, False)])
def test_half_files_of_killed_runs_are_removed_after_an_hour(tmp_path: Path, minutes: int, stays: bool) -> None:
    """And nothing that only bears such a name."""
    written = (NOW - timedelta(minutes=minutes)).timestamp()
    half = tmp_path / ".report_20261122_130000.xlsx.0123456789abcdef.part"
    others = [tmp_path / ".download.part", tmp_path / "report.0123456789abcdef.part"]
    folder = tmp_path / ".folder.0123456789abcdef.part"
    folder.mkdir()
    for path in (half, *others):
        path.touch()
    for path in (half, folder, *others):
        os.utime(path, (written, written))

    remove_left_overs(tmp_path, NOW)

    assert {*tmp_path.iterdir()} == {folder, *others, *([half] if stays else [])}
