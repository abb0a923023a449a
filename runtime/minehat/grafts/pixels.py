"""Pixels as they are for an input: a network that takes uint8 planes, with (pixel - mean) * scale inside its graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..card import ModelCard
from ..errors import MineHatError
from ..guests import load_onnx
from .writer import set_card

PURPOSE = "graft another input onto a network"
SCALED = "pixels/scaled"
NEAR = 0.25  # of a step: what is that near to a whole number is rounded to it by every library

Array = npt.NDArray[Any]


def with_uint8_input(model: Any, card: ModelCard) -> tuple[Any, ModelCard]:
    """A copy of `model` (an onnx.ModelProto) whose input is uint8 pixels, and its card, which the copy carries.

    The graph does what `minehat.letterbox.as_input` does for it otherwise, in the same order. What it would quantize
    back to the very pixels that came in, as our INT8 form for CPUs does (its scale is a 255th), reads the pixels
    themselves, and no picture of floats is made. Raises MineHatError where the model has no single float32 input.
    """
    onnx = load_onnx(PURPOSE)
    if card.input_dtype == "uint8":
        raise MineHatError(f"{card.name} takes uint8 pixels already. Leave --input away, or give the model that it was "
                           "made from.")
    grown, child = onnx.ModelProto(), card.with_(input_dtype="uint8")
    grown.CopyFrom(model)
    given = _input(onnx, grown.graph, card)
    given.type.tensor_type.elem_type = onnx.TensorProto.UINT8
    _read_instead(grown.graph, {given.name: SCALED})
    _take_out_quantizing(onnx, grown.graph, given.name, card)
    if any(SCALED in node.input for node in grown.graph.node):
        _scale(onnx, grown.graph, given.name, card)
    set_card(grown, child)
    return grown, child


def _input(onnx: Any, graph: Any, card: ModelCard) -> Any:
    constants = {entry.name for entry in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1 or inputs[0].type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        found = ", ".join(value.name for value in inputs) or "none"
        raise MineHatError(f"{card.name} must have one float32 input to be made uint8, found {found}. Export it again: "
                           "`python export/to_onnx.py CKPT OUT.onnx`")
    return inputs[0]


def _read_instead(graph: Any, names: Mapping[str, str]) -> None:
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]


def _take_out_quantizing(onnx: Any, graph: Any, given: str, card: ModelCard) -> None:
    """Let readers of what is quantized to the pixels that came in read these."""
    constants = {entry.name: onnx.numpy_helper.to_array(entry) for entry in graph.initializer}
    back = [node for node in graph.node if node.op_type == "QuantizeLinear" and node.input[0] == SCALED
            and _gives_pixels_back([constants.get(name) for name in node.input[1:]], card)]
    names = {node.output[0]: given for node in back}
    kept = [info for info in graph.value_info if info.name not in names]
    for node in back:
        graph.node.remove(node)
    del graph.value_info[:]
    graph.value_info.extend(kept)
    _read_instead(graph, names)


def _gives_pixels_back(grid: list[Array | None], card: ModelCard) -> bool:
    """Whether (pixel - mean) * scale, quantized with the scale and zero point of `grid`, is the pixel in each plane."""
    step, zero = grid if len(grid) == 2 else (None, None)  # our forms name their zero points
    if step is None or zero is None or step.size != 1 or zero.dtype != np.uint8:
        return False
    pixels = np.arange(256)[:, None]
    quantized = (pixels - np.array(card.mean)) * np.array(card.scale) / step.reshape(()) + zero.reshape(())
    return bool((np.abs(quantized - pixels) < NEAR).all())


def _scale(onnx: Any, graph: Any, given: str, card: ModelCard) -> None:
    """Make SCALED of the input, before all other nodes."""
    def node(op: str, inputs: list[str], name: str, **attributes: int) -> Any:
        return onnx.helper.make_node(op, inputs, [name], name=name, **attributes)

    def planes(name: str, values: Array) -> str:
        graph.initializer.append(onnx.numpy_helper.from_array(values.astype(np.float32).reshape(1, 3, 1, 1), name))
        return name

    factors, shifts = np.array(card.scale), np.array(card.mean) * card.scale
    product = "pixels/product" if shifts.any() else SCALED
    made = [node("Cast", [given], "pixels/float", to=onnx.TensorProto.FLOAT),
            node("Mul", ["pixels/float", planes("pixels/scale", factors)], product)]
    if shifts.any():
        made.append(node("Sub", [product, planes("pixels/shift", shifts)], SCALED))
    for row, each in enumerate(made):
        graph.node.insert(row, each)
