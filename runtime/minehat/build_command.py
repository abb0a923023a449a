"""minehat build models/helmet-nano/helmet-nano.int8.onnx

Build an engine from an ONNX file, and write its card (OUT.engine.json) beside it. With TensorRT it is
for this machine's GPU; with TensorRT-RTX it is compiled ahead of time, no GPU needed, for the desktop
cards named by --sm. FP16 and INT8 are what the ONNX file says (calib/quantize.py makes such files); the
table shows how each convolution really runs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from .card import read_card
from .engine.build import Built, engine_from_onnx
from .engine.differences import USUAL_SM
from .engine.layers import counted
from .engine.library import TARGETS
from .engine.options import (
    REQUIRABLE,
    USUAL_BATCH,
    BuildOptions,
    batch_from_text,
    bytes_from_text,
    sm_from_text,
)
from .errors import MineHatError
from .files import ready_file, write_whole
from .progress import say
from .results import check_no_input


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what `minehat build` takes."""
    parser.add_argument("model", metavar="MODEL.onnx", help="the ONNX file")
    parser.add_argument("-o", "--out", metavar="OUT.engine",
                        help="file or folder (default: beside the ONNX, as NAME.rtx.engine or NAME.<gpu>.engine)")
    parser.add_argument("--target", default="auto", metavar="|".join(TARGETS),
                        help="auto: TensorRT where it and a GPU are here, else RTX ahead of time")
    parser.add_argument("--sm", metavar="86,89", help="compute capabilities to build for, RTX only "
                        f"(default {','.join(map(str, USUAL_SM))})")
    parser.add_argument("--batch", metavar="MIN,OPT,MAX",
                        help="pictures at once: least, best, most; or one number (default "
                             f"{','.join(map(str, USUAL_BATCH))}, or the model's own when it is fixed)")
    parser.add_argument("--workspace", default="1GiB", metavar="SIZE",
                        help="most GPU scratch memory that a layer may use (default 1GiB)")
    parser.add_argument("--require", metavar="|".join(REQUIRABLE),
                        help="fail, naming them, when convolutions run in another precision")
    parser.add_argument("--card", metavar="FILE", help="model card for an ONNX file that carries none")
    parser.add_argument("--json", metavar="FILE", help="write what was built into this .json file; - for stdout")


def run(args: argparse.Namespace) -> int:
    """Build, tell people on stderr and machines in --json. Returns 0; raises MineHatError."""
    _check_json(args)
    options = BuildOptions(
        target=args.target, sm=sm_from_text(args.sm) if args.sm else (),
        batch=batch_from_text(args.batch) if args.batch else None,
        workspace=bytes_from_text(args.workspace), require=args.require)
    built = engine_from_onnx(args.model, args.out, options, read_card(args.card) if args.card else None)
    say(_table(built))
    if args.json:
        _write_json(args.json, built)
    return 0


def _check_json(args: argparse.Namespace) -> None:
    """Before the build, which takes minutes."""
    if args.json in (None, "-"):
        return
    name = args.json.lower()
    if not name.endswith(".json") or name.endswith(".engine.json"):
        raise MineHatError(f"--json {args.json}: the name must end in .json, or be - for stdout, and not in "
                           ".engine.json, which is an engine's card.")
    check_no_input(args.json, model=args.model, card=args.card)
    ready_file(args.json)


def _table(built: Built) -> str:
    card = built.card
    aims = card.gpu or "sm " + ", ".join(text.replace(".", "") for text in card.compute_capabilities)
    least, best, most = card.batch
    lines = [f"{built.path}  {card.engine_bytes / 1e6:.1f} MB, {card.build_seconds:.1f} s with "
             f"{built.library.title}, for {aims}, batch {least}..{most} (best at {best})"]
    lines += _rows("convolutions", card.precisions.items())
    lines += _rows("all layers", built.layers.items())
    lines += [f"note: {note}" for note in _notes(built)]
    return "\n".join(lines)


def _rows(title: str, counts: Iterable[tuple[str, int]]) -> list[str]:
    return [f"  {title if row == 0 else '':14}{precision:24}{count:5}"
            for row, (precision, count) in enumerate(counts)] or [f"  {title:14}not shown by the builder's log"]


def _notes(built: Built) -> list[str]:
    """What a person should know: the model's word against the engine's, and the library's warnings."""
    promised = built.card.model.precision.split("+")[0]
    runs = counted(conv.runs_in for conv in built.convolutions)
    others = sum(count for name, count in runs.items() if name != promised)
    notes = [f"the card says {built.card.model.precision}, {others} of {len(built.convolutions)} convolutions "
             f"run otherwise ({', '.join(runs)})"] if others else []
    if built.warnings:
        more = f" (and {len(built.warnings) - 1} more; --json holds all)" if len(built.warnings) > 1 else ""
        notes.append(f"the builder warns: {' '.join(built.warnings[0].split())[:160]}{more}")
    return notes


def _write_json(name: str, built: Built) -> None:
    report = {"engine": str(built.path), "card": json.loads(built.card.to_json()),
              "convolutions": [asdict(conv) for conv in built.convolutions],
              "layers": built.layers, "warnings": list(built.warnings)}
    text = json.dumps(report, indent=1) + "\n"
    if name == "-":
        sys.stdout.write(text)
    else:
        write_whole(Path(name), text)
