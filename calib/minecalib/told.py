"""What quantize.py tells of the file that it wrote."""

from __future__ import annotations

from pathlib import Path

from .forms.fp16 import GREATEST, check_halves
from .job import Job
from .lowering import Lowered
from .ranges import Seen
from .written import Made


def file_told(out: Path, job: Job, lowered: Lowered, made: Made) -> str:
    """A line for each thing that is known of the new file."""
    wish, squares, parent = job.wish, job.squares, job.parent
    remark = "" if lowered.judged is lowered.model or not lowered.casts else \
        ", before the FP16 pass (ONNX Runtime < 1.30 misrounds FP16)"
    rows = [("file", f"{out}, {wish.name}"), ("size", f"{parent.size / 1e6:.1f} -> {made.bytes_after / 1e6:.1f} MB"),
            ("pictures", f"{len(squares.digests)} used, {len(squares.failed)} passed over"),
            ("ranges", _ranges(job)),
            ("Q / DQ / casts", f"{made.pairs} / {made.dequantizers} / {lowered.casts}"),
            *(("left in float", f"{count} {kind}: {why}") for kind, count, why in lowered.floats),
            ("decode", f"{lowered.decode} nodes, FP32")]
    if "fp16" in wish.precision:
        rows.append(("FP16", _headroom(job.seen)))
    rows.append(("against FP32", f"boxes {made.drift.boxes:.3f} px, scores {made.drift.scores:.1e}, score SQNR "
                                 f"{made.drift.sqnr:.1f} dB over {made.drift.pictures} pictures{remark}"))
    return "\n".join(f"{name:<15} {text}" for name, text in rows)


def _ranges(job: Job) -> str:
    if not job.wish.is_int8:
        return "none needed"
    if job.parent.fine_tuned_for:
        return "as the model was fine-tuned for"
    assert job.seen is not None
    kept = f", kept in {job.kept}" if job.kept else ""
    return f"{job.wish.clipping.text} of {len(job.seen.histograms)} tensors{kept}"


def _headroom(seen: Seen | None) -> str:
    if seen is None:
        return "not checked for overflow on pictures: give `--images`"
    name, greatest = check_halves(seen.histograms)
    return f"the largest activation is {greatest:g} of {GREATEST:g} ({name})"
