"""Make a detector smaller and faster: FP16 and INT8 written into the ONNX file, ranges from your pictures.

    python calib/quantize.py helmet.onnx --images frames/ -o helmet.int8.onnx
    python calib/quantize.py helmet.onnx --images frames/ --form cpu -o helmet.int8-cpu.onnx
    python calib/quantize.py helmet.onnx --precision fp16 -o helmet.fp16.onnx
    python calib/quantize.py helmet.onnx --images frames/ --gate labelled/ --report int8.html -o helmet.int8.onnx

The TensorRT form is symmetric with pairs where TensorRT fuses them; the CPU form is for ONNX Runtime on CPUs with
VNNI. Decode stays FP32 in all. The file gets its name only after it has been checked and compared with its parent, and,
with --gate, after labelled pictures have shown that too much is not lost. A model that export/finetune_int8.py wrote
brings its ranges along and needs no --images. Exit codes: 0 done, 2 you can mend it (nothing written), 3 written,
but some pictures could not be read.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from minecalib.gate.asked import add_arguments, budget_of, exam_of, measure_of
from minecalib.gate.exam import Exam
from minecalib.gate.gate import Gate
from minecalib.gate.told import print_trial
from minecalib.images import Picture, Squares, find_pictures, sample
from minecalib.job import Job, names_of, open_job, walk_over
from minecalib.lowering import FORMS, PRECISIONS, Wish
from minecalib.parent import Parent, open_parent
from minecalib.ranges import METHODS, Clipping
from minecalib.ranges.domain import gap
from minecalib.report import Elsewhere, Outcome, ready_report, write_report
from minecalib.told import file_told
from minecalib.written import write_lowered
from minehat.doors import DONE, SOME_FAILED, run_door
from minehat.errors import MineHatError
from minehat.files import cache_folder, ready_file
from minehat.progress import say
from minehat.scoring import spread
from onnx import ModelProto

COMPARED = 64  # pictures of another place that are compared with the calibration's


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="the FP32 detector, as export/to_onnx.py writes it")
    parser.add_argument("--images", action="append", default=[], metavar="FOLDER|LIST.txt",
                        help="calibration pictures: a folder (searched through), a list of paths relative to "
                             "itself, or a Pascal VOC split (ImageSets/Main/train.txt); may be repeated")
    parser.add_argument("--precision", choices=PRECISIONS, default="int8", help="default: int8; fp16 needs no pictures")
    parser.add_argument("--form", choices=list(FORMS), default="tensorrt", help="where it will run (default: tensorrt)")
    parser.add_argument("--method", choices=METHODS, default="percentile",
                        help="how ranges are clipped (default: percentile)")
    parser.add_argument("--percentile", type=float, default=99.999, metavar="P",
                        help="share of the values that ranges hold, for --method percentile (default: 99.999)")
    parser.add_argument("--attention", action="store_true",
                        help="round the inputs of attention's products too (TensorRT's form; the CPU's always does)")
    parser.add_argument("--no-bias-correction", action="store_true",
                        help="leave biases alone; otherwise they make up for what rounding does to mean outputs, and "
                             "to the scores of what is seen")
    parser.add_argument("--equalise", action="store_true",
                        help="bring the channels between convolutions to one size first, so that one scale serves them "
                             "all: mends models with a few huge channels, and costs no speed")
    parser.add_argument("--cache", default=str(cache_folder("ranges")), metavar="FOLDER|none",
                        help="where calibrations are kept, by the hashes of model and pictures (%(default)s)")
    parser.add_argument("--limit", type=int, metavar="N", help="calibrate on N of the pictures, drawn at random (all)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw for --limit (default: 0)")
    parser.add_argument("--site", action="append", default=[], metavar="FOLDER|LIST.txt",
                        help="unlabelled pictures of where it will run: told whether they fill the ranges")
    parser.add_argument("--card", type=Path, metavar="CARD.json", help="card of a model that carries none")
    parser.add_argument("--report", type=Path, metavar="FILE.html",
                        help="a page about it: accuracy, drift of layers, ranges, pictures whose decision changed; "
                             "written even where the gate refuses")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.onnx", help="the file to write")
    add_arguments(parser)
    return parser


def main(argv: Sequence[str]) -> int:
    args = arguments().parse_args(argv)
    wish = Wish(args.precision, args.form, Clipping(args.method, args.percentile), args.attention,
                not args.no_bias_correction, args.equalise)
    parent = open_parent(args.model, args.card)
    _check(args, wish, parent)
    ready_file(args.out)
    began = time.monotonic()
    exam = exam_of(args, parent.card) if args.gate else None
    measure = measure_of(args, parent) if exam else parent.model
    job = open_job(parent, wish, _calibration(args, parent, exam), None if args.cache == "none" else Path(args.cache))
    outcome = _through_gate(args, job, measure, exam) if exam else Outcome(job.lowered())
    elsewhere = _elsewhere(args, job, outcome, exam)
    for other in elsewhere:
        say(other.gap.told)
    for reason in job.squares.failed.values():
        say(f"passed over: {reason}")
    if outcome.refusal is None:
        made = write_lowered(outcome.lowered, job, args.out)
        say(f"{file_told(args.out, job, outcome.lowered, made)}\n{'time':<15} {time.monotonic() - began:.0f} s")
    if args.report:
        write_report(args.report, job, outcome, elsewhere, args.out)
    if outcome.refusal:
        raise outcome.refusal
    return SOME_FAILED if job.squares.failed else DONE


def _calibration(args: argparse.Namespace, parent: Parent, exam: Exam | None) -> Squares:
    """The calibration pictures, none of them of the exam."""
    squares = Squares(sample(find_pictures(args.images, parent.card.classes), args.limit, args.seed), parent.card)
    if squares.pictures:
        squares.survey()
        left_out = squares.leave_out(exam.digests) if exam else 0
        if left_out:
            say(f"{left_out} pictures of {args.gate} are not calibrated on, since they are the gate's")
    return squares


def _through_gate(args: argparse.Namespace, job: Job, measure: ModelProto, exam: Exam) -> Outcome:
    with tempfile.TemporaryDirectory() as scratch:
        gate = Gate(job, measure, exam, budget_of(args, job.parent.card), args.max_cost, args.rendered, Path(scratch))
        trial = gate.trial  # what cannot be examined is no refusal
        try:
            return Outcome(gate.pass_through(), trial)
        except MineHatError as exc:
            if not trial.tried:
                raise
            return Outcome(job.lowered(), trial, exc)
        finally:
            if trial.tried:
                print_trial(trial, names_of(job))


def _elsewhere(args: argparse.Namespace, job: Job, outcome: Outcome, exam: Exam | None) -> list[Elsewhere]:
    """How pictures that were not calibrated on fill the ranges."""
    placement, seen = outcome.lowered.placement, job.seen
    if placement is None or seen is None:
        return []
    others: dict[str, list[Picture]] = {}
    if args.site:
        others["the site"] = find_pictures(args.site, job.parent.card.classes)
    if exam:
        others[exam.name] = [Picture(truth.path, truth.read) for truth in exam.truths]
    walked = {name: walk_over(job.parent, Squares(spread(pictures, COMPARED), job.parent.card))
              for name, pictures in others.items()}
    return [Elsewhere(gap(name, placement, seen, found), found) for name, found in walked.items()]


def _check(args: argparse.Namespace, wish: Wish, parent: Parent) -> None:
    if wish.is_int8 and not args.images and not parent.fine_tuned_for:
        raise MineHatError(f"--precision {wish.precision} needs pictures to find the ranges: `--images FOLDER`.")
    if args.out.suffix != ".onnx":
        raise MineHatError(f"-o {args.out}: the name must end in .onnx.")
    if args.out.resolve() == args.model.resolve():
        raise MineHatError(f"-o {args.out} is the model itself. Name another file.")
    if args.limit is not None and args.limit < 1:
        raise MineHatError(f"--limit {args.limit}: give 1 or more.")
    if args.report:
        ready_report(args.report)


if __name__ == "__main__":
    sys.exit(run_door(main))
