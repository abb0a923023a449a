"""Runners and senders: what a sink confirmed moves its cursor, nothing else does, and nobody waits for another."""

from __future__ import annotations

import json
import random
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hand_clock import HandClock
from minebench.lab.ports import free_port
from minewatch.clock import SystemClock
from minewatch.config.schema import SinksPart, WebhookPart
from minewatch.events.event import Event
from minewatch.events.reading import Reader
from minewatch.events.store import Store
from minewatch.sinks.backoff import pause_after
from minewatch.sinks.bell import Bell
from minewatch.sinks.runner import BATCH, REFUSALS, Runner
from minewatch.sinks.senders import Senders
from minewatch.sinks.sink import Refused, Undelivered
from sinks_lab import Receiver, Scripted, add, filled, fine
from waiting import eventually

Made = Callable[..., Runner]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """With five events of the past."""
    with filled(tmp_path, 5) as made:
        yield made


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Made]:
    """A runner that is turned by hand: `runner(sink, clock)`."""
    made: list[Runner] = []

    def new(sink: Any, clock: HandClock, outbox: Reader | None = None) -> Runner:
        made.append(Runner("one", sink, outbox or Store.reader(tmp_path), clock, chance=random.Random(1)))
        return made[-1]

    yield new
    for one in made:
        one.close()


def test_a_new_receiver_is_not_told_of_the_past(store: Store, runner: Made) -> None:
    sink = Scripted()
    one = runner(sink, HandClock())
    one.turn()
    add(store, 2)
    one.turn()
    assert sink.had == [6, 7]


def test_a_receiver_that_began_with_an_empty_store_misses_nothing_after_a_restart(tmp_path: Path,
                                                                                  runner: Made) -> None:
    with filled(tmp_path, 0) as store:
        runner(Scripted(), HandClock()).turn()  # seen for the first time, and then killed
        add(store, 3)
        sink = Scripted()
        runner(sink, HandClock()).turn()
    assert sink.had == [1, 2, 3]


def test_what_is_not_confirmed_comes_again_in_order(store: Store, runner: Made) -> None:
    clock, sink = HandClock(), Scripted(2, Undelivered("away"), 1, Undelivered("away"))
    one = runner(sink, clock)
    one.turn()
    add(store, 9)
    for _ in range(6):
        clock.go(one.turn())
    assert sink.had == list(range(6, 15))
    assert (one.status().standing, one.status().behind) == ("well", 0)


def test_a_runner_that_is_killed_goes_on_behind_what_was_confirmed(store: Store, runner: Made) -> None:
    first = Scripted(2)
    one = runner(first, HandClock())
    one.turn()
    add(store, 5)
    one.turn()
    again = Scripted()
    runner(again, HandClock()).turn()
    assert first.had + again.had == list(range(6, 11))


def test_the_backlog_is_told_while_the_receiver_is_away(store: Store, runner: Made) -> None:
    clock = HandClock()
    one = runner(Scripted(*[Undelivered("away")] * 9), clock)
    one.turn()
    add(store, 4)
    one.turn()
    add(store, 3)
    pause = one.turn()  # still waiting for its next try, and yet it counts
    told = one.status()
    assert (told.standing, told.behind, told.text) == ("retrying", 7, "away")
    assert told.next_try == pytest.approx(pause)


def test_a_long_backlog_goes_out_in_batches(store: Store, runner: Made) -> None:
    sink = Scripted()
    one = runner(sink, HandClock())
    one.turn()
    add(store, 3 * BATCH)
    assert [one.turn() for _ in range(3)] == [0.0] * 3 and one.turn() > 0
    assert sink.had == list(range(6, 6 + 3 * BATCH))


def test_f1_pauses_grow_from_one_second_to_a_minute() -> None:
    """F1: retry after 1..60 s, with jitter."""
    rows = [[pause_after(failures, False, random.Random(seed)) for failures in range(1, 12)] for seed in range(200)]
    assert all(1 <= pause <= 60 for row in rows for pause in row)
    assert all(row[0] <= 1.25 and row[-1] >= 45 for row in rows)
    assert all(early < late for row in rows for early, late in zip(row[:5], row[2:7], strict=True))
    assert len({row[3] for row in rows}) > 100  # receivers are not stormed by all at once
    assert all(pause_after(1, True, random.Random(seed)) >= 45 for seed in range(50))


def test_f1_an_hour_without_the_receiver(store: Store, runner: Made) -> None:
    """F1: an hour's outage on a hand-turned clock: a try a minute at the end, all delivered in order after it."""
    clock, sink = HandClock(), Scripted(*[Undelivered("refused")] * 10_000)
    one = runner(sink, clock)
    one.turn()
    add(store, 200)
    began, tries = clock.now, 0
    while clock.now < began + 3600:
        tries += 1
        clock.go(max(1.0, one.turn()))
    sink.script.clear()
    assert 3600 / 75 < tries < 3600 / 45 + 10
    while clock.go(one.turn()) or one.status().behind:
        pass
    assert sink.had == list(range(6, 206))


def test_an_event_that_is_refused_over_and_over_blocks_no_others(store: Store, runner: Made) -> None:
    clock, sink = HandClock(), Scripted(*[Refused("the receiver answers 422")] * REFUSALS)
    one = runner(sink, clock)
    one.turn()
    add(store, 3)
    began = clock.now
    for _ in range(REFUSALS - 1):
        clock.go(one.turn())
        assert "422" in one.status().text and one.status().standing == "retrying"
    assert clock.now - began > 45 * (REFUSALS - 1)  # slowly
    for _ in range(3):
        clock.go(one.turn())
    assert sink.had == [7, 8]
    assert one.status().skipped == 1
    sink.script += [Refused("the receiver answers 422")] * REFUSALS
    add(store, 1)
    for _ in range(REFUSALS + 1):
        clock.go(one.turn())
    assert sink.had == [7, 8] and one.status().skipped == 2


def test_refusals_are_counted_for_each_event_by_itself(store: Store, runner: Made) -> None:
    """One that is taken at the last try leaves the next all of its own."""
    nearly = [Refused("the receiver answers 422")] * (REFUSALS - 1)
    clock, sink = HandClock(), Scripted(*nearly, 1, *nearly, 1)
    one = runner(sink, clock)
    one.turn()
    add(store, 2)
    for _ in range(2 * REFUSALS):
        clock.go(one.turn())
    assert sink.had == [6, 7] and one.status().skipped == 0


def test_a_receiver_that_is_wrong_itself_is_never_passed_over(store: Store, runner: Made) -> None:
    clock, sink = HandClock(), Scripted(*[Undelivered("the receiver answers 401", slowly=True)] * 100)
    one = runner(sink, clock)
    one.turn()
    add(store, 3)
    for _ in range(101):
        clock.go(one.turn())
    assert sink.had == [6, 7, 8] and one.status().skipped == 0


def test_a_full_disk_silences_nobody(store: Store, runner: Made, tmp_path: Path) -> None:
    class Full(Reader):
        def confirm(self, sink: str, seq: int) -> None:
            if seq > 5:
                raise sqlite3.OperationalError("database or disk is full")
            super().confirm(sink, seq)

    sink = Scripted(1, 1, 1)
    one = runner(sink, HandClock(), Full(tmp_path))
    one.turn()
    add(store, 3)
    for _ in range(3):
        assert one.turn() == 0
    assert sink.had == [6, 7, 8]


def test_a_store_that_cannot_be_read_is_told_and_waited_for(tmp_path: Path, runner: Made) -> None:
    clock, sink = HandClock(), Scripted()
    one = runner(sink, clock)
    assert one.turn() > 0
    assert one.status().standing == "retrying" and "cannot be read" in one.status().text
    with filled(tmp_path, 1) as store:
        clock.go(60)
        one.turn()
        add(store, 1)
        one.turn()
    assert sink.had == [2] and one.status().standing == "well"


def test_e6_an_alarm_does_not_wait_for_a_disk(tmp_path: Path, runner: Made) -> None:
    """E6: events that the disk refuses go out without a number, though the store cannot even be read."""
    sink = Scripted(2, Refused("no"))
    one = runner(sink, HandClock())
    assert one.turn() > 0
    one.unwritten([Event("bare_head", 1.0) for _ in range(4)])
    one.turn()  # at once: the receiver is not to blame
    assert sink.had == [0, 0, 0] and "cannot be read" in one.status().text


def test_events_of_no_disk_wait_for_their_receiver_in_bounded_memory(store: Store, runner: Made) -> None:
    clock, sink = HandClock(), Scripted(Undelivered("away"))
    one = runner(sink, clock)
    one.turn()
    one.unwritten([Event("bare_head", 1.0) for _ in range(5000)])
    for _ in range(3):
        clock.go(one.turn())
    add(store, 1)
    one.turn()
    assert 0 < len(sink.had) - 1 <= 1000 and sink.had[-1] == 6


def test_a_bell_ends_a_wait_at_once_from_any_thread() -> None:
    with Bell() as bell:
        bell.ring()
        began = time.monotonic()
        assert bell.wait(30) == (False, False)  # rung before
        rings = threading.Timer(0.05, bell.ring)
        rings.start()
        bell.wait(30)
        rings.join()
        for _ in range(100_000):
            bell.ring()  # a thousand times more than anybody listens
        bell.stop()
        for _ in range(3):
            bell.wait(30)
        assert time.monotonic() - began < 10


def hook(name: str, port: int, **told: Any) -> WebhookPart:
    return WebhookPart(name=name, url=f"http://127.0.0.1:{port}/", **told)


@pytest.fixture
def senders(tmp_path: Path, store: Store) -> Iterator[Callable[..., Senders]]:
    """Real threads; all have ended afterwards."""
    before, made = threading.active_count(), []

    def new(*hooks: WebhookPart) -> Senders:
        made.append(Senders(SinksPart(webhooks=hooks), tmp_path, "mine", SystemClock()))
        return made[-1]

    yield new
    for one in made:
        one.stop()
    assert eventually(lambda: threading.active_count() <= before)


def seqs(receiver: Receiver) -> list[int]:
    return [json.loads(body)["seq"] for body in receiver.bodies]


def test_a_receiver_that_hangs_holds_up_nobody(senders: Callable[..., Senders], store: Store) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging, Receiver(fine) as good:
        sent = senders(hook("hanging", hanging.getsockname()[1]), hook("good", good.port))
        assert eventually(lambda: all(one.standing == "well" for one in sent.status()))
        add(store, 30)
        before = time.monotonic()
        sent.wake()
        assert time.monotonic() - before < 0.5  # the main loop is not held up either
        assert eventually(lambda: len(good.bodies) == 30)
        assert seqs(good) == list(range(6, 36))
        assert eventually(lambda: {one.name: one.behind for one in sent.status()}
                          == {"webhook hanging": 30, "webhook good": 0})
        before = time.monotonic()
        sent.stop()
        assert time.monotonic() - before < 3  # in the middle of the hanging one's request


def test_a_reload_touches_only_what_it_changes(senders: Callable[..., Senders], store: Store) -> None:
    with Receiver(fine) as kept, Receiver(fine) as old, Receiver(fine) as new:
        sent = senders(hook("kept", kept.port), hook("moved", old.port), hook("gone", old.port))
        assert eventually(lambda: all(one.standing == "well" for one in sent.status()))
        threads = {thread.name: thread for thread in threading.enumerate()}
        add(store, 2)
        sent.wake()
        assert eventually(lambda: len(kept.bodies) == 2 and len(old.bodies) == 4)
        sent.replace(SinksPart(webhooks=(hook("kept", kept.port), hook("moved", new.port))))
        add(store, 3)
        sent.wake()
        assert eventually(lambda: len(kept.bodies) == 5 and len(new.bodies) == 3)
        assert seqs(new) == [8, 9, 10]  # it goes on where the old address stood
        assert threads["sink webhook kept"].is_alive()
        assert eventually(lambda: not (threads["sink webhook moved"].is_alive()
                                       or threads["sink webhook gone"].is_alive()))
        assert [one.name for one in sent.status()] == ["webhook kept", "webhook moved"]


def test_the_last_words_go_out_before_the_end(senders: Callable[..., Senders], store: Store,
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minewatch.sinks.senders.FINISH_SECONDS", 10.0)  # however busy the machine is
    with Receiver(fine) as good:
        sent = senders(hook("good", good.port), hook("absent", free_port()))
        assert eventually(lambda: all(one.standing == "well" for one in sent.status()))
        store.append(Event("watch_ended", 1.0))
        sent.stop()
        assert seqs(good) == [6]


def test_f4_a_wall_clock_that_jumps_changes_no_pause(store: Store, runner: Made) -> None:
    """F4: the wall clock at +2 h, -2 h, 1970 and 2038: no try sooner or later, none missed, none twice."""
    clock, sink = HandClock(), Scripted(Undelivered("away"))
    one = runner(sink, clock)
    one.turn()
    add(store, 2)
    pause = one.turn()
    for wall in (clock.day + 7200, clock.day - 7200, 0.0, 2.2e9):
        clock.day = wall
        assert one.turn() == pause and one.status().next_try == pause
    clock.now += pause
    one.turn()
    assert sink.had == [6, 7]


def test_a_fault_of_the_program_is_told_and_tried_again(store: Store, tmp_path: Path,
                                                         caplog: pytest.LogCaptureFixture) -> None:
    sink = Scripted(ZeroDivisionError("a bug"))
    one = Runner("one", sink, Store.reader(tmp_path), SystemClock(), chance=random.Random(1)).start()
    try:
        assert eventually(lambda: one.status().standing == "well")
        add(store, 1)
        one.wake()
        assert eventually(lambda: "a bug" in one.status().text)
        assert one.status().standing == "retrying" and "ZeroDivisionError" in caplog.text
    finally:
        one.stop()
        assert one.ended(5)


def test_a_refused_connection_is_told_in_words(senders: Callable[..., Senders], store: Store) -> None:
    port = free_port()
    sent = senders(hook("absent", port))
    assert eventually(lambda: sent.status()[0].standing == "well")
    add(store, 1)
    sent.wake()
    assert eventually(lambda: sent.status()[0].standing == "retrying")
    assert sent.status()[0].text == f"127.0.0.1:{port}: Connection refused"
