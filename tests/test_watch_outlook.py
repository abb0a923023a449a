"""Is `all is well` said only when it is? How the watch stands in one line, and what a run carries over."""

from dataclasses import replace

import numpy as np
import pytest
from hand_clock import HandClock
from minewatch import outlook
from minewatch.album import EVERY, MOST, Album
from minewatch.carried import carried
from minewatch.config.schema import ClipsPart, KeepPart
from minewatch.desk import Desk
from minewatch.events.event import Event
from minewatch.events.recorder import Recorder
from minewatch.faults import COOLDOWN, Faults
from minewatch.judging.verdict import Verdict
from minewatch.scribe import Scribe
from minewatch.status import CameraStatus, DetectorStatus, EngineStatus, SinkStatus, StorageStatus
from minewatch.stumbles import STEADY, Stumbles

LIVE = CameraStatus("gate", "live", last_looked=0.1)
READY, WELL, OFF = DetectorStatus("ready"), StorageStatus("well"), EngineStatus()


def text_of(cameras=(LIVE,), detector=READY, engine=OFF, storage=WELL, sinks=(), fault="", suspect=False,
            page=""):
    reasons = outlook.unwatched(cameras, detector)
    others = outlook.troubles(detector, engine, storage, sinks, fault, suspect, page)
    return outlook.said(reasons, others, len(cameras))


def test_all_is_well_is_said_when_it_is():
    assert text_of() == "The camera is watched."
    assert text_of((LIVE, replace(LIVE, name="shaft"))) == "All 2 cameras are watched."


@pytest.mark.parametrize("changes", [
    {"standing": "connecting"}, {"standing": "waiting", "cause": "refused"}, {"standing": "blind", "cause": "broken"},
    {"standing": "ended"}, {"faults": ("covered",)}, {"last_looked": None}, {"last_looked": outlook.OLD + 0.1}])
def test_one_camera_that_nobody_looks_through_is_enough(changes):
    told = text_of((LIVE, replace(LIVE, name="shaft", **changes)))
    assert told.startswith("NOT WATCHING") and "shaft" in told and "gate" not in told


def test_a_reason_is_told_once():
    told = text_of((replace(LIVE, standing="waiting", text="nobody listens there", last_looked=None),))
    assert told == "NOT WATCHING: gate is waiting: nobody listens there"


def test_a_receiver_that_is_away_and_misses_nothing_is_no_trouble():
    assert text_of(sinks=(SinkStatus("mqtt", "retrying", behind=0),)) == text_of()


def test_of_two_faults_of_a_kind_one_goes_on_and_pictures_are_judged_anew():
    """C5: a run that ended badly may have left both."""
    refused, again = (Event("camera_fault", 1.0, "gate", cause=cause) for cause in ("refused", "timeout"))
    dark = Event("camera_fault", 1.0, "shaft", cause="dark")
    left = carried((refused, again, dark), {"gate", "shaft"})
    assert (left.faults, left.over) == ((refused,), (again, dark))


def test_no_camera_at_all_is_not_well():
    assert text_of(()).startswith("NOT WATCHING")
    assert text_of((CameraStatus("gate", "off"),)).startswith("NOT WATCHING")
    assert text_of((LIVE, CameraStatus("shaft", "off"))).startswith("All")


def test_a_detector_that_gives_no_answer_is_named_first():
    told = text_of((replace(LIVE, last_looked=9.0),), DetectorStatus("degraded", text="it hangs"))
    assert told.startswith("NOT WATCHING: the detector is degraded: it hangs; gate")


@pytest.mark.parametrize("changes, word", [
    ({"detector": DetectorStatus("degraded", text="no GPU", fallback=True)}, "second-choice"),
    ({"detector": DetectorStatus("degraded", text="3 hangs")}, "fails often"),
    ({"engine": EngineStatus("refused", text="no GPU here")}, "no GPU here"),
    ({"storage": StorageStatus("full", "no room")}, "no room"), ({"fault": "line 3"}, "line 3"),
    ({"sinks": (SinkStatus("mqtt", "retrying", 7),)}, "mqtt"), ({"suspect": True}, "clock"),
    ({"page": "port"}, "port")])
def test_what_else_is_wrong_is_told_though_all_is_watched(changes, word):
    told = text_of(**changes)
    assert told.startswith("Watching, but ") and word in told


def test_a_fault_is_told_once_however_often_it_is_found_and_so_is_its_end():
    faults = Faults()
    (began,) = faults.began("camera_fault", 1.0, "refused", "no answer", "gate")
    assert began.loud and not faults.began("camera_fault", 2.0, "auth", "locked", "gate")
    assert faults.began("camera_fault", 2.0, "auth", "locked", "shaft")
    (ended,) = faults.ended("camera_fault", 9.0, camera="gate")
    assert ended.kind == "camera_well" and ended.incident == began.incident and ended.began == 1.0
    assert not faults.ended("camera_fault", 10.0, camera="gate")


def test_a_camera_that_is_taken_away_takes_its_own_faults_alone():
    faults = Faults()
    for camera in ("gate", "shaft"):
        faults.began("camera_fault", 1.0, "refused", "", camera)
    faults.began("detector_fault", 1.0, "hang", "")
    assert [one.kind for one in faults.forget("gate", 2.0)] == ["camera_well"]
    assert faults.ended("camera_fault", 3.0, camera="shaft") and faults.ended("detector_fault", 3.0)


def test_a_fault_that_flaps_is_loud_once_in_a_cool_down_and_an_event_each_time():
    """A6: notices are held back, events never."""
    faults, loud = Faults(), 0
    for second in range(600):
        loud += sum(one.loud for one in faults.began("camera_fault", float(second), "ended", "", "gate"))
        assert faults.ended("camera_fault", second + 0.5, camera="gate")
    assert loud == 600 / COOLDOWN


def test_errors_with_a_camera_are_one_fault_that_only_judged_pictures_end():
    """B5: an error for each picture is one fault; neither time alone nor one good picture ends it."""
    stumbles = Stumbles()
    (fault,) = [one for second in range(100) for one in stumbles.fell(float(second), ValueError("x"))]
    assert fault.loud and stumbles.faults == ("error",) and "ValueError" in fault.remark
    assert stumbles.walked(99.5) == [] and stumbles.faults
    (well,) = stumbles.walked(99.0 + STEADY)
    assert (well.kind, well.incident) == ("camera_well", fault.incident) and not stumbles.faults
    assert stumbles.walked(500.0) == stumbles.ended(500.0, "") == []


def test_what_a_run_left_open_goes_on_or_ends():
    """C5: people and faults go on; pictures are judged anew; the disk's are the store's; cameras that are gone end."""
    person, refused, dark, gone, disk, hung = (
        Event("bare_head", 1.0, "gate"), Event("camera_fault", 1.0, "gate", cause="refused"),
        Event("camera_fault", 1.0, "gate", cause="dark"), Event("bare_head", 1.0, "old"), Event("storage_fault", 1.0),
        Event("detector_fault", 1.0, cause="hang"))
    left = carried((person, refused, dark, gone, disk, hung), {"gate"})
    assert left.incidents == (person,) and left.faults == (refused, hung) and left.over == (dark, gone)
    ends = left.endings(5.0)
    assert [(camera, one.kind, one.incident) for camera, one in ends] == [
        ("gate", "camera_well", dark.id), ("old", "bare_head_ended", gone.id)]
    faults = Faults(left.faults)
    assert not faults.began("camera_fault", 6.0, "refused", "", "gate")
    assert faults.ended("camera_fault", 7.0, camera="gate")[0].incident == refused.id


def test_times_of_events_are_reckoned_back_from_the_monotonic_clock():
    """F4: a wall clock that jumps between sight and verdict moves what is shown, not what is measured."""
    clock, faults = HandClock(10.0, wall=1010.0), Faults()
    (verdict,) = faults.began("detector_fault", 7.0, "hang", "", "")
    event = Scribe(clock, lambda: True).event_of(verdict)
    assert event.time == 1007.0 and event.clock_suspect and event.id == verdict.incident == event.incident
    clock.day += 7200
    (verdict,) = faults.ended("detector_fault", 9.0)
    end = Scribe(clock, lambda: False).event_of(verdict)
    assert end.time - end.began == 2.0 and end.incident == event.id != end.id


def test_the_album_holds_few_small_frames_those_with_people_last():
    album, now = Album(), 0.0
    for number in range(100):
        album.offer(np.full((1080, 1920, 3), number, np.uint8), number % 2, now)
        now += EVERY / 2
    frames = album.frames
    assert len(frames) == 2 * MOST and all(max(frame.shape) <= 640 for frame in frames)
    assert [int(frame[0, 0, 0]) % 2 for frame in frames] == [0] * MOST + [1] * MOST


def test_an_event_is_written_though_its_picture_cannot_be_made(tmp_path):
    """E1: no memory for a snapshot is no reason to lose the alarm."""
    clock = HandClock()
    recorder = Recorder(tmp_path, KeepPart(), clock)
    desk = Desk(recorder, Scribe(clock, lambda: False), clock, ClipsPart(enabled=False), lambda kept, seconds: None)

    def no_room():
        raise MemoryError

    desk.tell([Verdict("bare_head", 1.0, 0.0, loud=True)], "gate", no_room)
    assert recorder.stop()
    assert [kept.event.kind for kept, _ in recorder.committed()] == ["bare_head"]
