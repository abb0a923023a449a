"""Engines of `minehat build`, of TensorRT and TensorRT-RTX alike, on GPU 0. Unverified on a GPU."""

from __future__ import annotations

import threading
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..answers import check_answer
from ..card import ModelCard
from ..cuda import Device, Stream, open_device
from ..engine import EngineCard, check_engine
from ..engine.library import running_library
from ..engine.network import INPUT
from ..engine.watch import BuildLog, logger_for
from ..errors import MineHatError

Array = npt.NDArray[Any]
_DTYPES = {"FLOAT": np.float32, "INT64": np.int64, "BOOL": np.bool_}  # of the graph's contract


class TensorRtBackend:
    """An engine, its context, and memory for the largest batch that it takes; `threads` is for CPUs."""

    name = "tensorrt"

    def __init__(self, path: Path, card: ModelCard, threads: int | None = None) -> None:
        self._path, self._card = path, card
        self._engine_card = check_engine(path)
        self.batches = self._engine_card.batch[0], self._engine_card.batch[2]
        self._thread = threading.get_ident()
        self._device = open_device()
        self._loaded: _Loaded | None = _Loaded(path, card, self._device)
        try:
            self._loaded.load(self._engine_card)
        except BaseException:
            self.close()
            raise

    def infer(self, batch: Array) -> tuple[Array, ...]:
        """float32 [N, 3, H, W] -> the network's answer, as minehat.answers tells it: boxes, scores, ...

        Raises MineHatError for batches that the engine was not built for and where the answer is not finite,
        CudaLost where the GPU gave up.
        """
        if self._loaded is None:
            raise ValueError("this TensorRtBackend is closed")
        self._check_batch(len(batch))
        if threading.get_ident() != self._thread:
            self._device.use()
            self._thread = threading.get_ident()
        answer = self._loaded.infer(batch)
        check_answer(answer, self._card, self._path)
        return answer

    def close(self) -> None:
        """Let go of the engine, then of its memory. A second call does nothing."""
        if self._loaded is not None:
            self._loaded.close()
            self._loaded = None
        self._device.close()

    def _check_batch(self, size: int) -> None:
        least, best, most = self._engine_card.batch
        if not least <= size <= most:
            wider = ",".join(map(str, (min(least, size), best, max(most, size))))
            again = self._engine_card.rebuild.replace(f"--batch {least},{best},{most}", f"--batch {wider}")
            raise MineHatError(f"{self._path} was built for batches of {least} to {most}, found one of {size}. "
                               f"Build it for them: `{again}`")


class _Loaded:
    """What TensorRT holds, and page-locked memory and memory of the GPU for each input and output."""

    def __init__(self, path: Path, card: ModelCard, device: Device) -> None:
        self._path, self._card, self._device = path, card, device
        self._log, self._stream = BuildLog(), device.stream()
        self._logger: Any = None
        self._runtime: Any = None
        self._engine: Any = None
        self._context: Any = None

    def load(self, engine_card: EngineCard) -> None:
        """Raises MineHatError where TensorRT does not take the engine or the card does not fit it."""
        library = running_library(engine_card.flavour)
        trt = library.trt
        self._logger = logger_for(trt, self._log)
        self._runtime = trt.Runtime(self._logger)
        if engine_card.dla:
            self._runtime.DLA_core = engine_card.dla["core"]
        self._engine = self._runtime.deserialize_cuda_engine(self._path.read_bytes())
        if self._engine is not None:
            self._context = self._engine.create_execution_context()
        if self._context is None:
            raise MineHatError(f"{library.title} cannot load {self._path}: {self._log.reason}. Free memory of the GPU, "
                               f"or build it again: `{engine_card.rebuild}`")
        self._context.set_input_shape(INPUT, (engine_card.batch[2], 3, self._card.height, self._card.width))
        self._input = self._tensor(INPUT)
        self._outputs = [self._tensor(name) for name in self._card.outputs]

    def _tensor(self, name: str) -> _Tensor:
        """The context's input shape is the largest."""
        dtype = _DTYPES.get(self._engine.get_tensor_dtype(name).name)
        shape = tuple(self._context.get_tensor_shape(name))
        made = _Tensor(self._device, name, prod(shape), np.dtype(dtype)) if dtype and min(shape) > 0 else None
        if made is None or not self._context.set_tensor_address(name, made.address):
            raise MineHatError(f"{self._path} has no input or output {name!r} of the kind that its card says. Give the "
                               "card that belongs to it, or build it again from an exported .onnx file.")
        return made

    def close(self) -> None:
        """What was made last goes first."""
        self._context = None
        self._engine = None
        self._runtime = None

    def infer(self, batch: Array) -> tuple[Array, ...]:
        """Copy in, run, copy out, all on one stream. The answer is the caller's own."""
        self._input.here(batch.shape)[...] = batch
        self._input.copy_in(batch.shape, self._stream)
        if not self._context.set_input_shape(INPUT, batch.shape) or not self._context.execute_async_v3(
                self._stream.address):
            self._stream.synchronize()  # tells where the GPU is lost
            raise RuntimeError(f"{self._path} did not run: {self._log.reason}")
        shapes = [tuple(self._context.get_tensor_shape(output.name)) for output in self._outputs]
        for output, shape in zip(self._outputs, shapes, strict=True):
            output.copy_out(shape, self._stream)
        self._stream.synchronize()
        return tuple(output.here(shape).copy() for output, shape in zip(self._outputs, shapes, strict=True))


class _Tensor:
    """An input or output: memory of the GPU for the largest batch, and page-locked memory that copies pass through."""

    def __init__(self, device: Device, name: str, values: int, dtype: np.dtype[Any]) -> None:
        self.name, self._dtype = name, dtype
        self._there = device.memory(values * dtype.itemsize)
        self._here = device.pinned(values * dtype.itemsize)

    @property
    def address(self) -> int:
        return self._there.address

    def here(self, shape: tuple[int, ...]) -> Array:
        return self._here.array(shape, self._dtype)

    def copy_in(self, shape: tuple[int, ...], stream: Stream) -> None:
        self._there.copy_in(self.here(shape), stream)

    def copy_out(self, shape: tuple[int, ...], stream: Stream) -> None:
        self._there.copy_out(self.here(shape), stream)

