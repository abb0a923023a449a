"""What is kept how long: the oldest pictures go first, rows stay for their time, and little is written a day."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from pathlib import Path

import pytest
from hand_clock import NOON, HandClock
from minewatch.clock import SystemClock
from minewatch.config.schema import KeepPart
from minewatch.events.archive import Archive
from minewatch.events.backups import due_after
from minewatch.events.event import Event
from minewatch.events.recorder import Recorder
from minewatch.events.records import Media
from minewatch.events.retention import DAY, MOST_FILES, MOST_ROWS, thin_media, thin_rows
from minewatch.events.store import Store
from watch_events import bare_head, ended, fill, noise, small_disk

ROOM = KeepPart.model_construct(media_gb=1.0, disk_share=1.0, event_days=400)


def with_media(folder: Path, count: int, size: int = 1000) -> Store:
    """A store of so many incidents that have ended, each with a snapshot of `size` bytes."""
    store = Store.writer(folder)
    for seq in range(1, count + 1):
        kept = store.append(bare_head(NOON + seq, id=f"{seq}"))
        path = folder / f"media/2026-11-22/{kept.seq}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
        store.set_media(Media(kept.seq, "snapshot", "kept", path.relative_to(folder).as_posix(), size))
    store.append_all([ended(bare_head(id=f"{seq}")) for seq in range(1, count + 1)])
    return store


def kept_on(folder: Path) -> list[int]:
    return sorted(int(path.stem) for path in (folder / "media").rglob("*.jpg"))


def test_the_oldest_pictures_go_first_and_their_rows_stay(tmp_path: Path) -> None:
    """E2: quota by bytes: oldest media first, rows kept, their paths none."""
    with with_media(tmp_path, 15) as store:
        gone = thin_media(tmp_path, store, ROOM.model_copy(update={"media_gb": 1e-5}), store.media_bytes())
        assert gone == 5000 and store.media_bytes() == 10_000 and kept_on(tmp_path) == list(range(6, 16))
        assert store.media_of(5) == (Media(5, "snapshot", "gone", None, 1000),) and len(store.after(0)) == 30
        assert thin_media(tmp_path, store, ROOM, store.media_bytes()) == 0


def test_open_incidents_that_nobody_has_seen_keep_their_pictures_longest(tmp_path: Path) -> None:
    """E2: the pictures of an unacknowledged open incident go last, those of an acknowledged one in their turn."""
    with with_media(tmp_path, 10) as store:
        store._rows("DELETE FROM events WHERE opens = 0 AND incident IN ('1', '2')")
        store.acknowledge(2, "Li")
        assert [kept.seq for kept in store.open_incidents()] == [1, 2]
        thin_media(tmp_path, store, ROOM.model_copy(update={"media_gb": 3e-6}), store.media_bytes())
        assert kept_on(tmp_path) == [1, 9, 10]
        thin_media(tmp_path, store, ROOM.model_copy(update={"media_gb": 1e-9}), store.media_bytes())
        assert kept_on(tmp_path) == []


def test_a_full_disk_takes_the_oldest_pictures_early(tmp_path: Path) -> None:
    """E2: at the configured share of the disk, whoever filled it."""
    with small_disk(tmp_path / "disk") as disk, with_media(disk, 30, 50_000) as store:
        full = ROOM.model_copy(update={"disk_share": 0.4})
        assert thin_media(disk, store, full, store.media_bytes()) > 0
        share = os.statvfs(disk)
        assert (share.f_blocks - share.f_bfree) / share.f_blocks <= 0.4
        assert kept_on(disk) == list(range(31 - len(kept_on(disk)), 31)) != []
        fill(disk / "filler")
        before = len(kept_on(disk))
        thin_media(disk, store, full, store.media_bytes())
        assert len(kept_on(disk)) == max(0, before - MOST_FILES)


def test_rows_stay_for_their_days_and_audit_rows_for_ever(tmp_path: Path) -> None:
    """E2: rows kept event_days, a bounded number deleted at once; who acknowledged what stays."""
    keep = ROOM.model_copy(update={"event_days": 10})
    with Store.writer(tmp_path) as store:
        store.append_all([bare_head(NOON - 11 * DAY) for _ in range(MOST_ROWS + 100)])
        store.append_all([bare_head(NOON - 9 * DAY) for _ in range(50)])
        store.acknowledge(1, "Li", "seen")
        thin_rows(tmp_path, store, keep, NOON)
        assert store.after(0)[0].seq == MOST_ROWS + 1
        thin_rows(tmp_path, store, keep, NOON)
        assert store.after(0)[0].seq == MOST_ROWS + 101 and len(store.after(0)) == 50
        assert store.audits(seq=1)[0].who == "Li" and store.append(bare_head()).seq == MOST_ROWS + 151


@pytest.mark.parametrize("now", [0.0, NOON, NOON + 12 * 365 * DAY])
def test_a_wrong_clock_deletes_nothing(tmp_path: Path, now: float) -> None:
    """F4: 1970 and 2038 are not reasons to forget this year."""
    with Store.writer(tmp_path) as store:
        store.append_all([bare_head(NOON), bare_head(5.0), bare_head(NOON + 12 * 365 * DAY), bare_head(NOON)])
        thin_rows(tmp_path, store, ROOM, now)
        kept = [one.seq for one in store.after(0)]
        assert kept == ([3, 4] if now > NOON else [1, 2, 3, 4])


def test_an_archive_with_a_suspect_clock_forgets_no_rows_and_still_thins_pictures(tmp_path: Path) -> None:
    with with_media(tmp_path, 12) as store:
        store.append(bare_head(NOON + 500 * DAY))
    clock, suspect = HandClock(wall=NOON + 500 * DAY), [True]
    keep = ROOM.model_copy(update={"media_gb": 4e-6})
    archive = Archive(tmp_path, keep, clock, lambda event: None, lambda: suspect[0])
    archive.tend()
    assert archive.store and len(archive.store.after(0)) == 25 and archive.shelf.bytes == 4000
    assert kept_on(tmp_path) == [9, 10, 11, 12]
    suspect[0] = False
    clock.go(3600)
    archive.tend()
    assert [kept.seq for kept in archive.store.after(0)] == [25] and archive.shelf.bytes == 0
    assert kept_on(tmp_path) == [] and not list((tmp_path / "media").iterdir())
    archive.close()


def test_backups_of_a_large_store_are_rarer(tmp_path: Path) -> None:
    """E7: no more than 20 MB of backups a day on the average."""
    assert due_after(tmp_path) == DAY
    with open(tmp_path / "events.db", "wb") as file:
        file.truncate(100_000_000)
    assert due_after(tmp_path) == 5 * DAY


def written_by_this_thread_and_others() -> int:
    """Bytes that this process has had written to a disk."""
    told = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(told["write_bytes"]) - int(told["cancelled_write_bytes"])


@pytest.mark.soak
def test_a_day_of_events_writes_little(tmp_path: Path, figure: Callable[[str, str], None]) -> None:
    """E7: 200 incidents with snapshots and ends, confirmed by two sinks and acknowledged; bytes to the disk."""
    before = written_by_this_thread_and_others()
    recorder = Recorder(tmp_path, KeepPart(), SystemClock())
    picture = noise(360, 640)
    with Store.reader(tmp_path) as others:
        for number in range(200):
            event = bare_head(time.time(), camera=f"camera {number % 12}")
            for one, snapshot in ((event, picture), (ended(event, time.time()), None)):
                recorder.put(one, snapshot)
                while not (done := recorder.committed()):
                    wait([recorder.wakeup], 1)
                for sink in ("mqtt", "webhook"):
                    others.confirm(sink, done[-1][0].seq)
            others.acknowledge(done[-1][0].seq - 1, "Li", "seen")
    assert recorder.stop()
    snapshots = sum(path.stat().st_size for path in tmp_path.rglob("*.jpg"))
    written = written_by_this_thread_and_others() - before
    assert written <= 100e6
    figure("E7", f"200 incidents: {written / 1e6:.0f} MB written to the disk, "
                 f"{snapshots / 1e6:.0f} MB of it snapshots; clips come on top")


@pytest.mark.soak
def test_a_year_of_events_opens_and_answers(tmp_path: Path, figure: Callable[[str, str], None]) -> None:
    """D7: 80 000 events of a year: how long the start and the page's questions take."""
    with Store.writer(tmp_path) as store:
        for day in range(400):
            events: list[Event] = []
            for number in range(100):
                event = bare_head(NOON + day * DAY + number, camera=f"camera {number % 12}", remark="x" * 60)
                events += [event, ended(event, NOON + day * DAY + number + 9)]
            store.append_all(events)
    began = time.monotonic()
    archive = Archive(tmp_path, KeepPart(), SystemClock(), lambda event: None, lambda: True)
    opened = time.monotonic() - began
    archive.close()
    with Store.reader(tmp_path) as reader:
        began = time.monotonic()
        reader.incidents(limit=50)
        answered = time.monotonic() - began
        reader.counts()
        counted = time.monotonic() - began - answered
    size = (tmp_path / "events.db").stat().st_size
    figure("D7", f"80 000 events of a year are {size / 1e6:.0f} MB: opened in {opened:.2f} s, "
                 f"the page's 50 newest in {answered * 1e3:.0f} ms, all counted in {counted * 1e3:.0f} ms")
    assert opened < 5
