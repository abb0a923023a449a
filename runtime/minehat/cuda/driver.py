"""What a CUDA library must do for us, which one is taken, and what its errors mean."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Protocol

from ..errors import CudaLost, MineHatError, missing

CHOICE = "MINEHAT_CUDA"
DRIVERS = ("cuda-bindings", "pycuda")
OUT_OF_MEMORY, NO_DEVICE = 2, 100
FOREIGN = frozenset({200, 209, 222})  # invalid image, no binary for the GPU, unsupported PTX version
# After these the context answers every call with the same error, until the process ends.
LOST = frozenset({
    4,  # deinitialized
    46,  # device unavailable
    214, 220, 226,  # memory error that ECC cannot correct, NVLink's, one that was contained
    700, 702, 709, 710,  # illegal address, launch timeout, context destroyed, assert
    714, 715, 716, 717, 718, 719,  # stack, instruction, misalignment, address space, program counter, launch failed
    721,  # tensor memory leak
    810,  # MPS client terminated
    911,  # external device
    999,  # unknown
})
CURES = {"cuda-bindings": "`pip install 'cuda-bindings>=12.6,<14'` (with JetPack 6 `<13`)",
          "pycuda": "`pip install pycuda` (compiles; wants the CUDA toolkit)"}
Size = tuple[int, int, int]  # x, y, z


class CudaError(RuntimeError):
    """A call that CUDA refused for a reason of ours; the context goes on."""


class Driver(Protocol):
    """The calls that we need, on GPU 0.

    Addresses and sizes are in bytes. What else a call makes is a handle, which only the same driver understands.
    Raises MineHatError where the GPU has too little memory, CudaLost for what ends the context, CudaError otherwise.
    """

    name: str  # of DRIVERS
    lost: bool  # the context has ended: nothing need be let go of any more

    def open(self) -> Any:
        """The GPU's primary context, current on this thread. TensorRT and PyTorch work in the same one."""

    def use(self, context: Any) -> None:
        """Make it current on this thread as well."""

    def close(self, context: Any) -> None:
        """Let go of it, lost or not; what was current on this thread before is so again."""

    def attribute(self, number: int) -> int:
        """A CUdevice_attribute."""

    def memory_info(self) -> tuple[int, int]:
        """Bytes of the GPU's memory that are free, and all of them."""

    def allocate(self, size: int) -> int:
        """The address of memory on the GPU."""

    def free(self, address: int) -> None: ...

    def allocate_host(self, size: int, mapped: bool) -> int:
        """The address of page-locked memory of the host; mapped: the GPU may read and write it where it lies."""

    def free_host(self, address: int) -> None: ...

    def mapped_address(self, address: int) -> int:
        """Where the GPU sees mapped memory."""

    def make_stream(self) -> Any:
        """A stream that does not wait for the legacy default one."""

    def stream_address(self, stream: Any) -> int:
        """Its CUstream, as other libraries take it."""

    def synchronize_stream(self, stream: Any) -> None: ...

    def wait(self, stream: Any, event: Any) -> None:
        """Let what follows on the stream wait for the event."""

    def follow(self, stream: Any, address: int) -> None:
        """Let what follows on the stream wait for what is on another library's CUstream now."""

    def drop_stream(self, stream: Any) -> None: ...

    def make_event(self) -> Any: ...

    def record(self, event: Any, stream: Any) -> None: ...

    def synchronize_event(self, event: Any) -> None: ...

    def elapsed_ms(self, start: Any, end: Any) -> float: ...

    def drop_event(self, event: Any) -> None: ...

    def copy_in(self, there: int, host: int, size: int, stream: Any) -> None:
        """Host to GPU. With memory that is not page-locked it may return only when the copy is done."""

    def copy_out(self, host: int, there: int, size: int, stream: Any) -> None:
        """GPU to host."""

    def copy_across(self, to: int, there: int, size: int, stream: Any) -> None:
        """GPU to GPU."""

    def fill(self, there: int, value: int, size: int, stream: Any) -> None:
        """Every byte becomes `value`."""

    def begin_capture(self, stream: Any) -> None:
        """Note down what this thread puts on the stream instead of doing it."""

    def end_capture(self, stream: Any) -> Any:
        """What was noted down, ready to be launched. Raises CudaError where the capture was broken."""

    def launch_graph(self, graph: Any, stream: Any) -> None: ...

    def drop_graph(self, graph: Any) -> None: ...

    def load_module(self, content: bytes) -> Any:
        """A cubin, or PTX text that ends in a zero byte."""

    def function(self, module: Any, name: str) -> Any: ...

    def launch(self, function: Any, grid: Size, block: Size, arguments: Sequence[Any], stream: Any) -> None:
        """arguments: numpy scalars of the widths that the kernel declares; addresses as numpy.uint64."""

    def drop_module(self, module: Any) -> None: ...


class Faults:
    """What both drivers do about errors."""

    lost = False

    def fault(self, call: str, code: int, told: str) -> Exception:
        """The exception for what a call answered; told: the error's name, or what the library said of it."""
        if code in LOST:
            self.lost = True
            return CudaLost(f"The GPU gave up ({told} in {call}): this process can compute nothing more on it. Start "
                            "it again; if that happens twice, look at `dmesg` and `nvidia-smi -q` for Xid and ECC.")
        if code == OUT_OF_MEMORY:
            return MineHatError(f"The GPU has too little memory left ({told} in {call}). Close other programs that "
                                "use it (`nvidia-smi` names them), or use smaller batches.")
        if code == NO_DEVICE:
            return no_gpu()
        if code in FOREIGN:
            return MineHatError(f"The driver does not take kernels of this compiler ({told} in {call}): it is older. "
                                "Update the driver, or for CUDA 12 `pip install 'cuda-bindings<13' "
                                "nvidia-cuda-nvrtc-cu12`.")
        return CudaError(f"{call}: {told} ({code})")


def no_gpu() -> MineHatError:
    """The error where no driver answers or no device is there."""
    return MineHatError("No NVIDIA GPU answers here. Look at `nvidia-smi`; in a container, start it with "
                        "`--gpus all`; on the CPU run the .onnx file.")


def load_driver(choice: str | None = None) -> Driver:
    """The driver that `choice` or else MINEHAT_CUDA names, or the first whose library is there.

    Raises MineHatError, with the cure, where there is none or no GPU answers.
    """
    chosen = choice or os.environ.get(CHOICE) or None
    if chosen not in (None, *DRIVERS):
        raise MineHatError(f"{CHOICE} must be one of {', '.join(DRIVERS)}, found {chosen!r}.")
    for name in DRIVERS if chosen is None else (chosen,):
        driver = _loaded(name)
        if driver is not None:
            return driver
    wanted = chosen or " or ".join(DRIVERS)
    raise missing(wanted, "use the GPU", f"{CURES[chosen or DRIVERS[0]]}.")


def _loaded(name: str) -> Driver | None:
    """None where its library is not installed."""
    try:
        if name == "pycuda":
            from .pycuda_driver import PycudaDriver
            return PycudaDriver()
        from .cuda_bindings_driver import CudaBindingsDriver
        return CudaBindingsDriver()
    except ModuleNotFoundError:
        return None
