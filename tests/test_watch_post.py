"""What a camera's post makes of its camera's news, of pictures, and of our own errors with either."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
from minehat.detections import Detections, no_detections
from minewatch.cameras.messages import Arrived, ClipDone
from minewatch.cameras.standing import Change
from minewatch.config.schema import CameraPart, RulesPart
from minewatch.faults import COOLDOWN, Faults
from minewatch.judging.history import History
from minewatch.post import LONG, Post
from minewatch.status import CameraStatus
from minewatch.stumbles import STEADY

REFUSED, LIVE = Change("waiting", "refused", "nobody listens there"), Change("live", None, "")
BARE = Detections(np.array([[40, 40, 60, 65]], np.float32), np.array([0.9], np.float32), np.array([1]))


@dataclass
class Said:
    """A camera that says what the test wants it to."""

    words: list = field(default_factory=list)
    abandoned: list = field(default_factory=list)

    def turn(self, now):
        words, self.words = self.words, []
        if ValueError in words:
            raise ValueError("what was that?")
        return words

    def abandon(self, now, text):
        self.abandoned.append(text)

    def status(self):
        return CameraStatus("gate", "live")


@pytest.fixture
def post():
    part = CameraPart(name="gate", url="rtsp://192.0.2.1/x")
    return Post(part, Said(), History.fresh(RulesPart(), (), ("helmet", "head"), "run"), Faults())


def told(verdicts):
    return [(one.kind, one.cause, one.loud) for one in verdicts]


def looked(post, now, found=None):
    """A picture of 100 x 100 that arrived a moment ago."""
    picture = SimpleNamespace(size=(100, 100), arrived=SimpleNamespace(moment=now - 0.1))
    return post.judged(picture, no_detections() if found is None else found, now)


def says(post, now, *words):
    post.camera.words += words
    return post.turn(now)


def test_what_a_reader_says_that_makes_no_sense_costs_it_its_connection_and_blinds_that_camera(post):
    """Told once, however often it happens; well only after pictures have been judged for a while."""
    assert told(says(post, 10.0, ValueError)) == [("camera_fault", "error", True)]
    assert post.status(10.0).faults == ("error",) and "ValueError" in post.camera.abandoned[0]
    assert says(post, 12.0, ValueError) == [] and len(post.camera.abandoned) == 2
    assert says(post, 12.0 + 5 * STEADY) == [] and post.status(70.0).faults == ("error",)  # time alone proves nothing
    post.stumbled(70.0, KeyError())
    assert looked(post, 70.0 + STEADY - 0.1) == []
    assert told(looked(post, 70.0 + STEADY)) == [("camera_well", "error", False)]
    assert post.status(90.0).faults == () and looked(post, 90.0) == []


def test_faults_of_one_camera_are_sounded_once_a_cool_down_whoever_finds_them(post):
    assert told(says(post, 1.0, REFUSED)) == [("camera_fault", "refused", True)]
    assert told(says(post, 2.0, LIVE)) == [("camera_well", "", False)]
    assert told(post.stumbled(3.0, KeyError())) == [("camera_fault", "error", False)]
    looked(post, 4.0 + STEADY)
    assert told(post.stumbled(1.0 + COOLDOWN, KeyError())) == [("camera_fault", "error", True)]


def test_a_dark_picture_is_a_fault_though_the_camera_is_live(post):
    """A14: nobody can be seen in it."""
    night, found = bytes(90 * 160), []
    for half in range(40):
        found += says(post, half / 2, Arrived(0, half, half / 2, None, thumb=night, print=half))
    assert told(found) == [("camera_fault", "dark", True)] and post.status(20.0).faults == ("dark",)


def test_a_camera_that_is_taken_away_leaves_nothing_open(post):
    says(post, 1.0, REFUSED)
    post.stumbled(2.0, KeyError())
    for row in range(20):
        looked(post, 3.0 + row / 10, BARE)
    assert post.status(6.0).open_incidents == 1
    ends = post.close(6.0, "gone")
    assert sorted(one.kind for one in ends) == ["bare_head_ended", "camera_well", "camera_well"]
    assert post.close(7.0, "gone") == [] and post.status(7.0).open_incidents == 0


def test_how_old_the_newest_result_is(post):
    assert post.status(1.0).last_looked is None and post.status(1.0).age_ms is None
    looked(post, 2.0)
    status = post.status(5.0)
    assert status.last_looked == 3.0 and status.age_ms == pytest.approx(100)


def test_clips_that_are_done_are_handed_on(post):
    done = ClipDone("a.mp4", 9)
    assert says(post, 1.0, done) == [] and post.clips == [done]


def test_a_live_camera_that_nobody_looks_at_is_told_and_so_is_its_end(post):
    """B1: silence of the detector about one camera alone is no safety."""
    waiting = CameraStatus("gate", "live", last_looked=60.0)
    told = [(now, verdict) for now in range(30) for verdict in post.overlooked(waiting, True, float(now))]
    ((when, fault),) = told
    assert when == LONG and fault.kind == "camera_fault" and fault.cause == "overlooked" and fault.loud
    (well,) = post.overlooked(CameraStatus("gate", "live", last_looked=0.1), True, 31.0)
    assert well.kind == "camera_well" and well.incident == fault.incident


@pytest.mark.parametrize("camera, looking", [
    (CameraStatus("gate", "live", last_looked=1.0), True), (CameraStatus("gate", "waiting", last_looked=60.0), True),
    (CameraStatus("gate", "live", last_looked=None), False)])
def test_what_has_a_fault_of_its_own_or_none_is_not_overlooked(post, camera, looking):
    assert not [verdict for now in range(60) for verdict in post.overlooked(camera, looking, float(now))]
