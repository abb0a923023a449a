"""What a model loses against another on the same labelled pictures, with paired 95 % intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from minehat.detections import Detections
from minehat.errors import MineHatError
from minehat.labels import Labelled
from minehat.scoring import score
from minehat.scoring.paired import Interval, hits_of, paired_recall_drop, ranked, ranked_map50_drop
from minehat.tables import print_table

from ..accuracy import Seen

HEAD = "head"


@dataclass(frozen=True)
class Pair:
    """One model against another. Intervals are of what `model` loses; None where there is no truth."""

    model: str
    against: str
    map50: Interval | None
    heads: Interval | None  # recall of bare heads at the card's threshold

    @property
    def worse(self) -> bool:
        """Whether the model is worse beyond the interval, in either figure."""
        return any(interval is not None and interval.low > 0 for interval in (self.map50, self.heads))

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "worse": self.worse}


def compare_in_pairs(found: Mapping[str, Sequence[Detections]], pairs: Sequence[tuple[str, str]],
                     truths: Sequence[Labelled], classes: Sequence[str], conf: float) -> list[Pair]:
    """found: by model, from scores of 0.001 on, row i belongs to truths[i]. pairs: (model, against)."""
    if HEAD not in classes:
        raise MineHatError(f"these models know {', '.join(classes)} and no {HEAD!r}: nothing to compare bare heads by.")
    label = classes.index(HEAD)
    wanted = {name for pair in pairs for name in pair}
    in_rank = {name: ranked(found[name], truths, classes) for name in wanted}
    hits = {name: hits_of(found[name], truths, label, conf) for name in wanted}
    return [Pair(model, against, ranked_map50_drop(in_rank[against], in_rank[model]),
                 paired_recall_drop(hits[against][0], hits[model][0], hits[model][1])) for model, against in pairs]


def ours_and_theirs(seen: Seen, ours: int) -> list[Pair]:
    """The first `ours` models are the FP32 one and what we made of it, the others are peers.

    Every model against the FP32 one, then our INT8 files against the peers of the same form.
    """
    names = list(seen.by_name)
    forms = dict(zip(names, (card.precision for card in seen.cards), strict=True))
    pairs = [(name, names[0]) for name in names[1:]]
    pairs += [(name, peer) for name in names[1:ours] for peer in names[ours:] if forms[name] == forms[peer]]
    return compare_in_pairs(seen.by_name, pairs, seen.truths, seen.cards[0].classes, seen.cards[0].conf)


def show_pairs(pairs: Sequence[Pair]) -> None:
    """A table on stderr, in points."""
    print_table(["loses", "against", "mAP50", "bare heads found", ""],
                [[pair.model, pair.against, points(pair.map50), points(pair.heads), "WORSE" if pair.worse else ""]
                 for pair in pairs])


def points(interval: Interval | None) -> str:
    """An interval as people say it: +0.3 (-0.2 to +0.8)."""
    if interval is None:
        return "-"
    drop, low, high = (round(100 * side, 1) + 0.0 for side in (interval.drop, interval.low, interval.high))
    return f"{drop:+.1f} ({low:+.1f} to {high:+.1f})"


def scores_to_json(found: Mapping[str, Sequence[Detections]], truths: Sequence[Labelled], classes: Sequence[str],
                   conf: float) -> dict[str, Any]:
    """Each model's score, by name."""
    return {name: score(seen, truths, classes, conf).to_json() for name, seen in found.items()}
