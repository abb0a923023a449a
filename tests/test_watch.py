"""Does `minewatch` see a bare head through, from a video to a line on disk, and never call silence safety?"""

import json
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from bright_onnx import bright_onnx
from minehat import ModelCard
from minehat.card import KEY
from minehat.detections import no_detections
from minehat.sources import Shot
from minewatch import Event, Voice
from minewatch.reader import Reader
from minewatch.watch import STALL, Eyes, watch

cv2 = pytest.importorskip("cv2")
onnx = pytest.importorskip("onnx")
FPS = 12.5
SIDE = 64
BRIGHT, DARK = 250, 20


def card(**changes):
    return ModelCard("glow", ("helmet", "head"), SIDE, SIDE).with_(**changes)


@pytest.fixture
def model(tmp_path):
    """A network that sees one bare head, as sure as the picture is bright."""
    return write_model(tmp_path / "glow.onnx", card())


def write_model(path, its_card):
    helper, numbers = onnx.helper, onnx.TensorProto
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["glow"], axes=[2, 3], keepdims=0),  # [N, 3]
        helper.make_node("Slice", ["glow", "first", "second", "axis"], ["red"]),  # [N, 1]
        helper.make_node("Unsqueeze", ["red", "axis"], ["head"]),  # [N, 1, 1]
        helper.make_node("Mul", ["head", "nothing"], ["helmet"]),
        helper.make_node("Concat", ["helmet", "head"], ["scores"], axis=2),
        helper.make_node("Mul", ["head", "nothing"], ["nowhere"]),
        helper.make_node("Add", ["nowhere", "place"], ["boxes"]),
    ]
    constants = {"first": np.array([0]), "second": np.array([1]), "axis": np.array([1]),
                 "nothing": np.zeros((1, 1, 1), np.float32), "place": np.array([[[16, 16, 48, 48]]], np.float32)}
    graph = helper.make_graph(
        nodes, "glow",
        [helper.make_tensor_value_info("images", numbers.FLOAT, ["N", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("boxes", numbers.FLOAT, ["N", 1, 4]),
         helper.make_tensor_value_info("scores", numbers.FLOAT, ["N", 1, 2])],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(made, {KEY: its_card.to_json()})
    onnx.checker.check_model(made)
    onnx.save(made, path)
    return path


def write_film(path, seconds, bright):
    """A film that is bright, and so shows a bare head, where `bright(t)` says so."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), FPS, (SIDE, SIDE))
    assert writer.isOpened()
    for row in range(round(seconds * FPS)):
        writer.write(np.full((SIDE, SIDE, 3), BRIGHT if bright(row / FPS) else DARK, np.uint8))
    writer.release()
    return path


def minewatch(*arguments):
    command = [sys.executable, "-m", "minewatch", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def lines_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def kinds(path):
    return [line["kind"] for line in lines_of(path)]


def test_a_film_with_a_bare_head_gives_one_alarm_on_disk_and_on_stderr(model, tmp_path):
    film = write_film(tmp_path / "巷道.mp4", 16, lambda t: 2 <= t < 8 or 14 <= t < 14.4)
    done = minewatch("run", model, film, "--json", tmp_path / "events.jsonl")
    assert done.returncode == 0, done.stderr
    assert kinds(tmp_path / "events.jsonl") == ["watch_began", "bare_head", "bare_head_ended", "watch_ended"]
    _, alarm, ended, last = lines_of(tmp_path / "events.jsonl")
    assert alarm["began"] == pytest.approx(2, abs=0.1) and alarm["seconds"] == pytest.approx(3, abs=0.2)
    assert alarm["frame"] == pytest.approx(3 * FPS, abs=2) and alarm["source"] == str(film)
    assert alarm["loud"] and alarm["count"] == 1 and alarm["box"] == pytest.approx([16, 16, 48, 48])
    assert ended["seconds"] < 14
    assert "200 pictures" in last["remark"]
    assert sum("ALARM" in line for line in done.stderr.splitlines()) == 1


def test_an_alarm_that_is_open_at_the_end_is_told(model, tmp_path):
    film = write_film(tmp_path / "film.mp4", 4, lambda t: t >= 1)
    minewatch("run", model, film, "--json", tmp_path / "events.jsonl")
    lines = lines_of(tmp_path / "events.jsonl")
    assert [line["kind"] for line in lines[1:]] == ["bare_head", "bare_head_ended", "watch_ended"]
    assert "watch ended" in lines[2]["remark"]


def test_conf_and_seconds_are_kept(model, tmp_path):
    film = write_film(tmp_path / "film.mp4", 4, lambda t: True)
    assert minewatch("run", model, film, "--json", tmp_path / "sure.jsonl", "--conf", 0.999).returncode == 0
    assert minewatch("run", model, film, "--json", tmp_path / "short.jsonl", "--seconds", 0.5).returncode == 0
    for name in ("sure", "short"):
        assert kinds(tmp_path / f"{name}.jsonl") == ["watch_began", "watch_ended"]
    assert "time is over" in lines_of(tmp_path / "short.jsonl")[-1]["remark"]


def test_every_picture_of_a_folder_is_judged_by_itself(model, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, grey in (("a", BRIGHT), ("b", DARK), ("c", BRIGHT)):
        cv2.imwrite(str(folder / f"{name}.png"), np.full((SIDE, SIDE, 3), grey, np.uint8))
    (folder / "d.png").write_bytes(b"no picture")
    done = minewatch("run", model, folder, "--json", tmp_path / "events.jsonl")
    assert done.returncode == 3
    alarms = [line["source"] for line in lines_of(tmp_path / "events.jsonl") if line["kind"] == "bare_head"]
    assert alarms == [str(folder / "a.png"), str(folder / "c.png")]
    failed = [line["remark"] for line in lines_of(tmp_path / "events.jsonl") if line["kind"] == "source_failed"]
    assert len(failed) == 1 and "d.png" in failed[0]


def test_a_film_that_breaks_off_is_an_alarm_and_exit_3(model, tmp_path):
    film = write_film(tmp_path / "film.avi", 40, lambda t: False)
    content = film.read_bytes()
    film.write_bytes(content[:len(content) // 2])
    done = minewatch("run", model, film, "--json", tmp_path / "events.jsonl")
    failed = [line for line in lines_of(tmp_path / "events.jsonl") if line["kind"] == "source_failed"]
    assert done.returncode == 3 and len(failed) == 1 and failed[0]["loud"]
    assert "ALARM  source_failed" in done.stderr


def test_what_cannot_be_watched_at_all_is_exit_2_and_an_event(model, tmp_path):
    (tmp_path / "text.mp4").write_text("not a film")
    for source in (tmp_path / "none.mp4", tmp_path / "text.mp4", "rtsp://admin:p4ss@127.0.0.1:9/live"):
        events = tmp_path / "events.jsonl"
        events.unlink(missing_ok=True)
        done = minewatch("run", model, source, "--json", events)
        assert done.returncode == 2, done.stderr
        assert kinds(events) == ["watch_began", "source_failed", "watch_ended"]
        assert "p4ss" not in done.stderr + events.read_text(encoding="utf-8")
        assert "Traceback" not in done.stderr


def test_a_model_that_knows_no_heads_is_refused(tmp_path):
    blind = write_model(tmp_path / "blind.onnx", card(classes=("helmet", "vest")))
    film = write_film(tmp_path / "film.mp4", 1, lambda t: True)
    done = minewatch("run", blind, film)
    assert done.returncode == 2 and "head" in done.stderr and len(done.stderr.splitlines()) == 1
    assert minewatch("check", blind, film).returncode == 2


def test_check_says_in_a_line_each_what_works(model, tmp_path):
    film = write_film(tmp_path / "film.mp4", 1, lambda t: True)
    done = minewatch("check", model, film)
    assert done.returncode == 0
    assert [line.split()[:2] for line in done.stderr.splitlines()] == [
        ["ok", "card"], ["ok", "backend"], ["ok", "source"]]
    done = minewatch("check", tmp_path / "none.onnx", film)
    assert done.returncode == 2
    assert [line.split()[0] for line in done.stderr.splitlines()] == ["BAD", "BAD", "ok"]
    assert minewatch("check", model, tmp_path / "none.mp4").returncode == 2


def test_events_that_cannot_be_kept_are_refused_before_and_sounded_after(model, tmp_path):
    film = write_film(tmp_path / "film.mp4", 2, lambda t: True)
    done = minewatch("run", model, film, "--json", film / "events.jsonl")
    assert done.returncode == 2 and "--json" in done.stderr and "film.mp4 is a file, not a folder" in done.stderr
    done = minewatch("run", model, film, "--json", "/dev/full")
    assert done.returncode == 3
    assert "ALARM  bare_head" in done.stderr and "cannot be written" in done.stderr


@pytest.mark.parametrize("read", ["model", "card", "source"])
def test_events_are_not_appended_to_what_is_read(model, tmp_path, read):
    places = {"model": model, "card": tmp_path / "card.json", "source": write_film(tmp_path / "a.mp4", 1, bool)}
    places["card"].write_text(card().to_json())
    before = places[read].read_bytes()
    done = minewatch("run", model, places["source"], "--card", places["card"], "--json", places[read])
    assert done.returncode == 2 and f"is the {read}" in done.stderr
    assert places[read].read_bytes() == before


def test_a_model_without_a_card_is_watched_with_one_by_hand(model, tmp_path):
    bare, by_hand = tmp_path / "bare.onnx", tmp_path / "card.json"
    made = onnx.load(model)
    del made.metadata_props[:]
    onnx.save(made, bare)
    by_hand.write_text(card().to_json())
    film = write_film(tmp_path / "film.mp4", 1, bool)
    for command in ("run", "check"):
        refused = minewatch(command, bare, film)
        assert refused.returncode == 2 and "--card card.json" in refused.stderr
        assert minewatch(command, bare, film, "--card", by_hand).returncode == 0
    assert minewatch("run", bare, film).stderr.startswith("minewatch: ")


@pytest.mark.parametrize(("flag", "value", "words"), [
    ("--conf", "abc", "must lie in 0..1"), ("--conf", "nan", "must lie in 0..1"), ("--conf", "25", "must lie in 0..1"),
    ("--seconds", "abc", "must be a number over 0"), ("--seconds", "nan", "must be a number over 0"),
    ("--seconds", "-1", "must be a number over 0")])
def test_numbers_that_make_no_sense_are_told_in_words(model, flag, value, words):
    done = minewatch("run", model, "film.mp4", f"{flag}={value}")
    assert done.returncode == 2 and f"{flag}: {words}, found '{value}'" in done.stderr


class Camera(BaseHTTPRequestHandler):
    """Sends bright pictures as motion JPEG, 20 a second, until the server's `hang` is set; then keeps silent."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=cut")
        self.end_headers()
        _, picture = cv2.imencode(".jpg", np.full((SIDE, SIDE, 3), BRIGHT, np.uint8))
        try:
            while not self.server.done.wait(0.05):
                if not self.server.hang.is_set():
                    self.wfile.write(b"--cut\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
                                     % len(picture) + picture.tobytes() + b"\r\n")
        except OSError:
            pass

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def camera():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Camera)
    server.daemon_threads = True
    server.done, server.hang = threading.Event(), threading.Event()
    server.url = f"http://admin:p4ss@127.0.0.1:{server.server_address[1]}/live.mjpg"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.done.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def started(model, tmp_path):
    """Start `minewatch run` on a camera, and wait until its alarm is on disk."""
    running = []

    def start(url):
        events = tmp_path / "events.jsonl"
        command = [sys.executable, "-m", "minewatch", "run", str(model), url, "--json", str(events)]
        running.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        wait_for(lambda: events.exists() and "bare_head" in kinds(events))
        return running[0], events
    yield start
    for process in running:
        process.kill()
        process.communicate()


def wait_for(condition, limit=40):
    end = time.monotonic() + limit
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end, "it never came"
        pause.wait(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_watch_of_a_camera_with_exit_0_and_a_whole_file(number, camera, started):
    process, events = started(camera.url)
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 0, said
    assert kinds(events) == ["watch_began", "bare_head", "bare_head_ended", "watch_ended"]
    assert "stopped" in lines_of(events)[-1]["remark"]
    assert "p4ss" not in said + events.read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_camera_that_falls_silent_or_goes_away_is_an_alarm(camera, started):
    process, events = started(camera.url)
    camera.hang.set()
    wait_for(lambda: "source_stalled" in kinds(events))
    _, said = process.communicate(timeout=40)
    assert process.returncode == 3, said
    assert kinds(events)[-3:] == ["source_failed", "bare_head_ended", "watch_ended"]
    assert "ALARM  source_stalled" in said and "ALARM  source_failed" in said


class SeesNothing:
    card = card()

    def __call__(self, frame):
        return no_detections()


def test_blindness_is_told_once_and_its_end_too():
    told = []
    eyes = Eyes(SeesNothing(), "cam", True, told.append, 100.0)
    shot = Shot("cam", np.zeros((8, 8, 3), np.uint8), 0, 0.0)
    eyes.look(shot, 101.0)
    for now in np.arange(101.0, 120.0, 0.2):
        eyes.wait(now)
    assert eyes.blind
    eyes.look(shot, 120.0)
    assert [(event.kind, event.loud) for event in told] == [
        ("watch_began", False), ("source_stalled", True), ("source_back", False)]
    assert told[1].seconds == pytest.approx(101 + STALL, abs=0.3) and told[1].began == 101
    assert not eyes.blind


class Breaks(SeesNothing):
    def __call__(self, frame):
        raise RuntimeError("CUDA error 700")


def test_a_detector_that_breaks_is_told_before_the_traceback(tmp_path):
    film = write_film(tmp_path / "film.mp4", 1, lambda t: True)
    told = []
    with Reader(str(film)) as reader, pytest.raises(RuntimeError, match="700"):
        watch(Breaks(), reader, told.append, threading.Event())
    assert not reader.stuck
    assert [(event.kind, event.loud) for event in told] == [("watch_began", False), ("watch_ended", True)]
    assert "CUDA error 700" in told[1].remark


def test_a_model_that_answers_nan_ends_the_watch_loudly(tmp_path):
    film = write_film(tmp_path / "film.mp4", 1, lambda t: True)
    broken = bright_onnx(tmp_path / "nan.onnx", spoiled="pick")
    done = minewatch("run", broken, film, "--json", tmp_path / "events.jsonl")
    assert done.returncode == 2 and kinds(tmp_path / "events.jsonl") == ["watch_began", "watch_ended"]
    assert "ALARM  watch_ended" in done.stderr and "not finite" in lines_of(tmp_path / "events.jsonl")[-1]["remark"]
    assert done.stderr.splitlines()[-1].startswith("minewatch: ") and "Traceback" not in done.stderr
    assert "BAD  backend " in minewatch("check", broken, film).stderr


def test_a_full_disk_does_not_silence_the_voice(capsys):
    with Voice("/dev/full") as voice:
        voice.say(Event("bare_head", "cam", 2.0, 1.0, loud=True))
    assert voice.lost == 1
    assert "ALARM  bare_head  cam" in capsys.readouterr().err
