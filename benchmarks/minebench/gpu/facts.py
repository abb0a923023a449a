"""The GPU that was checked, as its driver and nvidia-smi tell it."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
from dataclasses import asdict
from typing import Any

from minehat.gpu import Gpu

from ..machine import machine

PACKAGES = ("cuda-bindings", "pycuda", "nvidia-cuda-nvrtc", "nvidia-cuda-nvrtc-cu12", "tensorrt",
            "tensorrt-rtx-cu13-bindings", "onnxruntime", "onnxruntime-gpu", "cupy-cuda12x", "cupy-cuda13x", "torch")
ASKED = ("driver_version", "vbios_version", "memory.total", "power.limit", "temperature.gpu", "clocks.sm", "clocks.mem",
         "clocks.max.sm", "clocks.max.mem", "ecc.mode.current", "persistence_mode")


def facts(gpu: Gpu) -> dict[str, Any]:
    """Plain values for JSON."""
    return {"machine": machine(), "gpu": {**asdict(gpu), **_told_by_smi()}, "packages": _installed()}


def _told_by_smi() -> dict[str, str]:
    """Empty where there is no nvidia-smi, as on a Jetson, or it knows one of the words no more."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return {}
    run = subprocess.run([program, "--id=0", f"--query-gpu={','.join(ASKED)}", "--format=csv,noheader"], check=False,
                         capture_output=True, text=True, timeout=60)
    values = [value.strip() for value in run.stdout.strip().split(",")]
    return dict(zip(ASKED, values, strict=True)) if run.returncode == 0 and len(values) == len(ASKED) else {}


def _installed() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
