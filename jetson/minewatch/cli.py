"""minewatch run models/helmet-nano/helmet-nano.onnx rtsp://user:password@camera/live --json events.jsonl

Watches one source for bare heads. A source is a camera's URL, a video, a picture or a folder of
pictures. Alarms are printed on stderr; with --json every event is a line of that file, on disk
before it is printed.

An alarm opens when bare heads were seen for 1 s and in 5 frames, and closes when none was seen for
5 s; it is sounded at most once in 60 s. `minewatch check MODEL SOURCE` tells what would stand in
the way.

Exit codes: 0 all was seen (or SIGTERM, or Ctrl-C), 1 a fault of ours, 2 you can mend it, 3 part of
the source was not seen, or an event could not be kept.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import signal
import sys
import threading
from collections.abc import Sequence

import minehat
from minehat.arguments import above_zero, share
from minehat.doors import DONE, SOME_FAILED, run_door
from minehat.results import check_no_input

from .check import check
from .events import Voice
from .reader import Reader
from .watch import rules_of, watch


def main(argv: Sequence[str] | None = None) -> int:
    """The door. Returns the exit code."""
    return run_door(_main, argv)


def _main(argv: Sequence[str]) -> int:
    args = _parser().parse_args(argv)
    if args.command == "check":
        return check(args.model, args.source, args.card)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return _run(args, stop)


def _run(args: argparse.Namespace, stop: threading.Event) -> int:
    check_no_input(args.json, model=args.model, card=args.card, source=args.source)
    with minehat.open(args.model, args.card, conf=args.conf) as detector, Voice(args.json) as voice:
        rules_of(detector.card.classes, args.model)
        with Reader(args.source) as reader:
            code = watch(detector, reader, voice.say, stop, args.seconds)
        code = SOME_FAILED if code == DONE and voice.lost else code
    if reader.stuck:
        _leave_at_once(code)
    return code


def _leave_at_once(code: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="minewatch", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="watch a source and raise alarms")
    look = commands.add_parser("check", help="say whether the model and the source can be used")
    for command in (run, look):
        command.add_argument("model", metavar="MODEL", help="an .onnx file")
        command.add_argument("source", metavar="SOURCE", help="a camera's URL, a video, a picture or a folder")
        command.add_argument("--card", metavar="FILE", help="model card, for a model that carries none")
    run.add_argument("--json", metavar="FILE", help="append every event to this file, a line each; - is stdout")
    run.add_argument("--conf", type=share, metavar="C", help="lowest score that counts, 0 to 1 (the card's)")
    run.add_argument("--seconds", type=above_zero, default=math.inf, metavar="N",
                     help="stop after so many seconds; of a video's own time, for files")
    return parser
