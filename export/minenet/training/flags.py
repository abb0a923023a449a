"""The flags of export/train.py: data, network, recipe, and how this start of the run goes."""

from __future__ import annotations

import argparse
from pathlib import Path

from minehat.arguments import above_zero, positive, share, whole

from ..backbones import BACKBONES, WIDTHS
from ..loss import BOX_LOSSES
from ..network import ATTENTIONS
from .run import SAVE_EVERY
from .settings import MODES, PRECISIONS, SCHEDULES


def add_flags(parser: argparse.ArgumentParser) -> None:
    """All of them. What is left away is None, but for the last group, so that a run knows what it was asked."""
    _ask_data(parser.add_argument_group("data"))
    _ask_network(parser.add_argument_group("network"))
    _ask_recipe(parser.add_argument_group("recipe (what is left away follows --mode)"))
    _ask_run(parser.add_argument_group("this start of the run"))


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
                       "marks (see export/show_augmentations.py) (0.5; paper: 0)")
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
                       help="between checkpoints within an epoch: what is lost at most when it is stopped "
                       "(%(default)g)")
