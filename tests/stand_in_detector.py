"""Detector processes that fail as they are told: the file that they are to load says how, in one word."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import numpy as np
from minehat.detections import Detections
from minewatch.detection import process
from minewatch.detection.messages import Found, Gone, Load, Look, Ready
from minewatch.detection.wire import Wire

ENTRY = "stand_in_detector:main"
HEAD = Detections(np.array([[10, 10, 30, 30]], np.float32), np.array([0.9], np.float32), np.array([1], np.int64))
CROWD = HEAD[np.zeros(200, int)]


def main(handle: int) -> None:
    """`well`; `deaf` hangs at the second look, `slow` is late at each, `lasts 0.2` takes so many seconds for each,
    `babbles` at its second look, `dies` at its third, `cuda` at its second, `never` loads, `crowd` sees 200 heads in
    each frame, `wrong` is a file that cannot be loaded."""
    wire = Wire(socket.socket(fileno=handle), blocking=True)
    threading.Thread(target=process._leave_with, args=(handle,), daemon=True).start()
    load: Load = wire.receive()
    word = Path(load.model.file).read_text()
    if word == "wrong":
        wire.send(Gone("load", "the file is wrong", final=True))
        os._exit(2)
    if word == "never":
        threading.Event().wait()
    wire.send(Ready(word, "stand-in", ("helmet", "head"), 0.0, "0" * 64))
    looks = 0
    while True:
        look: Look = wire.receive()
        looks += 1
        if word == "cuda" and looks == 2:
            wire.send(Gone("cuda", "The GPU gave up (700)"))
            os._exit(5)
        if word == "babbles" and looks == 2:
            wire.send("nonsense")
        if word == "dies" and looks == 3:
            os.abort()
        if word == "deaf" and looks == 2:
            threading.Event().wait()
        if word == "slow":
            threading.Event().wait(0.6)
        if word.startswith("lasts"):
            threading.Event().wait(float(word.split()[1]))
        found = CROWD if word == "crowd" else HEAD
        wire.send(Found(look.number, (found,) * len(look.places), 600.0 if word == "slow" else 1.0))


def foreign(handle: int) -> None:
    """The real process, on a machine whose GPU and TensorRT are not those of any engine."""
    from minehat.engine import check
    from minehat.engine.library import Library
    from minehat.gpu import Gpu

    gpu = Gpu("Orin", "8.7", "12.6", unified=True)
    check.first_gpu = lambda: gpu
    check.running_library = lambda flavour: Library(flavour, "10.3.0", gpu, None)
    process.main(handle)


def talkative(handle: int) -> None:
    """The real process, with a library that says a word while it loads, and a warning beside."""
    from minehat.progress import say

    opened = process.opened

    def loud(load: Load):
        say("a kernel is missing")
        os.write(2, b"and this is for nobody\n")
        return opened(load)

    process.opened = loud
    process.main(handle)


def lost(handle: int) -> None:
    """The real process, with a model that loses its GPU at the second look."""
    import minehat
    from minehat.errors import CudaLost

    batch, asked = minehat.Detector.batch, []

    def sticky(detector, frames):
        asked.append(None)
        if len(asked) == 3:  # the first one is the process's own
            raise CudaLost("The GPU gave up (CUDA_ERROR_ILLEGAL_ADDRESS)")
        return batch(detector, frames)

    minehat.Detector.batch = sticky
    process.main(handle)
