"""A folder of pictures as a camera: new ones as they come, broken ones named."""

from __future__ import annotations

import os
import shutil
import struct
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from cameras import Looking, part
from minehat.pictures import write_picture
from minewatch.cameras.folder_source import FolderSource
from minewatch.cameras.messages import Skipped
from minewatch.cameras.source import Plan, SourceLost


def picture(path: Path, bright: int = 99, age: float = 100.0) -> Path:
    """A small one, `age` seconds old."""
    write_picture(path, np.full((20, 30, 3), bright, np.uint8))
    stamp = path.stat().st_mtime - age
    os.utime(path, (stamp, stamp))
    return path


def names(source: FolderSource, count: int) -> list[str]:
    """Of the first frames and faults."""
    found: list[str] = []
    for taken in source.steps():
        found += [frame.name for frame in taken.frames] + ([f"BAD {taken.fault}"] if taken.fault else [])
        if len(found) >= count:
            break
    return found


def test_pictures_come_oldest_first_and_new_ones_after(tmp_path: Path) -> None:
    """Each version once, Chinese names and all."""
    picture(tmp_path / "矿工.jpg", age=50)
    picture(tmp_path / "a.png", age=10)
    picture(tmp_path / "b.jpg", age=90)
    (tmp_path / ".hidden.jpg").write_bytes(b"x")
    (tmp_path / "note.txt").write_text("x")
    (tmp_path / "folder.jpg").mkdir()
    shutil.rmtree(tmp_path / "folder.jpg")
    with FolderSource(Plan("files", str(tmp_path))) as source:
        steps = source.steps()
        assert [frame.name for _ in range(3) for frame in next(steps).frames] == ["b.jpg", "矿工.jpg", "a.png"]
        assert next(steps).frames == ()
        picture(tmp_path / "c.jpg", age=0)
        picture(tmp_path / "b.jpg", age=5)
        assert [frame.name for _ in range(2) for frame in next(steps).frames] == ["b.jpg", "c.jpg"]
        assert next(steps).frames == ()


def test_a_half_written_picture_is_left_until_it_is_whole(tmp_path: Path) -> None:
    """As FTP writes it, in pieces and in place."""
    whole = picture(tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "whole.jpg").unlink()
    part_way = tmp_path / "new.jpg"
    part_way.write_bytes(whole[:len(whole) // 2])
    with FolderSource(Plan("files", str(tmp_path))) as source:
        steps = source.steps()
        for _ in range(3):
            taken = next(steps)
            assert not taken.frames and not taken.fault
        part_way.write_bytes(whole)
        found = [frame.name for _ in range(3) for frame in next(steps).frames]
    assert found == ["new.jpg"]


def test_broken_pictures_are_named_once_and_the_rest_goes_on(tmp_path: Path) -> None:
    """A15: 0 bytes, cut short, not a picture, 100 megapixels: a line each."""
    good = picture(tmp_path / "0 good.jpg", age=500)
    content = good.read_bytes()
    bad = {"1 empty.jpg": b"", "2 short.jpg": content[:len(content) // 2], "3 video.jpg": b"\0\0\0\x18ftypmp42" * 9,
           "4 large.png": large_png()}
    for number, (name, data) in enumerate(bad.items()):
        (tmp_path / name).write_bytes(data)
        os.utime(tmp_path / name, (1e9 + number, 1e9 + number))
    picture(tmp_path / "5 坏.jpg", age=20)
    with FolderSource(Plan("files", str(tmp_path))) as source:
        found = names(source, 6)
    assert [name for name in found if not name.startswith("BAD")] == ["0 good.jpg", "5 坏.jpg"]
    faults = [name for name in found if name.startswith("BAD")]
    assert len(faults) == 4 and all("\n" not in fault for fault in faults)
    assert all(any(name in fault for fault in faults) for name in bad)


def large_png(side: int = 10_000) -> bytes:
    """A PNG of a hundred megapixels in a few bytes."""
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(bytes(side * (side // 8 + 1)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)) + \
        chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_a_folder_that_goes_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceLost) as caught, FolderSource(Plan("files", str(tmp_path / "none"))):
        pass
    assert caught.value.cause == "missing"


def test_none_gives_way_to_a_newer_one(tmp_path: Path) -> None:
    """Through a real reader, looked at slowly: every picture is seen, the last ones as they come; nothing ends it."""
    for number in range(8):
        picture(tmp_path / f"{number}.png", 10 * number, age=100 - number)
    (tmp_path / "bad.png").write_bytes(b"\x89PNG nothing")
    os.utime(tmp_path / "bad.png", (1e9, 1e9))
    seen: list[int] = []

    def slowly(picture: object) -> None:
        seen.append(int(picture.pixels.mean()))  # type: ignore[attr-defined]
        threading.Event().wait(0.1)

    with Looking(part(tmp_path, stall_seconds=0.5), look=slowly) as looking:
        looking.until(lambda: len(seen) == 8)
        looking.during(1.5)
        write_picture(tmp_path / "new.png", np.full((9, 9, 3), 200, np.uint8))
        looking.until(lambda: len(seen) == 9)
        assert seen == [*range(0, 80, 10), 200]
        assert looking.changes() == [("live", None)] and "bad.png" in looking.of(Skipped)[0].text
        assert [frame.name for frame in looking.frames["shaft"]][-1] == "new.png"
        now = looking.clock.monotonic()
        done = looking.clip(tmp_path / "clip.mp4", now - 1, now)
        assert "no packets" in done.fault


def test_a_folder_is_repeated(tmp_path: Path) -> None:
    for number in range(3):
        picture(tmp_path / f"{number}.png", 50 * number, age=100 - number)
    with Looking(part(tmp_path, repeat=True, most_fps=50)) as looking:
        looking.until(lambda: len(looking.frames["shaft"]) >= 7)
        assert [frame.name for frame in looking.frames["shaft"]][:7] == [f"{number % 3}.png" for number in range(7)]


@pytest.mark.soak
def test_ten_thousand_pictures(tmp_path: Path) -> None:
    """A15: all are read, memory stays below 1 GB."""
    first = picture(tmp_path / "0.png")
    for number in range(1, 10_000):
        os.link(first, tmp_path / f"图 {number}.png")
    count, most = 0, 0
    with FolderSource(Plan("files", str(tmp_path))) as source:
        for taken in source.steps():
            count += len(taken.frames)
            if count == 10_000:
                break
    with open("/proc/self/status") as status:
        most = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    print(f"\n10 000 pictures read, peak {most / 1000:.0f} MB")
    assert most < 1_000_000
