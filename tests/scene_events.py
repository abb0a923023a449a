"""How well the judge does on rendered scenes, where it is known who was where: misses, false alarms, double events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from minehat import Detections
from minewatch.config.schema import RulesPart
from minewatch.judging.history import History
from minewatch.judging.judge import judge

HELMET, HEAD = 0, 1
CLASSES = ("helmet", "head")
SIZE = (1280, 720)
STAYS = 2.0  # seconds that somebody must be to be seen for an event to be owed
APART = 5.0  # seconds out of sight between two stays, as the judge's `quiet`
SAME = 0.2  # IoU of an event's box with the head that it means


@dataclass(frozen=True)
class Truth:
    """What is in one frame. Row i of boxes, labels and identities is one head."""

    seconds: float
    boxes: np.ndarray  # [n, 4] pixels
    labels: np.ndarray
    identities: np.ndarray


@dataclass
class Score:
    """Of one clip or of many, added up."""

    owed: int = 0  # stays of bare heads that are large enough for long enough
    missed: int = 0
    events: int = 0
    false: int = 0  # events that mean nobody, or somebody with a helmet
    double: int = 0  # events of a stay beyond its first
    delays: list[float] = field(default_factory=list)  # from when a head is large enough to be seen to its event

    @property
    def missed_share(self) -> float:
        return self.missed / max(self.owed, 1)

    @property
    def false_share(self) -> float:
        return self.false / max(self.events, 1)

    def add(self, other: Score) -> None:
        for name in ("owed", "missed", "events", "false", "double"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.delays += other.delays

    def told(self) -> str:
        """In one line, for people."""
        return (f"{self.owed} owed, {self.missed} missed ({100 * self.missed_share:.1f} %), "
                f"{self.events} events, {self.false} false ({100 * self.false_share:.1f} %), "
                f"{self.double} double, delay median {np.median(self.delays or [0]):.2f} s "
                f"p95 {np.percentile(self.delays or [0], 95):.2f} s")


def events_of(found: Iterable[tuple[float, Detections]], rules: RulesPart, zones: Sequence = ()) -> list:
    """The verdicts of one clip."""
    history, told = History.fresh(rules, zones, CLASSES, "run"), []
    for seconds, detections in found:
        history, verdicts = judge(history, detections, SIZE, seconds)
        told += verdicts
    return told


def score(truths: Sequence[Truth], verdicts: Sequence, smallest: float) -> Score:
    """smallest: pixels of a head's height from which an event is owed; smaller ones may have one."""
    result = Score()
    stays = _stays(truths)
    told: dict[tuple[int, int], int] = {}
    by_time = {truth.seconds: truth for truth in truths}
    for verdict in verdicts:
        if verdict.kind != "bare_head":
            continue
        result.events += 1
        who = _whose(by_time[verdict.seconds], verdict.box)
        stay = next((row for row, (began, ended, _) in enumerate(stays.get(who, []))
                     if began - 0.1 <= verdict.seconds <= ended + 2), None)
        if stay is None:
            result.false += 1
            continue
        told[who, stay] = told.get((who, stay), 0) + 1
        result.double += told[who, stay] > 1
        if told[who, stay] == 1:
            large = [seconds for seconds, height in stays[who][stay][2] if height >= smallest]
            result.delays += [max(verdict.seconds - large[0], 0.0)] if large else []
    for who, theirs in stays.items():
        for row, (_, _, sights) in enumerate(theirs):
            large = [seconds for seconds, height in sights if height >= smallest]
            if large and large[-1] - large[0] >= STAYS and len(large) >= 0.6 * STAYS * 12.5:
                result.owed += 1
                result.missed += (who, row) not in told
    return result


def noisy(truth: Truth, rng: np.random.Generator, missed: float = 0.2, jitter: float = 0.06,
          flicker: float = 0.1) -> Detections:
    """What a detector of middling skill would make of it."""
    kept = rng.random(len(truth.boxes)) >= missed
    boxes = truth.boxes[kept]
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    labels = np.where(rng.random(len(boxes)) < flicker, 1 - truth.labels[kept], truth.labels[kept])
    return Detections((boxes + rng.normal(0, jitter, boxes.shape) * sides).astype(np.float32),
                      rng.uniform(0.3, 0.95, len(boxes)).astype(np.float32), labels.astype(np.int64))


def _stays(truths: Sequence[Truth]) -> dict[int, list[tuple[float, float, list[tuple[float, float]]]]]:
    """Of each bare head, its stays: when it began and ended, and the height of the head at each sight."""
    stays: dict[int, list] = {}
    for truth in truths:
        for box, label, who in zip(truth.boxes, truth.labels.tolist(), truth.identities.tolist(), strict=True):
            if label != HEAD:
                continue
            theirs = stays.setdefault(who, [])
            sight = (truth.seconds, float(box[3] - box[1]))
            if theirs and truth.seconds - theirs[-1][1] < APART:
                theirs[-1] = (theirs[-1][0], truth.seconds, [*theirs[-1][2], sight])
            else:
                theirs.append((truth.seconds, truth.seconds, [sight]))
    return stays


def _whose(truth: Truth, box: Sequence[float]) -> int:
    """The identity of the head that lies there; 0 for none."""
    if not len(truth.boxes):
        return 0
    there = np.array(box) * (SIZE * 2)
    low, high = np.maximum(truth.boxes[:, :2], there[:2]), np.minimum(truth.boxes[:, 2:], there[2:])
    both = np.prod(np.maximum(high - low, 0), axis=1)
    union = np.prod(truth.boxes[:, 2:] - truth.boxes[:, :2], axis=1) + np.prod(there[2:] - there[:2]) - both
    best = int((both / union).argmax())
    return int(truth.identities[best]) if both[best] / union[best] >= SAME else 0
