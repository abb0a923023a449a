"""The engine that the watch builds beside its work: built, tried, taken over, remembered; and refused, told once."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from bright_onnx import CARD, bright_onnx
from detectors import bright, driven
from engines import saved
from hand_clock import HandClock
from minehat.engine import read_engine_card
from minehat.errors import ManyFaults
from minewatch.building import process
from minewatch.building.record import FILE, FOLDER, TRIES, Record, read_record, stamp_of, write_record
from minewatch.building.smithy import PATIENCE, Smithy
from minewatch.config.check import examined
from minewatch.config.load import read_config
from minewatch.config.schema import Config
from minewatch.detection.answers import Change
from minewatch.model_choice import models_of
from minewatch.status import DetectorStatus, EngineStatus
from page_stage import Stage, status_of
from stand_in_builder import ENTRY
from waiting import wait_for
from watching import Watching, bare_clip


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    """These ask what a machine without one does, wherever they run."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.fixture
def word(tmp_path):
    """A file for the stand-in."""
    def written(text):
        path = tmp_path / f"{text}.onnx"
        path.write_text(text)
        return path
    return written


def config_of(folder, onnx, file="model.onnx", target="rtx", batch=8):
    return Config.model_validate({
        "version": 1, "state": str(folder / "state"), "detector": {"batch": batch},
        "model": {"file": str(file), "engine": {"onnx": str(onnx), "target": target}},
        "cameras": [{"name": name, "url": "rtsp://a"} for name in "abc"]})


class Held:
    """A smithy, and what it told."""

    def __init__(self, config, entry):
        self.clock, self.told = HandClock(), []
        self.smithy = Smithy(config, self.clock, entry)

    def turn(self):
        self.told += self.smithy.turn(self.clock.monotonic())
        return self.smithy.status()

    def until(self, standing):
        return wait_for(lambda: (status := self.turn()).standing == standing and status, 120)

    def wanted(self, frames=1, people=True, on_trial=""):
        return self.smithy.wanted(self.clock.monotonic(), on_trial, frames, people)

    def heed(self, kind, cause=""):
        self.smithy.heed(Change(kind, "ready", cause, "it was so", file=str(self.smithy._built)))


@contextmanager
def held(config, entry=ENTRY):
    """A Held, and neither process nor thread after it."""
    one = Held(config, entry)
    try:
        yield one
    finally:
        one.smithy.stop()
        wait_for(lambda: one.smithy.stopped)
        wait_for(lambda: not any(thread.name == "engine-record" for thread in threading.enumerate()))


def remembered(folder, verdict):
    """The record, once it says so."""
    return wait_for(lambda: (found := read_record(folder / "state" / FOLDER)) and found.verdict == verdict and found)


# Built for real, ahead of time, by TensorRT-RTX


def test_an_engine_is_built_kept_and_not_built_again(tmp_path):
    """For the batches that the watch asks with; a start after it asks for no second build."""
    onnx = saved(tmp_path, precision="int8")
    with held(config_of(tmp_path, onnx, batch=6), "minewatch.building.process:main") as one:
        assert one.turn().standing == "building"
        one.until("waiting")
        card = read_engine_card(one.wanted())
        assert card.batch == (1, 3, 6) and card.onnx == onnx.name
        engine, = (tmp_path / "state" / FOLDER).glob("*.engine")
        assert remembered(tmp_path, "built").engine == engine.name
    before = engine.stat().st_mtime_ns
    with held(config_of(tmp_path, onnx, batch=6), "minewatch.building.process:main") as one:
        one.until("waiting")
        assert one.smithy._built == engine and engine.stat().st_mtime_ns == before


def test_what_is_no_longer_whole_or_of_another_file_is_built_anew(tmp_path):
    """And what nobody asks for any more is cleared away, scratch files of builds that were killed among it."""
    onnx, folder = saved(tmp_path, precision="fp16"), tmp_path / "engines"
    told = []
    order = process.Order(str(onnx), str(folder), "rtx", 1, 2, None)
    first = process.built(order, told.append)
    order = dataclasses.replace(order, known=Record("stamp", first.key, Path(first.engine).name, "passed"))
    assert process.built(order, told.append).seconds == 0.0
    Path(first.engine).write_bytes(b"vtrt")
    (folder / ".tiny.0123.tmp.engine").write_text("of a build that was killed")
    assert process.built(order, told.append).engine == first.engine and Path(first.engine).stat().st_size > 4
    assert not (folder / ".tiny.0123.tmp.engine").exists()
    saved(tmp_path, precision="fp32")
    second = process.built(order, told.append)
    assert second.key != first.key and Path(second.engine).exists() and Path(first.engine).exists()
    known = Record("stamp", second.key, Path(second.engine).name, "built")
    process.built(dataclasses.replace(order, most=3, known=known), told.append)
    assert not Path(first.engine).exists()
    assert [type(one).__name__ for one in told].count("Begun") == 4
    shares = [one.share for one in told if isinstance(one, process.Progress)]
    assert shares and all(0 <= share <= 1 for share in shares)


def test_without_a_gpu_none_is_built_and_it_is_told_once(tmp_path):
    onnx = saved(tmp_path)
    for times in (1, 0):
        with held(config_of(tmp_path, onnx, target="auto"), "minewatch.building.process:main") as one:
            status = one.until("refused")
            assert "no NVIDIA GPU answers here" in status.text and len(one.told) == times
            remembered(tmp_path, "refused")


def test_the_builder_steps_back_and_dies_with_the_watch(tmp_path, word):
    """Behind the CPU's detection, first to go where memory runs out, and never left alone."""
    code = f"""
import sys, time
sys.path[:0] = {sys.path!r}
from pathlib import Path
from test_berth_engine import config_of
from hand_clock import HandClock
from minewatch.building.smithy import Smithy
smithy = Smithy(config_of(Path({str(tmp_path)!r}), {str(word("never"))!r}), HandClock(), {ENTRY!r})
while smithy.status().share != 0.4:
    smithy.turn(0.0)
    time.sleep(0.01)
print(smithy._worker.pid, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as watch:
        pid = int(watch.stdout.readline())
        its, ours = (os.getpriority(os.PRIO_PROCESS, one) for one in (pid, watch.pid))
        adjusted = Path(f"/proc/{pid}/oom_score_adj").read_text().strip()
        watch.kill()
    assert its == min(19, ours + process.NICE) and adjusted == process.FIRST_TO_GO
    wait_for(lambda: not Path(f"/proc/{pid}").exists() or state(pid) == "Z")


def state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


# Tried and remembered


def test_a_built_engine_takes_over_and_is_the_first_choice_from_then_on(tmp_path):
    """The canary lets it in while the CPU's model looks; the next start begins with it and falls back on that one."""
    file = bright_onnx(tmp_path / "bright.onnx")
    other = bright_onnx(tmp_path / "other.onnx", dataclasses.replace(CARD, name="engine"))
    config = config_of(tmp_path, other, file)
    with held(config) as one, driven(file) as looking:
        assert models_of(config, one.smithy.engine)[0].file == str(file)
        one.until("waiting")
        looking.ready()
        engine = one.wanted()
        looking.detector.try_model(models_of(config, engine)[0], [bright(), bright(cell=4)])
        assert one.wanted(on_trial=looking.detector.on_trial) is None and one.turn().standing == "trial"
        looking.until(lambda: looking.changes("swapped"))
        change, = looking.changes("swapped")
        one.smithy.heed(change)
        assert one.turn().standing == "taken" and one.smithy.engine == engine
        assert looking.detector.status().model == "engine"
        remembered(tmp_path, "passed")
    with held(config) as one:
        first, _, second = models_of(config, one.smithy.engine)
        assert (first.file, second.file) == (str(engine), str(file))
        wait_for(lambda: one.turn() and one.smithy._worker is None)
        assert one.turn().standing == "taken" and one.wanted() is None


def test_a_blind_engine_is_refused_at_its_trial_and_the_model_goes_on(tmp_path):
    file = bright_onnx(tmp_path / "bright.onnx")
    blind = bright_onnx(tmp_path / "blind.onnx", dataclasses.replace(CARD, name="blind", conf=1.0))
    config = config_of(tmp_path, blind, file)
    with held(config) as one, driven(file) as looking:
        one.until("waiting")
        looking.ready()
        looking.detector.try_model(models_of(config, one.wanted())[0], [bright(), bright(cell=4, blue=250)])
        looking.until(lambda: looking.changes("refused"))
        one.smithy.heed(looking.changes("refused")[0])
        assert one.turn().standing == "refused" and "heads that the old one" in one.turn().text
        assert one.smithy.engine is None and looking.detector.status().model == "bright"
        assert remembered(tmp_path, "refused").tries == 1


def test_an_engine_of_an_older_library_is_built_anew_at_the_start(tmp_path, word):
    """It is the first choice by its record, until the builder says that it is of another make."""
    onnx, folder = word("well"), tmp_path / "state" / FOLDER
    stamp = stamp_of(onnx, "rtx", 8)
    write_record(folder, Record(stamp, "key of older things", "old.engine", "passed"))
    with held(config_of(tmp_path, onnx)) as one:
        assert one.smithy.engine == folder / "old.engine" and one.smithy.status().standing == "taken"
        one.until("waiting")
        assert one.smithy.engine is None and one.wanted() == folder / "made.onnx"
        one.heed("swapped")
        assert one.smithy.engine == folder / "made.onnx"
        wait_for(lambda: remembered(tmp_path, "passed").engine == "made.onnx")


def test_an_engine_waits_for_somebody_to_look_at(tmp_path, word):
    """A trial on empty frames would prove nothing; after ten minutes it has to do."""
    with held(config_of(tmp_path, word("well"))) as one:
        one.until("waiting")
        assert one.wanted(frames=0, people=False) is None and one.wanted(frames=2, people=False) is None
        one.clock.now += PATIENCE
        assert one.wanted(frames=2, people=False)


def test_another_trial_goes_first_and_one_that_was_put_aside_comes_again(tmp_path, word):
    with held(config_of(tmp_path, word("well"))) as one:
        one.until("waiting")
        assert one.wanted(on_trial="other.onnx") is None
        engine = one.wanted()
        assert one.wanted(on_trial=str(engine)) is None
        assert one.wanted(on_trial="other.onnx") is None and one.turn().standing == "waiting"
        assert one.wanted() == engine


def test_an_engine_that_fails_in_its_first_minute_is_no_first_choice(tmp_path, word):
    with held(config_of(tmp_path, word("well"))) as one:
        one.until("waiting")
        one.wanted()
        one.heed("swapped")
        assert one.smithy.engine
        one.heed("refused", "failed")
        assert one.smithy.engine is None and one.turn().standing == "refused"


def test_trials_of_other_models_are_not_its_own(tmp_path, word):
    with held(config_of(tmp_path, word("well"))) as one:
        one.until("waiting")
        one.wanted()
        one.smithy.heed(Change("swapped", "ready", file="other.onnx"))
        assert one.turn().standing == "trial"


@pytest.mark.parametrize("text, told", [
    ("fails", "an operation is not known"), ("knows", "no library is here"), ("dies", "SIGABRT"),
    ("babbles", "was not understood")])
def test_a_build_that_fails_is_told_once_and_not_again_at_the_next_start(tmp_path, word, text, told):
    config = config_of(tmp_path, word(text))
    for start in range(2):
        with held(config) as one:
            status = one.until("refused")
            assert told in status.text and len(one.told) == (start == 0)
            wait_for(lambda start=start: remembered(tmp_path, "refused").tries == start + 1)


def test_an_engine_that_lost_its_trial_so_often_is_not_tried_at_every_start(tmp_path, word):
    onnx, folder = word("well"), tmp_path / "state" / FOLDER
    folder.mkdir(parents=True)
    (folder / "made.onnx").write_text("well")
    for tries, standing in ((TRIES - 1, "waiting"), (TRIES, "refused")):
        write_record(folder, Record(stamp_of(onnx, "rtx", 8), "key of 4", "made.onnx", "refused", "it is blind", tries))
        with held(config_of(tmp_path, onnx)) as one:
            assert one.until(standing).text == ("it is blind" if standing == "refused" else "") and not one.told


def test_what_failed_so_often_is_left_alone(tmp_path):
    onnx, told = saved(tmp_path), []
    order = process.Order(str(onnx), str(tmp_path / "engines"), "rtx", 1, 2, None)
    key = process.built(order, lambda message: None).key
    for tries in (TRIES - 1, TRIES):
        known = Record("stamp", key, "", "refused", "it crashed", tries)
        made = process.built(dataclasses.replace(order, known=known), told.append)
    assert isinstance(made, process.Unbuilt) and made.text == "it crashed"
    assert [type(one).__name__ for one in told].count("Begun") == 1


def test_another_engine_in_the_configuration_ends_the_build_of_the_first(tmp_path, word):
    """And the same one goes on."""
    config = config_of(tmp_path, word("never"))
    with held(config) as one:
        wait_for(lambda: one.turn().share == 0.4)
        builder = one.smithy._worker
        one.smithy.replace(config)
        assert one.smithy._worker is builder
        one.smithy.replace(config_of(tmp_path, word("never"), batch=4))  # for other batches it is another engine
        assert one.smithy._worker is not builder
        one.smithy.replace(config_of(tmp_path, word("well")))
        one.until("waiting")
        wait_for(lambda: builder.ended)
        one.smithy.replace(config.model_copy(update={"model": config.model.model_copy(update={"engine": None})}))
        assert one.turn() == EngineStatus() and one.smithy.engine is None


@pytest.mark.parametrize("text", ["", "7", "{}", '{"stamp": 1}', "\x00", json.dumps(
    dataclasses.asdict(Record("s", "k", "../../etc/passwd", "passed"))), json.dumps(
    dataclasses.asdict(Record("s", "k", "e", "liked")))])
def test_a_record_that_cannot_be_understood_is_none(tmp_path, text):
    write_record(tmp_path, Record("s", "k", "e", "passed"))
    assert read_record(tmp_path)
    (tmp_path / FILE).write_text(text)
    assert read_record(tmp_path) is None


def test_the_configuration_names_what_is_built_beside_what_runs(tmp_path):
    """And `check` looks at it."""
    path = tmp_path / "minewatch.yaml"
    told = {"version": 1, "state": "state", "cameras": [{"name": "a", "url": str(tmp_path)}], "web": {"enabled": False},
            "model": {"file": "a.engine", "engine": {"onxx": "b.onnx", "target": "rtxx"}}}
    path.write_text(json.dumps(told))
    with pytest.raises(ManyFaults) as caught:
        read_config(path)
    for fault in ("model.engine.onxx: no such key (did you mean 'onnx'?)", "model.engine.target: found 'rtxx'"):
        assert any(fault in line for line in caught.value.lines)
    told["model"] = {"file": "a.engine", "engine": {"onnx": "b.onnx"}}
    path.write_text(json.dumps(told))
    with pytest.raises(ManyFaults, match="`file` is an engine already"):
        read_config(path)
    told["model"]["file"] = str(bright_onnx(tmp_path / "bright.onnx"))
    path.write_text(json.dumps(told))
    assert examined(read_config(path)) == 1
    bright_onnx(tmp_path / "b.onnx")
    assert examined(read_config(path)) == 0


# The whole of it


def test_the_page_shows_how_far_the_engine_is(tmp_path):
    """In both languages, and why there is none."""
    with Stage(tmp_path) as stage:
        stage.tell(status_of(engine=EngineStatus("building", 0.43, 95.0)))
        page = stage.browser().get("/").text
        assert 'value="43"' in page and "43 %" in page and "95 s" in page and "engine is being built" in page
        assert "正在构建引擎" in stage.browser().get("/?lang=zh").text
        assert "being built 43 %" in stage.browser().get("/health").text
        stage.tell(status_of(engine=EngineStatus("refused", text="no GPU <here>")))
        page = stage.browser().get("/").text
        assert "No engine runs: no GPU &lt;here&gt;" in page and "<progress" not in page
        stage.tell(status_of(detector=DetectorStatus("ready"), engine=EngineStatus("taken")))
        assert "stood its trial" in stage.browser().get("/health").text


def test_a_watch_looks_while_an_engine_is_built_and_goes_on_where_it_cannot_run(tmp_path):
    """TensorRT-RTX builds it ahead of time; the canary finds no GPU to run it on, which is told once."""
    clip = bare_clip(tmp_path / "a.mp4")
    watch = Watching(tmp_path, [{"name": "a", "url": str(clip), "repeat": True}],
                     model={"file": str(bright_onnx(tmp_path / "bright.onnx")),
                            "engine": {"onnx": str(saved(tmp_path, precision="int8")), "target": "rtx"}})
    with watch:
        engine = wait_for(lambda: (status := watch.status()) and status["engine"]["standing"] == "refused"
                          and status["engine"], 180)
        assert "needs an NVIDIA GPU" in engine["text"]
        refused, = wait_for(lambda: watch.rows("model_refused"))
        assert "needs an NVIDIA GPU" in refused["remark"] and watch.status()["detector"]["standing"] == "ready"
        assert watch.stop() == 0
    assert read_record(watch.state / FOLDER).verdict == "refused"


def test_an_engine_that_cannot_run_any_more_never_takes_the_second_choice_away(tmp_path):
    """The GPU is gone: the model of the configuration looks, after a reload and a killed process as before them."""
    onnx, clip = saved(tmp_path), bare_clip(tmp_path / "a.mp4")
    watch = Watching(tmp_path, [{"name": "a", "url": str(clip), "repeat": True}],
                     model={"file": str(bright_onnx(tmp_path / "bright.onnx")), "engine": {"onnx": str(onnx)}})
    write_record(watch.state / FOLDER, Record(stamp_of(onnx, "auto", 8), "key", "gone.engine", "passed"))
    with watch:
        wait_for(lambda: (told := watch.status()) and told["engine"]["standing"] == "refused"
                 and told["detector"]["looking"], 120)
        watch.write(rules={"frames": 4})
        watch.signal(signal.SIGHUP)
        wait_for(lambda: watch.rows("config_reloaded"))
        before = watch.status()["detector"]["replaced"]
        for pid in watch.children("minewatch.detection"):
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: (told := watch.status()["detector"])["replaced"] > before and told["looking"])
        assert watch.status()["detector"]["fallback"] and watch.stop() == 0


def test_an_engine_on_trial_that_nobody_wants_any_more_is_forsaken(tmp_path, word):
    config = config_of(tmp_path, word("well"))
    with held(config) as one:
        one.until("waiting")
        engine = str(one.wanted())
        assert one.smithy.own(engine) and not one.smithy.forsaken(engine) and not one.smithy.forsaken("")
        one.smithy.replace(config.model_copy(update={"model": config.model.model_copy(update={"engine": None})}))
        assert one.smithy.forsaken(engine) and not one.smithy.forsaken("other.onnx")
