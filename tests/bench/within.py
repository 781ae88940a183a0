"""`python -m tests.bench.within ROWS COMMAND ...`: run a command between the bench's servers, for a profiler.

Such as `python -m tests.bench.within 100000 python -m cProfile -s tottime reports_generator.py`.
"""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from ..builders import OPTION
from . import sinks
from .runs import beside, source


def main() -> int:
    """Run the command with the settings that lead to the servers; return its exit code."""
    rows, *command = sys.argv[1:]
    with TemporaryDirectory() as name, beside(sinks.serve, Path(name)) as pipe, source(int(rows)) as hour:
        environment = os.environ | pipe.recv() | {"SUPABASE_URL": hour.url, "REPORT_START": OPTION[1]}
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
