"""python tests/golden_scenes.py

Writes tests/golden/scenes.npz: of 20 rendered clips of 20 s, 1280x720 at 12.5 frames a second, who was where, and what
the shipped small model saw. Takes some minutes. With it the judge is measured without drawing and without the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import minehat
import numpy as np
from minehat import Detections
from minehat.scenes import film
from scene_events import SIZE, Truth

PATH = Path(__file__).resolve().parent / "golden" / "scenes.npz"
MODEL = Path(__file__).resolve().parent.parent / "models/helmet-nano/helmet-nano.int8-cpu.onnx"
SEEDS, FRAMES, FPS = range(9100, 9120), 250, 12.5
FINE = 8  # parts of a pixel that are kept
Seen = tuple[Truth, Detections]


def watched(seeds: Sequence[int], frames: int = FRAMES) -> Iterator[tuple[int, list[Seen]]]:
    """Draw clips, and have the model look at them."""
    with minehat.open(MODEL) as detector:
        for seed in seeds:
            yield seed, [(Truth(one.seconds, one.boxes, one.labels, one.identities), detector(one.frame))
                         for one in film(seed, frames, *SIZE, FPS)]


def kept() -> Iterator[tuple[int, list[Seen]]]:
    """The clips of the file."""
    with np.load(PATH) as golden:
        columns = {name: np.split(values, np.cumsum(golden[f"{name.partition('_')[0]}_counts"])[:-1])
                   for name, values in golden.items() if not name.endswith("_counts")}
    for row, seed in enumerate(SEEDS):
        yield seed, [(Truth(frame / FPS, columns["truth_boxes"][place] / np.float32(FINE),
                            columns["truth_labels"][place].astype(np.int64),
                            columns["truth_identities"][place].astype(np.int64)),
                      Detections(columns["found_boxes"][place] / np.float32(FINE),
                                 columns["found_scores"][place].astype(np.float32),
                                 columns["found_labels"][place].astype(np.int64)))
                     for frame, place in enumerate(range(row * FRAMES, (row + 1) * FRAMES))]


def write(clips: Iterator[tuple[int, list[Seen]]]) -> None:
    """Write the clips of SEEDS, in their order."""
    frames = [seen for _, clip in clips for seen in clip]
    truths, founds = ([seen[part] for seen in frames] for part in (0, 1))
    np.savez_compressed(
        PATH, truth_counts=np.array([len(one.labels) for one in truths], np.uint8),
        truth_boxes=_fine([one.boxes for one in truths]), truth_labels=_small([one.labels for one in truths]),
        truth_identities=_small([one.identities for one in truths]),
        found_counts=np.array([len(one) for one in founds], np.uint8), found_boxes=_fine([one.boxes for one in founds]),
        found_scores=np.concatenate([one.scores for one in founds]).astype(np.float16),
        found_labels=_small([one.labels for one in founds]))


def _fine(boxes: Sequence[np.ndarray]) -> np.ndarray:
    return np.rint(FINE * np.concatenate(boxes)).astype(np.int16)


def _small(numbers: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(numbers).astype(np.uint8)


if __name__ == "__main__":
    write(watched(SEEDS))
