"""MineNet: backbone, top-down neck with attention, YOLOv3 head, and the decode that turns maps into boxes.

Read top to bottom: `MineNet` is the trained part and gives raw maps; `Decoded` wraps it for
export and scoring and gives boxes and scores, as the graph's contract says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from minehat.errors import MineHatError
from torch import Tensor, nn

from .anchors import PAPER_LIKE, Anchors
from .attention import ChannelAttention, SpatialAttention
from .backbones import BACKBONES, WIDTHS, ConvUnit, scaled
from .classes import CLASSES

STRIDES = (8, 16, 32)
ATTENTIONS = ("none", "channel", "spatial", "both")
RARE_OBJECT = -4.6  # logit of 1 %, the objectness that an untrained head starts from
LARGEST_EXPONENT = 6.0  # box sides are exp(t) anchors; unbounded t overflows FP16 on odd pictures


@dataclass(frozen=True)
class Recipe:
    """What a network is made of; kept in its checkpoint."""

    width: str = "full"  # full, small or nano
    backbone: str = "darknet53"  # or resnet50
    attention: str = "both"  # none, channel, spatial or both
    classes: tuple[str, ...] = CLASSES
    anchors: Anchors = field(default=PAPER_LIKE)  # (w, h) at the training size, small to large
    cells: int = 1  # that may answer for a box: the one that holds its centre, or 3: the two nearest as well

    def __post_init__(self) -> None:
        for flag, value, allowed in (("--width", self.width, WIDTHS), ("--backbone", self.backbone, BACKBONES),
                                     ("--attention", self.attention, ATTENTIONS)):
            if value not in allowed:
                raise MineHatError(f"{flag} {value} is not known; choose from {', '.join(allowed)}.")
        if not self.anchors or len(self.anchors) % len(STRIDES):
            raise MineHatError(f"{len(self.anchors)} anchors cannot be shared by {len(STRIDES)} scales; "
                               "give a multiple of 3, such as --anchors 6.")
        if self.cells not in (1, 3):
            raise MineHatError(f"--cells {self.cells} is not known; choose 1 or 3.")

    @property
    def reach(self) -> float:
        """How many cells wide the square is in which a cell can place a box's centre."""
        return 1.0 if self.cells == 1 else 2.0

    @property
    def anchors_a_scale(self) -> int:
        return len(self.anchors) // len(STRIDES)

    def anchors_of(self, scale: int) -> Anchors:
        """The anchors of STRIDES[scale]: small ones on the fine map."""
        first = scale * self.anchors_a_scale
        return self.anchors[first:first + self.anchors_a_scale]


class Head(nn.Sequential):
    """3x3 and a plain 1x1: for each anchor tx ty tw th, objectness, a logit for each class."""

    def __init__(self, channels: int, recipe: Recipe) -> None:
        outputs = recipe.anchors_a_scale * (5 + len(recipe.classes))
        super().__init__(ConvUnit(channels, 2 * channels, 3), nn.Conv2d(2 * channels, outputs, 1))
        with torch.no_grad():  # nearly every place is empty: start there, or its loss drowns the rest
            self[1].bias.view(recipe.anchors_a_scale, -1)[:, 4] = RARE_OBJECT


class MineNet(nn.Module):
    """[N, 3, H, W] -> three raw maps [N, anchors*(5+C), H/s, W/s], strides 8, 16, 32."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        width = WIDTHS[recipe.width]
        self.backbone = BACKBONES[recipe.backbone](width)
        fine, middle, deep = self.backbone.channels
        inner = [scaled(c, width) for c in (128, 256, 512)]
        self.mix_deep = _five(deep, inner[2])
        self.up_deep = ConvUnit(inner[2], inner[1], 1)
        self.mix_middle = _five(inner[1] + middle, inner[1])
        self.up_middle = ConvUnit(inner[1], inner[0], 1)
        self.mix_fine = _five(inner[0] + fine, inner[0])
        self.heads = nn.ModuleList(Head(c, recipe) for c in inner)
        channel, spatial = recipe.attention in ("channel", "both"), recipe.attention in ("spatial", "both")
        self.attend_channels = ChannelAttention() if channel else nn.Identity()
        self.attend_places = SpatialAttention() if spatial else nn.Identity()
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, images: Tensor) -> list[Tensor]:
        fine, middle, deep = self.backbone(images)
        deep = self.mix_deep(deep)
        middle = self.mix_middle(self._join(self.up_deep(deep), middle))
        fine = self.mix_fine(self._join(self.up_middle(middle), fine))
        return [head(x) for head, x in zip(self.heads, (fine, middle, deep), strict=True)]

    def _join(self, deeper: Tensor, shallower: Tensor) -> Tensor:
        """The deep map, attended by channel and upsampled, on the shallow one, attended by place."""
        return torch.cat([self.upsample(self.attend_channels(deeper)), self.attend_places(shallower)], dim=1)


class Decoded(nn.Module):
    """The exported graph: images [N, 3, H, W] in 0..1 -> boxes [N, B, 4] x0 y0 x1 y1 px, scores [N, B, C]."""

    def __init__(self, network: MineNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return decode(self.network(images), self.network.recipe)


def decode(maps: Sequence[Tensor], recipe: Recipe) -> tuple[Tensor, Tensor]:
    """Raw maps -> boxes [N, B, 4] in square pixels and scores [N, B, C], always computed in FP32."""
    boxes, scores = [], []
    for scale, raw in enumerate(maps):
        places = split_anchors(raw.float(), recipe)
        boxes.append(boxes_of(places, scale, recipe).flatten(1, 3))
        scores.append((places[..., 4:5].sigmoid() * places[..., 5:].sigmoid()).flatten(1, 3))
    return torch.cat(boxes, dim=1), torch.cat(scores, dim=1)


def split_anchors(raw: Tensor, recipe: Recipe) -> Tensor:
    """[N, a*(5+C), h, w] -> [N, a, h, w, 5+C]."""
    height, width = raw.shape[2:]
    fields = 5 + len(recipe.classes)
    return raw.reshape(-1, recipe.anchors_a_scale, fields, height, width).permute(0, 1, 3, 4, 2)


def boxes_of(places: Tensor, scale: int, recipe: Recipe) -> Tensor:
    """[N, a, h, w, 5+C] raw -> [N, a, h, w, 4] boxes x0 y0 x1 y1 in square pixels."""
    height, width = places.shape[2:4]
    stride = STRIDES[scale]
    rows = torch.arange(height, device=places.device, dtype=places.dtype)
    columns = torch.arange(width, device=places.device, dtype=places.dtype)
    corners = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1) - (recipe.reach - 1) / 2
    anchors = torch.tensor(recipe.anchors_of(scale), device=places.device, dtype=places.dtype)
    inside = places[..., 0:2].sigmoid()
    centres = ((inside if recipe.reach == 1 else inside * recipe.reach) + corners) * stride
    halves = places[..., 2:4].clamp(max=LARGEST_EXPONENT).exp() * (anchors[:, None, None, :] / 2)
    return torch.cat([centres - halves, centres + halves], dim=-1)


def _five(channels_in: int, channels: int) -> nn.Sequential:
    """YOLOv3's five convolutions between a joined map and its head."""
    return nn.Sequential(
        ConvUnit(channels_in, channels, 1), ConvUnit(channels, 2 * channels, 3),
        ConvUnit(2 * channels, channels, 1), ConvUnit(channels, 2 * channels, 3),
        ConvUnit(2 * channels, channels, 1),
    )
