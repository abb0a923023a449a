"""minehat detect models/helmet-nano/helmet-nano.int8-cpu.onnx pictures/ --json out.json --draw drawn/

A helmet watch for mines: finds helmets and bare heads in pictures, videos and cameras.
`minehat COMMAND --help` tells what a command takes.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from . import __version__
from .doors import MENDABLE, run_door

COMMANDS = {"detect": "find helmets and bare heads in pictures, videos and cameras",
            "adapt": "make another's ONNX detector serve here",
            "build": "build a TensorRT engine from an ONNX file",
            "graft": "put suppression inside an ONNX file",
            "inspect": "tell what an ONNX file, an engine or a card is",
            "doctor": "look at this machine: what is here, what stands in the way, what to do next",
            "handoff": "hand a model off to Triton or DeepStream"}


def main(argv: Sequence[str] | None = None) -> int:
    """The `minehat` command. Returns its exit code."""
    return run_door(_run, argv)


def _run(argv: Sequence[str]) -> int:
    parser = _parser(next((word for word in argv if not word.startswith("-")), None))
    args = parser.parse_args(argv)
    if not hasattr(args, "run"):
        parser.print_help(sys.stderr)
        return MENDABLE
    code: int = args.run(args)
    return code


def _parser(chosen: str | None) -> argparse.ArgumentParser:
    """Of the `chosen` command with all its arguments, of the others by name: they are not loaded."""
    parser = argparse.ArgumentParser("minehat", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=f"minehat {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, purpose in COMMANDS.items():
        added = commands.add_parser(name, help=purpose, formatter_class=argparse.RawDescriptionHelpFormatter)
        if name == chosen:
            command = importlib.import_module(f".{name}_command", __package__)
            added.description = command.__doc__
            command.add_arguments(added)
            added.set_defaults(run=command.run)
    return parser
