"""Does `minehat detect` do what it says, end to end, on good input and bad?"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import minehat
import numpy as np
import pytest
from bright_onnx import CARD, CELL, SIZE, bright_onnx
from conftest import ROOT
from minehat import MineHatError, scenes
from minehat.draw import colour_of, drawn
from numpy.testing import assert_allclose
from PIL import Image

COMMAND = [sys.executable, "-m", "minehat", "detect"]
NANO = ROOT / "models" / "helmet-nano" / "helmet-nano.int8-cpu.onnx"
WIDE = NANO.with_name("helmet-nano.416x256.int8-cpu.onnx")
SCALE = 2  # pixels of the frame in one of the square


def lit(*cells: tuple[int, int, tuple[int, int, int]], side: int = SIZE * SCALE) -> np.ndarray:
    """A black frame, BGR, with cells (column, row, BGR colour) of the model's grid lit."""
    frame, step = np.zeros((side, side, 3), np.uint8), CELL * SCALE
    for column, row, colour in cells:
        frame[row * step:(row + 1) * step, column * step:(column + 1) * step] = colour
    return frame


HELMET, HEAD = (0, 0, 255), (255, 0, 0)  # what the model scores 1.0 as helmet, as head
ONE_OF_EACH = lit((0, 0, HELMET), (2, 1, HEAD))


def picture(path: Path, frame: np.ndarray = ONE_OF_EACH) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(frame[..., ::-1]).save(path)
    return path


def video(path: Path, frames: int = 12, fps: float = 10.0) -> Path:
    """A helmet that walks along the upper row of cells."""
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"mp4v"), fps, (SIZE * SCALE,) * 2)
    for index in range(frames):
        writer.write(lit((index % 3, 0, HELMET)))
    writer.release()
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return bright_onnx(tmp_path / "bright.onnx")


def detect(*args: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, args)], capture_output=True, text=True, cwd=cwd, check=False)


def complaints(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stderr.splitlines() if line.startswith("minehat:")]


def labels(entry: dict) -> list[str]:
    return [one["label"] for one in entry["detections"]]


def test_a_picture_becomes_the_document_that_is_promised(model, tmp_path):
    out = tmp_path / "new" / "out.json"
    path = picture(tmp_path / "a.png")
    done = detect(model, path, "--json", out)
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert found == {"model": str(model), "images": [{
        "source": str(path), "width": 192, "height": 192, "detections": [
            {"box": [0, 0, 64, 64], "score": pytest.approx(1, abs=1e-3), "label": "helmet"},
            {"box": [128, 64, 192, 128], "score": pytest.approx(1, abs=1e-3), "label": "head"}]}]}
    assert done.stdout == ""
    assert done.stderr.splitlines()[0].split() == ["source", "frames", "helmet", "head", "ms", "per", "frame"]
    assert done.stderr.splitlines()[1].split()[:4] == [str(path), "1", "1", "1"]


def test_a_folder_a_video_and_pictures_go_in_the_order_given(model, tmp_path):
    for name in ("b.png", "a b.jpg", "矿工.png"):
        picture(tmp_path / "in" / name)
    clip = video(tmp_path / "clip.mp4")
    alone = picture(tmp_path / "z.png", lit())
    done = detect(model, alone, clip, tmp_path / "in", "--json", "-")
    assert done.returncode == 0, done.stderr
    images = json.loads(done.stdout)["images"]
    assert [one["source"] for one in images] == [str(alone), *[str(clip)] * 12, *[
        str(tmp_path / "in" / name) for name in ("a b.jpg", "b.png", "矿工.png")]]
    assert labels(images[0]) == [] and "frame" not in images[0]
    of_clip = images[1:13]
    assert [one["frame"] for one in of_clip] == [*range(12)]
    assert_allclose([one["seconds"] for one in of_clip], np.arange(12) / 10, atol=2e-3)
    assert [one["detections"][0]["box"][0] // 64 for one in of_clip] == [0, 1, 2] * 4
    assert done.stderr.splitlines()[-1].split()[:4] == ["all", "16", "15", "3"]


def test_jsonl_is_one_entry_a_line(model, tmp_path):
    out = tmp_path / "out.jsonl"
    assert detect(model, video(tmp_path / "clip.mp4"), "--json", out).returncode == 0
    entries = [json.loads(line) for line in out.read_text().splitlines()]
    assert [entry["frame"] for entry in entries] == [*range(12)]
    assert set(entries[0]) == {"source", "width", "height", "frame", "seconds", "detections"}


def test_thresholds_are_the_card_s_unless_given(tmp_path):
    card = CARD.with_(conf=0.6)
    model = bright_onnx(tmp_path / "bright.onnx", card)
    half = picture(tmp_path / "half.png", lit((0, 0, (0, 0, 128))))
    assert labels(json.loads(detect(model, half, "--json", "-").stdout)["images"][0]) == []
    done = detect(model, half, "--json", "-", "--conf", 0.4, "--iou", 0.3, "--threads", 1, "--backend", "ort")
    assert labels(json.loads(done.stdout)["images"][0]) == ["helmet"]


def test_a_model_without_a_card_works_with_one_by_hand(tmp_path):
    model, card = bright_onnx(tmp_path / "bare.onnx", card=None), tmp_path / "card.json"
    card.write_text(CARD.to_json())
    path = picture(tmp_path / "a.png")
    refused = detect(model, path)
    assert refused.returncode == 2 and "--card card.json" in complaints(refused)[0]
    done = detect(model, path, "--card", card, "--json", "-")
    assert labels(json.loads(done.stdout)["images"][0]) == ["helmet", "head"]


def test_drawings_keep_names_and_never_collide(model, tmp_path):
    sources = [picture(tmp_path / "one" / "a.png"), picture(tmp_path / "two" / "a.jpg"), tmp_path / "one",
               video(tmp_path / "clip.mp4"), picture(tmp_path / "two" / "clip.png")]
    done = detect(model, *sources, "--draw", tmp_path / "drawn")
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(tmp_path / "drawn")) == ["a-2.jpg", "a.jpg", "clip.jpg", "clip.mp4"]
    picture_drawn = np.asarray(Image.open(tmp_path / "drawn" / "a.jpg")).astype(int)
    assert picture_drawn.shape == (192, 192, 3)
    assert np.abs(picture_drawn - ONE_OF_EACH[..., ::-1]).max() > 100
    reader = cv2.VideoCapture(str(tmp_path / "drawn" / "clip.mp4"))
    assert reader.get(cv2.CAP_PROP_FRAME_COUNT) == 12 and reader.get(cv2.CAP_PROP_FPS) == 10
    reader.release()


def test_drawing_leaves_the_frame_alone_and_marks_the_box():
    detector_saw = minehat.Detections(np.array([[20, 40, 120, 140]], np.float32), np.array([0.9], np.float32),
                                      np.array([1]))
    frame = np.zeros((200, 200, 3), np.uint8)
    marked = drawn(frame, detector_saw, ("helmet", "head"))
    assert not frame.any()
    assert tuple(marked[140, 70]) == colour_of(("helmet", "head"), 1) and not marked[90, 70].any()


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (12, 12000)])
def test_boxes_are_drawn_on_frames_of_any_size(size):
    whole = np.array([[0, 0, size[1], size[0]]], np.float32)
    found = minehat.Detections(whole, np.ones(1, np.float32), np.zeros(1, np.int64))
    assert drawn(np.zeros((*size, 3), np.uint8), found, ("helmet",)).any()


def test_bad_input_is_named_on_a_line_each_and_the_rest_is_done(model, tmp_path):
    good, clip = picture(tmp_path / "in" / "good.png"), video(tmp_path / "clip.mp4")
    (tmp_path / "in" / "text.jpg").write_text("hello\n" * 100)
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), np.uint8)
    whole = picture(tmp_path / "whole.jpg", noise).read_bytes()
    (tmp_path / "in" / "cut.jpg").write_bytes(whole[:len(whole) // 2])
    (tmp_path / "cut.mp4").write_bytes(clip.read_bytes()[:1200])
    (tmp_path / "notes.txt").write_text("no video")
    bad = [tmp_path / "in" / "cut.jpg", tmp_path / "in" / "text.jpg", tmp_path / "cut.mp4",
           tmp_path / "notes.txt", tmp_path / "nope.jpg"]
    done = detect(model, tmp_path / "in", tmp_path / "cut.mp4", tmp_path / "notes.txt", tmp_path / "nope.jpg", clip,
                  "--json", tmp_path / "out.json", "--draw", tmp_path / "drawn")
    assert done.returncode == 3, done.stderr
    told = complaints(done)
    assert len(told) == len(bad)
    for path in bad:
        assert sum(str(path) in line for line in told) == 1
    assert len(done.stderr.splitlines()) == len(bad) + 7  # and the table, but no library's chatter
    images = json.loads((tmp_path / "out.json").read_text())["images"]
    assert {one["source"] for one in images} == {str(good), str(clip)} and len(images) == 13
    assert sorted(os.listdir(tmp_path / "drawn")) == ["clip.mp4", "good.jpg"]


def test_a_video_that_ends_early_keeps_its_frames_and_counts_as_failed(model, tmp_path):
    """An AVI has its frame count in front, so a file that is cut in the middle opens, and promises too much."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"MJPG"), 10, (192, 192))
    for _ in range(30):
        writer.write(ONE_OF_EACH)
    writer.release()
    whole = path.read_bytes()
    path.write_bytes(whole[:len(whole) // 2])
    done = detect(model, path, "--json", "-", "--draw", tmp_path / "drawn")
    assert done.returncode == 3 and len(complaints(done)) == 1 and "ends early" in done.stderr
    images = json.loads(done.stdout)["images"]
    assert 5 < len(images) < 25 and all(labels(one) == ["helmet", "head"] for one in images[:-1])
    assert os.listdir(tmp_path / "drawn") == ["clip.mp4"]


def test_a_file_name_with_a_colon_is_no_protocol(model, tmp_path):
    video(tmp_path / "clip.mp4").rename(tmp_path / "2026-01-01T12:00:00.mp4")
    done = detect(model, "2026-01-01T12:00:00.mp4", "--json", "-", cwd=tmp_path)
    assert done.returncode == 0 and len(json.loads(done.stdout)["images"]) == 12


def test_names_that_are_not_utf8_are_done_or_told(model, tmp_path):
    name = os.fsdecode(b"a\xff.png")
    picture(tmp_path / "a.png").rename(tmp_path / name)
    video(tmp_path / "clip.mp4").rename(tmp_path / os.fsdecode(b"c\xff.mp4"))
    done = detect(model, tmp_path / name, tmp_path / os.fsdecode(b"c\xff.mp4"), "--json", "-", "--draw",
                  tmp_path / "drawn")
    assert done.returncode == 3 and "not UTF-8" in complaints(done)[0]
    assert [one["source"] for one in json.loads(done.stdout)["images"]] == [str(tmp_path / name)]


@pytest.mark.parametrize(("make", "complaint"), [
    (lambda folder: folder / "nope.onnx", "no such model file"),
    (lambda folder: bright_onnx(folder / "m.onnx", card=None), "carries no model card"),
    (lambda folder: bright_onnx(folder / "m.onnx", classes=1), "scores float32 [N, B, 2]"),
    (lambda folder: bright_onnx(folder / "m.onnx", CARD.with_(height=128)), "[N, 3, 128, 96]"),
    (lambda folder: bright_onnx(folder / "m.onnx", CARD.with_(outputs=("b", "s"))), "wanted b float32"),
    (lambda folder: _newer(folder / "m.onnx"), "schema 2, this MineHat reads up to 1"),
    (lambda folder: _written(folder / "m.onnx", b"no model at all"), "not an ONNX file"),
    (lambda folder: _cut(folder / "m.onnx"), "cut short"),
    (lambda folder: _written(folder / "m.engine", b"plan"), "its card m.engine.json is missing"),
    (lambda folder: _written(folder / "m.txt", b"text"), "Give an .onnx file"),
])
def test_a_model_that_cannot_be_used_is_one_line_and_nothing_written(make, complaint, tmp_path):
    path = picture(tmp_path / "in" / "a.png")
    done = detect(make(tmp_path), path, "--json", tmp_path / "out" / "o.json", "--draw", tmp_path / "out" / "drawn")
    assert done.returncode == 2 and complaint in done.stderr
    assert len(done.stderr.splitlines()) == 1 and not (tmp_path / "out").exists()


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _cut(path: Path) -> Path:
    return _written(path, bright_onnx(path).read_bytes()[:-40])


def _newer(path: Path) -> Path:
    old, new = b'"schema": 1', b'"schema": 2'
    return _written(path, bright_onnx(path).read_bytes().replace(old, new))


@pytest.mark.parametrize(("args", "complaint"), [
    (["{in}", "--json", "{file}/o.json"], "is a file, not a folder"),
    (["{in}", "--json", "{file}/o.jsonl"], "is a file, not a folder"),
    (["{in}", "--json", "{link}.json"], "is the model. Name another file"),
    (["{in}", "--json", "{file}"], "must end in .json"),
    (["{in}", "--draw", "{file}"], "is a file, not a folder"),
    (["{in}", "--draw", "{file}/deep/d"], "cannot be written to"),
    (["{in}", "--draw", "{in}"], "Name another folder"),
    (["{in}", "--conf", "1.5"], "must lie in 0..1, found '1.5'"),
    (["{in}", "--conf", "nan"], "must lie in 0..1, found 'nan'"),
    (["{in}", "--iou", "abc"], "must lie in 0..1, found 'abc'"),
    (["{in}", "--threads", "0"], "must be a whole number from 1 on, found '0'"),
    (["{in}", "--threads", "two"], "must be a whole number from 1 on, found 'two'"),
    (["{in}", "--backend", "torch"], "invalid choice"),
    (["{in}/nope.jpg"], "no such picture"),
    ([], "SOURCE"),
])
def test_arguments_that_cannot_be_followed_are_found_before_any_work(model, tmp_path, args, complaint):
    picture(tmp_path / "in" / "a.png")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link.json").symlink_to(model)
    places = {"in": tmp_path / "in", "file": tmp_path / "file", "link": tmp_path / "link"}
    done = detect(model, *[arg.format(**places) for arg in args])
    assert done.returncode == 2 and complaint in done.stderr
    assert "Traceback" not in done.stderr and "source " not in done.stderr
    assert os.listdir(tmp_path / "in") == ["a.png"] and (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_ctrl_c_ends_cleanly_with_what_was_done(model, tmp_path, suffix):
    clip, out = video(tmp_path / "clip.mp4", frames=300), tmp_path / f"out{suffix}"
    run = subprocess.Popen([*COMMAND, str(model), *[str(clip)] * 200, "--json", str(out), "--draw",
                            str(tmp_path / "drawn")], stderr=subprocess.PIPE, text=True)
    _wait_until(lambda: any(path.stat().st_size > 2000 for path in tmp_path.glob(f"*out*{suffix}")))
    run.send_signal(signal.SIGINT)
    told = run.communicate(timeout=60)[1]
    assert run.returncode == 130, told
    assert "Traceback" not in told and "ms per frame" in told
    text = out.read_text()
    images = json.loads(text)["images"] if suffix == ".json" else [*map(json.loads, text.splitlines())]
    assert len(images) > 5 and images[-1]["source"] == str(clip)
    assert not [*tmp_path.glob(".*")] and os.listdir(tmp_path / "drawn") == ["clip.mp4"]


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_sigterm_leaves_no_scratch_file(model, tmp_path, suffix):
    clip, out = video(tmp_path / "clip.mp4", frames=300), tmp_path / f"out{suffix}"
    run = subprocess.Popen([*COMMAND, str(model), *[str(clip)] * 200, "--json", str(out), "--draw",
                            str(tmp_path / "drawn")], stderr=subprocess.PIPE, text=True)
    _wait_until(lambda: any(path.stat().st_size > 2000 for path in tmp_path.glob(f"*out*{suffix}")))
    run.terminate()
    told = run.communicate(timeout=60)[1]
    assert run.returncode == 143 and "Traceback" not in told
    assert not [*tmp_path.glob(".*"), *(tmp_path / "drawn").glob(".*")]


@pytest.mark.parametrize("redirection", ["2>&1 | head -c 0", "2>&-"])
def test_results_are_written_though_nobody_hears(model, tmp_path, redirection):
    """Many lines of complaints are said before the end; the reader of stderr is gone by then."""
    path, out = picture(tmp_path / "a.png"), tmp_path / "out.json"
    missing = [str(tmp_path / f"missing{number}.png") for number in range(9)]
    command = shlex.join([*COMMAND, str(model), *missing, str(path), "--json", str(out)])
    done = subprocess.run(["bash", "-c", f"{command} {redirection}; exit ${{PIPESTATUS[0]}}"], timeout=60, check=False)
    assert done.returncode == 3
    assert len(json.loads(out.read_text())["images"]) == 1


def test_a_complaint_that_nobody_hears_keeps_its_exit_code(tmp_path):
    command = shlex.join([*COMMAND, str(tmp_path / "nope.onnx"), str(picture(tmp_path / "a.png"))])
    done = subprocess.run(["bash", "-c", f"{command} 2>&1 | head -c 0; exit ${{PIPESTATUS[0]}}"], check=False)
    assert done.returncode == 2


def _wait_until(ready) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < deadline, "it never began"
        time.sleep(0.01)


def test_a_reader_that_goes_away_is_no_fault(model, tmp_path):
    clip = video(tmp_path / "clip.mp4", frames=300)
    run = subprocess.Popen([*COMMAND, str(model), *[str(clip)] * 20, "--json", "-"], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True)
    assert run.stdout is not None and run.stderr is not None
    run.stdout.readline()
    run.stdout.close()
    told = run.stderr.read()
    run.stderr.close()
    assert run.wait(60) == 0 and "Traceback" not in told and "Exception" not in told


def test_a_full_disk_is_one_line_and_leaves_whole_lines(model, tmp_path):
    """The limit on file size plays the full disk."""
    clip = video(tmp_path / "clip.mp4", frames=100)
    program = ("import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
               "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000)); "
               "from minehat.cli import main; sys.exit(main(sys.argv[1:]))")
    for name in ("out.jsonl", "out.json"):
        done = subprocess.run([sys.executable, "-c", program, "detect", str(model), str(clip), "--json",
                               str(tmp_path / name)], capture_output=True, text=True, check=False)
        assert done.returncode == 2 and f"{name} cannot be written: File too large" in done.stderr
        assert "Traceback" not in done.stderr
    lines = (tmp_path / "out.jsonl").read_text().splitlines(keepends=True)
    assert len(lines) > 5 and all(line.endswith("]}\n") for line in lines)
    assert not (tmp_path / "out.json").exists() and not [*tmp_path.glob(".*")]


def test_batches_change_nothing_but_the_time(model, tmp_path):
    sources = [picture(tmp_path / "a.png"), video(tmp_path / "clip.mp4"), picture(tmp_path / "b.png", lit(side=300)),
               tmp_path / "missing.png"]
    one, three = (detect(model, *sources, "--json", "-", "--batch", count) for count in (1, 3))
    assert one.returncode == three.returncode == 3 and complaints(one) == complaints(three)
    assert one.stdout == three.stdout and len(json.loads(one.stdout)["images"]) == 14


def test_each_frame_goes_to_the_file_of_the_size_that_suits_its_shape(tmp_path):
    wide, square = scenes.picture(8, 640, 360).frame, scenes.picture(9, 400, 400).frame
    sources = [picture(tmp_path / f"{number}.png", frame) for number, frame in enumerate([wide, square, wide])]
    done = detect(NANO, *sources, "--size", "auto", "--json", "-")
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if "onnx" in line] == [f"640x360: {WIDE}", f"400x400: {NANO}"]
    by_wide, by_square = (json.loads(detect(path, *sources, "--json", "-").stdout)["images"] for path in (WIDE, NANO))
    assert by_wide != by_square
    assert json.loads(done.stdout)["images"] == [by_wide[0], by_square[1], by_wide[2]]
    asked = detect(NANO, *sources, "--size", "416x256", "--json", "-")
    assert json.loads(asked.stdout)["images"] == by_wide


@pytest.mark.parametrize(("args", "complaint"), [
    (["--size", "640x384"], "no sister file of 640x384, only of 96x96"), (["--size", "big"], "must be auto or WxH"),
    (["--size", "auto", "--card", "{card}"], "leave --card away"), (["--batch", "0"], "must be a whole number from 1"),
])
def test_sizes_and_batches_that_cannot_be_had_are_told(model, tmp_path, args, complaint):
    (tmp_path / "card.json").write_text(CARD.to_json())
    done = detect(model, picture(tmp_path / "a.png"), *[arg.format(card=tmp_path / "card.json") for arg in args])
    assert done.returncode == 2 and complaint in done.stderr and "Traceback" not in done.stderr


def test_the_detector_s_stages_add_up_to_the_call(model):
    with minehat.open(model) as detector:
        frame = lit((1, 2, HELMET), side=300)[:210]
        batch, placement = detector.prepare(frame)
        boxes, scores = detector.backend.infer(batch)
        assert (batch.shape, boxes.shape, scores.shape) == ((1, 3, SIZE, SIZE), (1, 9, 4), (1, 9, 2))
        by_stage, at_once = detector.finish((boxes[0], scores[0]), placement), detector(frame)
        assert_allclose(by_stage.boxes, at_once.boxes)
        assert (detector.conf, detector.iou, detector.card) == (CARD.conf, CARD.iou, CARD)
        assert at_once.boxes.max(0)[2] <= 300 and at_once.boxes.max(0)[3] <= 210


def test_what_lies_in_the_bands_is_no_detection(model):
    with minehat.open(model) as detector:
        _, placement = detector.prepare(np.zeros((50, 100, 3), np.uint8))  # bands of 24 above and below
        boxes = np.array([[0, 0, 32, 24], [0, 20, 32, 30], [40, 72, 60, 96], [10, 40, 10, 50]], np.float32)
        found = detector.finish((boxes, np.full((4, 2), 0.9, np.float32)), placement)
        assert_allclose(found.boxes, [[0, 0, 100 / 3, 6.25]], rtol=1e-5)


def test_a_model_that_answers_nan_is_refused_and_not_taken_for_a_frame_without_anybody(tmp_path):
    path, out = picture(tmp_path / "a.png"), tmp_path / "out.json"
    for spoiled in ("pick", "grid"):  # of the scores, of the boxes
        done = detect(bright_onnx(tmp_path / "nan.onnx", spoiled=spoiled), path, "--json", out)
        assert done.returncode == 2 and "nan.onnx gave answers that are not finite" in complaints(done)[0]
        assert len(done.stderr.splitlines()) == 1 and not out.exists()


def test_frames_of_changing_size_do_not_leak_into_each_other(model):
    """The square is one piece of memory: bands must be grey again after a frame that filled them."""
    with minehat.open(model) as detector:
        narrow = np.zeros((192, 64, 3), np.uint8)
        before = detector.prepare(narrow)[0].copy()
        detector(np.full((192, 192, 3), 255, np.uint8))
        assert_allclose(detector.prepare(narrow)[0], before)


def test_many_frames_go_through_the_backend_at_once(model):
    with minehat.open(model, threads=1) as detector:
        batch = np.concatenate([detector.prepare(ONE_OF_EACH)[0].copy()] * 3)
        boxes, scores = detector.backend.infer(batch)
        assert boxes.shape == (3, 9, 4) and scores.shape == (3, 9, 2)


def test_thresholds_outside_0_to_1_are_refused(model):
    with pytest.raises(MineHatError, match="conf must lie in"):
        minehat.open(model, conf=25)


@pytest.mark.parametrize("args", [["--help"], ["detect", "--help"], ["build", "--help"]])
def test_help_begins_with_a_command_one_can_paste(args):
    done = subprocess.run([sys.executable, "-m", "minehat", *args], capture_output=True, text=True, check=True)
    assert "\n\nminehat " in done.stdout and done.stderr == ""


def test_version_and_no_command():
    run = [sys.executable, "-m", "minehat"]
    assert subprocess.run([*run, "--version"], capture_output=True, text=True,
                          check=True).stdout == f"minehat {minehat.__version__}\n"
    bare = subprocess.run(run, capture_output=True, text=True, check=False)
    assert bare.returncode == 2 and "detect" in bare.stderr
