"""Engines, really compiled by TensorRT-RTX on the CPU: what runs in which precision, what is refused and how."""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from minehat import MineHatError, build_command, read_card
from minehat.card import KEY, ModelCard
from minehat.doors import run_door
from minehat.engine import BuildOptions, check_engine, engine_from_onnx, read_engine_card
from minehat.engine.layers import convolutions_in, layers_from_table
from minehat.engine.library import Library
from minehat.engine.options import batch_from_text, bytes_from_text, sm_from_text
from minehat.engine.watch import Phases
from minehat.files import sha256_of
from minehat.gpu import Gpu
from minehat.onnx_metadata import read_metadata
from onnx import TensorProto, helper, numpy_helper

pytestmark = pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="TensorRT-RTX builds ahead of time on x86-64 Linux only")

SIDE = 32
CARD = ModelCard("tiny", ("helmet", "head"), SIDE, SIDE)
MODELS = Path(__file__).parents[1] / "models"
SHIPPED = sorted(path for path in MODELS.glob("*/*.onnx") if "int8-cpu" not in path.name)


class Graph:
    """A few nodes and weights on the way to an ONNX file."""

    def __init__(self):
        self.nodes, self.weights, self.random = [], [], np.random.default_rng(0)

    def weight(self, name, values):
        self.weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def node(self, op, inputs, name, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def quantized(self, x, name, zero_point):
        scales = [self.weight(f"{name}.scale", np.float32(0.05)), self.weight(f"{name}.zero", zero_point)]
        return self.node("DequantizeLinear",
                         [self.node("QuantizeLinear", [x, *scales], f"{name}.q"), *scales], f"{name}.dq")

    def conv(self, x, name, channels, out_channels, precision, zero_point):
        kernel = self.random.normal(size=(out_channels, channels, 3, 3)) * 0.2
        dtype = np.float16 if precision == "fp16" else np.float32
        bias = self.weight(f"{name}.bias", np.zeros(out_channels, dtype))
        if precision == "int8":
            x = self.quantized(x, name, zero_point)
            kernel8 = self.weight(f"{name}.int8", np.clip(np.round(kernel / 0.01), -127, 127).astype(np.int8))
            scale = self.weight(f"{name}.kernel_scale", np.full(out_channels, 0.01, np.float32))
            zero = self.weight(f"{name}.kernel_zero", np.zeros(out_channels, np.int8))
            kernel = self.node("DequantizeLinear", [kernel8, scale, zero], f"{name}.kernel", axis=0)
        else:
            kernel = self.weight(f"{name}.kernel", kernel.astype(dtype))
        return self.node("Conv", [x, kernel, bias], name, pads=[1, 1, 1, 1])


def tiny(precision="fp32", *, card=CARD, batch="batch", zero_point=None, last_op="Sigmoid",
         input_type=TensorProto.FLOAT, scores_type=TensorProto.FLOAT, middle_op="LeakyRelu", input_name="images",
         lifted=""):
    """Three convolutions, one of them `lifted` to FP32, and a decode in the shape of ours, as a ModelProto."""
    graph, x, channels = Graph(), input_name, 3
    zero_point = np.int8(0) if zero_point is None else zero_point
    if precision == "fp16":
        x = graph.node("Cast", [x], "down", to=TensorProto.FLOAT16)
    for name, out_channels in (("stem", 8), ("body", 8), ("head", 6)):
        x = graph.conv(x, name, channels, out_channels, "fp32" if name == lifted else precision, zero_point)
        x = graph.node(middle_op, [x], f"{name}.act", alpha=0.1) if name != "head" else x
        channels = out_channels
    if precision == "fp16":
        x = graph.node("Cast", [x], "up", to=TensorProto.FLOAT)
    flat = graph.node("Reshape", [x, graph.weight("shape", np.array([0, 6, -1]))], "flat")
    rows = graph.node("Transpose", [flat], "rows", perm=[0, 2, 1])
    graph.nodes.append(helper.make_node("Split", [rows, graph.weight("parts", np.array([4, 2]))],
                                        ["boxes", "logits"], name="parted", axis=2))
    scores = graph.node(last_op, ["logits"], "scores32")
    graph.node("Cast", [scores], "scores", to=scores_type)
    return model_of(graph, batch, card, input_name, input_type, scores_type)


def model_of(graph, batch, card, input_name, input_type, scores_type):
    sides = [batch, 3, SIDE, SIDE]
    made = helper.make_model(helper.make_graph(
        graph.nodes, "tiny", [helper.make_tensor_value_info(input_name, input_type, sides)],
        [helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [batch, SIDE * SIDE, 4]),
         helper.make_tensor_value_info("scores", scores_type, [batch, SIDE * SIDE, 2])],
        graph.weights), opset_imports=[helper.make_opsetid("", 19)], ir_version=10)
    if card is not None:
        helper.set_model_props(made, {KEY: card.to_json(), "minehat.calibration": '{"images_sha256": "c0ffee"}'})
    return made


def saved(folder, name="tiny.onnx", **kind):
    path = folder / name
    onnx.save(tiny(**kind), path)
    return path


def door(*argv):
    """`minehat build`, all of it in this process."""
    def main(words):
        parser = argparse.ArgumentParser("minehat build")
        build_command.add_arguments(parser)
        args = parser.parse_args(words)
        build_command.check(args)
        return build_command.build(vars(args))
    return run_door(main, [str(word) for word in argv])


@pytest.fixture(autouse=True)
def _nothing_kept(tmp_path_factory, monkeypatch):
    """No test finds what another one built."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("kept")))


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """A whole engine to look at; copy before harming."""
    return engine_from_onnx(saved(tmp_path_factory.mktemp("engine"), precision="int8"))


# What runs in which precision


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_each_convolution_runs_in_the_precision_of_the_file(tmp_path, precision):
    built = engine_from_onnx(saved(tmp_path, precision=precision))
    assert [(conv.name, conv.runs_in) for conv in built.card.convolutions] == [
        ("stem", precision), ("body", precision), ("head", precision)]
    assert sum(built.card.precisions.values()) == 3


@pytest.mark.parametrize("onnx_file", SHIPPED, ids=lambda path: path.name)
def test_the_shipped_models_build_and_keep_their_precision(tmp_path, onnx_file):
    built = engine_from_onnx(onnx_file, tmp_path)
    card = built.card
    fastest = card.model.precision.split("+")[0]
    assert check_whole(built.path) == card
    assert card.batch == (1, 1, 4)
    assert len(built.card.convolutions) == 75
    lifted = json.loads(read_metadata(onnx_file).get("minehat.placement", '{"lifted": []}'))["lifted"]
    assert Counter(conv.runs_in for conv in built.card.convolutions) == Counter(
        [fastest] * (75 - len(lifted)) + ["fp32"] * len(lifted))


def test_a_shipped_cpu_form_is_refused(tmp_path):
    for onnx_file in MODELS.glob("*/*.int8-cpu.onnx"):
        with pytest.raises(MineHatError, match=r"CPU form\. Build from .*\.int8\.onnx"):
            engine_from_onnx(onnx_file, tmp_path)


def test_turing_has_no_int8_and_holds_back_the_others(tmp_path, capsys):
    model = saved(tmp_path, precision="int8")
    assert door(model, "--require", "int8", "--sm", "86,89") == 0
    assert door(model, "--require", "int8", "--sm", "75,89") == 2
    assert "leave 75 out of --sm" in capsys.readouterr().err


def test_tensorrts_own_table_is_read_as_well():
    table = """Layers:
Name: Reformatting CopyNode for Input Tensor 0 to stem + relu, LayerType: Reformat, Inputs: [ { Name: images, \
Location: Device, Dimensions: [1,3,8,8], Format/Datatype: Row major linear FP32 }], Outputs: [ { Name: r, Location: \
Device, Dimensions: [1,3,8,8], Format/Datatype: Four wide channel vectorized row major Int8 format }], \
ParameterType: Reformat, Origin: REFORMAT, TacticValue: 0x0, StreamId: 0, Metadata:
Name: stem + relu, LayerType: CaskConvolution, Inputs: [ { Name: r, Location: Device, Dimensions: [1,3,8,8], \
Format/Datatype: Four wide channel vectorized row major Int8 format }], Outputs: [ { Name: s, Location: Device, \
Dimensions: [1,8,8,8], Format/Datatype: Channel major FP16 format where channel % 8 == 0 }], ParameterType: \
Convolution, Kernel: [3,3], StreamId: 0, Metadata: [ONNX Layer: stem]\x1e[ONNX Layer: relu]
Name: body, LayerType: CaskConvolution, Inputs: [ { Name: s, Location: Device, Dimensions: [1,8,8,8], \
Format/Datatype: Half }, { Name: skip, Location: Device, Dimensions: [1,8,8,8], Format/Datatype: Half }], \
Outputs: [ { Name: b, Location: Device, Dimensions: [1,8,8,8], Format/Datatype: Half }], ParameterType: Convolution
"""
    layers = layers_from_table(table)
    assert [layer.precision for layer in layers] == ["fp32->int8", "int8->fp16", "fp16->fp16"]
    assert [conv.runs_in for conv in convolutions_in(layers, ["stem", "body", "absent"])] == [
        "int8", "fp16", "unknown"]


# The card


def test_the_card_beside_the_engine_says_what_it_is_bound_to(engine):
    onnx_file, card = engine.path.with_name("tiny.onnx"), read_engine_card(engine.path)
    assert engine.path.name == "tiny.rtx.engine"
    assert card == engine.card
    assert card.engine_sha256 == sha256_of(engine.path)
    assert card.model == CARD.with_(parent_sha256=sha256_of(onnx_file)) == read_card(engine.path)
    assert (card.flavour, card.gpu, card.compute_capabilities) == ("rtx", None, ("8.0", "8.6", "8.9", "12.0"))
    assert (card.batch, card.onnx) == ((1, 1, 4), "tiny.onnx")
    assert card.calibration == {"images_sha256": "c0ffee"}


def test_the_rebuild_command_asks_for_the_same_engine(engine, tmp_path):
    onnx_file = saved(tmp_path, precision="fp16", card=None)
    by_hand = tmp_path / "hand.json"
    by_hand.write_text(CARD.to_json())
    first = tmp_path / "x.engine"
    assert door(onnx_file, "-o", first, "--sm", "89", "--batch", "1,2,2", "--workspace", "64MiB",
                "--require", "fp16", "--card", by_hand) == 0
    card = read_engine_card(first)
    words = card.rebuild.split()[3:]
    words[words.index("--card") + 1] = str(tmp_path / words[words.index("--card") + 1])
    assert door(onnx_file, *words) == 0
    again = read_engine_card(tmp_path / "tiny.rtx.engine")
    assert again.build_flags[:-1] == card.build_flags[:-1]
    assert (again.batch, again.compute_capabilities) == (card.batch, card.compute_capabilities) == ((1, 2, 2), ("8.9",))


def test_a_fixed_batch_stays_fixed(tmp_path):
    model = saved(tmp_path, batch=2)
    assert engine_from_onnx(model).card.batch == (2, 2, 2)
    with pytest.raises(MineHatError, match="fixed batch of 2"):
        engine_from_onnx(model, options=BuildOptions(batch=(1, 1, 4)))


def test_machines_get_json_and_people_a_table(tmp_path, capsys):
    assert door(saved(tmp_path, precision="int8"), "--json", tmp_path / "built.json") == 0
    report = json.loads((tmp_path / "built.json").read_text())
    said = capsys.readouterr()
    assert said.out == ""
    assert "int8->fp32" in said.err and "convolutions" in said.err
    assert report["card"]["engine_bytes"] == Path(report["engine"]).stat().st_size
    assert [conv["runs_in"] for conv in report["convolutions"]] == ["int8"] * 3


# What is refused: one line, exit 2, nothing left


def harmed(folder, how):
    """A folder with one broken situation; the arguments for the door."""
    path = folder / "tiny.onnx"
    simple = {
        "no card": dict(card=None),
        "CPU form": dict(precision="int8", zero_point=np.uint8(128)),
        "CPU form with zeros": dict(precision="int8", zero_point=np.uint8(0)),
        "skewed": dict(precision="int8", zero_point=np.int8(3)),
        "half output": dict(scores_type=TensorProto.FLOAT16),
        "uint8 input": dict(precision="fp16", input_type=TensorProto.UINT8),
        "foreign input": dict(input_name="data"),
        "unknown operator": dict(middle_op="Elude"),
        "other classes": dict(card=CARD.with_(classes=("helmet",))),
        "other size": dict(card=CARD.with_(height=64)),
        "--require of a mixed file": dict(precision="int8", lifted="stem"),
        "CPU card": dict(card=CARD.with_(precision="int8-cpu")),
    }
    path.write_bytes(tiny(**simple.get(how, {})).SerializeToString())
    content = path.read_bytes()
    raw = {"empty": b"", "text": b"this is a text\n" * 9, "noise": np.random.default_rng(0).bytes(5000),
           "half a file": content[:len(content) // 2], "all but 1 %": content[:-len(content) // 100]}
    path.write_bytes(raw.get(how, content))
    card = folder / "card.json"
    card.write_text(CARD.to_json())
    (folder / "link.json").symlink_to(path)
    flags = {"absent": [folder / "other.onnx"], "not ONNX": [__file__], "engine's name": [path, "-o", "x.onnx"],
             "folder": [path, "-o", path / "x.engine"], "--sm": [path, "--sm", "77"],
             "--sm words": [path, "--sm", "ada"], "--batch": [path, "--batch", "4,2,1"],
             "--batch words": [path, "--batch", "one"], "--workspace": [path, "--workspace", "much"],
             "--target": [path, "--target", "dla"], "--require": [path, "--require", "int8"],
             "--require of a mixed file": [path, "--require", "int8"],
             "--require words": [path, "--require", "int4"], "--card": [path, "--card", folder / "absent.json"],
             "--json is the model": [path, "--json", path],
             "--json is a link to it": [path, "--json", folder / "link.json"],
             "--json is an engine's card": [path, "--json", folder / "tiny.engine.json"],
             "--json in a file": [path, "--json", path / "x.json"],
             "--json is the card": [path, "--card", card, "--json", card],
             "tiny workspace": [path, "--workspace", "0"]}
    return flags.get(how, [path])


@pytest.mark.parametrize(("how", "words"), [
    ("no card", "--card"),
    ("CPU form", "this is the CPU form"),
    ("CPU form with zeros", "this is the CPU form"),
    ("CPU card", "this is the CPU form"),
    ("skewed", "node 'stem.q' (QuantizeLinear): Non-zero zero point"),
    ("half output", "'scores' is half, wanted float32"),
    ("uint8 input", "'images' is uint8, wanted float32"),
    ("foreign input", "one input named 'images', found 'data'"),
    ("unknown operator", "no operator Elude, used by node 'stem.act'"),
    ("other classes", "[N, N, 1]"),
    ("other size", "its card says [N, 3, 64, 32]"),
    ("empty", "not an ONNX file"),
    ("text", "not an ONNX file"),
    ("noise", "not an ONNX file"),
    ("half a file", "cut short"),
    ("all but 1 %", "cut short"),
    ("absent", "no such model file"),
    ("not ONNX", "is not an .onnx file"),
    ("engine's name", "must end in .engine"),
    ("folder", "is a file, not a folder"),
    ("--sm", "does not build for 77"),
    ("--sm words", "--sm wants"),
    ("--batch", "must grow"),
    ("--batch words", "--batch wants"),
    ("--workspace", "--workspace wants"),
    ("tiny workspace", "more than nothing"),
    ("--json is the model", "must end in .json"),
    ("--json is a link to it", "is the model. Name another file"),
    ("--json is an engine's card", "must end in .json"),
    ("--json in a file", "tiny.onnx is a file, not a folder"),
    ("--json is the card", "is the card. Name another file"),
    ("--target", "--target must be one of"),
    ("--require", "3 of 3 convolutions"),
    ("--require of a mixed file", "otherwise: stem (fp32). Give"),
    ("--require words", "--require must be one of"),
    ("--card", "no such model file"),
])
def test_what_can_be_mended_is_one_line_and_leaves_nothing(tmp_path, capsys, how, words):
    argv = harmed(tmp_path, how)
    before = sorted(tmp_path.iterdir())
    assert door(*argv) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if ": building with" not in line]
    assert len(said) == 1
    assert words in said[0]
    assert sorted(tmp_path.iterdir()) == before


def test_an_operator_that_parses_but_cannot_be_built_is_named(tmp_path):
    graph = Graph()
    x = graph.conv("images", "stem", 3, 6, "fp32", None)
    flat = graph.node("Reshape", [x, graph.weight("shape", np.array([1, 6, -1]))], "flat")
    graph.nodes.append(helper.make_node("Split", [flat, graph.weight("parts", np.array([4, 2]))],
                                        ["corners", "likely"], name="parted", axis=1))
    rows = graph.node("Transpose", ["corners"], "rows", perm=[0, 2, 1])
    most = graph.weight("most", np.array([9]))
    graph.node("NonMaxSuppression", [rows, "likely", most], "chosen")
    graph.node("Cast", ["chosen"], "chosen32", to=TensorProto.FLOAT)
    graph.node("ReduceSum", ["chosen32"], "total", keepdims=0)
    graph.node("Add", [rows, "total"], "boxes")
    graph.node("Transpose", ["likely"], "scores", perm=[0, 2, 1])
    made = model_of(graph, 1, CARD, "images", TensorProto.FLOAT, TensorProto.FLOAT)
    onnx.save(made, tmp_path / "nms.onnx")
    with pytest.raises(MineHatError, match=r"cannot build .*chosen"):
        engine_from_onnx(tmp_path / "nms.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["nms.onnx"]


def test_a_failed_build_leaves_the_engine_that_was_there(tmp_path):
    built = engine_from_onnx(saved(tmp_path, precision="fp16"))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(MineHatError, match="--require int8"):
        engine_from_onnx(tmp_path / "tiny.onnx", built.path, BuildOptions(require="int8"))
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_full_disk_leaves_nothing(tmp_path):
    """The engine is about 300 kB; files of this process may grow to 100 kB."""
    model = saved(tmp_path)
    code = ("import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000));"
            "from minehat.engine import BuildOptions, engine_from_onnx;"
            "engine_from_onnx(sys.argv[1], options=BuildOptions(keep=False))")
    run = subprocess.run([sys.executable, "-c", code, str(model)], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1].startswith("minehat.errors.MineHatError")
    assert "cannot be written" in run.stderr
    assert list(tmp_path.iterdir()) == [model]


@pytest.mark.parametrize(("number", "end"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_cancels_the_build_and_leaves_nothing(tmp_path, monkeypatch, number, end):
    """Pressed while the builder is inside one of our callbacks."""
    model, start = saved(tmp_path), Phases.start

    def pressed(self, name, parent, steps):
        start(self, name, parent, steps)
        if parent is not None:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(Phases, "start", pressed)
    try:
        code = door(model)
    except SystemExit as exc:
        code = exc.code
    assert code == end
    assert list(tmp_path.iterdir()) == [model]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


# Preflight


def here(engine, capability="8.9", version=None):
    return Library("rtx", version or engine.card.tensorrt_version, Gpu("NVIDIA L4", capability, "13.0"), None)


def check_whole(path):
    """The card, when the engine is whole; the machine is taken to fit."""
    card = read_engine_card(path)
    gpu = Gpu("NVIDIA L4", card.compute_capabilities[-1], "13.0")
    return check_engine(path, Library("rtx", card.tensorrt_version, gpu, None))


@pytest.fixture
def copied(engine, tmp_path):
    path = tmp_path / engine.path.name
    path.write_bytes(engine.path.read_bytes())
    (tmp_path / f"{path.name}.json").write_text(engine.card.to_json())
    return path


def test_an_engine_that_fits_passes(engine):
    assert check_engine(engine.path, here(engine)) == engine.card


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_cut_engine_is_refused(copied, share):
    content = copied.read_bytes()
    copied.write_bytes(content[:int(len(content) * share)])
    with pytest.raises(MineHatError, match=r"cut short.*minehat build tiny.onnx --target rtx --batch 1,1,4"):
        check_whole(copied)


def test_an_engine_with_one_bit_changed_is_refused(copied):
    content = bytearray(copied.read_bytes())
    content[len(content) // 2] ^= 1
    copied.write_bytes(content)
    with pytest.raises(MineHatError, match="SHA-256 differs"):
        check_whole(copied)


def test_an_engine_of_another_version_or_gpu_is_refused(engine):
    with pytest.raises(MineHatError, match=r"TensorRT-RTX 1\.7\.1.*here is TensorRT-RTX 1\.2.*minehat build"):
        check_engine(engine.path, here(engine, version="1.2"))
    with pytest.raises(MineHatError, match=r"this is NVIDIA L4 of 9\.0.*--sm 90"):
        check_engine(engine.path, here(engine, capability="9.0"))
    with pytest.raises(MineHatError, match="no driver answers"):
        check_engine(engine.path, replace(here(engine), gpu=None))


def test_a_card_that_is_missing_or_not_an_engines_is_refused(copied):
    beside = copied.with_name(copied.name + ".json")
    beside.write_text(CARD.to_json())
    with pytest.raises(MineHatError, match="lacks engine_sha256"):
        check_engine(copied)
    beside.write_text("{")
    with pytest.raises(MineHatError, match="not JSON"):
        check_engine(copied)
    beside.unlink()
    with pytest.raises(MineHatError, match="is missing"):
        check_engine(copied)


# Small parts


def test_sizes_batches_and_gpus_are_read_as_people_write_them():
    assert bytes_from_text("1GiB") == 1 << 30
    assert bytes_from_text("1.5 mb") == 1_500_000
    assert bytes_from_text("77") == 77
    assert batch_from_text("1,2,4") == (1, 2, 4)
    assert batch_from_text("3") == (3, 3, 3)
    assert sm_from_text("86,sm_89,86") == (86, 89)


def test_progress_grows_from_nothing_to_all_through_nested_phases():
    phases, seen = Phases("x"), []
    phases.start("build", None, 2)
    for step in range(2):
        phases.start("part", "build", 4)
        for inner in range(4):
            assert phases.step("part", inner)
            seen.append(phases.share)
        phases.finish("part")
        phases.step("build", step)
        seen.append(phases.share)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    phases.cancelled = True
    assert not phases.step("build", 1)
