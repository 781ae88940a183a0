"""The entry: `python reports_generator.py` makes and delivers one report, then exits."""

import gc
import signal
import sys

# Process 1 of a container doesn't get a SIGTERM that it has no handler for, and the import takes a moment.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))

# What is imported stays to the end: looking for garbage in it, now and at the exit, is a quarter of the start.
gc.disable()
from src.cli import main  # noqa: E402 - after the handler

gc.freeze()
gc.enable()

if __name__ == "__main__":
    sys.exit(main())
