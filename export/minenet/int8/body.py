"""The body of an exported graph, from the picture to the raw maps, as steps that torch can run one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, helper, numpy_helper


@dataclass(frozen=True)
class Step:
    """One node. Its first output names it, as in a placement."""

    kind: str  # ONNX's name of the operation
    output: str
    inputs: tuple[str, ...]  # tensors that depend on the picture
    constants: tuple[npt.NDArray[Any], ...]  # the other inputs: weights and bias, axes, scales
    names: tuple[str, ...]  # of the constants
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class Body:
    """The steps in order, and what comes in and out."""

    steps: tuple[Step, ...]
    image: str  # name of the input
    maps: tuple[str, ...]  # raw maps: outputs of the last convolutions


def body_of(model: ModelProto) -> Body:
    """Everything that the last convolutions (those with no convolution below them) need."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    maps = _maps(model.graph.node)
    wanted, steps = set(maps), []
    for node in reversed(model.graph.node):
        if node.output[0] in wanted:
            steps.append(_step(node, constants))
            wanted.update(steps[-1].inputs)
    return Body(tuple(reversed(steps)), model.graph.input[0].name, maps)


def _maps(nodes: Iterable[NodeProto]) -> tuple[str, ...]:
    """Outputs of the convolutions on which no other one depends, in the order of the graph."""
    above: set[str] = set()  # tensors that a convolution depends on
    last = []
    for node in reversed(list(nodes)):
        needed = above.intersection(node.output)
        if node.op_type == "Conv" and not needed:
            last.append(str(node.output[0]))
        if node.op_type == "Conv" or needed:
            above.update(node.input)
    return tuple(reversed(last))


def _step(node: NodeProto, constants: Mapping[str, npt.NDArray[np.generic]]) -> Step:
    given = [name for name in node.input if name]
    names = tuple(name for name in given if name in constants)
    return Step(node.op_type, node.output[0], tuple(name for name in given if name not in constants),
                tuple(constants[name] for name in names), names,
                {a.name: helper.get_attribute_value(a) for a in node.attribute})
