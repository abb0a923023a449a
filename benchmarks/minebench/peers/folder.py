"""The folder of the peers' files, and what ONNX Runtime adds to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from minehat.card import read_card
from minehat.errors import MineHatError, missing

from .our_grids import grids_of
from .squares import squares_in, write_squares


def peers_of(models: Sequence[Path], folder: Path, images: Sequence[Path], limit: int | None) -> list[Path]:
    """The INT8 files of others in the folder, those of ONNX Runtime that are wanting made first.

    models: the FP32 one, then ours. images: what becomes the squares that all calibrate on, where the folder has none
    yet; a folder without squares is taken as it is. Raises MineHatError where there is no file of others, or the first
    model is not FP32.
    """
    card = read_card(models[0])
    if card.precision != "fp32":
        raise MineHatError(f"{models[0]} is {card.precision} by its card. With --peers the first MODEL is the FP32 "
                           "one.")
    squares = folder / "squares"
    if images:
        write_squares(images, card, limit, squares)
    if squares.is_dir():
        _make_by_onnxruntime(models, squares_in(squares), folder)
    peers = sorted(path for path in folder.glob("*.onnx") if not path.name.startswith("."))
    if not peers:
        raise MineHatError(f"{folder} holds no INT8 file of others. Make some there: `--images FOLDER`.")
    return peers


def _make_by_onnxruntime(models: Sequence[Path], squares: Sequence[Path], folder: Path) -> None:
    try:
        from .ort import SETTINGS, Setting, make
    except ModuleNotFoundError as exc:
        raise missing(f"{exc.name}", "make ONNX Runtime's INT8 files", "`pip install onnx onnxruntime`.") from exc
    ours = [path for path in models if read_card(path).precision in ("int8", "int8-cpu")]
    with_our_ranges = [Setting(told[0], "minmax", told[1], path.stem) for path in ours if (told := grids_of(path))]
    for setting in (*SETTINGS, *with_our_ranges):
        make(models[0], squares, setting, folder)
