"""The entry: `python reports_generator.py` makes and delivers one report, then exits."""

import sys

from src.run import main

if __name__ == "__main__":
    sys.exit(main())
