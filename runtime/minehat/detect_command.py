"""minehat detect models/helmet-nano/helmet-nano.int8-cpu.onnx pictures/ --json out.json --draw drawn/

Find helmets and bare heads in pictures, folders, videos and cameras.

SOURCE is a picture, a folder (the pictures that lie in it, by name; not its subfolders), a video, or a
camera's URL (rtsp://..., http://...). Give as many as you like. A camera is watched until Ctrl-C, which
ends any run cleanly: what was done until then is in the files, and the exit code is 130.

JSON: {"model": ..., "images": [{"source": ..., "width": ..., "height": ..., "detections": [{"box":
[x0, y0, x1, y1], "score": ..., "label": "helmet"}]}]}, boxes in pixels of the frame. Frames of videos
and cameras also have "frame" (from 0) and "seconds". A .jsonl file gets one such image a line, at once.

--ray is for archives that are too large for one core, or one machine: folders and long videos are cut into parts, and
what comes of them is put together as if they had been seen in one go. All machines of a cluster must have the model
and the sources at the same places, as in a shared folder; where their processors are of different kinds, INT8 models
round differently on them. Ray trusts everybody who reaches its ports: keep a cluster in a network of its own.

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
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing

from .arguments import positive, share
from .backends import CHOICES
from .doors import DONE, INTERRUPTED, MENDABLE, SOME_FAILED
from .drawings import Drawings
from .errors import MineHatError
from .progress import bar, say
from .results import Write, check_no_input, check_place, entry_of, results_to
from .seeing import Asked, Detectors, Numbered
from .sharding.ray_crew import HERE, ray_address
from .sharding.run import check_in_parts, detected_in_parts
from .sharding.work import work_of
from .sources import Input, count_frames, frames_of, listed, without_secrets

MOST_COLUMNS = 4  # classes that the table shows whether they were seen or not
Prepared = tuple[Callable[["_Tally", Write], None], Sequence[str]]  # what detects, and the names of the classes


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
    parser.add_argument("--threads", metavar="N", type=positive,
                        help="processor threads (default: all cores; with --ray one for each worker)")
    parser.add_argument("--ray", metavar="ADDRESS", nargs="?", const=HERE, type=ray_address,
                        help="detect in parts, side by side, by Ray (`pip install 'minehat[ray]'`): on all cores of "
                             "this machine, or of the cluster at ADDRESS (HOST:PORT, or auto: the one that it is part "
                             "of). Finished parts are kept in FILE.parts beside --json FILE, and the same command goes "
                             "on after a kill. Not for cameras and --draw")


def run(args: argparse.Namespace) -> int:
    """Detect, and tell people on stderr, machines in --json. Returns the exit code."""
    check_place(args.json)
    check_no_input(args.json, model=args.model, card=args.card)
    failures = _Failures()
    inputs = listed(args.sources, failures)
    if not inputs:
        return MENDABLE
    asked = Asked(args.model, args.card, args.backend, args.conf, args.iou, args.threads, args.size, args.batch)
    tally = _Tally(args.sources)
    interrupted = False
    with ExitStack() as opened:
        detect, classes = (_in_parts if args.ray else _in_one_go)(args, asked, inputs, failures, opened)
        write = opened.enter_context(results_to(args.json, args.model))
        try:
            detect(tally, write)
        except KeyboardInterrupt:
            interrupted = True
    say(tally.table(classes))
    return INTERRUPTED if interrupted else SOME_FAILED if failures.count else DONE


def _in_one_go(args: argparse.Namespace, asked: Asked, inputs: list[Input], failures: _Failures,
               opened: ExitStack) -> Prepared:
    detectors = Detectors(asked, opened)
    classes = detectors.first.card.classes
    drawings = opened.enter_context(Drawings(args.draw, inputs, classes)) if args.draw else None

    def detect(tally: _Tally, write: Write) -> None:
        ahead = not any(one.is_camera for one in inputs)  # a camera may hang, and its frames are seen as they come
        with closing(detectors.seen(_numbered(inputs, failures), ahead)) as stream:
            begun = time.perf_counter()
            for given, shot, found in bar(stream, count_frames(inputs), "detecting"):
                write(entry_of(shot, found, classes))
                if drawings:
                    drawings.add(shot, found)
                now = time.perf_counter()
                tally.add(given, found.labels.tolist(), now - begun)
                begun = now

    return detect, classes


def _in_parts(args: argparse.Namespace, asked: Asked, inputs: list[Input], failures: _Failures,
              opened: ExitStack) -> Prepared:
    check_in_parts(args.draw, inputs)
    work = work_of(asked)
    stream = opened.enter_context(detected_in_parts(work, inputs, args.json, args.ray, failures))

    def detect(tally: _Tally, write: Write) -> None:
        with closing(stream):
            for some in stream:
                for entry in some.entries:
                    write(entry)
                    tally.add(some.given, [work.classes.index(one["label"]) for one in entry["detections"]],
                              some.seconds / len(some.entries))

    return detect, work.classes


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

    def add(self, given: int, labels: Iterable[int], seconds: float) -> None:
        """A frame of that source, what was seen in it and how long it took."""
        self._frames[given] += 1
        self._seconds[given] += seconds
        self._seen[given].update(labels)

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
