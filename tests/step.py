"""`python3 tests/step.py LOG TITLE COMMAND...`: run one step of an installation and show how far it is.

What the command says goes to LOG; its last lines are shown if it fails. Any Python 3.11 runs this, without packages.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

LAST_LINES = 15
EVERY = 10.0
"""Seconds between two signs of life where nobody watches a terminal."""
CERTIFICATE = "If a proxy here replaces certificates, set PIP_CERT and NODE_EXTRA_CA_CERTS to its authority's file."


def main() -> int:
    """Run the command; return its exit code."""
    log, title, *command = sys.argv[1:]
    path = Path(log)
    path.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with path.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as process:
        try:
            _watch(process, path, title, began)
        except KeyboardInterrupt:
            return 130
    _say(f"{title} ... {time.monotonic() - began:.0f} s", is_last=True)
    if process.returncode:
        _explain(path, process.returncode)
    return process.returncode


def _watch(process: "subprocess.Popen[bytes]", log: Path, title: str, began: float) -> None:
    wait = 0.5 if sys.stdout.isatty() else EVERY
    _say(f"{title} ...")
    while True:
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            _say(f"{title} ... {time.monotonic() - began:.0f} s  {_last_line(log)}")
        else:
            return


def _say(text: str, *, is_last: bool = False) -> None:
    """Print a line; on a terminal in place of the one before."""
    if not sys.stdout.isatty():
        print(text, flush=True)
        return
    width = shutil.get_terminal_size().columns - 1
    print(f"\r\x1b[K{text[:width]}", end="\n" if is_last else "", flush=True)


def _explain(log: Path, code: int) -> None:
    """Show the last lines, each one once: pip repeats its warnings."""
    lines = [*reversed([*dict.fromkeys(line for line in reversed(_lines(log)) if line.strip())][:LAST_LINES])]
    print(f"It failed (exit code {code}). Its last lines, all of them are in {os.path.relpath(log)}:", file=sys.stderr)
    print(*(f"  {line}" for line in lines), sep="\n", file=sys.stderr)
    if any("certificate" in line.lower() for line in lines):
        print(CERTIFICATE, file=sys.stderr)


def _last_line(log: Path) -> str:
    said = [line.strip() for line in _lines(log) if line.strip() and not line.startswith("WARNING")]
    return said[-1][:60] if said else ""


def _lines(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8", errors="replace").splitlines()


if __name__ == "__main__":
    sys.exit(main())
