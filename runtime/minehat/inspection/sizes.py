"""How high and wide the maps of an ONNX graph are, followed from its input: most files do not note it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from ..onnx_reader import Node, OnnxFile, Value
from .behind import constant_behind

Size = tuple[int, int]  # height, width
_SLIDING = {"Conv", "FusedConv", "QLinearConv", "ConvInteger", "MaxPool", "AveragePool"}
_KEEPING = {  # as large as the largest of their inputs
    "Abs", "Add", "BatchNormalization", "Cast", "Clip", "DequantizeLinear", "Div", "Dropout", "Elu", "Exp", "Gelu",
    "HardSigmoid", "HardSwish", "Identity", "InstanceNormalization", "LeakyRelu", "Log", "Max", "Min", "Mish", "Mul",
    "Neg", "PRelu", "Pow", "QuantizeLinear", "Relu", "Sigmoid", "Softplus", "Sqrt", "Sub", "Sum", "Swish", "Tanh"}


def map_sizes(file: OnnxFile, input_size: Size) -> dict[str, Size]:
    """Height and width by tensor, for as many as can be followed when the input is `input_size`."""
    known = {value.name: size for value in (*file.noted, *file.outputs) if (size := _noted(value)) is not None}
    known |= {value.name: input_size for value in file.inputs if len(value.shape) == 4}
    for node in file.nodes:
        given = [known[name] for name in node.inputs if name in known]
        if given and node.outputs and node.outputs[0] not in known:
            size = _size(node, file, given)
            known |= {name: size for name in node.outputs if size is not None}
    return known


def _noted(value: Value) -> Size | None:
    if len(value.shape) != 4:
        return None
    height, width = value.shape[2:]
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None


def _size(node: Node, file: OnnxFile, given: list[Size]) -> Size | None:
    if node.op in _KEEPING:
        return max(given, key=math.prod)
    if node.op in _SLIDING:
        return _slid(node, file, given[0])
    follow = _FOLLOWED.get(node.op)
    return follow(node, file, given[0]) if follow else None


def _slid(node: Node, file: OnnxFile, size: Size) -> Size | None:
    kernel = _kernel(node, file)
    if len(kernel) != 2:
        return None
    strides, dilations = _integers(node, "strides", (1, 1)), _integers(node, "dilations", (1, 1))
    pads, padding = _integers(node, "pads", (0, 0, 0, 0)), node.attributes.get("auto_pad", "NOTSET")
    sides = []
    for axis in (0, 1):
        if str(padding).startswith("SAME"):
            sides.append(-(-size[axis] // strides[axis]))
            continue
        room = size[axis] + pads[axis] + pads[axis + 2] - dilations[axis] * (kernel[axis] - 1) - 1
        steps = -(-room // strides[axis]) if node.attributes.get("ceil_mode") else room // strides[axis]
        sides.append(steps + 1)
    return sides[0], sides[1]


def _kernel(node: Node, file: OnnxFile) -> tuple[int, ...]:
    given = _integers(node, "kernel_shape", ())
    weights = [] if given else [constant_behind(name, file) for name in node.inputs[1:]]
    return given or next((constant.shape[2:] for constant in weights if constant and len(constant.shape) == 4), ())


def _resized(node: Node, file: OnnxFile, size: Size) -> Size | None:
    *_, last = (_values(name, file) for name in node.inputs[1:] if name)
    if len(last) != 4:
        return None
    as_sizes = len(node.inputs) > 3 and bool(node.inputs[3])
    return (int(last[2]), int(last[3])) if as_sizes else (int(size[0] * last[2]), int(size[1] * last[3]))


def _reduced(node: Node, file: OnnxFile, size: Size) -> Size | None:
    axes = {int(axis) % 4 for axis in _given(node, file, "axes", 1)}
    if node.attributes.get("keepdims", 1) != 1 or not axes:
        return None
    return (1 if 2 in axes else size[0]), (1 if 3 in axes else size[1])


def _sliced(node: Node, file: OnnxFile, size: Size) -> Size | None:
    starts, ends, axes, steps = (_given(node, file, name, row) for row, name in
                                 enumerate(("starts", "ends", "axes", "steps"), 1))
    if not starts or len(starts) != len(ends):
        return None
    sides = [0, 0, *size]
    for row, axis in enumerate(axes or range(len(starts))):
        step = int(steps[row]) if steps else 1
        if int(axis) % 4 >= 2 and step > 0:
            side = sides[int(axis) % 4]
            sides[int(axis) % 4] = len(range(*slice(int(starts[row]), int(ends[row]), step).indices(side)))
    return sides[2], sides[3]


def _padded(node: Node, file: OnnxFile, size: Size) -> Size | None:
    pads = _given(node, file, "pads", 1)
    if len(pads) != 8:
        return None
    return size[0] + int(pads[2] + pads[6]), size[1] + int(pads[3] + pads[7])


def _along_channels(node: Node, _file: OnnxFile, size: Size) -> Size | None:
    return size if node.attributes.get("axis", 0) in (1, -3) else None


def _whole(_node: Node, _file: OnnxFile, _size: Size) -> Size | None:
    return 1, 1


def _integers(node: Node, name: str, usual: tuple[int, ...]) -> tuple[int, ...]:
    found = node.attributes.get(name, usual)
    return tuple(int(number) for number in found) if isinstance(found, tuple) and found else usual


def _given(node: Node, file: OnnxFile, attribute: str, row: int) -> tuple[float, ...]:
    """Numbers that older opsets take as an attribute and newer ones as input `row`."""
    return _integers(node, attribute, ()) or (_values(node.inputs[row], file) if len(node.inputs) > row else ())


def _values(name: str, file: OnnxFile) -> tuple[float, ...]:
    constant = file.constants.get(name)
    return constant.values if constant else ()


_FOLLOWED: Mapping[str, Callable[[Node, OnnxFile, Size], Size | None]] = {
    "GlobalAveragePool": _whole, "GlobalMaxPool": _whole, "ReduceMean": _reduced, "ReduceMax": _reduced,
    "ReduceSum": _reduced, "Resize": _resized, "Upsample": _resized, "Slice": _sliced, "Pad": _padded,
    "Concat": _along_channels, "Split": _along_channels}
