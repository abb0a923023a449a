"""What came of lowering a model, for the page to tell."""

from __future__ import annotations

from dataclasses import dataclass

from minehat.errors import MineHatError

from ..gate.trial import Trial, Tried
from ..lowering import Lowered
from ..ranges import Seen
from ..ranges.domain import Gap


@dataclass(frozen=True)
class Outcome:
    """A lowered model and the gate's word on it."""

    lowered: Lowered  # where the gate refused, with nothing lifted
    trial: Trial | None = None  # None without a gate
    refusal: MineHatError | None = None  # why nothing is written

    @property
    def judged(self) -> Tried | None:
        """What the gate saw of `lowered`."""
        if self.trial is None:
            return None
        return self.trial.chosen or self.trial.tried[0]


@dataclass(frozen=True)
class Elsewhere:
    """Pictures that were not calibrated on."""

    gap: Gap
    seen: Seen
