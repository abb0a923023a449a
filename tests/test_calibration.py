"""Calibration: which pictures are taken, what ranges they give, and the exactness of what is rearranged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from minecalib.forms.qdq import channel_scales, integers, signed_grid, unsigned_grid
from minecalib.forms.stem import blocks_in, blocks_out
from minecalib.graph import Wiring, in_order, key_of
from minecalib.images import find_pictures, sample
from minecalib.ranges import METHODS, Clipping, Histogram, Seen, gather, symmetric, two_sided
from minecalib.ranges.cache import cached, key_of_run
from minecalib.ranges.histograms import BINS, Counting
from minehat.errors import MineHatError
from minehat.pictures import write_picture
from numpy.testing import assert_allclose
from onnx import TensorProto, helper
from torch.nn.functional import conv2d

CLASSES = ("helmet", "head")


def grey(path: Path, value: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(path, np.full((8, 8, 3), value, np.uint8))
    return path


def histogram_of(values: np.ndarray) -> Histogram:
    counting = Counting()
    counting.add(values.astype(np.float32), "values")
    return counting.histogram()


def test_folders_lists_and_pictures_are_found_each_once(tmp_path: Path) -> None:
    first, second = grey(tmp_path / "a" / "1.png", 1), grey(tmp_path / "a" / "deep" / "2.JPG", 2)
    third = grey(tmp_path / "b" / "3.png", 3)
    listing = tmp_path / "list.txt"
    listing.write_text("b/3.png\na/1.png\n\n")
    found = find_pictures([tmp_path / "a", listing, third], CLASSES)
    assert [picture.path for picture in found] == [first, second, third]


def test_a_voc_split_names_stems(real_data: Path) -> None:
    sources = [real_data / "mine_frames" / "calib.txt", real_data / "helmets" / "ImageSets" / "Main" / "train.txt",
               real_data / "mine_frames"]
    found = find_pictures(sources, CLASSES)
    assert len(found) == 333 + 1235
    assert found[-1].read().ndim == 3


@pytest.mark.parametrize("make", [lambda folder: folder / "none", lambda folder: folder,
                                  lambda folder: _text(folder / "empty.txt"), lambda folder: _text(folder / "x.xml")])
def test_a_source_without_pictures_is_refused(tmp_path: Path, make) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(MineHatError, match="--images"):
        find_pictures([make(tmp_path)], CLASSES)


def _text(path: Path) -> Path:
    path.write_text("\n")
    return path


def test_a_sample_is_drawn_by_its_seed_and_keeps_the_order(tmp_path: Path) -> None:
    pictures = find_pictures([grey(tmp_path / f"{row}.png", row) for row in range(9)], CLASSES)
    drawn = sample(pictures, 4, seed=1)
    assert drawn == sample(pictures, 4, seed=1) != sample(pictures, 4, seed=3)
    assert [pictures.index(one) for one in drawn] == sorted(pictures.index(one) for one in drawn)
    assert sample(pictures, None, 0) == sample(pictures, 99, 0) == pictures


def test_no_value_is_left_out_of_the_bins() -> None:
    values = np.random.default_rng(0).normal(size=100_003).astype(np.float32)
    found = histogram_of(values)
    assert found.counts.sum() == values.size and len(found.counts) == BINS
    assert (found.counts == np.histogram(values, found.edges)[0]).all()
    folded = found.magnitudes()
    assert_allclose(folded.counts, np.histogram(np.abs(values), folded.edges)[0], atol=3)  # edges change their side
    assert found.outside(-1, 1) == pytest.approx((np.abs(values) > 1).mean(), abs=1e-3)


def test_bins_do_not_depend_on_the_order_in_which_values_come() -> None:
    pieces = [np.random.default_rng(0).normal(0, scale, 1000) for scale in (1e-3, 70.0, 0.0, 2.0)]
    one, other = Counting(), Counting()
    for first, last in zip(pieces, pieces[::-1], strict=True):
        one.add(first.astype(np.float32), "")
        other.add(last.astype(np.float32), "")
    assert one.histogram().top == other.histogram().top
    assert (one.histogram().counts == other.histogram().counts).all()
    assert one.histogram().counts.sum() == 4000


@pytest.mark.parametrize("greatest", [1.0, 0.999, 1024.0, 3e38])
def test_the_greatest_value_has_a_bin(greatest: float) -> None:
    found = histogram_of(np.array([greatest, -greatest, 0.0]))
    assert found.counts.sum() == 3 and found.top > greatest >= found.top / 2


def test_percentiles_agree_with_sorting() -> None:
    values = np.random.default_rng(0).normal(1, 2, size=200_000)
    low, high = two_sided(histogram_of(values), Clipping("percentile", 99))
    step = float(np.diff(histogram_of(values).edges)[0])
    assert_allclose([low, high], np.quantile(values, [0.005, 0.995]), atol=step)
    magnitude = symmetric(histogram_of(values), Clipping("percentile", 99.5))
    assert abs(magnitude - np.quantile(np.abs(values), 0.9975)) < 2 * step


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shift", [-50.0, 0.0, 50.0])
def test_every_range_holds_zero_and_stays_inside_what_was_seen(method: str, shift: float) -> None:
    values = np.random.default_rng(0).normal(shift, 1, size=10_000)
    low, high = two_sided(histogram_of(values), Clipping(method))
    assert min(values.min(), 0) - 1e-3 <= low <= 0 <= high <= max(values.max(), 0) + 1e-3
    assert 0 < symmetric(histogram_of(values), Clipping(method)) <= np.abs(values).max() + 1e-3


def test_least_squares_loses_less_than_the_whole_range_where_there_are_outliers() -> None:
    values = np.append(np.random.default_rng(0).normal(size=100_000), [60.0, -60.0])

    def loss(method: str) -> float:
        grid = unsigned_grid(*two_sided(histogram_of(values), Clipping(method)))
        steps = np.clip(np.rint(values / grid.scale) + grid.zero, 0, 255)
        return float(np.square((steps - grid.zero) * grid.scale - values).sum())

    assert loss("mse") < 0.9 * loss("max")


def test_a_tensor_that_never_changes_has_a_range() -> None:
    for method in METHODS:
        assert two_sided(histogram_of(np.zeros(10)), Clipping(method)) == (0, 0)
        assert unsigned_grid(0, 0).scale > 0 and signed_grid(0).scale > 0


def test_weights_come_back_within_half_a_step_each_channel_by_itself() -> None:
    weights = np.random.default_rng(0).normal(size=(6, 4, 3, 3)).astype(np.float32)
    weights *= np.float32(10.0) ** np.arange(-3, 3).reshape(6, 1, 1, 1)
    weights[2] = 0
    scales = channel_scales(weights)
    back = integers(weights, scales) * scales.reshape(-1, 1, 1, 1)
    assert (np.abs(back - weights) <= 0.501 * scales.reshape(-1, 1, 1, 1)).all()


def test_the_rearranged_stem_is_the_same_function() -> None:
    random = torch.Generator().manual_seed(0)
    picture = torch.rand(1, 3, 16, 24, generator=random)
    first, second = torch.rand(5, 3, 3, 3, generator=random) - 0.5, torch.rand(7, 5, 3, 3, generator=random) - 0.5
    plain = conv2d(torch.tanh(conv2d(picture, first, padding=1)), second, stride=2, padding=1)
    blocks = conv2d(picture, torch.from_numpy(blocks_out(first.numpy())), stride=2, padding=1)
    padded = torch.nn.functional.pad(torch.tanh(blocks), (1, 0, 1, 0))
    folded = conv2d(padded, torch.from_numpy(blocks_in(second.numpy())))
    assert_allclose(folded.numpy(), plain.numpy(), atol=1e-5)


def two_convolutions() -> onnx.ModelProto:
    """images -> Conv -> LeakyRelu -> Conv -> Sigmoid, and a Relu of the first one's output that decode reads too."""
    nodes = [helper.make_node("Conv", ["images", "w"], ["a"]), helper.make_node("LeakyRelu", ["a"], ["b"]),
             helper.make_node("Conv", ["b", "w"], ["c"]), helper.make_node("Sigmoid", ["c"], ["d"]),
             helper.make_node("Relu", ["b"], ["e"]), helper.make_node("Add", ["d", "e"], ["out"])]
    weights = helper.make_tensor("w", TensorProto.FLOAT, [3, 3, 1, 1], np.eye(3, dtype=np.float32).ravel())
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 4, 4])],
                              [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 3, 4, 4])], [weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=10)


def test_decode_is_what_the_last_convolutions_feed() -> None:
    wiring = Wiring(two_convolutions())
    assert wiring.decode == {"d", "out"}
    assert [key_of(node) for node in wiring.last_convolutions] == ["c"]


def test_nodes_are_put_in_order_whatever_order_they_came_in() -> None:
    nodes = list(two_convolutions().graph.node)
    seen = {"images", "w"}
    for node in in_order(nodes[::-1], set(seen)):
        assert set(node.input) <= seen
        seen |= set(node.output)
    assert len(seen) == 8
    assert in_order(nodes, {"images", "w"}) == nodes


def test_histograms_and_means_are_gathered_over_all_pictures() -> None:
    batches = np.random.default_rng(0).normal(size=(5, 1, 3, 4, 4)).astype(np.float32)

    def walk(label: str) -> Iterator[tuple[Path, np.ndarray]]:
        return ((Path(str(row)), batch) for row, batch in enumerate(batches))

    seen = gather(two_convolutions(), ["a"], ["images", "a"], walk)
    found = seen.histograms["a"]
    assert (found.low, found.high) == (batches.min(), batches.max()) and seen.pictures == 5
    assert found.counts.sum() == batches.size
    for name in ("images", "a"):
        assert_allclose(seen.means[name], batches.mean(axis=(0, 1, 3, 4)), atol=1e-6)


def test_a_calibration_is_found_again_by_what_it_was_made_of(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=1000)
    made = Seen({"a": histogram_of(values), "b": histogram_of(-values)}, {"a": np.arange(3.0), "c": np.ones(2)},
                np.ones(7), {"d": np.ones(4)})
    calls: list[int] = []

    def make() -> Seen:
        calls.append(1)
        return made

    assert cached("k", tmp_path, make) == (made, None)
    again, path = cached("k", tmp_path, make)
    assert path == tmp_path / "k.npz" and len(calls) == 1
    assert (again.histograms["b"].counts == made.histograms["b"].counts).all()
    assert again.histograms["b"].low == made.histograms["b"].low
    assert [list(value) for value in again.means.values()] == [[0, 1, 2], [1, 1]] and again.pictures == 7
    assert list(again.greatest["d"]) == [1, 1, 1, 1]
    path.write_bytes(path.read_bytes()[:200])
    assert cached("k", tmp_path, make)[1] is None and len(calls) == 2
    assert cached("other", tmp_path, make)[1] is None and cached("k", None, make)[1] is None
    keys = [key_of_run(*key, equalise) for key in ("abc", "xbc", "axc", "abx") for equalise in (True, False)]
    assert len(set(keys)) == 8
