"""The head of the page: the verdict, what to be warned of, and what was made from what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from minehat.files import sha256_of

from ..gate.told import points
from ..gate.trial import Trial
from ..job import Job, names_of
from ..running import load_onnxruntime
from .facts import Elsewhere, Outcome

HASH = 12  # characters of a SHA-256 that tell files apart
MOST_NAMED = 8


@dataclass(frozen=True)
class Verdict:
    """The answer in a word."""

    word: str
    kind: str  # good, bad or open
    told: str


def verdict_of(outcome: Outcome) -> Verdict:
    """Passed, refused or not gated."""
    if outcome.refusal:
        return Verdict("Refused", "bad", str(outcome.refusal))
    if outcome.trial is None or outcome.judged is None:
        return Verdict("Not gated", "open", "Nobody has measured what this file loses on labelled pictures. Quantize "
                       "again with --gate DATA before it watches anybody.")
    return Verdict("Passed", "good", _passed(outcome.trial))


def warnings_of(job: Job, outcome: Outcome, elsewhere: Sequence[Elsewhere]) -> list[str]:
    """The gravest first."""
    told = [other.gap.told for other in elsewhere if other.gap.is_wide]
    if job.squares.failed:
        reasons = list(job.squares.failed.values())
        more = f", and {len(reasons) - 1} more" if len(reasons) > 1 else ""
        told.append(f"{len(reasons)} of the calibration pictures passed over: {reasons[0]}{more}")
    lifted = outcome.lowered.placement.lifted if outcome.lowered.placement else ()
    if lifted:
        names = names_of(job)
        more = f" and {len(lifted) - MOST_NAMED} more" if len(lifted) > MOST_NAMED else ""
        told.append(f"Layers lifted from INT8, {len(lifted)} of {len(job.layers())}: "
                    f"{', '.join(names[name] for name in lifted[:MOST_NAMED])}{more}. They run slower.")
    return told


def origin_of(job: Job, outcome: Outcome, out: Path) -> list[tuple[str, str]]:
    """What was made from what, as (what, told)."""
    parent, wish, squares = job.parent, job.wish, job.squares
    form = f", {'TensorRT' if wish.form == 'tensorrt' else 'CPU'} form" if wish.is_int8 else ""
    rows = [("made", "nothing" if outcome.refusal else _file(out)), ("precision", f"{wish.precision}{form}"),
            ("from", _file(parent.path)), ("network", f"{parent.card.name}, {parent.card.size_text}")]
    if wish.is_int8:
        rows.append(("ranges", "as the model was fine-tuned for" if parent.fine_tuned_for else wish.clipping.text))
        rows.append(("channels", "equalised beforehand" if wish.equalise else "as they were"))
    if squares.digests:
        rows.append(("calibrated on", f"{len(squares.digests)} pictures, {squares.sha256[:HASH]}"))
    if outcome.trial:
        exam = outcome.trial.exam
        rows.append(("examined on", f"{exam.name}: {len(exam.truths)} pictures, none of them calibrated on"))
    return [*rows, ("by", f"ONNX Runtime {load_onnxruntime().__version__}")]


def _file(path: Path) -> str:
    return f"{path.name}, {path.stat().st_size / 1e6:.1f} MB, {sha256_of(path)[:HASH]}"


def _passed(trial: Trial) -> str:
    chosen, budget = trial.chosen, trial.budget
    assert chosen is not None
    return (f"On {len(trial.exam.truths)} labelled pictures it loses {points(chosen.loss.map50.drop)} points of mAP50 "
            f"and {points(chosen.loss.recall.drop)} of {budget.watched} recall against FP32; {100 * budget.map50:g} "
            f"and {100 * budget.recall:g} are allowed.")
