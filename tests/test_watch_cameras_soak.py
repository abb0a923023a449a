"""The cameras' faults on the wall clock, with the figures that the table of faults shows. `make soak` runs them."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from cameras import Looking, descendants, part
from minebench.lab.clips import blocks, write_clip
from minebench.lab.faultcam import FaultCam
from minebench.lab.faultproxy import FaultProxy
from minebench.lab.rtpfault import RtpFault
from minewatch.cameras import slots
from minewatch.cameras.standing import Change

pytestmark = pytest.mark.soak
FPS = 25


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """640x360, ten seconds, a key frame every second."""
    return blocks(tmp_path_factory.mktemp("clips") / "blocks.mp4", 10.0, FPS, 640, 360)


def told(looking: Looking, name: str, standing: str, after: float) -> float:
    """When that was told first, after a moment."""
    return next(moment for moment, camera, one in looking.happened if camera == name and isinstance(one, Change)
                and one.standing == standing and moment >= after)


def stood(looking: Looking, number: int, standing: str, seconds: float) -> float:
    """Seconds until the camera stands so."""
    began = time.monotonic()
    looking.until(lambda: looking.cameras[number].status().standing == standing, seconds)
    return time.monotonic() - began


def figure(text: str) -> None:
    """What the table of faults takes."""
    print(f"\nMEASURED {text}", flush=True)


def memory_of(pids: list[int], kind: str = "Pss") -> float:
    """MB that these processes use."""
    total = 0.0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as rollup:
            total += next(int(line.split()[1]) for line in rollup if line.startswith(f"{kind}:"))
    return total / 1000


def test_lost_and_back(clip: Path) -> None:
    """A3, A4, A5: a stopped server, packets that stop, a server that is away for 20 s."""
    with FaultCam([clip]) as cam, Looking(part(cam.url())) as looking:
        frames = looking.frames["shaft"]
        for case, begin, end in (
                ("A3 server stopped", cam.freeze, cam.thaw),
                ("A4 packets stop", lambda: cam.fault(0, stall=True), lambda: cam.well(0)),
                ("A5 server away 20 s", lambda: (cam.refuse(), cam.cut()), lambda: cam.refuse(False))):
            looking.until(lambda: looking.cameras[0].status().standing == "live", 40)
            looking.during(65)  # a minute of health
            changes = len(looking.changes())
            begin()
            last = frames[-1].moment
            lost = stood(looking, 0, "waiting", 10)
            last = max(last, frames[-1].moment)
            offline = time.monotonic() - last
            count = len(frames)
            looking.during(20 - lost)
            assert len(frames) == count, "nothing is live in between"
            end()
            back = stood(looking, 0, "live", 20)
            looking.during(1)
            figure(f"{case}: offline {offline:.2f} s after the last frame, live {back:.2f} s after the end")
            assert offline <= 5 and back <= 8
            assert len(looking.changes()) - changes == 2


def test_silent_cameras_do_not_slow_a_healthy_one(clip: Path) -> None:
    """A1, A2: twelve that accept and never answer, beside one that works."""
    with FaultCam([clip], 13) as cam:
        for number in range(12):
            cam.fault(number, silent=True)
        with Looking(part(cam.url(12), "well")) as alone:
            alone.until(lambda: alone.frames["well"])
            alone.during(10)
            before = len(alone.frames["well"]) / 10
        names = [f"silent{number}" for number in range(12)]
        with Looking(part(cam.url(12), "well"), *(part(cam.url(number), names[number]) for number in range(12))) \
                as looking:
            began = time.monotonic()
            looking.until(lambda: all(looking.changes(name) for name in names), 15)
            latest = max(told(looking, name, "waiting", began) for name in names) - began
            count, since = len(looking.frames["well"]), time.monotonic()
            looking.during(20)
            after = (len(looking.frames["well"]) - count) / (time.monotonic() - since)
        assert all(looking.changes(name) == [("waiting", "timeout")] for name in names)
        figure(f"A2: timeout told after {latest:.2f} s at most; the healthy one {before:.1f} -> {after:.1f} fps")
        assert latest <= 6.5 and after >= 0.98 * FPS * 0.98


def test_a_hundred_flaps(clip: Path) -> None:
    """A6: 100 cuts: notices, memory and file descriptors of the watch."""
    chance = random.Random(1)
    with FaultCam([clip]) as cam, Looking(part(cam.url())) as looking:
        looking.until(lambda: looking.frames["shaft"])
        began, fds = time.monotonic(), 0
        rss = 0.0
        for number in range(100):
            looking.until(lambda: looking.cameras[0].status().standing == "live", 40)
            looking.during(chance.uniform(5.0, 6.0))  # longer, and the waits stay short
            looking.frames["shaft"].clear()  # they are the test's memory, not the watch's
            if number == 10:
                rss, fds = memory_of([os.getpid()], "Rss"), len(os.listdir("/proc/self/fd"))
            cam.cut()
            looking.until(lambda: looking.cameras[0].status().standing != "live")
        looking.until(lambda: looking.cameras[0].status().standing == "live", 40)
        looking.during(2)
        minutes = (time.monotonic() - began) / 60
        grown = memory_of([os.getpid()], "Rss") - rss
        opened = len(os.listdir("/proc/self/fd")) - fds
        changes = [(moment, one) for moment, _, one in looking.happened if isinstance(one, Change)]
    faults = [moment for moment, change in changes if change.standing == "waiting"]
    figure(f"A6: 100 cuts in {minutes:.1f} min: {len(faults)} faults told, memory {grown:+.1f} MB, "
           f"file descriptors {opened:+d}")
    assert all(sum(begin <= moment < begin + 60 for moment in faults) <= 2 for begin in faults)
    assert grown < 5 and opened <= 0


def test_the_cable_of_twelve_cameras(clip: Path) -> None:
    """A7: nothing passes for 20 s: all told within 5 s, all back within 10 s, at most 12 connections a second."""
    with FaultCam([clip], 12) as cam, FaultProxy(cam.port) as wire:
        parts = [part(wire.url(cam.url(number)), f"c{number}") for number in range(12)]
        with Looking(*parts) as looking:
            looking.until(lambda: all(camera.status().standing == "live" for camera in looking.cameras), 30)
            looking.during(5)
            wire.change(frozen=True)
            began = time.monotonic()
            looking.until(lambda: all(camera.status().standing != "live" for camera in looking.cameras), 10)
            offline = time.monotonic() - began
            looking.during(20 - offline)
            wire.change(frozen=False)
            wire.cut()
            began, count = time.monotonic(), len(wire.arrivals)
            looking.until(lambda: all(camera.status().standing == "live" for camera in looking.cameras), 20)
            back = time.monotonic() - began
            arrivals = wire.arrivals[count:]
            rush = max(sum(begin <= moment < begin + 1 for moment in arrivals) for begin in arrivals)
    figure(f"A7: 12 cameras offline after {offline:.2f} s, all back after {back:.2f} s, at most {rush} opens a second")
    assert offline <= 5 and back <= 10 and rush <= 13


def reference(clip: Path) -> Any:
    """Every frame of the clip, small: [n, 45, 80] int16."""
    with av.open(str(clip)) as container:
        return np.stack([frame.reformat(80, 45, "gray", interpolation="AREA").to_ndarray().astype(np.int16)
                         for frame in container.decode(video=0)])


def is_wrong(frame: av.VideoFrame, frames: Any) -> bool:
    """Whether the picture is visibly none of the clip's."""
    small = frame.reformat(80, 45, "gray", interpolation="AREA").to_ndarray().astype(np.int16)
    return bool(np.abs(frames - small).mean(axis=(1, 2)).min() > 1.5)


def wrong_without_quarantine(url: str, frames: Any, count: int) -> int:
    """Of so many frames as libav gives them."""
    wrong = 0
    with av.open(url, options={"rtsp_transport": "tcp"}, timeout=(5, 5)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number == count:
                break
            wrong += is_wrong(frame, frames)
    return wrong


@pytest.mark.parametrize(("share", "limit"), [(0.01, 20), (0.05, 20), (0.1, 35)])
def test_lost_packets(clip: Path, share: float, limit: int) -> None:
    """A8: of 600 frames, those that are visibly wrong and reach the detector all the same."""
    frames, wrong = reference(clip), []

    def compare(picture: Any) -> None:
        wrong.append(is_wrong(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture.pixels), format="bgr24"), frames))

    with FaultCam([clip]) as cam, RtpFault(cam.port, seed=3, drop=share) as relay:
        without = wrong_without_quarantine(relay.url(cam.url()), frames, 250)
        with Looking(part(relay.url(cam.url())), look=compare) as looking:
            looking.during(24)
            status = looking.cameras[0].status()
    figure(f"A8 {share:.0%}: {sum(wrong)} wrong of {len(wrong)} frames looked at, {status.quarantined} quarantined; "
           f"without quarantine {without} wrong of 250")
    assert sum(wrong) <= limit and status.quarantined > 0 and without > 0


def test_garbage_and_broken_framing(clip: Path) -> None:
    """A9, A10: slices of random bytes for 4 s; bytes of the connection flipped."""
    with FaultCam([clip]) as cam, FaultProxy(cam.port) as wire, \
            Looking(part(wire.url(cam.url()))) as looking:
        frames = looking.frames["shaft"]
        looking.until(lambda: len(frames) > 50)
        cam.fault(0, garbage=True)
        looking.during(4)
        cam.well(0)
        count, began = len(frames), time.monotonic()
        looking.until(lambda: len(frames) > count + 1)
        garbage = time.monotonic() - began
        looking.during(3)
        wire.change(corrupt=0.001)
        looking.during(2)
        wire.change(corrupt=0.0)
        count, began = len(frames), time.monotonic()
        looking.until(lambda: looking.cameras[0].status().standing == "live" and len(frames) > count + 10, 20)
        framing = time.monotonic() - began
        opened = looking.cameras[0].opened
    figure(f"A9: live {garbage:.2f} s after 4 s of garbage. A10: live {framing:.2f} s after broken framing, "
           f"{opened - 1} new connections")
    assert garbage <= 1.5 + 0.5 and framing <= 3 + 4


def test_a_new_size(clip: Path, tmp_path: Path) -> None:
    """A11: the gap that it makes."""
    large = write_clip(tmp_path / "large.mp4", [np.full((720, 1280, 3), 99, np.uint8)] * 50)
    sizes: list[tuple[float, tuple[int, int]]] = []
    with FaultCam([clip, large], 1) as cam, \
            Looking(part(cam.url()), look=lambda picture: sizes.append((time.monotonic(), picture.size))) as looking:
        looking.until(lambda: len(sizes) > 50)
        cam.fault(0, clip=1)
        looking.until(lambda: sizes[-1][1] == (1280, 720))
    gap = next(later - sooner for (sooner, before), (later, after) in pairwise(sizes) if before != after)
    figure(f"A11: {gap:.2f} s between the last frame of one size and the first of the other")
    assert gap <= 1.0


@pytest.mark.parametrize("fault", [{"jump": 3600.0}, {"jump": -3600.0}, {"zero": True}, {"ticks": 2 ** 32 - 90_000}])
def test_time_stamps_that_leap(clip: Path, fault: dict[str, Any]) -> None:
    """A13: frames go on, and no age is negative."""
    with FaultCam([clip]) as cam:
        if "ticks" in fault:
            cam.fault(0, **fault)
        ages: list[float] = []
        with Looking(part(cam.url()), look=lambda picture: ages.append(time.monotonic() - picture.arrived.moment)) \
                as looking:
            looking.until(lambda: len(ages) > 20)
            cam.fault(0, **fault)
            looking.during(2)
            count = len(ages)
            looking.during(6)
            status = looking.cameras[0].status()
    figure(f"A13 {fault}: {len(ages) - count} frames in the 6 s that began 2 s after, {status.opened} connections, "
           f"{status.quarantined} quarantined")
    assert min(ages) >= 0 and len(ages) - count > 60


def rate(looking: Looking, seconds: float) -> Iterator[float]:
    """Frames a second of each camera, over so many."""
    before = {name: len(frames) for name, frames in looking.frames.items()}
    began = time.monotonic()
    looking.during(seconds)
    for name, frames in looking.frames.items():
        yield (len(frames) - before[name]) / (time.monotonic() - began)


def test_twelve_cameras(clip: Path) -> None:
    """B1's part: 12 x 640x360 at 25 fps: what readers cost in memory and processor."""
    with FaultCam([clip], 12) as cam:
        began = time.monotonic()
        with Looking(*(part(cam.url(number), f"c{number}") for number in range(12))) as looking:
            looking.until(lambda: all(looking.frames.values()), 30)
            start = time.monotonic() - began
            looking.during(5)
            readers = descendants(os.getpid())
            before = sum(cpu_of(pid) for pid in readers)
            rates = list(rate(looking, 20))
            cores = (sum(cpu_of(pid) for pid in readers) - before) / 20
            pss = memory_of(readers)
            ages = [frame.moment for frames in looking.frames.values() for frame in frames]
    figure(f"12 cameras: all live {start:.1f} s after the start, {min(rates):.1f} to {max(rates):.1f} fps, readers "
           f"{cores:.2f} cores, PSS {pss:.0f} MB in {len(readers)} processes ({pss / 12:.1f} MB a camera)")
    assert ages and min(rates) > 0.9 * FPS and pss < 1000


def cpu_of(pid: int) -> float:
    """Seconds of processor time."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_stopping_twelve_blocked_readers_fifty_times(clip: Path) -> None:
    """D8: each stop within 5 s; nothing is left behind."""
    longest = 0.0
    with FaultCam([clip], 12) as cam:
        for number in range(12):
            cam.fault(number, **({"silent": True} if number % 2 else {}))
        for _ in range(50):
            with Looking(*(part(cam.url(number), f"c{number}", stall_seconds=30) for number in range(12))) as looking:
                looking.until(lambda: all(looking.frames[f"c{number}"] for number in range(0, 12, 2)), 30)
                cam.fault(None, stall=True)
                looking.during(0.3)
                began = time.monotonic()
                for camera in looking.cameras:
                    camera.stop()
                looking.until(lambda: all(camera.gone for camera in looking.cameras), 10)
                longest = max(longest, time.monotonic() - began)
                cam.fault(None, stall=False)
        deadline = time.monotonic() + 5
        while descendants(os.getpid()) and time.monotonic() < deadline:
            os.sched_yield()
    figure(f"D8: 50 stops of 12 readers, 6 of them blocked in opening and 6 in reading: {longest:.2f} s at most")
    assert longest <= 5 and not descendants(os.getpid())


def test_killed_at_any_moment(clip: Path) -> None:
    """D7: kill -9 of the watch, 60 times at random points: no reader and no memory is left 3 s later."""
    chance = random.Random(4)
    with FaultCam([clip], 3) as cam:
        memories: set[str] = set()
        processes: set[int] = set()
        for _ in range(60):
            child = os.fork()
            if child == 0:
                try:
                    with Looking(*(part(cam.url(number), f"c{number}") for number in range(3))) as looking:
                        looking.during(60)
                finally:
                    os._exit(1)
            end = time.monotonic() + chance.uniform(0.1, 2.5)
            while time.monotonic() < end:
                time.sleep(0.02)
                below = descendants(child)
                processes |= set(below)
                memories |= {name for one in below for name in mapped(one)}
            os.kill(child, 9)
            os.waitpid(child, 0)
        time.sleep(3)
        left = [name for name in memories if (slots.FOLDER / name).exists()]
        alive = [pid for pid in processes if is_reader(pid)]
    figure(f"D7: 60 kills of the watch: {len(processes)} processes and {len(memories)} memories seen, "
           f"{len(alive)} and {len(left)} left")
    assert not left and not alive and len(memories) > 20


def mapped(pid: int) -> set[str]:
    """Memories of cameras that a process has in use."""
    try:
        with open(f"/proc/{pid}/maps") as maps:
            return {os.path.basename(line.split()[-1]) for line in maps if f"/{slots.PREFIX}" in line}
    except OSError:
        return set()


def is_reader(pid: int) -> bool:
    """Whether it lives, and is not another program that was given the same number."""
    try:
        with open(f"/proc/{pid}/cmdline") as line:
            return "minewatch.cameras.nursery" in line.read()
    except OSError:
        return False
