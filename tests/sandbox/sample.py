"""A lively hour of analyses, the same for the same hour every time."""

import random
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

ROWS = 2500
_STATUSES = ("completed",) * 90 + ("completed with warnings",) * 4 + ("failed",) * 5 + ("cancelled",)
_ODD = "=1+1 is text, not a formula 🙂"


def sample_hour(start: datetime, rows: int = ROWS) -> list[dict[str, Any]]:
    """Make `rows` analyses within the hour from `start` (aware): several statuses, failures, an odd text."""
    return list(sample_rows(start, rows))


def sample_rows(start: datetime, rows: int) -> Iterator[dict[str, Any]]:
    """Make the same one by one, in order of their moments, for hours that are too large for a list."""
    dice = random.Random(start.isoformat())
    # A bad spell of ten minutes somewhere in the hour, as real hours have.
    spell = dice.uniform(5, 45)
    for place in range(rows):
        yield _analysis(start, place / rows * 60, spell, dice)


def _analysis(start: datetime, minute: float, spell: float, dice: random.Random) -> dict[str, Any]:
    troubled = spell <= minute < spell + 10
    status = dice.choice(_STATUSES if not troubled or dice.random() < 0.8 else ("failed",))
    processed = int(dice.lognormvariate(6, 1))
    failed = 0 if dice.random() < 0.7 else min(processed, int(dice.expovariate(1 / 4)))
    if status == "failed":
        failed = int(processed * dice.uniform(0.3, 1))
    return {
        "id": str(uuid.UUID(int=dice.getrandbits(128), version=4)),
        "created_at": (start + timedelta(minutes=minute, microseconds=dice.randrange(999))).isoformat(),
        "status": _ODD if dice.random() < 0.001 else status,
        "duration": round(dice.lognormvariate(1.2, 0.8) * (3 if troubled else 1), 3),
        "records_processed": None if status == "cancelled" else processed,
        "records_failed": None if status == "cancelled" else failed,
    }
