"""Random examples: the same few in `make test`, others for FUZZ_SECONDS of each test in `make test-long`."""

import functools
import os
import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings

SECONDS = float(os.environ.get("FUZZ_SECONDS", "0"))
"""How long each test tries others; 0 for those that are the same every time."""
Test = Callable[..., None]


def random_examples(count: int) -> Callable[[Test], Test]:
    """Return a decorator for a test made by `given`: it tries `count` examples, again while there is time."""

    def decorate(test: Test) -> Test:
        chosen = settings(
            max_examples=count,
            derandomize=not SECONDS,
            database=None,
            deadline=None,
            suppress_health_check=[*HealthCheck],
        )(test)

        @functools.wraps(chosen)
        def repeated(*fixtures: object, **named: object) -> None:
            end = time.monotonic() + SECONDS
            chosen(*fixtures, **named)
            while time.monotonic() < end:
                chosen(*fixtures, **named)

        return pytest.mark.random(repeated)

    return decorate
