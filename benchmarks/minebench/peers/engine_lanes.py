"""Engines, and whole frames, by everybody: each function makes what a lane runs, from a folder of the race."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

import minehat
import numpy as np
import numpy.typing as npt
from minehat.backends import loader_for
from minehat.card import read_card
from minehat.detector import Detector
from minehat.guests import load_onnxruntime

from .kept_lanes import naive_kept
from .letterbox_lanes import common_letterbox
from .tables import SHIPPED, model_of

Array = npt.NDArray[Any]
Run = Callable[[], Any]
NO_ENGINE: Any = None  # of a detector that only prepares


def frames(folder: Path, size: str = "1080p") -> Array:
    """Rendered scenes, uint8 [n, h, w, 3] BGR."""
    shown: Array = np.load(folder / f"frames-{size}.npy")
    return shown


def by_ours(name: str, folder: Path, backend: str = "ort") -> Run:
    """Our backend on a file of the race, one thread."""
    path = model_of(folder, name)
    card = read_card(path)
    engine, batch = loader_for(backend, path)(path, card, 1), _batch(card, folder)
    return lambda: engine.infer(batch)


def by_nncf(name: str, folder: Path) -> Run:
    """NNCF's INT8 in OpenVINO, the rest in what that is fastest in here, one thread."""
    from minehat.backends.openvino import OpenVinoBackend

    from .openvino import fastest_rest
    card = read_card(model_of(folder, f"{name}.onnx"))
    engine, batch = OpenVinoBackend(folder / f"{name}.nncf.xml", card, 1, fastest_rest()), _batch(card, folder)
    return lambda: engine.infer(batch)


def by_onnxruntime(name: str, folder: Path, threads: int | None) -> Run:
    """The FP32 file in ONNX Runtime as it comes, or on one thread."""
    path = model_of(folder, name)
    session, batch = ort_session(path, threads), _batch(read_card(path), folder)
    return lambda: session.run(None, {"images": batch})


def by_torch(name: str, folder: Path) -> Run:
    """The checkpoint in torch, eager, one thread."""
    import torch
    from minenet.checkpoint import load_checkpoint
    from minenet.network import Decoded
    torch.set_num_threads(1)
    network, card, _ = load_checkpoint(SHIPPED if name == "nano" else folder / f"{name}.pt")
    graph, batch = Decoded(network).eval(), torch.from_numpy(_batch(card, folder))

    def run() -> Any:
        with torch.inference_mode():
            return graph(batch)
    return run


def by_opencv(name: str, folder: Path) -> Run:
    """The FP32 file in OpenCV's DNN module."""
    import cv2
    path = model_of(folder, f"{name}.onnx")
    network, batch = cv2.dnn.readNetFromONNX(str(path)), _batch(read_card(path), folder)

    def run() -> Any:
        network.setInput(batch)
        return network.forward(network.getUnconnectedOutLayersNames())
    return run


def common_frame(name: str, folder: Path, threads: int | None) -> Mapping[str, Run]:
    """ONNX Runtime FP32 with common code around it."""
    path = model_of(folder, name)
    session, card, shown = ort_session(path, threads), read_card(path), cycle(frames(folder))

    def run() -> Array:
        frame = next(shown)
        batch, scale, left, top = common_letterbox(frame, card.height, card.width)
        boxes, scores = session.run(None, {"images": batch})
        kept = naive_kept(boxes[0], scores[0], card.conf, card.iou)
        kept[:, :4] = (kept[:, :4] - [left, top, left, top]) / scale
        kept[:, 0:4:2] = kept[:, 0:4:2].clip(0, frame.shape[1])
        kept[:, 1:4:2] = kept[:, 1:4:2].clip(0, frame.shape[0])
        return kept
    return {"whole": run}


def our_frame(name: str, folder: Path, threads: int | None, backend: str = "auto",
              beside: bool = False) -> Mapping[str, Run]:
    """Our detector on whole frames. beside: tell what share of a frame is not the engine's, too."""
    detector = minehat.open(model_of(folder, name), threads=threads, backend=backend)
    shown = cycle(frames(folder))
    share = {"beside": lambda: share_beside(detector, next(shown))} if beside else {}
    return {"whole": lambda: detector(next(shown)), **share}


def share_beside(detector: minehat.Detector, frame: Array) -> float:
    """Processor time of everything but the engine, as a share of the frame's."""
    begun = time.process_time_ns()
    batch, placement = detector.prepare(frame)
    prepared = time.process_time_ns()
    answer = detector.backend.infer(batch)
    inferred = time.process_time_ns()
    detector.finish([column[0] for column in answer], placement)
    whole = time.process_time_ns() - begun
    return (whole - (inferred - prepared)) / whole


def ort_session(path: Path, threads: int | None) -> Any:
    """As it comes, or with a number of threads."""
    onnxruntime = load_onnxruntime("measure it")
    options = onnxruntime.SessionOptions()
    if threads:
        options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _batch(card: minehat.ModelCard, folder: Path) -> Array:
    """[1, 3, H, W] of a rendered scene, as the card wants it."""
    batch, _ = Detector(card, NO_ENGINE, card.conf, card.iou).prepare(frames(folder)[0])
    return np.array(batch)
