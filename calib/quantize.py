"""Make a detector smaller and faster: FP16 and INT8 written into the ONNX file, ranges from your pictures.

    python calib/quantize.py helmet.onnx --images frames/ -o helmet.int8.onnx
    python calib/quantize.py helmet.onnx --images frames/ --form cpu -o helmet.int8-cpu.onnx
    python calib/quantize.py helmet.onnx --precision fp16 -o helmet.fp16.onnx

The TensorRT form is symmetric with pairs where TensorRT fuses them; the CPU form is for ONNX Runtime on CPUs with
VNNI. Decode stays FP32 in all. The file gets its name only after it has been checked and compared with
its parent. Exit codes: 0 done, 2 you can mend it (nothing written), 3 written, but some pictures could not be read.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from minecalib.forms.fp16 import GREATEST, check_halves
from minecalib.images import Squares, find_pictures, sample
from minecalib.lowering import FORMS, PRECISIONS, Lowered, Wish, lower, measure
from minecalib.parent import Parent, open_parent
from minecalib.ranges import METHODS, Clipping, Seen
from minecalib.ranges.cache import default_folder
from minecalib.written import Made, write_lowered
from minehat.doors import DONE, SOME_FAILED, run_door
from minehat.errors import MineHatError
from minehat.files import ready_file
from minehat.progress import say


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
                        help="leave biases alone; otherwise they make up for what rounded weights do to the mean")
    parser.add_argument("--cache", default=str(default_folder()), metavar="FOLDER|none",
                        help="where calibrations are kept, by the hashes of model and pictures (%(default)s)")
    parser.add_argument("--limit", type=int, metavar="N", help="calibrate on N of the pictures, drawn at random (all)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw for --limit (default: 0)")
    parser.add_argument("--card", type=Path, metavar="CARD.json", help="card of a model that carries none")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.onnx", help="the file to write")
    return parser


def main(argv: Sequence[str]) -> int:
    args = arguments().parse_args(argv)
    wish = Wish(args.precision, args.form, Clipping(args.method, args.percentile), args.attention,
                not args.no_bias_correction)
    parent = open_parent(args.model, args.card)
    _check(args, wish, parent)
    squares = Squares(sample(find_pictures(args.images, parent.card.classes), args.limit, args.seed), parent.card)
    ready_file(args.out)
    began = time.monotonic()
    seen, kept = None, None
    if squares.pictures:
        squares.survey()
        seen, kept = measure(parent, squares, None if args.cache == "none" else Path(args.cache))
    lowered = lower(parent, wish, seen)
    made = write_lowered(lowered, parent, wish, squares, args.out)
    for reason in squares.failed.values():
        say(f"passed over: {reason}")
    say(_table(args.out, wish, squares, parent, seen, kept, lowered, made, time.monotonic() - began))
    return SOME_FAILED if squares.failed else DONE


def _check(args: argparse.Namespace, wish: Wish, parent: Parent) -> None:
    if wish.is_int8 and not args.images and not parent.fine_tuned_for:
        raise MineHatError(f"--precision {wish.precision} needs pictures to find the ranges: `--images FOLDER`.")
    if args.out.suffix != ".onnx":
        raise MineHatError(f"-o {args.out}: the name must end in .onnx.")
    if args.out.resolve() == args.model.resolve():
        raise MineHatError(f"-o {args.out} is the model itself. Name another file.")
    if args.limit is not None and args.limit < 1:
        raise MineHatError(f"--limit {args.limit}: give 1 or more.")


def _table(out: Path, wish: Wish, squares: Squares, parent: Parent, seen: Seen | None, kept: Path | None,
           lowered: Lowered, made: Made, seconds: float) -> str:
    rows = [("file", f"{out}, {wish.name}"), ("size", f"{parent.size / 1e6:.1f} -> {made.bytes_after / 1e6:.1f} MB"),
            ("pictures", f"{len(squares.digests)} used, {len(squares.failed)} passed over"),
            ("ranges", _ranges(wish, parent, seen, kept)),
            ("Q / DQ / casts", f"{made.pairs} / {made.dequantizers} / {lowered.casts}")]
    rows += [("left in float", f"{count} {kind}: {why}") for kind, count, why in lowered.floats]
    rows += [("decode", f"{lowered.decode} nodes, FP32")]
    if "fp16" in wish.precision:
        rows.append(("FP16", _headroom(seen)))
    remark = "" if lowered.judged is lowered.model or not lowered.casts else \
        ", before the FP16 pass (ONNX Runtime < 1.30 misrounds FP16)"
    rows += [("against FP32", f"boxes {made.drift.boxes:.3f} px, scores {made.drift.scores:.1e}, score SQNR "
                              f"{made.drift.sqnr:.1f} dB over {made.drift.pictures} pictures{remark}"),
             ("time", f"{seconds:.0f} s")]
    return "\n".join(f"{name:<15} {text}" for name, text in rows)


def _ranges(wish: Wish, parent: Parent, seen: Seen | None, kept: Path | None) -> str:
    if not wish.is_int8:
        return "none needed"
    if parent.fine_tuned_for:
        return "as the model was fine-tuned for"
    assert seen is not None
    return f"{wish.clipping.text} of {len(seen.histograms)} tensors{f', kept in {kept}' if kept else ''}"


def _headroom(seen: Seen | None) -> str:
    if seen is None:
        return "not checked for overflow on pictures: give `--images`"
    name, greatest = check_halves(seen.histograms)
    return f"the largest activation is {greatest:g} of {GREATEST:g} ({name})"


if __name__ == "__main__":
    sys.exit(run_door(main))
