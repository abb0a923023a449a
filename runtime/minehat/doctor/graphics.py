"""The GPU and what is needed to use it: driver, CUDA, TensorRT, cuDNN.

Libraries are asked where `root` is `/` alone; of another tree its packages tell. Unverified on a GPU.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..cuda.driver import CURES
from ..engine.library import TITLES
from ..telemetry.sysfs import text
from .apart import Answer, ask
from .finding import FAULT, NOTE, WARNING, WELL, Finding
from .packages import cuda_wanted, debian, installed, numbers
from .system import CHIPS, board_of

LEAST_DRIVER = {11: 450, 12: 525, 13: 580}  # by CUDA's major version, as NVIDIA's release notes have it
ERRORS = {34: "its library is an empty shell, as in a container without a GPU", 100: "it sees no GPU",
          802: "it is not ready yet", 803: "its library and its kernel module are of different versions",
          804: "it does not serve this GPU with this CUDA", 999: "an unknown error, often of rights to /dev/nvidia*"}
NEW_DRIVER = "Install {which} (Ubuntu: `sudo ubuntu-drivers install`; Debian: `sudo apt install nvidia-driver`)"
NO_GPU = (34, 100)  # errors of a driver that has nothing to drive
GIVE_GPU = "Look what `sudo dmesg | grep -i nv` says; start a container with --runtime nvidia or --gpus all"
SYSTEM_SITE = "On a Jetson it comes with JetPack (`sudo apt install nvidia-jetpack`): make the venv with " \
              "--system-site-packages; on a PC: `pip install 'minehat[gpu]'`"
CPU_WORKS = "Models run on the CPU, as .onnx files; engines do not run"


def graphics(root: Path) -> Iterator[Finding]:
    """Driver, GPU and the libraries that call CUDA, as far as they are here."""
    answer = ask("driver") if root == Path("/") else Answer()
    yield from _driver(root, answer)
    yield from _gpu(root, answer)
    yield from _cuda(root, answer)


def numbers_of(version: str) -> str:
    """12.6.68-1 -> 12.6.68"""
    return ".".join(map(str, numbers(version)))


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
    elif board_of(root).chip or (root == Path("/") and _module_version(root)):
        yield Finding("cuDNN", WELL, "not here and not needed: engines and the CPU do without")


def _driver(root: Path, answer: Answer) -> Iterator[Finding]:
    """Whether it begins, and serves what is installed; nothing where there is none."""
    version, told = _module_version(root), answer.told
    name = f"NVIDIA {version or '(version not told)'}"
    if answer.trouble:
        yield Finding("driver", FAULT, f"{name}: {answer.trouble}", CPU_WORKS,
                      answer.cure(NEW_DRIVER.format(which="the driver again")))
    elif told.get("error", 0) not in (0, *NO_GPU):
        yield Finding("driver", FAULT, f"{name} does not begin: error {told['error']}, "
                      f"{ERRORS.get(told['error'], 'see cuInit in the manual of the CUDA driver API')}", CPU_WORKS,
                      "Restart the machine; where that does not help, install the driver again")
    elif version and told.get("library") is False:
        yield Finding("driver", FAULT, f"{name} is loaded, and its library libcuda.so.1 is not found", CPU_WORKS,
                      GIVE_GPU)
    elif version or told.get("gpu"):
        yield _serving(root, name, version, told)


def _serving(root: Path, name: str, version: str, told: Mapping[str, Any]) -> Finding:
    """A driver that answers, or whose files are all there is to see: is it new enough for what is installed?"""
    serves = int(told["cuda"].split(".")[0]) if told else _by_version(version)
    wanted = cuda_wanted(installed() if root == Path("/") else {}, debian(root))
    newest = max(wanted, default=0)
    if newest <= serves:
        return Finding("driver", WELL, name + (f", serves CUDA {told['cuda']}" if told else ""))
    cure = (f"Install libraries for CUDA {serves}, or a newer JetPack" if board_of(root).chip else
            NEW_DRIVER.format(which=f"driver {LEAST_DRIVER.get(newest, 'of today')} or newer"))
    return Finding("driver", FAULT, f"{name} serves CUDA {told['cuda'] if told else serves}: too old for "
                   f"{wanted[newest]}, which wants CUDA {newest}", CPU_WORKS, cure)


def _by_version(version: str) -> int:
    """The newest CUDA that a driver serves, by its own number."""
    return max((cuda for cuda, least in LEAST_DRIVER.items() if numbers(version)[0] >= least), default=0)


def _gpu(root: Path, answer: Answer) -> Iterator[Finding]:
    """The GPU, or what stands in its way; nothing where the driver's line tells that already."""
    chip, version, told = board_of(root).chip, _module_version(root), answer.told
    if gpu := told.get("gpu"):
        yield Finding("GPU", WELL, f"{gpu['name']}, compute capability {gpu['capability']}")
    elif root != Path("/") and chip in CHIPS:
        yield Finding("GPU", WELL, f"in {chip}, compute capability {CHIPS[chip]}")
    elif answer.trouble or told.get("error", 0) not in (0, *NO_GPU) or (root != Path("/") and version):
        return
    elif chip or (told.get("library") and version):
        yield Finding("GPU", FAULT, f"NVIDIA's driver gives none: {ERRORS[told.get('error') or 100]}", CPU_WORKS,
                      GIVE_GPU)
    elif version:
        return
    elif card := _card(root):
        yield Finding("GPU", WARNING, f"an NVIDIA card is here (PCI {card}), its driver is not", CPU_WORKS,
                      NEW_DRIVER.format(which="its driver"))
    else:
        yield Finding("GPU", NOTE, "no NVIDIA GPU is here", CPU_WORKS, "Nothing to do, unless engines are wanted: they "
                      "need an NVIDIA card and its driver")


def _cuda(root: Path, driver: Answer) -> Iterator[Finding]:
    """What calls CUDA and compiles kernels; nothing where nothing of it is here and no GPU could want it."""
    packaged = [f"{numbers_of(version)} (Debian package)" for name, version in debian(root).items()
                if re.match(r"cuda-cudart-\d+-\d+$", name)]
    answer = ask("cuda") if root == Path("/") else Answer({"bindings": []})
    if answer.trouble:
        yield Finding("CUDA", WARNING, f"its Python bindings: {answer.trouble}", "Engines want them",
                      answer.cure(f"Install them again: {CURES['cuda-bindings']}"))
        return
    bindings, here = answer.told["bindings"], installed()
    nvrtc = answer.told.get("nvrtc")
    told = [f"{name} {here.get(name, '')}".strip() for name in bindings]
    told += [f"NVRTC {nvrtc}", *packaged] if nvrtc else packaged
    if driver.told.get("gpu") and not bindings:
        yield Finding("CUDA", WARNING, "no Python library that calls it is here", "Engines do not run without one",
                      f"{CURES['cuda-bindings']}, or {CURES['pycuda']}")
    elif told:
        yield Finding("CUDA", WELL, ", ".join(told))


def _module_version(root: Path) -> str:
    """Of the kernel's part of the driver, "550.54.14"; "" where there is none."""
    found = re.search(r"\b\d{3}\.\d+(\.\d+)?\b", text(root / "proc/driver/nvidia/version") or "")
    return found[0] if found else ""


def _card(root: Path) -> str:
    """The place of an NVIDIA graphics card on the PCI bus; "" for none."""
    for device in sorted((root / "sys/bus/pci/devices").glob("*")):
        if text(device / "vendor") == "0x10de" and (text(device / "class") or "").startswith("0x03"):
            return device.name
    return ""


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
    elif board_of(root).chip or _module_version(root):
        yield Finding("TensorRT", WARNING, "not here", "Engines are neither built nor run", SYSTEM_SITE)
