"""Does `make gpu-check` tell what happened, whatever happens? And do its driver checks run, over a stub driver?"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from cuda_stub import over_stub, stub_environment
from minebench.gpu import models
from minebench.gpu.apart import row_of
from minebench.gpu.listed import ALONE, all_checks
from minebench.gpu.outcome import FAILED, NOT_RUN, PASSED, Check, Row
from minebench.gpu.told import told
from minehat.backends.ort import OrtBackend
from minehat.card import read_card
from minehat.detections import Detections

NANO = ROOT / "models" / "helmet-nano" / "helmet-nano.onnx"
FEW = {"pinned": {"times": 1}, "graphs": {"times": 2}, "bandwidth": {"batch": 1, "times": 1},
       "suppression": {"cases": 4, "times": 1}}


def door(*arguments, **environment):
    return subprocess.run([sys.executable, ROOT / "benchmarks" / "gpu_check.py", *map(str, arguments)],
                          capture_output=True, text=True, check=False, env={**os.environ, **environment})


@pytest.fixture
def tried(tmp_path, monkeypatch):
    """Runs a made-up check: its row, and what stands in the log."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests"))

    def run(name, seconds=60.0, environment=None, **arguments):
        log = tmp_path / "log.txt"
        check = Check(name, f"made_up_checks:{name}", arguments, seconds, environment or {})
        return row_of(check, log), log.read_text()

    return run


def test_a_check_that_passes_brings_its_figures_and_its_words(tried):
    row, log = tried("good", environment={"MADE_UP": "heard"}, value=3)
    assert (row.status, row.reason, row.figures) == (PASSED, "", {"value": 3, "environment": "heard"})
    assert 0 < row.seconds < 60
    assert "--- good\nsaid on the way\n" in log


@pytest.mark.parametrize(("name", "status", "reason"), [
    ("lacking", NOT_RUN, "libwonder is not installed"),
    ("wrong", FAILED, "two is not three"),
    ("raising", FAILED, "KeyError: 'absent'"),
    ("crashing", FAILED, "it was ended by SIGABRT: about to crash"),
    ("leaving", FAILED, "it ended with exit code 7: last words"),
    ("lost", FAILED, "CudaLost: The GPU gave up"),
    ("absent", FAILED, "AttributeError")])
def test_whatever_happens_costs_its_row_alone(tried, name, status, reason):
    row, _ = tried(name)
    assert row.status == status
    assert row.reason.startswith(reason)
    assert "\n" not in row.reason


def test_a_check_that_does_not_end_is_ended_with_all_that_it_started(tried, tmp_path):
    note = tmp_path / "child"
    row, _ = tried("endless", seconds=2.0, note=str(note))
    assert (row.status, row.reason) == (FAILED, "it took longer than 2 s")
    assert row.seconds < 30
    for _ in range(100):
        if not Path(f"/proc/{note.read_text()}").exists():
            return
        time.sleep(0.05)
    pytest.fail("its child lives on")


def test_a_row_is_one_line_for_people():
    line = told(Row("cuda: kernel", PASSED, seconds=1.5, figures={"plain": {"p50": 0.25, "p99": 9}, "gb": 12.345678}))
    assert "passed" in line and "plain 0.25" in line and "gb 12.35" in line
    assert told(Row("cuda: kernel", NOT_RUN, "no library")).endswith("no library")


# The list


def test_every_check_exists_and_has_a_name_of_its_own():
    shipped = [path for path in (ROOT / "models").glob("*/*.onnx") if read_card(path).precision != "int8-cpu"]
    checks = all_checks(shipped)
    assert len({check.name for check in checks}) == len(checks)
    for check in checks:
        module, function = check.target.split(":")
        assert callable(getattr(importlib.import_module(module), function))
    for path in shipped:
        assert sum(path.name in check.name for check in checks) >= 3


def test_fp32_is_compared_without_tf32():
    assert all(check.environment.get("NVIDIA_TF32_OVERRIDE") == "0" for check in all_checks([NANO])
               if NANO.name in check.name)


# Over the stub driver


@pytest.mark.parametrize("name", ALONE)
def test_the_checks_of_a_driver_run_for_real(tmp_path, monkeypatch, name):
    for variable, value in stub_environment().items():
        monkeypatch.setenv(variable, value)
    check = next(check for check in all_checks([]) if check.name == f"cuda-bindings: {name}")
    row = row_of(replace(check, arguments={**check.arguments, **FEW.get(name, {})}), tmp_path / "log.txt")
    assert (row.status, row.reason) == (PASSED, "")


def test_a_driver_whose_library_is_not_here_is_not_run(tmp_path, monkeypatch):
    for variable, value in stub_environment(PYTHONPATH=str(tmp_path)).items():
        monkeypatch.setenv(variable, value)
    (tmp_path / "pycuda.py").write_text("raise ModuleNotFoundError('no pycuda')")
    check = next(check for check in all_checks([]) if check.name == "pycuda: memory")
    row = row_of(check, tmp_path / "log.txt")
    assert row.status == NOT_RUN and "pip install pycuda" in row.reason


@pytest.mark.parametrize(("name", "fail", "words"), [
    ("memory", "cuMemcpyDtoDAsync:1", "cuMemcpyDtoDAsync"), ("streams", "cuStreamSynchronize:700", "CudaLost"),
    ("kernel", "cuLaunchKernel:719:3", "CudaLost"), ("graphs", "cuGraphLaunch:1", "cuGraphLaunch")])
def test_a_driver_that_fails_fails_the_check(tmp_path, monkeypatch, name, fail, words):
    for variable, value in stub_environment(STUB_FAIL=fail).items():
        monkeypatch.setenv(variable, value)
    check = next(check for check in all_checks([]) if check.name == f"cuda-bindings: {name}")
    row = row_of(check, tmp_path / "log.txt")
    assert row.status == FAILED and words in row.reason


def test_the_door_writes_one_json_and_names_what_was_not_run(tmp_path):
    done = door("--out", tmp_path, "--model", NANO, "--only", "RTX", **stub_environment(STUB_SM="90"))
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    report = json.loads((tmp_path / "gpu-check.json").read_text())
    assert summary["not run"] == report["counts"]["not run"] == len(report["rows"]) == 4
    assert all(row["status"] == NOT_RUN and "TensorRT-RTX" in row["reason"] for row in report["rows"])
    assert report["gpu"]["capability"] == "9.0" and report["gpu"]["name"] == "Stub 0"
    assert report["machine"]["python"] and "cuda-bindings" in report["packages"]
    assert (tmp_path / "gpu-check.log").is_file()


def test_a_failed_check_is_in_the_exit_code(tmp_path):
    done = door("--out", tmp_path, "--only", "cuda-bindings: memory", **stub_environment(STUB_FAIL="cuMemAlloc:1"))
    assert done.returncode == 3
    assert json.loads(done.stdout)["failed"] == 1
    assert "failed" in done.stderr and "cuMemAlloc" in done.stderr


def test_with_no_gpu_it_is_one_line_and_nothing_is_written(tmp_path):
    done = door("--out", tmp_path / "out", **stub_environment(STUB_FAIL="cuInit:100"))
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert "No NVIDIA GPU answers" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_word_that_no_check_has_is_refused(tmp_path):
    done = door("--out", tmp_path, "--only", "opencl", **stub_environment())
    assert done.returncode == 2 and "cuda-bindings: memory" in done.stderr


# Comparing


class Altered(OrtBackend):
    """ONNX Runtime with a fault."""

    shift, factor = 0.0, 1.0

    def infer(self, batch):
        boxes, scores = super().infer(batch)
        return boxes + np.float32(self.shift), scores * np.float32(self.factor)


def test_the_same_answers_compare_equal():
    figures = models._compared(OrtBackend(NANO, read_card(NANO), 1), NANO)
    assert figures["boxes"] > 20 and figures["pixels"] < 1e-3 and figures["score"] < 1e-6


@pytest.mark.parametrize(("fault", "words"), [({"shift": 0.2}, "0.200 pixels"), ({"factor": 0.99}, "scores by")])
def test_other_answers_fail(fault, words):
    altered = Altered(NANO, read_card(NANO), 1)
    vars(altered).update(fault)
    with pytest.raises(AssertionError, match=words):
        models._compared(altered, NANO)


def test_what_is_found_is_compared_box_by_box_but_for_those_at_the_threshold():
    boxes = np.array([[10, 10, 50, 50], [60, 10, 90, 50], [10, 60, 50, 90]], np.float32)
    found = Detections(boxes, np.array([0.9, 0.8, 0.26], np.float32), np.array([0, 1, 0]))
    assert models.alike(found, found[[1, 0]], 0.3) and models.alike(found[[1, 0]], found, 0.3)
    assert models.alike(found, Detections(boxes + 0.9, found.scores, found.labels), 0.3)
    for other in (found[[0]], Detections(boxes + 1.1, found.scores, found.labels),
                  Detections(boxes, found.scores, 1 - found.labels)):
        assert not models.alike(found, other, 0.3) and not models.alike(other, found, 0.3)
    assert not models.alike(found, found[[1, 0]], 0.2)


BUILT = f"""
import sys
sys.path[:0] = [{str(ROOT / "tests" / "fake_trt")!r}, {str(ROOT / "tests")!r}, {str(ROOT / "benchmarks")!r}]
import json
from pathlib import Path
import minehat.detections
from minebench.gpu import models, seen, timing
from minehat.card import read_card
from minehat.engine.build import Built
from minehat.engine.card import read_engine_card
from minehat.engine.source import source_of
from test_tensorrt_backend import engine_of
timing.TIMES = 3
def stand_in(onnx, path, options):
    source = source_of(Path(onnx), None, options)
    engine_of(source.grafted or source.onnx.read_bytes(), path, source.card, options.batch)
    return Built(path, read_engine_card(path), False)
models.engine_from_onnx = seen.engine_from_onnx = stand_in
seen.STREAMED = 2
seen.frames_of = lambda *_: models.frames_of(None, 3)
"""


def over_stand_in(program):
    """What the program prints, as JSON: TensorRT is played by ONNX Runtime, the GPU by the stub driver."""
    done = over_stub(BUILT + f"model = {str(NANO)!r}\nprint(json.dumps({program}))")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_an_engine_is_built_compared_timed_and_asked_too_much():
    figures = over_stand_in("models.engine(model, 'tensorrt')")
    assert figures["boxes"] > 20 and figures["pixels"] == figures["score"] == 0
    assert set(figures["latency_ms"]) == {"batch 1", "batch 4"}
    assert figures["engine_mb"] > 1 and figures["held_mb"] == 0 and "build_seconds" in figures


@pytest.mark.parametrize("nms", ["topk", "graph"])
def test_an_engine_with_suppression_inside_finds_the_same(nms):
    figures = over_stand_in(f"models.suppressed(model, 'tensorrt', {nms!r})")
    assert figures["found"] >= figures["frames"] == 8


def test_frames_are_seen_alike_and_what_that_costs_is_told():
    figures = over_stand_in("seen.seen(model, 'tensorrt')")
    through = figures["cuda-bindings"]
    assert through["found"] > 8 and through["streamed_ms"] > 0
    assert set(through["over_raw"]) == {"host", "gpu"} and set(through["graph_gain"]) == {"network", "host", "gpu"}
    assert min(through["over_raw"].values()) > 0 and min(through["graph_gain"].values()) > 0
    assert isinstance(figures["pycuda"], dict) or figures["pycuda"].startswith("not run: pycuda is missing")


def test_a_frame_that_is_seen_otherwise_fails():
    done = over_stub(BUILT + f"""
see = seen.TensorRtBackend.see
def shifted(*given):
    (boxes, *rest), placements = see(*given)
    return (boxes + 3, *rest), placements
seen.TensorRtBackend.see = shifted
seen.seen({str(NANO)!r}, "tensorrt")
""")
    assert done.returncode and "frame 0:" in done.stderr.splitlines()[-1]


def test_the_cuda_provider_is_not_run_where_onnx_runtime_is_the_cpus(tmp_path):
    check = next(check for check in all_checks([NANO]) if check.target.endswith("ort_cuda"))
    row = row_of(check, tmp_path / "log.txt")
    assert row.status == NOT_RUN and "onnxruntime-gpu" in row.reason
