"""Which models the detector is given, as the configuration says."""

from __future__ import annotations

from pathlib import Path

from .config.schema import Config, DetectorPart
from .detection.messages import Model


def models_of(config: Config, engine: Path | None = None) -> tuple[Model, DetectorPart, Model | None]:
    """The first choice, how its process is run, and the second choice, which runs anywhere, where there is one.

    engine: one that was built here and stood its trial; the configuration's own model is the second choice then.
    """
    part = config.model
    first = Model(str(part.file), str(part.card) if part.card else None, part.backend, part.conf, part.iou)
    if engine:
        return Model(str(engine), conf=part.conf, iou=part.iou), config.detector, first
    fallback = Model(str(part.fallback), backend="ort", conf=part.conf, iou=part.iou) if part.fallback else None
    return first, config.detector, fallback
