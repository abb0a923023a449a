"""Which frames of a damaged stream may be looked at: pure, and over a relay that loses packets."""

from __future__ import annotations

import random

import pytest
from minewatch.cameras.quarantine import Quarantine, is_stale, passed, usual_step

FPS, GROUP = 25, 25


def run(frames: list[tuple[float | None, bool, bool]]) -> list[bool]:
    """Whether each (seconds, key, corrupt) passes."""
    state, out = Quarantine(), []
    for seconds, key, corrupt in frames:
        state, fit = passed(state, seconds, key, corrupt)
        out.append(fit)
    return out


def stream(count: int = 200) -> list[tuple[float | None, bool, bool]]:
    return [(number / FPS, number % GROUP == 0, False) for number in range(count)]


def test_a_whole_stream_passes() -> None:
    assert all(run(stream()))


def test_a_flag_holds_frames_back_until_the_next_key_frame() -> None:
    """A9: the flagged frame and what is painted over it, and nothing else."""
    frames = stream()
    frames[60] = (60 / FPS, False, True)
    assert [number for number, fit in enumerate(run(frames)) if not fit] == list(range(60, 75))


def test_a_missing_frame_holds_frames_back_until_the_next_key_frame() -> None:
    """A8: the leap of the time stamps gives it away."""
    frames = stream()
    del frames[60]
    assert [number for number, fit in enumerate(run(frames)) if not fit] == list(range(60, 74))


def test_a_leap_onto_a_key_frame_does_no_harm() -> None:
    frames = stream()
    del frames[70:75]
    assert all(run(frames))


def test_no_frame_after_a_loss_passes_before_a_key_frame_whatever_is_lost() -> None:
    """A8: for any losses that are not whole groups."""
    chance = random.Random(5)
    for _ in range(200):
        frames = stream(150)
        kept = [True] * 10 + [chance.random() > 0.05 for _ in frames[10:]]
        fits = iter(run([frame for frame, here in zip(frames, kept, strict=True) if here]))
        wrong = False
        for (_, key, _), here in zip(frames, kept, strict=True):
            if not here:
                wrong = True
                continue
            wrong = wrong and not key
            assert not (next(fits) and wrong)


@pytest.mark.parametrize("stamps", [[None] * 100, [0.0] * 100])
def test_a_stream_without_time_stamps_passes(stamps: list[float | None]) -> None:
    """A13: all of them 0, or none."""
    assert all(run([(stamp, number % GROUP == 0, False) for number, stamp in enumerate(stamps)]))


def test_an_uneven_stream_passes() -> None:
    """Cameras that send a frame only where something moved have leaps by nature."""
    chance, now, frames = random.Random(3), 0.0, []
    for number in range(300):
        now += chance.choice([0.04, 0.08, 0.2, 0.4])
        frames.append((now, number % 50 == 0, False))
    assert sum(run(frames)[50:]) >= 200


@pytest.mark.parametrize("leap", [3600.0, -3600.0, 2.0 ** 33 / 90_000, -(2.0 ** 32) / 90_000])
def test_a_leaping_clock_costs_one_group_at_most(leap: float) -> None:
    """A13: an hour on or back, or a counter that wraps."""
    frames = [(seconds + (leap if number >= 60 else 0), key, False)
              for number, (seconds, key, _) in enumerate(stream())]
    assert [number for number, fit in enumerate(run(frames)) if not fit] == list(range(60, 75))


def test_what_was_held_back_before_a_silence_is_not_new() -> None:
    """A3: libav gives its last frame when it gives up waiting; it is older than it looks."""
    state = Quarantine()
    for seconds, key, corrupt in stream(100):
        state, _ = passed(state, seconds, key, corrupt)
    assert is_stale(state, 100 / FPS, 2.0)
    assert not is_stale(state, 99 / FPS + 2.0, 2.0), "a frame of after the silence"
    assert not is_stale(state, 100 / FPS, 0.04)
    assert not is_stale(Quarantine(), 0.0, 60.0), "the first of all"


def test_a_slow_camera_is_never_stale() -> None:
    """One frame in three seconds is its own pace."""
    state = Quarantine()
    for number in range(20):
        assert not is_stale(state, 3.0 * number, 3.0)
        state, fit = passed(state, 3.0 * number, True, False)
        assert fit


def test_the_usual_step() -> None:
    assert usual_step([0.04] * 9 + [0.08]) == 0.04
    assert usual_step([0.04, 0.08] * 10) is None
    assert usual_step([0.04] * 4) is None
