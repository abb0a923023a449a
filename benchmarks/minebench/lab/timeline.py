"""When each picture of an endless clip is due."""

from __future__ import annotations

from dataclasses import dataclass

from .clips import Clip, Unit


@dataclass(frozen=True)
class Timeline:
    """A clip that began at a moment and never ends. Moments are seconds of one clock that only goes forward."""

    clip: Clip
    began: float

    def at(self, moment: float) -> int:
        """Number of the latest key frame that was due at `moment`, counted from the beginning over all rounds."""
        rounds, within = divmod(max(moment - self.began, 0.0), self.clip.duration)
        index = max(number for number, unit in enumerate(self.clip.units)
                    if unit.key and unit.seconds <= within + 1e-6)
        return int(rounds) * len(self.clip.units) + index

    def unit(self, number: int) -> Unit:
        """The picture."""
        return self.clip.units[number % len(self.clip.units)]

    def due(self, number: int) -> float:
        """When it is shown."""
        return self.began + number // len(self.clip.units) * self.clip.duration + self.unit(number).seconds
