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
from minehat.card import ModelCard
from minehat.doors import run_door
from minehat.errors import MineHatError
from minehat.progress import say
from minehat.voc import read_split
from minenet.anchors import YOLOV3, Anchors, kmeans_anchors
from minenet.backbones import BACKBONES, WIDTHS
from minenet.batches import box_sizes
from minenet.checkpoint import load_checkpoint
from minenet.darknet_weights import load_darknet
from minenet.loss import BOX_LOSSES, LossSettings
from minenet.network import ATTENTIONS, MineNet, Recipe
from minenet.pictures_in_memory import Source, read_source
from minenet.training import Run, TrainSettings

CLASSES = ("helmet", "head")


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = parser.add_argument_group("data")
    data.add_argument("--data", action="append", required=True, metavar="FOLDER[@SHARE]",
                      help="training pictures; give it again for more sets")
    data.add_argument("--val", metavar="FOLDER", help="folder whose val split scores the run")
    data.add_argument("--out", type=Path, default=Path("runs/train"), help="run folder (%(default)s)")
    net = parser.add_argument_group("network")
    net.add_argument("--width", choices=WIDTHS, default="nano", help="share of Darknet53's channels (%(default)s)")
    net.add_argument("--backbone", choices=BACKBONES, default="darknet53", help="(%(default)s)")
    net.add_argument("--attention", choices=ATTENTIONS, default="both", help="(%(default)s)")
    net.add_argument("--anchors", choices=("6", "9", "default"), default="6",
                     help="k-means over the labels, or YOLOv3's nine defaults (%(default)s)")
    net.add_argument("--init", type=Path, help="start from a checkpoint, or darknet .weights")
    run = parser.add_argument_group("run")
    run.add_argument("--epochs", type=int, default=60, help="(%(default)s)")
    run.add_argument("--batch", type=int, default=16, help="pictures a step (%(default)s)")
    run.add_argument("--size", type=int, default=416, help="side of the square in pixels (%(default)s)")
    run.add_argument("--start-size", type=int, help="grow from this side over the first half of the run")
    run.add_argument("--lr", type=float, default=0.01, help="(%(default)s; the paper's 5e-4 for fine-tuning)")
    run.add_argument("--drops", default="0.333,0.667", help="shares of the run at which the rate falls to a tenth")
    run.add_argument("--box-loss", choices=BOX_LOSSES, default="ciou", help="(%(default)s)")
    run.add_argument("--near", type=float, default=0.4,
                     help="shape IoU from which further anchors answer for a box; 1: the best alone (%(default)s)")
    run.add_argument("--mosaic", type=float, default=0.5, help="share of samples made of four pictures (%(default)s)")
    run.add_argument("--bf16", action="store_true", help="bfloat16 autocast: faster on CPUs and GPUs that have it")
    run.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="(%(default)s)")
    run.add_argument("--threads", type=int, help="CPU threads (all)")
    run.add_argument("--every", type=int, default=5, help="epochs between validations (%(default)s)")
    run.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    run.add_argument("--resume", action="store_true", help="go on from OUT/last.pt")
    return parser


def main(argv: list[str]) -> int:
    args = arguments().parse_args(argv)
    settings = _settings(args)
    torch.manual_seed(args.seed)
    if args.threads:
        torch.set_num_threads(args.threads)
    val = read_split(args.val, "val", CLASSES) if args.val else []
    sources = [read_source(text, CLASSES, args.size) for text in args.data]
    network = _network(args, sources)
    card = ModelCard(name=f"helmet-{args.width}", classes=CLASSES, height=args.size, width=args.size,
                     data_sources=tuple(source.name for source in sources))
    args.out.mkdir(parents=True, exist_ok=True)
    val_name = f"{Path(args.val).resolve().name} val" if args.val else ""
    run = Run(network, card, settings, args.out, args.device, val_name)
    if args.resume:
        run.resume(args.out / "last.pt")
    pictures, parameters = sum(len(s.samples) for s in sources), sum(p.numel() for p in network.parameters())
    say(f"{pictures} pictures, {parameters / 1e6:.1f} M parameters, anchors {network.recipe.anchors}")
    run.fit(sources, val)
    say(f"done: best mAP50 {run.best:.4f}. Next: python export/to_onnx.py {args.out / 'best.pt'} helmet.onnx")
    return 0


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
        return load_checkpoint(start)[0]
    network = MineNet(Recipe(args.width, args.backbone, args.attention, CLASSES, _anchors(args, sources)))
    if start:
        say(load_darknet(network, start))
    return network


def _anchors(args: argparse.Namespace, sources: list[Source]) -> Anchors:
    if args.anchors in ("9", "default"):
        return YOLOV3
    return kmeans_anchors(box_sizes(sources, args.seed), 6, args.seed)


if __name__ == "__main__":
    sys.exit(run_door(main))
