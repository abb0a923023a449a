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
import re
import time
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy.typing as npt

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
from .variants import variant_for, variant_of_size

MOST_COLUMNS = 4  # classes that the table shows whether they were seen or not
Numbered = tuple[int, Shot]  # which of the sources given it is of
Seen = tuple[int, Shot, Detections]


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
    parser.add_argument("--size", metavar="auto|WxH", type=_size,
                        help="take another input size where the model has files of several beside it "
                             "(helmet.416x256.int8-cpu.onnx): WxH, or auto for the one that suits each frame's shape, "
                             "where its card says that it sees as well (default: MODEL as named)")
    parser.add_argument("--batch", metavar="N", type=positive, default=1,
                        help="frames that go through the network at once, which pays on a GPU (default: 1)")
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
        detectors = _Detectors(args, opened)
        classes = detectors.first.card.classes
        drawings = opened.enter_context(Drawings(args.draw, inputs, classes)) if args.draw else None
        write = opened.enter_context(results_to(args.json, args.model))
        try:
            _detect(detectors, args.batch, inputs, failures, tally, write, drawings)
        except KeyboardInterrupt:
            interrupted = True
    say(tally.table(classes))
    return INTERRUPTED if interrupted else SOME_FAILED if failures.count else DONE


def _detect(detectors: _Detectors, batch: int, inputs: list[Input], failures: _Failures, tally: _Tally, write: Write,
            drawings: Drawings | None) -> None:
    ahead = not any(one.is_camera for one in inputs)  # a camera may hang, and its frames are seen as they come
    with closing(_seen(_numbered(inputs, failures), detectors, batch, ahead)) as stream:
        begun = time.perf_counter()
        for given, shot, found in bar(stream, count_frames(inputs), "detecting"):
            write(entry_of(shot, found, detectors.first.card.classes))
            if drawings:
                drawings.add(shot, found)
            now = time.perf_counter()
            tally.add(given, found, now - begun)
            begun = now


def _seen(numbered: Iterable[Numbered], detectors: _Detectors, batch: int, ahead: bool) -> Generator[Seen, None, None]:
    """Every shot and what is seen in it, in order. ahead: shots may be read while others are in the network."""
    for detector, those in itertools.groupby(numbered, lambda one: detectors.for_frame(one[1].frame)):
        if batch > 1:
            yield from _in_batches(detector, those, batch)
        elif ahead:
            yield from _in_a_stream(detector, those)
        else:
            for given, shot in those:
                yield given, shot, detector(shot.frame)


def _in_batches(detector: Detector, those: Iterator[Numbered], batch: int) -> Iterator[Seen]:
    while some := list(itertools.islice(those, batch)):
        for (given, shot), found in zip(some, detector.batch(shot.frame for _, shot in some), strict=True):
            yield given, shot, found


def _in_a_stream(detector: Detector, those: Iterator[Numbered]) -> Iterator[Seen]:
    waiting: deque[Numbered] = deque()

    def frames() -> Iterator[npt.NDArray[Any]]:
        for one in those:
            waiting.append(one)
            yield one[1].frame

    with closing(detector.stream(frames())) as stream:
        for found in stream:
            yield *waiting.popleft(), found


def _numbered(inputs: list[Input], failures: _Failures) -> Iterator[Numbered]:
    """Every shot with the number of the source that it is of."""
    for given, those in itertools.groupby(inputs, key=lambda one: one.given):
        for shot in frames_of(list(those), failures):
            yield given, shot


def _size(text: str) -> tuple[int, int] | str:
    if text == "auto":
        return text
    if not re.fullmatch("[0-9]+x[0-9]+", text):
        raise argparse.ArgumentTypeError(f"must be auto or WxH, such as 416x256; found {text!r}")
    width, height = map(int, text.split("x"))
    return width, height


class _Detectors:
    """What frames are shown to: the model that was named or, as --size says, others of its family."""

    def __init__(self, args: argparse.Namespace, opened: ExitStack) -> None:
        self._args, self._opened = args, opened
        self._by_path: dict[Path, Detector] = {}
        self._by_shape: dict[tuple[int, int], Detector] = {}
        if args.size and args.card:
            raise MineHatError("--size chooses by the models' own cards: leave --card away, or --size.")
        self._named = Path(args.model)
        if isinstance(args.size, tuple):
            self._named = variant_of_size(self._named, *args.size)
        self.first = self._of(self._named)

    def for_frame(self, frame: npt.NDArray[Any]) -> Detector:
        """The one that suits a frame; frames of one shape have the same."""
        if self._args.size != "auto":
            return self.first
        height, width = frame.shape[:2]
        if (height, width) not in self._by_shape:
            path = variant_for(self._named, width, height)
            say(f"{width}x{height}: {path}")
            self._by_shape[height, width] = self._of(path)
        return self._by_shape[height, width]

    def _of(self, path: Path) -> Detector:
        if path not in self._by_path:
            args = self._args
            self._by_path[path] = self._opened.enter_context(
                open_detector(path, args.card, args.backend, args.conf, args.iou, args.threads))
        return self._by_path[path]


class _Failures:
    """Prints what failed, one line each, and counts it."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, exc: MineHatError) -> None:
        self.count += 1
        say(f"minehat: {' '.join(str(exc).split())}")


class _Tally:
    """What was seen in each source, and how long it took: reading, detecting, writing."""

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
