"""The GPU, its driver, and what calls CUDA.

Libraries are asked where `root` is `/` alone; of another tree its packages tell. Unverified on a GPU.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..cuda.driver import CURES
from ..telemetry.sysfs import text
from .apart import Answer, ask
from .finding import FAULT, NOTE, WARNING, WELL, Finding
from .packages import cuda_wanted, debian, installed, numbers, numbers_of
from .system import CHIPS, board_of

LEAST_DRIVER = {11: 450, 12: 525, 13: 580}  # by CUDA's major version, as NVIDIA's release notes have it
ERRORS = {34: "its library is an empty shell, as in a container without a GPU", 100: "it sees no GPU",
          802: "it is not ready yet", 803: "its library and its kernel module are of different versions",
          804: "it does not serve this GPU with this CUDA", 999: "an unknown error, often of rights to /dev/nvidia*"}
NEW_DRIVER = "Install {which} (Ubuntu: `sudo ubuntu-drivers install`; Debian: `sudo apt install nvidia-driver`)"
NO_GPU = (34, 100)  # errors of a driver that has nothing to drive
GIVE_GPU = "Look what `sudo dmesg | grep -i nv` says; start a container with --runtime nvidia or --gpus all"
CPU_WORKS = "Models run on the CPU, as .onnx files; engines do not run"


def graphics(root: Path) -> Iterator[Finding]:
    """Driver, GPU and the libraries that call CUDA, as far as they are here."""
    answer = ask("driver") if root == Path("/") else Answer()
    yield from _driver(root, answer)
    yield from _gpu(root, answer)
    yield from _cuda(root, answer)


def _driver(root: Path, answer: Answer) -> Iterator[Finding]:
    """Whether it begins, and serves what is installed; nothing where there is none."""
    version, told = module_version(root), answer.told
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
    serves = int(told["cuda"].split(".")[0]) if told.get("gpu") else _by_version(version)
    wanted = cuda_wanted(installed() if root == Path("/") else {}, debian(root))
    newest = max(wanted, default=0)
    if newest <= serves:
        return Finding("driver", WELL, name + (f", serves CUDA {told['cuda']}" if told.get("gpu") else ""))
    cure = (f"Install libraries for CUDA {serves}, or a newer JetPack" if board_of(root).chip else
            NEW_DRIVER.format(which=f"driver {LEAST_DRIVER.get(newest, 'of today')} or newer"))
    return Finding("driver", FAULT, f"{name} serves CUDA {told['cuda'] if told.get('gpu') else serves}: too old for "
                   f"{wanted[newest]}, which wants CUDA {newest}", CPU_WORKS, cure)


def _by_version(version: str) -> int:
    """The newest CUDA that a driver serves, by its own number."""
    return max((cuda for cuda, least in LEAST_DRIVER.items() if numbers(version)[0] >= least), default=0)


def _gpu(root: Path, answer: Answer) -> Iterator[Finding]:
    """The GPU, or what stands in its way; nothing where the driver's line tells that already."""
    chip, version, told = board_of(root).chip, module_version(root), answer.told
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


def module_version(root: Path) -> str:
    """Of the kernel's part of the driver, "550.54.14"; "" where there is none."""
    found = re.search(r"\b\d{3}\.\d+(\.\d+)?\b", text(root / "proc/driver/nvidia/version") or "")
    return found[0] if found else ""


def _card(root: Path) -> str:
    """The place of an NVIDIA graphics card on the PCI bus; "" for none."""
    for device in sorted((root / "sys/bus/pci/devices").glob("*")):
        if text(device / "vendor") == "0x10de" and (text(device / "class") or "").startswith("0x03"):
            return device.name
    return ""
