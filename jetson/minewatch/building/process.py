"""The builder's process: one engine, built at the lowest priority, and told of over a wire. It dies with the watch."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from minehat.doors import BUG, DONE, MENDABLE
from minehat.engine import BuildOptions, engine_from_onnx, read_engine_card
from minehat.engine.card import card_beside
from minehat.engine.check import check_whole
from minehat.engine.kept import key_of
from minehat.engine.library import Library, builder_library
from minehat.errors import MineHatError
from minehat.files import make_folder, sha256_of
from minehat.gpu import first_gpu
from minehat.onnx_reader import read_onnx

from ..detection.process import Voice
from ..detection.wire import Wire
from .messages import Begun, Built, Order, Progress, Unbuilt
from .record import FILE, TRIES

_PR_SET_PDEATHSIG = 1  # prctl: be told when the parent dies
NICE = 15  # detection on the CPU goes first
FIRST_TO_GO = "1000"  # where memory runs out Linux ends this process, and not the watch
EVERY = 0.5  # seconds between two words of how far it is
CACHE = "cache"  # folder of the kernels' timings, beside the engine, where no other was named


def main(handle: int) -> None:
    """Serve the wire of this file descriptor, then end the process without unwinding what libraries hold."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _step_back()
    wire = _Wire(socket.socket(fileno=handle), blocking=True)
    sys.stderr = sys.stdout = Voice(wire)
    os._exit(serve(wire))


def serve(wire: Wire) -> int:
    """Build what the first message orders; returns the exit code."""
    try:
        order: Order = wire.receive()
        try:
            wire.send(built(order, wire.send))
        except MineHatError as exc:
            wire.send(Unbuilt("", " ".join(str(exc).split())))
            return MENDABLE
        except Exception as exc:
            wire.send(Unbuilt("", f"{type(exc).__name__}: {' '.join(str(exc).split())}"))
            return BUG
    except (EOFError, ConnectionError):
        pass
    return DONE


def built(order: Order, tell: Callable[[object], None]) -> Built | Unbuilt:
    """The engine that was ordered: the one that is kept, where it is made of just that, or a new one.

    Raises MineHatError where it cannot be said what it would be made of.
    """
    library = _library(order)
    options = _options(order, library)
    key, known, folder = _key(order, options, library), order.known, Path(order.folder)
    if known and known.key == key:
        if known.engine and _is_whole(folder / known.engine):
            return Built(key, str(folder / known.engine), 0.0)
        if known.verdict == "refused" and known.tries >= TRIES:
            return Unbuilt(key, known.text)
    make_folder(folder)
    os.environ.setdefault("XDG_CACHE_HOME", str(folder / CACHE))
    _clear(folder, known.engine if known else "")
    tell(Begun(key))
    try:
        made = engine_from_onnx(order.onnx, folder / f"{Path(order.onnx).stem}.{key[:12]}.engine", options,
                                heard=_at_times(tell))
    except MineHatError as exc:
        return Unbuilt(key, " ".join(str(exc).split()))
    except MemoryError:
        return Unbuilt(key, f"{order.onnx}: memory ran out. Close other programs, or add swap.")
    return Built(key, str(made.path), made.card.build_seconds)


def _library(order: Order) -> Library:
    if order.target == "auto" and first_gpu() is None:
        raise MineHatError("no NVIDIA GPU answers here, so an engine would have nothing to run on. The CPU goes on; "
                           "take `model.engine` out of the configuration, or see `minehat doctor`.")
    if not Path(order.onnx).is_file():
        raise MineHatError(f"{order.onnx}: no such file. Name an .onnx file as `model.engine.onnx`.")
    return builder_library(order.target)


def _options(order: Order, library: Library) -> BuildOptions:
    """For this machine's cameras, and its GPU alone where there is one."""
    open_batch = not any(isinstance(side, int) for value in read_onnx(order.onnx).inputs for side in value.shape[:1])
    own = library.flavour == "rtx" and library.gpu is not None
    sm = (int(library.gpu.capability.replace(".", "")),) if own and library.gpu else ()
    return BuildOptions(library.flavour, sm, (1, order.best, order.most) if open_batch else None, keep=False)


def _key(order: Order, options: BuildOptions, library: Library) -> str:
    gpu = library.gpu
    return key_of({"onnx": sha256_of(order.onnx), "library": library.title, "sm": options.sm,
                   "most": options.batch[2] if options.batch else None,
                   "gpu": [gpu.name, gpu.capability, gpu.cuda_version] if gpu else None})


def _is_whole(engine: Path) -> bool:
    try:
        check_whole(engine, read_engine_card(engine))
    except (MineHatError, OSError):
        return False
    return True


def _clear(folder: Path, known: str) -> None:
    """Engines that nobody asks for any more, and what builds that were killed have left; `known` may be running."""
    staying = {FILE, CACHE, known, card_beside(folder / known).name if known else ""}
    for path in folder.iterdir():
        if path.name not in staying and path.is_file():
            path.unlink(missing_ok=True)


def _at_times(tell: Callable[[object], None]) -> Callable[[float, float | None], None]:
    """A hearer of progress that passes on what is EVERY seconds after the last; builders call from several threads."""
    lock, told = threading.Lock(), [float("-inf")]

    def heard(share: float, left: float | None) -> None:
        with lock:
            if time.monotonic() - told[0] >= EVERY:
                told[0] = time.monotonic()
                tell(Progress(share, left))

    return heard


class _Wire(Wire):
    """One that several threads may speak into."""

    def __init__(self, end: socket.socket, blocking: bool) -> None:
        super().__init__(end, blocking)
        self._turn = threading.Lock()

    def send(self, message: object) -> None:
        with self._turn:
            super().send(message)


def _step_back() -> None:
    with suppress(OSError):  # not allowed here: then it is built as everything else runs
        os.nice(NICE)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO)
