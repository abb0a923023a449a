"""Power cuts and kills: what was acknowledged is there afterwards, in order, and nothing is half there."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw
import pytest
from minewatch.clock import SystemClock
from minewatch.config.schema import KeepPart
from minewatch.events.backups import make_backup, newest_first
from minewatch.events.migrations import STEPS, migrate, version_of
from minewatch.events.opening import SETTINGS
from minewatch.events.recorder import Recorder
from minewatch.events.store import Store
from PIL import Image
from watch_events import bare_head
from watch_power import Disk, PowerCut, forgetful

WRITER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from minewatch.clock import SystemClock
from minewatch.config.schema import KeepPart
from minewatch.events.recorder import Recorder
from multiprocessing.connection import wait
from watch_events import bare_head, noise
recorder = Recorder(Path(sys.argv[1]), KeepPart(), SystemClock())
picture = noise()
while True:
    recorder.put(bare_head(time.time()), picture)
    wait([recorder.wakeup], 1)
    for kept, seconds in recorder.committed():
        print(kept.seq, kept.event.id, flush=True)
"""


def _opener(vfs: str) -> Callable[[Path], Any]:
    def connect(folder: Path) -> Any:
        connection = apsw.Connection(str(folder / "events.db"), vfs=vfs)
        for setting in SETTINGS:
            connection.execute(setting).fetchall()
        return connection
    return connect


def _run_until_cut(folder: Path, disk: Disk, settings: tuple[str, ...] = ()) -> list[tuple[int, str]]:
    """Append until the power fails; returns what was acknowledged."""
    folder.mkdir()
    acked: list[tuple[int, str]] = []
    with forgetful(disk) as vfs:
        store = Store(folder, _opener(vfs))
        try:
            connection = store._connected()
            for setting in settings:
                connection.execute(setting).fetchall()
            migrate(connection, lambda _: None)
            while True:
                kept = store.append(bare_head(remark="x" * 200))
                acked.append((kept.seq, kept.event.id))
        except (PowerCut, apsw.Error):
            assert disk.operations > disk.cut
        finally:
            with disk.off():
                store.close()
    return acked


def _found(folder: Path) -> list[tuple[int, str]] | None:
    """Rows after power is back; None for a database that cannot be read whole."""
    try:
        with Store.writer(folder) as store:
            return store._rows("SELECT seq, id FROM events ORDER BY seq") if store.is_sound() else None
    except sqlite3.DatabaseError:
        return None


def _cuts(tmp_path: Path, cuts: int, settings: tuple[str, ...] = ()) -> tuple[int, int, int]:
    """How many databases were corrupt, how many cuts lost acknowledged rows, how many rows were acknowledged."""
    corrupt = lost = rows = 0
    rng = random.Random(7)
    for cut in range(cuts):
        disk = Disk(rng.randrange(1, 1200))
        acked = _run_until_cut(tmp_path / f"before{cut}", disk, settings)
        disk.after_the_cut(tmp_path / f"after{cut}", rng)
        found = _found(tmp_path / f"after{cut}")
        rows += len(acked)
        if found is None:
            corrupt += 1
        else:
            lost += found[:len(acked)] != acked or len(found) > len(acked) + 1
            assert [seq for seq, _ in found] == list(range(1, len(found) + 1))
    return corrupt, lost, rows


def test_power_cuts_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """E3: 20 cuts: no database corrupt, no acknowledged row lost, rows a prefix of what was appended."""
    corrupt, lost, rows = _cuts(tmp_path, 20)
    assert (corrupt, lost) == (0, 0) and rows > 200


@pytest.mark.soak
def test_two_hundred_power_cuts(tmp_path: Path, figure: Callable[[str, str], None]) -> None:
    """E3: 200 cuts."""
    corrupt, lost, rows = _cuts(tmp_path, 200)
    assert (corrupt, lost) == (0, 0)
    figure("E3", f"200 power cuts: {corrupt} databases corrupt, {lost} cuts lost any of {rows} acknowledged rows")


def test_the_disk_of_these_tests_does_forget(tmp_path: Path) -> None:
    """E3: the same cuts show what a store loses that does not wait for the disk."""
    assert _cuts(tmp_path, 8, ("PRAGMA synchronous = NORMAL",))[1] > 4


def test_a_power_cut_in_a_migration_leaves_the_old_schema_or_the_new(tmp_path: Path) -> None:
    """E4: never one between; the rows are there, and so is the backup file."""
    steps = (*STEPS, "ALTER TABLE events ADD COLUMN shift TEXT; CREATE TABLE more (x); CREATE INDEX m ON more (x)")
    rng, versions = random.Random(3), set()
    for cut in range(25):
        before, after = tmp_path / f"before{cut}", tmp_path / f"after{cut}"
        before.mkdir()
        disk = Disk(1 << 60)
        with forgetful(disk) as vfs:
            store = Store(before, _opener(vfs))
            connection = store._connected()
            migrate(connection, lambda _: None)
            store.append_all([bare_head() for _ in range(20)])
            disk.cut = disk.operations + cut
            with suppress(PowerCut, apsw.Error):
                migrate(connection, lambda now, here=before: make_backup(now, here, "-v1"), steps)
            with disk.off():
                store.close()
        disk.after_the_cut(after, rng)
        assert len(newest_first(before)) == 1
        with Store(after) as found:
            version = version_of(found._connected())
            tables = found._rows("SELECT count(*) FROM sqlite_schema WHERE name IN ('more', 'm')")[0][0]
            columns = found._rows("SELECT count(*) FROM pragma_table_info('events') WHERE name = 'shift'")[0][0]
            assert (version, tables, columns) in ((1, 0, 0), (2, 2, 1)) and found.is_sound()
            assert len(found._rows("SELECT seq FROM events")) == 20
            versions.add(version)
    assert versions == {1, 2}


def _kills(tmp_path: Path, kills: int) -> tuple[int, int]:
    """Kill a process that records; returns how many rows and pictures there are. Everything else is asserted."""
    rng, acked = random.Random(5), []
    here = str(Path(__file__).parent)
    for _ in range(kills):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), here], stdout=subprocess.PIPE,
                                  text=True)
        with writer:
            assert writer.stdout
            for _ in range(rng.randrange(1, 40)):
                acked.append(writer.stdout.readline())
            os.kill(writer.pid, signal.SIGKILL)
            acked += [line for line in writer.stdout.readlines() if line.endswith("\n")]
    recorder = Recorder(tmp_path, KeepPart(), SystemClock())
    assert recorder.stop()
    with Store.reader(tmp_path) as store:
        rows = {f"{kept.seq} {kept.event.id}\n" for kept in store.after(0, 1 << 60)}
        media = [one for seq in range(1, len(rows) + 1) for one in store.media_of(seq)]
    assert set(acked) <= rows and len(rows) <= len(acked) + 2 * kills
    kept = {one.path: one.bytes for one in media if one.state == "kept"}
    for path in (tmp_path / "media").rglob("*.jpg"):
        if not path.name.startswith("."):
            Image.open(path).convert("RGB").close()  # raises where it is truncated
    for name, size in kept.items():
        assert (tmp_path / name).stat().st_size == size
    return len(rows), len(kept)


def test_kills_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """D7: 4 x kill -9 of a process that records: no acknowledged row lost, no picture truncated."""
    rows, pictures = _kills(tmp_path, 4)
    assert rows > 20 and pictures > rows / 2


@pytest.mark.soak
def test_two_hundred_kills(tmp_path: Path, figure: Callable[[str, str], None]) -> None:
    """D7: 200 x kill -9."""
    rows, pictures = _kills(tmp_path, 200)
    figure("D7", f"200 x kill -9 of a recorder: none of {rows} rows lost, none of {pictures} pictures truncated")
