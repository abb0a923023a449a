"""Which models the detector is given, as the configuration says."""

from __future__ import annotations

from .config.schema import Config, DetectorPart
from .detection.messages import Model


def models_of(config: Config) -> tuple[Model, DetectorPart, Model | None]:
    """The first choice, how its process is run, and the second choice, which runs anywhere, where there is one."""
    part = config.model
    first = Model(str(part.file), str(part.card) if part.card else None, part.backend, part.conf, part.iou)
    fallback = Model(str(part.fallback), backend="ort", conf=part.conf, iou=part.iou) if part.fallback else None
    return first, config.detector, fallback
