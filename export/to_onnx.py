"""Export a checkpoint to ONNX.

    python export/to_onnx.py runs/nano/best.pt helmet.onnx

Input `images` float32 [N, 3, H, W], RGB 0..1, letterboxed; outputs `boxes` [N, B, 4] in pixels of the square and
`scores` [N, B, C]. The model card goes into the file. Nothing is written where ONNX Runtime and torch disagree
by more than 1e-2 px or 1e-4 in score on the pictures compared (--pictures, or rendered mine scenes).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from minehat import scenes
from minehat.doors import run_door
from minehat.errors import MineHatError
from minehat.files import sha256_of
from minehat.pictures import SUFFIXES, read_picture
from minehat.progress import say
from minenet.checkpoint import load_checkpoint
from minenet.onnx_export import export_onnx

COMPARED = 8  # pictures


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="best.pt of export/train.py")
    parser.add_argument("out", type=Path, help="the .onnx to write")
    parser.add_argument("--size", metavar="WxH", help="input size, multiples of 32, such as 416x256 (the card's)")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER",
                        help=f"compare on the first {COMPARED} pictures of a folder instead of rendered scenes")
    return parser


def main(argv: Sequence[str]) -> int:
    args = arguments().parse_args(argv)
    if args.out.suffix != ".onnx":
        raise MineHatError(f"{args.out}: the name must end in .onnx.")
    network, card, _ = load_checkpoint(args.checkpoint)
    width, height = _size(args.size) if args.size else (card.width, card.height)
    if (width, height) != (card.width, card.height):
        card = card.with_(width=width, height=height, accuracy={})  # what was measured at another size does not hold
    card = card.with_(parent_sha256=sha256_of(args.checkpoint))
    found = export_onnx(network, card, args.out, _frames(args.pictures))
    say(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB, {card.size_text}; against torch at most "
        f"{found.box:.1e} px over {found.compared} boxes and {found.score:.1e} in score")
    if not found.compared:
        say("note: nothing was seen in the pictures compared, so no box was; give --pictures with heads in them")
    return 0


def _size(text: str) -> tuple[int, int]:
    sides = [int(side) if side.isdecimal() else 0 for side in text.split("x")]
    if len(sides) != 2 or any(side <= 0 or side % 32 for side in sides):
        raise MineHatError(f"--size {text}: give WIDTHxHEIGHT in multiples of 32, such as 416x256.")
    return sides[0], sides[1]


def _frames(folder: Path | None) -> list[npt.NDArray[np.uint8]]:
    if folder is None:
        return [scenes.picture(seed, 640, 480).frame for seed in range(COMPARED)]
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)[:COMPARED]
    if not paths:
        raise MineHatError(f"--pictures {folder} holds no picture ({', '.join(sorted(SUFFIXES))}).")
    return [read_picture(path) for path in paths]


if __name__ == "__main__":
    sys.exit(run_door(main))
