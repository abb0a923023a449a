"""How long to wait before the next try."""

from __future__ import annotations

import random

SOONEST, LATEST = 1.0, 60.0  # seconds


def pause_after(failures: int, slowly: bool, chance: random.Random) -> float:
    """Seconds: doubled with each failure in a row, spread by a quarter so that receivers are not stormed together."""
    base = LATEST if slowly else min(LATEST, SOONEST * 2.0 ** min(failures - 1, 10))
    return min(LATEST, max(SOONEST, base * chance.uniform(0.75, 1.25)))
