"""The network on the GPU against ONNX Runtime on the CPU: engines of TensorRT and TensorRT-RTX, ONNX Runtime's CUDA."""

from __future__ import annotations

import importlib.util
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from minehat.backends.ort import OrtBackend
from minehat.card import ModelCard, read_card
from minehat.cuda import open_device
from minehat.detections import Detections
from minehat.detector import open_detector
from minehat.engine import BuildOptions, engine_from_onnx
from minehat.engine.library import MODULES, TITLES, running_library
from minehat.errors import MineHatError
from minehat.gpu import first_gpu
from minehat.guests import load_onnxruntime
from minehat.letterbox import as_input, letterbox

from ..frames import frames_of
from .outcome import NotRun, expect
from .timing import host_ms

Array = npt.NDArray[Any]
# Pixels and score, over boxes that score 0.01. FP16 rounds otherwise in every fusion, and INT8 steps to a neighbouring
# level: two ways of ONNX Runtime's own through one INT8 file lie 0.2 pixels and 0.009 apart.
TOLERANCES = {"fp32": (0.1, 1e-3), "fp16": (0.25, 1e-2), "int8": (1.0, 5e-2), "int8+fp16": (1.0, 5e-2)}
LOW = 0.01
BATCH = (1, 1, 4)
MOST_HELD_MB = 64  # others may use the GPU beside us


def engine(model: str, target: str) -> dict[str, Any]:
    """Build, load, answer batches of 1 to 4 as ONNX Runtime does on the CPU, and time it."""
    check_served(target)
    with tempfile.TemporaryDirectory() as folder:
        built = engine_from_onnx(model, Path(folder) / "check.engine", options_for(target))
        with open_detector(built.path) as detector:
            figures = _compared(detector.backend, Path(model))
            figures["latency_ms"] = _timed(detector.backend, Path(model))
            _check_refusal(detector.backend, Path(model))
        figures["held_mb"] = _held_mb(built.path, Path(model))
    return {**figures, "build_seconds": built.card.build_seconds, "engine_mb": built.card.engine_bytes / 1e6,
            "convolutions": built.card.precisions}


def suppressed(model: str, target: str, nms: str) -> dict[str, Any]:
    """With suppression grafted on, the same helmets and heads are found as by the plain file on the CPU."""
    check_served(target)
    frames = frames_of(None, 8).frames
    with tempfile.TemporaryDirectory() as folder:
        built = engine_from_onnx(model, Path(folder) / "check.engine", options_for(target, nms))
        with open_detector(built.path) as ours, open_detector(model, backend="ort") as theirs:
            seen = [(ours(frame), theirs(frame)) for frame in frames]
            batch, _ = ours.prepare(frames[0])
            latency = host_ms(lambda: ours.backend.infer(batch))
    card = built.card.model
    doubt = TOLERANCES[card.precision][1]
    for row, (found, wanted) in enumerate(seen):
        expect(alike(found, wanted, card.conf + doubt), f"frame {row}: {len(found)} found on the GPU, {len(wanted)} "
                                                         "on the CPU, or their boxes lie more than a pixel apart")
    return {"found": sum(len(found) for found, _ in seen), "frames": len(seen), "latency_ms": latency}


def ort_cuda(model: str) -> dict[str, Any]:
    """ONNX Runtime's CUDA provider, with nothing left to the CPU in silence."""
    if not importlib.util.find_spec("onnxruntime"):
        raise NotRun("onnxruntime is not installed")
    ort = load_onnxruntime("check its CUDA provider")
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        raise NotRun(f"onnxruntime {ort.__version__} is the CPU's; the CUDA provider comes with onnxruntime-gpu")
    if hasattr(ort, "preload_dlls"):  # from 1.21: finds CUDA and cuDNN where pip put them
        ort.preload_dlls()
    options = ort.SessionOptions()
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    session = ort.InferenceSession(model, options, providers=[("CUDAExecutionProvider", {"use_tf32": "0"})])
    backend = _Session(session, read_card(model))
    return {**_compared(backend, Path(model)), "version": ort.__version__, "latency_ms": _timed(backend, Path(model))}


class _Session:
    """An ONNX Runtime session that answers as a backend does."""

    def __init__(self, session: Any, card: ModelCard) -> None:
        self._session, self._outputs = session, list(card.outputs)
        self._input = session.get_inputs()[0].name

    def infer(self, batch: Array) -> tuple[Array, ...]:
        return tuple(self._session.run(self._outputs, {self._input: batch}))


def check_served(target: str) -> None:
    """Raise NotRun where the library is not here or does not serve this GPU."""
    if not any(importlib.util.find_spec(module) for module in MODULES[target]):
        raise NotRun(f"{TITLES[target]} is not installed")
    library, gpu = running_library(target), first_gpu()
    expect(gpu is not None, "no GPU answers")
    if target == "rtx":
        served = [name for name in library.trt.ComputeCapability.__members__ if name.startswith("SM")]
        if f"SM{gpu.capability.replace('.', '')}" not in served:
            raise NotRun(f"{library.title} does not serve GPUs of {gpu.capability}, only {', '.join(served)}")


def options_for(target: str, nms: str = "none") -> BuildOptions:
    gpu = first_gpu()
    sm = (int(gpu.capability.replace(".", "")),) if gpu and target == "rtx" else ()
    return BuildOptions(target=target, sm=sm, batch=BATCH, nms=nms, tf32=False, keep=False)


@cache
def _squares(model: Path) -> Array:
    """float32 [8, 3, H, W]: scenes as the network takes them."""
    card = read_card(model)
    return np.stack([as_input(letterbox(frame, card.height, card.width, card.pad)[0], card)
                     for frame in frames_of(None, 8).frames])


def _timed(backend: Any, model: Path) -> dict[str, dict[str, float]]:
    """Milliseconds of an answer, copies to and from the GPU included, by batch."""
    return {f"batch {size}": host_ms(lambda size=size: backend.infer(_squares(model)[:size]))
            for size in (BATCH[0], BATCH[2])}


def _compared(backend: Any, model: Path) -> dict[str, Any]:
    """Largest differences to ONNX Runtime on the CPU over eight scenes, in batches of 1 to 4."""
    card = read_card(model)
    theirs = OrtBackend(model, card)
    pixels = score = 0.0
    boxes = 0
    for first, size in ((0, 1), (1, 4), (5, 3)):
        batch = _squares(model)[first:first + size]
        answer, wanted = backend.infer(batch), theirs.infer(batch)
        likely = np.maximum(answer[1], wanted[1]).max(axis=-1) >= LOW
        boxes += int(likely.sum())
        pixels = max(pixels, float(np.abs(answer[0] - wanted[0])[likely].max(initial=0)))
        score = max(score, float(np.abs(answer[1] - wanted[1]).max()))
    most_pixels, most_score = TOLERANCES[card.precision]
    expect(boxes > 0, f"no box scores {LOW}: nothing was compared")
    expect(pixels <= most_pixels and score <= most_score,
           f"boxes differ by up to {pixels:.3f} pixels (at most {most_pixels}), scores by {score:.5f} ({most_score})")
    return {"boxes": boxes, "pixels": pixels, "score": score, "tolerance": [most_pixels, most_score]}


def _held_mb(engine: Path, model: Path) -> int:
    """Memory of the GPU that opening and closing twice more did not give back."""
    free = []
    for _ in range(3):
        with open_detector(engine) as detector:
            detector.backend.infer(_squares(model)[:BATCH[2]])
        with open_device() as device:
            free.append(device.memory_info()[0] >> 20)
    held = free[0] - free[-1]
    expect(held < MOST_HELD_MB, f"two more openings kept {held} MB of the GPU's memory")
    return held


def _check_refusal(backend: Any, model: Path) -> None:
    try:
        backend.infer(_squares(model)[:BATCH[2] + 1])
    except MineHatError:
        return
    raise AssertionError("a batch that the engine was not built for was not refused")


def alike(found: Detections, wanted: Detections, sure: float) -> bool:
    """Whether both hold, within a pixel, each box that scores `sure` in the other; weaker ones may be in one alone."""
    return _holds(found, wanted[wanted.scores >= sure]) and _holds(wanted, found[found.scores >= sure])


def _holds(some: Detections, others: Detections) -> bool:
    return all((np.abs(some.boxes[some.labels == label] - box) <= 1.0).all(axis=1).any()
               for box, label in zip(others.boxes, others.labels, strict=True))
