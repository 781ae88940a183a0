"""Pods that are killed, servers that fail, recipients that change, rows that come late: nobody is missed or misled.

`make test` plays two stories; `make test-long` and `make chaos` play them for CHAOS_SECONDS, from CHAOS_SEED on.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..conftest import Run
from ..sandbox import Sandbox
from .judge import Judge
from .play import Story

SEED = int(os.environ.get("CHAOS_SEED", "1"))
SECONDS = float(os.environ.get("CHAOS_SECONDS", "0"))


def seeds() -> Iterator[int]:
    """Yield two, one for each ledger, or as many as there is time for."""
    began = time.monotonic()
    seed = SEED
    while seed < SEED + 2 or time.monotonic() - began < SECONDS:
        yield seed
        seed += 1


@pytest.mark.random
def test_nobody_misses_a_row_gets_an_unmarked_repeat_or_is_told_an_untruth(
    sandbox: Sandbox, run: Callable[..., Run], tmp_path: Path
) -> None:
    """Whatever a story brings; a seed that is printed with what went wrong plays it again."""
    wrong = list[str]()
    for seed in seeds():
        sandbox.reset()
        sandbox.folder = tmp_path / str(seed)
        sandbox.folder.mkdir()
        print(f"CHAOS_SEED={seed}", file=sys.__stderr__)
        story = Story(seed=seed, sandbox=sandbox, run=run)
        story.play()
        found = Judge(story).violations()
        wrong += [f"CHAOS_SEED={seed}", *found, *story.diary] if found else []

    assert wrong == [], "\n".join(wrong)
