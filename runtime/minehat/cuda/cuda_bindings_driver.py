"""CUDA through cuda-bindings, NVIDIA's own."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .driver import CudaError, Faults, Size, no_gpu

_MAPPED, _PORTABLE = 2, 1  # CU_MEMHOSTALLOC_*
_NON_BLOCKING = 1  # CU_STREAM_*


class CudaBindingsDriver(Faults):
    """See `Driver`."""

    name = "cuda-bindings"

    def __init__(self) -> None:
        self._cuda = importlib.import_module("cuda.bindings.driver")
        try:
            self._call(self._cuda.cuInit, 0)
        except CudaError:
            raise
        except RuntimeError as exc:
            raise no_gpu() from exc  # libcuda.so.1 is not there, or it is an empty shell
        self._device = self._call(self._cuda.cuDeviceGet, 0)

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What a function answers after its error code: one value, several in a tuple, or None."""
        code, *values = function(*arguments)
        if code:
            raise self.fault(function.__name__, int(code), code.name)
        return values[0] if len(values) == 1 else tuple(values) or None

    def open(self) -> Any:
        before = self._call(self._cuda.cuCtxGetCurrent)
        context = self._call(self._cuda.cuDevicePrimaryCtxRetain, self._device)
        self.use((context, before))
        return context, before

    def use(self, context: Any) -> None:
        self._call(self._cuda.cuCtxSetCurrent, context[0])

    def close(self, context: Any) -> None:
        if self.lost:
            return
        self._call(self._cuda.cuCtxSetCurrent, context[1])
        self._call(self._cuda.cuDevicePrimaryCtxRelease, self._device)

    def attribute(self, number: int) -> int:
        return int(self._call(self._cuda.cuDeviceGetAttribute, self._cuda.CUdevice_attribute(number), self._device))

    def memory_info(self) -> tuple[int, int]:
        free, total = self._call(self._cuda.cuMemGetInfo)
        return int(free), int(total)

    def allocate(self, size: int) -> int:
        return int(self._call(self._cuda.cuMemAlloc, size))

    def free(self, address: int) -> None:
        self._call(self._cuda.cuMemFree, address)

    def allocate_host(self, size: int, mapped: bool) -> int:
        return int(self._call(self._cuda.cuMemHostAlloc, size, _PORTABLE | (_MAPPED if mapped else 0)))

    def free_host(self, address: int) -> None:
        self._call(self._cuda.cuMemFreeHost, address)

    def mapped_address(self, address: int) -> int:
        return int(self._call(self._cuda.cuMemHostGetDevicePointer, address, 0))

    def make_stream(self) -> Any:
        return self._call(self._cuda.cuStreamCreate, _NON_BLOCKING)

    def stream_address(self, stream: Any) -> int:
        return int(stream)

    def synchronize_stream(self, stream: Any) -> None:
        self._call(self._cuda.cuStreamSynchronize, stream)

    def wait(self, stream: Any, event: Any) -> None:
        self._call(self._cuda.cuStreamWaitEvent, stream, event, 0)

    def follow(self, stream: Any, address: int) -> None:
        event = self.make_event()
        try:
            self.record(event, self._cuda.CUstream(address))
            self.wait(stream, event)
        finally:
            self.drop_event(event)

    def drop_stream(self, stream: Any) -> None:
        self._call(self._cuda.cuStreamDestroy, stream)

    def make_event(self) -> Any:
        return self._call(self._cuda.cuEventCreate, 0)

    def record(self, event: Any, stream: Any) -> None:
        self._call(self._cuda.cuEventRecord, event, stream)

    def synchronize_event(self, event: Any) -> None:
        self._call(self._cuda.cuEventSynchronize, event)

    def elapsed_ms(self, start: Any, end: Any) -> float:
        return float(self._call(self._cuda.cuEventElapsedTime, start, end))

    def drop_event(self, event: Any) -> None:
        self._call(self._cuda.cuEventDestroy, event)

    def copy_in(self, there: int, host: int, size: int, stream: Any) -> None:
        self._call(self._cuda.cuMemcpyHtoDAsync, there, host, size, stream)

    def copy_out(self, host: int, there: int, size: int, stream: Any) -> None:
        self._call(self._cuda.cuMemcpyDtoHAsync, host, there, size, stream)

    def copy_across(self, to: int, there: int, size: int, stream: Any) -> None:
        self._call(self._cuda.cuMemcpyDtoDAsync, to, there, size, stream)

    def fill(self, there: int, value: int, size: int, stream: Any) -> None:
        self._call(self._cuda.cuMemsetD8Async, there, value, size, stream)

    def begin_capture(self, stream: Any) -> None:
        mode = self._cuda.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        self._call(self._cuda.cuStreamBeginCapture, stream, mode)

    def end_capture(self, stream: Any) -> Any:
        noted = self._call(self._cuda.cuStreamEndCapture, stream)
        try:
            return self._call(self._cuda.cuGraphInstantiate, noted, 0)
        finally:
            self._call(self._cuda.cuGraphDestroy, noted)

    def launch_graph(self, graph: Any, stream: Any) -> None:
        self._call(self._cuda.cuGraphLaunch, graph, stream)

    def drop_graph(self, graph: Any) -> None:
        self._call(self._cuda.cuGraphExecDestroy, graph)

    def load_module(self, content: bytes) -> Any:
        return self._call(self._cuda.cuModuleLoadData, content)

    def function(self, module: Any, name: str) -> Any:
        return self._call(self._cuda.cuModuleGetFunction, module, name.encode())

    def launch(self, function: Any, grid: Size, block: Size, arguments: Sequence[Any], stream: Any) -> None:
        values = [np.array(argument) for argument in arguments]  # they must lie in memory until the call returns
        places = np.array([value.ctypes.data for value in values], np.uint64)
        self._call(self._cuda.cuLaunchKernel, function, *grid, *block, 0, stream, places.ctypes.data, 0)

    def drop_module(self, module: Any) -> None:
        self._call(self._cuda.cuModuleUnload, module)
