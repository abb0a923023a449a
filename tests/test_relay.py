"""Do a stream's steps work side by side, in order, never far ahead, and do their threads end whatever happens?"""

from __future__ import annotations

import gc
import itertools
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest
from minehat.relay import AHEAD, Relay

PATIENCE = 20.0  # seconds for what takes milliseconds


def same(slot, item):
    return item


def relay(source, first=same, second=same, third=same) -> Relay:
    return Relay(source, first, second, third)


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("minehat ")]


def wait_until(ready) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.001)


@pytest.fixture(autouse=True)
def no_thread_stays():
    yield
    wait_until(lambda: not threads())


def test_all_results_come_in_order_whatever_each_step_takes():
    def slow(slot, item):
        time.sleep(0.002 * (item * 7 % 3))
        return item + 1
    assert list(relay(range(40), slow, slow, slow).results()) == [item + 3 for item in range(40)]
    assert list(relay([]).results()) == []


def test_two_items_are_worked_on_while_the_consumer_has_a_third():
    """Each waits until the two others are at work, too: in turn it would never end."""
    meeting = threading.Barrier(3, timeout=PATIENCE)

    def meet_at(number):
        def step(slot, item):
            if item == number:
                meeting.wait()
            return item
        return step
    for item in relay(range(7), meet_at(4), meet_at(3)).results():
        meet_at(2)(0, item)


def test_a_slot_comes_again_only_when_its_last_item_is_through():
    inside: dict[int, int] = {}

    def enter(slot, item):
        assert slot not in inside, "two items in one slot"
        inside[slot] = item
        return item

    def leave(slot, item):
        assert inside.pop(slot) == item
        return item
    assert list(relay(range(50), first=enter, third=leave).results()) == [*range(50)]


def test_the_source_is_never_more_than_two_items_ahead():
    taken: list[int] = []

    def source():
        for item in range(30):
            taken.append(item)
            yield item
    results = relay(source()).results()
    assert not taken  # nothing begins before it is asked for
    for item in results:
        time.sleep(0.002)  # for it to run ahead
        assert taken[-1] <= item + AHEAD


@pytest.mark.parametrize("step", ["source", "first", "second", "third"])
def test_what_a_step_raises_comes_after_the_results_before_it(step):
    def failing(slot, item):
        if item == 5:
            raise KeyError("five")
        return item

    def source():
        for item in range(10):
            yield failing(0, item)
    steps = {"source": range(10)} | ({"source": source()} if step == "source" else {step: failing})
    seen = []
    with pytest.raises(KeyError, match="five"):
        for item in relay(**steps).results():
            seen.append(item)
    assert seen == [0, 1, 2, 3, 4]


def test_leaving_early_ends_the_threads():
    for item in relay(itertools.count()).results():
        if item == 3:
            break
    with closing(relay(itertools.count()).results()) as results:
        assert next(results) == 0 and threads()
    assert not threads()
    abandoned = relay(itertools.count()).results()
    next(abandoned)
    del abandoned
    gc.collect()


def test_leaving_while_the_source_hangs_takes_no_longer_than_a_thread_is_waited_for(monkeypatch):
    monkeypatch.setattr("minehat.relay.LEAVE", 0.05)
    answer = threading.Event()

    def hanging():
        yield 0
        answer.wait(PATIENCE)
    results = relay(hanging()).results()
    assert next(results) == 0
    begun = time.monotonic()
    results.close()
    assert time.monotonic() - begun < PATIENCE / 2
    answer.set()


def test_an_end_from_elsewhere_reaches_a_consumer_that_waits_and_one_that_comes_later(monkeypatch):
    monkeypatch.setattr("minehat.relay.LEAVE", 0.05)
    answer = threading.Event()
    hanging = relay(itertools.chain([0], iter(answer.wait, True)))
    results = hanging.results()
    assert next(results) == 0
    threading.Timer(0.02, hanging.end, [ValueError("closed")]).start()
    with pytest.raises(ValueError, match="closed"):
        next(results)
    answer.set()
    later = relay(range(10))
    results = later.results()
    next(results)
    later.end(ValueError("closed"))
    wait_until(lambda: not threads())  # though nobody asks
    with pytest.raises(ValueError, match="closed"):
        list(results)


def test_a_stream_that_is_left_open_holds_up_no_process():
    program = ("import itertools; from minehat.relay import Relay; same = lambda slot, item: item; "
               "left = Relay(itertools.count(), same, same, same).results(); print(next(left))")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("0\n", "")
