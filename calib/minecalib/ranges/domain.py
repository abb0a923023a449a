"""Do other pictures look to the network like the calibration pictures? Where they excite it more, their values are
clipped; where less, they use a part of the eight bits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..placement import Placement
from .histograms import Seen

USUAL = (5.0, 95.0)  # percentiles of the calibration pictures' strengths, between which others are no news


@dataclass(frozen=True)
class Gap:
    """Calibration pictures and others. Shares of the values of a tensor, 0 to 1."""

    name: str  # of the other pictures
    pictures: int
    calibrated: Mapping[str, float]  # share of clipped values by tensor with a pair
    elsewhere: Mapping[str, float]
    strength: float  # how far activations of the middle one reach, against that of calibration; 1 is as far
    usual: tuple[float, float]  # where 90 % of the calibration pictures lie on that scale

    @property
    def clipped(self) -> tuple[float, float]:
        """The mean over tensors, calibrated and elsewhere."""
        return float(np.mean([*self.calibrated.values()])), float(np.mean([*self.elsewhere.values()]))

    @property
    def is_wide(self) -> bool:
        """Should calibration see pictures like these?"""
        return not self.usual[0] <= self.strength <= self.usual[1]

    @property
    def told(self) -> str:
        """In words, on one line."""
        calibrated, elsewhere = self.clipped
        low, high = self.usual
        figures = (f"activations on {self.name} ({self.pictures} pictures) reach {self.strength:.2f} times as far as "
                   f"on the calibration pictures (90 % of those: {low:.2f} to {high:.2f}); clipped: {elsewhere:.1e} of "
                   f"them, {calibrated:.1e} in calibration")
        if not self.is_wide:
            return figures
        fault = "are clipped more" if self.strength > 1 else "use a part of the 8 bits alone"
        return f"DOMAIN GAP: {figures}. They {fault}: calibrate on pictures like these, too (`--images`)."


def gap(name: str, placement: Placement, calibrated: Seen, elsewhere: Seen) -> Gap:
    """Compare what the placement's tensors held."""
    pairs = {pair.tensor: pair for pair in placement.pairs if pair.tensor in calibrated.histograms}
    shares = [{tensor: seen.histograms[tensor].outside(pair.low, pair.high) for tensor, pair in pairs.items()}
              for seen in (calibrated, elsewhere)]
    middle = np.median(calibrated.strengths)
    low, high = 2.0 ** (np.percentile(calibrated.strengths, USUAL) - middle)
    return Gap(name, elsewhere.pictures, *shares, strength=float(2.0 ** (np.median(elsewhere.strengths) - middle)),
               usual=(float(low), float(high)))
