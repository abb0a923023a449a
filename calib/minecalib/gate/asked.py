"""What the door was asked about the gate, and the labelled pictures that it names."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from minehat import scenes
from minehat.card import ModelCard
from minehat.errors import MineHatError
from minehat.labels import class_map, read_split
from minehat.scoring.pictures import HEAD
from onnx import ModelProto

from ..parent import Parent, open_parent
from .exam import Exam
from .loss import Budget

HEADS = 5000  # rendered: a net loss of 0.3 points is then beyond chance


def add_arguments(parser: ArgumentParser) -> None:
    """The gate's flags, as a group of their own."""
    gate = parser.add_argument_group(
        "the gate", "FP32, FP16 and the new file are scored on labelled pictures; where too much is lost, the layers "
                    "that cost most are lifted back to FP16 (FP32 without it) until it holds, or nothing is written")
    gate.add_argument("--gate", metavar="DATA", help="labelled pictures: a Pascal VOC, YOLO or COCO folder or file; "
                                                     "those among them that --images names too are not calibrated on")
    gate.add_argument("--against", type=Path, metavar="FP32.onnx",
                      help="the FP32 model that losses count against (default: MODEL; a fine-tuned one wants the one "
                           "that it was before)")
    gate.add_argument("--gate-split", default="val", metavar="NAME", help="(default: %(default)s)")
    gate.add_argument("--map", action="append", default=[], metavar="NAME=CLASS",
                      help="what a class of the labels is called here; NAME=- leaves it out")
    gate.add_argument("--max-map-drop", type=float, default=0.5, metavar="POINTS", help="of mAP50 (%(default)s)")
    gate.add_argument("--max-recall-drop", type=float, default=0.5, metavar="POINTS",
                      help="of the watched class at the card's threshold (%(default)s)")
    gate.add_argument("--gate-class", metavar="CLASS", help=f"the watched class (default: {HEAD})")
    gate.add_argument("--max-cost", type=float, default=1.5, metavar="TIMES",
                      help="lift no more than makes the arithmetic so costly, all in INT8 being 1 (%(default)s)")
    gate.add_argument("--rendered", type=int, default=HEADS, metavar="HEADS",
                      help="a second check on so many rendered ones of the watched class, whose recall must hold by "
                           "its 95 %% bound; 0 for none (%(default)s)")


def budget_of(args: Namespace, card: ModelCard) -> Budget:
    """Raises MineHatError for a class that the model does not know, and figures out of their range."""
    watched = args.gate_class or HEAD
    if watched not in card.classes:
        raise MineHatError(f"--gate-class {watched}: the model knows {', '.join(card.classes)}. Choose one of them.")
    if args.rendered < 0 or args.max_cost < 1:
        raise MineHatError(f"--rendered {args.rendered}, --max-cost {args.max_cost:g}: give 0 or more, 1 or more.")
    if args.rendered and watched not in scenes.CLASSES:
        raise MineHatError(f"scenes show {', '.join(scenes.CLASSES)}, no {watched}. Give `--rendered 0`.")
    return Budget(args.max_map_drop / 100, args.max_recall_drop / 100, watched)


def measure_of(args: Namespace, parent: Parent) -> ModelProto:
    """The FP32 model that losses count against. Raises MineHatError for another kind of model, and where a fine-tuned
    one would be its own measure."""
    if args.against is None and parent.fine_tuned_for:
        raise MineHatError(f"{parent.path} was fine-tuned, so what it lost on the way would not be seen. Give the FP32 "
                           "model that it was before: `--against helmet.onnx`.")
    if args.against is None:
        return parent.model
    found = open_parent(args.against)
    ours, theirs = ((card.classes, card.height, card.width) for card in (parent.card, found.card))
    if ours != theirs:
        raise MineHatError(f"--against {args.against} has other classes or another size than {parent.path}. Give the "
                           "FP32 model of the same network.")
    return found.model


def exam_of(args: Namespace, card: ModelCard) -> Exam:
    """The labelled pictures. Raises MineHatError for what is wrong with them."""
    truths = read_split(args.gate, args.gate_split, card.classes, class_map(args.map))
    watched = card.classes.index(budget_of(args, card).watched)
    if not any((~truth.ignored & (truth.labels == watched)).any() for truth in truths):
        raise MineHatError(f"--gate {args.gate}: its {args.gate_split} split shows no {card.classes[watched]}, so its "
                           "recall cannot be guarded. Give labelled pictures that do, or `--gate-class`.")
    return Exam(f"{args.gate} {args.gate_split}", truths, card)
