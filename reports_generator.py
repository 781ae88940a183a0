"""The entry: `python reports_generator.py` makes and delivers one report, then exits."""

import gc
import os
import shlex
import signal
import sys
from pathlib import Path

# Process 1 of a container doesn't get a SIGTERM that it has no handler for, and the imports take a moment.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))

UNUSED = ("cryptography", "h2")
"""Loaded where they are found, for Telegram Passport and HTTP/2: 15 ms of processor time each, and 11 MiB."""

_OBJECTS = 50_000
"""New objects after which garbage is looked for again. A usual hour makes fewer; looking after each 700 takes 5 ms."""


def start() -> int:
    """Run the program; return its exit code, which is 2 where the system, Python or a package does not fit."""
    if os.name == "nt":
        sys.stderr.write("Windows is not supported. Run it in WSL, in a container, or on Linux or macOS.\n")
        return 2
    if sys.version_info < (3, 11):  # noqa: UP036 - said in a sentence; the packages would fail with a traceback
        found = ".".join(map(str, sys.version_info[:2]))
        sys.stderr.write(f"Python 3.11 or newer is needed, and this is {found}. Run it with a newer one.\n")
        return 2
    # Looking for garbage in what is imported, then and at the exit, is a fifth of a usual run's processor time.
    gc.disable()
    for package in UNUSED:
        sys.modules[package] = None  # type: ignore[assignment] # so that it is not found (The import system, 5.3.1)
    try:
        from src.cli import main
    except ModuleNotFoundError as error:
        sys.stderr.write(f"The package {error.name} is not installed. {remedy(Path(__file__).resolve())}\n")
        return 2
    gc.freeze()
    gc.set_threshold(_OBJECTS)
    gc.enable()
    return main()


def remedy(program: Path) -> str:
    """Say how to get the packages: with the `.venv` beside `program`, or by installing them.

    The system's own Python refuses to install any (PEP 668).
    """
    venv = program.with_name(".venv")
    python, listed = venv / "bin" / "python", program.with_name("requirements.reports.txt")
    install = ["-m", "pip", "install", "--only-binary", ":all:", "--require-hashes", "-r", str(listed)]
    if python.exists() and Path(sys.prefix).resolve() != venv.resolve():
        return f"Use the Python in .venv beside it: {shlex.join([str(python), str(program), *sys.argv[1:]])}"
    if sys.prefix != sys.base_prefix:
        return f"Install all packages with: {shlex.join([sys.executable, *install])}"
    make = shlex.join([sys.executable, "-m", "venv", str(venv)])
    return f"Install all packages with: {make} && {shlex.join([str(python), *install])}"


if __name__ == "__main__":
    sys.exit(start())
