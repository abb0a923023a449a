"""Bias correction: what rounding the weights adds to a convolution's mean output is taken out of its bias.

Rounding errors of a filter's weights do not cancel over an input whose mean is not 0, as after a LeakyReLU it is not:
every output of the channel moves by the same amount, on every picture. Nothing is measured for it but the means
of the inputs (Nagel et al., Data-Free Quantization, 2019, https://arxiv.org/abs/1906.04721, section 4.2).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def corrected_bias(weights: Array, rounded: Array, bias: Array, means: Array) -> Array:
    """The bias with which the rounded weights give the mean output that `weights` and `bias` gave: float32 [out].

    weights, rounded: float32 [out, in / groups, kh, kw]. bias: float32 [out], zeros for a convolution without.
    means: float64 [in], of the input's channels over pictures and places; a tap that hangs over the border
    is taken to see the mean too.
    """
    moved = (rounded.astype(np.float64) - weights).sum(axis=(2, 3))
    groups = len(means) // weights.shape[1]
    seen = np.repeat(means.reshape(groups, -1), len(weights) // groups, axis=0)
    return (bias - (moved * seen).sum(axis=1)).astype(np.float32)
