"""python tests/golden_trackers.py

Writes tests/golden/trackers.npz: boxes of people who walk, cross, are hidden and missed, at 25 frames a second, and the
numbers that ByteTrackTracker of the library `trackers` gives them (Apache-2.0; `pip install trackers==2.6.1`, in an
environment of its own, for it brings a desktop OpenCV). Our tracker is held to these without the library.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

PATH = Path(__file__).resolve().parent / "golden" / "trackers.npz"
WIDTH, HEIGHT, FPS, SECONDS = 1280, 720, 25, 20
SURE, OVERLAP, GAP = 0.4, 0.1, 1.5
SCENES = {"few": (4, 0.1), "many": (20, 0.1), "missed": (10, 0.3)}  # people, share of sights that are missed


def scene(seed: int, people: int, missed: float) -> dict[str, np.ndarray]:
    """Rows of boxes [n, 4] pixels, scores, frames and whose they are; ordered by frame, shuffled within."""
    rng = np.random.default_rng(seed)
    begin, end = rng.uniform(0.05, 0.95, (2, people, 2)) * (WIDTH, HEIGHT)
    size = rng.uniform(20, 60, people)
    pace, phase = rng.uniform(0.02, 0.1, people), rng.uniform(0, 2 * np.pi, people)
    hidden = rng.uniform(0, SECONDS, (people, 4))  # each time for up to a second
    rows = []
    for frame in range(FPS * SECONDS):
        now = frame / FPS
        share = (0.5 + 0.5 * np.sin(2 * np.pi * pace * now + phase))[:, None]
        middles = begin + share * (end - begin)
        for who in rng.permutation(people):
            behind = ((hidden[who] <= now) & (now < hidden[who] + 0.25 * np.arange(1, 5))).any()
            if behind or rng.random() < missed:
                continue
            half = np.array([size[who], 1.25 * size[who]]) / 2
            box = np.concatenate([middles[who] - half, middles[who] + half]) + rng.normal(0, 0.04 * size[who], 4)
            rows.append((frame, who + 1, rng.uniform(0.25, 0.95), *box))
    table = np.array(rows)
    return {"frames": table[:, 0].astype(np.int32), "people": table[:, 1].astype(np.int32),
            "scores": table[:, 2].astype(np.float32), "boxes": table[:, 3:].astype(np.float32)}


def theirs(rows: dict[str, np.ndarray]) -> np.ndarray:
    """The number that the library gives each row; -1 where it gives none."""
    import supervision as sv
    from trackers import ByteTrackTracker

    tracker = ByteTrackTracker(lost_track_buffer=round(30 * GAP), frame_rate=FPS, track_activation_threshold=SURE,
                               minimum_consecutive_frames=1, minimum_iou_threshold=OVERLAP,
                               high_conf_det_threshold=SURE)
    numbers = np.full(len(rows["frames"]), -1, np.int32)
    for frame in range(FPS * SECONDS):
        here = np.flatnonzero(rows["frames"] == frame)
        found = tracker.update(sv.Detections(xyxy=rows["boxes"][here], confidence=rows["scores"][here],
                                             data={"row": here}))
        if len(found):
            numbers[found.data["row"]] = found.tracker_id
    return numbers


def main() -> None:
    columns = {}
    for seed, (name, (people, missed)) in enumerate(SCENES.items()):
        rows = scene(seed, people, missed)
        columns |= {f"{name}_{column}": values for column, values in rows.items()}
        columns[f"{name}_theirs"] = theirs(rows)
    np.savez_compressed(PATH, **columns)


if __name__ == "__main__":
    main()
