"""An NVIDIA card through NVML: the first one. Wants nvidia-ml-py; without it, or a driver, there is nothing to read.

Unverified on a GPU.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from .reading import Reading

# Bits of the clocks' event reasons that say it could run faster; idling and a clock that was asked for are none.
AT_LIMIT = "GPU at its power limit"
REASONS = {0x04: AT_LIMIT, 0x08: "GPU slowed by its hardware", 0x20: "GPU too hot",
           0x40: "GPU far too hot", 0x80: "GPU slowed by its power supply"}


class Nvml:
    """Clock, temperature, power, load, memory and reasons of throttling of GPU 0."""

    def __init__(self) -> None:
        self._nvml, self._gpu = _opened()

    def __bool__(self) -> bool:
        return self._gpu is not None

    def read(self) -> Reading:
        nvml, gpu = self._nvml, self._gpu
        clocks = {key: value for key, kind in (("gpu", nvml.NVML_CLOCK_SM), ("memory", nvml.NVML_CLOCK_MEM))
                  if (value := self._asked(nvml.nvmlDeviceGetClockInfo, gpu, kind)) is not None}
        celsius = self._asked(nvml.nvmlDeviceGetTemperature, gpu, nvml.NVML_TEMPERATURE_GPU)
        milliwatts = self._asked(nvml.nvmlDeviceGetPowerUsage, gpu)
        load = self._asked(nvml.nvmlDeviceGetUtilizationRates, gpu)
        memory = self._asked(nvml.nvmlDeviceGetMemoryInfo, gpu)
        bits = self._asked(nvml.nvmlDeviceGetCurrentClocksThrottleReasons, gpu) or 0
        watts = None if milliwatts is None else milliwatts / 1000
        return Reading(time.monotonic(), clocks_mhz=clocks, celsius={} if celsius is None else {"gpu": celsius},
                       watts={} if watts is None else {"gpu": watts}, total_watts=watts,
                       loads={} if load is None else {"gpu": load.gpu / 100},
                       throttled=tuple(why for bit, why in REASONS.items() if bits & bit),
                       gpu_memory_mb=None if memory is None else memory.used / 2**20)

    def _asked(self, ask: Callable[..., Any], *arguments: Any) -> Any:
        """None where this card does not tell."""
        try:
            return ask(*arguments)
        except self._nvml.NVMLError:
            return None


def _opened() -> tuple[Any, Any]:
    """The library and the first GPU; None twice where one of them is not here."""
    try:
        import pynvml
    except ModuleNotFoundError:
        return None, None
    try:
        pynvml.nvmlInit()
        return pynvml, pynvml.nvmlDeviceGetHandleByIndex(0)
    except pynvml.NVMLError:
        return None, None
