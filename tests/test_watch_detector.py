"""The detector's process: what it sees, and what becomes of it when it dies, hangs, or cannot load its model."""

import os
import signal
import socket
import time
from hashlib import sha256

import numpy as np
import onnxruntime
import pytest
from bright_onnx import CARD, bright_onnx
from detectors import bright, driven, staged
from hypothesis import given, settings
from hypothesis import strategies as st
from minehat.engine.card import EngineCard, card_beside
from minehat.errors import CudaLost, MineHatError, Missing
from minewatch.clock import SystemClock
from minewatch.config.schema import DetectorPart
from minewatch.detection import standing as stand
from minewatch.detection.frames import Memories
from minewatch.detection.messages import Load, Model, Place
from minewatch.detection.process import epitaph, opened
from minewatch.detection.wire import PIECE, Wire
from stand_in_detector import ENTRY

LIMITS = stand.Limits(load=120.0, hang=2.0)


@pytest.fixture
def model(tmp_path):
    return bright_onnx(tmp_path / "bright.onnx")


@pytest.fixture
def word(tmp_path):
    """A file for the stand-in."""
    def written(text):
        path = tmp_path / f"{text}.word"
        path.write_text(text)
        return path
    return written


# What it sees


def test_frames_of_several_sizes_are_looked_at_together_where_they_lie(model):
    frames = bright(96, 96, cell=4), bright(192, 192, cell=0), bright(300, 300, cell=8)
    with driven(model) as one, staged(*frames) as places:
        one.ready()
        assert one.detector.classes == CARD.classes
        answer = one.answered(places)
        assert [len(found) for found in answer.found] == [1, 1, 1]
        assert np.abs(answer.found[0].boxes - [32, 32, 64, 64]).max() < 1
        assert np.abs(answer.found[2].boxes - [200, 200, 300, 300]).max() < 1
        assert [picture.freed for picture in answer.pictures] == [0, 0, 0]
        assert all((found.labels == 1).all() for found in answer.found)


def test_crowds_come_through_whole(word):
    """B3: 200 heads in each of 64 frames, batch after batch."""
    with driven(word("crowd"), ENTRY, batch=64) as one, staged(bright(64, 64)) as places:
        one.ready()
        for _ in range(5):
            assert [len(found) for found in one.answered(places * 64).found] == [200] * 64


def test_a_frame_whose_memory_is_gone_is_never_taken_for_an_empty_one(model):
    with driven(model) as one, staged(bright(cell=4)) as places:
        one.ready()
        good, = places
        gone = [Place("minewatch_nowhere", 0, 96, 96), Place(good.memory, good.offset + 1, 96 * 50, 96)]
        pictures = one.look([gone[0], good, gone[1]])
        one.until(lambda: one.answers)
        answer, = one.answers
        assert answer.pictures == (pictures[1],)
        assert len(answer.found) == 1
        assert [picture.freed for picture in pictures] == [1, 0, 1]
        assert one.detector.lost == 2


def test_a_batch_of_nothing_but_lost_frames_is_no_answer(model):
    with driven(model) as one:
        one.ready()
        picture, = one.look([Place("minewatch_nowhere", 0, 96, 96)])
        one.until(lambda: one.detector.idle)
        assert picture.freed == 1
        assert one.answers == []


def test_memories_that_are_gone_are_let_go_of_and_none_can_be_written_to():
    memories = Memories()
    with staged(bright()) as (first,):
        assert (memories.frame(first) == bright()).all()
        assert not memories.frame(first).flags.writeable
    assert (memories.frame(first) == bright()).all()  # its camera has left, what it last saw is still there
    with staged(bright()) as (second,), staged(bright()) as (third,):
        memories.frame(second), memories.frame(third)
        assert len(memories) == 2
        assert memories.frame(first) is None


def test_one_batch_at_a_time(model):
    with driven(model) as one, staged(bright()) as places:
        with pytest.raises(ValueError, match="idle"):
            one.look(places)
        one.ready()
        one.look(places)
        with pytest.raises(ValueError, match="idle"):
            one.look(places)


def test_what_libraries_say_comes_as_a_change_and_not_on_stderr(model, capfd):
    with driven(model, "stand_in_detector:talkative") as one:
        one.ready()
        assert [change.text for change in one.changes("said")] == ["a kernel is missing"]
    assert capfd.readouterr().err == ""


# What becomes of it


def test_a_killed_process_is_replaced_at_once(model):
    """D1: kill -9. The batch that it had is given back as not looked at, and the next one is answered."""
    with driven(model) as one, staged(bright(cell=4)) as places:
        one.ready()
        first, moment = one.detector.pid, one.clock.now
        os.kill(first, signal.SIGSTOP)  # so that it cannot answer before it dies
        pictures = one.look(places)
        os.kill(first, signal.SIGKILL)
        one.until(lambda: one.detector.idle)
        assert one.detector.pid != first
        assert [picture.freed for picture in pictures] == [1]
        assert one.answers == []
        assert one.standings == ["ready", "replacing", "ready"]
        assert "SIGKILL" in one.changes()[1].text
        assert len(one.answered(places).found[0]) == 1
        assert one.clock.now == moment  # no pause was asked for
        assert one.detector.status().replaced == 1


def test_a_process_that_hangs_is_replaced_when_its_time_is_over(word):
    """D2: hang_seconds after the batch was given, and not before; a batch that is lost is given back."""
    with driven(word("deaf"), ENTRY, hang_seconds=2.0) as one, staged(bright()) as places:
        one.ready()
        one.answered(places)
        first, pictures = one.detector.pid, one.look(places)
        one.clock.now += 1.99
        one.turn()
        assert one.detector.pid == first
        one.clock.now += 0.02
        one.turn()
        assert one.detector.pid not in (None, first)
        assert [picture.freed for picture in pictures] == [1]
        assert one.changes()[-1].cause == "hang"
        one.ready()
        assert len(one.answered(places).found) == 1


def test_a_process_that_is_stopped_in_the_middle_of_a_message_holds_nobody_up():
    """D2: the watch's end of the wire takes what has come, and waits for nothing."""
    ours, theirs = socket.socketpair()
    wire = Wire(ours, blocking=False)
    whole = Wire(theirs, blocking=True)
    whole.send("a whole one")
    theirs.sendall((3 * PIECE).to_bytes(8, "big") + b"half of the next")
    assert wire.received() == ["a whole one"]
    assert wire.received() == []
    assert not wire.closed
    whole.close()
    assert wire.received() == []
    assert wire.closed
    wire.close()


def test_a_lost_gpu_ends_the_process(model):
    """D3: a sticky CUDA error is never tried again in place; the third one in ten minutes degrades the detector."""
    with driven(model, "stand_in_detector:lost") as one, staged(bright()) as places:
        pids = []
        for _ in range(3):
            one.ready()
            pids.append(one.detector.pid)
            one.answered(places)
            one.look(places)
            failures = one.detector.status().replaced
            one.until(lambda failures=failures: one.detector.status().replaced > failures)
        assert len(set(pids)) == 3
        change = one.changes()[-1]
        assert (change.standing, change.cause) == ("degraded", "cuda")
        assert "CUDA_ERROR_ILLEGAL_ADDRESS" in change.text
        assert not one.detector.looking
        one.clock.now += stand.RETRY - 0.1
        one.turn()
        assert one.detector.pid is None
        one.clock.now += 0.2
        one.ready()
        assert one.detector.status().standing == "degraded"  # it looks, and is not trusted yet
        assert one.detector.looking


def test_a_process_that_speaks_nonsense_is_replaced(word):
    """D1: the watch does not end by what its detector says, and gets its pictures back."""
    with driven(word("babbles"), ENTRY) as one, staged(bright()) as places:
        one.ready()
        one.answered(places)
        one.look(places)
        one.until(lambda: one.detector.status().replaced == 1)
        assert "not understood" in one.detector.status().text and one.detector.lost == 1
        one.ready()
        one.answered(places)


def test_errors_of_the_gpu_are_told_from_others(tmp_path):
    """D3: what onnxruntime tells of CUDA is a lost GPU, too; a wrong answer is not."""
    model = Model(str(tmp_path / "x.onnx"))
    assert epitaph(CudaLost("gone"), model, "error")[0].cause == "cuda"
    gone, code = epitaph(RuntimeError("CUDA failure 700: an illegal memory access"), model, "error")
    assert (gone.cause, code) == ("cuda", 5)
    assert epitaph(MineHatError("scores that are not finite"), model, "error")[0].cause == "error"
    assert epitaph(KeyError("x"), model, "error")[0].text.startswith("KeyError")


def test_a_model_that_answers_with_nan_is_no_model_that_sees_nobody(tmp_path):
    with driven(bright_onnx(tmp_path / "nan.onnx", spoiled="zero")) as one:
        one.until(lambda: one.standings)
        assert "finite" in one.changes()[-1].text


def test_a_machine_that_has_no_room_for_a_process_is_asked_again(model, monkeypatch):
    """D1: the watch itself goes on."""
    def full(*_args, **_more):
        raise BlockingIOError(11, "Resource temporarily unavailable")
    with driven(model) as one:
        with monkeypatch.context() as patch:
            patch.setattr("subprocess.Popen", full)
            one.until(lambda: one.standings == ["replacing", "degraded"])
            one.detector.try_model(Model(str(model)), [bright()])
            one.until(lambda: one.changes("refused"))
        one.clock.now += stand.RETRY
        one.ready()


def test_a_model_that_never_loads_is_given_up(word):
    with driven(word("never"), ENTRY, load_seconds=10) as one:
        one.turn()
        first = one.detector.pid
        one.clock.now += 10.1
        one.turn()
        assert one.detector.pid != first
        assert one.changes()[-1].cause == "hang"


@pytest.mark.parametrize("harm", ["at 0 %", "at 50 %", "at 99 %", "random bytes", "magic", "no card"])
def test_an_engine_that_is_not_whole_is_refused_before_it_is_loaded(tmp_path, harm):
    """D4: final, with the command that builds it again; nothing is tried a second time before a minute has gone."""
    engine = engine_file(tmp_path, b"ftrt" + bytes(1000))
    content = engine.read_bytes()
    harmed = {"at 0 %": b"", "at 50 %": content[:502], "at 99 %": content[:994], "magic": b"vvvv" + content[4:],
              "random bytes": np.random.default_rng(0).bytes(1004)}
    engine.write_bytes(harmed.get(harm, content))
    if harm == "no card":
        card_beside(engine).unlink()
    with driven(engine) as one:
        one.until(lambda: one.standings)
        change, = one.changes()
        assert (change.standing, change.cause, change.final) == ("degraded", "load", True)
        assert "minehat build" in change.text
        one.clock.now += stand.RETRY - 1
        one.turn()
        assert one.detector.pid is None


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(),
                    reason="this ONNX Runtime is the one for GPUs")
def test_a_backend_whose_library_is_not_here_is_final(model):
    """Trying again installs nothing: somebody has to."""
    with pytest.raises(Missing, match=r"minehat\[gpu\]") as caught:
        opened(Load(Model(str(model), backend="ort-cuda"), 1))
    gone, code = epitaph(caught.value, Model(str(model), backend="ort-cuda"), "load")
    assert gone.final and code == 2


def test_a_file_that_breaks_while_the_watch_runs_is_no_reason_to_end_it(model):
    """D4: what looked once may look again, when the file is mended: it is tried every minute."""
    whole = model.read_bytes()
    with driven(model) as one, staged(bright(cell=4)) as places:
        one.ready()
        model.write_bytes(whole[:300])
        os.kill(one.detector.pid, signal.SIGKILL)
        one.until(lambda: one.standings[-1:] == ["degraded"])
        assert not one.changes()[-1].final
        model.write_bytes(whole)
        one.clock.now += stand.RETRY
        one.ready()
        one.answered(places)


def test_new_limits_hold_at_once(word):
    """D2: hang_seconds of a configuration that was reloaded."""
    with driven(word("deaf"), ENTRY, hang_seconds=60.0) as one, staged(bright()) as places:
        one.ready()
        one.answered(places)
        one.look(places)
        one.clock.now += 5.0
        one.turn()
        assert one.detector.status().replaced == 0
        one.detector.replace(DetectorPart(hang_seconds=2.0, threads=1), None)
        one.turn()
        assert one.detector.status().replaced == 1


def test_an_engine_of_another_gpu_gives_way_to_the_second_choice(tmp_path, model):
    """D5: the message names both; the fallback runs and the detector stays degraded."""
    engine = engine_file(tmp_path, b"ftrt" + bytes(1000))
    with driven(engine, "stand_in_detector:foreign", fallback=model) as one, staged(bright(cell=4)) as places:
        one.ready()
        change, = one.changes()
        assert (change.standing, change.final) == ("degraded", False)
        assert "NVIDIA L4" in change.text
        assert "Orin" in change.text
        assert len(one.answered(places).found[0]) == 1
        status = one.detector.status()
        assert (status.standing, status.fallback, status.model) == ("degraded", True, "bright")


def engine_file(folder, content):
    """Bytes, and a card that is true of them."""
    engine = folder / "x.engine"
    engine.write_bytes(content)
    card = EngineCard(CARD, sha256(content).hexdigest(), len(content), "x.onnx", "tensorrt", "10.3.0", "NVIDIA L4",
                      ("8.9",), "12.6", (), (1, 1, 4), {}, 1.0, (), (), (), {})
    card_beside(engine).write_text(card.to_json())
    return engine


def test_signals_to_all_processes_are_for_the_watch_to_hear(model):
    """D8: systemd's SIGTERM and a terminal's Ctrl-C reach the detector too, and are no failure of it."""
    with driven(model) as one, staged(bright(cell=4)) as places:
        one.ready()
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(one.detector.pid, number)
        one.answered(places)
        assert one.standings == ["ready"]


def test_the_process_leaves_with_the_watch(model):
    with driven(model) as one:
        one.ready()
        worker = one.detector._worker
        worker._wire.close()
        end = time.monotonic() + 30
        while not worker.ended:
            assert time.monotonic() < end
        assert "exit code 0" in worker.epitaph


# The rules by which it is replaced


def failed(standing, now, **more):
    return stand.failed(standing, "killed", "it died", more.pop("final", False), now)


def running(now=0.0, has_fallback=False):
    return stand.ready(stand.started(stand.Standing(LIMITS, has_fallback), now), now)


def test_two_failures_are_mended_at_once_and_the_third_waits():
    """D3: degraded, tried again every minute, ready again after ten minutes of health."""
    standing = running()
    for now in (1.0, 2.0):
        standing = failed(standing, now)
        assert standing.name == "replacing"
        assert stand.must_start(standing, now)
        standing = stand.ready(stand.started(standing, now), now)
        assert standing.name == "ready"
    standing = failed(standing, 3.0)
    assert standing.name == "degraded"
    assert not stand.must_start(standing, 62.9)
    assert stand.must_start(standing, 63.0)
    standing = stand.ready(stand.started(standing, 63.0), 64.0)
    assert stand.rested(standing, 663.9).name == "degraded"
    assert stand.rested(standing, 664.0).name == "ready"


def test_failures_that_lie_far_apart_never_degrade_it():
    standing = running()
    for now in range(1000, 20000, 400):
        standing = stand.ready(failed(standing, float(now)), now)
        assert standing.name == "ready"


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=60), st.booleans())
@settings(max_examples=200)
def test_it_is_never_started_over_and_over(steps, has_fallback):
    """D3: whatever befalls it, no more than six processes a minute."""
    standing, now, starts = stand.Standing(LIMITS, has_fallback), 0.0, []
    for pause, final in steps:
        now += pause if pause > 5 else 0.0
        if stand.must_start(standing, now):
            starts.append(now)
            standing = failed(stand.started(standing, now), now, final=final)
    for start in starts:
        assert sum(start <= other < start + stand.RETRY for other in starts) <= 6


def test_a_first_batch_may_take_long_and_a_slow_machine_is_not_a_hang():
    """D2: the time that a batch may take follows what is usual, up to five times the limit."""
    standing = stand.asked(running(), 0.0)
    assert not stand.hangs(standing, 9.9)
    assert stand.hangs(standing, 10.1)
    quick = stand.asked(stand.answered(standing, 0.1), 1.0)
    assert not stand.hangs(quick, 2.9)
    assert stand.hangs(quick, 3.1)
    slow = stand.asked(stand.answered(standing, 1.5), 2.0)
    assert not stand.hangs(slow, 6.4)
    assert stand.hangs(slow, 6.6)
    assert not stand.hangs(running(), 1e9)


def test_the_second_choice_is_taken_once_and_the_first_tried_again_after_it():
    standing = failed(running(has_fallback=True), 1.0, final=True)
    assert standing.fallback
    assert stand.must_start(standing, 1.0)
    working = stand.ready(standing, 2.0)
    assert stand.rested(working, 10_000.0).name == "degraded"
    again = failed(standing, 2.0, final=True)
    assert not again.fallback
    assert not stand.must_start(again, 61.9)


@pytest.mark.soak
def test_a_killed_detector_is_back_soon(model, figure):
    """D1: by the wall clock, ten times."""
    took = []
    with staged(bright(cell=4)) as places:
        for _ in range(10):
            with driven(model) as one:
                one.ready()
                began = time.monotonic()
                os.kill(one.detector.pid, signal.SIGKILL)
                one.until(lambda one=one: one.detector.status().replaced == 1)
                one.ready()
                one.answered(places)
                took.append(time.monotonic() - began)
                load = one.detector._ready.seconds
                assert took[-1] <= load + 1.5
    figure("D1", f"kill -9: answers again after {max(took):.2f} s at most of 10 (median {np.median(took):.2f} s)")


@pytest.mark.soak
def test_a_stopped_detector_is_found_and_replaced(model, figure):
    """D2: by the wall clock, five times: SIGSTOP in the middle of a run."""
    took = []
    with staged(bright(cell=4)) as places:
        for _ in range(5):
            with driven(model, clock=SystemClock()) as one:
                one.ready()
                one.answered(places)
                os.kill(one.detector.pid, signal.SIGSTOP)
                began = time.monotonic()
                one.look(places)
                one.until(lambda one=one: one.detector.status().replaced == 1)
                assert time.monotonic() - began <= 2.5
                one.ready()
                one.answered(places)
                took.append(time.monotonic() - began)
    figure("D2", f"SIGSTOP: answers again after {max(took):.2f} s at most of 5, of which 2 s are the limit")


@pytest.mark.soak
def test_memory_stays_flat_over_many_batches(model, figure):
    """B1: 20 000 batches of frames in 200 memories that come and go."""
    with driven(model) as one:
        one.ready()
        sizes = []
        for number in range(200):
            with staged(bright(320, 180, cell=number % 9), bright(64, 64)) as places:
                for _ in range(100):
                    one.answered(places)
            one.told.clear()
            sizes.append(resident(one.detector.pid))
        growth = (sizes[-1] - sizes[20]) / 1e6
    figure("B1", f"detector's process over 18 000 batches: {growth:+.1f} MB ({sizes[-1] / 1e6:.0f} MB)")
    assert growth < 5


def resident(pid):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_real_backend_is_what_runs(model):
    """The status tells the model, the backend and the file's sum."""
    with driven(model) as one:
        one.ready()
        status = one.detector.status()
        assert (status.model, status.backend) == ("bright", "ort")
        assert status.sha256 == sha256(model.read_bytes()).hexdigest()
