"""The detector's process: one model, asked over a wire, until the wire ends or the model fails."""

from __future__ import annotations

import io
import os
import select
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import minehat
import numpy as np
from minehat.backends import ENGINES
from minehat.detections import Detections
from minehat.doors import BUG, DONE, GPU_LOST, MENDABLE
from minehat.engine import check_engine
from minehat.errors import CudaLost, MineHatError, Missing
from minehat.files import sha256_of

from .frames import Memories
from .messages import Found, Gone, Load, Look, Model, Ready, Said
from .wire import Wire

GPU_BACKENDS = ("ort-cuda", "ort-tensorrt", "tensorrt")


def main(handle: int) -> None:
    """Serve the wire of this file descriptor, then end the process without unwinding what libraries hold."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the watch's to hear; this process leaves with it
        signal.signal(number, signal.SIG_IGN)
    wire = Wire(socket.socket(fileno=handle), blocking=True)
    threading.Thread(target=_leave_with, args=(handle,), daemon=True).start()
    sys.stderr = sys.stdout = Voice(wire)
    os._exit(serve(wire))


def serve(wire: Wire) -> int:
    """Load the model that the first message names, answer every Look; returns the exit code."""
    try:
        load: Load = wire.receive()
        try:
            detector, ready = opened(load)
        except Exception as exc:
            return _farewell(wire, exc, load.model, "load")
        wire.send(ready)
        memories = Memories()
        while True:
            look: Look = wire.receive()
            try:
                found = looked(detector, memories, look)
            except Exception as exc:
                return _farewell(wire, exc, load.model, "error")
            wire.send(found)
    except (EOFError, ConnectionError):
        return DONE


def opened(load: Load) -> tuple[minehat.Detector, Ready]:
    """The model, open, after one look at nothing. Raises what minehat.open does."""
    began, model = time.monotonic(), load.model
    detector = minehat.open(model.file, model.card, model.backend, model.conf, model.iou, load.threads)
    detector(np.zeros((detector.card.height, detector.card.width, 3), np.uint8))
    return detector, Ready(detector.card.name, detector.backend.name, detector.card.classes,
                           time.monotonic() - began, sha256_of(model.file))


def looked(detector: minehat.Detector, memories: Memories, look: Look) -> Found:
    """What is seen in the frames that can be read, all in one batch."""
    began = time.monotonic()
    frames = [memories.frame(place) for place in look.places]
    seen = iter(detector.batch([frame for frame in frames if frame is not None]))
    found: list[Detections | None] = [None if frame is None else next(seen) for frame in frames]
    return Found(look.number, tuple(found), (time.monotonic() - began) * 1000)


def epitaph(exc: Exception, model: Model, cause: str) -> tuple[Gone, int]:
    """The last word for what went wrong, and the exit code. cause: load or error, where the GPU is not to blame."""
    text = " ".join(str(exc).split()) or type(exc).__name__
    if isinstance(exc, CudaLost) or _is_sticky(exc):
        return Gone("cuda", text), GPU_LOST
    if isinstance(exc, MineHatError):
        return Gone(cause, text, cause == "load" and _is_final(exc, model)), MENDABLE
    return Gone(cause, f"{type(exc).__name__}: {text}"), BUG


def _is_sticky(exc: Exception) -> bool:
    """Whether it tells of CUDA, as ONNX Runtime's errors do: what it left in the context cannot be known."""
    return not isinstance(exc, MineHatError) and "cuda" in str(exc).lower()


def _is_final(exc: MineHatError, model: Model) -> bool:
    """Whether the file, or the lack of a library, is to blame, and not the GPU as it stands now."""
    if isinstance(exc, Missing) or not Path(model.file).is_file():
        return True
    if Path(model.file).suffix.lower() in ENGINES:
        try:
            check_engine(model.file)
        except MineHatError:
            return True
        return False
    return model.backend not in GPU_BACKENDS


def _farewell(wire: Wire, exc: Exception, model: Model, cause: str) -> int:
    gone, code = epitaph(exc, model, cause)
    wire.send(gone)
    return code


def _leave_with(handle: int) -> None:
    """End the process as soon as the watch is gone, whatever the model is at."""
    poll = select.poll()
    poll.register(handle, select.POLLRDHUP)
    poll.poll()
    os._exit(DONE)


class Voice(io.TextIOBase):
    """A stderr whose lines go to the watch: it alone writes the log."""

    def __init__(self, wire: Wire) -> None:
        self._wire, self._line = wire, ""

    def write(self, text: str) -> int:
        """Lines go when they are whole."""
        *lines, self._line = (self._line + text).split("\n")
        for line in filter(None, map(str.strip, lines)):
            self._wire.send(Said(line))
        return len(text)
