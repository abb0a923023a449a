"""The whole way from a checkpoint to boxes, through every room; what it left is told by story.py."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minehat import scenes
from minehat.doors import DONE, SOME_FAILED
from minehat.engine.library import builder_library
from minehat.errors import MineHatError

from .material import Material, material_of, voc_in
from .walk import Walk

STEPS = 11
SCENES, SCENE_SEED, SCENE_SIZE = 32, 1000, (960, 540)
CLIP_SEED, CLIP_SECONDS, CLIP_PEOPLE = 24, 5.0, 4
CALIBRATED, SCORED, TIMED = 96, 200, 60  # pictures, frames: enough for a figure, few enough for two cores


@dataclass(frozen=True)
class Outcome:
    """What a run left in its folder, and its reports as the doors wrote them."""

    out: Path
    material: Material
    walk: Walk
    engines: tuple[Path, ...]
    engine_note: str  # why there is none
    latency: dict[str, Any]
    accuracy: dict[str, Any]

    @property
    def models(self) -> Models:
        return Models(self.out)

    @property
    def clip(self) -> Path:
        return self.out / "clip.mp4"


@dataclass(frozen=True)
class Models:
    """The model's forms, all in one folder."""

    folder: Path

    @property
    def fp32(self) -> Path:
        return self.folder / "helmet-nano.onnx"

    @property
    def fp16(self) -> Path:
        return self.folder / "helmet-nano.fp16.onnx"

    @property
    def int8(self) -> Path:
        return self.folder / "helmet-nano.int8.onnx"

    @property
    def int8_cpu(self) -> Path:
        return self.folder / "helmet-nano.int8-cpu.onnx"


def walk_through(root: Path, checkpoint: Path, data: Path | None, out: Path) -> Outcome:
    """Run every step, files into `out`. root: the project's folder.

    Raises MineHatError naming the step that failed.
    """
    voc_in(data)  # refuses a folder without pictures before anything is done
    walk, models = Walk(root, STEPS), Models(out)
    walk.door("Export", "The trained checkpoint becomes an ONNX file, after ONNX Runtime and torch were seen to agree.",
              "python", "export/to_onnx.py", checkpoint, models.fp32)
    material = walk.here("Render a mine",
                         "Dim galleries with people in them, drawn by the project: every box is known.",
                         lambda: _render(out, data))
    _quantize(walk, models, material)
    engines, note = _engines(walk, models, out)
    _detect(walk, models, material, out)
    latency = _latency(walk, models, out)
    accuracy = _accuracy(walk, models, material, out)
    return Outcome(out, material, walk, engines, note, latency, accuracy)


def _render(out: Path, data: Path | None) -> Material:
    """A clip, and scenes for what `data` does not hold."""
    scenes.write_film(out / "clip.mp4", CLIP_SEED, CLIP_SECONDS, people=CLIP_PEOPLE)
    drawn = out / "scenes"
    if voc_in(data) is None:
        width, height = SCENE_SIZE
        scenes.write_pictures(drawn, SCENES, SCENE_SEED, width=width, height=height)
    return material_of(data, drawn, scenes.CLASSES)


def _quantize(walk: Walk, models: Models, material: Material) -> None:
    sources = [word for source in material.calibration for word in ("--images", source)]
    images = [*sources, "--limit", CALIBRATED]
    door = ["python", "calib/quantize.py", models.fp32]
    fine = (DONE, SOME_FAILED)  # a picture that cannot be read is named and passed over
    walk.door("FP16", "Weights and sums in half precision, for GPUs.",
              *door, "--precision", "fp16", "-o", models.fp16)
    walk.door("INT8 for TensorRT", f"Ranges measured on {material.calibration_told}; placed as TensorRT wants them.",
              *door, *images, "--precision", "int8", "--form", "tensorrt", "-o", models.int8, fine=fine)
    walk.door("INT8 for the CPU", "The same, placed so that ONNX Runtime runs every convolution on integers.",
              *door, *images, "--precision", "int8", "--form", "cpu", "-o", models.int8_cpu, fine=fine)


def _engines(walk: Walk, models: Models, out: Path) -> tuple[tuple[Path, ...], str]:
    """Engines built ahead of time, or the reason why there are none."""
    forms = {"INT8 engine": models.int8, "FP16 engine": models.fp16}
    try:
        library = builder_library("auto")
    except MineHatError as exc:
        for title in forms:
            walk.leave_out(title, str(exc))
        return (), str(exc)
    engines = {title: out / f"{model.stem}.{library.slug}.engine" for title, model in forms.items()}
    for title, engine in engines.items():
        walk.door(title, f"Compiled by {library.title}, and its layers' precisions read back.",
                  "python", "runtime/build_engine.py", forms[title], "-o", engine)
    return tuple(engines.values()), ""


def _detect(walk: Walk, models: Models, material: Material, out: Path) -> None:
    walk.door("Watch a clip", "The INT8 model on the CPU, over the rendered clip.",
              "minehat", "detect", models.int8_cpu, out / "clip.mp4",
              "--json", out / "clip.json", "--draw", out / "drawn-clip")
    walk.door("Look at pictures", "The same on photographs." if material.real else "The same on single scenes.",
              "minehat", "detect", models.int8_cpu, *material.shown,
              "--json", out / "pictures.json", "--draw", out / "drawn-pictures", fine=(DONE, SOME_FAILED))


def _latency(walk: Walk, models: Models, out: Path) -> dict[str, Any]:
    said = walk.door("Time it", "FP32 and INT8 in turns on the same frames.",
                     "python", "benchmarks/latency.py", models.fp32, models.int8_cpu,
                     "--source", out / "clip.mp4", "--frames", TIMED, "--json", out / "latency.json")
    return _last_line(said)


def _accuracy(walk: Walk, models: Models, material: Material, out: Path) -> dict[str, Any]:
    said = walk.door("Score it", f"All four files on the same labelled pictures: {material.labelled_told}.",
                     "python", "benchmarks/accuracy.py", models.fp32, models.fp16, models.int8, models.int8_cpu,
                     "--data", material.labelled, "--limit", SCORED, "--json", out / "accuracy.json")
    return _last_line(said)


def _last_line(said: str) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
    return report
