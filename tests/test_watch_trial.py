"""A new model while the watch runs: what it must show before it may look at live frames, and how it takes over."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from bright_onnx import CARD, bright_onnx
from detectors import bright, driven, staged
from hand_clock import HandClock
from minehat import scenes
from minehat.detections import Detections, no_detections
from minewatch.detection.candidate import Candidate
from minewatch.detection.messages import Model
from minewatch.detection.trial import Sight, objection, proof
from stand_in_detector import ENTRY

HANG_MS = 2000.0


@pytest.fixture
def model(tmp_path):
    return bright_onnx(tmp_path / "bright.onnx")


@pytest.fixture
def word(tmp_path):
    """A file for the stand-in."""
    def written(text, name=None):
        path = tmp_path / f"{name or text}.word"
        path.write_text(text)
        return Model(str(path))
    return written


def heads(count, shift=0.0, label=1, score=0.9):
    corners = np.arange(count, dtype=np.float32)[:, None] * 50 + np.array([0, 0, 40, 40], np.float32)
    return Detections((corners + shift).astype(np.float32), np.full(count, score, np.float32),
                      np.full(count, label, np.int64))


def sight(*found, ms=100.0, classes=("helmet", "head")):
    return Sight(classes, found, ms)


# What it must show


@pytest.mark.parametrize("new", [
    sight(heads(5), heads(5)), sight(heads(4), heads(4)), sight(heads(5, shift=6.0), heads(5, score=0.3)),
    sight(heads(11), heads(6)), sight(heads(5), heads(5), ms=900.0)])
def test_a_model_that_sees_what_the_old_one_sees_may_take_over(new):
    """D6: four in five of the old one's heads, somewhat more of its own, up to half of hang_seconds."""
    assert objection(new, sight(heads(5), heads(5)), HANG_MS) == ""


@pytest.mark.parametrize("new, word", [
    (sight(no_detections(), no_detections()), "0 of 10"), (sight(heads(5), heads(2)), "7 of 10"),
    (sight(heads(5, label=0), heads(5)), "5 of 10"), (sight(heads(5, shift=25.0), heads(5)), "5 of 10"),
    (sight(heads(40), heads(40)), "80 heads"), (sight(heads(5), heads(5), ms=1001.0), "1001 ms"),
    (sight(heads(5, score=np.nan), heads(5)), "finite"),
    (sight(heads(5), heads(5), classes=("person", "head")), "person, head")])
def test_a_model_that_is_blind_slow_or_sees_things_is_refused(new, word):
    """D6: with a line that tells why."""
    assert word in objection(new, sight(heads(5), heads(5)), HANG_MS)


def test_classes_in_another_order_are_the_same_classes():
    turned = sight(heads(5, label=0), heads(5, label=0), classes=("head", "helmet"))
    assert objection(turned, sight(heads(5), heads(5)), HANG_MS) == ""


def test_a_model_is_held_against_a_slow_one_by_twice_its_time():
    old = sight(heads(5), ms=3000.0)
    assert objection(sight(heads(5), ms=5900.0), old, HANG_MS) == ""
    assert objection(sight(heads(5), ms=6100.0), old, HANG_MS)


def test_what_was_not_proven_is_said():
    nobody = sight(no_detections())
    assert objection(nobody, nobody, HANG_MS) == ""
    assert "not proven" in proof(nobody, nobody)
    assert "no old model" in proof(nobody, None)
    assert "5 of 5" in proof(sight(heads(5)), sight(heads(5)))


# How it takes over


def test_a_good_model_takes_over_between_two_batches(model, tmp_path):
    """D6: and until its trial is over the old one answers."""
    other = bright_onnx(tmp_path / "other.onnx", dataclasses.replace(CARD, name="other"))
    with driven(model) as one, staged(bright(cell=4)) as places:
        one.ready()
        first = one.detector.pid
        one.detector.try_model(Model(str(other)), [bright(), bright(cell=4)])
        assert "trial" in one.detector.status().trial
        while not one.changes("swapped"):
            if one.detector.idle:
                assert len(one.answered(places).found[0]) == 1
            one.until(lambda: one.detector.idle)
        assert "2 of 2 heads" in one.changes("swapped")[0].text
        assert (one.detector.status().model, one.detector.status().trial) == ("other", "")
        assert one.detector._spare.pid == first
        assert not one.detector._spare.ended  # the new one has looked at no live frame yet
        assert len(one.answered(places).found[0]) == 1
        assert one.detector.pid != first
        assert one.detector._spare is None
        assert one.standings == ["ready"]


@pytest.mark.parametrize("harm", ["truncated", "blind", "nan", "classes", "absent"])
def test_a_bad_model_is_refused_and_the_old_one_goes_on(model, tmp_path, harm):
    """D6: one line tells why; no process but the old one's is left."""
    bad = tmp_path / "bad.onnx"
    if harm == "blind":
        bright_onnx(bad, dataclasses.replace(CARD, name="blind", conf=1.0))
    elif harm == "nan":
        bright_onnx(bad, spoiled="zero")
    elif harm == "classes":
        bright_onnx(bad, dataclasses.replace(CARD, name="strange", classes=("person", "head")))
    elif harm == "truncated":
        bad.write_bytes(model.read_bytes()[:600])
    with driven(model) as one, staged(bright(cell=4)) as places:
        one.ready()
        first = one.detector.pid
        one.detector.try_model(Model(str(bad)), [bright(), bright(cell=4, blue=250)])
        one.until(lambda: one.changes("refused"))
        assert "\n" not in one.changes("refused")[0].text
        assert one.detector.pid == first
        one.until(lambda: one.detector.idle)
        assert len(one.answered(places).found[0]) == 1
        assert one.standings == ["ready"]
        assert one.detector.status().trial == ""


def test_a_slow_model_is_refused(word):
    """D6: 600 ms where the old one takes 1."""
    with driven(word("well").file, ENTRY, hang_seconds=1.0) as one:
        one.ready()
        one.detector.try_model(word("slow"), [bright()])
        one.until(lambda: one.changes("refused"))
        assert "600 ms" in one.changes("refused")[0].text


def test_a_model_that_hangs_at_its_trial_is_refused(word):
    """D6: by the clock, and the old one never stops."""
    with driven(word("well").file, ENTRY) as one, staged(bright()) as places:
        one.ready()
        one.detector.try_model(word("deaf"), [bright()])
        one.until(lambda: one.detector._candidate._looks == 2)
        one.clock.now += 11.0
        one.until(lambda: one.changes("refused"))
        assert "no answer" in one.changes("refused")[0].text
        one.answered(places)


def test_without_a_frame_there_is_no_trial(word):
    with driven(word("well").file, ENTRY) as one:
        one.ready()
        one.detector.try_model(word("well", "new"), [])
        one.until(lambda: one.changes("refused"))
        assert "no frame" in one.changes("refused")[0].text


@pytest.mark.parametrize("late", [False, True])
def test_a_new_model_that_fails_within_a_minute_gives_way_to_the_old_one(word, late):
    """D6: it stood its trial of two looks, and dies at its first or second live batch."""
    with driven(word("well").file, ENTRY) as one, staged(bright()) as places:
        one.ready()
        first = one.detector.pid
        one.detector.try_model(word("dies"), [bright()])
        one.until(lambda: one.changes("swapped"))
        if late:
            one.clock.now += 61.0
        pictures = one.look(places)
        one.until(lambda: one.detector.idle)
        assert [picture.freed for picture in pictures] == [1]
        assert one.detector.status().model == ("dies" if late else "well")
        assert bool(one.changes("refused")) != late
        assert (one.detector.pid == first) != late
        assert len(one.answered(places).found) == 1


def test_a_trial_is_what_a_degraded_detector_recovers_by(word):
    """D6: where the old model cannot answer, the new one is judged by itself."""
    with driven(word("wrong").file, ENTRY) as one, staged(bright()) as places:
        one.until(lambda: one.standings)
        assert one.standings == ["degraded"]
        one.detector.try_model(word("well"), [bright()])
        one.until(lambda: one.changes("swapped"))
        assert one.standings == ["degraded", "ready"]
        one.answered(places)


def test_a_second_trial_takes_the_place_of_the_first(word):
    with driven(word("well").file, ENTRY) as one:
        one.ready()
        one.detector.try_model(word("never"), [bright()])
        one.turn()
        one.detector.try_model(word("well", "second"), [bright()])
        one.until(lambda: one.changes("swapped"))
        assert not one.changes("refused")


def test_a_trial_that_gave_way_leaves_nothing_behind(word):
    """D6: what the old model finds on the frames of the first trial is not held against the second model."""
    with driven(word("lasts 0.3").file, ENTRY) as one:
        one.ready()
        one.detector.try_model(word("well"), [bright()] * 3)
        one.until(lambda: one.detector._rehearsing)
        one.detector.try_model(word("well", "second"), [bright()])
        one.until(lambda: one.changes("swapped"))
        assert "1 of 1 heads" in one.changes("swapped")[0].text
        assert not one.changes("refused")


def test_frames_that_the_old_model_cannot_read_are_no_proof(word):
    with driven(word("well").file, ENTRY) as one:
        one.ready()
        one.detector.try_model(word("well", "new"), [bright()])
        one.detector._candidate.take_old(None)
        one.until(lambda: one.changes("refused"))
        assert "could not read" in one.changes("refused")[0].text


def test_of_many_frames_a_trial_takes_the_last_ones(word):
    from minewatch.config.schema import DetectorPart

    part = DetectorPart(batch=2)
    candidate = Candidate(word("well"), [bright()] * 5, part, ENTRY, HandClock().now)
    assert len(candidate.stage.places) == 2
    worker = candidate.close()
    worker.kill()
    worker._process.wait()
    worker.close()


@pytest.mark.soak
@pytest.mark.parametrize("old, new", [("int8-cpu.onnx", "onnx"), ("onnx", "int8-cpu.onnx"),
                                      ("int8-cpu.onnx", "416x256.int8-cpu.onnx")])
def test_the_shipped_models_pass_each_other_s_trials(figure, old, new):
    """D6: on eight rendered frames, as the watch keeps them."""
    folder = Path(__file__).parents[1] / "models" / "helmet-nano"
    frames = [scene.frame for scene in scenes.film(11, 8, 640, 360, fps=0.5, people=4)]
    with driven(folder / f"helmet-nano.{old}", hang_seconds=10.0) as one:
        one.ready()
        one.detector.try_model(Model(str(folder / f"helmet-nano.{new}")), frames)
        one.until(lambda: one.changes("swapped") or one.changes("refused"))
        told, = one.changes("swapped") + one.changes("refused")
        figure("D6", f"helmet-nano.{old} -> {new}: {told.kind}, {told.text}")
        assert told.kind == "swapped"


def test_a_model_that_comes_back_need_only_answer(tmp_path, model):
    """An update is taken back because of a camera: the model of before sees less than the one that it gives way to."""
    less = bright_onnx(tmp_path / "less.onnx", dataclasses.replace(CARD, name="less", conf=1.0))
    strange = bright_onnx(tmp_path / "nan.onnx", spoiled="zero")
    with driven(model) as one, staged(bright(cell=4)) as places:
        one.ready()
        one.detector.try_model(Model(str(less)), [bright(cell=4, blue=250)], known=True)
        one.until(lambda: one.changes("swapped"))
        assert "ran here before" in one.changes("swapped")[0].text
        one.answered(places)
        one.detector.try_model(Model(str(strange)), [bright()], known=True)
        one.until(lambda: one.changes("refused"))
        assert "not finite" in one.changes("refused")[0].text
