"""Frame -> boxes with all on the GPU: the same found as on the CPU, and what it costs over the bare network."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from minehat import scenes
from minehat.backends.loaded_engine import LoadedEngine
from minehat.backends.tensorrt import TensorRtBackend
from minehat.card import read_card
from minehat.cuda import DRIVERS, CudaArray, open_device
from minehat.cuda.driver import CHOICE
from minehat.detections import Detections
from minehat.detector import Detector, open_detector
from minehat.engine import engine_from_onnx
from minehat.engine.card import read_engine_card
from minehat.errors import Missing

from ..frames import frames_of
from .models import TOLERANCES, alike, check_served, options_for
from .outcome import expect
from .timing import host_ms

Array = npt.NDArray[Any]
SIDES = (1920, 1080)  # of the frame that is timed
STREAMED = 64  # frames


def seen(model: str, target: str) -> dict[str, Any]:
    """Through each driver that is here. `over_raw`: what a frame costs over the network alone, launched as a graph."""
    check_served(target)
    frames = frames_of(None, 8).frames
    with open_detector(model, backend="ort") as theirs:
        wanted = theirs.batch(frames)
    figures: dict[str, Any] = {"frame": "x".join(map(str, SIDES))}
    with tempfile.TemporaryDirectory() as folder:
        path = engine_from_onnx(model, Path(folder) / "check.engine", options_for(target)).path
        for driver in DRIVERS:
            os.environ[CHOICE] = driver
            try:
                figures[driver] = _through_driver(path, frames, wanted)
            except Missing as exc:
                figures[driver] = f"not run: {exc}"
    expect(any(isinstance(figures[driver], dict) for driver in DRIVERS), "no driver is here")
    return figures


def _through_driver(path: Path, frames: list[Array], wanted: list[Detections]) -> dict[str, Any]:
    raw = _raw_ms(path)
    whole = {name: _frame_ms(path, frames, wanted, graphs) for name, graphs in (("graph", True), ("plain", False))}
    timed = whole["graph"]
    figures = {"found": sum(map(len, wanted)), "raw_ms": raw, "graph_ms": timed, "plain_ms": whole["plain"],
               "over_raw": {name: _ratio(timed[name], raw["graph"]) for name in ("host", "gpu")},
               "graph_gain": {"network": _ratio(raw["plain"], raw["graph"]),
                              **{name: _ratio(whole["plain"][name], timed[name]) for name in ("host", "gpu")}}}
    return {**figures, "streamed_ms": _streamed_ms(path)}


def _ratio(one: dict[str, float], other: dict[str, float]) -> float:
    return round(one["p50"] / max(other["p50"], 1e-9), 3)


def _raw_ms(path: Path) -> dict[str, dict[str, float]]:
    """The network alone, nothing copied: put on the stream, and launched as a graph."""
    with open_device() as device:
        engine = LoadedEngine(path, read_card(path), device)
        try:
            engine.load(read_engine_card(path))
            engine.shape(1)

            def plain() -> None:
                engine.enqueue()
                engine.stream.synchronize()

            took = {"plain": host_ms(plain)}
            graph = device.graph(engine.stream, engine.enqueue)

            def launched() -> None:
                graph.launch(engine.stream)
                engine.stream.synchronize()

            return {**took, "graph": host_ms(launched)}
        finally:
            engine.close()


def _frame_ms(path: Path, frames: list[Array], wanted: list[Detections], graphs: bool) -> dict[str, dict[str, float]]:
    """A frame of the host, and one on the GPU, to detections."""
    card = read_card(path)
    sure = card.conf + TOLERANCES[card.precision][1]
    large = scenes.picture(1, *SIDES).frame
    with Detector(card, TensorRtBackend(path, card, graphs=graphs), card.conf, card.iou) as detector:
        for _ in range(3):  # done, noted down, launched
            for row, (frame, theirs) in enumerate(zip(frames, wanted, strict=True)):
                found = detector(frame)
                expect(alike(found, theirs, sure), f"frame {row}: {len(found)} found on the GPU, {len(theirs)} on the "
                                                   "CPU, or their boxes lie more than a pixel apart")
        took = {"host": host_ms(lambda: detector(large))}
        with open_device() as device:
            stream, there = device.stream(), device.memory(large.nbytes)
            there.copy_in(large, stream)
            stream.synchronize()
            given: Any = CudaArray(there.address, large.shape, np.dtype(np.uint8), there)
            expect(alike(detector(given), detector(large), sure), "a frame on the GPU is seen otherwise")
            return {**took, "gpu": host_ms(lambda: detector(given))}


def _streamed_ms(path: Path) -> float:
    """Of a frame in a stream, where the next is copied to the GPU while one is seen."""
    large = scenes.picture(1, *SIDES).frame
    with open_detector(path) as detector:
        took = host_ms(lambda: list(detector.stream([large] * STREAMED)), times=3)
    return round(took["p50"] / STREAMED, 4)
