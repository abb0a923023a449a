"""Does a detector find the same one by one, together and in a stream, from any thread, and until it is closed?"""

from __future__ import annotations

import doctest
import gc
import itertools
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import minehat
import numpy as np
import onnx
import pytest
from bright_onnx import CARD, bright_onnx
from conftest import ROOT
from minehat import Detector, MineHatError
from minehat.backends import BATCHES
from minehat.letterbox import Planes
from numpy.testing import assert_array_equal

SIDES = [(192, 192), (96, 200), (300, 120), (90, 90), (33, 77)]  # height, width
NANO = ROOT / "models" / "helmet-nano" / "helmet-nano.int8-cpu.onnx"
LARGE = 64 * 1024  # bytes of an array that no frame should cost


def frames(count: int = 9) -> list[np.ndarray]:
    """Of several sizes, all different, with something to see in each."""
    made = [np.zeros((*SIDES[number % len(SIDES)], 3), np.uint8) for number in range(count)]
    for number, frame in enumerate(made):
        frame[:, :frame.shape[1] // 2, 2] = 255 - 10 * number
        frame[frame.shape[0] // 2:, :, 0] = 150 + 10 * number
    return made


def same(some, others) -> None:
    some, others = list(some), list(others)
    assert len(some) == len(others) and all(len(found) for found in others)
    for one, other in zip(some, others, strict=True):
        for column in ("boxes", "scores", "labels"):
            assert_array_equal(getattr(one, column), getattr(other, column))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return bright_onnx(tmp_path / "bright.onnx")


def fixed(path: Path, count: int) -> Path:
    """The model at `path` for batches of `count` alone, as other people's exporters write them."""
    graph = onnx.load(path)
    for value in (*graph.graph.input, *graph.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = count
    onnx.save(graph, path)
    return path


@pytest.fixture(autouse=True)
def several_cores(monkeypatch):
    """Streams have threads on machines with one core, too."""
    monkeypatch.setattr("minehat.detector.cores", lambda: 2)


@pytest.fixture(params=[pytest.param(0, id="any batch"), 1, 4])
def detector(model, request):
    with minehat.open(fixed(model, request.param) if request.param else model, threads=1) as opened:
        yield opened


def test_together_and_in_a_stream_the_same_is_found_as_one_by_one(detector):
    alone = [detector(frame) for frame in frames()]
    for count in (0, 1, 3, 9):
        same(detector.batch(frames(count)), alone[:count])
        same(detector.stream(frames(count)), alone[:count])
    same(detector.batch(iter(frames(9))), alone)


def test_stages_by_hand_add_up_whatever_batch_a_model_takes(detector):
    frame = frames()[1]
    batch, placement = detector.prepare(frame)
    answer = detector.backend.infer(batch)
    same([detector.finish([column[0] for column in answer], placement)], [detector(frame)])


@pytest.mark.parametrize(("count", "calls"), [(0, [16, 4]), (1, [1] * 20), (8, [8, 8, 8])])
def test_as_many_frames_as_the_model_takes_go_through_the_network_at_once(model, count, calls):
    with minehat.open(fixed(model, count) if count else model, threads=1) as detector:
        backend, sizes = detector.backend, []
        infer = backend.infer
        backend.infer = lambda batch: sizes.append(len(batch)) or infer(batch)
        detector.batch(frames(1) * 20)
        assert sizes == calls and BATCHES[1] == 16


class Seeing:
    """A backend that letterboxes by itself and takes 2 to 4 frames at once; it has no `infer`."""

    name, batches = "seeing", (2, 4)

    def __init__(self, backend):
        self._backend, self.sizes = backend, []

    def see(self, frames, conf, iou):
        assert (conf, iou) == (CARD.conf, CARD.iou)
        self.sizes.append(len(frames))
        planes = Planes(CARD, len(frames))
        placements = [planes.put(frame, row) for row, frame in enumerate(frames)]
        return self._backend.infer(planes.batch), placements

    def close(self):
        self._backend.close()


class Staging(Seeing):
    """One that takes frames ahead, into memory of which each lane holds one batch."""

    def lane(self):
        return {}

    def stage(self, frames, lane):
        lane["frames"] = [frame.copy() for frame in frames]
        return lane

    def see(self, staged, conf, iou):
        return super().see(staged.pop("frames") if isinstance(staged, dict) else staged, conf, iou)


@pytest.mark.parametrize("kind", [Seeing, Staging])
def test_a_backend_that_sees_frames_is_shown_them(model, kind):
    with minehat.open(model, threads=1) as detector:
        alone = detector.batch(frames())
        seeing = Detector(CARD, kind(detector.backend), CARD.conf, CARD.iou)
        same(seeing.batch(frames()), alone)
        assert seeing.backend.sizes == [4, 4, 2]
        same(seeing.stream(frames()), alone)
        same(seeing.stream(frame for frame in frames()), alone)
        same([seeing(frame) for frame in frames()], alone)


def test_what_is_no_frame_is_told_in_its_place(detector):
    some = [*frames(3), frames(1)[0][..., 0]]
    with pytest.raises(MineHatError, match="must be uint8"):
        detector.batch(some)
    found = detector.stream(some)
    same([next(found) for _ in range(3)], detector.batch(some[:3]))
    with pytest.raises(MineHatError, match="must be uint8"):
        next(found)
    same(detector.stream(some[:2]), detector.batch(some[:2]))  # and all is well


def test_a_network_that_fails_is_heard_of_in_a_stream(tmp_path):
    with minehat.open(bright_onnx(tmp_path / "nan.onnx", spoiled="pick"), threads=1) as detector, \
            pytest.raises(MineHatError, match="not finite"):
        list(detector.stream(itertools.repeat(frames(1)[0])))


def test_once_closed_every_call_says_so(detector):
    frame = frames(1)[0]
    begun, fresh = detector.stream([frame] * 9), detector.stream([frame])
    next(begun)
    detector.close()
    detector.close()
    for call in (lambda: detector(frame), lambda: detector.batch([]), lambda: detector.batch([frame]),
                 lambda: detector.stream([frame]), lambda: detector.prepare(frame), lambda: list(begun),
                 lambda: list(fresh)):
        with pytest.raises(ValueError, match="this Detector is closed"):
            call()


def until_it_fails(ask) -> BaseException:
    try:
        while True:
            ask()
    except BaseException as exc:
        return exc


def test_closing_while_other_threads_are_at_work_ends_them_clearly():
    """A real network, so that calls last; some of them are in it when it goes."""
    frame = frames(1)[0]
    for _ in range(3):
        detector = minehat.open(NANO, threads=2)
        asks = [lambda: detector(frame), lambda: detector.batch([frame] * 3),  # noqa: B023
                lambda: list(detector.stream([frame] * 5))]  # noqa: B023
        with ThreadPoolExecutor(3) as pool:
            ended = [pool.submit(until_it_fails, ask) for ask in asks]
            time.sleep(0.05)
            detector.close()
        assert [repr(one.result()) for one in ended] == ["ValueError('this Detector is closed')"] * 3


def test_threads_share_a_detector(detector):
    alone, found = [detector(frame) for frame in frames()], {}

    def ask(number):
        found[number] = [detector(frame) for frame in frames()[number::3]]
    workers = [threading.Thread(target=ask, args=[number]) for number in range(3)]
    for worker in workers:
        worker.start()
    found["stream"] = list(detector.stream(frames()))
    for worker in workers:
        worker.join()
    for number in range(3):
        same(found[number], alone[number::3])
    same(found["stream"], alone)


def test_on_a_single_core_a_stream_is_a_plain_loop(detector, monkeypatch):
    monkeypatch.setattr("minehat.detector.cores", lambda: 1)
    before = threading.active_count()
    found = detector.stream(frames())
    same([next(found)], [detector(frames()[0])])
    assert threading.active_count() == before
    same(found, detector.batch(frames()[1:]))


def test_two_streams_of_one_detector_keep_their_frames_apart(detector):
    alone = [detector(frame) for frame in frames()]
    pairs = list(zip(detector.stream(frames()), detector.stream(frames()[::-1]), strict=True))
    same([one for one, _ in pairs], alone)
    same([other for _, other in pairs], alone[::-1])


def largest_new_array(work) -> int:
    """Bytes of the largest piece of memory that Python or numpy took while `work` ran, each taken anew."""
    tracemalloc.start(1)
    try:
        work()
        peaks = []
        for _ in range(3):
            gc.collect()
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            work()
            peaks.append(tracemalloc.get_traced_memory()[1] - before)
        return min(peaks)
    finally:
        tracemalloc.stop()


def test_no_array_of_64_kb_is_made_for_a_frame():
    """What all pieces of memory held at one moment come to bounds each of them."""
    frame = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8)
    with minehat.open(NANO) as detector:
        detector(frame)
        assert largest_new_array(lambda: detector(frame)) < LARGE
        endless = detector.stream(itertools.repeat(frame))
        for _ in range(4):
            next(endless)
        assert largest_new_array(lambda: next(endless)) < LARGE
        endless.close()


def test_the_docstrings_examples_run(monkeypatch):
    monkeypatch.chdir(ROOT)
    tried = doctest.testmod(minehat.detector)
    assert tried.attempted >= 6 and not tried.failed
