"""Does the TensorRT backend copy, size, refuse and let go rightly? Over a stub driver, ONNX Runtime standing in."""

from __future__ import annotations

import hashlib

import numpy as np
import onnx
import pytest
from bright_onnx import CARD, bright_onnx
from conftest import ROOT
from cuda_stub import over_stub
from minehat import MineHatError
from minehat.detector import open_detector
from minehat.engine.card import EngineCard, card_beside
from onnx import TensorProto, helper, numpy_helper

PATHS = f"import sys; sys.path.insert(0, {str(ROOT / 'tests' / 'fake_trt')!r})\n"
GRAPH_CARD = CARD.with_(suppression="graph", candidates=9, outputs=("boxes", "scores", "labels", "count", "converged"))


def engine_of(content, path, card=CARD, batch=(1, 1, 4), gpu="Stub 0", version="10.13.0", dla=()):
    """An engine as the stand-in takes it, with the card that `minehat build` would write."""
    content = b"ftrt" + content
    path.write_bytes(content)
    card_beside(path).write_text(EngineCard(
        model=card, engine_sha256=hashlib.sha256(content).hexdigest(), engine_bytes=len(content), onnx="bright.onnx",
        flavour="tensorrt", tensorrt_version=version, gpu=gpu, compute_capabilities=("8.7",), cuda_version="13.0",
        build_flags=("--target", "tensorrt", "--batch", ",".join(map(str, batch))), batch=batch, calibration={},
        build_seconds=1.0, convolutions=(), layers=(), warnings=(), dla=dict(dla)).to_json())
    return path


@pytest.fixture
def engine(tmp_path):
    return engine_of(bright_onnx(tmp_path / "bright.onnx").read_bytes(), tmp_path / "bright.engine")


def with_backend(program, *arguments, **environment):
    return over_stub(PATHS + """
import numpy as np
from pathlib import Path
from minehat import MineHatError, read_card
from minehat.backends.tensorrt import TensorRtBackend
path = Path(sys.argv[1])
""" + program, *arguments, **{"STUB_LAZY": "1", **environment})


def said(done):
    """The last line on stderr: the exception."""
    return done.stderr.splitlines()[-1]


def test_answers_are_those_of_the_network_for_every_batch(engine, tmp_path):
    images = np.random.default_rng(0).random((4, 3, CARD.height, CARD.width), np.float32)
    np.save(tmp_path / "images.npy", images)
    done = with_backend("""
from minehat.backends.ort import OrtBackend
card, images = read_card(path), np.load(sys.argv[2])
theirs = OrtBackend(path.with_suffix(".onnx"), card, 1)
backend = TensorRtBackend(path, card)
kept = []
for size in (1, 4, 2, 3, 1):
    answer, wanted = backend.infer(images[:size]), theirs.infer(images[:size])
    assert [column.shape for column in answer] == [column.shape for column in wanted]
    assert all(np.array_equal(a, b) for a, b in zip(answer, wanted))
    kept.append((answer, wanted))
assert live()["device"] == live()["host"] == 3  # one input and two outputs, whatever the batch
backend.close()
backend.close()
assert live() == {}, live()
assert all(np.array_equal(a, b) for pair in kept for a, b in zip(*pair))  # the answers are the caller's own
print("done")
""", engine, tmp_path / "images.npy")
    assert done.stdout == "done\n", done.stderr


def test_what_tensorrt_made_last_goes_first(engine):
    done = with_backend("""
import weakref
backend, order = TensorRtBackend(path, read_card(path)), []
for name in ("_runtime", "_engine", "_context"):
    weakref.finalize(getattr(backend._engine, name), order.append, name)
backend.close()
print(*order)
""", engine)
    assert done.stdout == "_context _engine _runtime\n", done.stderr


def test_an_engine_for_a_dla_runs_on_the_core_that_it_was_built_for(tmp_path):
    content = bright_onnx(tmp_path / "bright.onnx").read_bytes()
    engine = engine_of(content, tmp_path / "bright.engine", dla={"core": 1, "taken": ["stem"], "gpu": {}})
    done = with_backend("print(TensorRtBackend(path, read_card(path))._engine._runtime.DLA_core)", engine)
    assert done.stdout == "1\n", done.stderr


def settled_onnx(card):
    """A graph that answers as one with suppression inside does."""
    count = card.candidates
    outputs = {"boxes": (np.zeros((count, 4)), TensorProto.FLOAT), "scores": (np.zeros(count), TensorProto.FLOAT),
               "labels": (np.arange(count), TensorProto.INT64), "count": (np.array(3), TensorProto.INT64),
               "converged": (np.array(True), TensorProto.BOOL)}
    nodes, weights, infos = [], [], []
    nodes.append(helper.make_node("ReduceMean", ["images"], ["means"], axes=[1, 2, 3], keepdims=0))
    for name, (value, kind) in outputs.items():
        weights.append(numpy_helper.from_array(np.asarray(value, np.float32), f"{name}.value"))
        weights.append(numpy_helper.from_array(np.array([-1] + [1] * value.ndim), f"{name}.sides"))
        nodes += [helper.make_node("Reshape", ["means", f"{name}.sides"], [f"{name}.means"]),
                  helper.make_node("Mul", [f"{name}.means", "zero"], [f"{name}.nothing"]),
                  helper.make_node("Add", [f"{name}.nothing", f"{name}.value"], [f"{name}.sum"]),
                  helper.make_node("Cast", [f"{name}.sum"], [name], to=kind)]
        infos.append(helper.make_tensor_value_info(name, kind, ["n", *value.shape]))
    weights.append(numpy_helper.from_array(np.float32(0), "zero"))
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, card.height, card.width])
    graph = helper.make_graph(nodes, "settled", [image], infos[::-1], weights)  # not in the order of the card
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def test_outputs_come_in_the_order_and_types_of_the_card(tmp_path):
    made = settled_onnx(GRAPH_CARD)
    onnx.checker.check_model(made)
    engine = engine_of(made.SerializeToString(), tmp_path / "settled.engine", GRAPH_CARD)
    done = with_backend("""
backend = TensorRtBackend(path, read_card(path))
for size in (2, 1):
    answer = backend.infer(np.ones((size, 3, 96, 96), np.float32))
    print([f"{column.dtype}{list(column.shape)}" for column in answer], answer[3][0], answer[4][0])
""", engine)
    assert done.stdout.splitlines()[0] == (
        "['float32[2, 9, 4]', 'float32[2, 9]', 'int64[2, 9]', 'int64[2]', 'bool[2]'] 3 True"), done.stderr


@pytest.mark.parametrize(("size", "words"), [(5, "--batch 1,1,5"), (0, "found one of 0")])
def test_other_batches_are_refused_with_the_command(engine, size, words):
    done = with_backend(f"""
backend = TensorRtBackend(path, read_card(path))
backend.infer(np.zeros(({size}, 3, 96, 96), np.float32))
""", engine)
    assert said(done).startswith("minehat.errors.MineHatError")
    assert "batches of 1 to 4" in said(done) and words in said(done)


def test_answers_that_are_not_finite_are_refused(tmp_path):
    content = bright_onnx(tmp_path / "bright.onnx", spoiled="pick").read_bytes()
    done = with_backend("""
backend = TensorRtBackend(path, read_card(path))
backend.infer(np.ones((1, 3, 96, 96), np.float32))
""", engine_of(content, tmp_path / "bright.engine"))
    assert "not finite" in said(done)


@pytest.mark.parametrize(("change", "words"), [
    ({"gpu": "Another"}, "was built for Another"), ({"version": "10.3.0"}, "here is TensorRT 10.13.0"),
    ({"card": CARD.with_(outputs=("boxes", "points"))}, "no input or output 'points'")])
def test_an_engine_that_does_not_fit_leaves_nothing_on_the_gpu(tmp_path, change, words):
    content = bright_onnx(tmp_path / "bright.onnx").read_bytes()
    done = with_backend("""
try:
    TensorRtBackend(path, read_card(path))
except MineHatError as exc:
    print(exc)
assert live() == {}, live()
print("nothing left")
""", engine_of(content, tmp_path / "bright.engine", **change))
    assert words in done.stdout and done.stdout.endswith("nothing left\n"), done.stderr


def test_what_tensorrt_itself_refuses_is_told_in_its_words(tmp_path):
    done = with_backend("TensorRtBackend(path, read_card(path))", engine_of(b"refused", tmp_path / "bright.engine"))
    assert "cannot load" in said(done) and "it is refused" in said(done)


def test_a_lost_gpu_is_told_and_not_tried_again(engine):
    done = with_backend("""
from minehat.cuda import CudaLost
backend = TensorRtBackend(path, read_card(path))
try:
    backend.infer(np.zeros((1, 3, 96, 96), np.float32))
except CudaLost:
    asked = len(story())
    backend.close()
    print(len(story()) - asked)
""", engine, STUB_FAIL="cuStreamSynchronize:719")
    assert done.stdout == "0\n", done.stderr


def test_another_thread_may_go_on(engine):
    done = with_backend("""
import threading
backend = TensorRtBackend(path, read_card(path))
seen = []
thread = threading.Thread(target=lambda: seen.append(backend.infer(np.zeros((2, 3, 96, 96), np.float32))))
thread.start()
thread.join()
print(seen[0][0].shape)
backend.close()
assert live() == {}
""", engine)
    assert done.stdout == "(2, 9, 4)\n", done.stderr


def test_too_little_memory_is_one_line_and_leaves_nothing(engine):
    done = with_backend("""
try:
    TensorRtBackend(path, read_card(path))
except MineHatError as exc:
    print(exc)
assert live() == {}, live()
""", engine, STUB_FAIL="cuMemAlloc:2:3")
    assert "too little memory" in done.stdout, done.stderr


def test_a_card_by_hand_must_fit(engine):
    done = with_backend("""
TensorRtBackend(path, read_card(path).with_(outputs=("a", "b")))
""", engine)
    assert "no input or output 'a'" in said(done)


def test_with_no_gpu_a_detector_says_what_runs_instead(engine):
    done = with_backend("import minehat\nminehat.open(path)", engine, STUB_FAIL="cuInit:100")
    assert "needs an NVIDIA GPU" in said(done) and "run the .onnx file" in said(done)


@pytest.mark.parametrize(("backend", "suffix", "words"), [
    ("ort", ".engine", "only --backend tensorrt runs it"), ("tensorrt", ".onnx", "minehat build")])
def test_a_backend_that_does_not_fit_the_file_is_refused(engine, backend, suffix, words):
    with pytest.raises(MineHatError, match=words):
        open_detector(engine.with_suffix(suffix), backend=backend)


def test_a_detector_opens_engines_by_itself(engine):
    done = with_backend("""
from minehat.detector import open_detector
frame = np.zeros((48, 96, 3), np.uint8)
frame[:, :, 2] = 255
with open_detector(path) as detector:
    found = detector(frame)
    print(detector.backend.name, sorted(set(found.labels.tolist())))
assert live() == {}
""", engine)
    assert done.stdout == "tensorrt [0]\n", done.stderr
