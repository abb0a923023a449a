"""Does systemd hear what it must, and nothing where there is no systemd? The socket is a real one."""

import os
import re
import secrets
import socket
import time
from itertools import pairwise

import pytest
from minewatch.notify import LONGEST, Notifier


@pytest.fixture
def manager(tmp_path):
    """A service manager's ear, and its address."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.setblocking(False)
        yield ear, str(tmp_path / "notify")


def heard(ear):
    found = []
    while True:
        try:
            found.append(ear.recv(4096).decode())
        except BlockingIOError:
            return found


def notifier(address, **more):
    return Notifier.of_environment({"NOTIFY_SOCKET": address, **more})


def test_each_state_is_one_datagram(manager):
    ear, address = manager
    told = notifier(address)
    before = time.monotonic_ns() // 1000
    told.ready()
    told.reloading()
    told.stopping()
    told.status("3 of 4 cameras live\nshaft 2: stalled")
    told.close()
    first, reload, *rest = heard(ear)
    assert first == "READY=1"
    moment = re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)", reload)
    assert before <= int(moment[1]) <= time.monotonic_ns() // 1000
    assert rest == ["STOPPING=1", "STATUS=3 of 4 cameras live shaft 2: stalled"]


def test_an_abstract_address_is_reached():
    name = f"minewatch-test-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind("\0" + name)
        ear.setblocking(False)
        told = notifier("@" + name)
        told.ready()
        told.close()
        assert heard(ear) == ["READY=1"]


def test_the_same_status_is_told_once_and_is_short(manager):
    ear, address = manager
    told = notifier(address)
    for text in ("well", "well", "x" * 5000, "well"):
        told.status(text)
    told.close()
    assert heard(ear) == ["STATUS=well", "STATUS=" + "x" * LONGEST, "STATUS=well"]


def test_signs_of_life_come_often_enough_and_not_more(manager):
    """D9: a loop that turns four times a second, on a clock turned by hand: never half the time without one."""
    ear, address = manager
    told = notifier(address, WATCHDOG_USEC="10000000", WATCHDOG_PID=str(os.getpid()))
    beats = []
    for turn in range(400):
        now = 1000 + turn * 0.25
        told.beat(now)
        beats += [now] * len(heard(ear))
    told.close()
    assert beats[0] == 1000 and max(late - early for early, late in pairwise(beats)) <= 5
    assert len(beats) <= 40


def test_a_blocked_loop_is_silent(manager):
    """D9: no WATCHDOG=1 within WatchdogSec/2, nor later, while nobody turns the loop, whatever else goes on."""
    ear, address = manager
    told = notifier(address, WATCHDOG_USEC="200000", WATCHDOG_PID=str(os.getpid()))
    told.beat(time.monotonic())
    assert heard(ear) == ["WATCHDOG=1"]
    ear.settimeout(told.watchdog * 2)
    told.status("still here")
    assert ear.recv(4096) == b"STATUS=still here"
    with pytest.raises(TimeoutError):
        ear.recv(4096)
    told.close()


@pytest.mark.parametrize("environ", [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "soon"},
                                     {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}])
def test_no_watchdog_is_no_signs_of_life(manager, environ):
    ear, address = manager
    told = notifier(address, **environ)
    told.beat(0.0)
    told.beat(100.0)
    told.close()
    assert told.watchdog is None and heard(ear) == []


@pytest.mark.parametrize("address", ["", "relative/path", "/no/such/socket", "@no-such-" + secrets.token_hex(8)],
                         ids=["none", "relative", "absent", "abstract"])
def test_without_a_manager_nothing_happens(address):
    told = notifier(address, WATCHDOG_USEC="1000000")
    for say in (told.ready, told.reloading, told.stopping, lambda: told.status("x"), lambda: told.beat(0.0), told.close,
                told.ready, told.close):
        say()


def test_a_manager_that_does_not_listen_holds_up_nobody(manager):
    """Its queue is full: the datagram is dropped, the loop goes on."""
    _, address = manager
    told = notifier(address)
    for number in range(5000):
        told.status(f"line {number}")
    told.close()


def test_children_do_not_speak_for_the_watch(manager):
    environ = {"NOTIFY_SOCKET": manager[1], "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(os.getpid()), "HOME": "/"}
    Notifier.of_environment(environ).close()
    assert environ == {"HOME": "/"}
