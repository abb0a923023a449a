"""Who is who from frame to frame: a tracker of heads in the manner of ByteTrack (Zhang et al., 2022), pure.

Three rounds pair the tracks with a frame's boxes: sure boxes that overlap where a track should be, then unsure ones,
then sure boxes that are merely near, the nearer the less time has passed: at 2 frames a second people step out of
their boxes. Only sure boxes begin tracks. A network that takes somebody's
helmet for bare hair now and then breaks no track: kinds only tip the balance between people who cross.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import lap
import numpy as np

from .motion import Array, Motion, at_first_sight, corrected, moved

OVERLAP = 0.1  # least IoU of a box with where its track should be
SWIFT = 4.0  # sizes of a head that somebody moves in a second, at most
FARTHEST = 2.5  # sizes from where a track should be, at which a box may still be its own
DEVIATIONS = 2.5  # of where a track should be, within which a near box may still be its own
KIND = 0.5  # share of its likeness that a box of the other kind loses
LEARNT = 0.2  # how much of what a track's kind is held to be is its latest box's
ALIKE = 0.45  # least of one area to the other, of boxes that are near


@dataclass(frozen=True)
class Settings:
    """What the tracker goes by."""

    sure: float = 0.4  # score from which a box begins a track
    gap: float = 1.5  # seconds unseen after which a track ends
    most: int = 256  # tracks; those unseen for longest give way


@dataclass(frozen=True)
class Tracks:
    """Row i of every column is one head. Numbers count from 1 and are never given twice."""

    motion: Motion
    numbers: Array  # [n] int64
    seen: Array  # [n] float64 seconds, of the latest sight
    kinds: Array  # [n] float64, 0 to 1: the mean of its boxes' kinds, the latest the most
    now: float = 0.0
    given: int = 0  # the highest number so far

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, rows: Array) -> Tracks:
        return replace(self, motion=self.motion[rows], numbers=self.numbers[rows], seen=self.seen[rows],
                       kinds=self.kinds[rows])


def no_tracks(given: int = 0) -> Tracks:
    """Nobody yet; the next number is given + 1."""
    return Tracks(at_first_sight(np.zeros((0, 4))), np.zeros(0, np.int64), np.zeros(0), np.zeros(0), given=given)


def track(tracks: Tracks, boxes: Array, scores: Array, kinds: Array, now: float,
          settings: Settings) -> tuple[Tracks, Array]:
    """One frame on. Returns the tracks after it and the number [n] int64 of each box's track, 0 for none.

    boxes: [n, 4] x0 y0 x1 y1, shares of the frame's sides, finite. scores: [n]. kinds: [n], 0 or 1. now: seconds, never
    less than before.
    """
    ahead = replace(tracks, motion=moved(tracks.motion, now - tracks.now), now=now) if len(tracks) else tracks
    ahead = replace(ahead, now=now)
    whose = _paired(ahead, boxes, scores, kinds, settings)
    seen = whose >= 0
    numbers = np.zeros(len(boxes), np.int64)
    numbers[seen] = ahead.numbers[whose[seen]]
    kept = _corrected(ahead, whose[seen], boxes[seen], kinds[seen])
    kept = kept[now - kept.seen <= settings.gap + 1e-9]
    new = np.flatnonzero(~seen & (scores >= settings.sure))
    room = settings.most - int(seen.sum())
    new = new[np.argsort(-scores[new], kind="stable")[:max(room, 0)]]
    new.sort()
    numbers[new] = kept.given + 1 + np.arange(len(new))
    return _bounded(_joined(kept, boxes[new], numbers[new], kinds[new]), settings.most), numbers


def without(tracks: Tracks, numbers: set[int]) -> Tracks:
    """The tracks but those."""
    return tracks[~np.isin(tracks.numbers, list(numbers))] if numbers else tracks


def overlaps(boxes: Array, others: Array) -> Array:
    """IoU [n, m] of boxes [n, 4] and [m, 4] x0 y0 x1 y1."""
    shared = np.minimum(boxes[:, None, 2:], others[None, :, 2:]) - np.maximum(boxes[:, None, :2], others[None, :, :2])
    both = np.prod(np.maximum(shared, 0), axis=2)
    areas, other_areas = (np.prod(np.maximum(b[:, 2:] - b[:, :2], 0), axis=1) for b in (boxes, others))
    union = areas[:, None] + other_areas[None] - both
    return np.asarray(both / np.maximum(union, 1e-18))


def _paired(tracks: Tracks, boxes: Array, scores: Array, kinds: Array, settings: Settings) -> Array:
    """[n] int64: the row of each box's track, -1 for none."""
    whose = np.full(len(boxes), -1, np.int64)
    if not len(tracks) or not len(boxes):
        return whose
    should = tracks.motion.boxes()
    sure = scores >= settings.sure
    reach = np.minimum(np.minimum(SWIFT * (tracks.now - tracks.seen), FARTHEST), DEVIATIONS * tracks.motion.doubt())

    def overlapping(rows: Array, columns: Array) -> Array:
        return (overlaps(should[rows], boxes[columns]) - OVERLAP) / (1 - OVERLAP) * of_kind(rows, columns)

    def near(rows: Array, columns: Array) -> Array:
        away = _steps(should[rows], boxes[columns]) / np.maximum(reach[rows], 1e-9)[:, None]
        return np.maximum(1 - away, 0) * of_kind(rows, columns)

    def of_kind(rows: Array, columns: Array) -> Array:
        return np.asarray(1 - KIND * np.abs(tracks.kinds[rows][:, None] - kinds[columns][None]))

    for among, likeness in ((sure, overlapping), (~sure, overlapping), (sure, near)):
        _pair(whose, np.flatnonzero(among & (whose < 0)), len(tracks), likeness)
    return whose


def _pair(whose: Array, columns: Array, count: int, likeness: Callable[[Array, Array], Array]) -> None:
    """Pair the boxes `columns` with tracks that have none yet, where the likeness is over 0, for the greatest sum."""
    free = np.ones(count, bool)
    free[whose[whose >= 0]] = False
    rows = np.flatnonzero(free)
    if len(rows) and len(columns):
        few_rows, few_columns = _best(likeness(rows, columns))
        whose[columns[few_columns]] = rows[few_rows]


def _best(likeness: Array) -> tuple[Array, Array]:
    """The rows and columns to pair of [n, m] likeness, each at most once, for the greatest sum of those over 0.

    Pairs without a rival are settled first: the exact assignment is costly in crowds, where few are in doubt.
    """
    may = likeness > 0
    rivals_of_row, rivals_of_column = may.sum(axis=1), may.sum(axis=0)
    rows, columns = np.nonzero(may & (rivals_of_row == 1)[:, None] & (rivals_of_column == 1)[None])
    unclear_rows, unclear_columns = rivals_of_row > 0, rivals_of_column > 0
    unclear_rows[rows], unclear_columns[columns] = False, False
    some_rows, some_columns = np.flatnonzero(unclear_rows), np.flatnonzero(unclear_columns)
    if not len(some_rows):
        return rows, columns
    cost = 1 - likeness[np.ix_(some_rows, some_columns)]
    _, chosen, _ = lap.lapjv(cost, extend_cost=True, cost_limit=1.0)
    taken = np.flatnonzero(chosen >= 0)
    return np.concatenate([rows, some_rows[taken]]), np.concatenate([columns, some_columns[chosen[taken]]])


def _steps(boxes: Array, others: Array) -> Array:
    """[n, m]: how far apart middles are, in sizes of the two heads; far where their areas are not alike."""
    sides, other_sides = boxes[:, 2:] - boxes[:, :2], others[:, 2:] - others[:, :2]
    off = (others[None, :, :2] + others[None, :, 2:] - boxes[:, None, :2] - boxes[:, None, 2:]) / 2
    away = np.linalg.norm(off / np.maximum((sides[:, None] + other_sides[None]) / 2, 1e-9), axis=2)
    areas, other_areas = np.prod(sides, axis=1)[:, None], np.prod(other_sides, axis=1)[None]
    away[np.minimum(areas, other_areas) < ALIKE * np.maximum(areas, other_areas)] = np.inf
    return np.asarray(away)


def _corrected(tracks: Tracks, rows: Array, boxes: Array, kinds: Array) -> Tracks:
    """The tracks after those rows were seen in boxes."""
    if not len(rows):
        return tracks
    right = corrected(tracks.motion[rows], boxes)
    places, speeds, unsure = tracks.motion.places.copy(), tracks.motion.speeds.copy(), tracks.motion.unsure.copy()
    places[rows], speeds[rows], unsure[rows] = right.places, right.speeds, right.unsure
    seen = tracks.seen.copy()
    seen[rows] = tracks.now
    held = tracks.kinds.copy()
    held[rows] += LEARNT * (kinds - held[rows])
    return replace(tracks, motion=Motion(places, speeds, unsure), seen=seen, kinds=held)


def _joined(tracks: Tracks, boxes: Array, numbers: Array, kinds: Array) -> Tracks:
    if not len(numbers):
        return tracks
    return Tracks(tracks.motion.joined(at_first_sight(boxes)), np.concatenate([tracks.numbers, numbers]),
                  np.concatenate([tracks.seen, np.full(len(numbers), tracks.now)]),
                  np.concatenate([tracks.kinds, kinds]), tracks.now, int(numbers[-1]))


def _bounded(tracks: Tracks, most: int) -> Tracks:
    if len(tracks) <= most:
        return tracks
    return tracks[np.sort(np.argsort(-tracks.seen, kind="stable")[:most])]
