"""minehat detect models/helmet-nano/helmet-nano.int8-cpu.onnx pictures/ --json out.json --draw drawn/

Find helmets and bare heads in pictures, folders, videos and cameras.

SOURCE is a picture, a folder (the pictures that lie in it, by name; not its subfolders), a video, or a
camera's URL (rtsp://..., http://...). Give as many as you like. A camera is watched until Ctrl-C, which
ends any run cleanly: what was done until then is in the files, and the exit code is 130.

JSON: {"model": ..., "images": [{"source": ..., "width": ..., "height": ..., "detections": [{"box":
[x0, y0, x1, y1], "score": ..., "label": "helmet"}]}]}, boxes in pixels of the frame. Frames of videos
and cameras also have "frame" (from 0) and "seconds". A .jsonl file gets one such image a line, at once.

exit codes: 0 done; 2 nothing was begun, for the model or an argument cannot be used or none of the sources
is there; 3 inputs were not there or could not be read, some or all of them, and the rest is done; 5 the GPU
gave up; 130 ended by Ctrl-C, 143 by SIGTERM (without the files that are written whole). Stderr names what
failed, a line each.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing

from .arguments import positive, share
from .backends import CHOICES
from .detections import Detections
from .detector import Detector, open_detector
from .doors import DONE, INTERRUPTED, MENDABLE, SOME_FAILED
from .drawings import Drawings
from .errors import MineHatError
from .progress import bar, say
from .results import Write, check_no_input, check_place, entry_of, results_to
from .sources import Input, Shot, count_frames, frames_of, listed, without_secrets

MOST_COLUMNS = 4  # classes that the table shows whether they were seen or not


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what `minehat detect` takes."""
    parser.add_argument("model", metavar="MODEL", help="an .onnx file, FP32, FP16 or INT8, or an engine made of one")
    parser.add_argument("sources", metavar="SOURCE", nargs="+", help="picture, folder, video or camera URL")
    parser.add_argument("--json", metavar="FILE",
                        help="write what was found: .json one document, .jsonl a line a frame, - stdout")
    parser.add_argument("--draw", metavar="DIR",
                        help="draw the boxes: pictures as DIR/NAME.jpg, videos as DIR/NAME.mp4")
    parser.add_argument("--conf", metavar="C", type=share,
                        help="least score of a detection, 0 to 1 (default: the card's)")
    parser.add_argument("--iou", metavar="I", type=share,
                        help="two boxes of a class that overlap more are one, 0 to 1 (default: the card's)")
    parser.add_argument("--backend", choices=CHOICES, default="auto",
                        help="what runs the model: ort is ONNX Runtime on the CPU, the default (auto) for .onnx files; "
                             "openvino is faster there with small INT8 models and wants `pip install openvino`; "
                             "ort-cuda and ort-tensorrt are ONNX Runtime on the GPU; tensorrt runs engines there, the "
                             "default for them")
    parser.add_argument("--card", metavar="FILE", help="model card, for a model that carries none")
    parser.add_argument("--threads", metavar="N", type=positive, help="processor threads (default: all cores)")


def run(args: argparse.Namespace) -> int:
    """Detect, and tell people on stderr, machines in --json. Returns the exit code."""
    check_place(args.json)
    check_no_input(args.json, model=args.model, card=args.card)
    failures = _Failures()
    inputs = listed(args.sources, failures)
    if not inputs:
        return MENDABLE
    tally = _Tally(args.sources)
    interrupted = False
    with ExitStack() as opened:
        detector = opened.enter_context(open_detector(args.model, args.card, args.backend, args.conf,
                                                      args.iou, args.threads))
        classes = detector.card.classes
        drawings = opened.enter_context(Drawings(args.draw, inputs, classes)) if args.draw else None
        write = opened.enter_context(results_to(args.json, args.model))
        try:
            _detect(detector, inputs, failures, tally, write, drawings)
        except KeyboardInterrupt:
            interrupted = True
    say(tally.table(classes))
    return INTERRUPTED if interrupted else SOME_FAILED if failures.count else DONE


def _detect(detector: Detector, inputs: list[Input], failures: _Failures, tally: _Tally, write: Write,
            drawings: Drawings | None) -> None:
    numbered = _numbered(inputs, failures)
    with closing(bar(numbered, count_frames(inputs), "detecting")) as stream:
        for given, shot in stream:
            begun = time.perf_counter()
            found = detector(shot.frame)
            tally.add(given, found, time.perf_counter() - begun)
            write(entry_of(shot, found, detector.card.classes))
            if drawings:
                drawings.add(shot, found)


def _numbered(inputs: list[Input], failures: _Failures) -> Iterator[tuple[int, Shot]]:
    """Every shot with the number of the source that it is of."""
    for given, those in itertools.groupby(inputs, key=lambda one: one.given):
        for shot in frames_of(list(those), failures):
            yield given, shot


class _Failures:
    """Prints what failed, one line each, and counts it."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, exc: MineHatError) -> None:
        self.count += 1
        say(f"minehat: {' '.join(str(exc).split())}")


class _Tally:
    """What was seen in each source, and how long the detector took: letterbox, network, suppression."""

    def __init__(self, sources: Sequence[str]) -> None:
        self._names = [without_secrets(source) for source in sources]
        self._frames = [0] * len(sources)
        self._seconds = [0.0] * len(sources)
        self._seen: list[Counter[int]] = [Counter() for _ in sources]

    def add(self, given: int, found: Detections, seconds: float) -> None:
        self._frames[given] += 1
        self._seconds[given] += seconds
        self._seen[given].update(found.labels.tolist())

    def table(self, classes: Sequence[str]) -> str:
        """A line for each source; a column for each class, of many only for those that were seen."""
        total = sum(self._seen, Counter[int]())
        shown = [label for label in range(len(classes)) if len(classes) <= MOST_COLUMNS or total[label]]
        rows = [["source", "frames", *(classes[label] for label in shown), "ms per frame"]]
        for name, frames, seconds, seen in zip(self._names, self._frames, self._seconds, self._seen, strict=True):
            rows.append(_row(name, frames, [seen[label] for label in shown], seconds))
        if len(self._names) > 1:
            rows.append(_row("all", sum(self._frames), [total[label] for label in shown], sum(self._seconds)))
        return _aligned(rows)


def _row(name: str, frames: int, seen: list[int], seconds: float) -> list[str]:
    each = f"{1000 * seconds / frames:.1f}" if frames else "-"
    return [name, str(frames), *map(str, seen), each]


def _aligned(rows: list[list[str]]) -> str:
    """The first column to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) if column == 0 else cell.rjust(width)
                               for column, (cell, width) in enumerate(zip(row, widths, strict=True)))
                     for row in rows)
