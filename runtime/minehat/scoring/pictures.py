"""What is wrong in each picture: who is missed, mistaken for another class, or invented."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..detections import Detections
from ..labels import Labelled
from .matching import Pairing

Array = npt.NDArray[Any]
HEAD = "head"  # the class that an alarm is about


@dataclass(frozen=True)
class PictureFaults:
    """One picture at a threshold. Classes of which there is nothing to tell are absent."""

    picture: str  # its path
    missed: Mapping[str, int]
    mistaken: Mapping[str, int]  # "head as helmet": a bare head that is seen, and seen as a helmet
    invented: Mapping[str, int]

    @property
    def badness(self) -> tuple[int, ...]:
        """Larger is worse: bare heads that raise no alarm first, those that look safe before those not seen."""
        heads = sum(count for told, count in self.mistaken.items() if told.startswith(f"{HEAD} as "))
        total = sum(sum(counts.values()) for counts in (self.missed, self.mistaken, self.invented))
        return heads + self.missed.get(HEAD, 0), heads, self.invented.get(HEAD, 0), total

    @property
    def told(self) -> str:
        """In words: `missed head 2, head as helmet 1, invented helmet 3`."""
        parts = [*((f"missed {name}", count) for name, count in self.missed.items()), *self.mistaken.items(),
                 *((f"invented {name}", count) for name, count in self.invented.items())]
        return ", ".join(f"{what} {count}" for what, count in parts)


def confusion_of(seen: Detections, truth: Labelled, pairing: Pairing, classes: int) -> Array:
    """[classes + 1, classes + 1] int64: truths by row, the last for nothing there; detections by column, the last
    for nothing seen. seen: those over a threshold, and `pairing` theirs. Ignored truths and what lies on them are
    in no cell."""
    table = np.zeros((classes + 1, classes + 1), np.int64)
    truth_of = np.where(pairing.hits >= 0, pairing.hits, pairing.mistaken)
    for label, row, excused in zip(seen.labels, truth_of, pairing.excused, strict=True):
        if not excused:
            table[truth.labels[row] if row >= 0 else classes, label] += 1
    missed = ~truth.ignored & ~np.isin(np.arange(len(truth.boxes)), truth_of)
    for label in truth.labels[missed]:
        table[label, classes] += 1
    return table


def faults_of(truth: Labelled, table: Array, classes: Sequence[str]) -> PictureFaults:
    """A picture's confusion table [classes + 1, classes + 1] in words."""
    rows = range(len(classes))
    return PictureFaults(
        str(truth.path),
        missed={classes[row]: int(table[row, -1]) for row in rows if table[row, -1]},
        mistaken={f"{classes[row]} as {classes[other]}": int(table[row, other])
                  for row in rows for other in rows if row != other and table[row, other]},
        invented={classes[row]: int(table[-1, row]) for row in rows if table[-1, row]})
