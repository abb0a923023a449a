"""What follows from the sides of the input, worked out once its sides are settled.

Exports with free sides work out their grids anew for each picture, by chains of Shape, Gather and Range. With the sides
known these are constants, as in an export of one size: calibration and builders meet a plain graph. The batch may stay
free: a Reshape to [batch, ...] becomes one to [0, ...], which takes the first side as it comes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Sides = list["int | None"]  # None: free, and the batch
FOLDED = frozenset({"Add", "Cast", "Ceil", "Concat", "ConstantOfShape", "Div", "Equal", "Expand", "Floor", "Gather",
                    "Identity", "Mul", "Range", "Reshape", "Slice", "Sqrt", "Squeeze", "Sub", "Tile", "Transpose",
                    "Unsqueeze", "Where"})
LARGEST = 1_000_000  # values of a constant that is worked out
ROUNDS = 20  # of looking at shapes and working out what they settle


def with_sides_worked_out(model: Any, onnx: Any) -> Any:
    """A copy in which shapes are constants as far as they are known; the model itself where it asks for none."""
    if all(node.op_type != "Shape" for node in model.graph.node):
        return model
    worked = onnx.ModelProto()
    worked.CopyFrom(model)
    for _ in range(ROUNDS):
        if not _Round(worked, onnx).settled_some():
            break
    del worked.graph.value_info[:]
    return worked


class _Round:
    """One walk through the graph, with the shapes that inference knows at its beginning."""

    def __init__(self, model: Any, onnx: Any) -> None:
        self.graph, self.onnx = model.graph, onnx
        self.opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
        del self.graph.value_info[:]
        seen = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
        self.shapes = {value.name: _sides(value) for value in (*seen.input, *seen.value_info)}
        self.constants = {tensor.name: tensor for tensor in self.graph.initializer}
        self.lists: dict[str, Sides] = {}  # integers, of which some are not known

    def settled_some(self) -> bool:
        """Settle what can be, in place; whether there was any."""
        before, kept = len(self.graph.node), []
        reshaped = False
        for node in list(self.graph.node):
            values = self._worked_out(node)
            if values is None:
                reshaped |= self._reshape_by_zero(node)
                kept.append(node)
            else:
                self._keep(node.output[0], values)
        del self.graph.node[:]
        self.graph.node.extend(_read_ones(kept, {value.name for value in self.graph.output}))
        return reshaped or len(self.graph.node) < before

    def _worked_out(self, node: Any) -> Array | None:
        """The one output's values where they are known; what is known in part goes to `lists`."""
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            values: Array = self.onnx.numpy_helper.to_array(node.attribute[0].t)
            return values
        if node.op_type in ("Shape", "Gather", "Slice", "Unsqueeze", "Cast", "Concat", "Identity"):
            self._listed(node)
            sides = self.lists.get(node.output[0])
            if sides is not None:
                flat = node.op_type == "Gather" and self._array(node.input[1]).ndim == 0
                return None if None in sides else np.array(sides[0] if flat else sides, np.int64)
        if node.op_type not in FOLDED or any(name and name not in self.constants for name in node.input):
            return None
        return self._evaluated(node)

    def _listed(self, node: Any) -> None:
        """Follow lists of sides through the nodes that pick from them and put them together."""
        sources = [self._list(name) for name in node.input]
        found: Sides | None = None
        if node.op_type == "Shape":
            attributes = {attribute.name: attribute.i for attribute in node.attribute}
            constant = self.constants.get(node.input[0])
            sides = list(constant.dims) if constant is not None else self.shapes.get(node.input[0])
            found = sides[attributes.get("start", 0):attributes.get("end")] if sides is not None else None
        elif not any(name in self.lists for name in node.input):
            return  # constants alone are worked out as they are
        elif node.op_type == "Gather" and sources[0] is not None and node.input[1] in self.constants:
            found = [sources[0][int(row)] for row in self._array(node.input[1]).reshape(-1)]
        elif node.op_type == "Slice" and sources[0] is not None and all(one is not None for one in sources[1:]):
            start, stop, _, step = (*(one[0] for one in sources[1:] if one), 1, 1)[:4]
            found = sources[0][start:stop:step]
        elif node.op_type in ("Unsqueeze", "Cast", "Identity") and not _to_floats(node, self.onnx):
            found = sources[0]
        elif node.op_type == "Concat" and all(one is not None for one in sources):
            found = [side for one in sources if one is not None for side in one]
        if found is not None:
            self.lists[node.output[0]] = found

    def _list(self, name: str) -> Sides | None:
        """A constant or a list as integers; None for anything else."""
        if name in self.lists:
            return self.lists[name]
        values = self._array(name) if name in self.constants else None
        if values is None or values.dtype.kind != "i" or values.ndim > 1:
            return None
        return [int(value) for value in values.reshape(-1)]

    def _reshape_by_zero(self, node: Any) -> bool:
        """Whether it was a Reshape to [batch, known, ...] and is one to [0, known, ...] now."""
        sides = self.lists.get(node.input[1]) if node.op_type == "Reshape" else None
        if not sides or sides[0] is not None or None in sides[1:]:
            return False
        node.input[1] = f"{node.output[0]}.sides"
        self._keep(node.input[1], np.array([0, *sides[1:]], np.int64))
        return True

    def _evaluated(self, node: Any) -> Array | None:
        from onnx.reference import ReferenceEvaluator
        feeds = {name: self._array(name) for name in node.input if name}
        if sum(values.size for values in feeds.values()) > LARGEST or len(node.output) != 1:
            return None
        try:
            values: Array = ReferenceEvaluator(node, opsets={"": self.opset}).run(None, feeds)[0]
        except Exception:  # what cannot be worked out here stays in the graph
            return None
        return values if values.size <= LARGEST else None

    def _array(self, name: str) -> Array:
        values: Array = self.onnx.numpy_helper.to_array(self.constants[name])
        return values

    def _keep(self, name: str, values: Array) -> None:
        self.graph.initializer.append(self.onnx.numpy_helper.from_array(np.asarray(values), name))
        self.constants[name] = self.graph.initializer[-1]


def _sides(value: Any) -> Sides | None:
    kind = value.type.tensor_type
    return [side.dim_value or None for side in kind.shape.dim] if kind.HasField("shape") else None


def _to_floats(node: Any, onnx: Any) -> bool:
    return node.op_type == "Cast" and node.attribute[0].i not in (onnx.TensorProto.INT32, onnx.TensorProto.INT64)


def _read_ones(nodes: list[Any], outputs: set[str]) -> list[Any]:
    """Those that something reads, in their order; all of them where graphs inside may read some."""
    if any(attribute.g.node or attribute.graphs for node in nodes for attribute in node.attribute):
        return nodes
    read, kept = set(outputs), []
    for node in reversed(nodes):
        if read.intersection(node.output):
            read.update(node.input)
            kept.append(node)
    return kept[::-1]
