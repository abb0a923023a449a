"""Does a network that takes pixels as they are answer as the one that takes floats, and is it told apart everywhere?"""

from __future__ import annotations

import platform
from pathlib import Path

import minehat
import numpy as np
import onnx
import pytest
from engines import CARD, tiny
from minecalib.parent import open_parent
from minehat import MineHatError, ModelCard, as_input, letterbox, read_card
from minehat.backends.ort import OrtBackend
from minehat.cli import main
from minehat.engine import BuildOptions, engine_from_onnx
from minehat.grafts import with_uint8_input
from numpy.testing import assert_array_equal
from onnx import TensorProto
from tiny import noise_frames, tiny_onnx

MODELS = Path(__file__).parents[1] / "models/helmet-nano"
CPU_FORM = MODELS / "helmet-nano.int8-cpu.onnx"


def graft(model, out, *flags):
    return main(["graft", str(model), "--input", "uint8", "-o", str(out), *map(str, flags)])


def answers(path, frame):
    """What the network says of one frame, made ready as its card wants it."""
    card = read_card(path)
    square, _ = letterbox(frame, card.height, card.width, card.pad)
    backend = OrtBackend(path, card, threads=1)
    return [column.copy() for column in backend.infer(as_input(square, card)[None])]


def saved(folder, model, name):
    onnx.save(model, folder / name)
    return folder / name


@pytest.mark.parametrize("source", ["tiny.onnx", "helmet-nano.onnx", "helmet-nano.int8.onnx",
                                    "helmet-nano.int8-cpu.onnx"])
def test_pixels_and_floats_get_the_same_answer_to_the_bit(tmp_path, source):
    model = tiny_onnx(tmp_path) if source == "tiny.onnx" else MODELS / source
    assert graft(model, tmp_path / "pixels.onnx") == 0
    assert read_card(tmp_path / "pixels.onnx").input_dtype == "uint8"
    for wanted, found in zip(answers(model, noise_frames(1)[0]), answers(tmp_path / "pixels.onnx", noise_frames(1)[0]),
                             strict=True):
        assert_array_equal(found, wanted)
    assert np.ptp(wanted) > 0.01


@pytest.mark.parametrize("order", ["RGB", "BGR"])
@pytest.mark.parametrize(("mean", "scale"), [((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
                                             ((123.7, 116.3, 0.0), (0.017, 0.5, 0.003)), ((7.5,) * 3, (0.01,) * 3)])
def test_mean_and_scale_of_each_plane_move_into_the_graph(tmp_path, order, mean, scale):
    card = ModelCard("tiny", ("helmet", "head"), 32, 32, channel_order=order, mean=mean, scale=scale)
    plain = tiny(card=card)
    pixels, _ = with_uint8_input(plain, card)
    first, second = (answers(saved(tmp_path, model, name), noise_frames(1)[0])
                     for name, model in (("a.onnx", plain), ("b.onnx", pixels)))
    for wanted, found in zip(first, second, strict=True):
        assert_array_equal(found, wanted)


def test_the_cpu_form_never_makes_floats_of_the_picture():
    card = read_card(CPU_FORM)
    grown, _ = with_uint8_input(onnx.load(str(CPU_FORM)), card)
    readers = {node.op_type for node in grown.graph.node if "images" in node.input}
    assert not readers & {"Cast", "QuantizeLinear", "Mul"}
    onnx.checker.check_model(grown, full_check=True)


@pytest.mark.parametrize(("step", "zero"), [(2 / 255, 0), (1 / 255, 3), (1 / 127, 0)])
def test_another_grid_than_the_pixels_own_is_quantized_as_before(tmp_path, step, zero):
    card = ModelCard("tiny", ("helmet", "head"), 32, 32)
    plain = tiny("int8", card=card, zero_point=np.uint8(zero))
    for entry in plain.graph.initializer:
        if entry.name == "stem.scale":
            entry.CopyFrom(onnx.numpy_helper.from_array(np.float32(step), "stem.scale"))
    pixels, _ = with_uint8_input(plain, card)
    assert sum(node.op_type == "QuantizeLinear" for node in pixels.graph.node) == 3
    first, second = (answers(saved(tmp_path, model, name), noise_frames(1)[0])
                     for name, model in (("a.onnx", plain), ("b.onnx", pixels)))
    for wanted, found in zip(first, second, strict=True):
        assert_array_equal(found, wanted)


def test_suppression_and_pixels_go_into_one_file(tmp_path):
    model = tiny_onnx(tmp_path)
    assert graft(model, tmp_path / "both.onnx", "--nms", "graph", "--conf", 0.01, "--candidates", 567) == 0
    card = read_card(tmp_path / "both.onnx")
    assert (card.suppression, card.input_dtype, card.conf) == ("graph", "uint8", 0.01)
    frame = noise_frames(1)[0]
    with minehat.open(model, conf=0.01) as plain, minehat.open(tmp_path / "both.onnx") as both:
        wanted, found = plain(frame), both(frame)
    assert len(wanted) and len(found) == len(wanted)
    np.testing.assert_allclose(found.boxes, wanted.boxes, atol=1e-3)


def test_pixels_for_whom_floats_are_said_and_the_other_way_are_refused(tmp_path):
    model = tiny_onnx(tmp_path)
    assert graft(model, tmp_path / "pixels.onnx") == 0
    for path, said in ((model, "uint8"), (tmp_path / "pixels.onnx", "float32")):
        card = read_card(path).with_(input_dtype=said)
        with pytest.raises(MineHatError, match=f"wanted one input {said}"):
            OrtBackend(path, card)


@pytest.mark.parametrize(("model", "words"), [
    (tiny(input_type=TensorProto.FLOAT16), "one float32 input"),
    (tiny(second_input=True), "one float32 input .* found images, bias"),
])
def test_what_has_no_single_float_input_is_refused(model, words):
    with pytest.raises(MineHatError, match=words):
        with_uint8_input(model, CARD)


@pytest.mark.parametrize("command", [("handoff", "triton"), ("handoff", "deepstream")])
def test_servers_are_not_handed_what_they_would_feed_floats(tmp_path, capsys, command):
    assert graft(tiny_onnx(tmp_path), tmp_path / "pixels.onnx") == 0
    capsys.readouterr()
    assert main([*command, str(tmp_path / "pixels.onnx"), "-o", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "takes uint8 pixels" in line and not (tmp_path / "out").exists()


def test_what_takes_pixels_is_not_quantized(tmp_path):
    assert graft(tiny_onnx(tmp_path), tmp_path / "pixels.onnx") == 0
    with pytest.raises(MineHatError, match="takes uint8 pixels, which come last"):
        open_parent(tmp_path / "pixels.onnx")


@pytest.mark.skipif((platform.system(), platform.machine()) != ("Linux", "x86_64"),
                    reason="TensorRT-RTX builds ahead of time on x86-64 Linux only")
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_engines_take_pixels_and_cast_them_where_they_begin(tmp_path, monkeypatch, precision):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "kept"))
    pixels, card = with_uint8_input(tiny(precision), CARD.with_(precision=precision))
    built = engine_from_onnx(saved(tmp_path, pixels, "pixels.onnx"))
    assert built.card.model.input_dtype == "uint8"
    assert {conv.runs_in for conv in built.card.convolutions} == {precision}
    onnx_file = saved(tmp_path, tiny(precision, card=CARD.with_(precision=precision)), "floats.onnx")
    grafted = engine_from_onnx(onnx_file, options=BuildOptions(input="uint8", nms="topk"))
    assert (grafted.card.model.input_dtype, grafted.card.model.suppression) == ("uint8", "topk")
    assert "--input uint8" in grafted.card.rebuild
    with pytest.raises(MineHatError, match="'images' is uint8, wanted float32"):
        engine_from_onnx(tmp_path / "pixels.onnx", card=card.with_(input_dtype="float32"))


def test_other_inputs_of_an_engine_are_refused():
    with pytest.raises(MineHatError, match="--input must be uint8, found 'int8'"):
        BuildOptions(input="int8")


def test_the_door_refuses_what_is_nothing_or_done_already(tmp_path, capsys):
    model = tiny_onnx(tmp_path)
    assert graft(model, tmp_path / "pixels.onnx") == 0
    assert "input uint8" in capsys.readouterr().err
    for args, words in (((str(tmp_path / "pixels.onnx"), "--input", "uint8"), "already"),
                        ((str(model),), "Nothing to graft"),
                        ((str(model), "--input", "uint8", "--conf", "0.3"), "--conf belongs to --nms")):
        assert main(["graft", *args, "-o", str(tmp_path / "x.onnx")]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line and not (tmp_path / "x.onnx").exists()
