"""On what a figure was measured: processor, cores, memory, system, versions, load, date."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import re
from pathlib import Path
from typing import Any

from minehat.backends.ort import cores
from minehat.gpu import first_gpu
from minehat.machine import cpu_name

PACKAGES = ("minehat", "numpy", "opencv-python-headless", "opencv-python", "onnxruntime", "onnxruntime-gpu", "openvino",
            "tensorrt", "tensorrt-rtx-cu13-bindings")


def machine() -> dict[str, Any]:
    """What to print beside every figure, as plain values for JSON."""
    gpu = first_gpu()
    return {"cpu": cpu_name(), "cores": cores(), "memory_gb": _memory_gb(), **({"gpu": gpu.name} if gpu else {}),
            "system": f"{platform.system()} {platform.release()} {platform.machine()}",
            "python": platform.python_version(), "versions": _versions(),
            "load": round(os.getloadavg()[0], 2),
            "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds")}


def peak_rss_mb() -> float:
    """The most memory that this process ever held, in MB (2**20 bytes)."""
    told = Path("/proc/self/status")  # getrusage begins with what the process held that started this one
    found = re.search(r"^VmHWM:\s*(\d+) kB$", told.read_text() if told.is_file() else "", re.MULTILINE)
    if found:
        return int(found[1]) / 1024
    import resource
    unit = 1 if platform.system() == "Darwin" else 1024  # getrusage counts bytes there, KB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def rss_mb() -> float:
    """What this process holds in memory now, in MB (2**20 bytes); 0 where the system does not tell."""
    told = Path("/proc/self/statm")
    return int(told.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20 if told.is_file() else 0.0


def _memory_gb() -> float:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)


def _versions() -> dict[str, str]:
    installed = {}
    for package in PACKAGES:
        try:
            installed[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return installed
