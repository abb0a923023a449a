"""What `minehat build` refuses: each broken situation is one line and exit 2, and leaves nothing behind."""

import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from engines import CARD, Graph, door, model_of, saved, tiny
from minehat import MineHatError
from minehat.engine import BuildOptions, engine_from_onnx
from minehat.engine.layers import UNKNOWN, Convolution
from minehat.engine.required import check_required
from onnx import TensorProto, helper

pytestmark = [pytest.mark.usefixtures("nothing_kept"), pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="TensorRT-RTX builds ahead of time on x86-64 Linux only")]


def harmed(folder, how):
    """A folder with one broken situation; the arguments for the door."""
    path = folder / "tiny.onnx"
    simple = {
        "no card": dict(card=None),
        "CPU form": dict(precision="int8", zero_point=np.uint8(128)),
        "CPU form with zeros": dict(precision="int8", zero_point=np.uint8(0)),
        "skewed": dict(precision="int8", zero_point=np.int8(3)),
        "half output": dict(scores_type=TensorProto.FLOAT16),
        "float64 weights": dict(double="weights"),
        "float64 inside": dict(double="cast"),
        "two inputs": dict(second_input=True),
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
    if how == "weights outside":
        onnx.save(onnx.load(str(path)), str(path), save_as_external_data=True, location="tiny.data", size_threshold=0)
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
             "--nms words": [path, "--nms", "soft"], "--candidates alone": [path, "--candidates", "9"],
             "--candidates": [path, "--nms", "topk", "--candidates", "0"], "--opt-level": [path, "--opt-level", "9"],
             "--tactics": [path, "--tactics", "cudnn"], "--dla": [path, "--dla", "-1"],
             "--timing-cache": [path, "--timing-cache", folder / "x.cache"],
             "folder that is not ours": [path, "-o", "/proc/x.engine"],
             "tiny workspace": [path, "--workspace", "0"]}
    return flags.get(how, [path])


@pytest.mark.parametrize(("how", "words"), [
    ("no card", "--card"),
    ("CPU form", "this is the CPU form"),
    ("CPU form with zeros", "this is the CPU form"),
    ("CPU card", "this is the CPU form"),
    ("skewed", "node 'stem.q' (QuantizeLinear): Non-zero zero point"),
    ("half output", "'scores' is half, wanted float32"),
    ("float64 weights", "node 'wide' (CastLike) computes in float64"),
    ("float64 inside", "node 'wide' (Cast) computes in float64"),
    ("weights outside", "keeps weights in another file, tiny.data"),
    ("two inputs", "one input named 'images', found 'images', 'bias'"),
    ("--nms words", "--nms must be one of none, topk, graph, plugin"),
    ("--candidates alone", "--candidates belongs to --nms"),
    ("--candidates", "--candidates must be 1 or more"),
    ("--opt-level", "--opt-level must be 0"),
    ("--tactics", "--tactics knows edge-mask, jit and none; found cudnn"),
    ("--timing-cache", "keeps no such cache"),
    ("--dla", "--dla wants the number of a core"),
    ("folder that is not ours", "/proc cannot be written to"),
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
    ("--require of a mixed file", "otherwise: stem (fp32). Where the gate lifted them"),
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


def test_what_the_log_does_not_show_is_no_proof():
    for convolutions, named in (((), "any convolution"), ((Convolution("stem", UNKNOWN, UNKNOWN),), "stem")):
        with pytest.raises(MineHatError, match=f"int8 cannot be proven.* how {named} runs"):
            check_required(Path("x.onnx"), BuildOptions(require="int8"), convolutions)


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
