"""Engines, really compiled by TensorRT-RTX on the CPU: what runs in which precision, what is refused and how."""

import json
import platform
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from engines import CARD, door, saved
from minehat import MineHatError, read_card
from minehat.cli import main
from minehat.engine import BuildOptions, check_engine, engine_from_onnx, read_engine_card
from minehat.engine.layers import convolutions_in, layers_from_table
from minehat.engine.library import Library
from minehat.engine.options import batch_from_text, bytes_from_text, sm_from_text
from minehat.files import sha256_of
from minehat.gpu import Gpu
from minehat.onnx_metadata import read_metadata
from minehat.pictures import write_picture

pytestmark = [pytest.mark.usefixtures("nothing_kept"), pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="TensorRT-RTX builds ahead of time on x86-64 Linux only")]

MODELS = Path(__file__).parents[1] / "models"
SHIPPED = sorted(path for path in MODELS.glob("*/*.onnx") if "int8-cpu" not in path.name)


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


def test_weights_that_two_layers_share_count_once():
    shared = "{ Name: w, Dimensions: [8,3,3,3], Format/Datatype: Row major linear FP32 }"
    table = "Layers:\n" + "\n".join(
        f"Name: {name}, LayerType: kgen, Inputs: [{{ Name: {name}.x, Dimensions: [1], Format/Datatype: Half }}], "
        f"Constants: [{shared}], Outputs: [{{ Name: {name}.y, Dimensions: [1], Format/Datatype: Half }}], Metadata: "
        for name in "ab")
    assert [layer.weights for layer in layers_from_table(table)] == [{"fp32": 4 * 216}, {}]


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


def test_an_engine_of_another_version_or_gpu_is_refused(engine):
    with pytest.raises(MineHatError, match=r"TensorRT-RTX 1\.7\.1.*here is TensorRT-RTX 1\.2.*minehat build"):
        check_engine(engine.path, here(engine, version="1.2"))
    with pytest.raises(MineHatError, match=r"this is NVIDIA L4 of 9\.0.*--sm 90"):
        check_engine(engine.path, here(engine, capability="9.0"))
    with pytest.raises(MineHatError, match="no driver answers"):
        check_engine(engine.path, replace(here(engine), gpu=None))


def test_an_engine_built_on_another_gpu_of_the_same_capability_is_refused(copied, engine):
    edited(gpu="NVIDIA L40S")(copied)
    with pytest.raises(MineHatError, match=r"was built for NVIDIA L40S .*this is NVIDIA L4 of 8\.9"):
        check_engine(copied, here(engine))


def edited(**changes):
    def edit(path):
        beside = path.with_name(path.name + ".json")
        beside.write_text(json.dumps({**json.loads(beside.read_text()), **changes}))
    return edit


def written(content, beside=False):
    def write(path):
        target = path.with_name(path.name + ".json") if beside else path
        target.write_bytes(content(target.read_bytes()) if callable(content) else content)
    return write


def flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1:]


def resealed(path):
    """Another file in its place, and a card that was made to fit."""
    path.write_bytes(b"PK" + bytes(98))
    edited(engine_bytes=100, engine_sha256=sha256_of(path))(path)


HARMS = {
    "empty": (written(b""), "holds 0 bytes, its card says"),
    "half of it": (written(lambda content: content[:len(content) // 2]), "it is cut short or another engine"),
    "99 % of it": (written(lambda content: content[:len(content) * 99 // 100]), "it is cut short or another engine"),
    "one bit": (written(flipped), "SHA-256 differs"),
    "random bytes": (written(lambda content: np.random.default_rng(0).bytes(len(content))), "it begins with b'"),
    "a file of another kind": (resealed, "it begins with b'PK"),
    "no card": (lambda path: path.with_name(path.name + ".json").unlink(), "its card tiny.rtx.engine.json is missing"),
    "an empty card": (written(b"", beside=True), "not JSON"),
    "half a card": (written(lambda text: text[:len(text) // 2], beside=True), "not JSON"),
    "a model's card": (written(CARD.to_json().encode(), beside=True), "lacks engine_sha256"),
    "a card of tomorrow": (edited(schema=99), "has schema 99, this MineHat reads up to 1"),
    "an engine of tomorrow": (edited(engine_schema=99), "has engine schema 99, this MineHat reads up to 1"),
    "a flavour of tomorrow": (edited(flavour="trt-lite"), "needs an NVIDIA GPU"),
    "a card edited to words": (edited(engine_bytes="many"), "was edited by hand, or is damaged"),
    "a card edited in its layers": (edited(layers=[{"name": "stem"}]), "was edited by hand, or is damaged"),
    "a card without its batch": (edited(batch=None), "was edited by hand, or is damaged"),
    "a card of another hash": (edited(engine_sha256="0" * 64), "SHA-256 differs"),
    "nothing": (lambda path: None, "run the .onnx file that it was built from: `minehat detect tiny.onnx ...`"),
}


@pytest.mark.parametrize("harm", HARMS)
def test_an_engine_that_cannot_be_run_is_one_line(copied, capsys, monkeypatch, harm):
    """As `minehat detect` meets it on a machine without a GPU."""
    monkeypatch.setattr("minehat.engine.check.first_gpu", lambda: None)
    do, words = HARMS[harm]
    do(copied)
    write_picture(copied.with_name("x.png"), np.zeros((8, 8, 3), np.uint8))
    assert main(["detect", str(copied), str(copied.with_name("x.png"))]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and words in said[0], said


# Small parts


def test_sizes_batches_and_gpus_are_read_as_people_write_them():
    assert bytes_from_text("1GiB") == 1 << 30
    assert bytes_from_text("1.5 mb") == 1_500_000
    assert bytes_from_text("77") == 77
    assert batch_from_text("1,2,4") == (1, 2, 4)
    assert batch_from_text("3") == (3, 3, 3)
    assert sm_from_text("86,sm_89,86") == (86, 89)
