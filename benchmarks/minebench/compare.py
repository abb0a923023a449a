"""Whether one set of timings is slower than another, or only looks so."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from minehat.errors import MineHatError

ERRING = 0.05  # chance that any of the verdicts of one run is wrong, where nothing differs
ROUNDS, AT_ONCE = 2000, 100  # of the bootstrap; how many are drawn in one go
BY = ("whole", "cpu", "prepare", "infer", "finish")
Array = npt.NDArray[Any]


class Key(NamedTuple):
    """What was timed."""

    model: str
    backend: str  # "" where the report has one alone
    batch: int

    def __str__(self) -> str:
        batch = f"batch {self.batch}" if self.batch > 1 else ""
        return ", ".join(part for part in (self.model, self.backend, batch) if part)


@dataclass(frozen=True)
class Pair:
    """Two columns of samples, [n] and [m] milliseconds."""

    name: str
    a: Array
    b: Array
    in_turns: bool  # sample i of both was taken side by side, in one race


@dataclass(frozen=True)
class Verdict:
    """How the median of B stands to the median of A."""

    ratio: float  # median B / median A
    low: float  # of the ratio's interval
    high: float
    allowed: float = 0.0  # share that a difference must be over

    @property
    def word(self) -> str:
        """`slower` or `faster` where the whole interval says so, else `no difference`."""
        if self.low > 1 + self.allowed:
            return "slower"
        return "faster" if self.high < 1 - self.allowed else "no difference"

    def to_json(self) -> dict[str, Any]:
        """Plain values for json.dumps."""
        return {"ratio": round(self.ratio, 4), "low": round(self.low, 4), "high": round(self.high, 4),
                "verdict": self.word}


def compare(pair: Pair, erring: float = ERRING, allowed: float = 0.0, seed: int = 0) -> Verdict:
    """The interval is a percentile bootstrap of the ratio of medians.

    Runs of samples are drawn, not single ones, since a busy machine is slow for a while; and of a race the same runs
    of both, since it is slow for both. erring: chance that it misses the ratio.
    """
    rng = np.random.default_rng(seed)
    ratios = np.concatenate([_ratios(pair, rng, AT_ONCE) for _ in range(ROUNDS // AT_ONCE)])
    low, high = np.quantile(ratios, [erring / 2, 1 - erring / 2])
    return Verdict(float(np.median(pair.b) / np.median(pair.a)), float(low), float(high), allowed)


def compare_all(found: list[Pair], allowed: float) -> dict[str, Verdict]:
    """A verdict for each; the more there are, the wider their intervals, so that all together err no more often."""
    return {pair.name: compare(pair, ERRING / len(found), allowed) for pair in found}


def pairs(first: Path, second: Path | None, by: str) -> list[Pair]:
    """What to compare; `by` is one of BY.

    Of one report of latency.py: every other model of the race against its first, batch by batch. Of two: what has the
    same name, backend and batch; where each timed one model alone, these, whatever they are called.
    """
    ours = _samples(first, by)
    if second is None:
        return _within(first, ours)
    theirs = _samples(second, by)
    if len({key.model for key in ours}) == len({key.model for key in theirs}) == 1:
        named = {key._replace(model=""): key for key in theirs}
        met = [(key, named[key._replace(model="")]) for key in ours if key._replace(model="") in named]
    else:
        met = [(key, key) for key in ours if key in theirs]
    if not met:
        raise MineHatError(f"{first} timed {_told(ours)}; {second} timed {_told(theirs)}: no model is in both.")
    return [Pair(str(key) if key == other else f"{other} against {key}", ours[key], theirs[other], False)
            for key, other in met]


def _within(report: Path, samples: Mapping[Key, Array]) -> list[Pair]:
    found = list(_against_the_first(samples))
    if not found:
        raise MineHatError(f"{report} timed one model alone. Name a second report, or race two models: "
                           f"`python benchmarks/latency.py A.onnx B.onnx --json {report.name}`.")
    return found


def _against_the_first(samples: Mapping[Key, Array]) -> Iterator[Pair]:
    bases: dict[int, Key] = {}
    for key, ms in samples.items():
        base = bases.setdefault(key.batch, key)
        if base != key:
            yield Pair(f"{key} against {base}", samples[base], ms, len(samples[base]) == len(ms))


def _ratios(pair: Pair, rng: np.random.Generator, rounds: int) -> Array:
    rows = _drawn(len(pair.a), rng, rounds)
    others = rows if pair.in_turns else _drawn(len(pair.b), rng, rounds)
    return np.median(pair.b[others], axis=1) / np.median(pair.a[rows], axis=1)


def _drawn(count: int, rng: np.random.Generator, rounds: int) -> npt.NDArray[np.intp]:
    """[rounds, count] rows, in runs as long as the cube root of their number."""
    length = max(1, round(count ** (1 / 3)))
    starts = rng.integers(0, count, (rounds, -(-count // length)))
    return ((starts[..., None] + np.arange(length)) % count).reshape(rounds, -1)[:, :count]


def _samples(path: Path, by: str) -> dict[Key, Array]:
    """Milliseconds a call by what was timed, of a file that `latency.py --json` wrote."""
    again = f"`python benchmarks/latency.py MODEL --json {path.name}`."
    try:
        models = json.loads(path.read_text(encoding="utf-8"))["models"]
        several = len({model.get("backend", "") for model in models}) > 1
        samples = {Key(model["model"], model["backend"] if several else "", model.get("batch", 1)):
                   np.array(model["samples"][by], np.float64) for model in models}
    except (OSError, UnicodeDecodeError) as exc:
        raise MineHatError(f"{path} cannot be read: {getattr(exc, 'strerror', exc)}.") from exc
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise MineHatError(f"{path} is not a report with samples of {by}. Make one: {again}") from exc
    if not samples or not all(ms.ndim == 1 and ms.size and (ms > 0).all() for ms in samples.values()):
        raise MineHatError(f"{path} holds a race without usable samples of {by}. Time it again: {again}")
    return samples


def _told(samples: Mapping[Key, Array]) -> str:
    return "; ".join(map(str, samples))
