"""Fine-tune a network through the rounding of its INT8 file, for when the gate of calib/quantize.py refuses.

    python calib/quantize.py helmet.onnx --images frames/ -o helmet.int8.onnx        # no --gate: written as it is
    python export/finetune_int8.py runs/nano/best.pt helmet.int8.onnx --data helmets -o helmet.qat.onnx
    python calib/quantize.py helmet.qat.onnx --gate helmets --against helmet.onnx -o helmet.int8.onnx

The INT8 file says what is rounded, on which grids; --form cpu needs a fine-tune of its own. Ranges that a few huge
values made too coarse are settled first, then weights, biases and ranges learn for a few epochs, from the labels and
from what the network says in FP32. What is written is FP32 still: it holds the weights and the grids that
quantize.py is to use. Nothing is written before the end, so it can be stopped at any time.

The table on stderr, and one JSON line on stdout, tell accuracy on the val split: of FP32, and rounded before and after.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import onnx
import torch
from minehat.arguments import above_zero, parser_of, positive, whole
from minehat.card import ModelCard, read_card
from minehat.doors import DONE, run_door
from minehat.errors import MineHatError
from minehat.files import ready_file, sha256_of
from minehat.labels import ClassMap, class_map, scan_split
from minehat.progress import say
from minehat.scoring import Score, score
from minehat.tables import percent, print_table
from minenet.checkpoint import load_checkpoint
from minenet.data.asked_sets import asked_set
from minenet.data.sources import Material, read_material
from minenet.evaluation import evaluate
from minenet.int8.body import body_of
from minenet.int8.network import RoundedNet
from minenet.int8.placement import read_placement
from minenet.int8.settings import TuneSettings
from minenet.int8.tuning import tune
from minenet.int8.written import write_tuned
from minenet.network import MineNet
from minenet.onnx_export import export_onnx
from minenet.opened import opened

COMPARED = 4  # pictures on which the written file must answer as torch does


def main(argv: Sequence[str]) -> int:
    asked = _arguments(argv)
    settings = TuneSettings(epochs=asked.epochs, batch=asked.batch, lr=asked.lr, seed=asked.seed)
    if asked.threads:
        torch.set_num_threads(asked.threads)
    teacher, own, _ = load_checkpoint(asked.checkpoint)
    placement, card = read_placement(asked.rounded), _card(asked, own)
    ready_file(asked.out)
    material = _material(asked, card)
    torch.manual_seed(settings.seed)
    frames = [sample.picture for sample in material.sources[0].samples[:COMPARED]]
    model = _exported(teacher, card, frames)
    network = RoundedNet(body_of(model), teacher.recipe, placement)
    scores = {"fp32": _scored(teacher, material, card), "int8 before": _scored_file(asked, material)}
    tune(network, teacher, material.sources, max(card.width, card.height), settings)
    facts = {"rounded_sha256": sha256_of(asked.rounded), "pictures": [source.name for source in material.sources],
             "settings": asdict(settings)}
    write_tuned(asked.out, model, network, card, facts, frames)
    _tell(asked, {**scores, "int8 after": _scored(network, material, card)})
    return DONE


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    usual = TuneSettings()
    parser = parser_of(__doc__)
    parser.add_argument("checkpoint", type=Path, help="best.pt of export/train.py")
    parser.add_argument("rounded", type=Path, metavar="INT8.onnx",
                        help="what calib/quantize.py made of that checkpoint's ONNX file, without --gate")
    parser.add_argument("--data", action="append", required=True, metavar="FOLDER[:PREFIX][@SHARE]",
                        help="training pictures; give it again for more sets")
    parser.add_argument("--val", metavar="FOLDER", help="set whose val split tells what came of it (the first --data)")
    parser.add_argument("--map", action="append", default=[], metavar="NAME=CLASS",
                        help="what a label of the sets is called here; NAME=- leaves it out")
    parser.add_argument("--epochs", type=positive, default=usual.epochs, help="(%(default)s)")
    parser.add_argument("--batch", type=positive, default=usual.batch, help="pictures a step (%(default)s)")
    parser.add_argument("--lr", type=above_zero, default=usual.lr, help="learning rate of the weights (%(default)g)")
    parser.add_argument("--seed", type=whole, default=usual.seed, help="(%(default)s)")
    parser.add_argument("--threads", type=positive, metavar="N", help="CPU threads (all)")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.onnx", help="the FP32 file to write")
    asked = parser.parse_args(argv)
    if asked.out.suffix != ".onnx" or asked.out.resolve() == asked.rounded.resolve():
        raise MineHatError(f"-o {asked.out}: give the name of another file, ending in .onnx.")
    return asked


def _card(asked: argparse.Namespace, own: ModelCard) -> ModelCard:
    """The card of what is written: the checkpoint's, at the size that the INT8 file has."""
    rounded = read_card(asked.rounded)
    if rounded.classes != own.classes:
        raise MineHatError(f"{asked.rounded} knows {', '.join(rounded.classes)}, {asked.checkpoint} "
                           f"{', '.join(own.classes)}: they are not the same model.")
    return own.with_(width=rounded.width, height=rounded.height, parent_sha256=sha256_of(asked.checkpoint), accuracy={})


def _material(asked: argparse.Namespace, card: ModelCard) -> Material:
    names = class_map(asked.map)
    val = asked.val or _val_beside(asked.data[0], card, names)
    return read_material(asked.data, val, card.classes, max(card.width, card.height), names)


def _val_beside(data: str, card: ModelCard, names: ClassMap) -> str | None:
    """The set's own folder, where it has a val split."""
    place = asked_set(data).place
    return str(place) if place.is_dir() and scan_split(place, "val", card.classes, names).labelled else None


def _exported(network: MineNet, card: ModelCard, frames: list) -> onnx.ModelProto:
    """The FP32 graph, whose tensors bear the names that placements use."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fp32.onnx"
        export_onnx(network, card, path, frames)
        return onnx.load(path)


def _scored(network: MineNet | RoundedNet, material: Material, card: ModelCard) -> Score | None:
    return evaluate(network, material.val, card) if material.val else None


def _scored_file(asked: argparse.Namespace, material: Material) -> Score | None:
    """Of the INT8 file as the runtime runs it."""
    if not material.val:
        return None
    with opened(asked.rounded, threads=asked.threads) as (card, look):
        return score(look(material.val), material.val, card.classes, card.conf)


def _tell(asked: argparse.Namespace, scores: dict[str, Score | None]) -> None:
    told = {name: score for name, score in scores.items() if score is not None}
    if told:
        classes = list(next(iter(told.values())).recall)
        print_table(["", "mAP50", *(f"recall {name}" for name in classes)],
                    [[name, percent(score.map50), *(percent(score.recall[one]) for one in classes)]
                     for name, score in told.items()])
    else:
        say("not scored for want of a val split; --val names a set that has one")
    say(f"{asked.out} is written. Next: python calib/quantize.py {shlex.quote(str(asked.out))} --gate DATA "
        "--against FP32.onnx -o helmet.int8.onnx")
    print(json.dumps({name.replace(" ", "_"): score.to_json() for name, score in told.items()}))


if __name__ == "__main__":
    sys.exit(run_door(main))
