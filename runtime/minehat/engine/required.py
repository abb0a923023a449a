"""What a person required of an engine, and whether its layers keep it: --require int8."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import MineHatError
from .differences import NO_INT8_SM
from .layers import UNKNOWN, Convolution, counted
from .options import BuildOptions


def check_required(onnx: Path, options: BuildOptions, convolutions: Sequence[Convolution]) -> None:
    """Raise MineHatError, naming them, where convolutions run otherwise than `options.require`."""
    wanted = options.require
    if wanted is None:
        return
    others = [conv for conv in convolutions if conv.runs_in != wanted]
    if not convolutions or any(conv.runs_in == UNKNOWN for conv in others):
        raise MineHatError(f"--require {wanted} cannot be proven: the builder's log does not show how "
                           f"{', '.join(conv.name for conv in others) or 'any convolution'} runs.")
    if others:
        raise MineHatError(f"--require {wanted}: {len(others)} of {len(convolutions)} convolutions of {onnx} run "
                           f"otherwise: {_named(others, convolutions)}. "
                           + _way_to(wanted, options, mixed=len(others) < len(convolutions)))


def _named(others: Sequence[Convolution], convolutions: Sequence[Convolution]) -> str:
    if len(others) == len(convolutions):
        return "all in " + ", ".join(counted(conv.runs_in for conv in others))
    return ", ".join(f"{conv.name} ({conv.runs_in})" for conv in others)


def _way_to(wanted: str, options: BuildOptions, mixed: bool) -> str:
    if wanted == "int8" and NO_INT8_SM in options.sm:
        return (f"sm_{NO_INT8_SM} has no INT8 there and holds back the others: leave {NO_INT8_SM} out of --sm, and "
                "give a file made by `python calib/quantize.py --precision int8`.")
    if mixed and wanted == "int8":
        return ("Where the gate lifted them, that is the file's own choice (`minehat inspect` shows it): build without "
                "--require. Otherwise quantize it again.")
    return f"Give a file made by `python calib/quantize.py --precision {wanted}`, or build without --require."
