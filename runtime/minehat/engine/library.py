"""Which TensorRT is here: the flavour, its version, and the GPU beside it."""

from __future__ import annotations

import importlib
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import MineHatError
from ..gpu import Gpu, first_gpu

TARGETS = ("auto", "tensorrt", "rtx")
MODULES = {"tensorrt": ("tensorrt",), "rtx": ("tensorrt_rtx", "tensorrt_rtx_bindings")}
TITLES = {"tensorrt": "TensorRT", "rtx": "TensorRT-RTX"}
_CURES = {
    "tensorrt": "On a Jetson it comes with JetPack: make the venv with --system-site-packages; "
                "on a PC: `pip install minehat[gpu]`.",
    "rtx": "`pip install minehat[rtx]` (x86-64 Linux).",
}


@dataclass(frozen=True)
class Library:
    """A TensorRT that can be called here."""

    flavour: str  # "tensorrt" or "rtx"
    version: str
    gpu: Gpu | None
    trt: Any  # the module

    @property
    def title(self) -> str:
        return f"{TITLES[self.flavour]} {self.version}"

    @property
    def shares_memory(self) -> bool:
        """Whether it builds on a GPU that shares its memory with the processor."""
        return self.flavour == "tensorrt" and self.gpu is not None and self.gpu.unified

    @property
    def slug(self) -> str:
        """What the engine's file name says of its machine: "rtx", or the GPU's name."""
        if self.flavour == "rtx" or self.gpu is None:
            return self.flavour
        return "-".join(self.gpu.name.lower().replace("nvidia", "").split()) or "gpu"


def builder_library(target: str) -> Library:
    """The library that builds for `target` here: TensorRT where a GPU answers, else RTX ahead of time.

    The driver is asked before TensorRT is touched, because parts of TensorRT crash without one.
    """
    gpu = first_gpu()
    if target == "auto":
        return _library(_best_flavour(gpu), gpu)
    if target == "tensorrt" and gpu is None:
        raise MineHatError("--target tensorrt builds on this machine's GPU, and no NVIDIA driver answers here. "
                           "Build on the device itself, or ahead of time with `--target rtx`.")
    return _library(target, gpu)


def running_library(flavour: str) -> Library:
    """The library that runs engines of this flavour here. Raises MineHatError where it is missing."""
    if flavour not in MODULES:
        raise MineHatError(f"engine flavour {flavour!r} is not known here, only {', '.join(MODULES)}. "
                           "Install a newer one: `pip install -U minehat`.")
    return _library(flavour, first_gpu())


def _best_flavour(gpu: Gpu | None) -> str:
    wanted = ("tensorrt", "rtx") if gpu is not None else ("rtx",)
    for flavour in wanted:
        if _imported(flavour)[0] is not None:
            return flavour
    _refuse_broken(wanted)
    if platform.machine() == "x86_64":
        raise MineHatError(f"No TensorRT is here to build with. Ahead of time, with no GPU: {_CURES['rtx']}")
    raise MineHatError(f"No TensorRT is here to build with. {_CURES['tensorrt']}")


def _library(flavour: str, gpu: Gpu | None) -> Library:
    trt, _ = _imported(flavour)
    if trt is None:
        _refuse_broken((flavour,))
        raise MineHatError(f"{TITLES[flavour]} is missing; it builds and runs engines. {_CURES[flavour]}")
    return Library(flavour, str(trt.__version__), gpu, trt)


def _refuse_broken(flavours: Sequence[str]) -> None:
    """Raise MineHatError for the first one that is installed and cannot be loaded."""
    for flavour in flavours:
        reason = _imported(flavour)[1]
        if reason:
            cure = ("Free some memory." if "failed to map" in reason or "allocate" in reason else
                    f"Install it again, with the libraries of the same version: {_CURES[flavour]}")
            raise MineHatError(f"{TITLES[flavour]} is installed and cannot be loaded ({reason}). {cure}")


def _imported(flavour: str) -> tuple[Any, str]:
    """The flavour's module, or None and why it does not load; "" where it is not installed."""
    reason = ""
    for name in MODULES[flavour]:
        try:
            return importlib.import_module(name), ""
        except ModuleNotFoundError as exc:
            if exc.name != name:
                reason = str(exc)
        except (ImportError, OSError) as exc:
            reason = " ".join(str(exc).split())
    return None, reason
