"""`python -m tests.bench.within ROWS COMMAND ...`: run a command between the bench's servers, for a profiler.

Such as `python -m tests.bench.within 100000 python -m cProfile -s tottime reports_generator.py --start 2026-11-22T13`.
"""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from . import sinks
from .runs import beside, source


def main() -> int:
    """Run the command with the settings that lead to the servers; return its exit code."""
    rows, *command = sys.argv[1:]
    with TemporaryDirectory() as name, beside(sinks.serve, Path(name)) as pipe, source(int(rows)) as hour:
        environment = os.environ | pipe.recv() | {"SUPABASE_URL": hour.url}
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
