"""What every lane of every table runs, opened in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from . import engine_lanes as engine
from .tables import GRAFTED, NNCF, OURS, OURS_DEFAULTS, OURS_OPENVINO, PLAIN, PLAIN_DEFAULTS, WIDE, WIDE_DEFAULTS

Cases = Mapping[str, Callable[[], Any]]  # what a lane does in a turn
SHARES = ("beside",)  # cases that tell a share of their own instead of being timed


def open_lane(table: str, lane: str, folder: Path) -> Cases:
    """Load what the lane needs. folder: of the race, with its models."""
    if table in ("letterbox", "kept"):
        _free_a_frame()
        return _letterbox(lane, folder) if table == "letterbox" else _kept(lane)
    if table == "attention":
        precision, attention = lane.split(", ")
        name = "full" if attention == "both" else "full-plain"
        return {"answer": engine.by_ours(f"{name}.int8-cpu.onnx" if precision == "INT8" else f"{name}.onnx", folder)}
    kind, name = table.split("-")
    if kind == "engines":
        return {"answer": _engines(name)[lane](folder)}
    cases: Cases = _frames(name)[lane](folder)
    return cases


def _free_a_frame() -> None:
    """Let malloc see a large block freed, as it does in a process that reads video.

    Before that glibc gives the memory of each call back to the system, and code that allocates in every call takes
    twice the time: the peers', not ours.
    """
    np.empty(30 << 20, np.uint8)


def _letterbox(lane: str, folder: Path) -> Cases:
    from .letterbox_lanes import LETTERBOXES
    run = LETTERBOXES[lane](416)
    return {size: partial(run, engine.frames(folder, size)[0]) for size in ("1080p", "720p")}


def _kept(lane: str) -> Cases:
    from .kept_lanes import KEEPINGS, an_answer
    return {str(count): KEEPINGS[lane](*an_answer(count)) for count in (20, 300)}


def _engines(name: str) -> Mapping[str, Callable[[Path], Callable[[], Any]]]:
    small, plain = f"{name}.int8-cpu.onnx", f"{name}.onnx"
    return {OURS: partial(engine.by_ours, small), OURS_OPENVINO: partial(engine.by_ours, small, backend="openvino"),
            NNCF: partial(engine.by_nncf, name),
            "ONNX Runtime FP32": partial(engine.by_onnxruntime, plain, threads=1),
            "ONNX Runtime FP32, defaults": partial(engine.by_onnxruntime, plain, threads=None),
            "OpenCV DNN FP32": partial(engine.by_opencv, name), "torch eager FP32": partial(engine.by_torch, name)}


def _frames(name: str) -> Mapping[str, Callable[[Path], Cases]]:
    small, wide, plain = f"{name}.int8-cpu.onnx", f"{name}-wide.int8-cpu.onnx", f"{name}.onnx"
    return {OURS: partial(engine.our_frame, small, threads=1, beside=True),
            OURS_DEFAULTS: partial(engine.our_frame, small, threads=None),
            GRAFTED: partial(engine.our_frame, f"{name}.grafted.onnx", threads=1),
            WIDE: partial(engine.our_frame, wide, threads=1),
            WIDE_DEFAULTS: partial(engine.our_frame, wide, threads=None),
            OURS_OPENVINO: partial(engine.our_frame, small, threads=1, backend="openvino"),
            PLAIN: partial(engine.common_frame, plain, threads=1),
            PLAIN_DEFAULTS: partial(engine.common_frame, plain, threads=None)}
