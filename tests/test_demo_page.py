"""The demo's walk through the doors, and the page that it ends with."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from minebench.page import Figure, Mark, Shown, Story, page_of, size_told
from minebench.walk import Step, Walk
from minehat.errors import MineHatError
from minehat.pictures import write_picture

EMPTY = "data:image/webp;base64,AA=="
VOID = {"meta", "img", "br", "link"}


def model(told, ms, map50):
    spans = {"p50": ms, "p90": ms, "p99": ms, "max": ms}
    return {"told": told, "model": told, "size": "416x416", "cpu_ms": spans, "throughput_fps": 1000 / ms, "frames": 60,
            "stages": dict.fromkeys(("prepare", "infer", "finish", "whole"), spans), "map50": map50, "map": map50 / 2,
            "ap50": {"helmet": map50, "head": None}, "recall": {"helmet": map50, "head": None}}


def story(**changes):
    models = [model("FP32", 20.0, 0.52), model("INT8", 8.0, 0.515)]
    told = {"date": "21 November 2026", "seconds": 100.0, "calibrated_on": "mine <frames>", "labelled_told": "val",
            "machine": {"cpu": "cpu", "cores": 2, "memory_gb": 8, "system": "Linux", "python": "3.11", "versions": {}},
            "conf": 0.25, "classes": ("helmet", "head"), "figures": (Figure("51.5", "mAP50", "told"),),
            "clip": Shown(EMPTY, "a clip", 96, 54, (("helmet", 2), ("head", 1)), ()),
            "pictures": (Shown(EMPTY, "<b>.jpg", 64, 48, (("head", 1),), (Mark(1.0, 2.0, 3.0, 4.0, "head", 0.9),)),
                         Shown(EMPTY, "empty.jpg", 64, 48, (), ())),
            "steps": (Step("Export", "told", "python export/to_onnx.py", 3.0), Step("Engine", "why", left_out=True)),
            "latency": {"models": models, "frames": 60, "frame_size": "1280x720", "longest": 20.0},
            "accuracy": {"models": models, "images": 10}, "engines": (), "engine_note": "not on this platform",
            "files": ({"name": "helmet.onnx", "told": "a file", "size": "1.0 MB"},), "notes": ("honest",)}
    return Story(**{**told, **changes})


class Balanced(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_from_outside():
    page = page_of(story())
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert not re.search(r"https?://|<script|<link|@import|url\(", page)
    assert all(source.startswith("data:") for source in re.findall(r'(?:src|href)="([^"]+)"', page))


def test_the_page_tells_figures_counts_and_what_was_left_out():
    page = page_of(story())
    for told in ("51.5", "+0.5", "2.50×", "2 helmets", "1 head", "nothing found", "left out", "not on this platform"):
        assert told in page


def test_names_are_escaped():
    page = page_of(story())
    assert "<b>.jpg" not in page and "&lt;b&gt;.jpg" in page and "mine &lt;frames&gt;" in page


def test_engines_stand_in_a_table():
    engine = {"name": "helmet.rtx.engine", "tensorrt": "rtx 1.7", "capabilities": "8.6, 8.9",
              "size": "5 MB", "precisions": "60 int8->int8"}
    page = page_of(story(engines=(engine,)))
    assert "helmet.rtx.engine" in page and "60 int8-&gt;int8" in page


def test_sizes_are_told_in_units_of_people():
    assert (size_told(15_600_000), size_told(4_321)) == ("15.6 MB", "4 KB")


def test_a_walk_keeps_what_each_door_said_and_took(tmp_path):
    (tmp_path / "door.py").write_text("import sys; print(sys.argv[1])")
    walk = Walk(tmp_path, 2)
    assert walk.door("Say", "told", "python", "door.py", tmp_path / "x y").strip() == str(tmp_path / "x y")
    walk.leave_out("Fly", "no wings")
    assert [step.title for step in walk.steps] == ["Say", "Fly"]
    assert walk.steps[0].command == "python door.py 'x y'" and walk.steps[0].seconds > 0
    assert walk.steps[1].left_out and walk.steps[1].told == "no wings"


@pytest.mark.parametrize(("code", "error"), [(2, MineHatError), (1, RuntimeError), (3, RuntimeError)])
def test_a_door_that_fails_ends_the_walk_with_its_name_and_command(tmp_path, code, error):
    (tmp_path / "door.py").write_text(f"import sys; sys.exit({code})")
    with pytest.raises(error, match=rf"'Open' ended with code {code}.*python door.py"):
        Walk(tmp_path, 1).door("Open", "told", "python", "door.py")


def test_a_door_may_end_with_a_code_that_is_fine(tmp_path):
    (tmp_path / "door.py").write_text("import sys; sys.exit(3)")
    assert Walk(tmp_path, 1).door("Open", "told", "python", "door.py", fine=(0, 3)) == ""


def test_pictures_are_made_small_and_their_boxes_with_them(tmp_path):
    from minebench.shown import shown_pictures
    write_picture(tmp_path / "wide.png", np.full((300, 2000, 3), 90, np.uint8))
    entry = {"source": str(tmp_path / "wide.png"), "width": 2000, "height": 300, "detections": [
        {"box": [100, 50, 400, 250], "score": 0.9, "label": "head"}]}
    (tmp_path / "found.json").write_text(json.dumps({"model": "m", "images": [entry]}))
    shown, = shown_pictures(tmp_path / "found.json", ("helmet", "head"))
    assert shown.uri.startswith("data:image/webp;base64,") and len(shown.uri) < 100_000
    assert (shown.width, shown.height, shown.counts) == (640, 96, (("head", 1),))
    assert shown.marks == (Mark(32.0, 16.0, 96.0, 64.0, "head", 0.9),)
