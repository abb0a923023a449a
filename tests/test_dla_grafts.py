"""What becomes of a network on its way to a DLA: other activations, no Q/DQ, scales that follow from others."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from engines import tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from minebench.accuracy import score_models
from minehat import MineHatError
from minehat.engine.calibration_table import scales_from_table, table_from_scales, version_number
from minehat.grafts.prelu import with_prelu
from minehat.grafts.scales import HEADROOM, spread
from minehat.grafts.unquantized import unquantized
from onnx import TensorProto, helper, numpy_helper

MODELS = Path(__file__).parents[1] / "models"
SHIPPED = sorted(path for path in MODELS.glob("*/*.onnx") if "int8-cpu" not in path.name)
INT8 = [path for path in SHIPPED if ".int8." in path.name]


def answers(model, picture, names=None):
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = ort.InferenceSession(model.SerializeToString(), options)
    return session.run(names, {session.get_inputs()[0].name: picture})


def noise(*shape):
    return np.random.default_rng(0).random(shape, np.float32)


def operators(model):
    return {node.op_type for node in model.graph.node}


def constants(model):
    return {entry.name: numpy_helper.to_array(entry) for entry in model.graph.initializer}


def chain(nodes, weights=(), side=8, channels=3, dtype=TensorProto.FLOAT, last="y"):
    """Nodes from "x" to `last` over squares [1, channels, side, side], as a ModelProto."""
    return helper.make_model(helper.make_graph(
        nodes, "chain", [helper.make_tensor_value_info("x", dtype, [1, channels, side, side])],
        [helper.make_tensor_value_info(last, dtype, None)],
        [numpy_helper.from_array(np.asarray(values), name) for name, values in weights]),
        opset_imports=[helper.make_opsetid("", 19)], ir_version=10)


# LeakyRelu as PRelu

@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_prelu_answers_as_leaky_relu_does(path):
    model = onnx.load(path)
    grafted = with_prelu(model)
    onnx.checker.check_model(grafted)
    assert "LeakyRelu" in operators(model) and "LeakyRelu" not in operators(grafted)
    picture = noise(1, 3, 416, 416)
    atol = (0.1, 1e-3) if "fp16" in path.name else (0, 0)  # the slope 0.1 is rounded to FP16, too
    for before, after, tolerance in zip(answers(model, picture), answers(grafted, picture), atol, strict=True):
        np.testing.assert_allclose(after, before, rtol=0, atol=tolerance)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_slopes_are_constants_a_channel_of_the_tensors_type(precision):
    grafted = with_prelu(tiny(precision))
    slopes = {node.input[1] for node in grafted.graph.node if node.op_type == "PRelu"}
    assert len(slopes) == 1, "both activations have 8 channels and one alpha"
    slope = constants(grafted)[slopes.pop()]
    assert slope.shape == (8, 1, 1) and slope.dtype == (np.float16 if precision == "fp16" else np.float32)
    assert np.all(slope == slope.dtype.type(0.1))


@pytest.mark.parametrize(("attributes", "alpha"), [({}, 0.01), ({"alpha": 0.25}, 0.25)])
def test_alpha_is_the_nodes_own_or_the_usual(attributes, alpha):
    model = chain([helper.make_node("LeakyRelu", ["x"], ["y"], **attributes)])
    picture = noise(1, 3, 8, 8) - 0.5
    wanted = np.where(picture < 0, picture * np.float32(alpha), picture)
    np.testing.assert_array_equal(answers(with_prelu(model), picture)[0], wanted)


def test_each_node_keeps_its_own_alpha():
    model = chain([helper.make_node("LeakyRelu", ["x"], ["a"], alpha=0.25),
                   helper.make_node("LeakyRelu", ["a"], ["y"], alpha=0.5)])
    picture = noise(1, 3, 8, 8) - 0.5
    np.testing.assert_array_equal(answers(with_prelu(model), picture)[0], answers(model, picture)[0])


def test_a_slope_that_fp16_holds_changes_nothing_there():
    model = chain([helper.make_node("LeakyRelu", ["x"], ["y"], alpha=0.125)], dtype=TensorProto.FLOAT16)
    picture = (noise(1, 3, 8, 8) - 0.5).astype(np.float16)
    np.testing.assert_array_equal(answers(with_prelu(model), picture)[0], answers(model, picture)[0])


def test_the_model_given_stays_as_it_was():
    model = tiny("int8")
    before = model.SerializeToString(deterministic=True)
    with_prelu(model), unquantized(model)
    assert model.SerializeToString(deterministic=True) == before


def test_channels_that_cannot_be_told_are_said():
    model = chain([helper.make_node("LeakyRelu", ["x"], ["y"], name="act")])
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "channels"
    with pytest.raises(MineHatError, match="channels of 'x', which LeakyRelu 'act' reads"):
        with_prelu(model)


# without Q/DQ

@pytest.mark.parametrize("path", INT8, ids=lambda path: path.name)
def test_weights_are_what_dequantizing_gives(path):
    model = onnx.load(path)
    stripped, scales = unquantized(model)
    onnx.checker.check_model(stripped)
    assert not operators(stripped) & {"QuantizeLinear", "DequantizeLinear"}
    told = onnx.ModelProto()
    told.CopyFrom(model)
    weights = [node.output[0] for node in model.graph.node
               if node.op_type == "DequantizeLinear" and node.input[0] in constants(model)]
    told.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in weights)
    assert weights
    for name, wanted in zip(weights, answers(told, noise(1, 3, 416, 416), weights), strict=True):
        np.testing.assert_array_equal(constants(stripped)[name], wanted)
    pairs = [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
    assert scales == {node.input[0]: constants(model)[node.input[1]] for node in pairs}


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_where_pairs_round_nothing_the_answers_are_the_same(seed):
    """Halves on a grid of halves, small enough for INT8: only rounding and clipping could make a difference."""
    random = np.random.default_rng(seed)
    zero, scale = np.int8(0), np.float32(0.5)
    kernels = [random.integers(-1, 2, (4, channels, 1, 1)).astype(np.int8) for channels in (3, 4)]
    nodes, name = [], "x"
    for row, _ in enumerate(kernels):
        nodes += [helper.make_node("QuantizeLinear", [name, "scale", "zero"], [f"q{row}"]),
                  helper.make_node("DequantizeLinear", [f"q{row}", "scale", "zero"], [f"d{row}"]),
                  helper.make_node("DequantizeLinear", [f"k{row}", "ones", "zeros"], [f"w{row}"], axis=0),
                  helper.make_node("Conv", [f"d{row}", f"w{row}"], [f"c{row}"]),
                  helper.make_node("Relu", [f"c{row}"], [name := f"y{row}"])]
    model = chain(nodes, [("scale", scale), ("zero", zero), ("ones", np.ones(4, np.float32)),
                          ("zeros", np.zeros(4, np.int8)), ("k0", kernels[0]), ("k1", kernels[1])], last=name)
    stripped, scales = unquantized(model)
    assert scales == {"x": 0.5, "y0": 0.5}
    assert set(constants(stripped)) == {"w0", "w1"}
    picture = (random.integers(-6, 7, (1, 3, 8, 8)) / 2).astype(np.float32)
    np.testing.assert_array_equal(answers(stripped, picture)[0], answers(model, picture)[0])


def test_weights_have_scales_along_the_axis_that_the_node_names():
    kernel, scale = np.arange(-6, 6, dtype=np.int8).reshape(4, 3, 1, 1), np.array([0.5, 1, 2], np.float32)
    model = chain([helper.make_node("DequantizeLinear", ["k", "scale"], ["w"], axis=1),
                   helper.make_node("Conv", ["x", "w"], ["y"])],
                  [("k", kernel), ("scale", scale)])
    np.testing.assert_array_equal(constants(unquantized(model)[0])["w"], kernel * scale[:, None, None])
    picture = noise(1, 3, 8, 8)
    np.testing.assert_allclose(answers(unquantized(model)[0], picture)[0], answers(model, picture)[0], atol=1e-5)


def test_a_rounded_output_keeps_its_name():
    pair = [helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
            helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"])]
    stripped, scales = unquantized(chain(pair, [("scale", np.float32(0.1)), ("zero", np.int8(0))]))
    picture = noise(1, 3, 8, 8)
    np.testing.assert_array_equal(answers(stripped, picture)[0], picture)
    assert scales == {"x": pytest.approx(0.1)}


def test_of_several_pairs_on_a_tensor_the_coarsest_counts():
    nodes = []
    for name, scale in (("a", "fine"), ("b", "coarse")):
        nodes += [helper.make_node("QuantizeLinear", ["x", scale, "zero"], [f"q{name}"]),
                  helper.make_node("DequantizeLinear", [f"q{name}", scale, "zero"], [name])]
    model = chain([*nodes, helper.make_node("Add", ["a", "b"], ["y"])],
                  [("fine", np.float32(0.25)), ("coarse", np.float32(0.5)), ("zero", np.int8(0))])
    assert unquantized(model)[1] == {"x": 0.5}


@pytest.mark.parametrize(("weights", "said"), [
    ({"scale": np.full(3, 0.1, np.float32), "zero": np.zeros(3, np.int8)}, "'x' has 3 scales"),
    ({"scale": np.float32(0.1), "zero": np.int8(0), "k": np.ones((3, 3, 1, 1), np.uint8), "kzero": np.uint8(0)},
     "'k' is not symmetric INT8"),
    ({"scale": np.float32(0.1), "zero": np.int8(0), "k": np.ones((3, 3, 1, 1), np.int8), "kzero": np.int8(3)},
     "'k' is not symmetric INT8"),
])
def test_what_no_table_can_say_is_refused(weights, said):
    nodes = [helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
             helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"])]
    if "k" in weights:
        nodes += [helper.make_node("DequantizeLinear", ["k", "kscale", "kzero"], ["w"]),
                  helper.make_node("Conv", ["d", "w"], ["y"])]
        weights = {**weights, "kscale": np.float32(0.1)}
    with pytest.raises(MineHatError, match=said):
        unquantized(chain(nodes, weights.items(), last="y" if "k" in weights else "d"))


# scales that follow

RESIZE = ["x", "", "scales"]
MOVES = {
    "Reshape": (["x", "shape"], {}, [("shape", np.array([1, -1]))]),
    "Transpose": (["x"], {"perm": [0, 2, 3, 1]}, []),
    "MaxPool": (["x"], {"kernel_shape": [2, 2], "pads": [1, 1, 0, 0]}, []),
    "Relu": (["x"], {}, []),
    "Resize": (RESIZE, {"mode": "nearest"}, [("scales", np.array([1, 1, 2, 2], np.float32))]),
    "Slice": (["x", "from", "to"], {}, [("from", np.array([0, 0, 2, 2])), ("to", np.array([1, 2, 6, 7]))]),
}


def moving(op):
    inputs, attributes, weights = MOVES[op]
    return chain([helper.make_node(op, inputs, ["y"], **attributes)], weights)


def rounded(values, scale):
    return np.clip(np.round(values / scale), -127, 127) * scale


@pytest.mark.parametrize("op", MOVES)
@pytest.mark.parametrize("scale", [0.02, 0.004])
def test_rounding_before_or_after_a_move_is_the_same(op, scale):
    """What makes carrying a scale across it exact, and its clipping too (0.004 * 127 is less than what comes)."""
    model, picture, scale = moving(op), noise(1, 3, 8, 8) * 4 - 2, np.float32(scale)
    both = rounded(answers(model, rounded(picture, scale))[0], scale)
    np.testing.assert_array_equal(both, answers(model, rounded(picture, scale))[0])  # onward
    np.testing.assert_array_equal(both, rounded(answers(model, picture)[0], scale))  # back
    assert spread(model, {"x": scale}).moved == {"y": scale}
    assert spread(model, {"y": scale}).moved == {"x": scale}


def test_a_linear_resize_moves_no_scale():
    model = chain([helper.make_node("Resize", RESIZE, ["y"], mode="linear")], MOVES["Resize"][2])
    assert spread(model, {"x": 0.1}).moved == {} and spread(model, {"x": 0.1}).lacking == ("y",)


def test_a_join_shares_one_scale_or_none():
    halves = [helper.make_node("Relu", ["x"], ["a"]), helper.make_node("Sigmoid", ["x"], ["b"])]
    model = chain([*halves, helper.make_node("Concat", ["a", "b"], ["y"], axis=1)])
    assert spread(model, {"a": 0.1, "b": 0.1}).moved == {"y": 0.1}
    assert spread(model, {"a": 0.1, "b": 0.2}).moved == {}
    assert spread(model, {"y": 0.1}).moved == {"a": 0.1, "b": 0.1}


def test_no_scale_is_carried_back_to_what_others_read_as_well():
    model = chain([helper.make_node("Sigmoid", ["x"], ["a"]), helper.make_node("Transpose", ["a"], ["b"]),
                   helper.make_node("Exp", ["a"], ["y"])])
    assert spread(model, {"b": 0.1}).moved == {}


@pytest.mark.parametrize("op", ["LeakyRelu", "PRelu"])
def test_before_an_activation_there_is_headroom_for_what_reaches_below_zero(op):
    node = (helper.make_node("LeakyRelu", ["x"], ["y"], alpha=0.1) if op == "LeakyRelu"
            else helper.make_node("PRelu", ["x", "slope"], ["y"]))
    model = chain([node], [("slope", np.full((3, 1, 1), 0.1, np.float32))])
    scale = np.float32(0.02)
    found = spread(model, {"y": scale})
    assert found.before == {"x": pytest.approx(HEADROOM * scale)} and not found.moved and not found.lacking
    picture = noise(1, 3, 8, 8) * 20 - 15
    alone = rounded(answers(model, picture)[0], scale)
    both = rounded(answers(model, rounded(picture, HEADROOM * scale))[0], scale)
    held = picture >= -127 * HEADROOM * scale
    assert held.any() and not held.all()
    assert np.abs(both - alone)[held].max() <= (HEADROOM / 2 + 1) * scale
    assert np.all(both[~held] >= alone[~held]), "farther ones are clipped"


@pytest.mark.parametrize("path", INT8, ids=lambda path: path.name)
def test_scales_of_shipped_models_are_those_of_tensors_that_are_there(path):
    stripped, own = unquantized(onnx.load(path))
    scales = spread(stripped, own)
    tensors = {"images", *(name for node in stripped.graph.node for name in node.output)}
    assert set(scales.all) | set(scales.lacking) == tensors
    assert set(scales.all).isdisjoint(scales.lacking)
    assert len(scales.all) == len(scales.given) + len(scales.moved) + len(scales.before)
    convolutions = [node for node in stripped.graph.node if node.op_type == "Conv"]
    whole = [node for node in convolutions if {node.input[0], node.output[0]} <= set(scales.all)]
    assert len(whole) > len(convolutions) / 2  # INT8 on both sides, as a DLA wants it


def rounding_at(model, scales):
    """The model with a Q/DQ pair behind each tensor that has a scale: what a table asks for."""
    grown = onnx.ModelProto()
    grown.CopyFrom(model)
    grown.graph.initializer.append(numpy_helper.from_array(np.int8(0), "table.zero"))
    nodes, renamed = [], {}

    def round_(tensor):
        scale, quantized, renamed[tensor] = (f"{tensor}.table.{part}" for part in ("scale", "q", "dq"))
        grown.graph.initializer.append(numpy_helper.from_array(np.float32(scales[tensor]), scale))
        nodes.append(helper.make_node("QuantizeLinear", [tensor, scale, "table.zero"], [quantized]))
        nodes.append(helper.make_node("DequantizeLinear", [quantized, scale, "table.zero"], [renamed[tensor]]))

    round_("images")
    for node in model.graph.node:
        nodes.append(onnx.NodeProto())
        nodes[-1].CopyFrom(node)
        nodes[-1].input[:] = [renamed.get(name, name) for name in node.input]
        for name in scales.keys() & set(node.output):
            round_(name)
    del grown.graph.node[:]
    grown.graph.node.extend(nodes)
    return grown


@pytest.mark.slow
def test_a_table_finds_bare_heads_as_the_files_own_pairs_do(tmp_path, real_data):
    """Everything that the table names is rounded, as on a DLA that fuses nothing; other CPUs get a point of room."""
    own, table = MODELS / "helmet-nano" / "helmet-nano.int8.onnx", tmp_path / "table.onnx"
    stripped, given = unquantized(onnx.load(own))
    onnx.save(rounding_at(stripped, spread(stripped, given).all), table)
    pairs, table = (found.score for found in score_models([own, table], real_data / "helmets", "val"))
    assert pairs.map50 - table.map50 <= 0.012
    assert pairs.recall["head"] - table.recall["head"] <= 0.022


# the table

names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1)
steps = st.floats(2**-20, 2**10, width=32)


@given(st.dictionaries(names, steps))
def test_a_table_gives_back_what_it_was_made_of(scales):
    assert scales_from_table(table_from_scales(scales, "10.3.0")) == scales


def test_a_table_reads_as_tensorrt_writes_it():
    assert table_from_scales({"images": 1 / 127, "a/b:0": 1.0}, "10.3.0.26") == (
        b"TRT-100300-EntropyCalibration2\nimages: 3c010204\na/b:0: 3f800000\n")
    assert version_number("10.13.0.35") == 101300 and version_number("11.4.1") == 110401


@pytest.mark.parametrize("text", [b"", b"TRT-100300-MinMaxCalibration\nx: 3c010204\n",
                                  b"TRT-100300-EntropyCalibration2\nx 3c010204\n", b"\xff\xfe"])
def test_what_is_no_table_is_refused(text):
    with pytest.raises(MineHatError, match="not a calibration table"):
        scales_from_table(text)
