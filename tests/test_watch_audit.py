"""What mean technicians, networks and disks found out about the watch, and what it does about that now."""

from __future__ import annotations

import errno
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from bright_onnx import bright_onnx
from detectors import driven
from minebench.lab.clips import blocks
from minebench.lab.faultcam import FaultCam
from minebench.watch_demo import Broker, written_config
from minehat.card import ModelCard
from minehat.errors import MineHatError
from minewatch import logs
from minewatch.cameras import slots
from minewatch.cameras.folder_source import FolderSource
from minewatch.cameras.pyav_source import PyAvSource
from minewatch.cameras.source import Plan, SourceLost
from minewatch.clock import SystemClock
from minewatch.config.check import check_config
from minewatch.config.load import config_of
from minewatch.config.schema import KeepPart, LogPart, Secret
from minewatch.config.secrets import revealed
from minewatch.detection.worker import ENTRY
from minewatch.events.lock import owned
from minewatch.events.shelf import Shelf
from minewatch.events.store import Store
from minewatch.web.server import Page
from page_stage import bare_head, config_at
from test_watch_folder import names, picture
from watching import BLIND_TO_HEALTH, Watching, bare_clip, wait_for

ROOT = Path(__file__).resolve().parent.parent


def told_of(camera: str) -> str:
    """What is said of a configuration with such a camera, "" for nothing."""
    text = f"version: 1\nstate: state\nmodel: {{file: x.onnx}}\ncameras:\n  - {camera}\n"
    try:
        config_of(text, Path("minewatch.yaml"))
    except MineHatError as exc:
        return str(exc)
    return ""


def checked(folder: Path, line: str, backend: str = "auto") -> int:
    """The exit code of `minewatch check` for a configuration with such a line."""
    bright_onnx(folder / "bright.onnx")
    file = folder / "minewatch.yaml"
    file.write_text(f"version: 1\nstate: state\nmodel: {{file: bright.onnx, backend: {backend}}}\n"
                    f"cameras:\n  - {{name: a, url: rtsp://192.0.2.1/x}}\n{line}\n"
                    + ("" if line.startswith("web") else "web: {listen: '127.0.0.1:0'}\n"))
    return check_config(file)


def turned_until(page: Page, is_so: Callable[[], object], seconds: float = 20.0) -> None:
    clock = SystemClock()
    end = clock.monotonic() + seconds
    while not is_so():
        assert clock.monotonic() < end, f"not within {seconds:g} s: {page.fault or page.url or 'silent'}"
        threading.Event().wait(0.02)
        page.turn(clock.monotonic())


def test_what_is_no_file_in_a_folder_of_pictures_holds_up_nobody(tmp_path: Path) -> None:
    """Reading a pipe or a device would never end, and the pictures after it would not be seen."""
    os.mkfifo(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").symlink_to("/dev/zero")
    picture(tmp_path / "c.jpg", age=0)
    with FolderSource(Plan("files", str(tmp_path))) as source:
        assert names(source, 1) == ["c.jpg"]


def test_a_password_in_a_pipe_that_nobody_fills_is_no_password(tmp_path: Path) -> None:
    """A reload that waited for it would hold up the watch."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MineHatError, match="no line of plain text"):
        revealed(Secret.model_validate({"file": tmp_path / "pipe"}))


def test_a_space_around_a_url_makes_no_path_of_it() -> None:
    """As pasted; a path is shown as it stands, with the password in it."""
    told = told_of('{name: a, url: " rtsp://u:hunter22@192.0.2.1/x"}')
    assert "a space before or after it" in told and "hunter22" not in told
    assert not told_of('{name: a, url: "rtsp://192.0.2.1/x"}')


def test_shared_memory_that_cannot_be_made_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(slots, "FOLDER", tmp_path / "gone")
    with pytest.raises(SourceLost, match="cannot be written to"):
        slots.made(1, 8, 8)


def test_a_page_that_cannot_be_started_costs_the_watch_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                              caplog: pytest.LogCaptureFixture) -> None:
    """No process, memory or file to be had: said once, and tried again."""
    config, path = config_at(tmp_path, listen="127.0.0.1:0")
    page, now = Page(config, SystemClock(), path), SystemClock().monotonic()

    def refused(process: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING, "minewatch.page"):
        patch.setattr("multiprocessing.process.BaseProcess.start", refused)
        page.turn(now)
        page.turn(now + 2)
    assert page.fault == "the page's process cannot be started: Too many open files"
    assert page.started == 2 and len(caplog.records) == 1
    page.turn(now + 5)
    try:
        turned_until(page, lambda: page.url)
        assert page.fault == ""
    finally:
        page.stop()
        page.kill()


def test_ctrl_c_at_any_moment_prints_no_traceback_of_the_page(tmp_path: Path) -> None:
    """The page's process begins a moment after the watch did, and must not hear the terminal then either."""
    config, path = config_at(tmp_path, listen="127.0.0.1:0")
    page = Page(config, SystemClock(), path)
    page.turn(SystemClock().monotonic())
    try:
        assert page._running and page._running.process.pid
        os.kill(page._running.process.pid, signal.SIGINT)
        turned_until(page, lambda: page.url or page.fault)
        assert page.url and page.started == 1
    finally:
        page.stop()
        page.kill()


def test_ctrl_c_ends_the_demo_while_it_renders(tmp_path: Path) -> None:
    """Of what it had begun nothing is left."""
    demo = subprocess.Popen([sys.executable, "-u", str(ROOT / "benchmarks/watch_demo.py"), "--out", str(tmp_path)],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    clock = SystemClock()
    while not list((tmp_path / "clips").glob("*")) and demo.poll() is None:  # a clip is being written
        threading.Event().wait(0.05)
    began = clock.monotonic()
    os.killpg(demo.pid, signal.SIGINT)
    told, _ = demo.communicate(timeout=30)
    assert demo.returncode == 130 and "Traceback" not in told, told
    assert clock.monotonic() - began < 10, "it rendered to the end first"
    assert not list((tmp_path / "clips").glob("*"))


def test_a_second_demo_leaves_the_first_ones_state_alone(tmp_path: Path) -> None:
    with FaultCam([blocks(tmp_path / "blocks.mp4", 1)], 3) as cam:
        config = written_config(tmp_path, tmp_path / "model.onnx", cam, Broker(tmp_path))
        state = tmp_path / "state"
        assert config.exists()
        with owned(state):
            (state / "events.db").write_bytes(b"x")
            with pytest.raises(MineHatError, match="a watch is running on"):
                written_config(tmp_path, tmp_path / "model.onnx", cam, Broker(tmp_path))
        assert (state / "events.db").exists()


def test_ctrl_c_while_libraries_load_is_no_traceback() -> None:
    """Nothing heavy is loaded before Ctrl-C is heard."""
    said = subprocess.run([sys.executable, "-c", "import sys, minewatch.cli; print(*sys.modules)"], capture_output=True,
                          text=True, check=True).stdout.split()
    assert "minewatch.cli" in said and not {"pydantic", "av", "cv2", "minewatch.judging.replay"} & set(said)


def test_a_log_file_that_cannot_be_written_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr, by whichever process writes; lines go on there."""
    with logs.set_up(LogPart(file=tmp_path), str):
        logs.logger("audit").warning("one")
        logs.logger("audit").warning("two")
    told = capsys.readouterr().err
    assert told.count("cannot be written to: Is a directory") == 1 and '"one"' in told and '"two"' in told


@pytest.mark.parametrize("line, told", [("log: {file: .}", "is no file"), ("log: {file: new/x.log}", ""),
                                        ("web: {enabled: false}", "")])
def test_check_sees_a_log_file_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str,
                                            told: str) -> None:
    line = line.replace("file: .", f"file: {tmp_path}/.") if told else line
    assert checked(tmp_path, line) == (2 if told else 0) and told in capsys.readouterr().err


@pytest.mark.parametrize("backend, code", [("auto", 0), ("ort", 0), ("tensorrt", 2)])
def test_check_sees_a_backend_that_runs_no_such_model(tmp_path: Path, capsys: pytest.CaptureFixture[str], backend: str,
                                                      code: int) -> None:
    assert checked(tmp_path, "", backend) == code
    assert ("is no engine" in capsys.readouterr().err) == bool(code)


def test_a_clip_that_broke_off_is_told_with_what_is_kept_of_it(tmp_path: Path,
                                                               caplog: pytest.LogCaptureFixture) -> None:
    with Store.writer(tmp_path) as store:
        kept = store.append(bare_head())
        shelf = Shelf(tmp_path, KeepPart(), SystemClock(), lambda: False)
        shelf.expect(store, kept)
        shelf.came(store, kept.seq, 0, "its reader was killed")
    assert "its reader was killed; 0 bytes of it are kept" in caplog.text


def card_of(*classes: str) -> ModelCard:
    return ModelCard(name="other", classes=classes, height=96, width=96)


def test_a_second_choice_that_names_its_classes_in_another_order_is_understood(tmp_path: Path) -> None:
    """Its column 1, which the first choice has for heads, is its helmets: nobody is bare-headed."""
    clip = bare_clip(tmp_path / "blue.mp4", 3.0, (0.1, 3.0))
    rules = {"seconds": 0.2, "frames": 2, "quiet": 1.0}
    model = {"file": str(tmp_path / "bright.onnx"), "backend": "tensorrt", "fallback": str(tmp_path / "second.onnx")}
    bright_onnx(tmp_path / "second.onnx", card_of("head", "helmet"))
    camera = {"name": "blue", "url": str(clip), "repeat": True, "health": BLIND_TO_HEALTH}
    with Watching(tmp_path, [camera], rules=rules, model=model) as watch:
        watch.watching()
        wears = wait_for(lambda: [track["wears"] for track in watch.camera()["tracks"] if track["wears"] != "unknown"])
        assert wears == ["helmet"] and not watch.rows("bare_head")


def test_a_second_choice_that_knows_no_heads_never_looks(tmp_path: Path) -> None:
    bright_onnx(tmp_path / "vests.onnx", card_of("helmet", "vest"))
    with driven(tmp_path / "absent.onnx", ENTRY, fallback=tmp_path / "vests.onnx") as one:
        one.until(lambda: "no class `head`" in one.detector.status().text)
        assert not one.detector.looking and one.detector.status().standing == "degraded"


def test_a_repeated_video_that_was_cut_off_in_place_is_lost_and_not_live(tmp_path: Path) -> None:
    """Its file is still open, and gives no picture any more."""
    clip = bare_clip(tmp_path / "clip.mp4", 2.0, side=384)  # more than libav reads in one go
    with PyAvSource(Plan("files", str(clip), repeat=True), lambda why: None) as source:
        steps = source.steps()
        assert any(next(steps).frames for _ in range(10))
        os.truncate(clip, 6)
        with pytest.raises(SourceLost, match="can be read of it any more") as lost:
            for _ in range(500):
                next(steps)
    assert lost.value.cause == "broken"
