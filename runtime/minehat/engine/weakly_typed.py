"""The one weakly typed network: INT8 by a calibration table, for the DLA of TensorRT 10. Unverified on a board.

Everywhere else precision is in the ONNX file. Here the builder chooses INT8 among the tensors that have a scale,
FP16 elsewhere; decode, whose coordinates FP16 is too coarse for, is held in FP32.
"""

from __future__ import annotations

from typing import Any

from .differences import has


def reads_tables(trt: Any) -> bool:
    """Does this TensorRT build weakly typed networks with calibration tables?"""
    return has(trt, "IInt8EntropyCalibrator2")


def let_table_decide(trt: Any, definition: Any, config: Any, table: bytes) -> None:
    """Set a config, and the layers of decode in `definition`, for a table of INT8 scales."""
    for flag in (trt.BuilderFlag.INT8, trt.BuilderFlag.FP16, trt.BuilderFlag.OBEY_PRECISION_CONSTRAINTS):
        config.set_flag(flag)
    config.int8_calibrator = calibrator_for(trt, table)
    for layer in decode_layers(trt, definition):
        layer.precision = trt.DataType.FLOAT
        for row in range(layer.num_outputs):
            layer.set_output_type(row, trt.DataType.FLOAT)


def calibrator_for(trt: Any, table: bytes) -> Any:
    """A calibrator that knows this table and has no pictures: nothing is calibrated anew."""

    class Calibrator(trt.IInt8EntropyCalibrator2):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IInt8EntropyCalibrator2.__init__(self)

        def get_batch_size(self) -> int:
            return 1

        def get_batch(self, _names: list[str]) -> None:
            return None

        def read_calibration_cache(self) -> bytes:
            return table

        def write_calibration_cache(self, _cache: bytes) -> None:
            """Ours was read; there is nothing to keep."""

    return Calibrator()


def decode_layers(trt: Any, definition: Any) -> list[Any]:
    """Layers of floats that no convolution comes after: decode, and what follows it."""
    before: set[str] = set()  # tensors on the way to a convolution
    found = []
    for layer in reversed(layers_of(definition)):
        outputs = [layer.get_output(row) for row in range(layer.num_outputs)]
        if layer.type == trt.LayerType.CONVOLUTION or before.intersection(tensor.name for tensor in outputs):
            tensors = (layer.get_input(row) for row in range(layer.num_inputs))
            before.update(tensor.name for tensor in tensors if tensor is not None)
        elif all(tensor.dtype == trt.DataType.FLOAT for tensor in outputs):
            found.append(layer)
    return found[::-1]


def layers_of(definition: Any) -> list[Any]:
    """The layers of a network, in its order."""
    return [definition.get_layer(row) for row in range(definition.num_layers)]
