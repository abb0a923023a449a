"""A stream that comes faster than it can be decoded: age stays bounded, on a clock turned by hand and for real."""

from __future__ import annotations

import os
import random
import threading
import time
from pathlib import Path

import pytest
from cameras import numbered
from minebench.lab.clips import write_clip
from minebench.lab.faultcam import FaultCam
from minewatch.cameras.lateness import Lateness, weighed
from minewatch.cameras.pyav_source import PyAvSource
from minewatch.cameras.source import Plan

FPS, GROUP = 25, 50


def read(cost: float, key_cost: float, seconds: float, delay: float = 0.0) -> tuple[list[float], list[bool]]:
    """A reader that needs `cost` seconds a frame. Returns the age of each packet when read, and where it hurried."""
    late, now, ages, hurried = Lateness(), 0.0, [], []
    decoding = True
    for number in range(int(seconds * FPS)):
        stamp, key = number / FPS, number % GROUP == 0
        now = max(now, stamp + (delay if number > 500 else 0.0))
        late = weighed(late, stamp, now)
        decoding = not late.hurry and (decoding or key)
        now += cost if decoding else key_cost if key else 0.0005
        ages.append(now - stamp)
        hurried.append(late.hurry)
    return ages, hurried


@pytest.mark.parametrize("cost", [0.045, 0.08, 0.2, 0.5])
def test_age_is_bounded_however_slow_decoding_is(cost: float) -> None:
    """B1, B2: without this it would grow for ever, by a fifth of a second each second and more."""
    ages, hurried = read(cost, cost, 300)
    assert max(ages) < 1.0 + 2.0 + 2 * cost + 0.5 and any(hurried) and not all(hurried[-500:])


def test_a_reader_that_keeps_up_never_hurries() -> None:
    assert not any(read(0.02, 0.02, 60)[1])


def test_a_burst_after_a_pause_of_the_network_is_no_reason() -> None:
    """It is decoded faster than a new key frame would come."""
    late, chance = Lateness(), random.Random(1)
    now, pauses = 0.0, 0
    for number in range(3000):
        if now <= number / FPS and chance.random() < 0.01:
            now, pauses = number / FPS + 1.5, pauses + 1
        now = max(now + 0.002, number / FPS)
        late = weighed(late, number / FPS, now)
        assert not late.hurry
    assert pauses > 5


def test_a_delay_of_the_cameras_own_is_accepted() -> None:
    """It began to send 3 s late: key frames alone cannot mend that, and all are decoded again soon."""
    _, hurried = read(0.01, 0.01, 120, delay=3.0)
    assert any(hurried) and not any(hurried[-50 * FPS:])


@pytest.mark.parametrize("stamps", [[0.0] * 500, [None] * 500, [number / 12.5 for number in range(500)]])
def test_time_stamps_that_say_nothing(stamps: list[float | None]) -> None:
    """A13: all 0, none, or running twice too fast."""
    late = Lateness()
    for number, stamp in enumerate(stamps):
        late = weighed(late, stamp, number / FPS)
        assert not late.hurry


@pytest.mark.soak
def test_a_slow_reader_of_a_real_stream(tmp_path: Path) -> None:
    """B2: 12 frames a second of 25 can be dealt with; what is given stays younger than 3.5 s, and is whole."""
    clip = write_clip(tmp_path / "clip.mp4", numbered(100))
    with FaultCam([clip]) as cam, PyAvSource(Plan("stream", cam.url()), refuse=lambda why: os._exit(1)) as source:
        began, first, ages, keys = 0.0, 0.0, [], 0
        for taken in source.steps():
            for frame in taken.frames:
                began, first = began or time.monotonic(), first or frame.seconds or 0.0
                ages.append(time.monotonic() - began - (frame.seconds or 0.0) + first)
                keys += frame.key
                threading.Event().wait(0.08)
            if began and time.monotonic() - began > 30:
                break
    print(f"\nMEASURED B2: 30 s at 80 ms a frame: {len(ages)} frames given, oldest {max(ages):.2f} s behind")
    assert max(ages) < 3.5 and len(ages) > 100
