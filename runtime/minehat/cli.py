"""minehat detect models/helmet-nano/helmet-nano.int8-cpu.onnx pictures/ --json out.json --draw drawn/

A helmet watch for mines: finds helmets and bare heads in pictures, videos and cameras.
`minehat COMMAND --help` tells what a command takes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from . import __version__, adapt_command, build_command, detect_command, graft_command, handoff_command, inspect_command
from .doors import MENDABLE, run_door

COMMANDS = {"detect": (detect_command, "find helmets and bare heads in pictures, videos and cameras"),
            "adapt": (adapt_command, "make another's ONNX detector serve here"),
            "build": (build_command, "build a TensorRT engine from an ONNX file"),
            "graft": (graft_command, "put suppression inside an ONNX file"),
            "inspect": (inspect_command, "tell what an ONNX file, an engine or a card is"),
            "handoff": (handoff_command, "hand a model off to Triton or DeepStream")}


def main(argv: Sequence[str] | None = None) -> int:
    """The `minehat` command. Returns its exit code."""
    return run_door(_run, argv)


def _run(argv: Sequence[str]) -> int:
    parser = _parser()
    args = parser.parse_args(argv)
    if not hasattr(args, "run"):
        parser.print_help(sys.stderr)
        return MENDABLE
    code: int = args.run(args)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("minehat", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=f"minehat {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, (command, purpose) in COMMANDS.items():
        _add(commands.add_parser(name, help=purpose, description=command.__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter), command)
    return parser


def _add(parser: argparse.ArgumentParser, command: Any) -> None:
    command.add_arguments(parser)
    parser.set_defaults(run=command.run)
