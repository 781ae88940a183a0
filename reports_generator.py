"""The entry: `python reports_generator.py` makes and delivers one report, then exits."""

import gc
import shlex
import signal
import sys
from pathlib import Path

# Process 1 of a container doesn't get a SIGTERM that it has no handler for, and the imports take a moment.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))

UNUSED = ("cryptography", "h2")
"""What the libraries load where they find it, for Telegram Passport and HTTP/2: 11 MiB that nothing here needs."""


def start() -> int:
    """Run the program; return its exit code, which is 2 where Python is too old or a package is missing."""
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
        listed = Path(__file__).resolve().with_name("requirements.reports.txt")
        command = f"{shlex.quote(sys.executable)} -m pip install --require-hashes -r {shlex.quote(str(listed))}"
        sys.stderr.write(f"The package {error.name} is not installed. Install all packages with: {command}\n")
        return 2
    gc.freeze()
    gc.enable()
    return main()


if __name__ == "__main__":
    sys.exit(start())
