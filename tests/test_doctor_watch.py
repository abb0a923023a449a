"""`minewatch doctor`: cameras, disks, time, service and configuration; and all of H4 in one run."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from bright_onnx import bright_onnx
from cuda_stub import stub_environment
from jetson_trees import BOARDS, emmc, write
from minehat.doctor import CODES, FAULT, NOTE, WARNING, WELL, looked_at
from minehat.doctor.graphics import graphics
from minehat.doctor.lines import lines_of
from minewatch.berth.installing.layout import SERVICE, Layout
from minewatch.config.schema import CameraPart
from minewatch.doctor import service, time_source
from minewatch.doctor.cameras import camera
from minewatch.doctor.state import closed_to, state
from minewatch.doctor.wear import wear
from minewatch.doctor.whole import examine
from test_doctor import GARBAGE, by_name, set_all
from watch_events import fill, small_disk

DAY = 86400.0
NOW = 1_800_000_000.0


def doctor(*words, **environment):
    """`minewatch doctor` in a process of its own: exit code, findings by name and the lines that people read."""
    done = subprocess.run([sys.executable, "-m", "minewatch", "doctor", "--json", "-", *map(str, words)], text=True,
                          env={**os.environ, **environment}, capture_output=True, timeout=180)
    assert "Traceback" not in done.stderr, done.stderr
    told = json.loads(done.stdout)
    assert done.returncode == told["exit_code"] == CODES[told["level"]]
    return done.returncode, told["findings"], done.stderr.splitlines()


def configured(folder, *cameras, more=""):
    """A configuration with a model that runs; cameras as NAME=URL."""
    folder.mkdir(parents=True, exist_ok=True)
    bright_onnx(folder / "bright.onnx")
    pairs = [one.partition("=") for one in cameras]
    listed = "\n".join(f"  - {{name: {name}, url: '{url}'}}" for name, _, url in pairs)
    path = folder / "minewatch.yaml"
    path.write_text(f"version: 1\nstate: state\nmodel: {{file: bright.onnx}}\nweb: {{enabled: false}}\n{more}"
                    f"cameras:\n{listed}\n")
    path.chmod(0o600)
    return path


@contextmanager
def listening(says):
    """A port that takes connections and says something to whoever asks; None: nothing, b"": it hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as ear:
        def serve():
            try:
                line, _ = ear.accept()
            except OSError:
                return
            with line:
                line.recv(4096)
                line.sendall(says) if says is not None else over.wait(60)

        over, thread = threading.Event(), threading.Thread(target=serve)
        thread.start()
        try:
            yield ear.getsockname()[1]
        finally:
            over.set()
            ear.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.fixture
def closed():
    """A port at which nobody listens, and which nobody else gets meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_what_is_wrong_with_a_box_is_a_line_each_with_why_and_the_next_step(tmp_path, closed, monkeypatch):
    """H4: camera off, no GPU, old driver, full disk; exit code by severity; --json."""
    config = configured(tmp_path, f"North gate=rtsp://127.0.0.1:{closed}/stream")
    with small_disk(tmp_path / "state") as disk:
        fill(disk / "filler")
        code, findings, lines = doctor(config, **stub_environment(STUB_DRIVER="11040"))
    found = by_name(findings)
    assert code == 2 and len(lines) == len(findings) + 1 and "must be mended" in lines[-1]
    for what, said, cure in (("camera North gate", "refuses port", "Is the port right"), ("state", "full", "du "),
                             ("driver", "CUDA 11.4: too old", "Install driver 580 or newer")):
        assert found[what]["level"] == FAULT and said in found[what]["found"]
        assert found[what]["why"] and cure in found[what]["cure"]
        assert [line for line in lines if line.startswith(f"BAD   {what} ") and said in line]
    assert found["model"]["level"] == WELL and found["configuration"]["level"] == WELL

    set_all(monkeypatch, stub_environment(STUB_FAIL="cuInit:100"))
    gpu = {one.what: one for one in graphics(Path("/"))}["GPU"]  # the watch runs without, on the CPU: it is no fault
    assert gpu.level == NOTE and gpu.found == "no NVIDIA GPU is here" and gpu.why and gpu.cure
    assert list(lines_of(gpu, 6, None)) == [f"note  GPU     {gpu.text}"]


# Cameras


@pytest.mark.parametrize("says, level, said", [
    (b"RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\n\r\n", WELL, "answers"), (b"HTTP/1.1 400 Bad Request\r\n\r\n", WARNING,
                                                                         "not as a camera"),
    (b"", FAULT, "does not answer"), (None, FAULT, "does not answer")])
def test_a_camera_is_told_by_what_it_says(tmp_path, says, level, said):
    with listening(says) as port:
        found, = camera(tmp_path, CameraPart(name="a", url=f"rtsp://me:secret@127.0.0.1:{port}/x"), 1.0)
    assert found.level == level and said in found.found and "secret" not in found.text and str(port) in found.found


@pytest.mark.parametrize("host, said", [("127.0.0.1", "refuses port"), ("no..such", "not known")])
def test_why_a_camera_is_not_reached_is_told(tmp_path, closed, host, said):
    found, = camera(tmp_path, CameraPart(name="a", url=f"rtsp://{host}:{closed}/x"))
    assert found.level == FAULT and said in found.found and found.why and found.cure


def test_cameras_that_are_devices_or_files_are_looked_for_below_the_root(tmp_path):
    write(tmp_path, {"dev/video0": ""})
    there, unplugged, film = (next(camera(tmp_path, CameraPart(name="a", url=url)))
                              for url in ("/dev/video0", "/dev/video1", "/a.mp4"))
    assert [one.level for one in (there, unplugged, film)] == [WELL, FAULT, FAULT]
    assert "by-id" in unplugged.cure and "by-id" not in film.cure
    off, = camera(tmp_path, CameraPart(name="a", url="/a.mp4", enabled=False))
    assert off.level == NOTE and "enabled: true" in off.cure


def test_a_camera_that_is_silent_does_not_hold_up_the_others(tmp_path):
    with listening(None) as silent, listening(None) as other:
        config = configured(tmp_path, f"a=rtsp://127.0.0.1:{silent}/x", f"b=rtsp://127.0.0.1:{other}/x", "c=/no.mp4")
        found = [one for one in examine(tmp_path, config) if one.what.startswith("camera")]
    assert [(one.what, one.level) for one in found] == [(f"camera {name}", FAULT) for name in "abc"]


# Configurations and states


def test_the_usual_place_is_looked_at_below_the_root(tmp_path):
    root = BOARDS["agx_orin"](tmp_path)
    found = {one.what: one for one in examine(root)}
    assert found["configuration"].level == NOTE and "etc/minewatch/minewatch.yaml" in found["configuration"].found
    configured(root / "etc/minewatch", f"gate={root}")
    found = {one.what: one for one in examine(root)}
    assert found["configuration"].found.endswith("1 camera on") and found["model"].level == WELL
    assert found["disk mmcblk0"].level == WARNING and "90 %" in found["disk mmcblk0"].found


def test_a_wrong_configuration_is_told_and_what_can_be_used_of_it_is_looked_at(tmp_path):
    config = configured(tmp_path, "gate=/nowhere.mp4", more="keep: {media_bg: 3}\n")
    before = sorted(tmp_path.iterdir())
    found = {one.what: one for one in examine(tmp_path, config)}
    assert found["configuration"].level == FAULT and "media_bg" in found["configuration"].found
    assert f"minewatch check {config}" in found["configuration"].cure and found["camera gate"].level == FAULT
    assert sorted(tmp_path.iterdir()) == before
    config.write_text(config.read_text().replace("media_bg", "media_gb").replace(
        "/nowhere.mp4", "rtsp://me:Glueckauf@127.0.0.1:99999/x"))
    about = {one.what: one for one in examine(tmp_path, config)}["configuration"]
    assert about.level == FAULT and "Glueckauf" not in about.text
    config.write_text("version: [")
    found = {one.what: one for one in examine(tmp_path, config)}
    assert found["configuration"].level == FAULT and "state" not in found
    absent = {one.what: one for one in examine(tmp_path, tmp_path / "absent.yaml")}["configuration"]
    assert absent.level == FAULT and "absent.yaml cannot be read" in absent.found


def test_what_is_closed_to_whoever_asks_is_to_be_looked_at_with_sudo(tmp_path):
    root = Path(tempfile.mkdtemp())  # pytest's own folders are closed to others
    try:
        root.chmod(0o755)
        configured(root / "etc/minewatch", "gate=/nowhere.mp4")
        (root / "etc/minewatch").chmod(0o700)
        with as_nobody():
            found = {one.what: one for one in examine(root)}
            kept, = looked_at([("state", partial(state, root, root / "etc/minewatch/state"))])
    finally:
        shutil.rmtree(root)
    for one in (found["configuration"], kept):
        assert one.level == NOTE and "closed to this user" in one.found and "sudo" in one.cure


@contextmanager
def as_nobody():
    """Files are opened by a user who has no rights to anything."""
    os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)


def test_secrets_that_systemd_hands_to_the_service_are_no_mistakes(tmp_path):
    config = configured(tmp_path, "gate=rtsp://127.0.0.1:1/x")
    config.write_text(config.read_text().replace("/x'}", "/x', user: me, password: {env: GATE_OF_DOCTOR}}"))
    assert {one.what: one.level for one in examine(tmp_path, config)}["configuration"] == FAULT
    (tmp_path / "minewatch.env").write_text("# of the cameras\nGATE_OF_DOCTOR='se cret'\nOTHER=\"\n")
    assert {one.what: one.level for one in examine(tmp_path, config)}["configuration"] == WELL
    assert "GATE_OF_DOCTOR" not in os.environ


def test_receivers_that_do_not_answer_are_told_without_their_paths(tmp_path, closed):
    with listening(b"") as port:
        config = configured(tmp_path, "gate=/nowhere.mp4", more=f"sinks:\n  mqtt: {{host: 127.0.0.1, port: {port}}}\n"
                            f"  webhooks: [{{name: room, url: 'https://127.0.0.1:{closed}/hidden-token'}}]\n")
        found = {one.what: one for one in examine(tmp_path, config)}
    assert found["broker"].level == WELL and found["webhook room"].level == FAULT
    assert "refuses" in found["webhook room"].found and "hidden" not in found["webhook room"].text


def test_a_state_that_cannot_be_written_is_told(tmp_path):
    assert [one.level for one in state(Path("/"), tmp_path / "absent")][-1] == NOTE
    (tmp_path / "file").write_text("")
    assert [one.level for one in state(Path("/"), tmp_path / "file" / "below")] == [FAULT]
    (tmp_path / "events.db").write_text("")
    assert "events.db" not in [*state(Path("/"), tmp_path)][-1].found and not closed_to("no such user", tmp_path)
    assert [one.found.split()[0] for one in state(Path("/"), tmp_path, "nobody")][-1] == str(tmp_path)
    os.chown(tmp_path, pwd.getpwnam("nobody").pw_uid, 0)  # as root's own run of the watch leaves it
    assert "events.db belongs" in [*state(Path("/"), tmp_path, "nobody")][-1].found
    with small_disk(tmp_path / "disk", "900m") as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        found = list(state(Path("/"), disk))
    assert "read-only" in found[-1].found and found[-1].level == FAULT


# Disks


@pytest.mark.parametrize("life, spare, level", [(1, 1, WELL), (8, 1, WELL), (9, 1, WARNING), (1, 2, WARNING),
                                                (11, 1, FAULT), (1, 3, FAULT), (0, 0, WELL)])
def test_wear_is_told_in_time(tmp_path, life, spare, level):
    write(tmp_path, {**emmc(life, spare), "sys/block/mmcblk0boot0/size": 8192, "sys/block/loop0/size": 1})
    found, = wear(tmp_path)
    assert found.what == "disk mmcblk0" and found.level == level and bool(found.cure) == (level != WELL)
    assert ("does not tell" in found.found) == (life == 0)


def test_cards_hot_disks_dead_disks_and_errors_of_file_systems_are_told(tmp_path):
    write(tmp_path, {"sys/block/mmcblk1/device/type": "SD", "sys/class/nvme/nvme0/model": "SSD",
                     "sys/class/nvme/nvme0/state": "live", "sys/class/nvme/nvme0/hwmon2/temp1_input": 81_000,
                     "sys/class/nvme/nvme0/hwmon2/temp1_alarm": 1, "sys/class/nvme/nvme1/state": "dead",
                     "sys/class/nvme/nvme2/state": "live", "sys/fs/ext4/mmcblk1p1/errors_count": 4,
                     "sys/fs/ext4/nvme0n1p1/errors_count": 0})
    found = {one.what: one.level for one in wear(tmp_path)}
    assert found == {"disk mmcblk1": NOTE, "disk nvme0": WARNING, "disk nvme1": FAULT, "disk nvme2": WELL,
                     "disk mmcblk1p1": WARNING}


@pytest.mark.parametrize("kind", GARBAGE)
def test_whatever_stands_in_the_files_of_a_disk_it_answers(tmp_path, kind):
    write(tmp_path, {**emmc(1), "sys/class/nvme/nvme0/state": "live", "sys/class/nvme/nvme0/hwmon2/temp1_input": 1,
                     "sys/fs/ext4/a/errors_count": 1})
    for path in [path for path in tmp_path.rglob("*") if path.is_file()]:
        path.write_bytes(GARBAGE[kind])
    assert {one.what for one in wear(tmp_path)} >= {"disk mmcblk0", "disk nvme0"}


# Time


@pytest.mark.parametrize("running, error, now, level, said", [
    (["chronyd"], 0.012, NOW, WELL, "set by chronyd, right to 0.012 s"), ([], 0.5, NOW, WELL, "right to 0.500 s"),
    (["chronyd"], None, NOW, WARNING, "finds nobody"), ([], None, NOW, WARNING, "nobody sets"),
    (["chronyd"], 0.01, 1e9, FAULT, "2001-09-09"), ([], None, NOW - 10 * DAY, FAULT, "the clock says")])
def test_a_clock_is_told_by_who_sets_it(running, error, now, level, said):
    found = time_source.look(running, error, now, installed=NOW)
    assert found.level == level and said in found.found and bool(found.cure) == (level != WELL)


def test_a_kernel_that_does_not_tell_is_no_fault():
    def refused():
        raise OSError(1, "Operation not permitted")

    found, = time_source.time_source(Path("/"), refused)
    assert found.level == NOTE and "not permitted" in found.found


def test_this_kernels_clock_is_asked(tmp_path):
    error = time_source.kernel_error()
    assert error is None or 0 <= error < 60
    assert len(list(time_source.time_source(Path("/")))) == 1 and not list(time_source.time_source(tmp_path))
    write(tmp_path, {"proc/12/comm": "chronyd", "proc/13/comm": "systemd-timesyn", "proc/self/comm": "ntpd"})
    assert time_source.sources(tmp_path) == ["systemd-timesyncd", "chronyd"]


# Services


SHOWN = {"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "Result": "success", "NRestarts": "0",
         "ExecMainStatus": "0", "UnitFileState": "enabled", "StatusText": "3 cameras live"}


@pytest.mark.parametrize("change, level, said", [
    ({}, WELL, "active (running): 3 cameras live"), ({"LoadState": "not-found"}, NOTE, "not installed"),
    ({"LoadState": "masked"}, FAULT, "masked"), ({"NRestarts": "9"}, WARNING, "9 times"),
    ({"UnitFileState": "disabled"}, WARNING, "does not start with"),
    ({"ActiveState": "inactive"}, WARNING, "does not run"),
    ({"ActiveState": "failed", "ExecMainStatus": "78", "Result": "exit-code"}, FAULT, "78"),
    ({"ActiveState": "failed", "Result": "start-limit-hit"}, FAULT, "start-limit-hit"),
    ({"ActiveState": "activating", "NRestarts": "7"}, FAULT, "7 times"), (dict.fromkeys(SHOWN, ""), FAULT, "")])
def test_a_service_is_told_by_what_systemd_says(change, level, said):
    found = service.unit_of({**SHOWN, **change})
    assert found.level == level and said in found.found and bool(found.cure) == (level != WELL)


def test_systemctl_is_asked_by_name_and_read(tmp_path, monkeypatch):
    stand_in = tmp_path / "systemctl"
    stand_in.write_text("#!/bin/sh\n[ \"$1 $2\" = 'show minewatch.service' ] || exit 1\n"
                        + "".join(f"echo '{name}={value}'\n" for name, value in SHOWN.items()))
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert service.shown() == SHOWN


def test_a_unit_of_another_machine_is_told_by_its_files(tmp_path):
    assert [one.level for one in service.unit(tmp_path)] == [NOTE]
    write(tmp_path, {f"etc/systemd/system/{SERVICE}": "[Unit]"})
    assert [one.level for one in service.unit(tmp_path)] == [WARNING]
    wants = tmp_path / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir()
    (wants / SERVICE).symlink_to(f"/etc/systemd/system/{SERVICE}")
    assert [one.level for one in service.unit(tmp_path)] == [WELL]


def test_a_release_that_is_not_whole_is_told(tmp_path):
    layout = Layout(tmp_path)
    assert list(service.release(layout)) == []
    (layout.releases / "0.1.0-1").mkdir(parents=True)
    layout.current.symlink_to("releases/0.1.0-1")
    assert [one.level for one in service.release(layout)] == [FAULT]
    (layout.releases / "0.1.0-1" / "complete").write_text("")
    assert [(one.level, one.found) for one in service.release(layout)] == [(WELL, "0.1.0-1")]


def test_a_watch_that_does_not_answer_is_told(tmp_path, closed):
    config = configured(tmp_path, f"gate={tmp_path}").read_text()
    path = tmp_path / "b.yaml"
    path.write_text(config.replace("{enabled: false}", f"{{listen: '127.0.0.1:{closed}'}}"))
    path.chmod(0o600)
    from minewatch.config.load import read_config

    found, = service.watch(read_config(path))
    assert found.level == NOTE and "does not answer" in found.found and found.cure
