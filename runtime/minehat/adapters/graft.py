"""A graph open for grafting: nodes and constants are added at its end, names changed throughout."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

MOST_LOG = 8.0  # sides beyond exp(8) cells are nowhere; unclamped, a picture of noise can overflow


class Graft:
    """What is grafted works in float32."""

    def __init__(self, model: Any, onnx: Any) -> None:
        self.graph, self.onnx = model.graph, onnx
        self._taken = names_in(self.graph)

    def __call__(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; returns the name of its one output."""
        name = self.free(f"adapt.{op.lower()}")
        self.graph.node.append(self.onnx.helper.make_node(op, list(inputs), [name], name=name, **attributes))
        return name

    def floats(self, values: npt.ArrayLike) -> str:
        return self.constant(np.asarray(values, np.float32))

    def ints(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def constant(self, values: npt.NDArray[Any]) -> str:
        """Add a constant; returns its name."""
        name = self.free("adapt.constant")
        self.graph.initializer.append(self.onnx.numpy_helper.from_array(values, name))
        return name

    def columns(self, rows: str, start: int, stop: int) -> str:
        """Columns of [N, B, F]; `stop` may lie beyond the end."""
        return self("Slice", rows, self.ints(start), self.ints(stop), self.ints(2))

    def corners(self, centre: str, size: str) -> str:
        """cx cy [N, B, 2] and w h [N, B, 2] -> x0 y0 x1 y1 [N, B, 4]"""
        half = self("Mul", size, self.floats(0.5))
        return self("Concat", self("Sub", centre, half), self("Add", centre, half), axis=2)

    def exp(self, logarithms: str) -> str:
        """e to the power, of what is clamped so that it cannot overflow."""
        return self("Exp", self("Min", logarithms, self.floats(MOST_LOG)))

    def free(self, name: str) -> str:
        """The name itself, or one like it, that nothing in the graph bears; taken from now on."""
        number, found = 1, name
        while found in self._taken:
            number += 1
            found = f"{name}.{number}"
        self._taken.add(found)
        return found

    def rename(self, old: str, new: str) -> None:
        """Call a tensor otherwise wherever it is read or made; what bore the new name before steps aside."""
        if old == new:
            return
        if new in self._taken:
            aside = self.free(f"{new}.theirs")
            _renamed(self.graph, new, aside)
        _renamed(self.graph, old, new)
        self._taken.add(new)


def names_in(graph: Any) -> set[str]:
    """Names of all tensors of a graph and the graphs inside it."""
    found = {value.name for value in (*graph.input, *graph.output, *graph.initializer)}
    for node in graph.node:
        found.update(node.input, node.output)
        for inner in _graphs_in(node):
            found |= names_in(inner)
    return found


def _renamed(graph: Any, old: str, new: str) -> None:
    for value in (*graph.input, *graph.output, *graph.initializer):
        if value.name == old:
            value.name = new
    for node in graph.node:
        for names in (node.input, node.output):
            for row, name in enumerate(names):
                if name == old:
                    names[row] = new
        for inner in _graphs_in(node):
            _renamed(inner, old, new)


def _graphs_in(node: Any) -> list[Any]:
    """Those that If, Loop and Scan carry."""
    return [graph for attribute in node.attribute for graph in (attribute.g, *attribute.graphs) if graph.node]
