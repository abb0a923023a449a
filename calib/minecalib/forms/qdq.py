"""Quantize/dequantize pairs and integer weights: the bricks of which both INT8 forms are built."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from minehat.errors import MineHatError
from onnx import NodeProto

from ..graph import Wiring, key_of
from ..weights.bias import corrected_bias

Array = npt.NDArray[Any]
SMALLEST_SCALE = np.float32(2.0**-14)  # the least normal FP16 number; TensorRT wants scales above 0 in FP16 too


@dataclass(frozen=True)
class Grid:
    """The numbers that a quantized tensor can hold: (0..255 or -128..127 minus `zero`) * `scale`."""

    scale: np.float32
    zero: np.uint8 | np.int8


def signed_grid(magnitude: float) -> Grid:
    """Symmetric INT8 for -magnitude..magnitude; the scale survives a cast to FP16 unchanged."""
    return Grid(np.float32(half_scales(magnitude / 127)), np.int8(0))


def unsigned_grid(low: float, high: float) -> Grid:
    """UINT8 for low..high, which must hold 0; 0 itself is always exact."""
    scale = np.float32(max((high - low) / 255, 1e-12))
    return Grid(scale, np.uint8(np.clip(np.rint(-low / scale), 0, 255)))


def half_scales(scales: npt.ArrayLike) -> Array:
    """float32 scales rounded to what FP16 can hold, none below its least normal number."""
    wanted = np.asarray(scales, np.float32)
    if wanted.max() > np.finfo(np.float16).max:
        raise MineHatError(f"a range needs the scale {wanted.max():g}, which FP16 cannot hold. "
                           "Try `--method percentile`, or train again with weight decay.")
    return np.maximum(wanted.astype(np.float16).astype(np.float32), SMALLEST_SCALE)


def channel_scales(weights: Array) -> Array:
    """float32 [out, in, kh, kw] -> [out] float32 symmetric INT8 scales, small ones for channels of zeros."""
    greatest = np.abs(weights).reshape(len(weights), -1).max(axis=1)
    return np.where(greatest > 0, greatest / 127, SMALLEST_SCALE).astype(np.float32)


def integers(weights: Array, scales: Array) -> Array:
    """float32 [out, ...] weights on [out] scales -> int8 of the same shape, -127..127."""
    steps = weights / scales.reshape(-1, *[1] * (weights.ndim - 1))
    return np.clip(np.rint(steps), -127, 127).astype(np.int8)


def shift_bias(wiring: Wiring, convolution: NodeProto, scales: Array, means: Array) -> None:
    """Let the bias make up for what rounding the weights to [out] scales does to the mean output.

    means: [in] float64, of the input's channels. A convolution without a bias gets one.
    """
    name = convolution.input[1]
    weights = wiring.array(name)
    rounded = integers(weights, scales) * scales.reshape(-1, *[1] * (weights.ndim - 1))
    bias = wiring.array(convolution.input[2]) if len(convolution.input) > 2 else np.zeros(len(weights), np.float32)
    own = wiring.set_array(f"{key_of(convolution)}_corrected_bias", corrected_bias(weights, rounded, bias, means))
    convolution.input[2:] = [own]


def add_pair(wiring: Wiring, tensor: str, grid: Grid, readers: Iterable[NodeProto]) -> None:
    """Quantize `tensor` and dequantize it again for `readers`, which read that instead.

    A tensor may have several pairs, for different readers; those on one grid are one.
    """
    rounded = _rounded_name(wiring, tensor, grid)
    for reader in readers:
        wiring.rename_input(reader, tensor, rounded)


def _rounded_name(wiring: Wiring, tensor: str, grid: Grid) -> str:
    """The tensor's rounded copy on that grid, made where there is none yet."""
    for number in itertools.count(1):
        stem = tensor if number == 1 else f"{tensor}_{number}"
        if f"{stem}_scale" not in wiring.initializers:
            parameters = [wiring.set_array(f"{stem}_scale", grid.scale), wiring.set_array(f"{stem}_zero", grid.zero)]
            wiring.add("QuantizeLinear", [tensor, *parameters], quantized(stem))
            return wiring.add("DequantizeLinear", [quantized(stem), *parameters], f"{stem}_dequantized")
        if (wiring.array(f"{stem}_scale"), wiring.array(f"{stem}_zero")) == (grid.scale, grid.zero):
            return f"{stem}_dequantized"
    raise AssertionError("there is always a next number")


def quantized(tensor: str) -> str:
    """The name of a paired tensor's integers."""
    return f"{tensor}_quantized"


def dequantized_weights(wiring: Wiring, convolution: NodeProto, scales: Array) -> None:
    """Store a convolution's weights as INT8 with [out] scales and dequantize them in the graph."""
    name = convolution.input[1]
    parameters = [wiring.set_array(f"{name}_int8", integers(wiring.array(name), scales)),
                  wiring.set_array(f"{name}_scale", scales),
                  wiring.set_array(f"{name}_zero", np.zeros(len(scales), np.int8))]
    convolution.input[1] = wiring.add("DequantizeLinear", parameters, f"{name}_dequantized", axis=0)
