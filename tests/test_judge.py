"""When does the judge raise an alarm? On a clock that the test turns by hand."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minehat import Detections
from minehat.detections import no_detections
from minewatch import Event, History, Rules, Voice, judge, settled

HELMET, HEAD = 0, 1
FPS = 12.5


def seen(*rows):
    """Detections of (label, score, box) rows."""
    return Detections(np.array([box for _, _, box in rows], np.float32).reshape(-1, 4),
                      np.array([score for _, score, _ in rows], np.float32),
                      np.array([label for label, _, _ in rows], np.int64))


BARE = seen((HEAD, 0.8, (100, 100, 140, 150)))
SAFE = seen((HELMET, 0.9, (100, 90, 140, 150)))


def events_of(scene, seconds, start=0.0, fps=FPS, history=None):
    """Judge `scene(t)` frame by frame; the history after it and all events."""
    history, told = history or History("gate"), []
    for row in range(round(seconds * fps)):
        history, events = judge(history, scene(start + row / fps), start + row / fps, row)
        told += events
    return history, told


def kinds(events):
    return [event.kind for event in events]


@pytest.mark.parametrize("seed", range(20))
def test_a_head_seen_for_30_s_with_a_fifth_of_the_frames_missed_is_one_event(seed):
    missed = np.random.default_rng(seed).random(1000) < 0.2
    _, events = events_of(lambda t: no_detections() if missed[round(t * FPS)] else BARE, 30)
    assert kinds(events) == ["bare_head"]
    assert events[0].loud and events[0].count == 1 and events[0].score == pytest.approx(0.8)
    assert events[0].box == (100, 100, 140, 150)
    assert 1.0 <= events[0].seconds - events[0].began < 2.0


def test_a_flicker_of_0_4_s_is_no_event():
    assert events_of(lambda t: BARE if 3 <= t % 10 < 3.4 else SAFE, 60)[1] == []


def test_an_alarm_needs_a_second_and_five_frames():
    assert events_of(lambda t: BARE, 0.96, fps=25)[1] == []
    assert kinds(events_of(lambda t: BARE, 1.04, fps=25)[1]) == ["bare_head"]
    assert events_of(lambda t: BARE, 2, fps=2)[1] == []
    assert kinds(events_of(lambda t: BARE, 2.5, fps=2)[1]) == ["bare_head"]


def test_a_source_slower_than_the_forgiven_gap_still_raises_its_alarm():
    assert kinds(events_of(lambda t: BARE, 20, fps=0.25)[1]) == ["bare_head"]


def test_an_occlusion_of_1_5_s_neither_splits_nor_delays_an_alarm():
    _, events = events_of(lambda t: no_detections() if 0.6 <= t < 2.0 or 10 <= t < 11.5 else BARE, 20)
    assert kinds(events) == ["bare_head"]
    assert events[0].began == 0


def test_an_alarm_closes_when_nobody_was_bare_for_5_s_and_says_what_it_was():
    crowd = seen((HEAD, 0.6, (0, 0, 10, 10)), (HEAD, 0.95, (50, 0, 60, 10)))
    _, events = events_of(lambda t: crowd if t < 3 else SAFE, 20)
    assert kinds(events) == ["bare_head", "bare_head_ended"]
    assert (events[1].began, events[1].count, events[1].loud) == (0, 2, False)
    assert events[1].seconds == pytest.approx(8, abs=0.1)


def test_pictures_that_stop_coming_do_not_close_an_alarm():
    history, _ = events_of(lambda t: BARE, 3)
    history, events = judge(history, BARE, 40.0)
    assert history.opened and events == []


def test_heads_that_come_back_after_the_close_are_a_new_event_whose_sound_waits_for_the_cool_down():
    _, events = events_of(lambda t: BARE if t < 3 or t >= 20 else SAFE, 90)
    assert kinds(events) == ["bare_head", "bare_head_ended", "bare_head", "bare_head_still"]
    assert [event.loud for event in events] == [True, False, False, True]
    assert events[3].seconds - events[0].seconds == pytest.approx(60, abs=0.1)


def test_a_new_alarm_after_the_cool_down_is_sounded():
    _, events = events_of(lambda t: BARE if t < 3 or t >= 70 else SAFE, 90)
    assert [(event.kind, event.loud) for event in events] == [
        ("bare_head", True), ("bare_head_ended", False), ("bare_head", True)]


def test_a_clock_that_goes_back_starts_afresh_and_loses_no_alarm():
    history, _ = events_of(lambda t: BARE, 3, start=3600)
    _, events = events_of(lambda t: BARE, 3, history=history)
    assert [(event.kind, event.loud) for event in events] == [("bare_head_ended", False), ("bare_head", True)]


def test_time_stamps_that_jitter_delay_nothing():
    jitter = np.random.default_rng(3).uniform(-0.3, 0.3, 1000)
    history, told = History("gate"), []
    for row in range(100):
        history, events = judge(history, BARE, row / FPS + jitter[row])
        told += events
    assert kinds(told) == ["bare_head"] and told[0].seconds < 2


@given(st.lists(st.booleans(), max_size=400), st.sampled_from([2.0, 5.0, 12.5, 25.0]))
def test_alarms_open_and_close_in_turn_and_the_sound_keeps_its_distance(bare, fps):
    _, events = events_of(lambda t: BARE if bare[round(t * fps)] else SAFE, len(bare) / fps, fps=fps)
    turns = [kind for kind in kinds(events) if kind != "bare_head_still"]
    assert turns == [["bare_head", "bare_head_ended"][row % 2] for row in range(len(turns))]
    sounds = [event.seconds for event in events if event.loud]
    assert all(b - a >= 60 - 1e-6 for a, b in itertools.pairwise(sounds))
    assert not turns or sounds


def test_judging_leaves_its_history_as_it_was():
    history, _ = events_of(lambda t: BARE, 0.5)
    before = dataclasses.asdict(history)
    judge(history, SAFE, 100.0)
    assert dataclasses.asdict(history) == before


def test_a_helmet_over_a_head_is_settled_by_score_and_a_tie_alarms():
    def labels(helmet_score, head_score):
        both = seen((HELMET, helmet_score, (100, 80, 150, 150)), (HEAD, head_score, (102, 90, 148, 150)))
        return settled(both, Rules()).labels.tolist()
    assert labels(0.9, 0.5) == [HELMET]
    assert labels(0.5, 0.9) == [HEAD]
    assert labels(0.7, 0.7) == [HEAD]


def test_people_apart_and_a_far_head_inside_a_near_helmet_are_left_alone():
    apart = seen((HELMET, 0.9, (0, 0, 50, 50)), (HEAD, 0.5, (40, 0, 90, 50)))
    far = seen((HELMET, 0.9, (0, 0, 200, 200)), (HEAD, 0.5, (90, 90, 110, 110)))
    for found in (apart, far, BARE, SAFE, no_detections()):
        assert len(settled(found, Rules())) == len(found)


def test_a_head_that_a_better_helmet_covers_raises_no_alarm():
    worn = seen((HELMET, 0.9, (100, 80, 150, 150)), (HEAD, 0.6, (102, 90, 148, 150)))
    assert events_of(lambda t: worn, 30)[1] == []


def test_the_journal_appends_and_closes_off_a_torn_line(tmp_path):
    path = tmp_path / "deep" / "events.jsonl"
    event = Event("bare_head", "巷道", 2.0, 1.0, 25, 0.8, (1, 2, 3, 4), 1, True)
    with Voice(str(path)) as voice:
        voice.say(event)
    with open(path, "ab") as file:
        file.write(b'{"kind": "bare_h')
    with Voice(str(path)) as voice:
        voice.say(event)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 3
    for line in (lines[0], lines[2]):
        assert Event(**{**{k: v for k, v in json.loads(line).items() if k != "written"},
                        "box": tuple(json.loads(line)["box"])}) == event
