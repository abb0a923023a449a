"""Checkpoints: the network's weights with its recipe and card, and what a run needs to go on."""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from minehat.card import ModelCard, card_from_json
from minehat.errors import MineHatError
from minehat.files import write_whole

from .network import MineNet, Recipe

FORMAT = 1


def save_checkpoint(path: str | Path, network: MineNet, card: ModelCard,
                    run: dict[str, Any] | None = None, half: bool = False) -> None:
    """Write weights, recipe and card; `run` is what training needs to resume. `half` halves the file."""
    weights = {name: value.half() if half and value.is_floating_point() else value.clone()
               for name, value in network.state_dict().items()}
    content = {"format": FORMAT, "recipe": asdict(network.recipe), "card": card.to_json(),
               "weights": weights, "run": run}
    packed = io.BytesIO()  # torch tells of a full disk as a RuntimeError; files say it better
    torch.save(content, packed)
    write_whole(path, packed.getvalue())


def load_checkpoint(path: str | Path, device: str = "cpu") -> tuple[MineNet, ModelCard, dict[str, Any] | None]:
    """(network in eval mode, card, run or None). Never unpickles code; raises MineHatError for foreign files."""
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError as exc:
        raise MineHatError(f"{path}: no such checkpoint. Train one: `python export/train.py --help`.") from exc
    except Exception as exc:  # torch's readers raise many kinds for foreign files
        raise MineHatError(f"{path} is not a checkpoint that can be read safely ({type(exc).__name__}): it is "
                           "damaged, or no checkpoint of export/train.py.") from exc
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise MineHatError(f"{path} is a torch file, but no MineHat checkpoint of format {FORMAT}.")
    try:
        network = MineNet(_recipe(content["recipe"]))
        network.load_state_dict({name: value.float() if value.is_floating_point() else value
                                 for name, value in content["weights"].items()})
        card, run = card_from_json(content["card"], str(path)), content["run"]
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as exc:
        raise MineHatError(f"{path}: its recipe, weights and card do not fit together "
                           f"({' '.join(str(exc).split())[:120]}).") from exc
    return network.to(device).eval(), card, run


def _recipe(found: dict[str, Any]) -> Recipe:
    anchors = tuple((float(w), float(h)) for w, h in found["anchors"])
    return Recipe(**{**found, "classes": tuple(found["classes"]), "anchors": anchors})
