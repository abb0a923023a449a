"""Does ONNX Runtime, its buffers bound and used again, answer as without, and nowhere but where it was asked?"""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from engines import CARD, tiny
from minehat import MineHatError, read_card
from minehat.backends import ort_session
from minehat.backends.ort import OrtBackend
from minehat.cli import main
from minehat.pictures import write_picture
from numpy.testing import assert_array_equal
from tiny import tiny_onnx

NANO = Path(__file__).parents[1] / "models/helmet-nano/helmet-nano.int8-cpu.onnx"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_onnx(tmp_path_factory.mktemp("model"))


def pictures(count, seed=0):
    return np.random.default_rng(seed).random((count, 3, 96, 96), np.float32)


def plainly(model, batch):
    """What a session without any settings or buffers of ours answers."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    return session.run(list(read_card(model).outputs), {"images": np.ascontiguousarray(batch)})


def same(found, wanted):
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_batches_of_any_size_in_any_order_get_their_own_answers(model):
    backend = OrtBackend(model, read_card(model), threads=1)
    for turn, count in enumerate((1, 3, 2, 5, 1, 4)):
        batch = pictures(count, turn)
        same(backend.infer(batch), plainly(model, batch))


def test_the_answer_lies_in_memory_that_is_used_again(model):
    backend = OrtBackend(model, read_card(model), threads=1)
    first = backend.infer(pictures(2))
    kept = [column.copy() for column in first]
    second = backend.infer(pictures(2, seed=1))
    assert all(np.shares_memory(one, other) for one, other in zip(first, second, strict=True))
    assert not np.array_equal(second[1], kept[1])
    assert_array_equal(backend.infer(pictures(2))[1], kept[1])


def test_pictures_may_lie_in_any_memory(model):
    backend = OrtBackend(model, read_card(model), threads=1)
    batch = pictures(4)
    mirrored, every_other = batch[..., ::-1], batch[::2]
    for view in (mirrored, every_other, batch[1:3], batch):
        same(backend.infer(view), plainly(model, view))
    batch[:] = pictures(4, seed=2)  # written over in place, as a detector's own is
    same(backend.infer(batch), plainly(model, batch))


def test_nothing_of_64_kb_is_allocated_for_a_frame():
    card = read_card(NANO)
    backend = OrtBackend(NANO, card, threads=1)
    batch = np.zeros((1, 3, card.height, card.width), np.float32)
    assert backend.infer(batch)[0].nbytes > 64 << 10
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        backend.infer(batch)
        assert tracemalloc.get_traced_memory()[1] - before < 64 << 10
    finally:
        tracemalloc.stop()


def test_a_graph_that_does_not_tell_how_many_boxes_it_gives_is_answered_too(tmp_path):
    network = tiny()
    for value in network.graph.output:
        value.type.tensor_type.shape.dim[1].dim_param = "boxes"
    (reshape,) = (node for node in network.graph.node if node.op_type == "Reshape")
    shape = next(entry for entry in network.graph.initializer if entry.name == reshape.input[1])
    shape.name = "given"  # and worked out from the input from then on, so that nobody can infer it
    network.graph.initializer.append(onnx.numpy_helper.from_array(np.array([0]), "nothing"))
    for row, (op, inputs, output) in enumerate((("Shape", ["images"], "sides"), ("ReduceSum", ["sides"], "sum"),
                                                ("Mul", ["sum", "nothing"], "zero"),
                                                ("Add", ["given", "zero"], reshape.input[1]))):
        network.graph.node.insert(row, onnx.helper.make_node(op, inputs, [output]))
    path = tmp_path / "open.onnx"
    onnx.save(network, path)
    backend = OrtBackend(path, CARD, threads=1)
    answers = []
    for count in (1, 3, 2, 2):
        batch = np.random.default_rng(count).random((count, 3, 32, 32), np.float32)
        answers.append(backend.infer(batch))
        same(answers[-1], plainly(path, batch))
    assert not np.shares_memory(answers[-1][0], answers[-2][0])  # ONNX Runtime found the memory, each time


def test_what_is_closed_answers_no_more(model):
    backend = OrtBackend(model, read_card(model))
    backend.infer(pictures(1))
    backend.close()
    backend.close()
    with pytest.raises(ValueError, match="closed"):
        backend.infer(pictures(1))


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(),
                    reason="this ONNX Runtime is the one for GPUs")
@pytest.mark.parametrize(("name", "provider"), [("ort-cuda", "CUDA"), ("ort-tensorrt", "Tensorrt")])
def test_without_onnx_runtime_for_gpus_the_gpu_is_refused_in_one_line(model, name, provider, tmp_path, capsys):
    write_picture(tmp_path / "a.png", np.zeros((8, 8, 3), np.uint8))
    assert main(["detect", str(model), str(tmp_path), "--backend", name]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"without {provider}ExecutionProvider" in line and "minehat[gpu]" in line


def test_a_provider_that_cannot_run_the_graph_does_not_leave_it_to_the_cpu(model, monkeypatch, capsys):
    """Azure's is in every ONNX Runtime and runs no operator of ours: the refusal is ONNX Runtime's own."""
    monkeypatch.setitem(ort_session.PROVIDERS, "ort-cuda", "AzureExecutionProvider")
    with pytest.raises(MineHatError, match=r"fallback to CPU EP has been explicitly disabled.*nvidia-smi"):
        OrtBackend(model, read_card(model), name="ort-cuda")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("name", "precision", "words"), [
    ("ort-cuda", "int8-cpu", "is the CPU form"), ("ort-tensorrt", "fp16", "has FP16 inside.*minehat build"),
    ("ort-tensorrt", "int8+fp16", "has FP16 inside")])
def test_forms_that_a_gpu_would_run_wrongly_are_refused(model, monkeypatch, name, precision, words):
    monkeypatch.setitem(ort_session.PROVIDERS, name, "AzureExecutionProvider")
    monkeypatch.setattr(ort_session, "TENSORRT", "AzureExecutionProvider")
    with pytest.raises(MineHatError, match=words):
        OrtBackend(model, read_card(model).with_(precision=precision), name=name)


def test_its_telemetry_is_off_before_the_library_is_loaded(model):
    """From 1.29 on the Linux wheels send to their maker what they run; a mine's box sends nothing."""
    program = ("import os, sys, minehat; minehat.open(sys.argv[1]).close(); "
               "print(os.environ['ORT_DISABLE_TELEMETRY'], 'onnxruntime' in sys.modules)")
    told = subprocess.run([sys.executable, "-c", program, model], capture_output=True, text=True, check=True,
                          env={name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"})
    assert told.stdout.split() == ["1", "True"]
