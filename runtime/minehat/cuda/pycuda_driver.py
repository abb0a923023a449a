"""CUDA through pycuda, for boxes whose people have it already.

pycuda knows no graphs and no streams of others; those calls go to libcuda itself. Unverified on a GPU.
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import CudaLost
from .driver import FOREIGN, LOST, NO_DEVICE, OUT_OF_MEMORY, Faults, Size, no_gpu

_NON_BLOCKING = 1  # CU_STREAM_*
_THREAD_LOCAL = 1  # CU_STREAM_CAPTURE_MODE_*
_OTHER = -1  # pycuda tells an error's words and not its number


class PycudaDriver(Faults):
    """See `Driver`."""

    name = "pycuda"

    def __init__(self) -> None:
        importlib.import_module("pycuda")
        try:
            self._cuda = importlib.import_module("pycuda.driver")
        except ImportError as exc:  # its own library wants libcuda.so.1
            raise no_gpu() from exc
        self._libcuda = ctypes.CDLL("libcuda.so.1")
        self._codes = {self._told(code): code for code in (*LOST, *FOREIGN, OUT_OF_MEMORY, NO_DEVICE)}
        self._call(self._cuda.init)
        self._device = self._call(self._cuda.Device, 0)
        self._allocated: dict[int, Any] = {}  # by address: pycuda frees what nobody holds

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except self._cuda.Error as exc:
            told = str(exc)  # "cuMemAlloc failed: out of memory", and after a module " - " with what its linker said
            words = told.partition(" failed: ")[2].split(" - ")[0]
            raise self.fault(getattr(function, "__name__", "pycuda"), self._codes.get(words, _OTHER), told) from exc

    def _told(self, code: int) -> str:
        words = ctypes.c_char_p()
        self._libcuda.cuGetErrorString(code, ctypes.byref(words))
        return words.value.decode() if words.value else ""

    def _plain(self, name: str, *arguments: Any) -> None:
        """A call to libcuda itself."""
        code = getattr(self._libcuda, name)(*arguments)
        if code:
            raise self.fault(name, code, self._told(code))

    def open(self) -> Any:
        context = self._call(self._device.retain_primary_context)
        self._call(context.push)
        return context

    def use(self, context: Any) -> None:
        self._call(context.push)

    def close(self, context: Any) -> None:
        """pycuda aborts a process that ends with a context on its stack."""
        known = self.lost
        try:
            self._call(context.pop)
            self._call(context.detach)
        except CudaLost:
            if not known:
                raise

    def attribute(self, number: int) -> int:
        return int(self._call(self._device.get_attribute, self._cuda.device_attribute.values[number]))

    def memory_info(self) -> tuple[int, int]:
        free, total = self._call(self._cuda.mem_get_info)
        return int(free), int(total)

    def allocate(self, size: int) -> int:
        made = self._call(self._cuda.mem_alloc, size)
        self._allocated[int(made)] = made
        return int(made)

    def free(self, address: int) -> None:
        self._call(self._allocated.pop(address).free)

    def allocate_host(self, size: int, mapped: bool) -> int:
        flags = self._cuda.host_alloc_flags
        array = self._call(self._cuda.pagelocked_empty, size, "u1", "C",
                           flags.PORTABLE | (flags.DEVICEMAP if mapped else 0))
        self._allocated[array.ctypes.data] = array.base
        return int(array.ctypes.data)

    def free_host(self, address: int) -> None:
        self._call(self._allocated.pop(address).free)

    def mapped_address(self, address: int) -> int:
        return int(self._call(self._allocated[address].get_device_pointer))

    def make_stream(self) -> Any:
        return self._call(self._cuda.Stream, _NON_BLOCKING)

    def stream_address(self, stream: Any) -> int:
        return int(stream.handle)

    def synchronize_stream(self, stream: Any) -> None:
        self._call(stream.synchronize)

    def wait(self, stream: Any, event: Any) -> None:
        self._call(stream.wait_for_event, event)

    def follow(self, stream: Any, address: int) -> None:
        event = ctypes.c_void_p()
        self._plain("cuEventCreate", ctypes.byref(event), 0)
        try:
            self._plain("cuEventRecord", event, ctypes.c_void_p(address))
            self._plain("cuStreamWaitEvent", ctypes.c_void_p(stream.handle), event, 0)
        finally:
            self._plain("cuEventDestroy_v2", event)

    def drop_stream(self, stream: Any) -> None:
        """pycuda destroys it with its last reference, which our caller lets go of."""

    def make_event(self) -> Any:
        return self._call(self._cuda.Event)

    def record(self, event: Any, stream: Any) -> None:
        self._call(event.record, stream)

    def synchronize_event(self, event: Any) -> None:
        self._call(event.synchronize)

    def elapsed_ms(self, start: Any, end: Any) -> float:
        return float(self._call(start.time_till, end))

    def drop_event(self, event: Any) -> None:
        """As a stream's."""

    def copy_in(self, there: int, host: int, size: int, stream: Any) -> None:
        self._call(self._cuda.memcpy_htod_async, there, _bytes_at(host, size), stream)

    def copy_out(self, host: int, there: int, size: int, stream: Any) -> None:
        self._call(self._cuda.memcpy_dtoh_async, _bytes_at(host, size), there, stream)

    def copy_across(self, to: int, there: int, size: int, stream: Any) -> None:
        self._call(self._cuda.memcpy_dtod_async, to, there, size, stream)

    def fill(self, there: int, value: int, size: int, stream: Any) -> None:
        self._call(self._cuda.memset_d8_async, there, value, size, stream)

    def begin_capture(self, stream: Any) -> None:
        self._plain("cuStreamBeginCapture_v2", ctypes.c_void_p(stream.handle), _THREAD_LOCAL)

    def end_capture(self, stream: Any) -> Any:
        noted, graph = ctypes.c_void_p(), ctypes.c_void_p()
        self._plain("cuStreamEndCapture", ctypes.c_void_p(stream.handle), ctypes.byref(noted))
        try:
            self._plain("cuGraphInstantiateWithFlags", ctypes.byref(graph), noted, ctypes.c_ulonglong(0))
        finally:
            self._plain("cuGraphDestroy", noted)
        return graph

    def launch_graph(self, graph: Any, stream: Any) -> None:
        self._plain("cuGraphLaunch", graph, ctypes.c_void_p(stream.handle))

    def drop_graph(self, graph: Any) -> None:
        self._plain("cuGraphExecDestroy", graph)

    def load_module(self, content: bytes) -> Any:
        return self._call(self._cuda.module_from_buffer, content)

    def function(self, module: Any, name: str) -> Any:
        return self._call(module.get_function, name)

    def launch(self, function: Any, grid: Size, block: Size, arguments: Sequence[Any], stream: Any) -> None:
        self._call(lambda: function(*arguments, grid=grid, block=block, stream=stream))

    def drop_module(self, module: Any) -> None:
        """As a stream's."""


def _bytes_at(address: int, size: int) -> Any:
    return (ctypes.c_char * size).from_address(address)
