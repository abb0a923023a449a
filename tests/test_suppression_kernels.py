"""Do the suppression kernels keep what minehat.detections keeps, box for box? On the host, through a stub driver."""

from __future__ import annotations

import json

import pytest
from cuda_stub import over_stub
from minehat.cuda.compiled import compiled
from minehat.cuda.suppression import _KERNELS

HEAD = """
import json
import numpy as np
from functools import cache
from minehat.cuda import open_device, suppression
from minehat.cuda.suppression import CANDIDATES, CudaSuppression
from minehat.detections import MOST, suppress
suppression.compiled = cache(suppression.compiled)
device = open_device()
stream = device.stream()
class OnGpu:
    def __init__(self, boxes, scores):
        self.pictures, rows, classes = scores.shape
        self.given = np.ascontiguousarray(boxes), np.ascontiguousarray(scores)
        self.there = [device.memory(column.nbytes) for column in self.given]
        for memory, column in zip(self.there, self.given):
            memory.copy_in(column, stream)
        self.kernels = CudaSuppression(device, self.pictures, rows, classes)
        self.here = device.pinned(self.kernels.answer_bytes(self.pictures))
    def kept(self, conf, iou):
        self.kernels.launch(*(memory.address for memory in self.there), self.pictures, conf, iou, self.here, stream)
        stream.synchronize()
        return self.kernels.kept(self.here, self.pictures)
    def close(self):
        for held in (self.kernels, self.here, *self.there):
            held.close()
def check(boxes, scores, conf, iou):
    on_gpu = OnGpu(boxes, scores)
    kept = on_gpu.kept(conf, iou)
    assert kept.whole or not np.isfinite(boxes[..., 0]).any(), (kept.counts, kept.whole)
    for row in range(len(scores)):
        wanted = suppress(boxes[row], scores[row], conf, iou)
        count = kept.rows[row]
        assert count == len(wanted), (count, len(wanted))
        assert np.array_equal(kept.boxes[row, :count], wanted.boxes)
        assert np.array_equal(kept.scores[row, :count].max(axis=1), wanted.scores)
        assert np.array_equal(kept.scores[row, :count].argmax(axis=1), wanted.labels)
        assert not kept.boxes[row, count:].any() and not kept.scores[row, count:].any()
        again = suppress(kept.boxes[row], kept.scores[row], conf, iou)  # as the host does with what it gets
        assert np.array_equal(again.boxes, wanted.boxes) and np.array_equal(again.labels, wanted.labels)
    sums = int(kept.rows.sum()), int(kept.counts.sum())
    on_gpu.close()
    return sums
def crowd(random, pictures, rows, classes, sides=(5, 60)):
    corners = random.uniform(0, 200, (pictures, rows, 2))
    boxes = np.concatenate([corners, corners + random.uniform(*sides, (pictures, rows, 2))], 2).astype(np.float32)
    return boxes, random.uniform(0, 1, (pictures, rows, classes)).astype(np.float32)
"""


def run(program):
    done = over_stub(HEAD + program)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("capability", ["7.5", "8.7", "8.9", "9.0", "11.0"])
@pytest.mark.parametrize("name", list(_KERNELS))
def test_the_kernels_compile_for_every_gpu(capability, name):
    content = compiled(name, capability)
    assert content.startswith(b"\x7fELF")
    assert all(kernel.encode() in content for kernel in _KERNELS[name])


def test_ties_and_oddities_end_as_on_the_host():
    """Few different values, so that ties of score, of IoU and of whole boxes are common."""
    kept, candidates = run("""
random = np.random.default_rng(0)
edges = np.array([0, 10, 20, 30, 40, 55.5] * 8 + [np.nan, np.inf, -np.inf, 1e30, -1e30, 3e38], np.float32)
levels = np.array([0, 0.1, 0.25, 0.25, 0.3, 0.5, 0.9], np.float32)
seen = np.zeros(2, int)
for case in range(2000):
    pictures, rows, classes = random.integers(1, 4), random.integers(1, 24), random.integers(1, 5)
    boxes = random.choice(edges, (pictures, rows, 4))
    scores = random.choice(levels, (pictures, rows, classes))
    seen += check(boxes, scores, random.choice([0.1, 0.25, 0.3]).item(), random.choice([0, 1 / 3, 0.5, 1]).item())
print(json.dumps(seen.tolist()))
""")
    assert candidates > kept > 10_000


def test_crowds_of_every_size_end_as_on_the_host():
    kept, candidates = run("""
random = np.random.default_rng(1)
seen = np.zeros(2, int)
for rows in (1, 63, 64, 65, 127, 128, 129, 300, 640, 1023, 1024):
    seen += check(*crowd(random, 2, rows, 2), 1e-6, 0.5)
for case in range(40):
    seen += check(*crowd(random, 1, random.integers(1, 400), 3), random.uniform(0.2, 0.9), random.uniform(0, 1))
print(json.dumps(seen.tolist()))
""")
    assert candidates > kept > 3_000


def test_areas_far_outside_the_square_and_overlaps_at_the_threshold():
    """IoU that is exactly the threshold in double precision, or next to it, is settled as numpy settles it."""
    kept, _ = run("""
random = np.random.default_rng(2)
seen = np.zeros(2, int)
for case in range(300):
    boxes, scores = crowd(random, 1, 12, 1, (1, 200))
    boxes *= np.float32(10.0 ** random.integers(-20, 30))
    from minehat.detections import overlaps
    some = overlaps(boxes[0, 0], boxes[0, 1:])
    inside = some[(some > 0) & (some < 1)]
    at = float(random.choice(inside)) if len(inside) else 0.5
    for iou in (at, float(np.nextafter(at, 0)), float(np.nextafter(at, 1))):
        seen += check(boxes, scores, 1e-6, iou)
print(json.dumps(seen.tolist()))
""")
    assert kept > 1_000


def test_more_than_300_that_stay_are_cut_to_the_best():
    kept, candidates = run("""
spots = np.arange(1024, dtype=np.float32)[:, None] * 20 + np.array([0, 0, 10, 10], np.float32)
scores = np.random.default_rng(3).uniform(0.3, 1, (1, 1024, 2)).astype(np.float32)
print(json.dumps(check(spots[None], scores, 0.25, 0.5)))
""")
    assert (kept, candidates) == (300, 1024)


def test_what_the_host_must_do_itself_is_told():
    told = run("""
boxes, scores = crowd(np.random.default_rng(4), 2, CANDIDATES + 1, 1)
told = {}
told["too many"] = OnGpu(boxes, np.maximum(scores, 0.5)).kept(0.5, 0.5).whole
told["as many as go"] = OnGpu(boxes[:, 1:], np.maximum(scores[:, 1:], 0.5)).kept(0.5, 0.5).whole
for name, value in (("nan", np.nan), ("infinite", np.inf), ("negative infinite", -np.inf)):
    spoiled = scores.copy()
    spoiled[1, 77] = value
    told[name] = OnGpu(boxes, spoiled).kept(0.5, 0.5).whole
told["no box"] = OnGpu(boxes * np.float32(np.nan), scores).kept(0.9, 0.5).whole
told["one picture's boxes"] = OnGpu(boxes * np.array([[[1]], [[np.nan]]], np.float32), scores).kept(0.9, 0.5).whole
told["nobody"] = OnGpu(boxes, scores * 0).kept(0.5, 0.5).whole
print(json.dumps(told))
""")
    assert told == {"too many": False, "as many as go": True, "nan": False, "infinite": False,
                    "negative infinite": False, "no box": False, "one picture's boxes": True, "nobody": True}


def test_nothing_is_kept_on_the_gpu():
    assert run("""
on_gpu = OnGpu(*crowd(np.random.default_rng(5), 1, 50, 2))
on_gpu.kept(0.5, 0.5)
on_gpu.close()
stream.close()
device.close()
print(json.dumps(live()))
""") == {}
