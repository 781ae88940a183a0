"""A lively hour of analyses, the same for the same hour every time, and the weeks behind it."""

import math
import random
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

ROWS = 2500
WEEKS = 4
_STATUSES = ("completed",) * 91 + ("completed with warnings",) * 4 + ("failed",) * 3 + ("timed out", "cancelled")
_PARTS = 60
"""Parts of an hour that have their own share of its analyses."""


def sample_hour(start: datetime, rows: int = ROWS, *, troubled: bool = True) -> list[dict[str, Any]]:
    """Make `rows` analyses within the hour from `start` (aware): several statuses, failures.

    A `troubled` hour has a bad spell of ten minutes.
    """
    return list(sample_rows(start, rows, troubled=troubled))


def sample_weeks(start: datetime, rows: int = ROWS) -> list[dict[str, Any]]:
    """Make the same hours of the weeks before, with about as many `rows`, and one row before them all."""
    first = start - (WEEKS + 1) * timedelta(weeks=1)
    found = sample_hour(first, 1, troubled=False)
    for week in range(1, WEEKS + 1):
        earlier = start - week * timedelta(weeks=1)
        count = round(rows * random.Random(earlier.isoformat()).uniform(0.95, 1.05))
        found += sample_hour(earlier, count, troubled=False)
    return found


def sample_rows(start: datetime, rows: int, *, troubled: bool = True) -> Iterator[dict[str, Any]]:
    """Make the same one by one, in order of their moments, for hours that are too large for a list."""
    dice = random.Random(start.isoformat())
    # A bad spell of ten minutes somewhere in the hour, as real hours have.
    spell = dice.uniform(5, 45) if troubled else 60.0
    for minute in _minutes(rows, dice):
        yield _analysis(start, minute, spell, dice)


def _minutes(rows: int, dice: random.Random) -> Iterator[float]:
    """Spread `rows` over an hour: they rise and fall once, and no minute is quite like the next."""
    peak = dice.uniform(20, 40)
    weights = [(0.45 + math.exp(-(((part - peak) / 14) ** 2))) * dice.lognormvariate(0, 0.12) for part in range(_PARTS)]
    whole, reached, part = sum(weights), 0.0, 0
    for place in range(rows):
        target = (place + 0.5) / rows * whole
        while reached + weights[part] < target and part < _PARTS - 1:
            reached, part = reached + weights[part], part + 1
        yield min(part + (target - reached) / weights[part], 59.999)


def _analysis(start: datetime, minute: float, spell: float, dice: random.Random) -> dict[str, Any]:
    in_spell = spell <= minute < spell + 10
    status = dice.choice(_STATUSES if not in_spell or dice.random() < 0.5 else ("failed",))
    processed = int(dice.lognormvariate(6, 1))
    failed = 0 if dice.random() < 0.7 else min(processed, int(dice.expovariate(1 / 4)))
    if status in ("failed", "timed out"):
        failed = int(processed * dice.uniform(0.3, 1))
    return {
        "id": str(uuid.UUID(int=dice.getrandbits(128), version=4)),
        "created_at": (start + timedelta(minutes=minute)).isoformat(),
        "status": status,
        "duration": round(dice.lognormvariate(1.2, 0.8) * (3 if in_spell else 1), 3),
        "records_processed": None if status == "cancelled" else processed,
        "records_failed": None if status == "cancelled" else failed,
    }
