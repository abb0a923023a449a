"""Train the helmet detector.

    python export/train.py --data helmets --data heads@0.3 --val helmets --width nano --out runs/nano

Each --data is a Pascal VOC folder (JPEGImages, Annotations, ImageSets/Main/train.txt), with @SHARE
for the part of it that an epoch draws, so that a large set does not swamp a small one. The run folder gets
best.pt (by mAP50 on --val), last.pt (go on with --resume) and results.csv. Export best.pt with
export/to_onnx.py.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from minehat.arguments import above_zero, positive, share, whole
from minehat.card import ModelCard
from minehat.doors import run_door
from minehat.errors import MineHatError
from minehat.files import ready_folder
from minehat.progress import say
from minehat.voc import Labelled, read_split
from minenet.anchors import YOLOV3, Anchors, kmeans_anchors
from minenet.backbones import BACKBONES, WIDTHS
from minenet.checkpoint import load_checkpoint
from minenet.darknet_weights import load_darknet
from minenet.data.batches import box_sizes
from minenet.data.sources import Source, read_source
from minenet.loss import BOX_LOSSES, LossSettings
from minenet.network import ATTENTIONS, MineNet, Recipe
from minenet.training.run import Run, TrainSettings

CLASSES = ("helmet", "head")


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = parser.add_argument_group("data")
    data.add_argument("--data", action="append", required=True, metavar="FOLDER[@SHARE]",
                      help="training pictures; give it again for more sets")
    data.add_argument("--val", metavar="FOLDER", help="folder whose val split scores the run")
    data.add_argument("--out", type=Path, default=Path("runs/train"), help="run folder (%(default)s)")
    net = parser.add_argument_group("network")
    net.add_argument("--width", choices=WIDTHS, help="share of Darknet53's channels (nano)")
    net.add_argument("--backbone", choices=BACKBONES, help="(darknet53)")
    net.add_argument("--attention", choices=ATTENTIONS, help="(both)")
    net.add_argument("--anchors", choices=("6", "9"), help="six by k-means over the labels, or YOLOv3's nine (6)")
    net.add_argument("--init", type=Path, help="start from darknet .weights, or from a checkpoint and its network")
    run = parser.add_argument_group("run")
    run.add_argument("--epochs", type=positive, default=60, help="(%(default)s)")
    run.add_argument("--batch", type=positive, default=16, help="pictures a step (%(default)s)")
    run.add_argument("--size", type=positive, default=416, help="side of the square in pixels (%(default)s)")
    run.add_argument("--start-size", type=positive, help="grow from this side over the first half of the run")
    run.add_argument("--lr", type=above_zero, default=0.01, help="(%(default)s; the paper's 5e-4 for fine-tuning)")
    run.add_argument("--drops", default="0.333,0.667", help="shares of the run at which the rate falls to a tenth")
    run.add_argument("--box-loss", choices=BOX_LOSSES, default="ciou", help="(%(default)s)")
    run.add_argument("--near", type=share, default=0.4,
                     help="shape IoU from which further anchors answer for a box; 1: the best alone (%(default)s)")
    run.add_argument("--mosaic", type=share, default=0.5, help="share of samples made of four pictures (%(default)s)")
    run.add_argument("--bf16", action="store_true", help="bfloat16 autocast: faster on CPUs and GPUs that have it")
    run.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="(%(default)s)")
    run.add_argument("--threads", type=positive, help="CPU threads (all)")
    run.add_argument("--every", type=positive, default=5, help="epochs between validations (%(default)s)")
    run.add_argument("--seed", type=whole, default=0, help="(%(default)s)")
    run.add_argument("--resume", action="store_true", help="go on from OUT/last.pt")
    return parser


def main(argv: list[str]) -> int:
    args = arguments().parse_args(argv)
    settings = _settings(args)
    _check_folder(args)
    torch.manual_seed(args.seed)
    if args.threads:
        torch.set_num_threads(args.threads)
    val = _val(args.val)
    sources = [read_source(text, CLASSES, args.size) for text in args.data]
    network = _network(args, sources)
    card = ModelCard(name=f"helmet-{network.recipe.width}", classes=CLASSES, height=args.size, width=args.size,
                     data_sources=tuple(source.name for source in sources))
    val_name = f"{Path(args.val).resolve().name} val" if args.val else ""
    run = Run(network, card, settings, args.out, args.device, val_name)
    if args.resume:
        run.resume(args.out / "last.pt")
    pictures, parameters = sum(len(s.samples) for s in sources), sum(p.numel() for p in network.parameters())
    say(f"{pictures} pictures, {parameters / 1e6:.1f} M parameters, anchors {network.recipe.anchors}")
    run.fit(sources, val)
    kept = args.out / ("best.pt" if val else "last.pt")
    told = f"best mAP50 {run.best:.4f}" if val else "not scored, for want of --val"
    say(f"done: {told}. Next: python export/to_onnx.py {kept} helmet.onnx")
    return 0


def _check_folder(args: argparse.Namespace) -> None:
    """A run folder that can be written to and holds no other run; a device that is there."""
    if not args.resume and (args.out / "last.pt").exists():
        raise MineHatError(f"{args.out} holds a run already: go on with --resume, or name another --out.")
    ready_folder(args.out)
    try:
        torch.zeros(1, device=args.device)
    except (RuntimeError, AssertionError) as exc:
        raise MineHatError(f"--device {args.device} cannot be used here: {str(exc).splitlines()[0]}") from exc


def _val(folder: str | None) -> list[Labelled]:
    val = read_split(folder, "val", CLASSES) if folder else []
    if folder and not val:
        raise MineHatError(f"--val {folder}: its val split names no picture.")
    return val


def _settings(args: argparse.Namespace) -> TrainSettings:
    start = args.start_size or args.size
    if args.size % 32 or start % 32 or not 32 <= start <= args.size:
        raise MineHatError(f"--size {args.size} and --start-size {start} must be multiples of 32, "
                           "the second not larger than the first.")
    try:
        drops = tuple(float(part) for part in args.drops.split(",") if part)
    except ValueError as exc:
        raise MineHatError(f"--drops {args.drops}: give shares of the run, such as 0.333,0.667.") from exc
    return TrainSettings(epochs=args.epochs, batch=args.batch, size=args.size, start_size=start, lr=args.lr,
                         drops=drops, mosaic=args.mosaic, bf16=args.bf16, seed=args.seed, every=args.every,
                         loss=LossSettings(box=args.box_loss, near=args.near))


def _network(args: argparse.Namespace, sources: list[Source]) -> MineNet:
    """A new network, or for --resume and --init the one that they name."""
    start = args.out / "last.pt" if args.resume else args.init
    if start and start.suffix != ".weights":
        return _same_network(load_checkpoint(start)[0], args, start)
    network = MineNet(Recipe(args.width or "nano", args.backbone or "darknet53", args.attention or "both", CLASSES,
                             _anchors(args, sources)))
    if start:
        say(load_darknet(network, start))
    return network


def _same_network(network: MineNet, args: argparse.Namespace, start: Path) -> MineNet:
    """A checkpoint brings its network along; flags may repeat what it is, not change it."""
    recipe = network.recipe
    has = {"width": recipe.width, "backbone": recipe.backbone, "attention": recipe.attention,
           "anchors": str(len(recipe.anchors))}
    for flag, value in has.items():
        if getattr(args, flag) not in (None, value):
            raise MineHatError(f"--{flag} {getattr(args, flag)}: {start} has {value}. Leave the flag away, or train "
                               "a new network without --init.")
    return network


def _anchors(args: argparse.Namespace, sources: list[Source]) -> Anchors:
    if args.anchors == "9":
        return YOLOV3
    return kmeans_anchors(box_sizes(sources, args.seed), 6, args.seed)


if __name__ == "__main__":
    sys.exit(run_door(main))
