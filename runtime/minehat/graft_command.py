"""minehat graft models/helmet-nano/helmet-nano.onnx --nms graph -o out/helmet-nano.graph.onnx

Write an ONNX file that does more itself: with suppression inside (--nms), for runtimes that shall give back few boxes
instead of thousands, or with pixels for an input (--input uint8), for a quarter of the bytes to bring to the device.
Or one that does less: --decode outside gives raw maps, and MineHat makes boxes of them where something is.
topk keeps the best boxes, outputs as before. graph suppresses with ordinary operators, at the card's thresholds (or
--conf and --iou, which then are the file's own): it gives boxes, scores, labels, count and converged. plugin does so
with EfficientNMS_TRT, for full TensorRT only. `minehat build --nms` grafts on its way to an engine. uint8 finds the
same to the bit; helmet-nano's INT8 form for CPUs runs 2 % faster so, for it never makes floats of the picture. Decode
outside saves it 2 % more, the boxes alike to 1e-4 px; what hands the file on wants its decode inside.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .arguments import positive, share
from .card import OUTPUTS, ModelCard, read_card
from .errors import MineHatError
from .files import sha256_of, written_whole
from .grafts import USUAL_CANDIDATES, with_decode_outside, with_suppression, with_uint8_input
from .guests import load_onnx
from .progress import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what `minehat graft` takes."""
    parser.add_argument("model", type=Path, metavar="MODEL.onnx", help="the ONNX file")
    parser.add_argument("--nms", choices=[kind for kind in OUTPUTS if kind != "none"],
                        help="what suppression to put inside")
    parser.add_argument("--input", choices=["uint8"], help="what the input is to be: planes of pixels 0..255")
    parser.add_argument("--decode", choices=["outside"], help="leave boxes to the runtime: raw maps come out")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.onnx", help="the file to write")
    parser.add_argument("--candidates", type=positive, metavar="K",
                        help=f"boxes a picture that go in, the best first (default {USUAL_CANDIDATES})")
    parser.add_argument("--conf", type=share, metavar="C", help="least score (default: the card's)")
    parser.add_argument("--iou", type=share, metavar="I", help="most overlap (default: the card's)")
    parser.add_argument("--card", metavar="FILE", help="model card for an ONNX file that carries none")


def run(args: argparse.Namespace) -> int:
    """Write the file and say what came of it on stderr. Returns 0; raises MineHatError."""
    _check(args)
    card = _card(args)
    onnx = load_onnx("graft onto a network")
    try:
        model = onnx.load(str(args.model))
    except Exception as exc:  # protobuf and external data raise many kinds
        raise MineHatError(f"{args.model} cannot be loaded as an ONNX model ({exc}).") from exc
    if args.nms:
        model, card = with_suppression(model, card, args.nms, args.candidates)
    if args.decode:
        model, card = with_decode_outside(model, card)
    if args.input:
        model, card = with_uint8_input(model, card)
    with written_whole(args.out) as scratch:
        onnx.save(model, str(scratch))
    say(f"{args.out}  {_told(args, card)}")
    return 0


def _told(args: argparse.Namespace, card: ModelCard) -> str:
    """What came of it."""
    told = [f"input {card.input_dtype}"] if args.input else []
    if args.decode:
        told.append(f"decode outside: {', '.join(card.outputs)}")
    if args.nms:
        baked = f", conf {card.conf:g}, iou {card.iou:g}" if args.nms != "topk" else ""
        told.append(f"{args.nms}, {card.candidates or 'all'} candidates{baked}: {', '.join(card.outputs)}")
    return "; ".join(told)


def _card(args: argparse.Namespace) -> ModelCard:
    card = read_card(args.card or args.model)
    return card.with_(parent_sha256=sha256_of(args.model), conf=card.conf if args.conf is None else args.conf,
                      iou=card.iou if args.iou is None else args.iou)


def _check(args: argparse.Namespace) -> None:
    model, out = args.model, args.out
    if not args.nms and not args.input and not args.decode:
        raise MineHatError("Nothing to graft: give --nms topk, graph or plugin, --input uint8 or --decode outside.")
    if args.nms and args.decode:
        raise MineHatError("--nms wants boxes, which --decode outside leaves to the runtime. Give one of them.")
    lost = [flag for flag in ("candidates", "conf", "iou") if getattr(args, flag) is not None and not args.nms]
    if lost:
        raise MineHatError(f"--{lost[0]} belongs to --nms topk, graph or plugin: give one of them as well.")
    if not model.is_file():
        raise MineHatError(f"{model}: no such model file.")
    if out.suffix.lower() != ".onnx":
        raise MineHatError(f"-o {out}: the name must end in .onnx.")
    if out.exists() and out.samefile(model):
        raise MineHatError(f"-o {out} is the model. Name another file.")
