"""Weights where calibration and builders look for them: each reader's own, not an Identity of another's.

PyTorch's exporter keeps equal weights (biases of zeros, say) once and hands them on through Identity nodes.
"""

from __future__ import annotations

from typing import Any


def with_weights_of_their_own(graph: Any) -> None:
    """Turn each Identity of a weight into a weight, in place."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    given = {value.name for value in graph.output}
    nodes = []
    for node in graph.node:
        source = tensors.get(node.input[0]) if node.op_type == "Identity" else None
        if source is None or node.output[0] in given:
            nodes.append(node)
            continue
        graph.initializer.append(source)
        graph.initializer[-1].name = node.output[0]
        tensors[node.output[0]] = graph.initializer[-1]
    del graph.node[:]
    graph.node.extend(nodes)
