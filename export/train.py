"""Train the helmet detector.

    python export/train.py --data helmets --data heads@0.3 --val helmets --out runs/nano
    python export/train.py --resume --out runs/nano                # after any interruption
    torchrun --nproc-per-node 4 export/train.py --data ...         # several GPUs, or nodes

Each --data is a set of labelled pictures: a Pascal VOC folder, a YOLO folder (data.yaml) or COCO (json).
`FOLDER@SHARE` says how often an epoch draws each of its pictures, on average, so that a large set does not swamp a
small one; `FOLDER:PREFIX` takes the pictures whose names begin so. All labels and pictures are checked first, and all
faults are listed before any step is run; export/check_data.py shows more of them.

--mode paper is the recipe of Liu & Zhang 2020 (SGD, 5e-4, a tenth every 10,000 steps, YOLOv3's loss); pre-train on
public heads, then fine-tune on your frames with --init. --mode modern is ours, for the same network.

The run folder gets best.pt (by mAP50 on --val), last.pt, results.csv, curves.png, TensorBoard's events/ and, at the
end, plots/ of best.pt. Export best.pt with export/to_onnx.py.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from minehat.arguments import above_zero, positive, share, whole
from minehat.card import ModelCard
from minehat.doors import run_door
from minehat.errors import MineHatError
from minehat.files import ready_folder
from minehat.labels import class_map
from minehat.progress import muted, say
from minehat.scoring import detail
from minenet.anchors import YOLOV3, Anchors, kmeans_anchors
from minenet.backbones import BACKBONES, WIDTHS
from minenet.checkpoint import load_checkpoint
from minenet.darknet_weights import load_darknet
from minenet.data.asked_sets import asked_scenes
from minenet.data.batches import box_sizes
from minenet.data.rendered import rendered_source
from minenet.data.sources import Material, Source, read_material
from minenet.evaluation import detections_of
from minenet.loss import BOX_LOSSES
from minenet.network import ATTENTIONS, MineNet, Recipe
from minenet.plots import draw_worst, plot_detail
from minenet.training.asked import network_flags, resumed, settings_of
from minenet.training.processes import Processes, joined
from minenet.training.run import SAVE_EVERY, Run
from minenet.training.settings import CELLS, MODES, PRECISIONS, SCHEDULES, TrainSettings

CLASSES = ("helmet", "head")


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    _ask_data(parser.add_argument_group("data"))
    _ask_network(parser.add_argument_group("network"))
    _ask_recipe(parser.add_argument_group("recipe (what is left away follows --mode)"))
    _ask_run(parser.add_argument_group("run"))
    return parser


def _ask_data(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--data", action="append", metavar="FOLDER[:PREFIX][@SHARE]",
                       help="training pictures; give it again for more sets")
    group.add_argument("--val", metavar="FOLDER", help="set whose val split scores the run")
    group.add_argument("--map", action="append", metavar="NAME=CLASS",
                       help="a label of the sets that means helmet or head; NAME=- drops it; FOLDER:NAME=CLASS for "
                       "one set. Such as hat=helmet, person=head")
    group.add_argument("--scenes", metavar="COUNT[@SHARE]", help="rendered mine scenes as a further set")


def _ask_network(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--width", choices=WIDTHS, help="share of Darknet53's channels (nano)")
    group.add_argument("--backbone", choices=BACKBONES, help="(darknet53)")
    group.add_argument("--attention", choices=ATTENTIONS, help="(both)")
    group.add_argument("--anchors", choices=("6", "9"), help="six by k-means over the labels, or YOLOv3's nine (6)")
    group.add_argument("--cells", type=int, choices=(1, 3),
                       help="that answer for a head: its own, or the two nearest as well (3; paper: 1)")
    group.add_argument("--init", type=Path, help="start from darknet .weights, or from a checkpoint and its network")


def _ask_recipe(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--mode", choices=MODES, help="(modern)")
    group.add_argument("--epochs", type=positive, help="(60)")
    group.add_argument("--batch", type=positive, help="pictures a step, of all processes together (16)")
    group.add_argument("--accumulate", type=positive, help="work a batch off in so many parts, to save memory (1)")
    group.add_argument("--size", type=positive, help="side of the square in pixels (416)")
    group.add_argument("--start-size", type=positive, help="grow from this side over the first half of the run")
    group.add_argument("--multi-scale", type=share, help="each step's square is up to this share larger or smaller (0)")
    group.add_argument("--lr", type=above_zero, help="learning rate (0.01; paper: 5e-4)")
    group.add_argument("--schedule", choices=SCHEDULES, help="(cosine; paper: drops)")
    group.add_argument("--drop-every", type=positive, help="steps after which drops make the rate a tenth (10000)")
    group.add_argument("--warmup", type=share, help="share of the run over which the rate rises (0.03; paper: 0)")
    group.add_argument("--average", type=share, help="decay of the averaged weights, 0 for none (0.998; paper: 0)")
    group.add_argument("--precision", choices=PRECISIONS, help="of the arithmetic, by autocast (fp32)")
    group.add_argument("--box-loss", choices=BOX_LOSSES, help="(ciou; paper: yolov3)")
    group.add_argument("--near", type=share,
                       help="shape IoU from which further anchors answer for a head; 1: the best alone (0.4; paper: 1)")
    group.add_argument("--mosaic", type=share, help="share of samples made of four pictures (0.5; paper: 0)")
    group.add_argument("--mine", type=share, help="share of samples with dust, glare, darkness, blur, noise or JPEG's "
                       "marks (see export/show_augmentations.py; paper: 0)")
    group.add_argument("--patience", type=whole, help="validations without a better one that end the run; 0: none (0)")
    group.add_argument("--every", type=positive, help="epochs between validations (5)")
    group.add_argument("--seed", type=whole, help="(0)")


def _ask_run(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--out", type=Path, default=Path("runs/train"), help="run folder (%(default)s)")
    group.add_argument("--resume", action="store_true",
                       help="go on from OUT/last.pt with what it was asked; only --epochs, --patience, --every and "
                       "this group may differ")
    group.add_argument("--device", help="cpu, cuda or cuda:N (the GPU, where there is one)")
    group.add_argument("--threads", type=positive, help="CPU threads of the network (all)")
    group.add_argument("--workers", type=positive, default=1, help="threads that make batches (%(default)s)")
    group.add_argument("--save-every", type=above_zero, default=SAVE_EVERY, metavar="SECONDS",
                       help="between checkpoints within an epoch (%(default)g)")


def main(argv: Sequence[str]) -> int:
    args = arguments().parse_args(argv)
    if args.threads:
        torch.set_num_threads(args.threads)
    with joined(args.device) as processes, nullcontext() if processes.is_first else muted():
        _train(args, processes)
    return 0


def _train(args: argparse.Namespace, processes: Processes) -> None:
    asked = resumed(args) if args.resume else _begun(args)
    settings = settings_of(asked)
    settings.share_of(processes.count)
    torch.manual_seed(settings.seed)
    material = _material(asked, settings)
    network = _network(args, asked, material.sources, settings)
    run = Run(network, _card(network, material.sources, settings), settings, args.out, processes,
              _val_name(asked), asked, args.workers, args.save_every)
    if args.resume:
        run.resume(args.out / "last.pt")
    pictures, parameters = sum(len(s.samples) for s in material.sources), sum(p.numel() for p in network.parameters())
    say(f"{pictures} pictures, {parameters / 1e6:.1f} M parameters, anchors {network.recipe.anchors}")
    run.fit(material.sources, material.val)
    if processes.is_first:
        _conclude(run, material, args.out)


def _begun(args: argparse.Namespace) -> dict[str, Any]:
    """What a new run is asked. Its folder must hold no other one, and be ours to write to."""
    if (args.out / "last.pt").exists():
        raise MineHatError(f"{args.out} holds a run already: go on with --resume, or name another --out.")
    if not args.data and not args.scenes:
        raise MineHatError("there is nothing to train on: give --data FOLDER, or --scenes COUNT.")
    ready_folder(args.out)
    return network_flags(args)


def _material(asked: dict[str, Any], settings: TrainSettings) -> Material:
    """The sets that were asked for, all known to be readable, and the rendered scenes."""
    count, part = asked_scenes(asked.get("scenes"))
    material = read_material(asked.get("data", ()), asked.get("val"), CLASSES, settings.size,
                             class_map(asked.get("map", ())))
    if count:
        material.sources.append(rendered_source(count, settings.size, settings.seed, part))
    return material


def _val_name(asked: dict[str, Any]) -> str:
    return f"{Path(asked['val']).resolve().name} val" if asked.get("val") else ""


def _card(network: MineNet, sources: Sequence[Source], settings: TrainSettings) -> ModelCard:
    return ModelCard(name=f"helmet-{network.recipe.width}", classes=CLASSES, height=settings.size, width=settings.size,
                     data_sources=tuple(source.name for source in sources))


def _network(args: argparse.Namespace, asked: dict[str, Any], sources: Sequence[Source],
             settings: TrainSettings) -> MineNet:
    """A new network, or for --resume and --init the one that they name."""
    start = args.out / "last.pt" if args.resume else args.init
    if start and start.suffix != ".weights":
        return _same_network(load_checkpoint(start)[0], asked, start)
    cells = asked.get("cells") or CELLS[asked.get("mode", "modern")]
    network = MineNet(Recipe(asked.get("width", "nano"), asked.get("backbone", "darknet53"),
                             asked.get("attention", "both"), CLASSES, _anchors(asked, sources, settings), cells))
    if start:
        say(load_darknet(network, start))
    return network


def _same_network(network: MineNet, asked: dict[str, Any], start: Path) -> MineNet:
    """A checkpoint brings its network along; flags may repeat what it is, not change it."""
    recipe = network.recipe
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


def _conclude(run: Run, material: Material, out: Path) -> None:
    """Plots of the best weights, and what to do with them."""
    if not material.val:
        say(f"done, not scored for want of --val. Next: python export/to_onnx.py {out / 'last.pt'} helmet.onnx")
        return
    network, card, _ = load_checkpoint(out / "best.pt", run.processes.device)
    found = detections_of(network, material.val, card, run.processes.device, run.settings.precision == "bf16")
    plot_detail(detail(found, material.val, CLASSES, card.conf, (card.height, card.width)), out / "plots")
    draw_worst(material.val, found, CLASSES, card.conf, out / "plots" / "worst.jpg")
    say(f"done: best mAP50 {run.place.best:.4f}; look at {out / 'curves.png'} and {out / 'plots'}. "
        f"Next: python export/to_onnx.py {out / 'best.pt'} helmet.onnx")


if __name__ == "__main__":
    sys.exit(run_door(main))
