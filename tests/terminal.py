"""A command as a person at a terminal sees it."""

import os
import pty
import re
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

WIDTH = 100


def on_terminal(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, *, width: int = WIDTH
) -> tuple[int, str]:
    """Run `command` in `folder` on a terminal; return its exit code and all that was written there."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, width))
    with subprocess.Popen(command, env=environment, stdout=theirs, stderr=theirs, cwd=folder) as process:
        os.close(theirs)
        shown = b""
        while chunk := _read(ours):
            shown += chunk
    os.close(ours)
    return process.returncode, shown.decode()


def lines_left(shown: str) -> list[str]:
    """List the lines that stay on the screen, without their colours: a bar is drawn over."""
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", shown)
    return [line.rstrip("\r").rpartition("\r")[2] for line in plain.removesuffix("\r\n").split("\n")]


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # a terminal whose other side is gone
        return b""
