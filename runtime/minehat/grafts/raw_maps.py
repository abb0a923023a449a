"""Decode outside: a network whose outputs are its raw maps, for a runtime that decodes only where something is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..card import ModelCard
from ..errors import MineHatError
from ..guests import load_onnx
from .decode_inside import DecodeInside, RawMap, measured, stranger
from .writer import set_card

PURPOSE = "graft decode off a network"
CONVOLUTIONS = ("Conv", "ConvInteger", "QLinearConv")
BEHIND = ("Cast", "Mul", "Add", "DequantizeLinear")  # what makes floats of the sums of integer and FP16 convolutions


def with_decode_outside(model: Any, card: ModelCard) -> tuple[Any, ModelCard]:
    """A copy of `model` (an onnx.ModelProto) that gives raw maps, fine to coarse, and its card, which the copy carries.

    Anchors and reach are not asked for: the decode that is cut off is run and tells them, and then has to agree with
    `minehat.decoding` on random maps. What is left computes what it did. Raises MineHatError where decode is not
    inside, or another than ours.
    """
    onnx = load_onnx(PURPOSE)
    if card.decode == "outside":
        raise MineHatError(f"{card.name} has its decode outside already.")
    if card.suppression != "none":
        raise MineHatError(f"{card.name} has suppression inside ({card.suppression}), which wants boxes. Give the "
                           "model that it was made from.")
    maps = _maps(onnx, model, card)
    names = [one.name for one in maps]
    makers = {name: node for node in model.graph.node for name in node.output}
    body, decode = _wanted(makers, names, ()), _wanted(makers, card.outputs, names)
    inputs = {value.name for value in model.graph.input} - {entry.name for entry in model.graph.initializer}
    if body & decode or any(inputs & set(makers[name].input) for name in decode):
        raise stranger(card)
    child = measured(DecodeInside(onnx, model, decode, maps, card), card)
    grown = onnx.ModelProto()
    grown.CopyFrom(model)
    _keep(onnx, grown.graph, body, maps, child.outputs)
    set_card(grown, child)
    return grown, child


def _maps(onnx: Any, model: Any, card: ModelCard) -> list[RawMap]:
    """What the last convolutions make, as floats, the finest first."""
    readers: dict[str, list[Any]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    known = {value.name: value.type.tensor_type for value in onnx.shape_inference.infer_shapes(model).graph.value_info}
    found = []
    for name in [_as_floats(name, readers) for name in _last_sums(model, readers)]:
        sides = [side.dim_value for side in known[name].shape.dim] if name in known else []
        if len(sides) != 4 or min(sides[1:]) < 1 or known[name].elem_type != onnx.TensorProto.FLOAT:
            raise stranger(card)
        found.append(RawMap(name, *sides[1:]))
    if not found or len({one.channels for one in found}) > 1 or found[0].channels % (5 + len(card.classes)):
        raise stranger(card)
    return sorted(found, key=lambda one: one.height, reverse=True)


def _last_sums(model: Any, readers: Mapping[str, Sequence[Any]]) -> list[str]:
    """Outputs of the convolutions behind which is no other."""
    leads: dict[str, bool] = {}  # tensor -> is there a convolution below it
    for node in reversed(model.graph.node):
        below = any(reader.op_type in CONVOLUTIONS or leads[reader.output[0]]
                    for name in node.output for reader in readers.get(name, ()))
        leads |= dict.fromkeys(node.output, below)
    return [node.output[0] for node in model.graph.node
            if node.op_type in CONVOLUTIONS and not leads[node.output[0]]]


def _as_floats(name: str, readers: Mapping[str, Sequence[Any]]) -> str:
    """What a convolution's output is called once scale and type are dealt with."""
    while len(readers.get(name, ())) == 1 and readers[name][0].op_type in BEHIND:
        name = readers[name][0].output[0]
    return name


def _wanted(makers: Mapping[str, Any], names: Sequence[str], given: Sequence[str]) -> set[str]:
    """Tensors that nodes make on the way to `names`, these among them, from those `given`."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in makers and name not in given and name not in found:
            found.update(makers[name].output)
            waiting += makers[name].input
    return found


def _keep(onnx: Any, graph: Any, body: set[str], maps: Sequence[RawMap], outputs: Sequence[str]) -> None:
    """Leave of `graph` what makes the maps, which are its `outputs` now and bear these names."""
    names = dict(zip([one.name for one in maps], outputs, strict=True))
    nodes = [node for node in graph.node if node.output[0] in body]
    for node in nodes:
        node.output[:] = [names.get(name, name) for name in node.output]
    read = {name for node in nodes for name in node.input}
    constants = [entry for entry in graph.initializer if entry.name in read]
    told = [value for value in graph.value_info if value.name in body and value.name not in names]
    batch = graph.input[0].type.tensor_type.shape.dim[0]
    made = [onnx.helper.make_tensor_value_info(names[one.name], onnx.TensorProto.FLOAT,
                                               [batch.dim_param or batch.dim_value or None, one.channels, one.height,
                                                one.width]) for one in maps]
    for field, values in (("node", nodes), ("initializer", constants), ("value_info", told), ("output", made)):
        graph.ClearField(field)
        getattr(graph, field).extend(values)
