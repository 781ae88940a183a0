"""The entry: `python reports_generator.py` makes and delivers one report, then exits."""

import signal
import sys

# Process 1 of a container doesn't get a SIGTERM that it has no handler for, and the import takes a moment.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))

from src.cli import main  # noqa: E402 - after the handler

if __name__ == "__main__":
    sys.exit(main())
