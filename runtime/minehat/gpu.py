"""The first NVIDIA GPU of this machine, asked of the driver alone: no CUDA toolkit, no Python package."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

MAJOR, MINOR, INTEGRATED = 75, 76, 18  # CU_DEVICE_ATTRIBUTE_*


@dataclass(frozen=True)
class Gpu:
    """What an engine is bound to."""

    name: str  # as the driver says it; every Jetson Orin says "Orin"
    capability: str  # "8.7"
    cuda_version: str  # the newest that the driver serves, "12.6"
    unified: bool = False  # it shares its memory with the processor, as on a Jetson


def first_gpu() -> Gpu | None:
    """Device 0 (of CUDA_VISIBLE_DEVICES), or None where no driver answers or no device is there."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
        cuda.cuInit  # noqa: B018 (containers without a GPU may bear an empty shell of it)
    except (OSError, AttributeError):
        return None
    device, version = ctypes.c_int(), ctypes.c_int()
    name = ctypes.create_string_buffer(256)
    major, minor, integrated = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    refused = (cuda.cuInit(0)
               or cuda.cuDeviceGet(ctypes.byref(device), 0)
               or cuda.cuDeviceGetName(name, len(name), device)
               or cuda.cuDeviceGetAttribute(ctypes.byref(major), MAJOR, device)
               or cuda.cuDeviceGetAttribute(ctypes.byref(minor), MINOR, device)
               or cuda.cuDeviceGetAttribute(ctypes.byref(integrated), INTEGRATED, device)
               or cuda.cuDriverGetVersion(ctypes.byref(version)))
    if refused:
        return None
    return Gpu(name.value.decode(errors="replace"), f"{major.value}.{minor.value}",
               f"{version.value // 1000}.{version.value % 1000 // 10}", bool(integrated.value))
