"""Whether one set of timings is slower than another, or only looks so."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from minehat.errors import MineHatError

CONFIDENCE = 0.95
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Verdict:
    """How the median of B stands to the median of A."""

    ratio: float  # median B / median A
    low: float  # of the ratio's interval
    high: float

    @property
    def word(self) -> str:
        """`slower` or `faster` where the whole interval says so, else `no difference`."""
        if self.low > 1:
            return "slower"
        return "faster" if self.high < 1 else "no difference"

    def to_json(self) -> dict[str, Any]:
        """Plain values for json.dumps."""
        return {"ratio": round(self.ratio, 4), "low": round(self.low, 4), "high": round(self.high, 4),
                "verdict": self.word}


def compare(a: Array, b: Array, rounds: int = 2000, seed: int = 0) -> Verdict:
    """a, b: [n] and [m] milliseconds. The interval is a percentile bootstrap of the ratio of medians."""
    rng = np.random.default_rng(seed)
    medians = [np.median(rng.choice(ms, (rounds, len(ms))), axis=1) for ms in (a, b)]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(medians[1] / medians[0], [tail, 1 - tail])
    return Verdict(float(np.median(b) / np.median(a)), float(low), float(high))


def pairs(first: Path, second: Path | None, by: str) -> list[tuple[str, Array, Array]]:
    """What to compare, as (name, A's samples, B's samples) in ms; `by` is `whole` or `cpu`.

    Of one report of latency.py: every other model of the race against its first. Of two: the models of
    the same name, or the only model of each.
    """
    ours = _samples(first, by)
    if second is None:
        return _within(first, ours)
    theirs = _samples(second, by)
    if len(ours) == len(theirs) == 1:
        (name, a), (other, b) = *ours.items(), *theirs.items()
        return [(name if name == other else f"{other} against {name}", a, b)]
    common = [name for name in ours if name in theirs]
    if not common:
        raise MineHatError(f"{first} timed {', '.join(ours)}; {second} timed {', '.join(theirs)}: "
                           "no model is in both.")
    return [(name, ours[name], theirs[name]) for name in common]


def _within(report: Path, samples: dict[str, Array]) -> list[tuple[str, Array, Array]]:
    (name, base), *others = samples.items()
    if not others:
        raise MineHatError(f"{report} timed one model alone. Name a second report, or race two models: "
                           f"`python benchmarks/latency.py A.onnx B.onnx --json {report.name}`.")
    return [(f"{other} against {name}", base, ms) for other, ms in others]


def _samples(path: Path, by: str) -> dict[str, Array]:
    """Milliseconds a frame by model name, of a file that `latency.py --json` wrote."""
    try:
        models = json.loads(path.read_text(encoding="utf-8"))["models"]
        samples = {model["model"]: np.array(model["samples"][by], np.float64) for model in models}
    except OSError as exc:
        raise MineHatError(f"{path} cannot be read: {exc.strerror}.") from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise MineHatError(f"{path} is not a report with samples. Make one: "
                           f"`python benchmarks/latency.py MODEL --json {path.name}`.") from exc
    if not samples or not all(ms.ndim == 1 and ms.size and (ms > 0).all() for ms in samples.values()):
        raise MineHatError(f"{path} holds a race without usable samples. Time it again: "
                           f"`python benchmarks/latency.py MODEL --json {path.name}`.")
    return samples
