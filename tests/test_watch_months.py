"""Does a whole watch hold for long? Kills, stops and an hour of random faults; the figures go to docs/faults.md.

Set SOAK_MINUTES for the long run (60).
"""

import os
import random
import signal
import sqlite3
import statistics
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from minebench.lab.faultcam import FaultCam
from watching import Watching, bare_clip, resident, seconds_until, wait_for

pytestmark = pytest.mark.soak
MINUTES = float(os.environ.get("SOAK_MINUTES", "60"))
FAULTS = (("stall", True), ("garbage", True), ("still", True), ("missing", True), ("jump", 3600.0))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return bare_clip(tmp_path_factory.mktemp("clips") / "bare.mp4")


def test_200_kills_lose_nothing(tmp_path, figure):
    """D7: kill -9 of the main process amid events: rows stay, numbers have no gap, pictures are whole."""
    seen, starts, rng = 0, [], random.Random(7)
    with FaultCam([bare_clip(tmp_path / "often.mp4", 2.0, bare=(0.2, 1.4))]) as cam:
        watch = Watching(tmp_path, [cam.url(0)], clips={"before": 1, "after": 1},
                         rules={"seconds": 0.2, "frames": 2, "quiet": 0.3})
        with watch:
            for _ in range(200):
                began = time.monotonic()
                wait_for(lambda seen=seen: len(watch.rows()) > seen, 30, 0.01)
                starts.append(time.monotonic() - began)
                time.sleep(rng.uniform(0, 6))
                seen = len(watch.rows())
                watch.kill()
                assert len(watch.rows()) >= seen
                watch.start()
            wait_for(lambda: len(watch.rows()) > seen, 30)
            watch.watching()
            assert watch.stop() == 0
    rows = watch.rows()
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    with closing(sqlite3.connect(watch.state / "events.db")) as store:
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    heads, pictures = watch.rows("bare_head"), list(watch.state.rglob("*.jpg"))
    assert len(heads) >= 60 and len(pictures) >= 30
    assert all(path.read_bytes().endswith(b"\xff\xd9") for path in pictures)
    assert not [path for path in watch.state.rglob("*") if ".part" in path.name or path.suffix == ".tmp"]
    wait_for(lambda: not watch.children())
    assert not list(Path("/dev/shm").glob(f"*{watch.process.pid}*"))
    figure("D7", f"200 kills: {len(rows)} rows without a gap, {len(heads)} of them bare heads, {len(pictures)} whole "
                 f"snapshots, {len(list(watch.state.rglob('*.mp4')))} clips, nothing half-written; "
                 f"first row of a run after at most {max(starts):.1f} s")


def test_it_leaves_within_5_s_though_12_readers_are_blocked(tmp_path, clip, figure):
    """D8: SIGTERM while all cameras stand still, 50 times."""
    took = []
    with FaultCam([clip], mounts=12) as cam:
        for turn in range(50):
            folder = tmp_path / str(turn)
            folder.mkdir()
            with Watching(folder, [cam.url(row) for row in range(12)]) as watch:
                wait_for(lambda: all(one["standing"] == "live" for one in (watch.status() or {"cameras": [
                    {"standing": ""}]})["cameras"]), 60)
                cam.freeze()
                began = time.monotonic()
                assert watch.stop() == 0
                took.append(time.monotonic() - began)
                cam.thaw()
                wait_for(lambda: not watch.children())
    figure("D8", f"50 times: exit 0 after at most {max(took):.1f} s, no process left")
    assert max(took) <= 5


def test_an_hour_of_random_faults_is_stood(tmp_path, clip, figure):
    """B5: 12 cameras, a random fault every few seconds, kills of the detector among them; all is watched afterwards."""
    rng, memory = random.Random(11), []
    with FaultCam([clip], mounts=12) as cam, Watching(tmp_path, [cam.url(row) for row in range(12)]) as watch:
        wait_for(lambda: watch.status(), 60)
        pid, ends, count = watch.process.pid, time.monotonic() + 60 * MINUTES, 0
        while time.monotonic() < ends:
            row = rng.randrange(12)
            rng.choice([cam.cut, cam.well, *(partial(cam.fault, **{fault: value}) for fault, value in FAULTS)])(row)
            count += 1
            if rng.random() < 0.005:
                for one in watch.children("minewatch.detection.process"):
                    os.kill(one, signal.SIGKILL)
            time.sleep(rng.uniform(0.5, 4))
            memory.append(resident(pid))
        cam.well()
        back = seconds_until(lambda: all(one["standing"] == "live" for one in watch.status()["cameras"]), 120)
        assert watch.process.pid == pid and watch.stop() == 0
        rows = watch.rows()
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    grown = (statistics.mean(memory[-20:]) - statistics.mean(memory[len(memory) // 5:][:20])) / 1e6
    figure("B5", f"{MINUTES:g} minutes, {count} faults: {len(rows)} rows without a gap, all cameras live {back:.0f} s "
                 f"after the last fault, main process {max(memory) / 1e6:.0f} MB, grew {grown:.1f} MB after warm-up")
    assert grown < 50
