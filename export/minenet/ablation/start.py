"""What a run of a row begins with: its sets, its network and the network's card."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from minehat.card import ModelCard

from ..anchors import YOLOV3, kmeans_anchors
from ..classes import CLASSES
from ..data.batches import box_sizes
from ..data.sources import Material, Source
from ..network import MineNet, Recipe
from .plan import Plan
from .rows import Row


def sets_of(row: Row, material: Material) -> Sequence[Source]:
    """The sets that a row trains on."""
    return [material.sources[number] for number in row.sets] or material.sources


def new_network(row: Row, plan: Plan, sources: Sequence[Source], seed: int) -> MineNet:
    """A row's network with the weights that a seed gives it."""
    torch.manual_seed(seed)
    anchors = YOLOV3 if row.anchors == "default" else kmeans_anchors(box_sizes(sources, seed), 6, seed)
    return MineNet(Recipe(plan.width, row.backbone, row.attention, CLASSES, anchors, row.way.cells))


def card_of(row: Row, plan: Plan, sources: Sequence[Source]) -> ModelCard:
    return ModelCard(name=row.name, classes=CLASSES, height=plan.size, width=plan.size,
                     data_sources=tuple(source.name for source in sources))
