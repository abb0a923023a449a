"""Which TensorRT is here, and the few places where the flavours and versions of it differ.

Everything else in this room calls only what TensorRT 10.3 to 11 and TensorRT-RTX 1.7 have in common.
"""

from __future__ import annotations

import importlib
import platform
from dataclasses import dataclass
from typing import Any

from ..errors import MineHatError
from ..gpu import Gpu, first_gpu

TARGETS = ("auto", "tensorrt", "rtx")
USUAL_SM = (80, 86, 89, 120)  # TensorRT-RTX's own choice
NO_INT8_SM = 75  # TensorRT-RTX 1.7 runs INT8 in floating point on it, and one program serves all of --sm
_MODULES = {"tensorrt": ("tensorrt",), "rtx": ("tensorrt_rtx", "tensorrt_rtx_bindings")}
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
    if flavour not in _MODULES:
        raise MineHatError(f"engine flavour {flavour!r} is not known here, only {', '.join(_MODULES)}. "
                           "Install a newer one: `pip install -U minehat`.")
    return _library(flavour, first_gpu())


def aim(library: Library, config: Any, sm: tuple[int, ...]) -> tuple[str, ...]:
    """Point a builder config at its GPUs; their compute capabilities ("8.6") are the answer."""
    if library.flavour == "tensorrt":
        if sm:
            raise MineHatError("--sm belongs to `--target rtx`; TensorRT builds for this machine's GPU alone.")
        return (library.gpu.capability,) if library.gpu else ()
    chosen = sm or USUAL_SM
    known = _known_sm(library.trt)
    strangers = [str(number) for number in chosen if number not in known]
    if strangers:
        raise MineHatError(f"--sm: {library.title} does not build for {', '.join(strangers)}; "
                           f"it knows {','.join(map(str, sorted(known)))}.")
    config.num_compute_capabilities = len(chosen)
    for row, number in enumerate(chosen):
        config.set_compute_capability(known[number], row)
    return tuple(f"{number // 10}.{number % 10}" for number in chosen)


def _best_flavour(gpu: Gpu | None) -> str:
    if gpu is not None and _import_first(_MODULES["tensorrt"]) is not None:
        return "tensorrt"
    if _import_first(_MODULES["rtx"]) is not None:
        return "rtx"
    if platform.machine() == "x86_64":
        raise MineHatError(f"No TensorRT is here to build with. Ahead of time, with no GPU: {_CURES['rtx']}")
    raise MineHatError(f"No TensorRT is here to build with. {_CURES['tensorrt']}")


def _library(flavour: str, gpu: Gpu | None) -> Library:
    trt = _import_first(_MODULES[flavour])
    if trt is None:
        raise MineHatError(f"{TITLES[flavour]} is missing; it builds and runs engines. {_CURES[flavour]}")
    return Library(flavour, str(trt.__version__), gpu, trt)


def _import_first(names: tuple[str, ...]) -> Any:
    """The first module that imports (its shared libraries found), or None."""
    for name in names:
        try:
            return importlib.import_module(name)
        except (ImportError, OSError):
            continue
    return None


def _known_sm(trt: Any) -> dict[int, Any]:
    members = trt.ComputeCapability.__members__
    return {int(name[2:]): value for name, value in members.items() if name.startswith("SM")}
