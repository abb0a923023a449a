"""The recorder: rows before pictures, nothing lost on a full, read-only or damaged disk, and well again by itself."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import wait
from pathlib import Path

import numpy as np
import pytest
from hand_clock import NOON, HandClock
from minewatch.cameras.clips import scratch_of
from minewatch.clock import SystemClock
from minewatch.config.schema import KeepPart
from minewatch.events import recorder as recorder_file
from minewatch.events.archive import Archive
from minewatch.events.event import Event, Kept
from minewatch.events.files import Snapshot
from minewatch.events.recorder import Recorder
from minewatch.events.reserve import BYTES
from minewatch.events.standing import Standing
from minewatch.events.store import Store
from minewatch.status import TrackStatus
from PIL import Image
from waiting import eventually
from watch_events import bare_head, ended, fill, noise, small_disk

DAMAGES = {"random": 'head -c $(stat -c %s "$1") /dev/urandom | dd of="$1" conv=notrunc status=none',
           "truncated": 'truncate -s 20000 "$1"', "gone": 'rm "$1"'}
SCRATCH = scratch_of(Path("{}.mp4")).name
MOOF = b"\0\0\0\x18ftypiso5" + bytes(100) + b"\0\0\0\x08moof" + bytes(5000)


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    """One on a folder of its own, with the machine's clock."""
    made = Recorder(tmp_path, KeepPart(), SystemClock())
    yield made
    made.stop()


def committed(recorder: Recorder, count: int, seconds: float = 10.0) -> list[tuple[Kept, float]]:
    """The next so many events that the recorder has on disk."""
    found: list[tuple[Kept, float]] = []
    until = time.monotonic() + seconds
    while len(found) < count and time.monotonic() < until:
        wait([recorder.wakeup], 0.1)
        found += recorder.committed()
    assert len(found) >= count, found
    return found


def media(folder: Path, seq: int) -> list[tuple[str, str]]:
    with Store.reader(folder) as store:
        return [(one.kind, one.state) for one in store.media_of(seq)]


def files(folder: Path) -> set[str]:
    return {path.name for path in (folder / "media").rglob("*") if path.is_file()}


def test_events_are_on_disk_in_order_and_tell_how_long_that_took(recorder: Recorder, tmp_path: Path) -> None:
    began = time.monotonic()
    for _ in range(300):
        recorder.put(bare_head(), visible=began)
    found = committed(recorder, 300)
    assert [kept.seq for kept, _ in found] == list(range(1, 301)) and not wait([recorder.wakeup], 0)
    assert all(0 < seconds <= time.monotonic() - began for _, seconds in found)
    with Store.reader(tmp_path) as store:
        assert store.after(0) == [kept for kept, _ in found]
    assert recorder.status().standing == "well" and recorder.status().seq == 300


def test_a_snapshot_shows_the_frame_with_its_people(recorder: Recorder, tmp_path: Path) -> None:
    frame = np.full((240, 320, 3), 90, np.uint8)
    recorder.put(bare_head(), Snapshot(frame, (TrackStatus(1, (0.25, 0.5, 0.5, 0.75), "bare", True),)))
    committed(recorder, 1)
    assert eventually(lambda: media(tmp_path, 1) == [("snapshot", "kept")])
    path = tmp_path / "media/2026-11-22/1.jpg"
    with Image.open(path) as image:
        seen = np.asarray(image)
    assert seen.shape == (240, 320, 3) and np.abs(seen[200, 300].astype(int) - 90).max() < 8
    red, green, _ = seen[120, 120].astype(int)  # the upper edge of the box
    assert red > green + 60 and (frame == 90).all()
    assert path.stat().st_mode & 0o777 == 0o640 and recorder.status().media_bytes == path.stat().st_size


def test_rows_do_not_wait_for_pictures_and_pictures_have_a_limit(tmp_path: Path, recorder: Recorder,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    """B6: a picture more than memory has room for is refused; its event is not."""
    monkeypatch.setattr(recorder_file, "MOST_PIXELS", 2_000_000)
    picture = noise(480, 640)
    for _ in range(40):
        recorder.put(bare_head(), picture)
    committed(recorder, 40)
    states: list[str] = []

    def settled() -> bool:
        states[:] = [state for seq in range(1, 41) for _, state in media(tmp_path, seq) if state != "coming"]
        return len(states) == 40
    assert eventually(settled)
    assert states.count("kept") >= 2 and states.count("refused") == recorder.status().refused_media >= 1
    assert len(files(tmp_path)) == states.count("kept")


def test_pictures_that_are_written_make_room_in_memory_for_the_next(tmp_path: Path, recorder: Recorder,
                                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    """B5: of months of snapshots, each of which leaves its memory when it is on disk."""
    monkeypatch.setattr(recorder_file, "MOST_PIXELS", 100_000)
    for seq in range(1, 7):
        recorder.put(bare_head(), noise(100, 200))
        assert eventually(lambda seq=seq: media(tmp_path, seq) == [("snapshot", "kept")]), seq
    assert recorder.status().refused_media == 0


def test_a_fault_of_the_disk_is_ended_once() -> None:
    clock, announced = HandClock(), list[Event]()
    standing = Standing(clock, announced.append, lambda: False)
    for _ in range(3):
        standing.fails("full")
        standing.fails("disk")
        standing.is_well()
        standing.is_well()
    assert [event.kind for event in announced] == ["storage_fault", "storage_well"] * 3
    assert [one.incident for one in announced[::2]] == [one.incident for one in announced[1::2]]


def test_a_clip_gets_its_name_when_it_is_whole(recorder: Recorder, tmp_path: Path) -> None:
    recorder.put(bare_head())
    recorder.put(bare_head())
    first, second = (kept for kept, _ in committed(recorder, 2))
    paths = [recorder.clip_path(first), recorder.clip_path(second)]
    assert all(path and path.parent.is_dir() and path.suffix == ".mp4" for path in paths)
    assert eventually(lambda: media(tmp_path, 2) == [("clip", "coming")])
    assert paths[0] and paths[1]
    paths[0].write_bytes(MOOF)
    scratch_of(paths[1]).write_bytes(MOOF[:90])
    recorder.clip_done(1, len(MOOF))
    recorder.clip_done(2, 0, "the camera was lost")
    assert eventually(lambda: media(tmp_path, 2) == [("clip", "refused")]) and media(tmp_path, 1) == [("clip", "kept")]
    assert (tmp_path / "media/2026-11-22/1.mp4").read_bytes() == MOOF and files(tmp_path) == {"1.mp4"}


def test_what_waits_is_written_when_the_recorder_stops(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, KeepPart(), SystemClock())
    for _ in range(100):
        recorder.put(bare_head(), noise())
    assert recorder.stop(30)
    with Store.reader(tmp_path) as store:
        assert len(store.after(0)) == 100 and store.media_of(100)[0].state == "kept"


def test_an_event_that_can_never_be_written_does_not_hold_up_the_others(recorder: Recorder,
                                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_file, "RETRY_SECONDS", 0.1)
    recorder.put(bare_head())
    recorder.put(Event("bare_head", float("nan")))
    recorder.put(bare_head(camera="hall"))
    assert [kept.event.camera for kept, _ in committed(recorder, 2)] == ["gate", "hall"]
    assert "1 events were lost" in recorder.status().text


def test_what_was_open_is_known_after_a_restart(tmp_path: Path) -> None:
    """C5: the open incidents, and nothing twice."""
    with Store.writer(tmp_path) as store:
        first, second = store.append(bare_head()), store.append(bare_head(NOON + 9))
        store.append(ended(first.event))
    recorder = Recorder(tmp_path, KeepPart(), SystemClock())
    assert recorder.open_incidents() == [second] and recorder.newest_time() == NOON + 9 and recorder.stop()


def test_what_a_crash_left_is_tidied_up(tmp_path: Path) -> None:
    """D7: scratch files go, clips are kept up to the last fragment, whole pictures without a row get one."""
    clock = HandClock()
    with Store.writer(tmp_path) as store:
        store.append_all([bare_head(id=str(number)) for number in range(6)], pictured={"0", "1"})
        store.skip_to(1000)
        day = tmp_path / "media/2026-11-22"
        day.mkdir(parents=True)
        for name, content in (("1.jpg", b"whole"), (".2.0a1b.tmp.jpg", b"ha"), ("3.jpg", b"whole"),
                              (SCRATCH.format(4), MOOF), (SCRATCH.format(5), b"no fragment"), (SCRATCH.format(6), MOOF),
                              ("99.jpg", b"its event is lost")):
            (day / name).write_bytes(content)
    with Store.writer(tmp_path) as store:
        for seq in (4, 5):
            store.set_media(type(store.media_of(1)[0])(seq, "clip", "coming", f"media/2026-11-22/{seq}.mp4"))
    archive = Archive(tmp_path, KeepPart(), clock, lambda event: None, lambda: False)
    for _ in range(4):
        archive.tend()
    assert files(tmp_path) == {"1.jpg", "3.jpg", "4.mp4", "99.jpg"}
    assert [media(tmp_path, seq) for seq in range(1, 7)] == [
        [("snapshot", "kept")], [("snapshot", "refused")], [("snapshot", "kept")], [("clip", "kept")],
        [("clip", "refused")], []]
    clock.go(31 * 86400.0 + time.time() - NOON)
    archive.shelf.begin(archive.store or pytest.fail("no store"))
    for _ in range(4):
        archive.tend()
    assert "99.jpg" not in files(tmp_path)
    archive.close()


def test_a_disk_that_refuses_for_a_while_loses_nothing(tmp_path: Path) -> None:
    """E6: files may not grow while the watch runs: told, held in memory, and written when they may again."""
    recorder = Recorder(tmp_path, KeepPart(), SystemClock())
    recorder.put(bare_head())
    committed(recorder, 1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        for _ in range(30):
            recorder.put(bare_head(remark="x" * 3000))
        assert eventually(lambda: recorder.status().standing == "failing")
        assert recorder.committed() == [] and recorder.status().waiting == 31
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    found = [kept for kept, _ in committed(recorder, 32)]
    assert [kept.seq for kept in found] == list(range(2, 34)) and recorder.status().standing == "well"
    assert [kept.event.kind for kept in found if kept.event.kind != "bare_head"] == ["storage_fault", "storage_well"]
    assert recorder.stop()


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """4 MB of their own."""
    with small_disk(tmp_path / "disk") as folder:
        yield folder


def a_full_disk(disk: Path) -> float:
    """Fill it under a recorder and make room again; returns the seconds until all was well."""
    recorder = Recorder(disk, KeepPart.model_construct(media_gb=1, disk_share=1.0, event_days=9), SystemClock())
    recorder.put(bare_head(), noise())
    assert [kept.seq for kept, _ in committed(recorder, 1)] == [1]
    path = recorder.clip_path(Kept(1, bare_head()))
    assert path and eventually(lambda: media(disk, 1) == [("snapshot", "kept"), ("clip", "coming")])
    fill(disk / "filler")
    with pytest.raises(OSError, match="No space"):
        scratch_of(path).write_bytes(MOOF)
    for _ in range(60):
        recorder.put(bare_head(remark="x" * 500), noise())
    recorder.clip_done(1, 0, "no space left")
    found = [kept for kept, _ in committed(recorder, 61)]
    assert [kept.seq for kept in found] == list(range(2, len(found) + 2))
    assert [kept.event.cause for kept in found if kept.event.kind == "storage_fault"] == ["full"]
    assert eventually(lambda: recorder.status().refused_media == 61)
    assert recorder.status().standing == "full" and not (disk / ".reserve").exists()
    assert files(disk) == {"1.jpg"} and recorder.clip_path(found[0]) is None
    (disk / "filler").unlink()
    began = time.monotonic()
    assert eventually(lambda: recorder.status().standing == "well", 60)
    seconds = time.monotonic() - began
    assert (disk / ".reserve").stat().st_size == BYTES
    recorder.put(bare_head(), noise())
    last = committed(recorder, 2)
    assert [kept.event.kind for kept, _ in last] == ["storage_well", "bare_head"]
    assert eventually(lambda: media(disk, last[1][0].seq) == [("snapshot", "kept")]) and recorder.stop()
    with Store.reader(disk) as store:
        assert len(store.after(0)) == last[1][0].seq
        assert "storage_fault" not in {kept.event.kind for kept in store.open_incidents()}
    return seconds


def test_a_full_disk_refuses_pictures_and_takes_events(full_disk: Path) -> None:
    """E1: ENOSPC on a 4 MB file system: event rows go on, media refused and counted, well again by itself."""
    a_full_disk(full_disk)


def test_a_picture_that_finds_no_room_leaves_nothing(full_disk: Path) -> None:
    """E1: room for a row and not for its snapshot: refused, counted, told; no part of it is left."""
    recorder = Recorder(full_disk, KeepPart.model_construct(media_gb=1, disk_share=1.0, event_days=9), SystemClock())
    fill(full_disk / "filler")
    os.truncate(full_disk / "filler", (full_disk / "filler").stat().st_size - 150_000)
    recorder.put(bare_head(), noise(720, 1280))
    assert [kept.event.kind for kept, _ in committed(recorder, 2)] == ["bare_head", "storage_fault"]
    assert media(full_disk, 1) == [("snapshot", "refused")] and files(full_disk) == set()
    assert (full_disk / ".reserve").exists() and recorder.status().refused_media == 1
    assert recorder.stop()


@pytest.mark.soak
def test_a_full_disk_is_well_again_within_ten_seconds(full_disk: Path, figure: Callable[[str, str], None]) -> None:
    """E1: the same by the wall clock."""
    seconds = a_full_disk(full_disk)
    assert seconds <= 10
    figure("E1", f"60 of 60 event rows written to a full 4 MB disk, 61 media refused; well {seconds:.1f} s after "
                 "room was made")


def test_room_is_found_within_ten_seconds(full_disk: Path) -> None:
    """E1: by the clock that the test turns: well <= 10 s after there is room, and not before."""
    clock, announced = HandClock(), list[Event]()
    archive = Archive(full_disk, KeepPart(), clock, announced.append, lambda: False)
    fill(full_disk / "filler")
    while archive.standing.word == "well":
        assert archive.commit([bare_head(remark="x" * 2000)], ())
    for _ in range(30):
        clock.go(1.0)
        archive.tend()
    assert archive.standing.word == "full" and [event.kind for event in announced] == ["storage_fault"]
    (full_disk / "filler").unlink()
    for _ in range(10):
        clock.go(1.0)
        archive.tend()
    assert archive.standing.word == "well" and [event.kind for event in announced] == ["storage_fault", "storage_well"]
    archive.close()


def test_events_wait_in_memory_when_not_even_the_reserve_is_left(full_disk: Path) -> None:
    """E1: told meanwhile to those who need no disk, and written in order when there is room."""
    recorder = Recorder(full_disk, KeepPart(), SystemClock())
    recorder.put(bare_head())
    committed(recorder, 1)
    fill(full_disk / "filler")
    events, told = [], []
    while not told and len(events) < 5000:
        for _ in range(50):
            events.append(bare_head(remark="x" * 2000))
            recorder.put(events[-1])
        wait([], 0.02)
        told = recorder.unwritten()
    assert told and recorder.status().waiting > 0
    (full_disk / "filler").unlink()
    assert eventually(lambda: recorder.status().waiting == 0)
    kept = [one.event for one, _ in recorder.committed() if one.event.kind == "bare_head"]
    assert kept == events and recorder.stop()


def a_read_only_disk(disk: Path) -> float:
    """Begin on one, and let it be written to again; returns the seconds until all was on it."""
    with Store.writer(disk) as store:
        store.append(bare_head())
    remount = ["mount", "-o", "remount,ro", str(disk)]
    subprocess.run(remount, check=True)
    recorder = Recorder(disk, KeepPart(), SystemClock())
    recorder.put(bare_head(camera="hall"), noise())
    assert eventually(lambda: recorder.status().waiting == 2) and recorder.status().standing == "failing"
    told: list[Event] = []
    assert eventually(lambda: told.extend(recorder.unwritten()) or [event.camera for event in told] == ["", "hall"])
    assert recorder.committed() == [] and told[0].cause == "readonly"
    subprocess.run([*remount[:2], "remount,rw", remount[3]], check=True)
    began = time.monotonic()
    found = [kept.event for kept, _ in committed(recorder, 3, 60)]
    seconds = time.monotonic() - began
    assert [event.kind for event in found] == ["storage_fault", "bare_head", "storage_well"]
    assert recorder.status().standing == "well" and recorder.stop()
    return seconds


def test_a_read_only_disk_is_told_and_the_events_are_written_later(full_disk: Path) -> None:
    """E6: the watch goes on, status says failing, nothing is lost when it can be written to again."""
    a_read_only_disk(full_disk)


@pytest.mark.soak
def test_a_disk_that_was_read_only_is_written_within_ten_seconds(full_disk: Path,
                                                                 figure: Callable[[str, str], None]) -> None:
    """E6: the same by the wall clock."""
    seconds = a_read_only_disk(full_disk)
    assert seconds <= 10
    figure("E6", f"events wait in memory, who needs no disk is told; on disk {seconds:.1f} s after that was possible")


@pytest.mark.soak
def test_a_damaged_database_is_replaced_within_ten_seconds(tmp_path: Path, figure: Callable[[str, str], None]) -> None:
    """E5: overwritten with random bytes under a recorder that runs."""
    recorder = Recorder(tmp_path, KeepPart(), SystemClock())
    for _ in range(200):
        recorder.put(bare_head())
    committed(recorder, 200)
    subprocess.run(["bash", "-c", DAMAGES["random"], "bash", str(tmp_path / "events.db")], check=True)
    began = time.monotonic()
    found = [kept for kept, _ in committed(recorder, 2, 60)]
    seconds = time.monotonic() - began
    assert [kept.event.kind for kept in found] == ["storage_fault", "storage_well"] and found[0].seq > 200
    assert recorder.stop() and seconds <= 10
    figure("E5", f"random bytes over the database of a running recorder: put aside and replaced after {seconds:.1f} s")


def test_a_recorder_on_a_read_only_disk_ends(full_disk: Path) -> None:
    """E6: it says that it could not write all."""
    with Store.writer(full_disk) as store:
        store.append(bare_head())
    subprocess.run(["mount", "-o", "remount,ro", str(full_disk)], check=True)
    recorder = Recorder(full_disk, KeepPart(), SystemClock())
    recorder.put(bare_head())
    assert recorder.stop() is False


@pytest.mark.parametrize("how", ["random", "truncated", "gone"])
def test_a_database_that_is_damaged_while_the_watch_runs_is_replaced(tmp_path: Path, how: str) -> None:
    """E5: found <= 10 s, kept as .corrupt-TIME, the alarm an event, and what comes afterwards is on disk."""
    clock, announced = HandClock(), list[Event]()
    archive = Archive(tmp_path, KeepPart(), clock, announced.append, lambda: False)
    before = [archive.commit([bare_head(remark=f"{number}" * 300)], ()) for number in range(30)]
    path = tmp_path / "events.db"
    archive.tend()
    clock.go(5.0)
    archive.tend()
    assert announced == []
    subprocess.run(["bash", "-c", DAMAGES[how], "bash", str(path)], check=True)  # not from here: see Probe
    for _ in range(10):
        clock.go(1.0)
        archive.tend()
    assert [(event.kind, event.cause) for event in announced][:1] == [("storage_fault", "corrupt")]
    kept = archive.commit([announced[0], bare_head()], ())
    assert kept and [one.seq for one in kept] == [1002, 1003] and archive.standing.word == "well"
    assert len(list(tmp_path.glob("events.db.corrupt-*Z"))) == (0 if how == "gone" else 1)
    archive.close()
    with Store.reader(tmp_path) as store:
        found = store.after(0)
        assert found[-2:] == kept and all([one] in before for one in found[:-2])


def test_a_page_that_cannot_be_read_is_told_once_and_mended(tmp_path: Path) -> None:
    """E5: whoever meets it, retention or the page's questions; a commit beside it does not make all well."""
    clock, announced = HandClock(), list[Event]()
    archive = Archive(tmp_path, KeepPart(), clock, announced.append, lambda: False)
    assert archive.commit([bare_head()], ())

    def meet(store: Store) -> None:
        raise sqlite3.DatabaseError("database disk image is malformed")
    assert not archive.guarded(meet)
    assert archive.commit([announced[0]], ()) and archive.standing.word == "failing"
    for _ in range(20):
        clock.go(1.0)
        archive.tend()
    assert len(list(tmp_path.glob("events.db.corrupt-*Z"))) == 1 and len(announced) == 1
    assert archive.commit([bare_head()], ()) and archive.standing.word == "well"
    assert [event.kind for event in announced] == ["storage_fault", "storage_well"]
    archive.close()


def test_what_was_committed_last_is_told_after_the_end(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, KeepPart(), SystemClock())
    recorder.put(Event("watch_ended", NOON))
    assert recorder.stop() and recorder.stop()
    assert [kept.event.kind for kept, _ in recorder.committed()] == ["watch_ended"]


def test_a_backup_is_made_while_events_go_on(tmp_path: Path) -> None:
    clock = HandClock()
    archive = Archive(tmp_path, KeepPart(), clock, lambda event: None, lambda: False)
    archive.commit([bare_head() for _ in range(100)], ())
    clock.go(601)
    archive.tend()
    assert archive.commit([bare_head()], ())
    assert eventually(lambda: bool(list((tmp_path / "backups").glob("*.db"))))
    archive.close()
    clock.go(86400)
    (tmp_path / "events.db").write_bytes(b"broken")
    again = Archive(tmp_path, KeepPart(), clock, lambda event: None, lambda: False)
    assert again.store and len(again.store.after(0)) >= 100
    again.close()
