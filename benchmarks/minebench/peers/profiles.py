"""Where the time of a lane goes: by operation of an engine, or by function of Python.

    python -m minebench.peers.profiles MODEL.onnx|MODEL.xml SIZE    # one JSON object: percent by operation
"""

from __future__ import annotations

import cProfile
import json
import pstats
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from minehat.guests import load_onnxruntime

ROWS = 8  # that a profile shows
RUNS = 4


def calls_of(run: Callable[[], Any], runs: int = 50) -> dict[str, float]:
    """Microseconds a call spent in each function itself, the most first."""
    run()
    profile = cProfile.Profile(time.process_time)
    profile.enable()
    for _ in range(runs):
        run()
    profile.disable()
    stats: Mapping[tuple[str, int, str], tuple[Any, ...]] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    own = Counter({_name(key): 1e6 * row[2] / runs for key, row in stats.items()})
    return {name: round(us, 1) for name, us in own.most_common(ROWS)}


def operations_of(model: Path, height: int, width: int) -> dict[str, float]:
    """Percent of an answer's time by kind of operation, one thread: ONNX Runtime's for .onnx, OpenVINO's for .xml.

    Their profilers go by the wall clock, so that shares are what holds on a busy machine.
    """
    batch = np.random.default_rng(0).random((1, 3, height, width), np.float32)
    spent = _in_openvino(model, batch) if model.suffix == ".xml" else _in_onnxruntime(model, batch)
    return {kind: round(100 * ms / spent.total(), 2) for kind, ms in spent.most_common(ROWS)}


def _in_onnxruntime(model: Path, batch: Any) -> Counter[str]:
    onnxruntime = load_onnxruntime("measure it")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.enable_profiling = True
    with TemporaryDirectory() as folder:
        options.profile_file_prefix = f"{folder}/profile"
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        feed = session.get_inputs()[0]
        kind = np.uint8 if "uint8" in feed.type else np.float32
        batch = (batch * 255).astype(kind) if kind is np.uint8 else batch
        for _ in range(RUNS + 1):
            session.run(None, {feed.name: batch})
        events = json.loads(Path(session.end_profiling()).read_text())
    nodes = [event for event in events if event["cat"] == "Node" and event["name"].endswith("_kernel_time")]
    a_run = len(nodes) // (RUNS + 1)
    spent: Counter[str] = Counter()
    for event in nodes[a_run:]:  # the first run warms up
        spent[event["args"]["op_name"]] += event["dur"] / 1000 / RUNS
    return spent


def _in_openvino(model: Path, batch: Any) -> Counter[str]:
    import openvino

    from .openvino import fastest_rest
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(str(model)), "CPU", {
        "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "PERF_COUNT": True, "INFERENCE_PRECISION_HINT": fastest_rest()})
    request = compiled.create_infer_request()
    spent: Counter[str] = Counter()
    for run in range(RUNS + 1):
        request.infer([batch])
        for entry in request.profiling_info if run else ():
            spent[entry.node_type] += entry.real_time.total_seconds() * 1000 / RUNS
    return spent


def _name(key: tuple[str, int, str]) -> str:
    path, line, function = key
    return function if path.startswith(("~", "<")) else f"{Path(path).name}:{line} {function}"


if __name__ == "__main__":
    print(json.dumps(operations_of(Path(sys.argv[1]), *map(int, sys.argv[2].split("x")))))
