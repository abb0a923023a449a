"""Draw what training does to pictures.

    python export/show_augmentations.py --data helmets --out sheet.jpg

A contact sheet with a row for each step (mirror, view, mosaic, light, dust, lamp glare, ...; effects of a mine from
strength 0 to 1), then rows of training views as the network gets them. Look at it before you train: you should
be able to tell helmets (green) from bare heads (red) in nearly all of them. Without --data it shows rendered scenes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from minehat.arguments import parser_of, positive, whole
from minehat.doors import run_door
from minehat.errors import MineHatError
from minehat.labels import class_map, read_split
from minehat.pictures import write_picture
from minehat.progress import say
from minenet.classes import CLASSES
from minenet.data.augment_sheet import sheet_of, step_rows, view_rows
from minenet.data.rendered import rendered_source
from minenet.data.sources import Sample, shrunk

PICTURES = 16  # that are drawn from
VIEWS = {"all": 3, "training": 10}  # rows of whole views


def arguments() -> argparse.ArgumentParser:
    parser = parser_of(__doc__)
    parser.add_argument("--data", metavar="FOLDER", help="labelled pictures (16 rendered scenes)")
    parser.add_argument("--split", default="train", help="of the folder (%(default)s)")
    parser.add_argument("--map", action="append", default=[], metavar="NAME=CLASS",
                        help="as in train.py: what a name in the labels stands for, - for nothing")
    parser.add_argument("--mode", choices=VIEWS, default="all", help="each step, then views; or views (%(default)s)")
    parser.add_argument("--size", type=positive, default=416, help="side of the training square, pixels (%(default)s)")
    parser.add_argument("--seed", type=whole, default=0, help="other draws, other pictures (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("augmentations.jpg"), help="(%(default)s)")
    return parser


def main(argv: Sequence[str]) -> int:
    args = arguments().parse_args(argv)
    samples = _samples(args)
    name = "pictures" if args.data else "scenes"
    rows = step_rows(samples, name, args.size, args.seed) if args.mode == "all" else []
    rows += view_rows(samples, VIEWS[args.mode], args.size, args.seed)
    write_picture(args.out, sheet_of(rows, CLASSES), quality=70)
    say(f"{args.out}: {len(rows)} rows")
    return 0


def _samples(args: argparse.Namespace) -> list[Sample]:
    """Pictures by chance, those with the largest heads first."""
    if not args.data:
        found = list(rendered_source(PICTURES, args.size, args.seed).samples)
    else:
        labelled = read_split(args.data, args.split, CLASSES, class_map(args.map))
        if not labelled:
            raise MineHatError(f"{args.data}: its {args.split} split names no picture.")
        chosen = np.random.default_rng(args.seed).permutation(len(labelled))[:PICTURES]
        found = [shrunk(labelled[row], args.size) for row in chosen]
    return sorted(found, key=lambda one: -float((one.boxes[:, 3] - one.boxes[:, 1]).max(initial=0)))


if __name__ == "__main__":
    sys.exit(run_door(main))
