"""The wall clock jumps, and nothing but what people read takes notice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hand_clock import NOON, HandClock
from minewatch.events.store import Store
from minewatch.events.wall import Moved, Wall, WallClock, machine_is_synchronised, seen
from watch_events import bare_head

FAKETIME = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
HOUR = 3600.0
JUMPS = {"+2 h": 2 * HOUR, "-2 h": -2 * HOUR, "1970": 1000.0 - NOON, "2038": 2_147_483_640.0 - NOON}
WATCH = """
import json, sys
from multiprocessing.connection import wait
from pathlib import Path
from minewatch.clock import SystemClock
from minewatch.config.schema import KeepPart
from minewatch.events.event import Event
from minewatch.events.recorder import Recorder
from minewatch.events.wall import Wall
clock = SystemClock()
wall = Wall(clock, lambda: False)
recorder = Recorder(Path(sys.argv[1]), KeepPart(), clock, lambda: wall.suspect)
wall.newest_is(recorder.newest_time())
for line in sys.stdin:
    moved = []
    until = clock.monotonic() + 1.2
    while clock.monotonic() < until:
        moved += wall.turn()
        wait([], 0.05)
    event = Event("bare_head", clock.wall(), clock_suspect=wall.suspect)
    began = clock.monotonic()
    recorder.put(event, visible=began)
    wait([recorder.wakeup], 10)
    (kept, seconds), = recorder.committed()
    print(json.dumps([kept.seq, kept.event.time, kept.event.clock_suspect, [one.remark for one in moved], seconds]),
          flush=True)
assert recorder.stop()
"""


def test_a_clock_that_goes_right_is_never_suspect() -> None:
    clock = HandClock()
    wall = Wall(clock, lambda: False)
    for second in range(86400 // 10):
        clock.go(10.0)
        clock.day += 0.005 * (-1) ** second  # slewed by 500 ppm
        assert wall.turn() == [] and not wall.suspect


@pytest.mark.parametrize("jump", JUMPS)
def test_a_jump_is_told_once_and_suspected_until_it_is_synchronised(jump: str) -> None:
    """F4: clock_moved, once; suspect until the machine says that it is synchronised."""
    clock, synchronised = HandClock(), [False]
    wall = Wall(clock, lambda: synchronised[0])
    clock.go(1.0)
    assert wall.turn() == []
    clock.day += JUMPS[jump]
    assert wall.suspect  # before anybody looked
    clock.go(1.0)
    told = wall.turn()
    assert [(one.kind, one.seconds) for one in told] == [("clock_moved", clock.now)] and wall.suspect
    assert ("back" in told[0].remark) == (JUMPS[jump] < 0)
    for _ in range(1000):
        clock.go(1.0)
        assert wall.turn() == [] and wall.suspect
    synchronised[0] = True
    clock.go(1.0)
    assert wall.turn() == [] and not wall.suspect
    synchronised[0] = False  # its server is away; what it showed last was right
    clock.go(1.0)
    assert wall.turn() == [] and wall.suspect == (jump == "1970")


def test_a_clock_that_is_set_back_to_where_it_was_is_trusted_again() -> None:
    history = WallClock.fresh(0.0, NOON, 0.0, False)
    history, moved = seen(history, 1.0, NOON + 1 + 2 * HOUR, False)
    assert moved == Moved(2 * HOUR, NOON + 1 + 2 * HOUR) and history.suspect
    assert moved.remark == "the clock jumped forward by 2.0 hours"
    history, moved = seen(history, 2.0, NOON + 2, False)
    assert moved and moved.seconds == -2 * HOUR and not history.suspect


@pytest.mark.parametrize(("wall", "newest", "suspect"), [
    (NOON, NOON - 60, False), (NOON, 0.0, False), (NOON, NOON + 60, True), (5000.0, 0.0, True)])
def test_a_clock_is_suspect_from_the_start_where_it_shows_what_cannot_be(wall: float, newest: float,
                                                                         suspect: bool) -> None:
    """F4: before the newest event, or before anybody ran this."""
    watched = Wall(HandClock(wall=wall), lambda: False)
    watched.newest_is(newest)
    assert watched.suspect == suspect
    watched = Wall(HandClock(wall=wall), lambda: True)
    watched.newest_is(newest)
    assert not watched.suspect


def test_the_machine_says_whether_it_is_synchronised() -> None:
    assert machine_is_synchronised() in (True, False)


@pytest.fixture
def faked(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A recorder whose wall clock a file moves."""
    if not FAKETIME:
        pytest.skip("libfaketime is not installed: apt install libfaketime")
    setting = tmp_path / "faketime.rc"
    setting.write_text("+0\n")
    watch = subprocess.Popen(
        [sys.executable, "-c", WATCH, str(tmp_path / "state")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True, env={**os.environ, "LD_PRELOAD": str(FAKETIME[0]), "FAKETIME_TIMESTAMP_FILE": str(setting),
             "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"})
    with watch:
        yield watch, setting
        watch.kill()


def test_a_real_clock_that_jumps_loses_no_event(faked: tuple[subprocess.Popen[str], Path], tmp_path: Path) -> None:
    """F4: libfaketime: numbers go on, times are as the clock shows them, and rows say that it is not trusted."""
    watch, setting = faked
    assert watch.stdin and watch.stdout
    found = []
    for shift in (0, 7200, -7200, "1970-01-01 00:10:00", "2038-01-19 03:00:00"):
        setting.write_text(f"{shift:+d}\n" if isinstance(shift, int) else f"@{shift}\n")
        watch.stdin.write("\n")
        watch.stdin.flush()
        found.append(json.loads(watch.stdout.readline()))
    watch.stdin.close()
    assert watch.wait(10) == 0
    assert [row[0] for row in found] == [1, 2, 3, 4, 5]
    assert [row[2] for row in found] == [False, True, True, True, True]
    assert [len(row[3]) for row in found] == [0, 1, 1, 1, 1]
    assert found[1][3] == ["the clock jumped forward by 2.0 hours"] and found[3][1] < 1e6 and found[4][1] > 2.1e9
    assert all(0 <= row[4] < 5 for row in found)
    with Store.reader(tmp_path / "state") as store:
        assert [(kept.seq, kept.event.time) for kept in store.after(0)] == [(row[0], row[1]) for row in found]


def test_a_store_that_remembers_the_future_suspects_the_clock(tmp_path: Path) -> None:
    """F4: after a restart, a wall clock before the newest event is not trusted."""
    with Store.writer(tmp_path) as store:
        store.append(bare_head(NOON + HOUR))
        wall = Wall(HandClock(), lambda: False)
        assert not wall.suspect
        wall.newest_is(store.newest_time())
        assert wall.suspect
        store.append(bare_head(NOON + 12 * 365 * 24 * HOUR, clock_suspect=True))
        assert store.newest_time() == NOON + HOUR
