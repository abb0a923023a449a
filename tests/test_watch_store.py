"""The store of the watch: numbers without a gap, what is acknowledged, what is found, and what survives a damage."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hand_clock import NOON
from minehat.errors import MineHatError
from minewatch.events.backups import make_backup, newest_first
from minewatch.events.event import Event
from minewatch.events.high_mark import HighMark
from minewatch.events.lock import owned
from minewatch.events.mending import open_sound
from minewatch.events.migrations import STEPS, migrate, version_of
from minewatch.events.opening import open_owner
from minewatch.events.reading import read_store
from minewatch.events.records import Media, Sought
from minewatch.events.seeking import ENDED
from minewatch.events.store import Store
from watch_events import bare_head, ended

WRITER = """
import sys
from contextlib import closing
from pathlib import Path
from minewatch.events.event import Event
from minewatch.events.seeking import ENDED
from minewatch.events.store import Store
with Store.reader(Path(sys.argv[1])) as store:
    for number in range(int(sys.argv[2])):
        store.acknowledge(1, f"{sys.argv[3]}-{number}", "seen")
        store.confirm(sys.argv[3], number)
"""


def test_an_event_comes_back_as_it_went_in_and_numbers_have_no_gap(tmp_path: Path) -> None:
    events = [Event("watch_began", NOON), bare_head(camera="井口 1", remark="Ünïcode\n=1"), bare_head(camera_time=3.25)]
    with Store.writer(tmp_path / "state") as store:
        kept = [store.append(event) for event in events]
    with Store.writer(tmp_path / "state") as store:
        kept += store.append_all([bare_head(), bare_head()])
        assert [one.seq for one in kept] == [1, 2, 3, 4, 5]
        assert store.after(0) == kept and [one.event for one in store.after(0, 3)] == events
        assert store.after(3, 1) == [kept[3]] and store.event(2) == kept[1] and store.event(9) is None


def test_an_append_that_is_tried_again_gives_the_same_number(tmp_path: Path) -> None:
    with Store.writer(tmp_path) as store:
        first = store.append(bare_head())
        assert store.append_all([first.event, bare_head()])[0] == first
        assert [one.seq for one in store.after(0)] == [1, 2]


def test_a_batch_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    with Store.writer(tmp_path) as store:
        with pytest.raises(sqlite3.IntegrityError):
            store.append_all([bare_head(), Event("bare_head", float("nan"))])
        assert store.after(0) == [] and store.append(bare_head()).seq == 1


def test_numbers_of_rows_that_are_gone_are_not_given_again(tmp_path: Path) -> None:
    with Store.writer(tmp_path) as store:
        for day in range(10):
            store.append(bare_head(NOON + day))
        store.forget(NOON + 8, NOON + 20, most=100)
        assert [one.seq for one in store.after(0)] == [9, 10] and store.append(bare_head()).seq == 11


def test_incidents_come_with_their_end_their_media_and_who_acknowledged_them(tmp_path: Path) -> None:
    with Store.writer(tmp_path) as store, Store.reader(tmp_path) as page:
        first, second = store.append(bare_head()), store.append(bare_head(camera="hall"))
        end = store.append(ended(first.event))
        store.set_media(Media(1, "snapshot", "kept", "media/2026-11-22/1.jpg", 9))
        assert page.acknowledge(1, "李", "told him", when=NOON) and page.acknowledge(1, "Wang", "me too")
        assert not page.acknowledge(3, "Li") and not page.acknowledge(99, "Li")
        newest, oldest = page.incidents()
        assert (newest.began, newest.ended, newest.media, newest.acknowledged) == (second, None, (), None)
        assert oldest.began == first and oldest.ended == end and oldest.media == store.media_of(1)
        assert oldest.acknowledged and (oldest.acknowledged.who, oldest.acknowledged.time) == ("李", NOON)
        assert page.open_incidents() == [second] and page.incident(1) == oldest and page.incident(3) is None
        assert [row.who for row in page.audits(seq=1)] == ["Wang", "李"]
        assert oldest.to_dict()["acknowledged"]["time"] == "2026-11-22T12:00:00.000Z"


def test_what_is_sought_is_found_and_nothing_else(tmp_path: Path) -> None:
    with Store.writer(tmp_path) as store:
        for number in range(8):
            store.append(Event("bare_head" if number % 2 else "camera_fault", NOON + number,
                               camera="ab"[number // 4], zone="x" if number == 5 else "", loud=number < 2))
        store.append(ended(store.event(2).event))
        store.acknowledge(4, "Li")
        for sought, expected in ((Sought(kinds=("bare_head",)), [2, 4, 6, 8]), (Sought(camera="a"), [1, 2, 3, 4, 9]),
                                 (Sought(zone="x"), [6]), (Sought(since=NOON + 2, until=NOON + 4), [3, 4]),
                                 (Sought(loud=True), [1, 2]), (Sought(open=False), [2]),
                                 (Sought(open=True, camera="a"), [1, 3, 4]),
                                 (Sought(acknowledged=True), [4]), (Sought(kinds=("bare_head_ended",)), [9]),
                                 (Sought(camera="' OR 1 --"), [])):
            assert [one.seq for one in store.after(0, sought=sought)] == expected, sought
            assert sum(store.counts(sought).values()) == len(expected)
        assert [one.began.seq for one in store.incidents(Sought(kinds=("bare_head",)), before=8, limit=2)] == [6, 4]
        assert [one.seq for one in store.latest(2)] == [9, 8] and store.newest_time() == NOON + 7


def test_the_end_of_an_incident_is_found_by_an_index(tmp_path: Path) -> None:
    with Store.writer(tmp_path) as store:
        plan = [row[3] for row in store._rows(f"EXPLAIN QUERY PLAN SELECT 1 FROM events AS e WHERE {ENDED}")]
        assert any(line.startswith("SEARCH x USING INDEX events_incident") for line in plan), plan


def test_a_cursor_never_goes_back(tmp_path: Path) -> None:
    with Store.writer(tmp_path) as store, Store.reader(tmp_path) as sink:
        assert sink.cursor("mqtt") == 0 and not sink.knows("mqtt")
        for seq in (3, 7, 5):
            sink.confirm("mqtt", seq)
        assert store.cursor("mqtt") == 7 and store.cursor("other") == 0 and sink.knows("mqtt")


def test_processes_write_acknowledgements_beside_the_owner(tmp_path: Path) -> None:
    with Store.writer(tmp_path) as store:
        store.append(bare_head())
        others = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), "20", name]) for name in "abc"]
        kept = [store.append(bare_head()).seq for _ in range(80)]
        assert [other.wait(30) for other in others] == [0, 0, 0]
        assert kept == list(range(2, 82)) and len(store.audits(limit=1000)) == 60
        assert [store.cursor(name) for name in "abc"] == [19, 19, 19]


def test_a_folder_without_a_store_is_told_with_its_cure(tmp_path: Path) -> None:
    with pytest.raises(MineHatError, match="no events here"):
        read_store(tmp_path)


def test_state_is_for_its_owner_and_group_alone(tmp_path: Path) -> None:
    """E8: folder 0750, database 0640, whatever the umask."""
    state = tmp_path / "state"
    before = os.umask(0)
    try:
        with Store.writer(state) as store, store.reader(state) as reader:
            store.append(bare_head())
            reader.confirm("a", 1)
            with owned(state), closing(open_owner(state)) as connection:
                make_backup(connection, state)
                for path in (state, *state.rglob("*")):
                    expected = 0o750 if path.is_dir() else 0o640
                    assert stat.S_IMODE(path.stat().st_mode) == expected, path
    finally:
        os.umask(before)


def test_a_second_watch_is_told_who_has_the_folder(tmp_path: Path) -> None:
    """D10: the second refuses and names the first; a killed first leaves the folder free."""
    code = ("import sys; from pathlib import Path; from minewatch.events.lock import owned\n"
            "with owned(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()")
    first = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
    with first:
        assert first.stdout and first.stdout.readline() == b"held\n"
        with pytest.raises(MineHatError, match=f"process {first.pid}\\."), owned(tmp_path):
            pass
        first.kill()
    with owned(tmp_path), pytest.raises(MineHatError, match=f"process {os.getpid()}\\."), owned(tmp_path):
        pass


def _damaged(state: Path, how: str) -> None:
    path = state / "events.db"
    content = path.read_bytes()
    path.write_bytes({"random": os.urandom(len(content)), "truncated": content[:len(content) // 2], "empty": b"",
                      "text": b"not a database\n" * 9, "middle": content[:8192] + os.urandom(8192) + content[16384:]
                      }[how])
    if how == "gone":
        path.unlink()


@pytest.mark.parametrize("how", ["random", "truncated", "empty", "text", "middle"])
@pytest.mark.parametrize("backup", [True, False])
def test_a_damaged_database_is_put_aside_and_numbers_go_on(tmp_path: Path, how: str, backup: bool) -> None:
    """E5: kept as .corrupt-TIME, the newest backup or a fresh one in its place; no number is given twice."""
    mark = HighMark(tmp_path)
    with Store.writer(tmp_path) as store:
        kept = []
        for number in range(60):
            mark.cover(number + 1)
            kept.append(store.append(bare_head(remark="x" * 400)))
            if backup and number == 39:
                make_backup(store._connected(), tmp_path)
    (tmp_path / "events.db-wal").unlink(missing_ok=True)
    _damaged(tmp_path, how)
    damaged = (tmp_path / "events.db").read_bytes()
    store, mended = open_sound(tmp_path, HighMark(tmp_path), NOON)
    with store:
        assert mended and mended.aside and mended.aside.name == "events.db.corrupt-20261122T120000Z"
        assert mended.aside.read_bytes() == damaged
        found = store.after(0)
        assert found[:40] == kept[:40] if backup else len(found) == mended.saved
        assert all(one in kept for one in found) and len(found) == (40 if backup else 0) + mended.saved
        assert mended.saved > 0 if how == "middle" else mended.saved == 0 or how == "truncated"
        assert mended.missing == mended.last - len(found)
        assert (mended.restored is not None) == backup and mended.last == max((one.seq for one in found), default=0)
        assert store.append(bare_head()).seq == mended.skipped_to + 1 > 60
        assert f"events {mended.last + 1} to {mended.skipped_to} at most are lost" in mended.text


@pytest.mark.parametrize("how", ["middle", "truncated"])
def test_what_can_still_be_read_of_a_damaged_database_is_taken_over(tmp_path: Path, how: str) -> None:
    """E5: all but the rows of the damaged pages, with who acknowledged them, also where there is no backup."""
    mark = HighMark(tmp_path)
    with Store.writer(tmp_path) as store:
        for _ in range(10):
            mark.cover(store.highest() + 200)
            kept = store.append_all([bare_head(remark="x" * 200) for _ in range(200)])
        store.acknowledge(7, "Li", "seen")
    path = tmp_path / "events.db"
    half = path.stat().st_size // 2
    if how == "truncated":
        os.truncate(path, half)
    else:
        with open(path, "r+b") as file:
            file.seek(half // 4096 * 4096)
            file.write(os.urandom(8 * 4096))
    store, mended = open_sound(tmp_path, HighMark(tmp_path), NOON)
    with store:
        found = [one.seq for one in store.after(0, 1 << 40)]
        assert mended and mended.restored is None and mended.saved == len(found) > 500 and store.is_sound()
        assert f"{len(found)} events were read out" in mended.text
        if how == "middle":
            assert found[-1] == kept[-1].seq and len(found) > 1900 and store.audits(seq=7)[0].who == "Li"
            assert mended.missing == 2000 - len(found) > 0


def test_a_sound_database_is_left_alone(tmp_path: Path) -> None:
    mark = HighMark(tmp_path)
    for round_ in range(3):
        store, mended = open_sound(tmp_path, mark, NOON)
        with store:
            mark.cover(round_ + 1)
            assert mended is None and store.append(bare_head()).seq == round_ + 1
    assert list(tmp_path.glob("*corrupt*")) == []


def test_a_broken_backup_is_passed_over_and_few_are_kept(tmp_path: Path) -> None:
    with Store.writer(tmp_path) as store:
        mark = HighMark(tmp_path)
        for number in range(6):
            mark.cover(number + 1)
            store.append(bare_head())
            make_backup(store._connected(), tmp_path)
    backups = newest_first(tmp_path)
    assert [path.name for path in backups] == [f"events-{seq:012d}.db" for seq in (6, 5, 4)]
    backups[0].write_bytes(os.urandom(9000))
    for time in range(4):
        (tmp_path / "events.db").write_bytes(b"x" * 5000)
        store, mended = open_sound(tmp_path, HighMark(tmp_path), NOON + time)
        store.close()
        assert mended and mended.restored == backups[1] and mended.last == 5
    assert len(list(tmp_path.glob("*corrupt*"))) == 2


def test_a_guest_that_comes_after_the_damage_writes_into_the_new_database(tmp_path: Path) -> None:
    """E5: readers of other processes follow the name, not the file that they had open."""
    with Store.writer(tmp_path) as store:
        store.append(bare_head())
    with Store.reader(tmp_path) as page:
        assert len(page.after(0)) == 1
        (tmp_path / "seq.high").write_text("1000\n")
        (tmp_path / "events.db").write_bytes(b"")
        store, mended = open_sound(tmp_path, HighMark(tmp_path), NOON)
        with store:
            kept = store.append(bare_head())
            assert mended and page.after(0) == [kept] and page.acknowledge(kept.seq, "Li")
            assert store.audits()[0].who == "Li"


def test_a_newer_schema_is_refused_and_an_older_one_migrated_with_a_backup(tmp_path: Path) -> None:
    """E4: the backup file is there before the tables change."""
    more = (*STEPS, "ALTER TABLE events ADD COLUMN shift TEXT NOT NULL DEFAULT ''; CREATE TABLE more (x)")
    with Store.writer(tmp_path) as store:
        store.append(bare_head())
        migrate(store._connected(), lambda connection: make_backup(connection, tmp_path, "-v1"), more)
        assert version_of(store._connected()) == len(more) and len(store.after(0)) == 1
    assert [path.name for path in newest_first(tmp_path)] == ["events-000000000001-v1.db"]
    with pytest.raises(MineHatError, match="Install the newer minewatch"):
        Store.writer(tmp_path)


def test_a_migration_that_fails_leaves_the_old_schema(tmp_path: Path) -> None:
    """E4: never between; the second statement is wrong, the first one is undone."""
    with Store.writer(tmp_path) as store:
        store.append(bare_head())
        with pytest.raises(sqlite3.OperationalError):
            migrate(store._connected(), lambda connection: None, (*STEPS, "CREATE TABLE more (x); CREATE nonsense"))
        assert version_of(store._connected()) == 1 and store.append(bare_head()).seq == 2
        assert store._rows("SELECT name FROM sqlite_schema WHERE name = 'more'") == []
