"""minehat build models/helmet-nano/helmet-nano.int8.onnx

Build an engine from an ONNX file, and write its card (OUT.engine.json) beside it. With TensorRT it is
for this machine's GPU; with TensorRT-RTX it is compiled ahead of time, no GPU needed, for the desktop
cards named by --sm. FP16 and INT8 are what the ONNX file says (calib/quantize.py makes such files); the
table shows how each convolution really runs, and `minehat inspect ENGINE` all its layers.

The same build a second time is fetched from $XDG_CACHE_HOME/minehat (~/.cache/minehat), where the timings of
TensorRT's kernels are kept too: a build that was stopped or killed goes on from them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .card import OUTPUTS, read_card
from .engine.apart import answer, run_apart
from .engine.build import Built, engine_from_onnx
from .engine.differences import USUAL_SM
from .engine.dla import told_of_dla
from .engine.layers import counted
from .engine.library import TARGETS
from .engine.options import (
    REQUIRABLE,
    TACTICS,
    USUAL_BATCH,
    BuildOptions,
    batch_from_text,
    bytes_from_text,
    sm_from_text,
    tactics_from_text,
)
from .errors import MineHatError
from .progress import say
from .report_file import check_report, write_report


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
    parser.add_argument("--nms", default="none", metavar="|".join(OUTPUTS),
                        help="suppression inside the engine: topk, the best boxes alone; graph, all of it in ordinary "
                             "operations; plugin, by EfficientNMS_TRT, TensorRT only (default none)")
    parser.add_argument("--candidates", metavar="K", type=int, help="boxes that --nms lets through, the best first")
    parser.add_argument("--input", metavar="uint8",
                        help="pixels for an input: a quarter of the bytes to bring to the GPU")
    parser.add_argument("--require", metavar="|".join(REQUIRABLE),
                        help="fail, naming them, when convolutions run in another precision")
    _add_search(parser)
    parser.add_argument("--card", metavar="FILE", help="model card for an ONNX file that carries none")
    parser.add_argument("--json", metavar="FILE", help="write what was built into this .json file; - for stdout")


def _add_search(parser: argparse.ArgumentParser) -> None:
    search = parser.add_argument_group("memory, time and speed")
    search.add_argument("--workspace", metavar="SIZE",
                        help="most GPU scratch memory that a layer may use (default 1GiB; on a Jetson a quarter of the "
                             "free memory where that is less)")
    search.add_argument("--opt-level", metavar="0..5", type=int,
                        help="how long to look for fast kernels: less time and memory, or a faster engine (default 3)")
    search.add_argument("--tactics", metavar=",".join(TACTICS) + "|none",
                        help="sources of convolution kernels that may be tried; fewer take less memory")
    search.add_argument("--no-tf32", action="store_true",
                        help="let no FP32 convolution round to TF32, for comparisons to the last digit")
    search.add_argument("--timing-cache", metavar="FILE", type=Path,
                        help="where kernels' timings are kept (default: ours for this GPU; TensorRT only)")
    search.add_argument("--dla", metavar="CORE", type=int,
                        help="run on this core of an Orin's deep learning accelerator what it can take")
    search.add_argument("--no-cache", action="store_true", help="build anew and keep nothing for the next time")


def run(args: argparse.Namespace) -> int:
    """Build in a process of its own, for libraries crash and builders are killed. Returns the exit code."""
    check(args)
    wishes = {name: str(value) if isinstance(value, Path) else value
              for name, value in vars(args).items() if name != "run"}
    return run_apart("minehat.build_command", wishes, f"the build of {args.model}")


def check(args: argparse.Namespace) -> None:
    """Raise MineHatError, before the minutes that a build takes, for arguments that none can be begun with."""
    for flag in ("out", "card"):
        if getattr(args, flag) == "":
            raise MineHatError(f"--{flag} is empty, as of a variable that is not set. Name a file or leave it away.")
    check_report(args.json, model=args.model, card=args.card)
    _options(args)


def build(wishes: Mapping[str, Any]) -> int:
    """Build here, tell people on stderr and machines in --json. Returns 0; raises MineHatError."""
    args = argparse.Namespace(**wishes)
    try:
        built = engine_from_onnx(args.model, args.out, _options(args), read_card(args.card) if args.card else None)
    except MemoryError as exc:
        raise MineHatError(f"{args.model}: memory ran out. Close other programs, add swap, or give a smaller "
                           "--workspace and --opt-level.") from exc
    say(_table(built))
    write_report(args.json, _report(built))
    return 0


def _options(args: argparse.Namespace) -> BuildOptions:
    return BuildOptions(
        target=args.target, sm=() if args.sm is None else sm_from_text(args.sm),
        batch=None if args.batch is None else batch_from_text(args.batch),
        workspace=None if args.workspace is None else bytes_from_text(args.workspace), opt_level=args.opt_level,
        tactics=None if args.tactics is None else tactics_from_text(args.tactics),
        timing_cache=Path(args.timing_cache) if args.timing_cache else None, tf32=not args.no_tf32, dla=args.dla,
        nms=args.nms, candidates=args.candidates, input=args.input, require=args.require, keep=not args.no_cache)


def _table(built: Built) -> str:
    card = built.card
    how = "fetched, built before in" if built.kept else "built in"
    aims = card.gpu or "sm " + ", ".join(text.replace(".", "") for text in card.compute_capabilities)
    least, best, most = card.batch
    lines = [f"{built.path}  {card.engine_bytes / 1e6:.1f} MB, {how} {card.build_seconds:.1f} s "
             f"with {card.library_title}, for {aims}, batch {least}..{most} (best at {best})"]
    lines += _rows("convolutions", card.precisions.items())
    lines += _rows("all layers", counted(layer.precision for layer in card.layers).items())
    lines += [f"  {line}" for line in told_of_dla(card.dla)]
    lines += [f"note: {note}" for note in _notes(built)]
    return "\n".join(lines)


def _rows(title: str, counts: Iterable[tuple[str, int]]) -> list[str]:
    return [f"  {title if row == 0 else '':14}{precision:24}{count:5}"
            for row, (precision, count) in enumerate(counts)] or [f"  {title:14}not shown by the builder's log"]


def _notes(built: Built) -> list[str]:
    """What a person should know: the model's word against the engine's, and the library's warnings."""
    promised = built.card.model.precision.split("+")[0]
    convolutions, warnings = built.card.convolutions, built.card.warnings
    runs = counted(conv.runs_in for conv in convolutions)
    others = sum(count for name, count in runs.items() if name != promised)
    notes = [f"the card says {built.card.model.precision}, {others} of {len(convolutions)} convolutions "
             f"run otherwise ({', '.join(runs)})"] if others else []
    if warnings:
        more = f" (and {len(warnings) - 1} more; --json holds all)" if len(warnings) > 1 else ""
        notes.append(f"the builder warns: {' '.join(warnings[0].split())[:160]}{more}")
    return notes


def _report(built: Built) -> dict[str, Any]:
    card = json.loads(built.card.to_json())
    return {"engine": str(built.path), "kept": built.kept, "card": card,
            **{key: card.pop(key) for key in ("convolutions", "layers", "warnings")}}


if __name__ == "__main__":
    sys.exit(answer(build))
