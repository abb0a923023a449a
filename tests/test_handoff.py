"""Do hand-offs to Triton and DeepStream say what card and file say, by the servers' own definitions, and hold up?"""

from __future__ import annotations

import configparser
import json
import platform
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from bright_onnx import CARD, SIZE, bright_onnx
from conftest import ROOT
from deepstream_keys import APP, CLASS_ATTRS, NVINFER, words
from google.protobuf import text_format
from hatchling.builders.wheel import WheelBuilder
from hypothesis import given, settings
from hypothesis import strategies as st
from minehat import MineHatError, read_card
from minehat.card import KEY, card_from_json
from minehat.cli import main
from minehat.detector import open_detector
from minehat.engine import engine_from_onnx
from minehat.engine.card import card_beside
from minehat.files import sha256_of
from minehat.grafts.suppression import with_suppression
from minehat.handoff import folder as folders
from minehat.handoff import write_triton
from minehat.handoff.deepstream import infer_groups
from minehat.handoff.model import label_lines, model_to_hand_off
from minehat.handoff.pbtxt import text_of
from minehat.pictures import read_picture, write_picture
from numpy.testing import assert_allclose, assert_array_equal
from nvinfer_parser import built
from onnx import helper
from triton_stand_in import DTYPES, config_of, serving
from tritonclient.grpc import model_config_pb2

MODELS = Path(__file__).parents[1] / "models"
CELLS = (SIZE // 32) ** 2
KINDS = ("none", "topk", "graph")
KNOWN = {  # parameters that Triton's backends heed: https://github.com/triton-inference-server/onnxruntime_backend
    "precision_mode", "trt_profile_min_shapes", "trt_profile_opt_shapes", "trt_profile_max_shapes"}
x86_linux = pytest.mark.skipif((platform.system(), platform.machine()) != ("Linux", "x86_64"),
                               reason="TensorRT-RTX builds ahead of time on x86-64 Linux only")


def made(folder, name="bright.onnx", kind="none", batch=None, **changes):
    """The model that finds what is bright, with suppression inside, a fixed batch, or another card."""
    folder.mkdir(parents=True, exist_ok=True)
    card = CARD.with_(**changes)
    path = bright_onnx(folder / name, card, len(card.classes))
    model = onnx.load(str(path))
    if kind != "none":
        model, card = with_suppression(model, card, kind, 5)
    if batch:
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.shape.dim[0].dim_value = batch
    helper.set_model_props(model, {KEY: card.to_json()})
    onnx.save(model, str(path))
    return path


def handed(server, model, out, *words):
    """`minehat handoff`, in this process: its exit code."""
    return main(["handoff", server, str(model), "-o", str(out), *map(str, words)])


def refused(capsys, server, model, out, *words):
    """What it says in one line, having written nothing."""
    capsys.readouterr()
    before = sorted(Path(out).rglob("*")) if Path(out).exists() else None
    assert handed(server, model, out, *words) == 2
    assert before == (sorted(Path(out).rglob("*")) if Path(out).exists() else None)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0]


def groups_of(path):
    parsed = configparser.ConfigParser(strict=True, interpolation=None)
    parsed.optionxform = str
    parsed.read(path, encoding="utf-8")
    return {name: dict(parsed[name]) for name in parsed.sections()}


# Triton: config.pbtxt is Triton's ModelConfig, and says what card and file say


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch", [None, 1, 3])
def test_the_configuration_is_the_cards_and_the_files(tmp_path, kind, batch):
    path = made(tmp_path, kind=kind, batch=batch)
    assert handed("triton", path, tmp_path / "repo") == 0
    folder = tmp_path / "repo" / "bright"
    config, graph = config_of(folder), onnx.load(str(path)).graph
    assert (config.name, config.backend) == (folder.name, "onnxruntime")
    assert (folder / "1" / config.default_model_filename).read_bytes() == path.read_bytes()
    assert config.max_batch_size == (0 if batch else 4)
    card = card_from_json(config.parameters["minehat.card"].string_value, "config.pbtxt")
    assert card.to_json() == dict((one.key, one.value) for one in onnx.load(str(path)).metadata_props)[KEY]
    assert config.parameters["minehat.sha256"].string_value == sha256_of(path)
    assert [one.name for one in config.output] == list(card.outputs)
    ends = {value.name: value.type.tensor_type for value in (*graph.input, *graph.output)}
    for one in (*config.input, *config.output):
        sides = [side.dim_value for side in ends[one.name].shape.dim]
        told = list(one.reshape.shape) if one.HasField("reshape") else list(one.dims)
        assert (sides if batch else sides[1:]) == told
        assert len(one.dims) > 0
        dtype = DTYPES[model_config_pb2.DataType.Name(one.data_type)][1]
        assert helper.tensor_dtype_to_np_dtype(ends[one.name].elem_type) == dtype
    named = [one.label_filename for one in config.output if one.label_filename]
    assert [(folder / name).read_text().splitlines() for name in named] == [list(card.classes)]


def test_batches_are_gathered_and_warmed_up(tmp_path):
    path = made(tmp_path)
    assert handed("triton", path, tmp_path / "four") == handed("triton", path, tmp_path / "one", "--batch", 1) == 0
    config = config_of(tmp_path / "four" / "bright")
    assert list(config.dynamic_batching.preferred_batch_size) == [4]
    assert 0 < config.dynamic_batching.max_queue_delay_microseconds < 40_000  # a camera's next frame
    assert [one.batch_size for one in config.model_warmup] == [1, 4]
    for one in config.model_warmup:
        fed = one.inputs[config.input[0].name]
        assert (list(fed.dims), fed.data_type) == (list(config.input[0].dims), config.input[0].data_type)
        assert fed.zero_data
    assert config.version_policy.latest.num_versions == 1
    single = config_of(tmp_path / "one" / "bright")
    assert (single.max_batch_size, single.HasField("dynamic_batching")) == (0, False)
    assert list(single.input[0].dims) == [1, 3, SIZE, SIZE]


def test_each_precision_runs_where_it_is_at_home(tmp_path):
    kinds = model_config_pb2.ModelInstanceGroup.Kind
    homes = {"fp32": kinds.KIND_GPU, "fp16": kinds.KIND_GPU, "int8": kinds.KIND_GPU, "int8-cpu": kinds.KIND_CPU}
    for precision, home in homes.items():
        assert handed("triton", made(tmp_path, f"{precision}.onnx", precision=precision), tmp_path) == 0
        config = config_of(tmp_path / precision)
        assert [group.kind for group in config.instance_group] == [home]
        accelerators = config.optimization.execution_accelerators.gpu_execution_accelerator
        assert [one.name for one in accelerators] == (["tensorrt"] if precision == "int8" else [])
        for one in accelerators:
            assert set(one.parameters) == KNOWN
            assert one.parameters["precision_mode"] == "INT8"
            assert one.parameters["trt_profile_max_shapes"] == f"images:4x3x{SIZE}x{SIZE}"
    assert handed("triton", tmp_path / "fp32.onnx", tmp_path / "cpu", "--cpu", "--threads", 2) == 0
    config = config_of(tmp_path / "cpu" / "fp32")
    assert [group.kind for group in config.instance_group] == [kinds.KIND_CPU]
    assert config.parameters["intra_op_thread_count"].string_value == "2"


@pytest.mark.parametrize("path", sorted(MODELS.glob("*/*.onnx")), ids=lambda path: path.name)
def test_shipped_models_are_handed_off(tmp_path, path):
    assert handed("triton", path, tmp_path) == 0
    config = config_of(next(tmp_path.iterdir()))
    card = read_card(path)
    boxes = 2 * sum(card.height // stride * (card.width // stride) for stride in (8, 16, 32))  # two anchors a cell
    assert [list(one.dims) for one in config.output] == [[boxes, 4], [boxes, 2]]


# The client that is handed off, against a server that speaks Triton's gRPC


@pytest.mark.parametrize(("kind", "batch"), [("none", None), ("topk", None), ("graph", None), ("graph", 2)])
def test_the_client_sees_what_the_runtime_sees(tmp_path, kind, batch):
    path, picture = made(tmp_path, kind=kind, batch=batch, conf=0.4), tmp_path / "a.png"
    frame = np.random.default_rng(1).integers(0, 255, (3, 4, 3), np.uint8).repeat(40, 0).repeat(40, 1)
    write_picture(picture, frame)
    assert handed("triton", path, tmp_path / "repo") == 0
    with serving(tmp_path / "repo" / "bright") as url:
        done = client(tmp_path, picture, "--url", url)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    with open_detector(made(tmp_path / "same", kind=kind, conf=0.4)) as detector:
        wanted = detector(read_picture(picture))
    assert len(wanted) > 0
    assert_allclose([one["box"] for one in found["detections"]], wanted.boxes, atol=0.01)
    assert_allclose([one["score"] for one in found["detections"]], wanted.scores, atol=1e-4)
    assert [one["label"] for one in found["detections"]] == [CARD.classes[label] for label in wanted.labels]


def test_the_client_tells_what_is_amiss_in_one_line(tmp_path):
    path, picture = made(tmp_path), tmp_path / "a.png"
    write_picture(picture, np.zeros((9, 9, 3), np.uint8))
    assert handed("triton", path, tmp_path / "repo") == 0
    with serving(tmp_path / "repo" / "bright") as url:
        done = client(tmp_path, picture, "--url", url, "--model", "other")
    assert done.returncode == 2
    assert re.fullmatch(r"client\.py: The server does not serve other: .*unknown model.*\n", done.stderr)
    broken = bright_onnx(tmp_path / "repo" / "bright" / "1" / "model.onnx", spoiled="zero")
    with serving(broken.parents[1]) as url:
        done = client(tmp_path, picture, "--url", url)
    assert done.returncode == 2
    assert "not finite" in done.stderr


def client(tmp_path, *words):
    return subprocess.run([sys.executable, tmp_path / "repo" / "bright" / "client.py", *words], capture_output=True,
                          text=True, check=False)


# DeepStream: documented keys, and what the card says


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8", "int8+fp16"])
def test_every_key_is_a_documented_one(tmp_path, kind, precision):
    path = made(tmp_path, kind=kind, precision=precision, mean=(1.0, 2.0, 3.0))
    assert handed("deepstream", path, tmp_path / "ds") == 0
    infer = groups_of(tmp_path / "ds" / "config_infer_primary_minehat.txt")
    assert set(infer) == {"property", "class-attrs-all"}
    assert set(infer["property"]) <= words(NVINFER)
    assert set(infer["class-attrs-all"]) <= words(CLASS_ATTRS)
    for group, keys in groups_of(tmp_path / "ds" / "deepstream_app_minehat.txt").items():
        assert set(keys) <= set(APP[group.rstrip("0123456789")].split())


def test_nvinfer_is_told_what_the_card_says(tmp_path):
    card = {"channel_order": "BGR", "mean": (10.5, 20.0, 0.0), "scale": (0.5, 0.5, 0.5), "conf": 0.31, "iou": 0.4}
    path = made(tmp_path, **card)
    assert handed("deepstream", path, tmp_path / "ds", "--batch", 2) == 0
    infer = groups_of(tmp_path / "ds" / "config_infer_primary_minehat.txt")
    told = infer["property"]
    assert (told["model-color-format"], told["offsets"], float(told["net-scale-factor"])) == ("1", "10.5;20.0;0.0", 0.5)
    assert (told["infer-dims"], told["batch-size"], told["num-detected-classes"]) == (f"3;{SIZE};{SIZE}", "2", "2")
    assert (told["maintain-aspect-ratio"], told["symmetric-padding"], told["cluster-mode"]) == ("1", "1", "2")
    assert (tmp_path / "ds" / told["onnx-file"]).read_bytes() == path.read_bytes()
    assert (tmp_path / "ds" / told["labelfile-path"]).read_text() == "helmet\nhead\n"
    assert told["model-engine-file"] == f"{told['onnx-file']}_b2_gpu0_fp32.engine"
    assert {key: float(value) for key, value in infer["class-attrs-all"].items()} == {
        "pre-cluster-threshold": 0.31, "nms-iou-threshold": 0.4, "topk": 300}
    app = groups_of(tmp_path / "ds" / "deepstream_app_minehat.txt")
    assert app["primary-gie"]["config-file"] == "config_infer_primary_minehat.txt"
    assert app["streammux"]["batch-size"] == "2"


def test_what_is_suppressed_inside_is_not_clustered(tmp_path):
    assert handed("deepstream", made(tmp_path, kind="graph"), tmp_path / "ds") == 0
    infer = groups_of(tmp_path / "ds" / "config_infer_primary_minehat.txt")
    assert infer["property"]["cluster-mode"] == "4"
    assert set(infer["class-attrs-all"]) == {"pre-cluster-threshold"}


def test_types_in_the_file_decide_on_precision(tmp_path):
    modes = {}
    for precision in ("fp32", "fp16", "int8", "int8+fp16"):
        assert handed("deepstream", made(tmp_path, precision=precision), tmp_path / precision) == 0
        told = groups_of(tmp_path / precision / "config_infer_primary_minehat.txt")["property"]
        modes[precision] = told["network-mode"], told.get("strongly-typed")
    assert modes == {"fp32": ("0", None), "fp16": ("0", "1"), "int8": ("0", "1"), "int8+fp16": ("0", "1")}


def test_another_model_never_meets_the_engine_of_the_one_before(tmp_path):
    """nvinfer keeps its engine under the model's name, so another content has another name."""
    names = set()
    for conf in (0.2, 0.3):
        assert handed("deepstream", made(tmp_path, conf=conf), tmp_path / "ds") == 0
        names.add(groups_of(tmp_path / "ds" / "config_infer_primary_minehat.txt")["property"]["model-engine-file"])
    assert len(names) == 2
    assert len(list((tmp_path / "ds").glob("*.onnx"))) == 1


# The parser of boxes: built by its own Makefile, and asked with arrays


@pytest.fixture(scope="module")
def parser(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parser")
    assert handed("deepstream", made(folder / "model"), folder / "ds") == 0
    return built(folder / "ds")


# Few different values, so that ties, edges and oddities are common.
SIDES = st.sampled_from([-7.0, 0.0, 10.0, 40.5, 90.0, 96.0, 103.0] * 2 + [np.nan, np.inf, -np.inf, 1e30])
SCORES = st.sampled_from([0.0, 0.1, 0.25, 0.25, 0.5, 0.9, 0.9, np.nan])
THRESHOLD = st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.5, 1.0])


@st.composite
def raw_answers(draw, classes=3):
    rows = draw(st.integers(0, 12))
    boxes = draw(st.lists(st.lists(SIDES, min_size=4, max_size=4), min_size=rows, max_size=rows))
    scores = draw(st.lists(st.lists(SCORES, min_size=classes, max_size=classes), min_size=rows, max_size=rows))
    return np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32).reshape(-1, classes)


def inside(boxes, width=96, height=96):
    """The boxes cut to the network's square, and which of them are sound and have anything left."""
    cut = np.clip(boxes, 0, np.array([width, height, width, height], np.float32))
    return cut, np.isfinite(boxes).all(1) & (cut[:, 2:] > cut[:, :2]).all(1)


@settings(deadline=None, max_examples=300)
@given(raw_answers(), THRESHOLD)
def test_it_lets_through_what_minehat_would(parser, answer, conf):
    boxes, scores = answer
    found = parser({"boxes": boxes, "scores": scores}, [conf] * 3)
    if len(scores) and np.isnan(scores).any(1).all():
        assert found is None  # it would see nothing
        return
    rows = np.flatnonzero(scores.max(axis=1) >= conf)  # none that holds a NaN
    best, labels = scores[rows].max(axis=1), scores[rows].argmax(axis=1)
    cut, sound = inside(boxes[rows])
    assert_allclose(found.boxes, cut[sound], atol=1e-5)
    assert_array_equal(found.scores, best[sound])
    assert_array_equal(found.labels, labels[sound])


@settings(deadline=None, max_examples=300)
@given(raw_answers(), st.data(), st.sampled_from([np.int32, np.int64]))
def test_it_reads_what_was_suppressed_inside(parser, answer, data, whole):
    boxes, scores = answer[0], answer[1][:, 0]
    labels = data.draw(st.lists(st.integers(-1, 3), min_size=len(boxes), max_size=len(boxes)))
    count = data.draw(st.integers(0, len(boxes) + 2))
    least = np.array([0.1, 0.25, 0.5], np.float32)
    labels = np.array(labels, whole)
    found = parser({"boxes": boxes, "scores": scores, "labels": labels, "count": np.array(count, whole),
                    "converged": np.array(True)}, least)
    cut, sound = inside(boxes)
    known = (labels >= 0) & (labels < 3) & (np.arange(len(boxes)) < count)
    passes = known & sound & (scores >= least[np.clip(labels, 0, 2)])
    assert_allclose(found.boxes, cut[passes], atol=1e-5)
    assert_array_equal(found.scores, scores[passes])
    assert_array_equal(found.labels, labels[passes])


def test_each_class_has_its_own_threshold(parser):
    boxes = np.array([[0, 0, 9, 9]] * 2, np.float32)
    scores = np.array([[0.5, 0.4], [0.4, 0.5]], np.float32)
    assert_array_equal(parser({"boxes": boxes, "scores": scores}, [0.6, 0.45]).labels, [1])
    assert_array_equal(parser({"boxes": boxes, "scores": scores}, [0.45, 0.6]).labels, [0])


def test_the_networks_sides_are_not_mixed_up(parser):
    boxes = np.array([[-5, -5, 500, 500]], np.float32)
    found = parser({"boxes": boxes, "scores": np.ones((1, 1), np.float32)}, [0.5], width=416, height=256)
    assert_array_equal(found.boxes, [[0, 0, 416, 256]])


@pytest.mark.parametrize(("changes", "options"), [
    ({"boxes": None}, {}), ({"scores": None}, {}),
    ({"boxes": np.zeros((3, 5), np.float32)}, {}), ({"boxes": np.zeros(12, np.float32)}, {}),
    ({"boxes": np.zeros((3, 4), np.float16)}, {}), ({"scores": np.zeros((3, 2), np.int32)}, {}),
    ({"scores": np.zeros((2, 2), np.float32)}, {}), ({"scores": np.zeros((3, 3), np.float32)}, {}),
    ({"labels": np.zeros(3, np.int64)}, {}), ({}, {"hollow": "boxes"}), ({}, {"hollow": "scores"}),
    ({}, {"unknown": "boxes"}), ({}, {"unknown": "scores"}), ({}, {"classes": 1}), ({}, {"classes": 3})])
def test_layers_that_are_not_what_they_should_be_are_refused(parser, changes, options, capfd):
    layers = {"boxes": np.zeros((3, 4), np.float32), "scores": np.zeros((3, 2), np.float32)}
    assert len(parser(layers, [0.5, 0.5])) == 0
    wrong = {name: values for name, values in {**layers, **changes}.items() if values is not None}
    assert parser(wrong, [0.5, 0.5], **options) is None
    assert capfd.readouterr().err.startswith("NvDsInferParseMineHat: layer ")


@pytest.mark.parametrize(("changes", "options"), [
    ({"count": None}, {}), ({"count": np.array(-1)}, {}), ({"count": np.array(1.0, np.float32)}, {}),
    ({"labels": np.zeros(2, np.int64)}, {}), ({"labels": np.zeros(3, np.float32)}, {}),
    ({"scores": np.zeros((3, 2), np.float32)}, {}), ({}, {"hollow": "labels"}), ({}, {"unknown": "count"})])
def test_suppressed_layers_that_are_amiss_are_refused(parser, changes, options):
    layers = {"boxes": np.zeros((3, 4), np.float32), "scores": np.zeros(3, np.float32),
              "labels": np.zeros(3, np.int64), "count": np.array(3)}
    assert len(parser(layers, [0.5, 0.5])) == 0
    wrong = {name: values for name, values in {**layers, **changes}.items() if values is not None}
    assert parser(wrong, [0.5, 0.5], **options) is None


def test_the_parser_knows_the_names_on_the_card(tmp_path):
    path = made(tmp_path)
    model = onnx.load(str(path))
    for node in model.graph.node:
        node.output[:] = ["pred/boxes" if name == "boxes" else name for name in node.output]
    model.graph.output[0].name = "pred/boxes"
    helper.set_model_props(model, {KEY: CARD.with_(outputs=("pred/boxes", "scores")).to_json()})
    onnx.save(model, str(path))
    assert handed("deepstream", path, tmp_path / "ds") == 0
    own = built(tmp_path / "ds")
    boxes, scores = np.array([[0, 0, 9, 9]], np.float32), np.ones((1, 2), np.float32)
    assert len(own({"pred/boxes": boxes, "scores": scores}, [0.5, 0.5])) == 1
    assert own({"boxes": boxes, "scores": scores}, [0.5, 0.5]) is None


# Engines are bound to one GPU and one TensorRT


@pytest.fixture(scope="module")
def rtx_engine(tmp_path_factory):
    return engine_from_onnx(made(tmp_path_factory.mktemp("engine")), out=None)


def as_if_by_tensorrt(built_engine, folder, **changes):
    """The engine with a card as full TensorRT would have had it."""
    path = folder / "bright.engine"
    path.write_bytes(built_engine.path.read_bytes())
    changes = {"flavour": "tensorrt", "tensorrt_version": "10.13.0.35", "gpu": "NVIDIA L4",
               "compute_capabilities": ("8.9",), **changes}
    card_beside(path).write_text(replace(built_engine.card, **changes).to_json())
    return path


@x86_linux
@pytest.mark.parametrize(("precision", "mode"), [("fp32", 0), ("int8", 1), ("fp16", 2), ("int8+fp16", 1)])
def test_nvinfer_is_told_an_engines_size_and_precision(rtx_engine, tmp_path, precision, mode):
    """network-mode as nvinfer counts: 0 FP32, 1 INT8, 2 FP16; infer-dims are channels, height, width."""
    model = model_to_hand_off(as_if_by_tensorrt(rtx_engine, tmp_path))
    told = infer_groups(replace(model, card=model.card.with_(precision=precision, height=64, width=96)))["property"]
    assert (told["infer-dims"], told["network-mode"]) == ("3;64;96", mode)


@x86_linux
def test_an_engine_says_what_it_is_bound_to(rtx_engine, tmp_path):
    path = as_if_by_tensorrt(rtx_engine, tmp_path, batch=(1, 2, 4))
    assert handed("triton", path, tmp_path / "repo") == handed("deepstream", path, tmp_path / "ds") == 0
    folder = tmp_path / "repo" / "bright"
    config = config_of(folder)
    assert (config.backend, config.max_batch_size) == ("tensorrt", 4)
    assert list(config.dynamic_batching.preferred_batch_size) == [2, 4]
    assert (folder / "1" / "model.plan").read_bytes() == path.read_bytes()
    told = {key: value.string_value for key, value in config.parameters.items()}
    assert (told["minehat.gpu"], told["minehat.tensorrt"]) == ("NVIDIA L4", "10.13.0.35")
    assert told["minehat.compute_capabilities"] == "8.9"
    assert [list(one.dims) for one in config.output] == [[CELLS, 4], [CELLS, 2]]
    infer = groups_of(tmp_path / "ds" / "config_infer_primary_minehat.txt")["property"]
    assert (tmp_path / "ds" / infer["model-engine-file"]).read_bytes() == path.read_bytes()
    assert "onnx-file" not in infer
    for readme in (folder / "README.md", tmp_path / "ds" / "README.md"):
        assert "bound to TensorRT 10.13.0.35 and to NVIDIA L4 of compute capability 8.9" in readme.read_text()


@x86_linux
def test_sides_that_nobody_tells_are_left_open(rtx_engine, tmp_path):
    assert handed("triton", as_if_by_tensorrt(rtx_engine, tmp_path, layers=()), tmp_path / "repo") == 0
    assert [list(one.dims) for one in config_of(tmp_path / "repo" / "bright").output] == [[-1, 4], [-1, 2]]


@x86_linux
@pytest.mark.parametrize("server", ["triton", "deepstream"])
def test_engines_that_no_server_takes_are_refused(rtx_engine, tmp_path, capsys, server):
    assert "TensorRT-RTX" in refused(capsys, server, rtx_engine.path, tmp_path / "out")
    path = as_if_by_tensorrt(rtx_engine, tmp_path, batch=(2, 2, 4))
    assert "2 to 4 pictures at once" in refused(capsys, server, path, tmp_path / "out")
    path = as_if_by_tensorrt(rtx_engine, tmp_path)
    assert "at most 4" in refused(capsys, server, path, tmp_path / "out", "--batch", 8)
    assert "beside it" in refused(capsys, server, path, tmp_path / "out", "--card", path)
    path.write_bytes(path.read_bytes()[:-1])
    assert "cut short" in refused(capsys, server, path, tmp_path / "out")


# A folder is ours, or it is left alone


@pytest.mark.parametrize("server", ["triton", "deepstream"])
def test_a_hand_off_can_be_done_again(tmp_path, server):
    assert handed(server, made(tmp_path), tmp_path / "out") == 0
    first = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert handed(server, tmp_path / "bright.onnx", tmp_path / "out") == 0
    assert first == {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}


@pytest.mark.parametrize("server", ["triton", "deepstream"])
def test_what_is_not_ours_is_left_alone(tmp_path, capsys, server):
    out = tmp_path / "out"
    mine = out / "bright" if server == "triton" else out
    mine.mkdir(parents=True)
    (mine / "notes.txt").write_text("mine")
    assert "holds other things, such as notes.txt" in refused(capsys, server, made(tmp_path), out)
    (mine / "notes.txt").unlink()
    assert handed(server, tmp_path / "bright.onnx", out) == 0
    (mine / "notes.txt").write_text("mine")  # beside ours nobody is in the way
    assert handed(server, tmp_path / "bright.onnx", out) == 0
    assert (mine / "notes.txt").read_text() == "mine"
    (mine / "labels.txt").write_text("changed")
    assert re.search(r"labels\.txt was changed since.*`rm ", refused(capsys, server, tmp_path / "bright.onnx", out))
    (mine / "labels.txt").unlink()
    assert handed(server, tmp_path / "bright.onnx", out) == 0
    assert (mine / "labels.txt").read_text() == "helmet\nhead\n"


def test_a_folder_of_the_other_server_or_a_file_is_refused(tmp_path, capsys):
    path = made(tmp_path)
    assert handed("triton", path, tmp_path / "repo") == 0
    assert "a hand-off to triton" in refused(capsys, "deepstream", path, tmp_path / "repo" / "bright")
    assert "is a file" in refused(capsys, "deepstream", path, path)
    (tmp_path / "repo" / "bright" / folders.MANIFEST).write_text("{")
    assert "cannot be read" in refused(capsys, "triton", path, tmp_path / "repo")


def test_models_stand_side_by_side_in_a_repository(tmp_path):
    for name in ("one.onnx", "two.onnx"):
        assert handed("triton", made(tmp_path, name), tmp_path / "repo") == 0
    assert {config_of(folder).name for folder in (tmp_path / "repo").iterdir()} == {"one", "two"}


def test_a_hand_off_that_was_cut_off_can_be_done_again(tmp_path, monkeypatch):
    model = model_to_hand_off(made(tmp_path))
    write = folders._write

    def fails(path, content):
        if path.name == "client.py":
            raise MineHatError("the disk is full")
        write(path, content)

    monkeypatch.setattr(folders, "_write", fails)
    with pytest.raises(MineHatError, match="full"):
        write_triton(model, tmp_path / "repo")
    monkeypatch.undo()
    assert config_of(write_triton(model, tmp_path / "repo")).name == "bright"


# Names with odd characters


def test_names_may_have_odd_characters(tmp_path):
    classes = ('hard hat "yellow"', "Grubenhelm für Männer", "back\\slash", "頭")
    path = made(tmp_path / "with space", "Mäin's model.v2.onnx", classes=classes[:2])
    assert handed("triton", path, tmp_path / "repo") == handed("deepstream", path, tmp_path / "ds") == 0
    folder, = (tmp_path / "repo").iterdir()
    assert folder.name == config_of(folder).name == "M-in-s-model-v2"
    card = card_from_json(config_of(folder).parameters["minehat.card"].string_value, "")
    assert card.classes == classes[:2]
    for labels in (folder / "labels.txt", tmp_path / "ds" / "labels.txt"):
        assert labels.read_text(encoding="utf-8").splitlines() == list(classes[:2])
    assert label_lines(CARD.with_(classes=classes)).splitlines() == list(classes)


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "a\0b", " "])
def test_names_that_labels_cannot_hold_are_refused(tmp_path, capsys, name):
    path = made(tmp_path, classes=("helmet", name))
    for server in ("triton", "deepstream"):
        assert "class 1 of the card" in refused(capsys, server, path, tmp_path / "out")


def test_a_semicolon_is_refused_where_it_parts_labels(tmp_path, capsys):
    path = made(tmp_path, classes=("helmet", "head; bare"))
    assert "holds ';'" in refused(capsys, "deepstream", path, tmp_path / "out")
    assert handed("triton", path, tmp_path / "out") == 0


@given(st.text(), st.lists(st.integers(-1, 2**31 - 1), max_size=4), st.booleans())
def test_any_text_survives_protobufs_text_form(text, sides, flag):
    written = text_of({"name": text, "input": [{"name": text, "dims": sides, "optional": flag}] * 2,
                       "parameters": [{"key": text, "value": {"string_value": text}}]})
    config = text_format.Parse(written, model_config_pb2.ModelConfig())
    assert (config.name, config.parameters[text].string_value) == (text, text)
    assert [(one.name, list(one.dims), one.optional) for one in config.input] == [(text, sides, flag)] * 2
    assert written.isascii()


# What cannot be handed off says so in one line, and writes nothing


@pytest.mark.parametrize("server", ["triton", "deepstream"])
def test_models_that_are_amiss_are_refused(tmp_path, capsys, server):
    out, whole = tmp_path / "out", made(tmp_path)
    assert "no such model file" in refused(capsys, server, tmp_path / "nope.onnx", out)
    (tmp_path / "a.pt").write_bytes(b"x")
    assert "no model that can be handed off" in refused(capsys, server, tmp_path / "a.pt", out)
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(whole.read_bytes()[:-40])
    assert "cut short" in refused(capsys, server, cut, out)
    bare = bright_onnx(tmp_path / "bare.onnx", card=None)
    assert "--card card.json" in refused(capsys, server, bare, out)
    (tmp_path / "card.json").write_text(CARD.to_json())
    assert handed(server, bare, tmp_path / "bare", "--card", tmp_path / "card.json") == 0
    stranger = made(tmp_path, "stranger.onnx", classes=("a", "b"))
    (tmp_path / "card.json").write_text(CARD.with_(classes=("a", "b", "c")).to_json())
    assert "gives boxes fp32 [?, 9, 4]" in refused(capsys, server, stranger, out, "--card", tmp_path / "card.json")
    (tmp_path / "card.json").write_text(CARD.with_(width=64).to_json())
    assert "takes images fp32" in refused(capsys, server, stranger, out, "--card", tmp_path / "card.json")
    fixed = made(tmp_path, "fixed.onnx", batch=2)
    assert "just 2 at once" in refused(capsys, server, fixed, out, "--batch", 1)


def test_weights_in_another_file_are_refused(tmp_path, capsys):
    model = onnx.load(str(made(tmp_path)))
    path = tmp_path / "parted.onnx"
    onnx.save(model, str(path), save_as_external_data=True, location="parted.bin", size_threshold=0)
    assert "keeps its weights in parted.bin" in refused(capsys, "triton", path, tmp_path / "out")


def test_what_a_server_cannot_do_is_refused(tmp_path, capsys):
    out = tmp_path / "out"
    slanted = made(tmp_path, scale=(0.1, 0.2, 0.3))
    assert "one net-scale-factor" in refused(capsys, "deepstream", slanted, out)
    cpu = made(tmp_path, "x.int8-cpu.onnx", precision="int8-cpu")
    assert "Hand off x.int8.onnx" in refused(capsys, "deepstream", cpu, out)
    assert "DeepStream runs on GPUs" in refused(capsys, "deepstream", cpu, out, "--cpu")
    mixed = made(tmp_path, precision="int8+fp16")
    assert "minehat build bright.onnx" in refused(capsys, "triton", mixed, out)
    assert "slow on a CPU" in refused(capsys, "triton", made(tmp_path, precision="fp16"), out, "--cpu")
    assert "Give --cpu too" in refused(capsys, "triton", made(tmp_path), out, "--threads", 2)
    assert "TensorRT plugin" in refused(capsys, "triton", made(tmp_path, kind="plugin"), out)
    assert handed("deepstream", tmp_path / "bright.onnx", out) == 0


def test_the_wheel_holds_the_parser_and_the_pages():
    packed = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    here = ROOT / "runtime" / "minehat" / "handoff"
    ours = {f"minehat/handoff/{path.relative_to(here).as_posix()}" for path in here.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts}
    assert {"minehat/handoff/nvdsparse_minehat.cpp", "minehat/handoff/templates/Makefile"} <= ours <= packed
