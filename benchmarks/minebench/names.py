"""What to call models in tables and reports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def names_of(models: Sequence[Path]) -> list[str]:
    """What to call each model: its file name, or its whole path where two files share the name."""
    names = [model.name for model in models]
    return [name if names.count(name) == 1 else str(model) for name, model in zip(names, models, strict=True)]
