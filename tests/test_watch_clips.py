"""Clips: the stream's own packets around a moment, whole under their name or not there."""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from cameras import Looking, numbered, part
from minebench.lab.clips import write_clip
from minebench.lab.faultcam import FaultCam
from minewatch.cameras.clips import Clips, Timeline, scratch_of
from minewatch.cameras.messages import Clip, ClipDone
from minewatch.cameras.ring import Kept, Ring
from minewatch.cameras.source import Coded
from minewatch.events.files import finish_clip

FPS, GROUP = 25, 25


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "numbered.mp4", numbered(100))


@pytest.fixture(scope="module")
def stream(video: Path) -> Iterator[Any]:
    """Of the video, open: what clips are made like."""
    with av.open(str(video)) as container:
        yield container.streams.video[0]


def packets(video: Path, begin: float) -> Iterator[Kept]:
    """Each packet as if it came at its time, 16 s from `begin` on: four rounds."""
    with av.open(str(video)) as container:
        known = [(bytes(packet), packet.time_base, packet.is_keyframe)
                 for packet in container.demux(video=0) if packet.size]
    for number in range(4 * len(known)):
        data, base, key = known[number % len(known)]
        stamp = round(number / FPS / base)
        yield Kept(Coded(data, stamp, stamp, base, key), begin + number / FPS)


def frames_of(path: Path) -> list[tuple[float, float]]:
    """Seconds and brightness of each frame."""
    with av.open(str(path)) as container:
        return [(float(frame.time), float(frame.to_ndarray(format="gray").mean())) for frame in
                container.decode(video=0)]


def kept(number: int, moment: float | None = None, key: bool | None = None, size: int = 10) -> Kept:
    moment = number / FPS if moment is None else moment
    return Kept(Coded(b"x" * size, number, number, Fraction(1, FPS), number % GROUP == 0 if key is None else key),
                moment)


def test_the_ring_holds_what_it_should_and_begins_with_a_key_frame() -> None:
    ring = Ring(before=4.0)
    for number in range(1000):
        ring.add(kept(number))
        held = ring.since(0.0)
        assert held[0].coded.key and held[-1].moment == number / FPS
        assert held[0].moment <= max(0.0, number / FPS - 9.0) and held[-1].moment - held[0].moment <= 11.0
    assert ring.bytes == sum(len(one.coded.data) for one in held)
    assert ring.since(35.5)[0].moment == 35.0


def test_the_ring_is_bounded_in_bytes() -> None:
    """Even one group that never ends."""
    ring = Ring(before=60.0, most=1000)
    for number in range(500):
        ring.add(kept(number, key=number % 7 == 0, size=50))
        assert ring.bytes <= 1000
    for number in range(500, 600):
        ring.add(kept(number, key=False, size=50))
        assert ring.bytes <= 1000
    assert ring.since(0.0) == []


def test_time_stamps_of_a_clip_rise_whatever_those_of_the_stream_do() -> None:
    """A13: leaps on and back, none at all, all the same."""
    chance = random.Random(2)
    stamps = [None if chance.random() < 0.2 else chance.choice([0, number, number + 10 ** 6, -number])
              for number in range(300)]
    came = [Kept(Coded(b"", stamp, stamp, Fraction(1, FPS), False), number / FPS)
            for number, stamp in enumerate(stamps)]
    timeline = Timeline(came[0])
    ticks = [timeline.ticks(one) for one in came]
    assert all(sooner < later for (sooner, _), (later, _) in pairwise(ticks)) and ticks[0] == (0, 0)
    assert all(shown >= decoded for decoded, shown in ticks)


def test_a_clip_begins_with_the_key_frame_before_it_and_ends_in_time(tmp_path: Path, video: Path, stream: Any) -> None:
    """From the past into the future, with every frame between, decodable from the first on."""
    said: list[ClipDone] = []
    clips, path = Clips(5.0, said.append), tmp_path / "deep" / "事件 7.mp4"
    began, until = time.monotonic() - 6.0, 12.0
    clips.copy_of(stream)
    for number, one in enumerate(packets(video, began)):
        clips.add(one)
        if number == 150:  # 6 s in
            clips.begin(Clip(str(path), began + 3.5, began + until))
    assert clips.finish(5.0)
    assert [(done.path, done.fault) for done in said] == [(str(path), "")]
    assert path.stat().st_size == said[0].bytes and path.stat().st_mode & 0o777 == 0o640
    frames = frames_of(path)
    assert abs(len(frames) - (until - 3.0) * FPS) <= 2  # the key frame is at 3.0 s
    assert abs(frames[-1][0] - frames[0][0] - (until - 3.0)) < 0.1 and frames[0][0] == 0
    assert abs(frames[0][1] - (20 + 2 * 75)) < 4 and abs(frames[50][1] - (20 + 2 * 25)) < 4
    assert sorted(entry.name for entry in path.parent.iterdir()) == [path.name]


def test_a_source_without_packets_says_so(tmp_path: Path) -> None:
    said: list[ClipDone] = []
    clips = Clips(5.0, said.append)
    clips.copy_of(None)
    clips.begin(Clip(str(tmp_path / "no.mp4"), 0.0, 1.0))
    assert "no packets" in said[0].fault and not list(tmp_path.iterdir())


def test_a_codec_that_cannot_be_copied_is_told(tmp_path: Path) -> None:
    """And the reader goes on listening."""
    raw, said = tmp_path / "raw.nut", []
    with av.open(str(raw), "w") as container:
        stream = container.add_stream("rawvideo", rate=5)
        stream.width, stream.height, stream.pix_fmt = 32, 16, "yuv420p"
        for packet in stream.encode(av.VideoFrame(32, 16, "yuv420p")):
            container.mux(packet)
    with av.open(str(raw)) as container:
        clips = Clips(5.0, said.append)
        clips.copy_of(container.streams.video[0])
        for number in range(5):
            clips.add(kept(number, time.monotonic()))
        clips.begin(Clip(str(tmp_path / "no.mp4"), 0.0, time.monotonic()))
        assert clips.finish(5.0)
    assert len(said) == 1 and said[0].fault and not (tmp_path / "no.mp4").exists()


def test_nothing_came_in_the_clips_time(tmp_path: Path, video: Path, stream: Any) -> None:
    said: list[ClipDone] = []
    clips = Clips(5.0, said.append)
    clips.copy_of(stream)
    clips.begin(Clip(str(tmp_path / "no.mp4"), 0.0, 1.0))
    clips.finish(5.0)
    assert said[0].fault and not list(tmp_path.iterdir())


FULL = """
import av, resource, sys, time
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_watch_clips import Clip, Clips, packets
resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, 8_000))
said = []
clips = Clips(5.0, said.append)
container = av.open({video!r})
clips.copy_of(container.streams.video[0])
for number, one in enumerate(packets(Path({video!r}), time.monotonic())):
    if number == 0:
        clips.begin(Clip({path!r}, 0.0, 1e9))
    clips.add(one)
clips.finish(10.0)
print(said[0].bytes, said[0].fault)
"""


def test_a_full_disk_leaves_no_partial_clip(tmp_path: Path, video: Path) -> None:
    """E1: a limit on the file's size stands for the disk: the fault is told, and nothing is left."""
    path = tmp_path / "media" / "clip.mp4"
    path.parent.mkdir()
    code = FULL.format(tests=str(Path(__file__).parent), video=str(video), path=str(path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("0 clip.mp4 was not written: File too large")
    assert not list(path.parent.iterdir())


@pytest.mark.soak
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_full_disk_and_one_with_room_again(tmp_path: Path, video: Path, stream: Any) -> None:
    """E1: a real full tmpfs; the next clip, when there is room, is whole."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("this root may not mount")
    try:
        (disk / "ballast").write_bytes(b"x" * 253_000)
        said: list[ClipDone] = []
        clips = Clips(5.0, said.append)
        clips.copy_of(stream)
        for number, one in enumerate(packets(video, time.monotonic())):
            if number == 0:
                clips.begin(Clip(str(disk / "a.mp4"), 0.0, 1e9))
            clips.add(one)
        assert clips.finish(10.0)
        assert "No space left" in said[0].fault
        assert [entry.name for entry in disk.iterdir()] == ["ballast"]
        (disk / "ballast").unlink()
        clips.copy_of(stream)
        for one in packets(video, time.monotonic()):
            clips.add(one)
            if not said[1:] and not clips._running:
                clips.begin(Clip(str(disk / "b.mp4"), 0.0, one.moment + 100))
        assert clips.finish(10.0) and said[1].fault == "" and len(frames_of(disk / "b.mp4")) > 100
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_clip_of_a_killed_reader_can_be_played(tmp_path: Path, video: Path) -> None:
    """D7: kill -9 in the midst: all but the last fragment is there, under its name once it is rescued."""
    path = tmp_path / "cut.mp4"
    with FaultCam([video]) as cam, Looking(part(cam.url())) as looking:
        looking.until(lambda: len(looking.frames["shaft"]) > 5)
        began = time.monotonic()
        looking.cameras[0].clip(str(path), began, began + 60)
        looking.during(3.2)
        lasted = time.monotonic() - began
        looking.cameras[0].kill()
        looking.until(lambda: looking.of(ClipDone))
        assert looking.of(ClipDone)[0].fault and not path.exists()
    assert finish_clip(path) == path.stat().st_size > 0 and not scratch_of(path).exists()
    assert len(frames_of(path)) >= (lasted - 2.5) * FPS


def test_what_was_never_a_clip_is_not_rescued(tmp_path: Path) -> None:
    scratch_of(tmp_path / "a.mp4").write_bytes(b"ftyp only")
    assert finish_clip(tmp_path / "a.mp4") == 0 and not list(tmp_path.iterdir())


def test_a_stalled_camera_still_finishes_its_clip(tmp_path: Path, video: Path) -> None:
    """The connection is ended in the midst of a clip; what came until then is whole under its name."""
    path = tmp_path / "stalled.mp4"
    with FaultCam([video]) as cam, Looking(part(cam.url(), stall_seconds=0.8)) as looking:
        looking.until(lambda: len(looking.frames["shaft"]) > 30)
        now = time.monotonic()
        looking.cameras[0].clip(str(path), now - 1, now + 60)
        looking.during(0.5)
        cam.fault(0, stall=True)
        looking.until(lambda: looking.of(ClipDone))
        assert looking.of(ClipDone)[0].fault == ""
        assert ("waiting", "stalled") in looking.changes()
        looking.cameras[0].clip(str(tmp_path / "none.mp4"), now, now + 60)
        looking.turn()
        assert not (tmp_path / "none.mp4").exists()
    assert len(frames_of(path)) >= 25


def test_a_slow_disk_holds_up_no_frame(tmp_path: Path, video: Path, stream: Any,
                                       monkeypatch: pytest.MonkeyPatch) -> None:
    """While a clip's file blocks, packets are taken without waiting; a clip far behind is given up."""
    gate, said = threading.Event(), []
    monkeypatch.setattr("minewatch.cameras.clips.os.fsync", lambda handle: gate.wait(10))
    clips: Clips = Clips(5.0, said.append)
    clips.copy_of(stream)
    began = time.monotonic()
    for number, one in enumerate(packets(video, time.monotonic())):
        if number == 0:
            clips.begin(Clip(str(tmp_path / "a.mp4"), 0.0, began + 2))
        clips.add(one)
    assert not said and time.monotonic() - began < 5
    assert not clips.finish(0.0)
    gate.set()
    assert clips.finish(5.0)


def test_the_limit_of_this_process_is_its_own() -> None:
    """The test of a full disk above limits another process than this one."""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 8_000
