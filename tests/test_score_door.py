"""score.py: the same figures for a checkpoint and what is exported from it, what it prints, writes and refuses."""

from __future__ import annotations

import json

import pytest
import score
from minehat import scenes
from minehat.doors import run_door
from minehat.labels import read_split
from minehat.pictures import picture_size
from minenet.checkpoint import save_checkpoint
from minenet.evaluation import detections_of
from tiny import tiny_card, tiny_network, tiny_onnx

NAMES = {0: "hard hat", 1: "head"}  # what the labels call our classes


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A checkpoint of random weights and the ONNX file that is exported from it."""
    folder = tmp_path_factory.mktemp("models")
    save_checkpoint(folder / "tiny.pt", tiny_network(), tiny_card())
    return folder / "tiny.pt", tiny_onnx(folder)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Rendered pictures whose labels are, for the most part, what the network of random weights happens to find."""
    folder = tmp_path_factory.mktemp("data")
    scenes.write_pictures(folder / "voc", 6, seed=3, split="val", width=160, height=128)
    pictures = read_split(folder / "voc", "val", ("helmet", "head"))
    content = {"images": [], "annotations": [],
               "categories": [{"id": row, "name": name} for row, name in NAMES.items()]}
    for number, found in enumerate(detections_of(tiny_network(), pictures, tiny_card()), 1):
        content["images"].append({"id": number, "width": 160, "height": 128,
                                  "file_name": pictures[number - 1].path.name})
        for row in range(0, min(len(found), 30), 3):
            x0, y0, x1, y1 = map(float, found.boxes[row])
            content["annotations"].append({"id": 100 * number + row, "image_id": number, "iscrowd": 0,
                                           "category_id": int(found.labels[row]), "bbox": [x0, y0, x1 - x0, y1 - y0]})
    place = folder / "set"
    (place / "annotations").mkdir(parents=True)
    (place / "annotations" / "instances_val.json").write_text(json.dumps(content))
    (place / "val").symlink_to(folder / "voc" / "JPEGImages")
    return place


def scored(capsys, *arguments):
    """(exit code, the JSON of the last line or None, lines on stderr)"""
    try:
        code = run_door(score.main, list(map(str, arguments)))
    except SystemExit as exc:  # argparse leaves so
        code = exc.code
    told = capsys.readouterr()
    return code, json.loads(told.out.splitlines()[-1]) if told.out else None, told.err.splitlines()


MAP = ("--map", "hard hat=helmet")


def test_a_checkpoint_and_its_onnx_file_score_alike(models, data, capsys):
    (code, by_torch, _), (again, by_onnx, _) = (scored(capsys, model, "--data", data, *MAP) for model in models)
    assert code == again == 0 and by_torch["images"] == 6 and 0.05 < by_torch["map50"] < 1
    for key in ("map50", "map", "ap50", "recall"):
        assert by_onnx[key] == pytest.approx(by_torch[key], abs=1e-3), key
    assert by_onnx["detail"]["confusion"] == by_torch["detail"]["confusion"]
    assert by_onnx["detail"]["square"] == [96, 96]


def test_bare_heads_come_first_and_the_threshold_is_the_cards_unless_asked(models, data, tmp_path, capsys):
    code, found, told = scored(capsys, models[0], "--data", data, *MAP, "--json", tmp_path / "score.json")
    head = found["detail"]["classes"]["head"]
    assert code == 0 and told[0].startswith("bare heads found: ") and "threshold 0.25" in told[0]
    assert json.loads((tmp_path / "score.json").read_text()) == found
    assert head["at_conf"]["threshold"] == found["detail"]["conf"] == 0.25
    assert found["recall"]["head"] == head["at_conf"]["recall"]
    _, higher, told = scored(capsys, models[0], "--data", data, *MAP, "--conf", 0.28)
    assert "threshold 0.28" in told[0] and higher["recall"]["head"] < found["recall"]["head"]
    assert higher["map"] == found["map"]


def test_plots_are_made_and_a_part_is_enough(models, data, tmp_path, capsys):
    code, found, _ = scored(capsys, models[1], "--data", data, *MAP, "--limit", 2, "--plots", tmp_path / "plots")
    assert code == 0 and found["images"] == 2
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == [
        "confusion.png", "pr.png", "sizes.png", "thresholds.png", "worst.jpg"]
    assert all(picture_size(path)[0] >= 1200 for path in (tmp_path / "plots").iterdir())


def test_what_cannot_be_scored_ends_in_words_and_code_2(models, data, tmp_path, capsys):
    checkpoint, onnx = models
    (tmp_path / "no.pt").write_text("no checkpoint")
    for arguments, says in (((checkpoint, "--data", data), "hard hat"), ((checkpoint, "--data", tmp_path), "labelled"),
                            ((checkpoint, "--data", data, "--split", "test", *MAP), "test"),
                            ((tmp_path / "no.pt", "--data", data, *MAP), "checkpoint"),
                            ((tmp_path / "absent.onnx", "--data", data, *MAP), "absent.onnx"),
                            ((tmp_path / "no.engine", "--data", data, *MAP), "no.engine"),
                            ((onnx, "--data", data, *MAP, "--device", "cpu"), "--device"),
                            ((checkpoint, "--data", data, "--map", "hat"), "NAME=CLASS"),
                            ((checkpoint, "--data", data, *MAP, "--device", "foo"), "--device foo"),
                            ((checkpoint, "--data", data, *MAP, "--conf", 2), "--conf"),
                            ((checkpoint, "--data", data, *MAP, "--plots", __file__), "test_score_door")):
        code, found, told = scored(capsys, *arguments)
        assert code == 2 and found is None and any(says in line for line in told[-3:]), told
