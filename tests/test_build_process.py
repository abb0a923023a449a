"""A build as a process: its progress, Ctrl-C, crashes and kills; what is kept for the next one; memory."""

import json
import os
import platform
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from engines import CARD, door, saved
from minehat import MineHatError
from minehat.engine import BuildOptions, engine_from_onnx, kept
from minehat.engine.apart import run_apart
from minehat.engine.build import Built, _key
from minehat.engine.config import configured, workspace_of
from minehat.engine.library import Library, builder_library
from minehat.engine.memory import Memory, memory_here, usual_workspace, warning_of
from minehat.engine.network import parsed
from minehat.engine.source import source_of
from minehat.engine.timing import BETWEEN_SAVES, TimingCache, timing_cache
from minehat.engine.watch import BuildLog, Phases, logger_for
from minehat.files import cache_folder
from minehat.gpu import Gpu

pytestmark = [pytest.mark.usefixtures("nothing_kept"), pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="TensorRT-RTX builds ahead of time on x86-64 Linux only")]


@pytest.mark.parametrize(("number", "end"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_cancels_the_build_and_leaves_nothing(tmp_path, monkeypatch, number, end):
    """Pressed while the builder is inside one of our callbacks."""
    model, start = saved(tmp_path), Phases.start

    def pressed(self, name, parent, steps):
        start(self, name, parent, steps)
        if parent is not None:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(Phases, "start", pressed)
    try:
        code = door(model)
    except SystemExit as exc:
        code = exc.code
    assert code == end
    assert list(tmp_path.iterdir()) == [model]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_progress_grows_from_nothing_to_all_through_nested_phases():
    phases, seen = Phases("x"), []
    phases.start("build", None, 2)
    for step in range(2):
        phases.start("part", "build", 4)
        for inner in range(4):
            assert phases.step("part", inner)
            seen.append(phases.share)
        phases.finish("part")
        phases.step("build", step)
        seen.append(phases.share)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    phases.cancelled = True
    assert not phases.step("build", 1)


def test_a_bar_tells_what_is_left_and_a_log_gets_a_line_now_and_then(capsys):
    """On a hand-turned clock: 4 steps of 10 s each."""
    now = [0.0]
    phases = Phases("x.engine", clock=lambda: now[0])
    phases.start("tactics", None, 4)
    for step in range(3):
        now[0] += 10
        phases.step("tactics", step)
        assert phases.left == pytest.approx((3 - step) * 10)
    assert capsys.readouterr().err.splitlines() == ["x.engine: 50% after 20 s, 20 s to go (tactics)"]


def test_warnings_that_mean_nothing_here_are_not_kept():
    log = BuildLog()
    for words in ("Make sure output count has Int64 binding.", "converting scales to fp32", "a real one"):
        log.hear("WARNING", words)
    assert log.warnings == ["a real one"]


# The same build twice


def test_the_same_build_twice_is_fetched_and_equal(tmp_path):
    model = saved(tmp_path, precision="int8")
    first = engine_from_onnx(model, tmp_path / "a.engine")
    model.rename(tmp_path / "renamed.onnx")
    again = engine_from_onnx(tmp_path / "renamed.onnx", tmp_path / "b.engine", BuildOptions(require="int8"))
    assert (first.kept, again.kept) == (False, True)
    assert again.path.read_bytes() == first.path.read_bytes()
    assert again.card.onnx == "renamed.onnx" and "--require" in again.card.build_flags
    assert again.card.convolutions == first.card.convolutions


@pytest.mark.parametrize("options", [
    BuildOptions(sm=(89,)), BuildOptions(batch=(1, 1, 2)), BuildOptions(opt_level=1), BuildOptions(tf32=False),
    BuildOptions(workspace=1 << 25), BuildOptions(tactics=("jit",)), BuildOptions(keep=False)])
def test_another_build_is_not_fetched(tmp_path, options):
    model = saved(tmp_path)
    engine_from_onnx(model)
    assert not engine_from_onnx(model, options=options).kept


def test_another_file_or_card_is_not_fetched(tmp_path):
    engine_from_onnx(saved(tmp_path))
    assert not engine_from_onnx(saved(tmp_path, "other.onnx", precision="fp16")).kept
    assert not engine_from_onnx(tmp_path / "tiny.onnx", card=CARD.with_(conf=0.5)).kept


def test_an_engine_of_another_library_gpu_driver_or_core_has_another_key(tmp_path):
    usual, orin = BuildOptions(), Gpu("Orin", "8.7", "12.6", unified=True)
    source = source_of(saved(tmp_path), None, usual)
    gpus = [orin, replace(orin, name="Thor"), replace(orin, capability="8.9"), replace(orin, cuda_version="13.0")]
    libraries = [Library("tensorrt", "10.3.0", gpu, None) for gpu in gpus]
    libraries += [Library("tensorrt", "10.7.0", orin, None), Library("rtx", "10.3.0", orin, None)]
    keys = [_key(source, library, usual) for library in libraries]
    keys += [_key(source, libraries[0], BuildOptions(dla=core)) for core in (0, 1)]
    assert len(set(keys)) == len(keys) == 8
    assert _key(source, libraries[0], BuildOptions(require="int8", timing_cache=Path("x.cache"))) == keys[0]
    assert _key(source, libraries[-1], usual) == _key(source, replace(libraries[-1], gpu=None), usual)


# What the builder is told


def test_options_reach_the_builders_config(tmp_path):
    library, log = builder_library("rtx"), BuildLog()
    trt, source = library.trt, source_of(saved(tmp_path), None, BuildOptions())
    network = parsed(library, logger_for(trt, log), log, source)

    def told(options):
        config, capabilities = configured(library, network, source.card, options, (1, 2, 4))
        assert config.num_optimization_profiles == 1 and config.profiling_verbosity == trt.ProfilingVerbosity.DETAILED
        return (capabilities, config.builder_optimization_level, config.get_tactic_sources(),
                config.get_flag(trt.BuilderFlag.TF32), config.get_memory_pool_limit(trt.MemoryPoolType.WORKSPACE))

    assert told(BuildOptions(sm=(89,))) == (("8.9",), 3, 0b11, True, 1 << 30)
    asked = BuildOptions(sm=(75, 120), opt_level=1, tactics=("jit",), tf32=False, workspace=1 << 25)
    assert told(asked) == (("7.5", "12.0"), 1, 0b10, False, 1 << 25)
    assert told(BuildOptions(tactics=()))[2] == 0


def test_a_damaged_engine_that_was_kept_is_built_anew(tmp_path):
    model = saved(tmp_path)
    built = engine_from_onnx(model)
    for path in cache_folder("engines").glob("*.engine"):
        path.unlink()  # it may be the same file as the engine itself
        path.write_bytes(b"vtrt" + bytes(built.card.engine_bytes - 4))
    again = engine_from_onnx(model)
    assert not again.kept and again.path.read_bytes()[4:] != bytes(built.card.engine_bytes - 4)
    assert engine_from_onnx(model).kept


def test_what_was_not_used_for_longest_goes_first(tmp_path, monkeypatch):
    built = [engine_from_onnx(saved(tmp_path, f"{name}.onnx", precision=name)) for name in ("fp32", "fp16", "int8")]
    for engine, seconds in zip(sorted(cache_folder("engines").glob("*.engine"),
                                      key=lambda path: path.stat().st_mtime_ns), (1, 2, 3), strict=True):
        os.utime(engine, (seconds, seconds))
    monkeypatch.setattr(kept, "MOST_BYTES", sum(one.card.engine_bytes for one in built[1:]) + 400_000)
    assert engine_from_onnx(tmp_path / "fp32.onnx").kept  # used now, so it stays
    engine_from_onnx(saved(tmp_path, "more.onnx", lifted="stem", precision="int8"))
    left = {path.read_bytes() for path in cache_folder("engines").glob("*.engine")}
    assert built[0].path.read_bytes() in left and built[1].path.read_bytes() not in left


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc")
    assert isinstance(engine_from_onnx(saved(tmp_path)), Built)
    assert "not kept for the next time" in capsys.readouterr().err


# A process of its own


def command(*argv):
    """`minehat build` as a person starts it."""
    return [sys.executable, "-m", "minehat", "build", *map(str, argv)]


def test_the_door_builds_in_a_process_of_its_own(tmp_path):
    model = saved(tmp_path, precision="int8")
    run = subprocess.run([*command(model, "--json", "-")], capture_output=True, text=True, check=False)
    assert run.returncode == 0
    assert json.loads(run.stdout)["engine"] == str(tmp_path / "tiny.rtx.engine")
    run = subprocess.run(command(tmp_path / "absent.onnx"), capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (2, f"minehat: {tmp_path}/absent.onnx: no such model file.\n")


@pytest.mark.parametrize(("death", "words"), [
    ("os.kill(os.getpid(), signal.SIGKILL)", "was killed, as Linux does when memory runs out"),
    ("ctypes.string_at(0)", "crashed inside the library (SIGSEGV)"), ("os.abort()", "(SIGABRT)")])
def test_a_build_that_dies_ends_in_one_line(tmp_path, monkeypatch, death, words):
    (tmp_path / "doomed.py").write_text(f"import ctypes, os, signal, sys\nsys.stdin.read()\n{death}\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(MineHatError) as refusal:
        run_apart("doomed", {}, "the build of x.onnx")
    assert str(refusal.value).startswith("the build of x.onnx ") and words in str(refusal.value)


def test_a_build_that_has_no_memory_says_so(tmp_path):
    """TensorRT-RTX itself takes 0.4 to 0.7 GB of address space here."""
    model = Path(__file__).parents[1] / "models/helmet-nano/helmet-nano.onnx"
    for kilobytes in (400_000, 700_000):
        limited = ["bash", "-c", f"ulimit -v {kilobytes}; exec \"$@\"", "-", *command(model, "-o", tmp_path)]
        run = subprocess.run(limited, capture_output=True, text=True, check=False, env={**os.environ, **ONE_THREAD})
        assert run.returncode == 2, run.stderr
        assert "memory" in run.stderr or "Close other programs" in run.stderr
        assert list(tmp_path.iterdir()) == []


ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
SLOW = """
import sys, time
from minehat.engine.apart import answer
def work(request):
    try:
        print("begun", flush=True)
        time.sleep(60)
    finally:
        print("cleared", flush=True)
sys.exit(answer(work))
"""


@pytest.mark.parametrize(("number", "end"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_reaches_the_build_and_its_end_is_waited_for(tmp_path, number, end):
    (tmp_path / "slow.py").write_text(SLOW)
    code = ("import sys; from minehat.doors import run_door; from minehat.engine.apart import run_apart;"
            "sys.exit(run_door(lambda _: run_apart('slow', {}, 'x')))")
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env={**os.environ, "PYTHONPATH": str(tmp_path)}) as run:
        assert run.stdout.readline() == "begun\n"
        run.send_signal(number)
        assert run.communicate()[0] == "cleared\n"
        assert run.returncode == end


def test_a_build_ends_with_the_program_that_began_it(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    code = "from minehat.engine.apart import run_apart; run_apart('slow', {}, 'x')"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True,
                          env={**os.environ, "PYTHONPATH": str(tmp_path)}) as run:
        assert run.stdout.readline() == "begun\n"
        run.kill()
        assert run.stdout.read() == "cleared\n"


# Timings


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def config():
    """TensorRT-RTX's config takes and gives a timing cache as TensorRT's does, though it times nothing."""
    library = builder_library("rtx")
    builder = library.trt.Builder(library.trt.Logger(library.trt.Logger.ERROR))
    yield builder.create_builder_config()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_timings_are_saved_on_the_way_and_at_the_end(tmp_path, config):
    clock, path = Clock(), tmp_path / "x.cache"
    config.set_timing_cache(config.create_timing_cache(b""), ignore_mismatch=False)
    timings = TimingCache(path, config, clock)
    timings.tick()
    assert not path.exists()
    clock.now += BETWEEN_SAVES
    timings.tick()
    assert path.read_bytes()
    path.unlink()
    timings.tick()
    assert not path.exists()
    timings.save()
    assert path.read_bytes()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_timings_are_ours_by_library_and_gpu_or_the_named_file(tmp_path, config):
    orin = Library("tensorrt", "10.3.0", Gpu("Orin", "8.7", "12.6", unified=True), None)
    assert timing_cache(orin, config, None).path == cache_folder("timings") / "tensorrt-10.3.0-orin-8.7.cache"
    assert timing_cache(orin, config, tmp_path / "mine.cache").path == tmp_path / "mine.cache"
    with pytest.raises(MineHatError, match=r"must end in \.cache"):
        timing_cache(orin, config, tmp_path / "model.onnx")
    with pytest.raises(MineHatError, match="keeps no such cache"):
        timing_cache(builder_library("rtx"), config, tmp_path / "mine.cache")


class Choosy:
    """A config that takes no timings but its own, as TensorRT's does; TensorRT-RTX's takes all."""

    own = b"own"

    def __init__(self):
        self.set = None

    def create_timing_cache(self, content):
        return content

    def set_timing_cache(self, cache, ignore_mismatch):
        fits = ignore_mismatch or cache in (b"", self.own)
        self.set = cache if fits else self.set
        return fits


def test_timings_of_another_machine_are_refused_where_named_and_begun_anew_where_ours(tmp_path, capsys):
    orin = Library("tensorrt", "10.3.0", Gpu("Orin", "8.7", "12.6", unified=True), None)
    named, config = tmp_path / "mine.cache", Choosy()
    named.write_bytes(b"another")
    with pytest.raises(MineHatError, match=r"is no timing cache of TensorRT 10\.3\.0 on this GPU"):
        timing_cache(orin, config, named)
    assert named.read_bytes() == b"another"
    named.write_bytes(Choosy.own)
    timing_cache(orin, config, named)
    assert config.set == Choosy.own
    ours = timing_cache(orin, config, None).path
    ours.parent.mkdir(parents=True, exist_ok=True)
    ours.write_bytes(b"another")
    timing_cache(orin, config, None)
    assert config.set == b"" and "is damaged; timing anew" in capsys.readouterr().err


# Memory


def test_on_a_board_that_shares_its_memory_the_workspace_follows_what_is_free():
    gigabyte = 1 << 30
    assert usual_workspace(False, Memory(gigabyte, 0)) == gigabyte
    assert usual_workspace(True, Memory(8 * gigabyte, 0)) == gigabyte
    assert usual_workspace(True, Memory(2 * gigabyte, 0)) == gigabyte // 2
    assert usual_workspace(True, Memory(1 << 20, 0)) == 64 << 20
    assert usual_workspace(True, None) == gigabyte
    orin = Library("tensorrt", "10.3.0", Gpu("Orin", "8.7", "12.6", unified=True), None)
    assert workspace_of(orin, BuildOptions(workspace=77)) == 77
    assert workspace_of(orin, BuildOptions()) <= gigabyte
    assert orin.shares_memory and not replace(orin, flavour="rtx").shares_memory
    assert not replace(orin, gpu=replace(orin.gpu, unified=False)).shares_memory


def test_a_machine_too_small_is_warned_about_and_swap_counts():
    gigabyte = 1 << 30
    small = warning_of(True, Memory(gigabyte, 0), 123_000_000, gigabyte // 4)
    assert "1.1 GB of memory and 0.0 GB of swap are free" in small and "swapon" in small
    assert warning_of(True, Memory(gigabyte, 4 * gigabyte), 123_000_000, gigabyte // 4) is None
    assert warning_of(True, Memory(2 * gigabyte, 0), 1, 2 * gigabyte)  # the workspace is out of the same memory
    assert warning_of(False, Memory(2 * gigabyte, 0), 1, 2 * gigabyte) is None
    assert warning_of(False, None, 1, 1) is None


def test_what_linux_says_of_memory_is_read(tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 7990000 kB\nMemAvailable:    1048576 kB\nSwapFree:   2048 kB\n")
    assert memory_here(meminfo) == Memory(1 << 30, 2 << 20)
    assert memory_here(tmp_path / "absent") is None
    assert memory_here().available > 0
