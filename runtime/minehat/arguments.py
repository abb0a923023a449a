"""What the doors ask for alike: a help page as it is written, counts, shares, names of JSON files."""

from __future__ import annotations

import argparse
import math
from pathlib import Path


def parser_of(page: str | None) -> argparse.ArgumentParser:
    """A parser whose help begins with the door's docstring, as it is written."""
    return argparse.ArgumentParser(description=page, formatter_class=argparse.RawDescriptionHelpFormatter)


def positive(text: str) -> int:
    """An argument that counts something."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 on, found {text!r}")
    return int(text)


def whole(text: str) -> int:
    """A seed: a whole number from 0 on."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 on, found {text!r}")
    return int(text)


def above_zero(text: str) -> float:
    """A finite number over 0."""
    value = _number(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number over 0, found {text!r}")
    return value


def share(text: str) -> float:
    """A number in 0..1."""
    value = _number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must lie in 0..1, found {text!r}")
    return value


def json_file(text: str) -> Path:
    """A file to write JSON to; its suffix keeps a slip of the hand from replacing a model."""
    if Path(text).suffix.lower() != ".json":
        raise argparse.ArgumentTypeError(f"must end in .json, found {text!r}")
    return Path(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
