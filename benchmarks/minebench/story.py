"""What a run of the demo left, put into the words and figures of its page."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from minehat.card import read_card
from minehat.engine.card import read_engine_card
from minehat.engine.library import TITLES
from minehat.scenes import CLASSES
from minehat.tables import percent

from .demo import CALIBRATED, Outcome
from .machine import machine
from .page import Figure, Story, size_told
from .shown import shown_clip, shown_pictures

FORMS = {"fp32": "FP32", "fp16": "FP16", "int8": "INT8, TensorRT form", "int8-cpu": "INT8, CPU form"}


def story_of(outcome: Outcome, seconds: float) -> Story:
    """seconds: what the whole run took."""
    latency, accuracy = _told(outcome.latency), _told(outcome.accuracy)
    latency["longest"] = max(model["stages"]["whole"]["p50"] for model in latency["models"])
    latency["frames"] = latency["models"][0]["frames"]
    return Story(date=f"{datetime.datetime.now().astimezone():%d %B %Y, %H:%M}", seconds=seconds, machine=machine(),
                 calibrated_on=outcome.material.calibration_told, labelled_told=outcome.material.labelled_told,
                 conf=read_card(outcome.models.int8_cpu).conf, classes=CLASSES,
                 figures=_figures(outcome, latency, accuracy),
                 clip=shown_clip(outcome.clip, outcome.out / "clip.json", CLASSES,
                                 "A rendered clip of a gallery; in its fullest frame"),
                 pictures=tuple(shown_pictures(outcome.out / "pictures.json", CLASSES)),
                 steps=tuple(outcome.walk.steps), latency=latency, accuracy=accuracy,
                 engines=tuple(_engine(path) for path in outcome.engines), engine_note=_engine_note(outcome),
                 files=_files(outcome), notes=_notes(outcome))


def _told(report: dict[str, Any]) -> dict[str, Any]:
    """The report with a name for people on every model."""
    return {**report, "models": [{**model, "told": FORMS[model["precision"]]} for model in report["models"]]}


def _figures(outcome: Outcome, latency: dict[str, Any], accuracy: dict[str, Any]) -> tuple[Figure, ...]:
    slow, fast = latency["models"]
    full, small = accuracy["models"][0], accuracy["models"][-1]
    lost = 100 * (full["map50"] - small["map50"])
    sizes = [path.stat().st_size for path in (outcome.models.fp32, outcome.models.int8_cpu)]
    where = outcome.material.labelled_told
    return (Figure(percent(small["recall"]["head"]), "%", f"of the bare heads found in INT8 ({where})"),
            Figure(percent(small["map50"]), "mAP50", f"accuracy in INT8, {abs(lost):.1f} points "
                   f"{'below' if lost > 0 else 'above'} FP32"),
            Figure(f"{fast['stages']['whole']['p50']:.1f}", "ms", "a frame on this CPU in INT8, with "
                   f"{slow['cpu_ms']['p50'] / fast['cpu_ms']['p50']:.2f}× less CPU time than FP32"),
            Figure(size_told(sizes[1]).split()[0], size_told(sizes[1]).split()[1],
                   f"the INT8 file, from {size_told(sizes[0])} in FP32"))


def _engine_note(outcome: Outcome) -> str:
    if not outcome.engines:
        return outcome.engine_note
    gpu = read_engine_card(outcome.engines[0]).gpu
    return f"Built on this machine for its {gpu}, but not timed in this run." if gpu else \
        "Compiled ahead of time, with no GPU, for NVIDIA desktop cards. Not run here: that needs such a card."


def _engine(path: Path) -> dict[str, Any]:
    card = read_engine_card(path)
    return {"name": path.name, "tensorrt": f"{TITLES[card.flavour]} {card.tensorrt_version}",
            "capabilities": ", ".join(card.compute_capabilities), "size": size_told(card.engine_bytes),
            "precisions": " · ".join(f"{count} {kind.replace('->', '→')}" for kind, count in card.precisions.items())}


def _files(outcome: Outcome) -> tuple[dict[str, str], ...]:
    models = outcome.models
    known = {models.fp32: "full precision, as trained: what the others are made from and held against",
             models.fp16: "half precision, for GPUs",
             models.int8: "8 bits, for TensorRT on a Jetson or a desktop GPU",
             models.int8_cpu: "8 bits, for ONNX Runtime on a CPU: the one that ran here",
             **dict.fromkeys(outcome.engines, "engine for NVIDIA desktop cards; its card lies beside it as .json"),
             outcome.clip: "the rendered clip", outcome.out / "clip.json": "what was found in it, frame by frame",
             outcome.out / "pictures.json": "what was found in the pictures",
             outcome.out / "latency.json": "every timed frame, for compare.py",
             outcome.out / "accuracy.json": "the scores"}
    return tuple({"name": path.name, "told": told, "size": size_told(path.stat().st_size)}
                 for path, told in known.items() if path.is_file())


def _notes(outcome: Outcome) -> tuple[str, ...]:
    material = outcome.material
    scored = outcome.accuracy["images"]
    notes = ["The shipped weights are for evaluation only. Fine-tune on frames of your own cameras before anybody "
             "relies on an alarm.",
             f"Accuracy is of {scored} pictures ({material.labelled_told}); a difference of a point or two between "
             "models may be chance on so few.",
             "Accuracy of all four files was measured with ONNX Runtime on the CPU; TensorRT rounds otherwise.",
             "Times are of this machine, as busy as it was. The ratio between models holds better than milliseconds.",
             f"INT8 was calibrated on at most {CALIBRATED} pictures to keep this run short. "
             "For a site, give it a few hundred frames of every camera."]
    if not material.real:
        notes.append("No pictures were given, so all of this is on rendered scenes, which say little about a real "
                     "mine. With yours: `make demo DATA=folder`.")
    return tuple(notes)
