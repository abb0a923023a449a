"""Updates in a whole watch: tried by its own reload and canary, kept, taken back, brought by hand, cut off."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from bright_onnx import CARD, bright_onnx
from fleet_lab import Box, Keys, Server, packed
from hand_clock import HandClock
from minehat.errors import MineHatError
from minewatch.berth.signing import fingerprint
from minewatch.config.check import check_config
from minewatch.config.load import config_of, read_config
from minewatch.fleet import config_file
from minewatch.fleet.by_hand import update_by_hand
from minewatch.fleet.ledger import alone, folder_of
from minewatch.fleet.report import name_of
from minewatch.fleet.tasks import asked
from minewatch.fleet.updates import LONGEST, Reload, Told, Updates
from watching import Watching, bare_clip, wait_for


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Somebody bare-headed most of the time."""
    return bare_clip(tmp_path_factory.mktemp("clips") / "bare.mp4", 2.0, (0.2, 1.9))


def watch_of(folder, clip, *sources, **updates):
    """A watch that looks for updates every other second."""
    keys = Keys(folder, "trusted")
    camera = {"name": "gate", "url": str(clip), "repeat": True, "health": dict.fromkeys(
        ("dark", "glare", "blurred", "covered", "frozen", "moved"), False)}
    part = {"sources": [str(one) for one in sources], "every": 2, "settle": 1, "box": "north-1", **updates}
    return keys, Watching(folder, [camera], updates=part, rules={"frames": 2, "seconds": 0.2})


def blind_onnx(path):
    """A model that finds nothing anywhere."""
    import onnx
    from onnx import numpy_helper

    bright_onnx(path)
    model = onnx.load(str(path))
    for one in model.graph.initializer:
        if one.name == "pick":
            one.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(one) * 0, "pick"))
    onnx.save(model, str(path))
    return path


def test_a_watch_takes_good_updates_and_puts_bad_ones_back(tmp_path, clip):
    """I7: from a server, and by hand: good ones hold, bad ones do not, the reports tell of both, and all is watched."""
    with Server(tmp_path / "www") as server:
        keys, watch = watch_of(tmp_path, clip, f"{server.url}/north", report=f"{server.url}/reports")
        with watch:
            watch.watching()
            good = packed(tmp_path / "www/north", keys, site="test", note="new rules",
                          models={"file": bright_onnx(tmp_path / "better.onnx", CARD)}, change="rules: {frames: 3}")
            applied = wait_for(lambda: watch.rows("update_applied"), 120)
            assert good.build in applied[0]["remark"] and "new rules" in applied[0]["remark"]
            now = read_config(watch.config)
            assert now.rules.frames == 3 and now.model.file.name == "better.onnx"
            assert len(watch.rows("model_swapped")) == 1 and not config_file.marker_of(watch.config)
            before = watch.config.read_bytes()
            packed(tmp_path / "www/north", keys, 60, site="test", models={"file": blind_onnx(tmp_path / "worse.onnx")})
            refused = wait_for(lambda: watch.rows("update_refused"), 120)
            assert refused[0]["cause"] == "model" and "heads" in refused[0]["remark"]
            assert watch.config.read_bytes() == before and not config_file.marker_of(watch.config)

            def reported():
                raw = server.had.get(f"/reports/{name_of('test', 'north-1')}")
                told = json.loads(raw)["updates"] if raw else {}
                return told if told.get("refused") else None

            told = wait_for(reported, 60)
            assert told["running"] == good.build and len(told["refused"]) == 1
            looks = len(server.asked)
            wait_for(lambda: len(server.asked) > looks + 2, 60)  # it looks on, and does not try that one again
            assert len(watch.rows("update_refused")) == len(watch.rows("update_applied")) == 1
            assert len(watch.rows("model_swapped")) == 1  # the good one went on, and needed no trial
            for place, said in ((tmp_path / "www/north", "refused here before"), (tmp_path / "none", "no folder")):
                with pytest.raises(MineHatError, match=said):
                    update_by_hand(str(place), watch.config)
            packed(tmp_path / "stick", keys, 90, site="test", models={"file": tmp_path / "worse.onnx"})
            with pytest.raises(MineHatError, match=r"heads.*as it was before"):
                update_by_hand(str(tmp_path / "stick"), watch.config)
            packed(tmp_path / "stick", keys, 120, site="test", change="rules: {frames: 4}")
            assert update_by_hand(str(tmp_path / "stick"), watch.config) == 0
            assert read_config(watch.config).rules.frames == 4
            assert watch.status()["watching"] and not watch.rows("detector_fault", "camera_fault")
            assert watch.stop() == 0


def test_a_watch_that_is_killed_in_a_trial_begins_with_what_was_before(tmp_path, clip):
    stick = tmp_path / "stick"
    keys, watch = watch_of(tmp_path, clip, stick, settle=3600)
    before = watch.config.read_text()
    packed(stick, keys, site="test", change="rules: {frames: 3}")
    with watch:
        wait_for(lambda: watch.rows("config_reloaded"), 120)
        assert config_file.marker_of(watch.config) and watch.config.read_text() != before
        shutil.move(stick, tmp_path / "out")
        watch.kill()
        watch.start()
        wait_for(lambda: len(watch.rows("watch_began")) == 2, 60)
        assert watch.config.read_text() == before and not config_file.marker_of(watch.config)
        assert b"was on trial when the watch ended" in watch.log.read_bytes()


LATE = """
import signal
import sys
if __name__ == "__main__":
    from minewatch import cli, watch
    from minewatch.fleet import trial, updates
    class Late(updates.Updates):
        held = []
        def turn(self, now, frames):
            if words := self.held:
                self.held = []
                return words
            self.held = super().turn(now, frames)
            if self.held:
                signal.raise_signal(signal.SIGHUP)
            return []
    watch.Updates, trial.PATIENCE = Late, 3.0
    sys.exit(cli.main(["run", sys.argv[-1]]))
"""


def test_a_reload_by_hand_in_between_hides_nothing_and_a_model_that_saw_less_comes_back(tmp_path, clip):
    """Whoever types a SIGHUP just when an update was laid: its model's refusal is heard all the same."""
    stick, script = tmp_path / "stick", tmp_path / "late.py"
    script.write_text(LATE)
    keys, watch = watch_of(tmp_path, clip, stick)
    watch.write(model={"file": str(blind_onnx(tmp_path / "old.onnx"))})
    watch.start(wrap=(sys.executable, str(script)))
    try:
        watch.watching()
        packed(stick, keys, site="test", models={"file": bright_onnx(tmp_path / "nan.onnx", spoiled="zero")})
        refused, = wait_for(lambda: watch.rows("update_refused", "update_applied"), 120)
        assert refused["cause"] == "model" and "not finite" in refused["remark"]
        packed(stick, keys, 60, site="test", models={"file": bright_onnx(tmp_path / "new.onnx")},
               change=f"cameras: [{{name: gone, url: {tmp_path / 'gone.mp4'}}}]")
        wait_for(lambda: len(watch.rows("update_refused")) == 2, 120)
        assert watch.rows("update_refused")[1]["cause"] == "watching"
        wait_for(lambda: len(watch.rows("model_swapped")) == 2, 60)
        assert "ran here before" in watch.rows("model_swapped")[1]["remark"]
        assert watch.status()["detector"]["model"] == "bright" and len(watch.rows("model_refused")) == 1
        assert watch.stop() == 0
    finally:
        watch.__exit__()


def test_what_is_no_update_is_refused_by_hand_too(tmp_path, clip):
    _, watch = watch_of(tmp_path, clip)
    (tmp_path / "empty").mkdir()
    packed(tmp_path / "foreign", Keys(tmp_path, "other"), site="test")
    for place, said in (("none", "no folder"), ("empty", "holds no update"), ("foreign", "signed by another")):
        with pytest.raises(MineHatError, match=said):
            update_by_hand(str(tmp_path / place), watch.config)


def test_a_killed_watch_leaves_no_errand_behind(tmp_path, clip):
    """The process that looks hangs on a server, and goes with the watch."""
    with Server(tmp_path) as server:
        server.answer = lambda handler: handler.say(200, b"{", 1000) is None
        _, watch = watch_of(tmp_path, clip, server.url)
        with watch:
            wait_for(lambda: watch.children("minewatch.fleet"), 60)
            watch.kill()
            wait_for(lambda: not watch.children("minewatch.fleet"), 10)


# the part of the watch by itself, its errands real and its clock the test's


def turned(updates, clock, frames=True):
    """The first word that it says."""
    return wait_for(lambda: updates.turn(clock.monotonic(), frames), 60)[0]


def test_a_model_waits_for_a_camera_that_sends_pictures(tmp_path):
    keys = Keys(tmp_path, "trusted")
    box = Box(tmp_path, keys, sources=["stick"], box="north-1")
    packed(tmp_path / "stick", keys, models={"file": bright_onnx(tmp_path / "new.onnx")})
    clock = HandClock()
    updates = Updates(box.reads(), box.config, clock)
    assert updates.turn(clock.monotonic(), False) == [] and not updates.waitables()  # the first look has its time
    clock.go(60)
    wait_for(lambda: updates.turn(clock.monotonic(), False) or (folder_of(box.state) / "report.json").exists())
    wait_for(lambda: updates.turn(clock.monotonic(), False) or not updates.waitables())
    assert updates.turn(clock.monotonic(), False) == [] and box.config.read_text() == box.text
    assert turned(updates, clock) == Reload() and box.config.read_text() != box.text
    updates.reloaded("/the/new/one", clock.monotonic())
    updates.model_heard("refused", "/the/new/one", "it sees nobody", clock.monotonic())
    word, again = wait_for(lambda: updates.turn(clock.monotonic(), True), 60)
    assert again == Reload(back=True)
    assert isinstance(word, Told) and word.cause == "model" and "it sees nobody" in word.text
    assert box.config.read_text() == box.text
    updates.stop()


def test_an_errand_that_was_killed_is_done_again_or_undone(tmp_path):
    """Where memory ran out: what a person brought is looked at again soon; what was half laid is taken back."""
    keys = Keys(tmp_path, "trusted")
    box, clock = Box(tmp_path, keys, every=3600, box="north-1"), HandClock()
    found = packed(tmp_path / "update", keys)
    assert box.does("look", tmp_path / "update").digest == found.digest
    asked(box.state).write_text(found.digest)
    updates = Updates(box.reads(), box.config, clock)

    def killed(what):
        """The errand that was under way at once, and what is under way after it."""
        clock.go(60)
        with alone(box.state):  # so that it cannot be done before
            wait_for(lambda: updates.turn(clock.monotonic(), True) or updates._errand, 20)
            assert updates._errand.task.what == what
            updates._errand._process.kill()
            updates._errand._process.wait()
        wait_for(lambda errand=updates._errand: updates.turn(clock.monotonic(), True) or updates._errand is not errand)

    updates.nudge()
    killed("look")
    clock.go(60)
    wait_for(lambda: updates.turn(clock.monotonic(), True) or updates._found, 60)
    killed("apply")
    assert updates._errand.task.what == "undo"
    words = wait_for(lambda: updates.turn(clock.monotonic(), True), 60)
    assert words[-1] == Reload(back=True) and box.config.read_text() == box.text
    updates.stop()


def test_a_look_that_hangs_is_given_up_and_told_once(tmp_path):
    """Whatever it hangs at: its process is killed, and a later look gets its turn."""
    keys = Keys(tmp_path, "trusted")
    with Server(tmp_path) as server:
        server.answer = lambda handler: handler.say(200, b"{", 1000) is None
        box = Box(tmp_path, keys, sources=[server.url])
        clock = HandClock()
        updates = Updates(box.reads(), box.config, clock)
        for _ in range(2):
            clock.go(1000)
            before = len(server.asked)
            wait_for(lambda seen=before: updates.turn(clock.monotonic(), True) or len(server.asked) > seen, 60)
            clock.go(LONGEST + 1)
            assert updates.turn(clock.monotonic(), True) == [] and not updates.waitables()
        updates.stop()


@pytest.fixture
def owned(tmp_path):
    """A box that belongs to the watch's user, all of it within their reach; pytest's own folders are closed to them."""
    with tempfile.TemporaryDirectory() as home:
        os.chmod(home, 0o755)
        keys = Keys(Path(home), "trusted")
        box = Box(Path(home), keys, box="north-1")
        packed(tmp_path / "update", keys)  # on a stick that is open to root alone
        if os.geteuid() == 0:
            for path in (box.folder, box.config, box.state):
                os.chown(path, 12345, 12345)
        yield box


def brought(box, place):
    return subprocess.run([sys.executable, "-m", "minewatch", "update", str(place), str(box.config)],
                          capture_output=True, text=True, timeout=120, env={**os.environ, "OMP_NUM_THREADS": "1"})


@pytest.mark.skipif(os.geteuid() != 0, reason="nobody but root could give files away")
def test_a_link_in_the_state_folder_does_not_have_root_write_or_give_away_what_is_elsewhere(tmp_path, owned):
    precious = tmp_path / "elsewhere"
    precious.mkdir()
    (precious / "shadow").write_text("")
    folder_of(owned.state).symlink_to(precious)
    ran = brought(owned, tmp_path / "update")
    assert ran.returncode == 2 and "Traceback" not in ran.stderr, ran.stderr
    assert [(path.name, path.stat().st_uid) for path in precious.iterdir()] == [("shadow", 0)]


def test_what_root_brings_belongs_to_the_watch_and_waits_for_it(tmp_path, owned):
    box, owner = owned, owned.state.stat().st_uid
    ran = brought(box, tmp_path / "update")
    assert ran.returncode == 0 and "no watch is running" in ran.stderr, ran.stderr
    assert {path.stat().st_uid for path in folder_of(box.state).rglob("*")} == {owner}
    clock = HandClock()
    updates = Updates(box.reads(), box.config, clock)
    clock.go(60)
    assert turned(updates, clock) == Reload() and box.reads().rules.frames == 7
    updates.stop()


@pytest.mark.parametrize("part, said", [
    ("{sources: [ftp://a]}", "http:// or https://"), ("{sources: ['https://me:word@a/b']}", "wanted a plain address"),
    ("{sources: [http://a], user: me, password: geheim}", "https"), ("{sources: [https://a], user: me}", "password"),
    ("{sources: [/media], ca: ca.pem}", "servers"), ("{report: 'https://a?x=1'}", "plain address")])
def test_mistakes_of_the_configuration_are_told(tmp_path, part, said):
    text = f"version: 1\nstate: s\nmodel: {{file: m}}\ncameras: [{{name: a, url: c.mp4}}]\nupdates: {part}\n"
    with pytest.raises(MineHatError, match=said):
        config_of(text, tmp_path / "w.yaml")


def test_the_check_tells_whose_updates_are_trusted(tmp_path, capfd):
    keys = Keys(tmp_path, "trusted")
    box = Box(tmp_path, keys, sources=["stick"])
    check_config(box.config)
    assert fingerprint(keys.public) in capfd.readouterr().err
    keys.public.unlink()
    assert check_config(box.config) == 2 and "BAD  updates.key" in capfd.readouterr().err
