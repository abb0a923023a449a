"""Are frames seen rightly with all on the GPU: staged, letterboxed, noted as graphs, suppressed? Over a stub driver.

The stub does its work as late as may be, so that a wait that lacks shows; ONNX Runtime stands in for TensorRT.
"""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from bright_onnx import CARD, bright_onnx
from conftest import ROOT
from onnx import TensorProto, helper, numpy_helper
from test_tensorrt_backend import engine_of, with_backend

NANO = ROOT / "models" / "helmet-nano" / "helmet-nano.onnx"
HEAD = f"""
sys.path.insert(0, {str(ROOT / "tests")!r})
from minehat.answers import found_in
from minehat.cuda import Nv12, open_device
from minehat.letterbox import place
from test_kernels import by_kernel, by_nv12_kernel
card = read_card(path)
def noise(*sides, seed=0):
    return [np.random.default_rng([seed, row]).integers(0, 256, (*side, 3), np.uint8) for row, side in enumerate(sides)]
def wanted_of(backend, frames):
    return backend.infer(np.concatenate([by_kernel(np.ascontiguousarray(frame)[None], card) for frame in frames]))
def same(one, other):
    return len(one) == len(other) and all(np.array_equal(a, b) for a, b in zip(one, other))
def calls(name, since=0):
    return story()[since:].count(name)
"""


@pytest.fixture
def engine(tmp_path):
    return engine_of(bright_onnx(tmp_path / "bright.onnx").read_bytes(), tmp_path / "bright.engine")


@pytest.fixture(scope="module")
def nano(tmp_path_factory):
    from minehat.card import read_card
    return engine_of(NANO.read_bytes(), tmp_path_factory.mktemp("nano") / "nano.engine", read_card(NANO), (1, 1, 4))


def check(program, *arguments, **environment):
    """Run it; it prints "done" at its end."""
    done = with_backend(HEAD + program + "\nprint('done')", *arguments, **environment)
    assert done.stdout.splitlines()[-1:] == ["done"], done.stderr
    return done.stderr


@pytest.mark.parametrize("integrated", [False, True])
def test_frames_of_any_size_are_answered_as_their_squares_are(engine, integrated):
    """In batches, again and again: done at first, noted down, launched; with memory that only grows."""
    check(f"""
with_memory = not {integrated}
backend = TensorRtBackend(path, card)
batches = [noise((40, 60)), noise((400, 300), (40, 60), (40, 60)), noise((97, 31)), noise((1, 1), (1080, 1920))]
wanted = [wanted_of(backend, frames) for frames in batches]
for turn in range(4):
    for frames, answer in zip(batches, wanted):
        for again in range(4):
            seen, placements = backend.see(frames)
            assert same(seen, answer), (turn, len(frames), again)
            assert placements == [place(*frame.shape[:2], card.height, card.width) for frame in frames]
assert (calls("cuMemcpyHtoDAsync") > 10) == with_memory  # an integrated GPU reads what the host wrote
assert (calls("cuMemHostGetDevicePointer") > 0) == (not with_memory)
backend.close()
assert live() == {{}}, live()
""", engine, **({"STUB_INTEGRATED": "1"} if integrated else {}))


def test_what_comes_again_is_launched_as_one(engine):
    check("""
backend = TensorRtBackend(path, card)
frames, others = noise((40, 60)), noise((60, 40), seed=5)
backend.see(frames), backend.see(frames)
assert calls("cuStreamEndCapture") == 1 and calls("cuGraphLaunch") == 0
since = len(story())
changed = noise((40, 60), seed=9)
assert same(backend.see(changed)[0], wanted_of(backend, changed))  # what is in the frame is no part of the graph
assert calls("cuGraphLaunch", since) == 1 and calls("cuLaunchKernel", since) == 0
backend.see(others), backend.see(others), backend.see(frames)
assert calls("cuStreamEndCapture") == 2  # another size is another way, and the first is still known
since = len(story())
backend.see(frames * 2)
backend.see(frames)
assert calls("cuGraphLaunch", since) == 0  # the context was told of another batch in between
backend.see(frames), backend.see(frames)
assert calls("cuGraphLaunch", since) == 1 and calls("cuStreamEndCapture") == 3
backend.close()
assert live() == {}, live()
""", engine)


def test_memory_is_taken_again_only_for_larger_frames(engine):
    check("""
backend = TensorRtBackend(path, card)
backend.see(noise((80, 60)))
since = len(story())
for sides in ((80, 60), (60, 80), (1, 1), (80, 60)):
    backend.see(noise(sides))
assert calls("cuMemAlloc", since) == calls("cuMemHostAlloc", since) == 0
backend.see(noise((90, 90)))
assert calls("cuMemAlloc", since) == calls("cuMemHostAlloc", since) == 1
""", engine)


def test_only_the_rows_that_are_read_are_copied(engine):
    """To 96 x 54 from 1080p: 108 rows of 1080."""
    check("""
backend = TensorRtBackend(path, card)
frame = noise((1080, 1920))
backend.see(frame)
held = backend._sight.alone.staging._bytes
assert len(held) == 108 * 1920 * 3, len(held)
assert same(backend.see([np.asfortranarray(frame[0])])[0], wanted_of(backend, frame))
assert same(backend.see([np.pad(frame[0], ((3, 3), (5, 5), (0, 0)))[3:-3, 5:-5]])[0], wanted_of(backend, frame))
""", engine)


def test_where_no_graph_can_be_made_it_is_said_once_and_nothing_else_changes(engine):
    program = """
backend = TensorRtBackend(path, card)
frames = noise((40, 60))
answer = wanted_of(backend, frames)
assert all(same(backend.see(frames)[0], answer) for _ in range(5))
assert same(backend.see(frames * 2)[0], wanted_of(backend, frames * 2))
assert calls("cuGraphLaunch") == 0 and calls("cuStreamBeginCapture") == 1
backend.close()
assert live() == {}, live()
"""
    for environment in ({"FAKE_TRT": "uncaptured"}, {"STUB_FAIL": "cuStreamEndCapture:901"},
                        {"STUB_FAIL": "cuGraphInstantiate:1"}):
        stderr = check(program, engine, **environment)
        assert len(stderr.splitlines()) == 1 and stderr.startswith("No CUDA graph can be made of this network")


def test_graphs_can_be_left_away(engine):
    check("""
backend = TensorRtBackend(path, card, graphs=False)
answers = [backend.see(noise((40, 60)))[0] for _ in range(4)]
assert all(same(answer, answers[0]) for answer in answers) and calls("cuStreamBeginCapture") == 0
""", engine)


THERE = """
class Theirs:
    def __init__(self, pixels, stream=None):
        self.memory = device.memory(pixels.nbytes)
        self.memory.copy_in(pixels, theirs)
        theirs.synchronize()
        told = self.memory.array(pixels.shape, pixels.dtype).__cuda_array_interface__
        self.__cuda_array_interface__ = {**told, "stream": stream}
device = open_device()
theirs = device.stream()
"""


def test_frames_on_the_gpu_are_seen_where_they_are(engine):
    check(THERE + """
backend = TensorRtBackend(path, card)
frames = noise((40, 60), (40, 60), (30, 70))
wanted = wanted_of(backend, frames)
for stream in (None, 1, 2, theirs.address):
    there, since = [Theirs(frame, stream) for frame in frames], len(story())
    for again in range(4):
        assert same(backend.see(there)[0], wanted)
        assert same(backend.see([frames[0], there[1], frames[2]])[0], wanted)
    waits = calls("cuStreamWaitEvent", since)
    assert waits == 8 + (16 if stream else 0), waits  # for what is staged, and for whom a frame is of
""", engine)


def test_what_another_library_still_does_to_a_frame_is_waited_for(engine):
    check(THERE + """
backend = TensorRtBackend(path, card)
frame, later = noise((40, 60), (40, 60))
there = Theirs(frame, theirs.address)
there.memory.copy_in(later, theirs)  # which the stub has not done yet
assert same(backend.see([there])[0], wanted_of(backend, [later]))
""", engine)


def test_frames_that_lie_side_by_side_are_one_launch(engine):
    check(THERE + """
backend = TensorRtBackend(path, card, graphs=False)
frames = noise((40, 60), (40, 60), (40, 60))
together = Theirs(np.stack(frames))
class Part:
    def __init__(self, row):
        told = together.__cuda_array_interface__
        self.__cuda_array_interface__ = {**told, "shape": (40, 60, 3), "data": (told["data"][0] + row * 7200, False)}
for given, launches in ((frames, 1), ([Part(0), Part(1), Part(2)], 1), ([Part(2), Part(1), Part(0)], 3)):
    since = len(story())
    answer, _ = backend.see(given)
    assert calls("cuLaunchKernel", since) == launches
    assert same(answer, wanted_of(backend, frames if launches == 1 else frames[::-1]))
""", engine)


def test_nv12_frames_of_host_and_gpu(engine):
    check(THERE + """
backend = TensorRtBackend(path, card)
pixels = [np.ascontiguousarray(frame[..., 0]) for frame in noise((60, 40), (90, 64))]
for matrix in ("bt601", "bt709"):
    wanted = backend.infer(np.concatenate([by_nv12_kernel(one[None], card, matrix) for one in pixels]))
    for given in (pixels, [Theirs(one) for one in pixels]):
        answer, placements = backend.see([Nv12(one, matrix) for one in given])
        assert same(answer, wanted)
        assert [(placed.frame_height, placed.frame_width) for placed in placements] == [(40, 40), (60, 64)]
""", engine)


def test_what_is_no_frame_is_refused_and_harms_nothing(engine):
    check(THERE + """
backend = TensorRtBackend(path, card)
good = noise((40, 60))
wanted = wanted_of(backend, good)
for frame, words in ((np.zeros((8, 8), np.uint8), "uint8 [h, w, 3] BGR"),
                     (np.zeros((8, 8, 3), np.float32), "found float32"), (None, "was the picture read at all"),
                     (Nv12(np.zeros((8, 8), np.uint8)), "even h and w, NV12"),
                     (Theirs(np.zeros((8, 8, 4), np.uint8)), "found uint8 [8, 8, 4]"),
                     (Nv12(Theirs(np.zeros((9, 7), np.uint8))), "even h and w, NV12")):
    for given in ([frame], [good[0], frame]):
        try:
            backend.see(given)
        except MineHatError as exc:
            assert words in str(exc), exc
        else:
            raise SystemExit("it was taken")
        assert same(backend.see(good)[0], wanted)
""", engine)


# Suppression


SCENES = """
from minehat.scenes import picture
scenes = [picture(seed, 640, 360).frame for seed in (8, 9, 12)]  # heads' scores far from 0.25 and 0.3
def found(answer, conf, iou):
    return [found_in([column[row] for column in answer], card, conf, iou) for row in range(len(answer[0]))]
def check_same(some, others):
    for one, other in zip(some, others, strict=True):
        assert same((one.boxes, one.scores, one.labels), (other.boxes, other.scores, other.labels))
"""


def test_what_suppression_keeps_of_a_real_network_is_all_that_comes_back(nano):
    check(SCENES + """
backend = TensorRtBackend(path, card)
for frames in (scenes[:1], scenes):
    whole, _ = backend.see(frames)
    for conf, iou in ((card.conf, card.iou), (0.25, 0.3), (0.05, 0.6), (0.99, 0.5)):
        for again in range(3):
            few, placements = backend.see(frames, conf, iou)
            wanted = found(whole, conf, iou)
            check_same(found(few, conf, iou), wanted)
            assert few[0].shape == (len(frames), max(map(len, wanted)), 4) and len(placements) == len(frames)
assert calls("cuGraphLaunch") > 4
""", nano)


def test_too_many_candidates_come_back_whole(nano):
    check(SCENES + """
backend = TensorRtBackend(path, card)
whole, _ = backend.see(scenes[:2])
assert (whole[1].max(axis=2) >= 1e-7).sum(axis=1).max() > 1024
for again in range(3):
    few, _ = backend.see(scenes[:2], 1e-7, 0.5)
    assert same(few, whole)
    assert same(backend.see(scenes[:2], 0.0, 0.5)[0], whole)
""", nano)


def test_answers_that_are_not_finite_are_refused_with_suppression_too(tmp_path):
    content = bright_onnx(tmp_path / "bright.onnx", spoiled="pick").read_bytes()
    check("""
backend = TensorRtBackend(path, card)
for again in range(3):
    try:
        backend.see(noise((40, 60)), 0.5, 0.5)
    except MineHatError as exc:
        assert "not finite" in str(exc)
    else:
        raise SystemExit("it was taken")
""", engine_of(content, tmp_path / "bright.engine"))


def test_a_detector_finds_the_same_as_on_the_processor(nano):
    check(SCENES + f"""
from minehat.detector import open_detector
with open_detector({str(NANO)!r}, backend="ort") as theirs, open_detector(path) as ours:
    for conf in (ours.conf, 0.3):
        ours.conf = theirs.conf = conf
        for frames in (scenes, scenes[:1] * 4, [scene[::2, ::2] for scene in scenes]):
            for one, other in zip(ours.batch(frames), theirs.batch(frames), strict=True):
                assert len(one) == len(other) > 0 and np.array_equal(one.labels, other.labels)
                assert np.abs(one.boxes - other.boxes).max() < 1 and np.abs(one.scores - other.scores).max() < 0.02
    assert calls("cuLaunchKernel") > 0
    assert len(list(ours.stream(scenes))) == 3
assert live() == {{}}, live()
""", nano)


# Ahead, elsewhere, and without


def test_frames_are_staged_ahead_while_others_are_seen(engine):
    check("""
backend = TensorRtBackend(path, card)
batches = [noise((40 + turn, 60), (30, 20), seed=turn) for turn in range(7)]
wanted = [wanted_of(backend, frames) for frames in batches]
for _ in range(4):
    waiting, lanes = [], [backend.lane() for _ in range(3)]
    for turn, frames in enumerate(batches):
        waiting.append((turn, backend.stage(frames, lanes[turn % 3])))
        if len(waiting) == 3:
            turn, staged = waiting.pop(0)
            assert same(backend.see(staged)[0], wanted[turn]), turn
    for turn, staged in waiting:
        assert same(backend.see(staged)[0], wanted[turn]), turn
    del staged, waiting, lanes
assert live()["event"] == 1 + 3  # the lanes of before are used again
""", engine)


def test_one_thread_stages_while_another_sees(engine):
    check("""
import threading
from queue import Queue
backend = TensorRtBackend(path, card)
batches = [noise((40, 60), seed=turn) for turn in range(12)]
wanted, staged, free = [wanted_of(backend, frames) for frames in batches], Queue(), Queue()
for _ in range(2):
    free.put(backend.lane())
def feed():
    for frames in batches:
        lane = free.get()
        staged.put((lane, backend.stage(frames, lane)))
threading.Thread(target=feed, daemon=True).start()
for answer in wanted:
    lane, ready = staged.get()
    assert same(backend.see(ready)[0], answer)
    free.put(lane)
ended = threading.Thread(target=backend.close)  # by a thread that has never touched the GPU
ended.start()
ended.join()
assert live() == {}, live()
""", engine)


def test_without_a_compiler_the_processor_letterboxes_and_it_is_said_once(engine, tmp_path):
    stderr = check("""
sys.modules["cuda.bindings.nvrtc"] = None
import minehat.cuda.compiled
minehat.cuda.compiled.shutil.which = lambda *_, **__: None
from minehat.letterbox import as_input, letterbox
backend = TensorRtBackend(path, card)
frames = noise((40, 60), (70, 30))
squares = np.stack([as_input(letterbox(frame, card.height, card.width, card.pad)[0], card) for frame in frames])
for again in range(2):
    answer, placements = backend.see(frames, 0.5, 0.5)
    assert same(answer, backend.infer(squares)) and placements[1] == place(70, 30, card.height, card.width)
assert same(backend.see(backend.stage(frames))[0], backend.infer(squares))
""", engine)
    assert len(stderr.splitlines()) == 1 and "nvidia-cuda-nvrtc" in stderr


def of_pixels(path, kind):
    """The bright model with an input of another type."""
    model = onnx.load(str(bright_onnx(path)))
    graph = model.graph
    for node in graph.node:
        node.input[:] = ["floats" if name == "images" else name for name in node.input]
    scale = 1 / 255 if kind == TensorProto.UINT8 else 1.0
    graph.initializer.append(numpy_helper.from_array(np.array(scale, np.float32), "level"))
    graph.node.insert(0, helper.make_node("Mul", ["cast", "level"], ["floats"]))
    graph.node.insert(0, helper.make_node("Cast", ["images"], ["cast"], to=TensorProto.FLOAT))
    graph.input[0].type.tensor_type.elem_type = kind
    return model.SerializeToString()


@pytest.mark.parametrize(("kind", "declared"), [(TensorProto.UINT8, "uint8"), (TensorProto.FLOAT16, "float32")])
def test_the_engines_own_input_type_is_written(tmp_path, kind, declared):
    card = CARD.with_(input_dtype=declared)
    check("""
backend = TensorRtBackend(path, card)
frames = noise((40, 60), (400, 300))
dtype = np.uint8 if card.input_dtype == "uint8" else np.float16
squares = np.concatenate([by_kernel(frame[None], card, dtype) for frame in frames])
assert same(backend.see(frames)[0], backend.infer(squares))
""", engine_of(of_pixels(tmp_path / "bright.onnx", kind), tmp_path / "bright.engine", card))


def test_a_card_that_says_another_input_type_is_refused(tmp_path):
    content = of_pixels(tmp_path / "bright.onnx", TensorProto.UINT8)
    check("""
try:
    TensorRtBackend(path, card)
except MineHatError as exc:
    assert "no input or output 'images'" in str(exc)
else:
    raise SystemExit("it was taken")
assert live() == {}
""", engine_of(content, tmp_path / "bright.engine"))


def test_a_lost_gpu_is_told_and_not_asked_again(engine):
    check("""
from minehat.cuda import CudaLost
backend = TensorRtBackend(path, card)
try:
    backend.see(noise((40, 60)), 0.5, 0.5)
except CudaLost:
    asked = len(story())
    backend.close()
    assert len(story()) == asked
else:
    raise SystemExit("nothing was raised")
""", engine, STUB_FAIL="cuStreamSynchronize:719")


def test_a_frame_takes_little_memory_of_python(engine):
    check("""
import tracemalloc
backend = TensorRtBackend(path, card)
frames = noise((1080, 1920))
for _ in range(4):
    backend.see(frames, 0.1, 0.5)
tracemalloc.start()
for _ in range(3):
    backend.see(frames, 0.1, 0.5)
peak = tracemalloc.get_traced_memory()[1]
assert peak < 64_000, peak
""", engine)
