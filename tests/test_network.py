"""The network: the paper's equations, its places, shapes, decode, anchors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from minehat.errors import MineHatError
from minenet.anchors import YOLOV3, kmeans_anchors, shape_iou
from minenet.attention import ChannelAttention, SpatialAttention
from minenet.backbones import Darknet53
from minenet.network import Decoded, MineNet, Recipe, decode
from tiny import tiny_network


def test_attention_follows_the_equations():
    x = torch.randn(2, 5, 4, 3)
    by_channel, by_place = ChannelAttention()(x), SpatialAttention()(x)
    sigmoid = lambda t: 1 / (1 + np.exp(-t))  # noqa: E731
    a = x.numpy()
    for n in range(2):
        for c in range(5):
            np.testing.assert_allclose(by_channel[n, c], a[n, c] * sigmoid(a[n, c].mean()) + a[n, c], rtol=1e-5)
        for h in range(4):
            for w in range(3):
                place = a[n, :, h, w]
                np.testing.assert_allclose(by_place[n, :, h, w], place * sigmoid(place.max()) + place, rtol=1e-5)


@pytest.mark.parametrize(("attention", "channel", "spatial"), [("none", 0, 0), ("channel", 2, 0), ("spatial", 0, 2),
                                                               ("both", 2, 2)])
def test_attention_stands_at_its_places_and_can_be_switched(attention, channel, spatial):
    network = MineNet(Recipe("nano", attention=attention)).eval()
    seen = {"channel": [], "place": []}
    network.attend_channels.register_forward_hook(lambda m, i, o: seen["channel"].append((i[0].shape[-1], i[0] is o)))
    network.attend_places.register_forward_hook(lambda m, i, o: seen["place"].append((i[0].shape[-1], i[0] is o)))
    network(torch.rand(1, 3, 96, 96))
    assert [side for side, _ in seen["channel"]] == [3, 6]  # deep maps, before they are upsampled
    assert [side for side, _ in seen["place"]] == [6, 12]  # the backbone's stride-16 and stride-8 maps
    assert sum(not untouched for _, untouched in seen["channel"]) == channel
    assert sum(not untouched for _, untouched in seen["place"]) == spatial


def test_darknet53_has_its_blocks_and_strides():
    backbone = Darknet53(0.25).eval()
    assert [len(stage) - 1 for stage in backbone.stages] == [1, 2, 8, 8, 4]
    maps = backbone(torch.rand(1, 3, 64, 96))
    assert [tuple(m.shape[1:]) for m in maps] == [(64, 8, 12), (128, 4, 6), (256, 2, 3)]


def test_widths_have_the_sizes_that_the_design_names():
    millions = {w: sum(p.numel() for p in MineNet(Recipe(w)).parameters()) / 1e6 for w in ("full", "small", "nano")}
    assert millions == pytest.approx({"full": 61.5, "small": 8.7, "nano": 3.9}, abs=0.05)


@pytest.mark.parametrize("recipe", [Recipe("nano"), Recipe("nano", backbone="resnet50"),
                                    Recipe("nano", anchors=YOLOV3)])
def test_shapes_on_a_square_that_is_not_square(recipe):
    boxes, scores = Decoded(MineNet(recipe).eval())(torch.rand(2, 3, 64, 96))
    count = recipe.anchors_a_scale * (8 * 12 + 4 * 6 + 2 * 3)
    assert boxes.shape == (2, count, 4) and scores.shape == (2, count, 2)
    assert scores.min() >= 0 and scores.max() <= 1


def test_decode_puts_a_box_where_yolov3_says():
    recipe = Recipe("nano")
    maps = [torch.full((1, 14, s, s), -20.0) for s in (8, 4, 2)]
    places = maps[1].view(1, 2, 7, 4, 4)
    places[0, 1, :, 2, 3] = torch.tensor([0.5, -1.0, 0.3, -0.2, 2.0, 1.0, -1.0])
    boxes, scores = decode(maps, recipe)
    row = 2 * 64 + 1 * 16 + 2 * 4 + 3
    sigmoid = lambda t: 1 / (1 + np.exp(-t))  # noqa: E731
    cx, cy = (sigmoid(0.5) + 3) * 16, (sigmoid(-1.0) + 2) * 16
    w, h = np.array(recipe.anchors[3]) * np.exp([0.3, -0.2])
    np.testing.assert_allclose(boxes[0, row], [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], rtol=1e-5)
    np.testing.assert_allclose(scores[0, row], sigmoid(2.0) * sigmoid(np.array([1.0, -1.0])), rtol=1e-5)
    assert int(scores.max(dim=2).values[0].argmax()) == row


def test_boxes_stay_finite_whatever_the_network_says():
    maps = [torch.full((1, 14, s, s), 1e4) for s in (8, 4, 2)]
    boxes, scores = decode(maps, Recipe("nano"))
    assert torch.isfinite(boxes).all() and torch.isfinite(scores).all()


def test_kmeans_finds_the_shapes_that_are_there():
    rng = np.random.default_rng(1)
    centres = np.array([[10, 14], [30, 34], [60, 90], [120, 120], [200, 300], [300, 180]], float)
    sizes = np.concatenate([c * rng.uniform(0.95, 1.05, (50, 2)) for c in centres])
    anchors = np.array(kmeans_anchors(sizes, 6))
    assert (shape_iou(centres, anchors).max(axis=1) > 0.93).all()
    assert (np.diff(anchors.prod(axis=1)) > 0).all()


def test_kmeans_refuses_too_few_boxes():
    with pytest.raises(MineHatError, match="too few"):
        kmeans_anchors(np.ones((3, 2)), 6)


@pytest.mark.parametrize("wrong", [{"width": "huge"},
                                   {"backbone": "vgg"}, {"attention": "self"}, {"anchors": ((1, 1),)}])
def test_a_wrong_recipe_names_its_flag(wrong):
    with pytest.raises(MineHatError, match=r"--|anchors"):
        Recipe(**wrong)


def test_random_networks_differ_from_picture_to_picture():
    network = Decoded(tiny_network())
    _, scores = network(torch.stack([torch.zeros(3, 96, 96), torch.rand(3, 96, 96)]))
    assert (scores[0] - scores[1]).abs().max() > 1e-3
