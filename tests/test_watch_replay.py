"""`minewatch replay`: which events would this recording raise?"""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from films import film_of
from minehat import Detections
from minehat.doors import DONE, MENDABLE, SOME_FAILED
from minewatch.cli import main
from minewatch.config.schema import RulesPart, ZonePart
from minewatch.judging.replay import Case, events_of

MODEL = Path(__file__).resolve().parent.parent / "models/helmet-nano/helmet-nano.int8-cpu.onnx"


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A rendered gallery: two bare heads near the camera for a few seconds, and a helmet."""
    path = tmp_path_factory.mktemp("clips") / "巷道.mp4"
    made = subprocess.run([sys.executable, "-m", "minehat.scenes", str(path), "--seed", "9003", "--seconds", "2.4",
                           "--size", "640x360"], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return path


@pytest.fixture
def config(tmp_path):
    """Two cameras, of which one watches only the left half and the other waits for long."""
    path = tmp_path / "minewatch.yaml"
    path.write_text(f"""version: 1
state: state
model: {{file: {MODEL}}}
cameras:
  - name: left
    url: a.mp4
    zones: [{{name: half, points: [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}}]
  - {{name: late, url: b.mp4, rules: {{seconds: 30}}}}
""")
    path.chmod(0o600)
    return path


def test_a_clip_tells_its_events_in_a_table_a_file_and_pictures(clip, tmp_path, capsys):
    assert main(["replay", str(clip), "--model", str(MODEL), "--json", str(tmp_path / "out.json"),
                 "--draw", str(tmp_path / "drawn")]) == DONE
    told = json.loads((tmp_path / "out.json").read_text())
    opened = [one for one in told["events"] if one["kind"] == "bare_head"]
    assert told["clips"] == [str(clip)] and len(opened) == 3  # as many as there are
    assert all(0.9 < one["seconds"] < 2.4 and one["clip"] == str(clip) for one in opened)
    assert [one["loud"] for one in opened] == [True, False, False]
    ends = [one for one in told["events"] if one["kind"] == "bare_head_ended"]
    assert {one["incident"] for one in ends} == {one["incident"] for one in opened}
    assert {one["remark"] for one in ends} == {"the clip ended"}
    shown = capsys.readouterr()
    assert shown.out == "" and "bare_head" in shown.err and "3 without a helmet" in shown.err
    drawn = sorted((tmp_path / "drawn").iterdir())
    assert [path.name for path in drawn] == [f"巷道-000{row}-bare_head.jpg" for row in (1, 2, 3)]
    assert cv2.imdecode(np.fromfile(drawn[0], np.uint8), cv2.IMREAD_COLOR).shape == (360, 640, 3)


def test_a_camera_of_a_configuration_lends_its_zones_and_rules(clip, config, tmp_path, capsys):
    lines = tmp_path / "out.jsonl"
    assert main(["replay", str(clip), "--config", str(config), "--camera", "left", "--json", str(lines)]) == DONE
    told = [json.loads(line) for line in lines.read_text().splitlines()]
    assert {one["zone"] for one in told} == {"half"} and all(one["box"][0] < 0.5 for one in told)
    assert main(["replay", str(clip), "--config", str(config), "--camera", "late", "--json", "-"]) == DONE
    assert json.loads(capsys.readouterr().out)["events"] == []


def test_a_configuration_of_several_cameras_wants_a_name(clip, config, capsys):
    assert main(["replay", str(clip), "--config", str(config)]) == MENDABLE
    assert "left, late. Name one with --camera." in capsys.readouterr().err
    assert main(["replay", str(clip), "--config", str(config), "--camera", "gate"]) == MENDABLE
    assert "no camera 'gate'" in capsys.readouterr().err
    assert main(["replay", str(clip), "--camera", "gate"]) == MENDABLE
    assert "--config" in capsys.readouterr().err


@pytest.mark.parametrize(("clips", "more", "said"), [
    (["nowhere.mp4"], [], "nowhere.mp4: no such"),
    (["rtsp://user:secret@camera/live"], [], "is a camera: replay takes videos"),
    (["clip"], ["--json", "out.txt"], "must end in .json"),
    (["clip"], ["--model", "nowhere.onnx"], "nowhere.onnx: no such model"),
    (["clip"], ["--config", "nowhere.yaml"], "nowhere.yaml"),
])
def test_what_cannot_be_is_said_in_one_line(clip, clips, more, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["replay", *[str(clip) if one == "clip" else one for one in clips], *more]) == MENDABLE
    shown = capsys.readouterr().err
    assert said in shown and "secret" not in shown and "Traceback" not in shown


def test_a_clip_that_cannot_be_read_is_named_and_the_rest_is_done(clip, tmp_path, capsys):
    """A15: 0-byte and renamed clips."""
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video")
    assert main(["replay", str(tmp_path / "empty.mp4"), str(clip), str(tmp_path / "text.mp4"), "--model", str(MODEL),
                 "--json", str(tmp_path / "out.json")]) == SOME_FAILED
    shown = capsys.readouterr().err
    assert "empty.mp4" in shown and "text.mp4" in shown
    told = json.loads((tmp_path / "out.json").read_text())["events"]
    assert sum(one["kind"] == "bare_head" for one in told) == 3


class Eye:
    """A detector that sees one bare head wherever a frame is bright."""

    class card:
        classes = ("helmet", "head")

    def __init__(self):
        self.looks = 0

    def __call__(self, frame):
        self.looks += 1
        bright = frame.mean() > 60
        box = np.array([[40, 30, 80, 80]] if bright else np.zeros((0, 4)), np.float32)
        return Detections(box, np.full(len(box), 0.9, np.float32), np.ones(len(box), np.int64))


def shots_of(*paths):
    from minehat.sources import shots

    def fail(exc):
        raise exc
    return shots([str(path) for path in paths], fail)


def lit(path, seconds, fps=10, light=120):
    rng = np.random.default_rng(0)
    frames = [np.clip(rng.normal(light, 4, (120, 160, 3)), 0, 255).astype(np.uint8)
              for _ in range(round(seconds * fps))]
    return film_of(path, frames, [row / fps for row in range(len(frames))])


def test_each_clip_is_judged_from_its_beginning_in_its_own_time(tmp_path):
    clips = [lit(tmp_path / f"{name}.mp4", 0.8) for name in "ab"]
    assert list(events_of(shots_of(*clips), Eye(), Case(MODEL), None)) == []
    long = lit(tmp_path / "long.mp4", 2)
    told = list(events_of(shots_of(*clips, long), Eye(), Case(MODEL), None))
    assert [(one["kind"], Path(one["clip"]).name) for one in told] == [
        ("bare_head", "long.mp4"), ("bare_head_ended", "long.mp4")]
    assert told[0]["seconds"] == pytest.approx(1.0, abs=0.15) and told[0]["began"] == pytest.approx(0, abs=0.05)


def test_a_camera_s_rate_is_kept_to(tmp_path):
    eye, clip = Eye(), lit(tmp_path / "a.mp4", 4)
    told = list(events_of(shots_of(clip), eye, Case(MODEL, most_fps=2.0), None))
    assert eye.looks == 8 and told[0]["seconds"] == pytest.approx(2.0, abs=0.15)


def test_of_pictures_each_bare_head_counts_at_once(tmp_path):
    for name, light in (("1", 120), ("2", 20), ("3", 120)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((120, 160, 3), light, np.uint8))
    told = list(events_of(shots_of(tmp_path), Eye(), Case(MODEL), tmp_path))
    assert [(one["kind"], Path(one["clip"]).name, one["loud"]) for one in told] == [
        ("bare_head", "1.png", True), ("bare_head", "3.png", True)]
    aside = (ZonePart(name="far", points=((0.6, 0.0), (1.0, 0.0), (1.0, 1.0))),)
    assert list(events_of(shots_of(tmp_path / "1.png"), Eye(), Case(MODEL, rules=RulesPart(), zones=aside), None)) == []
