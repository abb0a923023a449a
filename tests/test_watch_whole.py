"""What a whole watch does about faults that only its parts were asked for: disk, clock, network, and itself."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from bright_onnx import bright_onnx
from minebench.lab.clips import write_clip
from minebench.lab.faultcam import FaultCam
from mqtt_lab import Broker, Listener
from watching import BLIND_TO_HEALTH, FPS, SIDE, Watching, bare_clip, start_faked, wait_for

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a file system")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Somebody bare-headed for one of every three seconds."""
    return bare_clip(tmp_path_factory.mktemp("clips") / "bare.mp4", 3.0, (0.2, 1.4))


@pytest.fixture
def cam(clip):
    with FaultCam([clip]) as cam:
        yield cam


RULES = {"quiet": 0.8, "seconds": 0.4, "frames": 3, "cooldown": 2.0}
CLIPS = {"before": 0, "after": 1}


@contextmanager
def small_disk(path, size="4m"):
    """A file system of that size."""
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0750", "tmpfs", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=True)


def fill(path):
    """Take all the room that is left."""
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 65536)
        except OSError:
            pass


def metric(watch, name):
    return float(re.search(rf"(?m)^{name}(?:{{.*}})? (\S+)", watch.get("/metrics").decode())[1])


def storage(watch, standing):
    return wait_for(lambda: (status := watch.status()) and status["storage"]["standing"] == standing and status)


def no_gap(rows):
    return [row["seq"] for row in rows] == list(range(1, len(rows) + 1))


@ROOT_ONLY
def test_alarms_go_on_where_the_disk_is_full_and_pictures_are_refused(tmp_path, cam):
    """E1: another file takes all room: rows go on, pictures are refused and counted, and it is told."""
    with small_disk(tmp_path / "state") as state, Watching(tmp_path, [cam.url(0)], rules=RULES, clips=CLIPS) as watch:
        wait_for(lambda: list(state.rglob("*.mp4")) and watch.rows("bare_head_ended"))
        fill(state / "ballast")
        status = storage(watch, "full")
        assert "cannot be kept" in status["text"] and status["troubles"]
        heads = len(watch.rows("bare_head"))
        wait_for(lambda: len(watch.rows("bare_head")) >= heads + 2)
        assert wait_for(lambda: watch.status()["storage"]["refused_media"]) >= 1
        assert metric(watch, "minewatch_storage_media_refused_total") >= 1
        assert watch.get("/api/status")["watching"]
        fault, = watch.rows("storage_fault")
        assert fault["cause"] == "full" and fault["loud"]
        (state / "ballast").unlink()
        storage(watch, "well")
        well, = wait_for(lambda: watch.rows("storage_well"))
        assert well["incident"] == fault["id"]
        assert watch.stop() == 0
        assert no_gap(watch.rows())
        for path in state.rglob("*.jpg"):
            assert path.read_bytes().endswith(b"\xff\xd9")
        assert not [path for path in state.rglob("*") if path.suffix in (".tmp", ".part")]
        assert (state / ".reserve").stat().st_size >= 1_000_000


def spoil(path):
    """Overwrite all of a file with random bytes, as a dying disk might."""
    size = path.stat().st_size
    with open(path, "r+b", buffering=0) as file:
        file.write(os.urandom(size))


def test_a_database_that_is_spoilt_is_put_aside_and_the_watch_goes_on(tmp_path, cam):
    """E5: random bytes over the database, while the watch runs and before it starts: told, mended, no reconnect."""
    with Watching(tmp_path, [cam.url(0)], rules=RULES) as watch:
        wait_for(lambda: watch.rows("bare_head_ended"))
        highest = watch.rows()[-1]["seq"]
        spoil(watch.state / "events.db")
        fault = wait_for(lambda: watch.rows("storage_fault"))[-1]
        assert fault["cause"] == "corrupt" and fault["loud"] and fault["seq"] > highest
        assert wait_for(lambda: watch.rows("storage_well"))
        head = wait_for(lambda: [row for row in watch.rows("bare_head") if row["seq"] > highest])[-1]
        assert wait_for(lambda: watch.get(f"/api/events?after={highest}"))["events"]
        assert watch.camera()["opened"] == 1 and watch.status()["storage"]["standing"] == "well"
        assert list(watch.state.glob("events.db.corrupt-*Z"))
        assert watch.stop() == 0
        spoil(watch.state / "events.db")
        watch.start()
        watch.watching()
        assert wait_for(lambda: watch.rows("storage_fault"))[-1]["cause"] == "corrupt"
        assert wait_for(lambda: [row for row in watch.rows("bare_head") if row["seq"] > head["seq"]])


@ROOT_ONLY
def test_a_read_only_folder_keeps_nothing_and_stops_nothing(tmp_path, cam):
    """E6: the state folder is read-only: pictures are looked at, MQTT tells; later the rows are written."""
    with small_disk(tmp_path / "state", "16m") as state, Broker(tmp_path / "broker") as broker, \
            Listener(broker.port) as ear:
        sinks = {"mqtt": {"host": "127.0.0.1", "port": broker.port}}
        with Watching(tmp_path, [cam.url(0)], rules=RULES, sinks=sinks) as watch:
            wait_for(lambda: watch.rows("bare_head"))
            assert watch.stop() == 0
            subprocess.run(["mount", "-o", "remount,ro", state], check=True)
            before = len(watch.rows())
            ear.heard.clear()
            watch.start()
            status = storage(watch, "failing")
            assert "read-only" in status["storage"]["text"]
            wait_for(lambda: [one for one in ear.payloads("bare_head") if one["kind"] == "bare_head"])
            assert watch.get("/api/status")["watching"] and len(watch.rows()) == before
            subprocess.run(["mount", "-o", "remount,rw", state], check=True)
            storage(watch, "well")
            wait_for(lambda: watch.rows("storage_well"))
            assert len(watch.rows("storage_fault")) == len(watch.rows("storage_well")) == 1
            assert watch.camera()["opened"] == 1 and no_gap(watch.rows())


def test_a_wall_clock_that_jumps_moves_no_event(tmp_path, cam):
    """F4: libfaketime, 2038 and 1970: no reconnect, no event twice, no notice more."""
    setting, now = tmp_path / "faketime.rc", int(time.time())
    watch = Watching(tmp_path, [cam.url(0)], rules={**RULES, "cooldown": 3600.0})
    try:
        start_faked(watch, setting)
        watch.watching(60)
        began = len(watch.rows("clock_moved"))
        for turn, seconds in enumerate((2_145_916_800 - now, 86400 - now)):
            setting.write_text(f"{seconds:+d}")
            wait_for(lambda turn=turn: len(watch.rows("clock_moved")) == began + turn + 1)
            heads = len(watch.rows("bare_head"))
            wait_for(lambda heads=heads: len(watch.rows("bare_head")) > heads)
        assert watch.camera()["opened"] == 1 and not watch.rows("camera_fault", "detector_fault", "storage_fault")
        told = watch.rows("bare_head", "bare_head_ended")
        assert watch.stop() == 0
    finally:
        watch.__exit__()
    pairs = list(zip(told[::2], told[1::2], strict=False))
    assert all(head["kind"] == "bare_head" and end["incident"] == head["id"] for head, end in pairs)
    assert sum(head["loud"] for head in told) == 1
    assert no_gap(watch.rows())


SEEING = {**BLIND_TO_HEALTH, "seconds": 1.0, "frozen_seconds": 5.0}


@pytest.mark.parametrize(("cause", "fault"), [("frozen", {"still": True}), ("dark", {"clip": 1})])
def test_a_picture_that_cannot_be_judged_is_not_watched(tmp_path, clip, cause, fault):
    """A12, A14: a frozen encoder, a black picture: a fault with its cause, NOT WATCHING, and well again."""
    black = write_clip(tmp_path / "black.mp4", (np.zeros((SIDE, SIDE, 3), np.uint8) for _ in range(25)), FPS, 12)
    with FaultCam([clip, black], mounts=1) as cam:
        camera = {"name": "gate", "url": cam.url(0), "health": {**SEEING, cause: True}}
        with Watching(tmp_path, [camera]) as watch:
            watch.watching()
            cam.fault(0, **fault)
            told, = wait_for(lambda: watch.rows("camera_fault"))
            assert told["cause"] == cause and told["camera"] == "gate" and told["loud"]
            text = wait_for(lambda: (text := watch.status()["text"]).startswith("NOT WATCHING") and text)
            assert cause in text and watch.camera()["standing"] == "live" and watch.camera()["faults"] == [cause]
            assert not watch.get("/api/status")["watching"] and watch.get("/readyz") is None
            cam.well(0)
            well, = wait_for(lambda: watch.rows("camera_well"))
            assert well["incident"] == told["id"]
            watch.watching()
            assert watch.camera()["opened"] == 1


def test_another_resolution_goes_on_with_the_same_person(tmp_path):
    """A11: twice the size in the middle of an incident: it goes on, and boxes are those of the new picture."""
    small, large = (bare_clip(tmp_path / f"{side}.mp4", 40, (0.0, 40), side=side) for side in (SIDE, 2 * SIDE))
    with FaultCam([small, large], mounts=1) as cam, Watching(tmp_path, [cam.url(0)]) as watch:
        head, = wait_for(lambda: watch.rows("bare_head"))
        cam.fault(0, clip=1)
        wait_for(lambda: watch.camera()["width"] == 2 * SIDE)
        wait_for(lambda: watch.camera()["open_incidents"] == 1 and watch.camera()["tracks"])
        track, = watch.camera()["tracks"]
        assert track["box"] == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3], abs=0.05) and track["alarmed"]
        watch.watching()
        assert [row["seq"] for row in watch.rows("bare_head", "bare_head_ended")] == [head["seq"]]


def test_12_cameras_at_once_are_told_of_and_come_back_without_a_storm(tmp_path, clip):
    """A7: all connections are cut, none can be made; each camera is told of once, and once that it is well."""
    with FaultCam([clip], mounts=12) as cam, Watching(tmp_path, [cam.url(row) for row in range(12)],
                                                      rules={**RULES, "seconds": 60.0}) as watch:
        names = {f"cam {row}" for row in range(12)}
        watch.watching(60)
        opened = sum(one["opened"] for one in watch.status()["cameras"])
        cam.refuse(True)
        cam.cut()
        wait_for(lambda: {row["camera"] for row in watch.rows("camera_fault")} == names)
        wait_for(lambda: watch.status()["text"].count("waiting") == 12, 30)
        cam.refuse(False)
        watch.watching(60)
        wait_for(lambda: {row["camera"] for row in watch.rows("camera_well")} == names, 30)
        assert len(watch.rows("camera_fault")) == len(watch.rows("camera_well")) == 12
        assert sum(one["opened"] for one in watch.status()["cameras"]) - opened <= 12 * 8


WITH_ENTRY = """
import sys
if __name__ == "__main__":
    sys.path.insert(0, {tests!r})
    from minewatch.detection.supervisor import Detector
    Detector.__init__.__defaults__ = ({entry!r},)
    from minewatch.cli import main
    sys.exit(main(["run", sys.argv[-1]]))
"""


def test_a_gpu_that_is_lost_again_and_again_is_told_and_restarts_nothing_but_the_detector(tmp_path, cam):
    """D3: the backend raises CudaLost at its second batch: replaced, then degraded, /healthz 503, the same daemon."""
    script = tmp_path / "lost.py"
    script.write_text(WITH_ENTRY.format(tests=str(Path(__file__).parent), entry="stand_in_detector:lost"))
    watch = Watching(tmp_path, [cam.url(0)])
    watch.start(wrap=(sys.executable, str(script)))
    try:
        status = wait_for(lambda: (one := watch.status()) and one["detector"]["standing"] == "degraded" and one, 60)
        assert "GPU gave up" in status["detector"]["text"] and status["detector"]["replaced"] >= 2
        wait_for(lambda: watch.status()["text"].startswith("NOT WATCHING"))
        assert watch.get("/healthz") is None and watch.get("/readyz") is None and watch.process.poll() is None
        fault = watch.rows("detector_fault")[-1]
        assert fault["cause"] == "cuda" and watch.rows("detector_fault")[0]["loud"]
        assert watch.camera()["opened"] == 1 and watch.camera()["standing"] == "live"
        assert watch.stop() == 0
    finally:
        watch.__exit__()


def test_the_second_choice_runs_where_the_first_cannot(tmp_path, cam):
    """D5: a backend that this machine has not got: the second choice looks, told as degraded, and all is watched."""
    model = {"file": str(bright_onnx(tmp_path / "bright.onnx")), "backend": "ort-tensorrt",
             "fallback": str(bright_onnx(tmp_path / "second.onnx"))}
    with Watching(tmp_path, [cam.url(0)], model=model) as watch:
        if watch.watching(60) and not watch.status()["detector"]["fallback"]:
            pytest.skip("this machine has TensorRT under ONNX Runtime")
        status = watch.status()
        assert status["detector"]["standing"] == "degraded" and "second-choice" in status["text"]
        assert watch.get("/healthz") and wait_for(lambda: watch.rows("bare_head"))
        assert watch.rows("detector_fault")


def heard(ear):
    found = []
    while True:
        try:
            found.append(ear.recv(4096).decode())
        except BlockingIOError:
            return found


def test_systemd_hears_a_watch_that_turns_and_nothing_of_one_that_hangs(tmp_path, cam):
    """D9: READY, beats, none while the main process is stopped, beats again, STOPPING; no child speaks for it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.setblocking(False)
        watch = Watching(tmp_path, [cam.url(0)])
        watch.start({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1500000"})
        try:
            watch.watching()
            told = heard(ear)
            assert told[0] == "READY=1" and "WATCHDOG=1" in told and "STATUS=The camera is watched." in told
            watch.signal(signal.SIGSTOP)
            wait_for(lambda: stopped(watch.process.pid))
            heard(ear)
            time.sleep(2)
            assert heard(ear) == []
            watch.signal(signal.SIGCONT)
            wait_for(lambda: "WATCHDOG=1" in heard(ear))
            watch.watching()
            heard(ear)
            assert watch.stop() == 0
            assert "STOPPING=1" in heard(ear)
        finally:
            watch.__exit__()


def stopped(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def listening(pids):
    """(address, port) of every TCP socket that these processes listen at, hex as the kernel tells it."""
    inodes = set()
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            try:
                inodes.add(os.readlink(entry).removeprefix("socket:[").removesuffix("]"))
            except OSError:
                continue
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {row[1] for row in rows if row[3] == "0A" and row[9] in inodes}


def test_one_port_of_loopback_is_listened_at(tmp_path, cam):
    """G6: all processes of a watch together: the page's port on 127.0.0.1, and nothing else."""
    with Watching(tmp_path, [cam.url(0)]) as watch:
        watch.watching()
        assert listening([watch.process.pid, *watch.children()]) == {f"0100007F:{watch.port:04X}"}


def post(watch, path, told):
    request = urllib.request.Request(f"http://127.0.0.1:{watch.port}{path}", json.dumps(told).encode(),
                                     {"Content-Type": "application/json", "X-Minewatch": "1"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


def test_a_zone_that_is_drawn_holds_at_once_and_no_camera_notices(tmp_path, cam):
    """H2: the page writes it into the configuration and the watch takes it: nobody is asked for a helmet in it."""
    with Watching(tmp_path, [cam.url(0)], rules=RULES) as watch:
        wait_for(lambda: watch.rows("bare_head"))
        corners = [[0, 0], [1, 0], [1, 1], [0, 1]]
        assert post(watch, "/zones/cam%200", {"zones": [{"name": "shed", "points": corners, "rule": "no_entry"}]})
        wait_for(lambda: watch.rows("config_reloaded"))
        intruder = wait_for(lambda: watch.rows("intruder"))[0]
        assert intruder["zone"] == "shed" and watch.camera()["opened"] == 1
        post(watch, "/zones/cam%200", {"zones": [{"name": "shed", "points": corners, "rule": "ignore"}]})
        wait_for(lambda: len(watch.rows("config_reloaded")) == 2)
        wait_for(lambda: watch.camera()["open_incidents"] == 0)
        told = len(watch.rows("bare_head", "intruder"))
        before = metric(watch, "minewatch_detector_frames_total")
        wait_for(lambda: metric(watch, "minewatch_detector_frames_total") > before + 4 * FPS)
        assert len(watch.rows("bare_head", "intruder")) == told and watch.camera()["opened"] == 1


def test_what_happens_while_the_page_is_down_is_there_afterwards(tmp_path, cam):
    """D7: kill -9 of the page: alarms go on, the page comes back by itself and shows them."""
    with Watching(tmp_path, [cam.url(0)], rules=RULES) as watch:
        watch.watching()
        pids = [pid for pid in watch.children("spawn_main")]
        known = len(watch.rows("bare_head"))
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        row = wait_for(lambda: watch.rows("bare_head")[known:])[0]
        told = wait_for(lambda: watch.get(f"/api/events?after={row['seq'] - 1}"))["events"]
        assert told[0]["id"] == row["id"] and watch.camera()["opened"] == 1
        watch.watching()


def test_a_camera_that_is_taken_away_ends_its_incident_and_leaves_no_process(tmp_path):
    """C5: a reload without the camera, and with it again, under an open incident; its reader hangs and is ended."""
    with FaultCam([bare_clip(tmp_path / "long.mp4", 40, (0.0, 40))], mounts=2) as cam, \
            Watching(tmp_path, [cam.url(0), cam.url(1)]) as watch:
        wait_for(lambda: len(watch.rows("bare_head")) == 2)
        both, processes = watch.told["cameras"], len(watch.children())
        os.kill(readers_of(watch, 2)[1], signal.SIGSTOP)
        watch.write(cameras=both[:1])
        watch.signal(signal.SIGHUP)
        end, = wait_for(lambda: watch.rows("bare_head_ended"))
        assert end["camera"] == "cam 1" and "taken out" in end["remark"]
        wait_for(lambda: len(watch.children()) == processes - 1)
        watch.write(cameras=both)
        watch.signal(signal.SIGHUP)
        wait_for(lambda: len([row for row in watch.rows("bare_head") if row["camera"] == "cam 1"]) == 2)
        assert len(watch.children()) == processes and watch.camera()["opened"] == 1
        assert len([row for row in watch.rows("bare_head") if row["camera"] == "cam 0"]) == 1


def readers_of(watch, count):
    """The processes of the cameras, the oldest first."""
    nursery = min(watch.children("minewatch.cameras.nursery"))
    found = sorted(pid for pid in watch.children("minewatch.cameras.nursery") if pid != nursery)
    assert len(found) == count
    return found


RAISES = """
import sys
from minewatch import post
if __name__ == "__main__":
    from minewatch.cli import main
    name = sys.argv[1]
    whole = getattr(post.Post, name)
    def raises(self, *rest):
        if self.part.name == "cam 1" and (name == "judged" or self._judged is not None):
            1 / 0
        return whole(self, *rest)
    setattr(post.Post, name, raises)
    sys.exit(main(["run", sys.argv[-1]]))
"""


@pytest.mark.parametrize("name", ["judged", "_heard"])
def test_an_error_with_one_camera_is_told_and_ends_nothing(tmp_path, clip, name):
    """B5: what raises in the judge of one camera, or in what its reader says, blinds that camera, not the others."""
    script = tmp_path / "raises.py"
    script.write_text(RAISES)
    with FaultCam([clip], mounts=2) as cam:
        watch = Watching(tmp_path, [cam.url(0), cam.url(1)], rules=RULES)
        watch.start(wrap=(sys.executable, str(script), name))
        try:
            fault = wait_for(lambda: watch.rows("camera_fault"), 30)[0]
            assert fault["camera"] == "cam 1" and fault["cause"] == "error" and "ZeroDivisionError" in fault["remark"]
            wait_for(lambda: watch.status()["text"].startswith("NOT WATCHING: cam 1 "))
            seq = watch.rows()[-1]["seq"]
            wait_for(lambda: [row for row in watch.rows("bare_head") if row["seq"] > seq and row["camera"] == "cam 0"])
            assert watch.status()["cameras"][0]["opened"] == 1
            assert not [row for row in watch.rows("camera_well") if row["incident"] == fault["id"]]
            assert len(watch.children()) <= 6  # nursery, two readers, detector, page, and its tracker
            assert watch.stop() == 0
            assert "ZeroDivisionError" in watch.log.read_text()
        finally:
            watch.__exit__()


FALLS = """
import sys
from minewatch import watch
if __name__ == "__main__":
    from minewatch.cli import main
    spread, shown = watch.spread, []
    def falls(*rest):
        shown.append(None)
        if len(shown) == 5:
            raise ValueError("rtsp://admin:Gr%be!7@Zeche@192.0.2.1/")
        spread(*rest)
    watch.spread = falls
    sys.exit(main(["run", sys.argv[-1]]))
"""


def test_an_error_of_ours_in_the_loop_ends_all_of_it_and_says_so(tmp_path, cam):
    """D7, G1: systemd begins anew: exit 1, the reason in row and log without a secret, no process left."""
    script = tmp_path / "falls.py"
    script.write_text(FALLS)
    watch = Watching(tmp_path, [{"name": "gate", "url": cam.url(0), "user": "admin", "password": "Gr%be!7@Zeche"}])
    watch.start(wrap=(sys.executable, str(script)))
    try:
        assert watch.process.wait(60) == 1
        end, = watch.rows("watch_ended")
        assert "ValueError" in end["remark"]
        told = watch.log.read_text()
        assert "Traceback" in told and "Zeche" not in told and all(json.loads(line) for line in told.splitlines())
        wait_for(lambda: not watch.children())
        watch.start()
        watch.watching()
        assert no_gap(watch.rows())
    finally:
        watch.__exit__()
