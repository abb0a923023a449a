"""What is done to weights and biases before they become integers: the answer stays, the mean error goes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from minecalib.forms.qdq import add_pair, channel_scales, integers, shift_bias, signed_grid
from minecalib.graph import Wiring
from minecalib.ranges.histograms import exposed
from minecalib.running import session_of
from minecalib.weights.bias import corrected_bias
from minecalib.weights.equalise import betweens, equalised, factors_of, greatest_of
from numpy.lib.stride_tricks import sliding_window_view
from onnx import TensorProto, helper, numpy_helper


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


def chain(depth: int, seed: int = 0) -> Wiring:
    """Convolutions of 3x3 and LeakyReLUs by turns, as trained ones: weights that leave the size of what they read."""
    random = np.random.default_rng(seed)
    widths = [3] + [12] * depth
    nodes, arrays = [], []
    for row, (channels, out) in enumerate(pairwise(widths)):
        weights = random.normal(0, np.sqrt(2 / (9 * channels)), (out, channels, 3, 3)).astype(np.float32)
        arrays += [numpy_helper.from_array(weights, f"w{row}"),
                   numpy_helper.from_array(random.normal(0, 0.1, out).astype(np.float32), f"b{row}")]
        nodes += [helper.make_node("Conv", [f"x{row}", f"w{row}", f"b{row}"], [f"c{row}"], pads=[1, 1, 1, 1]),
                  helper.make_node("LeakyRelu", [f"c{row}"], [f"x{row + 1}"], alpha=0.1)]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, width, 48, 48])
            for name, width in (("x0", widths[0]), (f"x{depth}", widths[-1]))]
    graph = helper.make_graph(nodes, "chain", ends[:1], ends[1:], arrays)
    return Wiring(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10))


def pictures(seed: int, count: int = 8) -> list[np.ndarray]:
    """Of large shapes and noise: float32 [1, 3, 48, 48]."""
    random = np.random.default_rng(seed)
    large = [np.kron(random.random((1, 3, 6, 6)), np.ones((8, 8))) for _ in range(count)]
    return [(0.7 * shapes + 0.3 * random.random((1, 3, 48, 48))).astype(np.float32) for shapes in large]


def means_of(wiring: Wiring, names: list[str], seen: list[np.ndarray]) -> list[np.ndarray]:
    """The mean of each channel of the named tensors, over pictures and places: [channels] each."""
    session = session_of(exposed(wiring.model, names))
    runs = [session.run(names, {wiring.input: picture}) for picture in seen]
    return [np.mean([values.mean(axis=(0, 2, 3)) for values in tensor], axis=0) for tensor in zip(*runs, strict=True)]


def test_a_network_of_rounded_weights_keeps_its_means_on_other_pictures() -> None:
    parent = chain(depth=6)
    inputs = [node.input[0] for node in parent.convolutions[1:]]
    means = dict(zip(inputs, means_of(parent, inputs, pictures(seed=0)), strict=True))
    means[parent.input] = np.mean(pictures(seed=0), axis=(0, 1, 3, 4))
    (wanted,) = means_of(parent, ["x6"], pictures(seed=1))
    moved = {}
    for corrected in (False, True):
        wiring = chain(depth=6)
        for node in wiring.convolutions:
            weights = wiring.array(node.input[1])
            scales = 8 * channel_scales(weights)  # five bits, so that it shows
            if corrected:
                shift_bias(wiring, node, scales, means[node.input[0]])
            wiring.set_array(node.input[1], integers(weights, scales) * scales[:, None, None, None])
        (found,) = means_of(wiring, ["x6"], pictures(seed=1))
        moved[corrected] = np.abs(found - wanted).mean()
    assert moved[True] < 0.5 * moved[False]


def walk(label: str) -> Iterator[tuple[Path, np.ndarray]]:
    return ((Path(f"{row}.png"), picture) for row, picture in enumerate(pictures(seed=0)))


def lopsided(depth: int = 4) -> Wiring:
    """A chain in which one channel is 1000 times too large, and the next convolution makes up for it."""
    wiring = chain(depth)
    for name, rows in (("w1", np.s_[5]), ("b1", np.s_[5]), ("w2", np.s_[:, 5])):
        values = wiring.array(name).copy()
        values[rows] *= 0.001 if name == "w2" else 1000
        wiring.set_array(name, values)
    return wiring


def answers(wiring: Wiring) -> np.ndarray:
    session = session_of(wiring.model)
    return np.concatenate([session.run(None, {wiring.input: picture})[0] for picture in pictures(seed=1)])


def rounded(wiring: Wiring) -> Wiring:
    """With every convolution's input on 255 steps that hold all of it."""
    names = [node.input[0] for node in wiring.convolutions[1:]]
    greatest = greatest_of(wiring.model, names, walk)
    for name in names:
        add_pair(wiring, name, signed_grid(greatest[name].max()), wiring.consumers[name])
    wiring.finish()
    return wiring


def test_equalised_channels_are_of_one_size_and_the_answer_stays() -> None:
    wiring = lopsided()
    better = Wiring(equalised(wiring.model, walk))
    names = [one.tensor for one in betweens(wiring)]
    assert names == ["x1", "x2", "x3"]
    for sizes in greatest_of(better.model, names, walk).values():
        np.testing.assert_allclose(sizes, sizes[0], rtol=1e-4)
    np.testing.assert_allclose(answers(better), answers(wiring), rtol=1e-4, atol=1e-5)


def test_equalising_mends_what_one_huge_channel_does_to_int8() -> None:
    wanted = answers(chain(depth=4))
    errors = {name: np.abs(answers(rounded(Wiring(model))) - wanted).mean()
              for name, model in (("sound", chain(depth=4).model), ("lopsided", lopsided().model),
                                  ("equalised", equalised(lopsided().model, walk)))}
    assert errors["lopsided"] > 10 * errors["sound"]
    assert errors["equalised"] < 1.5 * errors["sound"]


def test_what_others_read_or_share_is_not_equalised() -> None:
    wiring = chain(depth=4)
    wiring.add("Add", ["x1", "x2"], "sum")
    wiring.graph.output.append(helper.make_empty_tensor_value_info("sum"))
    wiring.refresh()
    assert [one.tensor for one in betweens(wiring)] == ["x3"]
    wiring.convolutions[1].input[2] = "b2"
    wiring.refresh()
    assert not list(betweens(wiring))


def test_a_channel_that_was_never_heard_stays_as_it_is() -> None:
    np.testing.assert_allclose(factors_of(np.array([2.0, 0.0, 8.0])), [0.5, 1.0, 2.0])
    np.testing.assert_array_equal(factors_of(np.zeros(3)), np.ones(3))
