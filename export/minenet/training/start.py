"""The network that a run begins with, and its card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minehat.card import ModelCard
from minehat.errors import MineHatError
from minehat.progress import say

from ..anchors import YOLOV3, Anchors, kmeans_anchors
from ..checkpoint import load_checkpoint
from ..classes import CLASSES
from ..darknet_weights import load_darknet
from ..data.batches import box_sizes
from ..data.sources import Source
from ..network import MineNet, Recipe
from .settings import CELLS, TrainSettings


def network_of(asked: dict[str, Any], start: Path | None, sources: Sequence[Source],
               settings: TrainSettings) -> MineNet:
    """A new network as it was asked for, with darknet's weights where `start` has some; or a checkpoint's own."""
    if start and start.suffix != ".weights":
        return _same_network(load_checkpoint(start)[0], asked, start)
    cells = asked.get("cells") or CELLS[asked.get("mode", "modern")]
    network = MineNet(Recipe(asked.get("width", "nano"), asked.get("backbone", "darknet53"),
                             asked.get("attention", "both"), CLASSES, _anchors(asked, sources, settings), cells))
    if start:
        say(load_darknet(network, start))
    return network


def card_of(network: MineNet, sources: Sequence[Source], settings: TrainSettings, start: Path | None) -> ModelCard:
    """The card of what the run leaves. What a checkpoint that it starts from was trained on stays among its sources."""
    before = load_checkpoint(start)[1].data_sources if start and start.suffix != ".weights" else ()
    return ModelCard(name=f"helmet-{network.recipe.width}", classes=CLASSES, height=settings.size, width=settings.size,
                     data_sources=tuple(dict.fromkeys([*before, *(source.name for source in sources)])))


def _same_network(network: MineNet, asked: dict[str, Any], start: Path) -> MineNet:
    """A checkpoint brings its network along; flags may repeat what it is, not change it."""
    recipe = network.recipe
    if recipe.classes != CLASSES:
        raise MineHatError(f"{start} tells {', '.join(recipe.classes)} apart, and training {', '.join(CLASSES)}: it "
                           "cannot go on from there. Leave --init away.")
    has = {"width": recipe.width, "backbone": recipe.backbone, "attention": recipe.attention,
           "anchors": str(len(recipe.anchors)), "cells": recipe.cells}
    for flag, value in has.items():
        if asked.get(flag, value) != value:
            raise MineHatError(f"--{flag} {asked[flag]}: {start} has {value}. Leave the flag away, or train "
                               "a new network without --init.")
    return network


def _anchors(asked: dict[str, Any], sources: Sequence[Source], settings: TrainSettings) -> Anchors:
    if asked.get("anchors") == "9":
        return YOLOV3
    return kmeans_anchors(box_sizes(sources, settings.seed), 6, settings.seed)
