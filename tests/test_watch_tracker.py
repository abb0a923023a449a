"""Does the tracker keep people apart, over time, sizes and rates, as a well-known library does?"""

import dataclasses
import time

import numpy as np
import pytest
from golden_trackers import FPS, HEIGHT, PATH, SCENES, SURE, WIDTH, scene
from hypothesis import given, settings
from hypothesis import strategies as st
from minewatch.judging.tracker import Settings, no_tracks, track

SETTINGS = Settings(sure=SURE, gap=1.5)


def numbers_of(boxes, scores, frames, fps, kinds=None, settings=SETTINGS):
    """The number of each row's track."""
    tracks, numbers = no_tracks(), np.zeros(len(frames), np.int64)
    kinds = np.zeros(len(frames)) if kinds is None else kinds
    for frame in range(int(frames.max()) + 1):
        here = np.flatnonzero(frames == frame)
        tracks, numbers[here] = track(tracks, boxes[here], scores[here], kinds[here], frame / fps, settings)
    return numbers


def association(people, numbers):
    """HOTA's accuracy of association, of rows that were given a number, and how often a person's number changes."""
    kept = numbers > 0
    people, numbers = people[kept], numbers[kept]
    pairs, counts = np.unique(np.stack([people, numbers]), axis=1, return_counts=True)
    of_person, of_number = np.bincount(people), np.bincount(numbers)
    each = counts / (of_person[pairs[0]] + of_number[pairs[1]] - counts)
    switches = sum(int((np.diff(numbers[people == who]) != 0).sum()) for who in np.unique(people))
    return float((each * counts).sum() / counts.sum()), switches


def links(people, numbers):
    """For each sight but the first of a person: whether it bears the number of the sight before. -1 where unknown."""
    linked = np.full(len(people), -1)
    for who in np.unique(people):
        rows = np.flatnonzero(people == who)
        known = (numbers[rows][1:] > 0) & (numbers[rows][:-1] > 0)
        linked[rows[1:][known]] = (np.diff(numbers[rows]) == 0)[known]
    return linked


def test_it_keeps_people_apart_as_the_library_trackers_does():
    sums = np.zeros((2, 2))
    for name in SCENES:
        with np.load(PATH) as golden:
            rows = {column: golden[f"{name}_{column}"] for column in ("boxes", "scores", "frames", "people", "theirs")}
        numbers = numbers_of(rows["boxes"] / np.tile([WIDTH, HEIGHT], 2), rows["scores"], rows["frames"], FPS)
        ours, theirs = association(rows["people"], numbers), association(rows["people"], rows["theirs"])
        print(f"{name}: AssA {ours[0]:.3f}, {ours[1]} switches; trackers {theirs[0]:.3f}, {theirs[1]}")
        sums += [ours, theirs]
        one, other = links(rows["people"], numbers), links(rows["people"], rows["theirs"])
        both = (one >= 0) & (other >= 0)
        assert both.sum() > 0.5 * len(one)
        assert (one[both] == other[both]).mean() >= 0.99
    (ours, our_switches), (theirs, their_switches) = sums
    assert ours >= theirs - 0.03
    assert our_switches <= their_switches


def test_the_golden_boxes_are_what_their_maker_makes():
    with np.load(PATH) as golden:
        for seed, (name, (people, missed)) in enumerate(SCENES.items()):
            for column, values in scene(seed, people, missed).items():
                np.testing.assert_allclose(golden[f"{name}_{column}"], values, rtol=1e-5)


def walk(fps, seconds, pace=0.02, size=0.04, missed=0.0, seed=0):
    """One head that goes to the right, `pace` of the picture a second."""
    rng = np.random.default_rng(seed)
    frames = np.arange(round(seconds * fps))
    frames = frames[rng.random(len(frames)) >= missed]
    x = 0.1 + pace * frames / fps
    boxes = np.stack([x, np.full(len(x), 0.4), x + size, np.full(len(x), 0.4 + size)], axis=1)
    return boxes + rng.normal(0, 0.03 * size, boxes.shape), np.full(len(x), 0.8), frames


@pytest.mark.parametrize("fps", [1.5, 2, 5, 12.5, 25])
def test_one_walker_is_one_track_at_any_rate(fps):
    for seed in range(6):
        boxes, scores, frames = walk(fps, 20, missed=0.2 if fps > 2 else 0.0, seed=seed)
        assert set(numbers_of(boxes, scores, frames, fps)) == {1}


def test_frames_at_uneven_times_keep_tracks():
    rng, tracks, told = np.random.default_rng(4), no_tracks(), set()
    for now in np.cumsum(rng.uniform(0.04, 1.0, 100)):
        x = 0.1 + 0.008 * now
        box = np.array([[x, 0.4, x + 0.04, 0.45]])
        tracks, numbers = track(tracks, box, np.array([0.8]), np.zeros(1), now, SETTINGS)
        told |= set(numbers.tolist())
    assert told == {1}


def test_a_track_ends_after_the_gap_and_its_number_is_never_given_again():
    """B4: ids never re-used."""
    box, score, kind = np.array([[0.4, 0.4, 0.5, 0.5]]), np.array([0.9]), np.zeros(1)
    nothing = np.zeros((0, 4)), np.zeros(0), np.zeros(0)
    tracks, given = no_tracks(), []
    for round_ in range(50):
        tracks, numbers = track(tracks, box, score, kind, 10.0 * round_, SETTINGS)
        given += numbers.tolist()
        tracks, _ = track(tracks, *nothing, 10.0 * round_ + 1.4, SETTINGS)
        assert len(tracks) == 1
        tracks, _ = track(tracks, *nothing, 10.0 * round_ + 1.6, SETTINGS)
        assert len(tracks) == 0
    assert given == list(range(1, 51))


def test_unsure_boxes_carry_a_track_on_but_begin_none():
    boxes, scores, frames = walk(12.5, 4)
    assert set(numbers_of(boxes, np.full(len(scores), 0.3), frames, 12.5)) == {0}
    scores = np.where(np.arange(len(scores)) % 12 == 0, 0.8, 0.3)
    assert set(numbers_of(boxes, scores, frames, 12.5)) == {1}


def test_crossing_people_of_two_kinds_keep_their_tracks():
    kept = 0
    for seed in range(20):
        right, scores, frames = walk(12.5, 10, pace=0.06, seed=seed)
        left = right.copy()
        left[:, [0, 2]] = 0.8 - right[:, [2, 0]]
        boxes, kinds = np.concatenate([right, left]), np.repeat([0.0, 1.0], len(right))
        numbers = numbers_of(boxes, np.concatenate([scores] * 2), np.concatenate([frames] * 2), 12.5, kinds)
        kept += all(len(set(part)) == 1 for part in np.split(numbers, 2))
    assert kept >= 19


def test_a_network_that_mistakes_kinds_breaks_no_track():
    boxes, scores, frames = walk(12.5, 20)
    kinds = (np.random.default_rng(1).random(len(frames)) < 0.5).astype(float)
    assert set(numbers_of(boxes, scores, frames, 12.5, kinds)) == {1}


def test_another_shape_of_the_picture_keeps_tracks():
    """A11: a resolution change: shares of the sides stay, whatever the pixels."""
    boxes, scores, frames = walk(12.5, 4)
    wide = numbers_of(boxes, scores, frames, 12.5)
    tall = numbers_of(boxes * [0.25, 1, 0.25, 1], scores, frames, 12.5)
    np.testing.assert_array_equal(wide, tall)


def test_two_hundred_heads_are_bounded_and_quick_enough():
    """B3: 200 heads a frame."""
    rng, settings = np.random.default_rng(0), Settings(most=150)
    tracks, seconds = no_tracks(), []
    middles, sides = rng.random((200, 2)), rng.uniform(0.02, 0.04, (200, 2))
    for frame in range(60):
        middles += rng.normal(0, 0.003, (200, 2))
        here = rng.random(200) < 0.8
        boxes = np.concatenate([middles - sides / 2, middles + sides / 2], axis=1)[here]
        begun = time.perf_counter()
        tracks, numbers = track(tracks, boxes, rng.uniform(0.3, 0.9, len(boxes)), np.zeros(len(boxes)), frame / 12.5,
                                settings)
        seconds.append(time.perf_counter() - begun)
        assert len(tracks) <= 150 and len(set(numbers[numbers > 0])) == (numbers > 0).sum()
        assert set(numbers[numbers > 0]) <= set(tracks.numbers.tolist())
    print(f"200 heads: {1000 * np.median(seconds):.2f} ms a frame, median")


HEADS = st.tuples(*[st.floats(-0.5, 1.5)] * 2, *[st.floats(1e-4, 1)] * 2, st.floats(0, 1))  # x, y, sides, score


@settings(deadline=None)
@given(st.lists(st.lists(HEADS, max_size=8), max_size=12), st.floats(0.01, 3))
def test_whatever_is_seen_no_number_is_given_twice_in_a_frame_and_inputs_stay(frames, step):
    tracks = no_tracks()
    for row, heads in enumerate(frames):
        table = np.array(heads).reshape(-1, 5)
        boxes = np.concatenate([table[:, :2], table[:, :2] + table[:, 2:4]], axis=1)
        before = dataclasses.astuple(tracks)
        after, numbers = track(tracks, boxes, table[:, 4], (table[:, 4] > 0.5).astype(float), row * step, SETTINGS)
        for one, other in zip(dataclasses.astuple(tracks), before, strict=True):
            np.testing.assert_equal(one, other)
        given_now = numbers[numbers > 0]
        assert len(set(given_now)) == len(given_now)
        assert np.isfinite(after.motion.places).all() and after.given >= tracks.given
        assert set(numbers[numbers > tracks.given]) == set(range(tracks.given + 1, after.given + 1))
        tracks = after
