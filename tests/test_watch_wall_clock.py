"""Does a whole watch keep its times on the wall clock? Faults and load; the figures go to docs/faults.md."""

import os
import random
import re
import signal
import socket
import statistics
import subprocess
import time
import urllib.request

import pytest
from conftest import ROOT
from minebench.lab.clips import blocks
from minebench.lab.faultcam import FaultCam
from watching import Watching, bare_clip, resident, seconds_until, wait_for

pytestmark = pytest.mark.soak
NANO = ROOT / "models" / "helmet-nano" / "helmet-nano.int8-cpu.onnx"


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return bare_clip(tmp_path_factory.mktemp("clips") / "bare.mp4")


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """A clip of 25 pictures a second, 640x360."""
    return blocks(tmp_path_factory.mktemp("quick") / "quick.mp4", 4.0, 25, 640, 360)


@pytest.mark.parametrize("case", ["A3", "A4", "A5"])
def test_a_camera_that_falls_silent_is_shown_lost_within_5_s_and_live_again(tmp_path, clip, figure, case):
    """A3, A4, A5: the server stands still, sends no more, or dies; later it is well again."""
    lost, back = [], []
    with FaultCam([clip]) as cam, Watching(tmp_path, [cam.url(0)]) as watch:
        ways = {"A3": (cam.freeze, cam.thaw), "A4": (lambda: cam.fault(0, stall=True), cam.well),
                "A5": (lambda: (cam.refuse(True), cam.cut()), lambda: cam.refuse(False))}
        for _ in range(5):
            watch.watching()
            break_it, mend = ways[case]
            break_it()
            lost.append(seconds_until(lambda: watch.camera()["standing"] != "live"))
            time.sleep(random.uniform(1, 6))
            mend()
            wait = watch.camera()["next_try"] or 0.0
            back.append(seconds_until(lambda: watch.camera()["standing"] == "live") - wait)
        faults, ends = watch.rows("camera_fault"), watch.rows("camera_well")
    figure(case, f"shown lost after at most {max(lost):.1f} s, live again at most {max(back):.1f} s after the wait, "
                 f"{len(lost)} times")
    assert max(lost) <= 5 and max(back) <= 3
    assert 0 <= len(faults) - len(ends) <= 1 and len(faults) <= len(lost)


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def test_the_age_of_results_is_bounded_at_12_cameras_of_25_pictures(tmp_path, quick, figure):
    """B1: 12 x 25 fps with the shipped network, on a quiet machine: newest frame wins, and cameras share alike."""
    with FaultCam([quick], mounts=12) as cam, Watching(
            tmp_path, [cam.url(row) for row in range(12)], model={"file": str(NANO)}, detector={"batch": 12}) as watch:
        wait_for(lambda: all(one["last_looked"] is not None for one in (watch.status() or {"cameras": [
            {"last_looked": None}]})["cameras"]), 120)
        time.sleep(10)
        memory, ages, batches, looked = [], [], [], {}
        for _ in range(240):
            time.sleep(0.25)
            status = watch.status()
            ages += [one["age_ms"] for one in status["cameras"]]
            batches.append(status["detector"]["batch_ms"])
            memory.append(resident(watch.process.pid))
            for one in status["cameras"]:
                looked.setdefault(one["name"], []).append(one["looked"])
    shares = [statistics.mean(values) for values in looked.values()]
    p99, batch = percentile(ages, 0.99), percentile(batches, 0.5)
    figure("B1", f"age of results p50 {percentile(ages, 0.5):.0f}, p99 {p99:.0f} ms with batches of p50 "
                 f"{batch:.0f}, p99 {percentile(batches, 0.99):.0f} ms; {statistics.mean(shares):.1f} looks a second "
                 f"and camera, most/least {max(shares) / min(shares):.2f}; main process {max(memory) / 1e6:.0f} MB, "
                 f"grew {(memory[-1] - memory[0]) / 1e6:.1f} MB")
    assert p99 <= 2 * batch + 50 and max(shares) / min(shares) <= 1.1


def test_a_head_is_a_row_within_one_and_a_half_seconds(tmp_path, clip, figure):
    """C6: from the first sight of a bare head to its row on disk, the one second of the rule included; 4 cameras."""
    with FaultCam([clip], mounts=4) as cam, Watching(tmp_path, [cam.url(row) for row in range(4)]) as watch:
        wait_for(lambda: len(watch.rows("bare_head")) >= 40, 240)
        told = watch.get("/metrics").decode()
    buckets = {float(le): float(count) for le, count in re.findall(
        r'minewatch_alarm_seconds_bucket\{le="([\d.]+)"\} ([\d.]+)', told)}
    total = float(re.search(r"minewatch_alarm_seconds_count ([\d.]+)", told)[1])
    within = max(count for le, count in buckets.items() if le <= 1.5) / total
    figure("C6", f"{100 * within:.0f} % of {total:.0f} bare heads were rows within 1.5 s of their first sight")
    assert within >= 0.95


def test_a_detector_that_is_killed_or_hangs_is_replaced(tmp_path, clip, figure):
    """D1, D2: kill -9, and SIGSTOP, which is a hang; the cameras stay connected."""
    took = {"D1": [], "D2": []}
    with FaultCam([clip], mounts=3) as cam:
        for case, number in (("D1", signal.SIGKILL), ("D2", signal.SIGSTOP)):
            for turn in range(2):  # a third failure within 10 minutes would be another case
                folder = tmp_path / f"{case}-{turn}"
                folder.mkdir()
                with Watching(folder, [cam.url(row) for row in range(3)]) as watch:
                    watch.watching()
                    (pid,) = watch.children("minewatch.detection.process")
                    os.kill(pid, number)
                    took[case].append(seconds_until(lambda: (one := watch.status()["detector"])["replaced"] == 1
                                                    and one["standing"] == "ready"))
                    watch.watching()
                    assert [one["opened"] for one in watch.status()["cameras"]] == [1, 1, 1]
    for case, times in took.items():
        figure(case, f"another one looked after {', '.join(f'{one:.1f}' for one in times)} s; no camera was reopened")
    assert max(took["D1"]) <= 6 and max(took["D2"]) <= 2 + 6


def test_an_idle_watch_is_small(tmp_path, clip, figure):
    """B5: memory of the main process, page, metrics and one camera running."""
    with FaultCam([clip]) as cam, Watching(tmp_path, [cam.url(0)]) as watch:
        watch.watching()
        time.sleep(20)
        held = resident(watch.process.pid)
        all_of = held + sum(resident(pid) for pid in watch.children())
    figure("B5", f"idle main process {held / 1e6:.0f} MB; all its processes together {all_of / 1e6:.0f} MB")
    assert held <= 150e6


def test_no_packet_leaves_for_a_host_that_is_not_configured(tmp_path, clip, figure):
    """F5: every connect and sendto of all processes for a minute: the camera, the page's own socket, nothing else."""
    trace = tmp_path / "trace"
    with FaultCam([clip]) as cam, Watching(tmp_path, [cam.url(0)]) as watch:
        watch.stop()
        watch.start(wrap=("strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg", "-o", str(trace)))
        watch.watching(90)
        with urllib.request.urlopen(f"http://127.0.0.1:{watch.port}/") as page:
            page.read()
        time.sleep(60)
        os.killpg(watch.process.pid, signal.SIGTERM)
        watch.process.wait(30)
        told = re.findall(r'sa_family=AF_INET6?, sin6?_port=htons\((\d+)\).*?(?:inet_addr\("|inet_pton\(AF_INET6, ")'
                          r'([^"]+)"', trace.read_text())
    places = set(told)
    figure("F5", f"{len(told)} connections and datagrams in a minute, to {len(places)} place: the camera")
    assert places == {(str(cam.port), "127.0.0.1")}


def test_a_flood_of_requests_does_not_slow_the_looking(tmp_path, clip, figure):
    """G4: 200 half-sent requests and a thousand whole ones a second: looks go on, a good client is answered."""
    with FaultCam([clip], mounts=2) as cam, Watching(tmp_path, [cam.url(0), cam.url(1)]) as watch:
        watch.watching()
        time.sleep(6)
        before = sum(one["looked"] for one in watch.status()["cameras"])
        hanging = []
        for _ in range(200):
            one = socket.create_connection(("127.0.0.1", watch.port), 5)
            one.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
            hanging.append(one)
        took, ends = [], time.monotonic() + 10
        while time.monotonic() < ends:
            began = time.monotonic()
            if watch.get("/healthz") is not None:
                took.append(time.monotonic() - began)
        after = sum(one["looked"] for one in watch.status()["cameras"])
        for one in hanging:
            one.close()
    figure("G4", f"200 half-sent requests: {len(took)} good ones in 10 s, p99 {1000 * percentile(took, 0.99):.0f} ms; "
                 f"looks a second {before:.1f} before, {after:.1f} meanwhile")
    assert len(took) > 20 and percentile(took, 0.99) <= 0.5 and after >= 0.95 * before - 0.5


def test_nothing_speaks_of_a_password(tmp_path, clip, figure):
    """G1: a camera with a password: log, page, API, metrics, media, process list and state folder never tell it."""
    secret = "Gr%be!7@Zeche"
    camera = {"name": "locked", "user": "admin", "password": secret}
    with FaultCam([clip], user="admin", password=secret, digest=True) as cam, \
            Watching(tmp_path, [{**camera, "url": cam.url(0)}]) as watch:
        watch.watching()
        cam.fault(0, locked=True)
        cam.cut()
        wait_for(lambda: watch.rows("camera_fault"))
        lines = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True).stdout
        pages = ("/", "/events", "/health", "/api/status", "/api/cameras", "/metrics")
        told = [lines, watch.log.read_text(), *(str(watch.get(path)) for path in pages)]
        told += [path.read_bytes().decode("latin1") for path in watch.state.rglob("*") if path.is_file()]
    assert not [text for text in told if secret in text or "Gr%25be" in text]
    figure("G1", f"{len(told)} texts and files of a running watch, 0 with the password")
