"""python -m minebench.peers.race_models FOLDER: the files that the race runs, made once.

`full` has random weights from a seed: speed does not ask what they are. Its objectness is moved until a rendered frame
shows a few dozen boxes, so that suppression has something to do. nano is the shipped model. Both come in FP32, in our
CPU form, grafted, as NNCF's INT8, and for 416x256; `full` without attention too. A file that is there is left as it is.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from minehat import scenes
from minehat.doors import DONE, run_door
from minehat.errors import MineHatError
from minehat.files import make_folder
from minehat.letterbox import letterbox
from minehat.pictures import write_picture
from minehat.progress import say

from .tables import ROOT, SHIPPED, model_of

FULL = {"full": "both", "full-plain": "none"}  # name -> attention
SIZE, WIDE = 416, "416x256"
FRAMES = {"1080p": (1920, 1080), "720p": (1280, 720)}
SQUARES = 12  # that INT8 is calibrated on, ours and NNCF's
CROWD = 40  # boxes over the card's threshold in a frame


def main(argv: Sequence[str]) -> int:
    folder = Path(argv[0]).resolve()
    make_folder(folder)
    _write_squares(folder / "squares")
    _write_frames(folder)
    for name, attention in FULL.items():
        _write_random(folder / f"{name}.pt", attention)
    for name in FULL:
        _make(folder, name, folder / f"{name}.pt")
    for name, checkpoint in (("nano", SHIPPED), ("full", folder / "full.pt")):
        _make(folder, f"{name}-wide", checkpoint, ["--size", WIDE])
        _write_nncf(name, folder)
        _graft(model_of(folder, f"{name}.int8-cpu.onnx"), folder / f"{name}.grafted.onnx")
    return DONE


def _make(folder: Path, name: str, checkpoint: Path, options: Sequence[str] = ()) -> None:
    """NAME.onnx and NAME.int8-cpu.onnx, by the doors that everybody uses."""
    plain, small = folder / f"{name}.onnx", folder / f"{name}.int8-cpu.onnx"
    if not plain.exists():
        _run("export/to_onnx.py", checkpoint, plain, *options)
    if not small.exists():
        _run("calib/quantize.py", plain, "--images", folder / "squares", "--form", "cpu", "--cache", "none",
             "-o", small)


def _graft(model: Path, out: Path) -> None:
    """The same with pixels for an input, and raw maps that the runtime decodes where objectness is."""
    if not out.exists():
        _run("-m", "minehat", "graft", model, "--input", "uint8", "--decode", "outside", "-o", out)


def _run(*command: object) -> None:
    ended = subprocess.run([sys.executable, *map(str, command)], stdout=subprocess.DEVNULL, cwd=ROOT)
    if ended.returncode:
        raise MineHatError(f"{' '.join(map(str, command))} ended with {ended.returncode}: what it says stands above.")


def _write_squares(folder: Path) -> None:
    if not folder.exists():
        for seed in range(SQUARES):
            square, _ = letterbox(scenes.picture(seed, 1280, 720).frame, SIZE, SIZE)
            write_picture(folder / f"{seed:02}.png", square)


def _write_frames(folder: Path) -> None:
    """What lanes run on: rendering it themselves would count as their memory."""
    for name, (width, height) in FRAMES.items():
        out = folder / f"frames-{name}.npy"
        if not out.exists():
            np.save(out, np.stack([scenes.picture(seed, width, height).frame for seed in (0, 1)]))


def _write_nncf(name: str, folder: Path) -> None:
    from minehat.card import read_card

    from .openvino import int8_by_nncf
    from .squares import squares_in
    plain, out = model_of(folder, f"{name}.onnx"), folder / f"{name}.nncf.xml"
    if not out.exists():
        say(f"{out.name}: NNCF")
        int8_by_nncf(plain, read_card(plain), squares_in(folder / "squares"), out)


def _write_random(path: Path, attention: str) -> None:
    """A checkpoint of seeded weights, its batch norms fed with rendered scenes."""
    if path.exists():
        return
    import torch
    from minehat.card import ModelCard
    from minenet.checkpoint import save_checkpoint
    from minenet.network import MineNet, Recipe
    torch.manual_seed(0)
    network = MineNet(Recipe("full", attention=attention))
    card = ModelCard(name=path.stem, classes=network.recipe.classes, height=SIZE, width=SIZE)
    images = _scenes(card)
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0  # take the statistics of the one batch that they see
    with torch.no_grad():
        network.train()(images)
        _show_a_crowd(network.eval(), images[:1], card.conf)
    save_checkpoint(path, network, card)


def _show_a_crowd(network, image, conf: float) -> None:  # type: ignore[no-untyped-def]
    """Move the bias of objectness until CROWD boxes of the image score `conf`, and none spreads over the picture."""
    import torch
    from minenet.network import split_anchors
    recipe = network.recipe
    for head in network.heads:
        head[1].weight.unflatten(0, (recipe.anchors_a_scale, -1))[:, 2:4].mul_(0.1)
    places = torch.cat([split_anchors(raw, recipe).flatten(1, 3) for raw in network(image)], dim=1)[0]
    low, high = -50.0, 50.0
    for _ in range(40):
        shift = (low + high) / 2
        scores = (places[:, 4] + shift).sigmoid() * places[:, 5:].amax(dim=1).sigmoid()
        low, high = (shift, high) if (scores >= conf).sum() < CROWD else (low, shift)
    for head in network.heads:
        head[1].bias.unflatten(0, (recipe.anchors_a_scale, -1))[:, 4] += high


def _scenes(card):  # type: ignore[no-untyped-def]
    import torch
    from minehat.letterbox import as_input
    squares = [letterbox(scenes.picture(seed, 640, 480).frame, card.height, card.width)[0] for seed in range(4)]
    return torch.from_numpy(np.stack([as_input(square, card) for square in squares]))


if __name__ == "__main__":
    sys.exit(run_door(main, name="race_models"))
