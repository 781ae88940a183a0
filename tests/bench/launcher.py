"""Run a command and write into a file, as JSON, what the operating system says it cost.

This is a process of its own, with hardly any memory, because Linux counts the memory of the process that starts a
program into that program's peak (getrusage(2), ru_maxrss, is kept over execve).
"""

import json
import os
import sys
import time

_UNITS_OF_A_MIB = 2**20 if sys.platform == "darwin" else 2**10
"""ru_maxrss is in bytes there, in KiB elsewhere."""


def main() -> None:
    """Take the file's name, then the command."""
    path, *command = sys.argv[1:]
    begun = time.monotonic()
    process = os.posix_spawn(command[0], command, os.environ)
    _, status, usage = os.wait4(process, 0)
    cost = {
        "processor": usage.ru_utime + usage.ru_stime,
        "wall": time.monotonic() - begun,
        "peak": usage.ru_maxrss / _UNITS_OF_A_MIB,
        "code": os.waitstatus_to_exitcode(status),
    }
    with open(path, "w") as file:  # noqa: PTH123 - pathlib would triple what is loaded here
        json.dump(cost, file)


if __name__ == "__main__":
    main()
