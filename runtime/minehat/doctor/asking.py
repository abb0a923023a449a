"""python -m minehat.doctor.asking QUESTION [WORD...]

What `minehat doctor` asks of libraries in a process that may crash. The answer is one JSON object on stdout.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..card import read_card
from ..engine.card import EngineCard
from ..engine.check import check_engine
from ..engine.library import MODULES, running_library
from ..errors import MineHatError
from ..gpu import first_gpu
from ..guests import load_onnxruntime
from ..telemetry.sources import read_all, sensors_here

CUDNN = ("libcudnn.so.9", "libcudnn.so.8")


def driver() -> dict[str, Any]:
    """Whether the CUDA driver's library is here, the error that it begins with (0: none), what it serves, its GPU."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
        begin, version_of = cuda.cuInit, cuda.cuDriverGetVersion
    except (OSError, AttributeError):
        return {"library": False}
    error, version = begin(0), ctypes.c_int()
    version_of(ctypes.byref(version))
    gpu = first_gpu() if error == 0 else None
    return {"library": True, "error": error, "cuda": f"{version.value // 1000}.{version.value % 1000 // 10}",
            "gpu": asdict(gpu) if gpu else None}


def tensorrt(flavour: str) -> dict[str, Any]:
    """Its version, or why it does not load; neither where it is not installed."""
    if not any(importlib.util.find_spec(name) for name in MODULES[flavour]):
        return {}
    try:
        return {"version": running_library(flavour).version}
    except MineHatError as exc:
        return {"broken": str(exc)}


def cuda() -> dict[str, Any]:
    """Which libraries can call CUDA, and the version of NVRTC, as far as they load."""
    told: dict[str, Any] = {"bindings": [name for name, module in (("cuda-bindings", "cuda.bindings.driver"),
                                                                  ("pycuda", "pycuda.driver")) if _loads(module)]}
    if _loads("cuda.bindings.nvrtc"):
        try:
            _, major, minor = importlib.import_module("cuda.bindings.nvrtc").nvrtcVersion()
            told["nvrtc"] = f"{major}.{minor}"
        except RuntimeError:  # its library is not found
            pass
    return told


def cudnn() -> dict[str, Any]:
    """The name of a cuDNN that the system's loader finds."""
    for name in CUDNN:
        try:
            ctypes.CDLL(name)
            return {"library": name}
        except OSError:
            continue
    return {}


def onnxruntime() -> dict[str, Any]:
    """Its version and what it was built for, which says nothing of what is here."""
    ort = load_onnxruntime("run .onnx models")
    return {"version": ort.__version__, "providers": list(ort.get_available_providers())}


def opencv() -> dict[str, Any]:
    """Its version."""
    return {"version": importlib.import_module("cv2").__version__}


def sensors() -> dict[str, Any]:
    """What all sensors say now, NVIDIA's library among them."""
    return read_all(sensors_here()).to_json()


def model(path: str) -> dict[str, Any]:
    """One line of what a model is, or why it cannot be used here."""
    try:
        file = Path(path)
        engine: EngineCard | None = check_engine(file) if file.suffix.lower() == ".engine" else None
        card = engine.model if engine else read_card(file)
    except MineHatError as exc:
        return {"refused": str(exc)}
    made = f", {engine.library_title} for {engine.gpu or ', '.join(engine.compute_capabilities)}" if engine else ""
    return {"text": f"{card.name}, {card.size_text}, {card.precision}{made}"}


QUESTIONS: dict[str, Callable[..., dict[str, Any]]] = {
    "driver": driver, "tensorrt": tensorrt, "cuda": cuda, "cudnn": cudnn, "onnxruntime": onnxruntime,
    "opencv": opencv, "sensors": sensors, "model": model}


def main(question: str, *words: str) -> None:
    """Answer on stdout; what libraries print goes to stderr."""
    answer = os.dup(1)
    os.dup2(2, 1)
    text = json.dumps(QUESTIONS[question](*words))
    with os.fdopen(answer, "w", encoding="utf-8") as file:
        file.write(text)


def _loads(module: str) -> bool:
    try:
        importlib.import_module(module)
    except (ImportError, OSError, RuntimeError):
        return False
    return True


if __name__ == "__main__":
    main(*sys.argv[1:])
