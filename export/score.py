"""Score a model on labelled pictures, thoroughly.

    python export/score.py runs/nano/best.pt --data helmets --plots out/scored
    python export/score.py helmet-nano.int8-cpu.onnx --data site.yaml --map person=- --map hat=helmet

MODEL is a checkpoint, an ONNX file or an engine. --data is a Pascal VOC folder, a YOLO one (or its data.yaml) or a
COCO one (or its .json).

First comes what counts: how many bare heads are found at the default threshold, with a 95 % interval, and how many
more have a box that is only loosely theirs (labels drawn by different rules end so). Then tables by class, by box
size (the longer side in pixels of the network's square) and by threshold, with the best thresholds: "best F1"
balances recall and precision; "for alarms" is the highest that still finds 98 % of what 0.05 finds. Then what is
taken for what: a bare head that is seen as a helmet is the worst, for it is an alarm that never comes. AP is COCO's,
VOC AP50 Pascal VOC's of 2010 and later. `ignore` and `difficult` objects count neither way.

The last line on stdout is one JSON object: map50, map, ap50, recall, images, and all of the above in detail.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from minehat.arguments import json_file, parser_of, positive, share
from minehat.doors import DONE, run_door
from minehat.errors import MineHatError
from minehat.files import ready_folder, write_whole
from minehat.labels import class_map, read_split
from minehat.progress import say
from minehat.scoring import detail, spread
from minenet.data.in_mine import in_mine
from minenet.opened import opened
from minenet.plots import draw_worst, load_matplotlib, plot_detail
from minenet.score_tables import show


def main(argv: Sequence[str]) -> int:
    asked = _arguments(argv)
    if asked.plots:
        load_matplotlib()
        ready_folder(asked.plots)
    with opened(asked.model, asked.device, asked.bf16, asked.threads) as (card, look):
        truths = spread(read_split(asked.data, asked.split, card.classes, class_map(asked.map)), asked.limit)
        if not truths:
            raise MineHatError(f"{asked.data}: its {asked.split} split names no picture.")
        if asked.mine:
            truths = in_mine(truths, asked.mine)
        found = look(truths)
    conf = card.conf if asked.conf is None else asked.conf
    scored = detail(found, truths, card.classes, conf, (card.height, card.width))
    show(scored)
    say(f"\n{asked.model} ({card.precision}, {card.size_text}) on {len(truths)} pictures of {asked.data} {asked.split}")
    line = json.dumps({**scored.score.to_json(), "data": Path(asked.data).resolve().name, "split": asked.split,
                       "mine": asked.mine, "detail": scored.to_json()})
    if asked.json:
        write_whole(asked.json, line + "\n")
    if asked.plots:
        plot_detail(scored, asked.plots)
        draw_worst(truths, found, card.classes, conf, asked.plots / "worst.jpg")
        say(f"plots in {asked.plots}")
    print(line)
    return DONE


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("model", type=Path, metavar="MODEL", help="best.pt of export/train.py, .onnx or .engine")
    parser.add_argument("--data", required=True, metavar="PLACE", help="labelled pictures")
    parser.add_argument("--split", default="val", metavar="NAME", help="(%(default)s)")
    parser.add_argument("--map", action="append", default=[], metavar="NAME=CLASS",
                        help="what a class of the labels is called here; NAME=- leaves it out")
    parser.add_argument("--mine", type=share, default=0.0, metavar="STRENGTH",
                        help="see each picture through one to three of darkness, dust, glare, blur, noise and JPEG, "
                        "the same each time (%(default)s of 1)")
    parser.add_argument("--conf", type=share, metavar="C", help="default threshold (the card's)")
    parser.add_argument("--limit", type=positive, metavar="N", help="only N pictures, spread over the split")
    parser.add_argument("--plots", type=Path, metavar="DIR",
                        help="pr.png, thresholds.png, sizes.png, confusion.png, and worst.jpg: the worst pictures")
    parser.add_argument("--json", type=json_file, metavar="FILE", help="write the JSON here too")
    parser.add_argument("--threads", type=positive, metavar="N", help="CPU threads (all)")
    parser.add_argument("--device", help="of a checkpoint (a GPU where there is one)")
    parser.add_argument("--bf16", action="store_true", help="bfloat16 autocast, as in training; for checkpoints")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(run_door(main))
