"""Does a network without its decode find what it found with it, in every form, and is what cannot be so refused?"""

from __future__ import annotations

import math
import platform

import minehat
import numpy as np
import onnx
import pytest
import torch
from allocations import most_of_a_line
from bright_onnx import bright_onnx
from conftest import ROOT
from cuda_stub import over_stub
from hypothesis import given, settings
from hypothesis import strategies as st
from minecalib.parent import open_parent
from minehat import MineHatError, scenes, suppress
from minehat.answers import check_answer, found_in
from minehat.card import ModelCard, read_card
from minehat.cli import main
from minehat.decoding import boxes_over
from minehat.engine import BuildOptions, engine_from_onnx
from minehat.grafts import with_decode_outside, with_suppression
from minehat.handoff.model import model_to_hand_off
from minehat.onnx_reader import read_onnx
from minenet.anchors import PAPER_LIKE, YOLOV3
from minenet.network import STRIDES, Recipe, decode
from numpy.testing import assert_array_equal
from onnx import numpy_helper
from test_tensorrt_backend import PATHS, engine_of
from tiny import noise_frames, tiny_onnx

NANO = ROOT / "models" / "helmet-nano"
FORMS = ("helmet-nano.onnx", "helmet-nano.fp16.onnx", "helmet-nano.int8.onnx", "helmet-nano.int8-cpu.onnx")
HEIGHT, WIDTH = 96, 160
RTX = pytest.mark.skipif((platform.system(), platform.machine()) != ("Linux", "x86_64"),
                         reason="TensorRT-RTX builds ahead of time on x86-64 Linux only")


def recipe_of(classes=2, anchors=PAPER_LIKE, cells=1):
    return Recipe("nano", classes=tuple(f"class {row}" for row in range(classes)), anchors=anchors, cells=cells)


def card_of(recipe, height=HEIGHT, width=WIDTH):
    return ModelCard("raw", recipe.classes, height, width, decode="outside", anchors=recipe.anchors,
                     reach=recipe.reach, outputs=tuple(f"map_{stride}" for stride in STRIDES))


def maps_of(recipe, seed, spread=3.0, mean=0.0, height=HEIGHT, width=WIDTH):
    """Random raw maps [1, a * (5 + C), h, w], fine to coarse."""
    random = np.random.default_rng(seed)
    channels = recipe.anchors_a_scale * (5 + len(recipe.classes))
    return [random.normal(mean, spread, (1, channels, height // stride, width // stride)).astype(np.float32)
            for stride in STRIDES]


def by_graph(maps, recipe):
    """Boxes [B, 4] and scores [B, C] as the exported graph makes them."""
    boxes, scores = decode([torch.from_numpy(raw) for raw in maps], recipe)
    return boxes[0].numpy(), scores[0].numpy()


def near(boxes, wanted):
    """1e-4 px up to 100 px of width or place, and as much of a larger one: float32 in the graph has no more digits."""
    return (np.abs(boxes - wanted) <= 1e-4 * np.maximum(1, np.abs(wanted).max(axis=1, keepdims=True) / 100)).all()


# The decode


@pytest.mark.parametrize("classes", [1, 2, 7])
@pytest.mark.parametrize("cells", [1, 3])
@pytest.mark.parametrize("anchors", [PAPER_LIKE, YOLOV3])
def test_all_places_are_decoded_as_the_graph_does_and_in_its_order(classes, cells, anchors):
    recipe = recipe_of(classes, anchors, cells)
    maps = maps_of(recipe, seed=classes)
    boxes, scores = boxes_over([raw[0] for raw in maps], card_of(recipe), conf=0.0)
    wanted, wanted_scores = by_graph(maps, recipe)
    assert near(boxes, wanted) and np.abs(scores - wanted_scores).max() <= 1e-6
    assert boxes.dtype == scores.dtype == np.float32


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**31), st.sampled_from([0.001, 0.25, 0.5, 0.9, 0.999999, 1.0]), st.sampled_from([1, 3]),
       st.floats(-6, 3))
def test_no_score_over_the_threshold_is_left_out(seed, conf, cells, mean):
    recipe = recipe_of(cells=cells)
    maps = maps_of(recipe, seed, mean=mean, spread=4.0)
    boxes, scores = boxes_over([raw[0] for raw in maps], card_of(recipe), conf)
    wanted, wanted_scores = by_graph(maps, recipe)
    over, ours = wanted_scores.max(axis=1) >= conf, scores.max(axis=1, initial=0) >= conf
    settled = np.abs(wanted_scores.max(axis=1) - conf).min() > 1e-6  # no score that rounding may lift or lower
    if settled:
        assert near(boxes[ours], wanted[over]) and ours.sum() == over.sum()
        assert np.abs(scores[ours] - wanted_scores[over]).max(initial=0) <= 1e-6
    assert len(boxes) >= over.sum() - 3


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), st.sampled_from([0.25, 0.6]), st.sampled_from([0.3, 0.5]))
def test_what_is_found_is_what_suppression_leaves_of_the_graph_s_boxes(seed, conf, iou):
    recipe = recipe_of()
    maps = maps_of(recipe, seed, mean=-3.0)
    boxes, scores = by_graph(maps, recipe)
    wanted = suppress(boxes, scores, conf, iou)
    found = found_in([raw[0] for raw in maps], card_of(recipe), conf, iou)
    assert_array_equal(found.labels, wanted.labels)
    assert near(found.boxes, wanted.boxes) and np.abs(found.scores - wanted.scores).max(initial=0) <= 1e-6


def test_few_places_are_looked_at():
    recipe = recipe_of()
    maps = maps_of(recipe, seed=0, mean=-8.0, spread=0.5)
    maps[1][0, 4, 2, 3] = 2.0
    boxes, _ = boxes_over([raw[0] for raw in maps], card_of(recipe), 0.25)
    assert len(boxes) == 1


@pytest.mark.parametrize("logit", [1e30, -1e30, math.inf, -math.inf, 0.0])
def test_logits_beyond_all_bounds_do_what_they_do_in_the_graph(logit):
    recipe = recipe_of()
    maps = [np.full_like(raw, logit) for raw in maps_of(recipe, seed=0)]
    check_answer(maps, card_of(recipe), ROOT)
    boxes, scores = boxes_over([raw[0] for raw in maps], card_of(recipe), 0.0)
    wanted, wanted_scores = by_graph(maps, recipe)
    assert near(boxes, wanted) and np.abs(scores - wanted_scores).max() <= 1e-6


def test_no_array_of_64_kb_is_made_for_a_frame():
    recipe = recipe_of(anchors=YOLOV3)
    maps, card = maps_of(recipe, 0, mean=-8.0, spread=0.5, height=416, width=416), card_of(recipe, 416, 416)
    for raw in maps:
        raw[0, 4:7, 3:6, 3:6] = 2.0

    def frame():
        check_answer(maps, card, ROOT)
        return found_in([raw[0] for raw in maps], card, 0.25, 0.5)
    assert len(frame()) > 3
    assert most_of_a_line(frame) < 64 << 10


def test_answers_that_are_not_finite_or_of_other_shapes_are_refused():
    recipe = recipe_of()
    for row in range(3):
        maps = maps_of(recipe, seed=0)
        maps[row][0, 8, -1, -1] = np.nan
        with pytest.raises(MineHatError, match="not finite"):
            check_answer(maps, card_of(recipe), ROOT)
    maps = maps_of(recipe, seed=0)
    for wrong in (maps[0][:, :-1], maps[0][..., :-1], maps[0][:, :, :-1], maps[0][0], maps[0][:, :, :0]):
        with pytest.raises(MineHatError, match="wanted \\[N, 14, h, w\\] that divide 160x96"):
            check_answer([wrong, *maps[1:]], card_of(recipe), ROOT)


# The graft


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """The shipped models without their decode, and the tiny one of random weights."""
    folder = tmp_path_factory.mktemp("outside")
    tiny_onnx(folder)
    for source in (*(NANO / name for name in FORMS), folder / "tiny.onnx"):
        assert graft(source, folder / f"maps.{source.name}", "--decode", "outside") == 0
    return folder


def graft(model, out, *flags):
    return main(["graft", str(model), "-o", str(out), *map(str, flags)])


@pytest.mark.parametrize("name", FORMS)
def test_shipped_models_find_the_same_without_their_decode(outside, name):
    seen = 0
    with minehat.open(NANO / name, threads=1) as plain, minehat.open(outside / f"maps.{name}", threads=1) as other:
        assert (other.card.decode, plain.card.decode) == ("outside", "inside")
        for seed in range(3):
            frame = scenes.picture(seed, 640, 480).frame
            wanted, found = plain(frame), other(frame)
            seen += len(wanted)
            assert_array_equal(found.labels, wanted.labels)
            assert np.abs(found.boxes - wanted.boxes).max(initial=0) <= 1e-3
            assert np.abs(found.scores - wanted.scores).max(initial=0) <= 1e-5
    assert seen > 3


@pytest.mark.parametrize("name", FORMS)
def test_the_weights_are_the_parent_s_to_the_bit(outside, name):
    before, after = onnx.load(NANO / name), onnx.load(outside / f"maps.{name}")
    onnx.checker.check_model(after, full_check=True)
    held = {entry.name: entry for entry in before.graph.initializer}
    assert all(entry == held[entry.name] for entry in after.graph.initializer)
    assert len(held) - 60 < len(after.graph.initializer) < len(held)
    assert {value.dtype for value in read_onnx(outside / f"maps.{name}").outputs} == {"fp32"}


def test_the_decode_tells_its_anchors_and_reach_itself(outside):
    card = read_card(outside / "maps.helmet-nano.onnx")
    trained = torch.load(NANO / "helmet-nano.pt", weights_only=True)["recipe"]
    assert card.anchors == tuple(tuple(map(float, pair)) for pair in trained["anchors"])
    assert (card.reach, card.outputs) == (1.0 if trained["cells"] == 1 else 2.0, ("map_8", "map_16", "map_32"))


def test_a_batch_is_as_open_as_it_was(outside):
    with minehat.open(outside / "maps.tiny.onnx", threads=1) as detector:
        batch = np.concatenate([detector.prepare(frame)[0].copy() for frame in noise_frames(3)])
        answer = detector.backend.infer(batch)
        assert [raw.shape for raw in answer] == [(3, 14, side, side) for side in (12, 6, 3)]


def test_pixels_in_and_maps_out_go_together(outside, tmp_path):
    assert graft(outside / "tiny.onnx", tmp_path / "both.onnx", "--decode", "outside", "--input", "uint8") == 0
    with minehat.open(outside / "tiny.onnx", threads=1) as plain, minehat.open(tmp_path / "both.onnx") as other:
        assert (other.card.input_dtype, other.card.decode) == ("uint8", "outside")
        for frame in noise_frames(3):
            found, wanted = other(frame), plain(frame)
            assert_array_equal(found.labels, wanted.labels)
            assert len(wanted) and np.abs(found.boxes - wanted.boxes).max() <= 1e-2


def changed(outside, op, change):
    """The tiny model, a constant that `op` reads changed: the first that does."""
    model = onnx.load(outside / "tiny.onnx")
    held = {entry.name: entry for entry in model.graph.initializer}
    node = next(node for node in reversed(model.graph.node) if node.op_type == op
                and any(name in held for name in node.input))
    entry = next(held[name] for name in node.input if name in held)
    values = change(numpy_helper.to_array(entry).copy())
    entry.CopyFrom(numpy_helper.from_array(np.asarray(values), entry.name))
    return model


def test_a_decode_that_is_another_is_refused(outside):
    card = read_card(outside / "tiny.onnx")

    def shifted(values):
        values[...] = values + 0.25
        return values
    for model in (changed(outside, "Add", shifted), onnx.load(bright_onnx(outside / "bright.onnx"))):
        with pytest.raises(MineHatError, match="its decode is not the one"):
            with_decode_outside(model, card)
    model = onnx.load(outside / "tiny.onnx")
    for node in model.graph.node:
        if node.op_type == "Exp":
            node.op_type = "Softplus"
    with pytest.raises(MineHatError, match="its decode is not the one"):
        with_decode_outside(model, card)


def test_the_door_refuses_what_cannot_be_in_one_line(outside, tmp_path, capsys):
    assert graft(outside / "tiny.onnx", tmp_path / "graph.onnx", "--nms", "graph") == 0
    before = sorted(tmp_path.iterdir())
    capsys.readouterr()
    for model, flags, words in ((outside / "maps.tiny.onnx", ("--decode", "outside"), "outside already"),
                                (tmp_path / "graph.onnx", ("--decode", "outside"), "suppression inside"),
                                (outside / "maps.tiny.onnx", ("--nms", "topk"), "raw maps"),
                                (outside / "tiny.onnx", ("--decode", "outside", "--nms", "topk"), "--nms")):
        assert graft(model, tmp_path / "out.onnx", *flags) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line and sorted(tmp_path.iterdir()) == before


# The other doors


def test_doors_that_want_boxes_refuse_it(outside):
    maps = outside / "maps.tiny.onnx"
    with pytest.raises(MineHatError, match="leaves decode to the runtime"):
        model_to_hand_off(maps)
    with pytest.raises(MineHatError, match="decoded inside"):
        open_parent(maps)
    with pytest.raises(MineHatError, match="raw maps"):
        with_suppression(onnx.load(maps), read_card(maps), "graph")


def test_a_card_that_does_not_fit_is_refused(outside):
    card = read_card(outside / "maps.tiny.onnx")
    with pytest.raises(MineHatError, match=r"wanted map_8 float32 \[N, 16, h, w\]"):
        minehat.open(outside / "maps.tiny.onnx", card=card.with_(classes=("a", "b", "c")))


def test_inspect_says_where_decode_is(outside, capsys):
    assert main(["inspect", str(outside / "maps.tiny.onnx")]) == 0
    assert "decode outside" in capsys.readouterr().err


@RTX
def test_an_engine_of_it_is_built(outside, tmp_path):
    source, engine = outside / "maps.tiny.onnx", tmp_path / "maps.engine"
    engine_from_onnx(source, engine, BuildOptions(target="rtx"))
    card, wanted = read_card(engine), read_card(source)
    assert (card.decode, card.anchors, card.outputs) == ("outside", wanted.anchors, wanted.outputs)


def test_the_tensorrt_backend_gives_its_maps(outside, tmp_path):
    card = read_card(outside / "maps.tiny.onnx")
    engine_of((outside / "maps.tiny.onnx").read_bytes(), tmp_path / "maps.engine", card)
    done = over_stub(PATHS + """
import minehat, numpy as np
batch = np.random.default_rng(0).random((1, 3, 96, 96), np.float32)
with minehat.open(sys.argv[1]) as engine, minehat.open(sys.argv[2], threads=1) as plain:
    for found, wanted in zip(engine.backend.infer(batch), plain.backend.infer(batch), strict=True):
        print(wanted.shape, (found == wanted).all())
""", tmp_path / "maps.engine", outside / "maps.tiny.onnx")
    assert done.stdout.splitlines() == [f"(1, 14, {side}, {side}) True" for side in (12, 6, 3)], done.stderr
