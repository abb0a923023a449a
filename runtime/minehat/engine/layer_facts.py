"""What the layers of an engine tell: casts, reformats, fusions, and the memory that they need at least."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .layers import MADE_UP, Layer
from .tensors import Tensor

_COUNTING = ("int32", "int64", "bool")  # indices and masks beside the numbers, that no cast is about
_MOVES = {"Cast", "Copy", "Move", "Resh", "Tran"}  # of Myelin's words, those that compute nothing


@dataclass(frozen=True)
class Memory:
    """In bytes, without what layouts pad and kernels scratch: an engine takes no less on the GPU."""

    weights: Mapping[str, int]  # by data type
    inputs_outputs: int  # held by the caller
    activations: int  # between layers, the most that live at the same time
    largest: Tensor | None  # of those between layers


def casts(layers: Sequence[Layer]) -> list[Layer]:
    """Layers other than convolutions that read one data type and write another."""
    return [layer for layer in layers if not layer.convolves and _differ(_types(layer.reads), _types(layer.writes))]


def reformats(layers: Sequence[Layer]) -> list[Layer]:
    """Layers that compute nothing: they change the layout or the data type."""
    return [layer for layer in layers if layer.reformats or _only_moves(layer.name)]


def fused(layers: Sequence[Layer]) -> list[Layer]:
    """Layers that hold several ONNX nodes (`Layer.nodes`), the ones with most first."""
    return sorted((layer for layer in layers if len(layer.nodes) > 1), key=lambda layer: -len(layer.nodes))


def memory(layers: Sequence[Layer], batch: int) -> Memory:
    """What the layers hold at this batch, one after another."""
    weights: Counter[str] = Counter()
    for layer in layers:
        weights.update(layer.weights)
    read, written = _tensors(layers)
    between = {name: tensor for name, tensor in written.items() if name in read or tensor.is_inner}
    largest = max(between.values(), key=lambda tensor: tensor.size(batch), default=None)
    inputs, outputs = ends(layers)
    return Memory(dict(weights.most_common()), sum(tensor.size(batch) for tensor in (*inputs, *outputs)),
                  _most_at_once(layers, between, batch), largest)


def ends(layers: Sequence[Layer]) -> tuple[list[Tensor], list[Tensor]]:
    """The engine's inputs and outputs: tensors that no layer writes, and named ones that none reads."""
    read, written = _tensors(layers)
    return ([tensor for name, tensor in read.items() if name not in written],
            [tensor for name, tensor in written.items() if name not in read and not tensor.is_inner])


def _types(tensors: Sequence[Tensor]) -> set[str]:
    return {tensor.dtype for tensor in tensors if tensor.dtype not in _COUNTING}


def _differ(read: set[str], written: set[str]) -> bool:
    return bool(read and written) and read != written


def _only_moves(name: str) -> bool:
    words = re.match(rf"{MADE_UP}l_([A-Za-z]+)_", name)
    return words is not None and set(re.findall("[A-Z][a-z]*", words[1])) <= _MOVES


def _tensors(layers: Sequence[Layer]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """All that are read, and all that are written, by name."""
    return ({tensor.name: tensor for layer in layers for tensor in layer.reads},
            {tensor.name: tensor for layer in layers for tensor in layer.writes})


def _most_at_once(layers: Sequence[Layer], between: Mapping[str, Tensor], batch: int) -> int:
    last = {tensor.name: row for row, layer in enumerate(layers) for tensor in layer.reads}
    alive: dict[str, int] = {}
    most = 0
    for row, layer in enumerate(layers):
        alive |= {tensor.name: tensor.size(batch) for tensor in layer.writes if tensor.name in between}
        most = max(most, sum(alive.values()))
        alive = {name: size for name, size in alive.items() if last.get(name, 0) > row}
    return most
