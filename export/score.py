"""Score a checkpoint on labelled pictures.

    python export/score.py runs/nano/best.pt --data ../shared/data/helmets

Prints COCO mAP, AP50 and the recall of each class at the card's threshold (bare heads are what counts), then one
JSON line. Exported files are scored by benchmarks/accuracy.py, which lays them side by side.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from minehat.arguments import json_file
from minehat.doors import run_door
from minehat.files import write_whole
from minehat.labels import read_split
from minehat.progress import say
from minenet.checkpoint import load_checkpoint
from minenet.evaluation import evaluate


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="best.pt of export/train.py")
    parser.add_argument("--data", required=True, metavar="FOLDER", help="Pascal VOC folder")
    parser.add_argument("--split", default="val", help="ImageSets/Main/SPLIT.txt (%(default)s)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="(%(default)s)")
    parser.add_argument("--bf16", action="store_true", help="bfloat16 autocast, as in training")
    parser.add_argument("--json", type=json_file, metavar="FILE", help="write the figures here as well")
    return parser


def main(argv: Sequence[str]) -> int:
    args = arguments().parse_args(argv)
    network, card, _ = load_checkpoint(args.checkpoint, args.device)
    found = evaluate(network, read_split(args.data, args.split, card.classes), card, args.device, args.bf16)
    say(f"{args.checkpoint} on {args.data} {args.split}, {found.images} pictures, threshold {card.conf}")
    say(f"  {'':8}{'AP50':>8}{'recall':>8}")
    for name in reversed(card.classes):
        say(f"  {name:8}{_percent(found.ap50[name])}{_percent(found.recall[name])}")
    say(f"  {'all':8}{_percent(found.map50)}   mAP 50-95 {_percent(found.map).strip()}")
    line = json.dumps(found.to_json())
    if args.json:
        write_whole(args.json, line + "\n")
    print(line)
    return 0


def _percent(share: float | None) -> str:
    return f"{'-' if share is None else format(100 * share, '.1f'):>8}"


if __name__ == "__main__":
    sys.exit(run_door(main))
