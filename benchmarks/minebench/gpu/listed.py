"""Which checks there are, for the models that are shipped."""

from __future__ import annotations

from pathlib import Path

from minehat.card import read_card
from minehat.cuda import DRIVERS

from .outcome import Check

ALONE = ("memory", "pinned", "mapped", "streams", "graphs", "kernel", "suppression", "bandwidth",
         "lost")  # of cuda_checks
LIBRARIES = ("cupy", "torch")
TARGETS = {"tensorrt": "TensorRT", "rtx": "TensorRT-RTX"}
INSIDE = {"tensorrt": ("topk", "graph", "plugin"), "rtx": ("topk", "graph")}  # suppression that can be grafted on
NO_TF32 = {"NVIDIA_TF32_OVERRIDE": "0"}  # heard by TensorRT, cuDNN and cuBLAS, in building and in running
BUILD_SECONDS = 600.0


def all_checks(models: list[Path]) -> list[Check]:
    """models: .onnx files that hold no integers made for CPUs, and carry their cards."""
    return [*_cuda_checks(), *(check for model in models for check in _model_checks(model))]


def _cuda_checks() -> list[Check]:
    checks = []
    for driver in DRIVERS:
        environment = {"MINEHAT_CUDA": driver}
        checks += [Check(f"{driver}: {name}", f"minebench.gpu.cuda_checks:{name}", {"driver": driver},
                         environment=environment) for name in ALONE]
        checks += [Check(f"{driver}: arrays of {library}", "minebench.gpu.cuda_checks:interface",
                         {"driver": driver, "library": library}, environment=environment) for library in LIBRARIES]
    return checks


def _model_checks(model: Path) -> list[Check]:
    name, plain = str(model), read_card(model).precision == "fp32"
    environment = NO_TF32 if plain else {}
    checks = [Check(f"{title}: {model.name}", "minebench.gpu.models:engine", {"model": name, "target": target},
                    BUILD_SECONDS, environment) for target, title in TARGETS.items()]
    checks += [Check(f"{title}: {model.name}, frame to boxes", "minebench.gpu.seen:seen",
                     {"model": name, "target": target}, BUILD_SECONDS, environment)
               for target, title in TARGETS.items()]
    if plain:
        checks += [Check(f"{title}: {model.name}, {nms} inside", "minebench.gpu.models:suppressed",
                         {"model": name, "target": target, "nms": nms}, BUILD_SECONDS, environment)
                   for target, title in TARGETS.items() for nms in INSIDE[target]]
    return [*checks, Check(f"ONNX Runtime CUDA: {model.name}", "minebench.gpu.models:ort_cuda", {"model": name},
                           environment=environment)]
