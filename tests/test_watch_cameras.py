"""Cameras over real readers and a real RTSP server of this machine: what they give and why they end."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from cameras import Looking, descendants, numbered, part
from minebench.lab.clips import write_clip
from minebench.lab.faultcam import FaultCam
from minehat.errors import MineHatError
from minewatch.cameras import slots
from minewatch.cameras.address import address_of
from minewatch.cameras.desk import Desk
from minewatch.cameras.pyav_source import AvImage, PyAvSource
from minewatch.cameras.reader import next_due
from minewatch.cameras.source import Frame, Plan, SourceLost
from minewatch.cameras.trial import try_camera

PASSWORD = "p@ss:w/ör d%41"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds at 25 frames a second that tell their number by their brightness."""
    return write_clip(tmp_path_factory.mktemp("clips") / "numbered.mp4", numbered(100))


@pytest.fixture(scope="module")
def wide_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "wide.mp4", numbered(100, 320, 128))


def is_there(memory: str) -> bool:
    """Whether a memory still has its name."""
    return (slots.FOLDER / memory).exists()


def mapped_below(pid: int) -> set[str]:
    """Memories of cameras that the descendants of a process have in use."""
    found = set()
    for child in descendants(pid):
        with suppress(OSError), open(f"/proc/{child}/maps") as maps:
            found |= {os.path.basename(line.split()[-1]) for line in maps if f"/{slots.PREFIX}" in line}
    return found


def test_frames_come_as_they_were_sent(clip: Path) -> None:
    """Bright is bright, in order, with thumbs, a print and the time that they were decoded."""
    seen: list[float] = []
    with FaultCam([clip], user="ad:min", password=PASSWORD) as cam, \
            Looking(part(cam.url(), user="ad:min", password={"value": PASSWORD}),
                    look=lambda picture: seen.append(float(picture.pixels.mean()))) as looking:
        looking.until(lambda: len(seen) >= 40)
        frames = looking.frames["shaft"]
        status = looking.cameras[0].status()
    assert looking.changes() == [("live", None)]
    assert (status.width, status.height, status.standing, status.quarantined) == (160, 96, "live", 0)
    for bright, frame in zip(seen, frames, strict=True):  # 2 brighter with each frame, 200 in each round of the clip
        ahead = bright - seen[0] - 50 * ((frame.seconds or 0.0) - (frames[0].seconds or 0.0))
        assert abs((ahead + 100) % 200 - 100) < 4
    assert all(here.number < there.number for here, there in pairwise(frames))
    thumbs = [frame for frame in frames if frame.thumb is not None]
    assert 2 <= len(thumbs) < len(frames) / 4 and all(len(frame.thumb or b"") == 160 * 90 for frame in thumbs)
    assert len({frame.print for frame in thumbs}) > 1


def test_causes_are_told_apart_without_the_password(clip: Path, tmp_path: Path) -> None:
    """A1, A2, G8: refused, auth, not found, timeout, another host, too large, no such name, no such device.

    Of ten thousand streams one is read.
    """
    with socket.create_server(("127.0.0.2", 0)) as decoy, FaultCam([clip], 7, user="u", password=PASSWORD) as cam:
        decoy.settimeout(0)
        decoy_url = f"rtsp://127.0.0.2:{decoy.getsockname()[1]}/x"
        cam.fault(0, locked=True)
        cam.fault(1, missing=True)
        cam.fault(2, redirect=decoy_url)
        cam.fault(3, redirect="file:///etc/passwd")
        cam.fault(4, giant=16_000)
        cam.fault(5, silent=True)
        cam.fault(6, streams=10_000)
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        login = {"user": "u", "password": {"value": PASSWORD}}
        wanted = {"auth": cam.url(0), "not_found": cam.url(1), "forbidden": cam.url(2), "format": cam.url(4),
                  "timeout": cam.url(5), "refused": f"rtsp://127.0.0.1:{port}/", "no_route": "rtsp://no.such.invalid/",
                  "unplugged": "/dev/v4l/by-id/no-such", "missing": str(tmp_path / "no.mp4")}
        parts = [part(url, cause, **(login if url.startswith("rtsp") else {})) for cause, url in wanted.items()]
        with Looking(*parts, part(cam.url(3), "file", **login), part(cam.url(6), "well", **login)) as looking:
            looking.until(lambda: len(looking.changes()) >= len(parts) + 2, 20)
            told = [change.text for change in looking.of(object) if hasattr(change, "standing")]
            assert {name: looking.changes(name)[0] for name in wanted} == \
                {name: ("waiting", name) for name in wanted}
            assert looking.changes("file")[0][0] == "waiting"
            assert looking.changes("well") == [("live", None)]
        with pytest.raises(BlockingIOError):
            decoy.accept()
    assert all("p@ss" not in text and "p%40" not in text for text in told) and all("\n" not in text for text in told)


def test_a_new_size_is_followed(clip: Path, wide_clip: Path) -> None:
    """A11: frames of the new size come in new memory, without a new connection."""
    sizes: list[tuple[int, int]] = []
    with FaultCam([clip, wide_clip], 1) as cam, \
            Looking(part(cam.url()), look=lambda picture: sizes.append(picture.pixels.shape[1::-1])) as looking:
        looking.until(lambda: len(sizes) > 5)
        cam.fault(0, clip=1)
        looking.until(lambda: sizes[-1] == (320, 128))
        looking.until(lambda: len(sizes) > 20)
        camera = looking.cameras[0]
        assert camera.opened == 1 and (camera.status().width, camera.status().height) == (320, 128)
        assert set(sizes) == {(160, 96), (320, 128)}


def test_large_frames_are_scaled_as_they_are_decoded(wide_clip: Path) -> None:
    """`widest`: the picture's shape stays."""
    shapes = set()
    with FaultCam([wide_clip]) as cam, \
            Looking(part(cam.url(), widest=160), look=lambda picture: shapes.add(picture.pixels.shape)) as looking:
        looking.until(lambda: shapes)
    assert shapes == {(64, 160, 3)}


@pytest.mark.parametrize("fps", [0.5, 5.0, 10.0, 12.5, 24.0, 25.0, 60.0])
def test_frames_are_looked_at_as_often_as_they_may_be(fps: float) -> None:
    """Of 25 a second, also where the rates do not divide; a pause is not made up for."""
    due, looked = 0.0, []
    for number in range(100 * 25):
        moment = 1000 + number / 25 + (60 if number > 1250 else 0)
        if moment >= due:
            due = next_due(due, moment, fps)
            looked.append(moment)
    assert abs(len(looked) - 100 * min(fps, 25)) <= 2
    assert all(sum(begin <= moment < begin + 10 for moment in looked) <= 10 * fps + 1 for begin in looked[::25])


def test_most_fps_is_kept(clip: Path) -> None:
    """5 of 25 frames a second are handed on, and the camera is live all the while."""
    with FaultCam([clip]) as cam, Looking(part(cam.url(), most_fps=5, stall_seconds=0.5)) as looking:
        looking.until(lambda: len(looking.frames["shaft"]) >= 8)
        stamps = [frame.seconds or 0.0 for frame in looking.frames["shaft"]]
    assert stamps[-1] - stamps[0] >= 7 / 5 - 0.1
    assert looking.changes() == [("live", None)]


def test_the_cameras_own_clock_is_told_beside_ours(clip: Path) -> None:
    """A17: a day off; the moment of a frame is of our clock all the same."""
    with FaultCam([clip]) as cam, Looking(part(cam.url())) as looking:
        cam.fault(0, clock=86_400.0)
        looking.until(lambda: any(frame.camera_time is not None for frame in looking.frames["shaft"]), 20)
        frame = looking.frames["shaft"][-1]
        assert abs((frame.camera_time or 0.0) - time.time() - 86_400) < 2
        assert 0 <= time.monotonic() - frame.moment < 2


def test_a_usb_camera_is_found_by_its_name(tmp_path: Path) -> None:
    """A16: the name leads to another device after it was plugged in again; without one it is `unplugged`."""
    name = tmp_path / "usb-Camera_1234-video-index0"
    source = PyAvSource(Plan("usb", str(name)), refuse=lambda why: os._exit(1))
    for device in ("video0", "video2"):
        with pytest.raises(SourceLost) as caught, source:
            pass
        assert caught.value.cause == "unplugged" and "plugged in" in caught.value.text
        name.symlink_to(tmp_path / device)
        assert source._target() == (str(tmp_path / device), {}, "v4l2")
        name.unlink()


def test_silence_ends_a_connection_and_the_next_one_works(clip: Path) -> None:
    """A4, A5: a stalled stream and a cut; nothing is live in between."""
    with FaultCam([clip]) as cam, Looking(part(cam.url(), stall_seconds=0.8)) as looking:
        frames, camera = looking.frames["shaft"], looking.cameras[0]
        looking.until(lambda: len(frames) > 10)
        cam.fault(0, stall=True)
        looking.until(lambda: camera.status().standing == "waiting")
        assert camera.status().cause == "stalled"
        count = len(frames)
        looking.during(0.5)
        assert len(frames) == count
        cam.well(0)
        looking.until(lambda: len(frames) > count + 5)
        cam.cut()
        looking.until(lambda: camera.opened >= 3 and camera.status().standing == "live")
    assert looking.changes()[:2] == [("live", None), ("waiting", "stalled")]


def test_a_reader_that_is_killed_is_replaced(clip: Path) -> None:
    """Cause `killed`; its memory is not left behind."""
    with FaultCam([clip]) as cam, Looking(part(cam.url())) as looking:
        looking.until(lambda: looking.frames["shaft"])
        looking.cameras[0].kill()
        looking.until(lambda: looking.cameras[0].status().standing == "waiting")
        assert looking.changes()[-1] == ("waiting", "killed")
        looking.until(lambda: looking.cameras[0].status().standing == "live")


def test_pictures_outlive_their_connection(clip: Path) -> None:
    """A picture that somebody still holds stays as it was when its camera is gone, until it is freed."""
    with FaultCam([clip]) as cam, Looking(part(cam.url())) as looking:
        camera = looking.cameras[0]
        looking.until(lambda: looking.frames["shaft"])
        while camera.newest is None:
            camera.turn(looking.clock.monotonic())
        held = camera.take()
        assert held is not None
        copy = held.pixels.copy()
        camera.kill()
        looking.until(lambda: camera.status().standing == "waiting")
        assert is_there(held.place.memory) and np.array_equal(held.pixels, copy)
        held.free()
        held.free()
        assert not is_there(held.place.memory)


def test_slots_that_nobody_frees_only_drop_frames(clip: Path) -> None:
    """The watch is busy: its four frames stay untouched, others are counted, and the camera is live."""
    with FaultCam([clip]) as cam, Looking(part(cam.url())) as looking:
        camera, held = looking.cameras[0], []
        while len(held) < slots.SLOTS:
            camera.turn(looking.clock.monotonic())
            if picture := camera.take():
                held.append((picture, picture.pixels.copy()))
        looking.during(1.5)
        assert camera.status().standing == "live" and camera.dropped >= 10
        assert all(np.array_equal(picture.pixels, copy) for picture, copy in held)
        for picture, _ in held:
            picture.free()
        looking.until(lambda: len(looking.frames["shaft"]) > 5)


def test_readers_leave_with_the_watch(clip: Path, tmp_path: Path) -> None:
    """D7: kill -9 of the watch: its readers are gone within a second or so, and their memory with them."""
    with FaultCam([clip], 2) as cam:
        ready, told = os.pipe()
        child = os.fork()
        if child == 0:
            _watch_for_ever(cam.url(0), cam.url(1), told)
        os.close(told)
        with os.fdopen(ready, "rb") as pipe:
            assert pipe.read(1) == b"1"
        memories = mapped_below(child)
        assert len(memories) == 2 and all(map(is_there, memories)) and cam.viewers == 2
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        deadline = time.monotonic() + 10
        while cam.viewers or any(map(is_there, memories)):
            assert time.monotonic() < deadline, (cam.viewers, memories)
            threading.Event().wait(0.05)


def test_memory_made_after_the_watch_died_has_no_name() -> None:
    """D7: the watch was killed while the camera was being opened; its first frame comes all the same."""
    said: list[Any] = []
    desk = Desk(1920, 2, said.append)
    desk.opened("h264", 25.0)
    image = AvImage(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="bgr24"))
    desk.remove()
    desk.lay(Frame(image), 1.0)
    opened, arrived = said
    assert not is_there(opened.memory) and arrived.slot in (0, 1)


def _watch_for_ever(first: str, second: str, told: int) -> None:
    try:
        with Looking(part(first, "a"), part(second, "b")) as looking:
            looking.until(lambda: all(looking.frames.values()))
            os.write(told, b"1")
            looking.during(60)
    finally:
        os._exit(1)


def test_memory_of_the_dead_is_swept() -> None:
    """What a living process holds stays; what nobody holds goes."""
    living = slots.made(1, 2, 2)
    dead = slots.FOLDER / f"{slots.PREFIX}dead"
    dead.write_bytes(b"1234")
    assert slots.sweep() >= 1
    assert not dead.exists() and is_there(living.name)
    living.remove()
    assert not is_there(living.name)


def test_a_video_goes_by_its_own_pace(tmp_path: Path) -> None:
    """A video of 1.6 s takes as long; then it has ended, and is not opened again."""
    with Looking(part(write_clip(tmp_path / "short.mp4", numbered(40)))) as looking:
        looking.until(lambda: ("ended", "ended") in looking.changes(), 15)
        moments = [frame.moment for frame in looking.frames["shaft"]]
        looking.during(0.6)
        assert looking.cameras[0].opened == 1
    assert looking.changes() == [("live", None), ("ended", "ended")]
    assert moments[-1] - moments[0] >= 1.5


def test_a_video_is_repeated(tmp_path: Path) -> None:
    """Time goes on where it begins anew, and nothing is quarantined."""
    short = write_clip(tmp_path / "short.mp4", numbered(12))
    with Looking(part(short, repeat=True)) as looking:
        looking.until(lambda: len(looking.frames["shaft"]) >= 40)
        stamps = [frame.seconds or 0.0 for frame in looking.frames["shaft"]]
        assert looking.cameras[0].status().quarantined == 0
    assert all(sooner < later for sooner, later in pairwise(stamps)) and stamps[-1] > 1.4


def test_a_camera_is_stopped_wherever_it_hangs(clip: Path) -> None:
    """D8: readers in every state go within the grace, one of them stopped by a signal."""
    with FaultCam([clip], 4) as cam:
        cam.fault(1, silent=True)
        cam.fault(2, stall=True)
        with Looking(*(part(cam.url(number), f"c{number}", stall_seconds=30) for number in range(4))) as looking:
            looking.until(lambda: looking.frames["c0"] and looking.frames["c3"])
            began = time.monotonic()
            for camera in looking.cameras:
                camera.stop()
            looking.until(lambda: all(camera.gone for camera in looking.cameras), 10)
            assert time.monotonic() - began < 5
            assert {camera.status().standing for camera in looking.cameras} == {"off"}


def test_the_nursery_may_die(clip: Path) -> None:
    """Its readers go on, and the next connection starts another one."""
    with FaultCam([clip]) as cam, Looking(part(cam.url())) as looking:
        looking.until(lambda: looking.frames["shaft"])
        process = looking.nursery._process
        assert process is not None
        process.kill()
        process.wait()
        count = len(looking.frames["shaft"])
        looking.until(lambda: len(looking.frames["shaft"]) > count + 5)
        cam.cut()
        looking.until(lambda: looking.cameras[0].opened >= 2 and looking.cameras[0].status().standing == "live", 20)


def test_a_trial_says_what_a_camera_gives(clip: Path, tmp_path: Path) -> None:
    """One line, or the cause."""
    with FaultCam([clip]) as cam:
        assert try_camera(part(cam.url()), tmp_path, 0.5).startswith("shaft: 160x96, ")
        cam.fault(0, missing=True)
        with pytest.raises(MineHatError, match="shaft: not_found: 127"):
            try_camera(part(cam.url()), tmp_path)


@pytest.mark.parametrize(("url", "user", "password", "rest"), [
    ("rtsp://cam/live", None, None, "rtsp://cam:554/live"),
    ("rtsps://10.0.0.5/a?b=c@d", None, None, "rtsps://10.0.0.5:322/a?b=c@d"),
    ("rtsp://admin:secret@cam:8554/1", "admin", "secret", "rtsp://cam:8554/1"),
    ("rtsp://admin:p%40ss@cam/1", "admin", "p@ss", "rtsp://cam:554/1"),
    ("rtsp://admin:p@ss:word@cam/1", "admin", "p@ss:word", "rtsp://cam:554/1"),
    ("rtsp://admin:pa/ss@cam:554/1", "admin", "pa/ss", "rtsp://cam:554/1"),
    ("rtsp://admin:100%@cam/1", "admin", "100%", "rtsp://cam:554/1"),
    ("rtsp://admin@[fe80::1]:99/1", "admin", None, "rtsp://[fe80::1]:99/1"),
    ("RTSP://cam:554", None, None, "rtsp://cam:554")])
def test_addresses_are_understood(url: str, user: str | None, password: str | None, rest: str) -> None:
    address = address_of(url)
    assert (address.user, address.password, address.open_url) == (user, password, rest)


@pytest.mark.parametrize("url", ["http://u:p@cam/", "file:///etc/passwd", "rtsp:///x", "rtsp://cam:99999/",
                                 "rtsp://u:p@/x"])
def test_addresses_that_are_none_are_refused(url: str) -> None:
    """One line, and the URL is not in it."""
    with pytest.raises(MineHatError) as caught:
        address_of(url)
    assert "\n" not in str(caught.value) and "u:p" not in str(caught.value)
