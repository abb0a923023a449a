"""Quantization: integer where promised, close to the parent, whole or not written at all."""

from __future__ import annotations

import itertools
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from broken import break_channel
from doors import through
from minecalib.check import check_valid, drift, integer_convolutions
from minecalib.graph import Wiring, key_of, open_model
from minecalib.images import Squares, find_pictures
from minecalib.ranges import histograms
from minecalib.ranges.histograms import count
from minecalib.running import rounds_halves
from minecalib.written import CALIBRATION
from minehat.card import KEY, read_card
from minehat.files import sha256_of
from minehat.onnx_metadata import read_metadata
from minehat.pictures import write_picture
from onnx import TensorProto, numpy_helper
from tiny import tiny_onnx

ROOT = Path(__file__).resolve().parent.parent
KINDS = {"int8": [], "int8-cpu": ["--form", "cpu"], "fp16": ["--precision", "fp16"],
         "int8+fp16": ["--precision", "int8+fp16"]}


def quantize(*arguments: object) -> int:
    return through("calib/quantize.py", *arguments)


def write_frames(folder: Path, count: int, seed: int = 0) -> Path:
    """Pictures with large and small shapes, all different."""
    random = np.random.default_rng(seed)
    for row in range(count):
        coarse = random.integers(0, 255, (5, 7, 3), np.uint8)
        frame = np.kron(coarse, np.ones((24, 24, 1), np.uint8))
        write_picture(folder / f"{row:03}.png", frame // 2 + random.integers(0, 60, frame.shape, np.uint8))
    return folder


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_frames(tmp_path_factory.mktemp("frames"), 12)


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_onnx(tmp_path_factory.mktemp("parent"))


@pytest.fixture(scope="module")
def made(parent: Path, frames: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """All four kinds of one parent."""
    folder = tmp_path_factory.mktemp("made")
    files = {kind: folder / f"tiny.{kind}.onnx" for kind in KINDS}
    for kind, flags in KINDS.items():
        assert quantize(parent, "--images", frames, *flags, "-o", files[kind]) == 0
    return files


def batches(parent: Path, frames: Path) -> list[np.ndarray]:
    card = read_card(parent)
    return [batch for _, batch in Squares(find_pictures([frames], card.classes), card).walk("test")]


def arrays(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def test_in_the_cpu_form_every_convolution_runs_on_integers(parent: Path, made: dict[str, Path]) -> None:
    whole, floats = integer_convolutions(made["int8-cpu"])
    assert floats == []
    assert sorted(name.split("_token_")[0] for name in whole) == sorted(
        node.name for node in onnx.load(parent).graph.node if node.op_type == "Conv")


LIKE = [("fp16", 50), ("int8", 25), ("int8-cpu", 25)] + [("int8+fp16", 25)] * rounds_halves()


@pytest.mark.parametrize(("kind", "decibels"), LIKE)
def test_each_kind_answers_like_its_parent(parent: Path, made: dict[str, Path], frames: Path, kind: str,
                                           decibels: float) -> None:
    found = drift(parent, made[kind], batches(parent, frames))
    assert found.sqnr > decibels and found.boxes < 3


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_outputs_and_decode_stay_float32(parent: Path, made: dict[str, Path], kind: str) -> None:
    model = onnx.load(made[kind])
    check_valid(made[kind], onnx.load(parent))
    decode = Wiring(onnx.load(parent)).decode
    types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    kept = [node for node in model.graph.node if key_of(node) in decode]
    assert len(kept) == len(decode)
    assert not any(node.op_type.endswith("QuantizeLinear") for node in kept)
    assert TensorProto.FLOAT16 not in {types.get(name) for node in kept for name in node.input}


@pytest.mark.parametrize("kind", KINDS)
def test_the_card_travels_and_names_parent_and_pictures(parent: Path, made: dict[str, Path], kind: str) -> None:
    card = read_card(made[kind])
    assert card == read_card(parent).with_(precision=kind, parent_sha256=sha256_of(parent))
    facts = json.loads(read_metadata(made[kind]).get(CALIBRATION, "{}"))
    assert facts.get("images", 0) == (0 if kind == "fp16" else 12)


@pytest.mark.parametrize("kind", ["int8", "int8+fp16"])
def test_the_tensorrt_form_is_symmetric_with_stored_integers_and_fp16_scales(made: dict[str, Path],
                                                                             kind: str) -> None:
    model = onnx.load(made[kind])
    values = arrays(model)
    pairs = [node for node in model.graph.node if node.op_type.endswith("QuantizeLinear")]
    for node in pairs:
        scale, zero = values[node.input[1]], values[node.input[2]]
        assert zero.dtype == np.int8 and not zero.any()
        assert (scale >= 2.0**-14).all() and (scale == scale.astype(np.float16)).all()
    makers = {node.output[0]: node for node in model.graph.node}
    for node in model.graph.node:
        if node.op_type == "Conv":
            assert [makers[name].op_type for name in node.input[:2]] == ["DequantizeLinear"] * 2
            assert values[makers[node.input[1]].input[0]].dtype == np.int8


def test_in_the_tensorrt_form_residual_skips_are_integers_too(parent: Path, made: dict[str, Path]) -> None:
    adds = [node for node in onnx.load(made["int8"]).graph.node if node.op_type == "Add"]
    assert sum(any(name.endswith("_dequantized") for name in node.input) for node in adds) == 23


def test_fp16_halves_the_file_and_casts_only_at_the_edges(parent: Path, made: dict[str, Path]) -> None:
    model = onnx.load(made["fp16"])
    casts = [node for node in model.graph.node if node.op_type == "Cast"]
    assert len(casts) == 4  # the input, and the three maps that decode reads
    assert made["fp16"].stat().st_size < 0.6 * parent.stat().st_size


def test_the_same_pictures_under_other_names_give_the_same_file(parent: Path, frames: Path, tmp_path: Path,
                                                                made: dict[str, Path]) -> None:
    names = sorted(frames.iterdir())
    for row, path in enumerate(reversed(names)):
        (tmp_path / f"other{row:03}.png").write_bytes(path.read_bytes())
    assert quantize(parent, "--images", tmp_path, "-o", tmp_path / "again.onnx") == 0
    assert (tmp_path / "again.onnx").read_bytes() == made["int8"].read_bytes()


def test_a_broken_picture_is_named_and_passed_over(parent: Path, frames: Path, tmp_path: Path,
                                                   capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_text("not a picture")
    out = tmp_path / "out.onnx"
    assert quantize(parent, "--images", frames, "--images", broken, "-o", out) == 3
    assert out.is_file() and capsys.readouterr().err.count("broken.jpg") == 1


def _quantized(parent: Path, folder: Path, frames: Path) -> list[object]:
    path = folder / "small.onnx"
    assert quantize(parent, "--images", frames, "-o", path) == 0
    return [path, "--images", frames]


def _without_card(parent: Path, folder: Path, frames: Path) -> list[object]:
    model = onnx.load(parent)
    del model.metadata_props[:]
    onnx.save(model, folder / "bare.onnx")
    return [folder / "bare.onnx", "--images", frames]


def _too_few(parent: Path, folder: Path, frames: Path) -> list[object]:
    return [parent, "--images", frames, "--limit", 7]


def _all_the_same(parent: Path, folder: Path, frames: Path) -> list[object]:
    same = folder / "same"
    same.mkdir()
    for row in range(9):
        (same / f"{row}.png").write_bytes((frames / "000.png").read_bytes())
    return [parent, "--images", same]


def _not_finite(parent: Path, folder: Path, frames: Path) -> list[object]:
    model = onnx.load(parent)
    wiring = Wiring(model)
    weights = wiring.convolutions[3].input[1]
    wiring.set_array(weights, np.full_like(wiring.array(weights), 3e38))
    onnx.save(model, folder / "wild.onnx")
    return [folder / "wild.onnx", "--images", frames]


def _other_channels(parent: Path, folder: Path, frames: Path) -> list[object]:
    model = onnx.load(parent)
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 4
    onnx.save(model, folder / "four.onnx")
    return [folder / "four.onnx", "--images", frames]


def _beyond_fp16(parent: Path, folder: Path, frames: Path) -> list[object]:
    model = onnx.load(parent)
    wiring = Wiring(model)
    bias = wiring.convolutions[3].input[2]
    wiring.set_array(bias, np.full_like(wiring.array(bias), 1e5))
    onnx.save(model, folder / "large.onnx")
    return [folder / "large.onnx", "--precision", "fp16"]


def _no_images(parent: Path, folder: Path, frames: Path) -> list[object]:
    return [parent]


def _fp16_for_cpu(parent: Path, folder: Path, frames: Path) -> list[object]:
    return [parent, "--precision", "fp16", "--form", "cpu"]


def _empty_folder(parent: Path, folder: Path, frames: Path) -> list[object]:
    (folder / "empty").mkdir()
    return [parent, "--images", folder / "empty"]


@pytest.mark.parametrize(("case", "said"), [
    (_quantized, "quantized already"), (_without_card, "--card"), (_too_few, "at least 8"),
    (_all_the_same, "the same"), (_not_finite, "not finite"), (_other_channels, "4, 96, 96"),
    (_beyond_fp16, "65504"), (_no_images, "--images"), (_fp16_for_cpu, "--form cpu"), (_empty_folder, "no pictures"),
])
def test_what_cannot_be_done_is_told_in_one_line_and_nothing_is_written(
        case: Callable[[Path, Path, Path], list[object]], said: str, parent: Path, frames: Path, tmp_path: Path,
        capsys: pytest.CaptureFixture[str]) -> None:
    arguments = case(parent, tmp_path, frames)
    before = set(tmp_path.rglob("*"))
    capsys.readouterr()
    assert quantize(*arguments, "-o", tmp_path / "out" / "x.onnx") == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if "calibrating" not in line and line.strip()]
    assert len(lines) == 1 and said in lines[0]
    assert {path for path in tmp_path.rglob("*") if path.is_file()} <= before


def test_a_card_given_by_hand_serves_a_model_without_one(parent: Path, frames: Path, tmp_path: Path) -> None:
    arguments = _without_card(parent, tmp_path, frames)
    card = tmp_path / "card.json"
    card.write_text(read_metadata(parent)[KEY])
    assert quantize(*arguments, "--card", card, "-o", tmp_path / "x.onnx") == 0
    assert read_card(tmp_path / "x.onnx").precision == "int8"


def test_an_older_opset_is_refused_with_the_way_out(parent: Path, tmp_path: Path) -> None:
    model = onnx.load(parent)
    model.opset_import[0].version = 17
    onnx.save(model, tmp_path / "old.onnx")
    with pytest.raises(Exception, match="Export it again"):
        open_model(str(tmp_path / "old.onnx"))


@pytest.mark.parametrize(("number", "end"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_amid_calibration_leaves_nothing(parent: Path, frames: Path, tmp_path: Path, number: int, end: int,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    calls = itertools.count()

    def pressed(values: np.ndarray, top: float) -> np.ndarray:
        if next(calls) == 500:
            os.kill(os.getpid(), number)
        return count(values, top)

    monkeypatch.setattr(histograms, "count", pressed)
    try:
        code = quantize(parent, "--images", frames, "--cache", tmp_path / "cache", "-o", tmp_path / "x.onnx")
    except SystemExit as exc:
        code = exc.code
    assert code == end and next(calls) > 500
    assert not list(tmp_path.rglob("*"))


def test_a_calibration_is_used_again_for_the_other_form_and_not_for_other_pictures(
        parent: Path, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cache = ["--cache", tmp_path / "cache"]
    assert quantize(parent, "--images", frames, *cache, "-o", tmp_path / "a.onnx") == 0
    assert "kept in" not in capsys.readouterr().err
    assert quantize(parent, "--images", frames, *cache, "--form", "cpu", "-o", tmp_path / "b.onnx") == 0
    assert "kept in" in capsys.readouterr().err
    assert quantize(parent, "--images", frames, *cache, "--limit", 11, "-o", tmp_path / "c.onnx") == 0
    assert "kept in" not in capsys.readouterr().err
    assert len(list((tmp_path / "cache").iterdir())) == 2
    assert quantize(parent, "--images", frames, "--cache", "none", "-o", tmp_path / "d.onnx") == 0
    assert (tmp_path / "d.onnx").read_bytes() == (tmp_path / "a.onnx").read_bytes()


def test_an_activation_that_fp16_cannot_hold_is_refused_by_name(parent: Path, frames: Path, tmp_path: Path,
                                                                capsys: pytest.CaptureFixture[str]) -> None:
    """The weights fit, what they make of the pictures does not: only pictures can tell."""
    loud = tmp_path / "loud.onnx"
    culprit = break_channel(parent, loud, chain=15, factor=30_000)
    for precision, flags in (("fp16", []), ("int8+fp16", [])):
        assert quantize(loud, "--images", frames, "--precision", precision, *flags, "-o", tmp_path / "x.onnx") == 2
        told = capsys.readouterr().err.splitlines()[-1]
        assert "65504" in told and ("tensor" in told or "weight" in told), (told, culprit)
    assert not (tmp_path / "x.onnx").exists()
