"""What a run was asked: the flags that were given, kept in its checkpoints, and the settings that they make."""

from __future__ import annotations

import argparse
import os
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from minehat.errors import MineHatError

from ..checkpoint import load_checkpoint
from .settings import MODES, TrainSettings

HERE = frozenset({"out", "resume", "device", "threads", "workers", "save_every"})  # of this start, not of the run
MAY_DIFFER = frozenset({"epochs", "patience", "every"})
OF_THE_LOSS = {"box_loss": "box", "near": "near"}
OF_THE_VIEWS = ("mosaic", "mine")


def run_flags(args: argparse.Namespace) -> dict[str, Any]:
    """The flags that were given and belong to the run, as plain values."""
    given = {name: str(value) if isinstance(value, Path) else value for name, value in vars(args).items()
             if value is not None and name not in HERE}
    if "data" in given:
        given["data"] = [os.path.abspath(text) for text in given["data"]]  # a run may go on from another folder
    if "val" in given:
        given["val"] = os.path.abspath(given["val"])
    return given


def resumed(args: argparse.Namespace) -> dict[str, Any]:
    """What the run in OUT was asked, with the few things that may be changed on the way."""
    path = args.out / "last.pt"
    _, _, state = load_checkpoint(path)
    if state is None or "asked" not in state:
        raise MineHatError(f"{path} holds no run of this version to go on with; start from it with --init {path}.")
    asked, given = state["asked"], run_flags(args)
    other = [name for name, value in given.items() if name not in MAY_DIFFER and asked.get(name) != value]
    if other:
        told = ", ".join(f"--{name.replace('_', '-')} was {asked.get(name, 'not given')}" for name in other)
        raise MineHatError(f"{path} goes on as it began ({told}). Leave these away, or begin anew with --init {path} "
                           "and another --out.")
    return {**asked, **given}


def settings_of(asked: dict[str, Any]) -> TrainSettings:
    """The settings of the mode, with the flags over them."""
    settings = MODES[asked.get("mode", "modern")]
    known = {one.name for one in fields(TrainSettings)}
    changes = {name: value for name, value in asked.items() if name in known}
    if "start_size" not in changes:
        changes["start_size"] = changes.get("size", settings.size)
    loss = replace(settings.loss, **{OF_THE_LOSS[name]: asked[name] for name in OF_THE_LOSS if name in asked})
    augment = replace(settings.augment, **{name: asked[name] for name in OF_THE_VIEWS if name in asked})
    return replace(settings, **changes, loss=loss, augment=augment)
