"""What rounding does to each layer by itself, in one walk: every convolution runs twice on the FP32 activations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, helper

from ..forms.qdq import channel_scales, integers
from ..graph import Wiring, key_of
from ..placement import Layer, Pair, Placement
from ..running import session_of

SIGNAL, NOISE = "signal", "noise"  # suffixes of the tensors that hold the sums of squares


def own_noise(wiring: Wiring, layers: Sequence[Layer], placement: Placement,
              batches: Iterable[npt.NDArray[np.float32]]) -> dict[str, float]:
    """By layer: noise over signal at the outputs of its convolutions when it alone is rounded, of the worst one.

    wiring: of the FP32 graph, used up. placement: with no layer lifted. batches: float32 [1, 3, H, W]. Layers that
    no convolution reads have 0.
    """
    measured = {layer.tensor: [name for name in layer.convolutions if _shadow(wiring, name, placement)]
                for layer in layers}
    names = [f"{name}_{kind}" for found in measured.values() for name in found for kind in (SIGNAL, NOISE)]
    session = session_of(_giving(wiring, names))
    (feed,) = (entry.name for entry in session.get_inputs())
    sums = np.zeros(len(names))
    for batch in batches:
        sums += [float(value) for value in session.run(names, {feed: batch})]
    ratio = {name[:-len(SIGNAL) - 1]: noise / max(signal, 1e-30)
             for name, signal, noise in zip(names[::2], sums[::2], sums[1::2], strict=True)}
    return {tensor: max((ratio[name] for name in found), default=0.0) for tensor, found in measured.items()}


def _shadow(wiring: Wiring, name: str, placement: Placement) -> bool:
    """Put a rounded twin beside a convolution, with the sums of squares; False where it is not rounded."""
    node = wiring.producers[name]
    pair = next((one for one in placement.pairs if one.tensor == node.input[0] and name in one.readers), None)
    if pair is None:
        return False
    weights = wiring.array(node.input[1])
    scales = channel_scales(weights)
    rounded = integers(weights, scales) * scales.reshape(-1, *[1] * (weights.ndim - 1))
    inputs = [_rounded(wiring, node, pair), wiring.set_array(f"{name}_twin_weights", rounded.astype(np.float32)),
              *node.input[2:]]
    twin = wiring.add("Conv", inputs, f"{name}_twin")
    wiring.graph.node[-1].attribute.extend(node.attribute)
    difference = wiring.add("Sub", [name, twin], f"{name}_difference")
    for source, kind in ((name, SIGNAL), (difference, NOISE)):
        wiring.add("ReduceSumSquare", [source], f"{name}_{kind}", keepdims=0)
    return True


def _rounded(wiring: Wiring, node: NodeProto, pair: Pair) -> str:
    """The input on the pair's grid, in floating point."""
    stem = f"{key_of(node)}_twin_input"
    steps = 254 if pair.low == -pair.high else 255
    scale = wiring.set_array(f"{stem}_scale", np.float32(max((pair.high - pair.low) / steps, 1e-30)))
    ends = [wiring.set_array(f"{stem}_{end}", np.float32(value)) for end, value in (("low", pair.low),
                                                                                 ("high", pair.high))]
    clipped = wiring.add("Clip", [pair.tensor, *ends], f"{stem}_clipped")
    steps_of = wiring.add("Div", [clipped, scale], f"{stem}_steps")
    return wiring.add("Mul", [wiring.add("Round", [steps_of], f"{stem}_whole"), scale], f"{stem}_rounded")


def _giving(wiring: Wiring, names: Sequence[str]) -> ModelProto:
    del wiring.graph.output[:]
    wiring.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    wiring.finish()
    return wiring.model
