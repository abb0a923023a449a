"""What the doors of this room ask for alike: a help page, numbers from 1 on, names for models."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def parser_of(page: str | None) -> argparse.ArgumentParser:
    """A parser whose help begins with the door's docstring, as it is written."""
    return argparse.ArgumentParser(description=page, formatter_class=argparse.RawDescriptionHelpFormatter)


def names_of(models: Sequence[Path]) -> list[str]:
    """What to call each model: its file name, or its whole path where two files share the name."""
    names = [model.name for model in models]
    return [name if names.count(name) == 1 else str(model) for name, model in zip(names, models, strict=True)]


def positive(text: str) -> int:
    """An argument that counts something."""
    try:
        count = int(text)
    except ValueError:
        count = 0
    if count < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 on, found {text!r}")
    return count
