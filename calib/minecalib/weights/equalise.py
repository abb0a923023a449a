"""Equalisation: channels between two convolutions brought to one size, and back in the weights that read them.

INT8 has one scale for all channels of an activation, so a channel far smaller than the largest is left a few steps.
A LeakyReLU passes a factor above 0 on as it is: a channel may be divided before it and multiplied after, and the
network's answer stays. Nagel et al. (Data-Free Quantization, 2019, https://arxiv.org/abs/1906.04721, section 4.1) so
bring weights to one size; ours have a scale for each output channel and lose a tenth of what activations do, so
the activations alone decide here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto

from ..graph import Wiring
from ..ranges.histograms import Walk, exposed
from ..running import session_of

HOMOGENEOUS = ("LeakyRelu", "Relu")
SILENT = 2.0**-14  # of the largest channel; smaller ones were not heard, and may be loud elsewhere
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Between:
    """A tensor that one convolution makes and nothing but convolutions read."""

    tensor: str
    maker: NodeProto
    readers: tuple[NodeProto, ...]


def equalised(model: ModelProto, walk: Walk) -> ModelProto:
    """A copy of the FP32 model that answers alike, its channels equalised by what one walk over the pictures shows."""
    copy = ModelProto()
    copy.CopyFrom(model)
    wiring = Wiring(copy)
    equalise(wiring, greatest_of(model, [one.tensor for one in betweens(wiring)], walk))
    return copy


def equalise(wiring: Wiring, greatest: Mapping[str, Array]) -> None:
    """In place. greatest: [channels] magnitude of each channel, of every tensor of `betweens(wiring)`."""
    for one in betweens(wiring):
        factors = factors_of(greatest[one.tensor])
        _multiply(wiring, one.maker.input[1], (1 / factors)[:, None, None, None])
        for bias in one.maker.input[2:]:
            _multiply(wiring, bias, 1 / factors)
        for reader in one.readers:
            _multiply(wiring, reader.input[1], factors[None, :, None, None])


def greatest_of(model: ModelProto, tensors: Iterable[str], walk: Walk) -> dict[str, Array]:
    """The greatest magnitude of each channel of the named tensors over all pictures: float64 [channels] each."""
    found: dict[str, Array] = {name: np.zeros(1) for name in tensors}
    session = session_of(exposed(model, found))
    (feed,) = (entry.name for entry in session.get_inputs())
    for _, batch in walk("equalising"):
        for name, values in zip(found, session.run(list(found), {feed: batch}), strict=True):
            found[name] = np.maximum(found[name], np.abs(values).max(axis=(0, 2, 3)))
    return found


def factors_of(greatest: Array) -> Array:
    """[channels] magnitudes -> [channels] sizes relative to the typical one; 1 for channels that were not heard."""
    heard = greatest > SILENT * greatest.max()
    factors = np.ones(len(greatest))
    if heard.any():
        factors[heard] = greatest[heard] / np.exp(np.log(greatest[heard]).mean())
    return factors


def betweens(wiring: Wiring) -> Iterator[Between]:
    """The tensors whose channels can be scaled and nobody notices."""
    outputs = {value.name for value in wiring.graph.output}
    for maker in wiring.convolutions:
        tensor = maker.output[0]
        readers = wiring.consumers[tensor]
        if len(readers) == 1 and readers[0].op_type in HOMOGENEOUS and tensor not in outputs:
            tensor = readers[0].output[0]
            readers = wiring.consumers[tensor]
        if (readers and tensor not in outputs and _has_own_weights(wiring, maker)
                and all(_reads_all(wiring, reader, tensor, maker) for reader in readers)):
            yield Between(tensor, maker, tuple(readers))


def _reads_all(wiring: Wiring, node: NodeProto, tensor: str, maker: NodeProto) -> bool:
    """Is it a convolution over all channels of `tensor` at once?"""
    if node.op_type != "Conv" or node.input[0] != tensor or not _has_own_weights(wiring, node):
        return False
    return bool(wiring.array(node.input[1]).shape[1] == len(wiring.array(maker.input[1])))


def _has_own_weights(wiring: Wiring, node: NodeProto) -> bool:
    """Are its weights (and bias) stored in the graph, and nobody else's?"""
    return all(name in wiring.initializers and len(wiring.consumers[name]) == 1 for name in node.input[1:])


def _multiply(wiring: Wiring, name: str, factors: Array) -> None:
    with np.errstate(over="ignore"):  # of weights that are broken already; calibration refuses them
        wiring.set_array(name, (wiring.array(name) * factors).astype(np.float32))
