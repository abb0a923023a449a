"""An engine that TensorRT has loaded, its context, and memory for the largest batch that it takes."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..card import ModelCard
from ..cuda import Device, Stream
from ..engine import EngineCard
from ..engine.library import running_library
from ..engine.network import INPUT
from ..engine.watch import BuildLog, logger_for
from ..errors import MineHatError

Array = npt.NDArray[Any]
_OUTPUTS = {"FLOAT": np.float32, "INT64": np.int64, "BOOL": np.bool_}  # of the graph's contract
_INPUTS = {"FLOAT": np.float32, "HALF": np.float16, "UINT8": np.uint8}


class LoadedEngine:
    """Runs on `stream`, from `input` to `outputs`, for pictures as many as `shape` was last told."""

    def __init__(self, path: Path, card: ModelCard, device: Device) -> None:
        self._path, self._card, self._device = path, card, device
        self._log, self.stream = BuildLog(), device.stream()
        self.changes = 0  # of the shape: graphs that were noted down before one hold no more
        self._pictures = 0
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
        self.most = engine_card.batch[2]
        self.shape(self.most)
        self.input = self._tensor(INPUT, _INPUTS)
        self.outputs = [self._tensor(name, _OUTPUTS) for name in self._card.outputs]

    def _tensor(self, name: str, dtypes: dict[str, Any]) -> EngineTensor:
        """The context's input shape is the largest."""
        dtype = dtypes.get(self._engine.get_tensor_dtype(name).name)
        shape = tuple(self._context.get_tensor_shape(name))
        made = EngineTensor(self._device, shape, np.dtype(dtype)) if dtype and min(shape) > 0 else None
        if (made is None or not self._context.set_tensor_address(name, made.address)
                or (name == INPUT and (made.dtype == np.uint8) != (self._card.input_dtype == "uint8"))):
            raise MineHatError(f"{self._path} has no input or output {name!r} of the kind that its card says. Give the "
                               "card that belongs to it, or build it again from an exported .onnx file.")
        return made

    def close(self) -> None:
        """What was made last goes first."""
        self._context = None
        self._engine = None
        self._runtime = None

    def shape(self, pictures: int) -> None:
        """What follows is for so many pictures."""
        if pictures == self._pictures:
            return
        self._pictures, self.changes = 0, self.changes + 1
        if not self._context.set_input_shape(INPUT, (pictures, 3, self._card.height, self._card.width)):
            raise RuntimeError(f"{self._path} does not take {pictures} pictures: {self._log.reason}")
        self._pictures = pictures

    def enqueue(self) -> None:
        """Put the network on the stream."""
        if not self._context.execute_async_v3(self.stream.address):
            raise RuntimeError(f"{self._path} did not run: {self._log.reason}")

    def copy_out(self) -> None:
        """Put the copies of all outputs on the stream; `answer` reads them when it has come past."""
        for output in self.outputs:
            output.copy_out(self._pictures, self.stream)

    def answer(self) -> tuple[Array, ...]:
        """The outputs that were copied, the caller's own."""
        return tuple(output.here(self._pictures).copy() for output in self.outputs)

    def infer(self, batch: Array) -> tuple[Array, ...]:
        """[N, 3, H, W] as the card wants it -> the answer: copy in, run, copy out, all on one stream."""
        self.shape(len(batch))
        self.input.here(len(batch))[...] = batch
        self.input.copy_in(len(batch), self.stream)
        try:
            self.enqueue()
        except RuntimeError:
            self.stream.synchronize()  # tells where the GPU is lost
            raise
        self.copy_out()
        self.stream.synchronize()
        return self.answer()


class EngineTensor:
    """An input or output: memory of the GPU for the largest batch, and page-locked memory that copies pass through."""

    def __init__(self, device: Device, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.dtype, self.row = dtype, shape[1:]  # of one picture
        self._there = device.memory(prod(shape) * dtype.itemsize)
        self._here = device.pinned(prod(shape) * dtype.itemsize)

    @property
    def address(self) -> int:
        return self._there.address

    @property
    def row_bytes(self) -> int:
        return prod(self.row) * self.dtype.itemsize

    def here(self, pictures: int) -> Array:
        return self._here.array((pictures, *self.row), self.dtype)

    def copy_in(self, pictures: int, stream: Stream) -> None:
        self._there.copy_in(self.here(pictures), stream)

    def copy_out(self, pictures: int, stream: Stream) -> None:
        self._there.copy_out(self.here(pictures), stream)
