"""Do other people's detectors, adapted, say here what their outputs mean, and is what cannot be adapted refused?"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import minehat
import numpy as np
import onnx
import onnxruntime
import pytest
import quantize
from bright_onnx import bright_onnx
from foreign_onnx import Kind, make, ultralytics
from foreign_reading import read
from minehat import ModelCard, read_card
from minehat.adapters import LAYOUTS, PIXELS
from minehat.adapters.opset import raised
from minehat.backends.ort import OrtBackend
from minehat.cli import main
from minehat.engine import engine_from_onnx
from minehat.files import sha256_of
from minehat.letterbox import as_input, letterbox
from PIL import Image

NAMES = ("hat", "no-hat", "person")
DETECT = ("yolov5", "yolov5 with maps", "yolov3", "yolov8", "yolov10", "yolox", "yolox-decoded", "yolov3-maps",
          "yolov3-maps apart")
MAP = ("--map", "hat=helmet", "--map", "no-hat=head", "--map", "person=-")
SIZES = [(96, 96), (416, 416), (384, 640)]


def door(*argv: object) -> int:
    """`minehat adapt`, in this process."""
    return main(["adapt", *map(str, argv)])


def saved(folder: Path, kind: Kind) -> Path:
    path = folder / f"{kind.layout.replace(' ', '-')}.onnx"
    onnx.save(make(kind), path)
    return path


def kind_of(layout: str, **more: object) -> Kind:
    """As its exporter leaves it: names inside where it writes them, LeakyReLU and channels last where it has them."""
    told = layout in ("yolov5", "yolov5 with maps", "yolov3", "yolov8", "yolov10")
    usual = dict(leaky="maps" in layout, last="apart" in layout, metadata=ultralytics(*NAMES) if told else {})
    return Kind(layout, **{**usual, **more})  # type: ignore[arg-type]


def flags(layout: str) -> tuple[str, ...]:
    """What the door must be told of such a file."""
    named = () if "names" in kind_of(layout).metadata else ("--classes", ",".join(NAMES))
    return (*named, "--layout", layout) if layout == "yolox-decoded" else named


def pictures(kind: Kind, count: int) -> np.ndarray:
    """float32 [N, 3, H, W] in 0..1"""
    return np.random.default_rng(5).random((count, 3, kind.height, kind.width), np.float32)


def as_written(path: Path, batch: np.ndarray) -> list[np.ndarray]:
    """What a file answers, worked out node by node: fused ones round FP16 elsewhere."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: batch})


def their_answer(path: Path, kind: Kind, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the foreign file itself answers, read slowly."""
    batch = batch.transpose(0, 2, 3, 1) if kind.last else batch
    return read(kind, as_written(path, batch.astype(np.float16) if kind.half else batch))


def by_backend(out: Path, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """boxes and scores as our backend gives them."""
    boxes, scores = OrtBackend(out, read_card(out)).infer(batch)
    return boxes, scores


def agree(out: Path, kind: Kind, batch: np.ndarray, theirs: tuple[np.ndarray, np.ndarray],
          columns: list[int] | None = None) -> None:
    """Boxes to 1e-3 px, scores to 1e-5, box by box in the same order."""
    boxes, scores = by_backend(out, batch)
    assert boxes.shape == theirs[0].shape
    near = np.abs(theirs[0]) < 1e4  # beyond, float32 itself is coarser
    assert near.mean() > 0.9
    np.testing.assert_allclose(boxes[near], theirs[0][near], rtol=0, atol=1e-3)
    wanted = theirs[1] if columns is None else theirs[1][..., columns]
    np.testing.assert_allclose(scores, wanted, rtol=0, atol=1e-5)
    assert wanted.max() > 0.3


def with_casts_shown(out: Path, count: int) -> Path:
    """The same file, giving besides what its first `count` casts to float32 make: the foreign outputs."""
    model = onnx.load(str(out))
    casts = [node.output[0] for node in model.graph.node if node.name.startswith("adapt.cast")]
    model.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
                              for name in casts[:count])
    onnx.save(model, out.with_name("shown.onnx"))
    return out.with_name("shown.onnx")


# Every layout, read slowly


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[1]}x{size[0]}")
@pytest.mark.parametrize("layout", DETECT)
def test_an_adapted_file_says_what_its_outputs_mean(tmp_path, layout, size):
    kind = kind_of(layout, height=size[0], width=size[1])
    path, out = saved(tmp_path, kind), tmp_path / "out.onnx"
    assert door(path, "-o", out, *flags(layout)) == 0
    count = 2 if size == SIZES[0] else 1
    batch = pictures(kind, count)
    agree(out, kind, batch, their_answer(path, kind, batch))
    onnx.checker.check_model(str(out), full_check=True)
    with minehat.open(out) as detector:
        found = detector(np.random.default_rng(1).integers(0, 255, (200, 300, 3), np.uint8))
        assert detector.card.classes == NAMES
    assert len(found) and (found.boxes[:, 2:] <= (300, 200)).all() and (found.scores >= detector.card.conf).all()


@pytest.mark.parametrize("layout", DETECT)
def test_a_fixed_batch_stays_fixed_and_is_told(tmp_path, capsys, layout):
    kind = kind_of(layout, batch=2)
    path, out = saved(tmp_path, kind), tmp_path / "out.onnx"
    assert door(path, "-o", out, *flags(layout)) == 0
    assert "batch is fixed at 2" in capsys.readouterr().err
    agree(out, kind, pictures(kind, 2), their_answer(path, kind, pictures(kind, 2)))


@pytest.mark.parametrize("layout", DETECT)
def test_fp16_gets_casts_and_what_is_grafted_works_in_fp32(tmp_path, capsys, layout):
    kind = kind_of(layout, half=True)
    path, out = saved(tmp_path, kind), tmp_path / "out.onnx"
    assert door(path, "-o", out, *flags(layout)) == 0
    assert read_card(out).precision == "fp16"
    raw = layout in ("yolox", "yolov3-maps", "yolov3-maps apart")
    assert ("its own decode is in FP16" in capsys.readouterr().err) != raw
    boxes, scores, *theirs = as_written(with_casts_shown(out, len(make(kind).graph.output)), pictures(kind, 1))
    wanted = read(kind, theirs)
    assert boxes.dtype == scores.dtype == np.float32
    np.testing.assert_allclose(boxes, wanted[0], rtol=1e-6, atol=1e-3)
    np.testing.assert_allclose(scores, wanted[1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("layout", ["yolov5", "yolov3-maps", "yolov3-maps apart"])
def test_channels_may_stand_last_in_input_and_maps(tmp_path, layout):
    kind = kind_of(layout, last=True, input="input_1", height=96, width=160)
    path, out = saved(tmp_path, kind), tmp_path / "out.onnx"
    assert door(path, "-o", out, *flags(layout)) == 0
    agree(out, kind, pictures(kind, 2), their_answer(path, kind, pictures(kind, 2)))


def test_pixels_reach_the_network_as_it_wants_them(tmp_path):
    """The older YOLOX: RGB, ImageNet's mean off, over its deviation; the present one: BGR as the camera gives it."""
    path, out = saved(tmp_path, kind_of("yolox")), tmp_path / "out.onnx"
    frame = np.random.default_rng(3).integers(0, 255, (96, 96, 3), np.uint8)
    assert door(path, "-o", out, *flags("yolox")) == 0
    np.testing.assert_array_equal(as_input(frame, read_card(out)), frame.transpose(2, 0, 1))
    assert door(path, "-o", out, *flags("yolox"), "--pixels", "imagenet") == 0
    wanted = (frame[..., ::-1] / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    np.testing.assert_allclose(as_input(frame, read_card(out)), wanted.transpose(2, 0, 1), atol=1e-5)
    for name in PIXELS:
        assert door(path, "-o", out, *flags("yolox"), "--pixels", name) == 0


def test_a_picture_moved_in_its_square_moves_its_boxes_alone(tmp_path):
    """YOLOX learns with pictures at the top left, ours are centred: by a whole cell, nothing else changes."""
    kind = kind_of("yolox", height=96, width=96)
    path, out = saved(tmp_path, kind), tmp_path / "out.onnx"
    assert door(path, "-o", out, *flags("yolox")) == 0
    square, _ = letterbox(np.random.default_rng(2).integers(0, 255, (64, 64, 3), np.uint8), 64, 64)
    answers = []
    for left in (0, 32):
        padded = np.full((96, 96, 3), 114, np.uint8)
        padded[:64, left:left + 64] = square
        answers.append(by_backend(out, as_input(padded, read_card(out))[None]))
    rows = np.arange(144).reshape(12, 12)
    there, here = rows[:8, :8].ravel(), rows[:8, 4:].ravel()
    np.testing.assert_allclose(answers[1][0][0, here], answers[0][0][0, there] + (32, 0, 32, 0), atol=1e-3)
    np.testing.assert_allclose(answers[1][1][0, here], answers[0][1][0, there], atol=1e-5)


# Free sides, opsets, names


def test_free_sides_are_fixed_by_flag_by_metadata_or_at_640(tmp_path, capsys):
    out = tmp_path / "out.onnx"
    for metadata, size, wanted in ((ultralytics(*NAMES, imgsz=[96, 160]), (), "160x96"),
                                   (ultralytics(*NAMES, imgsz=[96, 160]), ("--size", "128x64"), "128x64"),
                                   (ultralytics(*NAMES), (), "640x640"),
                                   (ultralytics(*NAMES), ("--size", "96x96"), "96x96")):
        width, height = map(int, wanted.split("x"))
        kind = kind_of("yolov5", free=True, metadata=metadata, height=height, width=width)
        assert door(saved(tmp_path, kind), "-o", out, *size) == 0
        assert f"fixed at {wanted}" in capsys.readouterr().err
        assert read_card(out).size_text == wanted


@pytest.mark.parametrize("batch", ["batch", 2])
def test_grids_that_grow_with_the_picture_are_constants_once_its_sides_are_settled(tmp_path, batch):
    kind = kind_of("yolov5 growing", free=True, height=96, width=160, batch=batch, metadata=ultralytics(*NAMES))
    path, out = saved(tmp_path, kind), tmp_path / "out.onnx"
    assert door(path, "-o", out, "--size", "160x96") == 0
    assert {"Shape", "Range", "Expand"} <= {node.op_type for node in make(kind).graph.node}
    assert not {"Shape", "Range", "Expand"} & {node.op_type for node in onnx.load(str(out)).graph.node}
    for count in (1, 2, 5) if batch == "batch" else (2,):
        agree(out, kind, pictures(kind, count), their_answer(path, kind, pictures(kind, count)))


@pytest.mark.parametrize("layout", DETECT)
@pytest.mark.parametrize("opset", [13, 19, 20])
def test_lower_opsets_are_raised_to_the_one_that_quantizing_wants(tmp_path, layout, opset):
    kind = kind_of(layout, opset=opset)
    if opset >= 18 and layout == "yolov10":
        kind = replace(kind, opset=17)  # its ReduceMax is written the older way
    path, out = saved(tmp_path, kind), tmp_path / "out.onnx"
    assert door(path, "-o", out, *flags(layout)) == 0
    assert onnx.load(str(out)).opset_import[0].version == max(19, kind.opset)
    agree(out, kind, pictures(kind, 1), their_answer(path, kind, pictures(kind, 1)))


def test_tensors_that_bear_our_names_step_aside(tmp_path):
    kind = kind_of("yolov8", input="boxes")
    model = make(kind)
    for node in model.graph.node:
        for names in (node.input, node.output):
            for row, name in enumerate(names):
                names[row] = {"t0_0": "scores", "t1_0": "images"}.get(name, name)
    path, out = tmp_path / "theirs.onnx", tmp_path / "out.onnx"
    onnx.save(model, path)
    assert door(path, "-o", out) == 0
    agree(out, kind, pictures(kind, 1), their_answer(path, kind, pictures(kind, 1)))


def test_weights_in_a_file_of_their_own_come_inside(tmp_path):
    kind = kind_of("yolov8")
    path, out = tmp_path / "theirs.onnx", tmp_path / "elsewhere" / "out.onnx"
    onnx.save(make(kind), path, save_as_external_data=True, location="theirs.bin", size_threshold=100)
    theirs = their_answer(path, kind, pictures(kind, 1))
    assert door(path, "-o", out) == 0
    (tmp_path / "theirs.bin").unlink()
    agree(out, kind, pictures(kind, 1), theirs)


def test_weights_that_convolutions_share_become_their_own(tmp_path):
    """PyTorch's exporter keeps equal ones once and hands them on through Identity; calibration wants each its own."""
    kind = kind_of("yolov8")
    model = make(kind)
    convolutions = [node for node in model.graph.node if node.op_type == "Conv" and len(node.input) == 3][:2]
    for turn in range(len(convolutions)):
        model.graph.node.insert(0, onnx.helper.make_node("Identity", [convolutions[0].input[2]], [f"shared{turn}"]))
    for turn, node in enumerate(convolutions):
        node.input[2] = f"shared{turn}"
    path, out = tmp_path / "theirs.onnx", tmp_path / "out.onnx"
    onnx.save(model, path)
    assert door(path, "-o", out) == 0
    agree(out, kind, pictures(kind, 1), their_answer(path, kind, pictures(kind, 1)))
    graph = onnx.load(str(out)).graph
    weights = {tensor.name for tensor in graph.initializer}
    assert all(set(node.input[1:]) <= weights for node in graph.node if node.op_type == "Conv")


def test_a_batch_that_is_free_by_name_only_is_fixed_at_one(tmp_path, capsys):
    kind = kind_of("yolov5")
    model = make(kind)
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype == np.int64 and values[0] == 0 and len(values) > 2:  # a shape whose first side is as it comes
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.array([1, *values[1:]]), tensor.name))
    path, out = tmp_path / "theirs.onnx", tmp_path / "out.onnx"
    onnx.save(model, path)
    assert door(path, "-o", out) == 0
    assert "free by name only" in capsys.readouterr().err
    assert onnx.load(str(out)).graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1
    agree(out, kind, pictures(kind, 1), their_answer(path, kind, pictures(kind, 1)))


def test_an_opset_whose_conversion_answers_otherwise_is_left_alone():
    model = make(kind_of("yolov8"))
    kept, notes = raised(model, onnx, lambda converted: False)
    assert kept is model and "stays at opset 17" in notes[0]


def test_a_layout_by_force_that_nothing_speaks_for_is_told(tmp_path, capsys):
    path, out = saved(tmp_path, kind_of("yolox")), tmp_path / "out.onnx"
    assert door(path, "-o", out, *flags("yolox"), "--layout", "yolox-decoded") == 0
    said = capsys.readouterr().err
    assert "nothing in the file speaks for it" in said and "do not lie all over the square: is it that layout?" in said


def test_suppression_inside_that_rtx_cannot_build_is_told(tmp_path, capsys):
    model = make(kind_of("yolov10"))
    model.graph.node.append(onnx.helper.make_node("NonMaxSuppression", ["all_boxes", "all_scores"], ["chosen"]))
    for name, sides in (("all_boxes", [1, 1, 4]), ("all_scores", [1, 1, 1])):
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(sides, np.float32), name))
    path = tmp_path / "theirs.onnx"
    onnx.save(model, path)
    assert door(path, "-o", tmp_path / "out.onnx") == 0
    assert "TensorRT-RTX cannot build" in capsys.readouterr().err


def test_the_card_names_its_parent_and_the_foreign_metadata_stay(tmp_path):
    kind = kind_of("yolov8", metadata=ultralytics(*NAMES, license="AGPL-3.0"))
    path, out = saved(tmp_path, kind), tmp_path / "out.onnx"
    assert door(path, "-o", out, "--conf", "0.3", "--iou", "0.6", *MAP) == 0
    card = read_card(out)
    assert card == ModelCard("yolov8", ("helmet", "head"), 96, 96, conf=0.3, iou=0.6, parent_sha256=sha256_of(path))
    props = {entry.key: entry.value for entry in onnx.load(str(out)).metadata_props}
    assert props["license"] == "AGPL-3.0" and props["names"] == kind.metadata["names"]


def test_a_card_by_hand_says_what_the_file_does_not(tmp_path):
    by_hand = tmp_path / "hand.json"
    card = ModelCard("theirs", NAMES, 96, 96, channel_order="BGR", pad=0, conf=0.1, data_sources=("their frames",))
    by_hand.write_text(card.to_json())
    path, out = saved(tmp_path, kind_of("yolox")), tmp_path / "out.onnx"
    assert door(path, "-o", out, "--card", by_hand, *MAP) == 0
    assert read_card(out) == card.with_(classes=("helmet", "head"), parent_sha256=sha256_of(path))
    assert door(path, "-o", out, "--card", by_hand, "--pixels", "rgb255", "--conf", "0.2") == 0
    assert (read_card(out).channel_order, read_card(out).scale, read_card(out).conf) == ("RGB", (1, 1, 1), 0.2)


# Classes


@pytest.mark.parametrize("layout", DETECT)
def test_classes_are_gathered_merged_and_left_out_in_the_graph(tmp_path, layout):
    kind = kind_of(layout)
    path, out = saved(tmp_path, kind), tmp_path / "out.onnx"
    batch = pictures(kind, 1)
    boxes, scores = their_answer(path, kind, batch)
    assert door(path, "-o", out, *flags(layout), *MAP) == 0
    agree(out, kind, batch, (boxes, scores), columns=[0, 1])
    assert read_card(out).classes == ("helmet", "head")
    assert door(path, "-o", out, *flags(layout), "--map", "hat=helmet", "--map", "person=helmet") == 0
    assert read_card(out).classes == ("helmet", "no-hat")
    agree(out, kind, batch, (boxes, np.stack([scores[..., [0, 2]].max(axis=-1), scores[..., 1]], axis=-1)))


def test_helmet_and_head_stand_first_and_names_that_are_alike_are_one(tmp_path):
    kind = kind_of("yolov8", classes=4, metadata=ultralytics("person", "head", "helmet", "head"))
    path, out = saved(tmp_path, kind), tmp_path / "out.onnx"
    assert door(path, "-o", out) == 0
    assert read_card(out).classes == ("helmet", "head", "person")
    boxes, scores = their_answer(path, kind, pictures(kind, 1))
    ours = np.stack([scores[..., 2], scores[..., [1, 3]].max(axis=-1), scores[..., 0]], axis=-1)
    agree(out, kind, pictures(kind, 1), (boxes, ours))


def test_a_model_that_knows_no_bare_head_is_warned_of(tmp_path, capsys):
    path, out, report = saved(tmp_path, kind_of("yolov8")), tmp_path / "out.onnx", tmp_path / "report.json"
    assert door(path, "-o", out, "--json", report) == 0
    assert "WARNING: it has no class `head`" in capsys.readouterr().err
    assert json.loads(report.read_text())["can_alarm"] is False
    assert door(path, "-o", out, *MAP, "--json", report) == 0
    assert "WARNING" not in capsys.readouterr().err
    told = json.loads(report.read_text())
    assert (told["layout"], told["columns"], told["dropped"]) == ("yolov8", {"helmet": [0], "head": [1]}, ["person"])
    assert told["can_alarm"] is True and told["card"]["classes"] == ["helmet", "head"]


def test_of_many_classes_people_are_shown_the_first(tmp_path, capsys):
    names = [f"class {row}" for row in range(80)]
    path, out = saved(tmp_path, kind_of("yolov8", classes=80, metadata=ultralytics(*names))), tmp_path / "out.onnx"
    assert door(path, "-o", out) == 0
    said = capsys.readouterr().err
    assert read_card(out).classes == tuple(names)
    assert "class 7" in said and "class 8" not in said and "and 72 more" in said


def test_classes_come_from_a_file_a_line_each(tmp_path):
    listed, out = tmp_path / "obj.names", tmp_path / "out.onnx"
    listed.write_text("helmet\nhead\n\nperson\n")
    assert door(saved(tmp_path, kind_of("yolov3-maps")), "-o", out, "--classes", listed) == 0
    assert read_card(out).classes == ("helmet", "head", "person")


def test_anchors_are_asked_for_where_maps_are_not_three_and_used_where_given(tmp_path):
    kind = kind_of("yolov3-maps")
    path, out, usual = saved(tmp_path, kind), tmp_path / "out.onnx", tmp_path / "usual.onnx"
    doubled = "20,26 32,60 66,46 60,122 124,90 118,238 232,180 312,396 746,652"
    assert door(path, "-o", usual, *flags("yolov3-maps")) == 0
    assert door(path, "-o", out, *flags("yolov3-maps"), "--anchors", doubled) == 0
    boxes, wider = (onnxruntime.InferenceSession(str(file)).run(["boxes"], {"images": pictures(kind, 1)})[0]
                    for file in (usual, out))
    np.testing.assert_allclose(wider[..., 2:] - wider[..., :2], 2 * (boxes[..., 2:] - boxes[..., :2]), rtol=1e-4)


# Onwards: INT8, an engine, the other doors


def test_an_adapted_file_is_quantized_like_our_own(tmp_path):
    out, lower = tmp_path / "out.onnx", tmp_path / "out.int8.onnx"
    assert door(saved(tmp_path, kind_of("yolov8")), "-o", out, *MAP) == 0
    for row in range(8):
        noise = np.random.default_rng(row).integers(0, 255, (96, 96, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{row}.png")
    for form in ("cpu", "tensorrt"):
        assert quantize.main([str(out), "--images", str(tmp_path), "-o", str(lower), "--cache", "none", "--form",
                              form]) == 0
    graph = onnx.load(str(lower)).graph
    assert sum(node.op_type == "Conv" for node in graph.node) == 9  # the means over bins are no convolution any more
    assert read_card(lower).precision == "int8"


@pytest.mark.skipif((platform.system(), platform.machine()) != ("Linux", "x86_64"),
                    reason="TensorRT-RTX builds ahead of time on x86-64 Linux only")
@pytest.mark.parametrize("layout", DETECT)
def test_an_adapted_file_builds(tmp_path, layout):
    out = tmp_path / "out.onnx"
    assert door(saved(tmp_path, kind_of(layout)), "-o", out, *flags(layout), *MAP) == 0
    built = engine_from_onnx(out)
    assert built.card.model.classes == ("helmet", "head") and built.card.batch[2] > 1


# What is refused: one line, exit 2, nothing written


NAMED = ("--classes", ",".join(NAMES))
V8 = kind_of("yolov8")


def with_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(onnx.helper.make_tensor_value_info("image_shape", onnx.TensorProto.FLOAT, [1, 2]))


def of_bytes(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.UINT8


def with_pair(model: onnx.ModelProto) -> None:
    model.graph.node.append(onnx.helper.make_node("DequantizeLinear", ["q", "s"], ["unread"]))


def eluding(model: onnx.ModelProto) -> None:
    model.graph.node[0].op_type = "Elude"


def times(factor: float) -> Callable[[onnx.ModelProto], None]:
    """Of all that comes out."""
    def harm(model: onnx.ModelProto) -> None:
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(factor), "factor"))
        model.graph.node.append(onnx.helper.make_node("Mul", ["output0", "factor"], ["output1"]))
        model.graph.output[0].name = "output1"
    return harm


@pytest.mark.parametrize(("kind", "harm", "told", "words"), [
    (kind_of("segment"), None, NAMED, "[1, 32, 12, 12], which no layout here fits. Served are yolov5"),
    (kind_of("classify"), None, NAMED, "[1, 8], which no layout here fits"),
    (kind_of("own nms"), None, NAMED, "[189, 7], which no layout here fits"),
    (kind_of("yolov8", metadata=ultralytics(*NAMES, task="segment")), None, (), "task 'segment'"),
    (kind_of("yolov8", metadata=ultralytics(*NAMES, task="pose")), None, (), "task 'pose'"),
    (kind_of("yolox-decoded"), None, NAMED, "--layout yolov5 or --layout yolox-decoded"),
    (kind_of("yolov3-maps", leaky=False), None, NAMED, "could be yolov3-maps, but its answer"),
    (kind_of("yolov10", metadata={}), times(0), NAMED, "could be yolov10, but its answer"),  # filled up with zeros
    (kind_of("yolov5"), times(3), (), "--layout yolov5"),  # shares that went through no sigmoid
    (kind_of("yolov5"), times(3), ("--layout", "yolov5"), "where 0 to 1 were wanted"),
    (kind_of("yolov5", metadata={}), None, (), "does not name its 3 classes"),
    (kind_of("yolov10", metadata={}), None, (), "does not name its classes"),
    (kind_of("yolov8", metadata=ultralytics("hat", "no-hat")), None, (), "3 classes, and 2 are named: hat, no-hat"),
    (kind_of("yolov8", metadata={"names": "__import__('os').getcwd()"}), None, (), "wanted a Python literal"),
    (kind_of("yolov8", metadata={"names": "{1: 'hat', 2: 'no-hat'}"}), None, (), "wanted numbered from 0"),
    (kind_of("yolov8", metadata={"names": "['hat']", "stride": "'32'"}), None, (), "wanted a whole number"),
    (kind_of("yolov8", metadata={"imgsz": "[96]"}), None, (), "wanted two sides"),
    (V8, None, ("--classes", "a,b,c,d"), "3 classes, and 4 are named"),
    (V8, None, ("--classes", ","), "names none"),
    (V8, None, ("--layout", "yolov5"), "scores of 184 classes, and 3 are named"),
    (V8, None, ("--layout", "yolov10"), "wanted one output [N, K, 6]"),
    (V8, None, ("--layout", "yolov3-maps"), "wanted two maps"),
    (V8, None, ("--map", "hut=helmet"), "no class hut, only hat, no-hat, person"),
    (V8, None, ("--map", "hat=helmt"), "helmt is none of helmet, head"),
    (V8, None, ("--map", "hat"), "write NAME=CLASS"),
    (V8, None, ("--map", "hat=-", "--map", "no-hat=-", "--map", "person=-"), "leaves no class"),
    (V8, None, ("--size", "416"), "write WIDTHxHEIGHT"),
    (V8, None, ("--size", "128x128"), "fixed at 96x96"),
    (kind_of("yolox"), None, (*NAMED, "--layout", "yolov3-maps", "--anchors", "9,9,9"), "pairs of width and height"),
    (kind_of("yolov3-maps"), None, (*NAMED, "--anchors", "10,13,16,30"), "do not share out among 3 maps"),
    (kind_of("yolov3-maps"), None, (*NAMED, "--anchors", "9," * 30), "24 channels are not 5 anchors"),
    (kind_of("yolox", opset=10), None, NAMED, "opset 10; wanted 11 or later"),
    (V8, with_input, (), "image_shape float [1, 2]; wanted one input of pictures"),
    (V8, of_bytes, (), "images uint8 [batch, 3, 96, 96]; wanted one input of pictures"),
    (V8, with_pair, (), "quantized already"),
    (V8, eluding, (), "cannot be run by ONNX Runtime"),
])
def test_what_cannot_be_adapted_is_one_line_and_nothing_written(tmp_path, capsys, kind, harm, told, words):
    path, out, model = tmp_path / "theirs.onnx", tmp_path / "made" / "out.onnx", make(kind)
    if harm:
        harm(model)
    onnx.save(model, path)
    assert door(path, "-o", out, *told) == 2
    assert_one_line(capsys, words)
    assert not out.exists()


def test_a_file_that_is_no_foreign_model_is_one_line(tmp_path, capsys):
    out = tmp_path / "out.onnx"
    for path, words in ((bright_onnx(tmp_path / "ours.onnx"), "carries a model card already"),
                        (tmp_path / "absent.onnx", "no such model file"), (tmp_path, "is not an .onnx file")):
        assert door(path, "-o", out) == 2
        assert_one_line(capsys, words)
    (tmp_path / "text.onnx").write_bytes(b"hello")
    assert door(tmp_path / "text.onnx", "-o", out) == 2
    assert_one_line(capsys, "not an ONNX file")
    onnx.save(make(V8), tmp_path / "parted.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    (tmp_path / "w.bin").unlink()
    assert door(tmp_path / "parted.onnx", "-o", out) == 2
    assert_one_line(capsys, "must lie beside it")
    assert not out.exists()


def assert_one_line(capsys: pytest.CaptureFixture[str], words: str) -> None:
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert words in said[0]


def test_places_that_are_not_to_be_written_are_refused(tmp_path, capsys):
    path = saved(tmp_path, kind_of("yolov8"))
    before = path.read_bytes()
    for told in (("-o", path), ("-o", tmp_path / "out.txt"), ("-o", tmp_path / "out.onnx", "--json", tmp_path / "x"),
                 ("-o", tmp_path / "out.onnx", "--json", path.with_suffix(".onnx"))):
        assert door(path, *told) == 2
    assert len(capsys.readouterr().err.splitlines()) == 4
    assert [file.name for file in tmp_path.iterdir()] == [path.name] and path.read_bytes() == before


def test_every_layout_is_tried_here():
    assert {layout for layout in DETECT if " " not in layout} == set(LAYOUTS)


def test_a_model_without_a_card_is_sent_here(tmp_path, capsys):
    path = saved(tmp_path, kind_of("yolov8"))
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    assert main(["detect", str(path), str(tmp_path)]) == 2
    assert f"minehat adapt {path}" in capsys.readouterr().err
    assert main(["detect", str(bright_onnx(path, card=None)), str(tmp_path)]) == 2
    assert "minehat adapt" not in capsys.readouterr().err
