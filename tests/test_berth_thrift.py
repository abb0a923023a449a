"""The budget at work: what cameras may have, what is told of it, and a whole watch on a board that gets hot."""

import sys
from dataclasses import dataclass, field, replace

import pytest
from jetson_trees import agx_orin, orin_nano, write, zones
from minehat.telemetry import Reading, read_all
from minewatch import outlook
from minewatch.board import thermometer
from minewatch.board.budget import DOWN, FLOOR, HOLD, STALE
from minewatch.board.thermometer import Thermometer
from minewatch.board.thrift import LONG, REMEMBERED, Thrift
from minewatch.config.schema import Config
from minewatch.metrics import Metrics
from minewatch.status import CameraStatus
from mqtt_lab import status_of
from page_stage import Stage
from page_stage import status_of as page_status
from waiting import wait_for
from watching import BLIND_TO_HEALTH, Watching, bare_clip

LIVE = CameraStatus("gate", "live", fps=25.0, looked=20.0, last_looked=0.1)


@dataclass
class Told:
    """Sensors that say what the test wants them to."""

    reading: Reading | None = None
    limits: dict = field(default_factory=lambda: {"cpu": 99.0})


class Box:
    """A watch's budget, its sensors and its clock. Cameras are looked at as the budget allows, at most 20 times."""

    def __init__(self, *cameras, **parts):
        cameras = cameras or ({"name": "gate", "url": "rtsp://192.0.2.1/x"},)
        self.config = Config.model_validate({"version": 1, "state": "state", "model": {"file": "m.onnx"},
                                             "cameras": cameras, **parts})
        self.sensors, self.now, self.verdicts = Told(), 1000.0, []
        self.thrift = Thrift(self.config, self.sensors)
        self.most = dict.fromkeys((one["name"] for one in cameras), 20.0)

    def go(self, seconds, celsius=50.0, **reading):
        for _ in range(round(seconds)):
            self.now += 1.0
            self.sensors.reading = Reading(self.now, celsius={"cpu": celsius}, **reading)
            self.turn()
        return self.status()

    def turn(self):
        cameras = [replace(LIVE, name=name, looked=min(most, self.thrift.paces.get(name, most)))
                   for name, most in self.most.items()]
        for name, told in self.thrift.turn(cameras, self.now):
            self.verdicts += [(name, one.kind, one.cause) for one in told]

    def status(self):
        return self.thrift.status(self.now)


def test_a_hot_board_gets_fewer_looks_down_to_what_alarms_need_and_all_of_them_when_it_is_cool():
    box = Box()
    assert (box.go(5).share, box.thrift.paces) == (1.0, {})
    hot = box.go(1, 94.0)
    assert hot.share == 0.75 and box.thrift.paces == {"gate": 5 + 0.75 * 15} and "cpu is at 94 C of 94" in hot.text
    assert box.go(DOWN * FLOOR, 95.0).share == 0.0 and box.thrift.paces == {"gate": 5.0}
    assert box.go(300, 92.0).share == 0.0  # neither hot nor cool: it stays as it is
    assert box.go(HOLD * (FLOOR + 1)).share == 1.0 and box.thrift.paces == {} and box.status().text == ""
    assert box.verdicts == []  # nothing was missed


def test_each_camera_keeps_what_its_own_rules_need():
    box = Box({"name": "gate", "url": "rtsp://192.0.2.1/x", "rules": {"frames": 8}},
              {"name": "belt", "url": "rtsp://192.0.2.2/x", "rules": {"seconds": 2.0}},
              {"name": "now", "url": "rtsp://192.0.2.3/x", "rules": {"seconds": 0}},
              {"name": "slow", "url": "rtsp://192.0.2.4/x", "most_fps": 4})
    box.most["slow"] = 4.0
    box.go(10)
    box.go(DOWN * (FLOOR + 1), 97.0)
    assert box.thrift.paces == {"gate": 8.0, "belt": 2.5}  # the others have nothing to spare
    box.thrift.config = box.config.model_copy(update={"rules": box.config.rules.model_copy(update={"frames": 6})})
    box.go(1, 97.0)
    assert box.thrift.paces == {"gate": 8.0, "belt": 3.0}  # a reload holds at once


def test_a_camera_that_comes_while_it_is_hot_is_held_back_too():
    box = Box()
    box.most["gate"] = 0.0  # not there yet
    box.go(DOWN * (FLOOR + 1), 97.0)
    box.most["gate"] = 20.0
    box.go(2, 97.0)
    assert box.thrift.paces == {"gate": 5.0}


def test_fewer_looks_than_an_alarm_needs_are_a_fault_that_is_told_and_so_is_its_end():
    """I9: by hand-turned clock."""
    box = Box()
    box.go(10)
    box.go(DOWN * (FLOOR + 1), 97.0)
    box.most["gate"] = 2.0  # the board throttles all the same, and the detector falls behind
    status = box.go(LONG, 104.0, throttled=("CPU too hot",))
    assert box.verdicts == [] and status.short == ()
    status = box.go(1, 104.0, throttled=("CPU too hot",))
    assert box.verdicts == [("gate", "camera_fault", "sparse")] and status.short == ("gate",)
    assert outlook.strained(status)[0].startswith("gate: fewer looks than an alarm needs")
    box.go(60, 104.0, throttled=("CPU too hot",))
    assert len(box.verdicts) == 1  # once
    box.most["gate"] = 20.0
    status = box.go(1, 104.0)
    assert box.verdicts[1:] == [("gate", "camera_well", "")] and status.short == ()


def test_a_camera_that_is_taken_away_or_sends_little_is_not_short_of_looks():
    box = Box()
    box.go(DOWN * (FLOOR + 1), 97.0)
    box.most["gate"] = 2.0
    box.go(LONG + 1, 104.0)
    assert box.status().short == ("gate",)
    box.most.clear()
    box.go(1, 104.0)
    assert [kind for _, kind, _ in box.verdicts] == ["camera_fault", "camera_well"] and box.status().short == ()
    little = Box({"name": "gate", "url": "rtsp://192.0.2.1/x", "most_fps": 3})
    little.most["gate"] = 3.0
    assert little.go(3 * LONG, 104.0).short == () and little.verdicts == []  # as somebody wanted it


def test_what_was_throttled_is_told_for_a_while_and_what_sensors_do_not_tell_is_not():
    box = Box(budget={"watts": 14})
    status = box.go(1, total_watts=20.0, throttled=("supply voltage too low",))
    assert status.throttled and status.share == 0.75 and status.watts == 20.0 and status.celsius == {"cpu": 50.0}
    assert box.go(REMEMBERED - 1).throttled and not box.go(2).throttled
    box.now += STALE + 1
    box.turn()
    assert box.status().celsius == {} and box.status().watts is None


def test_a_little_less_than_needed_is_counting_and_a_camera_that_is_away_has_a_fault_of_its_own():
    box = Box()
    box.go(DOWN * (FLOOR + 1), 97.0)
    box.most["gate"] = 4.6  # of 5
    assert box.go(3 * LONG, 104.0).short == () and box.verdicts == []
    box.most["gate"] = 1.0
    for _ in range(round(3 * LONG)):
        box.now += 1.0
        box.sensors.reading = Reading(box.now, celsius={"cpu": 104.0})
        assert box.thrift.turn([replace(LIVE, standing="reconnecting", looked=1.0)], box.now) == []
    assert box.status().short == ()


def test_sensors_that_hang_do_not_say_for_ever_that_the_board_slows_itself_down():
    box = Box()
    assert box.go(1, throttled=("CPU too hot",)).throttled
    for _ in range(round(STALE + REMEMBERED) + 2):
        box.now += 1.0
        box.turn()
    assert box.status().throttled == ()


def test_where_the_budget_is_switched_off_nothing_is_held_back():
    assert Box(budget={"enabled": False}).go(60, 120.0).share == 1.0


def test_it_is_said_in_the_metrics_and_on_the_page(tmp_path):
    box = Box()
    box.go(10)
    board = box.go(3, 96.0, total_watts=11.5)
    metrics = Metrics()
    metrics.update(replace(status_of(LIVE), board=board))
    told = metrics.text().decode()
    assert "minewatch_looks_share 0.75" in told and 'minewatch_board_celsius{zone="cpu"} 96.0' in told
    assert "minewatch_board_watts 11.5" in told and "minewatch_board_throttled 0.0" in told
    others = tuple(outlook.strained(board))
    with Stage(tmp_path) as stage:
        stage.tell(replace(page_status(), board=board, troubles=others, text=outlook.said((), others, 2)))
        page = stage.browser().get("/health").text
    assert "96 °C" in page and "11.5 W" in page and "75 %" in page and "cpu is at 96 C of 94" in page


def test_sensors_are_read_by_a_thread_that_ends(tmp_path):
    thermometer = Thermometer(orin_nano(tmp_path))
    try:
        wait_for(lambda: thermometer.reading is not None, 20)
        assert thermometer.reading.total_watts == pytest.approx(9.3) and thermometer.limits["cpu"] == 99.0
        write(tmp_path, zones(cpu=97.0))
        wait_for(lambda: thermometer.reading.celsius["cpu"] == 97.0, 20)
    finally:
        thermometer.stop()


ELSEWHERE = """
import functools
import sys
if __name__ == "__main__":
    from minewatch import cli, watch
    from minewatch.board import budget, thermometer
    budget.DOWN, thermometer.EVERY = 0.5, 0.2
    watch.Thermometer = functools.partial(thermometer.Thermometer, sys.argv[1])
    sys.exit(cli.main(["run", sys.argv[-1]]))
"""


def test_a_whole_watch_looks_less_while_its_board_is_hot_and_misses_no_alarm(tmp_path):
    """I9: a made-up board."""
    root, script = agx_orin(tmp_path / "root"), tmp_path / "elsewhere.py"
    script.write_text(ELSEWHERE)
    clip = bare_clip(tmp_path / "clip.mp4", 6.0, (1.0, 4.0), fps=25)
    camera = {"name": "cam", "url": str(clip), "repeat": True, "health": BLIND_TO_HEALTH, "rules": {"quiet": 1.0}}
    watch = Watching(tmp_path, [camera])
    watch.start(wrap=(sys.executable, str(script), str(root)))
    try:
        floor = wait_for(lambda: (told := watch.status()) and told["board"]["share"] == 0 and told, 60)
        assert floor["board"]["celsius"]["gpu"] == 98.75 and "fewer looks" in floor["troubles"][0]
        wait_for(lambda: watch.camera()["looked"] <= 6, 60)  # of 25; a busy machine makes them fewer, never more
        seen = watch.rows()[-1]["seq"]
        wait_for(lambda: [row for row in watch.rows("bare_head") if row["seq"] > seen], 60)
        assert watch.stop() == 0 and "fewer looks are made" in watch.log.read_text()
    finally:
        watch.__exit__()


def test_sensors_that_fail_once_are_read_again(tmp_path, monkeypatch):
    """Whatever they raise: a thread that ended would leave a hot board to itself for months."""
    failures = [OSError("bus error"), KeyError("gone")]

    def failing(sensors):
        if failures:
            raise failures.pop()
        return read_all(sensors)

    monkeypatch.setattr(thermometer, "PAUSE", 0.05)
    monkeypatch.setattr(thermometer, "read_all", failing)
    one = Thermometer(orin_nano(tmp_path))
    try:
        wait_for(lambda: one.reading is not None, 20)
        assert not failures
    finally:
        one.stop()
