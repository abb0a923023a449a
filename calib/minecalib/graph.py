"""An ONNX graph with its wiring: who makes a tensor, who reads it, and where decode begins."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from minehat.errors import MineHatError
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper, shape_inference

QUANTIZED_OPS = frozenset({"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv",
                           "QLinearMatMul", "ConvInteger", "MatMulInteger"})


def key_of(node: NodeProto) -> str:
    """A node's identity: its first output, which no other node can make."""
    return str(node.output[0])


class Wiring:
    """A model open for rewiring: changes go into `model`; call `finish` when they are done.

    Decode is everything downstream of the last convolutions (those with no convolution below them);
    the rest of the graph, last convolutions included, is the body.
    """

    def __init__(self, model: ModelProto) -> None:
        self.model = model
        self.graph = model.graph
        _constants_to_initializers(model)
        self.initializers = {tensor.name: tensor for tensor in self.graph.initializer}
        self.input = next(i.name for i in self.graph.input if i.name not in self.initializers)
        self.refresh()
        self.decode = self._decode()

    def refresh(self) -> None:
        """Read the wiring anew, after nodes were added or inputs renamed."""
        self.producers = {name: node for node in self.graph.node for name in node.output}
        self.consumers: dict[str, list[NodeProto]] = defaultdict(list)
        for node in self.graph.node:
            for name in dict.fromkeys(node.input):
                self.consumers[name].append(node)

    @property
    def body(self) -> list[NodeProto]:
        """The nodes before decode, in order."""
        return [node for node in self.graph.node if key_of(node) not in self.decode]

    @property
    def convolutions(self) -> list[NodeProto]:
        return [node for node in self.graph.node if node.op_type == "Conv"]

    @property
    def last_convolutions(self) -> list[NodeProto]:
        """Those whose output only decode reads."""
        return [node for node in self.convolutions
                if all(key_of(reader) in self.decode for reader in self.consumers[node.output[0]])]

    def activations(self, node: NodeProto) -> list[str]:
        """The node's inputs that depend on the picture."""
        return [name for name in node.input if name and name not in self.initializers]

    def float_tensors(self) -> set[str]:
        """Names of all float32 tensors: input, initializers, and what nodes make."""
        graph = shape_inference.infer_shapes(self.model).graph
        typed = [*graph.input, *graph.value_info, *graph.output]
        return ({value.name for value in typed if value.type.tensor_type.elem_type == TensorProto.FLOAT}
                | {tensor.name for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT})

    def array(self, name: str) -> npt.NDArray[Any]:
        """An initializer's values."""
        return numpy_helper.to_array(self.initializers[name])

    def set_array(self, name: str, values: npt.ArrayLike) -> str:
        """Add an initializer, or give one new values; returns its name."""
        tensor = numpy_helper.from_array(np.asarray(values), name)
        if name in self.initializers:
            self.initializers[name].CopyFrom(tensor)
        else:
            self.graph.initializer.append(tensor)
            self.initializers[name] = self.graph.initializer[-1]
        return name

    def add(self, op_type: str, inputs: Iterable[str], output: str, **attributes: Any) -> str:
        """Add a node anywhere (`finish` puts nodes in order); returns its output's name."""
        self.graph.node.append(helper.make_node(op_type, list(inputs), [output], output, **attributes))
        return output

    def rename_input(self, node: NodeProto, old: str, new: str) -> None:
        for row, name in enumerate(node.input):
            if name == old:
                node.input[row] = new

    def finish(self) -> None:
        """Put nodes in order, drop initializers that nobody reads and types that no longer hold."""
        ordered = in_order(self.graph.node, {self.input, *self.initializers})
        del self.graph.node[:]
        self.graph.node.extend(ordered)
        self.refresh()
        kept = [tensor for tensor in self.graph.initializer if self.consumers.get(tensor.name)]
        del self.graph.initializer[:]
        self.graph.initializer.extend(kept)
        self.initializers = {tensor.name: tensor for tensor in self.graph.initializer}
        del self.graph.value_info[:]

    def _decode(self) -> set[str]:
        convolves: dict[str, bool] = {}  # node -> is there a convolution below it
        for node in reversed(self.graph.node):
            readers = [reader for name in node.output for reader in self.consumers[name]]
            convolves[key_of(node)] = any(r.op_type == "Conv" or convolves[key_of(r)] for r in readers)
        decode: set[str] = set()
        for node in self.graph.node:
            makers = [self.producers[name] for name in node.input if name in self.producers]
            if any(key_of(maker) in decode or (maker.op_type == "Conv" and not convolves[key_of(maker)])
                   for maker in makers):
                decode.add(key_of(node))
        return decode


def open_model(path: str) -> ModelProto:
    """Load a plain FP32 detector. Raises MineHatError for what cannot be calibrated."""
    try:
        model = onnx.load(path)
    except Exception as exc:  # protobuf and external data raise many kinds
        raise MineHatError(f"{path} cannot be loaded as an ONNX model ({exc}).") from exc
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if opset < 19:
        raise MineHatError(f"{path} has opset {opset}; FP16 scales need 19 or later. Export it again: "
                           "`python export/to_onnx.py CHECKPOINT OUT.onnx`.")
    already = sorted({node.op_type for node in model.graph.node} & QUANTIZED_OPS)
    halves = any(tensor.data_type == TensorProto.FLOAT16 for tensor in model.graph.initializer)
    if already or halves:
        raise MineHatError(f"{path} is {'quantized' if already else 'in FP16'} already "
                           f"({', '.join(already) or 'half-precision weights'}). Give the FP32 model.")
    if not any(node.op_type == "Conv" for node in model.graph.node):
        raise MineHatError(f"{path} holds no convolution, so there is nothing to quantize. "
                           "Give a detector as `export/to_onnx.py` writes it.")
    return model


def in_order(nodes: Iterable[NodeProto], known: set[str]) -> list[NodeProto]:
    """The nodes sorted so that each comes after those it reads from; otherwise as they stood."""
    makers = {name: node for node in nodes for name in node.output}
    placed: dict[str, NodeProto] = {}
    for root in nodes:
        waiting = [root]
        while waiting:
            node = waiting[-1]
            before = [makers[name] for name in node.input
                      if name and name not in known and key_of(makers[name]) not in placed]
            if before and key_of(node) not in placed:
                waiting.extend(before)
            else:
                placed.setdefault(key_of(waiting.pop()), node)
    return list(placed.values())


def _constants_to_initializers(model: ModelProto) -> None:
    """Constant nodes (the old exporter writes them) become initializers, so that weights live in one place."""
    kept = []
    for node in model.graph.node:
        value = next((a.t for a in node.attribute if a.name == "value"), None)
        if node.op_type == "Constant" and value is not None:
            model.graph.initializer.append(value)
            model.graph.initializer[-1].name = node.output[0]
        else:
            kept.append(node)
    if len(kept) < len(model.graph.node):
        del model.graph.node[:]
        model.graph.node.extend(kept)
