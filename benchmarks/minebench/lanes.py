"""The lanes of a race: every model by every backend at every batch, in this process or each in its own."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import minehat
from minehat.card import ModelCard

from .latency import Here, Lane
from .machine import peak_rss_mb, rss_mb
from .own_process import Apart, Asked


@dataclass(frozen=True)
class Entry:
    """A lane, and what it is."""

    lane: Lane
    path: Path
    name: str  # what tables call the model
    card: ModelCard
    backend: str  # that runs it

    def to_json(self) -> dict[str, Any]:
        """What stands beside its figures."""
        return {"model": self.name, "backend": self.backend, "precision": self.card.precision,
                "size": self.card.size_text}

    def memory(self) -> dict[str, float]:
        """MB that the process of the model holds now, and at most so far."""
        now, peak = self.lane.memory() if isinstance(self.lane, Apart) else (rss_mb(), peak_rss_mb())
        return {"rss_mb": round(now, 1), "peak_rss_mb": round(peak, 1)}


class Lanes(contextlib.ExitStack):
    """Opens models and holds them until it is left."""

    def open(self, models: Sequence[tuple[Path, str]], backends: Sequence[str], batches: Sequence[int],
             threads: int | None, own_process: bool) -> list[Entry]:
        """models: files and their names. Raises MineHatError where one cannot be opened."""
        enter = self._apart if own_process else self._here
        return [entry for path, name in models for backend in backends
                for entry in enter(path, name, backend, batches, threads)]

    def _here(self, path: Path, name: str, backend: str, batches: Sequence[int], threads: int | None) -> list[Entry]:
        """One open model serves all batches."""
        detector = self.enter_context(minehat.open(path, backend=backend, threads=threads))
        return [Entry(Here(detector, batch), path, name, detector.card, detector.backend.name) for batch in batches]

    def _apart(self, path: Path, name: str, backend: str, batches: Sequence[int], threads: int | None) -> list[Entry]:
        lanes = [self.enter_context(Apart(Asked(path, backend, threads, batch))) for batch in batches]
        return [Entry(lane, path, name, lane.card, lane.backend_name) for lane in lanes]

