"""minehat handoff triton models/helmet-nano/helmet-nano.int8-cpu.onnx -o repository/

Hand a model off to a server, for those who outgrow one box. MODEL is an .onnx file, or an .engine with its card.

triton      writes OUT/NAME, ready for `tritonserver --model-repository=OUT`: model, configuration, labels, a client
deepstream  writes OUT: model, configurations of nvinfer and deepstream-app, labels, the C++ parser of boxes

A README.md in it says how to go on. Nothing is overwritten but an earlier hand-off, as it was written.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .arguments import positive
from .errors import MineHatError
from .handoff import write_deepstream, write_triton
from .handoff.model import model_to_hand_off
from .handoff.triton import TritonOptions
from .progress import say

SERVERS = ("triton", "deepstream")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what `minehat handoff` takes."""
    parser.add_argument("server", choices=SERVERS, help="who takes the model over")
    parser.add_argument("model", metavar="MODEL", help="an .onnx file, or an .engine with its card beside it")
    parser.add_argument("-o", "--out", metavar="OUT", required=True, help="the folder; of triton the repository")
    parser.add_argument("--batch", metavar="N", type=positive,
                        help="most pictures at once (default: the engine's, or of an ONNX file 4)")
    parser.add_argument("--cpu", action="store_true", help="triton: serve it on the CPU, even where there is a GPU")
    parser.add_argument("--threads", metavar="N", type=positive, help="triton, on the CPU: its threads")
    parser.add_argument("--card", metavar="FILE", help="model card, for an ONNX file that carries none")


def run(args: argparse.Namespace) -> int:
    """Write the folder and tell where it is. Returns 0; raises MineHatError."""
    if args.server == "deepstream" and (args.cpu or args.threads):
        raise MineHatError("--cpu and --threads belong to `minehat handoff triton`; DeepStream runs on GPUs.")
    model = model_to_hand_off(args.model, args.card, args.batch)
    if args.server == "triton":
        folder = write_triton(model, Path(args.out), TritonOptions(args.cpu, args.threads))
    else:
        folder = write_deepstream(model, Path(args.out))
    say(f"{folder}  {model.card.precision}, {model.card.size_text}; {folder / 'README.md'} says how to go on.")
    return 0
