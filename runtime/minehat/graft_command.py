"""minehat graft models/helmet-nano/helmet-nano.onnx --nms graph -o out/helmet-nano.graph.onnx

Write an ONNX file with suppression inside, for runtimes that shall give back few boxes instead of thousands.
topk keeps the best boxes, outputs as before. graph suppresses with ordinary operators, at the card's thresholds (or
--conf and --iou, which then are the file's own): it gives boxes, scores, labels, count and converged. plugin does so
with EfficientNMS_TRT, for full TensorRT only. `minehat build --nms` grafts on its way to an engine.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .arguments import positive, share
from .card import OUTPUTS, ModelCard, read_card
from .errors import MineHatError
from .files import sha256_of, written_whole
from .grafts import USUAL_CANDIDATES, with_suppression
from .guests import load_onnx
from .progress import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what `minehat graft` takes."""
    parser.add_argument("model", type=Path, metavar="MODEL.onnx", help="the ONNX file")
    parser.add_argument("--nms", required=True, choices=[kind for kind in OUTPUTS if kind != "none"],
                        help="what to put inside")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.onnx", help="the file to write")
    parser.add_argument("--candidates", type=positive, metavar="K",
                        help=f"boxes a picture that go in, the best first (default {USUAL_CANDIDATES})")
    parser.add_argument("--conf", type=share, metavar="C", help="least score (default: the card's)")
    parser.add_argument("--iou", type=share, metavar="I", help="most overlap (default: the card's)")
    parser.add_argument("--card", metavar="FILE", help="model card for an ONNX file that carries none")


def run(args: argparse.Namespace) -> int:
    """Write the file and say what came of it on stderr. Returns 0; raises MineHatError."""
    _check_names(args.model, args.out)
    card = _card(args)
    onnx = load_onnx("graft suppression onto a network")
    try:
        model = onnx.load(str(args.model))
    except Exception as exc:  # protobuf and external data raise many kinds
        raise MineHatError(f"{args.model} cannot be loaded as an ONNX model ({exc}).") from exc
    grown, child = with_suppression(model, card, args.nms, args.candidates)
    with written_whole(args.out) as scratch:
        onnx.save(grown, str(scratch))
    baked = f", conf {child.conf:g}, iou {child.iou:g}" if args.nms != "topk" else ""
    say(f"{args.out}  {args.nms}, {child.candidates or 'all'} candidates{baked}: {', '.join(child.outputs)}")
    return 0


def _card(args: argparse.Namespace) -> ModelCard:
    card = read_card(args.card or args.model)
    return card.with_(parent_sha256=sha256_of(args.model), conf=card.conf if args.conf is None else args.conf,
                      iou=card.iou if args.iou is None else args.iou)


def _check_names(model: Path, out: Path) -> None:
    if not model.is_file():
        raise MineHatError(f"{model}: no such model file.")
    if out.suffix.lower() != ".onnx":
        raise MineHatError(f"-o {out}: the name must end in .onnx.")
    if out.exists() and out.samefile(model):
        raise MineHatError(f"-o {out} is the model. Name another file.")
