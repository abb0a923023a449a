"""Make the checkpoint that is given away: FP16 weights, no training state, sources named in its card.

    python export/ship.py runs/nano/best.pt models/helmet-nano/helmet-nano.pt --source "our own CCTV frames, 3,200"

The accuracy that best.pt's card holds was measured before rounding to FP16; score the shipped file again with
export/score.py. Export it with export/to_onnx.py.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from minehat.arguments import share
from minehat.doors import run_door
from minehat.errors import MineHatError
from minehat.files import sha256_of
from minehat.progress import say
from minenet.checkpoint import load_checkpoint, save_checkpoint


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="best.pt of export/train.py")
    parser.add_argument("out", type=Path, help="the .pt to write")
    parser.add_argument("--name", help="model name in the card (the card's own)")
    parser.add_argument("--source", action="append", metavar="TEXT",
                        help="a set of training pictures and its licence, for the card; give it again for more "
                        "(the names of the training folders)")
    parser.add_argument("--conf", type=share, help="default threshold in the card (the card's own)")
    return parser


def main(argv: Sequence[str]) -> int:
    args = arguments().parse_args(argv)
    if args.out.resolve() == args.checkpoint.resolve():
        raise MineHatError(f"{args.out} is the checkpoint itself. Name another file.")
    network, card, _ = load_checkpoint(args.checkpoint)
    card = card.with_(name=args.name or card.name, data_sources=tuple(args.source or card.data_sources),
                      conf=card.conf if args.conf is None else args.conf, parent_sha256=sha256_of(args.checkpoint))
    save_checkpoint(args.out, network, card, half=True)
    say(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB, {card.name} {card.size_text}")
    return 0


if __name__ == "__main__":
    sys.exit(run_door(main))
