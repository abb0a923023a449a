"""What is done to weights and biases before they become integers: the answer stays, the mean error goes."""

from __future__ import annotations

import numpy as np
import pytest
from minecalib.weights.bias import corrected_bias
from numpy.lib.stride_tricks import sliding_window_view


def convolved(pictures: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """[n, in, h, w] by [out, in / groups, kh, kw], no border -> [n, out, h', w']."""
    groups = pictures.shape[1] // weights.shape[1]
    windows = sliding_window_view(pictures, weights.shape[2:], axis=(2, 3))
    parts = [np.einsum("nchwij,ocij->nohw", seen, kernel)
             for seen, kernel in zip(np.split(windows, groups, 1), np.split(weights, groups), strict=True)]
    return np.concatenate(parts, axis=1) + bias[:, None, None]


def coarse(weights: np.ndarray) -> np.ndarray:
    """The weights on a grid so coarse that rounding shows."""
    step = np.abs(weights).max() / 7
    return (np.rint(weights / step) * step).astype(np.float32)


@pytest.mark.parametrize(("out", "channels", "groups", "kernel"),
                         [(5, 3, 1, 3), (4, 6, 2, 3), (6, 6, 6, 3), (8, 4, 1, 1)])
def test_a_corrected_bias_gives_the_mean_output_back(out: int, channels: int, groups: int, kernel: int) -> None:
    random = np.random.default_rng(0)
    weights = random.normal(0, 1, (out, channels // groups, kernel, kernel)).astype(np.float32)
    bias = random.normal(0, 1, out).astype(np.float32)
    flat = random.normal(1, 2, (20, channels, 1, 1)) * np.ones((6, 6))  # no tap sees another mean than the others
    rounded = coarse(weights)
    corrected = corrected_bias(weights, rounded, bias, flat.mean(axis=(0, 2, 3)))
    wanted = convolved(flat, weights, bias).mean(axis=(0, 2, 3))
    found = convolved(flat, rounded, corrected).mean(axis=(0, 2, 3))
    plain = convolved(flat, rounded, bias).mean(axis=(0, 2, 3))
    assert corrected.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    assert np.abs(plain - wanted).max() > 0.05


def test_nothing_is_corrected_where_nothing_was_rounded_or_the_input_has_no_mean() -> None:
    random = np.random.default_rng(1)
    weights = random.normal(0, 1, (4, 3, 3, 3)).astype(np.float32)
    bias = random.normal(0, 1, 4).astype(np.float32)
    np.testing.assert_array_equal(corrected_bias(weights, weights, bias, np.ones(3)), bias)
    np.testing.assert_array_equal(corrected_bias(weights, coarse(weights), bias, np.zeros(3)), bias)
