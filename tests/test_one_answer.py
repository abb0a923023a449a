"""Is there one answer, whoever works it out: definition, numpy, OpenCV, ONNX, the kernels, each backend and form?"""

from __future__ import annotations

import importlib.util

import minehat
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from conftest import ROOT
from crowds import naive
from cuda_stub import over_stub
from golden_vectors import (
    ANCHORS,
    CLASSES,
    CONF,
    FRAMES,
    HEIGHT,
    IOU,
    PATH,
    SIDE,
    STRIDES,
    WIDTH,
    frame_of,
    golden,
    kept,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from minehat import scenes
from minehat.answers import found_in
from minehat.card import ModelCard
from minehat.cli import main
from minehat.decoding import boxes_over
from minehat.detections import suppress
from minehat.gpu import first_gpu
from minehat.grafts import with_decode_outside, with_suppression
from minehat.letterbox import letterbox
from minenet.network import Recipe, decode
from numpy.testing import assert_array_equal
from test_kernels import by_kernel
from test_suppression_kernels import HEAD
from tiny import tiny_onnx

CARD = ModelCard("golden", ("helmet", "head"), SIDE, SIDE, conf=CONF, iou=IOU)
OUTSIDE = CARD.with_(decode="outside", anchors=ANCHORS, outputs=tuple(f"map_{stride}" for stride in STRIDES))
INT8, FP32 = (ROOT / "models" / "helmet-nano" / name for name in ("helmet-nano.int8-cpu.onnx", "helmet-nano.onnx"))
BACKENDS = ("ort", *(["openvino"] if importlib.util.find_spec("openvino") else []))
FORMS = {"topk": ("--nms", "topk"), "graph": ("--nms", "graph"), "decode outside": ("--decode", "outside"),
         "uint8": ("--input", "uint8"), "uint8, decode outside": ("--input", "uint8", "--decode", "outside")}


@pytest.fixture(scope="module")
def truth():
    with np.load(PATH) as held:
        return dict(held)


def maps_in(truth):
    return [truth[name] for name in OUTSIDE.outputs]


# The definitions


def test_the_file_holds_what_the_definitions_say(truth):
    now = golden()
    assert truth.keys() == now.keys()
    for name, values in truth.items():
        assert values.dtype == now[name].dtype and values.shape == now[name].shape
        assert np.abs(values.astype(float) - now[name]).max() <= (1e-4 if name == "boxes" else 1e-6), name


def test_the_file_leaves_no_doubt_about_who_is_kept(truth):
    """No score so near the threshold, or to another, that rounding decides; and suppression has work."""
    best = truth["scores"].max(axis=1)
    assert np.abs(best - CONF).min() > 1e-4 and np.diff(np.sort(best[best >= CONF])).min() > 5e-6
    assert 20 < len(truth["kept"]) < (best >= CONF).sum() - 20
    assert set(truth["scores"][truth["kept"]].argmax(axis=1)) == set(range(CLASSES))


# The letterbox


@pytest.mark.parametrize("size", FRAMES)
def test_letterboxes_agree_within_a_level(truth, size):
    frame, wanted = frame_of(*size), truth[f"square_{size[0]}x{size[1]}"].astype(int)
    card = CARD.with_(height=HEIGHT, width=WIDTH, channel_order="BGR", scale=(1.0, 1.0, 1.0))
    by_opencv = letterbox(frame, HEIGHT, WIDTH)[0].astype(int)
    by_cuda = by_kernel(frame[None], card)[0].transpose(1, 2, 0)
    assert np.abs(by_opencv - wanted).max() <= 1
    assert np.abs(by_cuda - wanted).max() <= 1 and np.abs(by_cuda - by_opencv).max() <= 1


# Decode


@pytest.fixture(scope="module")
def in_onnx(tmp_path_factory):
    """Decode, and what comes behind it, as ONNX files whose inputs are raw maps: cut out of an exported network."""
    folder = tmp_path_factory.mktemp("onnx")
    whole = onnx.load(tiny_onnx(folder, SIDE))
    maps, _ = with_decode_outside(whole, CARD)
    makers = {node.name: name for node in maps.graph.node for name in node.output if name in OUTSIDE.outputs}
    names = {name: makers[node.name] for node in whole.graph.node for name in node.output if node.name in makers}
    for node in whole.graph.node:
        for sides in (node.input, node.output):
            sides[:] = [names.get(name, name) for name in sides]
    del whole.graph.value_info[:]
    alone = onnx.utils.Extractor(onnx.shape_inference.infer_shapes(whole)).extract_model(
        list(OUTSIDE.outputs), ["boxes", "scores"])
    forms = {"none": (alone, CARD)} | {nms: with_suppression(alone, CARD, nms, 300) for nms in ("topk", "graph")}
    return {name: (onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]), card)
            for name, (model, card) in forms.items()}


def answered(in_onnx, form, maps):
    session, card = in_onnx[form]
    return [column[0] for column in session.run(list(card.outputs), {
        name: raw[None] for name, raw in zip(OUTSIDE.outputs, maps, strict=True)})]


def near(boxes, wanted):
    return (np.abs(boxes - wanted) <= 1e-4 * np.maximum(1, np.abs(wanted).max(axis=1, keepdims=True) / 100)).all()


def test_decodes_agree(truth, in_onnx):
    maps = maps_in(truth)
    by_torch = decode([torch.from_numpy(raw[None]) for raw in maps], Recipe("nano", anchors=ANCHORS))
    for boxes, scores in ((values[0].numpy() for values in by_torch), answered(in_onnx, "none", maps),
                          boxes_over(maps, OUTSIDE, conf=0.0)):
        assert near(boxes, truth["boxes"]) and np.abs(scores - truth["scores"]).max() <= 1e-6


# Suppression


def test_suppressions_keep_the_same(truth):
    boxes, scores, rows = truth["boxes"], truth["scores"], truth["kept"]
    ours = suppress(boxes, scores, CONF, IOU)
    for found in ((ours.boxes, ours.scores, ours.labels), naive(boxes, scores, CONF, IOU)):
        for column, wanted in zip(found, (boxes[rows], scores[rows].max(axis=1), scores[rows].argmax(axis=1)),
                                  strict=True):
            assert_array_equal(column, wanted)


def test_the_kernels_keep_the_same():
    """suppress.cu and compact.cu on the host, through the stub driver, against ours, which the file says is right."""
    done = over_stub(HEAD + f"""
with np.load(sys.argv[1]) as held:
    truth = dict(held)
print(check(truth["boxes"][None], truth["scores"][None], {CONF}, {IOU})[0], len(truth["kept"]))
""", PATH)
    kept_by_kernels, wanted = done.stdout.split() or ("", done.stderr)
    assert kept_by_kernels == wanted


@pytest.mark.parametrize("form", ["none", "topk", "graph", "outside"])
def test_every_form_finds_the_same_in_the_maps(truth, in_onnx, form):
    maps, rows = maps_in(truth), truth["kept"]
    answer = maps if form == "outside" else answered(in_onnx, form, maps)
    found = found_in(answer, OUTSIDE if form == "outside" else in_onnx[form][1], CONF, IOU)
    assert_array_equal(found.labels, truth["scores"][rows].argmax(axis=1))
    assert near(found.boxes, truth["boxes"][rows])
    assert np.abs(found.scores - truth["scores"][rows].max(axis=1)).max() <= 1e-6


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**31), mean=st.floats(-5, 0))
def test_every_form_finds_the_same_in_any_maps(in_onnx, seed, mean):
    random = np.random.default_rng(seed)
    maps = [random.normal(0, 1.5, (14, SIDE // stride, SIDE // stride)).astype(np.float32) for stride in STRIDES]
    for raw in maps:
        raw.reshape(2, 7, -1)[:, 4] += mean
        raw.reshape(2, 7, -1)[:, 2:4] *= 0.3
    boxes, scores = answered(in_onnx, "none", maps)
    best = scores.max(axis=1)
    over = np.sort(best[best >= CONF - 1e-6])
    if np.abs(best - CONF).min() < 1e-6 or np.diff(over).min(initial=1) < 1e-6:
        return  # rounding may decide
    wanted = kept(boxes, scores)
    for form in ("none", "topk", "graph", "outside"):
        answer = maps if form == "outside" else answered(in_onnx, form, maps)
        found = found_in(answer, OUTSIDE if form == "outside" else in_onnx[form][1], CONF, IOU)
        assert_array_equal(found.labels, scores[wanted].argmax(axis=1).reshape(-1))
        assert near(found.boxes, boxes[wanted].reshape(-1, 4)), form


# The whole way


@pytest.fixture(scope="module")
def clip():
    """Frames of a rendered film."""
    return [seen.frame for seen in scenes.film(3, 4, 640, 360)]


@pytest.fixture(scope="module")
def forms(tmp_path_factory):
    folder = tmp_path_factory.mktemp("forms")
    made = {(source, "none"): source for source in (FP32, INT8)}
    for source in (FP32, INT8):
        for row, (form, flags) in enumerate(FORMS.items()):
            made[source, form] = folder / f"{row}.{source.name}"
            assert main(["graft", str(source), "-o", str(made[source, form]), *flags]) == 0
    return made


def seen_by(model, backend, clip):
    with minehat.open(model, backend=backend, threads=1) as detector:
        return [detector(frame) for frame in clip]


def compare(found, wanted, px=1e-3):
    for one, other in zip(found, wanted, strict=True):
        assert_array_equal(one.labels, other.labels)
        assert np.abs(one.boxes - other.boxes).max(initial=0) <= px
        assert np.abs(one.scores - other.scores).max(initial=0) <= 1e-5


@pytest.mark.parametrize("source", [FP32, INT8], ids=["fp32", "int8-cpu"])
@pytest.mark.parametrize("form", FORMS)
def test_a_clip_looks_the_same_in_every_form(forms, clip, source, form):
    wanted = seen_by(source, "ort", clip)
    assert sum(map(len, wanted)) > 4
    compare(seen_by(forms[source, form], "ort", clip), wanted)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_clip_looks_the_same_to_every_backend(forms, clip, backend):
    """In FP32: integer kernels round sums of their own, and differ by some tenths of a pixel."""
    wanted = seen_by(FP32, "ort", clip)
    for form in ("none", *FORMS):
        compare(seen_by(forms[FP32, form], backend, clip), wanted)


@pytest.mark.gpu
@pytest.mark.parametrize("form", ["none", "graph", "decode outside"])
def test_a_clip_looks_the_same_to_tensorrt(forms, clip, tmp_path, form):
    """Of squares that the CPU letterboxed: the kernel's are within a level of them, and boxes then near, not alike."""
    if first_gpu() is None:
        pytest.skip("no NVIDIA GPU answers here")
    engine, found = tmp_path / "fp32.engine", []
    assert main(["build", str(forms[FP32, form]), "--no-tf32", "-o", str(engine)]) == 0
    with minehat.open(engine) as detector:
        for frame in clip:
            batch, placement = detector.prepare(frame)
            found.append(detector.finish([column[0] for column in detector.backend.infer(batch)], placement))
    compare(found, seen_by(FP32, "ort", clip), px=1e-2)
