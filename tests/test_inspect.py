"""`minehat inspect`: what it tells of an ONNX file, an engine and a card is what other tools and real builds say."""

from __future__ import annotations

import json
import math
import platform
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import onnx
import pytest
from conftest import ROOT
from engines import CARD, SIDE, Graph, model_of, saved, tiny
from foreign_onnx import MAKERS, Kind, make
from inspector_samples import TACTIC, information, table
from minecalib.cost import multiplications
from minecalib.graph import Wiring, key_of
from minehat import MineHatError, read_card
from minehat.card import KEY
from minehat.cli import main
from minehat.engine import BuildOptions, engine_from_onnx
from minehat.engine.layer_facts import casts, ends, fused, memory, reformats
from minehat.engine.layers import Layer, convolutions_in, layers_from_table
from minehat.engine.tensors import Tensor, tensor_from_text
from minehat.gpu import first_gpu
from minehat.inspection import engine_facts, onnx_facts
from minehat.inspection.inspector import read_information
from minehat.inspection.sizes import map_sizes
from minehat.inspection.texts import bars
from minehat.onnx_reader import Constant, read_onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

MODELS = ROOT / "models" / "helmet-nano"
SHIPPED = sorted(MODELS.glob("*.onnx"))
builds = pytest.mark.skipif((platform.system(), platform.machine()) != ("Linux", "x86_64"),
                            reason="TensorRT-RTX builds ahead of time on x86-64 Linux only")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A real engine with one convolution lifted, for batches of 1 to 4, best at 2; copy before harming."""
    folder = tmp_path_factory.mktemp("built")
    return engine_from_onnx(saved(folder, precision="int8", lifted="body"), options=BuildOptions(batch=(1, 2, 4)))


def inspected(*argv, capsys=None):
    """Exit code, JSON and what people read."""
    code = main(["inspect", *map(str, argv), "--json", "-"])
    said = capsys.readouterr()
    return code, json.loads(said.out) if said.out else None, said.err


# ONNX files


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_nodes_and_weights_are_those_that_the_onnx_package_counts(path):
    facts, graph = onnx_facts(path), onnx.load(path).graph
    assert facts.operators == Counter(node.op_type for node in graph.node)
    arrays = [numpy_helper.to_array(tensor) for tensor in graph.initializer]
    assert sum(size for _, size in facts.constants.values()) == sum(array.nbytes for array in arrays)
    assert sum(count for count, _ in facts.constants.values()) == sum(array.size for array in arrays)
    grids = {name for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")
             for name in node.input[1:]}
    assert facts.parameters == sum(array.size for tensor, array in zip(graph.initializer, arrays, strict=True)
                                   if tensor.name not in grids and array.dtype != np.int64)
    assert (facts.card, facts.no_card) == (read_card(path), "")


@builds
@pytest.mark.parametrize("path", [path for path in SHIPPED if "cpu" not in path.name], ids=lambda path: path.name)
def test_convolutions_of_a_shipped_file_run_in_the_engine_as_the_file_says(path, tmp_path):
    card = engine_from_onnx(path, tmp_path).card
    assert ({conv.name: conv.runs_in for conv in onnx_facts(path).convolutions}
            == {conv.name: conv.runs_in for conv in card.convolutions})


@builds
@pytest.mark.parametrize("kind", [{"precision": "fp32"}, {"precision": "fp16"}, {"precision": "int8"},
                                  {"precision": "int8", "lifted": "stem"}], ids=str)
def test_convolutions_of_a_small_file_run_in_the_engine_as_the_file_says(kind, tmp_path):
    path = saved(tmp_path, **kind)
    assert ([(conv.name, conv.runs_in) for conv in onnx_facts(path).convolutions]
            == [(conv.name, conv.runs_in) for conv in engine_from_onnx(path).card.convolutions])


def test_the_cpu_form_convolves_in_uint8_and_lifted_layers_are_named():
    facts = onnx_facts(MODELS / "helmet-nano.int8-cpu.onnx")
    assert {conv.runs_in for conv in facts.convolutions} == {"uint8"}
    facts = onnx_facts(MODELS / "helmet-nano.int8.onnx")
    assert facts.lifted
    assert {conv.reads for conv in facts.convolutions if conv.runs_in != "int8"} == set(facts.lifted)


def test_a_quantized_input_alone_or_quantized_weights_alone_make_no_integer_convolution(tmp_path):
    whole = tiny(precision="int8")
    for row in (0, 1):
        model = onnx.ModelProto.FromString(whole.SerializeToString())
        stem = next(node for node in model.graph.node if node.name == "stem")
        maker = next(node for node in model.graph.node if node.output[0] == stem.input[row])
        if row == 1:
            shape = [8, 3, 3, 3]
            model.graph.initializer.append(numpy_helper.from_array(np.zeros(shape, np.float32), "plain"))
            stem.input[1] = "plain"
        else:
            quantize = next(node for node in model.graph.node if node.output[0] == maker.input[0])
            stem.input[0] = quantize.input[0]
        onnx.save(model, tmp_path / "half.onnx")
        assert [conv.runs_in for conv in onnx_facts(tmp_path / "half.onnx").convolutions] == ["fp32", "int8", "int8"]


def test_weights_that_an_old_file_lists_among_its_inputs_are_none(tmp_path):
    model = tiny()
    model.graph.input.extend(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
                             for tensor in model.graph.initializer)
    onnx.save(model, tmp_path / "old.onnx")
    assert [value.name for value in read_onnx(tmp_path / "old.onnx").inputs] == ["images"]


def test_values_smaller_than_a_byte_are_packed():
    assert [Constant("w", dtype, (3,), (), "").bytes for dtype in ("int4", "uint4", "int8", "fp16")] == [2, 2, 3, 6]


def test_operators_that_convolve_integers_are_counted_too(tmp_path):
    weights = {"kernel": np.ones((4, 3, 3, 3), np.int8), "scale": np.float32(1), "zero": np.int8(0),
               "low": np.uint8(0)}
    grid = ["scale", "low"]
    nodes = [helper.make_node("QLinearConv", ["images", *grid, "kernel", "scale", "zero", *grid], ["a"], pads=[1] * 4),
             helper.make_node("ConvInteger", ["images", "kernel"], ["b"])]
    graph = helper.make_graph(
        nodes, "integers", [helper.make_tensor_value_info("images", TensorProto.UINT8, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("a", TensorProto.UINT8, None),
         helper.make_tensor_value_info("b", TensorProto.INT32, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()])
    onnx.save(helper.make_model(graph), tmp_path / "integers.onnx")
    assert [(conv.runs_in, conv.weights, conv.macs) for conv in onnx_facts(tmp_path / "integers.onnx").convolutions] \
        == [("uint8", (4, 3, 3, 3), 64 * 108), ("uint8", (4, 3, 3, 3), 36 * 108)]


@pytest.mark.parametrize(("axis", "macs"), [(1, 4 * 6 * SIDE**2), (2, None)])
def test_maps_joined_otherwise_than_along_channels_are_not_counted(tmp_path, axis, macs):
    graph = Graph()
    joined = graph.node("Concat", ["images", "images"], "joined", axis=axis)
    graph.node("Conv", [joined, graph.weight("kernel", np.ones((4, 6 // axis, 1, 1), np.float32))], "boxes")
    model = model_of(graph, 1, None, "images", TensorProto.FLOAT, TensorProto.FLOAT)
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("boxes", TensorProto.FLOAT, None))
    onnx.save(model, tmp_path / "joined.onnx")
    (conv,) = onnx_facts(tmp_path / "joined.onnx").convolutions
    assert conv.macs == macs


def test_multiply_adds_are_those_of_shape_inference_with_and_without_noted_shapes():
    wanted = multiplications(Wiring(onnx.load(MODELS / "helmet-nano.onnx")))
    for form in ("", ".int8", ".fp16"):
        facts = onnx_facts(MODELS / f"helmet-nano{form}.onnx")
        wiring = Wiring(onnx.load(facts.path))
        keys = {node.name: key_of(node) for node in wiring.convolutions}
        assert {keys[conv.name]: conv.macs for conv in facts.convolutions} == wanted


@pytest.mark.parametrize("layout", MAKERS)
def test_multiply_adds_of_other_peoples_models_are_right_or_said_not_to_be_counted(layout, tmp_path, capsys):
    model = make(Kind(layout))
    onnx.save(model, tmp_path / "other.onnx")
    inferred = shape_inference.infer_shapes(model, data_prop=True).graph
    sides = {value.name: [side.dim_value for side in value.type.tensor_type.shape.dim]
             for value in (*inferred.value_info, *inferred.output)}
    weights = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    wanted = {node.output[0]: math.prod(sides[node.output[0]][2:]) * math.prod(weights[node.input[1]])
              for node in model.graph.node if node.op_type == "Conv"}
    _, found, said = inspected(tmp_path / "other.onnx", capsys=capsys)
    counted = {conv["output"]: conv["macs"] for conv in found["convolutions"] if conv["macs"] is not None}
    assert counted.items() <= wanted.items()
    lacking = len(wanted) - len(counted)
    assert lacking <= 1  # the one in YOLOv8's head that reads reshaped distances
    assert (f"{lacking} of {len(wanted)} convolutions not counted" in said) == bool(lacking)


def winding():
    """A graph that goes through every operator whose size is followed."""
    graph = Graph()
    weights = graph.weight("w", np.zeros((4, 4, 3, 3), np.float32))

    def ints(name, *numbers):
        return graph.weight(name, np.array(numbers, np.int64))

    x = graph.node("Conv", ["images", graph.weight("first", np.zeros((4, 3, 3, 3), np.float32))], "a",
                   strides=[2, 1], pads=[1, 0, 2, 1], dilations=[1, 2])
    x = graph.node("Conv", [x, weights], "b", auto_pad="SAME_UPPER", strides=[2, 2])
    x = graph.node("MaxPool", [x], "c", kernel_shape=[2, 3], strides=[2, 2], ceil_mode=1)
    x = graph.node("Resize", [x, "", graph.weight("scales", np.array([1, 1, 4, 2.5], np.float32))], "d", mode="nearest")
    x = graph.node("Pad", [x, ints("pads", 0, 0, 1, 2, 0, 0, 3, 0)], "e")
    rows = graph.node("Slice", [x, ints("s0", 1), ints("e0", 2**31), ints("a0", 2), ints("t0", 2)], "f")
    x = graph.node("Slice", [rows, ints("s1", 0), ints("e1", -1), ints("a1", -1), ints("t1", 1)], "g")
    whole = graph.node("GlobalAveragePool", [x], "h")
    mean = graph.node("ReduceMean", [x, ints("axes", 2, 3)], "i", keepdims=1)
    flat = graph.node("ReduceMax", [x, ints("channels", 1)], "j", keepdims=1)
    x = graph.node("Mul", [graph.node("Add", [whole, mean], "k"), graph.node("Sigmoid", [flat], "l")], "m")
    x = graph.node("Concat", [x, x], "n", axis=1)
    graph.nodes.append(helper.make_node("Split", [x], ["o", "p"], "o", axis=1, num_outputs=2))
    x = graph.node("Resize", ["o", "", "", ints("sizes", 1, 4, 17, 9)], "q", mode="nearest")
    graph.node("AveragePool", [x], "r", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    return helper.make_model(helper.make_graph(
        graph.nodes, "winding", [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 61, 47])],
        [helper.make_tensor_value_info("r", TensorProto.FLOAT, None)], graph.weights),
        opset_imports=[helper.make_opsetid("", 19)], ir_version=10)


def test_map_sizes_are_those_of_shape_inference(tmp_path):
    model = winding()
    onnx.save(model, tmp_path / "winding.onnx")
    inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    wanted = {value.name: tuple(side.dim_value for side in value.type.tensor_type.shape.dim)[2:]
              for value in (*inferred.value_info, *inferred.output)}
    found = map_sizes(read_onnx(tmp_path / "winding.onnx"), (61, 47))
    assert len(wanted) == 18
    assert {name: found.get(name) for name in wanted} == wanted


def test_constants_are_read_however_they_are_kept(tmp_path):
    """As raw bytes, as numbers, packed or one by one, or as the value of a Constant node."""
    tensors = [numpy_helper.from_array(np.array([1, -2], np.int64), "raw"),
               helper.make_tensor("listed", TensorProto.INT64, [2], [1, -2]),
               helper.make_tensor("floats", TensorProto.FLOAT, [2], [1.0, -2.0])]
    nodes = [helper.make_node("Constant", [], ["made"], value=tensors[0]),
             helper.make_node("Identity", ["made"], ["y"])]
    model = helper.make_model(helper.make_graph(
        nodes, "constants", [], [helper.make_tensor_value_info("y", TensorProto.INT64, [2])], tensors))
    packed = b"\x0a\x01\x02\x10\x07\x42\x06packed\x4a\x10" + np.array([1, -2], "<i8").tobytes()  # dims in one field
    onnx.save(model, tmp_path / "constants.onnx")
    graph = model.graph.SerializeToString() + b"\x2a" + bytes([len(packed)]) + packed
    model.ClearField("graph")
    (tmp_path / "constants.onnx").write_bytes(
        model.SerializeToString() + b"\x3a" + len_of(graph) + graph)
    constants = read_onnx(tmp_path / "constants.onnx").constants
    assert {name: constant.values for name, constant in constants.items()} == dict.fromkeys(
        ("raw", "listed", "floats", "made", "packed"), (1, -2))
    assert {constant.shape for constant in constants.values()} == {(2,)}


def len_of(content):
    """A protobuf length."""
    number, out = len(content), b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def test_a_foreign_file_is_told_and_names_the_way_to_a_card(tmp_path, capsys):
    code, found, said = inspected(saved(tmp_path, card=None), capsys=capsys)
    assert code == 0 and found["card"] is None
    assert f"minehat adapt {tmp_path / 'tiny.onnx'}" in said
    assert found["size"] == f"{SIDE}x{SIDE}" and found["macs"]["fp32"] > 0


def test_an_open_size_is_counted_with_a_card_and_said_without(tmp_path, capsys):
    model = tiny()
    for side in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[side].dim_param = "open"
    onnx.save(model, tmp_path / "open.onnx")
    assert inspected(tmp_path / "open.onnx", capsys=capsys)[1]["size"] == f"{SIDE}x{SIDE}"
    model.ClearField("metadata_props")
    onnx.save(model, tmp_path / "open.onnx")
    _, found, said = inspected(tmp_path / "open.onnx", capsys=capsys)
    assert found["size"] is None and "not counted" in said
    assert {conv["macs"] for conv in found["convolutions"]} == {None}


def test_a_damaged_card_and_weights_elsewhere_are_told(tmp_path, capsys):
    model = tiny()
    next(prop for prop in model.metadata_props if prop.key == KEY).value = '{"name": "x"}'
    onnx.save(model, tmp_path / "apart.onnx", save_as_external_data=True, location="apart.bin", size_threshold=0)
    _, found, said = inspected(tmp_path / "apart.onnx", capsys=capsys)
    assert found["card"] is None and "lacks classes" in said
    assert found["outside"] == ["apart.bin"] and "apart.bin" in said


def test_no_onnx_package_is_needed(tmp_path):
    path = saved(tmp_path, precision="int8")
    program = ("import sys; sys.modules |= dict.fromkeys(['onnx', 'onnxruntime', 'torch', 'cv2']); "
               "from minehat.cli import main; sys.exit(main(['inspect', sys.argv[1], '--layers']))")
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "stem" in done.stderr and done.stdout == ""


def test_a_file_with_flipped_bits_is_told_or_refused_and_nothing_else(tmp_path):
    whole, random = tiny(precision="int8").SerializeToString(), np.random.default_rng(0)
    path, refused = tmp_path / "flipped.onnx", 0
    for _ in range(300):
        content = bytearray(whole)
        for place in random.integers(0, len(content), random.integers(1, 8)):
            content[place] ^= 1 << random.integers(0, 8)
        path.write_bytes(content)
        try:
            onnx_facts(path)
        except MineHatError:
            refused += 1
    assert 0 < refused < 300


# Engines


@builds
def test_an_engine_is_told_from_its_card(built, capsys):
    code, found, said = inspected(built.path, capsys=capsys)
    assert code == 0 and found["kind"] == "engine" and found["fault"] == ""
    assert found["card"] == json.loads(built.card.to_json())
    assert [tensor["name"] for tensor in found["inputs"]] == ["images"]
    assert {tensor["name"] for tensor in found["outputs"]} == {"boxes", "scores"}
    assert found["precisions"] == built.card.precisions
    for words in (built.card.rebuild, built.card.library_title, "best at 2", "helmet, head", "8f8  in order"):
        assert words in said, words


@builds
def test_an_engine_whose_layers_the_log_did_not_show_is_told_all_the_same(built, tmp_path, capsys):
    beside = tmp_path / "x.engine.json"
    beside.write_text(replace(built.card, layers=(), convolutions=()).to_json())
    code, found, said = inspected(beside, capsys=capsys)
    assert code == 0 and found["memory"]["weights"] == {} and "not shown by the builder's log" in said


@builds
def test_the_card_tells_of_the_engine_beside_it_or_of_its_absence(built, tmp_path, capsys):
    beside = tmp_path / f"{built.path.name}.json"
    beside.write_text(built.card.to_json())
    assert "is not beside its card" in inspected(beside, capsys=capsys)[1]["fault"]
    content = built.path.read_bytes()
    engine = tmp_path / built.path.name
    for harmed, words in ((content[:-9], "cut short"), (content[:-1] + bytes([content[-1] ^ 1]), "SHA-256 differs"),
                          (content, "")):
        engine.write_bytes(harmed)
        for path in (beside, engine):
            _, found, said = inspected(path, capsys=capsys)
            assert found["file"] == str(engine)
            assert words in found["fault"] and bool(words) == bool(found["fault"])
            assert (found["fault"] or "whole") in said


@builds
def test_memory_is_weights_and_what_goes_in_and_out(built):
    facts = engine_facts(built.path)
    values = 3 * SIDE**2 + SIDE**2 * (4 + 2)
    assert facts.memory.inputs_outputs == 2 * 4 * values  # two pictures, four bytes
    assert memory(facts.layers, 4).activations == 2 * facts.memory.activations
    assert facts.memory.weights["int8"] >= 8 * 3 * 9 + 6 * 8 * 9  # stem and head
    assert facts.memory.weights["fp32"] >= 4 * 8 * 8 * 9  # body, lifted


@builds
def test_casts_and_fusions_of_a_real_engine(built):
    layers = built.card.layers
    assert casts(layers)
    assert all(not layer.convolves and "->" in layer.precision for layer in casts(layers))
    assert {node for layer in fused(layers) for node in layer.nodes} >= {"stem", "head"}
    assert ([len(layer.nodes) for layer in fused(layers)]
            == sorted((len(layer.nodes) for layer in layers if len(layer.origins) > 1), reverse=True))


def test_a_change_of_numbers_type_is_a_cast_and_one_to_indices_is_none():
    def layer(*sides, kind="kgen"):
        reads, writes = (tuple(f"{dtype} linear Nx4 {dtype}" for dtype in side.split()) for side in sides)
        return Layer("x", kind, reads, writes, ())

    found = [layer("fp32", "fp16"), layer("int8 fp32", "fp32")]
    others = [layer("fp32", "int64"), layer("bool", "fp16"), layer("fp16 int32", "fp16"),
              layer("int8", "fp16", kind="CaskConvolution")]
    assert casts([*found, *others]) == found


def test_memory_of_a_chain_is_its_widest_pair_and_a_skip_lives_on():
    def layer(name, reads, writes):
        return Layer(name, "kgen", reads, writes, ())

    t1, t2, t3 = ("int8 hwc Nx10 #1", "fp32 hwc Nx20 #2", "int8 hwc Nx5 #3")
    chain = [layer("a", ("fp32 linear Nx2 in",), (t1,)), layer("b", (t1,), (t2,)), layer("c", (t2,), (t3,)),
             layer("d", (t3,), ("fp32 linear Nx1 out",))]
    assert memory(chain, 1).activations == 10 + 80
    assert memory(chain, 3).inputs_outputs == 3 * (8 + 4)
    skip = [*chain[:3], replace(chain[3], inputs=(t3, t1))]
    assert memory(skip, 1).activations == 10 + 80 + 5
    assert [tensor.name for side in ends(skip) for tensor in side] == ["in", "out"]
    assert memory([], 1).largest is None


def test_layers_that_only_move_are_reformats_and_others_are_not():
    def layer(name, kind="kgen"):
        return Layer(name, kind, ("fp16 linear Nx4 a",), ("fp16 hwc8 Nx4 b",), ())

    moving = [layer("__myl_Move_myl0_1"), layer("__myl_CastTran_myl0_2"), layer("any", "Reformat")]
    assert reformats([*moving, layer("__myl_MulMove_myl0_3"), layer("Move", "kgen")]) == moving


def test_tensors_come_back_from_their_text():
    for tensor in (Tensor("int8", "chw32", (-1, 3, 8), "#1"), Tensor("fp32", "-", (), "a name with spaces")):
        assert tensor_from_text(tensor.text) == tensor
    with pytest.raises(ValueError):
        Layer("x", "kgen", ("int8 hwc 3xQ #1",), (), ())


# TensorRT's own inspector


def test_tables_and_json_of_10_and_11_tell_the_same():
    tables = [layers_from_table(table(version)) for version in (10, 11)]
    informed = [read_information(information(version)) for version in (10, 11)]
    assert tables[0] == tables[1] == informed[0][0] == informed[1][0]
    assert informed[0][1] == informed[1][1] == ["images", "s"]
    reformat, stem = tables[0]
    assert (reformat.precision, stem.precision) == ("fp32->int8", "int8->fp16")
    assert [tensor.layout for tensor in (*reformat.reads, *stem.reads, *stem.writes)] == ["linear", "chw4", "hwc8"]
    assert reformats(tables[0]) == casts(tables[0]) == [reformat]
    assert (stem.weights, stem.tactic) == ({"int8": 216, "fp32": 32}, TACTIC)
    assert fused(tables[0]) == [stem] and stem.nodes == ("stem", "relu")
    assert [conv.runs_in for conv in convolutions_in(tables[0], ["stem"])] == ["int8"]


def test_an_engine_without_details_has_names_alone():
    layers, tensors = read_information(json.dumps({"Layers": ["stem + relu", "head"], "Bindings": ["images"]}))
    assert [layer.name for layer in layers] == ["stem + relu", "head"] and tensors == ["images"]
    assert memory(layers, 1).weights == {}


def test_weights_that_two_layers_share_count_once():
    shared = {"Name": "w", "Datatype": "Half", "Dimensions": [8, 3]}
    told = {"Layers": [{"Name": name, "LayerType": "kgen", "Outputs": [{**shared, "Name": name}],
                        "Constants": [shared]} for name in "ab"]}
    assert [layer.weights for layer in read_information(json.dumps(told))[0]] == [{"fp16": 48}, {}]


@builds
def test_outputs_come_in_the_order_of_the_card(built):
    facts, card = engine_facts(built.path), built.card
    for outputs in (("boxes", "scores"), ("scores", "boxes")):
        ordered = replace(facts, card=replace(card, model=card.model.with_(outputs=outputs)))
        assert tuple(tensor.name for tensor in ordered.ends[1]) == outputs


def test_a_bar_is_as_long_as_its_share():
    assert [line.count("#") for line in bars({"int8": 3, "fp32": 1})] == [18, 6]


@pytest.mark.parametrize("text", ["", "[]", "{\"Layers\": [3]}", "{\"Layers\": [{}]}"])
def test_an_unknown_form_of_the_inspectors_json_is_refused(text):
    with pytest.raises(MineHatError, match="form that is not known here"):
        read_information(text)


@builds
def test_tensorrt_is_asked_only_where_the_engine_fits(built, capsys):
    """Where it is not, the reason is told."""
    _, found, said = inspected(built.path, capsys=capsys)
    assert (found["seen"] is None) == bool(found["unseen"])
    assert found["unseen"] in said


@pytest.mark.gpu
@pytest.mark.skipif(first_gpu() is None, reason="no NVIDIA GPU here, so no engine can be loaded")
def test_tensorrt_tells_of_the_loaded_engine_what_the_builder_told(tmp_path):
    made = engine_from_onnx(saved(tmp_path, precision="fp16"))
    facts = engine_facts(made.path)
    if facts.seen is None:
        pytest.skip(facts.unseen)
    assert {"images", "boxes", "scores"} == set(facts.seen.tensors)
    assert facts.seen.device_memory >= 0
    assert ([conv.runs_in for conv in convolutions_in(facts.seen.layers, ["stem", "body", "head"])]
            == [conv.runs_in for conv in made.card.convolutions])


# Cards, and what is refused


def test_a_card_alone_is_told(tmp_path, capsys):
    (tmp_path / "card.json").write_text(CARD.with_(accuracy={"mine": {"map50": 0.5}}).to_json())
    code, found, said = inspected(tmp_path / "card.json", capsys=capsys)
    assert code == 0 and found["kind"] == "card" and found["card"]["classes"] == ["helmet", "head"]
    assert "mine: map50 0.500" in said


@builds
def test_layers_lists_all_of_them(built, capsys):
    assert main(["inspect", str(built.path), "--layers"]) == 0
    said = capsys.readouterr().err
    assert all(layer.name[:60] in said for layer in built.card.layers)
    assert main(["inspect", str(built.path.with_name("tiny.onnx")), "--layers"]) == 0
    said = capsys.readouterr().err
    assert all(name in said for name in ("stem", "body", "head"))


@pytest.mark.parametrize(("content", "name", "flags", "words"), [
    (b"", "x.onnx", [], "not an ONNX file"),
    (b"this is a text\n" * 9, "x.onnx", [], "not an ONNX file"),
    ("half", "x.onnx", [], "cut short"),
    (None, "x.onnx", [], "no such file"),
    (b"x", "x.pt", [], "takes an .onnx file, an .engine or a card"),
    (b"x", "x.engine", [], "card x.engine.json is missing"),
    (b"{", "x.json", [], "not JSON"),
    (b"{}", "x.json", [], "lacks name"),
    (b'{"engine_sha256": 1}', "x.engine.json", [], "lacks name"),
    ("whole", "x.onnx", ["--json", "x.onnx"], "must end in .json"),
    ("whole", "x.onnx", ["--json", "x.engine.json"], "is an engine's card"),
    ("card", "x.json", ["--json", "x.json"], "is the file"),
    ("whole", "x.onnx", ["--json", "x.onnx/a.json"], "is a file, not a folder"),
])
def test_what_can_be_mended_is_one_line_and_changes_nothing(tmp_path, monkeypatch, capsys, content, name, flags, words):
    monkeypatch.chdir(tmp_path)
    whole = tiny().SerializeToString()
    made = {"half": whole[:len(whole) // 2], "whole": whole, "card": CARD.to_json().encode()}
    if content is not None:
        (tmp_path / name).write_bytes(made.get(content, content) if isinstance(content, str) else content)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert main(["inspect", name, *flags]) == 2
    said = capsys.readouterr()
    assert words in said.err and len(said.err.splitlines()) == 1 and not said.out
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_json_goes_to_a_file_or_to_stdout(tmp_path, capsys):
    path = saved(tmp_path)
    assert main(["inspect", str(path), "--json", str(tmp_path / "facts.json")]) == 0
    assert capsys.readouterr().out == ""
    assert inspected(path, capsys=capsys)[1] == json.loads((tmp_path / "facts.json").read_text())


def test_parts_of_a_graph_that_is_not_ours_are_counted(tmp_path):
    """A graph with no convolution, several inputs and an operator of another domain."""
    graph = Graph()
    graph.nodes.append(helper.make_node("Elude", ["images", ""], ["boxes"], domain="elsewhere"))
    model = model_of(graph, 1, None, "images", TensorProto.FLOAT, TensorProto.FLOAT)
    model.opset_import.append(helper.make_opsetid("elsewhere", 3))
    onnx.save(model, tmp_path / "other.onnx")
    facts = onnx_facts(tmp_path / "other.onnx")
    assert facts.convolutions == () and facts.operators == {"Elude": 1}
    assert facts.file.opsets == {"": 19, "elsewhere": 3}
