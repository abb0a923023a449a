"""What a bundle can be made for: a table. What a target needs beyond the extras of pyproject.toml stands here."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from .errors import Refused

PIP = "pip>=24.1"  # it installs the other wheels on the box, and travels with them
ONNX = "onnx>=1.17,<1.24"  # grafts models before an engine is built
OLD_NUMPY = "numpy>=1.26,<2"  # the OpenCV of JetPack was built against NumPy 1
PYTHON = re.compile(r"3\.(1\d|[2-9]\d)")


@dataclass(frozen=True)
class Target:
    """A kind of box."""

    name: str
    about: str
    arch: str  # as uname -m says it
    python: str  # of the system, such as 3.10
    glibc: str  # the oldest one it has, such as 2.35
    extras: tuple[str, ...]  # of pyproject.toml
    wants: tuple[str, ...]  # requirements besides
    unless: tuple[tuple[str, str], ...] = ()  # distribution and module: stays out where the system has the module

    @property
    def platform(self) -> str:
        """As uv calls it."""
        return f"{self.arch}-manylinux_{self.glibc.replace('.', '_')}"


JETPACK = (("opencv-python-headless", "cv2"),)
TARGETS = {one.name: one for one in (
    Target("jp6", "Jetson Orin, JetPack 6: TensorRT 10.3 and OpenCV of the system, CUDA 12.6", "aarch64", "3.10",
           "2.35", ("watch",), (PIP, OLD_NUMPY, ONNX, "cuda-bindings>=12.6,<13", "nvidia-cuda-nvrtc-cu12>=12.6,<12.7"),
           JETPACK),
    Target("jp7", "Jetson Thor and Orin, JetPack 7: TensorRT and OpenCV of the system, CUDA 13", "aarch64", "3.12",
           "2.39", ("watch",), (PIP, OLD_NUMPY, ONNX, "cuda-bindings>=13,<14", "nvidia-cuda-nvrtc>=13,<13.1"),
           JETPACK),
    Target("x86-cu13", "a PC with an NVIDIA GPU and a driver for CUDA 13: TensorRT-RTX from the bundle", "x86_64",
           "3.12", "2.28", ("watch", "rtx"),
           (PIP, ONNX, "cuda-bindings>=13,<14", "nvidia-cuda-nvrtc>=13,<14", "nvidia-ml-py>=12")),
    Target("cpu", "a PC without a GPU: ONNX Runtime on its processor", "x86_64", "3.11", "2.28", ("watch",), (PIP,)),
)}


def target_of(name: str, python: str | None = None) -> Target:
    """The target of that name, for another Python of the box's system where one is given. Raises Refused."""
    if name not in TARGETS:
        raise Refused(f"there is no target {name!r}. Choose one of {', '.join(TARGETS)}; --list tells them apart.")
    if python is None:
        return TARGETS[name]
    if not PYTHON.fullmatch(python):
        raise Refused(f"--python {python!r} is no Python that MineHat runs on. Give two numbers from 3.10 on, "
                      "such as 3.12: what `python3 --version` says on the box.")
    return replace(TARGETS[name], python=python)
