"""Others' INT8 beside ours: the same squares, settings that quantize what they say, our ranges in their files."""

import json
import shutil
import subprocess
import sys
from collections import Counter

import numpy as np
import onnx
import pytest
from conftest import ROOT
from minebench.peers.comparison import Pair, points
from minebench.peers.engines import race_engines, ratio
from minebench.peers.graphs import decode_of
from minebench.peers.ort import SETTINGS, Setting, make
from minebench.peers.our_grids import grids_of
from minebench.peers.squares import batches, squares_in, write_squares
from minehat.card import read_card
from minehat.errors import MineHatError
from minehat.letterbox import letterbox
from minehat.pictures import read_picture, write_picture
from minehat.scoring.paired import Interval
from onnx import numpy_helper
from test_benchmarks import door, voc_of_own_findings
from tiny import noise_frames, tiny_onnx


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_onnx(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for row, frame in enumerate(noise_frames(9)):
        write_picture(folder / f"{row}.png", frame)
    return folder


@pytest.fixture(scope="module")
def ours(model, pictures, tmp_path_factory):
    """Both forms of it, by quantize.py."""
    folder = tmp_path_factory.mktemp("ours")
    for form, name in (("tensorrt", "int8"), ("cpu", "int8-cpu")):
        subprocess.run([sys.executable, ROOT / "calib/quantize.py", model, "--images", pictures, "--form", form,
                        "--cache", "none", "-o", folder / f"tiny.{name}.onnx"],
                       check=True, capture_output=True)
    return folder / "tiny.int8.onnx", folder / "tiny.int8-cpu.onnx"


def test_squares_are_what_the_network_sees_and_letterbox_to_themselves(model, pictures, tmp_path):
    card = read_card(model)
    write_squares([pictures], card, 4, tmp_path / "squares")
    squares = squares_in(tmp_path / "squares")
    assert len(squares) == 4
    for path, frame in zip(squares, [noise_frames(9)[row] for row in (0, 2, 4, 6)], strict=True):
        square, _ = letterbox(frame, card.height, card.width, card.pad)
        np.testing.assert_array_equal(read_picture(path), square)
        np.testing.assert_array_equal(letterbox(square, card.height, card.width, card.pad)[0], square)
    assert [batch.shape for batch in batches(squares, card)] == [(1, 3, 96, 96)] * 4
    with pytest.raises(MineHatError, match="there already"):
        write_squares([pictures], card, None, tmp_path / "squares")


def test_squares_come_from_lists_and_splits_and_a_broken_picture_leaves_none(model, pictures, tmp_path):
    card = read_card(model)
    voc = voc_of_own_findings(model, tmp_path / "own")
    listing = pictures / "some.txt"
    listing.write_text("0.png\n\n3.png\n", encoding="utf-8")
    write_squares([listing, voc / "ImageSets/Main/val.txt"], card, None, tmp_path / "squares")
    assert len(squares_in(tmp_path / "squares")) == 5
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/a.png").write_bytes(b"no picture")
    for source, told in ((tmp_path / "broken", "decoded"), (tmp_path / "nowhere", "no such folder")):
        with pytest.raises(MineHatError, match=told):
            write_squares([source], card, None, tmp_path / "none")
    assert not (tmp_path / "none").exists()
    with pytest.raises(MineHatError, match="holds no squares"):
        squares_in(tmp_path)


def test_decode_begins_where_no_convolution_follows(model):
    graph = onnx.load(model).graph
    last, decode = decode_of(onnx.load(model))
    assert len(last) == 3
    kinds = Counter(node.op_type for node in graph.node if node.name in decode)
    assert "Conv" not in kinds and "LeakyRelu" not in kinds and kinds["Exp"] == 3
    makers = {name: node.name for node in graph.node for name in node.output}
    assert {makers[value.name] for value in graph.output} <= set(decode)


def test_our_ranges_are_in_their_files(model, pictures, ours, tmp_path):
    write_squares([pictures], read_card(model), 2, tmp_path / "squares")
    for path in ours:
        form, grids = grids_of(path)
        theirs = onnx.load(make(model, squares_in(tmp_path / "squares"), Setting(form, "minmax", grids, "x"), tmp_path))
        values = {tensor.name: numpy_helper.to_array(tensor) for tensor in theirs.graph.initializer}
        rounded = [node for node in theirs.graph.node if node.op_type == "QuantizeLinear"]
        assert len(rounded) > 70 and {node.input[0] for node in rounded} <= set(grids)
        for node in rounded:
            scale, zero = grids[node.input[0]]
            assert values[node.input[1]] == pytest.approx(scale) and values[node.input[2]] == zero
        assert values[rounded[0].input[2]].dtype == (np.int8 if form == "s8s8" else np.uint8)
        assert read_card(tmp_path / f"ort-{form}-ranges-of-x.onnx").precision == read_card(path).precision


def test_the_grids_are_those_that_our_own_file_rounds_to(ours):
    for path in ours:
        _, grids = grids_of(path)
        graph = onnx.load(path).graph
        values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        rounded = [node for node in graph.node if node.op_type == "QuantizeLinear"]
        assert {node.input[0] for node in rounded} == set(grids)
        for node in rounded:
            scale, zero = grids[node.input[0]]
            assert values[node.input[1]] == pytest.approx(scale, rel=1e-5) and values[node.input[2]] == zero


def test_accuracy_makes_peers_scores_them_and_pairs_them_by_form(model, ours, pictures, tmp_path):
    data = voc_of_own_findings(model, tmp_path / "own")
    arguments = [model, *ours, "--data", data, "--peers", tmp_path / "peers"]
    (tmp_path / "peers").mkdir()
    for setting in SETTINGS[:-1]:  # what is there is not made anew
        shutil.copy(ours[setting.form == "u8s8"], tmp_path / "peers" / f"{setting.name}.onnx")
    ended = accuracy(*arguments, "--images", pictures, "--images-limit", "2")
    assert ended.returncode == 0, ended.stderr
    line = json.loads(ended.stdout.splitlines()[-1])
    pairs = {(pair["model"], pair["against"]): pair for pair in line["pairs"]}
    assert ("tiny.int8.onnx", "tiny.onnx") in pairs and ("ort-u8s8-entropy.onnx", "tiny.onnx") in pairs
    assert ("tiny.int8-cpu.onnx", "ort-u8s8-ranges-of-tiny.int8-cpu.onnx") in pairs
    assert ("tiny.int8-cpu.onnx", "ort-s8s8-minmax.onnx") not in pairs
    scores = {entry["model"]: entry["map50"] for entry in line["models"]}
    for (one, other), pair in pairs.items():
        assert pair["map50"]["drop"] == pytest.approx(scores[other] - scores[one], abs=1e-9)
    again = accuracy(*arguments)  # all is there: nothing is made anew
    assert json.loads(again.stdout.splitlines()[-1])["pairs"] == line["pairs"]


@pytest.mark.parametrize(("options", "told"), [
    (["--images", "."], "--peers"), (["--peers", ".", "--keep"], "--keep"),
    (["--peers", "absent"], "holds no INT8 file")])
def test_what_cannot_be_asked_for_together_ends_in_one_line(model, tmp_path, options, told):
    ended = accuracy(model, "--data", tmp_path, *options)
    assert ended.returncode == 2 and told in ended.stderr.splitlines()[-1]


def test_worse_is_what_lies_wholly_above_nothing():
    lost, maybe = Interval(0.02, 0.01, 0.03, 0.028), Interval(0.02, -0.01, 0.05, 0.04)
    assert Pair("a", "b", maybe, lost).worse and Pair("a", "b", lost, None).worse
    assert not Pair("a", "b", maybe, maybe).worse and not Pair("a", "b", None, None).worse
    assert points(maybe) == "+2.0 (-1.0 to +5.0)" and points(Interval(-1e-5, -1e-5, 0, 0)).startswith("+0.0")


class Sleepless:
    """An engine that works for a known while."""

    name = "busy"

    def __init__(self, rounds):
        self.rounds = rounds

    def infer(self, batch):
        for _ in range(self.rounds):
            np.sort(batch)
        return batch, batch

    def close(self):
        pass


def test_a_race_tells_how_many_times_more_processor_time_is_taken():
    batch = np.random.default_rng(0).random((40, 2000))
    spent = race_engines({"one": Sleepless(10), "three": Sleepless(30)}, [batch], 12)
    assert {len(ms) for ms in spent.values()} == {12}
    middle, low, high = ratio(spent["three"], spent["one"])
    assert low <= middle <= high and 2 < middle < 4


def test_the_page_shows_what_the_benchmarks_left_and_keeps_what_is_not_given(model, ours, tmp_path):
    data = voc_of_own_findings(model, tmp_path / "own")
    sources = tmp_path / "sources.json"
    made = tmp_path / "made"
    made.mkdir()
    for path, form in zip(ours, ("tensorrt", "cpu"), strict=True):
        (made / f"site.{form}.onnx").write_bytes(path.read_bytes())
    ended = door("calibration_sources", model, "--source", f"site={tmp_path}", "--data", data, "--out", made,
                 "--json", sources)
    assert ended.returncode == 0, ended.stderr
    for arguments in (["--sources", sources], []):
        ended = door("precision_report", *arguments, "--out", tmp_path / "reports")
        assert ended.returncode == 0, ended.stderr
        page = (tmp_path / "reports/precision.md").read_text(encoding="utf-8")
        assert "| site.cpu.onnx | 9 |" in page and "## Which pictures" in page and "OpenVINO" not in page
    assert json.loads((tmp_path / "reports/precision.json").read_text())["sources"] == json.loads(sources.read_text())


def accuracy(*arguments):
    return door("accuracy", *arguments)
