"""Heat and power: how many looks are made before the board slows itself down. Pure: a reading in, a step out.

A board that throttles slows everything, and picks what. Before it comes to that the watch makes fewer looks, but never
fewer than the rules of an alarm want: those are its floor, and where even they are too many, somebody is told.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from minehat.telemetry import Reading
from minehat.telemetry.nvml import AT_LIMIT

from ..config.schema import BudgetPart, CameraPart, RulesPart
from ..judging.zones import changed
from ..outlook import OLD

SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)  # by step: of the looks above the floor, those that are still made
FLOOR = len(SHARES) - 1
MARGIN = 5.0  # Celsius below the board's own limit from which fewer looks are made
SLACK = 5.0  # Celsius below that again, from which it counts as cool
POWER_SLACK = 0.9  # of the watts allowed, below which they count as few
DOWN = 5.0  # seconds at least from any change to a step down
HOLD = 30.0  # seconds cool, and since any change, before a step up
LONGEST = 600.0  # what HOLD grows to while steps up have to be taken back
STALE = 15.0  # seconds after which a reading says nothing any more


@dataclass(frozen=True)
class Strain:
    """What a reading says."""

    level: Literal["over", "near", "cool"]
    why: str = ""  # of "over", for people


@dataclass(frozen=True)
class Budget:
    """Where the policy stands."""

    step: int = 0  # 0: all looks; FLOOR: those that an alarm needs
    changed: float = -math.inf  # when the step last changed
    rose: bool = False  # whether that was a step up
    cool_since: float | None = None
    wait: float = HOLD  # seconds before the next step up
    why: str = ""  # fewer looks are made; "" while all are

    @property
    def share(self) -> float:
        """Of the looks above the floor, those that are made."""
        return SHARES[self.step]


def strain_of(reading: Reading | None, limits: Mapping[str, float], part: BudgetPart, now: float) -> Strain:
    """How hard the board is pressed. limits: Celsius by zone from which it slows itself down.

    Where nothing is known, or not any more, all counts as cool: whoever cannot measure looks as often as it can.
    """
    if not part.enabled or reading is None or now - reading.at > STALE:
        return Strain("cool")
    room, hottest = _room(reading.celsius, limits, part.celsius)
    watts = reading.total_watts if part.watts else None
    if slowed := held_back(reading):
        return Strain("over", f"the board slows itself down: {', '.join(slowed)}")
    if room <= 0:
        most = limits[hottest] - MARGIN if part.celsius is None else part.celsius
        return Strain("over", f"{hottest} is at {reading.celsius[hottest]:.0f} C of {most:.0f}")
    if watts is not None and part.watts and watts >= part.watts:
        return Strain("over", f"the board takes {watts:.1f} W of {part.watts:g}")
    few = watts is None or part.watts is None or watts < POWER_SLACK * part.watts
    return Strain("cool" if room > SLACK and few else "near")


def held_back(reading: Reading) -> tuple[str, ...]:
    """Why the board runs slower than it should; a card at its power limit is as fast as it was built to be."""
    return tuple(why for why in reading.throttled if why != AT_LIMIT)


def stepped(budget: Budget, strain: Strain, now: float) -> Budget:
    """The policy after one more reading, at `now` (monotonic seconds): at most one step on.

    A step up that had to be taken back makes the next ones wait twice as long, up to LONGEST.
    """
    if strain.level == "over":
        budget = replace(budget, cool_since=None, why=strain.why if budget.step else "")
        if budget.step == FLOOR or now - budget.changed < DOWN:
            return budget
        taken_back = budget.rose and now - budget.changed < LONGEST
        wait = min(2 * budget.wait, LONGEST) if taken_back else budget.wait
        return Budget(budget.step + 1, now, wait=wait, why=strain.why)
    if strain.level == "near":
        return replace(budget, cool_since=None)
    since = now if budget.cool_since is None else budget.cool_since  # never before the latest change
    budget = replace(budget, cool_since=since)
    if budget.step and now - since >= budget.wait:
        step = budget.step - 1
        return Budget(step, now, True, now, budget.wait, budget.why if step else "")
    calm = not budget.step and now - budget.changed >= LONGEST
    return replace(budget, wait=HOLD) if calm else budget


def needed_looks(rules: RulesPart, camera: CameraPart) -> float:
    """Looks a second that an alarm of this camera needs: `frames` sights within `seconds`, two within `gap`, and
    two before it counts as not watched.

    Of zones with rules of their own the most that one of them wants. Infinite where an alarm wants no time at all.
    """
    own = changed(rules, camera.rules)
    zones = (changed(own, zone.rules) for zone in camera.zones if zone.rule != "ignore")
    return max(_needed(one) for one in (own, *zones))


def allowed_looks(full: float, needed: float, share: float) -> float | None:
    """Looks a second that a camera may have, of `full` without a budget; None where nothing can be spared."""
    return None if share >= 1 or full <= needed else needed + share * (full - needed)


def _needed(rules: RulesPart) -> float:
    if not rules.seconds or not rules.gap:
        return math.inf
    return max(rules.frames / rules.seconds, 2 / rules.gap, 2 / OLD)


def _room(celsius: Mapping[str, float], limits: Mapping[str, float], most: float | None) -> tuple[float, str]:
    """Celsius that the zone with the least has until fewer looks are made, and its name."""
    rooms: Iterable[tuple[float, str]] = (
        (most - value, name) for name, value in celsius.items()) if most is not None else (
        (limits[name] - MARGIN - value, name) for name, value in celsius.items() if name in limits)
    return min(rooms, default=(math.inf, ""))
