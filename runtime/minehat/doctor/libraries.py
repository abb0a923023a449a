"""TensorRT and cuDNN: what is here, and does Python see it?

Libraries are asked where `root` is `/` alone; of another tree its packages tell. Unverified on a GPU.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ..engine.library import TITLES
from .apart import ask
from .finding import FAULT, WARNING, WELL, Finding
from .graphics import CPU_WORKS, module_version
from .packages import debian, installed, numbers, numbers_of
from .system import board_of

SYSTEM_SITE = "On a Jetson it comes with JetPack (`sudo apt install nvidia-jetpack`): make the venv with " \
              "--system-site-packages; on a PC: `pip install 'minehat[gpu]'`"


def tensorrt(root: Path) -> Iterator[Finding]:
    """Which TensorRT, Debian's and Python's."""
    packaged = next((version for name, version in debian(root).items() if re.match(r"libnvinfer\d+$", name)), "")
    if root != Path("/"):
        if packaged:
            yield Finding("TensorRT", WELL, f"{numbers_of(packaged)} (Debian package)")
        elif board_of(root).chip:
            yield Finding("TensorRT", FAULT, "not installed", CPU_WORKS, "`sudo apt install nvidia-jetpack`")
        return
    answers = {flavour: ask("tensorrt", flavour) for flavour in TITLES}
    for flavour, answer in answers.items():
        if trouble := answer.trouble or answer.told.get("broken"):
            yield Finding(TITLES[flavour], FAULT, trouble, "Engines are neither built nor run with it",
                          answer.cure(SYSTEM_SITE) if answer.trouble else "")
        elif version := answer.told.get("version"):
            yield _beside(flavour, version, packaged)
    if not any(answer.trouble or answer.told for answer in answers.values()):
        yield from _no_tensorrt(root, packaged)


def cudnn(root: Path) -> Iterator[Finding]:
    """cuDNN, which only two backends want; nothing where there is no GPU."""
    packaged = {name: version for name, version in debian(root).items() if re.match(r"libcudnn\d+(-cuda-\d+)?$", name)}
    if packaged:
        yield Finding("cuDNN", WELL, f"{numbers_of(next(iter(packaged.values())))} (Debian package)")
        return
    here = installed() if root == Path("/") else {}
    wheel = next((f"{name} {version}" for name, version in here.items() if name.startswith("nvidia-cudnn")), "")
    library = wheel or (ask("cudnn").told.get("library", "") if root == Path("/") else "")
    if library:
        yield Finding("cuDNN", WELL, library)
    elif "onnxruntime-gpu" in here:
        yield Finding("cuDNN", WARNING, "not here", "--backend ort-cuda and ort-tensorrt do not begin without it; "
                      "engines and the CPU do", "`pip install 'minehat[gpu]'`, or leave those backends")
    elif board_of(root).chip or (root == Path("/") and module_version(root)):
        yield Finding("cuDNN", WELL, "not here and not needed: engines and the CPU do without")


def _beside(flavour: str, version: str, packaged: str) -> Finding:
    """Python's version of a flavour; it is told where the system's TensorRT is another one."""
    ours, theirs = numbers(version), numbers(packaged)
    if flavour == "tensorrt" and theirs and ours[:3] != theirs[:3]:
        return Finding(TITLES[flavour], WARNING, f"Python takes {version}, the system has {numbers_of(packaged)}",
                       "Engines of one do not run with the other", "`pip uninstall tensorrt` in a venv with "
                       "--system-site-packages leaves JetPack's")
    return Finding(TITLES[flavour], WELL, version)


def _no_tensorrt(root: Path, packaged: str) -> Iterator[Finding]:
    if packaged:
        yield Finding("TensorRT", FAULT, f"{numbers_of(packaged)} is installed, and this Python does not see it",
                      "Engines do not run", SYSTEM_SITE)
    elif board_of(root).chip or module_version(root):
        yield Finding("TensorRT", WARNING, "not here", "Engines are neither built nor run", SYSTEM_SITE)
