"""GPU 0 and what is made on it: everything is let go of by hand, or by the device at its end, newest first."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ..gpu import INTEGRATED, MAJOR, MINOR
from .arrays import CudaArray
from .driver import Driver, Size, load_driver

Array = npt.NDArray[Any]


def open_device(driver: Driver | None = None) -> Device:
    """GPU 0 through `driver`, or through the one of MINEHAT_CUDA. Raises MineHatError where no GPU answers."""
    return Device(driver or load_driver())


class Device:
    """The primary context of GPU 0. A context manager; belongs to one thread at a time (see `use`)."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self._held: dict[int, Held] = {}  # in the order in which it was made
        self._context: Any = driver.open()

    @property
    def capability(self) -> str:
        """Compute capability: "8.7"."""
        return f"{self.driver.attribute(MAJOR)}.{self.driver.attribute(MINOR)}"

    @property
    def integrated(self) -> bool:
        """Whether GPU and host share their memory, as on a Jetson."""
        return bool(self.driver.attribute(INTEGRATED))

    def memory_info(self) -> tuple[int, int]:
        """Bytes of the GPU's memory that are free, and all of them."""
        return self.driver.memory_info()

    def use(self) -> None:
        """Go on in this thread with what was opened in another."""
        self.driver.use(self._context)

    def memory(self, size: int) -> DeviceMemory:
        """`size` bytes on the GPU. Raises MineHatError where there is too little left."""
        return DeviceMemory(self, self.driver.allocate(size), size)

    def pinned(self, size: int, mapped: bool = False) -> HostMemory:
        """`size` page-locked bytes of the host, which copies run beside; mapped: the GPU sees them without a copy."""
        return HostMemory(self, self.driver.allocate_host(size, mapped), size, mapped)

    def stream(self) -> Stream:
        """A queue of work, independent of all others."""
        return Stream(self, self.driver.make_stream(), self.driver.drop_stream)

    def event(self) -> Event:
        """A mark in a stream that can be waited for and timed."""
        return Event(self, self.driver.make_event(), self.driver.drop_event)

    def module(self, content: bytes) -> Module:
        """Kernels out of a cubin, or of PTX that ends in a zero byte."""
        return Module(self, self.driver.load_module(content), self.driver.drop_module)

    def graph(self, stream: Stream, work: Callable[[], None]) -> Graph:
        """What `work` puts on the stream, noted down and not done, to be launched as one. It may not synchronize."""
        self.driver.begin_capture(stream.handle)
        try:
            work()
        except BaseException:
            with contextlib.suppress(RuntimeError):  # a capture that `work` broke has nothing to drop
                self.driver.drop_graph(self.driver.end_capture(stream.handle))
            raise
        return Graph(self, self.driver.end_capture(stream.handle), self.driver.drop_graph)

    def close(self) -> None:
        """Let go of everything, the newest first, then of the context. A second call does nothing."""
        if self._context is None:
            return
        context, self._context = self._context, None
        with contextlib.ExitStack() as closing:
            closing.callback(self.driver.close, context)
            for held in self._held.copy().values():
                closing.callback(held.close)

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _let_go(self, drop: Callable[[Any], None], handle: Any) -> None:
        """A lost context takes all that was in it along; whoever met the loss has told of it."""
        if not self.driver.lost:
            drop(handle)


class Held:
    """Something on the device that must be let go of. A context manager; closing it twice does no harm."""

    def __init__(self, device: Device, handle: Any, drop: Callable[[Any], None]) -> None:
        self.device, self._handle, self._drop = device, handle, drop
        device._held[id(self)] = self

    @property
    def handle(self) -> Any:
        """As the driver knows it; None after `close`."""
        return self._handle

    @property
    def driver(self) -> Driver:
        """What it is asked through. Raises ValueError after `close`."""
        if self._handle is None:
            raise ValueError(f"this {type(self).__name__} is closed")
        return self.device.driver

    def close(self) -> None:
        """Let go of it."""
        if self._handle is None:
            return
        handle, self._handle = self._handle, None
        del self.device._held[id(self)]
        self.device._let_go(self._drop, handle)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Stream(Held):
    """A queue of work. What is put on it is done in order, beside the host and other streams."""

    @property
    def address(self) -> int:
        """The CUstream that TensorRT and others take."""
        return self.driver.stream_address(self.handle)

    def synchronize(self) -> None:
        """Wait until all is done. Raises CudaLost where some of it failed."""
        self.driver.synchronize_stream(self.handle)

    def wait(self, event: Event) -> None:
        """Let what follows wait for an event of another stream."""
        self.driver.wait(self.handle, event.handle)

    def follow(self, address: int) -> None:
        """The same for all that is on another library's CUstream now; 1 is CUDA's legacy default, 2 the thread's."""
        self.driver.follow(self.handle, address)


class Event(Held):
    """A mark in a stream."""

    def record(self, stream: Stream) -> None:
        """Set the mark behind all that is on the stream now."""
        self.driver.record(self.handle, stream.handle)

    def synchronize(self) -> None:
        """Wait until the stream has come to the mark."""
        self.driver.synchronize_event(self.handle)

    def ms_since(self, start: Event) -> float:
        """Milliseconds on the GPU's clock from `start` to here; both must have been come to."""
        return self.driver.elapsed_ms(start.handle, self.handle)


class DeviceMemory(Held):
    """Bytes on the GPU."""

    def __init__(self, device: Device, address: int, size: int) -> None:
        super().__init__(device, address, device.driver.free)
        self.size = size

    @property
    def address(self) -> int:
        return int(self.handle)

    def array(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> CudaArray:
        """The first bytes seen as an array, for other libraries too. Raises ValueError where they are too few."""
        _check_fits(prod(shape) * np.dtype(dtype).itemsize, self.size)
        return CudaArray(self.address, shape, np.dtype(dtype), owner=self)

    def copy_in(self, host: Array, stream: Stream, at: int = 0) -> None:
        """Copy an array in C order, from byte `at` on. It must not change before the stream has come past."""
        _check_host(host, self.size - at)
        self.driver.copy_in(self.address + at, host.ctypes.data, host.nbytes, stream.handle)

    def copy_out(self, host: Array, stream: Stream) -> None:
        """Copy the first bytes to an array in C order; they are there when the stream has come past."""
        _check_host(host, self.size)
        self.driver.copy_out(host.ctypes.data, self.address, host.nbytes, stream.handle)

    def copy_from(self, other: DeviceMemory, size: int, stream: Stream) -> None:
        """Copy the first `size` bytes of other memory of the GPU."""
        _check_fits(size, min(self.size, other.size))
        self.driver.copy_across(self.address, other.address, size, stream.handle)

    def fill(self, value: int, stream: Stream) -> None:
        """Every byte becomes `value`."""
        self.driver.fill(self.address, value, self.size, stream.handle)


class HostMemory(Held):
    """Page-locked bytes of the host."""

    def __init__(self, device: Device, address: int, size: int, mapped: bool) -> None:
        super().__init__(device, address, device.driver.free_host)
        self.size, self.mapped = size, mapped

    @property
    def device_address(self) -> int:
        """Where the GPU sees it. Raises ValueError where it was not asked for as mapped."""
        if not self.mapped:
            raise ValueError("this memory is not mapped: use device.pinned(size, mapped=True)")
        return self.driver.mapped_address(self.handle)

    def array(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """The first bytes as a numpy array, which must not be used after `close`."""
        size = prod(shape) * np.dtype(dtype).itemsize
        _check_fits(size, self.size)
        content: Any = (ctypes.c_char * size).from_address(self.handle)
        array: Array = np.frombuffer(content, np.dtype(dtype))
        return array.reshape(shape)


class Graph(Held):
    """Work that was noted down once and is launched as one."""

    def launch(self, stream: Stream) -> None:
        """Do it all, as if it had been put on the stream anew. Its memory must still be there."""
        self.driver.launch_graph(self.handle, stream.handle)


class Module(Held):
    """Kernels that were loaded."""

    def kernel(self, name: str) -> Kernel:
        """Raises CudaError where there is none of that name."""
        return Kernel(self, self.driver.function(self.handle, name))


class Kernel:
    """A function that runs on the GPU. It lives as long as its module."""

    def __init__(self, module: Module, function: Any) -> None:
        self._module, self._function = module, function

    def launch(self, grid: Size, block: Size, arguments: tuple[Any, ...], stream: Stream) -> None:
        """grid, block: x, y, z. arguments: numpy scalars of the kernel's widths, addresses as numpy.uint64."""
        self._module.driver.launch(self._function, grid, block, arguments, stream.handle)


def _check_host(host: Array, size: int) -> None:
    if not host.flags.c_contiguous:
        raise ValueError("only an array in C order can be copied")
    _check_fits(host.nbytes, size)


def _check_fits(wanted: int, size: int) -> None:
    if wanted > size:
        raise ValueError(f"{wanted} bytes do not fit into {size}")
