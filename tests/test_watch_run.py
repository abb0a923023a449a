"""Does a whole watch see, keep, tell, survive and go on? `minewatch run` over cameras of the lab."""

import signal
import subprocess
import sys
from contextlib import ExitStack

import onnx
import pytest
from bright_onnx import bright_onnx
from minebench.lab.faultcam import FaultCam
from watching import Watching, bare_clip, wait_for


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return bare_clip(tmp_path_factory.mktemp("clips") / "bare.mp4")


@pytest.fixture
def cam(clip):
    with FaultCam([clip], mounts=2) as cam:
        yield cam


def test_a_bare_head_is_a_row_a_snapshot_and_a_clip_and_the_watch_leaves_when_asked(tmp_path, cam):
    clips = {"before": 1, "after": 1}
    with Watching(tmp_path, [cam.url(0)], clips=clips, rules={"quiet": 1.0}) as watch:
        row = wait_for(lambda: watch.rows("bare_head"))[0]
        assert row["camera"] == "cam 0" and row["loud"] and row["score"] > 0.5
        assert row["box"] == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3], abs=0.05)
        assert wait_for(lambda: watch.get(f"/media/{row['seq']}/snapshot.jpg")).startswith(b"\xff\xd8")
        assert b"ftyp" in wait_for(lambda: watch.get(f"/media/{row['seq']}/clip.mp4"))[:16]
        end = wait_for(lambda: watch.rows("bare_head_ended"))[0]
        assert end["incident"] == row["id"] == row["incident"]
        assert watch.stop() == 0
        assert [one["seq"] for one in watch.rows()] == list(range(1, len(watch.rows()) + 1))
        assert watch.rows()[-1]["kind"] == "watch_ended"
        wait_for(lambda: not watch.children())


def test_a_killed_watch_goes_on_with_the_incident_that_was_open(tmp_path, clip):
    """C5, D7: kill -9 in the middle of an event: its row is there, the next run ends it, and opens none beside it."""
    long = bare_clip(tmp_path / "long.mp4", 60, (0.5, 60))
    with FaultCam([long]) as cam, Watching(tmp_path, [cam.url(0)]) as watch:
        row = wait_for(lambda: watch.rows("bare_head"))[0]
        watch.kill()
        wait_for(lambda: not watch.children())
        watch.start()
        watch.watching()
        wait_for(lambda: watch.camera()["open_incidents"] == 1)
        assert [one["seq"] for one in watch.rows("bare_head")] == [row["seq"]]
        assert watch.rows("bare_head_ended") == []


def test_a_killed_detector_is_replaced_and_no_camera_notices(tmp_path, cam):
    """D1: kill -9 of the detector's process: another one looks, over the same connections."""
    with Watching(tmp_path, [cam.url(0), cam.url(1)]) as watch:
        watch.watching()
        (pid,) = watch.children("minewatch.detection.process")
        subprocess.run(["kill", "-9", str(pid)], check=True)
        wait_for(lambda: (watch.status() or {"detector": {"replaced": 0}})["detector"]["replaced"] == 1)
        watch.watching()
        assert [camera["opened"] for camera in watch.status()["cameras"]] == [1, 1]
        assert wait_for(lambda: watch.rows("detector_well"))


def test_a_camera_that_is_cut_is_told_of_once_and_comes_back(tmp_path, cam):
    """A5: a camera's server ends: one fault, one end of it, and the other camera never notices."""
    with Watching(tmp_path, [cam.url(0), cam.url(1)]) as watch:
        watch.watching()
        cam.fault(0, missing=True)
        cam.cut(0)
        fault = wait_for(lambda: watch.rows("camera_fault"))[0]
        assert fault["camera"] == "cam 0" and fault["loud"]
        wait_for(lambda: not watch.get("/api/status")["watching"])
        cam.well(0)
        well = wait_for(lambda: watch.rows("camera_well"))[0]
        assert well["incident"] == fault["id"] and len(watch.rows("camera_fault", "camera_well")) == 2
        watch.watching()
        assert watch.status()["cameras"][1]["opened"] == 1


def test_a_bad_reload_changes_nothing_and_a_good_one_takes_over(tmp_path, cam):
    """H2: SIGHUP with a wrong file: the old configuration goes on, and it is said; then a camera is added."""
    with Watching(tmp_path, [cam.url(0)]) as watch:
        watch.watching()
        good = watch.told["cameras"]
        watch.write(cameras=[{**good[0], "transprot": "udp"}])
        watch.signal(signal.SIGHUP)
        assert "transport" in wait_for(lambda: watch.rows("config_refused"))[0]["remark"]
        wait_for(lambda: watch.status()["config_fault"])
        assert watch.camera()["standing"] == "live" and watch.camera()["opened"] == 1
        watch.write(cameras=[good[0], {**good[0], "name": "new", "url": cam.url(1)}])
        watch.signal(signal.SIGHUP)
        wait_for(lambda: watch.rows("config_reloaded"))
        wait_for(lambda: len(watch.status()["cameras"]) == 2 and watch.camera(1)["standing"] == "live")
        assert watch.camera()["opened"] == 1 and not watch.status()["config_fault"]


def test_a_bad_model_is_refused_at_run_time_and_the_old_one_goes_on(tmp_path, cam):
    """D6: a model that answers with no numbers fails its trial."""
    with Watching(tmp_path, [cam.url(0)]) as watch:
        watch.watching()
        before = watch.status()["detector"]["sha256"]
        spoiled = bright_onnx(tmp_path / "spoiled.onnx", spoiled="pick")
        watch.write(model={"file": str(spoiled)})
        watch.signal(signal.SIGHUP)
        assert "spoiled" in wait_for(lambda: watch.rows("model_refused"))[0]["remark"]
        watch.watching()
        assert watch.status()["detector"]["sha256"] == before and watch.camera()["opened"] == 1


def test_a_second_watch_of_one_state_folder_names_the_first(tmp_path, cam):
    """D10: two daemons on one state folder."""
    with Watching(tmp_path, [cam.url(0)]) as watch:
        wait_for(lambda: watch.rows("watch_began"))
        second = subprocess.run([sys.executable, "-m", "minewatch", "run", str(watch.config)], capture_output=True,
                                text=True, timeout=60)
        assert second.returncode == 78 and str(watch.process.pid) in second.stderr


def test_a_folder_that_is_gone_keeps_no_child_from_its_work(tmp_path, cam):
    """Somebody began it in a folder that was removed since; one that is closed to the watch's user is as bad."""
    gone = tmp_path / "gone"
    gone.mkdir()
    watch = Watching(tmp_path, [cam.url(0)])
    with ExitStack() as ended:
        ended.push(watch.start(wrap=("sh", "-c", 'cd "$0" && rmdir "$0" && exec "$@"', str(gone))))
        assert wait_for(lambda: watch.get("/healthz"), 60)
        wait_for(lambda: watch.rows("bare_head"), 60)


@pytest.mark.parametrize("content", [b"", b"not a model at all", b"\x00" * 4096])
def test_a_model_that_is_none_ends_the_watch_for_good(tmp_path, content):
    """D4: a file that is no model: one line, exit 78, so that systemd does not begin anew."""
    broken = tmp_path / "bright.onnx"
    broken.write_bytes(content)
    watch = Watching(tmp_path, ["/dev/null/none.mp4"])
    done = subprocess.run([sys.executable, "-m", "minewatch", "run", str(watch.config)], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 78 and "bright.onnx" in done.stderr and "Traceback" not in done.stderr


def test_a_model_that_no_runtime_takes_ends_the_watch_for_good(tmp_path):
    """D4: its card can be read, its graph cannot be run."""
    model = onnx.load(bright_onnx(tmp_path / "bright.onnx"))
    model.graph.node[0].op_type = "NoSuchOperator"
    onnx.save(model, tmp_path / "bright.onnx")
    watch = Watching(tmp_path, ["rtsp://127.0.0.1:1/x"])
    done = subprocess.run([sys.executable, "-m", "minewatch", "run", str(watch.config)], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 78 and "NoSuchOperator" in done.stderr and "Traceback" not in done.stderr
    assert [row["kind"] for row in watch.rows("detector_fault", "watch_ended")] == ["detector_fault", "watch_ended"]


def test_a_configuration_that_is_wrong_ends_the_watch_for_good(tmp_path):
    watch = Watching(tmp_path, ["rtsp://127.0.0.1:1/x"], detcetor={})
    done = subprocess.run([sys.executable, "-m", "minewatch", "run", str(watch.config)], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 78 and "detector" in done.stderr and "Traceback" not in done.stderr
