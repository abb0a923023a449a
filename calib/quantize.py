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

from minecalib.images import Squares, find_pictures, sample
from minecalib.lowering import FORMS, PRECISIONS, Made, Wish, lower
from minecalib.ranges import METHODS, Clipping
from minehat.card import read_card
from minehat.doors import DONE, SOME_FAILED, run_door
from minehat.errors import MineHatError
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
    parser.add_argument("--limit", type=int, metavar="N", help="calibrate on N of the pictures, drawn at random (all)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw for --limit (default: 0)")
    parser.add_argument("--card", type=Path, metavar="CARD.json", help="card of a model that carries none")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.onnx", help="the file to write")
    return parser


def main(argv: Sequence[str]) -> int:
    args = arguments().parse_args(argv)
    wish = Wish(args.precision, args.form, Clipping(args.method, args.percentile))
    _check(args, wish)
    card = read_card(args.card or args.model)
    pictures = sample(find_pictures(args.images, card.classes), args.limit, args.seed)
    squares = Squares(pictures, card)
    began = time.monotonic()
    made = lower(args.model, card, wish, squares, args.out)
    for reason in squares.failed.values():
        say(f"passed over: {reason}")
    say(_table(args.out, wish, squares, made, time.monotonic() - began))
    return SOME_FAILED if squares.failed else DONE


def _check(args: argparse.Namespace, wish: Wish) -> None:
    if wish.needs_ranges and not args.images:
        raise MineHatError(f"--precision {wish.precision} needs pictures to find the ranges: `--images FOLDER`.")
    if args.out.suffix != ".onnx":
        raise MineHatError(f"-o {args.out}: the name must end in .onnx.")
    if args.out.resolve() == args.model.resolve():
        raise MineHatError(f"-o {args.out} is the model itself. Name another file.")
    if args.limit is not None and args.limit < 1:
        raise MineHatError(f"--limit {args.limit}: give 1 or more.")


def _table(out: Path, wish: Wish, squares: Squares, made: Made, seconds: float) -> str:
    floats = ", ".join(f"{count} {kind}" for kind, count in made.floats.items()) or "nothing"
    remark = ", before the FP16 pass (ONNX Runtime < 1.30 misrounds FP16)" if made.before_fp16 else ""
    rows = [
        ("file", f"{out}, {wish.name}"),
        ("size", f"{made.bytes_before / 1e6:.1f} -> {made.bytes_after / 1e6:.1f} MB"),
        ("pictures", f"{len(squares.digests)} used, {len(squares.failed)} passed over"),
        ("ranges", f"{made.tensors} tensors, {wish.clipping.text}" if wish.needs_ranges else "none needed"),
        ("Q / DQ / casts", f"{made.pairs} / {made.dequantizers} / {made.casts}"),
        ("left in float", f"{floats}; decode ({made.decode} nodes, FP32)"),
        ("against FP32", f"boxes {made.drift.boxes:.3f} px, scores {made.drift.scores:.1e}, score SQNR "
                         f"{made.drift.sqnr:.1f} dB over {made.drift.pictures} pictures{remark}"),
        ("time", f"{seconds:.0f} s"),
    ]
    return "\n".join(f"{name:<15} {text}" for name, text in rows)


if __name__ == "__main__":
    sys.exit(run_door(main))
